//! Internet Information Services: servers of mail and news and web sites in every format that they can log in.
//!
//! All formats hold the same values. Those of [`smtp`], [`nntp`] and [`http`] are W3C extended; the others are brought into that form by
//! [`services`].

pub(super) mod fixed;
pub(super) mod http;
pub(super) mod httperr;
pub(super) mod ncsa;
pub(super) mod nntp;
pub(super) mod odbc;
mod services;
pub(super) mod smtp;
