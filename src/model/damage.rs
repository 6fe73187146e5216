//! Bad bytes are data: what could not be read, where, and who said so.

use std::fmt;

/// Something in an input that could not be read as it claims to be.
///
/// Never an error: what could be read is kept, the damage is counted and reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Byte offset in the (decompressed) input.
    pub at: u64,
    /// What is wrong and what follows from it: a lower-case fragment for a person.
    pub what: String,
}

/// The first damages of an input and the number of all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DamageLog {
    first: Vec<Damage>,
    count: u64,
}

impl DamageLog {
    /// Damages kept with their text; the rest is only counted.
    const KEPT: usize = 16;

    /// Nothing damaged so far.
    pub const fn new() -> Self {
        Self {
            first: Vec::new(),
            count: 0,
        }
    }

    /// Notes a damage at byte `at`; `what` is asked for only while it will be kept.
    pub fn note(&mut self, at: u64, what: impl FnOnce() -> String) {
        self.count += 1;
        if self.first.len() < Self::KEPT {
            self.first.push(Damage { at, what: what() });
        }
    }

    /// Adds what another part of the same input found.
    pub fn absorb(&mut self, other: Self) {
        self.count += other.count;
        let room = Self::KEPT.saturating_sub(self.first.len());
        self.first.extend(other.first.into_iter().take(room));
    }

    /// How many damages there were.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Whether nothing was damaged.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The first ones, in the order found.
    pub fn first(&self) -> &[Damage] {
        &self.first
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at byte {}: {}", self.at, self.what)
    }
}

/// `at byte 4096: packet cut … (and 3 more)`.
impl fmt::Display for DamageLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.first.first() {
            None => write!(f, "none"),
            Some(first) if self.count == 1 => write!(f, "{first}"),
            Some(first) => write!(f, "{first} (and {} more)", self.count - 1),
        }
    }
}
