//! Which format a log is in: every sample and every log of the bundled captures, whole and cut short, and no format claims
//! another's.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use bothends::log::registry::FORMATS;
use bothends::log::{Head, How, Opening};

/// Beginnings of names and the format of such a file, or the formats of programs that share it; the first that fits counts.
const NAMES: &[(&str, &str)] = &[
    ("access", "clf"),
    ("apache-custom", "web-guess"),
    ("apache-json", "web-guess"),
    ("apache-parts", "web-guess"),
    ("apache-sent", "web-guess"),
    ("apache-tabs", "web-guess"),
    ("apache", "clf"),
    ("caddy", "caddy"),
    ("courier", "courier"),
    ("cyrus-telemetry", "cyrus-telemetry"),
    ("cyrus", "cyrus"),
    ("dovecot-rawlog", "dovecot-rawlog"),
    ("dovecot", "dovecot"),
    ("envelope-docker", "clf+nginx-error"),
    ("envelope", "dovecot+postfix"),
    ("envoy", "envoy"),
    ("ex_smtp", "iis-smtp"),
    ("exchange2013-imap4", "exchange-mailbox"),
    ("exchange2013-pop3", "exchange-mailbox"),
    ("exchange2013", "exchange-smtp"),
    ("exchange55-imap4", "exchange55-mailbox"),
    ("exchange55", "exchange55-connector"),
    ("exim", "exim"),
    ("haproxy", "haproxy"),
    ("hmailserver", "hmailserver"),
    ("httperr", "httperr"),
    ("iis-fixed", "iis-fixed"),
    ("iis-ncsa", "iis-ncsa"),
    ("iis-odbc", "iis-odbc"),
    ("iis-w3c-http", "iis-http"),
    ("iis-w3c-nntp", "iis-nntp"),
    ("iis-w3c-smtp", "iis-smtp"),
    ("inn", "nnrpd"),
    ("mailenable", "mailenable"),
    ("nginx-custom", "web-guess"),
    ("nginx-error", "nginx-error"),
    ("nginx-json", "web-guess"),
    ("nginx-parts", "web-guess"),
    ("nginx-sent", "web-guess"),
    ("nginx", "clf"),
    ("opensmtpd", "opensmtpd"),
    ("postfix", "postfix"),
    ("sendmail", "sendmail"),
    ("suricata", "eve"),
    ("telemetry", "cyrus-telemetry"),
    ("traefik", "traefik"),
    ("zeek", "zeek"),
];
/// Share of lines that a format must take to be believed, in thousandths, as the reader has it.
const ENOUGH: u16 = 300;

/// Logs in a folder and those below it, by name.
fn logs(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        let ending = path
            .extension()
            .and_then(|ending| ending.to_str())
            .unwrap_or_default();
        if path.is_dir() {
            logs(&path, found);
        } else if ["log", "csv", "in", "out"].contains(&ending) {
            found.push(path);
        }
    }
    found.sort();
}

fn all() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    logs(&root.join("captures"), &mut found);
    let beside = root.join("../shared/reference/log-samples");
    if !beside.is_dir() {
        eprintln!("skipped in part: no {}", beside.display());
    }
    logs(&beside, &mut found);
    found
}

/// The format that a file is in.
///
/// A `syslog.log` is told by its folder, which is named after the server that wrote it.
fn expected(path: &Path) -> &'static str {
    let own = path.file_name();
    let name = match own.and_then(|name| name.to_str()) {
        Some("syslog.log") => path.parent().and_then(Path::file_name),
        _ => own,
    };
    let name = name.unwrap().to_str().unwrap();
    let known = NAMES.iter().find(|(begin, _)| name.starts_with(begin));
    known
        .unwrap_or_else(|| panic!("{name}: no format is expected of it; add a row to NAMES"))
        .1
}

/// What a log is found to be, and how surely; empty when it is nothing known.
fn told(bytes: &[u8]) -> (Vec<&'static str>, u16) {
    match Opening::of(bytes, How::default()) {
        Ok(openings) => (
            openings.iter().map(Opening::format).collect(),
            openings.first().map_or(0, |opening| opening.sureness().0),
        ),
        Err(_) => (Vec::new(), 0),
    }
}

/// The header, and so many lines behind it.
fn cut(bytes: &[u8], count: usize) -> Vec<u8> {
    let lines: Vec<&[u8]> = bytes.split_inclusive(|&byte| byte == b'\n').collect();
    let header = lines
        .iter()
        .take_while(|line| line.first() == Some(&b'#'))
        .count();
    lines
        .into_iter()
        .take(header + count)
        .collect::<Vec<_>>()
        .concat()
}

#[test]
fn every_log_is_told_whole_and_cut() {
    let mut table = String::new();
    let mut wrong = Vec::new();
    for path in all() {
        let whole = std::fs::read(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy();
        let wanted: Vec<&str> = expected(&path).split('+').collect();
        let is_read = FORMATS.iter().any(|entry| wanted.contains(&entry.name));
        for (what, bytes) in [
            ("5 lines", cut(&whole, 5)),
            ("1 line", cut(&whole, 1)),
            ("whole", whole),
        ] {
            let (mut found, sureness) = told(&bytes);
            found.sort_unstable();
            writeln!(table, "{name:<28} {what:<8} {found:?} {sureness}").unwrap();
            // One line may say little, but nothing wrong; nor may a log of a format that is not read here.
            let fits = match what {
                "1 line" => found.iter().all(|name| wanted.contains(name)),
                _ if is_read => found == wanted,
                _ => found.is_empty(),
            };
            if !fits {
                wrong.push(format!(
                    "{} {what}: {found:?}, not {wanted:?}",
                    path.display()
                ));
            }
        }
    }
    eprintln!("{table}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The matrix: of no log two formats believe that it is theirs.
#[test]
fn no_format_claims_anothers() {
    let mut wrong = Vec::new();
    for path in all() {
        let bytes = std::fs::read(&path).unwrap();
        let expected = expected(&path);
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        for count in [5, 50] {
            let part = cut(bytes, count);
            let lines: Vec<&[u8]> = part
                .split(|&byte| byte == b'\n')
                .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
                .filter(|line| !line.is_empty())
                .collect();
            let head = Head {
                lines: &lines,
                year: 2026,
            };
            for entry in FORMATS
                .iter()
                .filter(|entry| !expected.contains(entry.name))
            {
                let sureness = (entry.probe)(&head).0;
                if sureness >= ENOUGH {
                    wrong.push(format!(
                        "{}, {count} lines: {} is {sureness} ‰ sure",
                        path.display(),
                        entry.name
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
