//! What blocks say: interfaces, packets, names, statistics, secrets.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Range;

use nom::bytes::complete::take;
use nom::number::Endianness;
use nom::number::complete::{u16 as n16, u32 as n32};

use crate::model::{LostPackets, Nanos};

use super::super::{LinkType, MAX_PACKET, Record, Secrets, SecretsKind};
use super::block::{Block, OPTION_COMMENT, Parsed, Tagged, kind, options_of, tagged, text};
use super::interface::Interface;

/// Interfaces kept in a section; what is kept in all of each of the others.
const MAX_INTERFACES: usize = 65_536;
const MAX_NAMES: usize = 65_536;
const MAX_COMMENTS: usize = 1_000;
const MAX_SECRETS_BLOCKS: usize = 65_536;
/// Octets of secrets kept in all.
const MAX_SECRETS: usize = 16 << 20;

/// What blocks said that holds for those behind them.
#[derive(Debug, Default)]
pub(super) struct Held {
    interfaces: Vec<Interface>,
    /// Of earlier sections.
    interfaces_before: u32,
    lost_before: LostPackets,
    absent_before: u64,
    pub(super) interface_names: BTreeMap<u32, String>,
    pub(super) sections: u32,
    pub(super) skipped: u64,
    /// Time of the packet given last.
    last: Option<Nanos>,
    /// Packets that carry no time.
    pub(super) untimed: u64,
    pub(super) names: Vec<(IpAddr, String)>,
    pub(super) names_left: u64,
    pub(super) comments: Vec<String>,
    pub(super) comments_left: u64,
    pub(super) secrets: Vec<Secrets>,
}

/// A packet as its block has it.
pub(super) struct Packet {
    pub(super) record: Record,
    /// Octets it had on the wire, as stated.
    pub(super) claimed: u32,
    /// Where its bytes and options lie in the body.
    pub(super) bytes: Range<usize>,
    pub(super) options: usize,
}

impl Held {
    /// Takes a block: the packet in it, if it holds one, or why it is left out.
    pub(super) fn block(
        &mut self,
        block: &Block,
        body: &[u8],
        endian: Endianness,
        at: u64,
    ) -> Result<Option<Packet>, String> {
        match block.kind {
            kind::PACKET => return self.packet(body, endian, at).map(Some),
            kind::PACKET_OLD => return self.old_packet(body, endian, at).map(Some),
            kind::SIMPLE => return self.simple(body, endian, at).map(Some),
            kind::SECTION => self.section(body, endian),
            kind::INTERFACE => self.interface(body, endian)?,
            kind::NAMES => self.names(body, endian),
            kind::STATISTICS => self.statistics(body, endian)?,
            kind::SECRETS => self.secrets(body, endian)?,
            _ => self.skipped += 1,
        }
        Ok(None)
    }

    fn section(&mut self, body: &[u8], endian: Endianness) {
        self.sections += 1;
        self.lost_before = self.lost();
        self.absent_before = self.absent();
        let count = u32::try_from(self.interfaces.len()).unwrap_or(u32::MAX);
        self.interfaces_before = self.interfaces_before.saturating_add(count);
        self.interfaces.clear();
        // Byte order, version, and the length of the section stand before the options.
        self.comments(body.get(16..).unwrap_or_default(), endian);
    }

    fn interface(&mut self, body: &[u8], endian: Endianness) -> Result<(), String> {
        let Some(mut interface) = Interface::read(body, endian) else {
            return Err("an interface description too short for its fields".into());
        };
        if self.interfaces.len() >= MAX_INTERFACES {
            return Err(format!(
                "more than {MAX_INTERFACES} interfaces in a section; this one is not kept"
            ));
        }
        for comment in std::mem::take(&mut interface.comments) {
            self.comment(comment);
        }
        let number = u32::try_from(self.interfaces.len()).unwrap_or(u32::MAX);
        if let Some(name) = interface.name.take()
            && self.interface_names.len() < MAX_INTERFACES
        {
            let number = self.interfaces_before.saturating_add(number);
            self.interface_names.insert(number, name);
        }
        self.interfaces.push(interface);
        Ok(())
    }

    /// An enhanced packet.
    fn packet(&mut self, body: &[u8], endian: Endianness, at: u64) -> Result<Packet, String> {
        let [number, high, low, captured, length] = fields(body, endian)?;
        let packet = self.timed(body, number, [high, low], captured, length, at)?;
        let options = body.get(packet.options..).unwrap_or_default();
        if !options.is_empty() {
            self.lost_between(number, options, endian);
        }
        Ok(packet)
    }

