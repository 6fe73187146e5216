//! All that a run found out, ready to be written.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::path::OtherSide;
use super::tallies::Tallies;
use crate::align::{Alignment, Clock, Joined, untold};
use crate::diagnose::roll_up;
use crate::model::{
    CaptureSource, Encryption, Ended, Exchange, Finding, KeySource, LineRef, LogId, LogSession,
    LogSource, Lookup, Nanos, Neighbour, PassedOver, Proto, Role, Seen, Span, Threads, Unlisted,
    WireSession,
};

/// What was read and how it was joined.
#[derive(Debug, Default)]
pub struct Account {
    /// Input captures, in the order given.
    pub captures: Vec<CaptureSource>,
    /// Key logs, and captures with secrets inside.
    pub keys: Vec<KeySource>,
    /// Input logs, in the order given.
    pub sources: Vec<LogSource>,
    /// Conversations in the captures, in the order of their first packets.
    pub wires: Vec<WireSession>,
    /// Conversations in the logs.
    pub logs: Vec<LogSession>,
    /// Attempts to connect that nobody answered and that are no sessions, as they are so many; by server.
    pub unlisted: Vec<Unlisted>,
    /// Addresses asked for on a link that nobody answered for.
    pub neighbours: Vec<Neighbour>,
    /// What was seen and not read, in the order of first packets.
    pub passed_over: Vec<PassedOver>,
    /// Clocks, and who is whom.
    pub alignment: Alignment,
    /// East of UTC: taken off all times of the capture's clock when they are shown.
    pub capture_zone: Span,
    /// What a person should know, each by itself, worst first.
    pub findings: Vec<Finding>,
    /// How each session that the wire has ended, in the order of the alignment's; [`Account::ended`] has those of the logs too.
    pub endings: Vec<Option<Box<Ended>>>,
    /// Bounds that were hit, in words.
    pub overruns: Vec<String>,
    /// Which sessions to show.
    pub selection: Selection,
    /// Another capture of the same traffic, and how it compares.
    pub other_side: Option<OtherSide>,
    /// Time of the first packet.
    pub origin: Nanos,
    /// Exit status of the run.
    pub exit: u8,
    /// Threads that may write it.
    pub threads: Threads,
    /// Of a run that goes on, which part of it this is.
    pub part: Part,
}

/// A part of a run whose sessions are given while it goes on; the default is a whole run.
#[derive(Clone, Debug, Default)]
pub struct Part {
    /// For each of the alignment's sessions its number in the run; `None` where it is not given yet. In order from 1 where there are none.
    pub numbers: Vec<Option<usize>>,
    /// The first number that was not given before.
    pub from: usize,
    /// Logs whose clocks are told in this part: those that changed.
    pub clocks: Vec<LogId>,
    /// Clocks that were told before and that what came since contradicts.
    pub contradicted: Vec<Contradicted>,
    /// What was given before.
    pub before: Tallies,
}

/// A clock that was told and that what came later contradicts: it was wrong, or was set since.
#[derive(Clone, Debug)]
pub struct Contradicted {
    /// As it was told.
    pub clock: Clock,
    /// Sessions that were given joined by it, of those that are still known.
    pub joined: usize,
}

impl Part {
    /// What the clock of a log that is told now contradicts.
    pub(super) fn contradicted(&self, log: LogId) -> Option<&Contradicted> {
        self.contradicted.iter().find(|one| one.clock.log == log)
    }

    /// Whether there is more of the run than this.
    pub(super) const fn is_of_more(&self) -> bool {
        self.from > 0
    }
}

/// Narrows what is shown; what is left out was still read and joined.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Only these ids; all when empty.
    pub ids: Vec<String>,
    /// Only sessions that were still open at this time.
    pub since: Option<Nanos>,
    /// Only sessions that had begun by this time.
    pub until: Option<Nanos>,
    /// Only sessions of one of these addresses; all when empty.
    pub hosts: Vec<IpAddr>,
    /// Most sessions to draw as text; no bound when `None`.
    pub ladders: Option<usize>,
}

impl Selection {
    /// Whether nothing is left out.
    fn takes_all(&self) -> bool {
        self.ids.is_empty() && self.since.is_none() && self.until.is_none() && self.hosts.is_empty()
    }
}

/// Numbers of sessions by protocol, protection and witness.
pub type Totals = BTreeMap<(Proto, Option<Encryption>), [u64; 3]>;

