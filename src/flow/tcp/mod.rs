//! TCP: segments become two ordered streams (RFC 9293).

mod connection;
mod held;
mod history;
mod observer;
mod passage;
mod recent;
mod reset;
mod states;
mod stream;
mod waiting;

pub(super) use connection::{Arrival, COPIED, Phase, TcpConnection};
pub(super) use history::is_power_of_ten;
