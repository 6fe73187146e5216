//! Questions and their answers.

use hashbrown::HashMap;
use smallvec::SmallVec;

use super::message::{Message, QUERY, Question};
use super::words::{code_name, opcode_name, type_name};
use crate::model::{
    Exchange, FaultCode, Lookup, LookupOutcome, Nanos, PacketNo, RecordType, Seen, Side, Span, Verb,
};
use crate::protocol::Dialogue;
use crate::protocol::record::remark;

/// Questions kept of one conversation; beyond that they are counted.
const MAX_QUESTIONS: usize = 10_000;
/// Questions of one id among which an answer's is looked for, latest first.
const LOOKED_BACK: usize = 64;
/// A question that comes again this soon behind its answer may be the same one, late on its way.
const LATE: Span = Span::seconds(5);

/// A message on its way.
pub(super) struct Passed {
    pub(super) side: Side,
    /// First and last octet.
    pub(super) first: Nanos,
    pub(super) last: Nanos,
    pub(super) packet: PacketNo,
    /// As it takes room on the wire.
    pub(super) octets: u64,
}

/// Puts the answers of one conversation to its questions.
#[derive(Debug, Default)]
pub(super) struct Pairing {
    asked: Vec<Asked>,
    /// Places in `asked`, by id.
    by_id: HashMap<u16, SmallVec<[usize; 1]>, foldhash::fast::RandomState>,
    /// Of the transfer that goes on over several messages, the place in `asked`.
    transfer: Option<usize>,
    odd: u64,
    unpaired: u64,
    beyond: u64,
}

/// A question.
#[derive(Debug)]
struct Asked {
    opcode: u8,
    /// Its place among the look-ups, if it is one.
    lookup: Option<usize>,
    exchange: usize,
    question: Option<Question>,
    tries: u32,
    last: Nanos,
    answered: bool,
    /// The same once more, after the answer: another question only if it gets an answer too.
    again: Option<(Nanos, Nanos, PacketNo, u64)>,
    /// Messages and records of a transfer so far.
    transferred: (u64, u64),
}

impl Pairing {
    /// Takes the next message; `None` for what is none.
    pub(super) fn message(
        &mut self,
        message: Option<Message>,
        passed: &Passed,
        out: &mut Dialogue,
    ) {
        let Some(message) = message else {
            self.odd += 1;
            if passed.side == Side::Server {
                self.doubt(
                    "what the server sent cannot be read: it may be the answer",
                    out,
                );
            }
            return;
        };
        match (message.is_answer, passed.side) {
            (false, _) => self.question(message, passed, out),
            (true, Side::Server) => self.answer(message, passed, out),
            (true, Side::Client) => self.stray(passed, out),
        }
    }

    /// Whether anything of it was name service.
    pub(super) fn is_any(&self) -> bool {
        !self.asked.is_empty() || self.unpaired > 0
    }

    /// Answers were lost, so that what has none yet may have had one.
    pub(super) fn lose_answers(&mut self, out: &mut Dialogue) {
        self.doubt("its answer may be missing from the capture", out);
    }

    /// Of the questions without an answer nobody can say that they have none, and `why`.
    fn doubt(&mut self, why: &str, out: &mut Dialogue) {
        for asked in self.asked.iter().filter(|asked| !asked.answered) {
            let lookup = asked.lookup.and_then(|at| out.lookups.get_mut(at));
            if let Some(lookup) = lookup {
                lookup.outcome = LookupOutcome::Unknown;
            }
            if let Some(exchange) = out.exchanges.get_mut(asked.exchange) {
                remark(&mut exchange.notes, why);
            }
        }
    }

    /// The conversation is over: what was odd about it is noted.
    pub(super) fn finish(&self, unpaired: &str, out: &mut Dialogue) {
        for asked in self.asked.iter().filter(|asked| asked.tries > 1) {
            if let Some(exchange) = out.exchanges.get_mut(asked.exchange) {
                remark(&mut exchange.notes, format!("asked {} times", asked.tries));
            }
        }
        let notes = [
            (self.odd, "messages that are not DNS"),
            (self.unpaired, unpaired),
            (self.beyond, "questions not kept, as there were too many"),
        ];
        for (count, words) in notes.iter().filter(|(count, _)| *count > 0) {
            remark(&mut out.notes, format!("{words}: {count}"));
        }
    }

