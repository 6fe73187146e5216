//! What a variable of a log format means, and the request that its values make.

use std::net::IpAddr;

use crate::model::{Encryption, Event, LoggedTls, Proto, Span, Stamp, TlsVersion};

use super::haproxy::ending;
use super::times::{Clock, Moment, Times, decimal, finest};
use super::{Request, address, asked, command};

/// What a value of a line is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// Time until the request was there whole, which `Taken` and `Busy` have in them.
    Awaited(Span),
    BodyBytes,
    /// As `Taken`, but not from the stamp on.
    Busy(Span),
    /// Header fields in braces; nothing where there are none.
    Captured,
    /// Octets that were passed on to the client.
    Carried,
    /// `X` when the client went away before the reply was complete.
    Connection,
    Cipher,
    Clock(Clock, Moment),
    /// Who ended it, and when, in HAProxy's letters.
    Ending,
    /// Where HAProxy took the connection; `~` behind its name tells of TLS.
    Frontend,
    /// Time from the stamp to the end, or from the beginning to the stamp.
    Lasted(Span),
    /// Values of several upstream servers, apart by `, ` and ` : `.
    List,
    Local,
    LocalPort,
    Method,
    /// Octets of the reply, of its body alone or of all of it, with TLS perhaps as they are on the wire.
    Octets,
    Path,
    Peer,
    PeerPort,
    Query,
    Request,
    RequestBytes,
    /// The whole reply, as it was before it was encrypted.
    ResponseBytes,
    Serial,
    /// Of no use here.
    Skip,
    /// The other end of the socket, where `Peer` may be what a proxy says.
    SocketPeer,
    Status,
    /// Time from the request to its end, in this unit where it is a whole number.
    Taken(Span),
    Target,
    TlsVersion,
    /// What carries a connection: `TCP` or `UDP`.
    Transport,
    User,
    Version,
}

/// The values of a line.
#[derive(Clone, Debug, Default)]
pub(super) struct Values {
    peer: Option<IpAddr>,
    socket_peer: Option<IpAddr>,
    peer_port: Option<u16>,
    local: Option<IpAddr>,
    local_port: Option<u16>,
    user: Option<String>,
    serial: Option<String>,
    request: Option<String>,
    method: Option<String>,
    path: Option<String>,
    query: Option<String>,
    version: Option<String>,
    status: Option<String>,
    times: Times,
    awaited: Span,
    taken: Option<(Span, Span)>,
    carried: Option<u64>,
    ending: Option<String>,
    frontend: Option<Encryption>,
    body: Option<u64>,
    sent: Option<u64>,
    octets: Option<u64>,
    received: Option<u64>,
    tls: Option<String>,
    cipher: Option<String>,
    transport: Option<String>,
    is_aborted: bool,
}

impl Values {
    /// Takes the value of a field; `None` when it can be none of that kind.
    pub(super) fn put(&mut self, field: &Field, value: &str) -> Option<()> {
        if matches!(value, "-" | "" | "\"\"") {
            if *field == Field::TlsVersion {
                self.tls = Some(String::new());
            }
            return Some(());
        }
        match field {
            Field::Awaited(unit) => self.awaited = decimal(value, *unit)?.0,
            Field::BodyBytes => self.body = Some(value.parse().ok()?),
            Field::Busy(unit) => finest(&mut self.taken, decimal(value, *unit)?),
            Field::Carried => self.carried = Some(value.parse().ok()?),
            Field::Connection => self.is_aborted = value == "X",
            Field::Cipher => self.cipher = Some(value.to_owned()),
            Field::Clock(clock, moment) => return self.clock(clock, *moment, value).map(drop),
            Field::Ending => self.ending = ending(value),
            Field::Frontend => {
                self.frontend = Some(if value.ends_with('~') {
                    Encryption::Implicit
                } else {
                    Encryption::None
                });
            }
            Field::Lasted(unit) => self.times.lasted(decimal(value, *unit)?),
            Field::Captured | Field::List | Field::Skip => {}
            // A name that was looked up is no address.
            Field::Local => self.local = address(value),
            Field::LocalPort => self.local_port = Some(value.parse().ok()?),
            Field::Method => self.method = Some(value.to_owned()),
            Field::Octets => self.octets = Some(value.parse().ok()?),
            Field::Path => self.path = Some(value.to_owned()),
            Field::Peer => self.peer = address(value),
            Field::PeerPort => self.peer_port = Some(value.parse().ok()?),
            Field::Query => self.query = Some(value.trim_start_matches('?').to_owned()),
            Field::Request => self.request = Some(value.to_owned()),
            Field::RequestBytes => self.received = Some(value.parse().ok()?),
            Field::ResponseBytes => self.sent = Some(value.parse().ok()?),
            Field::Serial => self.serial = Some(value.to_owned()),
            Field::SocketPeer => self.socket_peer = address(value),
            Field::Status => {
                let number: u16 = value.parse().ok()?;
                self.status = (number < 1000).then(|| format!("{number:03}"));
                self.status.as_ref()?;
            }
            Field::Taken(unit) => {
                let taken = decimal(value, *unit)?;
                finest(&mut self.taken, taken);
                self.times.lasted(taken);
            }
            Field::Target => {
                self.path = Some(value.to_owned());
                self.query = None;
            }
            Field::TlsVersion => self.tls = Some(value.to_owned()),
            Field::Transport => self.transport = Some(value.to_owned()),
            Field::User => self.user = Some(value.to_owned()),
            Field::Version => self.version = Some(value.to_owned()),
        }
        Some(())
    }

