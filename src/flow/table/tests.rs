use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

use proptest::prelude::*;

use super::*;
use crate::link::{SeqNo, TcpOptions};
use crate::model::Span;

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 10));
const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 25));

/// A segment: who, flags, sequence and acknowledgement numbers, data.
type Sent = (Side, u8, u32, u32, &'static [u8]);

fn datagram((side, flags, seq, ack, payload): (Side, u8, u32, u32, &[u8])) -> Datagram<'_> {
    let (source, destination, ports) = match side {
        Side::Client => (CLIENT, SERVER, (40_000, 25)),
        Side::Server => (SERVER, CLIENT, (25, 40_000)),
    };
    Datagram {
        source,
        destination,
        ttl: 64,
        id: None,
        authenticated: None,
        upper: Upper::Tcp(Segment {
            source_port: ports.0,
            destination_port: ports.1,
            seq: SeqNo(seq),
            ack: SeqNo(ack),
            flags: Flags(flags),
            window: 512,
            urgent: 0,
            options: TcpOptions::default(),
            payload,
            length: u32::try_from(payload.len()).unwrap(),
            checksum: Checksum::Good,
        }),
    }
}

#[derive(Default)]
struct Told {
    text: String,
    records: Vec<Connection>,
}

impl Told {
    fn take(&mut self, event: FlowEvent<'_>) {
        match event {
            FlowEvent::Opened(_) => {}
            FlowEvent::Stream(StreamEvent::Data { side, bytes, .. }) => {
                let mark = if side == Side::Client { '>' } else { '<' };
                self.text.push(mark);
                self.text.push_str(std::str::from_utf8(bytes).unwrap());
            }
            FlowEvent::Stream(StreamEvent::Gap { missing, .. }) => {
                write!(self.text, "[{missing}]").unwrap();
            }
            FlowEvent::Stream(StreamEvent::Fin { .. }) => self.text.push('$'),
            FlowEvent::Stream(StreamEvent::Rst { .. }) => self.text.push('!'),
            FlowEvent::Closed(record) => self.records.push(*record),
        }
    }
}

const S: u8 = 2;
const A: u8 = 16;
const SA: u8 = 18;
const FA: u8 = 17;
const R: u8 = 4;
use Side::{Client as C, Server as V};

fn run(sent: &[(i64, Sent)], limits: Limits) -> Told {
    let mut table = FlowTable::new(limits);
    let mut told = Told::default();
    for (n, (millis, sent)) in sent.iter().enumerate() {
        let at = Nanos(0) + Span::millis(*millis);
        let packet = PacketNo(n as u64 + 1);
        table.push(at, packet, &datagram(*sent), &mut |_, event| {
            told.take(event);
        });
    }
    table.finish(&mut |_, event| told.take(event));
    assert_eq!((table.open(), table.held), (0, 0));
    told
}

const DIALOGUE: [Sent; 10] = [
    (C, S, 99, 0, b""),
    (V, SA, 499, 100, b""),
    (C, A, 100, 500, b""),
    (V, A, 500, 100, b"220 hi\n"),
    (C, A, 100, 507, b"NOOP\n"),
    (V, A, 507, 105, b"250 ok\n"),
    (C, A, 105, 514, b"QUIT\n"),
    (V, FA, 514, 110, b"221\n"),
    (C, FA, 110, 519, b""),
    (V, A, 519, 111, b""),
];
const SAID: &str = "<220 hi\n>NOOP\n<250 ok\n>QUIT\n<221\n$$";

fn timed(sent: &[Sent]) -> Vec<(i64, Sent)> {
    sent.iter()
        .enumerate()
        .map(|(n, &sent)| (i64::try_from(n).unwrap(), sent))
        .collect()
}

#[test]
fn a_dialogue_comes_in_order_with_zeeks_record() {
    let told = run(&timed(&DIALOGUE), Limits::default());
    assert_eq!(told.text, SAID);
    let record = &told.records[0];
    assert_eq!(
        (record.conn_state, record.history.as_str()),
        ("SF", "ShAdDfFa")
    );
    assert_eq!(record.counts.of(C).bytes, 10);
    assert_eq!(record.handshake.ack, Some(Nanos(2_000_000)));
}