    /// The obsolete forerunner, with a drop count beside a short interface number.
    fn old_packet(&mut self, body: &[u8], endian: Endianness, at: u64) -> Result<Packet, String> {
        const UNKNOWN: u16 = u16::MAX;
        let short: Parsed<'_, (u16, u16)> = nom::sequence::tuple((n16(endian), n16(endian)))(body);
        let [_, high, low, captured, length] = fields(body, endian)?;
        let (number, lost) = short.map_or((0, UNKNOWN), |(_, short)| short);
        let packet = self.timed(body, number.into(), [high, low], captured, length, at)?;
        if let Some(interface) = self.interfaces.get_mut(usize::from(number))
            && lost != UNKNOWN
        {
            interface.counted = interface.counted.saturating_add(lost.into());
        }
        Ok(packet)
    }

    fn timed(
        &mut self,
        body: &[u8],
        number: u32,
        [high, low]: [u32; 2],
        captured: u32,
        length: u32,
        at: u64,
    ) -> Result<Packet, String> {
        const FIXED: usize = 20;
        let Some(interface) = usize::try_from(number)
            .ok()
            .and_then(|at| self.interfaces.get(at))
        else {
            return Err(format!(
                "a packet of interface {number}, which is not described; it is left out"
            ));
        };
        let ticks = u64::from(high) << 32 | u64::from(low);
        let Some(time) = interface.time(ticks) else {
            return Err(format!(
                "a packet {ticks} ticks after 1970, beyond all dates; it is left out"
            ));
        };
        let link_type = interface.link_type;
        let bytes = bytes_of(body, FIXED, captured)?;
        self.last = Some(time);
        Ok(self.given(time, link_type, number, length, at, bytes))
    }

    /// A simple packet: of the first interface, without a time.
    fn simple(&mut self, body: &[u8], endian: Endianness, at: u64) -> Result<Packet, String> {
        const FIXED: usize = 4;
        let parsed: Parsed<'_, u32> = n32(endian)(body);
        let (Ok((data, length)), Some(interface)) = (parsed, self.interfaces.first()) else {
            return Err("a simple packet without an interface; it is left out".into());
        };
        let room = u32::try_from(data.len()).unwrap_or(u32::MAX);
        let snap = if interface.snap == 0 {
            u32::MAX
        } else {
            interface.snap
        };
        let link_type = interface.link_type;
        let captured = length.min(snap).min(room);
        let bytes = bytes_of(body, FIXED, captured)?;
        self.untimed += 1;
        let time = self.last.unwrap_or_default();
        Ok(self.given(time, link_type, 0, length, at, bytes))
    }

    fn given(
        &mut self,
        time: Nanos,
        link_type: LinkType,
        number: u32,
        length: u32,
        at: u64,
        bytes: Range<usize>,
    ) -> Packet {
        let captured = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let interface = usize::try_from(number).ok();
        if let Some(interface) = interface.and_then(|at| self.interfaces.get_mut(at)) {
            interface.packets += 1;
        }
        Packet {
            record: Record {
                time,
                link_type,
                length: length.max(captured),
                interface: self.interfaces_before.saturating_add(number),
                at,
                process: None,
            },
            claimed: length,
            options: bytes.start + bytes.len().next_multiple_of(4),
            bytes,
        }
    }

    /// What an enhanced packet says of packets lost since the one before.
    fn lost_between(&mut self, number: u32, options: &[u8], endian: Endianness) {
        const DROP_COUNT: u16 = 4;
        for (code, value) in options_of(options, endian) {
            let lost: Parsed<'_, u64> = nom::number::complete::u64(endian)(value);
            let interface = usize::try_from(number)
                .ok()
                .and_then(|at| self.interfaces.get_mut(at));
            if let (DROP_COUNT, Ok((_, lost)), Some(interface)) = (code, lost, interface) {
                interface.counted = interface.counted.saturating_add(lost);
            }
        }
    }

