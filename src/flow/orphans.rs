//! ICMP errors that quote a connection which was not seen yet: captures swap packets, so it may begin a little later.

use std::collections::VecDeque;

use crate::model::{IcmpError, Nanos, Span};

use super::key::FlowKey;

/// Errors that wait; the oldest is given up when there are more.
const MAX_WAITING: usize = 64;
/// By how much an error may be captured before the connection that it is about.
const SWAPPED: Span = Span::SECOND;

/// The errors that wait for their connection, oldest first.
#[derive(Debug, Default)]
pub(super) struct Orphans {
    waiting: VecDeque<(FlowKey, IcmpError)>,
    given_up: u64,
}

impl Orphans {
    /// Keeps an error about `key`.
    pub(super) fn keep(&mut self, key: FlowKey, error: IcmpError) {
        if self.waiting.len() >= MAX_WAITING {
            self.waiting.pop_front();
            self.given_up += 1;
        }
        self.waiting.push_back((key, error));
    }

    /// Whether an error about `key` waits.
    pub(super) fn awaits(&self, key: &FlowKey) -> bool {
        self.waiting.iter().any(|(quoted, _)| quoted == key)
    }

    /// Hands over what came a little before `at` about `key`, whose connection has begun.
    pub(super) fn claim(&mut self, key: &FlowKey, at: Nanos, mut out: impl FnMut(IcmpError)) {
        self.waiting.retain(|(quoted, error)| {
            let mine = quoted == key && at.since(error.at) <= SWAPPED;
            if mine {
                out(*error);
            }
            !mine
        });
    }

    /// Errors about connections that never came.
    pub(super) fn unclaimed(&self) -> u64 {
        self.given_up + u64::try_from(self.waiting.len()).unwrap_or(u64::MAX)
    }
}
