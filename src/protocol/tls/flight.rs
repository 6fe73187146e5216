//! TLS 1.3 hides the end of its handshake among the application data: which records are which.
//!
//! After the server hello both flights, and the server's session tickets after them, look like application data
//! (RFC 8446 §2, §4.6.1). Only order and length tell them apart:
//!
//! - The server's records up to the client's Finished are its flight.
//! - A Finished is a message of hash length, so the client's is told by its length; client
//!   certificates before it are part of the flight. Where Finished shares a record with them, the server's
//!   next record shows that the flight is over.
//! - Tickets are the first records of the server after that, all of one length, and never without the client's
//!   `psk_key_exchange_modes` (RFC 8446 §4.2.9). Where the client speaks first, all that the server
//!   sends unasked is tickets. Where the server greets, or the client has already asked, at least one
//!   record is the greeting or the answer. Where it is not known who begins, a ticket is thought likelier
//!   than a greeting.

use smallvec::SmallVec;

use super::opening::Opener;
use super::overhead::Overhead;
use super::record::Facts;
use crate::model::{Nanos, Side};

/// Octets of a message header.
const MESSAGE: u16 = 4;
/// Shortest and longest record that may hold a ticket. Servers that keep their sessions send about 74 octets,
/// others 200 to 600; a record that fills a packet is an answer.
const TICKET: std::ops::RangeInclusive<u16> = 60..=1_280;
/// Most tickets that a server sends in a row.
const TICKETS: usize = 4;
/// Most records of a client's flight: end of early data, certificate, its verification, and some.
const FLIGHT: u8 = 6;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Up to the client's Finished; so many records of its flight have passed.
    Flight(u8),
    /// The server may send tickets.
    Tickets {
        /// The client has sent data.
        asked: bool,
        /// A ticket was seen.
        seen: bool,
    },
    /// All is data.
    Data,
}

/// What the hellos say about the hidden part.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    /// What encryption adds to a record.
    pub(super) overhead: Overhead,
    /// Octets of the suite's hash; `None` where the suite is not known.
    pub(super) hash: Option<u16>,
    /// Who speaks first.
    pub(super) opener: Opener,
    /// The client takes tickets.
    pub(super) tickets: bool,
    /// The client sends data before its Finished.
    pub(super) early_data: bool,
}

/// Follows one connection's hidden handshake.
#[derive(Debug)]
pub(super) struct Flight {
    terms: Terms,
    phase: Phase,
    /// Server records of one length, of which it is not yet known whether they are tickets.
    undecided: SmallVec<[Facts; TICKETS]>,
    finished: Option<Nanos>,
    refused: bool,
}

impl Flight {
    pub(super) fn new(terms: Terms) -> Self {
        Self {
            terms,
            phase: Phase::Flight(0),
            undecided: SmallVec::new(),
            finished: None,
            refused: false,
        }
    }

    /// When the handshake was over: the client's Finished.
    pub(super) const fn finished(&self) -> Option<Nanos> {
        self.finished
    }

    /// Whether the client answered the server's flight with an alert.
    pub(super) const fn refused(&self) -> bool {
        self.refused && self.finished.is_none()
    }

    /// Whether application data has begun.
    pub(super) const fn is_over(&self) -> bool {
        !matches!(self.phase, Phase::Flight(_))
    }

    /// Takes the next application data record; gives those that are data to `sink`, in order.
    pub(super) fn record(&mut self, side: Side, facts: Facts, sink: &mut impl FnMut(Side, Facts)) {
        match (self.phase, side) {
            (Phase::Flight(records), Side::Client) => self.in_flight(records, facts, sink),
            (Phase::Flight(0), Side::Server) => {}
            (Phase::Flight(_), Side::Server) if self.terms.early_data => {}
            (Phase::Flight(_), Side::Server) => {
                self.end_of_flight(facts.start.at);
                self.ticket_or_data(false, false, facts, sink);
            }
            (Phase::Tickets { asked, seen }, Side::Server) => {
                self.ticket_or_data(asked, seen, facts, sink);
            }
            (Phase::Tickets { asked, seen }, Side::Client) => {
                let answered = seen || !self.undecided.is_empty();
                self.decide(asked, sink);
                self.phase = if answered {
                    Phase::Data
                } else {
                    Phase::Tickets { asked: true, seen }
                };
                sink(side, facts);
            }
            (Phase::Data, _) => sink(side, facts),
        }
    }

