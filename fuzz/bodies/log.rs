//! Logs in any format, and in formats that a user gives.

use bothends::log::registry::FORMATS;
use bothends::log::{Chosen, Era, How, Opening, OwnFormat};
use bothends::model::{LogId, LogSource, Threads};

/// A byte that names the format, then a log. The last byte leaves the format to be found, which takes all of them.
pub(crate) fn log(data: &[u8]) {
    let Some((&format, bytes)) = data.split_first() else {
        return;
    };
    let named = FORMATS.get(usize::from(format) % FORMATS.len());
    let named = named.filter(|_| format != u8::MAX).map(Chosen::Known);
    read(bytes, named.as_ref());
}

/// A line with a format as `--log-format` takes it, then a log in it.
pub(crate) fn log_format(data: &[u8]) {
    let end = data.iter().position(|&byte| byte == b'\n');
    let (format, rest) = data.split_at(end.unwrap_or(data.len()));
    let format = format!("own={}", String::from_utf8_lossy(format));
    match OwnFormat::from_pattern(&format) {
        Ok(own) => read(rest, Some(&Chosen::Own(own))),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn read(bytes: &[u8], named: Option<&Chosen>) {
    let how = How {
        format: named,
        era: Era::Year(2026),
        ..How::default()
    };
    let Ok(openings) = Opening::of(bytes, how) else {
        return;
    };
    let Some(opening) = openings.first() else {
        return;
    };
    let mut reader = opening.reader(LogId(0), "log", bytes);
    reader.whole(bytes, Threads::default(), &mut |_| {});
    let (source, sessions) = reader.finish();
    assert!(source.events <= source.lines);
    // A line belongs to one session, and may tell of more than one event in it.
    let mut lines = 0;
    for session in &sessions {
        let mut of: Vec<_> = session.events.iter().map(|event| event.line).collect();
        of.dedup();
        lines += of.len();
    }
    assert!(u64::try_from(lines).unwrap_or(u64::MAX) <= source.lines);
    in_pieces(bytes, opening, &source, sessions.len());
}

/// However a log is cut, it says the same. (An export of the journal is read as a whole only.)
fn in_pieces(bytes: &[u8], opening: &Opening, whole: &LogSource, sessions: usize) {
    if bytes.starts_with(b"__CURSOR=") || bytes.starts_with(b"__REALTIME_TIMESTAMP=") {
        return;
    }
    let mut reader = opening.reader(LogId(0), "log", bytes);
    for piece in bytes.chunks(7) {
        reader.take(piece);
    }
    let (source, found) = reader.finish();
    assert_eq!(
        (source.lines, source.events, source.unparsed, found.len()),
        (whole.lines, whole.events, whole.unparsed, sessions)
    );
}
