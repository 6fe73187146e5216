//! Inside a pair: the log's commands laid beside the wire's exchanges, and beside the encrypted runs
//! where TLS hides them. Both sides keep their order (a monotone alignment by dynamic programme).

use smallvec::SmallVec;

use crate::model::{
    CommandRef, Encryption, Exchange, LineRef, LogSession, Seen, Verb, What, WireSession,
};

use super::hidden::{Move, Sizes, agreement, best_moves};
use super::mailbox;
use super::turn::{Turn, turns};

/// Items ahead among which the next that is like one is looked for, where both sides have an order.
const LOOK_AHEAD: usize = 64;
/// Commands for which there is room before any is read: of most sessions all.
const MANY: usize = 32;
/// Cells of a dynamic programme; beyond that the sides are laid in order without it.
const MAX_CELLS: usize = 1 << 22;

/// How far a log session and a wire session tell the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Sizes that agree to the octet, and clear commands that agree in word and code.
    pub(super) agreeing: usize,
    /// Commands of the log without a place on the wire, and exchanges of the wire that a log of every command lacks.
    pub(super) left_over: usize,
}

impl Counts {
    /// Commands of the log that are not on the wire. Servers of HTTP write a line as well where nothing came that is a request.
    fn untold(&mut self, told: &[Told<'_>]) {
        let requests = told
            .iter()
            .filter(|told| told.command.verb != Verb::NO_REQUEST);
        self.left_over += requests.count();
    }
}

/// A command as the log tells it, with the line that does.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// The command and its reply.
    pub command: CommandRef<'a>,
    /// The line; none where no line is known to count it.
    pub line: Option<LineRef>,
}

/// A step of a conversation, by whoever tells of it.
#[derive(Clone, Copy)]
pub(super) enum Step<'a> {
    /// In the clear, and what the log says of it.
    Clear(&'a Exchange, Option<Told<'a>>),
    /// Hidden, and told by nobody.
    Inferred(&'a Exchange),
    /// Hidden, from the first turn to the last, and what the log says of it.
    Hidden(Turn<'a>, Turn<'a>, Option<Told<'a>>),
    /// Told by the log alone.
    Untold(Told<'a>),
}

/// All exchanges of `wire` with what `log` tells of them, in order, each marked with who saw it.
pub(super) fn lay(wire: &WireSession, log: &LogSession) -> Vec<Exchange> {
    let told = told(log);
    let hidden = told.len().max(wire.inferred.len());
    let mut exchanges = Vec::with_capacity(wire.exchanges.len() + hidden);
    walk(wire, log, &told, |step| exchanges.push(step.exchange()));
    if told.is_empty() {
        mailbox::name(wire, log, &mut exchanges);
    }
    exchanges
}

/// How far `wire` and `log`, of which all is `told`, tell the same.
pub(super) fn count(wire: &WireSession, log: &LogSession, told: &[Told<'_>]) -> Counts {
    // Nothing told agrees with nothing, and leaves over only what the log should have told.
    if told.is_empty() && !log.every_command {
        return Counts::default();
    }
    walk(wire, log, told, |_| {})
}

/// Lays what is `told` by `log` on `wire`, and takes each step.
fn walk<'a>(
    wire: &'a WireSession,
    log: &LogSession,
    told: &'a [Told<'a>],
    mut take: impl FnMut(Step<'a>),
) -> Counts {
    let mut counts = Counts::default();
    let clear = wire.exchanges.as_slice();
    let partner = pair_up(clear.len(), told.len(), |i, j| {
        let both = clear.get(i).zip(told.get(j));
        both.map_or(0, |(exchange, told)| likeness(exchange, told.command))
    });
    let mut next = 0;
    for (at, exchange) in clear.iter().enumerate() {
        let told_at = partner.get(at).copied().flatten();
        if let Some(told_at) = told_at {
            if wire.encryption == Encryption::None {
                let between = told.get(next..told_at).unwrap_or_default();
                counts.untold(between);
                for told in between {
                    take(Step::Untold(*told));
                }
            }
            next = told_at + 1;
            counts.agreeing += 1;
        } else if log.every_command && !exchange.verb.is_greeting() && !exchange.request.is_empty()
        {
            counts.left_over += 1;
        }
        let told = told_at.and_then(|at| told.get(at).copied());
        take(Step::Clear(exchange, told));
    }
    let rest = told.get(next..).unwrap_or_default();
    if wire.encryption == Encryption::None {
        counts.untold(rest);
        for told in rest {
            take(Step::Untold(*told));
        }
    } else if rest.is_empty() {
        for exchange in &wire.inferred {
            take(Step::Inferred(exchange));
        }
    } else {
        let turns: Vec<Turn<'_>> = turns(&wire.bursts).collect();
        walk_hidden(&turns, rest, &mut counts, take);
    }
    counts
}

impl Step<'_> {
    /// As it is shown.
    pub(super) fn exchange(self) -> Exchange {
        match self {
            // The wire's words stay; the log adds its line.
            Self::Clear(exchange, Some(told)) => Exchange {
                seen: Seen::Both,
                line: told.line,
                ..exchange.clone()
            },
            Self::Clear(exchange, None) | Self::Inferred(exchange) => exchange.clone(),
            Self::Hidden(first, last, told) => {
                let nobody = || Exchange::new(Verb::default(), String::new(), Seen::Inferred);
                let mut exchange = told.map_or_else(nobody, from_log);
                first.stamp_through(last, &mut exchange);
                exchange
            }
            Self::Untold(told) => from_log(told),
        }
    }
}

/// The exchanges of `wire` alone.
pub(super) fn alone(wire: &WireSession) -> Vec<Exchange> {
    let mut exchanges = wire.exchanges.clone();
    exchanges.extend_from_slice(&wire.inferred);
    exchanges
}

/// What tells a command and its reply from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said<'a> {
    /// Command word.
    pub verb: &'a str,
    /// The command's text, secrets masked.
    pub request: &'a str,
    /// Reply code or status word; empty where there is none.
    pub code: &'a str,
    /// The reply's text; empty where there is none.
    pub reply: &'a str,
}

