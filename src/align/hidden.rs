//! Commands that encryption hides, laid on the turns of its records so that sizes agree best (a dynamic programme).

use crate::model::CommandRef;

use super::turn::Turn;

/// How a step of the hidden programme uses its two sides.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Move {
    /// A command in one turn.
    One,
    /// A command told in one line that took two turns (a message: its announcement and its body).
    Two,
    /// A command without a turn of its own.
    SkipCommand,
    /// A turn the log does not tell of.
    SkipTurn,
}

/// Worth of a command that has no turn, and of a turn that has no command.
const SKIP_COMMAND: i32 = -6;
const SKIP_TURN: i32 = -4;

/// What is told of the sizes of a command.
#[derive(Clone, Copy)]
pub(super) struct Sizes {
    request: Option<u64>,
    response: Option<u64>,
    /// Whether it is a message, which may have two turns.
    is_body: bool,
}

impl Sizes {
    pub(super) fn of(command: CommandRef<'_>) -> Self {
        Self {
            request: command.request_bytes,
            response: command.response_bytes,
            is_body: command.is_body(),
        }
    }
}

/// The steps of greatest worth from the start to the end of both sides.
pub(super) fn best_moves(turns: &[Turn<'_>], told: &[Sizes]) -> Vec<Move> {
    let passed: Vec<Passed> = turns.iter().map(Passed::of).collect();
    let width = told.len() + 1;
    let mut best = vec![(0i32, Move::SkipTurn); (turns.len() + 1) * width];
    let value = |best: &[(i32, Move)], i: usize, j: usize| {
        best.get(i * width + j).map_or(i32::MIN / 2, |cell| cell.0)
    };
    for i in (0..=turns.len()).rev() {
        for j in (0..=told.len()).rev() {
            let mut cell = if i == turns.len() && j == told.len() {
                continue;
            } else {
                (i32::MIN / 2, Move::SkipTurn)
            };
            let mut offer = |worth: i32, step: Move| {
                if worth > cell.0 {
                    cell = (worth, step);
                }
            };
            if let Some(&sizes) = told.get(j) {
                if let Some(one) = passed.get(i) {
                    offer(one.worth(sizes) + value(&best, i + 1, j + 1), Move::One);
                }
                if let Some(&[one, next]) = passed.get(i..i + 2).filter(|_| sizes.is_body) {
                    let two = one.and(next);
                    let unlike = i32::from(two.agreement(sizes).0 == 0) * 8;
                    offer(
                        two.worth(sizes) - unlike + value(&best, i + 2, j + 1),
                        Move::Two,
                    );
                }
                offer(SKIP_COMMAND + value(&best, i, j + 1), Move::SkipCommand);
            }
            if let Some(turn) = passed.get(i) {
                // A greeting is no command, so leaving it out costs nothing.
                let cost = if turn.asks { SKIP_TURN } else { 0 };
                offer(cost + value(&best, i + 1, j), Move::SkipTurn);
            }
            if let Some(slot) = best.get_mut(i * width + j) {
                *slot = cell;
            }
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut moves = Vec::with_capacity(turns.len().max(told.len()));
    while i < turns.len() || j < told.len() {
        let Some(&(_, step)) = best.get(i * width + j) else {
            break;
        };
        match step {
            Move::One => (i, j) = (i + 1, j + 1),
            Move::Two => (i, j) = (i + 2, j + 1),
            Move::SkipCommand => j += 1,
            Move::SkipTurn => i += 1,
        }
        moves.push(step);
    }
    moves
}

/// What passed in some turns that follow one another.
#[derive(Clone, Copy)]
struct Passed {
    asked: u64,
    answered: u64,
    /// In the last of them.
    asked_last: u64,
    /// Whether it lacks something that the capture missed.
    damaged: bool,
    /// Whether the client spoke first in each.
    asks: bool,
}

impl Passed {
    fn of(turn: &Turn<'_>) -> Self {
        let (asked, answered) = turn.octets();
        let mut halves = [turn.asked, turn.answered].into_iter().flatten();
        Self {
            asked,
            answered,
            asked_last: asked,
            damaged: halves.any(|burst| burst.damaged),
            asks: turn.asked.is_some(),
        }
    }

    fn and(self, next: Self) -> Self {
        Self {
            asked: self.asked.saturating_add(next.asked),
            answered: self.answered.saturating_add(next.answered),
            asked_last: next.asked_last,
            damaged: self.damaged || next.damaged,
            asks: self.asks && next.asks,
        }
    }

    /// How many of the `sizes` agree with it, and how many do not.
    fn agreement(&self, sizes: Sizes) -> (i32, i32) {
        // Whether a log counts the words around a message with it differs: `DATA`, its line end and the closing dot.
        let slack = if sizes.is_body { 11 } else { 0 };
        let (mut agree, mut differ) = (0, 0);
        let told_and_seen = [
            (sizes.request, self.asked, slack),
            (sizes.response, self.answered, 0),
        ];
        for (told, seen, slack) in told_and_seen {
            match told {
                Some(told) if told <= seen && seen - told <= slack => agree += 1,
                Some(_) if self.damaged => {}
                Some(_) => differ += 1,
                None => {}
            }
        }
        (agree, differ)
    }

    /// How well a command of such sizes fits.
    fn worth(&self, sizes: Sizes) -> i32 {
        if !self.asks {
            return i32::MIN / 4;
        }
        let (agree, differ) = self.agreement(sizes);
        let body = sizes.is_body && self.asked_last > 200;
        4 * agree - 5 * differ + i32::from(body)
    }
}

/// How many of the `sizes` agree with what `turns` hold, and how many do not.
pub(super) fn agreement(sizes: Sizes, turns: &[Turn<'_>]) -> (i32, i32) {
    let passed = turns.iter().map(Passed::of).reduce(Passed::and);
    passed.map_or((0, 0), |passed| passed.agreement(sizes))
}
