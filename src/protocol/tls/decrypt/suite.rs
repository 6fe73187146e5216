//! What a cipher suite is made of, as far as it takes to open its records.

use tls_parser::{TlsCipherEnc, TlsCipherEncMode, TlsCipherMac, TlsPRF};

use super::super::hello::is_1_3;
use super::super::overhead;
use crate::model::TlsVersion;

/// What encrypts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cipher {
    Aes128Cbc,
    Aes128Ccm,
    Aes128Ccm8,
    Aes128Gcm,
    Aes256Cbc,
    Aes256Ccm,
    Aes256Ccm8,
    Aes256Gcm,
    Camellia128Cbc,
    Camellia256Cbc,
    ChaCha20Poly1305,
    TripleDesCbc,
}

/// A hash, in a key derivation or a MAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    /// Both at once: the derivation of TLS 1.0 and 1.1.
    Md5AndSha1,
    Sha1,
    Sha256,
    Sha384,
}

/// A suite in a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Suite {
    pub(super) version: TlsVersion,
    pub(super) cipher: Cipher,
    /// Of the key derivation.
    pub(super) hash: Hash,
    /// Of the MAC, where the cipher has none of its own.
    pub(super) mac: Hash,
}

impl Cipher {
    /// Octets of the key.
    pub(super) const fn key(self) -> usize {
        match self {
            Self::Aes128Cbc
            | Self::Aes128Ccm
            | Self::Aes128Ccm8
            | Self::Aes128Gcm
            | Self::Camellia128Cbc => 16,
            Self::TripleDesCbc => 24,
            Self::Aes256Cbc
            | Self::Aes256Ccm
            | Self::Aes256Ccm8
            | Self::Aes256Gcm
            | Self::Camellia256Cbc
            | Self::ChaCha20Poly1305 => 32,
        }
    }

    /// Octets of a block where blocks are chained (CBC); `None` for an AEAD.
    pub(super) const fn chained_block(self) -> Option<usize> {
        match self {
            Self::TripleDesCbc => Some(8),
            Self::Aes128Cbc | Self::Aes256Cbc | Self::Camellia128Cbc | Self::Camellia256Cbc => {
                Some(16)
            }
            Self::Aes128Ccm
            | Self::Aes128Ccm8
            | Self::Aes128Gcm
            | Self::Aes256Ccm
            | Self::Aes256Ccm8
            | Self::Aes256Gcm
            | Self::ChaCha20Poly1305 => None,
        }
    }
}

