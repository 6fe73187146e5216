//! Logs that are read while they are written: beside an interface, or alone.
//!
//! A thread looks at each name five times a second, gives what was written to the log's readers and takes the sessions that are complete. What is
//! kept is bounded: by the formats' builders, and here by [`MAX_SESSIONS`]; the oldest sessions beyond it are left, and the log says so.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::input::{Follower, Growth, Input, InputError, expand};
use crate::log::{Chosen, Era, LogError, Opening, Reader};
use crate::model::{DamageLog, LogId, LogSession, LogTime};

use super::logs::{Told, how};
use super::options::{LogPlace, listens};
use super::{Options, PipelineError};

/// Time between two looks.
const PAUSE: Duration = Duration::from_millis(200);
/// Servers write some lines a little later than they act.
const GRACE: Duration = Duration::from_millis(700);
/// Octets by which a format is told; with fewer it is waited for more.
const ENOUGH: usize = 1 << 16;
/// Sessions of a log that are kept: some 300 MB.
const MAX_SESSIONS: usize = 500_000;
/// So many more before the oldest go, all at once.
const SLACK: usize = MAX_SESSIONS / 8;

/// Logs that are being followed.
pub(super) struct Following {
    work: JoinHandle<Told>,
    over: Arc<AtomicBool>,
}

