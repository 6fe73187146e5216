//! Files as slices of memory: the one module that needs `unsafe`.

#![expect(
    unsafe_code,
    reason = "mapping a file is only as safe as the file is left alone; see `Mapped`"
)]

use std::fs::File;
use std::ops::{Deref, Range};
use std::path::PathBuf;

use memmap2::{Mmap, UncheckedAdvice};

use super::TableAddress;

/// A regular file, mapped for reading.
///
/// Another program that shortens the file while it is mapped makes reads beyond its new end raise SIGBUS, as
/// with every program that maps files; captures and rotated logs are appended to or replaced, not shortened.
#[derive(Debug)]
pub struct Mapped(Option<Mmap>);

/// Why an input could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// A pattern without a match.
    #[error("no file matches '{pattern}'")]
    NoMatch {
        /// The pattern as given.
        pattern: PathBuf,
    },
    /// The copy of a pipe or compressed file could not be kept.
    #[error(
        "no room to unpack '{path}' in '{folder}' ({source})\nset TMPDIR to a folder with more room"
    )]
    NoRoom {
        /// The path as given.
        path: PathBuf,
        /// Where the copy was to be.
        folder: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A folder where a file is wanted.
    #[error("cannot read '{path}': it is a folder")]
    NotAFile {
        /// The path as given.
        path: PathBuf,
    },
    /// Tables take unixODBC.
    #[cfg(not(feature = "odbc"))]
    #[error(
        "cannot read '{address}': this build reads no databases\nbuild it with unixODBC (Debian: unixodbc-dev): cargo build --release --features odbc; or export the table as CSV"
    )]
    NoTables {
        /// As given, without its secrets.
        address: TableAddress,
    },
    /// The system refused.
    #[error("cannot read '{path}': {source}")]
    Refused {
        /// The path as given.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The database, or the way to it, does not give the table.
    #[cfg(feature = "odbc")]
    #[error("cannot read '{address}': {fault}")]
    Table {
        /// As given, without its secrets.
        address: TableAddress,
        /// What was said.
        fault: super::TableFault,
    },
    /// A table cannot be followed as a file can.
    #[error(
        "cannot follow '{address}': only files grow\nleave out --follow: the table is read as it is then"
    )]
    TableFollowed {
        /// As given, without its secrets.
        address: TableAddress,
    },
    /// No log has so many columns.
    #[cfg(feature = "odbc")]
    #[error(
        "cannot read '{address}': it has {columns} columns, more than {most}\nmake a view of those that logging writes, and name that"
    )]
    TooManyColumns {
        /// As given, without its secrets.
        address: TableAddress,
        /// How many there are.
        columns: usize,
        /// How many there may be.
        most: u16,
    },
}

impl Mapped {
    /// Maps `file`, which must be a regular one.
    pub(super) fn of(file: &File) -> std::io::Result<Self> {
        if file.metadata()?.len() == 0 {
            return Ok(Self(None));
        }
        // SAFETY: the map is read-only and private to this value; the risk of a file shortened
        // under it is documented on the type.
        let map = unsafe { Mmap::map(file) }?;
        Ok(Self(Some(map)))
    }

    /// The octets of `range` will hardly be read again: the system may have their memory back, and reads the file anew where they are.
    pub fn done_with(&self, range: Range<usize>) {
        let Some(map) = self.0.as_ref() else {
            return;
        };
        let end = range.end.min(map.len());
        let Some(octets) = end.checked_sub(range.start).filter(|octets| *octets > 0) else {
            return;
        };
        // SAFETY: the map is of a file and read-only: pages given back come again from the file with the same bytes. The risk of a file
        // changed meanwhile is that of the map.
        let given_back =
            unsafe { map.unchecked_advise_range(UncheckedAdvice::DontNeed, range.start, octets) };
        // What the system will not take back stays.
        drop(given_back);
    }
}

impl Deref for Mapped {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_file_is_its_bytes_and_an_empty_one_is_none() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(&*Mapped::of(file.as_file()).unwrap(), b"");
        file.write_all(b"packets").unwrap();
        let map = Mapped::of(file.as_file()).unwrap();
        assert_eq!(&*map, b"packets");
        map.done_with(0..5);
        map.done_with(5..900);
        assert_eq!(&*map, b"packets", "read anew");
    }
}
