//! Secrets in a request line of HTTP, which the wire and logs show alike: neither room may show what the other masks. And those of lines that no
//! reader understood, and that are shown as they are.

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
    push_values(&mut text, query);
    if rest.len() > query.len() {
        text.push(' ');
    }
    text + version
}

/// What ends a word of a line that is not understood.
const ENDS: [char; 6] = [' ', '\t', '"', '\'', ',', '\n'];

/// A line of any kind without what may be a secret: the word behind `PASS`, `Basic` or `Bearer`, those behind `AUTH` but for the mechanism, the one
/// behind a user (`LOGIN`, `AUTHINFO`), and the values of keys that speak of secrets. It masks too much rather than too little.
pub fn masked_line(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut ahead = Ahead::Nothing;
    for piece in line.split_inclusive(ENDS) {
        let word = piece.strip_suffix(ENDS).unwrap_or(piece);
        let end = piece.strip_prefix(word).unwrap_or_default();
        if !word.is_empty() {
            // `LOGIN` is a mechanism too.
            let may = ahead != Ahead::Mechanism && !["\"", "'"].contains(&end);
            let announced = Ahead::behind(word).filter(|_| may);
            match (announced, ahead) {
                (Some(_), _) => text.push_str(word),
                (None, Ahead::Secret) => text.push_str("***"),
                (None, Ahead::Mechanism) if !is_mechanism(word) => text.push_str("***"),
                (None, _) => push_values(&mut text, word),
            }
            ahead = announced.unwrap_or(ahead.next());
        }
        text.push_str(end);
    }
    text
}

/// What the next word may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ahead {
    Nothing,
    /// Of SASL, and then a secret; or a secret already.
    Mechanism,
    /// Of anything, and then a secret.
    User,
    Secret,
}

impl Ahead {
    /// Behind a word that announces a secret.
    fn behind(word: &str) -> Option<Self> {
        let word = word
            .trim_start_matches(['+', '<', '>'])
            .to_ascii_uppercase();
        match word.as_str() {
            "BASIC" | "BEARER" | "PASS" => Some(Self::Secret),
            "AUTH" | "AUTHENTICATE" => Some(Self::Mechanism),
            "AUTHINFO" | "LOGIN" => Some(Self::User),
            _ => None,
        }
    }

    /// One word later.
    const fn next(self) -> Self {
        match self {
            Self::Mechanism | Self::User => Self::Secret,
            Self::Nothing | Self::Secret => Self::Nothing,
        }
    }
}

/// Names of mechanisms are of capital letters, digits and hyphens (RFC 4422 §3.1), which base64 of any length hardly is.
fn is_mechanism(word: &str) -> bool {
    word.len() <= 20
        && word.bytes().all(|byte| {
            byte.is_ascii_uppercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_')
        })
        || ["plain", "login"].contains(&word)
}

/// `a=b&token=c` with the values of secrets masked.
fn push_values(text: &mut String, word: &str) {
    for part in word.split_inclusive(['?', '&', ';']) {
        match part.split_once('=') {
            Some((key, value)) if is_secret(key) => {
                text.push_str(key);
                text.push_str("=***");
                text.extend(value.chars().last().filter(|end| ['&', ';'].contains(end)));
            }
            _ => text.push_str(part),
        }
    }
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

    #[test]
    fn secrets_of_lines_that_nobody_understands_are_masked() {
        for (line, expected) in [
            ("nothing of the kind", "nothing of the kind"),
            ("x: < AUTH PLAIN AGFubgB4 z", "x: < AUTH PLAIN *** z"),
            ("say \"auth plain AGFubgB4\"", "say \"auth plain ***\""),
            ("AUTH LOGIN AGFubgB4", "AUTH LOGIN ***"),
            ("AUTH\tAGFubgB4\t535 no", "AUTH\t***\t*** no"),
            ("USER bob, PASS x", "USER bob, PASS ***"),
            ("PASS\tPASS x", "PASS\tPASS ***"),
            ("1 LOGIN bob x", "1 LOGIN bob ***"),
            ("login,bob x,R=ok", "login,bob ***,R=ok"),
            ("AUTHINFO PASS x", "AUTHINFO PASS ***"),
            ("AUTHINFO GENERIC x", "AUTHINFO GENERIC ***"),
            ("AUTH - +PLAIN+AGFubgB4 250", "AUTH - *** 250"),
            (
                "{\"Authorization\":[\"Basic x\"]}",
                "{\"Authorization\":[\"Basic ***\"]}",
            ),
            ("/a?b=c&token=x&d=e", "/a?b=c&token=***&d=e"),
            ("password=x, user=y", "password=***, user=y"),
            ("PASS", "PASS"),
            ("", ""),
        ] {
            assert_eq!(masked_line(line), expected);
        }
    }
}