impl Following {
    /// Begins to follow the logs of `options`: from their ends when packets are listened to meanwhile, else from their beginnings.
    pub(super) fn start(options: &Options, from: Place) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let mut logs: Vec<Log> = Vec::new();
        let mut failures = Vec::new();
        for log in &options.logs {
            let path = match &log.place {
                LogPlace::Files(path) => path,
                LogPlace::Table(address) => {
                    let address = address.clone();
                    failures.push(InputError::TableFollowed { address }.into());
                    continue;
                }
            };
            // A name that is not there yet is waited for.
            let paths = expand(path).unwrap_or_else(|_| vec![path.clone()]);
            logs.extend(
                paths
                    .into_iter()
                    .map(|path| Log::new(&path, log.format.clone(), from, options)),
            );
        }
        let (told_over, options) = (over.clone(), options.clone());
        let work = thread::spawn(move || follow(logs, failures, &options, &told_over));
        Self { work, over }
    }

    /// The packets are over: gives what the logs told until now.
    pub(super) fn finish(self) -> Told {
        thread::sleep(GRACE);
        self.over.store(true, Ordering::Relaxed);
        self.told()
    }

    /// Waits for the user to stop it, and gives what the logs told.
    pub(super) fn told(self) -> Told {
        match self.work.join() {
            Ok(told) => told,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

/// From where on a log is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Begin,
    End,
}

fn follow(
    mut logs: Vec<Log>,
    failures: Vec<PipelineError>,
    options: &Options,
    over: &AtomicBool,
) -> Told {
    loop {
        let is_last = over.load(Ordering::Relaxed);
        for log in &mut logs {
            log.look(options);
        }
        if is_last || options.stop.is_set() && !listens(options) {
            break;
        }
        thread::sleep(PAUSE);
    }
    let mut told = Told {
        failures,
        ..Told::default()
    };
    for log in logs {
        log.finish(options, &mut told);
    }
    told
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

/// A reader and the sessions that it gave.
struct Kept {
    reader: Reader,
    sessions: Vec<LogSession>,
    /// Of the oldest, how many were let go.
    left: u64,
}

impl Log {
    fn new(path: &Path, format: Option<Chosen>, from: Place, options: &Options) -> Self {
        let mut log = Self {
            follower: Follower::new(path),
            format,
            begun: Vec::new(),
            readers: Vec::new(),
            damage: DamageLog::default(),
            error: None,
        };
        if from == Place::End && path.exists() {
            log.error = log.pass_over(options).err();
        }
        log
    }

    /// Passes over what is in the file already; its beginning tells the format and the columns.
    fn pass_over(&mut self, options: &Options) -> Result<(), PipelineError> {
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
            self.open(options, Some(&input.bytes))
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

    fn look(&mut self, options: &Options) {
        if self.error.is_some() {
            return;
        }
        let name = self.name();
        let mut grown: Vec<Option<Vec<u8>>> = Vec::new();
        let polled = self.follower.poll(&mut |growth| match growth {
            Growth::Bytes(bytes) => grown.push(Some(bytes.to_vec())),
            Growth::Anew => grown.push(None),
        });
        if let Err(source) = polled {
            self.damage
                .note(0, || format!("it could not be followed on: {source}"));
        }
        for growth in grown {
            match growth {
                Some(bytes) => self.take(&bytes, options),
                None => {
                    for kept in &mut self.readers {
                        kept.reader.next_file(&name, &[]);
                    }
                }
            }
        }
        for kept in &mut self.readers {
            kept.collect();
        }
    }

    fn take(&mut self, bytes: &[u8], options: &Options) {
        if self.readers.is_empty() {
            self.begun.extend_from_slice(bytes);
            // With little to go by, a format that cannot be told yet may be told later.
            if self.open(options, None).is_err() && self.begun.len() > ENOUGH {
                self.begun.truncate(ENOUGH);
            }
            return;
        }
        for kept in &mut self.readers {
            kept.reader.take(bytes);
        }
    }

    /// Opens the log by what has come of it; `before` are bytes that are not to be read.
    fn open(&mut self, options: &Options, before: Option<&[u8]>) -> Result<(), LogError> {
        let name = self.name();
        let era = match (options.year, self.modified()) {
            (Some(year), _) => Era::Year(year),
            (None, Some(until)) => Era::Until(until),
            (None, None) => Era::default(),
        };
        let openings = Opening::of(&self.begun, how(&name, self.format.as_ref(), era, options))?;
        for (opening, at) in openings.iter().zip(0..) {
            let mut reader = opening.reader(LogId(at), &name, &self.begun);
            match before {
                Some(before) => reader.pass_over(before),
                None => reader.take(&self.begun),
            }
            self.readers.push(Kept {
                reader,
                sessions: Vec::new(),
                left: 0,
            });
        }
        self.begun.clear();
        Ok(())
    }

    fn modified(&self) -> Option<LogTime> {
        let input = Input::open(self.follower.path()).ok()?;
        input.modified.map(|at| LogTime(at.0))
    }

    fn finish(mut self, options: &Options, told: &mut Told) {
        if self.readers.is_empty() && self.error.is_none() {
            self.error = self
                .open(options, None)
                .err()
                .map(|source| PipelineError::Log {
                    file: self.name(),
                    source,
                });
        }
        told.failures.extend(self.error);
        for kept in self.readers {
            kept.finish(&self.damage, told);
        }
    }
}

impl Kept {
    /// Takes the sessions that are complete.
    fn collect(&mut self) {
        self.sessions.append(&mut self.reader.sessions());
        self.left += let_go(&mut self.sessions, MAX_SESSIONS, SLACK);
    }

    fn finish(mut self, damage: &DamageLog, told: &mut Told) {
        self.collect();
        let (mut source, mut sessions) = self.reader.finish();
        let id = LogId(u16::try_from(told.sources.len()).unwrap_or(u16::MAX));
        source.id = id;
        source.damage.absorb(damage.clone());
        if self.left > 0 {
            source.damage.note(0, || {
                format!(
                    "{} sessions, the oldest, are left: more were written than are kept",
                    self.left
                )
            });
        }
        self.sessions.append(&mut sessions);
        for session in &mut self.sessions {
            session.log = id;
            for event in &mut session.events {
                event.line.log = id;
            }
            for delivery in &mut session.deliveries {
                Arc::make_mut(delivery).line.log = id;
            }
        }
        self.sessions
            .sort_by_key(|session| session.events.first().map(|event| event.line));
        told.sources.push(source);
        told.sessions.append(&mut self.sessions);
    }
}

/// Of more than `most` and `slack` the oldest go; gives how many.
fn let_go<T>(sessions: &mut Vec<T>, most: usize, slack: usize) -> u64 {
    let beyond = sessions.len().saturating_sub(most);
    if beyond <= slack {
        return 0;
    }
    sessions.drain(..beyond);
    u64::try_from(beyond).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_in_blocks_and_are_counted() {
        let mut sessions: Vec<u32> = Vec::new();
        let mut left = 0;
        for number in 0..1000 {
            sessions.push(number);
            left += let_go(&mut sessions, 100, 10);
            assert!(sessions.len() <= 110);
        }
        assert_eq!(left + sessions.len() as u64, 1000);
        assert_eq!(sessions.last(), Some(&999));
    }
}
