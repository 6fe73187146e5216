//! POP3 and IMAP4 protocol logs of Exchange 2013 and later.
//!
//! A row is a command that was answered, with the octets of both without the request's line end. The first row of a
//! session is written when its greeting was sent, so that it does not tell when the connection was accepted.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::model::{
    ClockStep, Encryption, Ending, Event, LineRef, LogCommand, LogEvent, LogId, LogSession, Marks,
    Proto, Shown, Shows, Span, Stamp, Verb, Zone, as_text,
};

use super::csv::Table;
use super::{Builder, Entry, Head, Line, Parsed, Sureness, stamp};

/// Row of the registry.
pub(super) const ENTRY: Entry = Entry {
    name: "exchange-mailbox",
    about: "Exchange 2013 and later, POP3 and IMAP4 protocol logs",
    shows: Shows {
        client_port: Shown::Always,
        session_id: Shown::Always,
        step: ClockStep::Of(Span::MILLISECOND),
        marks: Marks::End,
        octets: Shown::Always,
        commands: Shown::Always,
        replies: Shown::Partly("the outcome"),
        tls: Shown::Never,
        users: Shown::Always,
    },
    probe,
    open: |id, head| Box::new(Exchange::new(id, head)),
};

/// Sessions that may be open at once.
const MAX_OPEN: usize = 50_000;
/// The columns of a file whose header is lost.
const COLUMNS: &str =
    "dateTime,sessionId,seqNumber,sIp,cIp,user,duration,rqsize,rpsize,command,parameters,context";

fn probe(head: &Head<'_>) -> Sureness {
    Table::share(COLUMNS, head, |table, line| row(table, line).is_some())
}

/// A row under the columns in force.
struct Row {
    stamp: Stamp,
    session: String,
    local: SocketAddr,
    peer: Option<SocketAddr>,
    user: String,
    command: String,
    parameters: String,
    context: String,
    taken: Option<Span>,
    octets: [Option<u64>; 2],
}

fn row(table: &Table, line: &str) -> Option<Row> {
    let values = table.row(line);
    let number = |name: &str| values.get(name)?.parse::<u64>().ok();
    let stamped = stamp::iso(values.get("dateTime")?)?;
    let row = Row {
        stamp: stamped.stamp,
        session: values.text("sessionId"),
        local: values.get("sIp")?.parse().ok()?,
        peer: values.get("cIp")?.parse().ok(),
        user: values.text("user"),
        command: values.text("command"),
        parameters: values.text("parameters"),
        context: values.text("context"),
        taken: number("duration")
            .and_then(|millis| i64::try_from(millis).ok())
            .map(Span::millis),
        octets: [number("rqsize"), number("rpsize")],
    };
    let is_id = row.session.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_whole = !row.session.is_empty() && !row.command.is_empty();
    (stamped.rest.is_empty() && is_id && is_whole).then_some(row)
}

/// What a session of this row speaks: as the header says, else by the port.
fn proto(kind: &str, row: &Row) -> Proto {
    match row.local.port() {
        _ if kind.starts_with("POP3") => Proto("pop3"),
        _ if kind.starts_with("IMAP4") => Proto("imap"),
        110 | 995 | 1995 => Proto("pop3"),
        _ => Proto("imap"),
    }
}

/// One file.
struct Exchange {
    id: LogId,
    table: Table,
    /// By session id, which grows with time.
    open: BTreeMap<String, LogSession>,
}

impl Exchange {
    fn new(id: LogId, head: &Head<'_>) -> Self {
        Self {
            id,
            table: Table::new(COLUMNS, head),
            open: BTreeMap::new(),
        }
    }

    fn begin(&self, row: &Row) -> LogSession {
        let mut session = LogSession::new(self.id, proto(self.table.kind(), row));
        session.lag = LogSession::WINDOWS_LAG;
        session.local = Some(row.local.ip());
        session.local_port = Some(row.local.port());
        session.peer = row.peer.map(|peer| peer.ip());
        session.peer_port = row.peer.map(|peer| peer.port());
        session.every_command = row.command == "OpenSession";
        session
    }
}