#[test]
fn data_captured_after_its_acknowledgement_still_comes_first() {
    let mut sent = DIALOGUE;
    sent.swap(3, 4);
    assert_eq!(run(&timed(&sent), Limits::default()).text, SAID);
}

#[test]
fn segments_captured_in_reverse_come_in_their_order() {
    let mut sent = DIALOGUE;
    sent[3..6].reverse();
    assert_eq!(run(&timed(&sent), Limits::default()).text, SAID);
    let mut sent = DIALOGUE;
    sent[3..].reverse();
    assert_eq!(run(&timed(&sent), Limits::default()).text, SAID);
    sent.reverse();
    assert_eq!(run(&timed(&sent), Limits::default()).text, SAID);
}

#[test]
fn octets_from_before_the_first_packet_of_a_connection_come_first() {
    let mut sent = DIALOGUE[3..].to_vec();
    sent.swap(0, 2);
    assert_eq!(run(&timed(&sent), Limits::default()).text, SAID);
}

#[test]
fn a_reset_comes_after_what_waits_before_it() {
    let sent = [
        &DIALOGUE[..3],
        &[
            (C, A, 100, 507, b"NOOP\n"),
            (C, R, 105, 0, b""),
            (V, A, 500, 100, b"220 hi\n"),
        ],
    ]
    .concat();
    let told = run(&timed(&sent), Limits::default());
    assert_eq!(told.text, "<220 hi\n>NOOP\n!");
    assert_eq!(told.records[0].conn_state, "RSTO");
}

/// The dialogue with timestamps that grow, and one more segment, whose stamp is `stamp`, at place `at`.
fn stamped(at: usize, extra: Sent, stamp: u32, later: &[Sent]) -> Told {
    let mut table = FlowTable::new(Limits::default());
    let mut told = Told::default();
    let mut sent: Vec<(Sent, u32)> = DIALOGUE.iter().copied().zip(1_000..).collect();
    sent.truncate(at);
    sent.push((extra, stamp));
    sent.extend(later.iter().copied().zip(2_000..));
    for (n, (one, stamp)) in sent.into_iter().enumerate() {
        let mut datagram = datagram(one);
        if let Upper::Tcp(segment) = &mut datagram.upper {
            segment.options.timestamps = Some((stamp, 0));
        }
        let at = Nanos(0) + Span::millis(i64::try_from(n).unwrap());
        let packet = PacketNo(n as u64 + 1);
        table.push(at, packet, &datagram, &mut |_, event| told.take(event));
    }
    table.finish(&mut |_, event| told.take(event));
    assert_eq!((table.open(), table.held), (0, 0));
    told
}

#[test]
fn what_the_receiver_drops_for_its_old_timestamp_is_no_data() {
    let old: Sent = (C, A, 105, 514, b"EVIL\n");
    let told = stamped(6, old, 7, &DIALOGUE[6..]);
    assert_eq!(told.text, SAID);
    let client = *told.records[0].counts.of(C);
    assert_eq!((client.old_timestamps, client.conflicting), (1, 0));
    // Its FIN closes nothing either.
    let told = stamped(6, (C, FA, 105, 514, b"EVIL\n"), 7, &DIALOGUE[6..7]);
    assert_eq!(told.text, "<220 hi\n>NOOP\n<250 ok\n>QUIT\n");
    assert_eq!(told.records[0].conn_state, "S1");
}

#[test]
fn what_the_receiver_acknowledges_is_data_whatever_its_timestamp() {
    let told = stamped(6, DIALOGUE[6], 7, &DIALOGUE[7..]);
    assert_eq!(told.text, SAID);
    assert_eq!(told.records[0].counts.of(C).old_timestamps, 1);
    // Once one was taken, the stamps of that side mean nothing: no wait for the next.
    let more = [(V, A, 514, 110, &b""[..]), (C, A, 110, 514, b"RSET\n")];
    let told = stamped(6, DIALOGUE[6], 7, &more);
    assert_eq!(told.text, "<220 hi\n>NOOP\n<250 ok\n>QUIT\n>RSET\n");
}