    /// Where `message` was asked, latest first.
    fn asked(&self, message: &Message, fits: impl Fn(&Asked) -> bool) -> Option<usize> {
        let places = self.by_id.get(&message.id)?;
        places.iter().rev().copied().find(|&at| {
            self.asked.get(at).is_some_and(|asked| {
                asked.opcode == message.opcode && same(asked, message) && fits(asked)
            })
        })
    }

    fn question(&mut self, message: Message, passed: &Passed, out: &mut Dialogue) {
        // The same id and question once more is a retry.
        let known = self.asked(&message, |asked| {
            !asked.answered || passed.last.since(asked.last) <= LATE
        });
        if let Some(asked) = known.and_then(|at| self.asked.get_mut(at)) {
            if asked.answered {
                let again = (passed.first, passed.last, passed.packet, passed.octets);
                asked.again.get_or_insert(again);
            } else {
                asked.last = passed.last;
                asked.tries += 1;
                count_tries(asked, out);
            }
            return;
        }
        if self.asked.len() >= MAX_QUESTIONS {
            self.beyond += 1;
            return;
        }
        self.begin(message.id, message.opcode, message.question, passed, out);
    }

    fn begin(
        &mut self,
        id: u16,
        opcode: u8,
        question: Option<Question>,
        passed: &Passed,
        out: &mut Dialogue,
    ) -> usize {
        let (verb, request) = words(opcode, question.as_ref());
        out.exchanges.push(Exchange {
            start: Some(passed.first),
            asked: Some(passed.last),
            request_bytes: Some(passed.octets),
            packets: [Some(passed.packet), None],
            ..Exchange::new(Verb::new(&verb), request, Seen::Wire)
        });
        let is_lookup = |question: &&Question| opcode == QUERY && !is_transfer(question);
        let lookup = question.as_ref().filter(is_lookup).map(|question| {
            out.lookups.push(Lookup {
                name: question.name.clone(),
                record_type: question.record_type,
                asked: passed.last,
                answered: None,
                tries: 1,
                outcome: LookupOutcome::Unanswered,
                addresses: Vec::new(),
                names: Vec::new(),
                ttl: None,
                question: passed.packet,
                answer: None,
            });
            out.lookups.len() - 1
        });
        let at = self.asked.len();
        self.asked.push(Asked {
            opcode,
            lookup,
            exchange: out.exchanges.len() - 1,
            question,
            tries: 1,
            last: passed.last,
            answered: false,
            again: None,
            transferred: (0, 0),
        });
        let places = self.by_id.entry(id).or_default();
        if places.len() >= LOOKED_BACK {
            places.remove(0);
        }
        places.push(at);
        at
    }

    fn answer(&mut self, message: Message, passed: &Passed, out: &mut Dialogue) {
        let open = self.asked(&message, |asked| !asked.answered);
        if let Some(at) = open {
            return self.fill(at, message, passed, out);
        }
        let Some(at) = self.asked(&message, |_| true) else {
            return self.stray(passed, out);
        };
        if self.transfer == Some(at) {
            return self.transferred(at, &message, passed, out);
        }
        let Some(asked) = self.asked.get_mut(at) else {
            return;
        };
        // A second answer, to a retry, says nothing new unless it differs; to a question asked anew it is the first.
        if let Some((first, last, packet, octets)) = asked.again.take() {
            let again = Passed {
                side: Side::Client,
                first,
                last,
                packet,
                octets,
            };
            let question = asked.question.clone();
            let at = self.begin(message.id, message.opcode, question, &again, out);
            self.fill(at, message, passed, out);
        } else if let Some(exchange) = out.exchanges.get_mut(asked.exchange) {
            let told = told(&message);
            if exchange.response.as_ref() != Some(&told) {
                remark(&mut exchange.notes, format!("another answer came: {told}"));
            }
        }
    }

    /// An answer to a question that was not seen.
    fn stray(&mut self, passed: &Passed, out: &mut Dialogue) {
        self.unpaired += 1;
        out.fault(FaultCode::UnmatchedReply, passed.packet);
    }

