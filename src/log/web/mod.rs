//! Web servers and proxies: one line is one request.
//!
//! [`Request`] is what a line tells, whatever its format; [`Connections`] puts the lines together where they name their
//! connection. The stamp of a request is that of its end: where a log writes the beginning and the time taken, the sum.

pub(super) mod caddy;
pub(super) mod clf;
mod connections;
mod custom;
pub(super) mod envoy;
mod escape;
mod field;
pub(super) mod guess;
pub(super) mod haproxy;
mod json;
pub(super) mod nginx_error;
mod pattern;
mod request;
mod times;
pub(super) mod traefik;

pub(super) use connections::{Connections, Request};
pub(super) use custom::{Custom, PatternError};
pub(super) use json::Object;
pub(super) use request::{address, asked, command, proto};
pub(super) use times::decimal;
