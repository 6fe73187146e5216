//! What was decided of a session of a log, in words: why it is claimed, why not, and why it is nobody's.

use std::collections::BTreeSet;

use crate::model::{LogSession, LogSource};

use super::background::damaged;
use super::before::LogFate;
use super::clock::Clock;
use super::component::{CLAIM, CLEAR};
use super::evidence::Evidence;
use super::row::Row;
use super::settled::Verdict;
use super::verdict::{Match, Standing};
use super::view::View;
use super::{deal, sequence};

/// Sessions of a log on either side of one among which one like it is looked for.
const TWINS_WITHIN: usize = 64;

/// Why a session is not claimed although nothing that is over comes near.
const RIVALLED: &str =
    "another connection that it may be of still goes on, and was waited for long enough";

/// Why a session is not claimed although nothing else comes near.
const MIXED: &str = "the log does not tell its lines from those of a like session at the same time, and they do not all fit";

/// Why a session is not claimed that is one of many like it.
const ONE_OF_MANY: &str = "so many of the log's sessions could be chance, like this one, that more than one in thirty would be wrong";

/// What forbids to claim a session although nothing else comes near. Those that were `dealt` out have their own lines for sure; all need the `least`
/// margin.
pub(super) fn doubt(
    view: &View<'_>,
    row: usize,
    verdict: &Verdict,
    (dealt, least): (&BTreeSet<usize>, f64),
) -> Option<&'static str> {
    if verdict.margin < least {
        return Some(ONE_OF_MANY);
    }
    if view.wires.before.fate(verdict.log) == LogFate::Rivalled {
        return Some(RIVALLED);
    }
    let mixed = !dealt.contains(&verdict.log) && is_mixed(view, row, verdict);
    mixed.then_some(MIXED)
}

/// Whether lines of two sessions may have been mixed up: some commands have no place on the wire, and another session of the same client and
/// name went on at the same time in a log that names neither port nor session.
fn is_mixed(view: &View<'_>, row: usize, verdict: &Verdict) -> bool {
    let (Some(log), Some(wire)) = (view.log(row), view.wire(verdict.wire)) else {
        return false;
    };
    if !log.every_command || log.peer_port.is_some() || verdict.place.is_some() || damaged(wire) {
        return false;
    }
    let alike = |other: usize| view.log(other).is_some_and(|other| deal::alike(log, other));
    let near = row.saturating_sub(TWINS_WITHIN)..=row + TWINS_WITHIN;
    sequence::count(wire, log, &sequence::told(log)).left_over > 1
        && near.filter(|&other| other != row).any(alike)
}

/// What a verdict amounts to, in words.
pub(super) fn judge(view: &View<'_>, row: usize, verdict: &Verdict) -> Match {
    let mut evidence = Evidence::told();
    if let Some(row) = Row::of(view, row) {
        row.tell(verdict.column(), &mut evidence);
    }
    // Of least worth is to leave the session alone; that is no other candidate.
    let next = verdict.score - verdict.margin;
    let runner_up = (next > CLAIM - CLEAR + 1e-9).then_some(next);
    let mut reasons = evidence.reasons.unwrap_or_default();
    reasons.push(match (runner_up, verdict.is_clear()) {
        (None, true) => "nothing else comes near".into(),
        (Some(next), true) => format!("the next best choice scores {next:.1}"),
        (_, false) => format!("the next best choice scores {next:.1}, too near to tell"),
    });
    Match {
        standing: if verdict.is_clear() {
            Standing::Matched
        } else {
            Standing::Ambiguous
        },
        score: Some(verdict.score),
        runner_up,
        reasons,
    }
}

/// What the log could be made to say that it does not, and which would make its sessions sure.
pub(super) fn missing(view: &View<'_>, source: &LogSource) -> Option<String> {
    let setting = source.shows.client_port.remedy()?;
    let mut mine = view.mine.iter().filter_map(|&log| view.logs.get(log));
    let silent = mine.all(|log| log.peer_port.is_none());
    silent.then(|| format!("the log names no client port; {setting} would write it"))
}

/// Why no session is joined.
pub(super) const NO_CAPTURE: &str = "there is no capture to compare with";

/// Why nothing of a log is joined.
pub(super) fn why_no_clock(view: &View<'_>) -> &'static str {
    if view.wires.sessions.is_empty() {
        NO_CAPTURE
    } else if view.mine.is_empty() {
        "the log has no sessions"
    } else {
        "no offset between the two clocks makes the log's sessions fall on the capture's: another server, another day, or too few to tell"
    }
}

/// Why a session has no partner under the log's clock.
pub(super) fn why_alone(view: &View<'_>, log: usize, clock: &Clock) -> &'static str {
    let stamps = view.logs.get(log).and_then(LogSession::stamps);
    let (first, last) = view.wires.background.span();
    let last = view.wires.before.now.unwrap_or(last);
    match stamps {
        Some((_, end)) if clock.to_capture(end.at) + end.resolution < first => {
            "before the capture began"
        }
        Some((start, _)) if clock.to_capture(start.at) > last => "after the capture ended",
        _ => "nothing in the capture fits its time, address and commands",
    }
}