/// One end of a session, as far as it is known.
pub(super) type End = (Option<IpAddr>, Option<u16>);

/// One session as it is shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown<'a> {
    /// Index among the account's.
    at: usize,
    pub(super) number: usize,
    pub(super) joined: &'a Joined,
    pub(super) wire: Option<&'a WireSession>,
    /// The log session that speaks for it, when the wire does not.
    pub(super) log: Option<&'a LogSession>,
    pub(super) led_by: Option<Led<'a>>,
    /// How it ended, where packets tell of it.
    ended: Option<&'a Ended>,
}

/// The look-up that a connection was made from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Led<'a> {
    /// Number of its session.
    session: usize,
    lookup: &'a Lookup,
}

/// Name of a session by its number.
fn session_id(number: usize) -> String {
    format!("s{number}")
}

impl Selection {
    /// Whether one of `ends` is asked for.
    fn has_host(&self, ends: impl IntoIterator<Item = IpAddr>) -> bool {
        self.hosts.is_empty() || ends.into_iter().any(|ip| self.hosts.contains(&ip))
    }
}

/// How a session ended: as the packets show it, or else as its log tells.
fn ended<'a>(
    on_wire: bool,
    log: Option<&LogSession>,
    seen: Option<&'a Ended>,
) -> Option<Cow<'a, Ended>> {
    match log {
        Some(log) if !on_wire => Ended::told_by(log).map(Cow::Owned),
        _ => seen.map(Cow::Borrowed),
    }
}

