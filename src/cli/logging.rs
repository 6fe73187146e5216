//! What to turn on in a server, and what it will cost.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::log::advice::{ADVICE, Advice, EVERY_PROTO, Level};
use crate::model::{Side, WireSession};
use crate::pipeline::{Options, Progress, Show, run};

/// Writes the advice for `server`, or the list of servers; with captures, what a day of their traffic would write.
pub(super) fn logging(
    server: Option<&str>,
    captures: &[PathBuf],
    out: &mut dyn Write,
) -> Result<()> {
    let Some(server) = server else {
        return Ok(list(out)?);
    };
    let Some(advice) = find(server) else {
        let known: Vec<&str> = ADVICE.iter().map(|advice| advice.server).collect();
        bail!(
            "no advice for '{server}'\nthere is some for: {}",
            known.join(", ")
        );
    };
    let traffic = (!captures.is_empty()).then(|| Traffic::of(advice, captures));
    Ok(write(advice, traffic.as_ref(), out)?)
}

/// By its own name, or by that of a format that it alone writes.
fn find(name: &str) -> Option<&'static Advice> {
    let mut writers = ADVICE
        .iter()
        .filter(|advice| advice.formats.contains(&name));
    ADVICE
        .iter()
        .find(|advice| advice.server == name)
        .or_else(|| writers.next().filter(|_| writers.next().is_none()))
}

fn list(out: &mut dyn Write) -> io::Result<()> {
    for advice in ADVICE {
        let levels: Vec<&str> = advice.levels.iter().map(|level| level.name).collect();
        writeln!(out, "{:<21} {}", advice.server, levels.join("; "))?;
    }
    writeln!(
        out,
        "\nbothends logging SERVER tells how, and what it costs"
    )
}

/// How much of a server's protocols a capture holds.
struct Traffic {
    sessions: u64,
    exchanges: u64,
    seconds: f64,
}

impl Traffic {
    fn of(advice: &Advice, captures: &[PathBuf]) -> Self {
        let options = Options {
            captures: captures.to_vec(),
            ..Options::default()
        };
        let account = run(&options, &mut Progress::new(Show::Never)).account;
        let mut traffic = Self {
            sessions: 0,
            exchanges: 0,
            seconds: 0.0,
        };
        let spoken = |wire: &&WireSession| {
            advice.protos == EVERY_PROTO || advice.protos.contains(&wire.proto)
        };
        for wire in account.wires.iter().filter(spoken) {
            traffic.sessions += 1;
            let bursts = wire.bursts.iter();
            let hidden = bursts.filter(|burst| burst.side == Side::Client).count();
            let exchanges = wire.exchanges.len().max(hidden);
            traffic.exchanges += u64::try_from(exchanges).unwrap_or(u64::MAX);
        }
        let first = account
            .captures
            .iter()
            .filter_map(|capture| capture.first)
            .min();
        let last = account
            .captures
            .iter()
            .filter_map(|capture| capture.last)
            .max();
        if let Some((first, last)) = first.zip(last) {
            traffic.seconds = last.since(first).as_seconds_f64();
        }
        traffic
    }

    /// Octets that a day like this writes; `None` when the capture is too short to tell.
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    fn a_day(&self, level: &Level) -> Option<f64> {
        let octets = level.cost.of(self.sessions, self.exchanges) as f64;
        (self.seconds >= 1.0).then(|| octets * 86_400.0 / self.seconds)
    }
}

fn write(advice: &Advice, traffic: Option<&Traffic>, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "{} (read as {})",
        advice.server,
        advice.formats.join(", ")
    )?;
    if let Some(traffic) = traffic {
        let protos: Vec<&str> = advice.protos.iter().map(|proto| proto.0).collect();
        writeln!(
            out,
            "capture: {} sessions of {} with {} commands in {:.0} s",
            traffic.sessions,
            match protos.as_slice() {
                [] => "every kind".to_owned(),
                protos => protos.join(" and "),
            },
            traffic.exchanges,
            traffic.seconds
        )?;
    }
    for level in advice.levels {
        writeln!(out, "\n{}", level.name)?;
        for (label, text) in [
            ("turn on", level.turn_on),
            ("shows", level.shows),
            ("not", level.hides),
        ] {
            let mut label = label;
            for line in text.lines() {
                writeln!(out, "  {label:<8} {line}")?;
                label = "";
            }
        }
        let cost = level.cost;
        let told = match (cost.session, cost.exchange) {
            (0, 0) => "nothing".to_owned(),
            (session, 0) => format!("about {session} octets a session"),
            (0, exchange) => format!("about {exchange} octets a command"),
            (session, exchange) => {
                format!("about {session} octets a session and {exchange} a command")
            }
        };
        let day = traffic.and_then(|traffic| traffic.a_day(level));
        let day = day.map_or(String::new(), |day| {
            format!("; {} a day at this traffic", size(day))
        });
        writeln!(out, "  {:<8} {told}{day}", "costs")?;
    }
    writeln!(out, "\ncosts     {}", advice.basis)?;
    writeln!(out, "files     {}", advice.rotates)?;
    writeln!(out, "deleting  {}", advice.deleting)
}

/// `1.2 MB`.
fn size(octets: f64) -> String {
    let mut octets = octets;
    for unit in ["octets", "kB", "MB", "GB"] {
        if octets < 1000.0 {
            return format!("{octets:.1} {unit}");
        }
        octets /= 1000.0;
    }
    format!("{octets:.1} TB")
}
