//! Why a session was joined as it was, for a person.

use std::io::{self, Write};

use crate::align::{Asked, Candidate, why};
use crate::model::{LogId, LogSession};

use super::Account;
use super::escape::terminal;

/// Writes what `what`, a session (`s12`) or a line of a log (`mail.log:18`), could have been joined with, and what spoke for each. Gives
/// false when there is no such session or line.
///
/// # Errors
///
/// What `out` says.
pub fn write_why(account: &Account, what: &str, out: &mut dyn Write) -> io::Result<bool> {
    let Some(asked) = find(account, what) else {
        return Ok(false);
    };
    let found = why(
        &account.wires,
        &account.sources,
        &account.logs,
        account.origin,
        asked,
    );
    match asked {
        Asked::Log(log) => writeln!(out, "{}", log_words(account, log))?,
        Asked::Wire(wire) => writeln!(out, "{}", wire_words(account, wire))?,
    }
    for reason in reasons(account, asked) {
        writeln!(out, "  {}", terminal(reason))?;
    }
    if found.is_empty() {
        writeln!(
            out,
            "Candidates: none. Nothing on the other side has its address, protocol and protection."
        )?;
    } else {
        writeln!(out, "Candidates")?;
    }
    for candidate in &found {
        candidate_words(account, asked, candidate, out)?;
    }
    for settle in remedies(account, &found, asked) {
        writeln!(out, "What would settle it: {settle}")?;
    }
    Ok(true)
}

/// The session or line that is meant.
fn find(account: &Account, what: &str) -> Option<Asked> {
    let number = what
        .strip_prefix('s')
        .and_then(|number| number.parse::<usize>().ok());
    if let Some(joined) = number
        .and_then(|number| number.checked_sub(1))
        .and_then(|at| account.alignment.sessions.get(at))
    {
        let wire = joined.wire.map(Asked::Wire);
        return wire.or(joined.logs.first().map(|&log| Asked::Log(log)));
    }
    let (file, line) = what.rsplit_once(':')?;
    let line: u64 = line.parse().ok()?;
    let meant = |log: &LogSession| {
        let source = account.sources.iter().find(|source| source.id == log.log);
        source.is_some_and(|source| {
            log.events.iter().any(|event| {
                let (path, number) = source.place(event.line.line);
                number == line && (path == file || path.ends_with(&format!("/{file}")))
            })
        })
    };
    account.logs.iter().position(meant).map(Asked::Log)
}

/// Why it stands as it does.
fn reasons(account: &Account, asked: Asked) -> &[String] {
    let mut sessions = account.alignment.sessions.iter();
    let found = match asked {
        Asked::Wire(wire) => sessions
            .find(|joined| joined.wire == Some(wire))
            .map(|joined| &*joined.verdict),
        Asked::Log(log) => sessions
            .find(|joined| joined.logs.contains(&log))
            .map(|joined| joined.verdict_of(log)),
    };
    found.map_or(&[], |found| found.reasons.as_slice())
}

fn candidate_words(
    account: &Account,
    asked: Asked,
    candidate: &Candidate,
    out: &mut dyn Write,
) -> io::Result<()> {
    let other = match asked {
        Asked::Log(_) => wire_words(account, candidate.wire),
        Asked::Wire(_) => log_words(account, candidate.log),
    };
    let standing = if candidate.joined {
        "joined"
    } else {
        "not joined"
    };
    match candidate.score {
        Some(score) => writeln!(out, "  {other}: score {score:.1}, {standing}")?,
        None => writeln!(out, "  {other}: {standing}")?,
    }
    let (seconds, side) = (
        candidate.miss.abs(),
        if candidate.miss < 0.0 {
            "early"
        } else {
            "late"
        },
    );
    if seconds > 0.0 {
        writeln!(
            out,
            "    its lines are {seconds:.3} s too {side} beyond what the clock's bound allows"
        )?;
    }
    for term in &candidate.terms {
        writeln!(out, "    {}", terminal(term))?;
    }
    Ok(())
}

/// `s5 smtp 192.0.2.10:41104 → 198.51.100.25:25 at 03:29:10.538`.
fn wire_words(account: &Account, wire: usize) -> String {
    let at = account
        .alignment
        .sessions
        .iter()
        .position(|joined| joined.wire == Some(wire));
    let id = at.map(|at| account.id(at)).unwrap_or_default();
    account.wires.get(wire).map_or(id.clone(), |session| {
        format!(
            "{id} {} {} → {} at {}",
            session.proto,
            session.conversation.client,
            session.conversation.server,
            (session.start - account.capture_zone).to_rfc3339()
        )
    })
}

/// `mail.log:18,19,56 smtp of 192.0.2.10`.
fn log_words(account: &Account, log: usize) -> String {
    let Some(session) = account.logs.get(log) else {
        return String::new();
    };
    let source = account
        .sources
        .iter()
        .find(|source| source.id == session.log);
    let mut lines: Vec<u64> = session.events.iter().map(|event| event.line.line).collect();
    lines.dedup();
    let first = lines.first().copied().unwrap_or_default();
    let (file, _) = source.map_or(("", first), |source| source.place(first));
    let numbers: Vec<String> = lines
        .iter()
        .take(8)
        .map(|&line| {
            source
                .map_or(line, |source| source.place(line).1)
                .to_string()
        })
        .collect();
    let peer = session
        .peer
        .map_or_else(String::new, |peer| format!(" of {peer}"));
    let shown = terminal(file).into_owned();
    format!("{shown}:{} {}{peer}", numbers.join(","), session.proto)
}

/// What the logs in question could be made to say.
fn remedies(account: &Account, found: &[Candidate], asked: Asked) -> Vec<String> {
    if found
        .iter()
        .filter(|candidate| candidate.score.is_some())
        .count()
        < 2
    {
        return Vec::new();
    }
    let asked_log = match asked {
        Asked::Log(log) => Some(log),
        Asked::Wire(_) => None,
    };
    let mut ids: Vec<LogId> = found
        .iter()
        .map(|candidate| candidate.log)
        .chain(asked_log)
        .filter_map(|log| account.logs.get(log).filter(|log| log.peer_port.is_none()))
        .map(|log| log.log)
        .collect();
    ids.sort_unstable();
    ids.dedup();
    let sources = ids
        .iter()
        .filter_map(|id| account.sources.iter().find(|source| source.id == *id));
    sources
        .filter_map(|source| {
            let setting = source.shows.client_port.remedy()?;
            Some(format!(
                "log the client port, in {}: {setting}",
                terminal(&source.file)
            ))
        })
        .collect()
}
