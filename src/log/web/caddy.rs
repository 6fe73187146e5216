//! Access log of Caddy 2: JSON, stamped when the request was answered, with the client's port.

use serde_json::Value;

use crate::model::{
    ClockStep, Encryption, LogTime, LoggedTls, Marks, Shown, Shows, Span, Stamp, TlsVersion, Zone,
};

use super::super::stamp::{self, Stamped};
use super::super::{Entry, Head};
use super::json::{self, JsonLines, Object};
use super::{Request, command};

/// Row of the registry.
pub(in crate::log) const ENTRY: Entry = Entry {
    name: "caddy",
    about: "Caddy 2 access log, JSON",
    shows: Shows {
        client_port: Shown::Always,
        step: ClockStep::Varies,
        marks: Marks::End,
        octets: Shown::Partly("of bodies of replies"),
        commands: Shown::Always,
        replies: Shown::Partly("the code"),
        tls: Shown::Always,
        users: Shown::Always,
        ..Shows::NOTHING
    },
    probe: |head| json::share(head, request),
    open: |id, head| JsonLines::open(id, request, zone(head)),
};

fn request(line: &Object) -> Option<Request> {
    let status = line.number("status")?;
    // What failed in a request is told beside the line of the request itself.
    if line
        .text("logger")
        .is_some_and(|logger| logger.starts_with("http.log.error"))
    {
        return None;
    }
    let stamp = written(line)?;
    let mut what = command(
        &line.text("request/method")?,
        &line.text("request/uri")?,
        &line.text("request/proto").unwrap_or_default(),
        Some(&format!("{status:03}")),
    );
    what.amend(|command| {
        command.body_octets = line.number("size");
        command.taken = line.seconds("duration");
    });
    let peer = line.address("request/remote_ip");
    let port = line.number("request/remote_port");
    let end = line
        .end("request/remote_addr")
        .or_else(|| peer.zip(port.and_then(|port| u16::try_from(port).ok())));
    let tls = line.get("request/tls");
    let version = tls
        .and_then(|tls| tls.get("version"))
        .and_then(Value::as_u64)
        .and_then(|version| u16::try_from(version).ok());
    Some(Request {
        peer: end.map(|(ip, _)| ip).or(peer),
        peer_port: end.map(|(_, port)| port),
        user: line.text("user_id"),
        encryption: Some(if tls.is_some() {
            Encryption::Implicit
        } else {
            Encryption::None
        }),
        tls: version.map(|version| LoggedTls {
            version: Some(TlsVersion(version)),
            cipher: None,
        }),
        ..Request::new(stamp, what)
    })
}

/// In UTC, unless times are spelt out without saying where.
fn zone(head: &Head<'_>) -> Zone {
    let is_local = |line: &&[u8]| {
        let text = Object::read(line).and_then(|object| object.text("ts"));
        text.is_some_and(|text| spelt(&text).is_some_and(|told| told.zone.is_none()))
    };
    if head.lines.iter().any(is_local) {
        return Zone::Assumed;
    }
    Zone::Stated(Span::ZERO)
}

/// A time in one of the spellings that Caddy has.
fn spelt(text: &str) -> Option<Stamped<'_>> {
    stamp::common(text)
        .or_else(|| stamp::iso(text))
        .or_else(|| stamp::slashed(text))
}