#[test]
fn data_never_captured_is_a_hole_before_what_acknowledges_it() {
    let mut sent = DIALOGUE.to_vec();
    sent.remove(5);
    let told = run(&timed(&sent), Limits::default());
    assert_eq!(told.text, "<220 hi\n>NOOP\n[7]>QUIT\n<221\n$$");
    assert_eq!(told.records[0].counts.of(V).missing, 7);
}

#[test]
fn a_connection_seen_from_its_middle_knows_its_server() {
    let told = run(&timed(&DIALOGUE[3..]), Limits::default());
    assert_eq!(told.text, SAID);
    assert_eq!(told.records[0].conversation.server.port, 25);
    // Zeek calls it whole when both ends close, seen from its beginning or not.
    assert_eq!(told.records[0].conn_state, "SF");
}

#[test]
fn a_port_used_again_is_another_connection() {
    let mut sent = timed(&DIALOGUE);
    let again = DIALOGUE.map(|(side, flags, seq, ack, data)| {
        let (s, a) = if side == C {
            (70_000, 90_000)
        } else {
            (90_000, 70_000)
        };
        (side, flags, seq + s, ack + a, data)
    });
    sent.extend(again.iter().map(|&sent| (500, sent)));
    let told = run(&sent, Limits::default());
    assert_eq!(told.records.len(), 2);
    assert_eq!(told.text, format!("{SAID}{SAID}"));
}

#[test]
fn a_refused_connection_is_rej_and_an_unanswered_one_s0() {
    let refused = [(C, S, 99, 0, &b""[..]), (V, R | A, 0, 100, b"")];
    assert_eq!(
        run(&timed(&refused), Limits::default()).records[0].conn_state,
        "REJ"
    );
    let unanswered = [
        (0, (C, S, 99, 0, &b""[..])),
        (1000, (C, S, 99, 0, b"")),
        (3000, (C, S, 99, 0, b"")),
    ];
    let told = run(&unanswered, Limits::default());
    assert_eq!(
        (told.records[0].conn_state, told.records[0].handshake.syns),
        ("S0", 3)
    );
}

#[test]
fn a_reset_far_off_the_stream_ends_nothing() {
    let mut sent = DIALOGUE.to_vec();
    sent.insert(6, (V, R, 1 << 31, 0, b""));
    let told = run(&timed(&sent), Limits::default());
    assert_eq!(told.text, SAID);
    assert_eq!(told.records[0].counts.of(V).foreign, 1);
}

/// What became of a flood of this many attempts, of which at most `limits` say are followed.
fn flooded(attempts: u32, answered: bool, limits: Limits) -> (u64, Option<PacketNo>, Overruns) {
    let mut table = FlowTable::new(limits);
    let (mut closed, mut first) = (0, None);
    let mut number = 0;
    for n in 0..attempts {
        let syn = datagram((C, S, n, 0, b""));
        let answer = answered.then(|| datagram((V, SA, 7, n + 1, b"")));
        for mut sent in [Some(syn), answer].into_iter().flatten() {
            number += 1;
            let [_, a, b, c] = n.to_be_bytes();
            let client = IpAddr::V4(Ipv4Addr::new(10, a, b, c));
            let ends = [&mut sent.source, &mut sent.destination];
            ends.into_iter()
                .filter(|ip| **ip == CLIENT)
                .for_each(|ip| *ip = client);
            let at = Nanos(i64::from(n) * 1_000);
            table.push(at, PacketNo(number), &sent, &mut |_, event| {
                if let FlowEvent::Closed(record) = event {
                    closed += 1;
                    first.get_or_insert(record.first_packet);
                }
            });
        }
        assert!(table.open() <= limits.half_open);
        // Places in line are bounded as well as those who stand there.
        assert!(table.half.places() <= 2 * limits.half_open + 64);
        assert!(table.rounds.len() <= 100);
    }
    table.finish(&mut |_, event| closed += u64::from(matches!(event, FlowEvent::Closed(_))));
    (closed, first, table.overruns())
}

