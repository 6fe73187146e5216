//! Bodies written to files, one each, in a folder of their own.
//!
//! A session has its number only at the end of the run. Until then its files are named by a running number; then each
//! becomes `s12-3.eml`. Nothing that stands in a body or a capture is ever part of a name.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::flow::FlowId;
use crate::model::{BodyKind, BodyNo, StoredBody, WireSession};
use crate::protocol::{BodyPiece, Completeness};

use super::PipelineError;

/// Most files that are open at once.
const MAX_OPEN: usize = 200;
/// Most files of a run.
const MAX_FILES: u64 = 100_000;

/// Where bodies go, and how much of them.
#[derive(Clone, Debug)]
pub struct BodyRules {
    /// The folder; made when absent.
    pub folder: PathBuf,
    /// Most octets of a file.
    pub each: u64,
    /// Most octets of all files.
    pub all: u64,
}

impl BodyRules {
    /// Octets of a file unless said otherwise: 64 MiB.
    pub const EACH: u64 = 64 << 20;
    /// Octets of all files unless said otherwise: 1 GiB.
    pub const ALL: u64 = 1 << 30;
}

/// Writes bodies as they come. A failure ends it and is told once; reading goes on.
pub(super) struct BodyFiles {
    rules: BodyRules,
    /// Under way, with a file or without.
    open: HashMap<(FlowId, BodyNo), Body>,
    /// Of connections that are not over.
    stored: HashMap<FlowId, Vec<StoredBody>>,
    /// How many of them have an open file.
    writing: usize,
    /// Files begun, and octets in them.
    files: u64,
    octets: u64,
    bounds: Bounds,
    failure: Option<PipelineError>,
}

/// How many bodies each bound struck.
#[derive(Debug, Default)]
struct Bounds {
    each: u64,
    all: u64,
    open: u64,
    files: u64,
}

/// A body under way.
struct Body {
    /// `None` where a bound left no file for it.
    writing: Option<Writing>,
    missing: u64,
    cut: u64,
    bound: Option<Bound>,
}

struct Writing {
    file: File,
    name: String,
    kind: BodyKind,
    octets: u64,
    hash: Sha256,
}

/// What a body met first.
#[derive(Clone, Copy)]
enum Bound {
    Each,
    All,
    Open,
    Files,
}