impl Account {
    /// How each session ended, in order, where packets or its log say so.
    pub fn ended(&self) -> impl Iterator<Item = Option<Cow<'_, Ended>>> {
        let all = self.alignment.sessions.iter().zip(&self.endings);
        all.map(|(joined, seen)| {
            let log = joined.logs.first().and_then(|&log| self.logs.get(log));
            ended(joined.wire.is_some(), log, seen.as_deref())
        })
    }

    /// The sessions that are selected, in order, numbered among all.
    pub(super) fn shown(&self) -> impl Iterator<Item = Shown<'_>> {
        let all = self.alignment.sessions.iter().enumerate();
        let places = self.places_of_wires();
        all.filter_map(move |(at, joined)| {
            let number = self.number(at)?;
            let wire = joined.wire.and_then(|wire| self.wires.get(wire));
            Some(Shown {
                at,
                number,
                joined,
                wire,
                log: joined.logs.first().and_then(|&log| self.logs.get(log)),
                led_by: wire.and_then(|wire| self.led_by(wire, &places)),
                ended: self.endings.get(at).and_then(Option::as_deref),
            })
        })
        .filter(|shown| shown.number >= self.part.from && self.selected(shown))
    }

    /// Number of the session at an index; `None` where it has none yet.
    fn number(&self, at: usize) -> Option<usize> {
        if self.part.numbers.is_empty() {
            return Some(at + 1);
        }
        self.part.numbers.get(at).copied().flatten()
    }

    /// Number in the whole run, from 0 on, of the session at an index, where it is given in this part.
    pub fn given_now(&self, at: usize) -> Option<usize> {
        let number = self.number(at).filter(|number| *number >= self.part.from)?;
        number.checked_sub(1)
    }

    /// Name of the session at an index.
    pub(super) fn id(&self, at: usize) -> String {
        self.number(at).map_or_else(String::new, session_id)
    }

    /// Index in the account of each conversation on the wire.
    fn places_of_wires(&self) -> Vec<usize> {
        let mut places = vec![usize::MAX; self.wires.len()];
        for (at, joined) in self.alignment.sessions.iter().enumerate() {
            if let Some(place) = joined.wire.and_then(|wire| places.get_mut(wire)) {
                *place = at;
            }
        }
        places
    }

    fn led_by<'a>(&'a self, wire: &WireSession, places: &[usize]) -> Option<Led<'a>> {
        let by = wire.led_by?;
        Some(Led {
            session: places.get(by.session).and_then(|at| self.number(*at))?,
            lookup: self.wires.get(by.session)?.lookups.get(by.lookup)?,
        })
    }

    /// Findings about sessions that are selected, and about none in particular; many of a kind as one.
    pub(super) fn found(&self) -> Vec<Cow<'_, Finding>> {
        let takes_all = self.selection.takes_all();
        let shown: BTreeSet<usize> = if takes_all {
            BTreeSet::new()
        } else {
            self.shown().map(|shown| shown.at).collect()
        };
        // At the end of a run that goes on its sessions were shown before.
        let is_over = self.part.is_of_more() && self.alignment.sessions.is_empty();
        roll_up(self.findings.iter().filter(|finding| {
            takes_all
                || finding.sessions.is_empty()
                || finding.sessions.iter().any(|at| shown.contains(at))
                || is_over && self.concerns_selected(finding)
        }))
    }

    /// Whether a finding names a session or an end that is selected.
    fn concerns_selected(&self, finding: &Finding) -> bool {
        let ids = &self.selection.ids;
        let named = |at: &usize| ids.contains(&self.id(*at));
        let clients = finding.clients.iter().map(|client| client.ip);
        let ends = clients.chain(finding.endpoint.map(|server| server.ip));
        (ids.is_empty() || finding.sessions.iter().any(named)) && self.selection.has_host(ends)
    }

    /// What was seen and not read, as far as it is selected: it is in no session.
    pub(super) fn shown_passed_over(&self) -> impl Iterator<Item = &PassedOver> {
        let selection = &self.selection;
        let any = selection.ids.is_empty();
        self.passed_over.iter().filter(move |passed| {
            let (first, last) = (self.utc(passed.first), self.utc(passed.last));
            let ends = [passed.source.0, passed.destination.0];
            any && selection.since.is_none_or(|since| last >= since)
                && selection.until.is_none_or(|until| first <= until)
                && selection.has_host(ends)
        })
    }

    fn selected(&self, shown: &Shown<'_>) -> bool {
        let selection = &self.selection;
        if selection.takes_all() {
            return true;
        }
        let (start, end) = self.times(shown);
        let hosts = [shown.ends().0, shown.ends().1].map(|end| end.0);
        (selection.ids.is_empty() || selection.ids.contains(&shown.id()))
            && selection
                .since
                .is_none_or(|since| end.is_some_and(|end| end >= since))
            && selection
                .until
                .is_none_or(|until| start.is_some_and(|start| start <= until))
            && selection.has_host(hosts.into_iter().flatten())
    }

    /// First and last moment, in UTC as far as the zones are known.
    pub(super) fn times(&self, shown: &Shown<'_>) -> (Option<Nanos>, Option<Nanos>) {
        match (shown.wire, shown.log) {
            (Some(wire), _) => (Some(self.utc(wire.start)), Some(self.utc(wire.end))),
            (None, Some(log)) => {
                let stamps = log.stamps();
                let at = |time| self.log_moment(log.log, time);
                (
                    stamps.map(|(first, _)| at(first.at)),
                    stamps.map(|(_, last)| at(last.at)),
                )
            }
            (None, None) => (None, None),
        }
    }

    /// A moment of the capture's clock in UTC, as far as its zone is known.
    pub(super) fn utc(&self, at: Nanos) -> Nanos {
        at - self.capture_zone
    }

    /// A log stamp on the capture's clock, in UTC; as it reads where no clock is known.
    pub(super) fn log_moment(&self, log: LogId, at: crate::model::LogTime) -> Nanos {
        match self.clock(log) {
            Some(clock) => self.utc(clock.to_capture(at)),
            None => Nanos(at.0),
        }
    }

    /// The clocks that are told: all of a whole run.
    pub(super) fn told_clocks(&self) -> impl Iterator<Item = &Clock> {
        let part = &self.part;
        let clocks = self.alignment.clocks.iter();
        clocks.filter(|clock| !part.is_of_more() || part.clocks.contains(&clock.log))
    }

    pub(super) fn clock(&self, log: LogId) -> Option<&Clock> {
        self.alignment.clocks.iter().find(|clock| clock.log == log)
    }

    pub(super) fn log_file(&self, log: LogId) -> &str {
        self.sources
            .iter()
            .find(|source| source.id == log)
            .map_or("", |source| source.file.as_str())
    }

    /// In which file of a log a line is, and its number there.
    pub(super) fn place(&self, line: LineRef) -> (&str, u64) {
        self.sources
            .iter()
            .find(|source| source.id == line.log)
            .map_or(("", line.line), |source| source.place(line.line))
    }

    /// The same, the file without its folders where that names it alone.
    pub(super) fn short_place(&self, line: LineRef) -> (&str, u64) {
        let (file, line) = self.place(line);
        let shared = self
            .sources
            .iter()
            .flat_map(LogSource::files)
            .any(|other| other != file && base(other) == base(file));
        (if shared { file } else { base(file) }, line)
    }

    /// Sessions by protocol, protection and witness: both, wire, log.
    pub fn totals(&self) -> Totals {
        let mut totals = self.part.before.totals.clone();
        for shown in self.shown() {
            let key = (shown.proto(), shown.encryption());
            shown.count(totals.entry(key).or_default());
        }
        totals
    }

    /// Sessions whose TLS was opened.
    pub(super) fn decrypted(&self) -> usize {
        let tls = self.wires.iter().filter_map(|wire| wire.tls.as_ref());
        self.part.before.decrypted + tls.filter(|tls| tls.is_opened()).count()
    }

    /// Whether any input was damaged.
    pub fn damaged(&self) -> bool {
        self.captures.iter().any(|c| !c.damage.is_empty())
            || self.sources.iter().any(|s| !s.damage.is_empty())
    }
}

