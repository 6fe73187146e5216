//! How an interface is listened to: buffer, snap length, promiscuous mode, and what is said where the right to capture is missing.

use std::fs::{self, Permissions};
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use serde_json::{Value, json};

use crate::live::{Listening, converse, meeting, sessions};
use crate::live_namespace::{Cable, FAR, INTERFACE, NEAR, within};
use crate::program::{records, run, said};

/// Sends so many datagrams of a kilobyte over a cable while the program that listens is stopped; its records.
///
/// Over the loopback the kernel would count what it drops twice, sent and received.
fn burst(cable: &Cable, buffer: &[&str], datagrams: u64) -> Option<Vec<Value>> {
    let receiver = within(&cable.near, || UdpSocket::bind((NEAR, 0)).unwrap());
    let to = receiver.local_addr().unwrap();
    let filter = format!("udp port {}", to.port());
    let args = [&["-i", INTERFACE, "-f", &filter, "--json"][..], buffer].concat();
    let listening = within(&cable.near, || Listening::start(&args))?;
    listening.signal("-STOP");
    let sender = within(&cable.far, || UdpSocket::bind((FAR, 0)).unwrap());
    for _ in 0..datagrams {
        sender.send_to(&[7; 1024], to).unwrap();
    }
    listening.signal("-CONT");
    let (_, records) = listening.stop();
    Some(records)
}

#[test]
fn what_the_kernel_drops_is_counted_and_told_and_a_larger_buffer_holds_it() {
    const DATAGRAMS: u64 = 3000;
    let Some(cable) = Cable::lay("drops") else {
        return;
    };
    let Some(small) = burst(&cable, &["-B", "64"], DATAGRAMS) else {
        return;
    };
    let number = |records: &[Value], field: &str| records[0][field].as_u64().unwrap();
    let dropped = number(&small, "dropped_packets");
    assert!(dropped > 0, "{}", small[0]);
    assert_eq!(dropped + number(&small, "packets"), DATAGRAMS);
    let finding = small.iter().find(|one| one["code"] == "capture-incomplete");
    let message = finding.unwrap()["message"].as_str().unwrap();
    assert!(
        message.contains(&format!("{dropped} packets lost by the capturing machine")),
        "{message}"
    );
    let large = burst(&cable, &["-B", "32768"], DATAGRAMS).unwrap();
    assert_eq!(
        (number(&large, "packets"), number(&large, "dropped_packets")),
        (DATAGRAMS, 0)
    );
}

#[test]
fn a_snap_length_cuts_packets_and_leaves_their_lengths() {
    let folder = tempfile::tempdir().unwrap();
    let written = folder.path().join("short.pcapng");
    let written = written.to_str().unwrap();
    let (listener, filter) = meeting();
    // Ethernet, IPv4 and TCP with timestamps take 66 octets.
    let args = [
        "-i", "lo", "-f", &filter, "-s", "70", "-w", written, "--json",
    ];
    let Some(listening) = Listening::start(&args) else {
        return;
    };
    converse(&listener);
    let (status, live) = listening.stop();
    assert_eq!(status, Some(0));
    assert!(
        live[0]["variant"]
            .as_str()
            .unwrap()
            .ends_with("packets cut at 70 bytes"),
        "{}",
        live[0]
    );
    assert!(
        live[0]["truncated_packets"].as_u64().unwrap() >= 6,
        "{}",
        live[0]
    );
    let file = records(&["-r", written]);
    assert!(sessions(&live) == sessions(&file));
    assert_eq!(live[0]["truncated_packets"], file[0]["truncated_packets"]);
    let session = sessions(&live)[0];
    assert_eq!(session["conn_state"], "SF");
    let sent = |way: &str| session["tcp"][way]["cut_bytes"].as_u64().unwrap();
    let kept = |field: &str| session[field].as_u64().unwrap();
    // Three commands, and the greeting with three replies, of which four octets each were captured.
    assert_eq!(
        (kept("bytes_to_server"), kept("bytes_to_client")),
        (12, 16),
        "{session}"
    );
    assert_eq!(
        (sent("to_server"), sent("to_client")),
        (57 - 12, 59 - 16),
        "{session}"
    );
    let text = said(&run(&["-r", written]));
    assert!(text.contains("not captured whole"), "{text}");
}

#[test]
fn an_interface_is_promiscuous_unless_that_is_declined() {
    let Some(cable) = Cable::lay("mode") else {
        return;
    };
    let promiscuous = || {
        let shown = Command::new("ip")
            .args(["-n", &cable.near, "-d", "-j", "link", "show", INTERFACE])
            .output()
            .unwrap();
        let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
        shown[0]["promiscuity"].clone()
    };
    assert_eq!(promiscuous(), json!(0));
    for (args, expected) in [(&["--json"][..], 1), (&["--json", "-p"], 0)] {
        let args = [&["-i", INTERFACE][..], args].concat();
        let Some(listening) = within(&cable.near, || Listening::start(&args)) else {
            return;
        };
        assert_eq!(promiscuous(), json!(expected), "{args:?}");
        listening.stop();
        assert_eq!(promiscuous(), json!(0), "left as it was");
    }
}

/// Who has no rights; the user `nobody` of most systems.
const NOBODY: u32 = 65_534;

#[test]
fn whoever_may_not_capture_is_told_how_to_get_the_right_and_that_gives_it() {
    if !is_root() {
        eprintln!("skipped: only root can become a user without rights");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let program = folder.path().join("bothends");
    fs::copy(env!("CARGO_BIN_EXE_bothends"), &program).unwrap();
    let command = || {
        let mut command = Command::new(&program);
        command.args(["-i", "lo", "--json"]).uid(NOBODY).gid(NOBODY);
        command
    };
    let refused = command().output().unwrap();
    assert_eq!(refused.status.code(), Some(4));
    let text = String::from_utf8(refused.stderr).unwrap();
    let line = format!(
        "setcap cap_net_raw,cap_net_admin=eip '{}'",
        program.display()
    );
    assert!(
        text.contains("cannot listen on 'lo'") && text.contains(&format!("sudo {line}\n")),
        "{text}"
    );
    let given = Command::new("sh").args(["-c", &line]).status();
    if !given.is_ok_and(|status| status.success()) {
        eprintln!("skipped: setcap is not installed, or files have no capabilities here");
        return;
    }
    let listening = Listening::by(&mut command()).expect("the line gives the right");
    listening.stop();
}

fn is_root() -> bool {
    fs::read_to_string("/proc/self/status")
        .is_ok_and(|status| status.contains("\nUid:\t0\t0\t0\t0\n"))
}