impl BodyFiles {
    /// Makes the folder ready.
    ///
    /// # Errors
    /// When it is no folder, holds anything, or cannot be made or read.
    pub(super) fn create(rules: &BodyRules) -> Result<Self, PipelineError> {
        let folder = rules.folder.as_path();
        let failed = |source| PipelineError::Bodies {
            path: folder.to_owned(),
            source,
        };
        match DirBuilder::new().mode(0o700).create(folder) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let about = folder.symlink_metadata().map_err(failed)?;
                if !about.is_dir() {
                    return Err(failed(io::ErrorKind::NotADirectory.into()));
                }
                if folder.read_dir().map_err(failed)?.next().is_some() {
                    return Err(PipelineError::BodiesThere {
                        path: folder.to_owned(),
                    });
                }
            }
            Err(error) => return Err(failed(error)),
        }
        Ok(Self {
            rules: rules.clone(),
            open: HashMap::new(),
            stored: HashMap::new(),
            writing: 0,
            files: 0,
            octets: 0,
            bounds: Bounds::default(),
            failure: None,
        })
    }

    /// Takes what came of a body of `flow`.
    pub(super) fn take(&mut self, flow: FlowId, piece: BodyPiece) {
        match piece {
            BodyPiece::Bytes(number, kind, bytes) => self.bytes((flow, number), kind, &bytes),
            BodyPiece::Hole(number, missing) => {
                let body = self.open.entry((flow, number)).or_insert_with(Body::new);
                body.missing += missing;
            }
            BodyPiece::End(number, how) => self.end(flow, number, how),
        }
    }

    /// What was stored of `flow`, which is over, by number.
    pub(super) fn closed(&mut self, flow: FlowId) -> Vec<StoredBody> {
        let mut stored = self.stored.remove(&flow).unwrap_or_default();
        stored.sort_unstable_by_key(|body| body.number);
        stored
    }

    /// Names the files after their sessions, which are in their final order. Gives the bounds that were hit, and what
    /// went wrong.
    pub(super) fn finish(
        mut self,
        sessions: &mut [WireSession],
    ) -> (Vec<String>, Option<PipelineError>) {
        for (session, number) in sessions.iter_mut().zip(1..) {
            self.name(session, number);
        }
        (self.bounds.told(&self.rules), self.failure)
    }

    /// Names the files of a session after its number.
    pub(super) fn name(&mut self, session: &mut WireSession, number: usize) {
        for body in &mut session.bodies {
            let name = format!("s{number}-{}.{}", body.number.0, body.kind.extension());
            let path = self.rules.folder.join(&name);
            match renamed(&self.rules.folder.join(&body.file), &path) {
                Ok(()) => body.file = name,
                Err(source) => self.fail(&path, source),
            }
        }
    }

    fn bytes(&mut self, key: (FlowId, BodyNo), kind: BodyKind, bytes: &[u8]) {
        if self.failure.is_some() {
            return;
        }
        let len = bytes.len() as u64;
        let body = self.open.entry(key).or_insert_with(Body::new);
        let is_new = body.writing.is_none() && body.bound.is_none();
        let begun = if is_new { self.begin(kind) } else { Ok(None) };
        let Some(body) = self.open.get_mut(&key) else {
            return;
        };
        match begun {
            Ok(Some(writing)) => body.writing = Some(writing),
            Ok(None) => {}
            Err(bound) => body.bound = Some(bound),
        }
        let open = body.writing.as_mut().filter(|_| body.bound.is_none());
        let Some(writing) = open else {
            body.cut += len;
            return;
        };
        let (each, all) = (
            self.rules.each.saturating_sub(writing.octets),
            self.rules.all.saturating_sub(self.octets),
        );
        let room = usize::try_from(each.min(all)).unwrap_or(usize::MAX);
        let kept = bytes.get(..room).unwrap_or(bytes);
        if kept.len() < bytes.len() {
            body.cut += len - kept.len() as u64;
            body.bound = Some(if all < each { Bound::All } else { Bound::Each });
        }
        writing.octets += kept.len() as u64;
        self.octets += kept.len() as u64;
        writing.hash.update(kept);
        if let Err(source) = writing.file.write_all(kept) {
            let path = self.rules.folder.join(&writing.name);
            self.fail(&path, source);
        }
    }

    /// A file for a body; `None` after a failure.
    fn begin(&mut self, kind: BodyKind) -> Result<Option<Writing>, Bound> {
        if self.octets >= self.rules.all {
            return Err(Bound::All);
        }
        if self.files >= MAX_FILES {
            return Err(Bound::Files);
        }
        if self.writing >= MAX_OPEN {
            return Err(Bound::Open);
        }
        self.files += 1;
        let name = format!("part-{}", self.files);
        let path = self.rules.folder.join(&name);
        match create_new(&path) {
            Ok(file) => {
                self.writing += 1;
                Ok(Some(Writing {
                    file,
                    name,
                    kind,
                    octets: 0,
                    hash: Sha256::new(),
                }))
            }
            Err(source) => {
                self.fail(&path, source);
                Ok(None)
            }
        }
    }

    fn end(&mut self, flow: FlowId, number: BodyNo, how: Completeness) {
        let Some(body) = self.open.remove(&(flow, number)) else {
            return;
        };
        self.writing -= usize::from(body.writing.is_some());
        if let Some(bound) = body.bound {
            self.bounds.count(bound);
        }
        // Once writing failed, what a file holds is not known.
        let Some(writing) = body.writing.filter(|_| self.failure.is_none()) else {
            return;
        };
        let complete = how == Completeness::Ended && body.missing == 0 && body.cut == 0;
        let digest = writing.hash.finalize();
        self.stored.entry(flow).or_default().push(StoredBody {
            number,
            kind: writing.kind,
            file: writing.name,
            octets: writing.octets,
            sha256: hex(&digest),
            missing: body.missing,
            cut: body.cut,
            complete,
        });
    }

    fn fail(&mut self, path: &Path, source: io::Error) {
        self.failure.get_or_insert_with(|| PipelineError::Bodies {
            path: path.to_owned(),
            source,
        });
    }
}

