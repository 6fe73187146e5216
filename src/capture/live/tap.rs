//! One interface that is listened to.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use pcap::{Active, Capture, Precision};

use crate::model::{DamageLog, LostPackets, Nanos};

use super::super::{LinkType, MAX_PACKET, Record};
use super::{LiveError, LiveRequest, WAKE_MILLIS};

/// How an interface is listened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HowToListen {
    /// Octets of the kernel's buffer.
    pub buffer: u32,
    /// Most octets kept of a packet.
    pub snap: u32,
    /// Which packets of others are asked for.
    pub mode: Mode,
}

/// Which packets an interface gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// All that pass it, those of other hosts too.
    #[default]
    Promiscuous,
    /// Those of this host.
    OwnOnly,
}

impl Default for HowToListen {
    /// 16 MiB hold about a tenth of a second at a gigabit.
    fn default() -> Self {
        Self {
            buffer: 16 << 20,
            snap: u32::try_from(MAX_PACKET).unwrap_or(u32::MAX),
            mode: Mode::default(),
        }
    }
}

/// A packet that waits for its turn.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) record: Record,
    pub(super) bytes: Vec<u8>,
}

/// An interface, its packets that wait, and room for more.
pub(super) struct Tap {
    capture: Capture<Active>,
    name: String,
    link_type: LinkType,
    unit: i64,
    snap: u32,
    queue: VecDeque<Held>,
    held: usize,
    /// Buffers that were given back.
    spare: Vec<Vec<u8>>,
    seen: u64,
    counters: Counters,
    /// Since when it gives nothing but errors.
    failed: Option<Instant>,
    gone: bool,
}

/// What the kernel and the interface dropped, out of counters that are 32 bits wide and start again.
#[derive(Clone, Copy, Debug, Default)]
struct Counters {
    /// As they were read last.
    system: u32,
    interface: u32,
    lost: LostPackets,
}

impl Counters {
    /// Takes what the counters say now.
    fn read(&mut self, system: u32, interface: u32) {
        let more = |now: u32, before: u32| u64::from(now.wrapping_sub(before));
        self.lost.by_system += more(system, self.system);
        self.lost.by_interface += more(interface, self.interface);
        (self.system, self.interface) = (system, interface);
    }
}

/// An interface that went away is asked for this long what the kernel still holds of it: libpcap tells of the end first, and the kernel
/// hands over its last block only once its time is over.
const LAST_BLOCK: Duration = Duration::from_millis(4 * WAKE_MILLIS as u64);

impl Tap {
    pub(super) fn open(name: &str, request: &LiveRequest) -> Result<Self, LiveError> {
        let refused = |source| refused(name, source);
        let how = request.how;
        let nanoseconds = stamps_nanoseconds(name);
        let precision = if nanoseconds {
            Precision::Nano
        } else {
            Precision::Micro
        };
        let promiscuous = how.mode == Mode::Promiscuous && name != "any";
        let clamp = |octets: u32| i32::try_from(octets).unwrap_or(i32::MAX);
        let capture = Capture::from_device(name)
            .map_err(refused)?
            .promisc(promiscuous)
            .snaplen(clamp(how.snap))
            .buffer_size(clamp(how.buffer))
            .precision(precision)
            .timeout(WAKE_MILLIS.into())
            .open()
            .map_err(refused)?;
        let mut capture = capture.setnonblock().map_err(refused)?;
        if let Some(filter) = &request.filter {
            capture
                .filter(filter, true)
                .map_err(|source| LiveError::Filter {
                    filter: filter.clone(),
                    source,
                })?;
        }
        let number = capture.get_datalink().0;
        Ok(Self {
            capture,
            name: name.to_owned(),
            link_type: LinkType::of_device(number),
            unit: if nanoseconds { 1 } else { 1_000 },
            snap: how.snap,
            queue: VecDeque::new(),
            held: 0,
            spare: Vec::new(),
            seen: 0,
            counters: Counters::default(),
            failed: None,
            gone: false,
        })
    }

