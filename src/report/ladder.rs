//! One session between its two ends: what the client sent on the left, what the server answered on the right.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use crate::align::Standing;
use crate::model::{Encryption, Exchange, LineRef, MailMessage, Nanos, Seen, Side};

use super::Account;
use super::account::{End, Shown};
use super::ended::ended_words;
use super::escape::{cut, terminal};

/// Widths of the two sides.
const CLIENT: usize = 38;
const SERVER: usize = 40;
/// Log lines named one by one in the heading.
const LINES: usize = 4;
/// Messages named one by one in the heading.
const MESSAGES: usize = 4;
/// Most clients shown of those that a proxy speaks for.
const CLIENTS: usize = 4;
/// Deliveries shown of a session.
const DELIVERIES: usize = 12;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

/// Writes the heading and the rungs.
pub(super) fn write(account: &Account, shown: &Shown<'_>, out: &mut dyn Write) -> io::Result<()> {
    heading(account, shown, out)?;
    for exchange in shown.exchanges().iter() {
        rung(account, exchange, out)?;
    }
    Ok(())
}

/// Writes a session in one line: who, when, and which lines of which log.
pub(super) fn write_line(
    account: &Account,
    shown: &Shown<'_>,
    out: &mut dyn Write,
) -> io::Result<()> {
    title(account, shown, out)?;
    let verdict = &shown.joined.verdict;
    let lines = log_lines(account, &shown.joined.logs);
    match verdict.standing {
        Standing::Matched => {
            let score = verdict.score.unwrap_or_default();
            write!(out, "  {lines}, score {score:.1}")?;
        }
        Standing::Ambiguous if shown.wire.is_some() => {
            let lines = log_lines(account, &shown.joined.candidates);
            write!(out, "  it may be {lines}")?;
        }
        _ if !lines.is_empty() => {
            let reasons = verdict.reasons.join("; ");
            write!(out, "  {lines}: {}", terminal(&reasons))?;
        }
        _ => {}
    }
    writeln!(out)
}

/// `s1  smtp with STARTTLS  192.0.2.10:41104 → 198.51.100.25:25  2026-11-24 03:29:10.538528  seen by both`.
fn title(account: &Account, shown: &Shown<'_>, out: &mut dyn Write) -> io::Result<()> {
    let (source, destination) = shown.ends();
    let told_of_tls = shown.log.is_some_and(|log| log.tls.is_some());
    let protection = match shown.encryption() {
        Some(Encryption::Implicit) => " over TLS",
        Some(Encryption::StartTls) => " with STARTTLS",
        None if told_of_tls => " with TLS",
        Some(Encryption::None) | None => "",
    };
    let (start, _) = account.times(shown);
    write!(
        out,
        "{BOLD}{}{BOLD:#}  {}{protection}  {} → {}  {}  seen by {}",
        shown.id(),
        shown.proto(),
        end_text(source),
        end_text(destination),
        start.map_or_else(|| "at an unknown time".into(), date_and_time),
        match shown.seen() {
            Seen::Both => "both",
            Seen::Log => "the log alone",
            Seen::Wire | Seen::Inferred => "the wire alone",
        }
    )
}

fn heading(account: &Account, shown: &Shown<'_>, out: &mut dyn Write) -> io::Result<()> {
    title(account, shown, out)?;
    writeln!(out)?;
    if let Some(wire) = shown.wire {
        let [up, down] = [Side::Client, Side::Server].map(|side| wire.counts.of(side));
        writeln!(
            out,
            "    wire: {} {}, {} bytes up, {} down, {} sent again, {} gaps{}",
            wire.conn_state,
            wire.history,
            up.bytes,
            down.bytes,
            up.retransmissions + down.retransmissions,
            up.gaps + down.gaps,
            tls_text(wire)
        )?;
        if let Some(led) = shown.led_by {
            writeln!(
                out,
                "    name: {}, looked up in {}",
                terminal(led.name()),
                led.id()
            )?;
        }
        for named in wire.forwarded.iter().take(CLIENTS) {
            let port = named
                .port
                .map_or_else(String::new, |port| format!(" port {port}"));
            writeln!(
                out,
                "    client: {}{port}, by its proxy's {}",
                named.client,
                named.by.name()
            )?;
        }
        let more = wire.forwarded.len().saturating_sub(CLIENTS);
        if more > 0 {
            writeln!(out, "    client: and {more} more behind the proxy")?;
        }
        let words = super::tcp::tcp_words(wire);
        if !words.is_empty() {
            writeln!(out, "    tcp:  {}", words.join("; "))?;
        }
        if let Some(process) = &wire.process {
            let path = terminal(&process.path);
            writeln!(out, "    owned by: {path}, process {}", process.id)?;
        }
        for error in wire.icmp_errors.iter().take(1) {
            writeln!(out, "    icmp: {} said: {}", error.by, error.reason)?;
        }
        let sent = wire.messages.iter().filter_map(|it| Some((it, it.octets?)));
        for (message, octets) in sent.clone().take(MESSAGES) {
            writeln!(
                out,
                "    mail: {}",
                terminal(&message_text(message, octets))
            )?;
        }
        let more = sent.skip(MESSAGES).count();
        if more > 0 {
            writeln!(out, "    mail: and {more} more")?;
        }
        if !wire.faults.is_empty() {
            let told: Vec<String> = wire.faults.iter().map(fault_text).collect();
            writeln!(out, "    protocol: {}", told.join("; "))?;
        }
        for note in &wire.notes {
            writeln!(out, "    note: {}", terminal(note))?;
        }
    }
    if let Some(ended) = shown.ended() {
        let (words, line) = (ended_words(&ended), ended.line);
        let line = line.map_or_else(String::new, |line| {
            let (file, line) = account.short_place(line);
            format!("  {}:{line}", terminal(file))
        });
        writeln!(out, "    ended: {}{line}", terminal(&words))?;
    }
    joined(account, shown, out)?;
    deliveries(account, shown, out)
}

