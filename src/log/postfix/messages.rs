//! What Postfix's other daemons tell of messages: sizes, recipients, and what became of them.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, LazyLock};

use memchr::memmem::FinderRev;
use smallvec::SmallVec;
use thin_vec::ThinVec;

use crate::model::{Delivery, LineRef};

use super::super::slots::Slots;
use super::about::About;
use super::queue_id::QueueId;
use super::waiting::WaitNo;

/// Messages and deliveries of one message that are kept; of more nothing is known.
const MAX_MESSAGES: usize = 2_000_000;
const MAX_DELIVERIES: usize = 1_000;
/// How often a message is followed from one queue id to the next (content filters queue it anew).
const MAX_HOPS: usize = 4;
/// Messages that are kept for a while after they were removed: the line that names one as the next of another may come late.
const GONE_KEPT: usize = 4_096;

/// What stands before the id under which the next host, or this one again, has queued a message.
static QUEUED_AS: LazyLock<FinderRev<'static>> = LazyLock::new(|| FinderRev::new("queued as "));

/// What is known of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) id: QueueId,
    pub(super) from: Option<String>,
    /// Octets in the queue; known once it was taken in whole.
    pub(super) size: Option<u64>,
    pub(super) recipients: Option<u32>,
    /// Their addresses, in the order of delivery.
    pub(super) to: SmallVec<[String; 1]>,
    /// Its Message-ID field.
    pub(super) header_id: Option<String>,
    pub(super) deliveries: SmallVec<[Delivery; 1]>,
}

/// A message and those that it was queued as next, in the order in which they are to be told; none where nothing is known of it.
pub(super) type Chain = SmallVec<[Arc<Message>; 1]>;

/// A message while it may be asked for.
struct Kept {
    /// Shared with the sessions that have asked.
    message: Arc<Message>,
    /// How many messages were begun before it.
    number: u64,
    removed: bool,
    /// Sessions that will ask what became of it.
    readers: usize,
    /// Of those, sessions that are over and wait for its end.
    waiting: SmallVec<[WaitNo; 1]>,
}

/// The messages of a log that may still be asked for. A queue id may be used again once its message is removed.
#[derive(Default)]
pub(super) struct Messages {
    all: Slots<Kept>,
    begun: u64,
    /// The last message of each id.
    latest: HashMap<QueueId, MessageNo, foldhash::fast::RandomState>,
    /// Removed and asked for by nobody, the first removed first.
    gone: VecDeque<(MessageNo, u64)>,
    /// Messages beyond the bound.
    passed_over: u64,
}

/// The place of a message among all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MessageNo(usize);

impl Messages {
    /// A session brought a message, of which nothing is known yet.
    pub(super) fn brought(&mut self, id: &str) -> Option<MessageNo> {
        let at = self.begin(id)?;
        self.hold(at);
        Some(at)
    }

    /// A queue file was made.
    fn begin(&mut self, id: &str) -> Option<MessageNo> {
        let id = QueueId::read(id)?;
        if self.all.len() >= MAX_MESSAGES {
            self.passed_over += 1;
            return None;
        }
        let message = Message {
            id,
            ..Message::default()
        };
        let at = MessageNo(self.all.insert(Kept {
            message: Arc::new(message),
            number: self.begun,
            removed: false,
            readers: 0,
            waiting: SmallVec::new(),
        }));
        self.begun += 1;
        self.latest.insert(id, at);
        Some(at)
    }

    fn get(&self, at: MessageNo) -> Option<&Kept> {
        self.all.get(at.0)
    }

    /// The message that has an id now.
    fn latest(&self, id: &str) -> Option<MessageNo> {
        self.latest.get(&QueueId::read(id)?).copied()
    }

    /// The sender of the message that has an id now.
    pub(super) fn sender(&self, id: &str) -> Option<&str> {
        self.get(self.latest(id)?)?.message.from.as_deref()
    }

    /// Somebody will ask for it.
    pub(super) fn hold(&mut self, at: MessageNo) {
        if let Some(message) = self.all.get_mut(at.0) {
            message.readers += 1;
        }
    }

