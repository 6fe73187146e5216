//! Reports: an account becomes bytes in some format.
//!
//! Comes in: an [`Account`]. Goes out: text for a person or JSON Lines for a program. Nothing is decided
//! here. An output is one file and one row in [`registry`]. All text from a wire or a log passes through
//! [`escape`] on its way to a terminal.

mod account;
mod checksums;
mod community_id;
mod ended;
pub mod escape;
mod findings;
mod jsonl;
mod ladder;
mod passed_over;
mod path;
pub mod registry;
mod summary;
mod tallies;
mod tcp;
mod text;
mod why;

pub use account::{Account, Contradicted, Part, Selection, Totals};
pub use community_id::community_id;
pub use path::OtherSide;
pub use tallies::Tallies;
pub use why::write_why;
