//! Servers behind a proxy that log the clients which the proxy names to them (`lab/proxies.sh`).

use serde_json::Value;

use crate::program::records;

const FOLDER: &str = "captures/real-logs/proxied";

fn told() -> Vec<Value> {
    let file = |name: &str| format!("{FOLDER}/{name}");
    let mut args = vec!["-r".to_owned(), file("wire.pcapng")];
    for log in ["postfix.log", "dovecot.log", "nginx.log"] {
        args.extend(["-l".to_owned(), file(log)]);
    }
    records(&args.iter().map(String::as_str).collect::<Vec<_>>())
}

fn lines(log: &str) -> Vec<String> {
    let text = std::fs::read_to_string(format!("{FOLDER}/{log}")).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn line_of<'a>(lines: &'a [String], place: &Value) -> &'a str {
    let at = usize::try_from(place["line"].as_u64().unwrap()).unwrap();
    &lines[at - 1]
}

/// By PROXY headers of both versions, in the clear and before TLS, and by XCLIENT and ID.
#[test]
fn mail_sessions_are_joined_by_the_client_that_the_proxy_names() {
    let told = told();
    let mut by = std::collections::BTreeMap::new();
    for (log, mark) in [("postfix.log", "["), ("dovecot.log", "rip=")] {
        let lines = lines(log);
        let sessions = told
            .iter()
            .filter(|record| record["type"] == "session" && record["proto"] != "http");
        for session in sessions {
            assert_eq!(session["seen"], "both", "{session}");
            let named = &session["forwarded"][0];
            let client = format!("{mark}{}", named["ip"].as_str().unwrap());
            let places = session["log_lines"].as_array().unwrap();
            let mine: Vec<&str> = places
                .iter()
                .filter(|place| place["file"].as_str().unwrap().ends_with(log))
                .map(|place| line_of(&lines, place))
                .collect();
            if mine.is_empty() {
                continue;
            }
            assert!(
                mine.iter().any(|line| line.contains(&client)),
                "{client}: {mine:?}"
            );
            if log == "postfix.log" {
                let port = format!("]:{}", named["port"]);
                assert!(
                    mine.iter().any(|line| line.contains(&port)),
                    "{port}: {mine:?}"
                );
            }
            *by.entry(named["by"].as_str().unwrap().to_owned())
                .or_insert(0) += 1;
        }
    }
    let expected = [("IMAP ID", 3), ("PROXY header", 18), ("XCLIENT", 6)];
    assert_eq!(
        by.into_iter().collect::<Vec<_>>(),
        expected.map(|(name, count)| (name.to_owned(), count))
    );
}

/// The proxy sends the requests of both clients over one connection: each line of the log finds a request of its own client.
#[test]
fn requests_of_many_clients_on_one_connection_are_told_apart() {
    let lines = lines("nginx.log");
    let told = told();
    let joined: Vec<&Value> = told
        .iter()
        .filter(|record| record["type"] == "exchange" && record["forwarded_for"].is_array())
        .filter(|record| record["log_line"].is_object())
        .collect();
    for exchange in &joined {
        let line = line_of(&lines, &exchange["log_line"]);
        let client = exchange["forwarded_for"][0].as_str().unwrap();
        assert!(line.starts_with(&format!("{client} ")), "{exchange} {line}");
    }
    assert_eq!(joined.len(), lines.len());
    let http = told
        .iter()
        .find(|record| record["proto"] == "http")
        .unwrap();
    assert_eq!(http["forwarded"].as_array().unwrap().len(), 2);
    assert_eq!(http["src_ip"], "198.51.100.1");
}

/// What a proxy sends before the greeting is not the client's talk, and an address that it names is no difference of the views.
#[test]
fn a_proxy_is_no_fault() {
    let told = told();
    let codes: Vec<&str> = told
        .iter()
        .filter(|record| record["type"] == "finding")
        .filter_map(|record| record["code"].as_str())
        .collect();
    for code in ["talk-before-greeting", "views-differ", "not-captured"] {
        assert!(!codes.contains(&code), "{codes:?}");
    }
}
