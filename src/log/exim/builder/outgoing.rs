//! Deliveries: what became of messages, and the sessions in which they went to other hosts.

use std::net::IpAddr;

use crate::model::{Delivery, Event, LineRef, LogCommand, Role, Span, Stamp, Verb};

use super::super::super::Parsed;
use super::super::super::fates;
use super::super::line::{duration, ends, value};
use super::super::serving::Serving;
use super::Exim;

impl Exim {
    /// `=> addr R=… T=… H=host [ip]:25 X=… C="250 OK id=…" DT=0s`: what became of a message, and the session that it took.
    pub(super) fn delivered(
        &mut self,
        line: LineRef,
        stamp: Stamp,
        pid: &str,
        id: &str,
        flag: &str,
        text: &str,
    ) -> Parsed {
        let rest = text.get(flag.len() + 1..).unwrap_or_default();
        let address = rest.split(' ').next().unwrap_or_default();
        // `bob <bob@example.com>`: the address as it was given stands in brackets.
        let given = rest
            .split(' ')
            .nth(1)
            .and_then(|word| word.strip_prefix('<')?.strip_suffix('>'))
            .unwrap_or(address)
            .trim_end_matches(':');
        let to = ends(text);
        let failed = matches!(flag, "**" | "==");
        let reply = value(text, "C=").filter(|_| !failed).or_else(|| {
            let (_, reason) = text.split_once(": ")?;
            failed.then_some(reason)
        });
        let host = value(text, "H=").unwrap_or_default();
        let relay = match to.peer {
            Some(ip) => format!("{host} [{ip}]"),
            None => value(text, "T=").unwrap_or_default().to_owned(),
        };
        let status = match flag {
            "**" => "failed",
            "==" => "deferred",
            _ => "delivered",
        };
        let told = [id, given, status, &relay, reply.unwrap_or_default()];
        self.messages.add(Delivery::new(line, told));
        let sender = self.messages.sender(id).map(str::to_owned);
        // What was put off may not even have been tried.
        let was_said = flag != "==" || text.contains(": SMTP error from remote mail server after ");
        let (Some(ip), "=>" | "->" | "**" | "==", true) = (to.peer, flag, was_said) else {
            return Parsed::Aside(Some(stamp));
        };
        self.sent(line, stamp, pid, (id, sender.as_deref()), (ip, given), text);
        Parsed::Event(stamp)
    }

    /// A delivery to another host, in which Exim is the client.
    fn sent(
        &mut self,
        line: LineRef,
        stamp: Stamp,
        pid: &str,
        (id, sender): (&str, Option<&str>),
        (ip, recipient): (IpAddr, &str),
        text: &str,
    ) {
        let at = self.open.iter().rposition(|serving| {
            serving.session.role == Role::Client
                && serving.session.peer == Some(ip)
                && serving.messages.iter().any(|message| message == id)
                && (pid.is_empty() || serving.pid.as_deref() == Some(pid))
        });
        let further = at.is_some();
        let at = at.unwrap_or_else(|| {
            let mut serving = Serving::new(self.id, Role::Client, &ends(text), stamp);
            serving.session.peer = Some(ip);
            serving.pid = (!pid.is_empty()).then(|| pid.to_owned());
            serving.messages.push(id.to_owned());
            serving.tls(text);
            self.begin(serving);
            self.open.len() - 1
        });
        let Some(serving) = self.open.get_mut(at) else {
            return;
        };
        if !further && let Some(took) = value(text, "DT=").and_then(duration) {
            let began = Stamp {
                at: stamp.at - took - Span::SECOND,
                resolution: stamp.resolution + Span::SECOND,
            };
            let note = Event::Note("delivery begun, by DT=".to_owned());
            serving.push(line, began, note);
        }
        let answered = answered(text, recipient).filter(|_| !further);
        let is_sender_refused = answered
            .as_ref()
            .is_some_and(|command| command.verb == Verb::new("MAIL"));
        if !further
            && !is_sender_refused
            && let Some(sender) = sender
        {
            let sender = if sender == "<>" { "" } else { sender };
            serving.imply("MAIL", format!("MAIL FROM:<{sender}>"), Some("250"), None);
        }
        let what = match answered {
            Some(command) => {
                if command.verb.is_body() {
                    serving.imply("RCPT", format!("RCPT TO:<{recipient}>"), None, None);
                }
                serving.implied.push(command.clone());
                Event::command(command)
            }
            None => Event::Note(format!("delivered to {recipient}")),
        };
        serving.push(line, stamp, what);
    }
}

/// The command whose reply a delivery line tells.
fn answered(text: &str, recipient: &str) -> Option<LogCommand> {
    if let Some(reply) = value(text, "C=") {
        return fates::answered(Verb::BODY, recipient, reply);
    }
    // `SMTP error from remote mail server after RCPT TO:<x@y>: 550 5.1.1 no such user`
    let (_, rest) = text.split_once("SMTP error from remote mail server after ")?;
    let rest = rest.strip_prefix("pipelined ").unwrap_or(rest);
    let (place, reply) = rest.split_once(": ")?;
    let verb = match place.split([' ', ':']).next()? {
        "RCPT" => "RCPT",
        "MAIL" => "MAIL",
        "end" => Verb::BODY,
        _ => return None,
    };
    fates::answered(verb, recipient, reply)
}
