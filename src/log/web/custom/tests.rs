use proptest::prelude::*;

use super::super::super::testing::built;
use super::*;
use crate::model::{CommandRef, Encryption, TlsVersion};

const NGINX: &str = r#"$remote_addr:$remote_port $server_addr:$server_port $msec $request_time $connection $connection_requests $pid $status $bytes_sent $body_bytes_sent $request_length $ssl_protocol/$ssl_cipher $ssl_session_reused "$request" "$http_user_agent""#;
const APACHE: &str = r#"%a:%{remote}p %A:%{local}p %{%Y-%m-%dT%H:%M:%S}t.%{usec_frac}t%{%z}t %{begin:usec}t %D %T %k %X %L %P %{tid}P %>s %I %O %S %B \"%r\" \"%{User-Agent}i\""#;

fn read(format: &str, log: &str) -> (Vec<LogSession>, usize) {
    built(Custom::parse(format).unwrap().open(LogId(0)), log)
}

fn command(session: &LogSession, at: usize) -> CommandRef<'_> {
    session.events.get(at).unwrap().command().unwrap()
}

#[test]
fn nginx_names_the_connection_and_counts_what_tls_hides() {
    let log = r#"192.0.2.10:39534 198.51.100.80:80 1795492157.798 0.000 1 1 14953 200 248 13 85 -/- - "GET /index.html HTTP/1.1" "lab/1 \x22q\x22"
192.0.2.31:42706 198.51.100.80:443 1795492157.889 0.012 4 1 14953 200 248 13 81 TLSv1.2/ECDHE-RSA-AES256-GCM-SHA384 . "GET /index.html?token=abc HTTP/1.1" "lab/2"
192.0.2.10:39534 198.51.100.80:80 1795492157.799 0.000 1 2 14953 404 308 153 83 -/- - "GET /nope HTTP/1.1" "-"
2001:db8::31:42706 2001:db8::80:443 1795492157.900 0.012 5 1 14953 400 248 13 81 -/- . "\x16\x03" "-"
192.0.2.32:42708 198.51.100.80:80 1795492157.901 0.000 6 0 14953 400 0 0 0 -/- - "" "-"
192.0.2.10:39534 198.51.100.80:80 1795492157.799 x 1 2 14953 404 308 153 83 -/- - "GET /nope HTTP/1.1" "-"
192.0.2.10:39534 198.51.100.80:80 1795492157.799 0.000 1
rubbish
"#;
    let (sessions, failed) = read(NGINX, log);
    assert_eq!((sessions.len(), failed), (4, 3));
    assert_eq!(command(&sessions[3], 0).code, Some("400"), "nothing came");
    assert_eq!(sessions[0].events.len(), 2, "one connection");
    assert_eq!(sessions[0].encryption, Some(Encryption::None));
    let hidden = &sessions[1];
    assert_eq!(
        (hidden.peer_port, hidden.local_port),
        (Some(42706), Some(443))
    );
    assert_eq!(
        hidden.tls.as_ref().and_then(|tls| tls.version),
        TlsVersion::from_name("TLSv1.2")
    );
    let get = command(hidden, 0);
    assert_eq!(get.request, "GET /index.html?token=*** HTTP/1.1");
    assert_eq!(
        (get.request_bytes, get.response_bytes, get.body_octets),
        (Some(81), Some(248), Some(13))
    );
    assert_eq!(get.taken, Some(Span::millis(12)));
    let stamp = hidden.events.first().unwrap().stamp;
    assert_eq!(stamp.resolution, Span::MILLISECOND);
    assert_eq!(stamp.at.to_rfc3339(), "2026-11-24T03:49:17.889000000Z");
    assert_eq!(sessions[2].peer, "2001:db8::31".parse().ok());
}

