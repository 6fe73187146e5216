//! Formats that the user describes: in the words of nginx or Apache, or in a file of definitions.

mod definition;
mod format;
mod lines;

pub use definition::DefinitionError;
pub use format::{FormatError, OwnFormat};
