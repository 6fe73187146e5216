//! SASL exchanges inside mail protocols (RFC 4422): their secrets are never kept, the user they name is
//! (mechanism PLAIN, RFC 4616, and the older LOGIN).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::line::Line;
use super::record::text;

/// How the client proves who it is, and how often it has said something to that end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Mechanism {
    /// In upper case; empty where its name was not captured.
    name: String,
    /// Responses of the client so far, with the initial one.
    responses: u32,
}

/// What is known of the client's next line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Awaited {
    /// It is a command.
    #[default]
    Command,
    /// It is a response, unless it reads like a command: what came before it was lost.
    Perhaps,
    /// It is a response of this mechanism.
    Response(Mechanism),
}

/// A command that begins a SASL exchange.
pub(super) struct Begun {
    /// The command, its secret masked.
    pub(super) request: String,
    /// The user it names.
    pub(super) user: Option<String>,
    /// By which mechanism.
    pub(super) mechanism: Mechanism,
}

/// The command `prefix mechanism [initial response]`.
pub(super) fn command(prefix: &str, mechanism: &[u8], initial: Option<&[u8]>) -> Begun {
    let shown = text(mechanism);
    let mut begun = Begun {
        request: format!("{prefix} {shown}"),
        user: None,
        mechanism: Mechanism {
            name: shown.to_uppercase(),
            responses: 0,
        },
    };
    if let Some(response) = initial {
        begun.request.push_str(" ***");
        begun.user = begun.mechanism.respond(response);
    }
    begun
}

/// A line of the client within a SASL exchange: all of it is masked but the `*` that breaks it off.
pub(super) fn masked(line: &[u8]) -> &'static str {
    if line == b"*" { "*" } else { "***" }
}

/// Whether `line`, which is no command, may be a response of a SASL exchange: one word of whole base64.
pub(super) fn looks_like_response(line: &[u8]) -> bool {
    line.len() >= 4
        && line.len().is_multiple_of(4)
        && line
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='))
}

impl Mechanism {
    /// The client sends `response`; gives the user that it names.
    fn respond(&mut self, response: &[u8]) -> Option<String> {
        let nth = self.responses;
        self.responses += 1;
        match (self.name.as_str(), nth) {
            ("PLAIN", 0) => user_of_plain(response),
            ("LOGIN", 0) => user_of_login(response),
            _ => None,
        }
    }
}

impl Awaited {
    /// The client sends `line`, which reads like a command if `known`. Where it is a response, gives the user that
    /// it names and the mechanism; it is up to the server whether another follows.
    pub(super) fn take(&mut self, known: bool, line: &[u8]) -> Option<(Option<String>, Mechanism)> {
        let mut mechanism = match std::mem::take(self) {
            Self::Command => return None,
            Self::Perhaps if known => return None,
            Self::Perhaps => Mechanism::default(),
            Self::Response(mechanism) => mechanism,
        };
        let user = mechanism.respond(line);
        Some((user, mechanism))
    }

    /// The same of a line that may have lost its beginning: only a command can be told then.
    pub(super) fn take_line(
        &mut self,
        known: bool,
        line: &Line<'_>,
    ) -> Option<(Option<String>, Mechanism)> {
        if *self == Self::Perhaps && line.after_hole() {
            return None;
        }
        self.take(known, &line.text)
    }

    /// Lines of the client were lost.
    pub(super) fn lose_sight(&mut self) {
        if matches!(self, Self::Response(_)) {
            *self = Self::Perhaps;
        }
    }
}

/// The user named in a response of PLAIN: `authzid NUL authcid NUL passwd`, in base64.
fn user_of_plain(response: &[u8]) -> Option<String> {
    let decoded = STANDARD.decode(response.trim_ascii()).ok()?;
    let mut parts = decoded.split(|&byte| byte == 0);
    let (acting_for, user, _secret) = (parts.next()?, parts.next()?, parts.next()?);
    let name = if user.is_empty() { acting_for } else { user };
    (!name.is_empty()).then(|| text(name))
}

/// The user named in the first response of LOGIN, in base64.
fn user_of_login(response: &[u8]) -> Option<String> {
    let decoded = STANDARD.decode(response.trim_ascii()).ok()?;
    (!decoded.is_empty()).then(|| text(&decoded))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(mechanism: &[u8], response: &[u8]) -> Option<String> {
        command("AUTH", mechanism, Some(response)).user
    }

    #[test]
    fn names_are_read_and_secrets_are_not() {
        // NUL "tim" NUL "tanstaaftanstaaf", from RFC 4616 §4
        assert_eq!(
            user(b"plain", b"AHRpbQB0YW5zdGFhZnRhbnN0YWFm"),
            Some("tim".into())
        );
        assert_eq!(user(b"LOGIN", b"dGlt"), Some("tim".into()));
        assert_eq!(user(b"CRAM-MD5", b"dGlt"), None);
        assert_eq!(user(b"PLAIN", b"dGlt"), None);
        assert_eq!(user(b"PLAIN", b"!!"), None);
        assert_eq!(masked(b"dGlt"), "***");
        assert_eq!(masked(b"*"), "*");
    }

    #[test]
    fn only_the_first_response_of_login_is_a_name() {
        let mut awaited = Awaited::Response(command("AUTH", b"LOGIN", None).mechanism);
        let (name, mechanism) = awaited.take(false, b"dGlt").unwrap();
        assert_eq!(name.as_deref(), Some("tim"));
        let (name, _) = Awaited::Response(mechanism).take(true, b"dGlt").unwrap();
        assert_eq!(name, None);
        assert_eq!(Awaited::Perhaps.take(true, b"QUIT"), None);
    }
}