    fn statistics(&mut self, body: &[u8], endian: Endianness) -> Result<(), String> {
        let parse = |body| -> Parsed<'_, u32> {
            let (rest, number) = n32(endian)(body)?;
            let (rest, _) = take(8usize)(rest)?;
            Ok((rest, number))
        };
        let Ok((options, number)) = parse(body) else {
            return Err("interface statistics too short for their fields".into());
        };
        let interface = usize::try_from(number)
            .ok()
            .and_then(|at| self.interfaces.get_mut(at));
        let Some(interface) = interface else {
            return Err(format!(
                "statistics of interface {number}, which is not described"
            ));
        };
        interface.statistics(options, endian);
        self.comments(options, endian);
        Ok(())
    }

    /// What was lost on all interfaces of all sections.
    pub(super) fn lost(&self) -> LostPackets {
        let mut all = self.lost_before;
        for interface in &self.interfaces {
            let lost = interface.lost();
            all.by_system = all.by_system.saturating_add(lost.by_system);
            all.by_interface = all.by_interface.saturating_add(lost.by_interface);
        }
        all
    }

    /// Packets of all interfaces that are not in the file, though the capturing program had them.
    pub(super) fn absent(&self) -> u64 {
        let here = self.interfaces.iter().map(Interface::absent);
        here.fold(self.absent_before, u64::saturating_add)
    }

    /// Name resolution: an address and its names, each with an end mark.
    fn names(&mut self, body: &[u8], endian: Endianness) {
        const END: u16 = 0;
        const IPV4: u16 = 1;
        const IPV6: u16 = 2;
        let mut rest = body;
        while let Some(Tagged { code, value, after }) = tagged(rest, endian) {
            rest = after;
            let (ip, names) = match code {
                END => break,
                IPV4 => match value.split_first_chunk::<4>() {
                    Some((octets, names)) => (IpAddr::from(*octets), names),
                    None => continue,
                },
                IPV6 => match value.split_first_chunk::<16>() {
                    Some((octets, names)) => (IpAddr::from(*octets), names),
                    None => continue,
                },
                _ => continue,
            };
            for name in names
                .split(|&byte| byte == 0)
                .filter(|name| !name.is_empty())
            {
                let entry = (ip, text(name));
                if self.names.len() >= MAX_NAMES {
                    self.names_left += 1;
                } else if self.names.last() != Some(&entry) {
                    self.names.push(entry);
                }
            }
        }
        self.comments(rest, endian);
    }

    /// Decryption secrets.
    fn secrets(&mut self, body: &[u8], endian: Endianness) -> Result<(), String> {
        let parse = |body| -> Parsed<'_, (u32, &[u8])> {
            let (rest, kind) = n32(endian)(body)?;
            let (rest, length) = n32(endian)(rest)?;
            let (rest, secrets) = take(length)(rest)?;
            Ok((rest, (kind, secrets)))
        };
        let Ok((_, (kind, bytes))) = parse(body) else {
            return Err(
                "a secrets block that claims more bytes than it has; it is left out".into(),
            );
        };
        let kept: usize = self.secrets.iter().map(|kept| kept.bytes.len()).sum();
        if self.secrets.len() >= MAX_SECRETS_BLOCKS || kept + bytes.len() > MAX_SECRETS {
            return Err(format!(
                "more than {MAX_SECRETS} bytes of secrets; these are not kept"
            ));
        }
        self.secrets.push(Secrets {
            kind: SecretsKind(kind),
            bytes: bytes.to_vec(),
        });
        Ok(())
    }

    fn comments(&mut self, options: &[u8], endian: Endianness) {
        for comment in comments_of(options, endian) {
            self.comment(text(comment));
        }
    }

    fn comment(&mut self, comment: String) {
        if self.comments.len() < MAX_COMMENTS {
            self.comments.push(comment);
        } else {
            self.comments_left += 1;
        }
    }
}

/// The five words before the bytes of a packet.
fn fields(body: &[u8], endian: Endianness) -> Result<[u32; 5], String> {
    let number = n32::<_, ()>(endian);
    let mut fields = [0; 5];
    nom::multi::fill(number, &mut fields)(body)
        .map_err(|_| "a packet block too short for its fields".to_owned())?;
    Ok(fields)
}

/// Where `captured` octets lie in a body behind `fixed` ones.
fn bytes_of(body: &[u8], fixed: usize, captured: u32) -> Result<Range<usize>, String> {
    let end = usize::try_from(captured)
        .ok()
        .filter(|&length| length <= MAX_PACKET)
        .map(|length| fixed + length);
    match end {
        Some(end) if end <= body.len() => Ok(fixed..end),
        _ => {
            let room = body.len().saturating_sub(fixed);
            Err(format!(
                "a packet claims {captured} bytes in a block with room for {room}; it is left out"
            ))
        }
    }
}

pub(super) fn comments_of(options: &[u8], endian: Endianness) -> impl Iterator<Item = &[u8]> {
    options_of(options, endian)
        .filter(|(code, _)| *code == OPTION_COMMENT)
        .map(|(_, value)| value)
}
