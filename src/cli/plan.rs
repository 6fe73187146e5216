//! What was typed becomes what is to do; nothing is opened here.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use chrono::{DateTime, NaiveDateTime};
use encoding_rs::Encoding;

use crate::capture::Turn;
use crate::log::registry::FORMATS;
use crate::log::{Chosen, GivenZone, OwnFormat};
use crate::model::{Nanos, Span};
use crate::pipeline::{
    BadChecksums, BodyRules, ClockRule, EncodingRule, Interfaces, LogInput, LogPlace, Logs,
    Options, PacketRules, TableAddress, Threads, ZoneRule,
};
use crate::report::Selection;

use super::args::{Args, Checksums};

/// Sessions drawn unless asked for more.
const LADDERS: usize = 50;

/// The options of a run.
pub(super) fn options(args: &Args) -> Result<Options> {
    if args.captures.is_empty() && args.logs.is_empty() && !listens(args) {
        bail!("nothing to read: give a capture with -r, a log with -l, or both");
    }
    let own_formats = own_formats(args)?;
    let logs = args
        .logs
        .iter()
        .map(|log| log_input(log, &own_formats))
        .collect::<Result<_>>()?;
    Ok(Options {
        captures: args.captures.clone(),
        packets: PacketRules {
            turn: if args.packets.no_merge {
                Turn::AsGiven
            } else {
                Turn::ByTime
            },
            // Interfaces filter for themselves.
            filter: filter(args).filter(|_| !listens(args)),
            count: args.packets.count,
            dedup: args.packets.dedup.as_deref().map(window).transpose()?,
            interfaces: if args.packets.by_interface {
                Interfaces::Alike
            } else {
                Interfaces::Parts
            },
            write: args.packets.write.as_deref().map(writable).transpose()?,
        },
        #[cfg(feature = "live")]
        live: listens(args).then(|| live(args)),
        #[cfg(feature = "live")]
        follow: args.growing.follow,
        bodies: bodies(args),
        keylogs: args.keylog.clone(),
        other_side: args.other_side.clone(),
        logs,
        own_formats,
        capture_zone: args.capture_zone.as_deref().map(zone).transpose()?,
        log_zones: args
            .log_zone
            .iter()
            .map(|rule| zone_rule(rule))
            .collect::<Result<_>>()?,
        clocks: args
            .clock
            .iter()
            .map(|rule| clock_rule(rule))
            .collect::<Result<_>>()?,
        log_encodings: args
            .log_encoding
            .iter()
            .map(|rule| encoding_rule(rule))
            .collect::<Result<_>>()?,
        year: args.year,
        bad_checksums: match args.bad_checksums {
            Checksums::Keep => BadChecksums::Keep,
            Checksums::Drop => BadChecksums::Drop,
        },
        limits: args.bounds.limits(),
        most_unpacked: args.bounds.most_unpacked(),
        threads: args.threads.map(Threads::from).unwrap_or_default(),
        selection: Selection {
            ids: args.sessions.clone(),
            since: args.since.as_deref().map(moment).transpose()?,
            until: args.until.as_deref().map(moment).transpose()?,
            hosts: args.hosts.clone(),
            ladders: (!args.all).then_some(LADDERS),
        },
        ..Options::default()
    })
}

/// Where bodies go, and how much of them.
fn bodies(args: &Args) -> Option<BodyRules> {
    let octets = |mib: Option<u32>, usual| mib.map_or(usual, |mib| u64::from(mib) << 20);
    args.bodies.clone().map(|folder| BodyRules {
        folder,
        each: octets(args.body_limit, BodyRules::EACH),
        all: octets(args.bodies_limit, BodyRules::ALL),
    })
}

/// The filter, as one text or as words at the end.
fn filter(args: &Args) -> Option<String> {
    let words =
        (!args.packets.filter_words.is_empty()).then(|| args.packets.filter_words.join(" "));
    args.packets.filter.clone().or(words)
}

/// What to listen to, and how.
#[cfg(feature = "live")]
fn live(args: &Args) -> crate::capture::LiveRequest {
    use crate::capture::{HowToListen, LiveRequest, Mode};
    let listening = &args.listening;
    let usual = HowToListen::default();
    LiveRequest {
        interfaces: listening.interfaces.clone(),
        filter: filter(args),
        how: HowToListen {
            buffer: listening
                .buffer_size
                .map_or(usual.buffer, |kib| kib.saturating_mul(1024)),
            snap: listening
                .snapshot_length
                .filter(|&octets| octets > 0)
                .unwrap_or(usual.snap),
            mode: if listening.no_promiscuous {
                Mode::OwnOnly
            } else {
                Mode::Promiscuous
            },
        },
        user: listening.relinquish.clone(),
    }
}

