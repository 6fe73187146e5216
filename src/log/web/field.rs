//! What a variable of a log format means, and the request that its values make.

use std::net::IpAddr;

use chrono::NaiveDateTime;

use crate::model::{Encryption, Event, LogTime, LoggedTls, Proto, Span, Stamp, TlsVersion};

use super::super::stamp;
use super::haproxy::ending;
use super::{Request, asked, command};

/// Whether a stamp is of a request's beginning or of its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// Of something before the request: nothing follows from it.
    Before,
    Begin,
    End,
}

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
    /// Time from the stamp to the end.
    Lasted(Span),
    /// Values of several upstream servers, apart by `, ` and ` : `.
    List,
    Local,
    LocalPort,
    Method,
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
    User,
    Version,
}

/// How a time is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Clock {
    /// `24/Nov/2026:03:49:17 +0000`.
    Common,
    /// Since 1970 in UTC, in this unit where it is a whole number.
    Epoch(Span),
    /// The digits behind the point of another field, the last one of this size.
    Fraction(Span),
    Iso,
    /// A local time in strftime's terms.
    Wall(String),
    Zone,
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
    stamps: Vec<(Stamp, Moment)>,
    wall: Option<(Stamp, Moment)>,
    fraction: Option<(Stamp, Moment)>,
    zone: Option<Span>,
    awaited: Span,
    taken: Option<(Span, Span)>,
    lasted: Option<(Span, Span)>,
    carried: Option<u64>,
    ending: Option<String>,
    frontend: Option<Encryption>,
    body: Option<u64>,
    sent: Option<u64>,
    received: Option<u64>,
    tls: Option<String>,
    cipher: Option<String>,
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
            Field::Lasted(unit) => finest(&mut self.lasted, decimal(value, *unit)?),
            Field::Captured | Field::List | Field::Skip => {}
            // A name that was looked up is no address.
            Field::Local => self.local = value.parse().ok(),
            Field::LocalPort => self.local_port = Some(value.parse().ok()?),
            Field::Method => self.method = Some(value.to_owned()),
            Field::Path => self.path = Some(value.to_owned()),
            Field::Peer => self.peer = value.parse().ok(),
            Field::PeerPort => self.peer_port = Some(value.parse().ok()?),
            Field::Query => self.query = Some(value.trim_start_matches('?').to_owned()),
            Field::Request => self.request = Some(value.to_owned()),
            Field::RequestBytes => self.received = Some(value.parse().ok()?),
            Field::ResponseBytes => self.sent = Some(value.parse().ok()?),
            Field::Serial => self.serial = Some(value.to_owned()),
            Field::SocketPeer => self.socket_peer = value.parse().ok(),
            Field::Status => {
                let number: u16 = value.parse().ok()?;
                self.status = (number < 1000).then(|| format!("{number:03}"));
                self.status.as_ref()?;
            }
            Field::Taken(unit) => {
                let taken = decimal(value, *unit)?;
                finest(&mut self.taken, taken);
                finest(&mut self.lasted, taken);
            }
            Field::Target => {
                self.path = Some(value.to_owned());
                self.query = None;
            }
            Field::TlsVersion => self.tls = Some(value.to_owned()),
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
        if moment == Moment::Before {
            // Read to know where it ends.
            return Self::default().clock(clock, Moment::Begin, text);
        }
        match clock {
            Clock::Common | Clock::Iso => {
                let stamped = if *clock == Clock::Iso {
                    stamp::iso(text)?
                } else {
                    stamp::common(text)?
                };
                self.zone = self.zone.or(stamped.zone);
                self.stamps.push((stamped.stamp, moment));
                Some(stamped.rest)
            }
            Clock::Epoch(unit) => {
                let (digits, rest) = digits(text, true);
                let (since, resolution) = decimal(digits, *unit)?;
                self.zone = Some(self.zone.unwrap_or_default());
                let at = LogTime(since.0);
                self.stamps.push((Stamp { at, resolution }, moment));
                Some(rest)
            }
            Clock::Fraction(unit) => {
                let (digits, rest) = digits(text, false);
                let (since, resolution) = decimal(digits, *unit)?;
                let at = LogTime(since.0);
                self.fraction = Some((Stamp { at, resolution }, moment));
                Some(rest)
            }
            Clock::Wall(form) => {
                let (at, rest) = NaiveDateTime::parse_and_remainder(text, form).ok()?;
                let at = LogTime(at.and_utc().timestamp_nanos_opt()?);
                let resolution = Span::SECOND;
                self.wall = Some((Stamp { at, resolution }, moment));
                Some(rest)
            }
            Clock::Zone => {
                let (zone, rest) = stamp::zone(text)?;
                self.zone = Some(zone);
                Some(rest)
            }
        }
    }

    /// The zone of the line's times, where it is told.
    pub(super) const fn zone(&self) -> Option<Span> {
        self.zone
    }

    /// The request that the values tell of; `None` without a time or a request.
    pub(super) fn request(self) -> Option<Request> {
        let stamp = self.stamp()?;
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
        let (begin, _) = self.finest_stamp()?;
        let carried = self
            .carried
            .map(|octets| format!("{octets} octets to the client"));
        let notes: Vec<String> = carried.into_iter().chain(self.ending.clone()).collect();
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
            ..Request::new(self.stamp()?, Event::Close)
        };
        Some((request, begin))
    }

    fn encryption(&self) -> Option<Encryption> {
        let by_version = self.tls.as_deref().map(|name| match name {
            "" => Encryption::None,
            _ => Encryption::Implicit,
        });
        by_version.or(self.frontend)
    }

    /// When the request was answered, from the finest time of the line.
    fn stamp(&self) -> Option<Stamp> {
        let (stamp, moment) = self.finest_stamp()?;
        Some(match (moment, self.lasted) {
            (Moment::Begin, Some((lasted, unit))) => Stamp {
                at: stamp.at + lasted,
                resolution: stamp.resolution + unit,
            },
            _ => stamp,
        })
    }

    fn finest_stamp(&self) -> Option<(Stamp, Moment)> {
        let wall = self.wall.map(|(wall, moment)| {
            let at = wall.at - self.zone.unwrap_or_default();
            (Stamp { at, ..wall }, moment)
        });
        let stamps = self.stamps.iter().copied().chain(wall);
        stamps
            .map(|(stamp, moment)| (self.with_fraction(stamp, moment), moment))
            .min_by_key(|(stamp, moment)| (stamp.resolution, *moment == Moment::Begin))
    }

    /// A stamp of whole seconds with the digits that another field has.
    fn with_fraction(&self, stamp: Stamp, moment: Moment) -> Stamp {
        match self.fraction {
            Some((fraction, of)) if of == moment && stamp.resolution == Span::SECOND => Stamp {
                at: stamp.at + Span(fraction.at.0),
                resolution: fraction.resolution,
            },
            _ => stamp,
        }
    }
}