#[test]
fn apache_stamps_the_beginning_and_the_time_taken_leads_to_the_end() {
    let log = r#"192.0.2.10:39793 198.51.100.80:8080 2026-11-24T03:50:25.866465+0000 1795492225866465 864 0 0 + - 15326 140658903840448 200 103 214 317 13 "GET /index.html HTTP/1.1" "lab/1 \"q\" \xe9"
192.0.2.31:58253 198.51.100.80:8080 2026-11-24T03:50:25.873029+0000 1795492225873029 199 0 0 + - 15327 140659053475520 200 103 214 317 13 "GET /index.html HTTP/1.1" "lab/1"
192.0.2.10:39793 198.51.100.80:8080 2026-11-24T03:50:25.867631+0000 1795492225867631 72 0 1 + - 15326 140658895447744 200 98 40734 40832 40527 "GET /f.txt HTTP/1.1" "-"
192.0.2.10:39793 198.51.100.80:8080 2026-11-24T03:50:25
"#;
    let (sessions, failed) = read(APACHE, log);
    assert_eq!((sessions.len(), failed), (2, 1));
    let get = command(&sessions[0], 0);
    assert_eq!((get.request_bytes, get.body_octets), (None, Some(13)));
    assert_eq!(
        sessions[0].events.first().unwrap().stamp.at.to_rfc3339(),
        "2026-11-24T03:50:25.867329000Z",
        "864 µs after the beginning"
    );
    assert_eq!(command(&sessions[0], 1).request, "GET /f.txt HTTP/1.1");
}

#[test]
fn times_in_parts_are_put_together() {
    for (format, line) in [
        (
            "%{sec}t.%{usec_frac}t %a %r",
            "1795492225.866465 192.0.2.10 GET / HTTP/1.1",
        ),
        (
            "%{%Y-%m-%dT%H:%M:%S%z}t %{usec_frac}t %a %r",
            "2026-11-24T04:50:25+0100 866465 192.0.2.10 GET / HTTP/1.1",
        ),
        (
            "[%{%d/%b/%Y:%H:%M:%S}t.%{usec_frac}t %{%z}t] %a %r",
            "[24/Nov/2026:04:50:25.866465 +0100] 192.0.2.10 GET / HTTP/1.1",
        ),
        (
            "$epoch_us $remote_addr $request",
            "1795492225866465 192.0.2.10 GET / HTTP/1.1",
        ),
    ] {
        let (sessions, failed) = read(format, line);
        assert_eq!((sessions.len(), failed), (1, 0), "{format}");
        let stamp = sessions[0].events.first().unwrap().stamp;
        assert_eq!(
            stamp.at.to_rfc3339(),
            "2026-11-24T03:50:25.866465000Z",
            "{format}"
        );
    }
    let (sessions, _) = read(
        "%ci:%cp %Ts.%ms %HM %HU",
        "192.0.2.10:5000 1795492225.866 GET /\n",
    );
    let stamp = sessions[0].events.first().unwrap().stamp;
    assert_eq!(stamp.at.to_rfc3339(), "2026-11-24T03:50:25.866000000Z");
}

#[test]
fn octets_of_which_is_not_told_whether_the_head_is_counted() {
    for (format, octets) in [
        ("%t %a %O %r", (None, Some(859), None)),
        ("%t %a %b %O %r", (Some(859), None, None)),
        (
            "[$time_local] $remote_addr $bytes_sent $request",
            (None, Some(859), Some(859)),
        ),
        (
            "[$time_local] $remote_addr $reply_octets $request",
            (None, Some(859), None),
        ),
    ] {
        let both = if format.contains("%b") {
            "859 1000"
        } else {
            "859"
        };
        let line = format!("[24/Nov/2026:04:50:25 +0100] 192.0.2.10 {both} GET / HTTP/1.1");
        let (sessions, _) = read(format, &line);
        let get = command(&sessions[0], 0);
        assert_eq!(
            (get.body_octets, get.reply_octets, get.response_bytes),
            octets,
            "{format}"
        );
    }
}

#[test]
fn combined_in_both_tongues_json_and_lists_of_upstreams() {
    for (format, line) in [
        (
            r#"$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" $upstream_response_time $request_time"#,
            r#"192.0.2.10 - ann lee [24/Nov/2026:03:50:25 +0000] "GET / HTTP/1.1" 200 13 "-" 0.001, 0.002 : 0.1 0.2"#,
        ),
        (
            r#"%h %l %u %t "%r" %>s %b "%{Referer}i" %{ms}T"#,
            r#"192.0.2.10 - ann lee [24/Nov/2026:03:50:25 +0000] "GET / HTTP/1.1" 200 13 "-" 200"#,
        ),
        (
            r#"{"t":"$time_iso8601","c":"$remote_addr","u":"$remote_user","r":"$request","s":$status,"b":$body_bytes_sent,"rt":$request_time}"#,
            r#"{"t":"2026-11-24T03:50:25+00:00","c":"192.0.2.10","u":"ann lee","r":"GET / HTTP/1.1","s":200,"b":13,"rt":0.2}"#,
        ),
        (
            r#"%t "%m %U%q %H" %>s %B %a %u %{ms}T"#,
            r#"[24/Nov/2026:03:50:25 +0000] "GET / HTTP/1.1" 200 13 192.0.2.10 ann 200"#,
        ),
        (
            r"%t %m %U%%%q %H %>s %B %a %u %{ms}T",
            r"[24/Nov/2026:03:50:25 +0000] GET /%- HTTP/1.1 200 13 192.0.2.10 ann 200",
        ),
    ] {
        let (sessions, failed) = read(format, line);
        assert_eq!((sessions.len(), failed), (1, 0), "{format}");
        let get = command(&sessions[0], 0);
        assert_eq!(get.request, "GET / HTTP/1.1", "{format}");
        assert_eq!(get.taken, Some(Span::millis(200)), "{format}");
        assert_eq!(sessions[0].peer, "192.0.2.10".parse().ok());
        assert!(sessions[0].names[0].starts_with("ann"), "{format}");
    }
}

