//! The list of outputs: one row each.

use std::io::{self, Write};

use super::{Account, jsonl, text};

/// A row of the registry.
pub struct Entry {
    /// Name, by which the program asks for it.
    pub name: &'static str,
    /// What it is, in a few words.
    pub about: &'static str,
    /// Writes it.
    pub write: fn(&Account, &mut dyn Write) -> io::Result<()>,
}

/// All outputs, in alphabetical order.
pub static OUTPUTS: &[Entry] = &[
    Entry {
        name: "jsonl",
        about: "JSON Lines, one object a line",
        write: jsonl::write,
    },
    Entry {
        name: "text",
        about: "summary and ladders for a person",
        write: text::write,
    },
];
