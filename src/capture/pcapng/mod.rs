//! pcapng files: sections of blocks (draft-ietf-opsawg-pcapng).
//!
//! A block that cannot be read is damage and passed over; the length before and after a block lets the next one be
//! found. Sections differ in byte order, interfaces in link type, unit and offset of their stamps.

mod block;
mod held;
mod interface;

use std::ops::Range;

use crate::input::Window;

use super::{CaptureClock, CaptureReport, Format, Reader, Record, Secrets};
use block::Blocks;
use held::{Held, comments_of};

/// Reads a pcapng file, or a stream in its format.
#[derive(Debug)]
pub struct PcapNg<'m> {
    blocks: Blocks<'m>,
    /// Octets of the block whose packet was given last, passed over before the next.
    done: usize,
    /// Where the packet given last and the options behind it lie in the window.
    packet: Range<usize>,
    options: Range<usize>,
    held: Held,
}

impl<'m> PcapNg<'m> {
    /// Whether `file` begins with a section header.
    pub fn is(file: &[u8]) -> bool {
        block::is_section(file)
    }

    /// A reader of what is ahead.
    pub fn open(window: Window<'m>) -> Self {
        Self {
            blocks: Blocks::new(window),
            done: 0,
            packet: 0..0,
            options: 0..0,
            held: Held::default(),
        }
    }
}

impl Reader for PcapNg<'_> {
    fn advance(&mut self) -> Option<Record> {
        self.blocks.window.skip(std::mem::take(&mut self.done));
        (self.packet, self.options) = (0..0, 0..0);
        loop {
            let block = self.blocks.block()?;
            let (window, damage) = (&self.blocks.window, &mut self.blocks.damage);
            let at = window.at();
            let body = window.held().get(block.body.clone()).unwrap_or_default();
            let read = self.held.block(&block, body, self.blocks.endian, at);
            match read {
                Ok(Some(packet)) => {
                    let (captured, length) = (packet.bytes.len(), packet.claimed);
                    if usize::try_from(length).is_ok_and(|length| captured > length) {
                        damage.note(at, || {
                            format!("{captured} bytes captured of a packet of {length}")
                        });
                    }
                    let start = block.body.start;
                    self.packet = packet.bytes.start + start..packet.bytes.end + start;
                    self.options = packet.options + start..block.body.end;
                    self.done = block.length;
                    return Some(packet.record);
                }
                Ok(None) => {}
                Err(what) => damage.note(at, || what),
            }
            self.blocks.window.skip(block.length);
        }
    }

    fn bytes(&self) -> &[u8] {
        let held = self.blocks.window.held();
        held.get(self.packet.clone()).unwrap_or_default()
    }

    fn comments(&self) -> Vec<&[u8]> {
        let held = self.blocks.window.held();
        let options = held.get(self.options.clone()).unwrap_or_default();
        comments_of(options, self.blocks.endian).collect()
    }

    fn secrets(&self) -> &[Secrets] {
        &self.held.secrets
    }

    fn consumed(&self) -> u64 {
        self.blocks.window.consumed()
    }

    fn report(&self) -> CaptureReport {
        let held = &self.held;
        let plural = if held.sections == 1 {
            "section"
        } else {
            "sections"
        };
        // Why the stream ended explains what is cut in it.
        let mut damage = self.blocks.window.damage().clone();
        damage.absorb(self.blocks.damage.clone());
        let notes = [
            (
                held.untimed,
                "packets without a time, which take that of the packet before",
            ),
            (
                held.absent(),
                "packets that the capturing program had, by the statistics of its interfaces, and that are not in the file",
            ),
            (held.names_left, "names of addresses beyond those kept"),
            (held.comments_left, "comments beyond those kept"),
        ];
        CaptureReport {
            variant: format!("1.0, {} {plural}", held.sections),
            interfaces: held.interface_names.clone(),
            skipped: held.skipped,
            lost: held.lost(),
            names: held.names.clone(),
            comments: held.comments.clone(),
            notes: notes
                .iter()
                .filter(|(count, _)| *count > 0)
                .map(|(count, words)| format!("{words}: {count}"))
                .collect(),
            damage,
            ..CaptureReport::new(Format("pcapng"), CaptureClock::Utc)
        }
    }
}

#[cfg(test)]
mod tests;
