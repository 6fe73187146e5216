//! Rows of a web server's log that tells no sizes, inside TLS: what else was answered to the same request tells two of one moment apart.

use bothends::align::{Standing, align};
use bothends::model::{
    Burst, Conversation, Encryption, Endpoint, Event, LineRef, LogCommand, LogEvent, LogId,
    LogSession, LogSource, LogTime, Nanos, PacketNo, Proto, Side, Span, Stamp, Threads, Transport,
    Verb, WireSession,
};

const ORIGIN: Nanos = Nanos::new(1_795_490_000, 0);
/// Pages by name, and the octets of their replies.
const PAGES: [(&str, u64); 2] = [("/file", 13_754), ("/other", 308)];

/// One request, answered with the page of this number.
fn wire(number: u16, start: Nanos, page: usize) -> WireSession {
    let end = |ip: [u8; 4], port| Endpoint {
        ip: ip.into(),
        port,
    };
    let conversation = Conversation {
        client: end([192, 0, 2, 10], 40_000 + number),
        server: end([198, 51, 100, 26], 443),
        transport: Transport::Tcp,
    };
    let mut wire = WireSession::new(conversation, Proto("http"), start);
    (wire.encryption, wire.history) = (Encryption::Implicit, "ShADadFf".into());
    let asked = start + Span::millis(3);
    let halves = [
        (Side::Client, asked, 67),
        (Side::Server, asked + Span::MILLISECOND, PAGES[page].1),
    ];
    wire.bursts = halves
        .map(|(side, at, plaintext)| Burst {
            side,
            start: at,
            end: at,
            packet: PacketNo(1),
            records: 1,
            plaintext,
            parts: Vec::new(),
            damaged: false,
        })
        .into();
    wire.end = asked + Span::millis(2);
    wire
}

/// The row of a request for the page of this number.
fn row(line: u64, written: Nanos, page: usize) -> LogSession {
    let mut log = LogSession::new(LogId(0), Proto("http"));
    log.peer = Some([192, 0, 2, 10].into());
    let command = LogCommand {
        verb: Verb::new("GET"),
        request: format!("GET {}?q={line}", PAGES[page].0),
        code: Some("200".into()),
        ..LogCommand::default()
    };
    log.events.push(LogEvent {
        line: LineRef {
            log: LogId(0),
            line,
        },
        stamp: Stamp {
            at: LogTime(written.0.div_euclid(1_000_000_000) * 1_000_000_000),
            resolution: Span::SECOND,
        },
        what: Event::command(command),
    });
    log
}

#[test]
fn two_rows_in_the_wrong_order_are_told_apart_by_what_their_pages_are_answered_with() {
    let (mut wires, mut logs) = (Vec::new(), Vec::new());
    let mut line = 0;
    let mut write = |at, page| {
        line += 1;
        logs.push(row(line, at, page));
    };
    for number in 0u16..60 {
        let start = ORIGIN + Span::millis(1_370 * i64::from(number));
        let page = usize::from(number % 2);
        wires.push(wire(number, start, page));
        write(start + Span::millis(5), page);
    }
    let start = ORIGIN + Span::millis(1_370 * 60);
    let twins = [(60, start, 0), (61, start + Span::millis(4), 1)];
    wires.extend(twins.map(|(number, start, page)| wire(number, start, page)));
    // The second was written first.
    write(start + Span::millis(9), 1);
    write(start + Span::millis(9), 0);
    let source = LogSource::new(LogId(0), "made.log", "made");
    let alignment = align(&wires, &[source], &mut logs, ORIGIN, Threads::default());
    for (wire, row) in [(60, 61), (61, 60)] {
        let joined = &alignment.sessions[wire];
        assert_eq!(joined.verdict.standing, Standing::Matched, "{joined:?}");
        assert_eq!(joined.logs.as_slice(), [row], "{:?}", joined.verdict);
    }
}