#[test]
fn quotes_escapes_and_units_of_every_make_are_undone() {
    let json = r#"{"t":"$msec","c":"$remote_addr","r":"$request","s":$status,"rt":$request_time,"ua":"$http_user_agent"}"#;
    for (format, line, request) in [
        (
            json,
            r#"{"t":"1795492157.798","c":"192.0.2.10","r":"GET /a\"b\u0041\\ HTTP/1.1","s":200,"rt":0.200,"ua":"x\"y"}"#,
            r#"GET /a"bA\ HTTP/1.1"#,
        ),
        (
            r#"%h %t \"%r\" %>s %D \"%{User-Agent}i\""#,
            r#"192.0.2.10 [24/Nov/2026:03:49:17 +0000] "GET /a\"b\x41\\ HTTP/1.1" 200 200000 "x \"y\" z""#,
            r#"GET /a"bA\ HTTP/1.1"#,
        ),
        (
            r#"%{us}T %h %t "%r" %>s"#,
            r#"200000 192.0.2.10 [24/Nov/2026:03:49:17 +0000] "GET / HTTP/1.1" 200"#,
            "GET / HTTP/1.1",
        ),
    ] {
        let (sessions, failed) = read(format, line);
        assert_eq!((sessions.len(), failed), (1, 0), "{format}");
        let get = command(&sessions[0], 0);
        assert_eq!(get.request, request, "{format}");
        assert_eq!(get.taken, Some(Span::millis(200)), "{format}");
        assert_eq!(sessions[0].peer, "192.0.2.10".parse().ok());
    }
}

#[test]
fn haproxy_in_its_own_words() {
    let http = "%ci:%cp [%tr] %ft %b/%s %TR/%Tw/%Tc/%Tr/%Ta %ST %B %CC %CS %tsc %ac/%fc/%bc/%sc/%rc %sq/%bq %hr %hs %{+Q}r";
    let quoted = "%{+Q}o\\ %ci %cp [%T] %ms %Tt %HM %HU %HV %ST %ft %fi:%fp %{-Q}ts %[capture.req.hdr(0),lower] %ID";
    let json = r#"{\"t\":\"%t\",\"c\":\"%ci\",\"p\":%cp,\"r\":%{+Q}r,\"s\":%ST,\"tt\":%Tt,\"ta\":%Ta,\"v\":\"%sslv\"}"#;
    for (format, line, end, taken) in [
        (
            http,
            r#"192.0.2.10:54424 [27/Nov/2026:01:45:29.448] a~ w/s1 2/0/0/36/36 404 1340 - - ---- 1/1/0/0/0 0/0 {a b|x} "GET /a HTTP/1.1""#,
            "2026-11-27T01:45:29.484000000Z",
            34,
        ),
        (
            http,
            r#"192.0.2.10:54424 [27/Nov/2026:01:45:29.448] a~ w/s1 2/0/0/36/+36 404 +1340 - - ---- 1/1/0/0/0 0/0 "GET /a HTTP/1.1""#,
            "2026-11-27T01:45:29.484000000Z",
            34,
        ),
        (
            quoted,
            r#" "192.0.2.10" 54424 [27/Nov/2026:01:45:30 +0000] 444 13 "GET" "/a" "HTTP/1.1" 404 "a~" "127.0.0.1":8182 -- "a" """#,
            "2026-11-27T01:45:30.457000000Z",
            -1,
        ),
        (
            json,
            r#"{"t":"27/Nov/2026:01:45:31.463","c":"192.0.2.10","p":54424,"r":"GET /a HTTP/1.1","s":404,"tt":16,"ta":8,"v":"TLSv1.3"}"#,
            "2026-11-27T01:45:31.479000000Z",
            8,
        ),
    ] {
        let (sessions, failed) = read(format, line);
        assert_eq!((sessions.len(), failed), (1, 0), "{line}");
        let session = &sessions[0];
        assert_eq!(session.peer, "192.0.2.10".parse().ok());
        assert_eq!(session.peer_port, Some(54424));
        assert_eq!(session.encryption, Some(Encryption::Implicit));
        let get = command(session, 0);
        assert_eq!((get.request, get.code), ("GET /a HTTP/1.1", Some("404")));
        let milliseconds = get.taken.map_or(-1, |taken| taken.0 / 1_000_000);
        assert_eq!(milliseconds, taken, "{line}");
        assert_eq!(session.events.first().unwrap().stamp.at.to_rfc3339(), end);
    }
}

