//! Runs that join while packets pass and logs are written.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use bothends::capture::open;
use bothends::input::Input;
use chrono::{NaiveDateTime, TimeDelta};
use serde_json::Value;

use crate::program::{bundled, records};

/// Longer than any of this should take.
const LONG: Duration = Duration::from_secs(30);

/// A recorded run again and again, each time so many seconds later.
struct Again {
    step: u32,
    packets: Vec<(u64, Vec<u8>)>,
    lines: Vec<String>,
}

impl Again {
    fn of(capture: &str, log: &str, step: u32) -> Self {
        let input = Input::open(&bundled(capture)).unwrap();
        let mut reader = open(&input.bytes).unwrap();
        let mut packets = Vec::new();
        while let Some(record) = reader.advance() {
            let at = u64::try_from(record.time.0).unwrap();
            packets.push((at, reader.bytes().to_vec()));
        }
        let log = std::fs::read_to_string(bundled(log)).unwrap();
        Self {
            step,
            packets,
            lines: log.lines().map(str::to_owned).collect(),
        }
    }

    /// A classic pcap header (nanoseconds, Ethernet).
    fn header() -> Vec<u8> {
        let words: [u32; 6] = [0xa1b2_3c4d, 0x0004_0002, 0, 0, 262_144, 1];
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// The packets of the time numbered `at`, as records of pcap.
    fn packets(&self, at: u32) -> Vec<u8> {
        let later = u64::from(at * self.step) * 1_000_000_000;
        let mut bytes = Vec::new();
        for (time, packet) in &self.packets {
            let time = time + later;
            let (seconds, nanos) = (time / 1_000_000_000, time % 1_000_000_000);
            let length = u64::try_from(packet.len()).unwrap();
            for word in [seconds, nanos, length, length] {
                bytes.extend(u32::try_from(word).unwrap().to_le_bytes());
            }
            bytes.extend(packet);
        }
        bytes
    }

    /// The lines of the time numbered `at`; their stamps are those of syslog.
    fn lines(&self, at: u32) -> String {
        let later = TimeDelta::seconds(i64::from(at * self.step));
        let shifted = self.lines.iter().map(|line| {
            let (stamp, rest) = line.split_at(15);
            let stamp = format!("2026 {stamp}");
            let stamp = NaiveDateTime::parse_from_str(&stamp, "%Y %b %e %H:%M:%S").unwrap();
            format!("{}{rest}\n", (stamp + later).format("%b %e %H:%M:%S"))
        });
        shifted.collect()
    }
}

/// A run over a pipe and a log that grows.
struct Going {
    child: Child,
    pipe: Option<File>,
    log: PathBuf,
    records: Receiver<Value>,
}

impl Going {
    fn start(folder: &Path) -> Self {
        let (pipe, log) = (folder.join("pipe"), folder.join("mail.log"));
        let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        File::create(&log).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_bothends"))
            .args(["--follow", "--json", "-q", "--year", "2026", "-r"])
            .arg(&pipe)
            .arg("-l")
            .arg(&log)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (send, records) = channel();
        std::thread::spawn(move || {
            for line in out.lines() {
                let record = serde_json::from_str(&line.unwrap()).unwrap();
                if send.send(record).is_err() {
                    return;
                }
            }
        });
        let pipe = File::options().write(true).open(&pipe).unwrap();
        Self {
            child,
            pipe: Some(pipe),
            log,
            records,
        }
    }

    fn packets(&mut self, bytes: &[u8]) {
        self.pipe.as_mut().unwrap().write_all(bytes).unwrap();
    }

    fn lines(&self, text: &str) {
        let mut log = File::options().append(true).open(&self.log).unwrap();
        log.write_all(text.as_bytes()).unwrap();
    }

