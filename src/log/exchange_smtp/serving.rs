//! The dialogue of one session, in Exchange's own words.

use std::net::SocketAddr;

use crate::model::{
    Ending, LineRef, LogId, LogSession, LoggedTls, Proto, Role, Side, Stamp, TlsVersion,
};

use super::super::transcript::{Detail, Transcript};

/// What a row tells.
#[derive(Clone, Copy, Debug)]
pub(super) enum Told<'a> {
    /// With which side it was that ended it.
    Close(&'a str),
    Command(&'a str),
    Note(&'a str),
    Open,
    Reply(&'a str),
}

/// A session whose last row has not come.
pub(super) struct Serving(Transcript);

impl Serving {
    pub(super) fn new(id: LogId, role: Role) -> Self {
        let mut transcript = Transcript::new(id, Proto("smtp"), role, Detail::Words);
        transcript.session.lag = LogSession::WINDOWS_LAG;
        Self(transcript)
    }

    /// Takes in what a row says of the two ends.
    pub(super) fn ends(&mut self, local: Option<SocketAddr>, remote: Option<SocketAddr>) {
        let session = &mut self.0.session;
        if let Some(local) = local {
            session.local = Some(local.ip());
            session.local_port = Some(local.port());
        }
        if let Some(remote) = remote {
            session.peer = Some(remote.ip());
            session.peer_port = Some(remote.port());
        }
    }

    pub(super) fn take(&mut self, line: LineRef, stamp: Stamp, told: &Told<'_>) {
        match *told {
            Told::Close(by) => self.0.close(line, stamp, self.ending(by)),
            Told::Command(text) => self.0.line(line, stamp, Side::Client, text),
            Told::Note(text) => match negotiated(text) {
                Some(tls) => self.0.tls(line, stamp, tls),
                None => self.0.note(line, stamp, text),
            },
            Told::Open => self.0.open(line, stamp),
            Told::Reply(text) => {
                let known = self.0.session.messages.len();
                self.0.line(line, stamp, Side::Server, text);
                self.identify(known, text);
            }
        }
    }

    /// Names the message that a reply took in, if it did: `250 2.6.0 <id> [InternalId=…] Queued mail for delivery`.
    fn identify(&mut self, known: usize, reply: &str) {
        if self.0.session.role == Role::Server
            && let Some(message) = self.0.session.messages.get_mut(known)
        {
            let id = reply
                .split_once('<')
                .and_then(|(_, rest)| rest.split_once('>'));
            message.message_id = id.map(|(id, _)| id.to_owned());
        }
    }

    /// How a session ends that the side `by` closed; a QUIT may have no reply in the log.
    fn ending(&self, by: &str) -> Ending {
        match by {
            _ if self.0.waiting() == "QUIT" => Ending::Quit,
            by if by.starts_with("Remote") && self.0.session.role == Role::Server => Ending::Lost,
            _ => Ending::Unknown,
        }
    }

    pub(super) fn into_session(self) -> LogSession {
        self.0.into_session()
    }
}

/// `TLS protocol SP_PROT_TLS1_2_SERVER negotiation succeeded using …`
fn negotiated(text: &str) -> Option<LoggedTls> {
    let (protocol, _) = text
        .strip_prefix("TLS protocol SP_PROT_")?
        .split_once(" negotiation succeeded")?;
    let version = protocol
        .trim_end_matches("_SERVER")
        .trim_end_matches("_CLIENT")
        .replace("TLS", "TLSv")
        .replace('_', ".");
    Some(LoggedTls {
        version: TlsVersion::from_name(&version),
        cipher: None,
    })
}
