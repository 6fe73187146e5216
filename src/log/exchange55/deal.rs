//! Lines that name no session are dealt to the only one that can have said or been told them.

use crate::model::{Ending, LineRef, LogId, LogSession, LogTime, Proto, Role, Side, Span, Stamp};

use super::super::Parsed;
use super::super::transcript::{Detail, Transcript};
use super::connector::side;

/// Sessions that may be open at once; more are not believed.
const MAX_OPEN: usize = 1_000;
/// A session in which nothing was said for so long is over.
const SILENCE: Span = Span::seconds(900);

/// The sessions that are open.
#[derive(Default)]
pub(super) struct Deal {
    open: Vec<Dealt>,
    /// Commands that more than one may have said and that have no reply yet.
    unsure: usize,
    /// Which session had the last line; none where that is not known.
    last: Option<usize>,
    /// Lines that more than one may have said.
    pub(super) undecided: usize,
}

/// A session and how far it is.
struct Dealt {
    transcript: Transcript,
    last: LogTime,
    step: Step,
    /// As the log names the other end.
    peer: String,
}

/// How far a dialogue is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Connected,
    Greeted,
    Hello,
    Mail,
    Recipient,
}

impl Deal {
    pub(super) fn begin(
        &mut self,
        id: LogId,
        line: LineRef,
        stamp: Stamp,
        (proto, role): (Proto, Role),
        peer: &str,
        out: &mut Vec<LogSession>,
    ) {
        self.expire(stamp.at, out);
        let mut transcript = Transcript::new(id, proto, role, Detail::Lines);
        transcript.session.peer = peer.trim_matches(['[', ']']).parse().ok();
        transcript.open(line, stamp);
        // The greeting of a server of its own is not logged.
        let step = match (role, proto) {
            (Role::Client, _) => Step::Connected,
            (Role::Server, Proto("nntp")) => Step::Hello,
            (Role::Server, _) => Step::Greeted,
        };
        self.open.push(Dealt {
            transcript,
            last: stamp.at,
            step,
            peer: peer.trim_matches(['[', ']']).to_owned(),
        });
        self.last = None;
    }

    /// Something was said: `sent` by the host whose log it is, or received.
    pub(super) fn spoken(
        &mut self,
        line: LineRef,
        stamp: Stamp,
        sent: bool,
        text: &str,
        out: &mut Vec<LogSession>,
    ) -> Parsed {
        self.expire(stamp.at, out);
        let fitting: Vec<usize> = self
            .open
            .iter()
            .enumerate()
            .filter(|(_, dealt)| dealt.fits(sent, text))
            .map(|(at, _)| at)
            .collect();
        // One word that no command is, where a secret is awaited, is that secret.
        let awaited = |at: &usize| {
            let dealt = self.open.get(*at);
            dealt.is_some_and(|dealt| dealt.transcript.expects_secret())
        };
        let secret: Vec<usize> = match text {
            "QUIT" | "RSET" | "NOOP" | "DATA" => Vec::new(),
            _ => fitting.iter().copied().filter(awaited).collect(),
        };
        let fitting = if secret.is_empty() { fitting } else { secret };
        let named: Vec<usize> = fitting
            .iter()
            .copied()
            .filter(|&at| {
                self.open
                    .get(at)
                    .is_some_and(|dealt| dealt.is_named(sent, text))
            })
            .collect();
        let is_reply = text.as_bytes().first().is_some_and(u8::is_ascii_digit);
        let only = match (named.as_slice(), fitting.as_slice()) {
            (&[named], _) => Some(named),
            // It may answer one of those that could not be told apart.
            (_, &[only]) if !is_reply || self.unsure == 0 => Some(only),
            _ => None,
        };
        self.last = only;
        let Some(at) = only else {
            self.undecided += 1;
            if is_reply {
                self.unsure = self.unsure.saturating_sub(1);
            } else {
                self.unsure += 1;
            }
            for at in fitting {
                if let Some(dealt) = self.open.get_mut(at) {
                    dealt.transcript.session.every_command = false;
                }
            }
            return Parsed::Aside(Some(stamp));
        };
        self.take(at, line, stamp, sent, text, out)
    }

