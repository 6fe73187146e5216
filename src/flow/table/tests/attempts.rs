//! Attempts to connect: floods, and what became of each.

use super::*;

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

/// As two interfaces of one machine see them, a millisecond apart.
#[test]
fn copies_of_an_unanswered_syn_are_not_sent_again() {
    let sent: Vec<_> = [0, 1, 1000, 1001, 3000, 3001]
        .map(|millis| (millis, DIALOGUE[0]))
        .to_vec();
    let told = run(&sent, Limits::default());
    let record = &told.records[0];
    assert_eq!((record.handshake.syns, record.counts.of(C).packets), (3, 6));
    let mut answered = sent.clone();
    answered.extend(DIALOGUE[1..].iter().map(|&sent| (3100, sent)));
    let told = run(&answered, Limits::default());
    assert_eq!((told.records.len(), told.text.as_str()), (1, SAID));
    let record = &told.records[0];
    assert_eq!(
        (record.handshake.syns, record.counts.of(C).packets),
        (3, 10)
    );
}
