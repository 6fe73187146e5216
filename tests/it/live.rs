//! Listening on the loopback interface. Skipped, saying so, without the right to capture.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::program::records;

/// A run that listens, and what it has said on standard error.
pub(crate) struct Listening {
    child: Child,
    pub(crate) errors: BufReader<ChildStderr>,
}

impl Listening {
    /// Starts to listen and waits until it does; `None` where it may not.
    pub(crate) fn start(args: &[&str]) -> Option<Self> {
        Self::by(Command::new(env!("CARGO_BIN_EXE_bothends")).args(args))
    }

    /// The same by this command.
    pub(crate) fn by(command: &mut Command) -> Option<Self> {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut errors = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        errors.read_line(&mut line).unwrap();
        if line.contains("listening on") {
            return Some(Self { child, errors });
        }
        errors.read_to_string(&mut line).unwrap();
        child.wait().unwrap();
        assert!(line.contains("the right to capture"), "{line}");
        eprintln!("skipped: this user may not capture");
        None
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args([name, &id]).status().unwrap();
        assert!(sent.success());
    }

    /// How many packets it says that it has used, when asked for by a signal.
    pub(crate) fn packets_by_signal(&mut self) -> u64 {
        self.signal("-USR1");
        let mut line = String::new();
        self.errors.read_line(&mut line).unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        let at = words.iter().position(|word| word.starts_with("packets"));
        let Some(Ok(number)) = at.map(|at| words[at - 1].parse()) else {
            panic!("no number of packets: {line}");
        };
        number
    }

    /// Interrupts it; its exit status and records. It must not take long, whatever passes or does not.
    pub(crate) fn stop(mut self) -> (Option<i32>, Vec<Value>) {
        self.signal("-INT");
        self.end()
    }

    pub(crate) fn end(&mut self) -> (Option<i32>, Vec<Value>) {
        let mut text = String::new();
        let mut out = self.child.stdout.take().unwrap();
        let since = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(since.elapsed() < Duration::from_secs(20), "it does not end");
            std::thread::sleep(Duration::from_millis(20));
        };
        out.read_to_string(&mut text).unwrap();
        let records = text.lines().map(|line| serde_json::from_str(line).unwrap());
        (status.code(), records.collect())
    }

    /// A line of `/proc/PID/status`.
    pub(crate) fn status(&self, field: &str) -> String {
        let path = format!("/proc/{}/status", self.child.id());
        let text = std::fs::read_to_string(path).unwrap();
        let line = text.lines().find(|line| line.starts_with(field)).unwrap();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// However a test ends, nothing is left that listens.
impl Drop for Listening {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A mail server's side of a short dialogue, and a client's; `listener` is where they meet. Gives the client's port.
pub(crate) fn converse(listener: &TcpListener) -> u16 {
    std::thread::scope(|scope| {
        scope.spawn(|| answer(listener));
        ask(listener.local_addr().unwrap())
    })
}

/// The server's side.
pub(crate) fn answer(listener: &TcpListener) {
    let (mut stream, _) = listener.accept().unwrap();
    stream.write_all(b"220 mail.example ESMTP\r\n").unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap());
    for reply in ["250 mail.example", "250 OK", "221 Bye"] {
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        stream.write_all(format!("{reply}\r\n").as_bytes()).unwrap();
    }
    stream.shutdown(Shutdown::Write).unwrap();
}

/// The client's side; gives its port.
pub(crate) fn ask(server: SocketAddr) -> u16 {
    let mut stream = TcpStream::connect(server).unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    for command in [
        "EHLO client.example",
        "MAIL FROM:<a@client.example>",
        "QUIT",
    ] {
        let command = format!("{command}\r\n");
        stream.write_all(command.as_bytes()).unwrap();
        lines.read_line(&mut line).unwrap();
    }
    lines.read_to_string(&mut line).unwrap();
    stream.local_addr().unwrap().port()
}

pub(crate) fn sessions(records: &[Value]) -> Vec<&Value> {
    let wanted = |record: &&Value| record["type"] == "session" || record["type"] == "exchange";
    records.iter().filter(wanted).collect()
}

/// Somewhere to listen, and a filter for what passes there.
pub(crate) fn meeting() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let filter = format!("tcp port {}", listener.local_addr().unwrap().port());
    (listener, filter)
}

