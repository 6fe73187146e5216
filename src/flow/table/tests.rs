mod attempts;
mod peculiar;

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
        station: None,
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