/// Standard output has the report.
fn writable(path: &Path) -> Result<PathBuf> {
    if path == Path::new("-") {
        bail!("-w cannot write to standard output, where the report goes: give a file or a pipe");
    }
    Ok(path.to_owned())
}

/// `5ms`, `200us`, `1s`.
fn window(text: &str) -> Result<Span> {
    let wrong = || format!("'{text}' is no length of time: write 5ms, 200us or 1s");
    let digits = text.find(|character: char| !character.is_ascii_digit());
    let (number, unit) = text
        .split_at_checked(digits.unwrap_or(text.len()))
        .with_context(wrong)?;
    let number: i64 = number.parse().with_context(wrong)?;
    match unit {
        "us" => Ok(Span::micros(number)),
        "ms" => Ok(Span::millis(number)),
        "s" => Ok(Span::seconds(number)),
        _ => bail!(wrong()),
    }
}

#[cfg(feature = "live")]
const fn listens(args: &Args) -> bool {
    !args.listening.interfaces.is_empty()
}

#[cfg(not(feature = "live"))]
const fn listens(_: &Args) -> bool {
    false
}

/// The formats that the user describes.
fn own_formats(args: &Args) -> Result<Vec<OwnFormat>> {
    let patterns = args
        .log_format
        .iter()
        .map(|text| Ok(OwnFormat::from_pattern(text)?));
    let definitions = args.log_definition.iter().map(|path| definition(path));
    patterns.chain(definitions).collect()
}

fn definition(path: &Path) -> Result<OwnFormat> {
    let failed = || format!("cannot read the definition '{}'", path.display());
    let text = std::fs::read_to_string(path).with_context(failed)?;
    Ok(OwnFormat::from_definition(
        &path.display().to_string(),
        &text,
    )?)
}

/// `postfix:/var/log/mail.log`, where `postfix` is a known format or one of `own`, or names a file of definitions; `odbc:` and where a
/// table is; else a path.
fn log_input(text: &str, own: &[OwnFormat]) -> Result<LogInput> {
    let plain = LogInput {
        place: LogPlace::Files(PathBuf::from(text)),
        format: None,
    };
    let Some((name, path)) = text.split_once(':') else {
        return Ok(plain);
    };
    if name == "odbc" {
        // What was typed may hold a password: it is not repeated.
        let address = TableAddress::read(path).context("cannot use the log that -l odbc: names")?;
        return Ok(LogInput {
            place: LogPlace::Table(address),
            format: None,
        });
    }
    let is_definition = Path::new(name)
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("toml"));
    let format = if let Some(own) = own.iter().find(|own| own.name() == name) {
        Chosen::Own(own.clone())
    } else if let Some(entry) = FORMATS.iter().find(|entry| entry.name == name) {
        Chosen::Known(entry)
    } else if is_definition {
        Chosen::Own(definition(Path::new(name))?)
    } else {
        return Ok(plain);
    };
    Ok(LogInput {
        place: LogPlace::Files(PathBuf::from(path)),
        format: Some(format),
    })
}

fn zone_rule(text: &str) -> Result<ZoneRule> {
    let (file, zone_text) = rule(text);
    Ok(ZoneRule {
        file,
        zone: match zone_text.parse() {
            Ok(place) => GivenZone::Place(place),
            Err(_) => GivenZone::East(zone(zone_text).with_context(|| {
                format!(
                    "'{zone_text}' names no place of the time zone database either (Europe/Berlin)"
                )
            })?),
        },
    })
}

fn clock_rule(text: &str) -> Result<ClockRule> {
    /// Farther apart than a century no two clocks are.
    const FARTHEST: f64 = 3.2e9;
    let (file, seconds) = rule(text);
    match seconds.parse::<f64>() {
        Ok(offset) if offset.abs() < FARTHEST => Ok(ClockRule {
            file,
            offset: Span::from_seconds_f64(offset),
        }),
        _ => bail!(
            "'{seconds}' is no offset: write seconds by which the log's clock is ahead, 1.25 or -3600"
        ),
    }
}

