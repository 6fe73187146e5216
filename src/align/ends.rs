//! The two ends of a connection, and whom a log may call the client: its own end, what address translation makes of it, or whom a proxy at that end
//! says it speaks for.

use std::net::IpAddr;

use crate::model::{Endpoint, Exchange, Forwarded, ForwardedBy, LogSession, Role, WireSession};

use super::translation::{Own, Translation};

/// The other end and the log's own end, on the wire.
pub(super) fn of(wire: &WireSession, role: Role) -> (Endpoint, Endpoint) {
    match role {
        Role::Server => (wire.conversation.client, wire.conversation.server),
        Role::Client => (wire.conversation.server, wire.conversation.client),
    }
}

/// Whom a proxy named whom the log calls the client.
pub(super) fn forwarded<'a>(wire: &'a WireSession, log: &LogSession) -> Option<&'a Forwarded> {
    let told = log.peer.filter(|_| log.role == Role::Server)?;
    wire.forwarded.iter().find(|named| named.client == told)
}

/// Whether both ends may be those that the log names, as far as it names them.
pub(super) fn fit(
    wire: &WireSession,
    log: &LogSession,
    translation: &Translation,
    own: Own,
) -> bool {
    let (peer, local) = of(wire, log.role);
    let port_fits = |told: Option<u16>, port: u16| told.is_none_or(|told| told == port);
    let is_local =
        |end: Endpoint| own.allows(log.local, end.ip) && port_fits(log.local_port, end.port);
    if let Some(named) = forwarded(wire, log) {
        // A server that believes the proxy may call itself by the address that the client reached.
        return named.port.is_none_or(|port| port_fits(log.peer_port, port))
            && (is_local(local) || named.reached.is_some_and(is_local));
    }
    log.peer
        .is_none_or(|told| translation.allows(peer.ip, told))
        && (!translation.is_none() || port_fits(log.peer_port, peer.port))
        && is_local(local)
}

/// The address that the log's own machine has for itself, where it has another one on the wire.
pub(super) fn translated_own(wire: &WireSession, log: &LogSession) -> Option<IpAddr> {
    let (_, local) = of(wire, log.role);
    let reached = |told: IpAddr| {
        let mut ends = wire.forwarded.iter().filter_map(|named| named.reached);
        ends.any(|end| end.ip == told)
    };
    log.local.filter(|&told| told != local.ip && !reached(told))
}

/// Whether the log names the client with its port, as the wire has them: hardly two connections share that.
pub(super) fn same_port(wire: &WireSession, log: &LogSession) -> bool {
    let (peer, _) = of(wire, log.role);
    let told = log.peer.zip(log.peer_port);
    let named = forwarded(wire, log).and_then(|named| Some((named.client, named.port?)));
    told.is_some() && (told == Some((peer.ip, peer.port)) || told == named)
}

/// Whether one request of the connection may be of the client whom the log names: a proxy sends the requests of many over one.
pub(super) fn asked(wire: &WireSession, exchange: &Exchange, log: &LogSession) -> bool {
    let Some(told) = log.peer.filter(|&told| told != wire.conversation.client.ip) else {
        return true;
    };
    exchange.forwarded.contains(&told)
        || forwarded(wire, log).is_none_or(|named| named.by != ForwardedBy::HttpField)
}
