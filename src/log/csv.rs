//! Lines of values separated by commas, with quotes where a value holds one (RFC 4180).

/// The values of a line; a quote that is never closed ends with the line.
pub(super) fn values(line: &str) -> Vec<String> {
    let mut values = Vec::new();
    let mut value = String::new();
    let mut quoted = false;
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.next_if_eq(&'"').is_some() => value.push('"'),
            '"' if quoted || value.is_empty() => quoted = !quoted,
            ',' if !quoted => values.push(std::mem::take(&mut value)),
            other => value.push(other),
        }
    }
    values.push(value);
    values
}

#[cfg(test)]
mod tests {
    use super::values;

    #[test]
    fn quotes_keep_commas_and_quotes() {
        for (line, expected) in [
            ("a,,b", &["a", "", "b"][..]),
            ("a,\"b, c\",d", &["a", "b, c", "d"]),
            ("\"a \"\"b\"\"\",", &["a \"b\"", ""]),
            ("a b\"c,d", &["a b\"c", "d"]),
            ("\"a,b", &["a,b"]),
            ("", &[""]),
        ] {
            assert_eq!(values(line), expected, "{line}");
        }
    }
}
