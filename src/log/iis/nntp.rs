//! NNTP virtual servers of IIS and Exchange 2000/2003 in W3C extended logs.
//!
//! A row is a command with its code, or the connection itself. Nothing names the session: while an address has more than one, its rows
//! cannot be told apart, and are left out but for those that begin one.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::model::{
    ClockStep, Ending, Event, LineRef, LogCommand, LogEvent, LogId, LogSession, LogTime, Marks,
    Proto, Shown, Shows, Span, Verb, Zone, from_wire,
};

use super::super::w3c::{self, Row, W3c, W3cLine};
use super::super::web::address;
use super::super::{Builder, Entry, Head, Line, Parsed, Sureness};

/// Row of the registry.
pub(in crate::log) const ENTRY: Entry = Entry {
    name: "iis-nntp",
    about: "IIS and Exchange 2000/2003 NNTP virtual server, W3C extended",
    shows: Shows {
        client_port: Shown::Never,
        session_id: Shown::Never,
        step: ClockStep::Of(Span::SECOND),
        marks: Marks::End,
        // Columns have them, and what they count is not documented.
        octets: Shown::Never,
        commands: Shown::Partly("connections, articles, posts; others as the server likes"),
        replies: Shown::Partly("codes"),
        tls: Shown::Never,
        users: Shown::Always,
    },
    probe,
    open: |id, _| {
        Box::new(IisNntp {
            id,
            w3c: W3c::default(),
            open: HashMap::new(),
            undecided: 0,
        })
    },
};

/// Readers that are silent for so long have been dropped.
const SILENCE: Span = Span::seconds(900);
/// Addresses that may have a session at once.
const MAX_OPEN: usize = 50_000;

fn probe(head: &Head<'_>) -> Sureness {
    w3c::share(head, is_nntp)
}

fn is_nntp(row: &Row<'_, '_>) -> bool {
    match row.get("s-sitename") {
        Some(site) => site.starts_with("NNTPSVC"),
        None => matches!(row.get("s-port"), Some("119" | "563")),
    }
}

/// One file.
struct IisNntp {
    id: LogId,
    w3c: W3c,
    open: HashMap<IpAddr, Vec<Serving>>,
    /// Rows of addresses with more than one session.
    undecided: u64,
}

struct Serving {
    session: LogSession,
    last: LogTime,
}

/// The command of a row; which of the two columns has its argument is not documented.
fn command(row: &Row<'_, '_>, method: &str) -> LogCommand {
    let argument = |column: &str| row.get(column).map(|text| text.replace('+', " "));
    let mut request = method.to_owned();
    let arguments = [argument("cs-uri-stem"), argument("cs-uri-query")];
    for argument in arguments.into_iter().flatten() {
        request = format!("{request} {}", argument.trim());
    }
    let verb = match row.get("sc-status") {
        // The row tells of the article, when it was taken.
        Some("235" | "240") => Verb::new(Verb::BODY),
        _ => Verb::new(method),
    };
    let secret = verb.as_str() == "AUTHINFO";
    let mut words = request.split(' ');
    let shown = match (words.next(), words.next()) {
        (Some(first), Some(what)) if secret && !what.eq_ignore_ascii_case("user") => {
            format!("{first} {what} ***")
        }
        _ => request,
    };
    LogCommand {
        request: if verb.is_body() { String::new() } else { shown },
        verb,
        code: row.get("sc-status").map(str::to_owned),
        taken: row
            .number("time-taken")
            .and_then(|millis| i64::try_from(millis).ok())
            .map(Span::millis),
        ..LogCommand::default()
    }
}

impl IisNntp {
    fn expire(&mut self, peer: IpAddr, now: LogTime, out: &mut Vec<LogSession>) {
        if self.open.len() >= MAX_OPEN && !self.open.contains_key(&peer) {
            self.finish(out);
        }
        if let Some(open) = self.open.get_mut(&peer) {
            let over = |serving: &mut Serving| now.since(serving.last) > SILENCE;
            out.extend(open.extract_if(.., over).map(|serving| serving.session));
        }
    }
}

