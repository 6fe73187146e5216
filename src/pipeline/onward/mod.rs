//! A run that goes on: packets pass, logs are written, and what both sides have passed is joined and given meanwhile.
//!
//! One thread reads packets, another reads the logs, joins and gives. What is held is bounded: sessions that wait for the other side
//! ([`held`]), and the last of those that were given, which teach clocks and habits. How far each side is, [`marks`] tells.

mod arrival;
mod choose;
mod correct;
mod doubt;
mod held;
mod marks;
mod part;
mod repeats;
mod rivals;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::align::{Alignment, Clock};
use crate::diagnose::{View, Whole, diagnose_end, diagnose_part, endings};
use crate::input::Front;
use crate::model::{CaptureSource, LogId, LogSource, LostPackets, Nanos, Severity, Span};
use crate::report::{Account, Part, Tallies};

use super::captures::{self, Wires};
use super::follow::{Logs, Place, Reached};
use super::logs;
use super::options::listens;
use super::passing::{Pace, Passing, Taken};
use super::run::{Begun, FAILED, Run, begin, refused};
use super::{Options, PipelineError, Progress, zones};
use held::{Bounds, Held};
use marks::{Ahead, Now};
use part::Given;
use repeats::Repeats;

/// Time between two looks at the logs.
const PAUSE: Duration = Duration::from_millis(500);
/// Least time between two joins; it is longer where they take long.
const JOINS: Duration = Duration::from_secs(1);
/// So many times as long as a join took the next one waits...
const RESTS: u32 = 4;
/// ...but no longer than this after it: what comes meanwhile makes the next one longer.
const REST: Duration = Duration::from_secs(5);
/// Servers write some lines a little later than they act.
const GRACE: Duration = Duration::from_millis(700);
/// A clock is told again when the capture is so much further.
const TOLD_AGAIN: Span = Span::seconds(60);
/// After so long a log without a clock is told of.
const NO_CLOCK: Duration = Duration::from_secs(10);

/// Takes a part of a run: sessions that are settled, what was found in them, and clocks that changed.
pub(super) type Give<'g> = dyn FnMut(&Account) -> io::Result<()> + Send + 'g;

/// Reads everything as it comes, and gives what is settled while it goes on. The account is what is left to be said at its end.
///
/// # Errors
/// When a part cannot be given.
pub fn run_onward(
    options: &Options,
    progress: &mut Progress,
    give: &mut Give<'_>,
) -> io::Result<Run> {
    let Begun {
        mut failures,
        mut fronts,
        output,
        mut keys,
    } = match begin(options, progress) {
        Ok(begun) => begun,
        Err(error) => return Ok(refused(error)),
    };
    let from = if listens(options) {
        Place::End
    } else {
        Place::Begin
    };
    let mut joiner = Joiner::new(options, Logs::start(options, from), give);
    // What waits for packets is told of the wish to stop itself.
    let whole = fronts.iter().all(|front| matches!(front, Front::Whole(_)));
    let ends_by_itself = whole && !listens(options);
    let opened = captures::open(&mut fronts, &mut failures);
    #[cfg(feature = "live")]
    let opened = match super::run::with_live(opened, options) {
        Ok(opened) => opened,
        Err(error) => return Ok(refused(error)),
    };
    let (mut wires, done) = if opened.is_empty() {
        (Wires::default(), joiner.work(None))
    } else {
        let read = captures::read_beside(
            opened,
            output,
            options,
            &mut keys,
            progress,
            || ends_by_itself && options.stop.is_set(),
            |passing| joiner.work(Some(passing)),
        );
        match read {
            Ok(read) => read,
            Err(error) => return Ok(refused(error)),
        }
    };
    progress.clear();
    let (mut sources, told) = done?;
    failures.extend(wires.failure.take());
    failures.extend(wires.unwritten.take());
    if told.is_empty() && failures.is_empty() {
        failures.extend(logs::unmatched(options, &sources));
    }
    failures.extend(told);
    wires.overruns.extend(joiner.held.overrun());
    wires.overruns.extend(joiner.whole.overruns());
    let clocks = joiner.held.clocks().to_vec();
    let capture_zone = zones::infer(&mut wires.sources, &mut sources, &clocks);
    let mut account = Account {
        captures: wires.sources,
        keys: keys.sources,
        sources,
        unlisted: wires.unlisted,
        neighbours: wires.neighbours,
        passed_over: wires.passed_over,
        alignment: Alignment {
            clocks,
            sessions: Vec::new(),
        },
        capture_zone,
        overruns: wires.overruns,
        selection: options.selection.clone(),
        origin: wires.origin.unwrap_or_default(),
        part: Part {
            from: joiner.held.given() + 1,
            before: joiner.tallies,
            ..Part::default()
        },
        ..Account::default()
    };
    account.part.clocks = account.sources.iter().map(|source| source.id).collect();
    account.part.contradicted = joiner.held.contradicted;
    account.findings = diagnose_end(view(&account), joiner.whole);
    account.exit = exit_status(&account, &failures);
    Ok(Run { account, failures })
}