#[test]
fn haproxy_without_a_request_and_without_http() {
    let (sessions, failed) = read(
        "%ci:%cp [%tr] %TR/%Tw/%Tc/%Tr/%Ta %ST %tsc %hr %hs %{+Q}r",
        "192.0.2.10:54460 [27/Nov/2026:01:45:30.341] -1/-1/-1/-1/0 400 PR-- \"<BADREQ>\"\n",
    );
    assert_eq!((sessions.len(), failed), (1, 0));
    assert_eq!(command(&sessions[0], 0).code, Some("400"));
    let (sessions, failed) = read(
        "%ci:%cp [%t] %ft %b/%s %Tw/%Tc/%Tt %B %ts %ac/%fc/%bc/%sc/%rc %sq/%bq",
        "192.0.2.10:44600 [27/Nov/2026:01:45:33.007] d t/s1 1/0/11 382 CD 1/1/0/0/0 0/0\n",
    );
    assert_eq!((sessions.len(), failed), (1, 0));
    let passed = &sessions[0];
    assert_eq!(
        (passed.proto, passed.duration),
        (crate::model::Proto::UNKNOWN, Some(Span::millis(11)))
    );
    assert_eq!(passed.events.len(), 3, "begin, remark, end");
}

/// The example of nginx's manual for its module stream.
#[test]
fn connections_that_nginx_passed_on() {
    let format =
        "$remote_addr [$time_local] $protocol $status $bytes_sent $bytes_received $session_time";
    let (sessions, failed) = read(
        format,
        "192.0.2.10 [24/Nov/2026:03:49:17 +0000] TCP 200 382 345 0.010\n\
         2001:db8::10 [24/Nov/2026:03:49:18 +0000] TCP 502 0 0 60.000\n\
         192.0.2.11 [24/Nov/2026:03:49:19 +0000] UDP 200 100 200 1.000\n",
    );
    assert_eq!(
        (sessions.len(), failed),
        (2, 0),
        "datagrams are no connection"
    );
    let passed = &sessions[1];
    assert_eq!(passed.proto, crate::model::Proto::UNKNOWN);
    assert_eq!(passed.duration, Some(Span::seconds(60)));
    let begun = passed.events.first().unwrap().stamp;
    assert_eq!(begun.at.to_rfc3339(), "2026-11-24T03:48:18.000000000Z");
    assert_eq!(
        passed.events.get(1).unwrap().what,
        crate::model::What::Note("0 octets to the client; status 502")
    );
    assert!(Custom::parse("$remote_addr $protocol").is_err(), "no time");
}

#[test]
fn what_cannot_be_read_back_is_refused_with_the_remedy() {
    for (format, word) in [
        ("$remote_addr [$time_local]", "request"),
        ("$remote_addr $request", "time"),
        ("%t %y \"%r\"", "'%y'"),
        ("%ci [%tr] %zz %r", "'%zz'"),
        ("%ci %Tt %r", "%tr"),
        ("$remote_addr$request [$time_local]", "between"),
    ] {
        let error = Custom::parse(format).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}

proptest! {
    #[test]
    fn any_format_and_any_line_are_survived(format in any::<String>(), line in any::<String>()) {
        for format in [format.clone(), format!("$msec {format} $request"), format!("%t {format} %r"), format!("%ci {format} %tr")] {
            if let Ok(custom) = Custom::parse(&format) {
                let read = custom.read(&line);
                prop_assert!(read.is_none_or(|told| told.request.stamp.resolution > Span::ZERO));
            }
        }
    }
}