    /// Records of `side` are missing.
    pub(super) fn gap(&mut self, side: Side, at: Nanos, sink: &mut impl FnMut(Side, Facts)) {
        match (self.phase, side) {
            // Its Finished may be among them, and nothing would tell.
            (Phase::Flight(_), Side::Client) => self.end_of_flight(at),
            (Phase::Tickets { asked, .. }, Side::Server) => {
                self.decide(asked, sink);
                self.phase = Phase::Data;
            }
            _ => {}
        }
    }

    /// The connection is over: what is undecided is decided.
    pub(super) fn finish(&mut self, sink: &mut impl FnMut(Side, Facts)) {
        if let Phase::Tickets { asked, .. } = self.phase {
            self.decide(asked, sink);
        }
    }

    /// A record of the client before its Finished.
    fn in_flight(&mut self, records: u8, facts: Facts, sink: &mut impl FnMut(Side, Facts)) {
        let Terms {
            overhead,
            hash,
            early_data,
            ..
        } = self.terms;
        let message = overhead.fixed + MESSAGE;
        let body = facts.length.saturating_sub(message);
        if hash.map_or([32, 48].contains(&body), |hash| body == hash) {
            self.end_of_flight(facts.end);
        } else if early_data {
            // End of early data is an empty message (RFC 8446 §4.5).
            if facts.length != message {
                sink(Side::Client, facts);
            }
        } else if facts.length == overhead.fixed + 2 {
            self.refused = true;
        } else if records >= FLIGHT {
            self.end_of_flight(facts.start.at);
            self.record(Side::Client, facts, sink);
        } else {
            self.phase = Phase::Flight(records + 1);
        }
    }

    fn end_of_flight(&mut self, at: Nanos) {
        self.finished.get_or_insert(at);
        self.phase = if self.terms.tickets {
            Phase::Tickets {
                asked: false,
                seen: false,
            }
        } else {
            Phase::Data
        };
    }

    /// A record of the server after the client's Finished.
    fn ticket_or_data(
        &mut self,
        asked: bool,
        seen: bool,
        facts: Facts,
        sink: &mut impl FnMut(Side, Facts),
    ) {
        let unasked = self.terms.opener == Opener::Client && !asked;
        let length = self.undecided.first().map(|first| first.length);
        if !self.terms.tickets || !TICKET.contains(&facts.length) {
            // It differs from those before, which then are tickets.
            self.undecided.clear();
        } else if unasked {
            self.phase = Phase::Tickets { asked, seen: true };
            return;
        } else if seen || length.is_some_and(|length| length != facts.length) {
            self.undecided.clear();
        } else if self.undecided.len() < TICKETS {
            self.undecided.push(facts);
            return;
        } else {
            // No server sends so many.
            for held in self.undecided.drain(..) {
                sink(Side::Server, held);
            }
        }
        self.phase = Phase::Data;
        sink(Side::Server, facts);
    }

