//! Advice on logging, and what formats show.

use crate::program::{complained, run, said};

#[test]
fn advice_names_levels_and_what_a_day_costs() {
    let list = said(&run(&["logging"]));
    assert!(
        list.contains("postfix") && list.contains("iis-smtp"),
        "{list}"
    );
    let output = run(&["logging", "postfix", "-r", "captures/postfix/wire.pcapng"]);
    let text = said(&output);
    assert!(text.contains("smtpd_client_port_logging=yes"), "{text}");
    assert!(text.contains("B a day at this traffic"), "{text}");
}

#[test]
fn a_server_that_is_not_known_is_told_with_those_that_are() {
    let output = run(&["logging", "qmail"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(complained(&output).contains("there is some for: apache"));
}

/// `formats` lists each format with what it can show, for a person and for a program.
#[test]
fn formats_tell_what_each_can_show() {
    let text = said(&run(&["formats"]));
    assert!(
        text.contains("smtpd_client_port_logging=yes"),
        "a setting: {text}"
    );
    let json = said(&run(&["formats", "--json"]));
    let postfix = json
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .find(|record| record["name"] == "postfix")
        .unwrap();
    assert_eq!(postfix["client_port"]["shown"], "with setting");
    assert_eq!(postfix["marks"], "line");
}
