//! How keys come of secrets: the pseudorandom function of TLS 1.2 and before (RFC 5246 §5, RFC 2246 §5), and
//! `HKDF-Expand-Label` of TLS 1.3 (RFC 8446 §7.1).

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Sha256, Sha384};

use super::secrets::{RANDOM, Secret};
use super::suite::{Cipher, Hash, Suite};
use crate::model::Side;

/// What protects the records of one side.
#[derive(Default)]
pub(super) struct Keys {
    /// Of the MAC; empty for a cipher that has its own.
    pub(super) mac: Vec<u8>,
    pub(super) key: Vec<u8>,
    /// The whole nonce, or the part of it that is not sent; empty where it is sent whole.
    pub(super) iv: Vec<u8>,
}

/// The keys of `side` that the master secret gives (RFC 5246 §6.3).
pub(super) fn from_master(
    suite: Suite,
    master: &Secret,
    client_random: &[u8; RANDOM],
    server_random: &[u8; RANDOM],
    side: Side,
) -> Option<Keys> {
    let mac = match (suite.cipher.chained_block(), suite.mac) {
        (None, _) => 0,
        (_, Hash::Sha1) => 20,
        (_, Hash::Sha384) => 48,
        (_, _) => 32,
    };
    let key = suite.cipher.key();
    let iv = match (suite.cipher.chained_block(), suite.cipher) {
        // From TLS 1.1 the vector is sent with each record.
        (Some(block), _) if suite.version.0 < 0x0302 => block,
        (Some(_), _) => 0,
        (None, Cipher::ChaCha20Poly1305) => 12,
        (None, _) => 4,
    };
    let mut block = vec![0; 2 * (mac + key + iv)];
    let seed = [&b"key expansion"[..], server_random, client_random].concat();
    match suite.hash {
        Hash::Sha256 => expand::<Hmac<Sha256>>(master.octets(), &seed, &mut block)?,
        Hash::Sha384 => expand::<Hmac<Sha384>>(master.octets(), &seed, &mut block)?,
        Hash::Sha1 => return None,
        Hash::Md5AndSha1 => {
            // The two halves overlap by an octet where the secret has an odd number of them.
            let half = master.octets().len().div_ceil(2);
            let (left, _) = master.octets().split_at_checked(half)?;
            let (_, right) = master
                .octets()
                .split_at_checked(master.octets().len() - half)?;
            let mut other = vec![0; block.len()];
            expand::<Hmac<Md5>>(left, &seed, &mut block)?;
            expand::<Hmac<Sha1>>(right, &seed, &mut other)?;
            for (octet, other) in block.iter_mut().zip(other) {
                *octet ^= other;
            }
        }
    }
    // Client's and server's, of each kind in turn.
    let mut rest = block.as_slice();
    let mut take = |octets| {
        let (client, after) = rest.split_at_checked(octets)?;
        let (server, after) = after.split_at_checked(octets)?;
        rest = after;
        Some(match side {
            Side::Client => client.to_vec(),
            Side::Server => server.to_vec(),
        })
    };
    Some(Keys {
        mac: take(mac)?,
        key: take(key)?,
        iv: take(iv)?,
    })
}

/// The keys that a traffic secret gives (RFC 8446 §7.3).
pub(super) fn from_traffic(suite: Suite, secret: &Secret) -> Option<Keys> {
    Some(Keys {
        mac: Vec::new(),
        key: expand_label(suite.hash, secret, b"key", suite.cipher.key())?,
        iv: expand_label(suite.hash, secret, b"iv", 12)?,
    })
}

/// The traffic secret after a key update (RFC 8446 §7.2).
pub(super) fn updated(suite: Suite, secret: &Secret) -> Option<Secret> {
    let length = secret.octets().len();
    Secret::of(&expand_label(suite.hash, secret, b"traffic upd", length)?)
}

fn expand_label(hash: Hash, secret: &Secret, label: &[u8], octets: usize) -> Option<Vec<u8>> {
    let length = u16::try_from(octets).ok()?.to_be_bytes();
    let label_length = u8::try_from(6 + label.len()).ok()?;
    let info: [&[u8]; 5] = [&length, &[label_length], b"tls13 ", label, &[0]];
    let mut out = vec![0; octets];
    let done = match hash {
        Hash::Sha256 => Hkdf::<Sha256>::from_prk(secret.octets())
            .ok()?
            .expand_multi_info(&info, &mut out),
        Hash::Sha384 => Hkdf::<Sha384>::from_prk(secret.octets())
            .ok()?
            .expand_multi_info(&info, &mut out),
        Hash::Md5AndSha1 | Hash::Sha1 => return None,
    };
    done.ok()?;
    Some(out)
}

/// `P_hash` (RFC 5246 §5).
fn expand<M: Mac + KeyInit>(secret: &[u8], seed: &[u8], out: &mut [u8]) -> Option<()> {
    let hash = |parts: [&[u8]; 2]| {
        let mut mac = <M as KeyInit>::new_from_slice(secret).ok()?;
        for part in parts {
            mac.update(part);
        }
        Some(mac.finalize().into_bytes())
    };
    let mut link = hash([seed, &[]])?;
    let mut rest = out;
    while !rest.is_empty() {
        let part = hash([&link, seed])?;
        let octets = part.len().min(rest.len());
        let (head, tail) = rest.split_at_mut_checked(octets)?;
        head.copy_from_slice(part.get(..octets)?);
        rest = tail;
        link = hash([&link, &[]])?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TlsVersion;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text
            .chars()
            .filter_map(|c| c.to_digit(16))
            .map(|digit| u8::try_from(digit).unwrap())
            .collect();
        digits
            .chunks(2)
            .map(|pair| pair[0] << 4 | pair[1])
            .collect()
    }

    /// The server's handshake keys in RFC 8448 §3.
    #[test]
    fn traffic_keys_are_those_of_rfc_8448() {
        let suite = Suite::of(TlsVersion::TLS_1_3, 0x1301).unwrap();
        let secret = Secret::of(&hex(
            "b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38",
        ))
        .unwrap();
        let keys = from_traffic(suite, &secret).unwrap();
        assert_eq!(keys.key, hex("3fce516009c21727d0f2e4e86ee403bc"));
        assert_eq!(keys.iv, hex("5d313eb2671276ee13000b30"));
    }

    /// The vector for SHA-256 that was posted to the TLS working group's list with RFC 5246.
    #[test]
    fn the_pseudorandom_function_gives_the_known_vector() {
        let secret = hex("9bbe436ba940f017b17652849a71db35");
        let seed = hex("a0ba9f936cda311827a6f796ffd5198c");
        let mut out = [0; 16];
        expand::<Hmac<Sha256>>(&secret, &[b"test label", &seed[..]].concat(), &mut out).unwrap();
        assert_eq!(out.to_vec(), hex("e3f229ba727be17b8d122620557cd453"));
    }
}
