//! The envelopes around the lines of one file, from the outside in.

use super::{Content, ENVELOPES, Envelope};

/// Envelopes inside envelopes that are opened.
const DEPTH: usize = 3;

/// The envelopes of a file.
#[derive(Default)]
pub(in crate::log) struct Stack(Vec<Layer>);

struct Layer {
    envelope: Box<dyn Envelope>,
    out: Vec<u8>,
}

/// A line with its envelopes taken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::log) enum Unwrapped<'a> {
    Line(&'a [u8]),
    /// More of it is to come.
    Part,
    /// Not all of its envelopes are there.
    Unopened,
}

impl Stack {
    /// Tries one envelope more: the one that most lines of a head are in. Gives what is inside; `None` when there is none.
    pub(in crate::log) fn deepen(&mut self, head: &[&[u8]]) -> Option<Vec<Vec<u8>>> {
        if self.0.len() >= DEPTH {
            return None;
        }
        let entry = ENVELOPES.iter().find(|entry| {
            let fits = head.iter().filter(|line| (entry.fits)(line)).count();
            fits > 0 && fits * 2 >= head.len()
        })?;
        let mut envelope = (entry.open)();
        let mut lines = Vec::new();
        for line in head {
            let mut out = Vec::new();
            if envelope.open(line, &mut out) == Content::Line && !out.is_empty() {
                lines.push(out);
            }
        }
        // Parts of the head's lines are not those of the file's beginning.
        self.0.push(Layer {
            envelope: (entry.open)(),
            out: Vec::new(),
        });
        Some(lines)
    }

    /// Whether lines are in none.
    pub(in crate::log) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes the envelopes off a line.
    pub(in crate::log) fn open<'a>(&'a mut self, line: &'a [u8]) -> Unwrapped<'a> {
        let mut inner = line;
        for layer in &mut self.0 {
            layer.out.clear();
            match layer.envelope.open(inner, &mut layer.out) {
                Content::Line => inner = &layer.out,
                Content::Part => return Unwrapped::Part,
                Content::Unopened => return Unwrapped::Unopened,
            }
        }
        Unwrapped::Line(inner)
    }
}
