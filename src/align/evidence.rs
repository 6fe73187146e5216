//! What speaks for a log session and a wire session being the same conversation, apart from the clock.
//!
//! The score is in nats: minus the logarithm of the number of unrelated sessions that would be expected to fit as
//! well, plus what agreeing or missing commands and sizes are worth.

use crate::model::{Forwarded, LogSession, LoggedSize, Side, WireSession};

use super::background::damaged;
use super::ends;
use super::octets::{Counted, OctetsFit};
use super::sequence::Counts;
use super::turn;

/// Worth of a command that agrees in word and code, or of a size that agrees to the octet.
const AGREEING: f64 = 0.5;
/// Most that agreeing commands and sizes are worth together.
const AGREEING_MOST: f64 = 10.0;
/// Worth of a command or exchange without a partner.
const LEFT_OVER: f64 = -1.2;
/// The same where the capture has holes in the session.
const LEFT_OVER_DAMAGED: f64 = -0.2;
/// Least that commands without a partner can cost together.
const LEFT_OVER_LEAST: f64 = -9.0;
/// Worth of a message whose size fits one on the wire, and of one that fits none.
const MESSAGE_FITS: f64 = 2.5;
const MESSAGE_MISSING: f64 = -4.0;
/// Worth of octet counts that fit in both directions, which by chance one session in thousands does.
const OCTETS_FIT: f64 = 6.0;
/// Worth of counts that do not, and the same where most that the log counts are found on the wire and this session is there from its first
/// packet to its last.
const OCTETS_DIFFER: f64 = -3.0;
const EXACT_OCTETS_DIFFER: f64 = -8.0;
/// Worth of a name the client gave to both, and of names that differ.
const NAME_SAME: f64 = 1.5;
const NAME_DIFFERS: f64 = -6.0;
/// Worth of a client port that agrees: the logarithm of the ephemeral range (RFC 6335: 16,384 ports).
const PORT_SAME: f64 = 9.7;

/// A score and, where they are asked for, the reasons.
#[derive(Clone, Debug, Default)]
pub(super) struct Evidence {
    pub(super) score: f64,
    pub(super) reasons: Option<Vec<String>>,
}

impl Evidence {
    /// Nothing yet, with reasons kept.
    pub(super) fn told() -> Self {
        Self {
            score: 0.0,
            reasons: Some(Vec::new()),
        }
    }

    /// Adds a reason where they are kept.
    pub(super) fn because(&mut self, reason: impl FnOnce() -> String) {
        if let Some(reasons) = &mut self.reasons {
            reasons.push(reason());
        }
    }

    /// Adds what a possible pair's words and sizes say.
    pub(super) fn weigh(
        &mut self,
        wire: &WireSession,
        log: &LogSession,
        counts: Counts,
        (usual, counted): (&[f64], Counted),
    ) {
        self.ports(wire, log);
        self.tls(wire, log);
        self.names(wire, log);
        self.messages(wire, log);
        self.octets(wire, log, counted);
        self.sizes(wire, log, usual);
        self.commands(wire, counts);
    }

    /// Adds what the addresses of a connection say.
    pub(super) fn ports(&mut self, wire: &WireSession, log: &LogSession) {
        let (peer, local) = ends::of(wire, log.role);
        if self.reasons.is_some()
            && let Some(told) = ends::translated_own(wire, log)
        {
            self.because(|| {
                format!(
                    "server {} is {told} in its own log, as for all its sessions",
                    local.ip
                )
            });
        }
        match (log.peer_port, log.peer) {
            (port, Some(told)) if told != peer.ip => {
                if let Some(named) = ends::forwarded(wire, log) {
                    return self.forwarded(named, port);
                }
                self.because(|| {
                    format!(
                        "address {} is {told} in the log, as translated for other sessions",
                        peer.ip
                    )
                });
            }
            (Some(port), Some(_)) => {
                self.score += PORT_SAME;
                self.because(|| format!("port {port} of {} as logged", peer.ip));
            }
            (None, Some(_)) => self.because(|| format!("address {} as logged", peer.ip)),
            _ => {}
        }
    }

    /// Adds what a client behind a proxy says, which the log names too.
    fn forwarded(&mut self, named: &Forwarded, port: Option<u16>) {
        let (client, by) = (named.client, named.by.name());
        if port.is_some() && port == named.port {
            self.score += PORT_SAME;
            self.because(|| {
                format!("a proxy names the client {client} by {by}, with its port, as logged")
            });
        } else {
            self.because(|| format!("a proxy names the client {client} by {by}, as logged"));
        }
    }

