//! What a log format can show.

use super::Span;

/// Whether the lines of a format tell a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// In every log of the format.
    Always,
    /// In none.
    Never,
    /// Not all of it; what, in a few words.
    Partly(&'static str),
    /// Where the server was told to write it: by this setting.
    With(&'static str),
}

/// Smallest step of a format's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockStep {
    /// As the envelope has it: a second in RFC 3164, up to a microsecond in RFC 3339 and journals.
    Envelope,
    /// Always this.
    Of(Span),
    /// As the lines have it.
    Varies,
}

/// What happens at the moment that a stamp tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marks {
    /// The request came, or the connection.
    Begin,
    /// What the line tells of was done.
    End,
    /// The one with some servers, the other with others.
    BeginOrEnd,
    /// The line was written, at or soon after what it tells of.
    Line,
}

/// What a log format can show, as its reader here takes it in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shows {
    /// Port of the connection's other end, by which sessions are found surely.
    pub client_port: Shown,
    /// What ties the lines of one connection together.
    pub session_id: Shown,
    /// Smallest step of its stamps.
    pub step: ClockStep,
    /// What its stamps mark.
    pub marks: Marks,
    /// Octets of requests and replies, or of the session.
    pub octets: Shown,
    /// Requests one by one.
    pub commands: Shown,
    /// Replies one by one.
    pub replies: Shown,
    /// TLS version or cipher.
    pub tls: Shown,
    /// Who logged in.
    pub users: Shown,
}

impl Shows {
    /// Nothing but a line of text and its time.
    pub const NOTHING: Self = Self {
        client_port: Shown::Never,
        session_id: Shown::Never,
        step: ClockStep::Varies,
        marks: Marks::Line,
        octets: Shown::Never,
        commands: Shown::Never,
        replies: Shown::Never,
        tls: Shown::Never,
        users: Shown::Never,
    };

    /// What it shows, each with its name as in JSON; without the clock.
    pub const fn things(&self) -> [(&'static str, Shown); 7] {
        [
            ("client_port", self.client_port),
            ("session_id", self.session_id),
            ("octets", self.octets),
            ("commands", self.commands),
            ("replies", self.replies),
            ("tls", self.tls),
            ("users", self.users),
        ]
    }
}

impl Shown {
    /// Always or never.
    pub const fn when(it_is: bool) -> Self {
        if it_is { Self::Always } else { Self::Never }
    }

    /// `yes`, `no`, `partly` or `with setting`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Always => "yes",
            Self::Never => "no",
            Self::Partly(_) => "partly",
            Self::With(_) => "with setting",
        }
    }

    /// Which part, or the setting.
    pub const fn detail(self) -> Option<&'static str> {
        match self {
            Self::Always | Self::Never => None,
            Self::Partly(what) | Self::With(what) => Some(what),
        }
    }

    /// What a user of the server can do to have it logged.
    pub const fn remedy(self) -> Option<&'static str> {
        match self {
            Self::With(setting) => Some(setting),
            _ => None,
        }
    }
}

impl ClockStep {
    /// For a person: `1 s`, `0.001 s`, `as the envelope`.
    pub fn text(self) -> String {
        match self {
            Self::Envelope => "as the envelope".to_owned(),
            Self::Of(span) => format!("{} s", span.as_seconds_f64()),
            Self::Varies => "as written".to_owned(),
        }
    }
}

impl Marks {
    /// For a person.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Begin => "begin",
            Self::End => "end",
            Self::BeginOrEnd => "begin or end",
            Self::Line => "line",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_a_remedy_and_a_part_is_none() {
        assert_eq!(Shown::With("x=yes").remedy(), Some("x=yes"));
        assert_eq!(Shown::Partly("counts").remedy(), None);
        assert_eq!(Shown::Partly("counts").detail(), Some("counts"));
        assert_eq!(Shown::Never.detail(), None);
    }

    #[test]
    fn steps_are_told_in_seconds() {
        assert_eq!(ClockStep::Of(Span::SECOND).text(), "1 s");
        assert_eq!(ClockStep::Of(Span::MILLISECOND).text(), "0.001 s");
        assert_eq!(ClockStep::Envelope.text(), "as the envelope");
    }
}
