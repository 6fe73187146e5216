use crate::model::{
    Event, LogEvent, LogId, LogTime, LoggedFetch, LoggedOctets, Nanos, Span, Stamp,
};

use super::*;

/// Hidden exchanges of these sizes, all answered; a greeting has no request.
fn hidden(sizes: &[(u64, u64)]) -> Vec<Exchange> {
    let exchange = |&(request, reply): &(u64, u64)| Exchange {
        request_bytes: (request > 0).then_some(request),
        response_bytes: Some(reply),
        end: Some(Nanos(1)),
        ..Exchange::new(Verb::default(), String::new(), Seen::Inferred)
    };
    sizes.iter().map(exchange).collect()
}

fn line(line: u64) -> LineRef {
    LineRef {
        log: LogId(0),
        line,
    }
}

/// A session of `user` that a log tells of in two lines.
fn logged(proto: &'static str, user: &str) -> LogSession {
    let stamp = Stamp {
        at: LogTime(0),
        resolution: Span::SECOND,
    };
    let mut log = LogSession::new(LogId(0), Proto(proto));
    log.names.push(user.to_owned());
    log.ending = Ending::Quit;
    let events = [(1, Event::Login("Login".to_owned())), (2, Event::Close)];
    let events = events.map(|(at, what)| LogEvent {
        line: line(at),
        stamp,
        what,
    });
    log.events.extend(events);
    log
}

/// What `log` names of exchanges of these sizes.
fn named(log: &LogSession, sizes: &[(u64, u64)]) -> Vec<String> {
    let mut exchanges = hidden(sizes);
    match log.proto {
        Proto("pop3") => Hidden {
            log,
            exchanges: &mut exchanges,
        }
        .pop3(),
        _ => Hidden {
            log,
            exchanges: &mut exchanges,
        }
        .imap(),
    }
    for exchange in &exchanges {
        let told = exchange.seen == Seen::Log;
        assert_eq!(told, exchange.line.is_some() && exchange.code.is_some());
    }
    exchanges
        .into_iter()
        .map(|exchange| exchange.request)
        .collect()
}

/// As Dovecot counts: the message with the reply's first line and without the dot behind it.
const SESSION: [(u64, u64); 9] = [
    (0, 29),
    (6, 90),
    (12, 5),
    (14, 16),
    (6, 12),
    (8, 3186),
    (8, 3218),
    (8, 27),
    (6, 18),
];

fn pop3(messages: u32, octets: u64, deleted: u32) -> LogSession {
    let fetched = LoggedFetch {
        messages,
        octets,
        deleted,
    };
    let mut log = logged("pop3", "user5");
    log.rare_mut().fetched = Some(fetched);
    log
}

#[test]
fn a_log_of_pop3_names_what_can_be_nothing_else() {
    let names = [
        "",
        "",
        "USER user5",
        "PASS ****",
        "",
        "RETR",
        "RETR",
        "DELE",
        "QUIT",
    ];
    assert_eq!(named(&pop3(2, 3186 + 3218 - 6, 1), &SESSION), names);
}

#[test]
fn where_counts_or_octets_differ_nothing_is_named_by_them() {
    for log in [pop3(1, 3183, 0), pop3(2, 6_500, 2), pop3(2, 2_000, 0)] {
        let named = named(&log, &SESSION);
        assert!(named[4..8].iter().all(String::is_empty), "{named:?}");
    }
}

#[test]
fn a_user_of_another_length_did_not_say_user() {
    let log = logged("pop3", "user5@example.com");
    assert_eq!(named(&log, &SESSION)[2..4], ["", ""]);
    // `AUTH PLAIN` is as long as `USER user5`, and answered by `+ `.
    let sizes = [(0, 29), (12, 4), (30, 16), (6, 18)];
    let names = ["", "", "", "QUIT"];
    assert_eq!(named(&logged("pop3", "user5"), &sizes), names);
    // Two requests of that length: either may be it.
    let sizes = [(0, 29), (12, 5), (12, 5), (6, 18)];
    assert_eq!(named(&logged("pop3", "user5"), &sizes), names);
}

#[test]
fn a_session_that_was_not_ended_by_command_has_no_last_command() {
    let mut log = logged("pop3", "user5");
    log.ending = Ending::Lost;
    assert_eq!(named(&log, &SESSION)[8], "");
}

#[test]
fn a_log_that_counts_refused_logins_names_them() {
    let refused = |proto, user| {
        let mut log = logged(proto, user);
        let words = "Aborted login (auth failed, 2 attempts in 4 secs), method PLAIN";
        log.events = log
            .events
            .iter()
            .map(|event| match event.what {
                What::Login(_) => LogEvent {
                    what: Event::Note(words.to_owned()),
                    ..event.owned()
                },
                _ => event.owned(),
            })
            .collect();
        log
    };
    let told = |log: &LogSession, sizes: &[(u64, u64)]| {
        let mut exchanges = hidden(sizes);
        Hidden {
            log,
            exchanges: &mut exchanges,
        }
        .refused();
        let words = exchanges
            .into_iter()
            .map(|one| (one.request, one.code.unwrap_or_default()));
        words.collect::<Vec<_>>()
    };
    let of = |words: &[(&str, &str)]| -> Vec<(String, String)> {
        let words = words.iter();
        words
            .map(|(said, code)| ((*said).into(), (*code).into()))
            .collect()
    };
    let sizes = [
        (0, 29),
        (6, 90),
        (12, 5),
        (14, 38),
        (12, 5),
        (15, 38),
        (6, 18),
    ];
    let names = of(&[
        ("", ""),
        ("", ""),
        ("USER", "+OK"),
        ("PASS ****", "-ERR"),
        ("USER user5", "+OK"),
        ("PASS ****", "-ERR"),
        ("", ""),
    ]);
    assert_eq!(told(&refused("pop3", "user5"), &sizes), names);
    let sizes = [(0, 60), (15, 90), (22, 53), (22, 53), (11, 70)];
    let names = of(&[
        ("", ""),
        ("", ""),
        ("? LOGIN ****", "NO"),
        ("? LOGIN user3 ****", "NO"),
        ("", ""),
    ]);
    assert_eq!(told(&refused("imap", "user3"), &sizes), names);
}

#[test]
fn a_log_of_imap_names_login_and_logout() {
    let octets = |received, sent| {
        Some(LoggedOctets {
            received,
            sent,
            unread: 2,
        })
    };
    // `a1 CAPABILITY`, `a2 LOGIN user3 secret`, `a3 SELECT INBOX`, `a4 LOGOUT`.
    let sizes = [(0, 60), (15, 90), (23, 120), (17, 400), (11, 70)];
    let mut log = logged("imap", "user3");
    log.rare_mut().octets = octets(17 + 11 - 2, 120 + 400 + 70);
    let names = ["", "", "? LOGIN user3 ****", "", "? LOGOUT"];
    assert_eq!(named(&log, &sizes), names);
    // As long as AUTHENTICATE PLAIN would be.
    let mut longer = sizes;
    longer[2].0 = 38;
    assert_eq!(named(&log, &longer)[2], "");
    // Octets that agree nowhere.
    log.rare_mut().octets = octets(17, 589);
    assert_eq!(named(&log, &sizes)[2], "");
}