    /// Reads a time at the start of `text`; gives what is behind it.
    pub(super) fn clock<'a>(
        &mut self,
        clock: &Clock,
        moment: Moment,
        text: &'a str,
    ) -> Option<&'a str> {
        self.times.read(clock, moment, text)
    }

    /// The zone of the line's times, where it is told.
    pub(super) const fn zone(&self) -> Option<Span> {
        self.times.zone()
    }

    /// The request that the values tell of; `None` without a time or a request.
    pub(super) fn request(self) -> Option<Request> {
        let stamp = self.times.end()?;
        let status = self.status.as_deref();
        let mut what = match (&self.request, &self.method) {
            (Some(line), _) => asked(line, status),
            (None, Some(method)) => {
                let mut target = self.path.clone().unwrap_or_default();
                if let Some(query) = &self.query {
                    target = format!("{target}?{query}");
                }
                let version = self.version.as_deref().unwrap_or_default();
                command(method, &target, version, status)
            }
            // Servers write a line as well where nothing came that is a request.
            (None, None) => asked("", Some(status?)),
        };
        what.amend(|command| {
            command.body_octets = self.body;
            command.reply_octets = self.octets.or(self.sent).filter(|_| self.body.is_none());
            command.taken = self
                .taken
                .map(|(taken, _)| (taken - self.awaited).max(Span::ZERO));
            // What HTTP/2 puts on the wire is not what the server would have written in HTTP/1.
            if !command.request.contains(" HTTP/2") && !command.request.contains(" HTTP/3") {
                command.request_bytes = self.received;
                command.response_bytes = self.sent.filter(|_| !self.is_aborted);
            }
        });
        let encryption = self.encryption();
        let tls = self
            .tls
            .filter(|name| !name.is_empty())
            .map(|name| LoggedTls {
                version: TlsVersion::from_name(&name),
                cipher: self.cipher,
            });
        Some(Request {
            peer: self.socket_peer.or(self.peer),
            peer_port: self.peer_port,
            local: self.local,
            local_port: self.local_port,
            user: self.user,
            serial: self.serial,
            encryption,
            tls,
            note: self.ending,
            ..Request::new(stamp, what)
        })
    }

    /// The connection that the values tell of, with its end as its stamp, and when it began.
    pub(super) fn connection(self) -> Option<(Request, Stamp)> {
        let begin = self.times.begin()?;
        let carried = self.carried.or(self.sent);
        let carried = carried.map(|octets| format!("{octets} octets to the client"));
        let status = self.status.clone().filter(|status| status != "200");
        let status = status.map(|status| format!("status {status}"));
        let notes = carried.into_iter().chain(status).chain(self.ending.clone());
        let notes: Vec<String> = notes.collect();
        // Behind a plain frontend there may be any kind of TLS.
        let encryption = self.encryption().filter(|known| *known != Encryption::None);
        let request = Request {
            proto: Proto::UNKNOWN,
            peer: self.socket_peer.or(self.peer),
            peer_port: self.peer_port,
            local: self.local,
            local_port: self.local_port,
            encryption,
            note: (!notes.is_empty()).then(|| notes.join("; ")),
            ..Request::new(self.times.end()?, Event::Close)
        };
        Some((request, begin))
    }

    /// Whether no connection was passed on, but datagrams.
    pub(super) fn is_of_datagrams(&self) -> bool {
        self.transport.as_deref().is_some_and(|name| name != "TCP")
    }

    fn encryption(&self) -> Option<Encryption> {
        let by_version = self.tls.as_deref().map(|name| match name {
            "" => Encryption::None,
            _ => Encryption::Implicit,
        });
        by_version.or(self.frontend)
    }
}
