use super::super::super::testing::{commands, read};
use super::*;
use crate::model::What;

const LOG: &str = r#"2026/11/24 03:49:17 [notice] 7#7: start worker processes
2026/11/24 03:49:17 [error] 8#8: *3 open() "/srv/nope" failed (2: No such file or directory), client: 192.0.2.10, server: _, request: "GET /nope?pass=p HTTP/1.1", host: "www.example.com"
2026/11/24 03:49:18 [info] 8#8: *49 client 192.0.2.31:41510 connected to 198.51.100.25:110
2026/11/24 03:49:18 [error] 8#8: *3 connect() failed (111: Connection refused) while connecting to upstream, client: 192.0.2.10, server: , request: "GET /a"b HTTP/1.1", upstream: "http://127.0.0.1:8299/", host: "x"
2026/11/24 03:49:18 [info] 8#8: *49 client logged in, client: 192.0.2.31, server: 198.51.100.25:110, login: "ann", upstream: 127.0.0.1:8299
2026/11/24 03:49:19 [info] 8#8: *3 client 192.0.2.10 closed keepalive connection
2026/11/24 03:49:20 [info] 8#8: *49 proxied session done, client: 192.0.2.31, server: 198.51.100.25:110, login: "ann", upstream: 127.0.0.1:8299
2026/11/24 03:49:20 [info] 8#8: *54 client login failed: "Invalid login or password" while in http auth state, client: 192.0.2.31 using starttls, server: 0.0.0.0:143, login: "bob"
2026/11/24 03:49:20 [error] 8#8
2026/11/24 03:49 [error] 8#8: *3 x
rubbish
"#;

#[test]
fn requests_and_logins_by_connection() {
    let told = read(&ENTRY, LOG, 2026);
    assert_eq!((told.sessions.len(), told.failed, told.aside), (3, 3, 1));
    let [web, mail, refused] = told.sessions.as_slice() else {
        panic!("{:?}", told.sessions);
    };
    assert_eq!(
        (web.proto, web.peer),
        (Proto("http"), "192.0.2.10".parse().ok())
    );
    assert_eq!(
        commands(web),
        ["GET /nope?pass=*** HTTP/1.1 ?", "GET /a\"b HTTP/1.1 ?"]
    );
    assert_eq!(web.events.last().map(|event| event.what), Some(What::Close));
    assert_eq!(
        (mail.proto, mail.peer_port, mail.local_port),
        (Proto("pop3"), Some(41510), Some(110))
    );
    assert_eq!(mail.names, ["ann"]);
    assert_eq!(mail.events.get(1).unwrap().what, What::Login("ann"));
    assert_eq!(mail.events.len(), 4);
    assert_eq!(
        (refused.proto, refused.local),
        (Proto("imap"), None),
        "any of its addresses"
    );
    assert_eq!(refused.encryption, Some(Encryption::StartTls));
    let What::Note(note) = refused.events.first().unwrap().what else {
        panic!("{refused:?}");
    };
    assert!(note.starts_with("login refused: "), "{note}");
}

#[test]
fn how_a_client_left_is_told_and_what_a_server_behind_did_is_not_taken_for_it() {
    let of = |text: &str| {
        let log = format!("2026/11/24 03:49:17 [info] 8#8: *3 {text}\n");
        let told = read(&ENTRY, &log, 2026);
        let session = told.sessions.into_iter().next().unwrap();
        assert_eq!(session.peer, "192.0.2.10".parse().ok(), "{text}");
        let over = session.events.iter().any(|event| event.what == What::Close);
        (session.proto.0, session.ending, over)
    };
    let fields = ", client: 192.0.2.10, server: , request: \"GET / HTTP/1.1\"";
    let early = ", client: 192.0.2.10, server: 198.51.100.26:443";
    for (text, fields, ending, over) in [
        (
            "client 192.0.2.10 closed keepalive connection",
            "",
            Ending::Unknown,
            true,
        ),
        (
            "client 192.0.2.10 closed keepalive connection (104: Connection reset by peer)",
            "",
            Ending::Unknown,
            true,
        ),
        (
            "client timed out (110: Connection timed out) while waiting for request",
            early,
            Ending::Timeout,
            true,
        ),
        (
            "recv() failed (104: Connection reset by peer) while reading client request headers",
            fields,
            Ending::Lost,
            true,
        ),
        (
            "peer closed connection in SSL handshake while SSL handshaking",
            early,
            Ending::Lost,
            true,
        ),
        (
            "SSL_do_handshake() failed (SSL: error:0A000418:SSL routines::tlsv1 alert unknown ca:SSL alert number 48) while SSL handshaking",
            early,
            Ending::Unknown,
            true,
        ),
        (
            "epoll_wait() reported that client prematurely closed connection, so upstream connection is closed too (104: Connection reset by peer) while sending request to upstream",
            fields,
            Ending::Lost,
            true,
        ),
        (
            "upstream timed out (110: Connection timed out) while reading response header from upstream",
            fields,
            Ending::Unknown,
            false,
        ),
        (
            "upstream prematurely closed connection while reading response header from upstream",
            fields,
            Ending::Unknown,
            false,
        ),
        (
            "recv() failed (104: Connection reset by peer) while reading response header from upstream",
            fields,
            Ending::Unknown,
            false,
        ),
        (
            "SSL_do_handshake() failed (SSL: error:1) while SSL handshaking to upstream",
            fields,
            Ending::Unknown,
            false,
        ),
    ] {
        let told = of(&format!("{text}{fields}"));
        assert_eq!(told, ("http", ending, over), "{text}");
    }
}