/// A path's last part, or a table's name.
fn base(file: &str) -> &str {
    if let (true, Some((_, table))) = (file.starts_with("odbc:"), file.rsplit_once(";table=")) {
        return table;
    }
    let name = std::path::Path::new(file).file_name();
    name.and_then(|name| name.to_str()).unwrap_or(file)
}

impl<'a> Led<'a> {
    /// Name within the account of the session in which the name was looked up.
    pub(super) fn id(self) -> String {
        session_id(self.session)
    }

    /// The name that was looked up.
    pub(super) fn name(self) -> &'a str {
        &self.lookup.name
    }
}

impl<'a> Shown<'a> {
    /// Client and server, each an address and a port as far as known.
    pub(super) fn ends(&self) -> (End, End) {
        match (self.wire, self.log) {
            (Some(wire), _) => {
                let [client, server] = [wire.conversation.client, wire.conversation.server];
                (
                    (Some(client.ip), Some(client.port)),
                    (Some(server.ip), Some(server.port)),
                )
            }
            (None, Some(log)) => {
                let (peer, own) = ((log.peer, log.peer_port), (log.local, log.local_port));
                match log.role {
                    Role::Client => (own, peer),
                    Role::Server => (peer, own),
                }
            }
            (None, None) => ((None, None), (None, None)),
        }
    }

    /// Name within the account: `s` and its number in order.
    pub(super) fn id(&self) -> String {
        session_id(self.number)
    }

    /// Counts it among those that both, the wire or the log saw.
    pub(super) fn count(&self, [both, wire, log]: &mut [u64; 3]) {
        match self.seen() {
            Seen::Both => *both += 1,
            Seen::Log => *log += 1,
            Seen::Wire | Seen::Inferred => *wire += 1,
        }
    }

    pub(super) fn proto(&self) -> Proto {
        let told = self.log.map(|log| log.proto);
        match (self.wire.map(|wire| wire.proto), told) {
            // What TLS hides from the one, the other may know.
            (Some(Proto::TLS | Proto::UNKNOWN), Some(told)) => told,
            (Some(proto), _) => proto,
            (None, told) => told.unwrap_or(Proto::UNKNOWN),
        }
    }

    /// How it was encrypted; most logs do not tell.
    pub(super) fn encryption(&self) -> Option<Encryption> {
        self.wire
            .map(|wire| wire.encryption)
            .or_else(|| self.log.and_then(|log| log.encryption))
    }

    /// How it ended, and who ended it.
    pub(super) fn ended(&self) -> Option<Cow<'a, Ended>> {
        ended(self.wire.is_some(), self.log, self.ended)
    }

    /// Commands and replies, in order.
    pub(super) fn exchanges(&self) -> Cow<'_, [Exchange]> {
        match self.only_logged() {
            Some(log) => Cow::Owned(untold(log, |_| true)),
            None => Cow::Borrowed(&self.joined.exchanges),
        }
    }

    /// The log session that alone tells of it.
    pub(super) fn only_logged(&self) -> Option<&'a LogSession> {
        self.log.filter(|_| self.wire.is_none())
    }

    pub(super) fn seen(&self) -> Seen {
        match (self.wire, self.log) {
            (Some(_), Some(_)) => Seen::Both,
            (Some(_), None) => Seen::Wire,
            (None, _) => Seen::Log,
        }
    }
}
