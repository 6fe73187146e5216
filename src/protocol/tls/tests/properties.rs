//! What holds for any bytes and any segments.

use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn any_segments_of_the_same_bytes_give_the_same(
        lengths in prop::collection::vec(1..700usize, 1..40),
        old in any::<bool>(),
    ) {
        let script = if old { script_12() } else { script_13() };
        let mut lengths = lengths.into_iter().cycle();
        let out = play(&script, || (lengths.next().unwrap(), 0));
        let expected = whole(&script);
        prop_assert_eq!(out.tls, expected.tls);
        prop_assert_eq!(out.bursts, expected.bursts);
        prop_assert_eq!(out.notes, expected.notes);
    }

    #[test]
    fn any_segments_around_the_same_hole_give_the_same(
        lengths in prop::collection::vec(1..700usize, 1..40),
        at in 0..400usize,
        missing in 1..2_000usize,
    ) {
        // The hole is cut out of the server's last words, wherever the segments end.
        let script = script_13();
        let (_, reply) = &script[7];
        let before = &reply[..at];
        let after = &reply[at + missing..];
        let play = |lengths: &[usize]| {
            let mut tls = Tls::new(Opener::Server);
            let mut out = Dialogue::default();
            for (time, (side, bytes)) in (1..).zip(&script[..7]) {
                tls.event(event(*side, time, bytes), &mut out);
            }
            let mut lengths = lengths.iter().cycle();
            for (part, is_before) in [(before, true), (after, false)] {
                let mut rest = part;
                while !rest.is_empty() {
                    let (segment, next) = rest.split_at((*lengths.next().unwrap()).min(rest.len()));
                    tls.event(event(S, 8, segment), &mut out);
                    rest = next;
                }
                if is_before {
                    let missing = missing as u64;
                    tls.event(StreamEvent::Gap { side: S, at: Nanos(8), missing }, &mut out);
                }
            }
            tls.finish(&mut out);
            out
        };
        let (out, expected) = (play(&lengths), play(&[usize::MAX]));
        prop_assert!(expected.bursts.last().unwrap().damaged);
        prop_assert_eq!(out.bursts, expected.bursts);
    }

    #[test]
    fn any_bytes_are_borne(
        pieces in prop::collection::vec(
            (any::<bool>(), 0..5u8, prop::collection::vec(any::<u8>(), 0..300)),
            0..30,
        ),
        hello in any::<bool>(),
    ) {
        let mut tls = Tls::default();
        let mut out = Dialogue::default();
        if hello {
            tls.event(event(C, 1, &client_hello(1)), &mut out);
            tls.event(event(S, 2, &server_hello_13()), &mut out);
        }
        let mut sent = 0;
        for (client, form, mut bytes) in pieces {
            let side = if client { C } else { S };
            if form > 0 && bytes.len() > 5 {
                // Random bytes under a header that fits.
                let length = u16::try_from(bytes.len() - 5).unwrap();
                bytes[..3].copy_from_slice(&[19 + form, 3, 3]);
                bytes[3..5].copy_from_slice(&length.to_be_bytes());
            }
            sent += bytes.len();
            tls.event(event(side, 3, &bytes), &mut out);
            if form == 2 {
                tls.event(StreamEvent::Gap { side, at: Nanos(3), missing: 7 }, &mut out);
            }
            prop_assert!(tls.held() <= 4 * (18_437 + 65_540));
            prop_assert!(tls.held() <= 2 * sent + 600);
        }
        tls.finish(&mut out);
        prop_assert_eq!(tls.held(), 0);
        prop_assert!(out.bursts.iter().all(|burst| burst.start <= burst.end));
    }
}
