//! Interfaces: what the packets of each are, what their time stamps count, and what it lost.

use nom::bytes::complete::take;
use nom::number::Endianness;
use nom::number::complete::{i64 as n_i64, u16 as n16, u32 as n32, u64 as n64};

use crate::model::{LostPackets, Nanos};

use super::super::LinkType;
use super::block::{OPTION_COMMENT, Parsed, options_of, text};

/// Options of an interface description.
mod option {
    pub(super) const NAME: u16 = 2;
    pub(super) const TSRESOL: u16 = 9;
    pub(super) const TSOFFSET: u16 = 14;
}

/// Options of interface statistics.
mod statistic {
    pub(super) const LOST_BY_INTERFACE: u16 = 5;
    pub(super) const ACCEPTED: u16 = 6;
    pub(super) const LOST_BY_SYSTEM: u16 = 7;
    pub(super) const DELIVERED: u16 = 8;
}

/// One interface of a section.
#[derive(Clone, Debug)]
pub(super) struct Interface {
    pub(super) link_type: LinkType,
    /// Most octets kept of a packet; 0 when there is no bound.
    pub(super) snap: u32,
    pub(super) name: Option<String>,
    pub(super) comments: Vec<String>,
    unit: Unit,
    /// Seconds to be added to each stamp.
    offset: i64,
    /// By the last statistics block.
    stated: LostPackets,
    /// Packets let through by its filter, and those given to the capturing program, by the same.
    accepted: Option<u64>,
    delivered: Option<u64>,
    /// Packets of it in the file.
    pub(super) packets: u64,
    /// By the counts that packets carry.
    pub(super) counted: u64,
}

/// What time stamps count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    /// Negative powers of ten of a second.
    Decimal(u8),
    /// Negative powers of two.
    Binary(u8),
}

impl Interface {
    /// Reads an interface description; `None` when it is too short.
    pub(super) fn read(body: &[u8], endian: Endianness) -> Option<Self> {
        let parse = |body| -> Parsed<'_, (u16, u32)> {
            let (rest, link_type) = n16(endian)(body)?;
            let (rest, _) = take(2usize)(rest)?;
            let (rest, snap) = n32(endian)(rest)?;
            Ok((rest, (link_type, snap)))
        };
        let (options, (link_type, snap)) = parse(body).ok()?;
        let mut interface = Self {
            link_type: LinkType(link_type),
            snap,
            name: None,
            comments: Vec::new(),
            unit: Unit::Decimal(6),
            offset: 0,
            stated: LostPackets::default(),
            accepted: None,
            delivered: None,
            packets: 0,
            counted: 0,
        };
        for (code, value) in options_of(options, endian) {
            match (code, value) {
                (OPTION_COMMENT, value) => interface.comments.push(text(value)),
                (option::NAME, value) => interface.name = Some(text(value)),
                (option::TSRESOL, [unit, ..]) => interface.unit = Unit::new(*unit),
                (option::TSOFFSET, value) => {
                    let parsed: Parsed<'_, i64> = n_i64(endian)(value);
                    interface.offset = parsed.map_or(0, |(_, seconds)| seconds);
                }
                _ => {}
            }
        }
        Some(interface)
    }

    /// Takes the options of a statistics block; counts are since the start, so the last ones stand.
    pub(super) fn statistics(&mut self, options: &[u8], endian: Endianness) {
        for (code, value) in options_of(options, endian) {
            let number: Parsed<'_, u64> = n64(endian)(value);
            match (code, number) {
                (statistic::LOST_BY_INTERFACE, Ok((_, lost))) => self.stated.by_interface = lost,
                (statistic::LOST_BY_SYSTEM, Ok((_, lost))) => self.stated.by_system = lost,
                (statistic::ACCEPTED, Ok((_, packets))) => self.accepted = Some(packets),
                (statistic::DELIVERED, Ok((_, packets))) => self.delivered = Some(packets),
                _ => {}
            }
        }
    }

    /// What was lost on it. Packets tell of losses that statistics count as well.
    pub(super) fn lost(&self) -> LostPackets {
        let untold = self.counted.saturating_sub(self.stated.total());
        LostPackets {
            by_system: self.stated.by_system.saturating_add(untold),
            by_interface: self.stated.by_interface,
        }
    }

    /// Packets that the capturing program was given and that are not in the file: it kept a part, or the file was cut since.
    pub(super) fn absent(&self) -> u64 {
        let passed = self
            .accepted
            .map(|packets| packets.saturating_sub(self.stated.by_system));
        let given = self.delivered.or(passed).unwrap_or(0);
        given.saturating_sub(self.packets)
    }

    /// `ticks` since 1970 as nanoseconds; `None` when no date can hold them.
    pub(super) fn time(&self, ticks: u64) -> Option<Nanos> {
        let ticks = i128::from(ticks);
        let nanos = match self.unit {
            Unit::Decimal(power @ 0..=9) => ticks * 10i128.pow(u32::from(9 - power)),
            // Steps so small that 64 bits of them make no nanosecond divide to 0.
            Unit::Decimal(power) => 10i128
                .checked_pow(u32::from(power - 9))
                .map_or(0, |steps| ticks / steps),
            Unit::Binary(power) => (ticks * 1_000_000_000) >> power.min(126),
        };
        let offset = i128::from(self.offset) * 1_000_000_000;
        i64::try_from(nanos + offset).ok().map(Nanos)
    }
}

impl Unit {
    const fn new(byte: u8) -> Self {
        if byte & 0x80 == 0 {
            Self::Decimal(byte)
        } else {
            Self::Binary(byte & 0x7f)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(unit: u8, offset: i64, ticks: u64) -> Option<i64> {
        let options = [
            &[9, 0, 1, 0, unit, 0, 0, 0, 14, 0, 8, 0][..],
            &offset.to_le_bytes(),
        ]
        .concat();
        let body = [&[1, 0, 0, 0, 0, 0, 0, 0][..], &options].concat();
        let interface = Interface::read(&body, Endianness::Little).unwrap();
        interface.time(ticks).map(|at| at.0)
    }

    #[test]
    fn every_unit_has_a_time() {
        for (unit, offset, ticks, nanos) in [
            (0, 0, 7, Some(7_000_000_000)),
            (3, -1, 1_500, Some(500_000_000)),
            (6, 1, 1, Some(1_000_001_000)),
            (9, 0, 12, Some(12)),
            (12, 0, 12_345, Some(12)),
            (0x7f, 0, u64::MAX, Some(0)),
            (0x81, 0, 3, Some(1_500_000_000)),
            (0x80 | 32, 0, 1 << 31, Some(500_000_000)),
            (0xff, 0, u64::MAX, Some(0)),
            (0, 0, u64::MAX, None),
            (6, i64::MIN, 1, None),
        ] {
            assert_eq!(time(unit, offset, ticks), nanos, "{unit:#x} {ticks}");
        }
    }
}
