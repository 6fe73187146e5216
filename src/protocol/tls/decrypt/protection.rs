//! One record's protection taken off: AEAD (RFC 8446 §5.2, RFC 5246 §6.2.3.3, RFC 7905) and CBC with HMAC in both
//! orders (RFC 5246 §6.2.3.2, RFC 7366).

use std::fmt;

use aes::{Aes128, Aes256};
use aes_gcm::aead::array::Array;
use aes_gcm::aead::array::typenum::{U8, U12, U16, Unsigned};
use aes_gcm::{AeadCore, AeadInOut, Aes128Gcm, Aes256Gcm, KeyInit};
use camellia::{Camellia128, Camellia256};
use cbc::Decryptor;
use cbc::cipher::block_padding::NoPadding;
use cbc::cipher::{BlockCipherDecrypt, BlockModeDecrypt, KeyIvInit};
use ccm::Ccm;
use chacha20poly1305::ChaCha20Poly1305;
use des::TdesEde3;
use hmac::{Hmac, Mac};
use sha1::Sha1;
use sha2::{Sha256, Sha384};
use smallvec::SmallVec;

use super::super::record::Header;
use super::schedule::Keys;
use super::suite::{Cipher, Hash, Suite};

/// Octets of an AEAD's nonce.
const NONCE: usize = 12;

/// Order of MAC and encryption in a block cipher's record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum MacOrder {
    /// RFC 7366: negotiated by an extension.
    EncryptThenMac,
    #[default]
    MacThenEncrypt,
}

/// What it takes to open the records of one side, one by one.
pub(super) enum Protection {
    Aead {
        cipher: Box<dyn Aead>,
        nonce: NonceRule,
    },
    Cbc(Cbc),
}

/// Where the nonce of a record is from.
#[derive(Clone, Copy)]
pub(super) enum NonceRule {
    /// Four octets of the keys, and eight that are sent (TLS 1.2).
    Sent([u8; 4]),
    /// The octets of the keys and the record's number (`ChaCha20` in TLS 1.2).
    Xor([u8; NONCE]),
    /// The same, and the header as it stands is authenticated (TLS 1.3).
    XorOver1_3([u8; NONCE]),
}

/// An AEAD cipher with its key.
pub(super) trait Aead: Send {
    /// Opens `sealed` into `out`; `false`, and nothing in `out`, where it does not authenticate.
    fn open(&self, nonce: [u8; NONCE], aad: &[u8], sealed: &[u8], out: &mut Vec<u8>) -> bool;
    /// Octets of the tag.
    fn tag(&self) -> usize;
    /// Seals, for tests.
    #[cfg(test)]
    fn seal(&self, nonce: [u8; NONCE], aad: &[u8], plain: &[u8]) -> Vec<u8>;
}

impl<A: AeadInOut + AeadCore<NonceSize = U12> + Send> Aead for A {
    fn open(&self, nonce: [u8; NONCE], aad: &[u8], sealed: &[u8], out: &mut Vec<u8>) -> bool {
        out.clear();
        let Some((text, tag)) = sealed
            .len()
            .checked_sub(Aead::tag(self))
            .and_then(|octets| sealed.split_at_checked(octets))
        else {
            return false;
        };
        let Ok(tag) = <&aes_gcm::aead::Tag<A>>::try_from(tag) else {
            return false;
        };
        out.extend_from_slice(text);
        let buffer = out.as_mut_slice().into();
        let opened = self
            .decrypt_inout_detached(&Array(nonce), aad, buffer, tag)
            .is_ok();
        if !opened {
            out.clear();
        }
        opened
    }

    fn tag(&self) -> usize {
        A::TagSize::USIZE
    }

    #[cfg(test)]
    fn seal(&self, nonce: [u8; NONCE], aad: &[u8], plain: &[u8]) -> Vec<u8> {
        let mut out = plain.to_vec();
        let buffer = out.as_mut_slice().into();
        let tag = self
            .encrypt_inout_detached(&Array(nonce), aad, buffer)
            .unwrap();
        out.extend_from_slice(&tag);
        out
    }
}

/// A block cipher with its MAC.
pub(super) struct Cbc {
    pub(super) cipher: Cipher,
    /// Octets of its block.
    pub(super) block: usize,
    pub(super) key: Vec<u8>,
    pub(super) mac_key: Vec<u8>,
    pub(super) mac: Hash,
    pub(super) order: MacOrder,
    pub(super) vector: Vector,
}

/// Where the vector of a record's first block is from.
pub(super) enum Vector {
    /// Sent at the head of each record (from TLS 1.1).
    Sent,
    /// The keys gave it, for the first record (TLS 1.0).
    Given(SmallVec<[u8; 16]>),
    /// The last block of the record before (TLS 1.0).
    Chained(SmallVec<[u8; 16]>),
    /// The record before is missing (TLS 1.0).
    Lost,
}