impl Body {
    fn new() -> Self {
        Self {
            writing: None,
            missing: 0,
            cut: 0,
            bound: None,
        }
    }
}

impl Bounds {
    fn count(&mut self, bound: Bound) {
        *match bound {
            Bound::Each => &mut self.each,
            Bound::All => &mut self.all,
            Bound::Open => &mut self.open,
            Bound::Files => &mut self.files,
        } += 1;
    }

    fn told(&self, rules: &BodyRules) -> Vec<String> {
        let told = [
            (self.each, format!("are over {} octets", rules.each)),
            (
                self.all,
                format!("came when {} octets had been written", rules.all),
            ),
            (
                self.open,
                format!("began while {MAX_OPEN} others were being written"),
            ),
            (
                self.files,
                format!("came when {MAX_FILES} files had been written"),
            ),
        ];
        let hit = told.iter().filter(|(count, _)| *count > 0);
        hit.map(|(count, why)| format!("{count} bodies not written, or not whole, as they {why}"))
            .collect()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        write!(text, "{byte:02x}").unwrap_or_default();
        text
    })
}

/// A file that was not there; nobody else may read it, as it holds what others wrote to each other.
fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

/// Gives a file its name, which nothing else may have: it is taken first, and never through a symbolic link.
fn renamed(from: &Path, to: &Path) -> io::Result<()> {
    create_new(to)?;
    std::fs::rename(from, to)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(folder: &Path, each: u64, all: u64) -> BodyRules {
        let folder = folder.to_owned();
        BodyRules { folder, each, all }
    }

    fn bytes(number: u32, bytes: &[u8]) -> BodyPiece {
        BodyPiece::Bytes(BodyNo(number), BodyKind::Mail, bytes.to_vec())
    }

    fn end(number: u32) -> BodyPiece {
        BodyPiece::End(BodyNo(number), Completeness::Ended)
    }

    #[test]
    fn bounds_cut_files_and_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = BodyFiles::create(&rules(folder.path(), 4, 6)).unwrap();
        let flow = FlowId::default();
        for piece in [
            bytes(1, b"abc"),
            bytes(1, b"def"),
            end(1),
            bytes(2, b"ghi"),
            end(2),
            bytes(3, b"jkl"),
            end(3),
            BodyPiece::Hole(BodyNo(4), 7),
            end(4),
        ] {
            files.take(flow, piece);
        }
        let stored = files.closed(flow);
        let told: Vec<_> = stored
            .iter()
            .map(|b| (b.octets, b.cut, b.complete))
            .collect();
        assert_eq!(told, [(4, 2, false), (2, 1, false)]);
        assert_eq!(
            std::fs::read(folder.path().join("part-1")).unwrap(),
            b"abcd"
        );
        let (bounds, failure) = files.finish(&mut []);
        assert!(failure.is_none());
        assert_eq!(
            bounds,
            [
                "1 bodies not written, or not whole, as they are over 4 octets",
                "2 bodies not written, or not whole, as they came when 6 octets had been written"
            ]
        );
    }

    #[test]
    fn what_is_there_is_never_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let there = folder.path().join("s1-1.eml");
        std::fs::write(&there, "mine").unwrap();
        let refused = BodyFiles::create(&rules(folder.path(), 9, 9))
            .err()
            .unwrap();
        assert!(refused.to_string().contains("is not empty"), "{refused}");
        let part = folder.path().join("part-1");
        std::fs::write(&part, "new").unwrap();
        assert!(renamed(&part, &there).is_err());
        assert_eq!(std::fs::read(&there).unwrap(), b"mine");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(folder.path().join("elsewhere"), &link).unwrap();
        assert!(renamed(&part, &link).is_err());
        assert!(BodyFiles::create(&rules(&link, 9, 9)).is_err());
        assert!(BodyFiles::create(&rules(&there, 9, 9)).is_err());
    }
}
