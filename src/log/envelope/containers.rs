//! Logs of containers: Docker's json-file and the form of Kubernetes (CRI). Long lines come in parts, apart by stream.

use std::borrow::Cow;

use serde::Deserialize;

use super::super::{MAX_LINE, stamp};
use super::{Around, Content, Entry, Envelope};

/// Row of the list: `{"log":"…\n","stream":"stdout","time":"…"}`.
pub(super) const DOCKER: Entry = Entry {
    about: Around {
        name: "docker-json",
        about: "Docker's json-file",
    },
    fits: |line| docker(line).is_some(),
    open: || {
        Box::new(Container {
            read: docker,
            parts: [Vec::new(), Vec::new()],
        })
    },
};

/// Row of the list: `2026-11-24T03:43:40.629303112Z stdout F …`.
pub(super) const CRI: Entry = Entry {
    about: Around {
        name: "cri",
        about: "logs of containers in Kubernetes (CRI)",
    },
    fits: |line| cri(line).is_some(),
    open: || {
        Box::new(Container {
            read: cri,
            parts: [Vec::new(), Vec::new()],
        })
    },
};

/// A piece of what a container wrote.
struct Piece<'a> {
    is_error: bool,
    is_last: bool,
    text: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Docker<'a> {
    #[serde(borrow)]
    log: Cow<'a, str>,
    #[serde(borrow)]
    stream: Cow<'a, str>,
    #[serde(borrow, rename = "time")]
    _time: Cow<'a, str>,
}

fn docker(line: &[u8]) -> Option<Piece<'_>> {
    if !line.starts_with(b"{\"log\":") {
        return None;
    }
    let docker: Docker<'_> = serde_json::from_slice(line).ok()?;
    Some(Piece {
        is_error: docker.stream == "stderr",
        is_last: docker.log.ends_with('\n'),
        text: match docker.log {
            Cow::Borrowed(text) => Cow::Borrowed(text.trim_end_matches(['\n', '\r'])),
            Cow::Owned(text) => Cow::Owned(text.trim_end_matches(['\n', '\r']).to_owned()),
        },
    })
}

fn cri(line: &[u8]) -> Option<Piece<'_>> {
    let head = str::from_utf8(
        line.get(..line.len().min(64))?
            .utf8_chunks()
            .next()?
            .valid()
            .as_bytes(),
    )
    .ok()?;
    let stamped = stamp::iso(head)?;
    stamped.zone?;
    let rest = stamped.rest.strip_prefix(' ')?;
    let (stream, rest) = rest.split_once(' ')?;
    let is_error = match stream {
        "stdout" => false,
        "stderr" => true,
        _ => return None,
    };
    let (tag, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let is_last = match tag.split(':').next()? {
        "F" => true,
        "P" => false,
        _ => return None,
    };
    let text = line.get(head.len() - rest.len()..)?;
    Some(Piece {
        is_error,
        is_last,
        text: String::from_utf8_lossy(text),
    })
}

/// The log of one container.
struct Container {
    read: for<'a> fn(&'a [u8]) -> Option<Piece<'a>>,
    /// Lines begun, of standard output and of standard error.
    parts: [Vec<u8>; 2],
}

impl Envelope for Container {
    fn open(&mut self, line: &[u8], out: &mut Vec<u8>) -> Content {
        let Some(piece) = (self.read)(line) else {
            return Content::Unopened;
        };
        let [output, error] = &mut self.parts;
        let part = if piece.is_error { error } else { output };
        // What is longer than a line may be is passed over by the reader.
        if part.len() <= MAX_LINE {
            part.extend_from_slice(piece.text.as_bytes());
        }
        if !piece.is_last {
            return Content::Part;
        }
        out.append(part);
        Content::Line
    }
}
