//! Inputs: a path becomes bytes.
//!
//! Comes in: a path, a folder, a pattern, `-`, or where a table of a database is. Goes out: the bytes, decompressed: all of them, memory-mapped ([`Input`]), or a [`Window`] that moves over
//! a stream ([`Front`]). What they mean is not known here. Bounds: [`MostUnpacked`] octets out of what is compressed, or is copied out of a pipe.

mod expand;
mod follow;
mod front;
mod map;
mod open;
mod packing;
mod rotated;
mod stop;
mod table;
mod window;

pub use expand::expand;
pub use follow::{Follower, Growth};
pub use front::{Front, PassingInput, Taken};
pub use map::{InputError, Mapped};
pub use open::{Input, MAX_SPOOLED, MostUnpacked};
pub use packing::Packing;
pub use rotated::rotated_sets;
pub use stop::Stop;
#[cfg(feature = "odbc")]
pub use table::TableFault;
pub use table::{AddressError, TableAddress};
pub use window::Window;