#[test]
fn a_flood_of_syns_stays_within_the_bounds_and_is_counted() {
    let limits = Limits {
        half_open: 20_000,
        unanswered: 1_000,
        ..Limits::default()
    };
    for answered in [false, true] {
        let (closed, first, overruns) = flooded(300_000, answered, limits);
        assert_eq!(first, Some(PacketNo(1)), "the oldest goes first");
        assert_eq!((closed, overruns.half_open), (1_000, 280_000));
        assert_eq!((overruns.unlisted, overruns.connections), (299_000, 0));
    }
}

/// Two attempts of each client, of which the first is sent again; one server answers.
#[test]
fn attempts_that_are_not_listed_are_counted_by_server() {
    let limits = Limits {
        unanswered: 2,
        ..Limits::default()
    };
    let mut table = FlowTable::new(limits);
    let mut closed = 0;
    let mut push = |millis: i64, number: u64, sent: Datagram<'_>| {
        let at = Nanos(0) + Span::millis(millis);
        table.push(at, PacketNo(number), &sent, &mut |_, event| {
            closed += i32::from(matches!(event, FlowEvent::Closed(_)));
        });
    };
    let from = |host: u8, sent: Sent| {
        let mut sent = datagram(sent);
        for ip in [&mut sent.source, &mut sent.destination] {
            if *ip == CLIENT {
                *ip = IpAddr::V4(Ipv4Addr::new(10, 0, 0, host));
            }
        }
        sent
    };
    for host in 0..5 {
        push(host.into(), host.into(), from(host, (C, S, 9, 0, b"")));
    }
    // The fourth is sent again, the fifth answered.
    push(1003, 5, from(3, (C, S, 9, 0, b"")));
    push(1004, 6, from(4, (V, SA, 7, 10, b"")));
    // Of these nothing can be said: the capture ends too soon after them.
    push(1500, 7, from(5, (C, S, 9, 0, b"")));
    push(2900, 8, from(6, (C, S, 9, 0, b"")));
    push(3500, 9, from(7, (C, A, 9, 9, b"")));
    table.finish(&mut |_, event| closed += i32::from(matches!(event, FlowEvent::Closed(_))));
    assert_eq!((closed, table.overruns().unlisted), (3, 5));
    let server = Endpoint {
        ip: SERVER,
        port: 25,
    };
    let expected = Unlisted {
        server,
        attempts: 2,
        syns: 3,
        first: Nanos(2_000_000),
        last: Nanos(3_000_000),
        waited: Span::SECOND,
        packet: PacketNo(2),
    };
    assert_eq!(table.unlisted(), [expected]);
}

#[test]
fn an_attempt_given_up_before_it_could_be_answered_is_told_as_partial() {
    let limits = Limits {
        half_open: 1,
        ..Limits::default()
    };
    for (millis, history) in [(2999, "SX"), (3000, "S")] {
        let mut next = DIALOGUE[0];
        next.2 = 7;
        let mut table = FlowTable::new(limits);
        let mut first = None;
        for (number, (at, sent)) in (1..).zip([(0, DIALOGUE[0]), (millis, next)]) {
            let mut sent = datagram(sent);
            if number == 2 {
                sent.source = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 11));
            }
            let at = Nanos(0) + Span::millis(at);
            table.push(at, PacketNo(number), &sent, &mut |_, event| {
                if let FlowEvent::Closed(record) = event {
                    first = Some(record.history);
                }
            });
        }
        assert_eq!(first.as_deref(), Some(history), "{millis}");
    }
}

