//! Which packets belong together: two endpoints and a transport, in either direction.

use crate::model::{Endpoint, Transport};

/// Key of a connection, the same for both of its directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct FlowKey {
    low: Endpoint,
    high: Endpoint,
    transport: Transport,
}

impl FlowKey {
    pub(super) fn new(one: Endpoint, other: Endpoint, transport: Transport) -> Self {
        Self {
            low: one.min(other),
            high: one.max(other),
            transport,
        }
    }
}
