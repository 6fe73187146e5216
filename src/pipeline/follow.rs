//! Logs that are read while they are written: beside packets, or alone.
//!
//! Each name is looked at now and then; what was written goes to the log's readers, and the sessions that are complete are given. Nothing is
//! kept here but the beginning of a file whose format is not told yet; a file that is ahead of the packets is read on later.

use std::net::IpAddr;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::input::{Follower, Growth, Input, InputError, expand};
use crate::log::{Chosen, Era, LogError, Opening, Reader};
use crate::model::{DamageLog, LogId, LogSession, LogSource, LogTime, Span};

use super::logs::{given_clock, how};
use super::options::LogPlace;
use super::{Options, PipelineError};

/// Octets by which a format is told; with fewer it is waited for more.
const ENOUGH: usize = 1 << 16;
/// Time of the log that passes before a session is given although more may be told of it, as what becomes of its messages.
pub(super) const TOLD_AFTER: Span = Span::seconds(30);
/// The same of a log to which nothing is written.
const QUIET: Duration = Duration::from_secs(30);

/// From where on a log is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Begin,
    End,
}

/// Logs that are being followed.
pub(super) struct Logs {
    names: Vec<Log>,
    failures: Vec<PipelineError>,
    /// Logs that were opened so far: each has its number in this order.
    opened: u16,
}

/// How far a log is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    pub(super) log: LogId,
    /// The stamp of its last line.
    pub(super) present: Option<LogTime>,
    /// When something was last written to it.
    pub(super) heard: Instant,
    /// When it first told of a session.
    pub(super) begun: Option<Instant>,
}

/// Whether all that is written was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reached {
    End,
    Middle,
}

impl Logs {
    /// None at all.
    pub(super) const fn none() -> Self {
        Self {
            names: Vec::new(),
            failures: Vec::new(),
            opened: 0,
        }
    }

    /// Begins to follow the logs of `options`, from `from` on.
    pub(super) fn start(options: &Options, from: Place) -> Self {
        let mut logs = Self::none();
        for log in &options.logs {
            let path = match &log.place {
                LogPlace::Files(path) => path,
                LogPlace::Table(address) => {
                    let address = address.clone();
                    let failure = InputError::TableFollowed { address };
                    logs.failures.push(failure.into());
                    continue;
                }
            };
            // A name that is not there yet is waited for.
            let paths = expand(path).unwrap_or_else(|_| vec![path.clone()]);
            for path in paths {
                let log = Log::new(&path, log.format.clone(), from, options, &mut logs.opened);
                logs.names.push(log);
            }
        }
        logs
    }

    /// Reads on until some `room` sessions are complete; gives those that are. A session of a client's end whose connection `goes_on` may
    /// not be.
    pub(super) fn look(
        &mut self,
        options: &Options,
        room: usize,
        goes_on: &dyn Fn(IpAddr, u16) -> bool,
    ) -> (Vec<LogSession>, Reached) {
        let mut sessions = Vec::new();
        let mut reached = Reached::End;
        for log in &mut self.names {
            let left = room.saturating_sub(sessions.len());
            if left == 0 {
                reached = Reached::Middle;
                break;
            }
            if log.look(options, left, &mut self.opened) == Reached::Middle {
                reached = Reached::Middle;
            }
            for kept in &mut log.readers {
                kept.settle(goes_on);
                sessions.append(&mut kept.sessions());
            }
        }
        (sessions, reached)
    }

    /// How far each is.
    pub(super) fn marks(&self) -> Vec<Mark> {
        self.kept().map(|kept| kept.mark).collect()
    }

    /// What is to be said of each so far, in the order of their numbers.
    pub(super) fn sources(&self, options: &Options) -> Vec<LogSource> {
        let mut sources: Vec<LogSource> = self
            .names
            .iter()
            .flat_map(|log| log.readers.iter().map(move |kept| (&log.damage, kept)))
            .map(|(damage, kept)| kept.source(damage, options))
            .collect();
        sources.sort_by_key(|source| source.id);
        sources
    }

    fn kept(&self) -> impl Iterator<Item = &Kept> {
        self.names.iter().flat_map(|log| &log.readers)
    }

    /// The logs are over: what is to be said of each, the sessions that were not complete, and what went wrong.
    pub(super) fn finish(
        mut self,
        options: &Options,
    ) -> (Vec<LogSource>, Vec<LogSession>, Vec<PipelineError>) {
        let (mut sources, mut sessions) = (Vec::new(), Vec::new());
        for mut log in self.names {
            log.open_at_last(options, &mut self.opened);
            self.failures.extend(log.error);
            for kept in log.readers {
                let (source, mut rest) = kept.finish(&log.damage, options);
                sources.push(source);
                sessions.append(&mut rest);
            }
        }
        sources.sort_by_key(|source| source.id);
        (sources, sessions, self.failures)
    }
}

/// One name.
struct Log {
    follower: Follower,
    format: Option<Chosen>,
    /// What came before the format was told.
    begun: Vec<u8>,
    readers: Vec<Kept>,
    damage: DamageLog,
    error: Option<PipelineError>,
}

/// A reader and how far it is.
struct Kept {
    reader: Reader,
    mark: Mark,
}

impl Log {
    fn new(
        path: &Path,
        format: Option<Chosen>,
        from: Place,
        options: &Options,
        opened: &mut u16,
    ) -> Self {
        let mut log = Self {
            follower: Follower::new(path),
            format,
            begun: Vec::new(),
            readers: Vec::new(),
            damage: DamageLog::default(),
            error: None,
        };
        if from == Place::End && path.exists() {
            log.error = log.pass_over(options, opened).err();
        }
        log
    }