    /// A further line of what was said last.
    pub(super) fn further(
        &mut self,
        line: LineRef,
        stamp: Stamp,
        sent: bool,
        text: &str,
        out: &mut Vec<LogSession>,
    ) -> Parsed {
        match self.last {
            Some(at) => self.take(at, line, stamp, sent, text, out),
            None => Parsed::Aside(Some(stamp)),
        }
    }

    fn take(
        &mut self,
        at: usize,
        line: LineRef,
        stamp: Stamp,
        sent: bool,
        text: &str,
        out: &mut Vec<LogSession>,
    ) -> Parsed {
        let Some(dealt) = self.open.get_mut(at) else {
            return Parsed::Aside(Some(stamp));
        };
        dealt.take(line, stamp, sent, text);
        if dealt.transcript.is_over() {
            let mut dealt = self.open.remove(at);
            dealt.transcript.close(line, stamp, Ending::Quit);
            out.push(dealt.transcript.into_session());
            self.last = None;
        }
        Parsed::Event(stamp)
    }

    fn expire(&mut self, now: LogTime, out: &mut Vec<LogSession>) {
        let before = self.open.len();
        let over = |dealt: &mut Dealt| now.since(dealt.last) > SILENCE;
        out.extend(
            self.open
                .extract_if(.., over)
                .map(|dealt| dealt.transcript.into_session()),
        );
        if self.open.len() >= MAX_OPEN {
            out.push(self.open.remove(0).transcript.into_session());
        }
        if self.open.len() != before {
            self.last = None;
        }
        if self.open.is_empty() {
            self.unsure = 0;
        }
    }

    pub(super) fn finish(&mut self, out: &mut Vec<LogSession>) {
        let open = std::mem::take(&mut self.open);
        out.extend(
            open.into_iter()
                .map(|dealt| dealt.transcript.into_session()),
        );
    }
}

impl Dealt {
    /// Whether the dialogue is where this can be said.
    fn fits(&self, sent: bool, text: &str) -> bool {
        let verb = text.split([' ', ':']).next().unwrap_or_default();
        let verb = verb.to_ascii_uppercase();
        match side(self.transcript.session.role, sent) {
            Side::Server if self.transcript.waiting().is_empty() => self.step == Step::Connected,
            Side::Server => true,
            Side::Client if self.transcript.expects_secret() => !text.contains(' '),
            Side::Client if !self.transcript.is_idle() => false,
            Side::Client if self.transcript.session.proto == Proto("nntp") => {
                self.step != Step::Connected
            }
            Side::Client => match verb.as_str() {
                "EHLO" | "HELO" => self.step == Step::Greeted,
                "MAIL" | "AUTH" => self.step == Step::Hello,
                "RCPT" => self.step >= Step::Mail,
                "DATA" => self.step == Step::Recipient,
                _ => self.step != Step::Connected,
            },
        }
    }

    /// Whether it names what only this session has named before.
    fn is_named(&self, sent: bool, text: &str) -> bool {
        match side(self.transcript.session.role, sent) {
            Side::Client => {
                let name = text.split(' ').nth(1).unwrap_or_default();
                self.step == Step::Greeted && name.eq_ignore_ascii_case(&self.peer)
            }
            Side::Server => self
                .transcript
                .asked()
                .split(['<', '>'])
                .nth(1)
                .is_some_and(|address| !address.is_empty() && text.contains(address)),
        }
    }

    fn take(&mut self, line: LineRef, stamp: Stamp, sent: bool, text: &str) {
        self.last = stamp.at;
        let side = side(self.transcript.session.role, sent);
        let asked = self.transcript.waiting().to_owned();
        self.transcript.line(line, stamp, side, text);
        let accepted = text.starts_with('2') && text.as_bytes().get(3) != Some(&b'-');
        if side == Side::Server && accepted {
            self.step = match asked.as_str() {
                "" if self.transcript.session.proto == Proto("nntp") => Step::Hello,
                "" => Step::Greeted,
                "EHLO" | "HELO" | "RSET" | "<BODY>" => Step::Hello,
                "MAIL" => Step::Mail,
                "RCPT" => Step::Recipient,
                _ => self.step,
            };
        }
    }
}
