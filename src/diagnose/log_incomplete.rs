//! Logs that are silent about what the wire shows.

use std::collections::BTreeMap;

use crate::model::{
    Evidence, Finding, LineRef, LogId, LogSession, LogSource, LogTime, Nanos, Severity,
};

use super::View;
use super::group::{Group, Words, counted};
use super::of_log::OfLog;
use super::registry::Rule;
use super::view::Place;

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
    let mut heard = Heard::new(usize::MAX);
    heard.take(view, &Some);
    heard.findings(view)
}

/// What the logs had, and what the wire shows that they should have.
pub(super) struct Heard {
    /// Stretches and sessions that are remembered at most, of each log so many.
    most: usize,
    logs: BTreeMap<LogId, OfLog>,
}

impl Heard {
    pub(super) const fn new(most: usize) -> Self {
        Self {
            most,
            logs: BTreeMap::new(),
        }
    }

    /// Looks at a part of the run.
    pub(super) fn take(&mut self, view: View<'_>, place: Place<'_>) {
        for source in view.sources {
            self.logs
                .entry(source.id)
                .or_insert_with(|| OfLog::new(self.most));
        }
        for (_, case) in view.taken(place) {
            let mine = case.joined.logs.iter();
            let mine: Vec<&LogSession> = mine.filter_map(|&log| view.logs.get(log)).collect();
            for (id, of_log) in &mut self.logs {
                let clock = view.alignment.clocks.iter().find(|clock| clock.log == *id);
                let told = mine.iter().filter(|log| log.log == *id);
                for log in told.clone() {
                    of_log.take_log(log, clock);
                }
                if let Some(wire) = case.wire {
                    of_log.take_wire(&case, wire, told.count() > 0);
                }
            }
        }
    }

    /// What is to be said at the end.
    pub(super) fn findings(mut self, view: View<'_>) -> Vec<Finding> {
        let mut findings = Vec::new();
        for source in view.sources {
            if let Some(of_log) = self.logs.remove(&source.id) {
                let low_level = of_log.low_level(source);
                findings.extend(of_log.gap(view, source));
                findings.extend(low_level);
            }
            findings.extend(disk_full(view, source));
            findings.extend(unparsed(source));
        }
        findings
    }

    /// What was not remembered, of all logs: stretches and sessions.
    pub(super) fn forgotten(&self) -> u64 {
        self.logs.values().map(OfLog::forgotten).sum()
    }
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

/// Lines of a log that could not be read.
fn unparsed(source: &LogSource) -> Option<Finding> {
    let mut group = Group::of(source.unparsed);
    for (line, _) in &source.unparsed_first {
        group.show(Evidence::Line(LineRef {
            log: source.id,
            line: *line,
        }));
    }
    (source.unparsed > 0).then(|| {
        group.finding(Words {
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
        })
    })
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
