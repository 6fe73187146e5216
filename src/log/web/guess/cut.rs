//! A line of an unknown format, cut into values and what stands between them.

use std::net::IpAddr;

use super::super::super::stamp;

/// A value, and what stands before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) before: &'a str,
    pub(super) value: &'a str,
    /// `status` of `status=200` and of `"status":200`.
    pub(super) key: Option<&'a str>,
    pub(super) is_quoted: bool,
}

/// A line cut up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Row<'a> {
    pub(super) tokens: Vec<Token<'a>>,
    /// Behind the last value.
    pub(super) after: &'a str,
}

impl Row<'_> {
    /// Whether it is of the same layout as another line.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let between = |row: &Self| {
            row.tokens
                .iter()
                .map(|token| token.before)
                .eq(other.tokens.iter().map(|token| token.before))
        };
        self.after == other.after && between(self)
    }
}

/// What stands between the values of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Separator {
    Character(char),
    /// An object of JSON.
    Json,
}

impl Separator {
    /// The one that a line seems to have.
    pub(super) fn of(line: &str) -> Self {
        /// Fewer are part of values.
        const MANY: usize = 4;
        if line.starts_with('{') && line.ends_with('}') && line.contains("\":") {
            return Self::Json;
        }
        let count = |character| line.matches(character).count();
        let blanks = count(' ');
        let often = |character: &char| {
            let times = count(*character);
            times >= MANY && (times > blanks || matches!(character, '\t' | '|'))
        };
        let found = ['\t', '|', ';', ','].into_iter().find(often);
        Self::Character(found.unwrap_or(' '))
    }
}

/// Cuts a line; `None` where a quote is never closed.
pub(super) fn cut(line: &str, separator: Separator) -> Option<Row<'_>> {
    let mut cutter = Cutter {
        line,
        literal: 0,
        key: None,
        row: Row::default(),
    };
    match separator {
        Separator::Json => cutter.json()?,
        Separator::Character(separator) => cutter.plain(separator)?,
    }
    let mut row = cutter.row;
    row.after = line.get(cutter.literal..)?;
    Some(row)
}

struct Cutter<'a> {
    line: &'a str,
    /// Where what stands before the next value begins.
    literal: usize,
    key: Option<&'a str>,
    row: Row<'a>,
}

impl<'a> Cutter<'a> {
    fn rest(&self, at: usize) -> Option<&'a str> {
        self.line.get(at..)
    }

    fn push(&mut self, from: usize, to: usize) -> Option<()> {
        let before = self.line.get(self.literal..from)?;
        self.row.tokens.push(Token {
            before,
            value: self.line.get(from..to)?,
            key: self.key.take(),
            is_quoted: before.ends_with('"'),
        });
        self.literal = to;
        Some(())
    }

    /// Strings that stand before a colon are names, all other strings, numbers and words are values.
    fn json(&mut self) -> Option<()> {
        let mut at = 0;
        while let Some(first) = self.rest(at)?.chars().next() {
            let is_word = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
            if first == '"' {
                let end = at + 1 + closing_quote(self.rest(at + 1)?)?;
                if self.rest(end + 1)?.trim_start().starts_with(':') {
                    self.key = self.line.get(at + 1..end);
                } else {
                    self.push(at + 1, end)?;
                }
                at = end + 1;
            } else if is_word(first) {
                let rest = self.rest(at)?;
                let end = at + rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                self.push(at, end)?;
                at = end;
            } else {
                at += first.len_utf8();
            }
        }
        Some(())
    }

    fn plain(&mut self, separator: char) -> Option<()> {
        let mut at = 0;
        while let Some(first) = self.rest(at)?.chars().next() {
            let closing = match first {
                '"' => Some(closing_quote(self.rest(at + 1)?)?),
                '[' => self.rest(at + 1)?.find(']'),
                '{' => self.rest(at + 1)?.find('}'),
                _ => None,
            };
            let next = self.rest(at + first.len_utf8())?;
            let ends = matches!(first, ',' | ';') && (next.is_empty() || next.starts_with(' '));
            if first == separator || first == ' ' || ends {
                at += first.len_utf8();
            } else if let Some(length) = closing {
                let end = at + 1 + length;
                self.push(at + 1, end)?;
                at = end + 1;
            } else if let Some(name) = self.name(at).filter(|_| self.key.is_none()) {
                self.key = Some(name);
                at += name.len() + 1;
            } else {
                let end = at + word(self.rest(at)?, separator);
                self.push(at, end)?;
                at = end.max(at + 1);
            }
        }
        Some(())
    }

    /// `status` of `status=200` or `status:200`.
    fn name(&self, at: usize) -> Option<&'a str> {
        let rest = self.rest(at)?;
        let is_part = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        let end = rest.find(|c| !is_part(c))?;
        let (name, behind) = rest.split_at_checked(end)?;
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic());
        let is_value =
            behind.starts_with('=') || behind.starts_with(':') && !behind.starts_with("://");
        (is_name && is_value && name.parse::<IpAddr>().is_err()).then_some(name)
    }
}

