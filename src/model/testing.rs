//! Sessions for tests.

use super::{Conversation, Endpoint, Nanos, Proto, Transport, WireSession};

/// A session of 192.0.2.1, port 40000, with `port` of 198.51.100.25, in which nothing has passed yet.
pub(crate) fn wire(proto: &'static str, port: u16, start: Nanos) -> WireSession {
    let client = Endpoint {
        ip: [192, 0, 2, 1].into(),
        port: 40_000,
    };
    let server = Endpoint {
        ip: [198, 51, 100, 25].into(),
        port,
    };
    let conversation = Conversation {
        client,
        server,
        transport: Transport::Tcp,
    };
    WireSession::new(conversation, Proto(proto), start)
}
