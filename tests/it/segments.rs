//! What segments do to a session: those with wrong checksums, and captures that hold one direction alone.

use bothends::model::Side::{self, Client as C, Server as V};
use serde_json::{Value, json};

use crate::made::{Sent, Way, written};
use crate::program::{records, run, said};

use Way::{Damaged, Sound};

/// A short dialogue, whole and sound.
const DIALOGUE: [Sent<'_>; 12] = [
    (C, "S", 99, 0, b"", Sound),
    (V, "SA", 499, 100, b"", Sound),
    (C, "A", 100, 500, b"", Sound),
    (V, "A", 500, 100, b"220 mail.example\r\n", Sound),
    (C, "A", 100, 518, b"EHLO client.example\r\n", Sound),
    (V, "A", 518, 121, b"250 mail.example\r\n", Sound),
    (C, "A", 121, 536, b"MAIL FROM:<a@client.example>\r\n", Sound),
    (V, "A", 536, 151, b"250 2.1.0 fine\r\n", Sound),
    (C, "A", 151, 552, b"QUIT\r\n", Sound),
    (V, "FA", 552, 157, b"221 Bye\r\n", Sound),
    (C, "FA", 157, 562, b"", Sound),
    (V, "A", 562, 158, b"", Sound),
];

/// Commands and replies.
fn said_in(records: &[Value]) -> Vec<(&str, Option<&str>)> {
    let exchanges = records.iter().filter(|one| one["type"] == "exchange");
    exchanges
        .map(|one| (one["request"].as_str().unwrap(), one["response"].as_str()))
        .collect()
}

/// The only session.
fn session(records: &[Value]) -> &Value {
    let mut sessions = records.iter().filter(|one| one["type"] == "session");
    let session = sessions.next().unwrap();
    assert!(sessions.next().is_none(), "one session: {records:#?}");
    session
}

const SPOKEN: [(&str, Option<&str>); 4] = [
    ("", Some("220 mail.example")),
    ("EHLO client.example", Some("250 mail.example")),
    ("MAIL FROM:<a@client.example>", Some("250 2.1.0 fine")),
    ("QUIT", Some("221 Bye")),
];

/// What somebody on the way sends in the ends' names, with checksums that the hosts do not take.
fn attacked() -> Vec<Sent<'static>> {
    let mut sent = DIALOGUE.to_vec();
    // Before the true reply another one of the same length; then a reset, and a SYN as of a new connection.
    sent.insert(7, (V, "A", 536, 151, b"550 5.7.1 spam\r\n", Damaged));
    sent.insert(8, (V, "R", 536, 0, b"", Damaged));
    sent.insert(9, (C, "S", 7_000_000, 0, b"", Damaged));
    sent
}

#[test]
fn what_a_host_drops_for_its_checksum_is_believed_unless_asked_not_to() {
    let folder = tempfile::tempdir().unwrap();
    let file = written(folder.path(), &attacked());
    let believed = records(&["-r", &file]);
    assert_eq!(
        said_in(&believed)[2],
        ("MAIL FROM:<a@client.example>", Some("550 5.7.1 spam"))
    );
    let drop = ["-r", &file, "--bad-checksums", "drop"];
    let heard = records(&drop);
    assert_eq!(said_in(&heard), SPOKEN);
    let session = session(&heard);
    assert_eq!(
        (&session["conn_state"], &session["history"]),
        (&json!("SF"), &json!("ShAdDcCfFa")),
        "the letters of wrong checksums, and no reset and no second SYN"
    );
    let tcp = &session["tcp"];
    assert_eq!(
        (
            &tcp["to_client"]["bad_checksums"],
            &tcp["to_server"]["bad_checksums"]
        ),
        (&json!(2), &json!(1))
    );
    assert_eq!(session["retransmissions"], 0);
    assert_eq!(tcp["to_client"].get("conflicting_bytes"), None);
    assert_eq!(session["packets_to_client"], 8, "they passed all the same");
    let text = said(&run(&drop));
    assert!(
        text.contains("bad checksums: 3 packets of 2 hosts"),
        "{text}"
    );
}

