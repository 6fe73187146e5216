//! The borders between the stretches of a log: where they are, and whether they are any.

use super::piece::{Piece, first_line, last_line};
use super::steps::EACH;
use super::view::View;

/// Rows on either side of a border that may go to the other, at least.
const BORDER: usize = 16;

/// Gives the rows around the border before the piece `at`, where there is one, to the side whose clock explains more of them. Whether any went to
/// the other side.
pub(super) fn shift_border(view: &View<'_>, pieces: &mut [Piece], at: usize) -> bool {
    let Some([before, behind]) = sides(pieces, at) else {
        return false;
    };
    let (left, right) = (before.rows(), behind.rows());
    let reach = BORDER.max(left.len().max(right.len()) / 4);
    let kept = left.len().saturating_sub(reach);
    let mine = left.len() - kept;
    let zone = left.iter().skip(kept).chain(right.iter().take(reach));
    let zone: Vec<usize> = zone.copied().collect();
    let cut = best_cut(&before.holds(view, &zone), &behind.holds(view, &zone));
    if cut == mine {
        return false;
    }
    let mut rows = std::mem::take(&mut before.stretch.rows);
    rows.append(&mut behind.stretch.rows);
    behind.stretch.rows = rows.split_off(kept + cut);
    before.stretch.rows = rows;
    true
}

/// The pieces on either side of the border before the piece `at`, where there is one.
fn sides(pieces: &mut [Piece], at: usize) -> Option<&mut [Piece; 2]> {
    let sides = pieces.get_mut(at.checked_sub(1)?..=at)?;
    sides.try_into().ok()
}

/// How many of the rows around a border belong before it, by which of them either clock explains. Where that says as much of several cuts, it is in the
/// middle of them.
fn best_cut(before: &[bool], behind: &[bool]) -> usize {
    let mut gain = behind.iter().filter(|&&held| held).count();
    let mut most = gain;
    let mut equal = (0, 0);
    for (at, (&before, &behind)) in (1..).zip(before.iter().zip(behind)) {
        gain = gain + usize::from(before) - usize::from(behind);
        if gain > most {
            (most, equal) = (gain, (at, at));
        } else if gain == most {
            equal.1 = at;
        }
    }
    usize::midpoint(equal.0, equal.1)
}

/// Leaves out, of the clocks on either side of the border before the piece `at` and of what is claimed, rows around it of which nothing tells on which side
/// they are: one that is of the other clock narrows the bound to where the true offset is not, and is joined by chance only.
pub(super) fn leave_out_unsure(view: &View<'_>, pieces: &mut [Piece], at: usize) {
    let Some([before, behind]) = sides(pieces, at) else {
        return;
    };
    let left: Vec<usize> = before.rows().iter().rev().take(BORDER).copied().collect();
    let right: Vec<usize> = behind.rows().iter().take(BORDER).copied().collect();
    let of_left = unsure(&before.holds(view, &left), &behind.holds(view, &left));
    let of_right = unsure(&behind.holds(view, &right), &before.holds(view, &right));
    before.forget(view, left.get(..of_left).unwrap_or_default());
    behind.forget(view, right.get(..of_right).unwrap_or_default());
}

/// Leaves out, of the clocks on either side of the border before the piece `at`, rows around it that may have lines on both of its sides: under either
/// clock such a session is longer or shorter than it was, and narrows the bound to where the true offset is not.
pub(super) fn leave_out_straddling(view: &View<'_>, pieces: &mut [Piece], at: usize) {
    let Some([before, behind]) = sides(pieces, at) else {
        return;
    };
    // The clock was set between where the last session before it begins and where the first behind it ends.
    let (Some(&last), Some(&first)) = (before.rows().last(), behind.rows().first()) else {
        return;
    };
    let (from, to) = (first_line(view, last), last_line(view, first));
    let left = before.rows().iter().rev().take(BORDER);
    let left: Vec<usize> = left
        .copied()
        .filter(|&row| last_line(view, row) > from)
        .collect();
    let right = behind.rows().iter().take(BORDER);
    let right: Vec<usize> = right
        .copied()
        .filter(|&row| first_line(view, row) < to)
        .collect();
    before.leave_out(view, &left);
    behind.leave_out(view, &right);
}

/// How many rows there are, from the border on, before the first that is of its own side's clock alone.
fn unsure(own: &[bool], other: &[bool]) -> usize {
    let mut rows = own.iter().zip(other);
    let sure = rows.position(|(&own, &other)| own && !other);
    sure.unwrap_or(own.len())
}

/// Whether one clock explains two neighbouring stretches as well as two clocks do.
pub(super) fn is_one_clock(view: &View<'_>, one: &Piece, other: &Piece) -> bool {
    // The greater one tells more of the clock, the lesser is what there is to explain.
    let (lesser, greater) = if one.settled.claimed() < other.settled.claimed() {
        (one, other)
    } else {
        (other, one)
    };
    let held = |by: &Piece| {
        let held = by.holds(view, lesser.rows());
        held.into_iter().filter(|&held| held).count()
    };
    let (own, by_other) = (held(lesser), held(greater));
    own <= by_other + by_other / 20 + EACH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_both_clocks_explain_or_neither_are_unsure() {
        assert_eq!(
            unsure(&[true, false, true, true], &[true, false, false, true]),
            2
        );
        assert_eq!(unsure(&[true, true], &[false, false]), 0);
        assert_eq!(unsure(&[true, true], &[true, true]), 2);
    }

    #[test]
    fn a_border_is_where_most_is_explained() {
        let held = |rows: &str| -> Vec<bool> { rows.chars().map(|row| row == 'x').collect() };
        assert_eq!(best_cut(&held("xxx-x-----"), &held("-x---xxxx-")), 5);
        // Nothing tells of the three rows between.
        assert_eq!(best_cut(&held("xxx-----"), &held("------xx")), 4);
        assert_eq!(best_cut(&held("--------"), &held("xxxxxxxx")), 0);
        assert_eq!(best_cut(&held("xxxxxxxx"), &held("--------")), 8);
    }
}
