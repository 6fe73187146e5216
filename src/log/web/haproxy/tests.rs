use super::super::super::testing::read;
use super::*;
use crate::model::What;

const LOG: &str = r#"<134>Nov 24 03:50:25 haproxy[14973]: 192.0.2.10:51059 [24/Nov/2026:03:50:25.868] www web/s1 3/0/1/40/44 200 211 - - ---- 1/1/0/0/0 0/0 {www.example.com} "GET /index.html?pass=p HTTP/1.1"
<134>Nov 24 03:50:25 haproxy[14973]: 203.0.113.77:45939 [24/Nov/2026:03:50:25.874] www~ www/<NOSRV> -1/-1/-1/-1/0 400 0 - - PR-- 2/1/0/0/0 0/0 "<BADREQ>"
Nov 24 03:50:25 lb haproxy[14973]: 192.0.2.10:51059 [24/Nov/2026:03:50:25.869] www web/s1 0/0/0/0/+7 404 +283 - - CD-- 1/1/0/0/0 0/0 {www.example.com} "GET /a#22b HTTP/1.1"
2001:db8::31:45461 [24/Nov/2026:03:50:25.870] tcpin webtcp/s1 1/0/204 41435 cD 1/1/0/0/0 0/0
Nov 24 03:50:25 lb haproxy[14973]: Server web/s1 is DOWN
192.0.2.10:51059 [24/Nov/2026:03:50:25.868] www web/s1 0/0/0 x
192.0.2.10:51059 [24/Nov/2026:03:50
rubbish
"#;

#[test]
fn requests_and_connections_with_their_ends() {
    let told = read(&ENTRY, LOG, 2026);
    assert_eq!((told.sessions.len(), told.failed, told.aside), (3, 3, 1));
    let [web, bad, tcp] = told.sessions.as_slice() else {
        panic!("{:?}", told.sessions);
    };
    assert_eq!(web.events.len(), 3, "two requests and an abort");
    let stamp = web.events.first().unwrap().stamp;
    assert_eq!(stamp.at.to_rfc3339(), "2026-11-24T03:50:25.912000000Z");
    assert_eq!(stamp.resolution, Span::millis(2));
    let get = web.events.first().unwrap().command().unwrap();
    assert_eq!(get.request, "GET /index.html?pass=*** HTTP/1.1");
    assert_eq!(
        (get.taken, get.response_bytes),
        (Some(Span::millis(41)), None)
    );
    assert_eq!(
        web.events.get(2).unwrap().what,
        What::Note("the client aborted in the data (CD--)")
    );
    assert_eq!(bad.encryption, Some(Encryption::Implicit));
    assert_eq!((tcp.proto, tcp.encryption), (Proto::UNKNOWN, None));
    assert_eq!(tcp.duration, Some(Span::millis(204)));
    assert_eq!(
        tcp.events.get(1).unwrap().what,
        What::Note("41435 octets to the client; the client was silent too long in the data (cD)")
    );
}

/// As HAProxy 2.6 writes them.
#[test]
fn connections_that_came_to_nothing_and_those_that_are_only_named() {
    let log = "\
Nov 27 07:17:28 lb haproxy[7]: 127.0.0.1:45932 [27/Nov/2026:07:17:28.095] tls/web: SSL handshake failure
Nov 27 07:17:28 lb haproxy[7]: ::1:55938 [27/Nov/2026:07:17:28.163] tls/1: SSL handshake failure (error:0A000102:SSL routines::unsupported protocol)
2026-11-27T06:17:29+00:00 lb haproxy[7]: Connect from 127.0.0.1:43300 to 127.0.0.1:8081 (plain/HTTP)
Nov 27 07:17:30 lb haproxy[7]: unix:1 [27/Nov/2026:07:17:30.095] www b/s1 0/0/1/2/3 200 180 - - ---- 1/1/1/1/0 0/0 \"GET /u HTTP/1.1\"
Nov 27 07:17:31 lb haproxy[7]: [WARNING] (7) : Server b/s1 is UP
Nov 27 07:17:31 lb haproxy[7]: 127.0.0.1:1 [27/Nov/2026:07:17:28.095] tls b
";
    let told = read(&ENTRY, log, 2026);
    assert_eq!((told.sessions.len(), told.failed, told.aside), (3, 1, 2));
    assert_eq!(told.sureness, Sureness(666));
    let [refused, other, plain] = told.sessions.as_slice() else {
        panic!("{:?}", told.sessions);
    };
    assert_eq!(
        (refused.proto, refused.peer_port),
        (Proto::UNKNOWN, Some(45932))
    );
    assert_eq!(refused.events.first().unwrap().what, What::Open);
    assert_eq!(
        refused.events.get(1).unwrap().what,
        What::Note("SSL handshake failure")
    );
    assert_eq!(other.peer, "::1".parse().ok());
    assert_eq!(
        (plain.proto, plain.peer_port, plain.local_port),
        (Proto("http"), Some(43300), Some(8081))
    );
    assert_eq!(
        plain.events.first().unwrap().stamp.at.to_rfc3339(),
        "2026-11-27T06:17:29.000000000Z"
    );
}
