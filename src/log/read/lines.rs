//! Bytes become lines, however they are cut.

use memchr::memchr;

use super::super::MAX_LINE;
use super::disk_full;

/// Octets looked at for the kind of line end.
const LOOKED_AT: usize = 64 << 10;

/// What ends a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum LineEnd {
    /// CR alone, as old Macintosh programs write it.
    Return,
    /// LF, or CR LF.
    #[default]
    Feed,
}

impl LineEnd {
    /// The one that a log has which begins with `bytes`.
    pub(super) fn of(bytes: &[u8]) -> Self {
        let head = bytes.get(..LOOKED_AT).unwrap_or(bytes);
        match (memchr(b'\n', head), memchr(b'\r', head)) {
            (None, Some(_)) => Self::Return,
            _ => Self::Feed,
        }
    }

    /// Where the first line of `bytes` ends.
    pub(super) fn find(self, bytes: &[u8]) -> Option<usize> {
        memchr(self.octet(), bytes)
    }

    const fn octet(self) -> u8 {
        match self {
            Self::Return => b'\r',
            Self::Feed => b'\n',
        }
    }
}

/// Cuts bytes into lines; the beginning of a line whose end has not come is kept for the next bytes.
#[derive(Debug, Default)]
pub(super) struct Splitter {
    end: LineEnd,
    begun: Vec<u8>,
    /// Octets of the begun line that were too many to keep.
    beyond: u64,
}

/// A line as it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found<'a> {
    /// Without its end and without NULs around it; at most [`MAX_LINE`] octets and one.
    pub(super) bytes: &'a [u8],
    /// Octets that were too many to keep.
    pub(super) beyond: u64,
    /// A program says in it that its disk is full.
    pub(super) is_disk_full: bool,
}

impl Splitter {
    pub(super) fn new(end: LineEnd) -> Self {
        Self {
            end,
            ..Self::default()
        }
    }

    /// What ends its lines.
    pub(super) const fn end(&self) -> LineEnd {
        self.end
    }

    /// Gives the lines that `bytes` complete.
    pub(super) fn take(&mut self, bytes: &[u8], each: &mut dyn FnMut(Found<'_>)) {
        let mut rest = bytes;
        if self.is_begun() {
            let Some((tail, behind)) = self.cut(rest) else {
                self.keep(rest);
                return;
            };
            self.keep(tail);
            self.flush(each);
            rest = behind;
        }
        while let Some((line, behind)) = self.cut(rest) {
            each(found(line, true));
            rest = behind;
        }
        self.keep(rest);
    }

    /// Gives the last line, whose end never came.
    pub(super) fn flush(&mut self, each: &mut dyn FnMut(Found<'_>)) {
        if !self.is_begun() {
            return;
        }
        let line = found(&self.begun, true);
        each(Found {
            beyond: line.beyond.saturating_add(self.beyond),
            ..line
        });
        self.begun.clear();
        self.beyond = 0;
    }

    const fn is_begun(&self) -> bool {
        !self.begun.is_empty()
    }

    fn cut<'a>(&self, bytes: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        let at = self.end.find(bytes)?;
        Some((bytes.get(..at)?, bytes.get(at + 1..)?))
    }

    /// Keeps a part of a line; NULs in front, which a truncated file may have by the gigabyte, are none.
    fn keep(&mut self, part: &[u8]) {
        let part = if self.begun.is_empty() {
            part.trim_start_nul()
        } else {
            part
        };
        // One octet and a CR more than a line may have tells that it is longer.
        let room = (MAX_LINE + 2).saturating_sub(self.begun.len());
        let kept = part.get(..room).unwrap_or(part);
        self.begun.extend_from_slice(kept);
        self.beyond += u64::try_from(part.len() - kept.len()).unwrap_or(u64::MAX);
    }
}

/// A line that is whole, and which `may` say that a disk is full.
pub(super) fn found(line: &[u8], may_be_full: bool) -> Found<'_> {
    let line = line.strip_suffix(b"\r").unwrap_or(line).without_nul();
    let kept = line.get(..=MAX_LINE).unwrap_or(line);
    Found {
        bytes: kept,
        is_disk_full: may_be_full && disk_full::says_so(kept),
        beyond: u64::try_from(line.len() - kept.len()).unwrap_or(u64::MAX),
    }
}

/// Runs of NUL, which a server leaves at the end of a file that it has reserved, and a truncated file at the begin, are no text.
trait WithoutNul {
    fn trim_start_nul(&self) -> &Self;
    fn without_nul(&self) -> &Self;
}

impl WithoutNul for [u8] {
    fn trim_start_nul(&self) -> &Self {
        if self.first() != Some(&0) {
            return self;
        }
        let start = self.iter().take_while(|&&byte| byte == 0).count();
        self.get(start..).unwrap_or_default()
    }

    fn without_nul(&self) -> &Self {
        let line = self.trim_start_nul();
        let end = line.iter().rev().take_while(|&&byte| byte == 0).count();
        line.get(..line.len().saturating_sub(end))
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(parts: &[&[u8]]) -> Vec<(Vec<u8>, u64)> {
        let mut out = Vec::new();
        let mut splitter = Splitter::new(LineEnd::of(&parts.concat()));
        let mut each = |line: Found<'_>| out.push((line.bytes.to_vec(), line.beyond));
        for part in parts {
            splitter.take(part, &mut each);
        }
        splitter.flush(&mut each);
        out
    }

    fn texts(parts: &[&[u8]]) -> Vec<String> {
        lines(parts)
            .into_iter()
            .map(|(line, _)| String::from_utf8(line).unwrap())
            .collect()
    }

    #[test]
    fn ends_of_every_kind_and_nuls_are_no_text() {
        assert_eq!(texts(&[b"a\r\nb\nc"]), ["a", "b", "c"]);
        assert_eq!(texts(&[b"a\rb\rc"]), ["a", "b", "c"], "CR alone");
        assert_eq!(texts(&[b"a\rb\nc\n"]), ["a\rb", "c"], "CR inside a line");
        assert_eq!(texts(&[b"\0\0\0a\n\0\0"]), ["a"], "reserved and truncated");
        assert_eq!(
            texts(&[b"a\n\nb\n"]),
            ["a", "", "b"],
            "empty lines are counted"
        );
    }

    #[test]
    fn a_long_line_is_bounded_and_its_rest_counted() {
        let long = vec![b'x'; MAX_LINE + 10];
        let whole = [&long, b"\nb\n".as_slice()].concat();
        let of_one = lines(&[&whole]);
        assert_eq!((of_one[0].0.len(), of_one[0].1), (MAX_LINE + 1, 9));
        assert_eq!(of_one[1].0, b"b");
        let of_many: Vec<&[u8]> = whole.chunks(60_000).collect();
        assert_eq!(lines(&of_many), of_one);
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same_lines(bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(0u8), any::<u8>()], 0..200), at in 0usize..200) {
            prop_assume!(bytes.contains(&b'\n'));
            let (one, two) = bytes.split_at(at.min(bytes.len()));
            let whole: Vec<_> = lines(&[&bytes]).into_iter().filter(|(line, _)| !line.is_empty()).collect();
            let cut: Vec<_> = lines(&[one, two]).into_iter().filter(|(line, _)| !line.is_empty()).collect();
            prop_assert_eq!(whole, cut);
        }
    }
}
