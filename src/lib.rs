//! `bothends` shows a conversation as seen from both ends: what the packets say and what the server's own log
//! says, on one clock.
//!
//! Data goes one way through these rooms, and nothing calls back:
//!
//! ```text
//! input ─► capture ─► link ─► flow ─► protocol ─┐
//!                                               ├─► align ─► diagnose ─► report
//! input ─► log ─────────────────────────────────┘
//! ```
//!
//! [`model`] holds the nouns that all rooms share; [`pipeline`] wires the rooms together and [`cli`] is
//! the program around it.

pub mod align;
pub mod capture;
pub mod cli;
pub mod diagnose;
pub mod flow;
pub mod input;
pub mod link;
pub mod log;
pub mod model;
pub mod pipeline;
pub mod protocol;
pub mod report;
