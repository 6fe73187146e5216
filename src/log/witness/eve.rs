//! Suricata's EVE log: a JSON object a line, of which `flow`, `http`, `smtp`, `tls` and `dns` events tell of connections.
//!
//! An event is stamped when it was written, a flow has its own beginning and end; all to a microsecond, with a zone. The client is the
//! source. Source: docs.suricata.io, "EVE JSON Output" and "EVE JSON Format".

use crate::model::{
    ClockStep, Event, LogId, LogSession, LoggedTls, Marks, Proto, Shown, Shows, Span, Stamp,
    TlsVersion, Zone,
};

use super::super::web::{Connections, Object, Request, asked};
use super::super::{Builder, Due, Entry, Head, Line, Parsed, Sureness};
use super::proto;

/// Row of the registry.
pub(in crate::log) const ENTRY: Entry = Entry {
    name: "eve",
    about: "Suricata's EVE JSON: what another witness saw",
    shows: Shows {
        client_port: Shown::Always,
        session_id: Shown::Always,
        step: ClockStep::Of(Span::MICROSECOND),
        marks: Marks::Line,
        octets: Shown::Partly("of the flow with its frames, of bodies in http"),
        commands: Shown::Partly("in http and dns; in smtp the envelope"),
        replies: Shown::Partly("the code in http"),
        tls: Shown::Always,
        users: Shown::Never,
    },
    probe,
    open: |id, _| {
        Box::new(Eve {
            id,
            connections: Connections::new(id),
        })
    },
};

fn probe(head: &Head<'_>) -> Sureness {
    head.share(|line| {
        let object = Object::read(line);
        object.is_some_and(|object| {
            object.get("event_type").is_some() && object.stamp("timestamp").is_some()
        })
    })
}

/// One file.
struct Eve {
    id: LogId,
    connections: Connections,
}

impl Builder for Eve {
    fn line(&mut self, line: Line<'_>, out: &mut Vec<LogSession>) -> Parsed {
        let Some(object) = Object::read(line.bytes) else {
            return Parsed::Failed;
        };
        let Some((stamp, kind)) = object.stamp("timestamp").zip(object.text("event_type")) else {
            return Parsed::Failed;
        };
        let told = match kind.as_str() {
            "dns" => dns(&object, stamp),
            "flow" => return flow(self.id, &object, line, stamp, out),
            "http" => http(&object, stamp),
            "smtp" => smtp(&object, stamp),
            "tls" => tls(&object, stamp),
            // Alerts, statistics, files.
            _ => None,
        };
        let Some(request) = told else {
            return Parsed::Aside(Some(stamp));
        };
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
        Zone::Stated(Span::ZERO)
    }
}

/// Both ends and the flow; `None` without them.
fn request(object: &Object, stamp: Stamp, proto: Proto, what: Event) -> Option<Request> {
    let port = |name| {
        object
            .number(name)
            .and_then(|port| u16::try_from(port).ok())
    };
    Some(Request {
        proto,
        peer: Some(object.address("src_ip")?),
        peer_port: port("src_port"),
        local: object.address("dest_ip"),
        local_port: port("dest_port"),
        serial: Some(object.text("flow_id")?),
        ..Request::new(stamp, what)
    })
}

/// A flow that is over.
fn flow(
    id: LogId,
    object: &Object,
    line: Line<'_>,
    written: Stamp,
    out: &mut Vec<LogSession>,
) -> Parsed {
    let ends = object.stamp("flow/start").zip(object.stamp("flow/end"));
    let is_tcp = object.text("proto").as_deref() == Some("TCP");
    let Some((begin, end)) = ends.filter(|_| is_tcp) else {
        return Parsed::Aside(Some(written));
    };
    let service = object.text("app_proto").unwrap_or_default();
    let Some(mut request) = request(object, end, proto(&service), Event::Open) else {
        return Parsed::Failed;
    };
    let text = |name| object.text(name).unwrap_or_else(|| "?".to_owned());
    request.note = Some(format!(
        "{}, {} octets up and {} down with their frames, {} packets up and {} down",
        text("flow/state"),
        text("flow/bytes_toserver"),
        text("flow/bytes_toclient"),
        text("flow/pkts_toserver"),
        text("flow/pkts_toclient")
    ));
    out.push(request.connection(id, line.number, begin));
    Parsed::Event(written)
}

fn dns(object: &Object, stamp: Stamp) -> Option<Request> {
    // An answer may be told with its own sender as the source.
    if object.text("dns/type").as_deref() != Some("query") {
        return None;
    }
    let text = |name| object.text(name).unwrap_or_default();
    let what = Event::Note(format!("{} {}", text("dns/rrtype"), text("dns/rrname")));
    request(object, stamp, Proto("dns"), what)
}

fn http(object: &Object, stamp: Stamp) -> Option<Request> {
    let text = |name| object.text(name).unwrap_or_default();
    let line = format!(
        "{} {} {}",
        text("http/http_method"),
        text("http/url"),
        text("http/protocol")
    );
    let mut what = asked(line.trim_end(), object.text("http/status").as_deref());
    what.amend(|command| {
        command.body_octets = object.number("http/length");
    });
    request(object, stamp, Proto("http"), what)
}

