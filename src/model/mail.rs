//! Mail messages as a transaction of SMTP or LMTP shows them.

use super::{BodyNo, PacketNo};

/// A message, or what came of a transaction that brought none. Its text is not kept here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MailMessage {
    /// The Message-ID in its head (RFC 5322 §3.6.4), as it stands there.
    pub message_id: Option<String>,
    /// The reverse path without its brackets; empty for the null one.
    pub sender: Option<String>,
    /// Those that were named, taken or not, in order. The first 1000.
    pub recipients: Vec<MailRecipient>,
    /// Octets of it as sent, without the dot that ends it; `None` when none was sent.
    pub octets: Option<u64>,
    /// The code of the server's last reply to it.
    pub code: Option<String>,
    /// Packet of the first octet of it.
    pub packet: Option<PacketNo>,
    /// Its text, where that is written to a file.
    pub body: Option<BodyNo>,
}

/// A recipient of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailRecipient {
    /// The forward path without its brackets.
    pub address: String,
    /// The code of the reply to it: in LMTP the one after the message, where there is one.
    pub code: String,
}