    /// The server's records so far are all of one length, and no more are coming.
    fn decide(&mut self, asked: bool, sink: &mut impl FnMut(Side, Facts)) {
        let answer = asked || self.terms.opener == Opener::Server;
        if let Some(last) = self.undecided.pop()
            && answer
        {
            sink(Side::Server, last);
        }
        self.undecided.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::Mark;
    use super::*;
    use crate::model::PacketNo;

    const C: Side = Side::Client;
    const S: Side = Side::Server;

    const TERMS: Terms = Terms {
        overhead: Overhead::TLS_1_3,
        hash: Some(48),
        opener: Opener::Unknown,
        tickets: true,
        early_data: false,
    };

    fn data(terms: Terms, records: &[(Side, u16)]) -> Vec<(Side, u16)> {
        let mut flight = Flight::new(terms);
        let mut out = Vec::new();
        let mut sink = |side, facts: Facts| out.push((side, facts.length));
        for (at, &(side, length)) in (1..).zip(records) {
            let mark = Mark {
                at: Nanos(at),
                packet: PacketNo(1),
            };
            let facts = Facts {
                start: mark,
                end: mark.at,
                length,
                damaged: false,
            };
            flight.record(side, facts, &mut sink);
        }
        flight.finish(&mut sink);
        out
    }

    /// The server's flight and the client's Finished, then `records`.
    fn after_handshake(opener: Opener, records: &[(Side, u16)]) -> Vec<(Side, u16)> {
        let mut all = vec![(S, 27), (S, 872), (S, 281), (S, 69), (C, 69)];
        all.extend(records);
        data(Terms { opener, ..TERMS }, &all)
    }

    #[test]
    fn unasked_records_are_tickets_where_the_client_begins() {
        for tickets in [&[(S, 250)][..], &[(S, 266), (S, 266)], &[(S, 250), (S, 90)]] {
            let mut records = tickets.to_vec();
            records.extend([(C, 32), (S, 100)]);
            let out = after_handshake(Opener::Client, &records);
            assert_eq!(out, [(C, 32), (S, 100)], "{tickets:?}");
        }
    }

    #[test]
    fn the_settings_of_http2_are_data_though_nobody_asked() {
        let records = [(S, 250), (S, 250), (S, 44), (C, 50)];
        assert_eq!(
            after_handshake(Opener::Client, &records),
            [(S, 44), (C, 50)]
        );
    }

    #[test]
    fn a_greeting_follows_the_tickets_or_stands_alone() {
        for (records, greeting) in [
            (&[(S, 266), (S, 266), (S, 129)][..], 129),
            (&[(S, 250), (S, 53)], 53),
            (&[(S, 250), (S, 90)], 90),
            (&[(S, 90)], 90),
            (&[(S, 250), (S, 250)], 250),
        ] {
            let mut all = records.to_vec();
            all.push((C, 32));
            let out = after_handshake(Opener::Server, &all);
            assert_eq!(out, [(S, greeting), (C, 32)], "{records:?}");
            let out = after_handshake(Opener::Server, records);
            assert_eq!(out, [(S, greeting)], "{records:?} and no more");
        }
    }

    #[test]
    fn an_answer_is_data_though_tickets_come_late() {
        let out = after_handshake(Opener::Client, &[(C, 80), (S, 250), (S, 250), (S, 400)]);
        assert_eq!(out, [(C, 80), (S, 400)]);
        let out = after_handshake(Opener::Client, &[(C, 80), (S, 250), (C, 80)]);
        assert_eq!(out, [(C, 80), (S, 250), (C, 80)]);
        let out = after_handshake(Opener::Client, &[(C, 80), (S, 16_401)]);
        assert_eq!(out, [(C, 80), (S, 16_401)]);
    }

    #[test]
    fn more_of_one_length_than_any_server_has_tickets_are_data() {
        let mut records = vec![(C, 80)];
        records.extend([(S, 1_000); 6]);
        assert_eq!(after_handshake(Opener::Client, &records).len(), 7);
    }

    #[test]
    fn without_psk_modes_there_are_no_tickets() {
        let terms = Terms {
            tickets: false,
            ..TERMS
        };
        let out = data(terms, &[(S, 900), (C, 69), (S, 250)]);
        assert_eq!(out, [(S, 250)]);
    }

    #[test]
    fn a_clients_certificate_is_not_data() {
        let out = data(TERMS, &[(S, 900), (C, 700), (C, 281), (C, 69), (C, 33)]);
        assert_eq!(out, [(C, 33)]);
        // All in one record: the server's next one shows that it is over.
        let out = data(TERMS, &[(S, 900), (C, 1_034), (S, 31), (C, 33)]);
        assert_eq!(out, [(S, 31), (C, 33)]);
    }

    #[test]
    fn early_data_is_data_and_its_end_is_not() {
        let terms = Terms {
            early_data: true,
            ..TERMS
        };
        let out = data(terms, &[(C, 300), (S, 100), (C, 21), (C, 69), (C, 40)]);
        assert_eq!(out, [(C, 300), (C, 40)]);
    }

    #[test]
    fn an_alert_for_a_finished_is_a_refusal() {
        let mut flight = Flight::new(TERMS);
        let mark = Mark {
            at: Nanos(1),
            packet: PacketNo(1),
        };
        let facts = Facts {
            start: mark,
            end: mark.at,
            length: 19,
            damaged: false,
        };
        flight.record(C, facts, &mut |_, _| panic!("an alert is not data"));
        assert!(flight.refused());
    }
}
