//! What one side has on its way: sent, and not acknowledged yet.

use crate::link::{Flags, Segment, SeqNo};
use crate::model::{Nanos, Repeated, Span};

use super::Arrival;

/// A copy that comes sooner may be the same packet captured twice.
pub(super) const COPY: Span = Span::millis(20);

/// What one side has on its way.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sender {
    /// Behind the last octet sent.
    pub(super) next: Option<SeqNo>,
    /// Behind the last octet acknowledged.
    pub(super) acknowledged: Option<SeqNo>,
    /// The largest segment that is on its way: its end and its payload.
    pub(super) largest: Option<(SeqNo, u32)>,
    /// The first segment on its way, where it was sent again.
    pub(super) again: Option<(SeqNo, Repeated)>,
    /// Times that the other side acknowledged no more than before while something is on its way.
    pub(super) duplicates: u32,
    /// When data was last sent for the first time.
    pub(super) sent: Option<Nanos>,
    /// When a late acknowledgement came, and how long it took; until either side speaks.
    pub(super) late: Option<(Nanos, Span)>,
    /// Whether the other side has no room.
    pub(super) shut: bool,
}

impl Sender {
    /// The other side acknowledges no more than `before`.
    pub(super) fn again_acknowledged(&mut self, before: SeqNo, segment: &Segment<'_>) {
        let bare =
            segment.length == 0 && !segment.flags.has(Flags::SYN) && !segment.flags.has(Flags::FIN);
        let waiting = self.next.is_some_and(|next| next.minus(before) > 0);
        if bare && waiting && segment.ack == before {
            self.duplicates = self.duplicates.saturating_add(1);
            if let Some((_, again)) = &mut self.again {
                again.duplicates = self.duplicates;
            }
        }
    }

    /// A segment that was sent before: kept where it is the first that the other side lacks.
    pub(super) fn sent_again(&mut self, arrival: Arrival, segment: &Segment<'_>) {
        if self.shut || self.acknowledged != Some(segment.seq) {
            return;
        }
        match &mut self.again {
            Some((seq, again)) if *seq == segment.seq => {
                if arrival.at.since(again.last) >= COPY {
                    again.times = again.times.saturating_add(1);
                    again.last = arrival.at;
                }
            }
            again => {
                let copied = self.sent.is_some_and(|sent| arrival.at.since(sent) < COPY);
                if !copied {
                    let first = Repeated {
                        length: segment.length,
                        times: 2,
                        first: arrival.at,
                        last: arrival.at,
                        packet: arrival.packet,
                        duplicates: self.duplicates,
                    };
                    *again = Some((segment.seq, first));
                }
            }
        }
    }
}
