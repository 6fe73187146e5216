//! A log in pieces, whose lines other threads read ahead of the one that puts them together.

use std::borrow::Cow;
use std::sync::mpsc::{Receiver, SendError, Sender, channel, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::model::{LogSession, Threads, from_wire};

use super::super::{Builder, MAX_LINE, Parsed};
use super::disk_full;
use super::lines::{Found, LineEnd, found};
use super::sessions::Sessions;

/// Octets of a piece, but for the line that it ends in.
const PIECE: usize = if cfg!(test) { 1 << 8 } else { 1 << 18 };
/// Pieces that a thread may be ahead.
const AHEAD: usize = 2;

/// A format whose lines can be read each by itself; only what becomes of them together takes their order.
pub(in crate::log) trait Apart: Builder {
    /// What must be known of the lines before to read one: the columns in force.
    type Known: Clone + Default + PartialEq + Send;
    /// A line that was read.
    type Row<'a>: Send;
    /// A session that is complete. Another thread makes of it what is kept.
    type Over: Into<LogSession> + Send;

    /// What is known now.
    fn known(&self) -> Self::Known;

    /// Reads a line. Where it changes what is known, so do those behind it see it.
    fn read<'a>(known: &mut Self::Known, line: RawLine<'a>) -> Self::Row<'a>;

    /// Takes the line that is next in order. Sessions that it completes go to `out`.
    fn take(&mut self, row: Self::Row<'_>, number: u64, out: &mut Vec<Self::Over>) -> Parsed;
}

/// A line that nobody has read.
#[derive(Clone, Copy)]
pub(in crate::log) struct RawLine<'a> {
    bytes: &'a [u8],
    /// The same where it is UTF-8.
    text: Option<&'a str>,
}

impl<'a> RawLine<'a> {
    /// The line in `bytes`.
    pub(in crate::log) fn new(bytes: &'a [u8]) -> Self {
        let text = std::str::from_utf8(bytes).ok();
        Self { bytes, text }
    }

    /// Its octets.
    pub(in crate::log) const fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// As text; `None` where it is not UTF-8.
    pub(in crate::log) const fn utf8(self) -> Option<&'a str> {
        self.text
    }

    /// As text, whatever it is in.
    pub(in crate::log) fn text(self) -> Cow<'a, str> {
        self.text
            .map_or_else(|| from_wire(self.bytes).into(), Cow::Borrowed)
    }
}

/// All of a log whose lines have no envelope and are in UTF-8.
#[derive(Clone, Copy)]
pub struct Pieces<'a> {
    bytes: &'a [u8],
    end: LineEnd,
    threads: Threads,
    /// Where its sessions go.
    sessions: &'a Mutex<Sessions>,
}

/// What the reader does with what the builder gives, but for the sessions.
pub trait Sink {
    /// The number of the line that is next; nothing more is done with one that is empty or too long.
    fn number(&mut self, line: Found<'_>) -> Option<u64>;
    /// What became of the line.
    fn parsed(&mut self, line: Found<'_>, parsed: Parsed);
    /// So many octets are read.
    fn progress(&mut self, at: usize);
}

/// The lines of a piece, read under what was taken to be known where it begins.
struct Lines<'a, A: Apart> {
    under: A::Known,
    rows: Rows<'a, A>,
}

type Rows<'a, A> = Vec<(Found<'a>, Option<<A as Apart>::Row<'a>>)>;

impl<'a> Pieces<'a> {
    pub(super) const fn new(
        bytes: &'a [u8],
        end: LineEnd,
        threads: Threads,
        sessions: &'a Mutex<Sessions>,
    ) -> Self {
        Self {
            bytes,
            end,
            threads,
            sessions,
        }
    }