impl Protection {
    /// `None` where the keys do not fit the suite.
    pub(super) fn new(suite: Suite, keys: Keys, order: MacOrder) -> Option<Self> {
        if let Some(block) = suite.cipher.chained_block() {
            return Some(Self::Cbc(Cbc {
                cipher: suite.cipher,
                block,
                key: keys.key,
                mac_key: keys.mac,
                mac: suite.mac,
                order,
                vector: match suite.version.0 {
                    ..0x0302 => Vector::Given(SmallVec::from_vec(keys.iv)),
                    _ => Vector::Sent,
                },
            }));
        }
        let nonce = match (suite.is_1_3(), suite.cipher) {
            (true, _) => NonceRule::XorOver1_3(keys.iv.try_into().ok()?),
            (false, Cipher::ChaCha20Poly1305) => NonceRule::Xor(keys.iv.try_into().ok()?),
            (false, _) => NonceRule::Sent(keys.iv.try_into().ok()?),
        };
        Some(Self::Aead {
            cipher: aead(suite.cipher, &keys.key)?,
            nonce,
        })
    }

    /// Opens the `number`-th record of its side into `out`; `false`, and nothing in `out`, where it does not
    /// authenticate.
    pub(super) fn open(&self, number: u64, header: Header, body: &[u8], out: &mut Vec<u8>) -> bool {
        out.clear();
        match self {
            Self::Aead { cipher, nonce } => {
                let Some((octets, sealed)) = nonce.of(number, body) else {
                    return false;
                };
                let Some(text) = sealed.len().checked_sub(cipher.tag()) else {
                    return false;
                };
                match nonce {
                    NonceRule::XorOver1_3(_) => cipher.open(octets, &header.octets(), sealed, out),
                    NonceRule::Sent(_) | NonceRule::Xor(_) => {
                        cipher.open(octets, &pseudo_header(number, header, text), sealed, out)
                    }
                }
            }
            Self::Cbc(cbc) => cbc.open(number, header, body, out),
        }
    }

    /// Octets of the stream are missing.
    pub(super) fn gap(&mut self) {
        if let Self::Cbc(cbc) = self
            && let Vector::Chained(_) = cbc.vector
        {
            cbc.vector = Vector::Lost;
        }
    }

    /// A record has passed, opened or not.
    pub(super) fn passed(&mut self, body: &[u8]) {
        if let Self::Cbc(cbc) = self {
            cbc.passed(body);
        }
    }
}

impl fmt::Debug for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Aead { .. } => "Protection::Aead",
            Self::Cbc(_) => "Protection::Cbc",
        })
    }
}

impl NonceRule {
    /// The nonce of a record, and what of the body is sealed with it.
    pub(super) fn of(self, number: u64, body: &[u8]) -> Option<([u8; NONCE], &[u8])> {
        match self {
            Self::Sent(ours) => {
                let (sent, sealed) = body.split_first_chunk::<8>()?;
                let mut nonce = [0; NONCE];
                *nonce.first_chunk_mut()? = ours;
                *nonce.last_chunk_mut()? = *sent;
                Some((nonce, sealed))
            }
            Self::Xor(mut nonce) | Self::XorOver1_3(mut nonce) => {
                let last = nonce.last_chunk_mut::<8>()?;
                for (octet, number) in last.iter_mut().zip(number.to_be_bytes()) {
                    *octet ^= number;
                }
                Some((nonce, body))
            }
        }
    }
}

fn aead(cipher: Cipher, key: &[u8]) -> Option<Box<dyn Aead>> {
    fn new<A: AeadInOut + AeadCore<NonceSize = U12> + KeyInit + Send + 'static>(
        key: &[u8],
    ) -> Option<Box<dyn Aead>> {
        Some(Box::new(A::new_from_slice(key).ok()?))
    }
    match cipher {
        Cipher::Aes128Ccm => new::<Ccm<Aes128, U16, U12>>(key),
        Cipher::Aes128Ccm8 => new::<Ccm<Aes128, U8, U12>>(key),
        Cipher::Aes128Gcm => new::<Aes128Gcm>(key),
        Cipher::Aes256Ccm => new::<Ccm<Aes256, U16, U12>>(key),
        Cipher::Aes256Ccm8 => new::<Ccm<Aes256, U8, U12>>(key),
        Cipher::Aes256Gcm => new::<Aes256Gcm>(key),
        Cipher::ChaCha20Poly1305 => new::<ChaCha20Poly1305>(key),
        Cipher::Aes128Cbc
        | Cipher::Aes256Cbc
        | Cipher::Camellia128Cbc
        | Cipher::Camellia256Cbc
        | Cipher::TripleDesCbc => None,
    }
}

/// What is authenticated beside the text before TLS 1.3: number, type, version and length of the text.
pub(super) fn pseudo_header(number: u64, header: Header, length: usize) -> [u8; 13] {
    let length = u16::try_from(length).unwrap_or(u16::MAX);
    let header = Header { length, ..header }.octets();
    let mut octets = [0; 13];
    let (head, tail) = octets.split_at_mut(8);
    head.copy_from_slice(&number.to_be_bytes());
    tail.copy_from_slice(&header);
    octets
}

