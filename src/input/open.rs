//! Opening an input: mapped where it is a plain file, spooled where it is a pipe or compressed.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use crate::model::{DamageLog, Nanos};

use super::packing::Packing;
use super::{InputError, Mapped};

/// Most octets that a pipe or a compressed file may give: what comes after is left, and said so.
pub const MAX_SPOOLED: u64 = 64 << 30;

/// Most octets that come out of a compressed input, or are copied out of a pipe.
///
/// What is read from its front takes no room, but a few kilobytes may unpack to more than anybody can wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MostUnpacked(pub u64);

impl Default for MostUnpacked {
    fn default() -> Self {
        Self(MAX_SPOOLED)
    }
}

impl MostUnpacked {
    /// What is said of an input that gives more.
    pub(super) fn exceeded(self) -> String {
        format!(
            "more than {} bytes come out of it; the rest is not read, see --max-unpacked",
            self.0
        )
    }
}
/// A compressed file inside a compressed file is opened; one inside that is not.
pub(super) const LAYERS: usize = 2;

/// An opened input: all of its bytes, decompressed.
#[derive(Debug)]
pub struct Input {
    /// Path as given; `standard input` for `-`.
    pub name: String,
    /// Its bytes.
    pub bytes: Mapped,
    /// How they were packed, from the outside in.
    pub packings: Vec<Packing>,
    /// What could not be unpacked.
    pub damage: DamageLog,
    /// The file's last change, where the system tells.
    pub modified: Option<Nanos>,
}

impl Input {
    /// Opens `path`; `-` is standard input.
    ///
    /// # Errors
    /// When the system refuses. Damaged compressed data is no error: see `damage`.
    pub fn open(path: &Path) -> Result<Self, InputError> {
        Self::open_within(path, MostUnpacked::default())
    }

    /// The same, but with another bound.
    ///
    /// # Errors
    /// As [`Input::open`].
    pub fn open_within(path: &Path, most: MostUnpacked) -> Result<Self, InputError> {
        let mut input = if path == Path::new("-") {
            let mut damage = DamageLog::default();
            Self {
                name: "standard input".into(),
                bytes: spool(path, &mut io::stdin().lock(), most, &mut damage)?,
                packings: Vec::new(),
                damage,
                modified: None,
            }
        } else {
            Self::from_file(path, most)?
        };
        while input.packings.len() < LAYERS
            && let Some(packing) = Packing::of(&input.bytes)
        {
            let mut unpacked = packing.reader(&*input.bytes);
            let bytes = spool(path, &mut unpacked, most, &mut input.damage)?;
            drop(unpacked);
            input.bytes = bytes;
            input.packings.push(packing);
        }
        Ok(input)
    }

    pub(super) fn from_file(path: &Path, most: MostUnpacked) -> Result<Self, InputError> {
        let refused = |source| InputError::Refused {
            path: path.to_owned(),
            source,
        };
        let mut damage = DamageLog::default();
        let mut file = File::open(path).map_err(refused)?;
        let about = file.metadata().map_err(refused)?;
        if about.is_dir() {
            return Err(InputError::NotAFile {
                path: path.to_owned(),
            });
        }
        let bytes = if about.is_file() {
            Mapped::of(&file).map_err(refused)?
        } else {
            spool(path, &mut file, most, &mut damage)?
        };
        let modified = about.modified().ok().map(DateTime::<Utc>::from);
        Ok(Self {
            name: path.display().to_string(),
            bytes,
            packings: Vec::new(),
            damage,
            modified: modified.and_then(|at| at.timestamp_nanos_opt()).map(Nanos),
        })
    }
}

/// Copies `from` to a file without a name and maps that; what fails in mid-stream is damage.
pub(super) fn spool(
    path: &Path,
    from: &mut dyn Read,
    most: MostUnpacked,
    damage: &mut DamageLog,
) -> Result<Mapped, InputError> {
    let no_room = |source| InputError::NoRoom {
        path: path.to_owned(),
        folder: std::env::temp_dir(),
        source,
    };
    let mut file = tempfile::tempfile().map_err(no_room)?;
    let mut buffer = vec![0; 1 << 16];
    let mut total: u64 = 0;
    loop {
        let read = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                damage.note(total, || format!("the stream breaks off here: {error}"));
                break;
            }
        };
        let left = usize::try_from(most.0 - total).unwrap_or(usize::MAX);
        let kept = read.min(left);
        file.write_all(buffer.get(..kept).unwrap_or_default())
            .map_err(no_room)?;
        total += u64::try_from(kept).unwrap_or(u64::MAX);
        if kept < read {
            damage.note(total, || most.exceeded());
            break;
        }
    }
    Mapped::of(&file).map_err(no_room)
}

/// Why an input could not be opened, beside those of the map.
pub(super) fn not_found(pattern: &Path) -> InputError {
    InputError::NoMatch {
        pattern: PathBuf::from(pattern),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(bytes: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(bytes).unwrap();
        packer.finish().unwrap()
    }

    #[test]
    fn compressed_files_are_opened_by_content_and_in_layers() {
        let zstd = zstd::encode_all(&b"packets"[..], 1).unwrap();
        for (packed, layers) in [
            (b"packets".to_vec(), 0),
            (gzip(b"packets"), 1),
            ([gzip(b"pack"), gzip(b"ets")].concat(), 1),
            (zstd.clone(), 1),
            (gzip(&zstd), 2),
        ] {
            let input = Input::open(written(&packed).path()).unwrap();
            assert_eq!(&*input.bytes, b"packets");
            assert_eq!(input.packings.len(), layers);
            assert!(input.damage.is_empty());
        }
    }

    #[test]
    fn a_third_layer_stays_closed() {
        let inner = gzip(b"packets");
        let input = Input::open(written(&gzip(&gzip(&inner))).path()).unwrap();
        assert_eq!((&*input.bytes, input.packings.len()), (&inner[..], 2));
    }

    #[test]
    fn what_unpacks_to_more_than_the_bound_is_cut_there_and_says_so() {
        let bomb = gzip(&gzip(&vec![0; 1 << 20]));
        assert!(bomb.len() < 1 << 12);
        for (most, damaged) in [(1 << 20, 0), ((1 << 20) - 1, 1), (70_000, 1), (0, 1)] {
            let path = written(&bomb);
            let input = Input::open_within(path.path(), MostUnpacked(most)).unwrap();
            assert_eq!(input.damage.count(), damaged, "{most}");
            // A bound below the inner layer leaves that cut.
            assert!(input.bytes.len() as u64 <= most);
            assert!(damaged == 0 || input.damage.to_string().contains("--max-unpacked"));
        }
    }

    #[test]
    fn xz_and_lz4_are_opened_too() {
        let mut xz = Vec::new();
        liblzma::read::XzEncoder::new(&b"packets"[..], 1)
            .read_to_end(&mut xz)
            .unwrap();
        let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
        lz4.write_all(b"packets").unwrap();
        for packed in [xz, lz4.finish().unwrap()] {
            assert_eq!(
                &*Input::open(written(&packed).path()).unwrap().bytes,
                b"packets"
            );
        }
    }

    #[test]
    fn a_cut_stream_gives_what_it_holds_and_says_so() {
        let noise: Vec<u8> = (0..100_000u32)
            .map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0])
            .collect();
        let packed = gzip(&noise);
        let input = Input::open(written(&packed[..packed.len() / 2]).path()).unwrap();
        assert!(!input.bytes.is_empty() && noise.starts_with(&input.bytes));
        assert_eq!(input.damage.count(), 1);
    }
}