fn view(account: &Account) -> View<'_> {
    View {
        captures: &account.captures,
        sources: &account.sources,
        wires: &account.wires,
        logs: &account.logs,
        unlisted: &account.unlisted,
        neighbours: &account.neighbours,
        alignment: &account.alignment,
    }
}

fn exit_status(account: &Account, failures: &[PipelineError]) -> u8 {
    if account.captures.is_empty() && account.sources.is_empty() {
        return FAILED;
    }
    if account.damaged() || !failures.is_empty() {
        return 3;
    }
    let given = account.part.before.findings.values();
    let mut severities = given
        .map(|&(worst, _)| worst)
        .chain(account.findings.iter().map(|finding| finding.severity));
    u8::from(severities.any(|severity| severity == Severity::Error))
}

/// Reads logs, joins what is held, and gives what is settled.
struct Joiner<'r, 'g> {
    options: &'r Options,
    logs: Logs,
    held: Held,
    give: &'r mut Give<'g>,
    tallies: Tallies,
    /// Clocks as they were told last, and how far the capture was then.
    told: BTreeMap<LogId, (Clock, Option<Nanos>)>,
    repeats: Repeats,
    /// What can only be told at the end.
    whole: Whole,
    /// Logs that were said to have no clock.
    without: BTreeSet<LogId>,
    /// When something was last written to each log.
    heard: BTreeMap<LogId, Instant>,
    /// When it may be joined again.
    next: Instant,
    pace: Pace,
}

/// What is known of the logs in the end.
type Told = (Vec<LogSource>, Vec<PipelineError>);

/// What came at one look.
struct Came {
    taken: Taken,
    reached: Reached,
}

impl<'r, 'g> Joiner<'r, 'g> {
    fn new(options: &'r Options, logs: Logs, give: &'r mut Give<'g>) -> Self {
        Self {
            options,
            logs,
            held: Held::new(Bounds::default()),
            give,
            tallies: Tallies::default(),
            told: BTreeMap::new(),
            repeats: Repeats::default(),
            whole: Whole::default(),
            without: BTreeSet::new(),
            heard: BTreeMap::new(),
            next: Instant::now(),
            pace: Pace::default(),
        }
    }

    /// Works until the packets are over, or without any until it shall stop.
    fn work(&mut self, passing: Option<&Passing>) -> io::Result<Told> {
        let mut over_since = None;
        loop {
            let came = self.look(passing);
            let is_over = match passing {
                Some(_) => came.taken.is_last,
                None => self.options.stop.is_set(),
            };
            if is_over {
                over_since.get_or_insert_with(Instant::now);
            }
            let is_late = over_since.is_some_and(|since| since.elapsed() >= GRACE);
            if is_late && came.reached == Reached::End {
                return self.end(passing);
            }
            let packets = if is_over || passing.is_none() {
                Ahead::Nothing
            } else {
                Ahead::More
            };
            self.join(passing, &came.taken, packets)?;
            if came.reached == Reached::End {
                std::thread::sleep(PAUSE);
            }
        }
    }

    /// Takes what has come on both sides.
    fn look(&mut self, passing: Option<&Passing>) -> Came {
        let room = self.held.has_room_for_wires();
        let mut taken = match passing {
            Some(passing) => passing.take(&mut self.pace, room),
            None => Taken::default(),
        };
        let open: HashSet<(IpAddr, u16)> = taken
            .open
            .iter()
            .map(|open| open.conversation.client)
            .map(|client| (client.ip, client.port))
            .collect();
        let goes_on = |ip: IpAddr, port| open.contains(&(ip.to_canonical(), port));
        let room = self.held.room_for_logs();
        let (sessions, reached) = self.logs.look(self.options, room, &goes_on);
        if listens(self.options) {
            self.hear(taken.now);
        }
        let wires = std::mem::take(&mut taken.wires);
        self.held.add(wires, sessions, Instant::now(), taken.now);
        Came { taken, reached }
    }

    /// Notes which logs have new lines, the capture being at `now`.
    fn hear(&mut self, now: Option<Nanos>) {
        for mark in self.logs.marks() {
            let is_new = self.heard.insert(mark.log, mark.heard) != Some(mark.heard);
            if let Some((stamp, now)) = mark.present.zip(now).filter(|_| is_new) {
                self.held.arrivals.hear(mark.log, stamp, now);
            }
        }
    }

