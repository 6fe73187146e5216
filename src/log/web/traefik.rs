//! Access log of Traefik, as JSON and in its variety of the common log format. Both are stamped when the request came, and tell the
//! time taken.

use crate::model::{
    ClockStep, Encryption, LogSession, LoggedTls, Marks, Shown, Shows, Span, Stamp, TlsVersion,
    Zone, as_text,
};

use super::super::{Builder, Due, Entry, Head, Line, Parsed, Sureness};
use super::clf::Row;
use super::json::{self, JsonLines, Object};
use super::{Connections, Request, command};

/// Row of the registry.
pub(in crate::log) const ENTRY: Entry = Entry {
    name: "traefik",
    about: "Traefik access log, common format or JSON",
    shows: Shows {
        client_port: Shown::With("accessLog.format: json"),
        step: ClockStep::Varies,
        marks: Marks::Begin,
        octets: Shown::Partly("of bodies of replies"),
        commands: Shown::Always,
        replies: Shown::Partly("the code"),
        tls: Shown::With("accessLog.format: json"),
        users: Shown::Always,
        ..Shows::NOTHING
    },
    probe: |head| json::share(head, request).max(probe(head)),
    open: |id, head| {
        if json::share(head, request) > probe(head) {
            return JsonLines::open(id, request, Zone::Stated(Span::ZERO));
        }
        Box::new(Common {
            zone: None,
            connections: Connections::new(id),
        })
    },
};

fn request(line: &Object) -> Option<Request> {
    let taken = i64::try_from(line.number("Duration")?).ok()?;
    let begin = line.stamp("StartUTC")?;
    let status = line.number("DownstreamStatus")?;
    let mut what = command(
        &line.text("RequestMethod")?,
        &line.text("RequestPath")?,
        &line.text("RequestProtocol").unwrap_or_default(),
        Some(&format!("{status:03}")),
    );
    what.amend(|command| {
        command.body_octets = line.number("DownstreamContentSize");
        command.taken = Some(Span(taken));
    });
    let end = line.end("ClientAddr");
    let version = line.text("TLSVersion");
    let is_tls = version.is_some() || line.text("RequestScheme").as_deref() == Some("https");
    Some(Request {
        peer: end.map(|(ip, _)| ip).or_else(|| line.address("ClientHost")),
        peer_port: end.map(|(_, port)| port),
        user: line.text("ClientUsername"),
        encryption: is_tls.then_some(Encryption::Implicit),
        tls: version.map(|version| LoggedTls {
            version: TlsVersion::from_name(&format!("TLSv{version}")),
            cipher: line.text("TLSCipher"),
        }),
        ..Request::new(answered(begin, Span(taken), Span(0)), what)
    })
}

/// When a request that came at `begin` was answered, the time taken being known to `step`.
fn answered(begin: Stamp, taken: Span, step: Span) -> Stamp {
    Stamp {
        at: begin.at + taken,
        resolution: begin.resolution + step,
    }
}

fn probe(head: &Head<'_>) -> Sureness {
    head.share(|line| {
        let text = as_text(line);
        Row::read(&text).is_some_and(|row| row.is_traefik())
    })
}

/// One file in the common format.
struct Common {
    zone: Option<Span>,
    connections: Connections,
}

impl Builder for Common {
    fn line(&mut self, line: Line<'_>, out: &mut Vec<LogSession>) -> Parsed {
        let text = as_text(line.bytes);
        let Some(row) = Row::read(&text).filter(Row::is_traefik) else {
            return Parsed::Failed;
        };
        self.zone = Some(row.zone);
        let mut request = row.told();
        let taken = row.more.rsplit(' ').next();
        let taken = taken
            .and_then(|taken| taken.strip_suffix("ms")?.parse().ok())
            .map(Span::millis);
        if let Some(taken) = taken {
            request.stamp = answered(request.stamp, taken, Span::MILLISECOND);
        }
        request.what.amend(|command| {
            command.taken = taken;
        });
        let stamp = request.stamp;
        self.connections.take(line.number, request, out);
        Parsed::Event(stamp)
    }

    fn settle(&mut self, due: &Due<'_>, out: &mut Vec<LogSession>) {
        self.connections.settle(due, out);
    }

    fn finish(&mut self, out: &mut Vec<LogSession>) {
        self.connections.finish(out);
    }

    fn zone(&self) -> Zone {
        self.zone.map_or(Zone::Assumed, Zone::Stated)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::read;
    use super::*;

    #[test]
    fn json_names_the_client_s_port() {
        let told = read(
            &ENTRY,
            r#"{"ClientAddr":"192.0.2.10:47216","ClientUsername":"-","DownstreamContentSize":13,"DownstreamStatus":200,"Duration":2104511,"RequestMethod":"GET","RequestPath":"/i","RequestProtocol":"HTTP/1.1","RequestScheme":"http","StartUTC":"2026-11-24T03:49:17.868059611Z","level":"info"}
{"ClientAddr":"[2001:db8::31]:51544","ClientUsername":"ann","DownstreamContentSize":40527,"DownstreamStatus":200,"Duration":5100220,"RequestMethod":"GET","RequestPath":"/f","RequestProtocol":"HTTP/2.0","RequestScheme":"https","StartUTC":"2026-11-24T03:49:17.901100200Z","TLSCipher":"TLS_AES_128_GCM_SHA256","TLSVersion":"1.3","level":"info"}
{"ClientAddr":"192.0.2.10:47216","DownstreamStatus":404,"Duration":101220,"RequestMethod":"GET","RequestPath":"/nope?key=k","RequestProtocol":"HTTP/1.1","StartUTC":"2026-11-24T03:49:17.9Z","level":"info"}
{"ClientAddr":"192.0.2.10:47216"}
{"ClientAddr":
x
"#,
            2026,
        );
        assert_eq!((told.sessions.len(), told.failed), (2, 3));
        assert_eq!(told.sessions[0].events.len(), 2);
        assert_eq!(
            told.sessions[0]
                .events
                .first()
                .unwrap()
                .stamp
                .at
                .to_rfc3339(),
            "2026-11-24T03:49:17.870164122Z"
        );
        assert_eq!(
            told.sessions[1].tls.as_ref().unwrap().version,
            Some(TlsVersion::TLS_1_3)
        );
        assert_eq!(told.zone, Zone::Stated(Span::ZERO));
    }

    #[test]
    fn the_common_format_tells_the_time_taken() {
        let line = r#"192.0.2.10 - - [24/Nov/2026:03:49:17 +0000] "GET /index.html HTTP/1.1" 200 13 "-" "lab/1" 7 "web@docker" "http://198.51.100.81:80" 1200ms"#;
        let told = read(&ENTRY, &format!("{line}\nx\n{line}\n"), 2026);
        assert_eq!((told.sessions.len(), told.failed), (2, 1));
        assert_eq!(told.sureness, Sureness(666));
        let event = &told.sessions[0].events.first().unwrap();
        assert_eq!(
            event.stamp.at.to_rfc3339(),
            "2026-11-24T03:49:18.200000000Z"
        );
    }
}
