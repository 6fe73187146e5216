//! Attempts to connect that nobody answered, counted by server where they are too many to list.

use hashbrown::HashMap;

use crate::model::{Endpoint, Nanos, Unlisted};

use super::half_open::HalfOpen;

/// Servers counted for; attempts to others are only counted in all.
const MAX_SERVERS: usize = 10_000;

/// The counts by server.
#[derive(Debug, Default)]
pub(super) struct UnlistedByServer(HashMap<Endpoint, Unlisted, foldhash::fast::RandomState>);

impl UnlistedByServer {
    /// Counts an attempt that is given up at `now`, if nobody answered it and somebody would have.
    pub(super) fn count(&mut self, half: &HalfOpen, now: Nanos) {
        let syn = &half.syn;
        let waited = syn.times > 1 || now.since(syn.first) >= Unlisted::WAITED;
        if half.answer.is_some() || !waited {
            return;
        }
        if self.0.len() >= MAX_SERVERS && !self.0.contains_key(&half.server) {
            return;
        }
        let known = self.0.entry(half.server).or_insert_with(|| Unlisted {
            server: half.server,
            attempts: 0,
            syns: 0,
            first: syn.first,
            last: syn.first,
            waited: syn.last.since(syn.first),
            packet: syn.packet,
        });
        known.attempts += 1;
        known.syns += u64::from(syn.times);
        known.first = known.first.min(syn.first);
        known.last = known.last.max(syn.first);
        known.waited = known.waited.max(syn.last.since(syn.first));
        known.packet = known.packet.min(syn.packet);
    }

    /// All of them, by server.
    pub(super) fn told(&self) -> Vec<Unlisted> {
        let mut all: Vec<Unlisted> = self.0.values().cloned().collect();
        all.sort_by_key(|one| one.server);
        all
    }
}