    /// Joins what is held and gives what is settled, unless that was done just now.
    fn join(&mut self, passing: Option<&Passing>, taken: &Taken, packets: Ahead) -> io::Result<()> {
        let at = Instant::now();
        if at < self.next {
            return Ok(());
        }
        let marks = self.logs.marks();
        let sources = self.logs.sources(self.options);
        let now = Now {
            at,
            marks: &marks,
            begun: taken.begun,
            capture: taken.now,
            has_capture: passing.is_some(),
            packets,
            lines: Ahead::More,
            open: &taken.open,
        };
        let given = self.held.settle(&now, &sources, self.options.threads);
        if let Some(given) = given {
            self.give(given, passing, &now)?;
        }
        self.tell_of_clocks(&now, &sources);
        let took = at.elapsed();
        self.next = at + JOINS.max((took * RESTS).min(took + REST));
        Ok(())
    }

    /// Nothing more comes: gives all that is left.
    fn end(&mut self, passing: Option<&Passing>) -> io::Result<Told> {
        let logs = std::mem::replace(&mut self.logs, Logs::none());
        let (sources, sessions, failures) = logs.finish(self.options);
        let at = Instant::now();
        let taken = passing.map(|passing| passing.take(&mut self.pace, true));
        let begun = taken.as_ref().and_then(|taken| taken.begun);
        let capture = taken.and_then(|taken| taken.now);
        self.held.add(Vec::new(), sessions, at, capture);
        let now = Now {
            at,
            marks: &[],
            begun,
            capture,
            has_capture: passing.is_some(),
            packets: Ahead::Nothing,
            lines: Ahead::Nothing,
            open: &[],
        };
        while let Some(given) = self.held.settle(&now, &sources, self.options.threads) {
            self.give(given, passing, &now)?;
        }
        Ok((sources, failures))
    }

    /// Gives what is settled, with what is found in it.
    fn give(
        &mut self,
        mut given: Given,
        passing: Option<&Passing>,
        now: &Now<'_>,
    ) -> io::Result<()> {
        if let Some(passing) = passing.filter(|_| self.options.bodies.is_some()) {
            let mut followed = passing.lock();
            for (wire, number) in given.wires() {
                followed.name_bodies(wire, number);
            }
        }
        let account = &mut given.account;
        account.selection = self.options.selection.clone();
        account.captures = vec![CaptureSource {
            first: now.begun,
            last: now.capture,
            lost: LostPackets {
                by_system: self.options.meter.lost_so_far(),
                ..LostPackets::default()
            },
            ..CaptureSource::default()
        }];
        account.part.contradicted = std::mem::take(&mut self.held.contradicted);
        for contradicted in &account.part.contradicted {
            // It is not waited with.
            self.told.remove(&contradicted.clock.log);
        }
        account.part.clocks = self.changed(&account.alignment.clocks, now.capture);
        let (endings, findings) = (
            endings(view(account)),
            diagnose_part(view(account), self.options.threads),
        );
        account.endings = endings;
        let fresh = |at| account.given_now(at);
        let open_since = given.open_since;
        self.whole
            .take(view(account), &findings, &fresh, open_since);
        account.findings = self.repeats.new_ones(account, findings);
        (self.give)(account)?;
        self.tallies.add(account);
        self.held.take_back(given);
        Ok(())
    }

    /// The logs whose clocks are to be told: those that are new, or were told a while ago and are another since.
    fn changed(&mut self, clocks: &[Clock], now: Option<Nanos>) -> Vec<LogId> {
        let mut changed = Vec::new();
        for clock in clocks {
            let is_told = self.told.get(&clock.log).is_some_and(|(told, then)| {
                let soon = now.zip(*then);
                let soon = soon.is_none_or(|(now, then)| now.since(then) < TOLD_AGAIN);
                told == clock || soon
            });
            if !is_told {
                self.told.insert(clock.log, (clock.clone(), now));
                changed.push(clock.log);
            }
        }
        changed
    }

    /// Says of which logs nothing is joined yet.
    fn tell_of_clocks(&mut self, now: &Now<'_>, sources: &[LogSource]) {
        if !now.has_capture {
            return;
        }
        for log in self.held.without_clock() {
            let mut marks = now.marks.iter();
            let begun = marks
                .find(|mark| mark.log == log)
                .and_then(|mark| mark.begun);
            let waits = begun.is_some_and(|begun| begun.elapsed() >= NO_CLOCK);
            let source = sources.iter().find(|source| source.id == log);
            if let Some(source) = source.filter(|_| waits && self.without.insert(log)) {
                (self.options.tell.0)(&format!(
                    "too few pairs yet to know the clock of '{}'; until then nothing of it is joined",
                    source.file
                ));
            }
        }
    }
}
