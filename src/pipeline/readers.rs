//! What reads the conversations that are open.

use slotmap::SecondaryMap;

use crate::flow::{Connection, FlowEvent, FlowId, UdpEvent, UdpId};
use crate::model::{Proto, WireSession};
use crate::protocol::dns::DnsDialogue;
use crate::protocol::tls::Secrets;
use crate::protocol::{Dialogue, Driver};

use super::bodies::BodyFiles;
use super::owners::Owners;

/// One protocol driver for each open connection.
#[derive(Default)]
pub(super) struct Readers {
    pub(super) open: SecondaryMap<FlowId, Driver>,
    pub(super) name_service: SecondaryMap<UdpId, DnsDialogue>,
    pub(super) sessions: Vec<WireSession>,
    pub(super) owners: Owners,
    pub(super) secrets: Secrets,
    pub(super) bodies: Option<BodyFiles>,
}

impl Readers {
    /// Of UDP only name service is read.
    pub(super) fn take_udp(&mut self, id: UdpId, event: UdpEvent<'_>) {
        match event {
            UdpEvent::Datagram {
                side,
                at,
                packet,
                bytes,
            } => {
                if !self.name_service.contains_key(id) {
                    self.name_service.insert(id, DnsDialogue::default());
                }
                if let Some(dialogue) = self.name_service.get_mut(id) {
                    dialogue.datagram(side, at, packet, bytes);
                }
            }
            UdpEvent::Closed(connection) => {
                let server = connection.conversation.server.ip;
                let process = self.owners.of(&connection.conversation);
                let dialogue = self.name_service.remove(id);
                let told = dialogue.and_then(|dialogue| dialogue.finish(server));
                self.sessions.extend(told.map(|told| WireSession {
                    process,
                    ..session(*connection, Proto("dns"), told)
                }));
            }
        }
    }

    pub(super) fn take(&mut self, id: FlowId, event: FlowEvent<'_>) {
        match event {
            FlowEvent::Opened(conversation) => {
                let secrets = self.secrets.clone();
                let mut driver = Driver::with_secrets(conversation.server.port, secrets);
                if self.bodies.is_some() {
                    driver = driver.with_bodies();
                }
                self.open.insert(id, driver);
            }
            FlowEvent::Stream(event) => {
                if let Some(driver) = self.open.get_mut(id) {
                    driver.event(event);
                    if let Some(bodies) = &mut self.bodies {
                        driver.bodies().for_each(|piece| bodies.take(id, piece));
                    }
                }
            }
            FlowEvent::Closed(connection) => {
                if let Some(driver) = self.open.remove(id) {
                    let (proto, mut dialogue) = driver.finish();
                    let bodies = self.bodies.as_mut().map(|bodies| {
                        let last = dialogue.bodies.drain();
                        last.for_each(|piece| bodies.take(id, piece));
                        bodies.closed(id)
                    });
                    self.sessions.push(WireSession {
                        process: self.owners.of(&connection.conversation),
                        bodies: bodies.unwrap_or_default(),
                        ..session(*connection, proto, dialogue)
                    });
                }
            }
        }
    }
}

fn session(connection: Connection, proto: Proto, dialogue: Dialogue) -> WireSession {
    WireSession {
        conversation: connection.conversation,
        proto,
        encryption: dialogue.encryption,
        start: connection.start,
        end: connection.end,
        first_packet: connection.first_packet,
        conn_state: connection.conn_state,
        history: connection.history,
        counts: connection.counts,
        handshake: connection.handshake,
        passage: connection.passage,
        tls: dialogue.tls,
        exchanges: dialogue.exchanges,
        bursts: dialogue.bursts,
        inferred: dialogue.inferred,
        names: dialogue.names,
        forwarded: dialogue.forwarded,
        icmp_errors: connection.icmp_errors,
        lookups: dialogue.lookups,
        led_by: None,
        overlaps: connection.overlaps,
        process: None,
        messages: dialogue.messages,
        bodies: Vec::new(),
        faults: dialogue.faults,
        notes: dialogue.notes,
    }
}
