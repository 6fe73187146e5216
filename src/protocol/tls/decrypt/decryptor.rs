//! Both sides of one connection: from the hellos to plaintext.

use smallvec::SmallVec;

use super::super::handshake::{Message, kind};
use super::super::hello::{ClientHello, ServerHello, is_1_3};
use super::super::overhead::suite_name;
use super::super::record::Header;
use super::super::sides::Sides;
use super::direction::{Direction, Stage};
use super::protection::{MacOrder, Protection};
use super::schedule;
use super::secrets::{Label, OfSession, RANDOM, Secrets};
use super::suite::Suite;
use crate::model::{Decryption, Side, TlsVersion};

/// Plaintext of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Plain {
    /// Content type.
    pub(in super::super) kind: u8,
    /// Records between this one and the last that was opened on its side, where they can be counted.
    pub(in super::super) missing: Option<u64>,
    /// Sent before the server's answer.
    pub(in super::super) early: bool,
}

/// Opens the records of one connection.
#[derive(Debug)]
pub(in super::super) struct Decryptor {
    secrets: Secrets,
    session: OfSession,
    client_random: [u8; RANDOM],
    sides: Sides<Direction>,
    version: TlsVersion,
    tally: Decryption,
    /// Why nothing can be opened.
    unable: Option<String>,
}

impl Decryptor {
    /// For the session that `hello` begins; `None` where no secrets of it are known.
    pub(in super::super) fn new(secrets: &Secrets, hello: &ClientHello) -> Option<Self> {
        let session = secrets.of(&hello.random)?;
        let mut this = Self {
            secrets: secrets.clone(),
            session,
            client_random: hello.random,
            sides: Sides::default(),
            version: TlsVersion(0),
            tally: Decryption::default(),
            unable: None,
        };
        if hello.early_data {
            let keys = this.early_keys(&hello.ciphers);
            this.sides.of_mut(Side::Client).expect_early(keys);
        }
        Some(this)
    }

    /// Keys of early data: the suite is that of the session taken up, which the client offers among others.
    fn early_keys(&self, ciphers: &[u16]) -> SmallVec<[Protection; 3]> {
        let Some(secret) = self.session.get(Label::ClientEarly) else {
            return SmallVec::new();
        };
        ciphers
            .iter()
            .filter_map(|&number| Suite::of(TlsVersion::TLS_1_3, number))
            .filter_map(|suite| {
                let keys = schedule::from_traffic(suite, &secret)?;
                Protection::new(suite, keys, MacOrder::default())
            })
            .take(5)
            .collect()
    }

    /// What has been opened so far.
    pub(in super::super) const fn tally(&self) -> Decryption {
        self.tally
    }

    /// Why nothing can be opened, if that is so.
    pub(in super::super) fn unable(&self) -> Option<&str> {
        self.unable.as_deref()
    }

    /// Whether a record of `side` that claims to be `kind` is protected.
    pub(in super::super) fn is_protected(&self, side: Side, kind: u8) -> bool {
        let version_1_3 = self.version.0 == 0 || is_1_3(self.version);
        match (version_1_3, kind) {
            (_, Header::APPLICATION_DATA) => true,
            (true, _) => false,
            (false, _) => self.sides.of(side).is_protected(),
        }
    }

    /// Takes a handshake message of `side`, from the clear or from a record that was opened.
    pub(in super::super) fn message(&mut self, side: Side, message: Message<'_>) {
        match (side, message.kind) {
            (Side::Client, kind::CLIENT_HELLO) => {
                // Anew under the old keys (RFC 5246 §7.4.1.1), or after a hello retry request.
                if let Some(hello) = ClientHello::read(message.body)
                    && let Some(session) = self.secrets.of(&hello.random)
                {
                    self.session = session;
                    self.client_random = hello.random;
                }
            }
            (Side::Server, kind::SERVER_HELLO) => {
                if let Some(hello) = ServerHello::read(message.body).filter(|hello| !hello.retry) {
                    self.server_hello(&hello);
                }
            }
            (Side::Client, kind::END_OF_EARLY_DATA) | (_, kind::FINISHED | kind::KEY_UPDATE)
                if is_1_3(self.version) =>
            {
                self.sides.of_mut(side).turn();
            }
            _ => {}
        }
    }

    fn server_hello(&mut self, hello: &ServerHello) {
        self.version = hello.version;
        let Some(suite) = Suite::of(hello.version, hello.cipher).filter(|_| hello.compression == 0)
        else {
            let cipher = suite_name(hello.cipher);
            let compressed = if hello.compression == 0 {
                ""
            } else {
                ", compressed,"
            };
            self.unable = Some(format!(
                "records of {} with {cipher}{compressed} cannot be opened here",
                hello.version
            ));
            return;
        };
        if suite.is_1_3() {
            for (side, handshake, application) in [
                (Side::Client, Label::ClientHandshake, Label::ClientTraffic),
                (Side::Server, Label::ServerHandshake, Label::ServerTraffic),
            ] {
                let [handshake, application] =
                    [handshake, application].map(|label| self.session.get(label));
                self.sides
                    .of_mut(side)
                    .expect_traffic(suite, handshake, application);
            }
            return;
        }
        let order = if hello.encrypt_then_mac && suite.cipher.chained_block().is_some() {
            MacOrder::EncryptThenMac
        } else {
            MacOrder::MacThenEncrypt
        };
        let Some(master) = self.session.get(Label::Master) else {
            return;
        };
        for side in [Side::Client, Side::Server] {
            let keys =
                schedule::from_master(suite, &master, &self.client_random, &hello.random, side);
            if let Some(protection) = keys.and_then(|keys| Protection::new(suite, keys, order)) {
                self.sides.of_mut(side).expect_change(protection);
            }
        }
    }

    /// `side` changes to the cipher agreed on (TLS 1.2 and before).
    pub(in super::super) fn change(&mut self, side: Side) {
        if self.version.0 != 0 && !is_1_3(self.version) {
            self.sides.of_mut(side).turn();
        }
    }

    /// `octets` of `side` are missing; 0 where their number is not known.
    pub(in super::super) fn gap(&mut self, side: Side, octets: u64) {
        self.sides.of_mut(side).gap(octets);
    }

    /// A protected record of which bytes are missing has passed.
    pub(in super::super) fn incomplete(&mut self, side: Side) {
        self.sides.of_mut(side).gap(1);
    }

    /// Opens the next protected record of `side` into `out`.
    pub(in super::super) fn open(
        &mut self,
        side: Side,
        header: Header,
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> Option<Plain> {
        let Some(opened) = self.sides.of_mut(side).open(header, body, out) else {
            self.tally.failed += 1;
            return None;
        };
        let kind = if is_1_3(self.version) || opened.stage == Stage::Early {
            // Zeros to hide the length come behind the true type (RFC 8446 §5.2).
            let end = out.iter().rposition(|&octet| octet != 0);
            let kind = end.and_then(|end| out.get(end).copied());
            out.truncate(end.unwrap_or(0));
            kind.unwrap_or(Header::APPLICATION_DATA)
        } else {
            header.kind
        };
        self.tally.opened += 1;
        Some(Plain {
            kind,
            missing: opened.missing,
            early: opened.stage == Stage::Early,
        })
    }
}
