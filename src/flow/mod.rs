//! Connections: datagrams become two ordered streams of bytes, with every hole declared.
//!
//! Comes in: [`crate::link::Datagram`]s with their time and number. Goes out, per connection:
//! [`StreamEvent`]s in causal order and at the end a [`Connection`] record. No protocol's name is
//! known here. Bounds: [`Limits`]; each that is hit becomes a declared hole and is counted.

mod event;
mod half_open;
mod key;
mod neighbours;
mod orphans;
mod passed_over;
mod table;
mod tcp;
mod udp;
mod unlisted;

pub use event::{BadChecksums, Connection, Limits, StreamEvent};
pub use neighbours::Neighbours;
pub use passed_over::PassedOverTable;
pub use table::{FlowEvent, FlowId, FlowTable, GoingOn, Overruns};
pub use udp::{UdpEvent, UdpId, UdpTable};
