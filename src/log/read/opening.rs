//! Which format a log is in.

use std::sync::Arc;

use encoding_rs::Encoding;

use crate::model::{LogId, LogSource, Shows};

use super::super::envelope::{Stack, as_lines};
use super::super::registry::{FORMATS, is_guess};
use super::super::web::guess::guessed;
use super::super::{Builder, Entry, Head, MAX_LINE, OwnFormat, Sureness};
use super::lines::{Found, LineEnd, Splitter};
use super::tally::excerpt;
use super::text::Text;
use super::years::Era;
use super::zone::GivenZone;
use super::{LogError, Reader};

/// Lines that a format is told by.
pub(super) const HEAD_LINES: usize = 50;
/// Octets that these lines may take.
const HEAD_OCTETS: usize = 4 << 20;
/// Places in a long log, beside its beginning, at which lines are looked at, and how many at each.
const PLACES: usize = 12;
const LINES_EACH: usize = 20;
/// Share of the lines of all places that makes a further format of a log that several programs write.
const FURTHER: Sureness = Sureness(15);

/// A format that the user names.
#[derive(Clone)]
pub enum Chosen {
    /// A row of the registry.
    Known(&'static Entry),
    /// One of the user's own.
    Own(OwnFormat),
}

/// How a log is to be read.
#[derive(Clone, Copy, Debug, Default)]
pub struct How<'a> {
    /// Its format, where the user names it; else it is told by the first lines.
    pub format: Option<&'a Chosen>,
    /// Formats of the user, which go before those of the registry where they fit as well.
    pub own: &'a [OwnFormat],
    /// For stamps without a year.
    pub era: Era,
    /// The zone of stamps that state none, where the user gives it.
    pub zone: Option<GivenZone>,
    /// How its letters are written, where the user says so.
    pub encoding: Option<&'static Encoding>,
}

/// A format that fits a log, and what it takes to read the log in it.
pub struct Opening {
    chosen: Chosen,
    sureness: Sureness,
    /// Envelopes around its lines.
    depth: usize,
    lines: Arc<Vec<Vec<u8>>>,
    pub(super) year: i32,
    pub(super) zone: Option<GivenZone>,
    pub(super) encoding: Option<&'static Encoding>,
}

impl std::fmt::Debug for Chosen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Known(entry) => entry.name,
            Self::Own(own) => own.name(),
        })
    }
}

impl Chosen {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Known(entry) => entry.name,
            Self::Own(_) => "own",
        }
    }

    pub(super) fn shows(&self) -> Shows {
        match self {
            Self::Known(entry) => entry.shows,
            Self::Own(own) => own.shows(),
        }
    }

    fn probe(&self, head: &Head<'_>) -> Sureness {
        match self {
            Self::Known(entry) => (entry.probe)(head),
            Self::Own(own) => own.probe(head),
        }
    }

    fn open(&self, id: LogId, head: &Head<'_>) -> Box<dyn Builder> {
        match self {
            Self::Known(entry) => (entry.open)(id, head),
            Self::Own(own) => own.open(id),
        }
    }
}

impl Opening {
    /// The formats of a log that begins with `bytes`, the surest first: one, or several where more programs than one write into it.
    ///
    /// # Errors
    /// When there is nothing to read, or no format fits.
    pub fn of(bytes: &[u8], how: How<'_>) -> Result<Vec<Self>, LogError> {
        let converted = as_lines(bytes);
        let bytes = converted.as_deref().unwrap_or(bytes);
        let begin = head(bytes, how.encoding, HEAD_LINES);
        let first = begin.first().ok_or(LogError::Empty)?;
        let first = excerpt(first);
        let plain: Vec<&[u8]> = begin.iter().map(Vec::as_slice).collect();
        let year = how
            .era
            .year(&plain, || throughout(bytes, &begin, how.encoding));
        let opening = |(chosen, sureness, depth): Fit, lines: &Arc<Vec<Vec<u8>>>| Self {
            chosen,
            sureness,
            depth,
            lines: lines.clone(),
            year,
            zone: how.zone,
            encoding: how.encoding,
        };
        let begin = Arc::new(begin);
        if let Some(chosen) = how.format {
            return Ok(vec![opening(named(chosen, &begin, year), &begin)]);
        }
        let everywhere = Arc::new(everywhere(bytes, &begin, how.encoding));
        // A short log has no more lines than its first.
        let samples = [Some(&begin), Some(&everywhere).filter(|all| **all != begin)];
        let of_each = |look: &dyn Fn(&[Vec<u8>]) -> Option<Fit>| {
            let mut samples = samples.iter().flatten();
            samples.find_map(|&lines| Some((look(lines)?, lines)))
        };
        let (best, lines) = of_each(&|lines| fit(lines, how.own, year))
            .or_else(|| of_each(&|lines| guess(lines, year)))
            .ok_or(LogError::Unknown { first })?;
        let further = further(&best, &everywhere, year);
        let mut openings = vec![opening(best, lines)];
        openings.extend(further.into_iter().map(|fit| opening(fit, &everywhere)));
        Ok(openings)
    }