    /// Who held it has asked.
    pub(super) fn release(&mut self, at: MessageNo) {
        let Some(message) = self.all.get_mut(at.0) else {
            return;
        };
        message.readers = message.readers.saturating_sub(1);
        if message.removed && message.readers == 0 {
            self.let_go(at);
        }
    }

    /// What was to be this message never came; who held it has asked.
    pub(super) fn abandon(&mut self, at: MessageNo) {
        if let Some(message) = self.all.get_mut(at.0) {
            message.removed = true;
        }
        self.release(at);
    }

    /// Has a session wait for a message's end; gives whether there is something to wait for.
    pub(super) fn wait(&mut self, at: MessageNo, who: WaitNo) -> bool {
        match self.all.get_mut(at.0).filter(|message| !message.removed) {
            Some(message) => {
                message.waiting.push(who);
                true
            }
            None => false,
        }
    }

    /// A session waits no longer for a message's end.
    pub(super) fn leave(&mut self, at: MessageNo, who: WaitNo) {
        if let Some(message) = self.all.get_mut(at.0) {
            message.waiting.retain(|waits| *waits != who);
        }
    }

    /// The ids that a message was queued with next, as its deliveries name them.
    pub(super) fn next(&self, at: MessageNo) -> impl Iterator<Item = MessageNo> {
        let kept = self.get(at);
        let deliveries = kept.into_iter().flat_map(|kept| &kept.message.deliveries);
        deliveries.filter_map(move |delivery| {
            let reply = delivery.reply();
            let before = QUEUED_AS.rfind(reply.as_bytes())?;
            let id = reply.get(before + QUEUED_AS.needle().len()..)?;
            let next = self.latest(id)?;
            (self.get(next)?.number > kept?.number).then_some(next)
        })
    }

    /// A message was removed; gives the sessions that waited for that.
    fn removed(&mut self, at: MessageNo) -> SmallVec<[WaitNo; 1]> {
        let Some(message) = self.all.get_mut(at.0) else {
            return SmallVec::new();
        };
        message.removed = true;
        let waiting = std::mem::take(&mut message.waiting);
        if message.readers == 0 {
            self.let_go(at);
        }
        waiting
    }

    /// Nobody asks for it: it goes when its turn comes.
    fn let_go(&mut self, at: MessageNo) {
        let Some(number) = self.get(at).map(|message| message.number) else {
            return;
        };
        self.gone.push_back((at, number));
        while self.gone.len() > GONE_KEPT {
            let Some((oldest, number)) = self.gone.pop_front() else {
                return;
            };
            // Its place may have been given to another, and somebody may have asked for it again.
            let is_it = |kept: &Kept| kept.number == number && kept.readers == 0;
            if self.get(oldest).is_some_and(is_it)
                && let Some(Kept { message, .. }) = self.all.remove(oldest.0)
                && self.latest.get(&message.id) == Some(&oldest)
            {
                self.latest.remove(&message.id);
            }
        }
    }

    /// What a person should know of the bounds.
    pub(super) fn remarks(&self) -> Option<String> {
        (self.passed_over > 0).then(|| {
            format!(
                "{} messages are not followed, as more than {MAX_MESSAGES} are in the queue at once",
                self.passed_over
            )
        })
    }

