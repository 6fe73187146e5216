//! When, on the capture's clock, the things happened that a log line may tell of.
//!
//! A server acts after its cause has passed the capture and before its effect passes it, wherever between the two
//! ends the capture was taken. So each event of a log has a window on the wire.

use std::collections::BTreeMap;

use smallvec::SmallVec;

use crate::model::{
    Encryption, Ending, EventRef, Exchange, LogSession, Nanos, Role, Side, Span, What, WireSession,
};

use super::fit::Constraint;
use super::sequence;

/// A stretch of the capture's clock in which something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) lo: Nanos,
    pub(super) hi: Nanos,
    /// How much later than `hi` its line may have been written.
    pub(super) late: Span,
}

/// A server that writes its log after its last effect passed does so within this, unless it is short of time.
pub(super) const LATE: Span = Span::millis(20);
/// How far a session may reach beyond what the capture shows of it.
const BEYOND: Span = Span::seconds(86_400);

impl Window {
    /// The offsets (log minus capture) that put `event`'s stamp, which may lag, on this window, in seconds relative to `coarse`.
    pub(super) fn offsets(self, event: EventRef<'_>, lag: Span, coarse: Span) -> (f64, f64) {
        let (lo, hi) = self.allows(event, lag, coarse);
        (lo.as_seconds_f64(), hi.as_seconds_f64())
    }

    /// The least and the greatest of these offsets.
    fn allows(self, event: EventRef<'_>, lag: Span, coarse: Span) -> (Span, Span) {
        let stamp = Nanos(event.stamp.at.0) - coarse;
        self.admits(stamp, stamp + event.stamp.resolution + tick(event, lag))
    }

    /// The same of what was written from `from` to `to`.
    fn admits(self, from: Nanos, to: Nanos) -> (Span, Span) {
        (from.since(self.hi + self.late), to.since(self.lo))
    }

    /// What `event` on this window says of the clock, at its time since `origin`.
    pub(super) fn constraint(
        self,
        event: EventRef<'_>,
        lag: Span,
        coarse: Span,
        origin: Nanos,
    ) -> Constraint {
        let (lo, hi) = self.offsets(event, lag, coarse);
        Constraint {
            at: self.lo.since(origin).as_seconds_f64(),
            lo,
            hi,
            late: self.late.as_seconds_f64(),
            tick: tick(event, lag).as_seconds_f64(),
        }
    }

    /// Something that a server did between its cause at `lo` and its effect at `hi`, or just after.
    pub(super) fn acted(lo: Nanos, hi: Nanos) -> Self {
        Self {
            lo,
            hi: hi.max(lo),
            late: LATE,
        }
    }
}

/// By how much a stamp may lag behind its clock: what is finer than a millisecond was not read off a timer tick.
fn tick(event: EventRef<'_>, lag: Span) -> Span {
    if event.stamp.resolution < Span::MILLISECOND {
        Span::ZERO
    } else {
        lag
    }
}

/// When the server accepted the connection: after the SYN, before its first word.
fn opening(wire: &WireSession) -> Option<Window> {
    if !wire.history.contains('S') {
        return None;
    }
    let greeting = wire.exchanges.iter().find_map(|exchange| exchange.answered);
    let hello = wire.tls.as_ref().and_then(|tls| tls.server_hello);
    let burst = wire
        .bursts
        .iter()
        .find(|burst| burst.side == Side::Server)
        .map(|burst| burst.start);
    let hi = [greeting, hello, burst]
        .into_iter()
        .flatten()
        .min()
        .unwrap_or(wire.end);
    Some(Window {
        lo: wire.start,
        hi,
        late: Span::ZERO,
    })
}

/// When the TLS handshake was done for the server.
fn tls_done(wire: &WireSession) -> Option<Window> {
    let tls = wire.tls.as_ref()?;
    let lo = tls.server_hello.or(tls.client_hello)?;
    let first = wire.bursts.iter().map(|burst| burst.end).min();
    // The server may answer first and write its log afterwards.
    Some(Window::acted(
        lo,
        first.or(tls.finished).unwrap_or(wire.end),
    ))
}

