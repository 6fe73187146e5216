//! One side's protected records in order: which keys and which number each has.
//!
//! A record does not say its number, nor under which keys it is. Both follow from the records before it, unless a
//! hole hides how many there were. Then the next few numbers are tried, under the same keys and under the next ones:
//! a record that authenticates was found, and by chance none does.

use smallvec::SmallVec;

use super::super::record::Header;
use super::protection::{MacOrder, Protection};
use super::schedule;
use super::secrets::Secret;
use super::suite::Suite;

/// Most records that a hole may hide, each of them to be tried.
const MAX_SKIPPED: u64 = 64;
/// Octets of the shortest record that a hole can hide, with its header.
const SHORTEST: u64 = 5 + 17;
/// Most trials that fail on a connection's side before it is given up.
const MAX_TRIALS: u32 = 2_000;
/// Most records in a row that nothing opens before the side is given up.
const MAX_FAILED: u32 = 16;

/// Which part of TLS 1.3 the keys are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Application,
    Early,
    Handshake,
}

/// Keys in use.
#[derive(Debug)]
struct Epoch {
    stage: Stage,
    protection: Protection,
    /// What the next keys come of, in TLS 1.3.
    secret: Option<Secret>,
}

/// What the keys after the present ones come of.
#[derive(Debug, Default)]
enum Later {
    /// Keys that a change of cipher brings into force (TLS 1.2 and before).
    Change(Protection),
    #[default]
    None,
    /// Traffic secrets, as far as they are known (TLS 1.3).
    Traffic {
        suite: Suite,
        handshake: Option<Secret>,
        application: Option<Secret>,
    },
}

/// A record that was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Opened {
    /// Records between this one and the last that was opened, where they can be counted.
    pub(super) missing: Option<u64>,
    /// Under which keys.
    pub(super) stage: Stage,
}

/// The keys and numbers of one side.
#[derive(Debug, Default)]
pub(super) struct Direction {
    now: Option<Epoch>,
    /// Keys of early data, one for each suite that it may be under.
    early: SmallVec<[Protection; 3]>,
    later: Later,
    /// Number of the next record, at least.
    number: u64,
    /// Number that the next record would have if none were missing.
    expected: u64,
    /// How many may be missing before it.
    slack: u64,
    trials: u32,
    failed: u32,
}

impl Direction {
    /// Keys of early data, one for each suite that it may be under.
    pub(super) fn expect_early(&mut self, keys: SmallVec<[Protection; 3]>) {
        self.early = keys;
    }

    /// Secrets of TLS 1.3.
    pub(super) fn expect_traffic(
        &mut self,
        suite: Suite,
        handshake: Option<Secret>,
        application: Option<Secret>,
    ) {
        self.later = Later::Traffic {
            suite,
            handshake,
            application,
        };
    }

    /// Keys of TLS 1.2 and before, for after the next change of cipher.
    pub(super) fn expect_change(&mut self, protection: Protection) {
        self.later = Later::Change(protection);
    }

    /// Whether anything can be opened at all.
    pub(super) fn is_ready(&self) -> bool {
        let given_up = self.trials >= MAX_TRIALS || self.failed >= MAX_FAILED;
        let nothing =
            self.now.is_none() && self.early.is_empty() && matches!(self.later, Later::None);
        !given_up && !nothing
    }

    /// Whether the keys that a change of cipher brings are in force, or there is none to come.
    pub(super) const fn is_protected(&self) -> bool {
        self.now.is_some()
    }

    /// The next keys come into force here.
    pub(super) fn turn(&mut self) {
        let next = match (&self.later, self.now.as_ref().map(|epoch| epoch.stage)) {
            (Later::Change(_), _) => match std::mem::take(&mut self.later) {
                Later::Change(protection) => Some(Epoch::of(protection)),
                _ => None,
            },
            (Later::Traffic { .. }, None | Some(Stage::Early)) => self.epoch(Stage::Handshake),
            (Later::Traffic { .. }, Some(_)) => self.epoch(Stage::Application),
            (Later::None, _) => None,
        };
        match next {
            Some(epoch) => self.begin(epoch, 0),
            // What comes is under keys that are not known.
            None => self.failed = MAX_FAILED,
        }
    }

    /// `octets` of the stream are missing; 0 where their number is not known.
    pub(super) fn gap(&mut self, octets: u64) {
        let records = match octets {
            0 => MAX_SKIPPED,
            octets => octets / SHORTEST + 1,
        };
        self.slack = self.slack.saturating_add(records).min(MAX_SKIPPED);
        if let Some(epoch) = &mut self.now {
            epoch.protection.gap();
        }
    }

