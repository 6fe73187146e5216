//! What a database, or the way to it, said was wrong.

use std::fmt;

use odbc_api::Error;
use odbc_api::handles::Record;

use super::TableAddress;

/// Longest text of a driver that is shown, in characters.
const SHOWN: usize = 400;

/// Why a table could not be read, in the words of the driver, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableFault {
    /// `SQLSTATE`, where one came.
    state: Option<String>,
    said: String,
    remedy: &'static str,
}

impl TableFault {
    pub(super) fn new(error: &Error, address: &TableAddress) -> Self {
        let record = match error {
            Error::Diagnostics { record, .. } => Some(record),
            _ => None,
        };
        let state = record.map(|record| record.state.as_str().to_owned());
        let said = record.map_or_else(|| error.to_string(), message);
        let said = address.without_secrets(&said);
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        Self {
            remedy: remedy(state.as_deref().unwrap_or_default(), &said),
            said: said.chars().take(SHOWN).collect(),
            state,
        }
    }
}

/// What the driver says, without the counts around it.
fn message(record: &Record) -> String {
    let text = record.to_string();
    let behind = text
        .split_once("Message: ")
        .map(|(_, message)| message.to_owned());
    behind.unwrap_or(text)
}

/// What helps, by the class of the state (ODBC Programmer's Reference, Appendix A).
fn remedy(state: &str, said: &str) -> &'static str {
    match state {
        "IM002" => {
            "name a data source (DSN=) or a driver (Driver=) that is there; `odbcinst -q -s` and `odbcinst -q -d` list them"
        }
        _ if said.contains("Can't open lib") => {
            "install the driver, or mend its path in odbcinst.ini; `odbcinst -q -d` lists drivers"
        }
        "28000" => "look at UID= and PWD=, and at what that user may read",
        "08001" | "08S01" | "08004" | "HYT00" | "HYT01" => {
            "look at the server's name and port, and whether it answers from here"
        }
        "42S02" => "look at the table's name, with its schema before it (dbo.inetlog)",
        "42000" => "look at the table's name, and at what that user may read",
        _ => "try the same connection string with isql(1) of unixODBC",
    }
}

impl fmt::Display for TableFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.said)?;
        if let Some(state) = &self.state {
            write!(f, " (SQLSTATE {state})")?;
        }
        write!(f, "\n{}", self.remedy)
    }
}
