//! The names in SASL exchanges (RFC 4616, and the older LOGIN); the secrets in them are never kept.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::record::text;

/// The user named in a response of mechanism PLAIN: `authzid NUL authcid NUL passwd`, in base64.
pub(super) fn user_of_plain(response: &[u8]) -> Option<String> {
    let decoded = STANDARD.decode(response.trim_ascii()).ok()?;
    let mut parts = decoded.split(|&byte| byte == 0);
    let (acting_for, user, _secret) = (parts.next()?, parts.next()?, parts.next()?);
    let name = if user.is_empty() { acting_for } else { user };
    (!name.is_empty()).then(|| text(name))
}

/// The user named in the first response of mechanism LOGIN, in base64.
pub(super) fn user_of_login(response: &[u8]) -> Option<String> {
    let decoded = STANDARD.decode(response.trim_ascii()).ok()?;
    (!decoded.is_empty()).then(|| text(&decoded))
}

/// The user named in `response`, if `mechanism` sends one in the clear and it is number `nth` (from 0).
pub(super) fn user(mechanism: &str, nth: u32, response: &[u8]) -> Option<String> {
    match (mechanism, nth) {
        ("PLAIN", 0) => user_of_plain(response),
        ("LOGIN", 0) => user_of_login(response),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_secrets_are_not() {
        // NUL "tim" NUL "tanstaaftanstaaf", from RFC 4616 §4
        assert_eq!(
            user("PLAIN", 0, b"AHRpbQB0YW5zdGFhZnRhbnN0YWFm"),
            Some("tim".into())
        );
        assert_eq!(user("LOGIN", 0, b"dGlt"), Some("tim".into()));
        assert_eq!(user("LOGIN", 1, b"dGlt"), None);
        assert_eq!(user("PLAIN", 0, b"dGlt"), None);
        assert_eq!(user("PLAIN", 0, b"!!"), None);
    }
}
