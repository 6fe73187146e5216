//! The secrets of all sessions, by the client's random.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use hashbrown::HashMap;
use smallvec::SmallVec;

use super::keylog;
use crate::model::Keylog;

/// Octets of a hello's random.
pub(super) const RANDOM: usize = 32;
/// Octets of the longest secret: a master secret, or a hash of SHA-384.
pub(super) const SECRET: usize = 48;
/// Most secrets that are kept, some 100 octets each.
const MAX_SECRETS: usize = 1 << 20;

/// Which secret of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Label {
    /// Of the client's data before the server's answer (TLS 1.3).
    ClientEarly,
    /// Of the client's part of the handshake (TLS 1.3).
    ClientHandshake,
    /// Of the client's data (TLS 1.3).
    ClientTraffic,
    /// The master secret (TLS 1.2 and before).
    Master,
    /// Of the server's part of the handshake (TLS 1.3).
    ServerHandshake,
    /// Of the server's data (TLS 1.3).
    ServerTraffic,
}

impl Label {
    pub(super) fn from_name(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"CLIENT_EARLY_TRAFFIC_SECRET" => Self::ClientEarly,
            b"CLIENT_HANDSHAKE_TRAFFIC_SECRET" => Self::ClientHandshake,
            b"CLIENT_RANDOM" => Self::Master,
            b"CLIENT_TRAFFIC_SECRET_0" => Self::ClientTraffic,
            b"SERVER_HANDSHAKE_TRAFFIC_SECRET" => Self::ServerHandshake,
            b"SERVER_TRAFFIC_SECRET_0" => Self::ServerTraffic,
            _ => return None,
        })
    }
}

/// A secret. Its octets are never printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Secret {
    octets: [u8; SECRET],
    length: u8,
}

impl Secret {
    /// `None` where a secret of this kind cannot be so long.
    pub(super) fn new(label: Label, octets: &[u8]) -> Option<Self> {
        match (label, octets.len()) {
            (Label::Master, 48) => Self::of(octets),
            (Label::Master, _) => None,
            (_, 32 | 48) => Self::of(octets),
            _ => None,
        }
    }

    /// Any secret of at most 48 octets.
    pub(super) fn of(octets: &[u8]) -> Option<Self> {
        let mut this = Self {
            octets: [0; SECRET],
            length: u8::try_from(octets.len()).ok()?,
        };
        this.octets.get_mut(..octets.len())?.copy_from_slice(octets);
        Some(this)
    }

    pub(super) fn octets(&self) -> &[u8] {
        self.octets
            .get(..usize::from(self.length))
            .unwrap_or_default()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<secret of {} octets>", self.length)
    }
}

/// The secrets of one session.
#[derive(Clone, Debug, Default)]
pub(super) struct OfSession(SmallVec<[(Label, Secret); 1]>);

impl OfSession {
    pub(super) fn get(&self, label: Label) -> Option<Secret> {
        self.0
            .iter()
            .find(|(known, _)| *known == label)
            .map(|(_, secret)| *secret)
    }
}

/// What became of a secret that was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    Conflicting,
    Dropped,
    New,
    Repeated,
}

/// All secrets.
#[derive(Debug, Default)]
pub(super) struct Store {
    sessions: HashMap<[u8; RANDOM], OfSession, foldhash::fast::RandomState>,
    secrets: usize,
}

impl Store {
    pub(super) fn add(&mut self, random: [u8; RANDOM], label: Label, secret: Secret) -> Taken {
        if let Some(known) = self.of(&random).and_then(|session| session.get(label)) {
            return if known == secret {
                Taken::Repeated
            } else {
                Taken::Conflicting
            };
        }
        if self.secrets >= MAX_SECRETS {
            return Taken::Dropped;
        }
        self.secrets += 1;
        self.sessions
            .entry(random)
            .or_default()
            .0
            .push((label, secret));
        Taken::New
    }

    pub(super) fn of(&self, random: &[u8; RANDOM]) -> Option<&OfSession> {
        self.sessions.get(random)
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }
}

/// The TLS secrets that somebody gave, shared by all who read connections: more may come while they read.
///
/// A clone is another handle on the same secrets.
#[derive(Clone, Debug, Default)]
pub struct Secrets(Arc<Mutex<Store>>);

impl Secrets {
    /// Takes the secrets in `bytes`, a key log in the format of `SSLKEYLOGFILE`. Secrets must be here before the
    /// hello of the session that they open.
    pub fn read_keylog(&self, bytes: &[u8]) -> Keylog {
        // Whoever panicked with the lock held left whole entries behind.
        let mut store = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keylog::read(bytes, &mut store)
    }

    /// The secrets of the session that a client began with `random`.
    pub(super) fn of(&self, random: &[u8; RANDOM]) -> Option<OfSession> {
        let store = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        store.of(random).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_printed() {
        let secrets = Secrets::default();
        let line = format!("CLIENT_RANDOM {} {}", "00".repeat(32), "ab".repeat(48));
        secrets.read_keylog(line.as_bytes());
        let shown = format!("{secrets:?}");
        assert!(shown.contains("48 octets"), "{shown}");
        assert!(!shown.contains("171") && !shown.contains("ab"), "{shown}");
    }

    #[test]
    fn what_comes_first_stands() {
        let mut store = Store::default();
        let secret = |octet| Secret::new(Label::Master, &[octet; 48]).unwrap();
        assert_eq!(store.add([1; 32], Label::Master, secret(1)), Taken::New);
        assert_eq!(
            store.add([1; 32], Label::Master, secret(1)),
            Taken::Repeated
        );
        assert_eq!(
            store.add([1; 32], Label::Master, secret(2)),
            Taken::Conflicting
        );
        let found = store.of(&[1; 32]).unwrap().get(Label::Master).unwrap();
        assert_eq!(found.octets(), [1; 48]);
    }
}
