//! How many of the pairs of a log may be wrong, by what their margins say together.
//!
//! Each pair is told from its rivals by itself. Where many sessions are missing on both sides one that is left over falls in with another by chance,
//! and nothing tells such a pair from a right one: then hardly any is claimed.

use super::component::CLEAR;
use super::settled::Settled;

/// Of the pairs of a log that are claimed so many are expected to be wrong at most, or this one.
const WRONG: f64 = 1.0 / 30.0;
const ONE: f64 = 1.0;
/// The margin of a pair of which one in a thousand is wrong.
const SURE: f64 = 7.0;

/// How likely a pair is wrong that is by `margin` nats better than the next best choice.
pub(super) fn wrong(margin: f64) -> f64 {
    1.0 / (1.0 + margin.exp())
}

/// The least margin with which the pairs of a log are claimed.
pub(super) fn least(settled: &Settled) -> f64 {
    least_of(settled.clear().map(|verdict| verdict.margin))
}

fn least_of(margins: impl Iterator<Item = f64>) -> f64 {
    let (mut expected, mut claimed) = (0.0, 0.0);
    for margin in margins {
        claimed += 1.0;
        expected += wrong(margin);
    }
    if expected > ONE.max(WRONG * claimed) {
        SURE
    } else {
        CLEAR
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sure_pairs_are_claimed_where_many_of_all_would_be_wrong() {
        let only_sure = |just: usize, sure: usize| {
            let margins = [vec![2.1; just], vec![9.0; sure]].concat();
            least_of(margins.into_iter()) > CLEAR
        };
        assert!(!only_sure(0, 0));
        assert!(!only_sure(8, 0), "of a few pairs one at most is wrong");
        assert!(!only_sure(40, 400), "hardly any of all");
        assert!(only_sure(40, 0) && only_sure(40, 60));
    }
}