impl<'a> Said<'a> {
    /// By an exchange.
    pub fn by(exchange: &'a Exchange) -> Self {
        Self {
            verb: exchange.verb.as_str(),
            request: &exchange.request,
            code: exchange.code.as_deref().unwrap_or_default(),
            reply: exchange.response.as_deref().unwrap_or_default(),
        }
    }
}

/// The exchanges of a conversation that only `log` knows, those that `wanted` takes, in order.
///
/// Only these take memory: a log has millions of sessions, and hardly one of them is looked at.
pub fn untold(log: &LogSession, wanted: impl Fn(Said<'_>) -> bool) -> Vec<Exchange> {
    let wanted = telling(log).filter(|told| wanted(told.said()));
    wanted.map(from_log).collect()
}

/// What the log tells, command by command: where only a log knows a conversation these are its exchanges, borrowed.
pub fn told(log: &LogSession) -> Vec<Told<'_>> {
    let mut told = Vec::with_capacity(log.events.len().min(MANY));
    told.extend(telling(log));
    told
}

/// The same, one after the other.
pub fn telling(log: &LogSession) -> impl Iterator<Item = Told<'_>> {
    // A log that counts commands lists few of a session beside.
    let mut listed: SmallVec<[Told<'_>; 2]> = SmallVec::new();
    // Counted commands take the line that counts them, unless a line of their own tells of them.
    let mut counted = None;
    for event in &log.events {
        match event.what {
            What::Command(command) => listed.push(Told {
                command: command.get(),
                line: Some(event.line),
            }),
            What::Close => counted = Some(event.line),
            _ => {}
        }
    }
    let mut implied = (!log.implied.is_empty()).then(|| log.implied.iter());
    let mut passed = 0;
    std::iter::from_fn(move || {
        let ahead = listed.get(passed..).unwrap_or_default();
        let Some(implied) = &mut implied else {
            passed += 1;
            return ahead.first().copied();
        };
        let command = implied.next()?;
        let is_own = |told: &Told<'_>| {
            told.command.verb == command.verb
                && told.command.response.is_some()
                && told.command.response == command.response
        };
        let near = ahead.iter().take(LOOK_AHEAD);
        let own = near.zip(1..).find(|(told, _)| is_own(told));
        let line = match own {
            Some((told, count)) => {
                passed += count;
                told.line
            }
            None => counted,
        };
        Some(Told { command, line })
    })
}