    /// Takes packets off the interface, at most so many; how many there were.
    pub(super) fn take(&mut self, most: usize, damage: &mut DamageLog) -> usize {
        let mut taken = 0;
        while taken < most && !self.gone {
            match self.capture.next_packet() {
                Ok(packet) => {
                    let mut bytes = self.spare.pop().unwrap_or_default();
                    bytes.clear();
                    bytes.extend_from_slice(packet.data);
                    self.seen += 1;
                    let stamp = packet.header.ts;
                    let record = Record {
                        time: Nanos::new(stamp.tv_sec, stamp.tv_usec * self.unit),
                        link_type: self.link_type,
                        length: packet.header.len.max(packet.header.caplen),
                        interface: 0,
                        at: self.seen,
                        process: None,
                    };
                    self.held += bytes.len();
                    self.queue.push_back(Held { record, bytes });
                    taken += 1;
                }
                Err(pcap::Error::TimeoutExpired) => break,
                Err(error) => {
                    let name = &self.name;
                    if self.failed.is_none() {
                        damage.note(self.seen, || format!("{name} gave up: {error}"));
                        self.failed = Some(Instant::now());
                    }
                    break;
                }
            }
        }
        let over = |since: Instant| since.elapsed() > LAST_BLOCK;
        self.gone |= taken == 0 && self.failed.is_some_and(over);
        taken
    }

    /// The packet that has waited longest, for a buffer that is no longer used.
    pub(super) fn give(&mut self, used: Held) -> Option<Held> {
        const SPARE: usize = 1024;
        if self.spare.len() < SPARE {
            self.spare.push(used.bytes);
        }
        let held = self.queue.pop_front()?;
        self.held -= held.bytes.len();
        Some(held)
    }

    pub(super) fn front(&self) -> Option<Nanos> {
        self.queue.front().map(|held| held.record.time)
    }

    pub(super) fn newest(&self) -> Option<Nanos> {
        self.queue.back().map(|held| held.record.time)
    }

    pub(super) const fn held_octets(&self) -> usize {
        self.held
    }

    pub(super) const fn is_gone(&self) -> bool {
        self.gone
    }

    /// Whether it gives errors: waiting for it is of no use.
    pub(super) const fn has_failed(&self) -> bool {
        self.failed.is_some()
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// `eth0 (ethernet)`.
    pub(super) fn described(&self) -> String {
        format!("{} ({})", self.name, self.link_type.name())
    }

    /// Unit of its stamps and length at which packets are cut, for a person.
    pub(super) fn variant(&self) -> String {
        let unit = if self.unit == 1 {
            "nanoseconds"
        } else {
            "microseconds"
        };
        format!("{unit}, packets cut at {} bytes", self.snap)
    }

    /// What was lost since the beginning.
    pub(super) fn lost(&mut self) -> LostPackets {
        if let Ok(stats) = self.capture.stats() {
            self.counters.read(stats.dropped, stats.if_dropped);
        }
        self.counters.lost
    }
}

impl AsFd for Tap {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.capture.as_fd()
    }
}

impl Default for Held {
    fn default() -> Self {
        Self {
            record: Record {
                time: Nanos(0),
                link_type: LinkType::NULL,
                length: 0,
                interface: 0,
                at: 0,
                process: None,
            },
            bytes: Vec::new(),
        }
    }
}

/// Whether stamps of this interface can be had in nanoseconds: of network interfaces of Linux they can, of USB and others not, and
/// libpcap does not say what it gave.
fn stamps_nanoseconds(name: &str) -> bool {
    name == "any" || !name.contains('/') && Path::new("/sys/class/net").join(name).exists()
}

fn refused(name: &str, source: pcap::Error) -> LiveError {
    let text = source.to_string().to_lowercase();
    if text.contains("no such device") {
        return LiveError::NoSuch {
            interface: name.to_owned(),
        };
    }
    let missing_right = text.contains("permission") || text.contains("permitted");
    LiveError::Refused {
        interface: name.to_owned(),
        source,
        missing_right,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_of_kernel_and_interface_are_counted_past_the_end_of_their_counters() {
        let mut counters = Counters::default();
        for (system, interface) in [(5, 0), (5, 7), (u32::MAX, 7), (2, 9)] {
            counters.read(system, interface);
        }
        let expected = LostPackets {
            by_system: (1 << 32) + 2,
            by_interface: 9,
        };
        assert_eq!(counters.lost, expected);
    }
}