/// Keeps the finest of several times.
fn finest(kept: &mut Option<(Span, Span)>, other: (Span, Span)) {
    if kept.is_none_or(|(_, known)| known > other.1) {
        *kept = Some(other);
    }
}

/// The digits at the start of `text`, with one point where that may be.
fn digits(text: &str, with_point: bool) -> (&str, &str) {
    let is_part = |character: char| character.is_ascii_digit() || with_point && character == '.';
    let end = text.find(|character| !is_part(character));
    text.split_at_checked(end.unwrap_or(text.len()))
        .unwrap_or((text, ""))
}

/// A number of `unit`s, or of seconds where it has a point: how long that is, and its last digit.
pub(in crate::log) fn decimal(text: &str, unit: Span) -> Option<(Span, Span)> {
    let whole = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| text.parse::<i64>().ok()).flatten()
    };
    let Some((seconds, fraction)) = text.split_once('.') else {
        return Some((Span(whole(text)?.checked_mul(unit.0)?), unit));
    };
    let seconds = whole(seconds)?.checked_mul(Span::SECOND.0)?;
    let fraction = fraction.get(..fraction.len().min(9))?;
    let step = 10i64.checked_pow(9 - u32::try_from(fraction.len()).ok()?)?;
    let nanos = whole(fraction)?.checked_mul(step)?;
    Some((Span(seconds.checked_add(nanos)?), Span(step)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_of_their_unit_or_seconds_with_a_point() {
        let millis = Span::MILLISECOND;
        assert_eq!(decimal("12", millis), Some((Span::millis(12), millis)));
        assert_eq!(
            decimal("0.012", Span::SECOND),
            Some((Span::millis(12), millis))
        );
        for text in ["", "-", "1.", ".5", "1.2.3", "99999999999999999999", "+1"] {
            assert_eq!(decimal(text, millis), None, "{text}");
        }
    }
}
