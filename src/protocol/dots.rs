//! The line with a lone dot that ends a text of many lines (RFC 5321 §4.1.1.4, RFC 1939 §3, RFC 3977 §3.1.1),
//! found right across segment borders without keeping the text.

use memchr::memchr2;

/// Which line ends count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Endings {
    /// Only CRLF, as the RFCs want it: a dot between bare LFs is text.
    #[default]
    Strict,
    /// Bare LF too, for a peer that ends all its lines so.
    Lenient,
}

/// Looks for the lone dot in a stream.
#[derive(Clone, Debug, Default)]
pub(super) struct DotSearch {
    at: At,
    endings: Endings,
    odd: Odd,
}

/// Whether a lone dot with wrong line ends was met; some servers take it for the end, some do not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Odd {
    /// No such dot.
    #[default]
    Never,
    /// Somewhere in the text.
    Inside,
    /// It is the last that came.
    Last,
}

/// Where in a line the search stands; `crlf` tells how the line before ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Inside,
    /// Behind a CR, which ends the line only with an LF.
    Cr,
    /// Behind a bare CR and a dot.
    CrDot,
    LineStart {
        crlf: bool,
    },
    Dot {
        crlf: bool,
    },
    DotCr {
        crlf: bool,
    },
}

impl Default for At {
    fn default() -> Self {
        Self::LineStart { crlf: true }
    }
}

impl DotSearch {
    /// A search at the start of a line.
    pub(super) fn new(endings: Endings) -> Self {
        Self {
            endings,
            ..Self::default()
        }
    }

    /// Whether a dot with wrong line ends was met.
    pub(super) fn odd(&self) -> Odd {
        self.odd
    }

    /// A hole comes next. What follows it is taken for the start of a line, because segments end with lines
    /// more often than they end just before a dot.
    pub(super) fn hole(&mut self) {
        self.at = At::default();
    }

    /// Octets of `bytes` up to and with the end of the text; `None`: all of them belong to it.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut done = 0;
        loop {
            let rest = bytes.get(done..).filter(|rest| !rest.is_empty())?;
            if self.at == At::Inside {
                done += self.pass_line(rest);
                continue;
            }
            let &byte = rest.first()?;
            done += 1;
            if self.step(byte) {
                return Some(done);
            }
        }
    }

    /// Passes over a line up to its next CR or LF, which cannot hold the end; gives the octets passed.
    fn pass_line(&mut self, rest: &[u8]) -> usize {
        if self.odd == Odd::Last {
            self.odd = Odd::Inside;
        }
        let end = memchr2(b'\r', b'\n', rest);
        let byte = end.and_then(|at| rest.get(at));
        self.at = match byte {
            Some(b'\r') => At::Cr,
            Some(_) => At::LineStart { crlf: false },
            None => At::Inside,
        };
        end.map_or(rest.len(), |at| at + 1)
    }

    /// Takes a byte near the start of a line; tells whether the text ends with it.
    fn step(&mut self, byte: u8) -> bool {
        let crlf_and_cr = match self.at {
            At::Dot { crlf } => Some((crlf, false)),
            At::DotCr { crlf } => Some((crlf, true)),
            _ => None,
        };
        if let (b'\n', Some((crlf, cr))) = (byte, crlf_and_cr) {
            self.at = At::LineStart { crlf: cr };
            if (crlf && cr) || self.endings == Endings::Lenient {
                return true;
            }
            self.odd = Odd::Last;
            return false;
        }
        // A dot between CRs, or between CRLF and a bare CR, is a lone one for a server that takes CR for a line end.
        let between_crs = self.at == At::CrDot && matches!(byte, b'\r' | b'\n');
        if self.odd == Odd::Last || between_crs || matches!(self.at, At::DotCr { .. }) {
            self.odd = Odd::Inside;
        }
        self.at = match (self.at, byte) {
            (At::LineStart { crlf }, b'.') => At::Dot { crlf },
            (At::Dot { crlf }, b'\r') => At::DotCr { crlf },
            (At::Cr, b'\n') => At::LineStart { crlf: true },
            (At::LineStart { .. } | At::CrDot, b'\n') => At::LineStart { crlf: false },
            (At::Cr | At::DotCr { .. }, b'.') => At::CrDot,
            (_, b'\r') => At::Cr,
            _ => At::Inside,
        };
        false
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn end(endings: Endings, text: &[u8]) -> Option<usize> {
        DotSearch::new(endings).feed(text)
    }

    #[test]
    fn a_dot_before_a_bare_cr_is_odd() {
        let odd = |text: &[u8]| {
            let mut search = DotSearch::new(Endings::Strict);
            search.feed(text);
            search.odd()
        };
        assert_eq!(odd(b"a\r\n.\rMAIL FROM:<x>\r\n"), Odd::Inside);
        assert_eq!(odd(b"a\r.\rMAIL FROM:<x>\r\n"), Odd::Inside);
        assert_eq!(odd(b"a\r.\nMAIL FROM:<x>\r\n"), Odd::Inside);
        assert_eq!(odd(b"a\r.b\rc\r..\r\n"), Odd::Never);
        assert_eq!(odd(b"a\r\n.b\rc\r\n..\r\n"), Odd::Never);
    }

    #[test]
    fn only_a_lone_dot_between_crlfs_ends_the_text() {
        assert_eq!(end(Endings::Strict, b"a\r\n.\r\nQUIT\r\n"), Some(6));
        assert_eq!(end(Endings::Strict, b".\r\n"), Some(3));
        assert_eq!(
            end(
                Endings::Strict,
                b"a\r\n..\r\n.b\r\n.\n.\r.\r\nb.\r\n\n.\r\n\r\n.\r"
            ),
            None
        );
        assert_eq!(end(Endings::Strict, b"\r\r\n.\r\n"), Some(6));
        assert_eq!(end(Endings::Lenient, b"a\n.\nb"), Some(4));
    }

    #[test]
    fn a_dot_between_bare_line_feeds_is_remembered() {
        let mut search = DotSearch::new(Endings::Strict);
        assert_eq!(search.feed(b"hello\n.\r\n"), None);
        assert_eq!(search.odd(), Odd::Last);
        assert_eq!(search.feed(b"MAIL FROM:<>\r\n"), None);
        assert_eq!(search.odd(), Odd::Inside);
    }

    proptest! {
        #[test]
        fn borders_of_segments_do_not_matter(
            text in proptest::collection::vec(proptest::sample::select(b"\r\n.a".to_vec()), 0..40),
            cuts in proptest::collection::vec(0usize..40, 0..4),
        ) {
            let mut search = DotSearch::new(Endings::Strict);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let mut found = None;
            for pair in cuts.windows(2) {
                if let Some(n) = search.feed(&text[pair[0]..pair[1]]) {
                    found = Some(pair[0] + n);
                    break;
                }
            }
            let plain = if text.starts_with(b".\r\n") {
                Some(3)
            } else {
                text.windows(5).position(|w| w == b"\r\n.\r\n").map(|at| at + 5)
            };
            prop_assert_eq!(found, plain);
        }
    }
}
