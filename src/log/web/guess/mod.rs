//! Access logs in a format that nobody gives: what the fields are is told from the lines.
//!
//! Lines of one layout are cut into columns ([`cut`]), and a column is taken for something only where it can be that on every line ([`column`]).
//! What comes of it is a `log_format` in nginx's words, by which the lines are read as if it had been given, and which the user is shown. No
//! format that is known is ever read so: this one is asked only when no other fits.

mod column;
mod cut;
mod kind;
mod octets;

use crate::model::{ClockStep, LogSession, Marks, Shown, Shows, Zone, as_text};

use super::super::registry::is_known;
use super::super::{Builder, Due, Entry, Head, Line, Parsed, Sureness};
use super::Custom;
use super::pattern::nginx::escaped;
use column::{Column, Columns};
use cut::{Row, Separator, cut};

/// Row of the registry.
pub(in crate::log) const ENTRY: Entry = Entry {
    name: "web-guess",
    about: "access log of a web server in a format that is not known, by its lines",
    shows: Shows {
        client_port: Shown::With("the port behind the client's address"),
        step: ClockStep::Varies,
        marks: Marks::BeginOrEnd,
        octets: Shown::Partly("of replies or of their bodies"),
        commands: Shown::Always,
        replies: Shown::Partly("the code"),
        tls: Shown::With("the version of TLS"),
        ..Shows::NOTHING
    },
    probe,
    open: |id, head| {
        let guess = Guess::of(head);
        Box::new(Guessed {
            remark: guess
                .as_ref()
                .map_or_else(|| NO_GUESS.to_owned(), Guess::remark),
            reader: guess.map(|guess| guess.format.open(id)),
        })
    },
};

/// Fewer lines, or a smaller share of them of one layout, tell nothing. In thousandths.
const LINES: usize = 4;
const ALIKE: usize = 800;
/// How sure a guess is at most, in thousandths: less than any format that is known.
const AT_MOST: u32 = 600;

const NO_GUESS: &str = "what its fields are cannot be told from its lines: no time and request were found that all lines have; \
                        give the format: --log-format 'NAME=FORMAT' -l NAME:LOG";

fn probe(head: &Head<'_>) -> Sureness {
    if is_known(head) {
        return Sureness(0);
    }
    guessed(head)
}

/// How surely lines of no known format are an access log.
pub(in crate::log) fn guessed(head: &Head<'_>) -> Sureness {
    let Some(guess) = Guess::of(head) else {
        return Sureness(0);
    };
    let share = u32::from(guess.format.probe(head).0) * AT_MOST / 1000;
    Sureness(u16::try_from(share).unwrap_or_default())
}

/// A format as the lines tell it.
struct Guess {
    format: Custom,
    /// In nginx's words.
    text: String,
    /// What its fields were taken for, for a person.
    taken: Vec<&'static str>,
    /// Lines looked at, and those of them that are of this format.
    lines: usize,
    fitting: usize,
}

impl Guess {
    fn of(head: &Head<'_>) -> Option<Self> {
        let texts: Vec<_> = head.lines.iter().map(|line| as_text(line)).collect();
        let separator = Separator::of(texts.first()?);
        let rows: Vec<Row<'_>> = texts
            .iter()
            .filter_map(|line| cut(line, separator))
            .collect();
        let rows = of_one_layout(&rows);
        if rows.len() < LINES || rows.len() * 1000 < head.lines.len() * ALIKE {
            return None;
        }
        let columns = Columns::of(&rows)?;
        let text = written(&columns.all, rows.first()?)?;
        let format = Custom::parse(&text).ok()?;
        let fitting = usize::from(format.probe(head).0) * head.lines.len() / 1000;
        Some(Self {
            format,
            text,
            taken: columns.taken(),
            lines: head.lines.len(),
            fitting,
        })
    }

    fn remark(&self) -> String {
        format!(
            "its format is not known and was inferred from its lines ({} of the {} looked at fit): taken are {}, and nothing else; \
             if that is wrong, correct this and give it: --log-format 'NAME={}' -l NAME:LOG",
            self.fitting,
            self.lines,
            self.taken.join(", "),
            self.text
        )
    }
}

/// The rows of the layout that most have.
fn of_one_layout<'a, 'b>(rows: &'b [Row<'a>]) -> Vec<&'b Row<'a>> {
    let alike = |one: &'b Row<'a>| rows.iter().filter(move |other| other.is_like(one));
    let most = rows.iter().max_by_key(|one| alike(one).count());
    most.map(|one| alike(one).collect()).unwrap_or_default()
}

/// The format in nginx's words; `None` where it cannot be said in them.
fn written(columns: &[Column<'_>], layout: &Row<'_>) -> Option<String> {
    let mut text = String::new();
    let befores = layout.tokens.iter().map(|token| token.before);
    for (at, (column, before)) in columns.iter().zip(befores).enumerate() {
        text.push_str(&escaped(before));
        text.push_str(&column.variables(at));
    }
    text.push_str(&escaped(layout.after));
    let dollars: usize = columns.iter().map(Column::dollars).sum();
    (text.matches('$').count() == dollars).then_some(text)
}

/// One file.
struct Guessed {
    remark: String,
    reader: Option<Box<dyn Builder>>,
}

impl Builder for Guessed {
    fn line(&mut self, line: Line<'_>, out: &mut Vec<LogSession>) -> Parsed {
        let reader = self.reader.as_mut();
        reader.map_or(Parsed::Failed, |reader| reader.line(line, out))
    }

    fn settle(&mut self, due: &Due<'_>, out: &mut Vec<LogSession>) {
        if let Some(reader) = &mut self.reader {
            reader.settle(due, out);
        }
    }

    fn finish(&mut self, out: &mut Vec<LogSession>) {
        if let Some(reader) = &mut self.reader {
            reader.finish(out);
        }
    }

    fn zone(&self) -> Zone {
        self.reader
            .as_ref()
            .map_or(Zone::Assumed, |reader| reader.zone())
    }

    fn remarks(&self) -> Vec<String> {
        vec![self.remark.clone()]
    }
}

#[cfg(test)]
mod tests;