impl Suite {
    /// The suite of that number; `None` where its records cannot be opened here.
    pub(super) fn of(version: TlsVersion, number: u16) -> Option<Self> {
        // The drafts of TLS 1.3 before 19 derived their keys in another way.
        let known =
            (0x0301..=0x0304).contains(&version.0) || (0x7f13..=0x7f1c).contains(&version.0);
        let suite = overhead::suite(number).filter(|_| known)?;
        let short_tag = suite.name.contains("_CCM_8");
        let cipher = match (suite.enc, suite.enc_mode, suite.enc_size) {
            (TlsCipherEnc::Aes, TlsCipherEncMode::Cbc, 128) => Cipher::Aes128Cbc,
            (TlsCipherEnc::Aes, TlsCipherEncMode::Cbc, 256) => Cipher::Aes256Cbc,
            (TlsCipherEnc::Aes, TlsCipherEncMode::Ccm, 128) if short_tag => Cipher::Aes128Ccm8,
            (TlsCipherEnc::Aes, TlsCipherEncMode::Ccm, 128) => Cipher::Aes128Ccm,
            (TlsCipherEnc::Aes, TlsCipherEncMode::Ccm, 256) if short_tag => Cipher::Aes256Ccm8,
            (TlsCipherEnc::Aes, TlsCipherEncMode::Ccm, 256) => Cipher::Aes256Ccm,
            (TlsCipherEnc::Aes, TlsCipherEncMode::Gcm, 128) => Cipher::Aes128Gcm,
            (TlsCipherEnc::Aes, TlsCipherEncMode::Gcm, 256) => Cipher::Aes256Gcm,
            (TlsCipherEnc::Camellia, TlsCipherEncMode::Cbc, 128) => Cipher::Camellia128Cbc,
            (TlsCipherEnc::Camellia, TlsCipherEncMode::Cbc, 256) => Cipher::Camellia256Cbc,
            (TlsCipherEnc::TripleDes, TlsCipherEncMode::Cbc, _) => Cipher::TripleDesCbc,
            (TlsCipherEnc::Chacha20_Poly1305, ..) => Cipher::ChaCha20Poly1305,
            _ => return None,
        };
        let mac = match suite.mac {
            TlsCipherMac::HmacSha1 => Hash::Sha1,
            TlsCipherMac::HmacSha384 => Hash::Sha384,
            TlsCipherMac::HmacSha256 | TlsCipherMac::Aead => Hash::Sha256,
            _ => return None,
        };
        let hash = match suite.prf {
            _ if version < TlsVersion(0x0303) => Hash::Md5AndSha1,
            TlsPRF::Sha384 => Hash::Sha384,
            TlsPRF::Default | TlsPRF::Sha256 => Hash::Sha256,
            _ => return None,
        };
        Some(Self {
            version,
            cipher,
            hash,
            mac,
        })
    }

    pub(super) const fn is_1_3(self) -> bool {
        is_1_3(self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_are_what_their_names_say() {
        for (version, number, cipher, hash, mac) in [
            (
                0x0304,
                0x1301,
                Cipher::Aes128Gcm,
                Hash::Sha256,
                Hash::Sha256,
            ),
            (
                0x0304,
                0x1302,
                Cipher::Aes256Gcm,
                Hash::Sha384,
                Hash::Sha256,
            ),
            (
                0x0304,
                0x1303,
                Cipher::ChaCha20Poly1305,
                Hash::Sha256,
                Hash::Sha256,
            ),
            (
                0x0304,
                0x1305,
                Cipher::Aes128Ccm8,
                Hash::Sha256,
                Hash::Sha256,
            ),
            (
                0x0303,
                0xc030,
                Cipher::Aes256Gcm,
                Hash::Sha384,
                Hash::Sha256,
            ),
            (
                0x0303,
                0xcca8,
                Cipher::ChaCha20Poly1305,
                Hash::Sha256,
                Hash::Sha256,
            ),
            (
                0x0303,
                0xc028,
                Cipher::Aes256Cbc,
                Hash::Sha384,
                Hash::Sha384,
            ),
            (0x0303, 0xc013, Cipher::Aes128Cbc, Hash::Sha256, Hash::Sha1),
            (
                0x0301,
                0x000a,
                Cipher::TripleDesCbc,
                Hash::Md5AndSha1,
                Hash::Sha1,
            ),
            (
                0x0303,
                0xc077,
                Cipher::Camellia256Cbc,
                Hash::Sha384,
                Hash::Sha384,
            ),
            (
                0x0303,
                0x0041,
                Cipher::Camellia128Cbc,
                Hash::Sha256,
                Hash::Sha1,
            ),
            (
                0x0301,
                0x002f,
                Cipher::Aes128Cbc,
                Hash::Md5AndSha1,
                Hash::Sha1,
            ),
        ] {
            let suite = Suite::of(TlsVersion(version), number).unwrap();
            assert_eq!(
                (suite.cipher, suite.hash, suite.mac),
                (cipher, hash, mac),
                "{number:04x}"
            );
        }
        for (version, number) in [(0x0303, 0x0005), (0x0300, 0x002f), (0x0303, 0xeeee)] {
            assert_eq!(Suite::of(TlsVersion(version), number), None, "{number:04x}");
        }
    }
}