fn smtp(object: &Object, stamp: Stamp) -> Option<Request> {
    let from = object.text("smtp/mail_from").unwrap_or_default();
    let to: Vec<&str> = object
        .get("smtp/rcpt_to")
        .and_then(|to| to.as_array())
        .map(|to| to.iter().filter_map(|to| to.as_str()).collect())
        .unwrap_or_default();
    let what = Event::Note(format!("from {from} to {}", to.join(", ")));
    Some(Request {
        user: object.text("smtp/helo"),
        ..request(object, stamp, Proto("smtp"), what)?
    })
}

fn tls(object: &Object, stamp: Stamp) -> Option<Request> {
    // `TLS 1.2`
    let version = object
        .text("tls/version")
        .map(|version| version.replace("TLS ", "TLSv"));
    Some(Request {
        tls: version.map(|version| LoggedTls {
            version: TlsVersion::from_name(&version),
            cipher: None,
        }),
        note: object.text("tls/sni").map(|name| format!("for {name}")),
        ..request(object, stamp, Proto::UNKNOWN, Event::TlsDone)?
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::testing;
    use super::*;
    use crate::model::What;

    const LOG: &str = r#"{"timestamp":"2026-11-24T04:29:10.538528+0100","flow_id":1,"event_type":"smtp","src_ip":"192.0.2.10","src_port":41104,"dest_ip":"198.51.100.25","dest_port":25,"proto":"TCP","community_id":"1:x","smtp":{"helo":"pc","mail_from":"<a@example.net>","rcpt_to":["<b@example.com>","<c@example.com>"]}}
{"timestamp":"2026-11-24T03:29:10.600000+0000","flow_id":2,"event_type":"http","src_ip":"192.0.2.31","src_port":41105,"dest_ip":"198.51.100.80","dest_port":80,"proto":"TCP","http":{"hostname":"www","url":"/a?token=x","http_method":"GET","protocol":"HTTP/1.1","status":200,"length":13}}
{"timestamp":"2026-11-24T03:29:10.700000+0000","flow_id":1,"event_type":"smtp","src_ip":"192.0.2.10","src_port":41104,"dest_ip":"198.51.100.25","dest_port":25,"proto":"TCP","smtp":{"helo":"pc","mail_from":"<d@example.net>"}}
{"timestamp":"2026-11-24T03:30:10.000000+0000","flow_id":3,"event_type":"flow","src_ip":"192.0.2.10","src_port":41106,"dest_ip":"198.51.100.25","dest_port":25,"proto":"TCP","app_proto":"smtp","flow":{"pkts_toserver":5,"pkts_toclient":4,"bytes_toserver":400,"bytes_toclient":500,"start":"2026-11-24T03:29:11.000000+0000","end":"2026-11-24T03:29:12.500000+0000","state":"closed"}}
{"timestamp":"2026-11-24T03:30:10.000000+0000","event_type":"stats","stats":{}}
{"timestamp":"2026-11-24T03:30:10.000000+0000"}
{"event_type":"http","http":{}}
no json
"#;

    #[test]
    fn events_of_one_flow_are_one_session() {
        let told = testing::read(&ENTRY, LOG, 2026);
        assert_eq!((told.sessions.len(), told.failed, told.aside), (3, 3, 1));
        let [smtp, http, flow] = told.sessions.as_slice() else {
            panic!("{:?}", told.sessions);
        };
        assert_eq!(
            (smtp.events.len(), smtp.peer_port, smtp.names[0].as_str()),
            (2, Some(41104), "pc")
        );
        assert_eq!(
            smtp.events.first().unwrap().stamp.at.to_rfc3339(),
            "2026-11-24T03:29:10.538528000Z"
        );
        assert!(
            http.events
                .first()
                .unwrap()
                .command()
                .is_some_and(|command| command.request == "GET /a?token=*** HTTP/1.1")
        );
        assert_eq!(
            (flow.proto, flow.duration),
            (Proto("smtp"), Some(Span::millis(1500)))
        );
    }

    #[test]
    fn handshakes_and_questions_are_told_and_answers_are_not() {
        let log = r#"{"timestamp":"2026-11-24T03:29:10.6+0000","flow_id":2,"event_type":"tls","src_ip":"192.0.2.31","src_port":41105,"dest_ip":"198.51.100.25","dest_port":465,"proto":"TCP","tls":{"sni":"mail.example.com","version":"TLS 1.3"}}
{"timestamp":"2026-11-24T03:29:10.7+0000","flow_id":4,"event_type":"dns","src_ip":"192.0.2.31","src_port":5000,"dest_ip":"198.51.100.53","dest_port":53,"proto":"UDP","dns":{"type":"query","rrname":"www.example.com","rrtype":"A"}}
{"timestamp":"2026-11-24T03:29:10.7+0000","flow_id":4,"event_type":"dns","src_ip":"198.51.100.53","src_port":53,"dest_ip":"192.0.2.31","dest_port":5000,"proto":"UDP","dns":{"type":"answer","rcode":"NOERROR"}}
"#;
        let told = testing::read(&ENTRY, log, 2026);
        assert_eq!((told.sessions.len(), told.aside), (2, 1));
        let tls = told.sessions[0].tls.as_ref().unwrap();
        assert_eq!(tls.version, TlsVersion::from_name("TLSv1.3"));
        assert_eq!(
            told.sessions[1].events.first().unwrap().what,
            What::Note("A www.example.com")
        );
    }
}