/// Seconds since 1970, milliseconds or nanoseconds (`time_format`), which the logger's binary fraction gives to a microsecond at best, or one
/// of the spellings that Caddy has for times.
fn written(line: &Object) -> Option<Stamp> {
    /// More seconds than there will be for three thousand years, and so many units of the next smaller kind.
    const BEYOND: [(f64, f64); 3] = [(1e17, 1e9), (1e14, 1e6), (1e11, 1e3)];
    let Some(number) = line.get("ts").and_then(Value::as_f64) else {
        return Some(spelt(&line.text("ts")?)?.stamp);
    };
    let unit = BEYOND.iter().find(|(beyond, _)| number > *beyond);
    let seconds = number / unit.map_or(1.0, |(_, unit)| *unit);
    Some(Stamp {
        at: LogTime(Span::from_seconds_f64(seconds).0),
        resolution: Span::MICROSECOND,
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::read;
    use super::*;

    const LOG: &str = r#"{"level":"info","ts":1795492157.8680596,"logger":"http.log.access.log0","msg":"handled request","request":{"remote_ip":"192.0.2.10","remote_port":"47216","proto":"HTTP/1.1","method":"GET","host":"a","uri":"/index.html?password=x","headers":{"Authorization":["Basic abc"]}},"user_id":"ann","duration":0.006344316,"size":13,"status":200,"resp_headers":{}}
{"level":"info","ts":1795492157.9,"logger":"http.log.access.log0","request":{"remote_addr":"[2001:db8::31]:51544","proto":"HTTP/2.0","method":"GET","uri":"/f.txt","tls":{"resumed":false,"version":772,"cipher_suite":4865}},"duration":0.1,"size":40527,"status":200}
{"level":"error","ts":"2026-11-24T03:49:17.868Z","logger":"http.log.access.log0","request":{"remote_ip":"192.0.2.10","remote_port":"47216","proto":"HTTP/1.1","method":"GET","uri":"/nope"},"duration":0.00006,"size":0,"status":404}
{"level":"info","ts":1795492157.9,"logger":"tls","msg":"cleaning storage unit"}
{"level":"info","ts":17954921
{"request":{"method":"GET","uri":"/"},"status":200}
not JSON
"#;

    #[test]
    fn requests_of_one_port_are_one_session() {
        let told = read(&ENTRY, LOG, 2026);
        assert_eq!((told.sessions.len(), told.failed, told.aside), (2, 3, 1));
        let clear = &told.sessions[0];
        assert_eq!((clear.events.len(), clear.peer_port), (2, Some(47216)));
        assert_eq!(clear.encryption, Some(Encryption::None));
        let get = clear.events.first().unwrap().command().unwrap();
        assert_eq!(get.request, "GET /index.html?password=*** HTTP/1.1");
        assert_eq!((get.body_octets, get.code), (Some(13), Some("200")));
        let tls = told.sessions[1].tls.as_ref().unwrap();
        assert_eq!(tls.version, Some(TlsVersion::TLS_1_3));
        assert!(!format!("{:?}", told.sessions).contains("abc"));
    }

    #[test]
    fn times_that_do_not_say_where_are_local() {
        for (ts, zone) in [
            ("\"2026/11/24 03:49:17.868\"", Zone::Assumed),
            ("\"2026-11-24T03:49:17.868Z\"", Zone::Stated(Span::ZERO)),
            ("1795492157.9", Zone::Stated(Span::ZERO)),
        ] {
            let line = LOG.lines().nth(1).unwrap().replace("1795492157.9", ts);
            assert_eq!(read(&ENTRY, &line, 2026).zone, zone, "{ts}");
        }
    }

    #[test]
    fn a_request_that_failed_is_told_once() {
        let log = r#"{"level":"error","ts":1795492157.9,"logger":"http.log.error.log0","msg":"dial tcp 127.0.0.1:9: connect: connection refused","request":{"remote_ip":"192.0.2.10","remote_port":"47216","proto":"HTTP/1.1","method":"GET","uri":"/x"},"duration":0.002,"status":502}
{"level":"error","ts":1795492157.9,"logger":"http.log.access.log0","msg":"handled request","request":{"remote_ip":"192.0.2.10","remote_port":"47216","proto":"HTTP/1.1","method":"GET","uri":"/x"},"duration":0.002,"size":0,"status":502}
"#;
        let told = read(&ENTRY, log, 2026);
        assert_eq!((told.sessions.len(), told.failed, told.aside), (1, 0, 1));
        assert_eq!(told.sessions[0].events.len(), 1);
    }

    #[test]
    fn times_are_of_the_unit_that_was_set() {
        for ts in [
            "1795492157.868059",
            "1795492157868.059",
            "1795492157868059000",
            "\"2026-11-24T03:49:17.868Z\"",
            "\"2026-11-24T04:49:17.868+0100\"",
            "\"2026/11/24 03:49:17.868\"",
            "\"24/Nov/2026:04:49:17.868 +0100\"",
        ] {
            let line = format!(
                r#"{{"level":"info","ts":{ts},"logger":"http.log.access","request":{{"remote_addr":"192.0.2.10:47216","proto":"HTTP/1.1","method":"GET","uri":"/"}},"duration":0.006,"size":13,"status":200}}"#
            );
            let told = read(&ENTRY, &line, 2026);
            let session = &told.sessions[0];
            assert_eq!(session.peer_port, Some(47_216), "{ts}");
            let at = session.events.first().unwrap().stamp.at.to_rfc3339();
            assert!(at.starts_with("2026-11-24T03:49:17.868"), "{ts}: {at}");
        }
    }
}
