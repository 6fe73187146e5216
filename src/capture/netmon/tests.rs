use proptest::prelude::*;

use super::super::LinkType;
use super::*;

/// 2009-03-04 05:06:07.008, frames at 0.5 s, −0.25 s and a metadata frame, of version 2.`minor`.
fn file(minor: u8) -> Vec<u8> {
    let mut bytes = b"GMBU".to_vec();
    bytes.extend([minor, 2, 1, 0]);
    for part in [2009u16, 3, 3, 4, 5, 6, 7, 8] {
        bytes.extend(part.to_le_bytes());
    }
    bytes.resize(HEADER, 0);
    let mut offsets = Vec::new();
    for (micros, data, network) in [
        (500_000i64, &b"first"[..], 1u16),
        (0, b"event", 0xffe0),
        (-250_000, b"raw", 7),
    ] {
        offsets.push(u32::try_from(bytes.len()).unwrap());
        let length = u32::try_from(data.len()).unwrap();
        bytes.extend(micros.to_le_bytes());
        bytes.extend(length.to_le_bytes());
        bytes.extend(length.to_le_bytes());
        bytes.extend(data);
        if minor >= 1 {
            bytes.extend(network.to_le_bytes());
        }
        if minor >= 2 {
            bytes.extend(0u32.to_le_bytes());
        }
        if minor >= 3 {
            let utc = start().0 / 100 + micros * 10 - 36_000_000_000;
            bytes.extend((EPOCH_1601 + utc).to_le_bytes());
            bytes.push(0);
        }
    }
    let at = u32::try_from(bytes.len()).unwrap();
    for offset in &offsets {
        bytes.extend(offset.to_le_bytes());
    }
    bytes[24..28].copy_from_slice(&at.to_le_bytes());
    bytes[28..32].copy_from_slice(&12u32.to_le_bytes());
    bytes
}

fn read(bytes: &[u8]) -> (Vec<(Record, Vec<u8>)>, CaptureReport) {
    let mut reader = NetMon::open(bytes).unwrap();
    let mut packets = Vec::new();
    while let Some(record) = reader.advance() {
        packets.push((record, reader.bytes().to_vec()));
    }
    (packets, reader.report())
}

fn start() -> Nanos {
    Nanos::new(1_236_143_167, 8_000_000)
}

#[test]
fn wall_clock_times_count_from_the_start_and_may_lie_before_it() {
    let (packets, report) = read(&file(1));
    assert_eq!(
        (packets.len(), report.skipped, report.clock),
        (2, 1, CaptureClock::Local)
    );
    assert_eq!(packets[0].0.time.since(start()).0, 500_000_000);
    assert_eq!(packets[1].0.time.since(start()).0, -250_000_000);
    assert_eq!(packets[1].0.link_type, LinkType::RAW);
    assert_eq!(packets[1].1, b"raw");
    assert!(report.damage.is_empty());
}

/// Overwrites the UTC of the frame of `length` octets that begins at `at`.
fn restamp(bytes: &mut [u8], at: usize, length: usize, utc: i64) {
    let at = at + 16 + length + 6;
    bytes[at..at + 8].copy_from_slice(&utc.to_le_bytes());
}

#[test]
fn from_2_3_on_frames_carry_utc_and_so_their_zone() {
    let mut bytes = file(3);
    let (packets, report) = read(&bytes);
    assert_eq!(report.clock, CaptureClock::Utc);
    let hour = Span::seconds(3600).0;
    assert_eq!(packets[0].0.time.0, start().0 + 500_000_000 - hour);
    assert_eq!(packets[1].0.time.0, start().0 - 250_000_000 - hour);
    assert!(report.notes[0].contains("at +01:00 of UTC"));
    // The clock is set to summer time between the two.
    let last = HEADER + 16 + 5 + 15 + 16 + 5 + 15;
    let summer = EPOCH_1601 + start().0 / 100 - 2 * 36_000_000_000;
    restamp(&mut bytes, last, 3, summer);
    let (packets, report) = read(&bytes);
    assert_eq!(packets[1].0.time.0, start().0 - 2 * hour);
    assert!(report.notes[0].contains("+01:00, +02:00"));
}

#[test]
fn a_frame_without_utc_takes_the_zone_of_another_and_a_file_without_keeps_its_wall_clock() {
    let last = HEADER + 16 + 5 + 15 + 16 + 5 + 15;
    for nonsense in [0, 1, EPOCH_1601, i64::MIN, i64::MAX] {
        let mut bytes = file(3);
        restamp(&mut bytes, HEADER, 5, nonsense);
        let (packets, report) = read(&bytes);
        let hour = Span::seconds(3600).0;
        assert_eq!(packets[0].0.time.0, start().0 + 500_000_000 - hour);
        assert_eq!(report.clock, CaptureClock::Utc);
        assert!(report.notes[1].ends_with("before: 1"));
        restamp(&mut bytes, HEADER + 16 + 5 + 15, 5, nonsense);
        restamp(&mut bytes, last, 3, nonsense);
        let (packets, report) = read(&bytes);
        assert_eq!(packets[0].0.time.0, start().0 + 500_000_000);
        assert_eq!(report.clock, CaptureClock::Local);
        assert!(report.notes.is_empty());
    }
}

#[test]
fn every_media_type_has_its_link_type_or_is_no_packet() {
    let told = [0, 1, 2, 3, 4, 6, 7, 8, 9, 0xe000 + 113, 0xffdf].map(link_type);
    let numbers = told.map(|link_type| link_type.unwrap().0);
    assert_eq!(numbers, [1, 1, 6, 10, 100, 105, 101, 101, 101, 113, 0x1fdf]);
    for event in [0xffe0, 0xfffb, 0xfffc, 0xfffd, 0xfffe, 0xffff] {
        assert_eq!(link_type(event), None);
    }
}

