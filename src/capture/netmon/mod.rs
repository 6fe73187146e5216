//! Microsoft Network Monitor files: 1.x (`RTSS`) and 2.x (`GMBU`).
//!
//! A header, frames anywhere in the file, a table of where each begins, and tables of programs and comments. Before 2.3 times are the
//! capturing machine's wall clock and no zone is stored.

mod layout;
mod tables;

use std::collections::{BTreeMap, BTreeSet};

use nom::number::complete::{le_i64, le_u16, le_u32};

use crate::model::{DamageLog, Nanos, Span};

use super::{CaptureClock, CaptureReport, Format, MAX_PACKET, OwnedConnection, Reader, Record};
use layout::{
    Frame, HEADER, Layout, Parsed, Trailer, frame_one, frame_two, header, link_type, system_time,
};

/// The farthest that a wall clock is from UTC, and a little for what a stamp is off. A frame that says more of itself has no UTC: it may
/// have been written by a program that leaves the field as it was.
const FARTHEST_ZONE: Span = Span::seconds(16 * 3600);
/// Zones differ by whole numbers of these.
const QUARTER: i64 = Span::seconds(900).0;
/// Frames looked at for the first that states its zone.
const LOOKED_AT: usize = 1000;
/// 100 ns from 1601 to 1970.
const EPOCH_1601: i64 = 116_444_736_000_000_000;

/// Why a file is no Network Monitor capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetMonError {
    /// It ends inside its header.
    #[error("a Network Monitor capture cut after {0} of the 128 bytes of its header")]
    Cut(usize),
    /// Neither 1.x nor 2.x.
    #[error("a Network Monitor capture of version {0}.{1}; 1.x and 2.x are known")]
    Version(u8, u8),
}

/// Reads a Network Monitor file that lies in memory.
#[derive(Debug)]
pub struct NetMon<'m> {
    file: &'m [u8],
    packet: &'m [u8],
    layout: Layout,
    version: (u8, u8),
    network: u16,
    start: Nanos,
    frames: Frames<'m>,
    /// By how much the wall clock was ahead of UTC at the frame given last; of all frames, where they do not say, of the one before.
    east: Option<Span>,
    /// All that it was, in quarters of an hour.
    zones: BTreeSet<i64>,
    /// Frames that do not say.
    zoneless: u64,
    processes: Vec<OwnedConnection>,
    /// By offset of the frame.
    comments: BTreeMap<u64, String>,
    /// Offset of the frame given last.
    present: u64,
    /// Octets of a region whose content the format leaves open.
    user_data: u32,
    skipped: u64,
    consumed: usize,
    damage: DamageLog,
}

/// Where frames are to be found.
#[derive(Debug)]
enum Frames<'m> {
    /// The table of offsets that is left.
    Table(&'m [u8]),
    /// One after the other from here, as the table is lost.
    Walk(usize),
}

impl<'m> NetMon<'m> {
    /// Whether `file` begins as a Network Monitor capture.
    pub fn is(file: &[u8]) -> bool {
        file.starts_with(b"RTSS") || file.starts_with(b"GMBU")
    }

    /// Reads the header and finds the frame table.
    ///
    /// # Errors
    /// When the header is cut, or of an unknown version.
    pub fn open(file: &'m [u8]) -> Result<Self, NetMonError> {
        let (_, header) = header(file).map_err(|_| NetMonError::Cut(file.len()))?;
        let layout = match header.major {
            1 => Layout::One,
            2 => Layout::Two,
            major => return Err(NetMonError::Version(major, header.minor)),
        };
        let mut damage = DamageLog::default();
        let start = system_time(header.start).unwrap_or_else(|| {
            damage.note(16, || {
                "a start time that is no date; times count from 1970".into()
            });
            Nanos(0)
        });
        if header.table.1 % 4 != 0 {
            damage.note(28, || {
                "a frame table whose length is no multiple of four; its last bytes are left out"
                    .into()
            });
        }
        let frames = if let Some(table) = table(file, header.table) {
            Frames::Table(table)
        } else {
            damage.note(24, || {
                "the frame table lies outside of the file; frames are read one after the other"
                    .into()
            });
            Frames::Walk(HEADER)
        };
        let processes = if (header.major, header.minor) >= (2, 2) {
            tables::processes(file, header.processes, &mut damage)
        } else {
            Vec::new()
        };
        let comments = tables::comments(file, header.comments, &mut damage);
        let mut reader = Self {
            file,
            packet: &[],
            layout,
            version: (header.major, header.minor),
            network: header.network,
            start,
            frames,
            east: None,
            zones: BTreeSet::new(),
            zoneless: 0,
            processes,
            comments,
            present: 0,
            user_data: header.user_data,
            skipped: 0,
            consumed: HEADER,
            damage,
        };
        reader.east = reader.first_zone();
        Ok(reader)
    }

