//! The lines of a session in little memory.

use std::fmt;

use super::commands::{PackedRef, Rest, put_number};
use super::{CommandRef, Event, LineRef, LogEvent, LogId, LogTime, Span, Stamp};

/// Events one after the other, in some 20 octets each where a [`LogEvent`] takes 64 and its text besides: a log of a gigabyte has five
/// million of them.
///
/// Each is an octet that says which kind it is and how fine its stamp, then the log, the line, the stamp and, where the kind has one, a text
/// or a command with its length. Numbers are written seven bits to an octet, the lowest first, but for the stamp.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Events {
    octets: Vec<u8>,
    /// Where the last one begins.
    last: usize,
    count: usize,
}

/// A [`LogEvent`] that is borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventRef<'a> {
    /// Which line.
    pub line: LineRef,
    /// When it was written.
    pub stamp: Stamp,
    /// What it tells.
    pub what: What<'a>,
}

/// An [`Event`] that is borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What<'a> {
    /// The connection ended.
    Close,
    /// A command was answered.
    Command(PackedRef<'a>),
    /// The client logged in, in the log's words.
    Login(&'a str),
    /// Something took place in the middle of the session.
    Note(&'a str),
    /// A connection was accepted.
    Open,
    /// The TLS handshake was done.
    TlsDone,
}

/// Kinds, in the low bits of the octet that an event begins with.
const KIND: u8 = 0b111;
const CLOSE: u8 = 0;
const COMMAND: u8 = 1;
const LOGIN: u8 = 2;
const NOTE: u8 = 3;
const OPEN: u8 = 4;
const TLS_DONE: u8 = 5;

/// Usual resolutions of stamps, in the bits above: one more than their place here; another is written behind the stamp.
const USUAL: [Span; 3] = [Span::SECOND, Span::MILLISECOND, Span::MICROSECOND];
const FINENESS: u32 = KIND.count_ones();

/// Octets that an event hardly takes beside its text, and those of a few events.
const ROOM: usize = 17;
const SOME: usize = 96;

impl Events {
    /// None yet, with room for so many octets.
    pub(crate) fn with_room(octets: usize) -> Self {
        Self {
            octets: Vec::with_capacity(octets),
            ..Self::default()
        }
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// One more, behind the others.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "it goes in, as into any list"
    )]
    pub fn push(&mut self, event: LogEvent) {
        self.put(event.borrowed());
    }

    /// The events, in order.
    pub fn iter(&self) -> EventIter<'_> {
        EventIter(Rest(&self.octets))
    }

    /// The first.
    pub fn first(&self) -> Option<EventRef<'_>> {
        self.iter().next()
    }

    /// The one at a place, counted from 0.
    pub fn get(&self, at: usize) -> Option<EventRef<'_>> {
        self.iter().nth(at)
    }

    /// The last, wherever it is as soon as the first.
    pub fn last(&self) -> Option<EventRef<'_>> {
        EventIter(Rest(self.octets.get(self.last..)?)).next()
    }

    /// Whether there is one, which is a command: that is seen without reading it.
    pub(crate) fn is_one_command(&self) -> bool {
        self.count == 1
            && self
                .octets
                .first()
                .is_some_and(|kind| kind & KIND == COMMAND)
    }

    /// The only one; `None` where there are several or none.
    pub fn only(&self) -> Option<EventRef<'_>> {
        if self.count == 1 { self.first() } else { None }
    }

    /// Takes the last one away.
    pub fn pop(&mut self) -> Option<LogEvent> {
        let last = self.last()?.owned();
        let kept = self.count - 1;
        *self = self.iter().take(kept).collect();
        Some(last)
    }

    /// Each with a stamp of its own instead.
    pub(crate) fn restamp(&mut self, stamp: impl Fn(EventRef<'_>) -> Stamp) {
        let events = self.iter().map(|event| EventRef {
            stamp: stamp(event),
            ..event
        });
        *self = events.collect();
    }

    /// Gives back the memory that was held for more to come. An allocator that shrinks in place gives back nothing.
    pub(crate) fn shrink(&mut self) {
        if self.octets.len() < self.octets.capacity() {
            self.octets = self.octets.as_slice().into();
        }
    }

    /// Most sessions of some logs are of one event, most of others of a few.
    fn make_room(&mut self, more: usize) {
        if self.octets.is_empty() {
            self.octets.reserve_exact(more);
        } else if self.octets.capacity() - self.octets.len() < more {
            self.octets.reserve(more.max(SOME));
        }
    }

    fn put(&mut self, event: EventRef<'_>) {
        let EventRef { line, stamp, what } = event;
        let (kind, text): (u8, Option<&[u8]>) = match what {
            What::Close => (CLOSE, None),
            What::Command(command) => (COMMAND, Some(command.octets())),
            What::Login(text) => (LOGIN, Some(text.as_bytes())),
            What::Note(text) => (NOTE, Some(text.as_bytes())),
            What::Open => (OPEN, None),
            What::TlsDone => (TLS_DONE, None),
        };
        self.make_room(ROOM + text.map_or(0, <[u8]>::len));
        let octets = &mut self.octets;
        let usual = (1..).zip(USUAL).find(|(_, one)| *one == stamp.resolution);
        let fineness: u8 = usual.map_or(0, |(at, _)| at);
        self.last = octets.len();
        self.count += 1;
        octets.push(kind | fineness << FINENESS);
        put_number(line.log.0.into(), |octet| octets.push(octet));
        put_number(line.line, |octet| octets.push(octet));
        octets.extend(stamp.at.0.to_le_bytes());
        if fineness == 0 {
            put_number(stamp.resolution.0.cast_unsigned(), |octet| {
                octets.push(octet);
            });
        }
        if let Some(text) = text {
            let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
            put_number(length, |octet| octets.push(octet));
            octets.extend(text);
        }
    }
}

