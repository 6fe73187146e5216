//! Live interfaces through libpcap.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pcap::{Active, Capture};

use crate::model::{DamageLog, Nanos};

use super::{CaptureClock, CaptureReport, Format, LinkType, Reader, Record};

/// Largest packet kept whole.
const SNAP_LENGTH: i32 = 262_144;
/// Kernel buffer: 16 MiB hold about a tenth of a second at a gigabit.
const BUFFER: i32 = 16 << 20;
/// How often a silent interface lets the stop flag be looked at.
const WAKE_MILLIS: i32 = 200;

/// What to listen to.
#[derive(Clone, Debug, Default)]
pub struct LiveRequest {
    /// Interface name; `any` for all.
    pub interface: String,
    /// Filter in the language of pcap-filter(7).
    pub filter: Option<String>,
    /// Stop after this many packets.
    pub count: Option<u64>,
    /// Set by whoever wants it to stop: the packets that came until then are reported.
    pub stop: Arc<AtomicBool>,
}

/// Why an interface cannot be listened to.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// The filter is wrong.
    #[error("the filter '{filter}' is not understood: {source}\nman pcap-filter has its language")]
    Filter {
        /// As given.
        filter: String,
        /// What libpcap said.
        source: pcap::Error,
    },
    /// The system refused, or there is no such interface.
    #[error(
        "cannot listen on '{interface}': {source}\nit takes the right to capture: run as root, or once: sudo setcap cap_net_raw,cap_net_admin=eip $(command -v bothends)"
    )]
    Refused {
        /// As given.
        interface: String,
        /// What libpcap said.
        source: pcap::Error,
    },
}

/// Packets of an interface as they pass.
pub struct Live {
    capture: Capture<Active>,
    interface: String,
    link_type: LinkType,
    packet: Vec<u8>,
    seen: u64,
    count: Option<u64>,
    stop: Arc<AtomicBool>,
    /// Packets lost for want of room, in the kernel and in the card.
    dropped: u64,
    damage: DamageLog,
}

impl Live {
    /// Begins to listen.
    ///
    /// # Errors
    /// When the system refuses, or the filter is wrong.
    pub fn open(request: &LiveRequest) -> Result<Self, LiveError> {
        let refused = |source| LiveError::Refused {
            interface: request.interface.clone(),
            source,
        };
        let mut capture = Capture::from_device(request.interface.as_str())
            .map_err(refused)?
            .promisc(request.interface != "any")
            .snaplen(SNAP_LENGTH)
            .buffer_size(BUFFER)
            .timeout(WAKE_MILLIS)
            .open()
            .map_err(refused)?;
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
            interface: request.interface.clone(),
            link_type: LinkType::of_device(number),
            packet: Vec::new(),
            seen: 0,
            count: request.count,
            stop: Arc::clone(&request.stop),
            dropped: 0,
            damage: DamageLog::default(),
        })
    }

    /// The end: asks the kernel what it lost.
    fn end(&mut self) -> Option<Record> {
        if let Ok(stats) = self.capture.stats() {
            self.dropped = u64::from(stats.dropped) + u64::from(stats.if_dropped);
        }
        self.packet.clear();
        None
    }
}

impl Reader for Live {
    fn advance(&mut self) -> Option<Record> {
        loop {
            if self.stop.load(Ordering::Relaxed)
                || self.count.is_some_and(|count| self.seen >= count)
            {
                return self.end();
            }
            match self.capture.next_packet() {
                Ok(packet) => {
                    self.packet.clear();
                    self.packet.extend_from_slice(packet.data);
                    self.seen += 1;
                    let stamp = packet.header.ts;
                    return Some(Record {
                        time: Nanos::new(stamp.tv_sec, stamp.tv_usec * 1000),
                        link_type: self.link_type,
                        length: packet.header.len.max(packet.header.caplen),
                        interface: 0,
                        at: self.seen,
                        process: None,
                    });
                }
                Err(pcap::Error::TimeoutExpired) => {}
                Err(pcap::Error::NoMorePackets) => return self.end(),
                Err(error) => {
                    self.damage
                        .note(self.seen, || format!("the interface gave up: {error}"));
                    return self.end();
                }
            }
        }
    }

    fn bytes(&self) -> &[u8] {
        &self.packet
    }

    fn consumed(&self) -> u64 {
        0
    }

    fn report(&self) -> CaptureReport {
        CaptureReport {
            format: Format("live"),
            variant: format!("interface {}", self.interface),
            clock: CaptureClock::Utc,
            skipped: 0,
            dropped: self.dropped,
            damage: self.damage.clone(),
        }
    }
}
