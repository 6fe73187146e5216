//! Link and network headers: a packet becomes a datagram between two addresses.
//!
//! Comes in: a link type and the captured bytes. Goes out: a [`Datagram`] that borrows its payload
//! from the packet, or a [`Passed`] reason that is counted. State is kept for fragments only. Bounds:
//! 16 headers deep, 8 tunnels deep, 512 datagrams in fragments for 30 seconds.

mod arp;
mod checksum;
mod datagram;
mod decode;
mod fingerprint;
mod fragments;
mod frame;
mod icmp;
mod ip;
mod outermost;
mod transport;
mod tunnel;
mod wireless;

pub use arp::{Neighbourly, neighbourly};
pub use datagram::{
    Checksum, Datagram, EspCarrier, Flags, IcmpMessage, Passed, Segment, SeqNo, Spi, TcpOptions,
    UdpDatagram, Upper,
};
pub use decode::LinkDecoder;
pub use fingerprint::{Fingerprint, fingerprint};
pub use icmp::{Quote, quote};
pub use outermost::device;
