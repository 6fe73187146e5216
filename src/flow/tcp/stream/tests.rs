use proptest::prelude::*;

use super::*;

/// A tally for tests, whose counts are looked at afterwards.
fn tally<'t>(counts: &'t mut Direction, overlaps: &'t mut Vec<Overlap>) -> Tally<'t> {
    Tally {
        counts,
        overlaps,
        round_trip: Span::millis(3),
    }
}

/// What comes out, with holes as dots and the end as `$`.
fn run(first: u32, segments: &[(u32, &[u8])], fin: Option<u32>) -> (String, Direction) {
    let mut stream = Stream::new(Side::Client);
    let mut counts = Direction::default();
    let mut text = String::new();
    let mut out = |event: StreamEvent<'_>| match event {
        StreamEvent::Data { bytes, .. } => text.push_str(&String::from_utf8_lossy(bytes)),
        StreamEvent::Gap { missing, .. } => {
            text.push_str(&".".repeat(usize::try_from(missing).unwrap()));
        }
        StreamEvent::Fin { .. } => text.push('$'),
        StreamEvent::Rst { .. } => text.push('!'),
    };
    stream.begin(SeqNo(first));
    for (at, bytes) in segments {
        let octets = Octets {
            at: Nanos(0),
            packet: PacketNo(1),
            bytes,
            cut: 0,
        };
        stream.take(
            SeqNo(first.wrapping_add(*at)),
            octets,
            &mut tally(&mut counts, &mut Vec::new()),
            &mut out,
        );
    }
    if let Some(fin) = fin {
        stream.fin(SeqNo(first.wrapping_add(fin)), Nanos(0), &mut out);
    }
    let mut overlaps = Vec::new();
    stream.give_up_all(Nanos(0), &mut tally(&mut counts, &mut overlaps), &mut out);
    assert_eq!(stream.held_octets(), 0);
    (text, counts)
}

#[test]
fn order_is_restored_across_the_wrap_of_sequence_numbers() {
    let (text, counts) = run(
        u32::MAX - 3,
        &[(0, b"ab"), (4, b"ef"), (2, b"cd"), (6, b"gh")],
        Some(8),
    );
    assert_eq!(text, "abcdefgh$");
    assert_eq!((counts.out_of_order, counts.gaps, counts.bytes), (1, 0, 8));
}

#[test]
fn the_first_copy_of_an_octet_counts_and_others_are_told() {
    let (text, counts) = run(9, &[(2, b"CD"), (1, b"bXXe"), (0, b"a")], None);
    assert_eq!(text, "abCDe");
    assert_eq!(counts.conflicting, 2);
}

#[test]
fn a_hole_is_declared_and_the_rest_follows() {
    let (text, counts) = run(9, &[(0, b"ab"), (5, b"fg")], Some(7));
    assert_eq!(text, "ab...fg$");
    assert_eq!((counts.gaps, counts.missing), (1, 3));
}

#[test]
fn octets_that_the_snap_length_cut_are_a_hole_at_once() {
    let mut stream = Stream::new(Side::Server);
    let mut counts = Direction::default();
    let mut events = Vec::new();
    let mut out = |event: StreamEvent<'_>| {
        events.push(match event {
            StreamEvent::Data { bytes, .. } => format!("data {}", bytes.len()),
            StreamEvent::Gap { missing, .. } => format!("gap {missing}"),
            other => format!("{other:?}"),
        });
    };
    let octets = |bytes, cut| Octets {
        at: Nanos(0),
        packet: PacketNo(1),
        bytes,
        cut,
    };
    let mut overlaps = Vec::new();
    let mut tally = tally(&mut counts, &mut overlaps);
    stream.take(SeqNo(10), octets(b"abcd", 6), &mut tally, &mut out);
    stream.take(SeqNo(20), octets(b"xy", 0), &mut tally, &mut out);
    assert_eq!(events, ["data 4", "gap 6", "data 2"]);
}