/// When the server noticed the end: after the client's last word, and hardly later than the last packet.
pub(super) fn closing(wire: &WireSession) -> Window {
    let asked = wire
        .exchanges
        .iter()
        .filter_map(|exchange| exchange.asked.or(exchange.start))
        .max();
    let sent = wire
        .bursts
        .iter()
        .filter(|burst| burst.side == Side::Client)
        .map(|burst| burst.end)
        .max();
    let lo = [asked, sent]
        .into_iter()
        .flatten()
        .max()
        .unwrap_or(wire.start);
    over(wire, lo)
}

/// When the server noticed that the client had gone without a word: after the client's FIN or reset, where those ended it.
fn gone(wire: &WireSession) -> Window {
    let closing = closing(wire);
    let first = wire.history.bytes().find(|kind| b"FfRr".contains(kind));
    if !matches!(first, Some(b'F' | b'R')) {
        return closing;
    }
    let client = wire.passage.of(Side::Client);
    let closed = client.closed.map(|closed| closed.at);
    let reset = client.reset.map(|reset| reset.at);
    let Some(left) = [closed, reset].into_iter().flatten().min() else {
        return closing;
    };
    // Inside TLS the client may have said before that it closes (RFC 8446 §6.1).
    let left = match wire.encryption {
        Encryption::None => left,
        _ => left - LATE,
    };
    Window {
        lo: closing.lo.max(left),
        ..closing
    }
}

/// When the server had dealt with a command.
pub(super) fn answering(exchange: &Exchange) -> Option<Window> {
    let lo = exchange.asked.or(exchange.start)?;
    let hi = exchange.end.or(exchange.answered)?;
    Some(Window::acted(lo, hi))
}

/// When the server took the client's login: where it is hidden, after the client's first word.
fn login(wire: &WireSession) -> Window {
    let mut clear = wire.exchanges.iter().rev();
    if let Some(window) = clear
        .find(|exchange| exchange.verb.is_login())
        .and_then(answering)
    {
        return window;
    }
    let mut hidden = wire.bursts.iter();
    match hidden.find(|burst| burst.side == Side::Client) {
        Some(first) if began(wire) => over(wire, first.end),
        _ => whole(wire),
    }
}

/// The whole of a session, open at an end that the capture does not show.
fn whole(wire: &WireSession) -> Window {
    let lo = if began(wire) {
        wire.start
    } else {
        wire.start - BEYOND
    };
    over(wire, lo)
}

/// Whether the capture holds the first packet.
pub(super) fn began(wire: &WireSession) -> bool {
    has_any(wire, b"SshH")
}

/// Whether the capture shows how it ended.
pub(super) fn ended(wire: &WireSession) -> bool {
    has_any(wire, b"FfRr")
}

/// Whether one of these kinds of packets was seen.
fn has_any(wire: &WireSession, kinds: &[u8]) -> bool {
    wire.history.bytes().any(|kind| kinds.contains(&kind))
}

/// From `lo` to when the server can have noticed the end at the latest.
fn over(wire: &WireSession, lo: Nanos) -> Window {
    Window {
        lo,
        hi: wire.end.max(lo),
        late: if ended(wire) { LATE } else { BEYOND },
    }
}

/// When on a wire session the things happened that a log may tell of, as narrow as it can be told before the commands are laid side by side.
pub(super) struct Moments {
    opening: Option<Window>,
    login: Window,
    tls_done: Option<Window>,
    closing: Window,
    gone: Window,
    whole: Window,
    length: Span,
}

impl Moments {
    pub(super) fn of(wire: &WireSession) -> Self {
        Self {
            opening: opening(wire),
            login: login(wire),
            tls_done: tls_done(wire),
            closing: closing(wire),
            gone: gone(wire),
            whole: whole(wire),
            length: wire.end.since(wire.start),
        }
    }

    /// The window of an event of `log`.
    fn window(&self, log: &LogSession, event: What<'_>) -> Option<Window> {
        self.at(Moment::of(log, event))
    }

    /// The window of a moment.
    pub(super) fn at(&self, moment: Moment) -> Option<Window> {
        match moment {
            Moment::Opening => self.opening,
            Moment::Login => Some(self.login),
            Moment::TlsDone => self.tls_done,
            Moment::Closing => Some(self.closing),
            Moment::Gone => Some(self.gone),
            Moment::Any => Some(self.whole),
        }
    }
}

/// What of a session an event tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    Opening,
    Login,
    TlsDone,
    Closing,
    /// The client went away without a word.
    Gone,
    /// Any time from the first packet to the last.
    Any,
}

