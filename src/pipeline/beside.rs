//! Logs that are read while the captures are.
//!
//! The year that a log's stamps lack is told by the last packet. Until that is known the first stands for it; a log that is of another year
//! by the last has to be read again.

use std::thread::{self, Scope, ScopedJoinHandle};

use crate::capture::open_window;
use crate::input::{Front, Window};
use crate::log::Era;
use crate::model::Nanos;

use super::logs::{self, LogFile, Told};
use super::{Options, Progress};

/// What the bar is called while captures are read.
pub(super) const CAPTURES: &str = "captures";

/// When logs are read.
#[derive(Clone, Copy)]
pub(super) enum When {
    /// While the captures are; with the time of their first packet, as far as it can be told at their beginning.
    Beside(Option<Nanos>),
    /// When they are over: logs of a capture that goes on may be written still.
    After,
}

impl When {
    pub(super) fn of(options: &Options, fronts: &[Front]) -> Self {
        if may_begin(options, fronts) {
            Self::Beside(first_time(fronts))
        } else {
            Self::After
        }
    }
}

fn may_begin(options: &Options, fronts: &[Front]) -> bool {
    #[cfg(feature = "live")]
    let is_live = options.live.is_some();
    #[cfg(not(feature = "live"))]
    let is_live = false;
    let is_whole = |front: &Front| matches!(front, Front::Whole(_));
    let is_asked = options.threads.others() > 0 && !options.logs.is_empty();
    is_asked && !is_live && fronts.iter().all(is_whole)
}

fn first_time(fronts: &[Front]) -> Option<Nanos> {
    let first = |front: &Front| {
        let Front::Whole(input) = front else {
            return None;
        };
        let mut reader = open_window(Window::of(&input.bytes)).ok()?;
        Some(reader.advance()?.time)
    };
    fronts.iter().filter_map(first).min()
}

/// Logs that another thread reads.
pub(super) struct Beside<'s> {
    era: Era,
    thread: ScopedJoinHandle<'s, Told>,
}

impl<'s> Beside<'s> {
    /// Begins to read `files`; `None` where no thread can be had.
    pub(super) fn begin<'e: 's>(
        scope: &'s Scope<'s, 'e>,
        (files, era): (&'e [LogFile], Era),
        options: &'e Options,
        mut progress: Progress,
    ) -> Option<Self> {
        let read = move || {
            let told = logs::read(files, era, options, &mut progress);
            progress.begin(CAPTURES);
            told
        };
        let thread = thread::Builder::new().spawn_scoped(scope, read).ok()?;
        Some(Self { era, thread })
    }

    /// What was read, when all of it is, with the era that it was read for.
    pub(super) fn join(self) -> (Era, Told) {
        match self.thread.join() {
            Ok(told) => (self.era, told),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}