fn encoding_rule(text: &str) -> Result<EncodingRule> {
    let (file, name) = rule(text);
    let Some(encoding) = Encoding::for_label(name.as_bytes()) else {
        bail!(
            "'{name}' is no encoding: write windows-1252, iso-8859-15, utf-16le, koi8-r or another name that browsers know"
        );
    };
    Ok(EncodingRule { file, encoding })
}

/// `[LOG=]VALUE`.
fn rule(text: &str) -> (Logs, &str) {
    match text.rsplit_once('=') {
        Some((file, value)) => (Logs::Named(file.to_owned()), value),
        None => (Logs::All, text),
    }
}

/// `+05:30`, `-0800`, `+1`, `UTC` or `Z`.
fn zone(text: &str) -> Result<Span> {
    let wrong =
        || format!("'{text}' is no zone: write it as +HH:MM east of UTC, -HH:MM west of it");
    if ["utc", "z"].contains(&text.to_ascii_lowercase().as_str()) {
        return Ok(Span::ZERO);
    }
    let (sign, digits) = match text.split_at_checked(1) {
        Some(("+", rest)) => (1, rest),
        Some(("-", rest)) => (-1, rest),
        _ => bail!(wrong()),
    };
    let plain: String = digits.chars().filter(|&c| c != ':').collect();
    let number: i64 = plain.parse().with_context(wrong)?;
    let (hours, minutes) = match plain.len() {
        1 | 2 => (number, 0),
        3 | 4 => (number / 100, number % 100),
        _ => bail!(wrong()),
    };
    if hours > 15 || minutes > 59 || digits.starts_with(['+', '-']) {
        bail!(wrong());
    }
    Ok(Span::seconds(sign * (hours * 3600 + minutes * 60)))
}

fn moment(text: &str) -> Result<Nanos> {
    let instant = DateTime::parse_from_rfc3339(text)
        .map(|instant| instant.timestamp_nanos_opt())
        .or_else(|_| {
            ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f"]
                .iter()
                .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
                .map(|plain| plain.and_utc().timestamp_nanos_opt())
                .ok_or(())
        });
    match instant {
        Ok(Some(nanos)) => Ok(Nanos(nanos)),
        _ => {
            bail!("'{text}' is no time: write 2026-11-24T03:30:00Z, or 2026-11-24 03:30:00 for UTC")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_of_logs_may_be_places_too() {
        let rule = zone_rule("mail.log=Europe/Berlin").unwrap();
        assert!(matches!(rule.file, Logs::Named(name) if name == "mail.log"));
        assert_eq!(rule.zone, GivenZone::Place(chrono_tz::Europe::Berlin));
        let east = zone_rule("+01:00").unwrap();
        assert_eq!(east.zone, GivenZone::East(Span::seconds(3600)));
        let wrong = zone_rule("Middle/Earth").unwrap_err();
        assert!(format!("{wrong:#}").contains("+HH:MM"), "{wrong:#}");
        assert!(encoding_rule("latin1").is_ok() && encoding_rule("ebcdic").is_err());
    }

    #[test]
    fn zones_are_read_in_the_usual_spellings() {
        for (text, seconds) in [
            ("+05:30", 19_800),
            ("-0800", -28_800),
            ("+1", 3600),
            ("utc", 0),
            ("-05", -18_000),
        ] {
            assert_eq!(zone(text).unwrap(), Span::seconds(seconds), "{text}");
        }
        for text in ["", "5", "+25", "+5:3x", "CET", "+-5", "é"] {
            assert!(zone(text).is_err(), "{text}");
        }
    }

    #[test]
    fn windows_are_read_with_their_unit() {
        for (text, nanos) in [
            ("5ms", 5_000_000),
            ("200us", 200_000),
            ("1s", 1_000_000_000),
        ] {
            assert_eq!(window(text).unwrap().0, nanos, "{text}");
        }
        for text in ["", "5", "ms", "-1s", "5 ms", "99999999999999999999s"] {
            assert!(window(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_are_read_with_and_without_a_zone() {
        let at = Nanos::new(1_795_491_000, 0);
        for text in [
            "2026-11-24T03:30:00Z",
            "2026-11-24 03:30:00",
            "2026-11-24T04:30:00+01:00",
        ] {
            assert_eq!(moment(text).unwrap(), at, "{text}");
        }
        assert!(moment("yesterday").is_err());
    }
}