#[test]
fn a_number_acknowledged_by_who_has_closed_is_the_fin_and_else_an_octet() {
    for (one_more, told) in [(OneMore::Fin, "$"), (OneMore::Octet, ".")] {
        let mut stream = Stream::new(Side::Client);
        let (mut counts, mut overlaps) = (Direction::default(), Vec::new());
        let mut text = String::new();
        let mut tally = tally(&mut counts, &mut overlaps);
        stream.begin(SeqNo(5));
        stream.give_up((SeqNo(6), one_more), Nanos(0), &mut tally, &mut |event| {
            text.push(match event {
                StreamEvent::Fin { .. } => '$',
                _ => '.',
            });
        });
        assert_eq!((text.as_str(), counts.gaps == 0), (told, told == "$"));
    }
}

#[test]
fn a_hole_before_the_fin_does_not_count_the_fin() {
    let mut stream = Stream::new(Side::Server);
    let (mut counts, mut overlaps) = (Direction::default(), Vec::new());
    let mut events = Vec::new();
    let mut out = |event: StreamEvent<'_>| events.push(format!("{event:?}"));
    let mut tally = tally(&mut counts, &mut overlaps);
    stream.begin(SeqNo(100));
    stream.fin(SeqNo(3002), Nanos(0), &mut out);
    let acknowledged = (SeqNo(3003), OneMore::Octet);
    stream.give_up(acknowledged, Nanos(0), &mut tally, &mut out);
    assert!(stream.ended() && stream.ahead(SeqNo(3003)) == Some(0));
    assert_eq!((counts.missing, counts.lost_in_capture), (2902, 2902));
    assert_eq!(events.len(), 2, "a hole and the end");
}

#[test]
fn octets_behind_the_fin_are_passed_on_and_end() {
    let (text, counts) = run(9, &[(0, b"ab"), (7, b"xy")], Some(4));
    assert_eq!(text, "ab..$..xy");
    assert_eq!((counts.bytes, counts.missing), (4, 4));
}

#[test]
fn a_segment_from_another_age_is_foreign() {
    let mut stream = Stream::new(Side::Client);
    stream.begin(SeqNo(0));
    let octets = Octets {
        at: Nanos(0),
        packet: PacketNo(1),
        bytes: b"x",
        cut: 0,
    };
    let taken = stream.take(
        SeqNo(1 << 31),
        octets,
        &mut tally(&mut Direction::default(), &mut Vec::new()),
        &mut |_| panic!("nothing"),
    );
    assert_eq!(taken, Taken::Foreign);
}

prop_compose! {
    /// A stream cut into segments, some repeated with other borders, in any order.
    fn segments()(length in 1usize..120)(
        cuts in proptest::collection::vec((0..length, 1..=length), 1..30),
        length in Just(length),
    ) -> (usize, Vec<(usize, usize)>) {
        (length, cuts.into_iter().map(|(from, size)| (from, (from + size).min(length))).collect())
    }
}

proptest! {
    #[test]
    fn any_segments_in_any_order_give_the_stream_or_a_stated_hole((length, cuts) in segments(), first in any::<u32>()) {
        let whole: Vec<u8> = (0..length).map(|n| b'a' + u8::try_from(n % 26).unwrap()).collect();
        let parts: Vec<(u32, &[u8])> = cuts.iter().map(|&(from, to)| (u32::try_from(from).unwrap(), &whole[from..to])).collect();
        let (text, counts) = run(first, &parts, Some(u32::try_from(length).unwrap()));
        let covered = |n: usize| cuts.iter().any(|&(from, to)| (from..to).contains(&n));
        let expected: String = (0..length).map(|n| if covered(n) { char::from(whole[n]) } else { '.' }).chain(['$']).collect();
        prop_assert_eq!(text, expected);
        prop_assert_eq!(counts.conflicting, 0);
    }
}