impl Builder for Exchange {
    fn line(&mut self, line: Line<'_>, out: &mut Vec<LogSession>) -> Parsed {
        let text = as_text(line.bytes);
        if self.table.directive(&text) {
            return Parsed::Aside(None);
        }
        let Some(row) = row(&self.table, &text) else {
            return Parsed::Failed;
        };
        // Ids are counted anew when the service starts.
        let anew = row.command == "OpenSession";
        let full = self.open.len() >= MAX_OPEN && !self.open.contains_key(&row.session);
        if anew {
            out.extend(self.open.remove(&row.session));
        }
        if full {
            out.extend(self.open.pop_first().map(|(_, old)| old));
        }
        let begun = self.begin(&row);
        let session = self.open.entry(row.session.clone()).or_insert(begun);
        let what = event(session, &row);
        let over = what == Event::Close;
        session.events.push(LogEvent {
            line: LineRef {
                log: self.id,
                line: line.number,
            },
            stamp: row.stamp,
            what,
        });
        if over {
            out.extend(self.open.remove(&row.session));
        }
        Parsed::Event(row.stamp)
    }

    fn finish(&mut self, out: &mut Vec<LogSession>) {
        out.extend(std::mem::take(&mut self.open).into_values());
    }

    fn zone(&self) -> Zone {
        Zone::Stated(Span::ZERO)
    }
}

/// What a row tells of its session.
fn event(session: &mut LogSession, row: &Row) -> Event {
    match row.command.as_str() {
        "OpenSession" => return Event::Note("session opened".to_owned()),
        "CloseSession" => return Event::Close,
        _ => {}
    }
    let verb = Verb::new(&row.command);
    let accepted = row.context.starts_with("R=ok");
    let typed = row.parameters.split(' ').next().unwrap_or_default();
    match verb.as_str() {
        "LOGIN" | "USER" => {
            name(session, typed);
            name(session, &row.user);
        }
        "AUTHENTICATE" | "AUTH" | "PASS" => name(session, &row.user),
        "LOGOUT" | "QUIT" => session.ending = Ending::Quit,
        "STARTTLS" | "STLS" if accepted => session.encryption = Some(Encryption::StartTls),
        _ => {}
    }
    let [request_bytes, response_bytes] = row.octets;
    Event::command(LogCommand {
        request: request(&row.command, &row.parameters, verb.as_str()),
        verb,
        code: code(session.proto, &row.context),
        response: None,
        request_bytes: request_bytes.map(|octets| octets.saturating_add(2)),
        response_bytes,
        body_octets: None,
        reply_octets: None,
        taken: row.taken,
    })
}

fn name(session: &mut LogSession, name: &str) {
    if !name.is_empty() && session.names.len() < 4 && !session.names.iter().any(|n| n == name) {
        session.names.push(name.to_owned());
    }
}

/// The command as it was, but for its tag and for secrets.
fn request(command: &str, parameters: &str, verb: &str) -> String {
    let (first, rest) = parameters.split_once(' ').unwrap_or((parameters, ""));
    match verb {
        _ if parameters.is_empty() => command.to_owned(),
        "PASS" => format!("{command} ***"),
        "APOP" | "AUTH" | "AUTHENTICATE" | "LOGIN" if !rest.is_empty() => {
            format!("{command} {first} ***")
        }
        _ => format!("{command} {parameters}"),
    }
}

