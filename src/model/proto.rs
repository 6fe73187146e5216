//! What is spoken, how it is protected, and who saw it.

use std::fmt;

use serde::Serialize;

/// An application protocol's name in lower case (`smtp`, `pop3`, `http`). Open: a new protocol changes
/// nothing here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Proto(pub &'static str);

impl Proto {
    /// A connection whose protocol could not be told.
    pub const UNKNOWN: Self = Self("unknown");
    /// TLS from the first byte around a protocol that could not be told.
    pub const TLS: Self = Self("tls");
}

impl fmt::Display for Proto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

/// How a session was encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Encryption {
    /// TLS from the first byte.
    Implicit,
    /// In the clear throughout.
    #[default]
    None,
    /// TLS after a command in the clear asked for it.
    StartTls,
}

impl Encryption {
    /// The contract's word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Implicit => "implicit",
            Self::None => "none",
            Self::StartTls => "starttls",
        }
    }
}

/// Which witness saw a session or an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Seen {
    /// In the capture and in the log.
    Both,
    /// Only sizes and timing in the capture tell that it took place.
    Inferred,
    /// Only in the log.
    Log,
    /// Only in the capture.
    Wire,
}

impl Seen {
    /// The contract's word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::Inferred => "inferred",
            Self::Log => "log",
            Self::Wire => "wire",
        }
    }
}
