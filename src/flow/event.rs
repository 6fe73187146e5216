//! What the reassembly says of a connection.

use crate::model::{
    Conversation, Counts, Handshake, IcmpError, Nanos, Overlap, PacketNo, Passage, Side,
};

/// What one direction of a connection did, in stream order.
///
/// Events of both directions come in causal order: bytes come before the segment of the other side that
/// acknowledges them, even where the capture has the two swapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEvent<'p> {
    /// Bytes of the stream, each delivered once.
    Data {
        /// Who sent them.
        side: Side,
        /// When they first passed.
        at: Nanos,
        /// Which packet carried them.
        packet: PacketNo,
        /// The bytes.
        bytes: &'p [u8],
    },
    /// The sender has closed its direction.
    Fin {
        /// Who.
        side: Side,
        /// When.
        at: Nanos,
    },
    /// Bytes of the stream that the capture does not hold; what follows comes after the hole.
    Gap {
        /// Who sent them.
        side: Side,
        /// When the hole was given up.
        at: Nanos,
        /// How many.
        missing: u64,
    },
    /// The connection was torn down.
    Rst {
        /// By whom.
        side: Side,
        /// When.
        at: Nanos,
    },
}

/// A connection as a whole, once it is over or the capture is.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Who talked to whom; the client is the side that opened it, as far as can be told.
    pub conversation: Conversation,
    /// First packet.
    pub start: Nanos,
    /// Last packet.
    pub end: Nanos,
    /// Number of the first packet.
    pub first_packet: PacketNo,
    /// Zeek's `conn_state` word.
    pub conn_state: &'static str,
    /// Zeek's `history` letters.
    pub history: String,
    /// What each side sent.
    pub counts: Counts,
    /// How it was opened.
    pub handshake: Handshake,
    /// How its packets fared on their way.
    pub passage: Passage,
    /// ICMP errors that quote a packet of it. The first 16.
    pub icmp_errors: Vec<IcmpError>,
    /// Places where two copies of the same octets differ. The first 16.
    pub overlaps: Vec<Overlap>,
}

/// What becomes of segments whose checksum is wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BadChecksums {
    /// They are counted and believed: the sending host's own capture shows them before the network card has
    /// filled the checksum in.
    #[default]
    Keep,
    /// They are counted and passed over, as by the host that they were sent to.
    Drop,
}

/// Bounds of the connection table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections followed at once; the one idle longest is closed to make room.
    pub connections: usize,
    /// Connections followed at once of which only a SYN, or a SYN and its answer, was seen; the oldest is given up to make room.
    pub half_open: usize,
    /// Such connections that are made a session each when they are over; further ones are counted only.
    pub unanswered: usize,
    /// Octets held back per direction behind a hole.
    pub held_per_direction: usize,
    /// Octets held back in all.
    pub held_in_all: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1_000_000,
            half_open: 500_000,
            unanswered: 20_000,
            held_per_direction: 4 << 20,
            held_in_all: 512 << 20,
        }
    }
}

impl StreamEvent<'_> {
    /// Who did it.
    pub const fn side(&self) -> Side {
        match *self {
            Self::Data { side, .. }
            | Self::Fin { side, .. }
            | Self::Gap { side, .. }
            | Self::Rst { side, .. } => side,
        }
    }

    /// When.
    pub const fn at(&self) -> Nanos {
        match *self {
            Self::Data { at, .. }
            | Self::Fin { at, .. }
            | Self::Gap { at, .. }
            | Self::Rst { at, .. } => at,
        }
    }
}