    fn tls(&mut self, wire: &WireSession, log: &LogSession) {
        let (Some(seen), Some(told)) = (&wire.tls, &log.tls) else {
            return;
        };
        let (Some(cipher), Some(logged)) = (&seen.cipher, &told.cipher) else {
            return;
        };
        if same_cipher(cipher, logged) {
            self.score += 0.5;
            self.because(|| format!("cipher {logged} as logged"));
        }
    }

    fn names(&mut self, wire: &WireSession, log: &LogSession) {
        if wire.names.is_empty() || log.names.is_empty() {
            return;
        }
        match log.names.iter().find(|told| {
            wire.names
                .iter()
                .any(|seen| seen.eq_ignore_ascii_case(told))
        }) {
            Some(name) => {
                self.score += NAME_SAME;
                self.because(|| format!("the client called itself {name} in both"));
            }
            None => self.score += NAME_DIFFERS,
        }
    }

    fn messages(&mut self, wire: &WireSession, log: &LogSession) {
        if log.messages.is_empty() || damaged(wire) {
            return;
        }
        let sizes = sent_sizes(wire);
        for (lo, hi) in log.messages.iter().filter_map(|message| message.wire_bytes) {
            match sizes.iter().find(|size| (lo..=hi).contains(size)) {
                Some(size) => {
                    self.score += MESSAGE_FITS;
                    self.because(|| {
                        format!("a message of {size} octets where the log has {lo} to {hi}")
                    });
                }
                None => self.score += MESSAGE_MISSING,
            }
        }
    }

    fn octets(&mut self, wire: &WireSession, log: &LogSession, counted: Counted) {
        let Some(told) = log.rare().octets else {
            return;
        };
        match OctetsFit::of(wire, told) {
            Some(OctetsFit::Exact) => {
                self.score += OCTETS_FIT;
                self.because(|| {
                    format!(
                        "{} octets in and {} out after login, as logged",
                        told.received, told.sent
                    )
                });
            }
            Some(OctetsFit::Differ) if counted == Counted::Exactly => {
                self.score += EXACT_OCTETS_DIFFER;
            }
            Some(OctetsFit::Unfinished | OctetsFit::Differ) => self.score += OCTETS_DIFFER,
            None => {}
        }
    }