    /// Takes a line about a message; gives the sessions that have waited for the message's end.
    pub(super) fn take(
        &mut self,
        line: LineRef,
        id: &str,
        about: &About<'_>,
    ) -> SmallVec<[WaitNo; 1]> {
        let known = self.latest(id);
        let open = known.filter(|at| self.get(*at).is_some_and(|message| !message.removed));
        let Some(at) = open.or_else(|| self.begin(id)) else {
            return SmallVec::new();
        };
        if *about == About::Removed {
            return self.removed(at);
        }
        let Some(kept) = self.all.get_mut(at.0) else {
            return SmallVec::new();
        };
        let message = Arc::make_mut(&mut kept.message);
        let mut deliver = |recipient: &str, status: &str, relay: &str, reply: &str| {
            if message.deliveries.len() < MAX_DELIVERIES {
                let told = [id, recipient, status, relay, reply];
                message.deliveries.push(Delivery::new(line, told));
            }
        };
        match *about {
            About::MessageId(id) => message.header_id = Some(id.to_owned()),
            About::Active {
                from,
                size,
                recipients,
            } => {
                message.from = Some(from.to_owned());
                message.size = Some(size);
                message.recipients = Some(recipients);
            }
            About::Delivered(told) => {
                let relay = if told.relay == "none" { "" } else { told.relay };
                deliver(told.to, told.status, relay, told.reply);
                let given = told.original.unwrap_or(told.to);
                if message.to.len() < MAX_DELIVERIES && !message.to.iter().any(|to| to == given) {
                    message.to.push(given.to_owned());
                }
            }
            About::Notified(text) => deliver("", "notified", "", text),
            About::Expired(text) => deliver("", "expired", "", text),
            About::Removed => {}
        }
        SmallVec::new()
    }

    /// A message, and what it was queued as next.
    pub(super) fn chain(&self, at: MessageNo) -> Chain {
        let mut chain = Chain::new();
        let mut todo: SmallVec<[(MessageNo, usize); 4]> = SmallVec::from_slice(&[(at, 0)]);
        while let Some((at, hops)) = todo.pop() {
            for next in self.next(at).filter(|_| hops < MAX_HOPS) {
                if !todo.contains(&(next, hops + 1)) {
                    todo.push((next, hops + 1));
                }
            }
            chain.extend(self.get(at).map(|kept| kept.message.clone()));
            // A message that goes on to itself by many ways.
            if chain.len() >= MAX_DELIVERIES {
                break;
            }
        }
        chain
    }
}

/// What became of a message, by all that it was queued as; goes to `fate`.
pub(super) fn fate(chain: &[Arc<Message>], fate: &mut ThinVec<Delivery>) {
    let known = fate.len();
    for message in chain {
        let room = MAX_DELIVERIES - (fate.len() - known);
        let of_it = message.deliveries.len().min(room);
        fate.reserve_exact(of_it);
        fate.extend(message.deliveries.iter().take(of_it).cloned());
    }
}

#[cfg(test)]
mod tests {
    use super::super::about::about;
    use super::*;
    use crate::model::LogId;

    const LINE: LineRef = LineRef {
        log: LogId(0),
        line: 1,
    };

    #[test]
    fn a_message_is_followed_through_a_content_filter() {
        let mut messages = Messages::default();
        let first = messages.brought("AAAAAAAAAAA").unwrap();
        let mut tell = |text: &str| {
            let (id, about) = about(text).unwrap();
            messages.take(LINE, id, &about);
        };
        tell(
            "AAAAAAAAAAA: to=<b@c>, relay=127.0.0.1[127.0.0.1]:10024, status=sent (250 2.0.0 Ok: queued as BBBBBBBBBBB)",
        );
        tell("AAAAAAAAAAA: removed");
        tell("BBBBBBBBBBB: from=<a@b>, size=9, nrcpt=1 (queue active)");
        tell(
            "BBBBBBBBBBB: to=<b@c>, relay=none, status=deferred (connect to c[192.0.2.1]:25: Connection refused)",
        );
        tell("BBBBBBBBBBB: from=<a@b>, status=expired, returned to sender");
        tell("AAAAAAAAAAA: to=<x@y>, relay=local, status=sent (delivered to mailbox)");
        let mut known = ThinVec::new();
        fate(&messages.chain(first), &mut known);
        let told: Vec<_> = known
            .iter()
            .map(|delivery| (delivery.status(), delivery.relay()))
            .collect();
        assert_eq!(
            told,
            [
                ("sent", "127.0.0.1[127.0.0.1]:10024"),
                ("deferred", ""),
                ("expired", "")
            ],
            "what has the id later is another message"
        );
    }
}