impl Cbc {
    fn open(&self, number: u64, header: Header, body: &[u8], out: &mut Vec<u8>) -> bool {
        let opened = match self.order {
            MacOrder::EncryptThenMac => self.open_after_mac(number, header, body, out),
            MacOrder::MacThenEncrypt => self.open_before_mac(number, header, body, out),
        };
        if opened.is_none() {
            out.clear();
        }
        opened.is_some()
    }

    /// The next record's vector is the last block of this one, which a MAC may follow.
    fn passed(&mut self, body: &[u8]) {
        let after = match self.order {
            MacOrder::EncryptThenMac => self.mac_octets(),
            MacOrder::MacThenEncrypt => 0,
        };
        let Some(sealed) = body
            .len()
            .checked_sub(after)
            .and_then(|end| body.get(..end))
        else {
            return;
        };
        if !matches!(self.vector, Vector::Sent)
            && let Some(last) = sealed.rchunks_exact(self.block).next()
        {
            self.vector = Vector::Chained(SmallVec::from_slice(last));
        }
    }

    /// The MAC is over the ciphertext.
    fn open_after_mac(
        &self,
        number: u64,
        header: Header,
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> Option<()> {
        let (sealed, tag) = body.split_at_checked(body.len().checked_sub(self.mac_octets())?)?;
        let head = pseudo_header(number, header, sealed.len());
        self.verify(&[&head, sealed], tag)?;
        self.decrypt(number, sealed, out)?;
        let text = unpadded(out)?;
        out.truncate(text);
        Some(())
    }

    /// The MAC is over the text.
    fn open_before_mac(
        &self,
        number: u64,
        header: Header,
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> Option<()> {
        self.decrypt(number, body, out)?;
        let text = unpadded(out)?.checked_sub(self.mac_octets())?;
        let head = pseudo_header(number, header, text);
        let (text, rest) = out.split_at_checked(text)?;
        self.verify(&[&head, text], rest.get(..self.mac_octets())?)?;
        let text = text.len();
        out.truncate(text);
        Some(())
    }

    /// Decrypts the whole blocks of a record into `out`, without the vector.
    fn decrypt(&self, number: u64, sealed: &[u8], out: &mut Vec<u8>) -> Option<()> {
        let (vector, blocks) = match (&self.vector, number) {
            (Vector::Sent, _) => sealed.split_at_checked(self.block)?,
            (Vector::Given(vector), 0) | (Vector::Chained(vector), _) => {
                (vector.as_slice(), sealed)
            }
            // A MAC over the ciphertext would not tell that the first block is rubbish.
            (Vector::Given(_) | Vector::Lost, _) => return None,
        };
        out.extend_from_slice(blocks);
        match self.cipher {
            Cipher::Aes128Cbc => unchain::<Aes128>(&self.key, vector, out),
            Cipher::Aes256Cbc => unchain::<Aes256>(&self.key, vector, out),
            Cipher::Camellia128Cbc => unchain::<Camellia128>(&self.key, vector, out),
            Cipher::Camellia256Cbc => unchain::<Camellia256>(&self.key, vector, out),
            Cipher::TripleDesCbc => unchain::<TdesEde3>(&self.key, vector, out),
            _ => None,
        }
    }

    fn mac_octets(&self) -> usize {
        match self.mac {
            Hash::Sha1 => 20,
            Hash::Sha384 => 48,
            Hash::Md5AndSha1 | Hash::Sha256 => 32,
        }
    }

    fn verify(&self, parts: &[&[u8]], tag: &[u8]) -> Option<()> {
        match self.mac {
            Hash::Sha1 => verify::<Hmac<Sha1>>(&self.mac_key, parts, tag),
            Hash::Sha384 => verify::<Hmac<Sha384>>(&self.mac_key, parts, tag),
            Hash::Md5AndSha1 | Hash::Sha256 => verify::<Hmac<Sha256>>(&self.mac_key, parts, tag),
        }
    }
}

/// Decrypts `blocks` in place; `None` where they are not whole, or the key or the vector is of another size.
fn unchain<C: BlockCipherDecrypt + KeyInit>(
    key: &[u8],
    vector: &[u8],
    blocks: &mut [u8],
) -> Option<()> {
    let cipher = Decryptor::<C>::new_from_slices(key, vector).ok()?;
    cipher.decrypt_padded::<NoPadding>(blocks).ok()?;
    Some(())
}

fn verify<M: Mac + hmac::KeyInit>(key: &[u8], parts: &[&[u8]], tag: &[u8]) -> Option<()> {
    let mut mac = <M as hmac::KeyInit>::new_from_slice(key).ok()?;
    for part in parts {
        mac.update(part);
    }
    mac.verify_slice(tag).ok()
}

/// Octets before the padding, which says its length in each of its octets (RFC 5246 §6.2.3.2).
fn unpadded(text: &[u8]) -> Option<usize> {
    let padding = usize::from(*text.last()?);
    let octets = text.len().checked_sub(padding + 1)?;
    let padding_is_right = text
        .get(octets..)?
        .iter()
        .all(|&octet| usize::from(octet) == padding);
    padding_is_right.then_some(octets)
}
