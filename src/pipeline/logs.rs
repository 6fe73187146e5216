//! Logs become log sessions.

use std::path::Path;

use crate::input::{Input, rotated_sets};
use crate::log::{Chosen, Era, How, LogError, Opening};
use crate::model::{DamageLog, LogId, LogSession, LogSource, Span};

use super::{Logs, Options, PipelineError, Progress};

/// Octets of a log after which their memory is given back: sessions have copies of what they need.
const GIVEN_BACK: usize = 8 << 20;

/// What the logs gave.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) sources: Vec<LogSource>,
    pub(super) sessions: Vec<LogSession>,
    pub(super) failures: Vec<PipelineError>,
}

/// A log file, opened, and its format where the user names it.
pub(super) struct LogFile {
    pub(super) input: Input,
    pub(super) format: Option<Chosen>,
}

/// What was `read` of all logs already, if that was in the years that they have by `era`; else they are read now.
pub(super) fn read_once(
    files: &[LogFile],
    era: Era,
    read: Option<(Era, Told)>,
    options: &Options,
    progress: &mut Progress,
) -> Told {
    let has_years_of = |other: Era| {
        let mut files = files.iter();
        era == other
            || files.all(|file| {
                let years = |era| {
                    openings(file, era, options)
                        .map(|all| all.iter().map(Opening::year).collect::<Vec<_>>())
                };
                years(era).ok() == years(other).ok()
            })
    };
    match read {
        Some((early, told)) if has_years_of(early) => told,
        _ => self::read(files, era, options, progress),
    }
}

/// Reads all logs, one after the other, the files of a rotated set as one.
pub(super) fn read(
    files: &[LogFile],
    era: Era,
    options: &Options,
    progress: &mut Progress,
) -> Told {
    let mut told = Told::default();
    let paths: Vec<&Path> = files
        .iter()
        .map(|file| Path::new(&file.input.name))
        .collect();
    for set in rotated_sets(&paths) {
        let set: Vec<&LogFile> = set.iter().filter_map(|&at| files.get(at)).collect();
        let (mut set, copies) = without_copies(&set);
        if set.len() > 1 {
            // The file that was begun last may have nothing in it yet.
            set.retain(|file| !file.input.bytes.is_empty());
        }
        told.set(&set, era, options, progress);
        for (copy, of) in copies {
            told.remark_copy(&copy.input.name, &of.input.name);
        }
    }
    told
}

/// The files of a rotated set, and beside them those whose lines another of them has as well, each with that other: a log that was copied and
/// not yet cut off, or is there plain and compressed.
fn without_copies<'a>(set: &[&'a LogFile]) -> (Vec<&'a LogFile>, Vec<(&'a LogFile, &'a LogFile)>) {
    let mut kept = Vec::new();
    let mut copies = Vec::new();
    for (at, file) in set.iter().enumerate() {
        let bytes = &*file.input.bytes;
        let others = set.iter().enumerate();
        let holding = others.filter(|(other, whole)| {
            let longer = whole.input.bytes.len() > bytes.len();
            let same = whole.input.bytes.len() == bytes.len() && *other > at;
            (longer || same) && !bytes.is_empty() && whole.input.bytes.starts_with(bytes)
        });
        match holding.max_by_key(|(other, whole)| (whole.input.bytes.len(), *other)) {
            Some((_, whole)) => copies.push((*file, *whole)),
            None => kept.push(*file),
        }
    }
    (kept, copies)
}

/// How the log in `file` is to be read.
pub(super) fn how<'a>(
    name: &str,
    format: Option<&'a Chosen>,
    era: Era,
    options: &'a Options,
) -> How<'a> {
    let rule = options
        .log_zones
        .iter()
        .rev()
        .find(|rule| rule.file.fits(name));
    let encoding = options
        .log_encodings
        .iter()
        .rev()
        .find(|rule| rule.file.fits(name));
    How {
        format,
        own: &options.own_formats,
        era,
        zone: rule.map(|rule| rule.zone),
        encoding: encoding.map(|rule| rule.encoding),
    }
}

/// By how much the user says that the clock of the log in `file` is ahead.
pub(super) fn given_clock(file: &str, options: &Options) -> Option<Span> {
    let mut rules = options.clocks.iter().rev();
    let rule = rules.find(|rule| rule.file.fits(file));
    rule.map(|rule| rule.offset)
}

