//! How evenly things follow each other.

use crate::model::{Nanos, Span};

/// The pauses between several moments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rhythm {
    /// Moments.
    pub(super) times: usize,
    /// The middle one of the pauses.
    pub(super) pause: Span,
    /// Whether four in five of the pauses differ from it by less than half of it.
    pub(super) regular: bool,
}

impl Rhythm {
    /// Of at least three moments, in any order.
    pub(super) fn of(mut moments: Vec<Nanos>) -> Option<Self> {
        moments.sort_unstable();
        let mut pauses: Vec<Span> = moments
            .iter()
            .zip(moments.iter().skip(1))
            .map(|(one, next)| next.since(*one))
            .collect();
        pauses.sort_unstable();
        let pause = *pauses.get(pauses.len() / 2).filter(|_| pauses.len() >= 2)?;
        let even = pauses
            .iter()
            .filter(|&&one| (one - pause).abs().0 < pause.0 / 2)
            .count();
        Some(Self {
            times: moments.len(),
            pause,
            regular: even * 5 >= pauses.len() * 4 && pause > Span::ZERO,
        })
    }
}
