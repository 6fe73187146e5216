//! Alignment: two views of the same conversations, put on one clock and joined one to one.
//!
//! Comes in: [`crate::model::WireSession`]s and [`crate::model::LogSession`]s. Goes out: a [`Clock`] for each log,
//! with a bound, and [`Joined`] sessions, each with a score, a runner-up and reasons. No protocol's
//! and no format's syntax is known here. Bounds: candidates are looked for among the
//! sessions of the same client only; about two million pairs at most vote on the clock.

mod assign;
mod background;
mod before;
mod beyond;
mod border;
mod candidates;
mod chosen;
mod clock;
mod common_drift;
mod component;
mod correlation;
mod deal;
mod divide;
mod ends;
mod evidence;
mod figure;
mod fit;
mod gather;
mod groups;
mod hidden;
mod host;
mod jitter;
mod join;
mod judge;
mod kept;
mod last_lines;
mod lengths;
mod likeness;
mod mailbox;
mod missed;
mod moment;
mod octets;
mod order;
mod overhead;
mod pages;
mod pairing;
mod path;
mod piece;
mod placed;
mod refused;
mod rounds;
mod row;
mod rows;
mod sequence;
mod settle;
mod settled;
mod share;
mod steps;
mod stretches;
mod sure;
mod survey;
mod sweep;
mod translation;
mod trust;
mod turn;
mod unproven;
mod verdict;
mod view;
mod vote;
mod weighing;
mod why;

pub use before::{Before, LogFate, WireFate};
pub use clock::{Clock, Step, Stretch, Unproven};
pub use deal::share_lines;
pub use join::{Onward, align, align_on};
pub use path::{Nearer, Passage, Path, PathClock, compare};
pub use sequence::{Said, Told, telling, told, untold};
pub use verdict::{Alignment, Joined, Match, Standing};
pub use why::{Asked, Candidate, why};