    /// Puts the answer to the question at `at`.
    fn fill(&mut self, at: usize, message: Message, passed: &Passed, out: &mut Dialogue) {
        let Some(asked) = self.asked.get_mut(at) else {
            return;
        };
        asked.answered = true;
        asked.last = passed.last;
        if let Some(exchange) = out.exchanges.get_mut(asked.exchange) {
            exchange.answered = Some(passed.first);
            exchange.end = Some(passed.last);
            exchange.response = Some(told(&message));
            exchange.code = Some(code_name(message.code));
            exchange.response_bytes = Some(passed.octets);
            exchange.packets[1] = Some(passed.packet);
            exchange.notes.clear();
            if message.truncated {
                remark(
                    &mut exchange.notes,
                    "answer cut: to be asked again over TCP",
                );
            }
        }
        if asked.question.as_ref().is_some_and(is_transfer) {
            self.transfer = Some(at);
            return self.count_records(at, &message, out);
        }
        if let Some(lookup) = asked.lookup.and_then(|at| out.lookups.get_mut(at)) {
            lookup.answered = Some(passed.last);
            lookup.answer = Some(passed.packet);
            lookup.outcome = outcome(&message);
            lookup.addresses = message.addresses;
            lookup.names = message.names;
            lookup.ttl = message.ttl;
        }
    }

    /// One more message of a zone transfer (RFC 5936 §2.2).
    fn transferred(&mut self, at: usize, message: &Message, passed: &Passed, out: &mut Dialogue) {
        let exchange = self.asked.get(at).map(|asked| asked.exchange);
        if let Some(exchange) = exchange.and_then(|at| out.exchanges.get_mut(at)) {
            exchange.end = Some(passed.last);
            exchange.response_bytes = exchange.response_bytes.map(|octets| octets + passed.octets);
        }
        self.count_records(at, message, out);
    }

    fn count_records(&mut self, at: usize, message: &Message, out: &mut Dialogue) {
        let Some(asked) = self.asked.get_mut(at) else {
            return;
        };
        let (messages, records) = &mut asked.transferred;
        *messages += 1;
        *records += u64::from(message.answers);
        let told = format!("records: {records}, in messages: {messages}");
        if let Some(exchange) = out.exchanges.get_mut(asked.exchange)
            && message.code == 0
        {
            exchange.response = Some(told);
        }
    }
}

/// Whether `message` is about what was asked; what repeats no question is about anything of its id.
fn same(asked: &Asked, message: &Message) -> bool {
    match (&asked.question, &message.question) {
        (Some(asked), Some(said)) => {
            asked.record_type == said.record_type && asked.name == said.name
        }
        (_, None) => message.is_answer || asked.question.is_none(),
        (None, Some(_)) => false,
    }
}

/// Whether a zone is asked for as a whole (RFC 5936, RFC 1995).
fn is_transfer(question: &Question) -> bool {
    matches!(question.record_type, RecordType(251 | 252))
}

fn count_tries(asked: &Asked, out: &mut Dialogue) {
    if let Some(lookup) = asked.lookup.and_then(|at| out.lookups.get_mut(at)) {
        lookup.tries = asked.tries;
    }
}

/// A question in one line, and the word by which it is compared.
fn words(opcode: u8, question: Option<&Question>) -> (String, String) {
    let Some(question) = question else {
        let word = opcode_name(opcode).to_owned();
        return (word.clone(), word);
    };
    let kind = type_name(question.record_type);
    let more = match question.more {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let name = if question.name.is_empty() {
        "."
    } else {
        &question.name
    };
    if opcode == QUERY {
        let request = format!("{kind}? {name}{more}");
        return (kind, request);
    }
    let word = opcode_name(opcode).to_owned();
    let request = format!("{word} {kind} {name}{more}");
    (word, request)
}

fn outcome(message: &Message) -> LookupOutcome {
    match message.code {
        0 if message.answers > 0 => LookupOutcome::Found,
        0 if message.truncated => LookupOutcome::Truncated,
        0 if !message.referred.is_empty() => LookupOutcome::Referred,
        0 => LookupOutcome::Empty,
        2 => LookupOutcome::ServerFailed,
        3 => LookupOutcome::NoSuchName,
        5 => LookupOutcome::Refused,
        other => LookupOutcome::Other(other),
    }
}

/// An answer in one line: what it says, or its code.
fn told(message: &Message) -> String {
    if message.code != 0 || message.opcode != QUERY {
        return code_name(message.code);
    }
    if message.told.is_empty() {
        return match (message.answers, message.referred.as_slice()) {
            (0, []) => "no records".to_owned(),
            (0, servers) => format!("referred to {}", servers.join(", ")),
            (1, _) => "1 record".to_owned(),
            (count, _) => format!("{count} records"),
        };
    }
    let more = usize::from(message.answers).saturating_sub(message.told.len());
    let told = message.told.join(", ");
    if more > 0 {
        format!("{told} and {more} more")
    } else {
        told
    }
}
