//! The wiring of the rooms: options in, an account out.
//!
//! Comes in: [`Options`]. Goes out: a [`crate::report::Account`]. Bytes are parsed elsewhere; here is decided what is read in
//! which order, how far along it is, and which bounds hold.

mod beside;
mod bodies;
mod captures;
mod duplicates;
mod error;
mod follow;
mod keys;
mod logs;
mod meter;
mod onward;
mod options;
mod output;
mod owners;
mod packets;
mod passing;
mod points;
mod progress;
mod readers;
mod run;
mod zones;

pub use crate::flow::{BadChecksums, Limits};
pub use crate::input::MostUnpacked;
pub use crate::input::{AddressError, TableAddress};
pub use crate::model::Threads;
pub use bodies::BodyRules;
pub use error::PipelineError;
pub use meter::Meter;
pub use onward::run_onward;
pub use options::{
    ClockRule, EncodingRule, Interfaces, LogInput, LogPlace, Logs, Options, PacketRules, Tell,
    ZoneRule,
};
pub use progress::{Progress, Show};
pub use run::{Run, run};
