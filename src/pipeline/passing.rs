//! Packets that pass while somebody else takes what is over: the connections, and who may look at them when.
//!
//! Whoever reads packets waits while too many sessions are not taken. From an interface the kernel then drops packets, and counts them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::flow::GoingOn;
use crate::model::{Nanos, PacketNo, Span, WireSession};

use super::captures::Followed;

/// Sessions that are over and not taken.
const MOST: usize = 10_000;
/// How often whoever waits for room looks whether it is still wanted.
const PATIENCE: Duration = Duration::from_millis(200);
/// Without packets for so long, time passes by the clock of this machine.
const SILENT: Duration = Duration::from_secs(2);

/// The connections of the packets that pass.
pub(super) struct Passing {
    followed: Mutex<Followed>,
    room: Condvar,
    /// No more packets come.
    over: AtomicBool,
    /// Nobody takes what is over any more.
    left: AtomicBool,
}

/// What there was to take.
#[derive(Default)]
pub(super) struct Taken {
    /// Sessions that are over.
    pub(super) wires: Vec<WireSession>,
    /// When the capture began.
    pub(super) begun: Option<Nanos>,
    /// How far the capture is; `None` before the first packet.
    pub(super) now: Option<Nanos>,
    /// Connections that are not over.
    pub(super) open: Vec<GoingOn>,
    /// Whether no more will come.
    pub(super) is_last: bool,
}

/// Since when which packet was the last.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace(Option<(PacketNo, Instant)>);

impl Passing {
    pub(super) const fn new(followed: Followed) -> Self {
        Self {
            followed: Mutex::new(followed),
            room: Condvar::new(),
            over: AtomicBool::new(false),
            left: AtomicBool::new(false),
        }
    }

    pub(super) fn into_followed(self) -> Followed {
        self.followed
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Followed> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connections, once there is room for what the next packet may end; `None` when nobody wants it.
    pub(super) fn with_room(&self) -> Option<MutexGuard<'_, Followed>> {
        let mut followed = self.lock();
        while followed.waiting() >= MOST && !self.left.load(Ordering::Relaxed) {
            let waited = self.room.wait_timeout(followed, PATIENCE);
            followed = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        (!self.left.load(Ordering::Relaxed)).then_some(followed)
    }

    /// No more packets come: all connections are over.
    pub(super) fn end(&self) {
        self.lock().close();
        self.over.store(true, Ordering::Release);
    }

    /// Takes what is over, where there is `room` for it.
    pub(super) fn take(&self, pace: &mut Pace, room: bool) -> Taken {
        // What is over was so before the last sessions are taken.
        let is_last = room && self.over.load(Ordering::Acquire);
        let mut followed = self.lock();
        let begun = followed.begun;
        let now = followed.heard.map(|(number, at)| at + pace.silence(number));
        if let Some(now) = now {
            followed.pass_time(now);
        }
        let wires = if room { followed.take() } else { Vec::new() };
        let open = followed.going_on();
        drop(followed);
        self.room.notify_one();
        Taken {
            wires,
            begun,
            now,
            open,
            is_last,
        }
    }
}

impl Pace {
    /// How long it has been silent since packet `number`, the last so far.
    fn silence(&mut self, number: PacketNo) -> Span {
        let since = match self.0 {
            Some((last, since)) if last == number => since,
            _ => Instant::now(),
        };
        self.0 = Some((number, since));
        let silent = since.elapsed();
        if silent < SILENT {
            return Span::ZERO;
        }
        Span::from_seconds_f64(silent.as_secs_f64())
    }
}

/// However the one who takes ends, nobody waits for it.
pub(super) struct Leaving<'p>(pub(super) &'p Passing);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.left.store(true, Ordering::Relaxed);
        self.0.room.notify_all();
    }
}
