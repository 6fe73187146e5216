//! What became of a message after the session that brought it.

use super::LineRef;

/// The fate of a message for one recipient, as the log tells it later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The line that tells.
    pub line: LineRef,
    /// The server's own id of the message.
    pub message: String,
    /// Who was to have it; empty where it is told for all.
    pub recipient: String,
    /// The server's own word: `sent`, `deferred`, `bounced`.
    pub status: String,
    /// To which host or by which program; empty where the log does not say.
    pub relay: String,
    /// The reply of the next host, or the reason.
    pub reply: String,
}
