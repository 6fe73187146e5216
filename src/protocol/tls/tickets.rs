//! Session tickets of TLS 1.3 (RFC 8446 §4.6.1) among a server's first records.
//!
//! Tickets come after the client's Finished, all of one length or a cipher block apart, and never without the
//! client's `psk_key_exchange_modes` (RFC 8446 §4.2.9). OpenSSL sends two, or one for a session taken up; they may come
//! before or after the client's first words, and a greeting may overtake them. So:
//!
//! - Where the client speaks first, what the server sends before is tickets, if of a ticket's length.
//! - Where the server greets, its last record before the client speaks is a greeting, and so is all that
//!   differs from the first; a short first one is the greeting, and tickets may follow it.
//! - Where it is not known who begins, records of one length are thought tickets rather than a greeting.
//! - In an answer, records of one length before one that differs are tickets. A server that sends no tickets
//!   and answers first with one small record and then with another is misread by its first.

use std::ops::RangeInclusive;

use super::opening::Opener;
use super::record::Facts;

/// Shortest and longest record that may hold a ticket. Servers that keep their sessions send about 74 octets,
/// others 200 to 700; a record that fills a packet is an answer.
const TICKET: RangeInclusive<u16> = 60..=1_280;
/// Shortest single record after a greeting that is rather a ticket than more greeting.
const ALONE: u16 = 150;

/// Whether records of these lengths may both be tickets of one server. OpenSSL seals a session with AES-CBC,
/// and its age may need an octet more.
pub(super) const fn alike(one: u16, other: u16) -> bool {
    matches!(one.abs_diff(other), 0 | 16)
}

/// Length of the tickets seen.
pub(super) type Known = Option<u16>;

/// Parts what the server sent before the client's first words: gives the data in it, and the length
/// of the tickets.
pub(super) fn unasked(held: &[Facts], opener: Opener) -> (Vec<Facts>, Known) {
    let is_ticket = |facts: &Facts| TICKET.contains(&facts.length);
    let Some(first) = held.first() else {
        return (Vec::new(), None);
    };
    let known = is_ticket(first).then_some(first.length);
    if opener == Opener::Client {
        let data = held.iter().filter(|facts| !is_ticket(facts));
        return (data.copied().collect(), known);
    }
    let all_alike = |run: &[Facts], length| run.iter().all(|facts| alike(facts.length, length));
    let Some(length) = known else {
        // A greeting first; tickets behind it?
        let rest = held.get(1..).unwrap_or_default();
        let tickets = rest.first().is_some_and(|next| {
            is_ticket(next)
                && all_alike(rest, next.length)
                && (rest.len() > 1 || next.length >= ALONE)
        });
        let data = if tickets { held.get(..1) } else { None };
        return (data.unwrap_or(held).to_vec(), None);
    };
    if all_alike(held, length) {
        let greeting = held.last().filter(|_| opener == Opener::Server);
        return (greeting.into_iter().copied().collect(), known);
    }
    let data = held.iter().skip_while(|facts| alike(facts.length, length));
    (data.copied().collect(), known)
}

/// Tickets that come after the client's first words.
pub(super) mod answer {
    use super::{Known, TICKET, alike};

    /// Most tickets that a server sends in a row.
    pub(in super::super) const TICKETS: usize = 4;

    /// Whether a record of `length` may be a ticket, after others of the length `first`, and where
    /// tickets of the length `known` came before.
    pub(in super::super) fn may_be_ticket(length: u16, known: Known, first: Option<u16>) -> bool {
        TICKET.contains(&length) && first.or(known).is_none_or(|before| alike(before, length))
    }
}
