//! Where the time of a session goes.

use crate::model::{Span, WireSession};

/// Time of one round trip, by the handshake: from the SYN to the acknowledgement of its answer, wherever between the two ends
/// the capture was taken.
pub(super) fn round_trip(wire: &WireSession) -> Option<Span> {
    let handshake = &wire.handshake;
    // A SYN that was sent again would count the wait for it.
    if handshake.syns > 1 {
        return None;
    }
    Some(handshake.ack?.since(handshake.syn?))
}

/// The value that `percent` of a hundred do not exceed; zero of none.
pub(super) fn percentile(values: &mut [Span], percent: usize) -> Span {
    values.sort_unstable();
    let at = (values.len() * percent).div_ceil(100).saturating_sub(1);
    values.get(at).copied().unwrap_or(Span::ZERO)
}
