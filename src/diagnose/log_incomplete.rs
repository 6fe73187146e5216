//! Logs that are silent about what the wire shows.

use std::collections::BTreeSet;

use crate::align::Clock;
use crate::model::{
    Endpoint, Event, Evidence, Finding, LineRef, LogEvent, LogId, LogSession, LogSource, LogTime,
    Nanos, Role, Severity, Shown,
};

use super::View;
use super::group::{Group, Words, counted};
use super::registry::Rule;
use super::silence::{Expected, silences};
use super::view::Case;

pub(super) const RULE: Rule = Rule {
    code: "log-incomplete",
    about: "a gap in a log, rotation, or a level too low",
    decided: "Stretches between two lines of a log, or an end of the capture and one, in which sessions began and ended on the wire with servers that the log tells of, none with a line, \
              where that is less likely than one in a thousand by how often the log leaves out such a session at all (by the rule of succession, over all stretches). Whether a disk was full is told where a line says so; else a gap is told as it is. And, as information, lines \
              of the log that could not be read, and logs of three sessions or more without one command where their server can be told to write commands.",
    example: "postfix.log is silent from 03:29:20 to 03:29:30 while the wire shows 7 sessions with its server",
    find,
};

fn find(view: View<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in view.sources {
        findings.extend(gap(view, source.id));
        findings.extend(low_level(view, source));
        findings.extend(disk_full(view, source));
        if source.unparsed > 0 {
            let mut group = Group::of(source.unparsed);
            for (line, _) in &source.unparsed_first {
                group.show(Evidence::Line(LineRef {
                    log: source.id,
                    line: *line,
                }));
            }
            findings.push(group.finding(Words {
                code: RULE.code,
                severity: Severity::Info,
                endpoint: None,
                message: format!(
                    "{} of {} could not be read as {}",
                    counted(source.unparsed, "line"),
                    source.file,
                    source.format
                ),
                not: "not lines of the programs that this format is known to live beside: those are passed over".into(),
                next: "look at the lines named above: another program's, another format's, or damaged".into(),
            }));
        }
    }
    findings
}

/// A log in which a program says that its disk is full.
fn disk_full(view: View<'_>, source: &LogSource) -> Option<Finding> {
    let full = source.disk_full?;
    let clock = view
        .alignment
        .clocks
        .iter()
        .find(|clock| clock.log == source.id);
    let at = |stamp: LogTime| clock.map_or(Nanos(stamp.0), |clock| clock.to_capture(stamp));
    let line = |(number, _): (u64, Option<LogTime>)| LineRef {
        log: source.id,
        line: number,
    };
    let mut group = Group::of(full.lines);
    for (place, stamp) in [full.first, full.last].map(|place| (line(place), place.1)) {
        group.show(Evidence::Line(place));
        group.lasted(stamp.map(at));
    }
    let message = format!(
        "{} says in {} that a disk of its server is full",
        source.file,
        counted(full.lines, "line")
    );
    Some(group.finding(Words {
        code: RULE.code,
        severity: Severity::Warning,
        endpoint: None,
        message,
        not: "not rotation and not a level too low: programs say so in the log itself, which may lack what they could not write".into(),
        next: "make room on the server (df -h, df -i); then see which mail and which lines were lost meanwhile".into(),
    }))
}

/// Sessions from which on a log without a command in them is one that is told not to write any.
const SESSIONS: usize = 3;

