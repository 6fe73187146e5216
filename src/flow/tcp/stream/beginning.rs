//! Where a stream begins, as far as its segments and those of the other side tell.

use crate::link::SeqNo;

use super::Stream;

/// What tells where a stream begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begins {
    /// The first segment captured.
    Guessed,
    /// A SYN, and another one `before` it that said otherwise.
    Said { before: Option<SeqNo> },
    /// A SYN that the other side has acknowledged.
    Agreed,
}

impl Stream {
    /// Makes `next` the first octet, unless the stream has begun.
    pub(in super::super) const fn begin(&mut self, next: SeqNo) {
        if self.next.is_none() {
            self.next = Some(next);
        }
    }

    /// Makes `next` the first octet, as a SYN says, unless the stream is under way or the other side has agreed to another.
    pub(in super::super) fn open(&mut self, next: SeqNo) {
        if !self.is_untouched() || self.begins == Begins::Agreed {
            return;
        }
        let before = self.next.replace(next);
        self.begins = match self.begins {
            Begins::Said { .. } if before == Some(next) => return,
            Begins::Said { .. } => Begins::Said { before },
            Begins::Guessed | Begins::Agreed => Begins::Said { before: None },
        };
    }

    /// The other side acknowledges what comes before `next`. Where two SYNs differ, as those of two servers behind one
    /// address do, it tells which counts.
    pub(in super::super) fn agree(&mut self, next: SeqNo) {
        let Begins::Said { before } = self.begins else {
            return;
        };
        if !self.is_untouched() {
            self.begins = Begins::Agreed;
        } else if self.next == Some(next) || before == Some(next) {
            self.next = Some(next);
            self.begins = Begins::Agreed;
        }
    }

    /// Makes `next` the first octet where it lies before the one known so far and nothing has been passed on.
    pub(in super::super) fn begin_no_later(&mut self, next: SeqNo) {
        let later = self.ahead(next).is_some_and(|ahead| ahead < 0);
        if later && !self.opened() && self.is_untouched() {
            self.next = Some(next);
        }
    }

    fn is_untouched(&self) -> bool {
        self.position == 0 && self.held.is_empty() && self.fin.is_none()
    }

    /// Whether a SYN told where it begins.
    pub(in super::super) const fn opened(&self) -> bool {
        !matches!(self.begins, Begins::Guessed)
    }

    pub(in super::super) const fn begun(&self) -> bool {
        self.next.is_some()
    }
}
