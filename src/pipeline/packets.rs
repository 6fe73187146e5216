//! The packets that are used: of all captures in turn, those that pass the filter and are no duplicates, up to a number.

use std::collections::{BTreeMap, BTreeSet};

use crate::capture::{CaptureClock, LinkType, Merged, Record};
use crate::link::Passed;
use crate::model::{CaptureSource, CaptureZone, DamageLog, Nanos, PacketNo, Span, from_wire};

use super::duplicates::Duplicates;
use super::output::Output;
use super::{Meter, PacketRules, PipelineError, Progress};

/// Packets between two looks at the progress bar.
const STRIDE: u64 = 4096;
/// Packets between two looks at what was lost.
const ASK_STRIDE: u64 = 64;
/// Comments on packets kept of a capture.
const MAX_COMMENTS: usize = 10_000;

/// An input capture: its name, and what was damaged before it was read.
pub(super) type Named = (String, DamageLog);

/// Packets in turn.
pub(super) struct Packets<'m> {
    merged: Merged<'m>,
    sources: Vec<(Named, Tally)>,
    /// Packets read, used or not: their numbers are those that other programs show for the same file.
    number: u64,
    /// How many more are wanted.
    left: Option<u64>,
    sieve: Sieve,
    duplicates: Option<Duplicates>,
    output: Option<Output>,
    meter: Meter,
}

/// A packet that is used; its bytes are asked of [`Packets`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Used {
    /// Which capture.
    pub(super) from: usize,
    pub(super) record: Record,
    pub(super) number: PacketNo,
}

/// What the packets of a run gave beside what is in them.
pub(super) struct Spent {
    pub(super) sources: Vec<CaptureSource>,
    pub(super) overruns: Vec<String>,
    pub(super) failure: Option<PipelineError>,
}

impl<'m> Packets<'m> {
    /// # Errors
    /// When the filter is not understood.
    pub(super) fn new(
        merged: Merged<'m>,
        names: Vec<Named>,
        rules: &PacketRules,
        output: Option<Output>,
        meter: Meter,
    ) -> Result<Self, PipelineError> {
        Ok(Self {
            merged,
            sources: names
                .into_iter()
                .map(|named| (named, Tally::default()))
                .collect(),
            number: 0,
            left: rules.count,
            sieve: Sieve::new(rules)?,
            duplicates: rules.dedup.map(Duplicates::new),
            output,
            meter,
        })
    }

    /// The captures as one.
    pub(super) const fn merged(&self) -> &Merged<'m> {
        &self.merged
    }

    /// Name of a capture.
    pub(super) fn name(&self, from: usize) -> &str {
        self.sources.get(from).map_or("", |((name, _), _)| name)
    }

    /// The next packet that is used.
    pub(super) fn next(&mut self, progress: &Progress) -> Option<Used> {
        if self.left == Some(0) {
            self.merged.end();
            return None;
        }
        loop {
            let (from, record) = self.merged.advance()?;
            self.number += 1;
            if self.number.is_multiple_of(STRIDE) {
                progress.at(self.merged.consumed());
            }
            let bytes = self.merged.bytes();
            let (_, tally) = self.sources.get_mut(from)?;
            if !self.sieve.passes(&record, bytes) {
                tally.filtered += 1;
                continue;
            }
            if let Some(duplicates) = &mut self.duplicates
                && duplicates.repeats(&record, bytes)
            {
                tally.duplicates += 1;
                continue;
            }
            let number = PacketNo(self.number);
            tally.count(&record, bytes.len());
            tally.comments(number, &self.merged.comments());
            if let Some(output) = &mut self.output {
                output.packet(from, &record, &self.merged);
            }
            self.left = self.left.map(|left| left - 1);
            self.meter.packet(bytes.len());
            if self.number.is_multiple_of(ASK_STRIDE) {
                self.meter.lost(self.merged.lost());
            }
            return Some(Used {
                from,
                record,
                number,
            });
        }
    }

    /// The bytes of the packet given last.
    pub(super) fn bytes(&self) -> &[u8] {
        self.merged.bytes()
    }

    /// Counts a packet of capture `from` that held no datagram.
    pub(super) fn passed(&mut self, from: usize, passed: Passed) {
        if let Some((_, tally)) = self.sources.get_mut(from)
            && passed != Passed::FragmentKept
        {
            *tally.passed.entry(passed.words()).or_insert(0) += 1;
        }
    }

    /// Connections that are open and sessions that are over, for whoever asks.
    pub(super) fn sessions(&self, open: usize, over: usize) {
        self.meter.sessions(open, over);
    }

    /// What there is to say of each capture, in the order given.
    pub(super) fn finish(self, zone: Option<Span>, progress: &mut Progress) -> Spent {
        progress.end(self.merged.consumed());
        let secrets: Vec<usize> = self
            .merged
            .readers()
            .map(|reader| reader.secrets().iter().map(|kept| kept.bytes.len()).sum())
            .collect();
        let reports = self.merged.reports().into_iter().zip(secrets);
        let mut sources = Vec::new();
        for (((name, damage), tally), (report, secret_octets)) in
            self.sources.into_iter().zip(reports)
        {
            let clock = match (report.clock, zone) {
                (CaptureClock::Utc, _) => CaptureZone::Utc,
                (CaptureClock::Local, Some(east)) => CaptureZone::Given(east),
                (CaptureClock::Local, None) => CaptureZone::Unknown,
            };
            let mut source = tally.source(name, damage);
            source.format = report.format.0;
            source.variant = report.variant;
            source.skipped = report.skipped;
            source.lost = report.lost;
            source.interfaces = report.interfaces.into_values().collect();
            source.names = report.names;
            source.comments = report.comments;
            source.notes.extend(report.notes);
            source.secret_octets = u64::try_from(secret_octets).unwrap_or(u64::MAX);
            source.zone = clock;
            source.damage.absorb(report.damage);
            sources.push(source);
        }
        let mut overruns = Vec::new();
        overruns.extend(self.duplicates.iter().flat_map(Duplicates::told));
        overruns.extend(self.sieve.unusable());
        Spent {
            sources,
            overruns,
            failure: self.output.and_then(Output::finish),
        }
    }
}