/// The events of a session, in order.
#[derive(Clone)]
pub struct EventIter<'a>(Rest<'a>);

impl<'a> Iterator for EventIter<'a> {
    type Item = EventRef<'a>;

    #[inline]
    fn next(&mut self) -> Option<EventRef<'a>> {
        let rest = &mut self.0;
        let head = rest.octet()?;
        let log = LogId(u16::try_from(rest.number()?).ok()?);
        let line = LineRef {
            log,
            line: rest.number()?,
        };
        let at = LogTime(i64::from_le_bytes(*rest.array()?));
        let fineness = usize::from(head >> FINENESS);
        let usual = fineness.checked_sub(1).and_then(|at| USUAL.get(at));
        let resolution = match usual {
            Some(usual) => *usual,
            None => Span(rest.number()?.cast_signed()),
        };
        let mut text = || {
            let length = usize::try_from(rest.number()?).ok()?;
            rest.take(length)
        };
        let what = match head & KIND {
            CLOSE => What::Close,
            COMMAND => What::Command(PackedRef::new(text()?)),
            LOGIN => What::Login(std::str::from_utf8(text()?).ok()?),
            NOTE => What::Note(std::str::from_utf8(text()?).ok()?),
            OPEN => What::Open,
            _ => What::TlsDone,
        };
        let stamp = Stamp { at, resolution };
        Some(EventRef { line, stamp, what })
    }
}

impl<'a> IntoIterator for &'a Events {
    type Item = EventRef<'a>;
    type IntoIter = EventIter<'a>;

    fn into_iter(self) -> EventIter<'a> {
        self.iter()
    }
}

impl Extend<LogEvent> for Events {
    fn extend<I: IntoIterator<Item = LogEvent>>(&mut self, events: I) {
        events.into_iter().for_each(|event| self.push(event));
    }
}

impl<'a> Extend<EventRef<'a>> for Events {
    fn extend<I: IntoIterator<Item = EventRef<'a>>>(&mut self, events: I) {
        events.into_iter().for_each(|event| self.put(event));
    }
}

