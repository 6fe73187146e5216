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
                if let Some(one) = turns.get(i..=i) {
                    offer(worth(sizes, one) + value(&best, i + 1, j + 1), Move::One);
                }
                if let Some(two) = turns.get(i..i + 2).filter(|_| sizes.is_body) {
                    offer(worth(sizes, two) + value(&best, i + 2, j + 1), Move::Two);
                }
                offer(SKIP_COMMAND + value(&best, i, j + 1), Move::SkipCommand);
            }
            if let Some(turn) = turns.get(i) {
                // A greeting is no command, so leaving it out costs nothing.
                let cost = if turn.asked.is_none() { 0 } else { SKIP_TURN };
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

/// How well a command of such sizes fits in `turns`.
fn worth(sizes: Sizes, turns: &[Turn<'_>]) -> i32 {
    if turns.iter().any(|turn| turn.asked.is_none()) {
        return i32::MIN / 4;
    }
    let (agree, differ) = agreement(sizes, turns);
    let body = sizes.is_body
        && turns
            .last()
            .and_then(|turn| turn.asked)
            .is_some_and(|burst| burst.plaintext > 200);
    4 * agree - 5 * differ + i32::from(body) - i32::from(turns.len() > 1 && agree == 0) * 8
}

/// How many of the `sizes` agree with what `turns` hold, and how many do not.
pub(super) fn agreement(sizes: Sizes, turns: &[Turn<'_>]) -> (i32, i32) {
    let damaged = turns
        .iter()
        .flat_map(|turn| [turn.asked, turn.answered])
        .flatten()
        .any(|burst| burst.damaged);
    let asked: u64 = turns
        .iter()
        .filter_map(|turn| turn.asked)
        .map(|burst| burst.plaintext)
        .sum();
    let answered: u64 = turns
        .iter()
        .filter_map(|turn| turn.answered)
        .map(|burst| burst.plaintext)
        .sum();
    // Whether a log counts the words around a message with it differs: `DATA`, its line end and the closing dot.
    let slack = if sizes.is_body { 11 } else { 0 };
    let mut agree = 0;
    let mut differ = 0;
    for (told, seen, slack) in [(sizes.request, asked, slack), (sizes.response, answered, 0)] {
        match told {
            Some(told) if told <= seen && seen <= told + slack => agree += 1,
            Some(_) if damaged => {}
            Some(_) => differ += 1,
            None => {}
        }
    }
    (agree, differ)
}
