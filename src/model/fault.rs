//! Departures from a protocol, by name.

use super::PacketNo;

/// A way in which a conversation departs from its protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultCode {
    /// A line of a reply that is none of the protocol.
    BadReply,
    /// A line ended by LF alone.
    BareLf,
    /// A message whose length is told in two ways, or in none that holds (RFC 9112 §6.3): what one reader takes for its
    /// end another may not.
    Framing,
    /// A line longer than any command or reply may be.
    LongLine,
    /// A command that the server says comes out of order.
    OutOfOrder,
    /// A lone dot with wrong line ends within a message: servers differ on whether it ends there.
    SmuggledEnd,
    /// The client spoke before the server had greeted.
    TalkBeforeGreeting,
    /// The client went on before the reply that it had to wait for.
    TalkBeforeReply,
    /// A word that is no command of the protocol.
    UnknownCommand,
    /// A reply to nothing that was asked.
    UnmatchedReply,
}

/// A departure, how often, and where first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which.
    pub code: FaultCode,
    /// How often in the conversation.
    pub count: u64,
    /// Packet of the first.
    pub packet: PacketNo,
}

impl FaultCode {
    /// Its name, which never changes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BadReply => "bad-reply",
            Self::BareLf => "bare-lf",
            Self::Framing => "ambiguous-framing",
            Self::LongLine => "long-line",
            Self::OutOfOrder => "out-of-order",
            Self::SmuggledEnd => "smuggled-end",
            Self::TalkBeforeGreeting => "talk-before-greeting",
            Self::TalkBeforeReply => "talk-before-reply",
            Self::UnknownCommand => "unknown-command",
            Self::UnmatchedReply => "unmatched-reply",
        }
    }
}
