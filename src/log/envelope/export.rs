//! The journal of systemd in its export format (`journalctl -o export`): blocks of fields, an empty line after each.

use memchr::memchr;

use super::Around;
use super::journal::JournalEntry;

/// What it is, for a person.
pub(super) const ABOUT: Around = Around {
    name: "journal-export",
    about: "systemd's journal by journalctl -o export",
};

/// Octets of a field that are read; what is longer is no line of a log.
const MAX_FIELD: u64 = 16 << 20;

/// An export as lines of a syslog file, each on the line where its entry begins; `None` when it is none.
///
/// The lines keep their numbers: those that a longer entry leaves over are empty.
pub(in crate::log) fn as_lines(bytes: &[u8]) -> Option<Vec<u8>> {
    if !bytes.starts_with(b"__CURSOR=") && !bytes.starts_with(b"__REALTIME_TIMESTAMP=") {
        return None;
    }
    let mut out = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let before = rest;
        let mut entry = JournalEntry::default();
        while let Some(behind) = field(rest, &mut entry) {
            rest = behind;
        }
        rest = rest.strip_prefix(b"\n").unwrap_or_default();
        let read = before.get(..before.len() - rest.len()).unwrap_or(before);
        // Without a time there is no line, but its number is kept.
        entry.write(&mut out).unwrap_or_default();
        let lines = memchr::memchr_iter(b'\n', read).count();
        out.extend(std::iter::repeat_n(b'\n', lines.max(1)));
    }
    Some(out)
}

/// Takes the next field of an entry; gives what is behind it, `None` at the entry's end.
fn field<'a>(bytes: &'a [u8], entry: &mut JournalEntry) -> Option<&'a [u8]> {
    let end = memchr(b'\n', bytes).unwrap_or(bytes.len());
    let line = bytes.get(..end).filter(|line| !line.is_empty())?;
    let behind = bytes.get(end + 1..).unwrap_or_default();
    if let Some(at) = memchr(b'=', line) {
        let (name, value) = line.split_at(at);
        entry.put(name, value.get(1..).unwrap_or_default());
        return Some(behind);
    }
    // A value that may hold anything: its length in eight octets, and an end of line behind it.
    let (length, behind) = behind.split_first_chunk()?;
    let length = u64::from_le_bytes(*length);
    if length > MAX_FIELD {
        return None;
    }
    let (value, behind) = behind.split_at_checked(usize::try_from(length).ok()?)?;
    entry.put(line, value);
    Some(behind.strip_prefix(b"\n").unwrap_or(behind))
}
