//! The clocks of all logs: each found by itself, then again by what those of the others tell.

use std::cmp::Reverse;

use crate::model::{Extent, LogId, LogSession, LogSource, Span, Station};

use super::clock::Clock;
use super::settled::Settled;
use super::share::Share;
use super::translation::{Own, Translation};
use super::view::{View, Wires};
use super::{host, likeness, missed, steps};

/// Pairs are chosen again under a clock that moved by more than this.
const MOVED: Span = Span::millis(10);
/// By how much the clocks of guests may differ that share one machine's station.
const KEPT: Span = Span::millis(10);

/// Each log with what was found of it.
pub(super) fn settle_all<'a>(
    wires: &'a Wires<'a>,
    sources: &[LogSource],
    logs: &'a [LogSession],
) -> Vec<(View<'a>, Option<Settled>)> {
    let views = wires.threads.each(sources.len(), |at| {
        let source = sources.get(at)?;
        let mine = sessions_of(source.id, logs);
        let translation = Translation::suspect(&wires.background, logs, &mine);
        let own = Own::suspect(&wires.background, logs, &mine);
        Some(View::new(wires, logs, source.id, mine, (translation, own)))
    });
    let mut views: Vec<View<'a>> = views.into_iter().flatten().collect();
    // What one log bears out of a translation holds for the others.
    let translation = views.iter().find_map(learn_translation);
    for view in &mut views {
        if let (Translation::Any, Some(known)) = (&view.translation, &translation) {
            view.translation = known.clone();
        }
    }
    let mut found: Vec<Option<Settled>> = views.iter().map(|_| None).collect();
    let offset = |at: usize| sources.get(at).and_then(|source| source.offset);
    each_log(wires, &views, &mut found, |at, view, found| {
        *found = match (&view.translation, offset(at)) {
            (Translation::Any, _) => None,
            (_, Some(offset)) => view.given(offset),
            (_, None) => view.run(),
        };
    });
    // Logs of one host are written by one clock: what is known of one may put another on its feet.
    let known: Vec<Clock> = found
        .iter()
        .flatten()
        .map(|found| found.clock.clone())
        .collect();
    for ((view, source), found) in views.iter().zip(sources).zip(&mut found) {
        if source.offset.is_some() {
            continue;
        }
        let share = found.as_ref().map_or(0, Settled::claimed);
        if share * 10 >= view.mine.len() * 8 || view.translation == Translation::Any {
            continue;
        }
        for clock in known.iter().filter(|clock| clock.log != view.id) {
            // What it is near already it need not be brought to.
            let is_near = |found: &Settled| {
                (found.clock.offset - clock.offset).abs() <= found.clock.bound.min(clock.bound)
            };
            if found.as_ref().is_some_and(is_near) {
                continue;
            }
            let again = view.near(clock.offset, clock.bound.as_seconds_f64(), 0.0);
            if again.as_ref().map_or(0.0, Settled::worth)
                > found.as_ref().map_or(0.0, Settled::worth)
            {
                *found = again;
            }
        }
    }
    let offsets: Vec<Span> = found
        .iter()
        .flatten()
        .map(|found| found.clock.offset)
        .collect();
    let may_have_steps = |at: usize, view: &View<'_>| {
        let first = wires.before.unknown.contains(&view.id);
        offset(at).is_none() && view.translation != Translation::Any && !first
    };
    each_log(wires, &views, &mut found, |at, view, found| {
        if may_have_steps(at, view) {
            *found = steps::follow(view, found.take(), &offsets);
        }
    });
    let stepped: Vec<Clock> = found
        .iter()
        .flatten()
        .map(|found| found.clock.clone())
        .filter(|clock| !clock.steps.is_empty())
        .collect();
    each_log(wires, &views, &mut found, |at, view, found| {
        let others = stepped.iter().filter(|clock| clock.log != view.id);
        for clock in others.filter(|_| may_have_steps(at, view)) {
            *found = likeness::follow_like(view, found.take(), clock);
        }
        if let Some(found) = found {
            missed::widen(view, found);
        }
    });
    disbelieve(&views, sources, &mut found);
    // A server of another name is believed to be this one only if most of its sessions are here.
    for (view, found) in views.iter().zip(&mut found) {
        found.take_if(|settled| view.own == Own::Translated && !view.bears_out(settled));
    }
    settle_together(&views, &mut found);
    views.into_iter().zip(found).collect()
}

