//! Commands that wait for their replies, answered in the order in which they were sent; and what a hole does to
//! that order.

use std::collections::VecDeque;

use super::Dialogue;
use super::record::remark;
use crate::model::Exchange;

/// Most commands that wait; the oldest is given up when there are more.
const MAX_WAITING: usize = 1000;

/// A command that waits for its reply.
#[derive(Debug)]
pub(super) struct Ask<K> {
    /// The exchange so far.
    pub(super) exchange: Exchange,
    /// What the command does to the dialogue.
    pub(super) kind: K,
    /// Asked before replies were lost: its own may be among them.
    doubtful: bool,
    /// Asked before the last hole.
    before_hole: bool,
    /// Asked behind a hole in the commands: what comes next may answer one of those.
    behind_lost: bool,
}

/// The commands that wait, oldest first.
#[derive(Debug)]
pub(super) struct Pending<K> {
    asks: VecDeque<Ask<K>>,
    uncertain: bool,
    /// Commands were lost, and no later one was answered yet.
    lost_commands: bool,
    /// The server has ended a reply since the client's last command.
    replied: bool,
}

impl<K> Default for Pending<K> {
    fn default() -> Self {
        Self {
            asks: VecDeque::new(),
            uncertain: false,
            lost_commands: false,
            replied: false,
        }
    }
}

impl<K> Ask<K> {
    /// Whether a part of the reply has come.
    pub(super) fn in_reply(&self) -> bool {
        self.exchange.answered.is_some()
    }

    /// Whether it was asked before replies were lost.
    pub(super) fn is_doubtful(&self) -> bool {
        self.doubtful
    }

    /// Writes the exchange out.
    pub(super) fn write(mut self, out: &mut Dialogue) {
        if !self.in_reply() {
            remark(&mut self.exchange.notes, "no reply captured");
        } else if self.doubtful {
            remark(
                &mut self.exchange.notes,
                "a hole comes before the end of the reply, which may belong to another command",
            );
        } else if self.behind_lost {
            remark(
                &mut self.exchange.notes,
                "commands before it were not captured: the reply may belong to one of them",
            );
        }
        out.exchanges.push(self.exchange);
    }
}

impl<K> Pending<K> {
    /// Whether lines were lost and not all commands of before are answered yet.
    pub(super) fn is_uncertain(&self) -> bool {
        self.uncertain
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.asks.is_empty()
    }

    /// The one whose reply is due.
    pub(super) fn first(&mut self) -> Option<&mut Ask<K>> {
        self.asks.front_mut()
    }

    /// The one asked last.
    pub(super) fn last(&mut self) -> Option<&mut Ask<K>> {
        self.asks.back_mut()
    }

    /// The place of the first that is in mid-reply or that `fits`.
    fn position(&self, fits: impl Fn(&Ask<K>) -> bool) -> Option<usize> {
        self.asks.iter().position(|ask| ask.in_reply() || fits(ask))
    }

    /// After a hole, where a reply `fits` only a later command: those before it, whose own were lost.
    pub(super) fn before_fitting(&mut self, fits: impl Fn(&Ask<K>) -> bool) -> Vec<Ask<K>> {
        let fitting = self.position(fits).unwrap_or(0);
        (0..fitting).map_while(|_| self.pop()).collect()
    }

    /// The client has asked. Gives the oldest back where too many wait.
    pub(super) fn push(&mut self, exchange: Exchange, kind: K) -> Option<Ask<K>> {
        self.asks.push_back(Ask {
            exchange,
            kind,
            doubtful: false,
            before_hole: false,
            behind_lost: self.lost_commands,
        });
        self.replied = false;
        if self.asks.len() > MAX_WAITING {
            return self.asks.pop_front();
        }
        None
    }

