//! Two captures of the same traffic, for a person and for a program.

use std::io::{self, Write};

use serde::Serialize;

use crate::align::{Nearer, Passage, Path};
use crate::model::Span;

use super::Account;
use super::escape::terminal;
use super::jsonl::line;

/// What was read at the other point, and how it compares.
#[derive(Clone, Debug, Default)]
pub struct OtherSide {
    /// Path as given.
    pub file: String,
    /// The other ends of each of its conversations, client and server, as text.
    pub ends: Vec<(String, String)>,
    /// The comparison.
    pub path: Path,
}

/// Loss and translation, in words.
pub(super) fn write(account: &Account, out: &mut dyn Write) -> io::Result<()> {
    let Some(other) = &account.other_side else {
        return Ok(());
    };
    let path = &other.path;
    writeln!(out, "\nThe other point of the path")?;
    let nearer = match path.nearer {
        Nearer::First => "nearer to the servers",
        Nearer::Second => "nearer to the clients",
        Nearer::Unknown => "at a point that no connection tells",
    };
    writeln!(out, "  {} was taken {nearer}", terminal(&other.file))?;
    match path.clock {
        Some(clock) => writeln!(
            out,
            "  its clock: {:+.6} s, ± {:.6} s; drift {:.1} ± {:.1} ppm; {} connections agree",
            clock.offset.as_seconds_f64(),
            clock.bound.as_seconds_f64(),
            clock.drift_ppm,
            clock.drift_bound_ppm,
            clock.pairs
        )?,
        None => writeln!(out, "  its clock: no connection is known at both points")?,
    }
    writeln!(
        out,
        "  connections: {} at both points, {} only here, {} only there",
        path.passages.len(),
        path.first_only.len(),
        path.second_only.len()
    )?;
    for (here, there, count) in &path.translated {
        writeln!(out, "  {here} is {there} there, in {count} connections")?;
    }
    let lost = |side: usize| {
        path.passages
            .iter()
            .filter_map(|passage| passage.lost.get(side))
            .sum::<u64>()
    };
    let hit = path
        .passages
        .iter()
        .filter(|passage| passage.lost != [0, 0])
        .count();
    writeln!(
        out,
        "  lost between the points: {} packets to the servers, {} to the clients, in {hit} connections",
        lost(0),
        lost(1)
    )
}

#[derive(Serialize)]
struct PathRecord<'a> {
    r#type: &'static str,
    file: &'a str,
    nearer_to: &'static str,
    offset_s: Option<f64>,
    bound_s: Option<f64>,
    drift_ppm: Option<f64>,
    drift_bound_ppm: Option<f64>,
    pairs: usize,
    connections: usize,
    only_here: Vec<String>,
    only_there: Vec<[&'a str; 2]>,
    translated: Vec<Translated>,
}

#[derive(Serialize)]
struct Translated {
    here: String,
    there: String,
    connections: u64,
}

#[derive(Serialize)]
struct PassageRecord<'a> {
    r#type: &'static str,
    session: String,
    client_there: &'a str,
    server_there: &'a str,
    lost_to_server: u64,
    lost_to_client: u64,
    round_trip_ms: Option<f64>,
}

/// A `path` record, and a `passage` for each connection seen at both points.
pub(super) fn write_records(account: &Account, out: &mut dyn Write) -> io::Result<()> {
    let Some(other) = &account.other_side else {
        return Ok(());
    };
    let path = &other.path;
    let mut place = vec![String::new(); account.wires.len()];
    for (at, joined) in account.alignment.sessions.iter().enumerate() {
        if let Some(place) = joined.wire.and_then(|wire| place.get_mut(wire)) {
            *place = account.id(at);
        }
    }
    let id = |wire: usize| place.get(wire).cloned().unwrap_or_default();
    let ends = |wire: usize| {
        let ends = other.ends.get(wire);
        ends.map_or(["", ""], |(client, server)| {
            [client.as_str(), server.as_str()]
        })
    };
    let clock = path.clock;
    let record = PathRecord {
        r#type: "path",
        file: &other.file,
        nearer_to: match path.nearer {
            Nearer::First => "servers",
            Nearer::Second => "clients",
            Nearer::Unknown => "unknown",
        },
        offset_s: clock.map(|clock| clock.offset.as_seconds_f64()),
        bound_s: clock.map(|clock| clock.bound.as_seconds_f64()),
        drift_ppm: clock.map(|clock| clock.drift_ppm),
        drift_bound_ppm: clock.map(|clock| clock.drift_bound_ppm),
        pairs: clock.map_or(0, |clock| clock.pairs),
        connections: path.passages.len(),
        only_here: path.first_only.iter().map(|&wire| id(wire)).collect(),
        only_there: path.second_only.iter().map(|&wire| ends(wire)).collect(),
        translated: path
            .translated
            .iter()
            .map(|(here, there, connections)| Translated {
                here: here.to_string(),
                there: there.to_string(),
                connections: *connections,
            })
            .collect(),
    };
    line(out, &record)?;
    for passage in &path.passages {
        let Passage {
            lost: [up, down], ..
        } = *passage;
        let [client, server] = ends(passage.second);
        line(
            out,
            &PassageRecord {
                r#type: "passage",
                session: id(passage.first),
                client_there: client,
                server_there: server,
                lost_to_server: up,
                lost_to_client: down,
                round_trip_ms: passage.round_trip.map(Span::as_millis_f64),
            },
        )?;
    }
    Ok(())
}
