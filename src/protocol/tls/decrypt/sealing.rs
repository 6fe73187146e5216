//! Records as an endpoint seals them, for tests.

use aes::{Aes128, Aes256};
use camellia::{Camellia128, Camellia256};
use cbc::Encryptor;
use cbc::cipher::block_padding::NoPadding;
use cbc::cipher::{BlockCipherEncrypt, BlockModeEncrypt, KeyIvInit};
use des::TdesEde3;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Sha256, Sha384};

use super::super::record::Header;
use super::protection::{Cbc, MacOrder, NonceRule, Protection, Vector, pseudo_header};
use super::schedule;
use super::secrets::{RANDOM, Secret};
use super::suite::{Cipher, Hash, Suite};
use crate::model::{Side, TlsVersion};

/// Seals the records of one side.
pub(in super::super) struct Sealer {
    suite: Suite,
    protection: Protection,
    number: u64,
    secret: Secret,
    /// Zeros behind the true type in TLS 1.3.
    pub(in super::super) padding: usize,
}

impl Sealer {
    /// Of TLS 1.3, under a traffic secret.
    pub(in super::super) fn of_1_3(cipher: u16, secret: &[u8]) -> Self {
        let suite = Suite::of(TlsVersion::TLS_1_3, cipher).unwrap();
        let secret = Secret::of(secret).unwrap();
        let keys = schedule::from_traffic(suite, &secret).unwrap();
        Self {
            suite,
            protection: Protection::new(suite, keys, MacOrder::default()).unwrap(),
            number: 0,
            secret,
            padding: 0,
        }
    }

    /// Of TLS 1.2 and before, under a master secret.
    pub(in super::super) fn of_1_2(
        (version, cipher): (u16, u16),
        master: &[u8; 48],
        randoms: [&[u8; RANDOM]; 2],
        side: Side,
        encrypt_then_mac: bool,
    ) -> Self {
        let suite = Suite::of(TlsVersion(version), cipher).unwrap();
        let secret = Secret::of(master).unwrap();
        let [client, server] = randoms;
        let keys = schedule::from_master(suite, &secret, client, server, side).unwrap();
        let order = if encrypt_then_mac {
            MacOrder::EncryptThenMac
        } else {
            MacOrder::MacThenEncrypt
        };
        Self {
            suite,
            protection: Protection::new(suite, keys, order).unwrap(),
            number: 0,
            secret,
            padding: 0,
        }
    }

    /// The next keys, after a key update.
    pub(in super::super) fn update(&mut self) {
        let secret = schedule::updated(self.suite, &self.secret).unwrap();
        let keys = schedule::from_traffic(self.suite, &secret).unwrap();
        self.protection = Protection::new(self.suite, keys, MacOrder::default()).unwrap();
        (self.secret, self.number) = (secret, 0);
    }

    /// A whole record of `kind` that holds `plain`.
    pub(in super::super) fn seal(&mut self, kind: u8, plain: &[u8]) -> Vec<u8> {
        let mut header = Header {
            kind,
            version: self.suite.version.0.min(0x0303),
            length: 0,
        };
        let mut text = plain.to_vec();
        if self.suite.is_1_3() {
            header.kind = Header::APPLICATION_DATA;
            text.push(kind);
            text.resize(text.len() + self.padding, 0);
        }
        let body = match &self.protection {
            Protection::Aead { cipher, nonce } => {
                let (sent, aad) = match nonce {
                    NonceRule::XorOver1_3(_) => {
                        header.length = u16::try_from(text.len() + cipher.tag()).unwrap();
                        (vec![], header.octets().to_vec())
                    }
                    rule => {
                        let sent = match rule {
                            NonceRule::Sent(_) => (self.number + 77).to_be_bytes().to_vec(),
                            _ => vec![],
                        };
                        let aad = pseudo_header(self.number, header, text.len()).to_vec();
                        (sent, aad)
                    }
                };
                let (octets, _) = nonce.of(self.number, &sent).unwrap();
                [sent, cipher.seal(octets, &aad, &text)].concat()
            }
            Protection::Cbc(cbc) => seal_cbc(cbc, self.number, header, &text),
        };
        self.protection.passed(&body);
        self.number += 1;
        header.length = u16::try_from(body.len()).unwrap();
        [header.octets().to_vec(), body].concat()
    }
}

fn seal_cbc(cbc: &Cbc, number: u64, header: Header, plain: &[u8]) -> Vec<u8> {
    let tag = |text: &[u8]| {
        let head = pseudo_header(number, header, text.len());
        mac(cbc.mac, &cbc.mac_key, &[&head[..], text].concat())
    };
    let (vector, sent) = match &cbc.vector {
        Vector::Given(vector) | Vector::Chained(vector) => (vector.to_vec(), vec![]),
        Vector::Sent | Vector::Lost => {
            let vector = vec![number.to_le_bytes()[0] ^ 0x55; cbc.block];
            (vector.clone(), vector)
        }
    };
    let mut text = plain.to_vec();
    if cbc.order == MacOrder::MacThenEncrypt {
        text.extend(tag(plain));
    }
    let padding = cbc.block - 1 - text.len() % cbc.block;
    text.extend(vec![u8::try_from(padding).unwrap(); padding + 1]);
    match cbc.cipher {
        Cipher::Aes128Cbc => chain::<Aes128>(&cbc.key, &vector, &mut text),
        Cipher::Aes256Cbc => chain::<Aes256>(&cbc.key, &vector, &mut text),
        Cipher::Camellia128Cbc => chain::<Camellia128>(&cbc.key, &vector, &mut text),
        Cipher::Camellia256Cbc => chain::<Camellia256>(&cbc.key, &vector, &mut text),
        Cipher::TripleDesCbc => chain::<TdesEde3>(&cbc.key, &vector, &mut text),
        other => unreachable!("{other:?} chains no blocks"),
    }
    let mut body = [sent, text].concat();
    if cbc.order == MacOrder::EncryptThenMac {
        body.extend(tag(&body));
    }
    body
}

fn chain<C: BlockCipherEncrypt + KeyInit>(key: &[u8], vector: &[u8], blocks: &mut [u8]) {
    let length = blocks.len();
    let cipher = Encryptor::<C>::new_from_slices(key, vector).unwrap();
    cipher.encrypt_padded::<NoPadding>(blocks, length).unwrap();
}

fn mac(hash: Hash, key: &[u8], text: &[u8]) -> Vec<u8> {
    fn by<M: Mac + KeyInit>(key: &[u8], text: &[u8]) -> Vec<u8> {
        let mut mac = <M as KeyInit>::new_from_slice(key).unwrap();
        mac.update(text);
        mac.finalize().into_bytes().to_vec()
    }
    match hash {
        Hash::Sha1 => by::<Hmac<Sha1>>(key, text),
        Hash::Sha384 => by::<Hmac<Sha384>>(key, text),
        Hash::Md5AndSha1 | Hash::Sha256 => by::<Hmac<Sha256>>(key, text),
    }
}
