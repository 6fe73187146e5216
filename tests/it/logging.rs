//! Advice on logging.

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
