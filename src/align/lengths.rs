//! How often requests or replies of each length were met, and how much a length may say.

use std::collections::HashMap;

use foldhash::fast::RandomState;

/// Most that a length may speak for or against a pair, in nats.
pub(super) const MOST: f64 = 3.0;

/// How often each length was met, each time by how far it was believed.
#[derive(Clone, Debug, Default)]
pub(super) struct Lengths {
    of: HashMap<i64, f64, RandomState>,
    /// How often any was.
    pub(super) all: f64,
}

impl Lengths {
    pub(super) fn add(&mut self, length: i64, weight: f64) {
        *self.of.entry(length).or_default() += weight;
        self.all += weight;
    }

    pub(super) fn met(&self, length: i64) -> f64 {
        self.of.get(&length).copied().unwrap_or_default()
    }

    /// How many different ones were met.
    pub(super) fn different(&self) -> f64 {
        u32::try_from(self.of.len()).map_or(f64::MAX, f64::from)
    }
}