/// A row of the process table: IPv4, 192.0.2.1 port 1000 to 192.0.2.2 port 25.
fn row(path: &str, id: u32) -> Vec<u8> {
    let path: Vec<u8> = path
        .encode_utf16()
        .chain([0])
        .flat_map(u16::to_le_bytes)
        .collect();
    let mut bytes = u32::try_from(path.len()).unwrap().to_le_bytes().to_vec();
    bytes.extend(path);
    bytes.extend(4u32.to_le_bytes());
    bytes.extend(b"icon");
    bytes.extend(id.to_le_bytes());
    for port in [1000u16, 0, 25, 0, 0, 0] {
        bytes.extend(port.to_le_bytes());
    }
    for last in [1, 2] {
        bytes.extend([192, 0, 2, last]);
        bytes.extend([0; 12]);
    }
    bytes
}

#[test]
fn the_process_table_is_read_and_frames_name_its_rows() {
    let mut bytes = file(2);
    let at = u32::try_from(bytes.len()).unwrap();
    bytes.extend([0, 1]);
    bytes.extend([row(r"C:\mail\smtp.exe", 4711), row("b", 2)].concat());
    bytes[48..52].copy_from_slice(&at.to_le_bytes());
    bytes[52..56].copy_from_slice(&2u32.to_le_bytes());
    let reader = NetMon::open(&bytes).unwrap();
    let owned = &reader.processes()[0];
    assert_eq!(
        (owned.process.path.as_str(), owned.process.id),
        (r"C:\mail\smtp.exe", 4711)
    );
    assert_eq!(owned.local.to_string(), "192.0.2.1:1000");
    assert_eq!(owned.remote.to_string(), "192.0.2.2:25");
    assert_eq!(reader.processes()[1].process.path, "b");
    let (packets, report) = read(&bytes);
    assert_eq!(packets[0].0.process, Some(0));
    assert!(report.damage.is_empty());
    // A table that ends early gives its whole rows.
    bytes.pop();
    let reader = NetMon::open(&bytes).unwrap();
    assert_eq!(reader.processes().len(), 1);
    assert!(
        reader
            .report()
            .damage
            .to_string()
            .contains("1 could be read")
    );
}

#[test]
fn comments_are_told_with_their_frames_and_user_data_is_noted() {
    let mut bytes = file(1);
    let frame = HEADER;
    let at = u32::try_from(bytes.len()).unwrap();
    let title: Vec<u8> = "look\0".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (frame, description) in [(frame, &b"at the end"[..]), (9_999, b"{\\rtf1 x}")] {
        for number in [1, u32::try_from(frame).unwrap(), 10] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(&title);
        bytes.extend(u32::try_from(description.len()).unwrap().to_le_bytes());
        bytes.extend(description);
    }
    let length = u32::try_from(bytes.len()).unwrap() - at;
    bytes[36..40].copy_from_slice(&77u32.to_le_bytes());
    bytes[40..44].copy_from_slice(&at.to_le_bytes());
    bytes[44..48].copy_from_slice(&length.to_le_bytes());
    let mut reader = NetMon::open(&bytes).unwrap();
    assert!(Reader::comments(&reader).is_empty());
    reader.advance().unwrap();
    assert_eq!(Reader::comments(&reader), [b"look: at the end"]);
    reader.advance().unwrap();
    assert!(Reader::comments(&reader).is_empty());
    assert!(reader.report().damage.is_empty());
    assert!(reader.report().notes[0].contains("77 bytes"));
    bytes[44..48].copy_from_slice(&(length - 3).to_le_bytes());
    let damage = NetMon::open(&bytes).unwrap().report().damage;
    assert!(damage.to_string().contains("comments that cannot be read"));
}

#[test]
fn a_stamp_before_the_start_may_be_without_its_sign() {
    let mut bytes = file(0);
    let before = (u64::MAX / 10 - 250_000 + 1).to_le_bytes();
    bytes[HEADER..HEADER + 8].copy_from_slice(&before);
    let (packets, _) = read(&bytes);
    let span = packets[0].0.time.since(start()).0;
    assert!(
        (-250_000_000 - 1000..=-250_000_000 + 1000).contains(&span),
        "{span}"
    );
}

#[test]
fn without_its_table_a_file_is_walked() {
    for minor in [1, 2, 3] {
        let whole = file(minor);
        let cut = &whole[..whole.len() - 1];
        let (packets, report) = read(cut);
        assert!(packets.len() >= 2, "2.{minor}");
        assert!(report.damage.to_string().contains("frame table"));
    }
}

#[test]
fn foreign_versions_and_cut_headers_are_refused() {
    assert_eq!(NetMon::open(b"GMBU").unwrap_err(), NetMonError::Cut(4));
    let mut three = file(0);
    three[5] = 3;
    assert_eq!(
        NetMon::open(&three).unwrap_err(),
        NetMonError::Version(3, 0)
    );
}

proptest! {
    #[test]
    fn changed_bytes_never_panic_nor_invent(at in 0usize..260, value in any::<u8>(), minor in 0u8..4) {
        let mut bytes = file(minor);
        let at = at % bytes.len();
        bytes[at] = value;
        if let Ok(mut reader) = NetMon::open(&bytes) {
            let mut count = 0;
            while reader.advance().is_some() {
                count += 1;
            }
            prop_assert!(count <= 64, "no more frames than a table of this size can name");
        }
    }
}
