//! How header and records lie in a Network Monitor file.

use chrono::NaiveDate;
use nom::bytes::complete::take;
use nom::number::complete::{le_i64, le_u8, le_u16, le_u32};

use crate::model::Nanos;

use super::super::LinkType;

/// Length of the header.
pub(super) const HEADER: usize = 128;

pub(super) type Parsed<'m, T> = nom::IResult<&'m [u8], T, ()>;

/// Which of the two record layouts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// Milliseconds and 16-bit lengths.
    One,
    /// Microseconds and 32-bit lengths, a trailer that grew with the versions.
    Two,
}

/// The fields of the header that are used; places are offset and length in octets, of processes their number.
pub(super) struct Header {
    pub(super) minor: u8,
    pub(super) major: u8,
    pub(super) network: u16,
    pub(super) start: [u16; 8],
    pub(super) table: (u32, u32),
    pub(super) user_data: u32,
    pub(super) comments: (u32, u32),
    pub(super) processes: (u32, u32),
}

/// What the capturing machine noted behind a frame, from 2.1 on.
pub(super) struct Trailer {
    pub(super) network: u16,
    /// Row of the process table; from 2.2 on.
    pub(super) process: Option<u32>,
    /// From 2.3 on.
    pub(super) utc: Option<Nanos>,
}

/// A record as it lies in the file.
pub(super) struct Frame<'m> {
    /// Since the start, in units of 100 ns; negative where it is stamped a little before.
    pub(super) ticks: i64,
    pub(super) length: u32,
    pub(super) captured: u32,
    pub(super) rest: &'m [u8],
}

/// The header of a file, from its magic on.
pub(super) fn header(file: &[u8]) -> Parsed<'_, Header> {
    let (rest, _) = take(4usize)(file)?;
    let (rest, minor) = le_u8(rest)?;
    let (rest, major) = le_u8(rest)?;
    let (rest, network) = le_u16(rest)?;
    let mut start = [0; 8];
    let (rest, ()) = nom::multi::fill(le_u16, &mut start)(rest)?;
    let (rest, table_at) = le_u32(rest)?;
    let (rest, table_length) = le_u32(rest)?;
    let (rest, _user_data_at) = le_u32(rest)?;
    let (rest, user_data) = le_u32(rest)?;
    let (rest, comments_at) = le_u32(rest)?;
    let (rest, comments_length) = le_u32(rest)?;
    let (rest, process_at) = le_u32(rest)?;
    let (rest, process_count) = le_u32(rest)?;
    // Network information and what is reserved, up to the full length.
    let (rest, _) = take(HEADER - 56)(rest)?;
    let header = Header {
        minor,
        major,
        network,
        start,
        table: (table_at, table_length),
        user_data,
        comments: (comments_at, comments_length),
        processes: (process_at, process_count),
    };
    Ok((rest, header))
}

/// The head of a record of [`Layout::One`].
pub(super) fn frame_one(rest: &[u8]) -> Parsed<'_, Frame<'_>> {
    let (rest, millis) = le_u32(rest)?;
    let (rest, length) = le_u16(rest)?;
    let (rest, captured) = le_u16(rest)?;
    let frame = Frame {
        ticks: i64::from(millis) * 10_000,
        length: length.into(),
        captured: captured.into(),
        rest,
    };
    Ok((rest, frame))
}

/// The head of a record of [`Layout::Two`].
pub(super) fn frame_two(rest: &[u8]) -> Parsed<'_, Frame<'_>> {
    let (rest, micros) = le_i64(rest)?;
    let (rest, length) = le_u32(rest)?;
    let (rest, captured) = le_u32(rest)?;
    let frame = Frame {
        // Microseconds without a sign; ten times as much, cut to 64 bits, has one.
        ticks: micros.wrapping_mul(10),
        length,
        captured,
        rest,
    };
    Ok((rest, frame))
}

/// A `SYSTEMTIME`: year, month, weekday, day, hour, minute, second, milliseconds.
pub(super) fn system_time(
    [year, month, _, day, hour, minute, second, millis]: [u16; 8],
) -> Option<Nanos> {
    NaiveDate::from_ymd_opt(year.into(), month.into(), day.into())?
        .and_hms_milli_opt(hour.into(), minute.into(), second.into(), millis.into())?
        .and_utc()
        .timestamp_nanos_opt()
        .map(Nanos)
}

/// The link type of a media number; `None` for what is no packet.
pub(super) const fn link_type(network: u16) -> Option<LinkType> {
    match network {
        0 | 1 => Some(LinkType::ETHERNET),
        2 => Some(LinkType(6)),
        3 => Some(LinkType(10)),
        4 => Some(LinkType(100)),
        6 => Some(LinkType(105)),
        7..=9 => Some(LinkType::RAW),
        0xffe0 | 0xfffb..=0xffff => None,
        0xe000..0xffe0 => Some(LinkType(network - 0xe000)),
        other => Some(LinkType(u16::MAX - other)),
    }
}
