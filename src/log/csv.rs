//! Lines of values separated by commas, with quotes where a value holds one (RFC 4180).

use crate::model::as_text;

use super::{Head, Sureness};

/// Columns that header lines name (`#Fields:`, `#Log-type:`), as Exchange writes them.
pub(super) struct Table {
    columns: Vec<String>,
    kind: String,
}

/// A row under the columns in force.
pub(super) struct Row<'t> {
    columns: &'t [String],
    values: Vec<String>,
}

impl Table {
    /// `columns` are in force where the header is lost.
    pub(super) fn new(columns: &str, head: &Head<'_>) -> Self {
        let mut table = Self {
            columns: values(columns),
            kind: String::new(),
        };
        for line in head.lines {
            table.directive(&as_text(line));
        }
        table
    }

    /// How much of a head are rows that `fits` takes.
    pub(super) fn share(
        columns: &str,
        head: &Head<'_>,
        fits: impl Fn(&Self, &str) -> bool,
    ) -> Sureness {
        let mut table = Self::new(columns, head);
        let mut rows = 0;
        let mut fit = 0;
        for line in head.lines {
            let text = as_text(line);
            if !table.directive(&text) {
                rows += 1;
                fit += usize::from(fits(&table, &text));
            }
        }
        Sureness::share(fit, rows)
    }

    /// Takes in a line of the header; whether it was one.
    pub(super) fn directive(&mut self, line: &str) -> bool {
        let Some(directive) = line.strip_prefix('#') else {
            return false;
        };
        if let Some(columns) = directive.strip_prefix("Fields: ") {
            self.columns = values(columns);
        }
        if let Some(kind) = directive.strip_prefix("Log-type: ") {
            kind.clone_into(&mut self.kind);
        }
        true
    }

    /// What the header calls the log; empty when it is lost.
    pub(super) fn kind(&self) -> &str {
        &self.kind
    }

    /// A line under the columns in force.
    pub(super) fn row(&self, line: &str) -> Row<'_> {
        Row {
            columns: &self.columns,
            values: values(line),
        }
    }
}

impl Row<'_> {
    /// The value of a column; `None` when there is no such column or the line is too short.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let at = self.columns.iter().position(|column| column == name)?;
        self.values.get(at).map(String::as_str)
    }

    /// The value of a column; empty when there is none.
    pub(super) fn text(&self, name: &str) -> String {
        self.get(name).unwrap_or_default().to_owned()
    }
}

/// The values of a line; a quote that is never closed ends with the line.
pub(super) fn values(line: &str) -> Vec<String> {
    if !line.contains('"') {
        return line.split(',').map(str::to_owned).collect();
    }
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
