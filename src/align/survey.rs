//! What a long log says of its clock, from a part of it: near-linear where all rows beside all sessions would not be.

use crate::model::Span;

use super::correlation::Correlation;
use super::evidence::Evidence;
use super::row::Row;
use super::settled::Settled;
use super::view::View;
use super::vote::{self, Choice, REACH, VOTES};

/// Rows of a log that is looked at in part first, at least.
const LONG: usize = 4096;
/// Rows that vote first, and how many pairs they may have: where most of them agree on one offset, so do the others.
const FIRST_VOTERS: usize = 1024;
const FIRST_VOTES: usize = 125_000;
/// How many parts are looked at, and how many rows each has: they follow one another, as their order is evidence.
const PARTS: usize = 24;
const PART: usize = 40;
/// Pairs that nominate offsets where all pairs are more than may vote, how many are nominated, and rows that vote between these.
const NOMINATING: usize = 100_000;
const NOMINEES: usize = 8;
const ELECTORS: usize = 256;

/// What parts of a long log tell of the whole.
enum Survey {
    /// A clock under which most of them are joined.
    Borne(Box<Settled>),
    /// Most of the log is of another time than the capture.
    Elsewhere,
    /// The capture has their time, but nothing of them is joined.
    Nothing,
}

impl View<'_> {
    /// Clock and pairs of the log. Of a long one the clock is looked for in parts of it that lie evenly, unless those tell too little.
    pub(super) fn run(&self) -> Option<Settled> {
        // What has come so far of two sides is not of one time: where several offsets fit, more has to come.
        let choice = if self.wires.before.unknown.contains(&self.id) {
            Choice::Sole
        } else {
            Choice::Most
        };
        let coarse = self.vote(choice)?;
        if !self.is_long() {
            return self.run_whole(coarse);
        }
        match self.survey(coarse) {
            Survey::Borne(found) => Some(self.extended(*found)),
            Survey::Elsewhere => self.run_whole(coarse),
            Survey::Nothing => None,
        }
    }

    /// Whether the log is so long that parts of it stand for the whole.
    pub(super) fn is_long(&self) -> bool {
        self.mine.len() >= LONG
    }

    fn survey(&self, coarse: Span) -> Survey {
        let parts = self.mine.chunks(self.mine.len() / PARTS);
        let few = parts.flat_map(|part| part.iter().take(PART)).copied();
        let part = self.part(few.collect());
        let Some(found) = part.run_whole(coarse) else {
            return Survey::Elsewhere;
        };
        let share = part.explained(&found);
        if share.is_most() {
            Survey::Borne(Box::new(found))
        } else if share.is_of_half(part.mine.len()) {
            Survey::Nothing
        } else {
            Survey::Elsewhere
        }
    }

    /// The offset that most rows agree on. Where they have too many possible partners to be asked for all of these, the offset is that
    /// at which the rates of both sides agree; if there is none such, the likeliest and those that a few rows vote for are nominated,
    /// and more rows vote between them.
    fn vote(&self, choice: Choice) -> Option<Span> {
        let all: Vec<usize> = (0..self.mine.len()).collect();
        if self.is_long() {
            let step = all.len().div_ceil(FIRST_VOTERS);
            let few: Vec<usize> = all.iter().step_by(step).copied().collect();
            let agreed = vote::agreed(&few, FIRST_VOTES, |row| self.offsets(row));
            if agreed.is_some() {
                return agreed;
            }
        }
        let pairs = |row: usize| self.offsets(row).len();
        if vote::thinned(&all, VOTES, pairs).len() == all.len() {
            return vote::elected(&self.by_client(), choice, |row| self.offsets(row));
        }
        let correlation = Correlation::of(self);
        let likeliest = correlation.map_or_else(Vec::new, |found| found.best(NOMINEES));
        // In a run that goes on, when lines came may rule it out.
        let around = |offset: f64| (offset - REACH, offset + REACH);
        let admitted = |offset: &f64| self.wires.before.admits(self.id, around(*offset));
        if let Some(certain) = Correlation::certain(&likeliest).filter(admitted) {
            return Some(Span::from_seconds_f64(certain));
        }
        let voters = vote::thinned(&all, NOMINATING, pairs);
        let nominated = vote::nominated(&voters, NOMINEES, |row| self.offsets(row));
        let nominated = vote::apart(nominated.into_iter().chain(likeliest), 2 * NOMINEES);
        let nominated = nominated.into_iter().map(|(offset, _)| offset);
        let nominated: Vec<f64> = nominated.filter(admitted).collect();
        let step = all.len().div_ceil(ELECTORS);
        let electors: Vec<usize> = all.into_iter().step_by(step).collect();
        vote::coarse(&electors, choice, |row| self.offsets_near(row, &nominated))
    }

    /// The offsets near some that each allows of what the log session of `row` may be.
    fn offsets_near(&self, row: usize, near: &[f64]) -> Vec<(f64, f64)> {
        let Some(told) = Row::of(self, row) else {
            return Vec::new();
        };
        let near = near.iter().flat_map(|&offset| {
            let found = self.gather_row(row, Span::from_seconds_f64(offset));
            found.into_iter().map(move |pairing| (offset, pairing))
        });
        let fitting = near.filter(|(_, pairing)| {
            pairing.place().is_none() || told.tell(pairing.column(), &mut Evidence::default())
        });
        let mut found: Vec<_> = fitting
            .map(|(offset, pairing)| {
                let range = (pairing.lo + offset, pairing.hi + offset);
                (pairing.column(), range)
            })
            .collect();
        found.sort_by_key(|&(pair, _)| pair);
        found.dedup_by_key(|&mut (pair, _)| pair);
        found.into_iter().map(|(_, range)| range).collect()
    }
}
