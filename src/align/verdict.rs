//! What alignment gives: clocks, and for each conversation who saw it and how sure that is.

use std::sync::Arc;

use smallvec::SmallVec;
use thin_vec::ThinVec;

use crate::model::Exchange;

use super::clock::Clock;

/// What alignment gives.
#[derive(Clone, Debug, Default)]
pub struct Alignment {
    /// One clock for each log that could be put on the capture's.
    pub clocks: Vec<Clock>,
    /// Every session of either side, those on the wire first, in order of time.
    pub sessions: Vec<Joined>,
}

/// A conversation and who saw it.
#[derive(Clone, Debug, Default)]
pub struct Joined {
    /// Index among the wire sessions.
    pub wire: Option<usize>,
    /// Indices among the log sessions that are it.
    pub logs: SmallVec<[usize; 1]>,
    /// Indices among the log sessions that may be it, undecided.
    pub candidates: ThinVec<usize>,
    /// How sure that is; of several log sessions, as web servers write one for each request, that of the least sure.
    pub verdict: Arc<Match>,
    /// Where there are several, how sure each of `logs` is.
    pub each: ThinVec<Arc<Match>>,
    /// Commands and replies, in order, each marked with who saw it. None where only a log knows the conversation: there they are put
    /// together when they are asked for, by [`untold`](super::untold).
    pub exchanges: Vec<Exchange>,
}

impl Joined {
    /// How sure it is that a log session is of this conversation.
    pub fn verdict_of(&self, log: usize) -> &Match {
        let at = self.logs.iter().position(|&own| own == log);
        let own = at.and_then(|at| self.each.get(at));
        own.unwrap_or(&self.verdict)
    }
}

/// How sure a join is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Match {
    /// The decision.
    pub standing: Standing,
    /// Nats in favour; `None` without a candidate.
    pub score: Option<f64>,
    /// What the next best choice would score.
    pub runner_up: Option<f64>,
    /// Why, in words.
    pub reasons: Vec<String>,
}

impl Match {
    /// Nothing on the other side fits, for this reason.
    pub(super) fn alone(reason: impl Into<String>) -> Self {
        Self {
            reasons: vec![reason.into()],
            ..Self::default()
        }
    }
}

/// The decision on a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// The next best choice is too near to tell.
    Ambiguous,
    /// Both views are of one conversation.
    Matched,
    /// Nothing on the other side fits.
    #[default]
    Unmatched,
}
