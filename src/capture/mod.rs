//! Captures: a file, a pipe or an interface becomes packets.
//!
//! Comes in: an opened input. Goes out: [`Record`]s with borrowed bytes, in file order. No reader looks inside a packet. Bounds: a record is at most
//! [`MAX_PACKET`] octets; what a file claims beyond that is damage.

#[cfg(feature = "live")]
mod filter;
#[cfg(feature = "live")]
mod live;
mod merge;
mod netmon;
mod packet;
mod pcap;
mod pcapng;
mod registry;
mod write;

#[cfg(feature = "live")]
pub use filter::{Filter, FilterError};
#[cfg(feature = "live")]
pub use live::{
    Device, DropError, HowToListen, Live, LiveError, LiveRequest, Mode, devices, drop_to,
};
pub use merge::{Merged, Turn};
pub use netmon::{NetMon, NetMonError};
pub use packet::{
    CaptureClock, CaptureReport, Format, LinkType, MAX_PACKET, OwnedConnection, Reader, Record,
    Secrets, SecretsKind,
};
pub use pcap::{Pcap, PcapError};
pub use pcapng::PcapNg;
pub use registry::{CaptureError, HEAD_OF_FORMAT, by_table, open, open_window};
pub use write::{Origin, PcapNgWriter};
