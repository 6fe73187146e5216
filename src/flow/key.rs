//! Which packets belong together: two endpoints and a transport, in either direction.

use std::hash::{Hash, Hasher};
use std::net::IpAddr;

use crate::model::{Endpoint, Transport};

/// Key of a connection, the same for both of its directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FlowKey {
    low: Endpoint,
    high: Endpoint,
    transport: Transport,
}

impl FlowKey {
    pub(super) fn new(one: Endpoint, other: Endpoint, transport: Transport) -> Self {
        let (low, high) = if one <= other {
            (one, other)
        } else {
            (other, one)
        };
        Self {
            low,
            high,
            transport,
        }
    }
}

/// A few whole numbers, where the derived one feeds every address as a slice with its length.
impl Hash for FlowKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for end in [self.low, self.high] {
            match end.ip {
                IpAddr::V4(ip) => {
                    state.write_u64(u64::from(u32::from(ip)) << 16 | u64::from(end.port));
                }
                IpAddr::V6(ip) => {
                    state.write_u128(ip.into());
                    state.write_u16(end.port);
                }
            }
        }
        state.write_u8(u8::from(self.transport == Transport::Udp));
    }
}
