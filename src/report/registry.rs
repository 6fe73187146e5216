//! The list of outputs: one row each.

use std::io::{self, Write};

use super::{Account, jsonl, text};

/// A row of the registry.
pub struct Entry {
    /// Name, by which the program asks for it.
    pub name: &'static str,
    /// What it is, in a few words.
    pub about: &'static str,
    /// Writes a whole run.
    pub write: Writer,
    /// Writes a part of a run that goes on.
    pub part: Writer,
    /// Writes what is known at the end of such a run, and what its parts had.
    pub end: Writer,
}

/// Writes an account.
pub type Writer = fn(&Account, &mut dyn Write) -> io::Result<()>;

/// All outputs, in alphabetical order.
pub static OUTPUTS: &[Entry] = &[
    Entry {
        name: "jsonl",
        about: "JSON Lines, one object a line",
        write: jsonl::write,
        part: jsonl::write_part,
        end: jsonl::write_end,
    },
    Entry {
        name: "text",
        about: "summary and ladders for a person",
        write: text::write,
        part: text::write_part,
        end: text::write_end,
    },
];
