//! All lines that satisfy some constraints: a polygon in the plane of offset and drift.

use super::{Constraint, MAX_DRIFT};

/// A convex region of (offset, drift), by its corners in order.
pub(super) struct Region {
    corners: Vec<(f64, f64)>,
}

impl Region {
    /// All lines that satisfy all of `constraints`, within a box around one that does.
    pub(super) fn of(constraints: &[Constraint], offset: f64, drift: f64) -> Self {
        let reach = 10.0
            + constraints
                .iter()
                .map(|c| (c.hi - c.lo).abs() + 2.0 * MAX_DRIFT * c.at.abs())
                .fold(0.0, f64::max);
        let mut region = Self {
            corners: vec![
                (offset - reach, -MAX_DRIFT),
                (offset + reach, -MAX_DRIFT),
                (offset + reach, MAX_DRIFT),
                (offset - reach, MAX_DRIFT),
            ],
        };
        for c in constraints {
            region.cut(|(a, b)| a + b * c.at - c.lo);
            region.cut(|(a, b)| c.hi - a - b * c.at);
        }
        if region.corners.is_empty() {
            region.corners.push((offset, drift));
        }
        region
    }

    /// Keeps the part where `inside` is not negative (Sutherland and Hodgman 1974, for one edge).
    fn cut(&mut self, inside: impl Fn((f64, f64)) -> f64) {
        let corners = &self.corners;
        if corners.iter().all(|&corner| inside(corner) >= 0.0) {
            return;
        }
        let mut kept = Vec::with_capacity(corners.len() + 1);
        for (&from, &to) in corners.iter().zip(corners.iter().cycle().skip(1)) {
            let (a, b) = (inside(from), inside(to));
            if a >= 0.0 {
                kept.push(from);
            }
            if (a >= 0.0) != (b >= 0.0) {
                let share = a / (a - b);
                kept.push((
                    from.0 + share * (to.0 - from.0),
                    from.1 + share * (to.1 - from.1),
                ));
            }
        }
        self.corners = kept;
    }

    pub(super) fn range(&self, of: impl Fn(&(f64, f64)) -> f64) -> (f64, f64) {
        self.corners
            .iter()
            .map(of)
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), x| {
                (lo.min(x), hi.max(x))
            })
    }
}
