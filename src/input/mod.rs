//! Inputs: a path becomes bytes.
//!
//! Comes in: a path. Goes out: the file's bytes, memory-mapped. What they mean is not known here.

mod map;

pub use map::{InputError, Mapped};
