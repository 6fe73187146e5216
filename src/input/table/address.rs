//! Where a table is: an ODBC connection string and the table's name, in one text.

use std::fmt;

/// A mark in place of a secret.
const MASK: &str = "***";
/// What keys of secrets hold, in lower case.
const SECRET: [&str; 5] = ["apikey", "pass", "pwd", "secret", "token"];
/// Octets of a table's name; SQL Server's longest has 128 for each of three parts.
const LONGEST_NAME: usize = 386;

/// `DSN=web;UID=reader;PWD=…;table=inetlog`.
///
/// It never shows a password: neither [`fmt::Display`] nor [`fmt::Debug`] does.
#[derive(Clone, PartialEq, Eq)]
pub struct TableAddress {
    /// The connection string as given, without the table.
    connection: String,
    table: String,
}

/// Why a text says nothing of where a table is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Without `table=`.
    #[error(
        "the connection string names no table\nadd ;table=NAME, with the name that logging was given (IIS: inetlog or InternetLog)"
    )]
    NoTable,
    /// Without anything else.
    #[error(
        "it says nothing of the database\nname a data source of odbc.ini (DSN=NAME) or a driver of odbcinst.ini (Driver=NAME;Database=…)"
    )]
    NoConnection,
    /// What could be more than a name is not sent to a database.
    #[error(
        "'{name}' is not taken for a table's name: letters, digits, _ and $ only, with dots before it for schema and catalogue\nmake a view of that table with a plain name, or export the table as CSV"
    )]
    NotAName {
        /// As given.
        name: String,
    },
    /// A part without `=`, or a brace that is not closed.
    #[error(
        "part {part} of the connection string is no KEY=VALUE\nput a value that holds ; or begins with a brace in braces: PWD={{a;b}}"
    )]
    NotAPair {
        /// Counted from 1; its text may be a part of a password.
        part: usize,
    },
}

/// A pair of a connection string.
struct Pair<'a> {
    key: &'a str,
    value: &'a str,
}

impl TableAddress {
    /// Reads `CONNECTION-STRING;table=NAME`; the table may stand anywhere among the pairs, in any case.
    ///
    /// # Errors
    /// When it names no table or no database, or cannot be read.
    pub fn read(text: &str) -> Result<Self, AddressError> {
        let mut table = None;
        let mut connection = String::new();
        for pair in pairs(text) {
            let pair = pair?;
            if pair.key.eq_ignore_ascii_case("table") {
                table = Some(pair.value);
            } else {
                push(&mut connection, pair.key, pair.value);
            }
        }
        let table = table.ok_or(AddressError::NoTable)?;
        if connection.is_empty() {
            return Err(AddressError::NoConnection);
        }
        if !is_name(table) {
            return Err(AddressError::NotAName {
                name: table.to_owned(),
            });
        }
        Ok(Self {
            connection,
            table: table.to_owned(),
        })
    }

    /// The table's name: nothing in it needs quotes, and nothing in it can end a statement.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// For the driver manager, with its secrets.
    #[cfg(feature = "odbc")]
    pub(super) fn connection(&self) -> &str {
        &self.connection
    }

    /// `text`, as a database said it, without the secrets of the connection string.
    #[cfg(feature = "odbc")]
    pub(super) fn without_secrets(&self, text: &str) -> String {
        /// A shorter one is found by chance in any text.
        const TELLING: usize = 4;
        let mut text = text.to_owned();
        for pair in pairs(&self.connection).flatten() {
            let bare = unbraced(pair.value);
            for secret in [pair.value, bare.as_str()] {
                if !is_secret(pair.key) || secret.is_empty() || !text.contains(secret) {
                    continue;
                }
                if secret.len() < TELLING {
                    return "what was said holds the password, and is not shown".to_owned();
                }
                text = text.replace(secret, MASK);
            }
        }
        text
    }
}

impl fmt::Display for TableAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("odbc:")?;
        for pair in pairs(&self.connection).flatten() {
            let value = if is_secret(pair.key) {
                MASK
            } else {
                pair.value
            };
            write!(f, "{}={value};", pair.key)?;
        }
        write!(f, "table={}", self.table)
    }
}

impl fmt::Debug for TableAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TableAddress({self})")
    }
}

fn push(connection: &mut String, key: &str, value: &str) {
    for part in [key, "=", value, ";"] {
        connection.push_str(part);
    }
}

fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    SECRET.iter().any(|secret| key.contains(secret))
}

/// `NAME`, `SCHEMA.NAME` or `CATALOGUE.SCHEMA.NAME`.
fn is_name(text: &str) -> bool {
    let is_part = |part: &str| {
        let mut characters = part.chars();
        let begins = characters
            .next()
            .is_some_and(|c| c.is_alphabetic() || c == '_');
        begins && characters.all(|c| c.is_alphanumeric() || matches!(c, '_' | '$'))
    };
    text.len() <= LONGEST_NAME && text.split('.').count() <= 3 && text.split('.').all(is_part)
}

