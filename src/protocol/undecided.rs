//! What came of a stream before it was known what is spoken.

use super::proxy::{self, Header};
use super::record::remark;
use super::{Dialogue, Opening};
use crate::flow::StreamEvent;
use crate::model::{Nanos, PacketNo, Side};

/// Most octets of a side that are looked at to tell the protocol.
pub(super) const MAX_OPENING: usize = 16 << 10;
/// Most events that are kept while the protocol is not known.
const MAX_EVENTS: usize = 1024;

/// What came before it was known what is spoken.
#[derive(Default)]
pub(super) struct Undecided {
    pub(super) sides: [Vec<u8>; 2],
    events: Vec<Kept>,
    /// Octets of a PROXY header at the client's beginning, once it is known whether there is one.
    header: Option<usize>,
    /// Octets of each side before its last hole, where it has one.
    before_hole: [Option<usize>; 2],
}

/// An event kept; its bytes are the next of its side.
enum Kept {
    Data(Side, Nanos, PacketNo, usize),
    Other(StreamEvent<'static>),
}

impl Undecided {
    pub(super) fn keep(&mut self, event: StreamEvent<'_>) {
        let kept = match event {
            StreamEvent::Data {
                side,
                at,
                packet,
                bytes,
            } => {
                if let Some(kept) = self.sides.get_mut(side.index()) {
                    kept.extend_from_slice(bytes);
                }
                Kept::Data(side, at, packet, bytes.len())
            }
            StreamEvent::Fin { side, at } => Kept::Other(StreamEvent::Fin { side, at }),
            StreamEvent::Gap { side, at, missing } => {
                let i = side.index();
                if let Some(before) = self.before_hole.get_mut(i) {
                    *before = self.sides.get(i).map(Vec::len);
                }
                Kept::Other(StreamEvent::Gap { side, at, missing })
            }
            StreamEvent::Rst { side, at } => Kept::Other(StreamEvent::Rst { side, at }),
        };
        self.events.push(kept);
    }

    /// Gives out what was kept, as it came, without a PROXY header.
    pub(super) fn replay(self, mut take: impl FnMut(StreamEvent<'_>)) {
        let mut given = [self.header.unwrap_or(0), 0];
        let mut kept = [0, 0];
        for event in self.events {
            let (side, at, packet, len) = match event {
                Kept::Other(event) => {
                    take(event);
                    continue;
                }
                Kept::Data(side, at, packet, len) => (side, at, packet, len),
            };
            let i = side.index();
            let (Some(kept), Some(given), Some(said)) =
                (kept.get_mut(i), given.get_mut(i), self.sides.get(i))
            else {
                continue;
            };
            *kept += len;
            let bytes = said.get(*given..*kept).unwrap_or_default();
            *given = (*given).max(*kept);
            if !bytes.is_empty() {
                take(StreamEvent::Data {
                    side,
                    at,
                    packet,
                    bytes,
                });
            }
        }
    }

    /// What each side said, without a PROXY header.
    pub(super) fn bytes(&self) -> (&[u8], &[u8]) {
        let [client, server] = &self.sides;
        let client = match self.header {
            Some(octets) => client.get(octets..).unwrap_or_default(),
            // It may be a header: nothing can be said of the client yet.
            None => &[],
        };
        (client, server)
    }

    /// What there is to be judged. Where there was a hole, a side may begin in the middle of something: what came behind
    /// it, and that from its second line on.
    pub(super) fn openings(&self, port: u16) -> Vec<Opening<'_>> {
        let (client, server) = self.bytes();
        let mut openings = vec![Opening {
            client,
            server,
            port,
        }];
        if self.before_hole == [None, None] {
            return openings;
        }
        for client in self.behind_hole(Side::Client, client) {
            for server in self.behind_hole(Side::Server, server) {
                openings.push(Opening {
                    client,
                    server,
                    port,
                });
            }
        }
        openings
    }

    /// The same of each side by itself, where there was a hole in the other: weaker, for nothing contradicts.
    pub(super) fn alone(&self, port: u16) -> Vec<Opening<'_>> {
        let (client, server) = self.bytes();
        let mut openings = Vec::new();
        if matches!(self.before_hole, [_, Some(_)]) {
            let behind = self.behind_hole(Side::Client, client);
            openings.extend(behind.map(|client| Opening {
                client,
                server: &[],
                port,
            }));
        }
        if matches!(self.before_hole, [Some(_), _]) {
            let behind = self.behind_hole(Side::Server, server);
            openings.extend(behind.map(|server| Opening {
                client: &[],
                server,
                port,
            }));
        }
        openings
    }

    fn behind_hole<'a>(
        &self,
        side: Side,
        bytes: &'a [u8],
    ) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let before = self.before_hole.get(side.index()).copied().flatten();
        let behind = bytes.get(before.unwrap_or(0)..).unwrap_or(bytes);
        let next = memchr::memchr(b'\n', behind).and_then(|lf| behind.get(lf + 1..));
        [Some(behind), next.filter(|_| before.is_some())]
            .into_iter()
            .flatten()
    }

    pub(super) fn is_silent(&self) -> bool {
        self.sides.iter().all(Vec::is_empty)
    }

    /// Whether one side alone has spoken, and after a hole: the rest of a line may look like anything.
    pub(super) fn is_half_behind_hole(&self) -> bool {
        let (client, server) = self.bytes();
        self.before_hole != [None, None] && (client.is_empty() || server.is_empty())
    }

    pub(super) fn is_full(&self) -> bool {
        self.events.len() >= MAX_EVENTS || self.sides.iter().any(|side| side.len() >= MAX_OPENING)
    }

    /// As after an agreement to speak something else: no PROXY header comes there.
    pub(super) fn without_header() -> Self {
        Self {
            header: Some(0),
            ..Self::default()
        }
    }

    /// Sets a PROXY header aside.
    pub(super) fn find_header(&mut self, dialogue: &mut Dialogue) {
        if self.header.is_some() {
            return;
        }
        let [client, _] = &self.sides;
        self.header = match proxy::header(client) {
            Header::Absent => Some(0),
            Header::NeedMore => None,
            Header::Whole(octets, client) => {
                match client {
                    Some(client) => dialogue.forwarded.push(client),
                    None => remark(&mut dialogue.notes, "a PROXY header names nobody"),
                }
                Some(octets)
            }
        };
    }
}
