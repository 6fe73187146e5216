//! The sessions that are complete, in little memory.

use crate::model::LogSession;

use super::STRIDE;

/// All that were given so far.
#[derive(Default)]
pub(super) struct Sessions {
    pub(super) all: Vec<LogSession>,
    /// How many of them are as they stay.
    settled: usize,
}

impl Sessions {
    /// Brings what is new into the form in which it stays. What they held for more to come goes to those that come next.
    pub(super) fn settle(&mut self) {
        for session in self.all.get_mut(self.settled..).unwrap_or_default() {
            // A socket for both families writes `::ffff:192.0.2.1`, where the packets have 192.0.2.1.
            session.peer = session.peer.map(|ip| ip.to_canonical());
            session.local = session.local.map(|ip| ip.to_canonical());
            session.shrink();
        }
        self.settled = self.all.len();
    }

    /// As many sessions will come of the octets that are left as came of those `at` octets: a list that grows is copied again and again.
    pub(super) fn make_room(&mut self, at: usize, of: usize) {
        let known = self.all.len();
        let all = known as u128 * of as u128 / at.max(1) as u128;
        let all = usize::try_from(all).unwrap_or(0);
        if at >= STRIDE.min(of / 16) && all > self.all.capacity() {
            // Where there is no room for so many, the list grows as they come.
            self.all.try_reserve_exact(all - known + all / 8).ok();
        }
    }

    /// All of them, as they stay; none is left.
    pub(super) fn take(&mut self) -> Vec<LogSession> {
        self.settle();
        self.settled = 0;
        std::mem::take(&mut self.all)
    }
}
