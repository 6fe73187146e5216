//! TLS 1.3 hides the end of its handshake among the application data: which records are which.
//!
//! After the server hello both flights, and the server's session tickets after them, look like application data
//! (RFC 8446 §2, §4.6.1). Only order and length tell them apart:
//!
//! - The server's records up to the client's Finished are its flight.
//! - A Finished is a message of hash length, so the client's is told by its length; client
//!   certificates before it are part of the flight. Where Finished shares a record with them, the server's
//!   next record shows that the flight is over.
//! - Java pads every record by 16 octets. A Finished that is so much too long gives it away.
//! - The server's records after that may hold tickets: [`super::tickets`] decides.

use super::opening::Opener;
use super::overhead::Overhead;
use super::record::Facts;
use super::sides::Sides;
use super::tickets::{Known, alike, answer, unasked};
use crate::model::{Nanos, Side};

/// Octets of a message header.
const MESSAGE: u16 = 4;
/// Octets of an alert.
const ALERT: u16 = 2;
/// Zeros that Java's TLS puts behind every message.
const JAVA: u16 = 16;
/// Most records of a client's flight: end of early data, certificate, its verification, and some.
const FLIGHT: u8 = 6;
/// Most records held back undecided.
const HELD: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Up to the client's Finished; so many records of its flight have passed.
    Flight(u8),
    /// The client has not spoken yet: what the server sends is held until it does.
    Unasked,
    /// The client has spoken and has no answer yet.
    Asked(Known),
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
    /// Server records of which it is not yet known what they are.
    held: Vec<Facts>,
    /// Octets by which a side pads its records.
    padding: Sides<u16>,
    /// Length of the last record of the server's flight.
    last: u16,
    finished: Option<Nanos>,
    refused: bool,
}