/// Rules that are for none of the logs: a name that was mistyped would leave a log with the wrong clock.
pub(super) fn unmatched(options: &Options, sources: &[LogSource]) -> Vec<PipelineError> {
    let zones = options
        .log_zones
        .iter()
        .map(|rule| ("--log-zone", &rule.file));
    let clocks = options.clocks.iter().map(|rule| ("--clock", &rule.file));
    let encodings = options
        .log_encodings
        .iter()
        .map(|rule| ("--log-encoding", &rule.file));
    let is_known = |rule: &Logs| {
        sources
            .iter()
            .any(|source| source.files().any(|file| rule.fits(file)))
    };
    let unmatched = zones
        .chain(clocks)
        .chain(encodings)
        .filter(|(_, rule)| !is_known(rule));
    unmatched
        .filter_map(|(option, rule)| match rule {
            Logs::All => None,
            Logs::Named(name) => Some(PipelineError::NoSuchLog {
                option,
                name: name.clone(),
            }),
        })
        .collect()
}

impl Told {
    fn remark_copy(&mut self, copy: &str, of: &str) {
        let has = |source: &&mut LogSource| source.files().any(|file| file == of);
        if let Some(source) = self.sources.iter_mut().find(has) {
            source.remarks.push(format!(
                "'{copy}' has the same lines as '{of}' and is passed over"
            ));
        }
    }

    fn set(&mut self, set: &[&LogFile], era: Era, options: &Options, progress: &mut Progress) {
        let mut rest = set;
        while let Some((first, others)) = rest.split_first() {
            let formats = match openings(first, era, options) {
                Ok(formats) => formats,
                Err(source) => {
                    self.failures.push(PipelineError::Log {
                        file: first.input.name.clone(),
                        source,
                    });
                    rest = others;
                    continue;
                }
            };
            // Files in another format are another log, whatever their names.
            let names = |formats: &[Opening]| -> Vec<&str> {
                formats.iter().map(Opening::format).collect()
            };
            let same = |file: &&&LogFile| {
                openings(file, era, options).is_ok_and(|other| names(&other) == names(&formats))
            };
            let alike = others.iter().take_while(same).count();
            let (files, behind) = rest.split_at_checked(alike + 1).unwrap_or((rest, &[]));
            for opening in &formats {
                self.one(opening, files, options, progress);
            }
            rest = behind;
        }
    }

    fn one(
        &mut self,
        opening: &Opening,
        files: &[&LogFile],
        options: &Options,
        progress: &mut Progress,
    ) {
        let Some((first, others)) = files.split_first() else {
            return;
        };
        let id = LogId(u16::try_from(self.sources.len()).unwrap_or(u16::MAX));
        let mut reader = opening.reader(id, &first.input.name, &first.input.bytes);
        let mut damage = DamageLog::default();
        for file in std::iter::once(first).chain(others) {
            let input = &file.input;
            progress.begin(&input.name);
            if !std::ptr::eq(*file, *first) {
                reader.next_file(&input.name, &input.bytes);
            }
            let mut done = 0;
            reader.whole(&input.bytes, options.threads, &mut |at| {
                progress.at(at);
                let at = usize::try_from(at).unwrap_or(usize::MAX);
                if at.saturating_sub(done) >= GIVEN_BACK {
                    input.bytes.done_with(done..at);
                    done = at;
                }
            });
            damage.absorb(input.damage.clone());
            progress.end(u64::try_from(input.bytes.len()).unwrap_or(u64::MAX));
        }
        let (mut source, mut sessions) = reader.finish();
        source.damage.absorb(damage);
        if let Some(newest) = source.parts.last() {
            source.file.clone_from(&newest.file);
        }
        source.offset = given_clock(&source.file, options);
        self.sources.push(source);
        if self.sessions.is_empty() {
            self.sessions = sessions;
        } else {
            self.sessions.append(&mut sessions);
        }
    }
}

fn openings(file: &LogFile, era: Era, options: &Options) -> Result<Vec<Opening>, LogError> {
    let how = how(&file.input.name, file.format.as_ref(), era, options);
    Opening::of(&file.input.bytes, how)
}