/// What became of the session's messages: `mail: 4jYSry2mxdz1SW7J to eve@other.example sent by mx.other.example[…]:25: 250 Ok`.
fn deliveries(account: &Account, shown: &Shown<'_>, out: &mut dyn Write) -> io::Result<()> {
    let logs = shown
        .joined
        .logs
        .iter()
        .filter_map(|&at| account.logs.get(at));
    let all: Vec<_> = logs.flat_map(|log| &log.deliveries).collect();
    for delivery in all.iter().take(DELIVERIES) {
        let part = |before: &str, text: &str| match text {
            "" => String::new(),
            text => format!("{before}{}", terminal(text)),
        };
        let (file, line) = account.short_place(delivery.line());
        writeln!(
            out,
            "    mail: {}{} {}{}{}  {}:{}",
            terminal(delivery.message()),
            part(" to ", delivery.recipient()),
            terminal(delivery.status()),
            part(" by ", delivery.relay()),
            part(": ", delivery.reply()),
            terminal(file),
            line
        )?;
    }
    match all.len().saturating_sub(DELIVERIES) {
        0 => Ok(()),
        more => writeln!(out, "    mail: and {more} more"),
    }
}

/// `<id> from <a@b> to <c@d> 250 and 2 more, 682 bytes, 250`.
fn message_text(message: &MailMessage, octets: u64) -> String {
    let id = message.message_id.as_deref().unwrap_or("a message");
    let sender = message.sender.as_deref().unwrap_or("?");
    let to = match message.recipients.as_slice() {
        [] => String::new(),
        [one] => format!(" to <{}> {}", one.address, one.code),
        [first, more @ ..] => format!(
            " to <{}> {} and {} more",
            first.address,
            first.code,
            more.len()
        ),
    };
    let code = message.code.as_deref().unwrap_or("not answered");
    format!("{id} from <{sender}>{to}, {octets} bytes, {code}")
}

/// `bare-lf in packet 7, 3 in all`.
fn fault_text(fault: &crate::model::Fault) -> String {
    let place = format!("{} in packet {}", fault.code.name(), fault.packet.0);
    match fault.count {
        1 => place,
        count => format!("{place}, {count} in all"),
    }
}

fn tls_text(wire: &crate::model::WireSession) -> String {
    let Some(tls) = &wire.tls else {
        return String::new();
    };
    let mut text = String::new();
    if let Some(version) = tls.version {
        text = format!(", {version}");
    }
    if let Some(cipher) = &tls.cipher {
        text = text + " " + cipher;
    }
    if let Some(name) = &tls.server_name {
        text = text + " for " + &terminal(&name.0);
    }
    if let Some(done) = tls.decryption {
        text += match (done.opened, done.failed) {
            (0, _) => ", not decrypted",
            (_, 0) => ", decrypted",
            _ => ", decrypted in part",
        };
    }
    text
}

