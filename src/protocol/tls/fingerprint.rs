//! Fingerprints of a client's hello: JA3 and JA4.

use std::fmt::Write as _;

use md5::{Digest as _, Md5};
use sha2::Sha256;

use super::hello::{ClientHello, extension};

/// JA3 (Salesforce, 2017): MD5 of version, ciphers, extensions, groups and point formats, in decimal and
/// in the order sent; 32 hexadecimal digits.
pub(super) fn ja3(hello: &ClientHello) -> String {
    hex(&Md5::digest(ja3_text(hello)))
}

/// JA4 (FoxIO, 2023) for TLS over TCP, as in `t13d1516h2_8daaf6152771_e5627efa2ab1`: version, whether a name
/// was asked for, numbers of ciphers and extensions, ALPN; then SHA-256 over the sorted ciphers, and over
/// the sorted extensions with the signature algorithms as sent.
pub(super) fn ja4(hello: &ClientHello) -> String {
    let mut ciphers = without_grease(&hello.ciphers);
    let mut extensions = without_grease(&hello.extensions);
    let named = extensions.contains(&extension::SERVER_NAME);
    let mut text = format!(
        "t{}{}{:02}{:02}{}",
        ja4_version(hello),
        if named { 'd' } else { 'i' },
        ciphers.len().min(99),
        extensions.len().min(99),
        ja4_alpn(hello.alpn.first().map_or(&[], Vec::as_slice)),
    );
    ciphers.sort_unstable();
    extensions.retain(|kind| ![extension::SERVER_NAME, extension::ALPN].contains(kind));
    extensions.sort_unstable();
    let mut traits = hex_list(&extensions);
    let algorithms = without_grease(&hello.signature_algorithms);
    if !traits.is_empty() && !algorithms.is_empty() {
        traits.push('_');
        traits.push_str(&hex_list(&algorithms));
    }
    for part in [hex_list(&ciphers), traits] {
        text.push('_');
        if part.is_empty() {
            text.push_str("000000000000");
        } else {
            text.extend(hex(&Sha256::digest(part)).chars().take(12));
        }
    }
    text
}

fn ja3_text(hello: &ClientHello) -> String {
    let formats: Vec<u16> = hello.point_formats.iter().map(|&n| n.into()).collect();
    format!(
        "{},{},{},{},{}",
        hello.version,
        decimal_list(&without_grease(&hello.ciphers)),
        decimal_list(&without_grease(&hello.extensions)),
        decimal_list(&without_grease(&hello.groups)),
        decimal_list(&formats),
    )
}

/// The highest version offered, in two characters.
fn ja4_version(hello: &ClientHello) -> &'static str {
    let offered = without_grease(&hello.versions).into_iter().max();
    match offered.unwrap_or(hello.version) {
        0x0304 => "13",
        0x0303 => "12",
        0x0302 => "11",
        0x0301 => "10",
        0x0300 => "s3",
        0x0002 => "s2",
        _ => "00",
    }
}

/// First and last character of the first protocol; of its hexadecimal form where they are no letters or digits.
fn ja4_alpn(name: &[u8]) -> String {
    let (Some(&first), Some(&last)) = (name.first(), name.last()) else {
        return "00".to_owned();
    };
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        return [first, last].map(char::from).iter().collect();
    }
    let digits = hex(name);
    digits
        .chars()
        .take(1)
        .chain(digits.chars().last())
        .collect()
}

/// `list` without the values that some clients put in so that servers bear unknown ones (RFC 8701).
fn without_grease(list: &[u16]) -> Vec<u16> {
    list.iter()
        .copied()
        .filter(|n| {
            let [high, low] = n.to_be_bytes();
            high != low || low & 15 != 10
        })
        .collect()
}

fn decimal_list(list: &[u16]) -> String {
    let texts: Vec<String> = list.iter().map(u16::to_string).collect();
    texts.join("-")
}

fn hex_list(list: &[u16]) -> String {
    let texts: Vec<String> = list.iter().map(|n| format!("{n:04x}")).collect();
    texts.join(",")
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a string cannot fail.
        write!(text, "{byte:02x}").unwrap_or_default();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the JA4 specification: Chrome.
    fn chrome() -> ClientHello {
        ClientHello {
            version: 0x0303,
            ciphers: vec![
                0x5a5a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8,
                0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035,
            ],
            extensions: vec![
                0x1a1a, 0x001b, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002d, 0x000d, 0x0005,
                0x0023, 0x0012, 0x002b, 0xff01, 0x000b, 0x000a, 0x0015, 0x8a8a,
            ],
            alpn: vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            versions: vec![0xdada, 0x0304, 0x0303],
            signature_algorithms: vec![
                0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601,
            ],
            ..ClientHello::default()
        }
    }

    #[test]
    fn ja4_of_the_specifications_example() {
        assert_eq!(ja4(&chrome()), "t13d1516h2_8daaf6152771_e5627efa2ab1");
    }

    #[test]
    fn ja4_without_ciphers_and_extensions_has_zeros() {
        let hello = ClientHello {
            version: 0x0002,
            ..ClientHello::default()
        };
        assert_eq!(ja4(&hello), "ts2i000000_000000000000_000000000000");
    }

    #[test]
    fn ja4_shows_an_odd_alpn_by_its_hex_digits() {
        assert_eq!(ja4_alpn(b"http/1.1"), "h1");
        assert_eq!(ja4_alpn(b"h"), "hh");
        assert_eq!(ja4_alpn(&[0xab]), "ab");
        assert_eq!(ja4_alpn(&[0x30, 0xab]), "3b");
        assert_eq!(ja4_alpn(b""), "00");
    }

    /// The two examples of JA3's own page.
    #[test]
    fn ja3_of_the_authors_examples() {
        let hello = ClientHello {
            version: 769,
            ciphers: vec![47, 53, 5, 10, 49161, 49162, 49171, 49172, 50, 56, 19, 4],
            extensions: vec![0, 10, 11],
            groups: vec![23, 24, 25],
            point_formats: vec![0],
            ..ClientHello::default()
        };
        assert_eq!(ja3(&hello), "ada70206e40642a3e4461f35503241d5");
        let hello = ClientHello {
            version: 769,
            ciphers: vec![4, 5, 10, 9, 100, 98, 3, 6, 19, 18, 99],
            ..ClientHello::default()
        };
        assert_eq!(ja3(&hello), "de350869b8c85de67a350c8d186f11e6");
    }

    #[test]
    fn ja3_leaves_grease_out() {
        let plain = chrome();
        let mut greased = chrome();
        greased.ciphers.insert(3, 0xfafa);
        greased.groups.push(0x2a2a);
        assert_eq!(ja3(&plain), ja3(&greased));
    }
}