#[test]
fn an_attempt_that_was_answered_and_not_completed_is_told_as_it_was() {
    let sent = [
        (0, (C, S, 99, 0, &b""[..])),
        (1, (V, SA, 499, 100, b"")),
        (1000, (V, SA, 499, 100, b"")),
        (3000, (V, SA, 499, 100, b"")),
    ];
    let told = run(&sent, Limits::default());
    let record = &told.records[0];
    assert_eq!((record.conn_state, record.history.as_str()), ("S1", "Sh"));
    assert_eq!((record.handshake.syns, record.handshake.syn_acks), (1, 3));
    assert_eq!(
        (record.start, record.end),
        (Nanos(0), Nanos(0) + Span::seconds(3))
    );
    assert_eq!(record.counts.of(V).packets, 3);
    assert_eq!(record.handshake.syn_ack, Some(Nanos(0) + Span::millis(1)));
}

#[test]
fn a_syn_sent_again_is_one_connection_whatever_comes_after() {
    let mut sent = vec![(0, DIALOGUE[0]), (1000, DIALOGUE[0]), (3000, DIALOGUE[0])];
    sent.extend(DIALOGUE[1..].iter().map(|&sent| (3100, sent)));
    let told = run(&sent, Limits::default());
    assert_eq!((told.records.len(), told.text.as_str()), (1, SAID));
    let record = &told.records[0];
    assert_eq!(
        (record.handshake.syns, record.history.as_str()),
        (3, "ShAdDfFa")
    );
    assert_eq!((record.start, record.first_packet), (Nanos(0), PacketNo(1)));
    assert_eq!(record.counts.of(C).packets, 7);
}

/// The dialogue with each packet twice, the second time as `number` says; how often something was captured again and sent again.
fn twice(number: fn(u16) -> u16) -> (String, u32, [u64; 2]) {
    let mut table = FlowTable::new(Limits::default());
    let mut told = Told::default();
    for (n, sent) in (0u16..).zip(DIALOGUE) {
        for id in [2 * n + 1, number(2 * n + 1)] {
            let mut datagram = datagram(sent);
            datagram.id = Some(id);
            let at = Nanos(0) + Span::millis(i64::from(n) * 30 + i64::from(id % 2));
            table.push(at, PacketNo(1), &datagram, &mut |_, event| told.take(event));
        }
    }
    table.finish(&mut |_, event| told.take(event));
    let record = &told.records[0];
    let counts = [C, V].map(|side| *record.counts.of(side));
    (
        told.text.clone(),
        record.handshake.syns,
        [
            counts.iter().map(|one| one.copies).sum(),
            counts.iter().map(|one| one.retransmissions).sum(),
        ],
    )
}

#[test]
fn what_was_captured_twice_was_not_sent_twice() {
    assert_eq!(twice(|id| id), (SAID.to_owned(), 1, [5, 0]));
    assert_eq!(twice(|id| id + 1), (SAID.to_owned(), 1, [0, 5]));
}

#[test]
fn an_answer_captured_before_its_syn_belongs_to_it() {
    let mut sent = DIALOGUE.to_vec();
    sent.swap(0, 1);
    let told = run(&timed(&sent), Limits::default());
    assert_eq!((told.records.len(), told.text.as_str()), (1, SAID));
    assert_eq!(told.records[0].conversation.server.port, 25);
    assert_eq!(told.records[0].conn_state, "SF");
}

/// The first SYN of a client, quoted by an error that comes before or after it.
fn blamed(error_first: bool) -> usize {
    let mut table = FlowTable::new(Limits::default());
    let mut told = Told::default();
    let quote = Quote {
        reason: crate::model::IcmpReason::HostUnreachable,
        source: Endpoint {
            ip: CLIENT,
            port: 40_000,
        },
        destination: Endpoint {
            ip: SERVER,
            port: 25,
        },
        transport: Transport::Tcp,
    };
    let error = IcmpError {
        at: Nanos(5),
        packet: PacketNo(2),
        by: SERVER,
        reason: quote.reason,
    };
    let mut steps = [true, false];
    if error_first {
        steps.reverse();
    }
    for syn in steps {
        if syn {
            let syn = datagram(DIALOGUE[0]);
            table.push(Nanos(9), PacketNo(1), &syn, &mut |_, event| {
                told.take(event);
            });
        } else {
            table.quoted(&quote, error, &mut |_, event| told.take(event));
        }
    }
    assert_eq!(table.unclaimed(), 0);
    table.finish(&mut |_, event| told.take(event));
    assert_eq!(told.records[0].conn_state, "S0");
    told.records[0].icmp_errors.len()
}