    /// The zone of the first frame that states one.
    fn first_zone(&self) -> Option<Span> {
        let Frames::Table(table) = self.frames else {
            return self.zone_at(HEADER);
        };
        let offsets = table.chunks_exact(4).take(LOOKED_AT);
        let mut offsets = offsets.filter_map(|octets| octets.first_chunk());
        offsets.find_map(|&octets| {
            let at = usize::try_from(u32::from_le_bytes(octets)).ok()?;
            self.zone_at(at)
        })
    }

    fn zone_at(&self, at: usize) -> Option<Span> {
        let frame = self.frame(at)?;
        let length = usize::try_from(frame.captured).ok()?;
        let trailer = self.trailer(frame.rest.get(length..)?);
        east(self.wall_clock(&frame), trailer.utc?)
    }

    /// When a frame passed, by the capturing machine's wall clock.
    const fn wall_clock(&self, frame: &Frame<'_>) -> Nanos {
        let since = frame.ticks.saturating_mul(100);
        Nanos(self.start.0.saturating_add(since))
    }

    /// When a frame passed, in UTC where that can be told.
    fn time(&mut self, frame: &Frame<'_>, utc: Option<Nanos>) -> Nanos {
        let wall = self.wall_clock(frame);
        let stated = utc.and_then(|utc| Some((utc, east(wall, utc)?)));
        match (stated, self.east) {
            (Some((utc, east)), _) => {
                self.east = Some(east);
                self.zones
                    .insert((east.0 + QUARTER / 2).div_euclid(QUARTER));
                utc
            }
            (None, Some(east)) => {
                self.zoneless += 1;
                Nanos(wall.0.saturating_sub(east.0))
            }
            (None, None) => wall,
        }
    }

    /// Offset of the next frame, if there is one.
    fn next_frame(&mut self) -> Option<usize> {
        match &mut self.frames {
            Frames::Walk(at) => (*at < self.file.len()).then_some(*at),
            Frames::Table(rest) => {
                let parsed: Parsed<'m, u32> = le_u32(*rest);
                let (after, at) = parsed.ok()?;
                *rest = after;
                Some(usize::try_from(at).unwrap_or(usize::MAX))
            }
        }
    }

