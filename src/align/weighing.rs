//! What a possible pair is worth under what is known of clock and order.

use std::cell::{Cell, OnceCell, RefCell};

use smallvec::SmallVec;

use crate::model::{CommandRef, Nanos, Span};

use super::background::{Background, Within};
use super::fit::Slack;
use super::groups::Edge;
use super::order::{Between, Order};
use super::overhead::{Heads, Overheads};
use super::pairing::{Pairing, Places};
use super::row::Row;
use super::view::View;

/// Times may miss by this much beside the clock's bound.
const TIME_SLACK: f64 = 0.05;
/// Times that miss by more than this are another session's.
const TIME_LIMIT: f64 = 0.6;
/// What each second costs by which times miss: ten times less likely for each tenth.
const MISS: f64 = 23.0;
/// What each second costs by which the order of the lines misses, and the most.
const DISORDER: f64 = 200.0;
const DISORDER_MOST: f64 = 10.0;

/// By how many seconds a pair may miss, beside the clock's bound, and still have a score; `slack` may grow a little with more pairs.
pub(super) fn reach(slack: Slack) -> f64 {
    2.0 * (TIME_SLACK + slack.late.max(slack.lag)) + TIME_LIMIT
}

/// What weighing goes by.
pub(super) struct Known<'a> {
    pub(super) background: &'a Background,
    pub(super) order: &'a Order,
    pub(super) overheads: &'a Overheads,
    /// Offset beside the coarse one.
    pub(super) offset_at: &'a (dyn Fn(Nanos) -> Span + Sync),
    /// Bound of the clock and resolution of the stamps, in seconds.
    pub(super) bound: f64,
    pub(super) resolution: f64,
    /// By how much more than usual lines were late and stamps lagged.
    pub(super) looser: Slack,
    /// Share of the log's sessions that are not on the wire.
    pub(super) share: f64,
}

impl Known<'_> {
    fn slack(&self) -> f64 {
        self.bound + TIME_SLACK
    }

    /// Within how many seconds a line must have been written.
    fn window(&self) -> f64 {
        self.resolution + 2.0 * self.slack() + self.looser.late + self.looser.lag
    }

    /// Seconds by which the times of `pairing`, whose wire session began at `start`, miss what the clock allows.
    pub(super) fn miss(&self, pairing: &Pairing, start: Nanos) -> f64 {
        let offset = (self.offset_at)(start).as_seconds_f64();
        let early = pairing.lo - offset - self.looser.late;
        let late = offset - pairing.hi - self.looser.lag;
        (early.max(late) - self.slack()).max(0.0)
    }
}

/// A row under what is known.
pub(super) struct Weighing<'r, 'a> {
    row: Row<'r, 'a>,
    known: &'r Known<'r>,
    /// The widest that its lines may lie apart from what they tell of.
    within: Within,
    /// What the order of the log says of those of its lines that were asked for, and how many seconds that leaves.
    around: RefCell<SmallVec<[(u64, Between, f64); 2]>>,
    /// The last that was asked for, as most pairs of a row have the same.
    rarity: Cell<Option<(Within, f64)>>,
    heads: OnceCell<Option<Heads<'r>>>,
}

/// A pair that can be.
struct Fitting<'p> {
    miss: f64,
    disorder: f64,
    within: Within,
    worth: f64,
    places: Places<'p>,
}

impl<'r, 'a> Weighing<'r, 'a> {
    pub(super) fn of(view: &'r View<'a>, row: usize, known: &'r Known<'r>) -> Option<Self> {
        let row = Row::of(view, row)?;
        let window = known.window();
        let within = Within {
            opening: window,
            // One line tells of one moment.
            closing: if row.facts.is_one_line {
                f64::INFINITY
            } else {
                window
            },
        };
        Some(Self {
            row,
            known,
            within,
            around: RefCell::default(),
            rarity: Cell::new(None),
            heads: OnceCell::new(),
        })
    }

    /// The row without what is known.
    pub(super) const fn row(&self) -> &Row<'r, 'a> {
        &self.row
    }

    /// The row's command, where the log has a line for each exchange.
    pub(super) const fn command(&self) -> Option<CommandRef<'a>> {
        self.row.facts.command
    }

    /// Whether a pair has a score at all.
    pub(super) fn allows(&self, pairing: &Pairing) -> bool {
        self.fitting(pairing).is_some()
    }

    /// The score of a pair; `None` when the times are too far apart or it cannot be.
    pub(super) fn score(&self, pairing: &Pairing) -> Option<f64> {
        Some(self.edge(pairing)?.score)
    }

    /// A pair that has a score.
    pub(super) fn edge<'p>(&self, pairing: &'p Pairing) -> Option<Edge<'p>>
    where
        'a: 'p,
    {
        let fitting = self.fitting(pairing)?;
        let mut score = fitting.worth + self.rarity(fitting.within);
        score -= MISS * fitting.miss + (DISORDER * fitting.disorder).min(DISORDER_MOST);
        if let Some(octets) = pairing.hidden_octets(self.row.view)
            && let Some(heads) = self.heads()
        {
            score += heads.gain(octets);
        }
        Some(Edge {
            row: self.row.at,
            column: pairing.column(),
            score,
            places: fitting.places,
            left_out: f64::NEG_INFINITY,
        })
    }

    fn fitting<'p>(&self, pairing: &'p Pairing) -> Option<Fitting<'p>>
    where
        'a: 'p,
    {
        let view = self.row.view;
        let miss = self.known.miss(pairing, view.wires.start(pairing.wire())?);
        if miss > TIME_LIMIT {
            return None;
        }
        let mut within = self.within;
        let mut disorder = 0.0f64;
        let places = pairing.places(&self.row);
        for (at, (line, window)) in places.iter().enumerate() {
            let (between, length) = self.around(line);
            disorder = disorder.max(between.miss(window));
            if at == 0 {
                within.opening = within.opening.min(length);
            } else {
                within.closing = within.closing.min(length);
            }
        }
        if pairing.place().is_some() && disorder > 0.0 {
            return None;
        }
        // One that the capture does not show the beginning of fits whenever it is told of.
        let open = pairing.hi - pairing.lo;
        if open > within.opening && !view.wires.began(pairing.wire()) {
            within.opening = open;
        }
        Some(Fitting {
            miss,
            disorder,
            within,
            worth: pairing.worth(&self.row)?,
            places,
        })
    }

    /// What the order of the log says of one of the row's lines.
    fn around(&self, line: u64) -> (Between, f64) {
        let mut around = self.around.borrow_mut();
        // Lines are asked for in their order: of a long session each is at the end.
        let at = around.binary_search_by_key(&line, |&(known, ..)| known);
        if let Some(&(_, between, length)) = at.ok().and_then(|at| around.get(at)) {
            return (between, length);
        }
        let between = self.known.order.around(line);
        let length = between.length().map_or(f64::INFINITY, Span::as_seconds_f64);
        let at = at.unwrap_or_else(|behind| behind);
        around.insert(at, (line, between, length));
        (between, length)
    }

    fn rarity(&self, within: Within) -> f64 {
        if let Some((known, rarity)) = self.rarity.get()
            && known == within
        {
            return rarity;
        }
        let strangers = self.row.view.alike(self.row.at) * self.known.share;
        let rarity = self.known.background.rarity(strangers, within);
        self.rarity.set(Some((within, rarity)));
        rarity
    }

    fn heads(&self) -> Option<&Heads<'r>> {
        let heads = || Some(self.known.overheads.of(self.command()?));
        self.heads.get_or_init(heads).as_ref()
    }
}