#[test]
fn live_packets_tell_what_the_file_of_them_tells() {
    let folder = tempfile::tempdir().unwrap();
    let written = folder.path().join("live.pcapng");
    let written = written.to_str().unwrap();
    let (listener, filter) = meeting();
    let Some(listening) = Listening::start(&["-i", "lo", "-f", &filter, "-w", written, "--json"])
    else {
        return;
    };
    converse(&listener);
    let (status, live) = listening.stop();
    assert_eq!(status, Some(0));
    assert_eq!(live[0]["format"], "live");
    assert_eq!(live[0]["dropped_packets"], 0);
    let file = records(&["-r", written]);
    assert_eq!(live[0]["packets"], file[0]["packets"]);
    assert!(sessions(&live) == sessions(&file));
    let requests: Vec<_> = live
        .iter()
        .filter_map(|record| record["request"].as_str())
        .collect();
    assert_eq!(
        requests,
        [
            "",
            "EHLO client.example",
            "MAIL FROM:<a@client.example>",
            "QUIT"
        ]
    );
    let session = sessions(&live)[0];
    assert_eq!(
        (&session["proto"], &session["conn_state"]),
        (&"smtp".into(), &"SF".into())
    );
}

/// The time of the system, to a second.
fn now() -> String {
    let file = tempfile::tempfile().unwrap();
    let made = file.metadata().unwrap().modified().unwrap();
    let now = chrono::DateTime::<chrono::Utc>::from(made);
    now.format("%Y-%m-%dT%H:%M:%S+00:00").to_string()
}

/// What Postfix would write of such a dialogue.
fn logged(port: u16, began: &str, ended: &str) -> String {
    let client = format!("localhost[127.0.0.1]:{port}");
    format!(
        "{began} mail postfix/smtpd[7]: connect from {client}\n\
         {ended} mail postfix/smtpd[7]: disconnect from {client} ehlo=1 mail=1 quit=1 commands=3\n"
    )
}

/// A log is written, moved away, begun anew, copied and cut off, while packets pass.
#[test]
fn a_followed_log_is_joined_with_what_passes_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mail.log");
    let moved = |number: u8| folder.path().join(format!("mail.log.{number}"));
    std::fs::write(&path, logged(9, &now(), &now())).unwrap();
    let append = |text: &str| {
        let mut log = std::fs::File::options()
            .append(true)
            .create(true)
            .open(&path)
            .unwrap();
        log.write_all(text.as_bytes()).unwrap();
    };
    // The program looks five times a second.
    let pause = || std::thread::sleep(Duration::from_millis(900));
    let (listener, filter) = meeting();
    let log = format!("postfix:{}", path.display());
    let args = ["-i", "lo", "-f", &filter, "--follow", "--json", "-l", &log];
    let Some(listening) = Listening::start(&args) else {
        return;
    };
    for step in 0..6 {
        let began = now();
        let port = converse(&listener);
        append(&logged(port, &began, &now()));
        pause();
        match step {
            1 => std::fs::rename(&path, moved(1)).unwrap(),
            3 => {
                std::fs::copy(&path, moved(2)).unwrap();
                let log = std::fs::File::options().write(true).open(&path).unwrap();
                log.set_len(0).unwrap();
                pause();
            }
            _ => {}
        }
    }
    let (status, records) = listening.stop();
    assert_eq!(status, Some(0));
    let log = records.iter().find(|one| one["type"] == "log").unwrap();
    assert_eq!(
        (&log["events"], &log["unparsed_lines"]),
        (&12.into(), &0.into()),
        "each line once, those from before not: {log}"
    );
    let seen: Vec<_> = records
        .iter()
        .filter(|one| one["type"] == "session")
        .map(|session| {
            (
                session["seen"].clone(),
                session["log_lines"].as_array().unwrap().len(),
            )
        })
        .collect();
    assert_eq!(seen, vec![("both".into(), 2); 6], "{records:#?}");
}

