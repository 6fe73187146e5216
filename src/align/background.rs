//! How common the sessions of a capture are, and which of them a log session can be at all.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::iter;
use std::net::IpAddr;

use foldhash::fast::RandomState;

use crate::model::{
    Encryption, Endpoint, Exchange, LogSession, Nanos, Proto, Role, TlsSummary, TlsVersion,
    WireSession,
};

use super::ends;
use super::translation::{Own, Translation};

/// How common the sessions of a capture are, by what a log may tell of them.
pub(super) struct Background {
    kinds: HashMap<Kind, u32, RandomState>,
    /// Addresses of servers, by which proxies know those behind them too.
    servers: HashSet<IpAddr, RandomState>,
    serves: BTreeMap<(Endpoint, Proto), u32>,
    first: Nanos,
    last: Nanos,
    mean_length: f64,
}

/// In how many seconds the first and the last line of a log session must have been written to be of a wire session.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Within {
    pub(super) opening: f64,
    pub(super) closing: f64,
}

/// A kind of session, as far as a log tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Kind {
    proto: Option<Proto>,
    peer: Option<IpAddr>,
    encryption: Option<Encryption>,
    version: Option<TlsVersion>,
}

impl Kind {
    /// By all that can be told of a session, for nobody and for each client that it is known by.
    fn of(wire: &WireSession) -> impl Iterator<Item = Self> {
        let version = wire.tls.as_ref().and_then(|tls| tls.version);
        let clients = iter::once(None).chain(wire.named_clients().map(Some));
        clients.map(move |peer| Self {
            proto: Some(wire.proto),
            peer,
            encryption: Some(wire.encryption),
            version,
        })
    }

    /// This and what a log that tells less may tell of it.
    fn less(self) -> impl Iterator<Item = Self> {
        [self.proto, None].into_iter().flat_map(move |proto| {
            let told = [
                (None, None),
                (self.encryption, None),
                (self.encryption, self.version),
            ];
            told.map(|(encryption, version)| Self {
                proto,
                encryption,
                version,
                ..self
            })
        })
    }
}

impl Background {
    pub(super) fn of(wires: &[WireSession]) -> Self {
        let mut whole: HashMap<Kind, u32, RandomState> = HashMap::default();
        let mut serves = BTreeMap::new();
        let mut addresses = HashSet::default();
        for wire in wires {
            let reached = wire.forwarded.iter().filter_map(|named| named.reached);
            let ends = iter::once(wire.conversation.server).chain(reached);
            addresses.extend(ends.map(|end| end.ip));
            *serves
                .entry((wire.conversation.server, wire.proto))
                .or_insert(0) += 1;
            for kind in Kind::of(wire) {
                *whole.entry(kind).or_insert(0) += 1;
            }
        }
        let mut kinds = HashMap::default();
        let all = whole.into_iter();
        let all = all.flat_map(|(kind, count)| kind.less().map(move |kind| (kind, count)));
        all.for_each(|(kind, count)| *kinds.entry(kind).or_insert(0) += count);
        let first = wires
            .iter()
            .map(|wire| wire.start)
            .min()
            .unwrap_or_default();
        let last = wires.iter().map(|wire| wire.end).max().unwrap_or_default();
        let lengths: f64 = wires
            .iter()
            .map(|wire| wire.end.since(wire.start).as_seconds_f64())
            .sum();
        #[expect(clippy::cast_precision_loss, reason = "a count of sessions")]
        let count = wires.len().max(1) as f64;
        Self {
            kinds,
            servers: addresses,
            serves,
            first,
            last,
            mean_length: (lengths / count).max(1.0),
        }
    }

    /// Whether the two can be the same at all, whatever the clock says. Of the wire session it is told whether it is damaged.
    pub(super) fn possible(
        &self,
        (wire, damaged): (&WireSession, bool),
        log: &LogSession,
        translation: &Translation,
        own: Own,
    ) -> bool {
        self.proto_fits(wire, log)
            && ends::fit(wire, log, translation, own)
            && encryption_fits(wire, damaged, log)
            && version_fits(wire, damaged, log)
    }

    /// From the first moment of any session to the last.
    pub(super) const fn span(&self) -> (Nanos, Nanos) {
        (self.first, self.last)
    }

    /// Whether a server has this address on the wire.
    pub(super) fn has_server(&self, server: IpAddr) -> bool {
        self.servers.contains(&server)
    }

    /// Whether `client` occurs on the wire.
    pub(super) fn knows(&self, client: IpAddr) -> bool {
        self.kinds.contains_key(&Kind {
            proto: None,
            peer: Some(client),
            encryption: None,
            version: None,
        })
    }

