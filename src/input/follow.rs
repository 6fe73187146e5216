//! Files that grow: what is written to a name, over rotation and truncation.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::ops::ControlFlow;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// Octets read at a time.
const CHUNK: usize = 1 << 16;
/// First octets of a file, by which one that was truncated and written anew is told.
const MARK: usize = 64;

/// What was found at a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Growth<'b> {
    /// More of the file.
    Bytes(&'b [u8]),
    /// What follows is of another file: the name was given to a new one, or its file was truncated.
    Anew,
}

/// Follows a name. The file that has it is told by device and inode, so that one that was moved away is read to its end first.
///
/// Nothing but the place in the file is kept; a name that nobody has yet is waited for.
#[derive(Debug)]
pub struct Follower {
    path: PathBuf,
    file: Option<Followed>,
    /// Whether any file was read under this name.
    is_begun: bool,
}

#[derive(Debug)]
struct Followed {
    file: File,
    id: (u64, u64),
    at: u64,
    mark: Vec<u8>,
}

impl Follower {
    /// Follows `path` from the begin of the file that has this name now, or gets it later.
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            file: None,
            is_begun: false,
        }
    }

    /// The name that is followed.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Passes over `octets` of the file that has the name now: what was written before.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn skip(&mut self, octets: u64) -> io::Result<()> {
        self.find()?;
        if let Some(followed) = &mut self.file {
            followed.at = followed.file.seek(SeekFrom::Start(octets))?;
            followed.remember()?;
        }
        Ok(())
    }

    /// Gives what was written since the last time, until `each` wants no more for now; never waits. Says whether there may be more.
    ///
    /// # Errors
    /// When the system refuses; a name that nobody has is no error.
    pub fn poll(
        &mut self,
        each: &mut dyn FnMut(Growth<'_>) -> ControlFlow<()>,
    ) -> io::Result<ControlFlow<()>> {
        loop {
            if self.file.is_none() {
                self.find()?;
                let Some(followed) = &self.file else {
                    return Ok(ControlFlow::Continue(()));
                };
                let is_next = std::mem::replace(&mut self.is_begun, true) && followed.at == 0;
                if is_next && each(Growth::Anew).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            let Some(followed) = &mut self.file else {
                return Ok(ControlFlow::Continue(()));
            };
            if followed.was_rewritten()? {
                followed.rewind()?;
                if each(Growth::Anew).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            if followed.drain(each)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            // Only a file that was read to its end is left.
            if followed.has(&self.path)? {
                return Ok(ControlFlow::Continue(()));
            }
            if followed.drain(each)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            self.file = None;
        }
    }

    fn find(&mut self) -> io::Result<()> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let about = file.metadata()?;
        self.file = Some(Followed {
            file,
            id: (about.dev(), about.ino()),
            at: 0,
            mark: Vec::new(),
        });
        Ok(())
    }
}

impl Followed {
    fn drain(
        &mut self,
        each: &mut dyn FnMut(Growth<'_>) -> ControlFlow<()>,
    ) -> io::Result<ControlFlow<()>> {
        let mut buffer = vec![0; CHUNK];
        loop {
            let read = match self.file.read(&mut buffer) {
                Ok(0) => {
                    self.remember()?;
                    return Ok(ControlFlow::Continue(()));
                }
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.at += u64::try_from(read).unwrap_or(u64::MAX);
            if each(Growth::Bytes(buffer.get(..read).unwrap_or_default())).is_break() {
                self.remember()?;
                return Ok(ControlFlow::Break(()));
            }
        }
    }

    /// Whether the name is still this file's; one that was moved away may have no successor yet.
    fn has(&self, path: &Path) -> io::Result<bool> {
        match std::fs::metadata(path) {
            Ok(about) => Ok((about.dev(), about.ino()) == self.id),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Keeps the first octets, as soon as there are enough.
    fn remember(&mut self) -> io::Result<()> {
        let known = usize::try_from(self.at).unwrap_or(MARK).min(MARK);
        if self.mark.len() < known {
            self.mark.resize(known, 0);
            self.file.read_exact_at(&mut self.mark, 0)?;
        }
        Ok(())
    }

    /// Whether it is shorter than what was read of it, or begins otherwise.
    fn was_rewritten(&self) -> io::Result<bool> {
        if self.file.metadata()?.len() < self.at {
            return Ok(true);
        }
        let mut now = vec![0; self.mark.len()];
        match self.file.read_exact_at(&mut now, 0) {
            Ok(()) => Ok(now != self.mark),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(true),
            Err(error) => Err(error),
        }
    }

    fn rewind(&mut self) -> io::Result<()> {
        self.at = self.file.seek(SeekFrom::Start(0))?;
        self.mark.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// What came, `|` for a new file.
    fn polled(follower: &mut Follower) -> String {
        let mut came = String::new();
        let polled = follower.poll(&mut |growth| {
            match growth {
                Growth::Bytes(bytes) => came.push_str(std::str::from_utf8(bytes).unwrap()),
                Growth::Anew => came.push('|'),
            }
            ControlFlow::Continue(())
        });
        assert!(polled.unwrap().is_continue());
        came
    }

    fn append(path: &Path, text: &str) {
        let mut file = File::options()
            .append(true)
            .create(true)
            .open(path)
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    #[test]
    fn whoever_has_enough_gets_the_rest_later() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        append(&path, &"x".repeat(CHUNK + 1));
        let mut follower = Follower::new(&path);
        let polled = follower.poll(&mut |_| ControlFlow::Break(()));
        assert!(polled.unwrap().is_break());
        let rest = self::polled(&mut follower);
        assert_eq!(rest.len(), 1);
    }

    #[test]
    fn a_file_is_followed_from_its_first_byte_when_it_appears() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut follower = Follower::new(&path);
        assert_eq!(polled(&mut follower), "");
        append(&path, "a");
        assert_eq!(polled(&mut follower), "a");
        append(&path, "b");
        assert_eq!(
            (polled(&mut follower), polled(&mut follower)),
            ("b".into(), String::new())
        );
    }

    #[test]
    fn a_rotated_file_is_read_to_its_end_before_the_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let (path, old) = (folder.path().join("log"), folder.path().join("log.1"));
        let mut follower = Follower::new(&path);
        append(&path, "a");
        assert_eq!(polled(&mut follower), "a");
        append(&path, "b");
        std::fs::rename(&path, &old).unwrap();
        append(&old, "c");
        assert_eq!(polled(&mut follower), "bc", "there is no new one yet");
        append(&old, "d");
        append(&path, "e");
        assert_eq!(polled(&mut follower), "d|e");
    }

    #[test]
    fn a_truncated_file_begins_anew_even_when_it_has_grown_since() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut follower = Follower::new(&path);
        append(&path, "first lines\n");
        assert_eq!(polled(&mut follower), "first lines\n");
        std::fs::write(&path, "x\n").unwrap();
        assert_eq!(polled(&mut follower), "|x\n");
        std::fs::write(&path, "another, longer than before\n").unwrap();
        assert_eq!(polled(&mut follower), "|another, longer than before\n");
    }

    #[test]
    fn what_was_there_before_can_be_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        append(&path, "old\n");
        let mut follower = Follower::new(&path);
        follower.skip(4).unwrap();
        append(&path, "new\n");
        assert_eq!(polled(&mut follower), "new\n");
        follower.skip(0).unwrap();
        assert_eq!(follower.path(), path);
    }
}