    /// Has `builder` take all lines, read by other threads meanwhile; one more puts away the sessions that are complete.
    pub(in crate::log) fn give<A: Apart>(self, builder: &mut A, sink: &mut dyn Sink) {
        let pieces = self.cut();
        // Either they wait for this one or it for them.
        let workers = self.threads.count().min(pieces.len().max(1));
        // The columns of a log hardly ever change: a piece is read under those that were last in force, and again where that proves wrong.
        let last = Mutex::new(builder.known());
        let last = &last;
        thread::scope(|scope| {
            let work = |worker: usize| {
                let (give, take) = sync_channel(AHEAD);
                // Lists that are done with come back: new memory for each would cost more than the lines.
                let (give_back, empty) = channel::<Vec<_>>();
                let mine: Vec<&[u8]> = pieces
                    .iter()
                    .skip(worker)
                    .step_by(workers)
                    .copied()
                    .collect();
                let read = move || {
                    for piece in mine {
                        let under = last.lock().unwrap_or_else(PoisonError::into_inner).clone();
                        let rows = empty.try_recv().unwrap_or_default();
                        if give.send(read::<A>(piece, self.end, under, rows)).is_err() {
                            return;
                        }
                    }
                };
                let spawned = thread::Builder::new().spawn_scoped(scope, read);
                spawned.ok().map(|_| (take, give_back))
            };
            let workers: Vec<Option<(Receiver<_>, Sender<_>)>> = (0..workers).map(work).collect();
            let (put_away, complete) = sync_channel::<(Vec<A::Over>, usize)>(AHEAD);
            let (give_back, empty) = channel();
            let put_all_away = move || {
                for (mut over, at) in complete {
                    self.put_away(&mut over, at);
                    give_back.send(over).ok();
                }
            };
            // A thread that cannot be had is done without.
            thread::Builder::new()
                .spawn_scoped(scope, put_all_away)
                .ok();
            let mut over = Vec::new();
            let mut at = 0;
            for (piece, worker) in pieces.iter().zip(workers.iter().cycle()) {
                let known = builder.known();
                let ahead = worker.as_ref().and_then(|(take, _)| take.recv().ok());
                let mut lines = match ahead.filter(|ahead| ahead.under == known) {
                    Some(ahead) => ahead,
                    None => read::<A>(piece, self.end, known.clone(), Vec::new()),
                };
                for (line, row) in lines.rows.drain(..) {
                    let Some((number, row)) = sink.number(line).zip(row) else {
                        continue;
                    };
                    let parsed = builder.take(row, number, &mut over);
                    sink.parsed(line, parsed);
                }
                if let Some((_, give_back)) = worker {
                    // A thread that is done takes none.
                    give_back.send(lines.rows).ok();
                }
                if builder.known() != known {
                    *last.lock().unwrap_or_else(PoisonError::into_inner) = builder.known();
                }
                at += piece.len();
                let next = empty.try_recv().unwrap_or_default();
                let complete = std::mem::replace(&mut over, next);
                if let Err(SendError((mut over, at))) = put_away.send((complete, at)) {
                    self.put_away(&mut over, at);
                }
                sink.progress(at);
            }
        });
    }

    /// Puts away sessions that are complete after so many octets.
    fn put_away<T: Into<LogSession>>(self, over: &mut Vec<T>, at: usize) {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.all.extend(over.drain(..).map(Into::into));
        sessions.settle();
        sessions.make_room(at, self.bytes.len());
    }

    /// Cuts the log where lines end.
    fn cut(self) -> Vec<&'a [u8]> {
        let mut pieces = Vec::new();
        let mut rest = self.bytes;
        while !rest.is_empty() {
            let least = rest.get(PIECE - 1..).unwrap_or_default();
            let end = self.end.find(least).map_or(rest.len(), |end| PIECE + end);
            let (piece, behind) = rest.split_at_checked(end).unwrap_or((rest, &[]));
            pieces.push(piece);
            rest = behind;
        }
        pieces
    }
}

fn read<'a, A: Apart>(
    piece: &'a [u8],
    end: LineEnd,
    under: A::Known,
    mut rows: Rows<'a, A>,
) -> Lines<'a, A> {
    let mut known = under.clone();
    // What can be asked of the whole piece need not be asked of each line.
    let text = std::str::from_utf8(piece).ok();
    let may_be_full = disk_full::may_say_so(piece);
    let mut rest = piece;
    while !rest.is_empty() {
        let end = end.find(rest).unwrap_or(rest.len());
        let (line, behind) = rest.split_at_checked(end).unwrap_or((rest, &[]));
        rest = behind.get(1..).unwrap_or_default();
        let line = found(line, may_be_full);
        let is_read = !line.bytes.is_empty() && line.bytes.len() <= MAX_LINE;
        let row = is_read.then(|| A::read(&mut known, raw(line.bytes, piece, text)));
        rows.push((line, row));
    }
    Lines { under, rows }
}

