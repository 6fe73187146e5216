//! The nouns that wire and log share: times, endpoints, sessions, exchanges, damage.
//!
//! Comes in: nothing. Goes out: plain values that every other room passes on. No item here does
//! I/O or asks the clock, and none knows the syntax of a protocol, a capture or a log, but for where a URL has its secrets.

mod body;
mod capture_source;
mod commands;
mod damage;
mod delivery;
mod ended;
mod endpoint;
mod events;
mod exchange;
mod fault;
mod finding;
mod forwarded;
mod icmp;
mod keylog;
mod log_session;
mod lookup;
mod mail;
mod neighbour;
mod passage;
mod passed_over;
mod process;
mod proto;
mod secret;
mod shows;
#[cfg(test)]
pub(crate) mod testing;
mod text;
mod threads;
mod time;
mod unlisted;
mod verb;
mod wire_session;

pub use body::{BodyKind, BodyNo, StoredBody};
pub use capture_source::{CaptureSource, CaptureZone, LostPackets};
pub use commands::{CommandRef, Commands, CommandsBuilder, PackedCommand, PackedRef};
pub use damage::{Damage, DamageLog};
pub use delivery::Delivery;
pub use ended::{Ended, How, Transfer};
pub use endpoint::{Conversation, Endpoint, Side, Transport};
pub use events::{EventIter, EventRef, Events, What};
pub use exchange::{Burst, BurstPart, Exchange, LineRef};
pub use fault::{Fault, FaultCode};
pub use finding::{Affected, Evidence, Finding, Severity};
pub use forwarded::{Forwarded, ForwardedBy};
pub use icmp::{IcmpError, IcmpReason};
pub use keylog::{KeySource, Keylog};
pub use log_session::{
    DiskFull, Ending, Event, Extent, Gist, LogCommand, LogEvent, LogId, LogPart, LogSession,
    LogSource, LoggedFetch, LoggedMessage, LoggedOctets, LoggedSize, LoggedTls, Matter, Rare, Role,
    Zone,
};
pub use lookup::{LedBy, Lookup, LookupOutcome, RecordType};
pub use mail::{MailMessage, MailRecipient};
pub use neighbour::Neighbour;
pub use passage::{Closed, Passage, Repeated, Reset, Sender, Station, Way};
pub use passed_over::{Amount, PassedOver, Unread};
pub use process::Process;
pub use proto::{Encryption, Proto, Seen};
pub use secret::{masked_line, masked_request};
pub use shows::{ClockStep, Marks, Shown, Shows};
pub use text::{as_text, from_wire};
pub use threads::Threads;
pub use time::{LogTime, Nanos, Span, Stamp};
pub use unlisted::Unlisted;
pub use verb::Verb;
pub use wire_session::{
    Certificate, Counts, Decryption, Direction, Handshake, Overlap, PacketNo, ServerName,
    TlsSummary, TlsVersion, Versions, WireSession,
};
