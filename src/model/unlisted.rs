//! Attempts to connect that are only counted.

use super::{Endpoint, Nanos, PacketNo, Span};

/// Attempts to connect to a server that nobody answered and that no session is made of, as there are so many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unlisted {
    /// Where they went.
    pub server: Endpoint,
    /// How many: of those whose SYN was sent once, the ones that were waited for at least [`Unlisted::WAITED`] for.
    pub attempts: u64,
    /// Their SYNs in all.
    pub syns: u64,
    /// First SYN of the first of them.
    pub first: Nanos,
    /// First SYN of the last of them.
    pub last: Nanos,
    /// The longest time between the first and the last SYN of one.
    pub waited: Span,
    /// The packet of the first of them.
    pub packet: PacketNo,
}

impl Unlisted {
    /// After this without an answer a SYN is taken for lost, were it sent once only: servers answer within a second.
    pub const WAITED: Span = Span::seconds(3);
}
