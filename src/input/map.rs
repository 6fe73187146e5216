//! Files as slices of memory: the one module that needs `unsafe`.

#![expect(
    unsafe_code,
    reason = "mapping a file is only as safe as the file is left alone; see `Mapped`"
)]

use std::fs::File;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use memmap2::Mmap;

/// A regular file, mapped for reading.
///
/// Another program that shortens the file while it is mapped makes reads beyond its new end raise SIGBUS, as
/// with every program that maps files; captures and rotated logs are appended to or replaced, not shortened.
#[derive(Debug)]
pub struct Mapped(Option<Mmap>);

/// Why an input could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// A folder, pipe or device where a file is wanted.
    #[error("cannot map '{path}': not a regular file")]
    NotAFile {
        /// The path as given.
        path: PathBuf,
    },
    /// The system refused.
    #[error("cannot read '{path}'")]
    Refused {
        /// The path as given.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

impl Mapped {
    /// Maps the file at `path`.
    ///
    /// # Errors
    /// When it cannot be opened, or is no regular file.
    pub fn open(path: &Path) -> Result<Self, InputError> {
        let refused = |source| InputError::Refused {
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(refused)?;
        let about = file.metadata().map_err(refused)?;
        if !about.is_file() {
            return Err(InputError::NotAFile {
                path: path.to_owned(),
            });
        }
        if about.len() == 0 {
            return Ok(Self(None));
        }
        // SAFETY: the map is read-only and private to this value; the risk of a file shortened
        // under it is documented on the type.
        let map = unsafe { Mmap::map(&file) }.map_err(refused)?;
        Ok(Self(Some(map)))
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
        assert_eq!(&*Mapped::open(file.path()).unwrap(), b"");
        file.write_all(b"packets").unwrap();
        assert_eq!(&*Mapped::open(file.path()).unwrap(), b"packets");
    }

    #[test]
    fn a_folder_and_a_missing_file_are_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let folder_error = Mapped::open(folder.path()).unwrap_err();
        assert!(
            matches!(folder_error, InputError::NotAFile { .. }),
            "{folder_error}"
        );
        let missing = folder.path().join("none.pcap");
        let error = Mapped::open(&missing).unwrap_err();
        assert!(error.to_string().contains("none.pcap"), "{error}");
    }
}