#[test]
fn a_silent_interface_is_told_of_and_left_when_asked_to() {
    let (_listener, filter) = meeting();
    for signal in ["-INT", "-TERM"] {
        let Some(mut listening) = Listening::start(&["-i", "lo", "-f", &filter, "--json"]) else {
            return;
        };
        listening.signal("-USR1");
        let mut line = String::new();
        listening.errors.read_line(&mut line).unwrap();
        assert!(line.contains("0 packets used"), "{line}");
        listening.signal(signal);
        let (status, records) = listening.end();
        assert_eq!((status, &records[0]["packets"]), (Some(0), &0.into()));
    }
}

#[test]
fn two_interfaces_are_one_capture_in_the_order_of_time() {
    for (once, left_out) in [
        ("--dedup", "duplicate_packets"),
        ("--by-interface", "packets_followed_elsewhere"),
    ] {
        let (listener, filter) = meeting();
        let args = ["-i", "any", "-i", "lo", "-f", &filter, once, "--json"];
        let Some(listening) = Listening::start(&args) else {
            return;
        };
        converse(&listener);
        let (status, records) = listening.stop();
        assert_eq!(status, Some(0));
        assert_eq!(records[0]["interfaces"], serde_json::json!(["any", "lo"]));
        let [packets, left_out] = ["packets", left_out].map(|name| records[0][name].as_u64());
        let seen = if once == "--dedup" { 1 } else { 2 };
        assert_eq!(packets, left_out.map(|packets| seen * packets), "{once}");
        let session = sessions(&records)[0];
        let told = ["conn_state", "retransmissions"].map(|name| &session[name]);
        assert_eq!(told, [&Value::from("SF"), &0.into()], "{once}");
        let captured_again = &session["tcp"]["to_server"]["captured_again"];
        assert_eq!(captured_again, &Value::Null, "{once}");
    }
}

#[test]
fn privileges_are_given_up_for_good_and_a_count_ends_it() {
    let (listener, filter) = meeting();
    let args = [
        "-i", "lo", "-f", &filter, "-c", "8", "-Z", "nobody", "--json",
    ];
    if !Path::new("/proc/self/status").exists() {
        return;
    }
    let own = std::fs::read_to_string("/proc/self/status").unwrap();
    if !own.contains("\nUid:\t0\t0\t0\t0\n") {
        eprintln!("skipped: only root can become another user");
        return;
    }
    let Some(mut listening) = Listening::start(&args) else {
        return;
    };
    let ids = listening.status("Uid:");
    let mut ids = ids.split(' ').skip(1);
    let first = ids.next().unwrap().to_owned();
    assert!(
        first != "0" && ids.all(|id| id == first),
        "real, effective, saved, of files"
    );
    assert_eq!(listening.status("CapEff:"), "CapEff: 0000000000000000");
    assert_eq!(listening.status("CapPrm:"), "CapPrm: 0000000000000000");
    converse(&listener);
    let (status, records) = listening.end();
    assert_eq!((status, &records[0]["packets"]), (Some(0), &8.into()));
}

#[test]
fn interfaces_are_listed() {
    let output = crate::program::run(&["-D"]);
    let text = crate::program::said(&output);
    assert_eq!(output.status.code(), Some(0));
    assert!(text.lines().any(|line| line.starts_with("lo ")), "{text}");
}

#[test]
fn what_cannot_be_listened_to_is_named_with_a_remedy() {
    for (args, word) in [
        (&["-i", "no-such-interface"][..], "bothends -D"),
        (&["-i", "lo", "-Z", "no-such-user"], "no such user"),
    ] {
        let output = crate::program::run(args);
        let text = crate::program::complained(&output);
        assert_eq!(output.status.code(), Some(4), "{text}");
        assert!(text.contains(word) || text.contains("setcap"), "{text}");
    }
}
