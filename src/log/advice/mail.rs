//! Mail transfer agents of Unix.

use crate::model::Proto;

use super::{Advice, Cost, Level, TYPICAL};

pub(super) const SYSLOG: &str = "the system's syslog: /var/log/mail.log or /var/log/maillog, turned daily or weekly by logrotate; where only the journal keeps them, `journalctl -o json` writes a log that is read";

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
    basis: TYPICAL,
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
    basis: TYPICAL,
    rotates: SYSLOG,
    deleting: "syslog holds the file: turn it with logrotate or newsyslog",
};

pub(super) const EXIM: Advice = Advice {
    server: "exim",
    formats: &["exim"],
    protos: &[Proto("smtp")],
    levels: &[
        Level {
            name: "as installed",
            turn_on: "nothing to do",
            shows: "each message with its client, size and TLS cipher, refusals, deliveries with the other host's last reply; the message's id holds the moment of its beginning and the process",
            hides: "connections that brought no message and met no refusal, the client's port, accepted commands; stamps have one second and no zone",
            cost: Cost {
                session: 260,
                exchange: 0,
            },
        },
        Level {
            name: "useful",
            turn_on: "in the main part of exim.conf (Debian: MAIN_LOG_SELECTOR = … in /etc/exim4/exim4.conf.localmacros, then update-exim4.conf):\nlog_selector = +incoming_port +incoming_interface +pid +millisec +smtp_connection +smtp_no_mail +smtp_syntax_error +smtp_protocol_error +received_recipients\nlog_timezone = yes\nexim -bV, which checks the file; then send HUP to the daemon (systemctl reload exim4)",
            shows: "every connection with the client's port and how it ended, by which sessions are found surely; milliseconds with their zone; commands that were not understood",
            hides: "accepted commands and their replies one by one, bodies",
            cost: Cost {
                session: 620,
                exchange: 0,
            },
        },
    ],
    basis: "measured on captures/real-logs/exim-default and exim: 5 sessions that brought 3 messages",
    rotates: "/var/log/exim4/mainlog or /var/log/exim/main.log, turned daily by logrotate, or by exicyclog",
    deleting: "nothing needs stopping: each Exim process looks before it writes whether the file is still that of its name, and opens it anew",
};

pub(super) const SENDMAIL: Advice = Advice {
    server: "sendmail",
    formats: &["sendmail"],
    protos: &[Proto("smtp")],
    levels: &[
        Level {
            name: "as installed (LogLevel 9)",
            turn_on: "nothing to do",
            shows: "each message with its client and size, refusals, lost connections, TLS, deliveries; the queue's id holds the second of its making in UTC, and the process",
            hides: "the client's port at any level; accepted commands",
            cost: Cost {
                session: 480,
                exchange: 0,
            },
        },
        Level {
            name: "most (LogLevel 15)",
            turn_on: "in sendmail.mc: define(`confLOG_LEVEL', `15')dnl\nmake -C /etc/mail, then restart sendmail\nor in sendmail.cf: O LogLevel=15, then restart sendmail",
            shows: "every connection, every command and every line of each reply, also inside TLS",
            hides: "the client's port, bodies. AUTH shows passwords in base64: treat such a log as secret",
            cost: Cost {
                session: 1_260,
                exchange: 440,
            },
        },
    ],
    basis: "measured on captures/real-logs/sendmail and sendmail-15: 4 sessions with 25 commands; a name server that did not answer made replies longer there",
    rotates: SYSLOG,
    deleting: "syslog holds the file, Sendmail none: turn it with logrotate, or restart rsyslog after moving it",
};