fn joined(account: &Account, shown: &Shown<'_>, out: &mut dyn Write) -> io::Result<()> {
    let verdict = &shown.joined.verdict;
    let reasons = verdict.reasons.join("; ");
    let reasons = terminal(&reasons);
    let lines = log_lines(account, &shown.joined.logs);
    match verdict.standing {
        Standing::Matched => writeln!(
            out,
            "    log:  {lines}, score {:.1}: {reasons}",
            verdict.score.unwrap_or_default()
        ),
        Standing::Ambiguous if shown.wire.is_some() => writeln!(
            out,
            "    log:  undecided; it may be {}: {reasons}",
            log_lines(account, &shown.joined.candidates)
        ),
        _ if !shown.joined.logs.is_empty() => writeln!(out, "    log:  {lines}: {reasons}"),
        _ if reasons.is_empty() => Ok(()),
        _ => writeln!(out, "    log:  {reasons}"),
    }
}

/// `postfix.log:12,15,19 and 4 more`; of a rotated set each file with its own numbers.
fn log_lines(account: &Account, sessions: &[usize]) -> String {
    let mut texts = Vec::new();
    for log in sessions.iter().filter_map(|&at| account.logs.get(at)) {
        // One line may tell of more than one event.
        let mut lines: Vec<LineRef> = log.events.iter().map(|event| event.line).collect();
        lines.dedup();
        let mut pieces = Vec::new();
        let mut last = "";
        for &line in lines.iter().take(LINES) {
            let (file, number) = account.short_place(line);
            pieces.push(match (file == last, last) {
                (true, _) => format!(",{number}"),
                (_, "") => format!("{}:{number}", terminal(file)),
                _ => format!("; {}:{number}", terminal(file)),
            });
            last = file;
        }
        let more = lines.len().saturating_sub(LINES);
        if more > 0 {
            pieces.push(format!(" and {more} more"));
        }
        texts.push(pieces.concat());
    }
    texts.join("; ")
}

/// Request and reply: in words, or of what encryption hides how much it was.
fn said(exchange: &Exchange) -> (String, String) {
    let hidden = |octets: Option<u64>| octets.map(|octets| format!("({octets} bytes)"));
    let inferred = exchange.seen == Seen::Inferred;
    let asked = match exchange.request.as_str() {
        "" if inferred => hidden(exchange.request_bytes).unwrap_or_default(),
        words => terminal(words).into_owned(),
    };
    let words = exchange.response.as_deref().or(exchange.code.as_deref());
    let answer = match words {
        Some(words) => terminal(words).into_owned(),
        None if inferred => hidden(exchange.response_bytes).unwrap_or_default(),
        None if exchange.seen == Seen::Wire => "(no reply)".into(),
        None => String::new(),
    };
    (asked, answer)
}

fn rung(account: &Account, exchange: &Exchange, out: &mut dyn Write) -> io::Result<()> {
    let time = exchange
        .start
        .map_or_else(String::new, |at| time_of_day(account.utc(at)));
    let (asked, answer) = said(exchange);
    let style = match exchange.seen {
        Seen::Both => Style::new(),
        Seen::Inferred => DIM,
        Seen::Log => Style::new().fg_color(Some(AnsiColor::Cyan.into())),
        Seen::Wire => Style::new().fg_color(Some(AnsiColor::Green.into())),
    };
    let failed = exchange
        .code
        .as_deref()
        .is_some_and(|code| code.starts_with(['4', '5', '-']) || code == "NO" || code == "BAD");
    let answer_style = if failed {
        style.fg_color(Some(AnsiColor::Red.into()))
    } else {
        style
    };
    let response = exchange
        .response_time()
        .map_or_else(String::new, |span| span.to_string());
    let line = exchange.line.map_or_else(String::new, |line| {
        let (file, line) = account.short_place(line);
        format!("{}:{line}", terminal(file))
    });
    write!(
        out,
        "    {time:<15} {style}{:<CLIENT$}{style:#} {} {answer_style}{:<SERVER$}{answer_style:#} {response:>11}  {:<8} {line}",
        cut(&asked, CLIENT),
        if asked.is_empty() { " ←" } else { "⇄ " },
        cut(&answer, SERVER),
        exchange.seen.name(),
    )?;
    writeln!(out)?;
    for note in &exchange.notes {
        writeln!(out, "{:21}note: {}", "", terminal(note))?;
    }
    Ok(())
}

fn end_text((ip, port): End) -> String {
    match (ip, port) {
        (Some(ip), Some(port)) => crate::model::Endpoint { ip, port }.to_string(),
        (Some(ip), None) => ip.to_string(),
        (None, Some(port)) => format!("port {port}"),
        (None, None) => "?".into(),
    }
}

/// `2026-11-24 03:28:39.123456`.
fn date_and_time(at: Nanos) -> String {
    at.to_rfc3339()
        .chars()
        .take(26)
        .collect::<String>()
        .replace('T', " ")
}

/// `03:28:39.123456`.
fn time_of_day(at: Nanos) -> String {
    at.to_rfc3339().chars().skip(11).take(15).collect()
}