#[test]
fn connections_that_the_stream_proxy_passed_on() {
    let log = "2026/11/24 03:49:17 [info] 8#8: *3 client [2001:db8::31]:41510 connected to [2001:db8::25]:8025\n\
               2026/11/24 03:49:17 [info] 8#8: *3 proxy 127.0.0.1:50000 connected to 127.0.0.1:25\n\
               2026/11/24 03:49:19 [info] 8#8: *3 client disconnected, bytes from/to client:96/2154, bytes from/to upstream:2154/96\n";
    let told = read(&ENTRY, log, 2026);
    let [passed] = told.sessions.as_slice() else {
        panic!("{:?}", told.sessions);
    };
    assert_eq!(
        (passed.proto, passed.peer_port, passed.local_port),
        (Proto::UNKNOWN, Some(41510), Some(8025))
    );
    assert_eq!(
        passed.events.first().map(|event| event.what),
        Some(What::Open)
    );
    assert_eq!(
        passed.events.last().map(|event| event.what),
        Some(What::Close)
    );
}

#[test]
fn an_address_in_a_request_is_not_the_clients() {
    let log = "2026/11/24 03:49:17 [error] 8#8: *3 open() \"/x, client: 203.0.113.66, server: _\" failed, client: 192.0.2.10, server: _, request: \"GET /x, client: 203.0.113.66, server: _ HTTP/1.1\"\n";
    let told = read(&ENTRY, log, 2026);
    assert_eq!(told.sessions[0].peer, None);
}

#[test]
fn a_stream_whose_client_is_gone_is_over_with_the_line_that_says_so() {
    // As nginx 1.22 of Debian wrote them.
    let log = r#"2026/11/27 16:21:11 [info] 11071#11071: *1 client 127.0.0.1:46330 connected to 127.0.0.1:3100
2026/11/27 16:21:11 [error] 11071#11071: *1 connect() failed (111: Connection refused) while connecting to upstream, client: 127.0.0.1, server: 127.0.0.1:3100, upstream: "127.0.0.1:3199", bytes from/to client:0/0, bytes from/to upstream:0/0
2026/11/27 16:21:11 [warn] 11071#11071: *1 upstream server temporarily disabled while connecting to upstream, client: 127.0.0.1, server: 127.0.0.1:3100, upstream: "127.0.0.1:3199", bytes from/to client:0/0, bytes from/to upstream:0/0
2026/11/27 16:21:12 [info] 11071#11071: *8 client 127.0.0.1:47532 connected to 127.0.0.1:3101
2026/11/27 16:21:12 [info] 11071#11071: *8 proxy 127.0.0.1:60024 connected to 127.0.0.1:3197
2026/11/27 16:21:12 [info] 11071#11071: *8 recv() failed (104: Connection reset by peer) while proxying and reading from client, client: 127.0.0.1, server: 127.0.0.1:3101, upstream: "127.0.0.1:3197", bytes from/to client:6/7, bytes from/to upstream:7/6
2026/11/27 16:21:12 [info] 11071#11071: *8 client disconnected, bytes from/to client:6/7, bytes from/to upstream:7/6
"#;
    let told = read(&ENTRY, log, 2026);
    let brief: Vec<_> = told
        .sessions
        .iter()
        .map(|session| (session.peer_port, session.ending, session.events.len()))
        .collect();
    assert_eq!(
        brief,
        [
            (Some(46330), Ending::Unknown, 3),
            (Some(47532), Ending::Lost, 5)
        ]
    );
}
