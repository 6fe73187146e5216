//! Key logs in the format of `SSLKEYLOGFILE` (RFC 9850): a label, the client's random, a secret.

use memchr::memchr;

use super::secrets::{Label, RANDOM, SECRET, Secret, Store, Taken};
use crate::model::Keylog;

/// Longest line that is read, in octets: the longest label, 32 octets and 64 octets in hexadecimal digits.
const MAX_LINE: usize = 512;

/// Labels that are known and of no use here. Exporter secrets protect no record, the others are of another
/// protocol, or name the session by what it is not known by.
const OF_NO_USE: &[&[u8]] = &[
    b"EARLY_EXPORTER_MASTER_SECRET",
    b"EARLY_EXPORTER_SECRET",
    b"ECH_CONFIG",
    b"ECH_SECRET",
    b"EXPORTER_SECRET",
    b"PMS_CLIENT_RANDOM",
    b"RSA",
];

/// Reads the lines of a key log into `store`.
pub(super) fn read(bytes: &[u8], store: &mut Store) -> Keylog {
    let mut tally = Keylog::default();
    let mut rest = bytes;
    while !rest.is_empty() {
        let end = memchr(b'\n', rest).unwrap_or(rest.len());
        let line = rest.get(..end).unwrap_or_default().trim_ascii();
        rest = rest.get(end + 1..).unwrap_or_default();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let counted = match parse(line) {
            Parsed::Secret(random, label, secret) => match store.add(random, label, secret) {
                Taken::New => &mut tally.secrets,
                Taken::Repeated => &mut tally.repeated,
                Taken::Conflicting => &mut tally.conflicting,
                Taken::Dropped => &mut tally.dropped,
            },
            Parsed::OfNoUse => &mut tally.unused,
            Parsed::Nothing => &mut tally.unparsed,
        };
        *counted += 1;
    }
    tally
}

/// What a line says.
enum Parsed {
    Nothing,
    OfNoUse,
    Secret([u8; RANDOM], Label, Secret),
}

fn parse(line: &[u8]) -> Parsed {
    if line.len() > MAX_LINE {
        return Parsed::Nothing;
    }
    let mut words = line
        .split(|byte| matches!(byte, b' ' | b'\t'))
        .filter(|word| !word.is_empty());
    let (Some(name), Some(random), Some(secret), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Parsed::Nothing;
    };
    if OF_NO_USE.contains(&name) {
        return Parsed::OfNoUse;
    }
    let (Some(label), Some(random), Some((octets, length))) = (
        Label::from_name(name),
        hex(random),
        hex_up_to::<SECRET>(secret),
    ) else {
        return Parsed::Nothing;
    };
    match Secret::new(label, octets.get(..length).unwrap_or_default()) {
        Some(secret) => Parsed::Secret(random, label, secret),
        None => Parsed::Nothing,
    }
}

/// Exactly so many octets in hexadecimal digits.
fn hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let (octets, length) = hex_up_to::<N>(digits)?;
    (length == N).then_some(octets)
}

/// Up to `N` octets, and how many.
fn hex_up_to<const N: usize>(digits: &[u8]) -> Option<([u8; N], usize)> {
    let (pairs, odd) = digits.as_chunks::<2>();
    if !odd.is_empty() || pairs.len() > N {
        return None;
    }
    let mut octets = [0; N];
    for (octet, &[high, low]) in octets.iter_mut().zip(pairs) {
        let value = |digit: u8| char::from(digit).to_digit(16);
        *octet = u8::try_from(value(high)? << 4 | value(low)?).ok()?;
    }
    Some((octets, pairs.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(text: &str) -> (Keylog, Store) {
        let mut store = Store::default();
        let tally = read(text.as_bytes(), &mut store);
        (tally, store)
    }

    #[test]
    fn lines_of_both_versions_are_taken_and_others_counted() {
        let random = "0F".repeat(32);
        let text = format!(
            "# made by hand\r\n\r\nCLIENT_RANDOM {random} {}\r\n\
             SERVER_TRAFFIC_SECRET_0\t{random}  {}\n EXPORTER_SECRET {random} {}\n\
             CLIENT_RANDOM {random} {}\nCLIENT_RANDOM {random} {}\nRSA 01 02",
            "ab".repeat(48),
            "01".repeat(32),
            "02".repeat(32),
            "ab".repeat(48),
            "ac".repeat(48),
        );
        let (tally, store) = tally(&text);
        assert_eq!(
            tally,
            Keylog {
                secrets: 2,
                repeated: 1,
                conflicting: 1,
                unused: 2,
                ..Keylog::default()
            }
        );
        let found = store.of(&[0x0f; 32]).unwrap();
        let master = found.get(Label::Master).unwrap();
        assert_eq!(master.octets(), [0xab; 48]);
        assert_eq!(found.get(Label::ServerTraffic).unwrap().octets(), [1; 32]);
    }

    #[test]
    fn lines_that_cannot_be_read_are_counted() {
        let random = "0f".repeat(32);
        for line in [
            "CLIENT_RANDOM",
            "CLIENT_RANDOM 0f0f",
            &format!("CLIENT_RANDOM {random}"),
            &format!("CLIENT_RANDOM {random} "),
            &format!("CLIENT_RANDOM {random} {}", "ab".repeat(47)),
            &format!("CLIENT_RANDOM {random} {}f", "ab".repeat(47)),
            &format!("CLIENT_RANDOM {random} {} more", "ab".repeat(48)),
            &format!("CLIENT_TRAFFIC_SECRET_0 {random} {}", "ab".repeat(33)),
            &format!("CLIENT_TRAFFIC_SECRET_0 {random} {}", "ab".repeat(64)),
            &format!("CLIENT_TRAFFIC_SECRET_1 {random} {}", "ab".repeat(32)),
            &format!("CLIENT_RANDOM {} {}", "0g".repeat(32), "ab".repeat(48)),
            &format!("CLIENT_RANDOM {random} {}", "ab".repeat(100_000)),
            "\u{0}\u{ff}",
        ] {
            let (tally, store) = tally(line);
            assert_eq!((tally.unparsed, tally.secrets), (1, 0), "{line:.80}");
            assert!(store.is_empty());
        }
        assert_eq!(tally("").0, Keylog::default());
    }
}