    fn proto_fits(&self, wire: &WireSession, log: &LogSession) -> bool {
        wire.proto == log.proto
            // A proxy that only passes octets on does not say what they are.
            || log.proto == Proto::UNKNOWN
            || ([Proto::UNKNOWN, Proto::TLS].contains(&wire.proto)
                && (ends::same_port(wire, log)
                    || self
                        .serves
                        .contains_key(&(wire.conversation.server, log.proto))))
    }

    /// How many sessions of the capture are of the kind that `log` tells of; at least one.
    pub(super) fn alike(&self, log: &LogSession) -> f64 {
        let kind = Kind {
            proto: Some(log.proto),
            peer: log
                .peer
                .filter(|&peer| log.role == Role::Server && self.knows(peer)),
            encryption: log.encryption,
            version: log
                .tls
                .as_ref()
                .and_then(|tls| tls.version)
                .filter(|_| log.encryption.is_some()),
        };
        // What TLS hides from the first byte may be of this protocol too.
        let hidden = [Some(log.proto), Some(Proto::TLS), Some(Proto::UNKNOWN)];
        let protos = match log.proto {
            Proto::UNKNOWN => &[None][..],
            _ => &hidden,
        };
        let count: u32 = protos
            .iter()
            .copied()
            .filter_map(|proto| self.kinds.get(&Kind { proto, ..kind }))
            .sum();
        f64::from(count.max(1))
    }

    /// Minus the logarithm of how many of `strangers`, unrelated sessions of the kind, would be expected to open and close
    /// as the log says, within `window`.
    pub(super) fn rarity(&self, strangers: f64, window: Within) -> f64 {
        let seconds = self.last.since(self.first).as_seconds_f64().max(1.0);
        let opening = strangers * (window.opening / seconds).min(1.0);
        let closing = (window.closing / self.mean_length).min(1.0);
        -(opening * closing).ln()
    }
}

/// Whether the capture has holes in the session or lacks its beginning.
pub(super) fn damaged(wire: &WireSession) -> bool {
    wire.counts.0.iter().any(|direction| direction.gaps > 0) || !super::moment::began(wire)
}

/// Whether the client did in the clear what it does when TLS, if any, is up: then there was none.
fn spoke_in_the_clear(wire: &WireSession) -> bool {
    const BEHIND_TLS: [&str; 18] = [
        "APPEND", "CLOSE", "COPY", "DELE", "EXAMINE", "EXPUNGE", "FETCH", "IDLE", "LIST", "MAIL",
        "RETR", "SEARCH", "SELECT", "STAT", "STATUS", "STORE", "UID", "UIDL",
    ];
    let behind = |exchange: &Exchange| BEHIND_TLS.contains(&exchange.verb.as_str());
    wire.encryption == Encryption::None && wire.tls.is_none() && wire.exchanges.iter().any(behind)
}

fn encryption_fits(wire: &WireSession, damaged: bool, log: &LogSession) -> bool {
    let told = log.encryption.filter(|&told| told != Encryption::None);
    let tells_of_tls = log.tls.is_some() || told.is_some();
    if tells_of_tls && damaged && spoke_in_the_clear(wire) {
        return false;
    }
    // A handshake that failed is encrypted for one witness and not for the other.
    let opened = || wire.tls.as_ref().is_some_and(TlsSummary::is_opened);
    let silent = || wire.bursts.is_empty() && !opened();
    let undecided = || damaged || (wire.encryption == Encryption::StartTls && silent());
    log.encryption
        .is_none_or(|told| told == wire.encryption || undecided())
}

fn version_fits(wire: &WireSession, damaged: bool, log: &LogSession) -> bool {
    // TLS that the log tells of is to be seen, where its beginning is.
    if log.tls.is_some() && wire.tls.is_none() && wire.encryption == Encryption::None && !damaged {
        return false;
    }
    let seen = wire.tls.as_ref().and_then(|tls| tls.version);
    let told = log.tls.as_ref().and_then(|tls| tls.version);
    seen.is_none() || told.is_none() || seen == told
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{LogId, LoggedTls, Seen, Verb, testing};

    #[test]
    fn who_read_mail_in_the_clear_had_no_tls_also_where_the_beginning_is_missing() {
        let mut wire = testing::wire("imap", 143, Nanos(0));
        let exchange = |verb| Exchange::new(Verb::new(verb), String::new(), Seen::Wire);
        wire.exchanges = vec![exchange("CAPABILITY"), exchange("LOGIN")];
        let mut log = LogSession::new(LogId(0), Proto("imap"));
        log.tls = Some(LoggedTls {
            version: None,
            cipher: None,
        });
        assert!(damaged(&wire) && encryption_fits(&wire, true, &log));
        wire.exchanges.push(exchange("SELECT"));
        assert!(!encryption_fits(&wire, true, &log));
        log.tls = None;
        assert!(encryption_fits(&wire, true, &log));
    }
}
