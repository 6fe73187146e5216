//! What RFC 9293 allows and few do, and what looks like it.

use super::*;

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
