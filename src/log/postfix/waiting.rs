//! Sessions that are over, and wait for what becomes of the messages that they brought.

use crate::model::LogTime;

use super::super::slots::Slots;
use super::messages::{MessageNo, Messages};
use super::serving::{Over, Serving};

/// Messages of one session that are waited for, those they were queued as next among them.
const MAX_HELD: usize = 1_000;

/// All of them.
#[derive(Default)]
pub(super) struct Waiting(Slots<Wait>);

/// The place of a session among those that wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WaitNo(usize);

struct Wait {
    serving: Box<Serving>,
    held: Vec<MessageNo>,
    /// Messages that are not removed yet.
    left: usize,
}

impl Waiting {
    /// A session is over; it goes to `out` at once where nothing more will be told of its messages.
    pub(super) fn over(
        &mut self,
        serving: Box<Serving>,
        messages: &mut Messages,
        out: &mut Vec<Over>,
    ) {
        let held: Vec<MessageNo> = serving.messages().collect();
        if held.is_empty() || serving.took_in_nothing() {
            out.push(serving.over(messages));
            for never_sent in held {
                messages.abandon(never_sent);
            }
            return;
        }
        let left = 0;
        let at = WaitNo(self.0.insert(Wait {
            serving,
            held,
            left,
        }));
        if let Some(wait) = self.0.get_mut(at.0) {
            let waits = wait.held.iter().filter(|held| messages.wait(**held, at));
            wait.left = waits.count();
        }
        self.settle(at, messages, out);
    }

    /// A message that a session waited for is removed.
    pub(super) fn removed(&mut self, at: WaitNo, messages: &mut Messages, out: &mut Vec<Over>) {
        if let Some(wait) = self.0.get_mut(at.0) {
            wait.left = wait.left.saturating_sub(1);
        }
        self.settle(at, messages, out);
    }

    /// Gives the session where all of its messages are removed, and all that they were queued as next.
    fn settle(&mut self, at: WaitNo, messages: &mut Messages, out: &mut Vec<Over>) {
        let Some(wait) = self.0.get_mut(at.0).filter(|wait| wait.left == 0) else {
            return;
        };
        let mut looked_at = 0;
        while let Some(&one) = wait.held.get(looked_at) {
            let next: Vec<MessageNo> = messages
                .next(one)
                .filter(|next| !wait.held.contains(next))
                .take(MAX_HELD.saturating_sub(wait.held.len()))
                .collect();
            for next in next {
                messages.hold(next);
                wait.held.push(next);
                wait.left += usize::from(messages.wait(next, at));
            }
            looked_at += 1;
        }
        if wait.left == 0
            && let Some(wait) = self.0.remove(at.0)
        {
            out.push(wait.serving.over(messages));
            for held in wait.held {
                messages.release(held);
            }
        }
    }

    /// Gives those that were over `before`, with what became of their messages so far.
    pub(super) fn settle_before(
        &mut self,
        before: LogTime,
        messages: &mut Messages,
        out: &mut Vec<Over>,
    ) {
        let over = |wait: &Wait| wait.serving.last().is_none_or(|last| last.at < before);
        for (at, wait) in self.0.take_if(over) {
            out.push(wait.serving.over(messages));
            for held in wait.held {
                messages.leave(held, WaitNo(at));
                messages.release(held);
            }
        }
    }

    /// All that still wait.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Box<Serving>> {
        self.0.drain().map(|wait| wait.serving)
    }
}
