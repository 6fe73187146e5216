//! How much of a log the capture has, and how much of it a clock explains.

use super::clock::Clock;
use super::groups::Edges;
use super::settled::Settled;
use super::view::View;

/// Sessions that are claimed at least where a clock goes by how many have a candidate.
const FEW: usize = 3;

/// How much of a log the wire lacks, as far as it can be told.
#[derive(Clone, Copy)]
pub(super) struct Lack {
    /// Share of the sessions that have no possible partner.
    pub(super) share: f64,
    /// Possible partners that each has beside the right one.
    crowd: f64,
}

/// Which of the log's sessions count as such that the wire lacks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Lacking {
    /// Those without a possible partner.
    #[default]
    Partner,
    /// Those that have one by chance only too: in a crowd hardly one is without.
    BesideChance,
}

impl Lack {
    pub(super) fn share_by(self, lacking: Lacking) -> f64 {
        match lacking {
            Lacking::Partner => self.share,
            Lacking::BesideChance => (self.share * self.crowd.exp()).min(1.0),
        }
    }
}

/// How many sessions a clock explains.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Share {
    claimed: usize,
    /// Those that have a candidate.
    fitting: usize,
    of: usize,
}

impl Share {
    /// So many that it is not by chance. That most have candidates says so only where some were told apart: under a wrong clock
    /// regular sessions have candidates too, and what is not claimed does not bear out a bound.
    pub(super) const fn is_most(self) -> bool {
        let some = self.claimed >= FEW && self.is_some();
        self.claimed > 0 && self.claimed * 3 >= self.of || some && self.fitting * 4 >= self.of * 3
    }

    /// So many that nothing is left for another clock.
    pub(super) const fn is_nearly_all(self) -> bool {
        self.claimed * 10 >= self.of * 9
    }

    /// Whether half of so many sessions are in the capture's time, explained or not.
    pub(super) const fn is_of_half(self, sessions: usize) -> bool {
        self.of * 2 >= sessions
    }

    /// So many that a part of a log has this clock: by chance a few always fit.
    pub(super) const fn is_half_of(self, least: usize) -> bool {
        self.claimed >= least && self.claimed * 2 >= self.of
    }

    /// So many that a clock known from elsewhere is borne out.
    pub(super) const fn is_some(self) -> bool {
        self.claimed > 0 && self.claimed * 10 >= self.of
    }
}

impl View<'_> {
    /// The share of the log's sessions in the capture's time that are not on the wire, as far as can be told: those without any partner
    /// that their time and kind allow. One of them and one of the others is supposed on top, so that few sessions prove little.
    pub(super) fn lack(&self, edges: &Edges<'_>, clock: &Clock) -> Lack {
        let mut has: Vec<bool> = vec![false; self.mine.len()];
        for row in edges.rows() {
            if let Some(has) = has.get_mut(row) {
                *has = true;
            }
        }
        let with = has.iter().filter(|has| **has).count();
        let covered = has
            .iter()
            .enumerate()
            .filter(|&(row, has)| {
                // Clients that the capture never saw say nothing of those that it did.
                let missed = |log| self.covers(log, clock) && self.possible(log).next().is_some();
                *has || self.log(row).is_some_and(missed)
            })
            .count();
        let alone = covered - with.min(edges.columns());
        #[expect(clippy::cast_precision_loss, reason = "counts of sessions")]
        let (alone, covered, pairs) = (alone as f64, covered as f64, edges.rows().count() as f64);
        Lack {
            share: (alone + 1.0) / (covered + 2.0),
            crowd: (pairs / covered.max(1.0) - 1.0).max(0.0),
        }
    }

    /// How much is explained of what the capture should show: sessions in its time, with clients and protocols that it knows.
    pub(super) fn explained(&self, settled: &Settled) -> Share {
        let mut share = Share::default();
        for (row, verdict) in settled.chosen.iter().enumerate() {
            let Some(log) = self.log(row) else { continue };
            if verdict.is_none()
                && !(self.covers(log, &settled.clock) && self.possible(log).next().is_some())
            {
                continue;
            }
            share.of += 1;
            share.fitting += usize::from(verdict.is_some());
            share.claimed += usize::from(verdict.is_some_and(|verdict| verdict.is_clear()));
        }
        share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_under_which_hardly_anything_is_claimed_is_not_borne_out() {
        let share = |claimed, fitting, of| Share {
            claimed,
            fitting,
            of,
        };
        for few in [share(0, 12, 12), share(2, 12, 12), share(0, 0, 0)] {
            assert!(!few.is_most(), "{few:?}");
        }
        for most in [share(1, 1, 1), share(4, 4, 12), share(3, 20, 24)] {
            assert!(most.is_most(), "{most:?}");
        }
        assert!(!share(0, 0, 0).is_some() && share(1, 1, 10).is_some());
    }
}
