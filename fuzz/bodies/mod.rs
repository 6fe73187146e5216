//! What the fuzz targets do with their bytes; the ordinary tests replay the corpora through the same functions.

#![allow(dead_code, unused_imports, reason = "each target uses one of them")]

mod capture;
mod flow;
mod link;
mod log;
mod tcp;

use std::net::{IpAddr, Ipv4Addr};

use bothends::flow::StreamEvent;
use bothends::model::{Nanos, PacketNo, Proto, Side};
use bothends::protocol::dns::DnsDialogue;
use bothends::protocol::registry::PROTOCOLS;
use bothends::protocol::tls::Secrets;
use bothends::protocol::{self, Dialogue, Driver, Step};

pub(crate) use capture::{capture, netmon, pcap, pcapng};
pub(crate) use flow::flow;
pub(crate) use link::link;
pub(crate) use log::{log, log_format};
pub(crate) use tcp::tcp;

/// Two bytes of port, then pieces of a dialogue (see [`Pieces`]).
pub(crate) fn protocol(data: &[u8]) {
    spoken(data);
}

/// What [`protocol`] finds to be spoken.
pub(crate) fn spoken(data: &[u8]) -> Option<Proto> {
    let (port, rest) = data.split_first_chunk()?;
    let mut driver = Driver::new(u16::from_le_bytes(*port));
    for event in Pieces::of(rest) {
        driver.event(event);
    }
    let (proto, dialogue) = driver.finish();
    assert!(dialogue.exchanges.len() <= data.len() + 1);
    Some(proto)
}

/// Two bytes of port, two of the length of a key log, the key log, then pieces of a dialogue.
pub(crate) fn secrets(data: &[u8]) {
    let Some((&[p0, p1, l0, l1], rest)) = data.split_first_chunk() else {
        return;
    };
    let length = usize::from(u16::from_le_bytes([l0, l1])).min(rest.len());
    let (keylog, pieces) = rest.split_at(length);
    let secrets = Secrets::default();
    let held = secrets.read_keylog(keylog);
    assert!(held.secrets + held.unparsed <= keylog.len() as u64);
    let mut driver = Driver::with_secrets(u16::from_le_bytes([p0, p1]), secrets);
    for event in Pieces::of(pieces) {
        driver.event(event);
    }
    let (_, dialogue) = driver.finish();
    assert!(dialogue.exchanges.len() <= pieces.len() + 1);
}

/// The target named after `entry`: its protocol, but that HTTP has two rows.
pub(crate) fn name_of(entry: &protocol::Entry) -> &'static str {
    if entry.alpn.contains(&"h2") {
        "http2"
    } else {
        entry.proto.0
    }
}

/// Pieces of a dialogue to the decoder of the protocol called `name`, whatever they look like; `tls` is TLS whose secrets
/// are not known, on the port of a protocol that has it from the first byte.
pub(crate) fn dialogue(name: &str, data: &[u8]) {
    let Some(entry) = PROTOCOLS.iter().find(|entry| name_of(entry) == name) else {
        assert_eq!(name, "tls", "no protocol is called so");
        return encrypted(data);
    };
    let mut decoder = (entry.start)();
    let mut dialogue = Dialogue::default();
    for event in Pieces::of(data) {
        if decoder.event(event, &mut dialogue) != Step::Continue {
            break;
        }
    }
    decoder.finish(&mut dialogue);
    assert!(dialogue.exchanges.len() <= data.len() + 1);
}

fn encrypted(data: &[u8]) {
    let mut driver = Driver::new(993);
    for event in Pieces::of(data) {
        driver.event(event);
    }
    let (_, dialogue) = driver.finish();
    let passed: u64 = dialogue.bursts.iter().map(|burst| burst.plaintext).sum();
    assert!(passed <= data.len() as u64 || dialogue.bursts.iter().any(|burst| burst.damaged));
    assert!(dialogue.inferred.len() <= data.len());
}

/// Pieces of a conversation over UDP with a server of names.
pub(crate) fn datagrams(data: &[u8]) {
    let mut names = DnsDialogue::default();
    let mut number = 0;
    for event in Pieces::of(data) {
        if let StreamEvent::Data {
            side,
            at,
            packet,
            bytes,
        } = event
        {
            number += 1;
            names.datagram(side, at, packet, bytes);
        }
    }
    if let Some(dialogue) = names.finish(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 53))) {
        assert!(dialogue.exchanges.len() <= number);
    }
}

/// Pieces of a dialogue: each a byte of side and kind, a byte of length, the bytes.
pub(crate) struct Pieces<'a> {
    rest: &'a [u8],
    number: i64,
}

impl<'a> Pieces<'a> {
    pub(crate) fn of(rest: &'a [u8]) -> Self {
        Self { rest, number: 0 }
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = StreamEvent<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let (&[kind, length], more) = self.rest.split_first_chunk()?;
        let (bytes, more) = more.split_at(usize::from(length).min(more.len()));
        self.rest = more;
        self.number += 1;
        let at = Nanos(self.number);
        let side = if kind & 1 == 0 {
            Side::Client
        } else {
            Side::Server
        };
        Some(match kind >> 5 {
            6 => StreamEvent::Gap {
                side,
                at,
                missing: u64::from(length),
            },
            7 => StreamEvent::Fin { side, at },
            _ => StreamEvent::Data {
                side,
                at,
                packet: PacketNo(self.number.unsigned_abs()),
                bytes,
            },
        })
    }
}
