use super::*;

fn piece(n: u64, bytes: &[u8]) -> Piece<'_> {
    Piece {
        at: Nanos(i64::try_from(n).unwrap()),
        packet: PacketNo(n),
        bytes,
    }
}

fn texts(reader: &mut Reader, mut piece: Piece<'_>) -> Vec<String> {
    std::iter::from_fn(|| reader.next(&mut piece))
        .map(|unit| match unit {
            Unit::Line(line) => String::from_utf8(line.text.into_owned()).unwrap(),
            Unit::Body(body) => format!("<{}>", body.octets),
        })
        .collect()
}

#[test]
fn a_line_in_one_segment_is_borrowed_and_one_across_two_is_timed_at_both() {
    let mut reader = Reader::default();
    let mut one = piece(1, b"a b\r\nc");
    let Some(Unit::Line(line)) = reader.next(&mut one) else {
        panic!()
    };
    assert!(matches!(line.text, Cow::Borrowed(b"a b")));
    assert_eq!((line.size, line.ending), (5, Ending::CrLf));
    assert_eq!(reader.next(&mut one), None);
    assert!(reader.in_mid_line());
    let Some(Unit::Line(line)) = reader.next(&mut piece(2, b"d\n")) else {
        panic!()
    };
    assert_eq!(line.text.as_ref(), b"cd");
    assert_eq!(
        (line.first, line.last, line.packet),
        (Nanos(1), Nanos(2), PacketNo(1))
    );
    assert_eq!((line.size, line.ending), (3, Ending::BareLf));
}

#[test]
fn an_endless_line_is_counted_and_cut() {
    let mut reader = Reader::default();
    let part = vec![b'x'; MAX_LINE / 2 + 1];
    for n in 0..10 {
        assert_eq!(reader.next(&mut piece(n, &part)), None);
    }
    let Some(Unit::Line(line)) = reader.next(&mut piece(11, b"\r\n")) else {
        panic!()
    };
    assert_eq!(line.text.len(), MAX_LINE);
    assert_eq!(line.size, 10 * part.len() as u64 + 2);
    assert_eq!(texts(&mut reader, piece(12, b"next\r\n")), ["next"]);
}

#[test]
fn a_hole_in_counted_octets_costs_nothing_else() {
    let mut reader = Reader::default();
    reader.expect(Mode::Octets(10));
    assert_eq!(reader.next(&mut piece(1, b"1234")), None);
    assert_eq!(reader.gap(Nanos(2), 4), Struck::Body);
    assert_eq!(
        texts(&mut reader, piece(3, b"90QUIT\r\n")),
        ["<10>", "QUIT"]
    );
    reader.expect(Mode::Octets(10));
    assert!(matches!(
        reader.gap(Nanos(4), 11),
        Struck::BodyEndAndLines(Body {
            octets: 10,
            missing: 10,
            ..
        })
    ));
    let Some(Unit::Line(line)) = reader.next(&mut piece(5, b"IT\r\n")) else {
        panic!()
    };
    assert!(line.after_hole());
}

#[test]
fn what_is_held_is_bounded_and_comes_back_in_order() {
    let mut reader = Reader::default();
    reader.expect(Mode::Hold);
    assert_eq!(reader.next(&mut piece(1, b"one")), None);
    for n in 2..5 {
        assert_eq!(reader.next(&mut piece(n, &vec![b'x'; MAX_HELD])), None);
    }
    assert_eq!(reader.held_octets(), 3 + 3 * MAX_HELD as u64);
    let held = reader.release();
    assert!(matches!(&held[0], Held::Data(_, PacketNo(1), bytes) if bytes == b"one"));
    assert!(
        matches!(&held[1], Held::Data(_, _, bytes) if bytes.len() == MAX_HELD - 3 - 2 * HELD_COST)
    );
    assert!(matches!(held[2], Held::Gap(_, n) if n == (2 * MAX_HELD + 3 + 2 * HELD_COST) as u64));
    assert_eq!(held.len(), 3);
}
