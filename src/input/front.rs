//! Opening an input that is read once, from front to back: nothing of it is kept on disk.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::model::DamageLog;

use super::open::{LAYERS, spool};
use super::packing::MAGIC_LENGTH;
use super::{Input, InputError, MostUnpacked, Packing, Stop, Window};

/// How often a silent pipe lets the stop flag be looked at.
const WAKE_MILLIS: u16 = 100;

/// Octets still taken off a pipe once it shall end: as much as Linux lets one hold.
const MAX_LATE: usize = 1 << 20;

/// An input that may be longer than any disk.
#[derive(Debug)]
pub enum Front {
    /// A plain file: all of it is there.
    Whole(Input),
    /// A pipe, or what comes out of a decompressor.
    Passing(PassingInput),
}

/// A stream and what is known of it.
#[derive(Debug)]
pub struct PassingInput {
    /// Path as given; `standard input` for `-`.
    pub name: String,
    /// How it is packed, from the outside in.
    pub packings: Vec<Packing>,
    /// Octets stored, where that is known.
    pub size: Option<u64>,
    /// Its bytes.
    pub window: Window<'static>,
    most: MostUnpacked,
    path: PathBuf,
}

/// Octets that were taken off a stored file.
#[derive(Clone, Debug, Default)]
pub struct Taken(Arc<AtomicU64>);

impl Taken {
    /// How many.
    pub fn octets(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Front {
    /// Opens `path`; `-` is standard input. Once `stop` is set, a pipe has ended. What is compressed ends after `most` octets.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn open(path: &Path, stop: &Stop, most: MostUnpacked) -> Result<Self, InputError> {
        let refused = |source| InputError::Refused {
            path: path.to_owned(),
            source,
        };
        if path == Path::new("-") {
            let owned = io::stdin().as_fd().try_clone_to_owned();
            let file = File::from(owned.map_err(refused)?);
            let pipe = Box::new(BufReader::new(Patient::new(file, stop)));
            return Ok(Self::Passing(PassingInput::new(path, None, most, pipe)));
        }
        let file = File::open(path).map_err(refused)?;
        let about = file.metadata().map_err(refused)?;
        if !about.is_file() && !about.is_dir() {
            let pipe = Box::new(BufReader::new(Patient::new(file, stop)));
            return Ok(Self::Passing(PassingInput::new(path, None, most, pipe)));
        }
        let input = Input::from_file(path, most)?;
        if Packing::of(&input.bytes).is_none() {
            return Ok(Self::Whole(input));
        }
        let taken = Taken::default();
        let counted = Counted(file, taken.clone());
        let stored = Some((about.len(), taken));
        let packed = Box::new(BufReader::with_capacity(1 << 16, counted));
        Ok(Self::Passing(PassingInput::new(path, stored, most, packed)))
    }
}

impl PassingInput {
    fn new(
        path: &Path,
        stored: Option<(u64, Taken)>,
        most: MostUnpacked,
        from: Box<dyn BufRead>,
    ) -> Self {
        let name = if path == Path::new("-") {
            "standard input".into()
        } else {
            path.display().to_string()
        };
        let (size, taken) = stored.unzip();
        let mut packings = Vec::new();
        let mut from = from;
        while packings.len() < LAYERS {
            let (packing, again) = look(from);
            from = again;
            let Some(packing) = packing else {
                break;
            };
            packings.push(packing);
            let unpacked = Capped {
                from: packing.reader(from),
                left: most.0,
                most,
            };
            from = Box::new(BufReader::new(unpacked));
        }
        Self {
            name,
            packings,
            size,
            window: Window::passing(Box::new(from), taken),
            most,
            path: path.to_owned(),
        }
    }

    /// Copies what is ahead to a file without a name, for what must be read out of order.
    ///
    /// # Errors
    /// When there is no room for it.
    pub fn spool(mut self) -> Result<Input, InputError> {
        let mut damage = DamageLog::default();
        let bytes = spool(
            &self.path,
            &mut Rest(&mut self.window),
            self.most,
            &mut damage,
        )?;
        damage.absorb(self.window.damage().clone());
        Ok(Input {
            name: self.name,
            bytes,
            packings: self.packings,
            damage,
            modified: None,
        })
    }
}

/// What comes out of a decompressor, up to a bound.
struct Capped {
    from: Box<dyn Read>,
    left: u64,
    most: MostUnpacked,
}

impl Read for Capped {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 && !into.is_empty() {
            // What ends just here is whole.
            return match self.from.read(&mut [0])? {
                0 => Ok(0),
                _ => Err(io::Error::other(self.most.exceeded())),
            };
        }
        let room = usize::try_from(self.left).unwrap_or(usize::MAX);
        let room = into.len().min(room);
        let read = self.from.read(into.get_mut(..room).unwrap_or_default())?;
        self.left -= u64::try_from(read).unwrap_or(0);
        Ok(read)
    }
}

