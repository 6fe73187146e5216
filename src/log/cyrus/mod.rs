//! Cyrus: what its servers tell syslog of sessions, and the transcripts of users whose telemetry is on.

pub(super) mod syslog;
pub(super) mod telemetry;
