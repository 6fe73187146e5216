//! What encryption adds to a record.

use tls_parser::{TlsCipherEnc, TlsCipherEncMode, TlsCipherSuite};

use super::hello::is_1_3;
use crate::model::TlsVersion;

/// Octets that encryption adds to each record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Overhead {
    /// Added at least.
    pub(super) fixed: u16,
    /// Added at most beyond that: the padding of a block cipher.
    pub(super) slack: u16,
}

impl Overhead {
    /// TLS 1.3: a tag of 16 octets and the true content type (RFC 8446 §5.2). Also what is taken where
    /// nothing is known.
    pub(super) const TLS_1_3: Self = Self::exact(17);

    const fn exact(fixed: u16) -> Self {
        Self { fixed, slack: 0 }
    }

    /// What `suite` adds in `version`. A suite that is not known is taken for AES-GCM, as new ones are.
    ///
    /// A CBC record holds IV (from TLS 1.1, RFC 4346 §6.2.3.2), data, MAC, and padding of 1 octet to a whole
    /// block (senders could pad by up to 256, and do not).
    pub(super) fn of(version: TlsVersion, suite: Option<&TlsCipherSuite>) -> Self {
        let short_tag = suite.is_some_and(|suite| suite.name.contains("_CCM_8"));
        let tag = if short_tag { 8 } else { 16 };
        if is_1_3(version) {
            return Self::exact(tag + 1);
        }
        let Some(suite) = suite else {
            return Self::exact(24);
        };
        let mac = octets(suite.mac_length());
        match (suite.enc_mode, suite.enc) {
            (TlsCipherEncMode::Gcm | TlsCipherEncMode::Ccm, _) => Self::exact(8 + tag),
            (_, TlsCipherEnc::Chacha20_Poly1305) => Self::exact(16),
            (TlsCipherEncMode::Cbc, _) => {
                let block = octets(suite.enc_block_size());
                let iv = if version.0 >= 0x0302 { block } else { 0 };
                Self {
                    fixed: iv + mac + 1,
                    slack: block.saturating_sub(1),
                }
            }
            (TlsCipherEncMode::Null, _) => Self::exact(mac),
        }
    }

    /// Octets of plaintext in a record body of `length`, at most.
    pub(super) const fn plaintext(self, length: u16) -> u64 {
        length.saturating_sub(self.fixed) as u64
    }
}

fn octets(n: usize) -> u16 {
    u16::try_from(n).unwrap_or(u16::MAX)
}

/// The suite of that number in the IANA registry.
pub(super) fn suite(number: u16) -> Option<&'static TlsCipherSuite> {
    TlsCipherSuite::from_id(number)
}

/// Its IANA name, or its number.
pub(super) fn suite_name(number: u16) -> String {
    suite(number).map_or_else(|| format!("0x{number:04x}"), |suite| suite.name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(version: u16, number: u16) -> (u16, u16) {
        let overhead = Overhead::of(TlsVersion(version), suite(number));
        (overhead.fixed, overhead.slack)
    }

    #[test]
    fn overheads_are_those_of_the_standards() {
        for (what, version, number, expected) in [
            ("AES-256-GCM in 1.3", 0x0304, 0x1302, (17, 0)),
            ("AES-CCM-8 in 1.3", 0x0304, 0x1305, (9, 0)),
            ("unknown in 1.3", 0x0304, 0x13ff, (17, 0)),
            ("AES-GCM in 1.2", 0x0303, 0xc030, (24, 0)),
            ("ChaCha20 in 1.2", 0x0303, 0xcca8, (16, 0)),
            ("AES-CCM in 1.2", 0x0303, 0xc0ac, (24, 0)),
            ("AES-CCM-8 in 1.2", 0x0303, 0xc0ae, (16, 0)),
            ("AES-CBC-SHA in 1.2", 0x0303, 0xc014, (37, 15)),
            ("AES-CBC-SHA256 in 1.2", 0x0303, 0x003c, (49, 15)),
            ("AES-CBC-SHA in 1.0", 0x0301, 0x0035, (21, 15)),
            ("3DES in 1.0", 0x0301, 0x000a, (21, 7)),
            ("RC4-MD5 in SSLv3", 0x0300, 0x0004, (16, 0)),
            ("unknown in 1.2", 0x0303, 0xfefe, (24, 0)),
        ] {
            assert_eq!(of(version, number), expected, "{what}");
        }
    }

    #[test]
    fn a_cbc_estimate_is_never_low_and_at_most_a_block_too_high() {
        let overhead = Overhead::of(TlsVersion(0x0303), suite(0xc014));
        for data in 0..200u16 {
            let unpadded = data + 20;
            let record = 16 + unpadded + 16 - unpadded % 16;
            let estimate = overhead.plaintext(record);
            let data = u64::from(data);
            assert!((data..=data + 15).contains(&estimate), "{data}: {estimate}");
        }
    }

    #[test]
    fn a_record_shorter_than_its_overhead_holds_nothing() {
        assert_eq!(Overhead::TLS_1_3.plaintext(3), 0);
    }

    #[test]
    fn an_unknown_suite_is_named_by_its_number() {
        assert_eq!(suite_name(0xc02f), "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256");
        assert_eq!(suite_name(0xeeee), "0xeeee");
    }
}