/// A log that tells of sessions and of nothing in them, where its server can be told to.
fn low_level(view: View<'_>, source: &LogSource) -> Option<Finding> {
    let Shown::With(setting) = source.shows.commands else {
        return None;
    };
    let served = || {
        view.logs
            .iter()
            .filter(|log| log.log == source.id && log.role == Role::Server)
    };
    let tells = |log: &LogSession| {
        let command = |event: &LogEvent| matches!(event.what, Event::Command(_));
        log.events.iter().any(command) || !log.implied.is_empty()
    };
    let sessions = served().count();
    (sessions >= SESSIONS && !served().any(tells)).then(|| {
        let count = u64::try_from(sessions).unwrap_or(u64::MAX);
        let mut group = Group::of(count);
        for event in served().filter_map(|log| log.events.first()).take(2) {
            group.show(Evidence::Line(event.line));
        }
        group.finding(Words {
            code: RULE.code,
            severity: Severity::Info,
            endpoint: None,
            message: format!(
                "{} tells of {} and of no command in them: its level is too low",
                source.file,
                counted(count, "session")
            ),
            not: "not a log without sessions, and not one whose server cannot write more".into(),
            next: format!("{setting} makes the server write them"),
        })
    })
}

/// Stretches of a log in which sessions of the wire are without a line.
fn gap(view: View<'_>, id: LogId) -> Option<Finding> {
    let clock = view.alignment.clocks.iter().find(|clock| clock.log == id)?;
    let told = |case: &Case<'_>| {
        case.joined
            .logs
            .iter()
            .any(|&log| view.logs.get(log).is_some_and(|log| log.log == id))
    };
    let served: BTreeSet<Endpoint> = view
        .on_wire()
        .filter(|(case, _)| told(case))
        .map(|(_, wire)| wire.conversation.server)
        .collect();
    let lines = lines(view, clock);
    let cases: Vec<(Case<'_>, Expected)> = view
        .on_wire()
        .filter(|(case, wire)| {
            served.contains(&wire.conversation.server)
                && case.joined.candidates.is_empty()
                && wire.counts.0.iter().all(|direction| direction.bytes > 0)
        })
        .map(|(case, wire)| {
            let event = Expected {
                from: wire.start,
                to: wire.end,
                told: told(&case),
            };
            (case, event)
        })
        .collect();
    let events: Vec<Expected> = cases.iter().map(|(_, event)| *event).collect();
    let heard: Vec<Nanos> = lines.iter().map(|(at, _)| *at).collect();
    let found = silences(&heard, &events, clock.resolution + clock.bound);
    let worst = found.first()?;
    let mut group = Group::default();
    for silence in &found {
        let around = lines
            .iter()
            .filter(|(at, _)| *at == silence.from || *at == silence.to);
        let around: Vec<Evidence> = around.filter_map(|(_, line)| *line).collect();
        for (number, at) in silence.events.iter().enumerate() {
            if let Some((case, _)) = cases.get(*at) {
                group.add(case, None, around.get(number.min(1)).copied());
            }
        }
    }
    // The ends of the capture are no lines.
    let is_end = |moment: Nanos| {
        lines
            .iter()
            .any(|(at, line)| *at == moment && line.is_none())
    };
    let file = view.sources.iter().find(|source| source.id == id)?;
    // By the words of any log: the one with the gap could not write them.
    let full = view
        .sources
        .iter()
        .find_map(|source| source.disk_full.map(|_| source));
    let next = match (is_end(worst.from), is_end(worst.to)) {
        _ if full.is_some() => {
            "see whether it was this log's disk that was full, as a log says: then these lines are lost"
        }
        (true, false) => {
            "see whether the log was rotated at that time, and give the older file too"
        }
        (false, true) => {
            "see whether its disk is full, its writer stopped, or it goes on in another file"
        }
        _ => {
            "see whether a file of it is missing, its disk was full, or its writer limited (rate limits of syslog and journald)"
        }
    };
    let all = events.len();
    let without = events.iter().filter(|event| !event.told).count();
    let more = if found.len() > 1 {
        format!(", and in {} more stretches", found.len() - 1)
    } else {
        String::new()
    };
    let message = format!(
        "{} is silent for {:.1} s while the wire shows {} with its server{more}; of all {all} it has no line of {without}",
        file.file,
        worst.to.since(worst.from).as_seconds_f64(),
        counted(
            u64::try_from(worst.events.len()).unwrap_or(u64::MAX),
            "session"
        )
    );
    Some(group.finding(Words {
        code: RULE.code,
        severity: Severity::Warning,
        endpoint: None,
        message,
        not: "not an idle server: it answered all that time".into(),
        next: next.into(),
    }))
}