impl Flight {
    pub(super) fn new(terms: Terms) -> Self {
        Self {
            terms,
            phase: Phase::Flight(0),
            held: Vec::new(),
            padding: Sides::default(),
            last: 0,
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

    /// Takes the next application data record; gives those that are data to `sink`, in order and without
    /// their padding.
    pub(super) fn record(&mut self, side: Side, facts: Facts, sink: &mut impl FnMut(Side, Facts)) {
        match (self.phase, side) {
            (Phase::Flight(records), Side::Client) => self.in_flight(records, facts, sink),
            (Phase::Flight(records), Side::Server) => {
                if records == 0 || self.terms.early_data {
                    self.last = facts.length;
                } else {
                    self.end_of_flight(facts.start.at);
                    self.record(side, facts, sink);
                }
            }
            (Phase::Unasked, Side::Server) => {
                self.held.push(facts);
                if self.held.len() == HELD {
                    self.first_words(sink);
                    self.phase = Phase::Data;
                }
            }
            (Phase::Asked(known), Side::Server) => self.in_answer(known, facts, sink),
            (Phase::Unasked, Side::Client) => {
                self.phase = self.first_words(sink);
                self.give(side, facts, sink);
            }
            (Phase::Asked(_), Side::Client) => {
                if !self.held.is_empty() {
                    self.last_is_answer(sink);
                }
                self.give(side, facts, sink);
            }
            (Phase::Data, _) => self.give(side, facts, sink),
        }
    }

    /// Records of `side` are missing.
    pub(super) fn gap(&mut self, side: Side, at: Nanos, sink: &mut impl FnMut(Side, Facts)) {
        match (self.phase, side) {
            // Its Finished may be among them, and nothing would tell.
            (Phase::Flight(_), Side::Client) => self.end_of_flight(at),
            (Phase::Unasked | Phase::Asked(_), Side::Server) => {
                self.finish(sink);
                self.phase = Phase::Data;
            }
            _ => {}
        }
    }

    /// The connection is over: what is undecided is decided.
    pub(super) fn finish(&mut self, sink: &mut impl FnMut(Side, Facts)) {
        match self.phase {
            Phase::Unasked => {
                self.first_words(sink);
            }
            Phase::Asked(_) => self.last_is_answer(sink),
            Phase::Flight(_) | Phase::Data => {}
        }
    }

    /// A record of the client before its Finished.
    fn in_flight(&mut self, records: u8, facts: Facts, sink: &mut impl FnMut(Side, Facts)) {
        let overhead = self.terms.overhead.fixed;
        let padded = facts.length.saturating_sub(JAVA);
        if self.is_finished(facts.length) {
            self.end_of_flight(facts.end);
        } else if self.is_finished(padded) {
            *self.padding.of_mut(Side::Client) = JAVA;
            self.end_of_flight(facts.end);
        } else if self.terms.early_data {
            // End of early data is an empty message (RFC 8446 §4.5).
            if facts.length != overhead + MESSAGE {
                self.give(Side::Client, facts, sink);
            }
        } else if [facts.length, padded].contains(&(overhead + ALERT)) {
            self.refused = true;
        } else if records >= FLIGHT {
            self.end_of_flight(facts.start.at);
            self.record(Side::Client, facts, sink);
        } else {
            self.phase = Phase::Flight(records + 1);
        }
    }

    /// Whether a record of `length` holds a Finished and nothing else.
    fn is_finished(&self, length: u16) -> bool {
        let body = length.saturating_sub(self.terms.overhead.fixed + MESSAGE);
        match self.terms.hash {
            Some(hash) => body == hash,
            None => body == 32 || body == 48,
        }
    }

    fn end_of_flight(&mut self, at: Nanos) {
        self.finished.get_or_insert(at);
        if !self.is_finished(self.last) && self.is_finished(self.last.saturating_sub(JAVA)) {
            *self.padding.of_mut(Side::Server) = JAVA;
        }
        self.phase = if self.terms.tickets {
            Phase::Unasked
        } else {
            Phase::Data
        };
    }

    /// The server has had the first word: what of it is data?
    fn first_words(&mut self, sink: &mut impl FnMut(Side, Facts)) -> Phase {
        let held = std::mem::take(&mut self.held);
        let (data, known) = unasked(&held, self.terms.opener);
        let phase = if data.is_empty() {
            Phase::Asked(known)
        } else {
            Phase::Data
        };
        for facts in data {
            self.give(Side::Server, facts, sink);
        }
        phase
    }

    /// A record of the server after the client's first words.
    fn in_answer(&mut self, known: Known, facts: Facts, sink: &mut impl FnMut(Side, Facts)) {
        let first = self.held.first().map(|held| held.length);
        if answer::may_be_ticket(facts.length, known, first) && self.held.len() < answer::TICKETS {
            self.held.push(facts);
            return;
        }
        let alert = self.terms.overhead.fixed + ALERT + self.padding.of(Side::Server);
        if facts.length == alert {
            self.last_is_answer(sink);
        } else if first.is_some_and(|first| alike(first, facts.length)) {
            // No server sends so many.
            for held in std::mem::take(&mut self.held) {
                self.give(Side::Server, held, sink);
            }
        }
        // This one differs from those before, which then were tickets.
        self.held = Vec::new();
        self.phase = Phase::Data;
        self.give(Side::Server, facts, sink);
    }

    /// The server's records so far are all of one length, and no more are coming: one is the answer.
    fn last_is_answer(&mut self, sink: &mut impl FnMut(Side, Facts)) {
        if let Some(facts) = std::mem::take(&mut self.held).pop() {
            self.phase = Phase::Data;
            self.give(Side::Server, facts, sink);
        }
    }

    fn give(&self, side: Side, mut facts: Facts, sink: &mut impl FnMut(Side, Facts)) {
        facts.length = facts.length.saturating_sub(*self.padding.of(side));
        sink(side, facts);
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
    fn tickets_may_come_on_both_sides_of_the_first_request() {
        let late = [(S, 250), (C, 149), (S, 250), (S, 686)];
        assert_eq!(after_handshake(Opener::Client, &late), [(C, 149), (S, 686)]);
        // The second may need a cipher block more.
        let apart = [(S, 634), (C, 49), (S, 650), (S, 919)];
        assert_eq!(after_handshake(Opener::Client, &apart), [(C, 49), (S, 919)]);
        // A greeting may overtake them.
        let behind = [(S, 44), (S, 282), (S, 282), (C, 280)];
        assert_eq!(
            after_handshake(Opener::Server, &behind),
            [(S, 44), (C, 280)]
        );
    }

    #[test]
    fn an_answer_before_a_closing_alert_is_no_ticket() {
        let out = after_handshake(Opener::Client, &[(C, 48), (S, 1_142), (S, 19)]);
        assert_eq!(out, [(C, 48), (S, 1_142), (S, 19)]);
    }

    #[test]
    fn the_padding_of_java_is_taken_off() {
        let server = [(S, 65), (S, 85), (C, 69), (C, 40), (S, 57), (S, 35)];
        assert_eq!(data(TERMS, &server), [(C, 40), (S, 41), (S, 19)]);
        let client = [(S, 27), (S, 69), (C, 85), (C, 56), (S, 41)];
        assert_eq!(data(TERMS, &client), [(C, 40), (S, 41)]);
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