/// Where the quote is that closes a text.
fn closing_quote(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    text.bytes().position(|byte| {
        let closes = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        closes
    })
}

/// Length of a value that is not in quotes.
fn word(text: &str, separator: char) -> usize {
    let timed = stamp::common(text).or_else(|| stamp::iso(text));
    if let Some(timed) = timed {
        return text.len() - timed.rest.len();
    }
    if separator != ' ' {
        let end = text.find(separator).unwrap_or(text.len());
        return text.get(..end).map_or(end, |value| value.trim_end().len());
    }
    let mut end = 0;
    // `0.001, 0.002 : 0.1` of several servers behind a proxy.
    for part in text.split_inclusive(' ') {
        let one = part.trim_end();
        let rest = text.get(end + part.len()..).unwrap_or_default();
        let next = rest.split(' ').next().unwrap_or_default();
        let next = next.strip_suffix(',').unwrap_or(next);
        let more = one.strip_suffix(',').is_some_and(is_of_list) && is_of_list(next)
            || end > 0 && one == ":";
        let goes_on = more || is_of_list(one) && rest.starts_with(": ");
        if !goes_on {
            return end + one.trim_end_matches([',', ';']).len().max(1);
        }
        end += part.len();
    }
    text.trim_end().len()
}

fn is_of_list(text: &str) -> bool {
    text == "-"
        || text.parse::<f64>().is_ok()
        || text.parse::<IpAddr>().is_ok()
        || text.parse::<std::net::SocketAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(line: &str) -> Vec<&str> {
        let row = cut(line, Separator::of(line)).unwrap();
        let tokens = row.tokens.iter();
        let parts = tokens.flat_map(|token| [token.before, token.value]);
        let whole: String = parts.collect();
        assert_eq!(whole + row.after, line, "nothing is lost");
        row.tokens.iter().map(|token| token.value).collect()
    }

    #[test]
    fn values_of_every_layout() {
        assert_eq!(
            values(
                r#"192.0.2.10 [24/Nov/2026:03:50:25 +0000] "GET /a\"b HTTP/1.1" 200 rt=0.1 up="-" 0.1, 0.2 : 0.3 x"#
            ),
            [
                "192.0.2.10",
                "24/Nov/2026:03:50:25 +0000",
                r#"GET /a\"b HTTP/1.1"#,
                "200",
                "0.1",
                "-",
                "0.1, 0.2 : 0.3",
                "x"
            ]
        );
        assert_eq!(
            values(r#"{"t":"2026-11-24T03:50:25+00:00", "s":200,"n":{"u":null},"a":"x:y"}"#),
            ["2026-11-24T03:50:25+00:00", "200", "null", "x:y"]
        );
        assert_eq!(
            values("24/Nov/2026:03:50:25 +0000 | 192.0.2.10 | GET / HTTP/1.1 | 200 | http://x/"),
            [
                "24/Nov/2026:03:50:25 +0000",
                "192.0.2.10",
                "GET / HTTP/1.1",
                "200",
                "http://x/"
            ]
        );
        assert_eq!(values("a\tb c\t\td\te"), ["a", "b c", "d", "e"]);
        assert_eq!(cut("\"open", Separator::Character(' ')), None);
    }

    #[test]
    fn names_are_no_values() {
        let line = "client=192.0.2.10, status:200; 2001:db8::1";
        let row = cut(line, Separator::Character(' ')).unwrap();
        let told: Vec<_> = row
            .tokens
            .iter()
            .map(|token| (token.key, token.value))
            .collect();
        assert_eq!(
            told,
            [
                (Some("client"), "192.0.2.10"),
                (Some("status"), "200"),
                (None, "2001:db8::1")
            ]
        );
    }
}