    /// Ends the packets; what came from then on, and the exit status.
    fn end(&mut self) -> (Vec<Value>, Option<i32>) {
        self.pipe = None;
        let mut records = Vec::new();
        loop {
            match self.records.recv_timeout(LONG) {
                Ok(record) => records.push(record),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it does not end"),
            }
        }
        (records, self.child.wait().unwrap().code())
    }
}

/// However a test ends, nothing is left that waits.
impl Drop for Going {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The log's lines of each conversation, by when it began and from where.
fn pairs(records: &[Value], log: &Path) -> BTreeMap<(String, String), Vec<u64>> {
    let file = log.display().to_string();
    let sessions = records.iter().filter(|record| record["type"] == "session");
    sessions
        .map(|session| {
            let lines = session["log_lines"].as_array().unwrap().iter();
            let lines = lines.map(|line| {
                assert_eq!(line["file"], file.as_str());
                line["line"].as_u64().unwrap()
            });
            let key = (
                session["start"].to_string(),
                session["src_port"].to_string(),
            );
            (key, lines.collect())
        })
        .collect()
}

/// What the same packets and lines give when all of them are there.
fn offline(folder: &Path, again: &Again, times: u32, log: &Path) -> Vec<Value> {
    let capture = folder.join("all.pcap");
    let all: Vec<Vec<u8>> = (0..times).map(|at| again.packets(at)).collect();
    std::fs::write(&capture, [Again::header(), all.concat()].concat()).unwrap();
    let (capture, log) = (capture.to_str().unwrap(), log.to_str().unwrap());
    records(&["--year", "2026", "-r", capture, "-l", log])
}

#[test]
fn sessions_come_out_while_it_goes_on_and_their_pairs_are_those_of_an_offline_run() {
    const TIMES: u32 = 4;
    let folder = tempfile::tempdir().unwrap();
    let again = Again::of("postfix/wire.pcapng", "postfix/postfix.log", 120);
    let mut going = Going::start(folder.path());
    going.packets(&Again::header());
    let mut early = Vec::new();
    for at in 0..TIMES {
        going.lines(&again.lines(at));
        going.packets(&again.packets(at));
        // What went on the first time is settled once both sides are well beyond it.
        while at == 2 && pairs(&early, &going.log).len() < 16 {
            early.push(going.records.recv_timeout(LONG).unwrap());
        }
    }
    assert_eq!(early[0]["type"], "clock");
    assert!(early[0]["at"].is_string() && early[0]["bound_s"].as_f64().unwrap() < 0.2);
    let (late, status) = going.end();
    assert_eq!(status, Some(0));
    let all = [early.as_slice(), &late].concat();
    let settled = pairs(&all, &going.log);
    assert_eq!(settled.len(), 16 * 4);
    assert!(settled.values().all(|lines| !lines.is_empty()));
    let offline = offline(folder.path(), &again, TIMES, &going.log);
    assert_eq!(settled, pairs(&offline, &going.log));

    let sessions = all.iter().filter(|record| record["type"] == "session");
    let ids: Vec<String> = sessions
        .map(|session| session["id"].as_str().unwrap().to_owned())
        .collect();
    let numbered: Vec<String> = (1..=ids.len()).map(|number| format!("s{number}")).collect();
    assert_eq!(ids, numbered, "none is given twice");
    let summary = late.last().unwrap();
    assert_eq!(
        (&summary["sessions_both"], &summary["sessions_wire"]),
        (&64.into(), &0.into()),
        "counted over all parts"
    );
}

/// A log of another time says nothing of the packets: what it tells is given alone, and no clock is told.
#[test]
fn a_log_without_a_clock_is_joined_with_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let again = Again::of("postfix/wire.pcapng", "postfix/postfix.log", 1);
    let mut going = Going::start(folder.path());
    going.packets(&Again::header());
    going.packets(&again.packets(0));
    going.lines(
        "Nov 23 01:11:12 mail postfix/smtpd[7]: connect from unknown[203.0.113.77]\n\
         Nov 23 01:12:13 mail postfix/smtpd[7]: disconnect from unknown[203.0.113.77] quit=1 commands=1\n",
    );
    let (records, status) = going.end();
    assert_eq!(status, Some(0));
    assert!(records.iter().all(|record| record["type"] != "clock"));
    let seen: Vec<&str> = records
        .iter()
        .filter(|record| record["type"] == "session")
        .map(|record| record["seen"].as_str().unwrap())
        .collect();
    assert_eq!(seen.iter().filter(|seen| **seen == "wire").count(), 16);
    assert_eq!(seen.iter().filter(|seen| **seen == "log").count(), 1);
}