    /// Passes over what is in the file already; its beginning tells the format and the columns.
    fn pass_over(&mut self, options: &Options, opened: &mut u16) -> Result<(), PipelineError> {
        let input = Input::open(self.follower.path())?;
        let octets = u64::try_from(input.bytes.len()).unwrap_or(u64::MAX);
        self.follower
            .skip(octets)
            .map_err(|source| PipelineError::Follow {
                file: self.name(),
                source,
            })?;
        self.begun = input.bytes.get(..ENOUGH).unwrap_or(&input.bytes).to_vec();
        if octets > 0 {
            self.open(options, opened, Some(&input.bytes))
                .map_err(|source| PipelineError::Log {
                    file: self.name(),
                    source,
                })?;
        }
        Ok(())
    }

    fn name(&self) -> String {
        self.follower.path().display().to_string()
    }

    fn look(&mut self, options: &Options, room: usize, opened: &mut u16) -> Reached {
        if self.error.is_some() {
            return Reached::End;
        }
        // The follower gives bytes while the readers take them.
        let mut follower = std::mem::replace(&mut self.follower, Follower::new(Path::new("")));
        let name = follower.path().display().to_string();
        let polled = follower.poll(&mut |growth| {
            match growth {
                Growth::Bytes(bytes) => self.take(bytes, &name, options, opened),
                Growth::Anew => {
                    for kept in &mut self.readers {
                        kept.reader.next_file(&name, &[]);
                    }
                }
            }
            let complete: usize = self.readers.iter().map(|kept| kept.reader.complete()).sum();
            if complete < room {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        });
        self.follower = follower;
        match polled {
            Ok(ControlFlow::Continue(())) => Reached::End,
            Ok(ControlFlow::Break(())) => Reached::Middle,
            Err(source) => {
                self.damage
                    .note(0, || format!("it could not be followed on: {source}"));
                Reached::End
            }
        }
    }

    fn take(&mut self, bytes: &[u8], name: &str, options: &Options, opened: &mut u16) {
        if self.readers.is_empty() {
            self.begun.extend_from_slice(bytes);
            // With little to go by, a format that cannot be told yet may be told later.
            if self.open_as(name, options, opened, None).is_err() && self.begun.len() > ENOUGH {
                self.begun.truncate(ENOUGH);
            }
            return;
        }
        for kept in &mut self.readers {
            kept.take(bytes);
        }
    }

    /// Opens the log by what has come of it; `before` are bytes that are not to be read.
    fn open(
        &mut self,
        options: &Options,
        opened: &mut u16,
        before: Option<&[u8]>,
    ) -> Result<(), LogError> {
        let name = self.name();
        self.open_as(&name, options, opened, before)
    }

    fn open_as(
        &mut self,
        name: &str,
        options: &Options,
        opened: &mut u16,
        before: Option<&[u8]>,
    ) -> Result<(), LogError> {
        let era = match (options.year, modified(name)) {
            (Some(year), _) => Era::Year(year),
            (None, Some(until)) => Era::Until(until),
            (None, None) => Era::default(),
        };
        let openings = Opening::of(&self.begun, how(name, self.format.as_ref(), era, options))?;
        for opening in &openings {
            let id = LogId(*opened);
            *opened = opened.saturating_add(1);
            let mut kept = Kept::new(opening.reader(id, name, &self.begun), id);
            match before {
                Some(before) => kept.reader.pass_over(before),
                None => kept.take(&self.begun),
            }
            self.readers.push(kept);
        }
        self.begun.clear();
        Ok(())
    }

    /// The last chance to tell the format.
    fn open_at_last(&mut self, options: &Options, opened: &mut u16) {
        if self.readers.is_empty() && self.error.is_none() {
            let tried = self.open(options, opened, None);
            self.error = tried.err().map(|source| PipelineError::Log {
                file: self.name(),
                source,
            });
        }
    }
}

fn modified(path: &str) -> Option<LogTime> {
    let input = Input::open(Path::new(path)).ok()?;
    input.modified.map(|at| LogTime(at.0))
}

impl Kept {
    fn new(reader: Reader, log: LogId) -> Self {
        Self {
            reader,
            mark: Mark {
                log,
                present: None,
                heard: Instant::now(),
                begun: None,
            },
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.reader.take(bytes);
        self.mark.heard = Instant::now();
        self.mark.present = self.reader.present();
    }

    /// Has the reader give what it keeps only for what may still be told.
    fn settle(&mut self, goes_on: &dyn Fn(IpAddr, u16) -> bool) {
        let after = (self.mark.heard.elapsed() < QUIET).then_some(TOLD_AFTER);
        self.reader.settle(after, goes_on);
    }

    fn sessions(&mut self) -> Vec<LogSession> {
        let sessions = self.reader.sessions();
        if !sessions.is_empty() {
            self.mark.begun.get_or_insert_with(Instant::now);
        }
        sessions
    }

    fn source(&self, damage: &DamageLog, options: &Options) -> LogSource {
        completed(self.reader.source(), damage, options)
    }

    fn finish(self, damage: &DamageLog, options: &Options) -> (LogSource, Vec<LogSession>) {
        let (source, sessions) = self.reader.finish();
        (completed(source, damage, options), sessions)
    }
}

fn completed(mut source: LogSource, damage: &DamageLog, options: &Options) -> LogSource {
    source.damage.absorb(damage.clone());
    source.offset = given_clock(&source.file, options);
    source
}
