//! Which ports of which hosts took connections, and of whom.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::model::Endpoint;

use super::View;
use super::view::established;

/// Made once, where a rule asks for many hosts.
#[derive(Debug, Default)]
pub(super) struct Reached {
    ports: BTreeMap<IpAddr, BTreeMap<u16, BTreeSet<IpAddr>>>,
    silent: BTreeMap<Endpoint, u64>,
}

impl Reached {
    pub(super) fn of(view: View<'_>) -> Self {
        let mut reached = Self::default();
        for wire in view.wires.iter().filter(|wire| established(wire)) {
            let server = wire.conversation.server;
            let ports = reached.ports.entry(server.ip).or_default();
            let clients = ports.entry(server.port).or_default();
            clients.insert(wire.conversation.client.ip);
            let silent = wire.counts.0.iter().all(|direction| direction.bytes == 0);
            if silent && wire.history.contains('h') {
                *reached.silent.entry(server).or_default() += 1;
            }
        }
        reached
    }

    /// Ports of `host` that took connections.
    pub(super) fn open_ports(&self, host: IpAddr) -> Vec<u16> {
        let ports = self.ports.get(&host);
        ports.map_or_else(Vec::new, |ports| ports.keys().copied().collect())
    }

    /// Clients to whom `server` answered.
    pub(super) fn served(&self, server: Endpoint) -> Vec<IpAddr> {
        let clients = self.ports.get(&server.ip);
        let clients = clients.and_then(|ports| ports.get(&server.port));
        clients.map_or_else(Vec::new, |clients| clients.iter().copied().collect())
    }

    /// Connections that the host took and in which neither side said a word.
    pub(super) fn ungreeted(&self, server: Endpoint) -> u64 {
        self.silent.get(&server).copied().unwrap_or(0)
    }
}
