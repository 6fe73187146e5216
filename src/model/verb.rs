//! Command words.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::sync::LazyLock;

/// The command word of an exchange in upper case (`MAIL`, `RETR`, `GET`), by which wire and log
/// are compared. Empty for a greeting; [`Verb::BODY`] for a message body.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Verb(Cow<'static, str>);

/// Words that most exchanges begin with.
const USUAL: [&str; 48] = [
    "",
    "EHLO",
    "HELO",
    "MAIL",
    "RCPT",
    "DATA",
    "QUIT",
    Verb::BODY,
    "RSET",
    "AUTH",
    "STARTTLS",
    "NOOP",
    "BDAT",
    "VRFY",
    "?",
    "GET",
    "POST",
    "HEAD",
    "PUT",
    "DELETE",
    "OPTIONS",
    "CONNECT",
    "USER",
    "PASS",
    "STAT",
    "LIST",
    "RETR",
    "DELE",
    "TOP",
    "UIDL",
    "CAPA",
    "STLS",
    "APOP",
    "LOGIN",
    "AUTHENTICATE",
    "CAPABILITY",
    "SELECT",
    "EXAMINE",
    "FETCH",
    "STORE",
    "UID",
    "IDLE",
    "APPEND",
    "LOGOUT",
    "GROUP",
    "ARTICLE",
    "MODE",
    "LHLO",
];

/// The usual word that `word` is in some case.
fn usual(word: &str) -> Option<&'static str> {
    static WORDS: LazyLock<HashSet<&[u8], foldhash::fast::FixedState>> =
        LazyLock::new(|| USUAL.iter().map(|word| word.as_bytes()).collect());
    let mut upper = [0; Verb::MAX];
    let upper = upper.get_mut(..word.len())?;
    upper.copy_from_slice(word.as_bytes());
    upper.make_ascii_uppercase();
    std::str::from_utf8(WORDS.get(&*upper)?).ok()
}

impl Verb {
    /// A message body (SMTP after DATA or in BDAT).
    pub const BODY: &'static str = "<BODY>";
    /// What a client of HTTP sent that is no request (garbage, TLS to a port in the clear, or nothing at all).
    pub const NO_REQUEST: &'static str = "-";
    /// The text that stands for it: what it was may hold a secret.
    pub const NO_REQUEST_LINE: &'static str = "<no request line>";
    /// Words of logins, in any protocol.
    pub const LOGINS: [&str; 6] = ["APOP", "AUTH", "AUTHENTICATE", "AUTHINFO", "LOGIN", "PASS"];
    /// Longest verb kept; what is longer is cut.
    const MAX: usize = 24;

    /// The verb `word`, in upper case, cut at 24 characters. Usual ones take no memory of their own.
    pub fn new(word: &str) -> Self {
        let usual = usual(word);
        Self(usual.map_or_else(
            || {
                let characters = word.chars().take(Self::MAX);
                Cow::Owned(characters.flat_map(char::to_uppercase).collect())
            },
            Cow::Borrowed,
        ))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the greeting.
    pub fn is_greeting(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a client logs in by it: `PASS` (RFC 1939), `LOGIN` and `AUTHENTICATE` (RFC 9051), `AUTH` (RFC 4954).
    pub fn is_login(&self) -> bool {
        ["PASS", "LOGIN", "AUTHENTICATE", "AUTH"].contains(&self.as_str())
    }

    /// Whether this is a message body.
    pub fn is_body(&self) -> bool {
        self.as_str() == Self::BODY
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
