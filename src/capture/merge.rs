//! Several captures as one, in the order of time.

use super::{CaptureReport, OwnedConnection, Reader, Record, Secrets};

/// Readers whose packets are taken in turn, the earliest first; packets of one reader keep their order.
pub struct Merged<'m> {
    sources: Vec<Source<'m>>,
    /// The source whose packet was given last.
    present: Option<usize>,
}

struct Source<'m> {
    reader: Box<dyn Reader + 'm>,
    /// The packet that waits for its turn.
    next: Option<Record>,
}

impl<'m> Merged<'m> {
    /// Merges `readers`.
    pub fn new(readers: Vec<Box<dyn Reader + 'm>>) -> Self {
        let sources = readers
            .into_iter()
            .map(|mut reader| Source {
                next: reader.advance(),
                reader,
            })
            .collect();
        Self {
            sources,
            present: None,
        }
    }

    /// The next packet and which reader it came from.
    pub fn advance(&mut self) -> Option<(usize, Record)> {
        if let Some(source) = self.present.and_then(|at| self.sources.get_mut(at)) {
            source.next = source.reader.advance();
        }
        self.present = self
            .sources
            .iter()
            .enumerate()
            .filter_map(|(at, source)| Some((source.next?.time, at)))
            .min()
            .map(|(_, at)| at);
        let at = self.present?;
        Some((at, self.sources.get(at)?.next?))
    }

    /// The captured bytes of the packet given last.
    pub fn bytes(&self) -> &[u8] {
        self.present
            .and_then(|at| self.sources.get(at))
            .map_or(&[], |source| source.reader.bytes())
    }

    /// Secrets found so far in the capture `from`, in the order found.
    pub fn secrets_of(&self, from: usize) -> &[Secrets] {
        let source = self.sources.get(from);
        source.map_or(&[], |source| source.reader.secrets())
    }

    /// The process table of each capture, in the order given.
    pub fn processes(&self) -> impl Iterator<Item = &[OwnedConnection]> {
        self.sources.iter().map(|source| source.reader.processes())
    }

    /// Bytes of all inputs consumed so far.
    pub fn consumed(&self) -> u64 {
        self.sources
            .iter()
            .map(|source| source.reader.consumed())
            .sum()
    }

    /// What is known of each capture, in the order given.
    pub fn reports(&self) -> Vec<CaptureReport> {
        self.sources
            .iter()
            .map(|source| source.reader.report())
            .collect()
    }
}
