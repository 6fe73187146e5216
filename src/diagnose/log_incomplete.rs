//! Logs that are silent about what the wire shows.

use std::collections::BTreeSet;

use crate::model::{Endpoint, Evidence, Finding, LogId, Nanos, Severity, Span, WireSession};

use super::View;
use super::group::{Group, Words, counted};
use super::registry::Rule;
use super::view::Case;

pub(super) const RULE: Rule = Rule {
    code: "log-incomplete",
    about: "a gap in a log, rotation, or a level too low",
    decided: "Stretches between two lines of a log in which three or more sessions began and ended on the wire with servers that the log tells of \
              at other times, none of them with a line, and lines of the log that could not be read.",
    example: "postfix.log is silent from 03:29:20 to 03:29:30 while the wire shows 7 sessions with its server",
    find,
};

/// Sessions without a line that speak for a gap.
const SESSIONS: u64 = 3;

fn find(view: View<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in view.sources {
        findings.extend(gap(view, source.id));
        if source.unparsed > 0 {
            let group = Group::of(source.unparsed);
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
                not: None,
                next: "look at the lines named above: another program's, another format's, or damaged".into(),
            }));
        }
    }
    findings
}

/// The stretch of a log in which most sessions of the wire are without a line.
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
    let mut lines: Vec<(Nanos, Evidence)> = view
        .logs
        .iter()
        .filter(|log| log.log == id)
        .flat_map(|log| &log.events)
        .map(|event| (clock.to_capture(event.stamp.at), Evidence::Line(event.line)))
        .collect();
    lines.sort_unstable();
    let slack = clock.resolution + clock.bound + Span::SECOND;
    let silent: Vec<(Case<'_>, &WireSession)> = view
        .on_wire()
        .filter(|(case, wire)| {
            served.contains(&wire.conversation.server)
                && !told(case)
                && case.joined.candidates.is_empty()
                && wire.counts.0.iter().all(|direction| direction.bytes > 0)
        })
        .collect();
    let mut best: Option<(Group, Nanos, Nanos)> = None;
    for ((from, before), (to, behind)) in lines.iter().zip(lines.iter().skip(1)) {
        if to.since(*from) < slack + slack {
            continue;
        }
        let mut group = Group::default();
        for (case, wire) in &silent {
            if wire.start > *from && wire.end < *to {
                let place = if group.count == 0 { before } else { behind };
                group.add(case, None, Some(*place));
            }
        }
        if group.count >= SESSIONS && best.as_ref().is_none_or(|best| group.count > best.0.count) {
            best = Some((group, *from, *to));
        }
    }
    let (group, from, to) = best?;
    let file = view.sources.iter().find(|source| source.id == id)?;
    let message = format!(
        "{} is silent for {:.1} s while the wire shows {} with its server",
        file.file,
        to.since(from).as_seconds_f64(),
        counted(group.count, "session")
    );
    Some(group.finding(Words {
        code: RULE.code,
        severity: Severity::Warning,
        endpoint: None,
        message,
        not: Some("not an idle server: it answered all that time".into()),
        next: "see whether the log was rotated, its disk full, or its writer stopped or limited (rate limits of syslog and journald)".into(),
    }))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scene, at, wire};
    use super::*;
    use crate::align::Clock;
    use crate::model::{
        Event, LineRef, LogEvent, LogSession, LogSource, LogTime, Proto, Side, Stamp,
    };

    fn line(second: i64, number: u64) -> LogSession {
        let mut log = LogSession::new(LogId(0), Proto("smtp"));
        log.events.push(LogEvent {
            line: LineRef {
                log: LogId(0),
                line: number,
            },
            stamp: Stamp {
                at: LogTime(at(second).0),
                resolution: Span::SECOND,
            },
            what: Event::Open,
        });
        log
    }

    fn talk(second: i64) -> WireSession {
        let mut wire = wire(25, second, "SF", "ShAdDaFf");
        for side in [Side::Client, Side::Server] {
            wire.counts.of_mut(side).bytes = 9;
        }
        wire
    }

    fn scene(silent: &[i64]) -> Scene {
        let mut scene = Scene::default();
        scene.add_both(talk(0), line(0, 1));
        scene.add_both(talk(30), line(30, 2));
        for &second in silent {
            scene.add(talk(second));
        }
        scene.alignment.clocks.push(Clock {
            log: LogId(0),
            offset: Span::ZERO,
            bound: Span::MILLISECOND,
            drift_ppm: 0.0,
            drift_bound_ppm: 1.0,
            resolution: Span::SECOND,
            pairs: 2,
            steps: Vec::new(),
            origin: at(0),
        });
        scene
            .sources
            .push(LogSource::new(LogId(0), "mail.log", "postfix"));
        scene
    }

    #[test]
    fn three_sessions_without_a_line_are_a_gap_and_two_are_not() {
        assert!(
            scene(&[10, 12, 14]).find(find)[0]
                .message
                .contains("3 sessions")
        );
        assert!(scene(&[10, 12]).find(find).is_empty());
    }
}