    /// Sizes that the log names, by how much more often they are found in the right session than in any.
    fn sizes(&mut self, wire: &WireSession, log: &LogSession, usual: &[f64]) {
        if usual.is_empty() || damaged(wire) {
            return;
        }
        for (size, &usual) in log.rare().sizes.iter().zip(usual) {
            let right = f64::from(size.percent.min(99)) / 100.0;
            let Some(holds) = holds(wire, size) else {
                continue;
            };
            if holds {
                let gain = (right / usual).ln();
                self.score += gain;
                if gain > 0.5 {
                    self.because(|| format!("{} of {} octets, as logged", size.what, size.octets));
                }
            } else {
                self.score += ((1.0 - right) / (1.0 - usual)).ln();
            }
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of commands")]
    fn commands(&mut self, wire: &WireSession, counts: Counts) {
        let each = if damaged(wire) {
            LEFT_OVER_DAMAGED
        } else {
            LEFT_OVER
        };
        self.score += (AGREEING * counts.agreeing as f64).min(AGREEING_MOST);
        self.score += (each * counts.left_over as f64).max(LEFT_OVER_LEAST);
        match (counts.agreeing, counts.left_over) {
            (0, 0) => {}
            (agreeing, 0) => {
                self.because(|| format!("{agreeing} commands and sizes agree, none differs"));
            }
            (agreeing, left) => self
                .because(|| format!("{agreeing} commands and sizes agree, {left} have no partner")),
        }
    }
}

/// For each size that `log` names, in which share of the sessions that it may be it is found.
pub(super) fn usual<'w>(
    wires: impl Iterator<Item = &'w WireSession>,
    log: &LogSession,
) -> Vec<f64> {
    /// Sessions looked at.
    const SAMPLE: usize = 48;
    let mut found = vec![0.5; log.rare().sizes.len()];
    let mut of = 1.0;
    for wire in wires.filter(|wire| !damaged(wire)).take(SAMPLE) {
        of += 1.0;
        for (count, size) in found.iter_mut().zip(&log.rare().sizes) {
            *count += holds(wire, size).map_or(0.5, |holds| f64::from(u8::from(holds)));
        }
    }
    found.iter().map(|count| count / of).collect()
}

/// Whether some requests or replies of `wire` have the size together that the log tells; `None` when there are too many
/// to say.
fn holds(wire: &WireSession, size: &LoggedSize) -> Option<bool> {
    let mut octets = turn::octets(wire)
        .map(|(asked, answered)| match size.side {
            Side::Client => asked,
            Side::Server => answered,
        })
        .filter(|&octets| octets > 0 && octets <= size.octets);
    // Most tell of one message.
    if size.count == 1 {
        return Some(octets.any(|octets| octets == size.octets));
    }
    let mut octets: Vec<u64> = octets.collect();
    octets.sort_unstable();
    let mut tries = MAX_TRIES;
    let found = add_up(&octets, size.count, size.octets, &mut tries);
    (found || tries > 0).then_some(found)
}

/// Sums looked at for one size.
const MAX_TRIES: u32 = 5000;

/// Whether `count` of the ascending `octets` add up to `total`, as far as `tries` go.
fn add_up(octets: &[u64], count: u32, total: u64, tries: &mut u32) -> bool {
    let Some(rest) = count.checked_sub(1) else {
        return total == 0;
    };
    if rest == 0 {
        return octets.binary_search(&total).is_ok();
    }
    let mut ahead = octets;
    while let Some((&last, before)) = ahead.split_last() {
        let Some(left) = tries.checked_sub(1) else {
            return false;
        };
        *tries = left;
        // What is largest times how many are wanted is the most that can be had.
        if last.saturating_mul(u64::from(count)) < total {
            return false;
        }
        if total
            .checked_sub(last)
            .is_some_and(|total| add_up(before, rest, total, tries))
        {
            return true;
        }
        ahead = before;
    }
    false
}

/// Sizes of what the client sent in one piece: messages in the clear, else encrypted runs.
fn sent_sizes(wire: &WireSession) -> Vec<u64> {
    let clear = wire
        .exchanges
        .iter()
        .filter(|exchange| exchange.verb.is_body())
        .filter_map(|exchange| exchange.request_bytes);
    let hidden = wire
        .bursts
        .iter()
        .filter(|burst| burst.side == Side::Client)
        .map(|burst| burst.plaintext);
    clear.chain(hidden).collect()
}

/// Whether two spellings name one cipher: IANA's `TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384` and OpenSSL's
/// `ECDHE-RSA-AES256-GCM-SHA384`.
fn same_cipher(iana: &str, logged: &str) -> bool {
    let mut seen = letters(iana);
    let mut told = letters(logged).peekable();
    told.peek().is_some() && told.all(|letter| seen.next() == Some(letter))
}

/// The letters and figures of a cipher's name but for the words that only IANA writes.
fn letters(name: &str) -> impl Iterator<Item = u8> {
    let words = name.split(|letter: char| !letter.is_ascii_alphanumeric());
    let own = words.filter(|word| {
        !["TLS", "WITH"]
            .iter()
            .any(|of| word.eq_ignore_ascii_case(of))
    });
    own.flat_map(str::bytes)
        .map(|letter| letter.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_add_up_or_do_not_or_are_too_many_to_say() {
        let mut tries = MAX_TRIES;
        assert!(add_up(&[5, 13, 452, 3234], 2, 3686, &mut tries));
        assert!(!add_up(&[5, 13, 452, 3234], 2, 3687, &mut tries));
        assert!(!add_up(&[5, 13, 452, 3234], 3, 3686, &mut tries));
        assert!(add_up(&[13], 1, 13, &mut tries));
        let many = [10; 60];
        assert!(!add_up(&many, 30, 295, &mut tries) && tries == 0);
    }

    #[test]
    fn ciphers_are_the_same_in_both_spellings() {
        assert!(same_cipher(
            "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
            "ECDHE-RSA-AES256-GCM-SHA384"
        ));
        assert!(same_cipher(
            "TLS_AES_256_GCM_SHA384",
            "TLS_AES_256_GCM_SHA384"
        ));
        assert!(same_cipher(
            "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
            "ECDHE-RSA-CHACHA20-POLY1305"
        ));
        assert!(!same_cipher(
            "TLS_AES_128_GCM_SHA256",
            "TLS_AES_256_GCM_SHA384"
        ));
    }
}