#[test]
fn an_error_is_tied_to_its_connection_also_when_it_is_captured_first() {
    assert_eq!((blamed(false), blamed(true)), (1, 1));
}

/// The record of segments a millisecond apart, each with a window and an urgent pointer.
fn record(sent: &[(Sent, u16, u16)]) -> (String, Connection) {
    let mut table = FlowTable::new(Limits::default());
    let mut told = Told::default();
    for (n, (one, window, urgent)) in sent.iter().enumerate() {
        let mut datagram = datagram(*one);
        if let Upper::Tcp(segment) = &mut datagram.upper {
            segment.window = *window;
            segment.urgent = *urgent;
        }
        let at = Nanos(0) + Span::millis(i64::try_from(n).unwrap());
        table.push(at, PacketNo(n as u64 + 1), &datagram, &mut |_, event| {
            told.take(event);
        });
    }
    table.finish(&mut |_, event| told.take(event));
    assert_eq!((told.records.len(), table.held), (1, 0));
    (told.text, told.records.remove(0))
}

fn usual(sent: &[Sent]) -> Vec<(Sent, u16, u16)> {
    sent.iter().map(|&one| (one, 512, 0)).collect()
}

/// The dialogue up to its first reply, and more.
fn begun(more: &[Sent]) -> Vec<(Sent, u16, u16)> {
    usual(&[&DIALOGUE[..6], more].concat())
}

#[test]
fn a_reset_within_the_window_ends_and_one_outside_it_does_not() {
    let (text, inside) = record(&begun(&[(V, R, 514, 0, b"")]));
    assert_eq!(
        (text.as_str(), inside.conn_state),
        ("<220 hi\n>NOOP\n<250 ok\n!", "RSTR")
    );
    assert_eq!(inside.counts.of(V).stray_resets, 0);
    // The client's window is of 512 octets from 507 on, as it acknowledged no more.
    for seq in [506, 507 + 513] {
        let forged = [&[(V, R, seq, 0, &b""[..])], &DIALOGUE[6..]].concat();
        let (text, outside) = record(&begun(&forged));
        assert_eq!((text.as_str(), outside.conn_state), (SAID, "SF"), "{seq}");
        assert_eq!(outside.counts.of(V).stray_resets, 1);
    }
}

#[test]
fn of_two_answers_to_a_syn_the_one_that_the_client_acknowledges_counts() {
    // A SYN sent again has reached two servers behind one address: the other's answer comes late, or first.
    let other: Sent = (V, SA, 70_000_499, 100, b"");
    for at in [1, 2, 3] {
        let mut sent = DIALOGUE.to_vec();
        sent.insert(at, other);
        assert_eq!(run(&timed(&sent), Limits::default()).text, SAID, "{at}");
    }
}

#[test]
fn data_on_the_syn_is_data() {
    let (text, fast) = record(&usual(&[
        (C, S, 99, 0, b"EHLO x\n"),
        (V, SA, 499, 107, b""),
        (V, A, 500, 107, b"250\n"),
        (C, A, 107, 504, b""),
    ]));
    assert_eq!(text, ">EHLO x\n<250\n");
    assert_eq!(fast.handshake.syn_octets, 7);
    // A server that does not take it has it sent again.
    let (text, refused) = record(&usual(&[
        (C, S, 99, 0, b"EHLO x\n"),
        (V, SA, 499, 100, b""),
        (C, A, 100, 500, b"EHLO x\n"),
        (V, A, 500, 107, b"250\n"),
    ]));
    assert_eq!(text, ">EHLO x\n<250\n");
    assert_eq!(refused.counts.of(C).bytes, 7);
}

