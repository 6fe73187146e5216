//! Commands that encryption hides, laid on the turns of its records so that sizes agree best (a dynamic programme).

use crate::model::CommandRef;

use super::turn::Turn;

/// How a step of the hidden programme uses its two sides.
#[derive(Clone, Copy, Debug, PartialEq)]
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
    // What the rest is worth by the commands that are left: from the turn behind the next on, from the next, and from this one.
    let (mut behind, mut next) = (Vec::new(), vec![0i32; width]);
    let mut here = vec![0i32; width];
    let mut rows = steps.chunks_exact_mut(width).enumerate().rev();
    // Behind the last turn commands are left only.
    if let Some((_, steps)) = rows.next() {
        let left = next.iter_mut().zip(steps).rev().skip(1).zip(1..);
        for ((worth, step), count) in left {
            (*worth, *step) = (SKIP_COMMAND * count, Move::SkipCommand);
        }
    }
    for (i, steps) in rows {
        let ahead = passed.get(i..).unwrap_or_default();
        if let &[one, ..] = ahead {
            let two = ahead.get(1).map(|&next| (one.and(next), behind.as_slice()));
            lay((one, &next), two, told, (&mut here, steps));
        }
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

/// Finds the best step, and what it and all behind it are worth, before each command and before the end. Of a turn, and of that and its next together, it
/// is told what all behind is worth.
fn lay(
    (one, next): (Passed, &[i32]),
    two: Option<(Passed, &[i32])>,
    told: &[Sizes],
    (worth, steps): (&mut [i32], &mut [Move]),
) {
    // A greeting is no command, so leaving it out costs nothing.
    let without_turn = if one.asks { SKIP_TURN } else { 0 };
    let (Some((last, worth)), Some((&rest, next))) = (worth.split_last_mut(), next.split_last())
    else {
        return;
    };
    *last = without_turn + rest;
    let mut without_command = SKIP_COMMAND + *last;
    // What the rest is worth behind both.
    let mut behind_both = rest;
    let before = worth.iter_mut().zip(steps).zip(next.iter().zip(told));
    for (at, ((worth, step), (&same, &sizes))) in before.enumerate().rev() {
        let mut best = (one.worth(sizes) + behind_both, Move::One);
        let mut offer = |worth: i32, step: Move| {
            if worth > best.0 {
                best = (worth, step);
            }
        };
        if let Some((two, behind)) = two.filter(|_| sizes.is_body)
            && let Some(behind) = behind.get(at + 1)
        {
            let unlike = i32::from(two.agreement(sizes).0 == 0) * 8;
            offer(two.worth(sizes) - unlike + behind, Move::Two);
        }
        offer(without_command, Move::SkipCommand);
        offer(without_turn + same, Move::SkipTurn);
        (*worth, *step) = best;
        without_command = SKIP_COMMAND + best.0;
        behind_both = same;
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

    /// Whether those of the `sizes` that are told agree with it, of the request and of the reply.
    fn agreeing(&self, sizes: Sizes) -> (Option<bool>, Option<bool>) {
        // Whether a log counts the words around a message with it differs: `DATA`, its line end and the closing dot.
        let slack = if sizes.is_body { 11 } else { 0 };
        let request = |told| self.asked.wrapping_sub(told) <= slack;
        let response = |told| self.answered == told;
        (sizes.request.map(request), sizes.response.map(response))
    }

    /// How many of the `sizes` agree with it, and how many do not.
    fn agreement(&self, sizes: Sizes) -> (i32, i32) {
        let (request, response) = self.agreeing(sizes);
        let count =
            |wanted| i32::from(request == Some(wanted)) + i32::from(response == Some(wanted));
        let differ = if self.damaged { 0 } else { count(false) };
        (count(true), differ)
    }

    /// How well a command of such sizes fits.
    fn worth(&self, sizes: Sizes) -> i32 {
        if !self.asks {
            return i32::MIN / 4;
        }
        let differs = if self.damaged { 0 } else { -5 };
        let size =
            |agrees: Option<bool>| agrees.map_or(0, |agrees| if agrees { 4 } else { differs });
        let (request, response) = self.agreeing(sizes);
        let body = sizes.is_body && self.asked_last > 200;
        size(request) + size(response) + i32::from(body)
    }
}

/// How many of the `sizes` agree with what `turns` hold, and how many do not.
pub(super) fn agreement(sizes: Sizes, turns: &[Turn<'_>]) -> (i32, i32) {
    let passed = turns.iter().map(Passed::of).reduce(Passed::and);
    passed.map_or((0, 0), |passed| passed.agreement(sizes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{Burst, Nanos, PacketNo, Side};

    /// What the rest is worth from a turn and a command on, and the first step of that, by the definition.
    fn best(turns: &[Passed], told: &[Sizes]) -> (i32, Option<Move>) {
        let mut steps = Vec::new();
        if let (Some((one, turns)), Some((sizes, told))) = (turns.split_first(), told.split_first())
        {
            steps.push((one.worth(*sizes) + best(turns, told).0, Move::One));
            if let Some((next, turns)) = turns.split_first().filter(|_| sizes.is_body) {
                let two = one.and(*next);
                let unlike = if two.agreement(*sizes).0 == 0 { 8 } else { 0 };
                let worth = two.worth(*sizes) - unlike + best(turns, told).0;
                steps.push((worth, Move::Two));
            }
        }
        if let Some((_, told)) = told.split_first() {
            steps.push((SKIP_COMMAND + best(turns, told).0, Move::SkipCommand));
        }
        if let Some((turn, turns)) = turns.split_first() {
            let cost = if turn.asks { SKIP_TURN } else { 0 };
            steps.push((cost + best(turns, told).0, Move::SkipTurn));
        }
        let first = steps.into_iter().reduce(|one, other| match other {
            better if better.0 > one.0 => better,
            _ => one,
        });
        first.map_or((0, None), |(worth, step)| (worth, Some(step)))
    }

    /// The steps by the definition.
    fn steps(turns: &[Passed], told: &[Sizes]) -> Vec<Move> {
        let (mut i, mut j) = (0, 0);
        let mut steps = Vec::new();
        while let (_, Some(step)) = best(&turns[i..], &told[j..]) {
            (i, j) = match step {
                Move::One => (i + 1, j + 1),
                Move::Two => (i + 2, j + 1),
                Move::SkipCommand => (i, j + 1),
                Move::SkipTurn => (i + 1, j),
            };
            steps.push(step);
        }
        steps
    }

    fn burst(side: Side, plaintext: u64, damaged: bool) -> Burst {
        Burst {
            side,
            start: Nanos(0),
            end: Nanos(0),
            packet: PacketNo(1),
            records: 1,
            parts: Vec::new(),
            plaintext,
            damaged,
        }
    }

    proptest! {
        #[test]
        fn the_steps_are_those_of_greatest_worth(
            passed in proptest::collection::vec((any::<bool>(), 0u64..4, 0u64..4, any::<bool>()), 0..5),
            told in proptest::collection::vec((proptest::option::of(0u64..4), proptest::option::of(0u64..4), any::<bool>()), 0..5),
        ) {
            // Octets in hundreds, as a body has some.
            let bursts: Vec<_> = passed.iter().map(|&(_, asked, answered, damaged)| {
                [burst(Side::Client, asked * 100, damaged), burst(Side::Server, answered * 100, false)]
            }).collect();
            let turns: Vec<Turn<'_>> = bursts.iter().zip(&passed).map(|([asked, answered], &(asks, ..))| Turn {
                asked: asks.then_some(asked),
                answered: Some(answered),
            }).collect();
            let told: Vec<Sizes> = told.iter().map(|&(request, response, is_body)| Sizes {
                request: request.map(|octets| octets * 100),
                response: response.map(|octets| octets * 100),
                is_body,
            }).collect();
            let of_turns: Vec<Passed> = turns.iter().map(Passed::of).collect();
            let moves = best_moves(&turns, &told);
            prop_assert!(moves == steps(&of_turns, &told), "{moves:?}");
        }
    }
}
