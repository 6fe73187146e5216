//! Programs that own connections.

/// A program of the capturing machine, as the capture file names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Process {
    /// Path or name of the program.
    pub path: String,
    /// Process id.
    pub id: u32,
}