impl Builder for IisNntp {
    fn line(&mut self, line: Line<'_>, out: &mut Vec<LogSession>) -> Parsed {
        let text = from_wire(line.bytes);
        let row = match self.w3c.line(&text) {
            Some(W3cLine::Row(row)) => row,
            Some(W3cLine::Directive) => return Parsed::Aside(None),
            None => return Parsed::Failed,
        };
        let stamp = row.stamp;
        if !is_nntp(&row) {
            return Parsed::Aside(Some(stamp));
        }
        let line = LineRef {
            log: self.id,
            line: line.number,
        };
        let (Some(peer), Some(method)) = (row.get("c-ip"), row.get("cs-method")) else {
            return Parsed::Failed;
        };
        let Some(peer) = address(peer) else {
            return Parsed::Failed;
        };
        let local: Option<IpAddr> = row.get("s-ip").and_then(|local| local.parse().ok());
        let port: Option<u16> = row.get("s-port").and_then(|port| port.parse().ok());
        let user = row
            .get("cs-username")
            .filter(|user| !user.starts_with('<'))
            .map(str::to_owned);
        let begins = method.eq_ignore_ascii_case("connect");
        let what = if begins {
            Event::Open
        } else {
            Event::command(command(&row, method))
        };
        let method = method.to_ascii_lowercase();
        self.expire(peer, stamp.at, out);
        let open = self.open.entry(peer).or_default();
        if begins || open.is_empty() {
            let mut session = LogSession::new(self.id, Proto("nntp"));
            session.peer = Some(peer);
            session.local = local;
            session.local_port = port.filter(|port| *port != 0);
            open.push(Serving {
                session,
                last: stamp.at,
            });
        }
        let alone = open.len() == 1;
        let Some(serving) = open.last_mut().filter(|_| begins || alone) else {
            self.undecided += 1;
            return Parsed::Aside(Some(stamp));
        };
        serving.last = stamp.at;
        serving.session.names.extend(user);
        serving.session.names.dedup();
        serving.session.events.push(LogEvent { line, stamp, what });
        let ending = match method.as_str() {
            "quit" => Ending::Quit,
            "disconnect" => Ending::Unknown,
            _ => return Parsed::Event(stamp),
        };
        serving.session.ending = ending;
        let over = self.open.remove(&peer).unwrap_or_default();
        out.extend(over.into_iter().map(|serving| serving.session));
        Parsed::Event(stamp)
    }

    fn finish(&mut self, out: &mut Vec<LogSession>) {
        let all = self.open.drain().flat_map(|(_, open)| open);
        let mut all: Vec<_> = all.map(|serving| serving.session).collect();
        all.sort_by_key(|session| session.events.first().map(|event| event.line));
        out.extend(all);
    }

    fn zone(&self) -> Zone {
        Zone::Stated(Span::ZERO)
    }

    fn remarks(&self) -> Vec<String> {
        match self.undecided {
            0 => Vec::new(),
            rows => vec![format!(
                "{rows} rows may be of more than one session and are left out"
            )],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{commands, read};
    use super::*;

    const LOG: &str = "\
#Software: Microsoft Internet Information Services 5.0
#Fields: date time c-ip cs-username s-sitename s-computername s-ip s-port cs-method cs-uri-stem cs-uri-query sc-status sc-win32-status sc-bytes cs-bytes time-taken cs-version
2003-05-12 14:02:10 192.0.2.44 <user> NNTPSVC1 NEWS01 198.51.100.119 119 connect - - 200 0 63 0 0 -
2003-05-12 14:02:11 192.0.2.61 <user> NNTPSVC1 NEWS01 198.51.100.119 119 connect - - 200 0 63 0 0 -
2003-05-12 14:02:12 192.0.2.44 carol NNTPSVC1 NEWS01 198.51.100.119 119 authinfo - pass+secret 281 0 36 23 0 -
2003-05-12 14:02:12 192.0.2.44 carol NNTPSVC1 NEWS01 198.51.100.119 119 group example.general - 211 0 36 23 0 -
2003-05-12 14:02:13 192.0.2.61 <user> NNTPSVC1 NEWS01 198.51.100.119 119 post - <u4Zc1fGwDHA.1001@NEWS01> 240 0 28 812 46 -
2003-05-12 14:02:16 192.0.2.61 <user> NNTPSVC1 NEWS01 198.51.100.119 119 quit - - 205 0 19 6 0 -
2003-05-12 14:02:17 192.0.2.62 <user> NNTPSVC1 NEWS01 198.51.100.119 119 connect - - 200 0 63 0 0 -
2003-05-12 14:02:17 192.0.2.62 <user> NNTPSVC1 NEWS01 198.51.100.119 119 connect - - 200 0 63 0 0 -
2003-05-12 14:02:18 192.0.2.62 <user> NNTPSVC1 NEWS01 198.51.100.119 119 quit - - 205 0 19 6 0 -
2003-05-12 14:02:19 192.0.2.44 <user> NNTPSVC1 NEWS01 198.51.100.119 119 quit - - 205 0 19 6 0 -
2003-05-12 14:02:19 192.0.2.44 <user>
2003-05-12 99:02:19 192.0.2.44 <user> NNTPSVC1 NEWS01 198.51.100.119 119 quit - - 205 0 19 6 0 -
2003-05-12 14:02:19 192.0.2 <user> NNTPSVC1 NEWS01 198.51.100.119 119 quit - - 205 0 19 6 0 -
";

    #[test]
    fn rows_of_an_address_are_of_its_only_session() {
        let told = read(&ENTRY, LOG, 2026);
        assert_eq!((told.sessions.len(), told.failed), (4, 3));
        let [reader, poster, one, other] = &told.sessions[..] else {
            panic!("four sessions");
        };
        assert_eq!(
            commands(reader),
            [
                "authinfo pass *** 281",
                "group example.general 211",
                "quit 205"
            ]
        );
        assert_eq!(
            (reader.ending, &reader.names[..]),
            (Ending::Quit, &["carol".to_owned()][..])
        );
        assert_eq!(commands(poster), ["<BODY> 240", "quit 205"]);
        assert_eq!((one.events.len(), other.events.len()), (1, 1));
        assert_eq!(told.remarks.len(), 1);
        assert!(!format!("{:?}", told.sessions).contains("secret"));
    }
}
