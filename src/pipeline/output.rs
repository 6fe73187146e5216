//! The packets that were used, written to a file of their own.

use std::fs::File;
use std::io::{self, BufWriter};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::capture::{CaptureClock, Merged, Origin, PcapNgWriter, Record};
use crate::model::Span;

use super::PipelineError;

/// Writes as packets come. A failure ends it and is told once; reading goes on.
pub(super) struct Output {
    path: PathBuf,
    writer: PcapNgWriter<BufWriter<File>>,
    /// Zone to be taken off the times of captures that keep wall-clock time.
    zone: Span,
    /// Secrets of each capture that are written.
    secrets: Vec<usize>,
    failure: Option<io::Error>,
}

impl Output {
    /// Begins the file at `path`, unless it is one of `inputs`.
    ///
    /// # Errors
    /// When it is one, or cannot be written.
    pub(super) fn create(
        path: &Path,
        inputs: &[PathBuf],
        zone: Option<Span>,
    ) -> Result<Self, PipelineError> {
        let failed = |source| PipelineError::Write {
            path: path.to_owned(),
            source,
        };
        if inputs.iter().any(|input| same_file(path, input)) {
            return Err(PipelineError::Overwrite {
                path: path.to_owned(),
            });
        }
        let file = File::create(path).map_err(failed)?;
        let writer = PcapNgWriter::new(BufWriter::with_capacity(1 << 18, file)).map_err(failed)?;
        Ok(Self {
            path: path.to_owned(),
            writer,
            zone: zone.unwrap_or_default(),
            secrets: Vec::new(),
            failure: None,
        })
    }

    /// Writes the packet that `merged` gave last.
    pub(super) fn packet(&mut self, from: usize, record: &Record, merged: &Merged<'_>) {
        if self.failure.is_none() {
            self.failure = self.written(from, record, merged).err();
        }
    }

    fn written(&mut self, from: usize, record: &Record, merged: &Merged<'_>) -> io::Result<()> {
        let Some(reader) = merged.readers().nth(from) else {
            return Ok(());
        };
        if self.secrets.len() <= from {
            self.secrets.resize(from + 1, 0);
        }
        if let Some(written) = self.secrets.get_mut(from) {
            let secrets = reader.secrets();
            for secrets in secrets.get(*written..).unwrap_or_default() {
                self.writer.secrets(secrets)?;
            }
            *written = secrets.len();
        }
        let about = || {
            let report = reader.report();
            let east = match report.clock {
                CaptureClock::Local => self.zone,
                CaptureClock::Utc => Span::ZERO,
            };
            (report.interfaces.get(&record.interface).cloned(), east)
        };
        let origin = Origin {
            capture: from,
            about: &about,
        };
        self.writer
            .packet(origin, record, merged.bytes(), &reader.comments())
    }

    /// Ends the file; what went wrong with it.
    pub(super) fn finish(mut self) -> Option<PipelineError> {
        let failure = self.failure.or_else(|| self.writer.flush().err())?;
        Some(PipelineError::Write {
            path: self.path,
            source: failure,
        })
    }
}

/// Whether two paths lead to one file.
fn same_file(one: &Path, other: &Path) -> bool {
    let key = |path: &Path| {
        let about = std::fs::metadata(path).ok()?;
        about.is_file().then(|| (about.dev(), about.ino()))
    };
    key(one).is_some_and(|one| key(other) == Some(one))
}
