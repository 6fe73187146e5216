//! Mail servers of Unix.

use crate::model::Proto;

use super::{Advice, Cost, Level};

const SYSLOG: &str = "the system's syslog: /var/log/mail.log or /var/log/maillog, turned daily or weekly by logrotate; where only the journal keeps them, `journalctl -o json` writes a log that is read";

pub(super) const POSTFIX: Advice = Advice {
    server: "postfix",
    formats: &["postfix"],
    protos: &[Proto("smtp")],
    levels: &[
        Level {
            name: "as installed",
            turn_on: "nothing to do",
            shows: "connect and disconnect, how often each command was used and refused, message ids and sizes, final replies to refused commands",
            hides: "the client's port, TLS versions, commands one by one, accepted replies",
            cost: Cost {
                session: 650,
                exchange: 0,
            },
        },
        Level {
            name: "useful",
            turn_on: "postconf -e smtpd_client_port_logging=yes smtpd_tls_loglevel=1\npostfix reload",
            shows: "the client's port, by which sessions are found surely; TLS version and cipher",
            hides: "commands one by one, accepted replies, bodies",
            cost: Cost {
                session: 850,
                exchange: 0,
            },
        },
        Level {
            name: "most",
            turn_on: "postconf -e debug_peer_list=CLIENT-ADDRESS debug_peer_level=2\npostfix reload\nwhen done: postconf -e debug_peer_list= and postfix reload",
            shows: "of the listed clients every command and every reply",
            hides: "bodies. AUTH shows passwords in base64: treat such a log as secret",
            cost: Cost {
                session: 6_000,
                exchange: 1_500,
            },
        },
    ],
    rotates: SYSLOG,
    deleting: "syslog holds the file: turn it with logrotate, or restart rsyslog after moving it; with maillog_file use `postfix logrotate`",
};

pub(super) const OPENSMTPD: Advice = Advice {
    server: "opensmtpd",
    formats: &["opensmtpd"],
    protos: &[Proto("smtp")],
    levels: &[
        Level {
            name: "as installed",
            turn_on: "nothing to do",
            shows: "connect and disconnect, TLS, logins, messages and their sizes, refused commands with their replies",
            hides: "the client's port, accepted commands one by one, bodies",
            cost: Cost {
                session: 600,
                exchange: 0,
            },
        },
        Level {
            name: "most",
            turn_on: "smtpctl trace smtp\nwhen done: smtpctl untrace smtp",
            shows: "every command and reply, in lines that are passed over here so far",
            hides: "bodies",
            cost: Cost {
                session: 900,
                exchange: 200,
            },
        },
    ],
    rotates: SYSLOG,
    deleting: "syslog holds the file: turn it with logrotate or newsyslog",
};

pub(super) const DOVECOT: Advice = Advice {
    server: "dovecot",
    formats: &["dovecot"],
    protos: &[Proto("imap"), Proto("pop3")],
    levels: &[
        Level {
            name: "as installed",
            turn_on: "nothing to do",
            shows: "login and end of each session, octets in both directions behind the login; the session id holds the client's port and the microsecond of its beginning",
            hides: "commands and replies",
            cost: Cost {
                session: 420,
                exchange: 0,
            },
        },
        Level {
            name: "useful",
            turn_on: "in dovecot.conf: login_log_format_elements = user=<%u> method=%m rip=%r rport=%a lip=%l lport=%b mpid=%e %c %k session=<%{session}>\ndoveadm reload",
            shows: "ports in clear, TLS version and cipher",
            hides: "commands and replies (2.4 spells the variables %{user}, %{remote_port} and so on)",
            cost: Cost {
                session: 520,
                exchange: 0,
            },
        },
    ],
    rotates: SYSLOG,
    deleting: "syslog holds the file; with log_path of its own move the file away, then `doveadm log reopen`",
};
