//! What a column may be, and the values that are of each kind.

use crate::model::{LogTime, Span};

use super::super::super::stamp;

/// Codes that servers of HTTP answer with (the registry of IANA), and those that nginx writes besides; other numbers of three digits may be anything.
pub(super) const STATUS: [&str; 67] = [
    "101", "102", "103", "200", "201", "202", "203", "204", "205", "206", "207", "208", "226",
    "300", "301", "302", "303", "304", "305", "307", "308", "400", "401", "402", "403", "404",
    "405", "406", "407", "408", "409", "410", "411", "412", "413", "414", "415", "416", "417",
    "418", "421", "422", "423", "424", "425", "426", "428", "429", "431", "444", "451", "494",
    "495", "496", "497", "499", "500", "501", "502", "503", "504", "505", "506", "507", "508",
    "510", "511",
];
pub(super) const METHODS: [&str; 10] = [
    "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PROPFIND", "PUT", "TRACE",
];
/// Names that speak of other ends than the client.
pub(super) const OF_OTHERS: [&str; 8] = [
    "upstream", "backend", "forward", "xff", "server", "local", "dest", "proxy",
];

/// What a column is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Body,
    Client,
    /// With its port behind a colon.
    ClientEnd,
    Common,
    Epoch,
    /// Milliseconds, microseconds, nanoseconds since 1970.
    EpochMillis,
    EpochMicros,
    EpochNanos,
    /// Seconds without a point.
    EpochSeconds,
    Iso,
    /// Of several values on some line.
    List,
    Method,
    Nothing,
    Port,
    Referer,
    /// Octets, of the body alone or of all of the reply.
    Reply,
    Request,
    Status,
    Taken,
    Target,
    TlsVersion,
    UserAgent,
    Version,
}

/// Those that tell a time; no value is of two of them.
pub(super) const TIMES: [Kind; 7] = [
    Kind::Epoch,
    Kind::Iso,
    Kind::Common,
    Kind::EpochSeconds,
    Kind::EpochMillis,
    Kind::EpochMicros,
    Kind::EpochNanos,
];

impl Kind {
    /// Whether what looks like such a time may be a number of another thing.
    pub(super) const fn may_be_a_number(self) -> bool {
        matches!(
            self,
            Self::EpochSeconds | Self::EpochMillis | Self::EpochMicros | Self::EpochNanos
        )
    }

    /// In nginx's words, and in words for a person.
    pub(super) const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Body => ("$body_bytes_sent", "the octets of the reply's body"),
            Self::Client => ("$remote_addr", "the client's address"),
            Self::ClientEnd => ("$remote_addr:$remote_port", "the client's address and port"),
            Self::Common => ("$time_local", "the time"),
            Self::Epoch | Self::EpochSeconds => ("$msec", "the time"),
            Self::EpochMillis => ("$epoch_ms", "the time"),
            Self::EpochMicros => ("$epoch_us", "the time"),
            Self::EpochNanos => ("$epoch_ns", "the time"),
            Self::Iso => ("$time_iso8601", "the time"),
            Self::Method => ("$request_method", "the method"),
            Self::Port => ("$remote_port", "the client's port"),
            Self::Referer => ("$http_referer", ""),
            Self::Reply => (
                "$reply_octets",
                "the octets of the reply (of its body or of all of it, which the lines do not tell)",
            ),
            Self::Request => ("$request", "the request"),
            Self::Status => ("$status", "the status"),
            Self::Taken => ("$request_time", "the time taken"),
            Self::Target => ("$request_uri", "the target"),
            Self::TlsVersion => ("$ssl_protocol", "the version of TLS"),
            Self::UserAgent => ("$http_user_agent", ""),
            Self::Version => ("$server_protocol", "the version of HTTP"),
            Self::List | Self::Nothing => ("", ""),
        }
    }
}

pub(super) fn is_absent(value: &str) -> bool {
    matches!(value, "-" | "" | "null")
}

pub(super) fn is_number(value: &str) -> bool {
    !value.is_empty() && value.len() < 16 && value.bytes().all(|byte| byte.is_ascii_digit())
}

/// `GET / HTTP/1.1`
pub(super) fn is_request(value: &str) -> bool {
    let Some((method, rest)) = value.split_once(' ') else {
        return false;
    };
    METHODS.contains(&method)
        && rest
            .rsplit_once(' ')
            .is_some_and(|(_, version)| is_version(version))
}

pub(super) fn is_version(value: &str) -> bool {
    value.strip_prefix("HTTP/").is_some_and(|digits| {
        let is_part = |c: char| c.is_ascii_digit() || c == '.';
        digits.starts_with(|c: char| c.is_ascii_digit()) && digits.chars().all(is_part)
    })
}

/// `0.012`: nginx writes seconds with three digits.
pub(super) fn seconds(value: &str) -> Option<f64> {
    let (whole, fraction) = value.split_once('.')?;
    (is_number(whole) && whole.len() < 6 && fraction.len() == 3 && is_number(fraction))
        .then(|| value.parse().ok())?
}

/// The moment that a value of this kind tells; `None` when it is none.
pub(super) fn moment(kind: Kind, value: &str) -> Option<LogTime> {
    let whole = |stamped: stamp::Stamped<'_>| stamped.rest.is_empty().then_some(stamped.stamp.at);
    match kind {
        Kind::Common => whole(stamp::common(value)?),
        Kind::Iso => whole(stamp::iso(value)?),
        Kind::Epoch => {
            let (seconds, fraction) = value.split_once('.')?;
            let is_epoch = seconds.len() == 10 && is_number(seconds) && is_number(fraction);
            let (since, _) = is_epoch.then(|| super::super::decimal(value, Span::SECOND))??;
            Some(LogTime(since.0))
        }
        Kind::EpochSeconds => since_1970(value, Span::SECOND),
        Kind::EpochMillis => since_1970(value, Span::MILLISECOND),
        Kind::EpochMicros => since_1970(value, Span::MICROSECOND),
        Kind::EpochNanos => since_1970(value, Span(1)),
        _ => None,
    }
}

/// A whole number of units since 1970, of the years 2001 to 2038: other numbers are none.
fn since_1970(value: &str, unit: Span) -> Option<LogTime> {
    const YEARS: std::ops::Range<i64> = 1_000_000_000..1 << 31;
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    let units: i64 = digits.then(|| value.parse().ok())??;
    let since = units.checked_mul(unit.0)?;
    YEARS
        .contains(&(since / Span::SECOND.0))
        .then_some(LogTime(since))
}

/// Ports that clients have.
pub(super) fn is_port(value: &str) -> bool {
    value.parse::<u16>().is_ok_and(|port| port >= 1024)
}