    fn frame(&self, at: usize) -> Option<Frame<'m>> {
        let rest = self.file.get(at..)?;
        let parsed = match self.layout {
            Layout::One => frame_one(rest),
            Layout::Two => frame_two(rest),
        };
        parsed.ok().map(|(_, frame)| frame)
    }

    /// What stands behind the octets of a frame; what is cut off there is not known.
    fn trailer(&self, after: &'m [u8]) -> Trailer {
        let mut trailer = Trailer {
            network: self.network,
            process: None,
            utc: None,
        };
        let mut parts = |rest| -> Parsed<'m, ()> {
            if self.version < (2, 1) {
                return Ok((rest, ()));
            }
            let (rest, network) = le_u16(rest)?;
            trailer.network = network;
            if self.version < (2, 2) {
                return Ok((rest, ()));
            }
            let (rest, process) = le_u32(rest)?;
            trailer.process = Some(process);
            if self.version < (2, 3) {
                return Ok((rest, ()));
            }
            let (rest, ticks) = le_i64(rest)?;
            let since_1970 = ticks.checked_sub(EPOCH_1601);
            trailer.utc = since_1970.and_then(|ticks| ticks.checked_mul(100).map(Nanos));
            Ok((rest, ()))
        };
        // A trailer cut off at the end of the file leaves the parts before the cut.
        drop(parts(after));
        trailer
    }

    fn trailer_length(&self) -> usize {
        match self.version {
            (2, 1) => 2,
            (2, 2) => 6,
            (2, 3..) => 15,
            _ => 0,
        }
    }

    fn record(&mut self, at: usize) -> Option<Record> {
        let Some(frame) = self.frame(at) else {
            self.damage.note(offset(at), || {
                "a frame begins outside of the file or is cut in its header".into()
            });
            self.stop_walking();
            return None;
        };
        let length = usize::try_from(frame.captured).unwrap_or(usize::MAX);
        let Some(bytes) = (length <= MAX_PACKET)
            .then(|| frame.rest.get(..length))
            .flatten()
        else {
            let (captured, room) = (frame.captured, frame.rest.len());
            self.damage.note(offset(at), || {
                format!("a frame claims {captured} bytes where the file has {room}; it is left out")
            });
            self.stop_walking();
            return None;
        };
        let Trailer {
            network,
            process,
            utc,
        } = self.trailer(frame.rest.get(length..).unwrap_or_default());
        let after = self.file.len() - frame.rest.len() + length + self.trailer_length();
        if let Frames::Walk(next) = &mut self.frames {
            *next = after;
        }
        self.consumed = self.consumed.max(after.min(self.file.len()));
        let Some(link_type) = link_type(network) else {
            self.skipped += 1;
            return None;
        };
        self.packet = bytes;
        self.present = offset(at);
        Some(Record {
            time: self.time(&frame, utc),
            link_type,
            length: frame.length.max(frame.captured),
            interface: 0,
            at: offset(at),
            process,
        })
    }

    /// Without a table nothing behind a broken frame can be found.
    fn stop_walking(&mut self) {
        if let Frames::Walk(next) = &mut self.frames {
            *next = self.file.len();
        }
    }
}

impl Reader for NetMon<'_> {
    fn advance(&mut self) -> Option<Record> {
        while let Some(at) = self.next_frame() {
            let record = self.record(at);
            if record.is_some() {
                return record;
            }
        }
        self.packet = &[];
        None
    }

    fn bytes(&self) -> &[u8] {
        self.packet
    }

    fn comments(&self) -> Vec<&[u8]> {
        if self.packet.is_empty() {
            return Vec::new();
        }
        let comment = self.comments.get(&self.present);
        comment.into_iter().map(String::as_bytes).collect()
    }

    fn processes(&self) -> &[OwnedConnection] {
        &self.processes
    }

    fn consumed(&self) -> u64 {
        offset(self.consumed)
    }

    fn report(&self) -> CaptureReport {
        let (major, minor) = self.version;
        let user_data = (self.user_data > 0)
            .then(|| format!("{} bytes of user data, which are not read", self.user_data));
        let zones: Vec<String> = self.zones.iter().copied().map(zone).collect();
        let zones = (!zones.is_empty()).then(|| {
            let zones = zones.join(", ");
            format!("the capturing machine's wall clock stood at {zones} of UTC")
        });
        let zoneless = (self.zoneless > 0).then(|| {
            format!(
                "frames that do not state UTC, which take the zone of the frame before: {}",
                self.zoneless
            )
        });
        let clock = if self.east.is_some() {
            CaptureClock::Utc
        } else {
            CaptureClock::Local
        };
        CaptureReport {
            variant: format!("{major}.{minor}"),
            skipped: self.skipped,
            notes: [user_data, zones, zoneless].into_iter().flatten().collect(),
            damage: self.damage.clone(),
            ..CaptureReport::new(Format("netmon"), clock)
        }
    }
}

fn table(file: &[u8], (at, length): (u32, u32)) -> Option<&[u8]> {
    let at = usize::try_from(at).ok()?;
    let length = usize::try_from(length).ok()?;
    file.get(at..at.checked_add(length)?)
}

/// By how much a wall clock is ahead of UTC, where that can be.
fn east(wall: Nanos, utc: Nanos) -> Option<Span> {
    let east = Span(wall.0.checked_sub(utc.0)?);
    (-FARTHEST_ZONE.0..=FARTHEST_ZONE.0)
        .contains(&east.0)
        .then_some(east)
}

/// `+01:00`.
fn zone(quarters: i64) -> String {
    let sign = if quarters < 0 { '-' } else { '+' };
    let minutes = quarters.abs() * 15;
    format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

fn offset(at: usize) -> u64 {
    u64::try_from(at).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