#[test]
fn both_sides_may_open_at_once() {
    let (text, both) = record(&usual(&[
        (C, S, 99, 0, b""),
        (V, S, 499, 0, b""),
        (C, SA, 99, 500, b""),
        (V, SA, 499, 100, b""),
        (C, A, 100, 500, b"hello"),
        (V, A, 500, 105, b"there"),
    ]));
    assert_eq!(text, ">hello<there");
    assert!(both.handshake.simultaneous);
    assert_eq!((both.conn_state, both.counts.of(V).missing), ("S1", 0));
}

#[test]
fn a_side_that_has_closed_still_hears_the_other() {
    let half = [
        (C, FA, 105, 514, &b""[..]),
        (V, A, 514, 106, b"more"),
        (C, A, 106, 518, b""),
        (V, A, 518, 106, b" and more"),
    ];
    let (text, open) = record(&begun(&half));
    assert!(text.ends_with("$<more< and more"), "{text}");
    assert_eq!(open.conn_state, "S2");
    let closed = [&half[..], &[(V, FA, 527, 106, b""), (C, A, 106, 528, b"")]].concat();
    assert_eq!(record(&begun(&closed)).1.conn_state, "SF");
}

#[test]
fn a_keep_alive_is_no_data_and_no_retransmission() {
    for octet in [&b""[..], b"\0"] {
        let (text, idle) = record(&begun(&[
            (C, A, 105, 514, b""),
            (V, A, 513, 105, octet),
            (C, A, 105, 514, b""),
        ]));
        assert_eq!(text, "<220 hi\n>NOOP\n<250 ok\n");
        let [client, server] = idle.counts.0;
        assert_eq!((server.keep_alives, client.keep_alive_answers), (1, 1));
        assert_eq!((server.retransmissions, server.conflicting), (0, 0));
    }
}

#[test]
fn what_is_sent_again_with_more_behind_it_is_sent_again_once() {
    let (text, record) = record(&begun(&[
        (C, A, 105, 514, b"MAIL"),
        (C, A, 105, 514, b"MAIL FROM"),
        (C, A, 114, 514, b":<>\n"),
        (C, A, 110, 514, b"FROM:<>\n"),
    ]));
    assert!(text.ends_with("<250 ok\n>MAIL> FROM>:<>\n"), "{text}");
    let sent = record.counts.of(C);
    assert_eq!((sent.retransmissions, sent.bytes), (2, 18));
}

#[test]
fn an_octet_that_the_capture_lost_is_read_from_what_looks_like_a_keep_alive() {
    let (text, one) = record(&usual(&[
        DIALOGUE[0],
        DIALOGUE[1],
        DIALOGUE[2],
        // Captured before the octet that it acknowledges.
        (V, A, 500, 101, b"ok"),
        (C, A, 100, 500, b"x"),
    ]));
    assert_eq!((text.as_str(), one.counts.of(C).bytes), (">x<ok", 1));
}

#[test]
fn a_closed_window_is_told_with_its_probes() {
    let mut sent = begun(&[(C, A, 105, 514, b"")]);
    sent.extend([
        ((V, A, 514, 105, &b""[..]), 0, 0),
        ((C, A, 105, 514, b"Q"), 512, 0),
        ((V, A, 514, 105, b""), 0, 0),
        ((V, A, 514, 105, b""), 512, 0),
        ((C, A, 105, 514, b"QUIT\n"), 512, 0),
        ((V, A, 514, 110, b""), 512, 0),
    ]);
    let (text, shut) = record(&sent);
    assert!(text.ends_with(">Q>UIT\n"), "{text}");
    let [client, server] = shut.counts.0;
    assert_eq!((server.zero_windows, client.window_probes), (2, 1));
    assert_eq!(server.window_closed, Span::millis(3));
    assert!(shut.history.contains('w'), "{}", shut.history);
}

