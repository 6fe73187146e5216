//! Listening between two network namespaces made for it. Skipped, saying so, without the right to make them.

use std::fs::File;
use std::io::BufRead as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use nix::sched::{CloneFlags, setns};
use serde_json::{Value, json};

use crate::live::{Listening, answer, ask, sessions};
use crate::program::records;

/// Two namespaces and a cable between them; gone when dropped.
pub(crate) struct Cable {
    pub(crate) near: String,
    pub(crate) far: String,
}

/// The addresses of the two ends, and the interface at the near one.
pub(crate) const NEAR: &str = "192.0.2.1";
pub(crate) const FAR: &str = "192.0.2.2";
pub(crate) const INTERFACE: &str = "near0";

impl Cable {
    /// Lays it; `None` where that is not allowed, or iproute2 is not there.
    pub(crate) fn lay(name: &str) -> Option<Self> {
        let own = format!("bothends-{name}-{}", std::process::id());
        let cable = Self {
            near: format!("{own}-near"),
            far: format!("{own}-far"),
        };
        let Self { near, far } = &cable;
        let laid = [
            format!("netns add {near}"),
            format!("netns add {far}"),
            format!("-n {near} link add {INTERFACE} type veth peer name far0 netns {far}"),
            format!("-n {near} addr add {NEAR}/24 dev {INTERFACE}"),
            format!("-n {far} addr add {FAR}/24 dev far0"),
            format!("-n {near} link set {INTERFACE} up"),
            format!("-n {far} link set far0 up"),
            format!("-n {near} link set lo up"),
        ]
        .iter()
        .all(|arguments| ip(arguments));
        if !laid {
            eprintln!("skipped: no network namespace can be made here");
            return None;
        }
        Some(cable)
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        for name in [&self.near, &self.far] {
            ip(&format!("netns del {name}"));
        }
    }
}

fn ip(arguments: &str) -> bool {
    let output = Command::new("ip").args(arguments.split(' ')).output();
    output.is_ok_and(|output| output.status.success())
}

/// Runs `work` on a thread of its own within the namespace; programs it starts are there too.
pub(crate) fn within<T: Send>(namespace: &str, work: impl FnOnce() -> T + Send) -> T {
    let file = File::open(Path::new("/run/netns").join(namespace)).unwrap();
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            setns(file, CloneFlags::CLONE_NEWNET).unwrap();
            work()
        });
        thread.join().unwrap()
    })
}

/// One dialogue over the cable and one over the near end's loopback.
fn converse(cable: &Cable) {
    for (namespace, address) in [(&cable.far, FAR), (&cable.near, "127.0.0.1")] {
        let listener = within(namespace, || TcpListener::bind((address, 2525)).unwrap());
        std::thread::scope(|scope| {
            scope.spawn(|| answer(&listener));
            let to = listener.local_addr().unwrap();
            within(&cable.near, || ask(to));
        });
    }
}

/// What must be the same live and of the file.
fn account(records: &[Value]) -> Vec<&Value> {
    let mut told = sessions(records);
    told.extend(records.iter().filter(|record| record["type"] == "finding"));
    told
}

#[test]
fn what_passes_a_cable_is_told_live_as_of_its_file() {
    let Some(cable) = Cable::lay("live") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let written = folder.path().join("live.pcapng");
    let written = written.to_str().unwrap();
    let args = [
        "-i",
        INTERFACE,
        "-i",
        "lo",
        "-f",
        "tcp port 2525",
        "-w",
        written,
        "-Z",
        "nobody",
    ];
    let listening = within(&cable.near, || {
        Listening::start(&[&args[..], &["--json"]].concat())
    });
    let Some(mut listening) = listening else {
        return;
    };
    assert_eq!(listening.status("CapEff:"), "CapEff: 0000000000000000");
    let ids = listening.status("Uid:");
    assert!(ids.split(' ').skip(1).all(|id| id != "0"), "{ids}");
    converse(&cable);
    let packets = listening.packets_by_signal();
    let (status, live) = listening.stop();
    assert_eq!(status, Some(0));
    let file = records(&["-r", written]);
    assert!(account(&live) == account(&file));
    assert_eq!(live[0]["interfaces"], json!([INTERFACE, "lo"]));
    assert_eq!(live[0]["interfaces"], file[0]["interfaces"]);
    assert_eq!(live[0]["packets"], file[0]["packets"]);
    assert!(packets <= live[0]["packets"].as_u64().unwrap());
    assert_eq!(live[0]["dropped_packets"], 0);
    let told = sessions(&live);
    let servers: Vec<&Value> = told.iter().map(|record| &record["dest_ip"]).collect();
    assert!(servers.contains(&&json!(FAR)) && servers.contains(&&json!("127.0.0.1")));
    for session in told.iter().filter(|record| record["type"] == "session") {
        assert_eq!(
            (&session["proto"], &session["conn_state"]),
            (&json!("smtp"), &json!("SF"))
        );
    }
}

#[test]
fn an_interface_that_goes_away_ends_the_run_with_all_that_passed() {
    let Some(cable) = Cable::lay("gone") else {
        return;
    };
    let listening = within(&cable.near, || {
        Listening::start(&["-i", INTERFACE, "--json"])
    });
    let Some(mut listening) = listening else {
        return;
    };
    converse(&cable);
    assert!(ip(&format!("-n {} link del {INTERFACE}", cable.near)));
    let mut line = String::new();
    let (status, records) = listening.end();
    listening.errors.read_line(&mut line).unwrap();
    assert_eq!(status, Some(3), "{line}");
    assert_eq!(sessions(&records)[0]["conn_state"], "SF");
    let damage = records[0]["damaged"].as_str().unwrap();
    assert!(damage.contains(INTERFACE), "{damage}");
}