/// How like a clear exchange and a logged command are; 0: not the same.
pub(super) fn likeness(exchange: &Exchange, command: CommandRef<'_>) -> u32 {
    if exchange.verb.is_greeting() || exchange.verb.as_str() != command.verb {
        return 0;
    }
    let codes = match (&exchange.code, &command.code) {
        (Some(wire), Some(log)) if wire == log => 3,
        (Some(_), Some(_)) => return 0,
        _ => 1,
    };
    if exchange.request == command.request {
        return codes + 1;
    }
    // Commands of IMAP that both have a tag are the same only under the same one.
    let tags = (tag(&exchange.request), tag(command.request));
    if let (Some((wire, of)), Some((log, what))) = tags
        && of.eq_ignore_ascii_case(what)
        && of.eq_ignore_ascii_case(exchange.verb.as_str())
        && wire != log
    {
        return 0;
    }
    codes + u32::from(exchange.request.eq_ignore_ascii_case(command.request))
}

/// The word before the command's word, and that word: `a1 NOOP`.
fn tag(request: &str) -> Option<(&str, &str)> {
    let (tag, rest) = request.split_once(' ')?;
    Some((tag, rest.split(' ').next()?))
}

/// For each of `left` items the one of `right` items it belongs to, in order on both sides, so that
/// the sum of `worth` is greatest. Where there are none on one side, there is nothing to tell.
fn pair_up(left: usize, right: usize, worth: impl Fn(usize, usize) -> u32) -> Vec<Option<usize>> {
    let width = right + 1;
    if left == 0 || right == 0 {
        return Vec::new();
    }
    if left.saturating_mul(right) > MAX_CELLS {
        return in_order(left, right, worth);
    }
    let mut best = vec![0u32; (left + 1) * width];
    let cell = |best: &[u32], i: usize, j: usize| best.get(i * width + j).copied().unwrap_or(0);
    for i in (0..left).rev() {
        for j in (0..right).rev() {
            let pair = match worth(i, j) {
                0 => 0,
                gain => gain + cell(&best, i + 1, j + 1),
            };
            let value = pair.max(cell(&best, i + 1, j)).max(cell(&best, i, j + 1));
            if let Some(slot) = best.get_mut(i * width + j) {
                *slot = value;
            }
        }
    }
    let mut partner = vec![None; left];
    let (mut i, mut j) = (0, 0);
    while i < left && j < right {
        let gain = worth(i, j);
        let here = cell(&best, i, j);
        if gain > 0 && here == gain + cell(&best, i + 1, j + 1) {
            if let Some(slot) = partner.get_mut(i) {
                *slot = Some(j);
            }
            (i, j) = (i + 1, j + 1);
        } else if here == cell(&best, i + 1, j) {
            i += 1;
        } else {
            j += 1;
        }
    }
    partner
}

/// For sessions too long for the programme: each item takes the next that is like it.
fn in_order(left: usize, right: usize, worth: impl Fn(usize, usize) -> u32) -> Vec<Option<usize>> {
    let mut next = 0;
    (0..left)
        .map(|i| {
            let found = (next..right.min(next + LOOK_AHEAD)).find(|&j| worth(i, j) > 0)?;
            next = found + 1;
            Some(found)
        })
        .collect()
}

impl<'a> Told<'a> {
    /// The request's words.
    pub fn request(self) -> &'a str {
        // Without words is only the greeting.
        match self.command.request {
            "" if self.command.is_body() => "<body>",
            request => request,
        }
    }

    /// The reply's words, at least its code.
    pub fn response(self) -> Option<&'a str> {
        self.command.response.or(self.command.code)
    }

    /// What tells it from others.
    pub fn said(self) -> Said<'a> {
        Said {
            verb: self.command.verb,
            request: self.command.request,
            code: self.command.code.unwrap_or_default(),
            reply: self.response().unwrap_or_default(),
        }
    }
}

