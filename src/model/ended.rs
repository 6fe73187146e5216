//! How a conversation ended, and who ended it.

use super::{Ending, LineRef, LogSession, Nanos, PacketNo, Role, Seen, Side};

/// How a conversation ended, where packets or log say so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// In which way.
    pub how: How,
    /// Who ended it; of [`How::ResetInMiddle`] in whose name, of [`How::Gone`] who fell silent.
    pub by: Option<Side>,
    /// When, on the capture's clock.
    pub at: Option<Nanos>,
    /// Who tells: the wire, a log, or both.
    pub seen: Seen,
    /// The packet that ended it.
    pub packet: Option<PacketNo>,
    /// The line of the log that tells.
    pub line: Option<LineRef>,
    /// Why, in the words of the side that ended it or of its log, or by which signs.
    pub words: Option<String>,
    /// What was on its way.
    pub transfer: Option<Transfer>,
}

/// In which way a conversation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum How {
    /// The capture ended before it.
    CaptureEnded,
    /// In order: both sides closed; `by` did so first.
    Closed,
    /// A side answered no more, without a word.
    Gone,
    /// One side closed, and the other was not seen to.
    HalfClosed,
    /// The log says that the client went away; on the wire nothing tells how.
    Lost,
    /// A side tore it down (RST).
    Reset,
    /// A reset in the name of a side that, as is suspected, did not send it.
    ResetInMiddle,
    /// A side refused to go on with TLS.
    TlsAlert,
    /// The server closed for silence, and says so.
    Timeout,
}

/// What was on its way when a conversation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transfer {
    /// A reply or its body broke off.
    ReplyCut,
    /// A message was whole, this witness says that the server took it, and the client never got the reply.
    ReplyUnheard(Seen),
    /// A message or the body of a request broke off.
    RequestCut,
}

impl Ended {
    /// As the log tells it.
    pub fn told_by(log: &LogSession) -> Option<Self> {
        let (own, peer) = match log.role {
            Role::Client => (Side::Client, Side::Server),
            Role::Server => (Side::Server, Side::Client),
        };
        let (how, by) = match log.ending {
            Ending::Lost => (How::Lost, peer),
            Ending::Quit => (How::Closed, Side::Client),
            Ending::Timeout => (How::Timeout, own),
            Ending::Unknown => return None,
        };
        Some(Self {
            how,
            by: Some(by),
            at: None,
            seen: Seen::Log,
            packet: None,
            line: log.events.last().map(|event| event.line),
            words: None,
            transfer: log.rare().cut.map(|_| Transfer::RequestCut),
        })
    }
}

impl How {
    /// The word of the output contract.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CaptureEnded => "capture-ended",
            Self::Closed => "closed",
            Self::Gone => "gone",
            Self::HalfClosed => "half-closed",
            Self::Lost => "lost",
            Self::Reset => "reset",
            Self::ResetInMiddle => "reset-in-middle",
            Self::TlsAlert => "tls-alert",
            Self::Timeout => "timeout",
        }
    }
}

impl Transfer {
    /// The word of the output contract.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ReplyCut => "reply-cut",
            Self::ReplyUnheard(_) => "reply-unheard",
            Self::RequestCut => "request-cut",
        }
    }
}
