//! The command line: arguments in, exit status out. No logic of its own.
//!
//! Comes in: what was typed. Goes out: what the pipeline found, on standard output or in a file.

mod args;
mod bounds;
mod exit;
mod formats;
mod lists;
mod logging;
mod main;
mod plan;
mod signals;

pub use args::command;
pub use main::main;