/// What a stream is packed in, by its first bytes; and the stream, with these still ahead.
fn look(mut from: Box<dyn BufRead>) -> (Option<Packing>, Box<dyn BufRead>) {
    let mut head = [0; MAGIC_LENGTH];
    let mut filled = 0;
    while let Some(room) = head.get_mut(filled..).filter(|room| !room.is_empty()) {
        match from.read(room) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Whoever reads on meets it again.
            Err(_) => break,
        }
    }
    let head = head.get(..filled).unwrap_or_default().to_vec();
    let packing = Packing::of(&head);
    (packing, Box::new(io::Cursor::new(head).chain(from)))
}

/// What is left of a window, as a stream.
struct Rest<'w, 'm>(&'w mut Window<'m>);

impl Read for Rest<'_, '_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let ahead = self.0.ahead(1);
        let length = ahead.len().min(into.len());
        if let (Some(into), Some(ahead)) = (into.get_mut(..length), ahead.get(..length)) {
            into.copy_from_slice(ahead);
        }
        self.0.skip(length);
        Ok(length)
    }
}

/// Counts what is read.
struct Counted(File, Taken);

impl Read for Counted {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(into)?;
        let octets = u64::try_from(read).unwrap_or(0);
        self.1.0.fetch_add(octets, Ordering::Relaxed);
        Ok(read)
    }
}

/// A pipe that ends when it is asked to, though its writer may be silent for days.
struct Patient {
    pipe: File,
    stop: Stop,
    /// Octets taken since it was asked to end.
    late: usize,
}

impl Patient {
    fn new(pipe: File, stop: &Stop) -> Self {
        Self {
            pipe,
            stop: stop.clone(),
            late: 0,
        }
    }
}

impl Read for Patient {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            // What the writer has put into the pipe is still taken.
            let mut waiting = [PollFd::new(self.pipe.as_fd(), PollFlags::POLLIN)];
            let timeout = if self.stop.is_set() {
                PollTimeout::ZERO
            } else {
                PollTimeout::from(WAKE_MILLIS)
            };
            match poll(&mut waiting, timeout) {
                Ok(ready) if self.stop.is_set() && (ready == 0 || self.late > MAX_LATE) => {
                    return Ok(0);
                }
                Ok(0) | Err(nix::errno::Errno::EINTR) => {}
                Ok(_) => {
                    let read = self.pipe.read(into)?;
                    if self.stop.is_set() {
                        self.late += read;
                    }
                    return Ok(read);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_pipe_is_unpacked_on_the_way_and_ends_when_asked_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(b"packets").unwrap();
        let packed = gzip.finish().unwrap();
        let stop = Stop::default();
        let writing = {
            let (path, stop) = (path.clone(), stop.clone());
            std::thread::spawn(move || {
                let mut pipe = File::options().write(true).open(path).unwrap();
                pipe.write_all(&packed).unwrap();
                // The writer stays: only the flag can end it.
                std::thread::sleep(std::time::Duration::from_millis(50));
                stop.set();
                pipe
            })
        };
        let Front::Passing(mut input) = Front::open(&path, &stop, MostUnpacked::default()).unwrap()
        else {
            panic!("a pipe is no file");
        };
        assert_eq!(input.packings, [Packing::Gzip]);
        assert_eq!(input.window.ahead(7), b"packets");
        assert_eq!(input.window.ahead(8), b"packets", "the end");
        drop(writing.join().unwrap());
    }

    #[test]
    fn a_compressed_file_passes_and_can_be_spooled() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let inner = zstd::encode_all(&b"packets"[..], 1).unwrap();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&inner).unwrap();
        let packed = gzip.finish().unwrap();
        file.write_all(&packed).unwrap();
        let within = |most| match Front::open(file.path(), &Stop::default(), most).unwrap() {
            Front::Passing(input) => input,
            Front::Whole(_) => panic!("it is packed"),
        };
        let open = || within(MostUnpacked::default());
        let mut input = open();
        assert_eq!(input.size, Some(packed.len() as u64));
        assert_eq!(input.window.ahead(9), b"packets");
        assert_eq!(input.window.consumed(), packed.len() as u64);
        assert_eq!(&*open().spool().unwrap().bytes, b"packets");
        // The bound holds for each layer.
        let most = inner.len() as u64;
        let mut input = within(MostUnpacked(most));
        assert_eq!(input.window.ahead(9), b"packets");
        assert!(input.window.damage().is_empty());
        let mut input = within(MostUnpacked(most - 1));
        input.window.ahead(9);
        let damage = input.window.damage().to_string();
        assert!(
            damage.contains(&format!("more than {} bytes", most - 1)),
            "{damage}"
        );
    }
}