    /// The first is done with, answered or not.
    pub(super) fn pop(&mut self) -> Option<Ask<K>> {
        let ask = self.asks.pop_front();
        let answered = ask.as_ref().filter(|ask| ask.in_reply());
        self.replied |= answered.is_some();
        if answered.is_some_and(|ask| !ask.before_hole) && self.asks.is_empty() {
            self.uncertain = false;
            self.lost_commands = false;
        }
        ask
    }

    /// A reply has come that belongs to none of those that wait.
    pub(super) fn reply_to_none(&mut self) {
        self.replied = true;
    }

    /// The first, if the client that goes on no longer waits for it: it was asked before replies were lost, and its own
    /// came within the hole; or behind a hole the server has answered something since, and clients that do not wait
    /// for all replies are few.
    pub(super) fn pop_doubtful(&mut self) -> Option<Ask<K>> {
        let behind = self.uncertain && self.replied;
        self.asks.pop_front_if(|ask| ask.doubtful || behind)
    }

    /// Commands were lost.
    pub(super) fn lose_commands(&mut self, out: &mut Dialogue) {
        remark(&mut out.notes, "commands are missing from the capture");
        self.lost_commands = true;
        self.lose(false);
    }

    /// Replies were lost: the first gives way, unless it is in mid-reply or `keep` it; the others are doubtful.
    pub(super) fn lose_replies(&mut self, keep: bool, out: &mut Dialogue) -> Option<Ask<K>> {
        remark(&mut out.notes, "replies are missing from the capture");
        let given_up = self.asks.pop_front_if(|ask| !ask.in_reply() && !keep);
        self.lose(true);
        given_up
    }

    /// The reply to the first was given up in the middle of a text with a hole: that may have held others.
    pub(super) fn doubt_all(&mut self) {
        self.lose(true);
    }

    fn lose(&mut self, replies: bool) {
        self.uncertain = true;
        for ask in &mut self.asks {
            ask.before_hole = true;
            ask.doubtful |= replies;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Nanos, Seen, Verb};

    fn exchange(verb: &str) -> Exchange {
        Exchange::new(Verb::new(verb), verb.to_owned(), Seen::Wire)
    }

    fn waiting(verbs: &[&str]) -> Pending<()> {
        let mut pending = Pending::default();
        for verb in verbs {
            assert!(pending.push(exchange(verb), ()).is_none());
        }
        pending
    }

    #[test]
    fn lost_replies_cost_the_first_command_and_make_the_others_doubtful() {
        let mut out = Dialogue::default();
        let mut pending = waiting(&["A", "B", "C"]);
        let first = pending.lose_replies(false, &mut out).unwrap();
        assert_eq!(first.exchange.request, "A");
        first.write(&mut out);
        assert_eq!(out.exchanges[0].notes, ["no reply captured"]);
        assert!(pending.push(exchange("D"), ()).is_none());
        let given_up: Vec<String> = std::iter::from_fn(|| pending.pop_doubtful())
            .map(|ask| ask.exchange.request)
            .collect();
        assert_eq!(given_up, ["B", "C"]);
        assert!(pending.is_uncertain());
        pending.first().unwrap().exchange.answered = Some(Nanos(1));
        pending.pop().unwrap();
        assert!(!pending.is_uncertain());
    }

    #[test]
    fn a_command_in_mid_reply_keeps_its_place() {
        let mut out = Dialogue::default();
        let mut pending = waiting(&["A", "B"]);
        pending.first().unwrap().exchange.answered = Some(Nanos(1));
        assert!(pending.lose_replies(false, &mut out).is_none());
        assert_eq!(pending.position(|_| false), Some(0));
    }

    #[test]
    fn the_oldest_gives_way_when_too_many_wait() {
        let mut pending = waiting(&["A"]);
        for _ in 1..MAX_WAITING {
            assert!(pending.push(exchange("B"), ()).is_none());
        }
        let oldest = pending.push(exchange("C"), ()).unwrap();
        assert_eq!(oldest.exchange.request, "A");
    }
}
