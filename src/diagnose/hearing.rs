//! When a log had lines: stretches without one are what is asked for.

use crate::model::{LineRef, Nanos, Span};

use super::silence::Stretch;

/// A moment, and the line of it; the ends of a capture are none.
pub(super) type Mark = (Nanos, Option<LineRef>);

/// Stretches in which a log had lines near each other. What lies between them it was silent.
#[derive(Clone, Debug)]
pub(super) struct Hearing {
    /// Stretches that are kept at most; where there are more, what lies between the nearest counts to them.
    most: usize,
    /// Lines no farther apart than this are of one stretch, and never were told apart if no farther than that.
    near: Span,
    least: Span,
    /// In order up to some place, and as they came behind it.
    heard: Vec<(Mark, Mark)>,
    /// Up to there.
    ordered: usize,
    /// Silent stretches that were counted to what is around them, as there were too many.
    forgotten: u64,
}

/// A stretch without a line, from one to another.
pub(super) type Silent = (Mark, Mark);

impl Hearing {
    /// Lines no farther apart than `near` are never looked at as silence.
    pub(super) const fn new(most: usize, near: Span) -> Self {
        Self {
            most,
            near,
            least: near,
            heard: Vec::new(),
            ordered: 0,
            forgotten: 0,
        }
    }

    /// The log has a line, in any order.
    pub(super) fn push(&mut self, mark: Mark) {
        self.heard.push((mark, mark));
        let beyond = self.heard.len() - self.ordered;
        if beyond > self.most.max(1) {
            self.put_together();
        }
    }

    /// Silent stretches that nobody can be told of.
    pub(super) const fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// The stretches between lines that are longer than `least`, in order.
    pub(super) fn silent(&mut self, least: Span) -> Vec<Silent> {
        self.put_together();
        let pairs = self.heard.windows(2).filter_map(|pair| match pair {
            [(_, from), (to, _)] => Some((*from, *to)),
            _ => None,
        });
        pairs
            .filter(|(from, to)| to.0.since(from.0) > least)
            .collect()
    }

    fn put_together(&mut self) {
        self.heard.sort_unstable();
        self.join();
        while self.heard.len() > self.most {
            self.near = self.near + self.near + Span::MILLISECOND;
            self.join();
        }
        self.ordered = self.heard.len();
    }

    fn join(&mut self) {
        let mut kept: Vec<(Mark, Mark)> = Vec::new();
        for &(first, last) in &self.heard {
            match kept.last_mut() {
                Some((_, until)) if first.0 <= until.0 + self.near => {
                    self.forgotten += u64::from(first.0 > until.0 + self.least);
                    *until = last.max(*until);
                }
                _ => kept.push((first, last)),
            }
        }
        self.heard = kept;
    }
}

/// Its moments alone.
pub(super) const fn times(silent: &Silent) -> Stretch {
    (silent.0.0, silent.1.0)
}

#[cfg(test)]
mod tests {
    use super::super::testing::at;
    use super::*;

    /// The silent stretches of lines at these seconds, longer than two seconds.
    fn silent(most: usize, seconds: &[i64]) -> (Vec<(i64, i64)>, u64) {
        let mut hearing = Hearing::new(most, Span::seconds(2));
        for &second in seconds {
            hearing.push((at(second), None));
        }
        let second = |moment: Nanos| moment.since(at(0)).0 / Span::SECOND.0;
        let found = hearing.silent(Span::seconds(2));
        let found = found.iter().map(times);
        let found = found.map(|(from, to)| (second(from), second(to))).collect();
        (found, hearing.forgotten())
    }

    #[test]
    fn silence_lies_between_lines_in_whatever_order_they_come() {
        let lines = [0, 2, 9, 1, 30, 11, 20];
        assert_eq!(silent(9, &lines), (vec![(2, 9), (11, 20), (20, 30)], 0));
        assert_eq!(silent(9, &[]), (vec![], 0));
    }

    #[test]
    fn where_there_is_much_of_it_the_longest_is_kept() {
        let mut lines: Vec<i64> = (0..100).map(|n| 4 * n).collect();
        lines.extend([600, 1000]);
        let (found, forgotten) = silent(10, &lines);
        assert_eq!(found, [(396, 600), (600, 1000)]);
        assert_eq!(forgotten, 99);
    }
}