    /// The format's name.
    pub fn format(&self) -> &'static str {
        self.chosen.name()
    }

    /// The year of its first stamp, where stamps have none.
    pub const fn year(&self) -> i32 {
        self.year
    }

    /// How sure that is.
    pub fn sureness(&self) -> Sureness {
        self.sureness
    }

    /// A reader for a log that begins with `bytes`; these are yet to be given to it.
    pub fn reader(&self, id: LogId, file: &str, bytes: &[u8]) -> Reader {
        let mut stack = Stack::default();
        let mut inside: Vec<Vec<u8>> = self.lines.as_ref().clone();
        for _ in 0..self.depth {
            let lines: Vec<&[u8]> = inside.iter().map(Vec::as_slice).collect();
            inside = stack.deepen(&lines).unwrap_or_default();
        }
        let lines: Vec<&[u8]> = inside.iter().map(Vec::as_slice).collect();
        let head = Head {
            lines: &lines,
            year: self.year,
        };
        let builder = self.chosen.open(id, &head);
        let mut source = LogSource::new(id, file, self.chosen.name());
        source.shows = self.chosen.shows();
        source.sureness = self.sureness.0;
        Reader::new(source, builder, stack, self, bytes)
    }
}

/// A format, how surely it fits, and under how many envelopes.
type Fit = (Chosen, Sureness, usize);

/// What the user names is taken, whatever the first lines are.
fn named(chosen: &Chosen, begin: &[Vec<u8>], year: i32) -> Fit {
    let share = |head: &Head<'_>| Some(chosen.probe(head));
    let enough = |head: &Head<'_>| share(head).filter(|sureness| *sureness >= Sureness::ENOUGH);
    let (sureness, depth) = in_envelopes(begin, year, enough)
        .or_else(|| in_envelopes(begin, year, share))
        .unwrap_or_default();
    (chosen.clone(), sureness, depth)
}

/// The format that can read most of the lines, with or without envelopes around them; none when that is little.
fn fit(lines: &[Vec<u8>], own: &[OwnFormat], year: i32) -> Option<Fit> {
    let ((sureness, chosen), depth) = in_envelopes(lines, year, |head| detect(head, own))?;
    Some((chosen, sureness, depth))
}

/// What the lines themselves tell of a format that is not known, where none that is known fits.
fn guess(lines: &[Vec<u8>], year: i32) -> Option<Fit> {
    let entry = FORMATS.iter().find(|entry| is_guess(entry))?;
    let enough =
        |head: &Head<'_>| Some(guessed(head)).filter(|sureness| *sureness >= Sureness::ENOUGH);
    let (sureness, depth) = in_envelopes(lines, year, enough)?;
    Some((Chosen::Known(entry), sureness, depth))
}

