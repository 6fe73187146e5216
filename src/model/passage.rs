//! How the packets of a connection fared on their way, by the sides that sent them.

use super::{Nanos, PacketNo, Side, Span};

/// How the packets of both sides fared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passage(pub [Way; 2]);

/// How the packets of one side fared, as far as acknowledgements and the IP header tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Way {
    /// Least and greatest hops left (TTL, hop limit) of its packets that are no resets.
    pub hops: Option<(u8, u8)>,
    /// Who put its packets on the link that was captured.
    pub sender: Sender,
    /// Largest segment it says that it takes: the MSS option of its SYN.
    pub mss: Option<u16>,
    /// Payload of the largest segment of its that was acknowledged.
    pub passed: u32,
    /// The segment that it sent most often before it was acknowledged. Copies sooner than 20 ms after the one before are not
    /// counted: they may be one packet captured twice.
    pub repeated: Option<Repeated>,
    /// The segment that it sent again and that was never acknowledged.
    pub stuck: Option<Repeated>,
    /// When its last packet came that is no reset.
    pub last: Option<Nanos>,
    /// Its first FIN.
    pub closed: Option<Closed>,
    /// Its first reset.
    pub reset: Option<Reset>,
    /// Packets other than resets that it sent after its first reset, a round trip of the handshake later at the earliest.
    pub after_reset: u64,
    /// How often it sent data, waited for an acknowledgement that came late and without data, and went on at once.
    pub delayed: u64,
    /// How long those acknowledgements took in all.
    pub delay: Span,
}

/// Hardware address of a station on an Ethernet link (IEEE 802 MAC-48).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Station(pub [u8; 6]);

/// The station that sent all packets of a side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sender {
    /// This one.
    One(Station),
    /// More than one, or one and packets of which it is not known.
    Several,
    /// No packet tells.
    #[default]
    Unknown,
}

impl Sender {
    /// Adds that a packet came from `station`.
    pub fn add(&mut self, station: Option<Station>) {
        *self = match (*self, station) {
            (Self::Unknown, Some(station)) => Self::One(station),
            (Self::One(known), Some(station)) if known == station => return,
            (Self::Unknown, None) => return,
            _ => Self::Several,
        };
    }
}

/// A segment that was sent again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeated {
    /// Octets of payload.
    pub length: u32,
    /// Times that it was sent, the first included.
    pub times: u32,
    /// When it was first sent again.
    pub first: Nanos,
    /// When it was last sent.
    pub last: Nanos,
    /// The packet that sent it again first.
    pub packet: PacketNo,
    /// Times that the other side acknowledged anew what it had acknowledged before, without data: each speaks for a later
    /// segment that did arrive (RFC 5681 §2).
    pub duplicates: u32,
}

/// A FIN that a side sent: it has no more to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    /// When.
    pub at: Nanos,
    /// Which packet.
    pub packet: PacketNo,
}

/// A reset that a side sent, or that somebody sent in its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reset {
    /// When.
    pub at: Nanos,
    /// Which packet.
    pub packet: PacketNo,
    /// Hops left of it.
    pub hops: u8,
    /// Octets by which it stands beyond all that the side was seen to send.
    pub ahead: u32,
    /// Its identification (RFC 791 §3.1) and that of the side's packet before, where the side counts its packets up and this one
    /// is of another count.
    pub odd_number: Option<[u16; 2]>,
    /// How soon it came after the data that it acknowledges, and the least that the side took to acknowledge any, where that is
    /// more than four times as long.
    pub too_soon: Option<[Span; 2]>,
}

impl Reset {
    /// A reset that nothing speaks against.
    pub const fn plain(at: Nanos, packet: PacketNo, hops: u8) -> Self {
        Self {
            at,
            packet,
            hops,
            ahead: 0,
            odd_number: None,
            too_soon: None,
        }
    }
}

impl Passage {
    /// How the packets of `side` fared.
    pub const fn of(&self, side: Side) -> &Way {
        let [client, server] = &self.0;
        match side {
            Side::Client => client,
            Side::Server => server,
        }
    }

    /// The same, to write on.
    pub const fn of_mut(&mut self, side: Side) -> &mut Way {
        let [client, server] = &mut self.0;
        match side {
            Side::Client => client,
            Side::Server => server,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_sender_is_told_from_several() {
        let after = |stations: &[Option<u8>]| {
            let mut sender = Sender::default();
            for station in stations {
                sender.add(station.map(|last| Station([2, 0, 0, 0, 0, last])));
            }
            sender
        };
        let one = Sender::One(Station([2, 0, 0, 0, 0, 1]));
        assert_eq!(after(&[None, None]), Sender::Unknown);
        // A SYN that was kept in little memory does not say who sent it.
        assert_eq!(after(&[None, Some(1), Some(1)]), one);
        assert_eq!(after(&[Some(1), None]), Sender::Several);
        assert_eq!(after(&[Some(1), Some(2), Some(1)]), Sender::Several);
    }
}
