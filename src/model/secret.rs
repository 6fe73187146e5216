//! Secrets in a request line of HTTP, which the wire and logs show alike: neither room may show what the other masks.

/// Keys of a query whose values are secrets, as they end.
const SECRET: [&str; 13] = [
    "apikey",
    "api_key",
    "auth",
    "key",
    "pass",
    "passwd",
    "password",
    "pwd",
    "secret",
    "sid",
    "sig",
    "signature",
    "token",
];

/// A request line (RFC 9112 §3) without the secrets in its URL: the password of its authority, and the values of those
/// keys of its query that speak of secrets.
pub fn masked_request(line: &str) -> String {
    let line = without_password(line);
    let Some((path, rest)) = line.split_once('?') else {
        return line;
    };
    let (query, version) = rest.split_once(' ').unwrap_or((rest, ""));
    let mut text = format!("{path}?");
    for part in query.split_inclusive(['&', ';']) {
        match part.split_once('=') {
            Some((key, value)) if is_secret(key) => {
                text.push_str(key);
                text.push_str("=***");
                text.extend(value.chars().last().filter(|end| ['&', ';'].contains(end)));
            }
            _ => text.push_str(part),
        }
    }
    if rest.len() > query.len() {
        text.push(' ');
    }
    text + version
}

fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    SECRET.iter().any(|secret| key.ends_with(secret))
}

/// `http://user:password@host/` with the password masked, where it stands in the place of the URL and not within a query.
fn without_password(line: &str) -> String {
    let parts = line.split_once("://").and_then(|(before, rest)| {
        let end = rest.find(['/', '?', '#', ' ']).unwrap_or(rest.len());
        let (authority, behind) = rest.split_at_checked(end)?;
        let (login, host) = authority.rsplit_once('@')?;
        let (user, _) = login.split_once(':')?;
        let is_url = before.matches([' ', '?']).count() == 1;
        is_url.then(|| format!("{before}://{user}:***@{host}{behind}"))
    });
    parts.unwrap_or_else(|| line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_a_query_are_masked() {
        for (line, expected) in [
            ("GET /a?b=c HTTP/1.1", "GET /a?b=c HTTP/1.1"),
            (
                "GET /a?access_token=x&b=c;Password=y HTTP/1.1",
                "GET /a?access_token=***&b=c;Password=*** HTTP/1.1",
            ),
            ("GET /a?sig=x", "GET /a?sig=***"),
            (
                "GET http://ann:x@host:80/a?b HTTP/1.0",
                "GET http://ann:***@host:80/a?b HTTP/1.0",
            ),
        ] {
            assert_eq!(masked_request(line), expected);
        }
    }
}
