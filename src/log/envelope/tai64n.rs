//! TAI64N labels, as `multilog t` and `svlogd -t` put in front of each line: `@4000000065a1b2c3075bcd15 …`.
//!
//! 16 hexadecimal digits count seconds from 2^62 at the beginning of 1970, and 8 are nanoseconds. These programs take TAI to be ten seconds ahead
//! of UTC, as it was in 1970, and know no leap seconds; a clock that is set by them (s6 with its table) is ahead by their number, which the
//! alignment finds as it finds any offset.

use crate::model::LogTime;

use super::{Around, Content, Entry, Envelope};

/// Row of the list.
pub(super) const ENTRY: Entry = Entry {
    about: Around {
        name: "tai64n",
        about: "TAI64N labels of multilog and svlogd",
    },
    fits: |line| read(line).is_some(),
    open: || Box::new(Tai64n),
};

/// Octets of a label without its `@`.
const LENGTH: usize = 24;
/// The label of the first second of 1970.
const EPOCH: u64 = (1 << 62) + 10;

/// The label is written as a stamp that all formats know, and as the row for such stamps takes off where a line has a time of its own.
struct Tai64n;

impl Envelope for Tai64n {
    fn open(&mut self, line: &[u8], out: &mut Vec<u8>) -> Content {
        let Some((at, text)) = read(line) else {
            return Content::Unopened;
        };
        out.extend_from_slice(at.to_rfc3339().as_bytes());
        out.push(b' ');
        out.extend_from_slice(text);
        Content::Line
    }
}

fn read(line: &[u8]) -> Option<(LogTime, &[u8])> {
    let (label, text) = line.strip_prefix(b"@")?.split_at_checked(LENGTH)?;
    let label = str::from_utf8(label).ok()?;
    let is_hex = label.bytes().all(|digit| digit.is_ascii_hexdigit());
    let (seconds, nanos) = label.split_at_checked(16).filter(|_| is_hex)?;
    let seconds = u64::from_str_radix(seconds, 16).ok()?.checked_sub(EPOCH)?;
    let nanos = i64::from_str_radix(nanos, 16).ok()?;
    // Of a second there are a milliard, and no log is of the year 2262.
    let seconds = i64::try_from(seconds).ok().filter(|at| *at < 1 << 33)?;
    let text = text.strip_prefix(b" ").filter(|_| nanos < 1_000_000_000)?;
    Some((LogTime::new(seconds, nanos), text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(line: &str) -> Option<String> {
        let mut out = Vec::new();
        let content = Tai64n.open(line.as_bytes(), &mut out);
        (content == Content::Line).then(|| String::from_utf8(out).unwrap())
    }

    #[test]
    fn labels_become_stamps() {
        // The example of tai64nlocal's manual, of a clock that counted the 22 leap seconds until then: 04:03:43 in UTC.
        let told = opened("@4000000037c219bf2ef02e94 tcpserver: status: 0/40");
        assert_eq!(
            told.as_deref(),
            Some("1999-08-24T04:04:05.787492500Z tcpserver: status: 0/40")
        );
        for line in [
            "@4000000037c219bf2ef02e94",
            "@4000000037c219bfffffffff x",
            "@zzzzzzzz37c219bf2ef02e94 x",
            "@0000000037c219bf2ef02e94 x",
            "@7fffffffffffffff00000000 x",
            "x",
        ] {
            assert_eq!(opened(line), None, "{line}");
        }
    }
}