/// Has `work` change what was found of each log. The longest is begun first, as it may be the last to end.
fn each_log<'a>(
    wires: &Wires<'_>,
    views: &[View<'a>],
    found: &mut [Option<Settled>],
    work: impl Fn(usize, &View<'a>, &mut Option<Settled>) + Sync,
) {
    let mut logs: Vec<_> = views.iter().zip(found).enumerate().collect();
    logs.sort_by_key(|(_, (view, _))| Reverse(view.mine.len()));
    wires
        .threads
        .change_each(&mut logs, |(at, (view, found))| work(*at, view, found));
}

/// Puts the clocks of one host on one offset, and chooses the pairs again of those that it moved.
fn settle_together(views: &[View<'_>], found: &mut [Option<Settled>]) {
    let offset = |found: &Option<Settled>| Some(found.as_ref()?.clock.offset);
    let before: Vec<Option<Span>> = found.iter().map(offset).collect();
    agree(views, found);
    for ((view, before), found) in views.iter().zip(before).zip(found) {
        if let (Some(before), Some(found)) = (before, found)
            && found.clock.steps.is_empty()
            && (before - found.clock.offset).abs() > MOVED
        {
            view.choose_again(found);
        }
    }
}

/// Drops clocks that explain no more than chance does: between a capture and a log of another day or server some offset always fits a
/// few sessions. A clock that agrees with one that is believed needs less.
fn disbelieve(views: &[View<'_>], sources: &[LogSource], found: &mut [Option<Settled>]) {
    let shares: Vec<Share> = views
        .iter()
        .zip(found.iter())
        .map(|(view, found)| {
            found
                .as_ref()
                .map_or_else(Share::default, |found| view.explained(found))
        })
        .collect();
    let believed: Vec<Clock> = found
        .iter()
        .zip(&shares)
        .filter(|(_, share)| share.is_most())
        .filter_map(|(found, _)| Some(found.as_ref()?.clock.clone()))
        .collect();
    for ((source, found), share) in sources.iter().zip(found.iter_mut()).zip(&shares) {
        let Some(settled) = found else { continue };
        let agrees = believed.iter().any(|clock| {
            (clock.offset - settled.clock.offset).abs() <= clock.bound + settled.clock.bound
        });
        let enough = share.is_most() || agrees && share.is_some();
        if source.offset.is_none() && !enough {
            *found = None;
        }
    }
}

/// What is known of a log's clock, to be laid beside the others.
struct Known {
    clock: Clock,
    /// Where its offset lies, and where it likely does.
    range: (Span, Span),
    likely: (Span, Span),
    machine: Option<Station>,
}

impl Known {
    fn of(view: &View<'_>, found: &Settled) -> Option<Self> {
        let line = found.line?;
        let at = |seconds: f64| found.coarse + Span::from_seconds_f64(seconds);
        Some(Self {
            clock: found.clock.clone(),
            range: (at(line.range.0), at(line.range.1)),
            likely: (at(line.likely.0), at(line.likely.1)),
            machine: host::of(view, found),
        })
    }

    /// Whether one clock can have written both logs.
    fn meets(&self, other: &Self) -> bool {
        let drifts = (other.clock.drift_ppm - self.clock.drift_ppm).abs()
            <= other.clock.drift_bound_ppm + self.clock.drift_bound_ppm;
        drifts && other.range.0 <= self.range.1 && self.range.0 <= other.range.1
    }

    /// Whether one clock wrote both logs, as far as packets tell.
    fn is_of_one_machine(&self, other: &Self) -> bool {
        let unset = self.clock.steps.is_empty() && other.clock.steps.is_empty();
        unset && self.machine.is_some() && self.machine == other.machine
    }
}

/// Logs given together are mostly of one host, or of hosts whose clocks are kept together. Where the ranges in which their offsets lie meet, the
/// best guess for each is therefore what all have in common. The range of each, and so its bound, stays its own, but for logs of one machine: the
/// offset lies where all of theirs do.
fn agree(views: &[View<'_>], found: &mut [Option<Settled>]) {
    let known: Vec<Known> = views
        .iter()
        .zip(found.iter())
        .filter_map(|(view, found)| Known::of(view, found.as_ref()?))
        .collect();
    for found in found.iter_mut().flatten() {
        let Some(own) = known
            .iter()
            .find(|known| known.clock.log == found.clock.log)
        else {
            continue;
        };
        let (mut common, mut range) = (own.likely, own.range);
        for other in known.iter().filter(|other| own.meets(other)) {
            common = narrowed(common, other.likely).unwrap_or(common);
            if own.is_of_one_machine(other) {
                range = of_one_machine(range, other.range);
            }
        }
        let middle = common.0 + Span((common.1 - common.0).0 / 2);
        let offset = middle.max(range.0).min(range.1);
        found.clock.settle_on(offset, range);
    }
}

/// What is left of the range of a log's offset beside that of another of the same machine. Where hardly anything is, a late line has narrowed one
/// of the two.
fn of_one_machine(own: (Span, Span), other: (Span, Span)) -> (Span, Span) {
    let common = narrowed(own, (other.0 - KEPT, other.1 + KEPT));
    common
        .filter(|(from, to)| *to - *from >= KEPT + KEPT)
        .unwrap_or(own)
}

/// What two ranges have in common.
fn narrowed(one: (Span, Span), other: (Span, Span)) -> Option<(Span, Span)> {
    let common = (one.0.max(other.0), one.1.min(other.1));
    (common.0 <= common.1).then_some(common)
}

/// The translation that a log's sessions speak for, if they do.
fn learn_translation(view: &View<'_>) -> Option<Translation> {
    if view.translation != Translation::Any {
        return None;
    }
    let first = view.run()?;
    // What the pairs say of the addresses makes better pairs.
    let learnt = Translation::learn(view.names(&first));
    let mut again = view.part(view.mine.clone());
    again.translation = learnt;
    let second = again.run()?;
    again.bears_out(&second).then_some(again.translation)
}

/// The sessions of a log that are whole, by their indices.
pub(super) fn sessions_of(id: LogId, logs: &[LogSession]) -> Vec<usize> {
    logs.iter()
        .enumerate()
        .filter(|(_, log)| log.log == id && log.extent == Extent::Whole && !log.events.is_empty())
        .map(|(at, _)| at)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_one_machine_that_hardly_meet_are_left_apart() {
        let range = |from: i64, to: i64| (Span::millis(from), Span::millis(to));
        let own = range(-40, 40);
        assert_eq!(of_one_machine(own, range(0, 90)), range(-10, 40));
        assert_eq!(of_one_machine(own, range(35, 90)), own, "15 ms in common");
        assert_eq!(of_one_machine(own, range(80, 90)), own);
    }
}