/// Moments of a log's lines on the capture's clock, and the ends of the capture, in order.
fn lines(view: View<'_>, clock: &Clock) -> Vec<(Nanos, Option<Evidence>)> {
    let ends = view
        .captures
        .iter()
        .flat_map(|source| [source.first, source.last]);
    let mut lines: Vec<(Nanos, Option<Evidence>)> = view
        .logs
        .iter()
        .filter(|log| log.log == clock.log)
        .flat_map(|log| &log.events)
        .map(|event| {
            let at = clock.to_capture(event.stamp.at);
            (at, Some(Evidence::Line(event.line)))
        })
        .chain(ends.flatten().map(|at| (at, None)))
        .collect();
    lines.sort_unstable();
    lines
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scene, at, clock, log_source, logged, wire};
    use super::*;
    use crate::model::{DiskFull, Shown, Side, WireSession};

    fn talk(second: i64) -> WireSession {
        let mut wire = wire(25, second, "SF", "ShAdDaFf");
        for side in [Side::Client, Side::Server] {
            wire.counts.of_mut(side).bytes = 9;
        }
        wire
    }

    /// Forty sessions, those in the range not in the log.
    fn scene(silent: std::ops::Range<i64>) -> Scene {
        let mut scene = Scene::default();
        for n in 0..40 {
            if silent.contains(&n) {
                scene.add(talk(3 * n));
            } else {
                scene.add_both(talk(3 * n), logged(3 * n, u64::try_from(n).unwrap()));
            }
        }
        scene.alignment.clocks.push(clock());
        scene.sources.push(log_source());
        scene
    }

    #[test]
    fn a_stretch_without_lines_is_a_gap_and_one_session_is_not() {
        let found = scene(10..18).find(find);
        assert!(
            found[0]
                .message
                .starts_with("mail.log is silent for 27.0 s while the wire shows 8 sessions"),
            "{}",
            found[0].message
        );
        assert_eq!(found[0].first, Some(at(30)));
        assert!(scene(10..11).find(find).is_empty());
    }

    #[test]
    fn a_log_without_commands_that_could_have_them_is_of_too_low_a_level() {
        for (shown, sessions, expected) in [
            (Shown::With("LogLevel=15"), 3, 1),
            (Shown::With("LogLevel=15"), 2, 0),
            (Shown::Never, 3, 0),
        ] {
            let mut source = log_source();
            source.shows.commands = shown;
            let mut scene = Scene::default();
            scene.sources.push(source);
            for second in 0..sessions {
                scene.add_logged(logged(second, 1));
            }
            assert_eq!(scene.find(find).len(), expected);
        }
    }

    #[test]
    fn a_full_disk_is_told_by_the_words_of_the_log_and_explains_a_gap() {
        let mut scene = scene(10..18);
        let gap = |scene: &Scene| {
            let found = scene.find(find);
            let gap = found
                .iter()
                .find(|one| one.message.contains("silent"))
                .cloned();
            (found.len(), gap.unwrap().next)
        };
        let (count, next) = gap(&scene);
        assert!(count == 1 && next.starts_with("see whether a file of it is missing"));
        scene.sources[0].disk_full = Some(DiskFull {
            lines: 3,
            first: (31, Some(LogTime(at(29).0))),
            last: (33, Some(LogTime(at(30).0))),
        });
        let (count, next) = gap(&scene);
        assert!(count == 2 && next.starts_with("see whether it was this log's disk"));
        let found = scene.find(find);
        let full = found
            .iter()
            .find(|one| one.message.contains("full"))
            .unwrap();
        assert_eq!(
            full.message,
            "mail.log says in 3 lines that a disk of its server is full"
        );
        assert_eq!(
            (full.count, full.first, full.last),
            (3, Some(at(29)), Some(at(30)))
        );
    }
}