impl Moment {
    /// That of an event of `log`.
    fn of(log: &LogSession, event: What<'_>) -> Self {
        match (event, log.role) {
            (What::Open, Role::Server) => Self::Opening,
            (What::Close, Role::Server) if log.ending == Ending::Lost => Self::Gone,
            (What::Close, _) => Self::Closing,
            (What::Login(_), Role::Server) => Self::Login,
            (What::TlsDone, Role::Server) => Self::TlsDone,
            _ => Self::Any,
        }
    }
}

/// When the events of a log session were written, as far as its place in time goes by it: worked out once for all wire sessions that it may be.
pub(super) struct Stamps {
    /// For each moment that is told of, the latest stamp, and the earliest time by which one that tells of it had been written.
    of: SmallVec<[(Moment, Nanos, Nanos); 4]>,
    duration: Option<Span>,
}

impl Stamps {
    pub(super) fn of(log: &LogSession) -> Self {
        let mut stamps = Self {
            of: SmallVec::new(),
            duration: log.duration,
        };
        for event in &log.events {
            let moment = Moment::of(log, event.what);
            let from = Nanos(event.stamp.at.0);
            let to = from + event.stamp.resolution + tick(event, log.lag);
            match stamps.of.iter_mut().find(|(known, ..)| *known == moment) {
                Some((_, latest, earliest)) => {
                    (*latest, *earliest) = ((*latest).max(from), (*earliest).min(to));
                }
                None => stamps.of.push((moment, from, to)),
            }
        }
        stamps
    }
}

/// The offsets at which all events of a log session fall on these moments, in seconds relative to `coarse`; `None`
/// when there are none, as the lengths differ.
pub(super) fn shared_offsets(
    moments: &Moments,
    stamps: &Stamps,
    coarse: Span,
) -> Option<(f64, f64)> {
    if let Some(duration) = stamps.duration {
        // A stated length must fit, with a second to spare for what either side leaves out.
        let length = moments.length;
        if (length - duration).abs() > Span::SECOND + Span(length.0 / 10) {
            return None;
        }
    }
    let mut shared: Option<(Span, Span)> = None;
    for &(moment, from, to) in &stamps.of {
        if let Some(window) = moments.at(moment) {
            let (lo, hi) = window.admits(from - coarse, to - coarse);
            shared = Some(shared.map_or((lo, hi), |known| (known.0.max(lo), known.1.min(hi))));
        }
    }
    let (lo, hi) = shared.filter(|(lo, hi)| lo <= hi)?;
    Some((lo.as_seconds_f64(), hi.as_seconds_f64()))
}

/// One constraint per event of a pair believed to be right.
pub(super) fn constraints<'a>(
    moments: &'a Moments,
    log: &'a LogSession,
    coarse: Span,
    origin: Nanos,
) -> impl Iterator<Item = Constraint> + 'a {
    log.events.iter().filter_map(move |event| {
        let window = moments.window(log, event.what)?;
        Some(window.constraint(event, log.lag, coarse, origin))
    })
}

/// The events of `log` that tell of a moment whatever was said.
pub(super) fn telling(log: &LogSession) -> impl Iterator<Item = EventRef<'_>> {
    let telling = |event: &EventRef<'_>| {
        matches!(
            event.what,
            What::Open | What::Login(_) | What::TlsDone | What::Close
        )
    };
    log.events.iter().filter(telling)
}

/// The lines of `log` that tell of a moment, and of which.
pub(super) fn lines(log: &LogSession) -> impl Iterator<Item = (u64, Moment)> {
    telling(log).map(|event| (event.line.line, Moment::of(log, event.what)))
}

/// One constraint per command whose place on the wire is found.
pub(super) fn command_constraints(
    wire: &WireSession,
    log: &LogSession,
    coarse: Span,
    origin: Nanos,
) -> Vec<Constraint> {
    let told = |event: &EventRef<'_>| matches!(event.what, What::Command(_));
    if !log.events.iter().any(|event| told(&event)) {
        return Vec::new();
    }
    let laid = sequence::lay(wire, log);
    let by_line: BTreeMap<_, &Exchange> = laid
        .iter()
        .filter_map(|exchange| Some((exchange.line?, exchange)))
        .collect();
    log.events
        .iter()
        .filter(told)
        .filter_map(|event| {
            let window = answering(by_line.get(&event.line)?)?;
            Some(window.constraint(event, log.lag, coarse, origin))
        })
        .collect()
}

#[cfg(test)]
mod tests;
