//! Secrets that open what TLS hides, as an input.

/// What a key log held. The secrets themselves stay where connections are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keylog {
    /// Secrets taken from it.
    pub secrets: u64,
    /// Lines with a secret that was there already.
    pub repeated: u64,
    /// Lines with a secret that differs from one of the same name and session, which stands.
    pub conflicting: u64,
    /// Lines with a label that is of no use to open records.
    pub unused: u64,
    /// Lines that cannot be read, comments and empty ones left out.
    pub unparsed: u64,
    /// Secrets not kept because there were too many.
    pub dropped: u64,
}

/// A key log and where it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySource {
    /// File name as given; of a capture that has secrets inside, that of the capture.
    pub file: String,
    /// What it held.
    pub held: Keylog,
}

impl Keylog {
    /// Adds what another log, or another part of the same, held.
    pub const fn absorb(&mut self, other: Self) {
        self.secrets += other.secrets;
        self.repeated += other.repeated;
        self.conflicting += other.conflicting;
        self.unused += other.unused;
        self.unparsed += other.unparsed;
        self.dropped += other.dropped;
    }

    /// Whether nothing in it was of use.
    pub const fn is_useless(self) -> bool {
        self.secrets == 0 && self.repeated == 0
    }
}