    /// Opens the next record into `out`.
    pub(super) fn open(
        &mut self,
        header: Header,
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> Option<Opened> {
        let opened = self.find(header, body, out);
        if let Some(epoch) = &mut self.now {
            epoch.protection.passed(body);
        }
        if opened.is_some() {
            self.slack = 0;
            self.failed = 0;
            self.number += 1;
            self.expected = self.number;
        } else {
            self.number += 1;
            self.failed += 1;
        }
        opened
    }

    fn find(&mut self, header: Header, body: &[u8], out: &mut Vec<u8>) -> Option<Opened> {
        if !self.is_ready() {
            return None;
        }
        if let Some(epoch) = self.now.take() {
            let number = self.try_numbers(&epoch.protection, self.number, header, body, out);
            let stage = epoch.stage;
            self.now = Some(epoch);
            if let Some(number) = number {
                let missing = Some(number - self.expected);
                self.number = number;
                return Some(Opened { missing, stage });
            }
        } else if let Some(opened) = self.find_early(header, body, out) {
            return Some(opened);
        }
        self.find_later(header, body, out)
    }

    /// Under the keys of early data, whatever its suite.
    fn find_early(&mut self, header: Header, body: &[u8], out: &mut Vec<u8>) -> Option<Opened> {
        let stage = Stage::Early;
        for protection in std::mem::take(&mut self.early) {
            if let Some(number) = self.try_numbers(&protection, 0, header, body, out) {
                let epoch = Epoch {
                    stage,
                    protection,
                    secret: None,
                };
                self.begin(epoch, number);
                let missing = Some(number);
                return Some(Opened { missing, stage });
            }
        }
        None
    }

    /// Under the next keys: where none are in force yet, and where the step to them may not have been seen.
    fn find_later(&mut self, header: Header, body: &[u8], out: &mut Vec<u8>) -> Option<Opened> {
        if let Later::Change(_) = self.later {
            if self.slack == 0 {
                return None;
            }
            let Later::Change(protection) = std::mem::take(&mut self.later) else {
                return None;
            };
            let Some(number) = self.try_numbers(&protection, 0, header, body, out) else {
                self.later = Later::Change(protection);
                return None;
            };
            self.begin(Epoch::of(protection), number);
            return Some(Opened {
                missing: None,
                stage: Stage::Application,
            });
        }
        let stage = self.now.as_ref().map(|epoch| epoch.stage);
        let stages: &[Stage] = match stage {
            None | Some(Stage::Early) if self.slack > 0 || !self.knows_handshake() => {
                &[Stage::Handshake, Stage::Application]
            }
            None | Some(Stage::Early) => &[Stage::Handshake],
            Some(Stage::Handshake | Stage::Application) if self.slack > 0 => &[Stage::Application],
            Some(_) => &[],
        };
        for &next in stages {
            let Some(epoch) = self.epoch(next) else {
                continue;
            };
            if let Some(number) = self.try_numbers(&epoch.protection, 0, header, body, out) {
                self.begin(epoch, number);
                // How many were sent under the keys before is not known.
                let missing = (stage.is_none() && next == Stage::Handshake).then_some(number);
                return Some(Opened {
                    missing,
                    stage: next,
                });
            }
        }
        None
    }

    const fn knows_handshake(&self) -> bool {
        matches!(
            self.later,
            Later::Traffic {
                handshake: Some(_),
                ..
            }
        )
    }

    /// Tries as many numbers as records may be missing.
    fn try_numbers(
        &mut self,
        keys: &Protection,
        first: u64,
        header: Header,
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> Option<u64> {
        for number in first..=first.saturating_add(self.slack) {
            if keys.open(number, header, body, out) {
                return Some(number);
            }
            self.trials += 1;
            if self.trials >= MAX_TRIALS {
                break;
            }
        }
        None
    }

    fn begin(&mut self, epoch: Epoch, number: u64) {
        self.now = Some(epoch);
        self.early = SmallVec::new();
        self.number = number;
        self.expected = number;
    }

    /// The next keys of TLS 1.3, of `stage`.
    fn epoch(&self, stage: Stage) -> Option<Epoch> {
        let Later::Traffic {
            suite,
            handshake,
            application,
        } = &self.later
        else {
            return None;
        };
        let now = self.now.as_ref();
        let secret = match stage {
            Stage::Early => None,
            Stage::Handshake => *handshake,
            Stage::Application => match now.map(|epoch| epoch.stage) {
                Some(Stage::Application) => {
                    schedule::updated(*suite, &now.and_then(|epoch| epoch.secret)?)
                }
                _ => *application,
            },
        }?;
        let keys = schedule::from_traffic(*suite, &secret)?;
        Some(Epoch {
            stage,
            protection: Protection::new(*suite, keys, MacOrder::default())?,
            secret: Some(secret),
        })
    }
}

impl Epoch {
    /// Keys of TLS 1.2 and before.
    const fn of(protection: Protection) -> Self {
        Self {
            stage: Stage::Application,
            protection,
            secret: None,
        }
    }
}