/// A value in braces without them; a brace within is doubled.
#[cfg(feature = "odbc")]
fn unbraced(value: &str) -> String {
    let inner = value
        .strip_prefix('{')
        .and_then(|value| value.strip_suffix('}'));
    inner.map_or_else(|| value.to_owned(), |inner| inner.replace("}}", "}"))
}

/// The pairs of a connection string (ODBC Programmer's Reference, SQLDriverConnect): `KEY=VALUE;…`, a value with special characters in braces.
fn pairs(text: &str) -> impl Iterator<Item = Result<Pair<'_>, AddressError>> {
    let mut rest = text;
    let mut part = 0;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches([';', ' ']);
        if rest.is_empty() {
            return None;
        }
        part += 1;
        let found = pair(rest);
        rest = found.as_ref().map_or("", |(_, behind)| behind);
        Some(match found {
            Some((pair, _)) => Ok(pair),
            None => Err(AddressError::NotAPair { part }),
        })
    })
}

/// The first pair, and what is behind it.
fn pair(text: &str) -> Option<(Pair<'_>, &str)> {
    let (key, rest) = text.split_once('=')?;
    if key.contains(';') {
        return None;
    }
    let end = match rest.strip_prefix('{') {
        Some(inner) => 1 + closing(inner)? + 1,
        None => rest.find(';').unwrap_or(rest.len()),
    };
    let (value, behind) = rest.split_at_checked(end)?;
    let behind = behind.trim_start();
    let ends = behind.is_empty() || behind.starts_with(';');
    let pair = Pair {
        key: key.trim(),
        value: value.trim(),
    };
    (ends && !pair.key.is_empty()).then_some((pair, behind))
}

/// Where the brace is that closes a value: one that is not doubled.
fn closing(inner: &str) -> Option<usize> {
    let mut at = 0;
    loop {
        at += inner.get(at..)?.find('}')?;
        if !inner.get(at + 1..)?.starts_with('}') {
            return Some(at);
        }
        at += 2;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_table_stands_anywhere_and_the_rest_is_kept() {
        for (text, connection, table) in [
            ("DSN=web;table=inetlog", "DSN=web;", "inetlog"),
            (
                "Table=dbo.InternetLog; DSN=web",
                "DSN=web;",
                "dbo.InternetLog",
            ),
            (
                "Driver={SQL Server};PWD={a;table=x}}};UID=y;table=inetlog;",
                "Driver={SQL Server};PWD={a;table=x}}};UID=y;",
                "inetlog",
            ),
        ] {
            let address = TableAddress::read(text).unwrap();
            assert_eq!(
                (address.connection.as_str(), address.table()),
                (connection, table)
            );
        }
    }

    #[test]
    fn passwords_are_never_shown() {
        for text in [
            "DSN=web;UID=reader;PWD=geheim;table=inetlog",
            "DSN=web;UID=reader;Password={geheim};table=inetlog",
            "DSN=web;UID=reader;SSLKeyPassword=geheim;table=inetlog",
        ] {
            let address = TableAddress::read(text).unwrap();
            for shown in [address.to_string(), format!("{address:?}")] {
                assert!(!shown.contains("geheim"), "{shown}");
                assert!(
                    shown.contains("UID=reader") && shown.contains("=***"),
                    "{shown}"
                );
            }
        }
    }

    #[test]
    fn nothing_but_a_name_is_taken_for_one() {
        for name in [
            "inetlog; DROP TABLE inetlog",
            "a b",
            "a\"b",
            "1a",
            "",
            "a.",
            "a.b.c.d",
            "a--",
            "[a]",
            "a'",
        ] {
            let told = TableAddress::read(&format!("DSN=web;table={{{name}}}"));
            assert!(matches!(told, Err(AddressError::NotAName { .. })), "{name}");
        }
        let long = "a".repeat(LONGEST_NAME + 1);
        assert!(!is_name(&long) && is_name("_a$1") && is_name("Протокол"));
    }

    #[test]
    fn what_is_missing_is_told() {
        let error = |text| TableAddress::read(text).unwrap_err();
        assert_eq!(error("DSN=web"), AddressError::NoTable);
        assert_eq!(error(""), AddressError::NoTable);
        assert_eq!(error("table=x"), AddressError::NoConnection);
        assert_eq!(
            error("DSN=web;geheim;table=x"),
            AddressError::NotAPair { part: 2 }
        );
        assert_eq!(
            error("DSN=web;PWD={geheim;table=x"),
            AddressError::NotAPair { part: 2 }
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[;={}a-zA-Z. ]{0,40}") {
            if let Ok(address) = TableAddress::read(&text) {
                let again = TableAddress::read(address.to_string().trim_start_matches("odbc:"));
                prop_assert_eq!(again.map(|again| again.table().to_owned()), Ok(address.table().to_owned()));
            }
        }

        /// Whatever is in a password, none of it is shown.
        #[test]
        fn no_password_is_shown(password in "[a-z;={}]{4,20}") {
            let braced = format!("{{{}}}", password.replace('}', "}}"));
            let address = TableAddress::read(&format!("DSN=WEB;PWD={braced};table=LOG")).unwrap();
            prop_assert_eq!(address.to_string(), "odbc:DSN=WEB;PWD=***;table=LOG");
        }
    }
}
