//! Exchanges read from a capture of real servers, beside what the clients say they exchanged.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use bothends::flow::StreamEvent;
use bothends::model::{Encryption, Exchange, Nanos, PacketNo, Proto, Side};
use bothends::protocol::registry::PROTOCOLS;
use bothends::protocol::{Dialogue, Driver};
use serde_json::Value;

/// A client's address and port.
type Client = (String, u16);

/// The folder of the recorded lab; none, saying so, where it is absent.
fn lab() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/lab/dev");
    let folder = std::env::var_os("BOTHENDS_LAB").map_or(beside, PathBuf::from);
    if folder.join("truth.jsonl").exists() {
        return Some(folder);
    }
    eprintln!("skipped: no lab in {}; set BOTHENDS_LAB", folder.display());
    None
}

/// Segments of TCP by tshark, in the order of the file, each byte once; `None` where tshark is not installed.
fn conversations(capture: &Path) -> Option<BTreeMap<Client, (Proto, Dialogue)>> {
    let fields = [
        "frame.number",
        "frame.time_epoch",
        "ip.src",
        "tcp.srcport",
        "ip.dst",
        "tcp.dstport",
        "tcp.payload",
    ];
    let output = Command::new("tshark")
        .arg("-r")
        .arg(capture)
        .args([
            "-Y",
            "tcp.len > 0 && !tcp.analysis.retransmission",
            "-T",
            "fields",
        ])
        .args(fields.iter().flat_map(|field| ["-e", field]))
        .output();
    let Ok(output) = output else {
        eprintln!("skipped: no tshark");
        return None;
    };
    let mut drivers: BTreeMap<Client, Driver> = BTreeMap::new();
    for row in String::from_utf8(output.stdout).unwrap().lines() {
        let columns: Vec<&str> = row.split('\t').collect();
        let [number, at, source, from, sink, to, payload] = columns.as_slice() else {
            panic!("{row}")
        };
        let (from, to) = (from.parse().unwrap(), to.parse().unwrap());
        // All servers of the lab listen below 10000, all clients speak from above.
        let (side, client, port) = if to < 10_000 {
            (Side::Client, ((*source).to_owned(), from), to)
        } else {
            (Side::Server, ((*sink).to_owned(), to), from)
        };
        let (seconds, nanos) = at.split_once('.').unwrap();
        let bytes: Vec<u8> = payload
            .as_bytes()
            .chunks(2)
            .map(|hex| u8::from_str_radix(std::str::from_utf8(hex).unwrap(), 16).unwrap())
            .collect();
        drivers
            .entry(client)
            .or_insert_with(|| Driver::new(port))
            .event(StreamEvent::Data {
                side,
                at: Nanos::new(seconds.parse().unwrap(), nanos.parse().unwrap()),
                packet: PacketNo(number.parse().unwrap()),
                bytes: &bytes,
            });
    }
    Some(
        drivers
            .into_iter()
            .map(|(client, driver)| (client, driver.finish()))
            .collect(),
    )
}

/// What the client's record of an exchange should read like.
fn told(proto: &str, exchange: &Value) -> (String, String) {
    let mut request = exchange["request"].as_str().unwrap().to_owned();
    let words: Vec<&str> = request.split(' ').collect();
    if let ["PASS", _] = words.as_slice() {
        "PASS ***".clone_into(&mut request);
    } else if let [tag, "LOGIN", user, _] = words.as_slice() {
        request = format!("{tag} LOGIN {user} ***");
    }
    let mut response = exchange["response"].as_str().unwrap().to_owned();
    // The client remembers the last line of a reply, the contract wants the first.
    if proto == "smtp" && response == "250 CHUNKING" {
        "250-mail.example.com".clone_into(&mut response);
    }
    (request, response)
}

fn seen(exchange: &Exchange) -> (String, String) {
    (
        exchange.request.clone(),
        exchange.response.clone().unwrap_or_default(),
    )
}

#[test]
fn exchanges_in_the_clear_are_what_the_clients_exchanged() {
    let Some(lab) = lab() else { return };
    // Some clients sit behind a translator of addresses: under their own they are in the other capture.
    let Some(mut found) = conversations(&lab.join("client.pcap")) else {
        return;
    };
    found.extend(conversations(&lab.join("server.pcap")).unwrap());
    let mut equal: BTreeMap<String, [usize; 2]> = BTreeMap::new();
    let mut differing = Vec::new();
    for line in std::fs::read_to_string(lab.join("truth.jsonl"))
        .unwrap()
        .lines()
    {
        let truth: Value = serde_json::from_str(line).unwrap();
        let proto = truth["proto"].as_str().unwrap();
        let tls = truth["tls"].as_str().unwrap();
        let exchanges = truth["exchanges"].as_array().unwrap();
        let port = u16::try_from(truth["client_port"].as_u64().unwrap()).unwrap();
        let client = (truth["client"].as_str().unwrap().to_owned(), port);
        let Some((spoken, dialogue)) = found.get(&client) else {
            assert!(exchanges.is_empty(), "not captured: {line}");
            continue;
        };
        let encryption = match tls {
            "direct" => Encryption::Implicit,
            "starttls" => Encryption::StartTls,
            _ => Encryption::None,
        };
        if !PROTOCOLS.iter().any(|entry| entry.proto.0 == proto) {
            continue;
        }
        if (spoken.0, dialogue.encryption) != (proto, encryption) {
            differing.push(format!("{spoken} {:?}: {line}", dialogue.encryption));
        }
        if tls == "direct" {
            continue;
        }
        let agreed = exchanges.iter().position(|exchange| {
            let request = exchange["request"].as_str().unwrap();
            tls == "starttls" && (request.ends_with("STARTTLS") || request == "STLS")
        });
        let clear = agreed.map_or(exchanges.len(), |at| at + 1);
        let count = equal.entry(proto.to_owned()).or_default();
        for (n, exchange) in exchanges.iter().take(clear).enumerate() {
            count[1] += 1;
            let wire = dialogue.exchanges.get(n);
            let octets = exchange["response_bytes"].as_u64();
            // Of HTTP the client counted the head alone.
            let same = wire.is_some_and(|wire| {
                seen(wire) == told(proto, exchange)
                    && (proto == "http" || wire.response_bytes == octets)
            });
            count[0] += usize::from(same);
            if !same {
                differing.push(format!("{proto} {port}: {wire:?}\n  told: {exchange}"));
            }
        }
    }
    eprintln!("exchanges equal, of all in the clear: {equal:?}");
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}