fn from_log(told: Told<'_>) -> Exchange {
    let command = told.command;
    let request = told.request().to_owned();
    Exchange {
        response: told.response().map(str::to_owned),
        code: command.code.map(str::to_owned),
        request_bytes: command.request_bytes,
        response_bytes: command.response_bytes,
        line: told.line,
        ..Exchange::new(Verb::new(command.verb), request, Seen::Log)
    }
}

impl Turn<'_> {
    /// Gives an exchange that reaches from this turn to the end of `last` the wire's times and sizes, the sizes only where the log has none.
    fn stamp_through(self, last: Self, exchange: &mut Exchange) {
        exchange.start = self.asked.or(self.answered).map(|burst| burst.start);
        exchange.asked = last.asked.map(|burst| burst.end);
        exchange.answered = last.answered.map(|burst| burst.start);
        exchange.end = last.answered.map(|burst| burst.end);
        exchange.packets = [
            self.asked.map(|burst| burst.packet),
            last.answered.map(|burst| burst.packet),
        ];
        exchange.request_bytes = exchange
            .request_bytes
            .or(self.asked.map(|burst| burst.plaintext));
        exchange.response_bytes = exchange
            .response_bytes
            .or(last.answered.map(|burst| burst.plaintext));
    }
}

/// Lays hidden commands on turns, so that sizes agree best, and takes each step.
fn walk_hidden<'a>(
    turns: &[Turn<'a>],
    told: &'a [Told<'a>],
    counts: &mut Counts,
    mut take: impl FnMut(Step<'a>),
) {
    if turns.len().saturating_mul(told.len()) > MAX_CELLS {
        counts.untold(told);
        for told in told {
            take(Step::Untold(*told));
        }
        return;
    }
    let sizes: Vec<Sizes> = told.iter().map(|told| Sizes::of(told.command)).collect();
    let (mut i, mut j) = (0, 0);
    for step in best_moves(turns, &sizes) {
        let turn = turns.get(i).copied().unwrap_or_default();
        match (step, told.get(j).copied()) {
            (Move::One, Some(command)) => {
                counts.agreeing += agreeing(command, &[turn]);
                take(Step::Hidden(turn, turn, Some(command)));
                (i, j) = (i + 1, j + 1);
            }
            (Move::Two, Some(command)) => {
                let last = turns.get(i + 1).copied().unwrap_or_default();
                counts.agreeing += agreeing(command, &[turn, last]);
                take(Step::Hidden(turn, last, Some(command)));
                (i, j) = (i + 2, j + 1);
            }
            (Move::SkipCommand, Some(command)) => {
                counts.untold(&[command]);
                take(Step::Untold(command));
                j += 1;
            }
            _ => {
                counts.left_over += usize::from(turn.asked.is_some());
                take(Step::Hidden(turn, turn, None));
                i += 1;
            }
        }
    }
}

/// Sizes of a command that agree with what `turns` hold.
fn agreeing(told: Told<'_>, turns: &[Turn<'_>]) -> usize {
    usize::try_from(agreement(Sizes::of(told.command), turns).0).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_of_another_tag_is_another_command() {
        fn log(request: &str) -> CommandRef<'_> {
            CommandRef {
                verb: "LOGOUT",
                request,
                ..CommandRef::default()
            }
        }
        let wire =
            |request: &str| Exchange::new(Verb::new("LOGOUT"), request.to_owned(), Seen::Wire);
        assert_eq!(likeness(&wire("f LOGOUT"), log("h LOGOUT")), 0);
        assert!(likeness(&wire("f LOGOUT"), log("f LOGOUT")) > 0);
        // Logs without tags say nothing of them.
        assert!(likeness(&wire("f LOGOUT"), log("logout")) > 0);
    }
}
