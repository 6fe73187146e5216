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
    let mut steps = vec![Move::SkipTurn; (turns.len() + 1) * width];
    // What the rest is worth from this turn on, from the next, and from that behind it, by the commands that are left.
    let mut here = vec![0i32; width];
    let mut next = Vec::new();
    let mut behind = Vec::new();
    for (i, steps) in steps.chunks_exact_mut(width).enumerate().rev() {
        let ahead = passed.get(i..).unwrap_or_default();
        let turn = Ahead {
            one: ahead.first().copied().zip(Some(next.as_slice())),
            two: match ahead {
                [one, next, ..] => Some((one.and(*next), behind.as_slice())),
                _ => None,
            },
        };
        turn.lay(told, &mut here, steps);
        std::mem::swap(&mut behind, &mut next);
        std::mem::swap(&mut next, &mut here);
        here.resize(width, 0);
    }
    let (mut i, mut j) = (0, 0);
    let mut moves = Vec::with_capacity(turns.len().max(told.len()));
    while i < turns.len() || j < told.len() {
        let Some(&step) = steps.get(i * width + j) else {
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

/// The turns from one on, with what the rest is worth behind the first and behind the second.
struct Ahead<'a> {
    one: Option<(Passed, &'a [i32])>,
    two: Option<(Passed, &'a [i32])>,
}

impl Ahead<'_> {
    /// Finds the best step, and what it and all behind it are worth, before each command and before the end.
    fn lay(&self, told: &[Sizes], worth: &mut [i32], steps: &mut [Move]) {
        let behind = |rest: &[i32], at: usize| rest.get(at).copied().unwrap_or(i32::MIN / 2);
        let mut without = None;
        for ((at, worth), step) in worth.iter_mut().enumerate().zip(steps).rev() {
            let mut best = (i32::MIN / 2, Move::SkipTurn);
            let mut offer = |worth: i32, step: Move| {
                if worth > best.0 {
                    best = (worth, step);
                }
            };
            if let Some(&sizes) = told.get(at) {
                if let Some((one, rest)) = self.one {
                    offer(one.worth(sizes) + behind(rest, at + 1), Move::One);
                }
                if let Some((two, rest)) = self.two.filter(|_| sizes.is_body) {
                    let unlike = i32::from(two.agreement(sizes).0 == 0) * 8;
                    let worth = two.worth(sizes) - unlike;
                    offer(worth + behind(rest, at + 1), Move::Two);
                }
            }
            if let Some(without) = without {
                offer(SKIP_COMMAND + without, Move::SkipCommand);
            }
            match self.one {
                // A greeting is no command, so leaving it out costs nothing.
                Some((turn, rest)) => {
                    let cost = if turn.asks { SKIP_TURN } else { 0 };
                    offer(cost + behind(rest, at), Move::SkipTurn);
                }
                None if without.is_none() => best.0 = 0,
                None => {}
            }
            (*worth, *step) = best;
            without = Some(best.0);
        }
    }
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
