//! What went wrong, who did it, and the proof: findings from the joined view.
//!
//! Comes in: sessions of both sides, how they were joined, what is known of the inputs. Goes out: findings, worst first. A
//! rule is one file and one row in [`registry`]; it says nothing rather than guess. Nothing here prints.

mod backlog_full;
mod bare_lf;
mod capture_incomplete;
mod chain;
mod claims;
mod client_retry_loop;
mod command_rejected;
mod connection_dropped;
mod connection_refused;
mod connection_rejected;
mod connection_reset;
mod delayed_ack;
mod delivered_unknown;
mod dns_failed;
mod dns_search_list;
mod dns_wrong_address;
mod dropped_in_transfer;
mod ended;
mod group;
mod hearing;
mod helo_no_name;
mod host_dead;
mod log_incomplete;
mod login_refused;
mod mailbox_refetched;
mod message_too_large;
mod mtu_black_hole;
mod mx_without_address;
mod not_captured;
mod of_log;
mod one_witness;
mod polling_too_often;
mod reached;
pub mod registry;
mod reset_in_middle;
mod reset_signs;
mod retransmission_storm;
mod rhythm;
mod rollup;
mod server_error;
mod server_log;
mod sessions_held;
mod shares;
mod silence;
mod slow_client;
mod slow_greeting;
mod slow_login;
mod slow_network;
mod slow_server;
mod spans;
mod talk_before_greeting;
#[cfg(test)]
mod testing;
mod timeout_idle;
mod tls_failed;
mod tls_outdated;
mod unmatched;
mod view;
mod views_differ;
mod whole;

pub use ended::endings;
pub use registry::{diagnose, diagnose_end, diagnose_part};
pub use rollup::roll_up;
pub use view::View;
pub use whole::Whole;
