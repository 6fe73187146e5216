//! Inputs: a path becomes bytes.
//!
//! Comes in: a path, a folder, a pattern or `-`. Goes out: the bytes, decompressed: all of them, memory-mapped ([`Input`]), or a [`Window`] that moves over
//! a stream ([`Front`]). What they mean is not known here. Bounds: [`MAX_SPOOLED`] octets out of a pipe or a compressed file that is kept.

mod expand;
mod follow;
mod front;
mod map;
mod open;
mod packing;
mod rotated;
mod stop;
mod window;

pub use expand::expand;
pub use follow::{Follower, Growth};
pub use front::{Front, PassingInput, Taken};
pub use map::{InputError, Mapped};
pub use open::{Input, MAX_SPOOLED};
pub use packing::Packing;
pub use rotated::rotated_sets;
pub use stop::Stop;
pub use window::Window;
