//! A dialogue on the wire that rows of a heap may be of: where each row may go, and what that is worth.

use super::super::background::damaged;
use super::super::moment::{self, Window};
use super::super::turn::{Turn, turns};
use super::super::{hidden, sequence};
use super::{Row, Step};
use crate::model::{CommandRef, Exchange, WireSession};

/// Exchanges of the wire that a row may pass over.
const AHEAD: usize = 4;
/// Worth of a row that fits, of each word or size that agrees, and of an exchange passed over.
const FITS: f64 = 1.0;
const AGREES: f64 = 0.5;
const PASSED_OVER: f64 = -1.2;
/// What each second costs by which the length of a session differs, and the most; how much either side may leave out.
const OTHER_LENGTH: f64 = 23.0;
const OTHER_LENGTH_MOST: f64 = 5.0;
const LENGTH_LEFT_OUT: f64 = 0.02;

/// A place of a dialogue.
enum Place<'a> {
    Clear(&'a Exchange),
    Hidden(Turn<'a>),
}

/// A dialogue that rows may be of.
pub(super) struct Dialogue<'a> {
    pub(super) wire: &'a WireSession,
    places: Vec<Place<'a>>,
}

impl<'a> Dialogue<'a> {
    pub(super) fn of(wire: &'a WireSession) -> Self {
        let spoken = |exchange: &&Exchange| !exchange.verb.is_greeting();
        let clear = wire.exchanges.iter().filter(spoken).map(Place::Clear);
        let hidden = turns(&wire.bursts)
            .filter(|turn| turn.asked.is_some())
            .map(Place::Hidden);
        Self {
            wire,
            places: clear.chain(hidden).collect(),
        }
    }

    /// What it costs that the places from `from` on have no row.
    pub(super) fn rest(&self, from: usize) -> f64 {
        self.passed(from, self.places.len())
    }

    /// The same of those up to `to`.
    fn passed(&self, from: usize, to: usize) -> f64 {
        let each = if damaged(self.wire) {
            PASSED_OVER / 6.0
        } else {
            PASSED_OVER
        };
        let untold = (from..to.min(self.places.len())).filter(|&at| !self.announces(at));
        untold.map(|_| each).sum()
    }

    /// Whether a message follows, whose row tells of its announcement too.
    fn announces(&self, at: usize) -> bool {
        match self.places.get(at + 1) {
            Some(Place::Clear(exchange)) => exchange.verb.is_body(),
            _ => false,
        }
    }

    /// Where `row` may go from `next` on.
    pub(super) fn steps(&self, at: usize, next: usize, row: &Row<'_>) -> Vec<Step> {
        let mut steps = Vec::new();
        let Some(command) = row.event.command() else {
            if next <= self.places.len() {
                steps.push(Step {
                    dialogue: at,
                    next: self.places.len() + 1,
                    worth: self.rest(next) + self.length(row),
                    window: moment::closing(self.wire),
                });
            }
            return steps;
        };
        for from in next..(next + AHEAD).min(self.places.len()) {
            for count in 1..=2 {
                let places = self.places.get(from..from + count).unwrap_or_default();
                if let Some((worth, window)) = fits(places, command) {
                    steps.push(Step {
                        dialogue: at,
                        next: from + count,
                        worth: worth + self.passed(next, from) + self.length(row),
                        window,
                    });
                }
            }
        }
        steps
    }

    /// What the length of the session says that a last row tells.
    fn length(&self, row: &Row<'_>) -> f64 {
        let Some((Some(told), _)) = row.end else {
            return 0.0;
        };
        if !moment::began(self.wire) {
            return 0.0;
        }
        let length = self.wire.end.since(self.wire.start);
        let differs = (length - told).abs().as_seconds_f64() - LENGTH_LEFT_OUT;
        -(OTHER_LENGTH * differs.max(0.0)).min(OTHER_LENGTH_MOST)
    }
}

/// What it is worth that `command` took place in `places`, and when that was; `None` where it cannot have.
fn fits(places: &[Place<'_>], command: CommandRef<'_>) -> Option<(f64, Window)> {
    match places {
        [Place::Clear(exchange)] => {
            let like = sequence::likeness(exchange, command);
            let window = moment::answering(exchange)?;
            (like > 0).then(|| (FITS + AGREES * f64::from(like), window))
        }
        [Place::Hidden(turn)] => hidden(&[*turn], command),
        [Place::Hidden(turn), Place::Hidden(last)] if command.is_body() => {
            hidden(&[*turn, *last], command)
        }
        _ => None,
    }
}

fn hidden(turns: &[Turn<'_>], command: CommandRef<'_>) -> Option<(f64, Window)> {
    let (agree, differ) = hidden::agreement(hidden::Sizes::of(command), turns);
    let asked = turns.first()?.asked?;
    let last = turns.last()?;
    let end = last.answered.or(last.asked)?.end;
    (differ == 0).then(|| {
        (
            FITS + AGREES * f64::from(agree),
            Window::acted(asked.end, end),
        )
    })
}