#[test]
fn urgent_data_stay_in_the_stream_and_are_counted() {
    const URGENT: u8 = A | 0x20;
    let mut sent = begun(&[]);
    sent.push(((C, URGENT, 105, 514, b"AB!"), 512, 3));
    let (text, told) = record(&sent);
    assert!(text.ends_with(">AB!"), "{text}");
    assert_eq!(told.counts.of(C).urgent, 1);
}

#[test]
fn other_octets_for_the_same_place_are_told_with_both_versions() {
    let (text, told) = record(&begun(&[
        (C, A, 105, 514, b"QUIT\n"),
        (C, A, 105, 514, b"EVIL\n"),
        (V, A, 514, 110, b""),
    ]));
    assert!(text.ends_with(">QUIT\n"), "the first copy counts: {text}");
    let [overlap] = &told.overlaps[..] else {
        panic!("{:?}", told.overlaps);
    };
    assert_eq!(
        (overlap.kept, overlap.other, overlap.octets),
        (PacketNo(7), PacketNo(8), 5)
    );
    let versions = overlap.versions.as_ref().unwrap();
    assert_eq!(
        (&*versions.kept, &*versions.other),
        (&b"QUIT\n"[..], &b"EVIL\n"[..])
    );
    // So it is while both wait for what comes before them.
    let (_, told) = record(&begun(&[
        (C, A, 110, 514, b"ONE"),
        (C, A, 110, 514, b"TWO"),
        (C, A, 105, 514, b"QUIT\n"),
    ]));
    let versions = told.overlaps[0].versions.as_ref().unwrap();
    assert_eq!(
        (&*versions.kept, &*versions.other),
        (&b"ONE"[..], &b"TWO"[..])
    );
}

#[test]
fn what_is_beyond_a_bound_is_a_declared_hole_and_counted() {
    let limits = Limits {
        held_per_direction: 200,
        ..Limits::default()
    };
    let mut sent = DIALOGUE[..6].to_vec();
    for at in [200, 300, 400] {
        sent.push((C, A, at, 514, b"0123456789"));
    }
    let mut table = FlowTable::new(limits);
    let mut told = Told::default();
    for (n, one) in sent.iter().enumerate() {
        let packet = PacketNo(n as u64 + 1);
        table.push(Nanos(0), packet, &datagram(*one), &mut |_, event| {
            told.take(event);
        });
    }
    assert_eq!(table.overruns().held, 1);
    assert!(
        told.text.ends_with("[95]>0123456789[90]>0123456789"),
        "{}",
        told.text
    );
    table.finish(&mut |_, event| told.take(event));
    assert!(
        told.records[0].history.contains('X'),
        "{}",
        told.records[0].history
    );
}

proptest! {
    /// Neighbours swapped, packets doubled: the same dialogue in the same order.
    #[test]
    fn small_disorder_and_duplicates_change_nothing(swaps in proptest::collection::vec(3usize..8, 0..3), doubles in proptest::collection::vec(3usize..10, 0..4)) {
        let mut sent = DIALOGUE.to_vec();
        for at in doubles {
            sent.insert(at, sent[at]);
        }
        for at in swaps {
            sent.swap(at, at + 1);
        }
        let told = run(&timed(&sent), Limits::default());
        prop_assert_eq!(told.text, SAID);
        prop_assert_eq!(told.records.len(), 1);
    }

    /// Any one packet lost: what is left is the dialogue with a hole. (Of a lost FIN with data the hole
    /// counts the FIN too.)
    #[test]
    fn a_lost_packet_leaves_only_its_own_hole(lost in 3usize..7) {
        let mut sent = DIALOGUE.to_vec();
        let missing = sent.remove(lost).4.len();
        let told = run(&timed(&sent), Limits::default());
        let counts = told.records[0].counts;
        prop_assert_eq!(counts.of(C).missing + counts.of(V).missing, missing as u64);
        let heard = told.text.bytes().filter(u8::is_ascii_lowercase).count();
        prop_assert!(heard > 0, "the rest is still heard");
    }
}
