//! The ids that Exim gives to messages (`receive.c` in its source): seconds since 1970 when the message began to come in, the process, and a
//! fraction of the second; `1xVhCx-0005xe-1x` up to version 4.96, `16VDhn-000000001bo-D342` since.

use crate::model::{LogTime, Span, Stamp};

use super::super::hidden_clock::number;

/// Digits of the base.
const DIGITS: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// What an id tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MessageId {
    /// In UTC, whole.
    pub(super) second: LogTime,
    /// Of the process that took the message in.
    pub(super) pid: i64,
    fraction: i64,
    form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// 6-6-2 digits.
    Old,
    /// 6-11-4 digits.
    New,
}

/// Unit of the fraction in ids of the old form, which depends on the version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Unit {
    /// Five milliseconds: 4.96, and any version with a `localhost_number`.
    Coarse,
    /// Half a millisecond: 4.14 to 4.95.
    Fine,
    /// Not told yet.
    #[default]
    Unknown,
}

impl MessageId {
    /// Reads `text` if all of it is an id.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '-');
        let (seconds, pid, fraction) = (parts.next()?, parts.next()?, parts.next()?);
        let form = match (seconds.len(), pid.len(), fraction.len()) {
            (6, 6, 2) => Form::Old,
            (6, 11, 4) => Form::New,
            _ => return None,
        };
        Some(Self {
            second: LogTime::new(number(seconds, DIGITS)?, 0),
            pid: number(pid, DIGITS)?,
            fraction: number(fraction, DIGITS)?,
            form,
        })
    }

    /// The unit that an id of the old form shows by its size; a small one may be of either.
    pub(super) const fn shows(self) -> Unit {
        match self.form {
            Form::Old if self.fraction >= 200 && self.fraction < 2000 => Unit::Fine,
            _ => Unit::Unknown,
        }
    }

    /// When the message began to come in, as exactly as can be told.
    pub(super) fn began(self, unit: Unit) -> Stamp {
        let step = match (self.form, unit) {
            (Form::New, _) => Some(Span::MICROSECOND),
            (Form::Old, Unit::Coarse) => Some(Span::millis(5)),
            (Form::Old, Unit::Fine) => Some(Span::micros(500)),
            (Form::Old, Unit::Unknown) => None,
        };
        let exact = step.and_then(|step| {
            let fraction = Span(self.fraction.checked_mul(step.0)?);
            (fraction < Span::SECOND).then_some((fraction, step))
        });
        let (fraction, resolution) = exact.unwrap_or((Span::ZERO, Span::SECOND));
        Stamp {
            at: self.second + fraction,
            resolution,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_tell_second_process_and_fraction() {
        let id = MessageId::read("1xVhCx-0005xe-1x").unwrap();
        assert_eq!(
            (id.second, id.pid),
            (LogTime::new(1_795_490_919, 0), 22_918)
        );
        let began = id.began(Unit::Coarse);
        assert_eq!(began.at, LogTime::new(1_795_490_919, 605_000_000));
        assert_eq!(began.resolution, Span::millis(5));
        assert_eq!(id.began(Unit::Unknown).resolution, Span::SECOND);
        assert_eq!(id.shows(), Unit::Unknown);
        let fine = MessageId::read("1xVhCx-0005xe-V1").unwrap();
        assert_eq!(fine.shows(), Unit::Fine);
        assert_eq!(
            fine.began(Unit::Fine).at,
            LogTime::new(1_795_490_919, 961_500_000)
        );
        let new = MessageId::read("1xVhCx-000000005xe-2Efm").unwrap();
        let began = new.began(Unit::Unknown);
        assert_eq!((new.pid, began.resolution), (22_918, Span::MICROSECOND));
    }

    #[test]
    fn other_words_are_no_ids() {
        for text in [
            "",
            "1xVhCx-0005xe",
            "1xVhCx-0005xe-1",
            "1xVhC.-0005xe-1x",
            "SMTP-connec-ti",
        ] {
            assert_eq!(MessageId::read(text), None, "{text}");
        }
    }
}