#[test]
fn a_segment_that_a_host_drops_and_gets_again_is_data_once() {
    let mut sent = DIALOGUE.to_vec();
    let mut damaged = sent[6];
    damaged.5 = Damaged;
    sent.insert(6, damaged);
    let folder = tempfile::tempdir().unwrap();
    let file = written(folder.path(), &sent);
    for (choice, again) in [("keep", 1), ("drop", 0)] {
        let told = records(&["-r", &file, "--bad-checksums", choice]);
        assert_eq!(said_in(&told), SPOKEN, "{choice}");
        let session = session(&told);
        assert_eq!(session["retransmissions"], again, "{choice}");
        assert_eq!(session["bytes_to_server"], 57, "{choice}");
    }
}

#[test]
fn a_segment_that_a_host_drops_and_never_gets_is_a_hole() {
    let mut sent = DIALOGUE.to_vec();
    sent[6].5 = Damaged;
    let folder = tempfile::tempdir().unwrap();
    let file = written(folder.path(), &sent);
    let told = records(&["-r", &file, "--bad-checksums", "drop"]);
    let session = session(&told);
    assert_eq!(
        (&session["content_gaps"], &session["missing_bytes"]),
        (&json!(1), &json!(30))
    );
    let [.., (request, _), last] = said_in(&told)[..] else {
        panic!("{told:#?}");
    };
    assert_ne!(request, SPOKEN[2].0, "nothing of it is made up");
    assert_eq!(last, SPOKEN[3], "what follows is read");
}

/// What one direction alone gives, as it was captured.
fn one_sided(side: Side) -> (Vec<Value>, String) {
    let mut sent = DIALOGUE.to_vec();
    sent.retain(|segment| segment.0 == side);
    let folder = tempfile::tempdir().unwrap();
    let file = written(folder.path(), &sent);
    (records(&["-r", &file]), said(&run(&["-r", &file])))
}

/// `SH` and `SHR`, as Zeek has a SYN or its answer followed by a FIN and nothing of the other side.
#[test]
fn a_capture_of_one_direction_tells_that_direction_and_claims_nothing_of_the_other() {
    let (told, text) = one_sided(C);
    let client = session(&told);
    assert_eq!(
        (&client["conn_state"], &client["history"]),
        (&json!("SH"), &json!("SADgF"))
    );
    assert_eq!(
        (&client["src_port"], &client["dest_port"]),
        (&json!(40_000), &json!(25))
    );
    assert_eq!(
        (&client["bytes_to_server"], &client["bytes_to_client"]),
        (&json!(57), &json!(0))
    );
    assert_eq!(client["packets_to_client"], 0);
    let requests: Vec<_> = said_in(&told)
        .into_iter()
        .map(|(request, reply)| {
            assert_eq!(reply, None);
            request
        })
        .collect();
    assert_eq!(
        requests,
        SPOKEN[1..].iter().map(|one| one.0).collect::<Vec<_>>()
    );
    assert!(
        text.contains("1 connection of which one direction alone was captured"),
        "{text}"
    );

    let (told, text) = one_sided(V);
    let server = session(&told);
    assert_eq!(
        (&server["conn_state"], &server["history"]),
        (&json!("SHR"), &json!("^hdGfa"))
    );
    assert_eq!(
        (&server["src_port"], &server["dest_port"]),
        (&json!(40_000), &json!(25))
    );
    assert_eq!(
        (&server["bytes_to_server"], &server["bytes_to_client"]),
        (&json!(0), &json!(61))
    );
    let [("", Some(greeting))] = said_in(&told)[..] else {
        panic!("only the greeting needs no command: {told:#?}");
    };
    assert_eq!(greeting, "220 mail.example");
    assert_eq!(
        server.get("protocol_errors"),
        None,
        "no fault of the server"
    );
    let notes = server["notes"].to_string();
    for (_, reply) in &SPOKEN[1..] {
        assert!(notes.contains(reply.unwrap()), "{notes}");
    }
    assert!(
        text.contains("1 connection of which one direction alone was captured"),
        "{text}"
    );
}