/// The filter, where this build has one.
struct Sieve {
    #[cfg(feature = "live")]
    filter: Option<crate::capture::Filter>,
}

impl Sieve {
    #[cfg(feature = "live")]
    fn new(rules: &PacketRules) -> Result<Self, PipelineError> {
        let filter = rules.filter.as_deref().map(crate::capture::Filter::new);
        Ok(Self {
            filter: filter.transpose()?,
        })
    }

    #[cfg(not(feature = "live"))]
    fn new(rules: &PacketRules) -> Result<Self, PipelineError> {
        match rules.filter {
            Some(_) => Err(PipelineError::NoFilters),
            None => Ok(Self {}),
        }
    }

    #[cfg(feature = "live")]
    fn passes(&mut self, record: &Record, bytes: &[u8]) -> bool {
        self.filter
            .as_mut()
            .is_none_or(|filter| filter.passes(record, bytes))
    }

    #[cfg(not(feature = "live"))]
    #[expect(clippy::unused_self, reason = "with libpcap there is a filter to ask")]
    const fn passes(&mut self, _: &Record, _: &[u8]) -> bool {
        true
    }

    /// Link types whose packets were left out because the filter has no meaning for them.
    #[cfg(feature = "live")]
    fn unusable(&self) -> Vec<String> {
        let filter = self.filter.iter();
        let unusable = filter.flat_map(crate::capture::Filter::unusable);
        unusable
            .map(|(link_type, why)| {
                format!(
                    "packets of link type {} left out, as the filter cannot be used on them: {why}",
                    link_type.name()
                )
            })
            .collect()
    }

    #[cfg(not(feature = "live"))]
    #[expect(clippy::unused_self, reason = "with libpcap there is a filter to ask")]
    const fn unusable(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Counts of one capture.
#[derive(Debug, Default)]
struct Tally {
    packets: u64,
    bytes: u64,
    first: Option<Nanos>,
    last: Option<Nanos>,
    truncated: u64,
    filtered: u64,
    duplicates: u64,
    link_types: BTreeSet<LinkType>,
    passed: BTreeMap<&'static str, u64>,
    packet_comments: Vec<(PacketNo, String)>,
    packet_comment_count: u64,
}

impl Tally {
    fn count(&mut self, record: &Record, captured: usize) {
        let captured = u64::try_from(captured).unwrap_or(u64::MAX);
        self.packets += 1;
        self.bytes += captured;
        self.truncated += u64::from(captured < u64::from(record.length));
        let first = self.first.map_or(record.time, |at| at.min(record.time));
        self.first = Some(first);
        self.last = self.last.max(Some(record.time));
        self.link_types.insert(record.link_type);
    }

    fn comments(&mut self, number: PacketNo, comments: &[&[u8]]) {
        for comment in comments {
            self.packet_comment_count += 1;
            if self.packet_comments.len() < MAX_COMMENTS {
                self.packet_comments.push((number, from_wire(comment)));
            }
        }
    }

    fn source(self, file: String, damage: DamageLog) -> CaptureSource {
        CaptureSource {
            file,
            link_types: self.link_types.iter().map(|link| link.name()).collect(),
            packets: self.packets,
            bytes: self.bytes,
            first: self.first,
            last: self.last,
            truncated: self.truncated,
            filtered: self.filtered,
            duplicates: self.duplicates,
            passed: self.passed,
            packet_comments: self.packet_comments,
            packet_comment_count: self.packet_comment_count,
            damage,
            ..CaptureSource::default()
        }
    }
}
