//! Rows from unixODBC to a file without a name.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use odbc_api::buffers::{Indicator, TextRowSet};
use odbc_api::{ConnectionOptions, Cursor, Error, ResultSetMetadata, environment};

use crate::model::DamageLog;

use super::super::{InputError, MAX_SPOOLED, Mapped};
use super::{TableAddress, TableFault};

/// Seconds that a server may take to let us in.
const PATIENCE: u32 = 20;
/// Columns that a table may have; more are refused.
const MAX_COLUMNS: u16 = 128;
/// Octets of a value; more are cut.
const MAX_VALUE: usize = 4096;
/// Rows that come at once: with 14 columns these take 15 MB.
const BATCH: usize = 256;

/// All rows of a table as CSV.
pub(super) fn fetch(address: &TableAddress, damage: &mut DamageLog) -> Result<Mapped, InputError> {
    let no_room = |source| InputError::NoRoom {
        path: Path::new(&address.to_string()).to_owned(),
        folder: std::env::temp_dir(),
        source,
    };
    let file = tempfile::tempfile().map_err(no_room)?;
    let failed = |error: &Error| InputError::Table {
        address: address.clone(),
        fault: TableFault::new(error, address),
    };
    let connection = environment()
        .and_then(|environment| {
            let options = ConnectionOptions {
                login_timeout_sec: Some(PATIENCE),
                packet_size: None,
            };
            environment.connect_with_connection_string(address.connection(), options)
        })
        .map_err(|error| failed(&error))?;
    // The name is one by the rule of `TableAddress`: no quotes, no blanks, no second statement.
    let query = format!("SELECT * FROM {}", address.table());
    let cursor = connection
        .execute(&query, (), None)
        .map_err(|error| failed(&error))?;
    if let Some(mut cursor) = cursor {
        let names = names(&mut cursor).map_err(|error| failed(&error))?;
        if names.len() > usize::from(MAX_COLUMNS) {
            return Err(InputError::TooManyColumns {
                address: address.clone(),
                columns: names.len(),
                most: MAX_COLUMNS,
            });
        }
        let mut spool = Spool::new(&file);
        spool.header(&names).map_err(no_room)?;
        let lengths = names.iter().map(|_| MAX_VALUE);
        let buffer = TextRowSet::from_max_str_lens(BATCH, lengths);
        let buffer = buffer.map_err(|error| failed(&error))?;
        let mut rows = cursor.bind_buffer(buffer).map_err(|error| failed(&error))?;
        loop {
            match rows.fetch() {
                Ok(None) => break,
                Ok(Some(batch)) => spool.batch(batch, damage).map_err(no_room)?,
                // What came before is kept, as of a pipe that breaks off.
                Err(error) => {
                    let fault = TableFault::new(&error, address);
                    damage.note(spool.written, || {
                        format!("the table breaks off here: {fault}")
                    });
                    break;
                }
            }
            if spool.written > MAX_SPOOLED {
                damage.note(spool.written, || {
                    format!("more than {MAX_SPOOLED} bytes come out of it; the rest is not read")
                });
                break;
            }
        }
        spool.file.flush().map_err(no_room)?;
    }
    Mapped::of(&file).map_err(no_room)
}

fn names(cursor: &mut impl ResultSetMetadata) -> Result<Vec<String>, Error> {
    cursor.column_names()?.collect()
}

/// Lines of CSV on their way to a file.
struct Spool<'f> {
    file: BufWriter<&'f File>,
    written: u64,
    line: Vec<u8>,
}

impl<'f> Spool<'f> {
    fn new(file: &'f File) -> Self {
        Self {
            file: BufWriter::with_capacity(1 << 16, file),
            written: 0,
            line: Vec::new(),
        }
    }

    fn header(&mut self, names: &[String]) -> std::io::Result<()> {
        for name in names {
            put(&mut self.line, name.as_bytes());
        }
        self.end_of_line()
    }

    fn batch(&mut self, batch: &TextRowSet, damage: &mut DamageLog) -> std::io::Result<()> {
        for row in 0..batch.num_rows() {
            for column in 0..batch.num_cols() {
                let value = batch.at(column, row).unwrap_or_default();
                let is_cut = match batch.indicator_at(column, row) {
                    Indicator::Null => false,
                    Indicator::NoTotal => true,
                    Indicator::Length(octets) => octets > MAX_VALUE,
                };
                if is_cut {
                    damage.note(self.written, || {
                        format!("a value longer than {MAX_VALUE} octets is cut")
                    });
                }
                put(&mut self.line, value);
            }
            self.end_of_line()?;
        }
        Ok(())
    }

    fn end_of_line(&mut self) -> std::io::Result<()> {
        if let Some(last) = self.line.last_mut() {
            *last = b'\n';
        }
        self.file.write_all(&self.line)?;
        self.written += u64::try_from(self.line.len()).unwrap_or(u64::MAX);
        self.line.clear();
        Ok(())
    }
}

/// A value and the comma behind it. A row is a line: line ends within a value become blanks.
fn put(line: &mut Vec<u8>, value: &[u8]) {
    let is_plain = !value
        .iter()
        .any(|byte| matches!(byte, b'"' | b',' | b'\r' | b'\n'));
    if is_plain {
        line.extend_from_slice(value);
    } else {
        line.push(b'"');
        for &byte in value {
            match byte {
                b'"' => line.extend_from_slice(b"\"\""),
                b'\r' | b'\n' => line.push(b' '),
                other => line.push(other),
            }
        }
        line.push(b'"');
    }
    line.push(b',');
}

#[cfg(test)]
mod tests {
    use super::put;

    #[test]
    fn values_are_quoted_where_they_must() {
        let mut line = Vec::new();
        for value in ["a", "", "a,b", "say \"x\"", "two\r\nlines"] {
            put(&mut line, value.as_bytes());
        }
        let line = String::from_utf8(line).unwrap();
        assert_eq!(line, "a,,\"a,b\",\"say \"\"x\"\"\",\"two  lines\",");
    }
}
