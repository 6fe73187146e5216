//! The tables beside the frames: programs that owned connections, and comments.

use std::collections::BTreeMap;

use nom::bytes::complete::take;
use nom::number::complete::{le_u16, le_u32};

use crate::model::{DamageLog, Endpoint, Process};

use super::super::OwnedConnection;
use super::layout::Parsed;

/// Rows kept of each table.
const MAX_ROWS: usize = 65_536;

/// The process table of 2.2 and later; what cannot be read of it is damage, as no packet depends on it.
pub(super) fn processes(
    file: &[u8],
    (at, count): (u32, u32),
    damage: &mut DamageLog,
) -> Vec<OwnedConnection> {
    let mut found = Vec::new();
    if count == 0 {
        return found;
    }
    // A two-byte version stands before the rows.
    let table = usize::try_from(at)
        .ok()
        .and_then(|at| file.get(at..)?.get(2..));
    let mut rest = table.unwrap_or_default();
    let wanted = usize::try_from(count).unwrap_or(usize::MAX);
    while found.len() < wanted.min(MAX_ROWS) {
        let Ok((after, owned)) = owned_connection(rest) else {
            break;
        };
        found.push(owned);
        rest = after;
    }
    if found.len() < wanted {
        let read = found.len();
        damage.note(u64::from(at), || {
            format!("the process table claims {wanted} rows; {read} could be read")
        });
    }
    found
}

/// A row: path in UTF-16, icon, process id, ports and addresses of both ends.
fn owned_connection(rest: &[u8]) -> Parsed<'_, OwnedConnection> {
    let (rest, length) = le_u32(rest)?;
    let (rest, path) = take(length)(rest)?;
    let (rest, icon) = le_u32(rest)?;
    let (rest, _) = take(icon)(rest)?;
    let (rest, id) = le_u32(rest)?;
    let (rest, local_port) = le_u16(rest)?;
    let (rest, _) = take(2usize)(rest)?;
    let (rest, remote_port) = le_u16(rest)?;
    let (rest, _) = take(2usize)(rest)?;
    let (rest, is_v6) = le_u32(rest)?;
    let (rest, local) = take(16usize)(rest)?;
    let (rest, remote) = take(16usize)(rest)?;
    let end = |bytes: &[u8], port: u16| -> Option<Endpoint> {
        let ip = if is_v6 == 0 {
            (*bytes.first_chunk::<4>()?).into()
        } else {
            (*bytes.first_chunk::<16>()?).into()
        };
        Some(Endpoint { ip, port })
    };
    let ends = end(local, local_port).zip(end(remote, remote_port));
    let (local, remote) = ends.ok_or(nom::Err::Error(()))?;
    let process = Process {
        path: utf16(path),
        id,
    };
    Ok((
        rest,
        OwnedConnection {
            process,
            local,
            remote,
        },
    ))
}

/// UTF-16 text up to its end mark.
fn utf16(bytes: &[u8]) -> String {
    let units: Vec<u16> = bytes
        .chunks_exact(2)
        .filter_map(|pair| pair.first_chunk().map(|pair| u16::from_le_bytes(*pair)))
        .take_while(|&unit| unit != 0)
        .collect();
    String::from_utf16_lossy(&units)
}

/// Comments by the offset of the frame that each is on; what cannot be read of the table is damage.
pub(super) fn comments(
    file: &[u8],
    (at, length): (u32, u32),
    damage: &mut DamageLog,
) -> BTreeMap<u64, String> {
    let mut found = BTreeMap::new();
    if length == 0 {
        return found;
    }
    let region = |at: u32, length: u32| {
        let at = usize::try_from(at).ok()?;
        let length = usize::try_from(length).ok()?;
        file.get(at..at.checked_add(length)?)
    };
    let Some(mut rest) = region(at, length) else {
        damage.note(u64::from(at), || {
            "the comments lie outside of the file".into()
        });
        return found;
    };
    while !rest.is_empty() && found.len() < MAX_ROWS {
        let Ok((after, (frame, text))) = comment(rest) else {
            let left = rest.len();
            damage.note(u64::from(at), || {
                format!("{left} bytes of comments that cannot be read")
            });
            break;
        };
        found.insert(u64::from(frame), text);
        rest = after;
    }
    found
}

/// A comment: how many frames it is on (always 1), the offset of that frame, a title in UTF-16, a description.
fn comment(rest: &[u8]) -> Parsed<'_, (u32, String)> {
    let (rest, _) = le_u32(rest)?;
    let (rest, frame) = le_u32(rest)?;
    let (rest, length) = le_u32(rest)?;
    let (rest, title) = take(length)(rest)?;
    let (rest, length) = le_u32(rest)?;
    let (rest, description) = take(length)(rest)?;
    let mut text = utf16(title);
    // Rich text says nothing to a terminal.
    if description.is_ascii() && !description.starts_with(b"{\\rtf") {
        let plain = String::from_utf8_lossy(description);
        let plain = plain.trim_matches(['\0', ' ', '\r', '\n']);
        if !plain.is_empty() {
            text = format!("{text}: {plain}");
        }
    }
    Ok((rest, (frame, text)))
}