/// `R=ok;…` or `R="2 NO AUTHENTICATE failed.";…` as the protocol's word.
fn code(proto: Proto, context: &str) -> Option<String> {
    let result = context.strip_prefix("R=")?;
    let is_pop3 = proto == Proto("pop3");
    if result.split(';').next() == Some("ok") {
        return Some(if is_pop3 { "+OK" } else { "OK" }.to_owned());
    }
    let mut words = result.trim_start_matches('"').split([' ', '"']);
    let word = words.nth(usize::from(!is_pop3))?;
    ["OK", "NO", "BAD", "-ERR", "+OK"]
        .contains(&word)
        .then(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;
    use crate::model::CommandRef;

    const IMAP: &str = r#"#Log-type: IMAP4 Log
#Fields: dateTime,sessionId,seqNumber,sIp,cIp,user,duration,rqsize,rpsize,command,parameters,context
2023-01-09T13:16:59.348Z,00000000000000E2,0,198.51.100.23:993,192.0.2.212:22162,,39,0,53,OpenSession,,
2023-01-09T13:17:00.001Z,00000000000000E3,0,198.51.100.23:993,[2001:db8::1]:58423,,51,0,53,OpenSession,,
2023-01-09T13:17:00.050Z,00000000000000E2,2,198.51.100.23:993,192.0.2.212:22162,bob,122,34,26,login,bob@example.com hunter2,"R=ok;Msg=""Proxy:MAIL01.example.com:1993:SSL;ProxySuccess"""
2023-01-09T13:17:01.050Z,00000000000000E3,2,198.51.100.23:993,[2001:db8::1]:58423,example\carol,614,31,30,authenticate,PLAIN,"R=""2 NO AUTHENTICATE failed."";Msg=AuthFailed"
2023-01-09T13:17:01.110Z,00000000000000E3,3,198.51.100.23:993,[2001:db8::1]:58423,example\carol,0,0,0,CloseSession,
2023-01-09T13:17:05.400Z,00000000000000E2,3,198.51.100.23:993,192.0.2.212:22162,bob,0,8,40,logout,,R=ok
2023-01-09T13:17:05.473Z,00000000000000E2,4,198.51.100.23:993,192.0.2.212:22162,bob,0,61,458,CloseSession,,
2023-01-09T13:17:05.473Z,00000000000000E2,4,198.51
2023-01-09T13:17:05.473Z,xyz,4,198.51.100.23:993,192.0.2.212:22162,bob,0,61,458,CloseSession,,
nothing of the kind
"#;

    fn read(log: &str) -> (Vec<LogSession>, usize) {
        let told = testing::read(&ENTRY, log, 2023);
        (told.sessions, told.failed)
    }

    fn commands(session: &LogSession) -> Vec<CommandRef<'_>> {
        let events = session.events.iter();
        events.filter_map(|event| event.command()).collect()
    }

    #[test]
    fn rows_go_to_the_session_of_their_id() {
        let (sessions, failed) = read(IMAP);
        assert_eq!((sessions.len(), failed), (2, 3));
        let (bob, carol) = (&sessions[0], &sessions[1]);
        assert_eq!((bob.peer_port, bob.local_port), (Some(22162), Some(993)));
        assert_eq!((bob.ending, carol.ending), (Ending::Quit, Ending::Unknown));
        assert_eq!(bob.names, ["bob@example.com", "bob"]);
        let login = commands(bob)[0];
        assert_eq!(login.request, "login bob@example.com ***");
        assert_eq!((login.verb, login.code), ("LOGIN", Some("OK")));
        assert_eq!(
            (login.request_bytes, login.response_bytes),
            (Some(36), Some(26))
        );
        assert_eq!(commands(carol)[0].code, Some("NO"));
    }

    #[test]
    fn pop3_has_words_of_its_own() {
        let (sessions, failed) = read(
            "#Log-type: POP3 Log\n\
             2023-01-09T13:20:00.260Z,11,2,198.51.100.23:995,192.0.2.60:50110,bob,96,12,34,pass,hunter2,R=ok\n\
             2023-01-09T13:20:00.290Z,11,3,198.51.100.23:995,192.0.2.60:50110,bob,2,4,12,stat,,\"R=\"\"-ERR no\"\"\"\n",
        );
        assert_eq!((sessions.len(), failed), (1, 0));
        let commands = commands(&sessions[0]);
        assert_eq!(commands[0].request, "pass ***");
        assert_eq!(commands[0].code, Some("+OK"));
        assert_eq!(commands[1].code, Some("-ERR"));
        assert!(!sessions[0].every_command);
    }
}
