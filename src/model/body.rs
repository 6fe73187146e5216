//! Bodies that were written to files.

/// A body of a session, numbered from 1 in the order in which they began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BodyNo(pub u32);

/// What a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyKind {
    /// A mail message (RFC 5322).
    Mail,
    /// The content of an HTTP message, in the coding in which it was sent.
    Http,
    /// The text of a message without its head.
    Text,
}

impl BodyKind {
    /// How the names of its files end.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Mail => "eml",
            Self::Http => "http",
            Self::Text => "txt",
        }
    }
}

/// A body in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBody {
    /// Which of its session.
    pub number: BodyNo,
    /// What it is.
    pub kind: BodyKind,
    /// Name in the folder that the user gave.
    pub file: String,
    /// Octets in the file.
    pub octets: u64,
    /// SHA-256 of the file (FIPS 180-4), in hex.
    pub sha256: String,
    /// Octets that the capture is known to lack of it.
    pub missing: u64,
    /// Octets that passed and are not in the file, as a bound was hit.
    pub cut: u64,
    /// Whether the file holds all of it: its end was seen, nothing is missing and nothing was cut.
    pub complete: bool,
}
