//! Inputs: a path becomes bytes.
//!
//! Comes in: a path, a folder, a pattern or `-`. Goes out: the bytes, decompressed and memory-mapped. What they mean is not known here. Bounds:
//! [`MAX_SPOOLED`] octets out of a pipe or a compressed file.

mod expand;
mod map;
mod open;
mod packing;
mod rotated;

pub use expand::expand;
pub use map::{InputError, Mapped};
pub use open::{Input, MAX_SPOOLED};
pub use packing::Packing;
pub use rotated::rotated_sets;