/// A line of `piece`, which is `text` where that is UTF-8.
fn raw<'a>(line: &'a [u8], piece: &[u8], text: Option<&'a str>) -> RawLine<'a> {
    let at = line.as_ptr().addr().wrapping_sub(piece.as_ptr().addr());
    match text.and_then(|text| text.get(at..)?.get(..line.len())) {
        Some(text) => RawLine {
            bytes: line,
            text: Some(text),
        },
        None => RawLine::new(line),
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use proptest::prelude::*;

    use super::super::super::OwnFormat;
    use super::super::super::registry::FORMATS;
    use super::super::{Chosen, Era, How, Opening};
    use super::*;
    use crate::model::LogId;

    const POSTFIX: &str =
        "Dec 31 23:59:58 mail postfix/smtpd[7]: connect from unknown[192.0.2.10]\n";
    const W3C: &str = "#Fields: date time c-ip cs-username s-sitename cs-method cs-uri-query sc-status cs-version\n";
    const CLF: &str = "192.0.2.10 - - [09/Oct/2006:05:00:15 +0200] \"GET /a HTTP/1.1\" 200 13 \"-\" \"x\" 40001\n";
    /// In the format [`PATTERN`].
    const CUSTOM: &str =
        "f 192.0.2.10:40001 [09/Oct/2006:05:00:15 +0200] \"GET /a HTTP/1.1\" 200\n";
    const PATTERN: &str = "f=f $remote_addr:$remote_port [$time_local] \"$request\" $status";
    /// Lines of all of them, and what lines may be beside them.
    const LINES: [&str; 17] = [
        POSTFIX,
        "Dec 31 23:59:59 mail postfix/smtpd[7]: 7E58B98E33D: client=unknown[192.0.2.10]\n",
        "Jan  1 00:00:00 mail postfix/cleanup[9]: 7E58B98E33D: message-id=<\u{fc}@example.com>\n",
        "Jan  1 00:00:00 mail postfix/smtpd[7]: disconnect from unknown[192.0.2.10] ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5\n",
        "Feb 29 00:00:01 mail postfix/qmgr[9]: 7E58B98E33D: removed\n",
        "2006-10-09 05:00:15 192.0.2.10 gw SMTPSVC1 EHLO +gw 250 SMTP\r\n",
        "2006-10-09 05:00:15 192.0.2.10 gw SMTPSVC1 MAIL +FROM:<a@b> 250 SMTP\n",
        "2006-10-10 05:00:16 192.0.2.10 gw SMTPSVC1 QUIT - 240 SMTP\n",
        "#Fields: time c-ip cs-username s-sitename cs-method cs-uri-query sc-status cs-version\n",
        "#Date: 2006-10-09 23:59:58\n",
        "23:59:59 192.0.2.11 gw SMTPSVC1 HELO +gw 250 SMTP\n",
        W3C,
        "\n",
        "\0\0rubbish\n",
        "192.0.2.10 - ann [09/Oct/2006:05:00:16 +0200] \"GET /\u{fc} HTTP/1.1\" 200 13 \"-\" \"x\" 40001\n",
        "192.0.2.11 - - [09/Oct/2006:05:00:17 +0300] \"GET /c HTTP/1.1\" 404 9 \"-\" \"x\"\n",
        "f 192.0.2.11:40002 [09/Oct/2006:05:00:16 +0300] \"GET /\u{fc} HTTP/1.1\" 404\n",
    ];

    fn told(bytes: &[u8], threads: usize) -> String {
        let known = |name| {
            let entry = FORMATS.iter().find(|entry| entry.name == name);
            entry.map(Chosen::Known)
        };
        let format = match bytes.first() {
            Some(b'#') => known("iis-smtp"),
            Some(b'1') => known("clf"),
            Some(b'f') => Some(Chosen::Own(OwnFormat::from_pattern(PATTERN).unwrap())),
            _ => known("postfix"),
        };
        let how = How {
            format: format.as_ref(),
            era: Era::Year(2026),
            ..How::default()
        };
        let openings = Opening::of(bytes, how).unwrap();
        let mut reader = openings[0].reader(LogId(0), "x", bytes);
        let threads = Threads::from(NonZeroUsize::new(threads).unwrap());
        reader.whole(bytes, threads, &mut |_| {});
        format!("{:#?}", reader.finish())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_number_of_threads_reads_the_same(
            head in proptest::sample::select(vec![POSTFIX, W3C, CLF, CUSTOM]),
            lines in proptest::collection::vec((0..LINES.len(), any::<bool>()), 1..120),
            is_cut in any::<bool>(),
        ) {
            let mut bytes = head.as_bytes().repeat(2);
            if head == W3C {
                bytes.extend_from_slice(LINES[5].as_bytes());
            }
            for (at, is_damaged) in lines {
                bytes.extend_from_slice(LINES[at].as_bytes());
                if is_damaged && at % 5 == 0 {
                    let place = bytes.len() - 9;
                    bytes[place] = 0xfc;
                }
            }
            if is_cut {
                bytes.truncate(bytes.len() - 1);
            }
            let one = told(&bytes, 1);
            prop_assert!(one.contains("LogSource"));
            for threads in [2, 5] {
                prop_assert_eq!(&one, &told(&bytes, threads));
            }
        }
    }

    #[test]
    fn a_line_longer_than_a_piece_is_of_one() {
        let long = [
            POSTFIX.as_bytes(),
            &vec![b'x'; 3 * PIECE],
            b"\n",
            POSTFIX.as_bytes(),
        ]
        .concat();
        let sessions = Mutex::default();
        let pieces = Pieces::new(&long, LineEnd::Feed, Threads::default(), &sessions).cut();
        assert_eq!(pieces.len(), 2);
        assert!(pieces.iter().all(|piece| piece.ends_with(b"\n")));
        assert_eq!(pieces.concat(), long);
    }
}