impl FromIterator<LogEvent> for Events {
    fn from_iter<I: IntoIterator<Item = LogEvent>>(events: I) -> Self {
        let mut all = Self::default();
        all.extend(events);
        all
    }
}

impl<'a> FromIterator<EventRef<'a>> for Events {
    fn from_iter<I: IntoIterator<Item = EventRef<'a>>>(events: I) -> Self {
        let mut all = Self::default();
        all.extend(events);
        all
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

impl<'a> EventRef<'a> {
    /// The command that it tells of, if it tells of one.
    pub fn command(&self) -> Option<CommandRef<'a>> {
        match self.what {
            What::Command(command) => Some(command.get()),
            _ => None,
        }
    }

    /// The same, with texts of its own.
    pub fn owned(self) -> LogEvent {
        LogEvent {
            line: self.line,
            stamp: self.stamp,
            what: match self.what {
                What::Close => Event::Close,
                What::Command(command) => Event::Command(command.owned()),
                What::Login(text) => Event::Login(text.to_owned()),
                What::Note(text) => Event::Note(text.to_owned()),
                What::Open => Event::Open,
                What::TlsDone => Event::TlsDone,
            },
        }
    }
}

impl LogEvent {
    /// The same, borrowed.
    pub fn borrowed(&self) -> EventRef<'_> {
        EventRef {
            line: self.line,
            stamp: self.stamp,
            what: match &self.what {
                Event::Close => What::Close,
                Event::Command(command) => What::Command(command.borrowed()),
                Event::Login(text) => What::Login(text),
                Event::Note(text) => What::Note(text),
                Event::Open => What::Open,
                Event::TlsDone => What::TlsDone,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::LogCommand;

    fn event() -> impl Strategy<Value = LogEvent> {
        let command = any::<(String, Option<u64>)>().prop_map(|(request, response_bytes)| {
            Event::command(LogCommand {
                request,
                response_bytes,
                ..LogCommand::default()
            })
        });
        let what = prop_oneof![
            proptest::sample::select(vec![Event::Close, Event::Open, Event::TlsDone]),
            any::<String>().prop_map(Event::Note),
            any::<String>().prop_map(Event::Login),
            command,
        ];
        let resolution = prop_oneof![
            proptest::sample::select(&USUAL[..]),
            any::<i64>().prop_map(Span)
        ];
        let line = (any::<u16>(), any::<u64>());
        (line, any::<i64>(), resolution, what).prop_map(|((log, line), at, resolution, what)| {
            LogEvent {
                line: LineRef {
                    log: LogId(log),
                    line,
                },
                stamp: Stamp {
                    at: LogTime(at),
                    resolution,
                },
                what,
            }
        })
    }

    proptest! {
        #[test]
        fn what_went_in_comes_out(mut known in proptest::collection::vec(event(), 0..8)) {
            let mut events: Events = known.iter().cloned().collect();
            events.shrink();
            let told = |events: &Events| events.iter().map(EventRef::owned).collect::<Vec<_>>();
            prop_assert_eq!(&told(&events), &known);
            prop_assert_eq!(events.len(), known.len());
            prop_assert_eq!(events.last().map(EventRef::owned), known.last().cloned());
            prop_assert_eq!(events.get(1).map(EventRef::owned), known.get(1).cloned());
            prop_assert_eq!(events.pop(), known.pop());
            prop_assert_eq!(&told(&events), &known);
            events.extend(known.last().cloned());
            prop_assert_eq!(events.last().map(EventRef::owned), known.last().cloned());
        }
    }

    #[test]
    fn a_usual_event_takes_few_octets() {
        let open = LogEvent {
            line: LineRef {
                log: LogId(0),
                line: 1_000_000,
            },
            stamp: Stamp {
                at: LogTime::new(1_795_491_821, 0),
                resolution: Span::SECOND,
            },
            what: Event::Open,
        };
        let events: Events = std::iter::once(open).collect();
        assert_eq!(events.octets.len(), 13);
    }
}