/// Takes off one envelope after another until `wanted` is found; gives the number of envelopes.
fn in_envelopes<T>(
    lines: &[Vec<u8>],
    year: i32,
    wanted: impl Fn(&Head<'_>) -> Option<T>,
) -> Option<(T, usize)> {
    let mut stack = Stack::default();
    let mut inside: Vec<Vec<u8>> = lines.to_vec();
    for depth in 0.. {
        let within: Vec<&[u8]> = inside.iter().map(Vec::as_slice).collect();
        let head = Head {
            lines: &within,
            year,
        };
        if let Some(found) = wanted(&head) {
            return Some((found, depth));
        }
        inside = stack.deepen(&within).filter(|inside| !inside.is_empty())?;
    }
    None
}

fn detect(head: &Head<'_>, own: &[OwnFormat]) -> Option<(Sureness, Chosen)> {
    let own = own
        .iter()
        .map(|own| (own.probe(head), Chosen::Own(own.clone())));
    let known = FORMATS
        .iter()
        .filter(|entry| !is_guess(entry))
        .map(|entry| ((entry.probe)(head), Chosen::Known(entry)));
    let fitting: Vec<_> = own
        .chain(known)
        .filter(|(sureness, _)| *sureness >= Sureness::ENOUGH)
        .collect();
    // Of equals the first in the list.
    fitting
        .into_iter()
        .rev()
        .max_by_key(|(sureness, _)| *sureness)
}

/// Formats that take other lines than the best does: those of one program beside those of another, under the same envelopes.
fn further(best: &Fit, lines: &[Vec<u8>], year: i32) -> Vec<Fit> {
    let (Chosen::Known(best_entry), _, depth) = best else {
        return Vec::new();
    };
    // What was guessed may have lines of any program.
    if is_guess(best_entry) {
        return Vec::new();
    }
    let mut stack = Stack::default();
    let mut inside = lines.to_vec();
    for _ in 0..*depth {
        let within: Vec<&[u8]> = inside.iter().map(Vec::as_slice).collect();
        let Some(deeper) = stack.deepen(&within) else {
            return Vec::new();
        };
        inside = deeper;
    }
    let lines: Vec<&[u8]> = inside.iter().map(Vec::as_slice).collect();
    let head = Head {
        lines: &lines,
        year,
    };
    let mut taken = (best_entry.probe)(&head).0;
    let mut others: Vec<(Sureness, &'static Entry)> = FORMATS
        .iter()
        .filter(|entry| entry.name != best_entry.name && !is_guess(entry))
        .map(|entry| ((entry.probe)(&head), entry))
        .filter(|(sureness, _)| *sureness >= FURTHER)
        .collect();
    others.sort_by_key(|(sureness, _)| std::cmp::Reverse(*sureness));
    let mut further = Vec::new();
    for (sureness, entry) in others {
        // More than all lines: some line would be of both.
        if taken.saturating_add(sureness.0) <= 1000 {
            taken += sureness.0;
            further.push((Chosen::Known(entry), sureness, *depth));
        }
    }
    further
}

/// The first lines of `bytes` that are not empty, in UTF-8.
pub(super) fn head(
    bytes: &[u8],
    encoding: Option<&'static Encoding>,
    count: usize,
) -> Vec<Vec<u8>> {
    let mut lines = Vec::new();
    let mut octets = 0;
    let mut text = Text::of(bytes, encoding);
    let mut splitter = Splitter::new(LineEnd::Feed);
    let mut is_first = true;
    for chunk in bytes.chunks(1 << 16) {
        text.take(chunk, &mut |chunk| {
            if std::mem::take(&mut is_first) {
                splitter = Splitter::new(LineEnd::of(chunk));
            }
            splitter.take(chunk, &mut |line| {
                keep(line, &mut lines, count, &mut octets);
            });
        });
        if lines.len() >= count || octets > HEAD_OCTETS {
            return lines;
        }
    }
    splitter.flush(&mut |line| keep(line, &mut lines, count, &mut octets));
    lines
}

fn keep(line: Found<'_>, lines: &mut Vec<Vec<u8>>, count: usize, octets: &mut usize) {
    if !line.bytes.is_empty() && lines.len() < count && *octets <= HEAD_OCTETS {
        let kept = line.bytes.get(..MAX_LINE).unwrap_or(line.bytes);
        *octets += kept.len();
        lines.push(kept.to_vec());
    }
}

/// Lines from all over a log in their order, with the last.
fn throughout(
    bytes: &[u8],
    begin: &[Vec<u8>],
    encoding: Option<&'static Encoding>,
) -> Vec<Vec<u8>> {
    /// Octets in which the last line is looked for.
    const TAIL: usize = 1 << 16;
    let mut lines = everywhere(bytes, begin, encoding);
    if lines.len() > HEAD_LINES {
        let tail = bytes.len().saturating_sub(TAIL);
        let tail = bytes.get(tail..).unwrap_or_default();
        let last = tail
            .rsplit(|&byte| byte == b'\n')
            .find(|line| !line.is_empty());
        lines.extend(last.map(<[u8]>::to_vec));
    }
    lines
}

/// The beginning, and lines from all over a long log.
fn everywhere(
    bytes: &[u8],
    begin: &[Vec<u8>],
    encoding: Option<&'static Encoding>,
) -> Vec<Vec<u8>> {
    let mut lines = begin.to_vec();
    let is_plain =
        Text::of(bytes, encoding).name().is_none() && LineEnd::of(bytes) == LineEnd::Feed;
    if !is_plain || lines.len() < HEAD_LINES {
        return lines;
    }
    for place in 1..=PLACES {
        let from = bytes.len() / (PLACES + 1) * place;
        let rest = bytes.get(from..).unwrap_or_default();
        // From the middle of a line to its end.
        let behind = memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
        let rest = rest.get(behind..).unwrap_or_default();
        let rest = rest.get(..HEAD_OCTETS).unwrap_or(rest);
        lines.extend(head(rest, encoding, LINES_EACH));
    }
    lines
}
