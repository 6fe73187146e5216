//! Servers of mailboxes on Unix.

use crate::model::Proto;

use super::mail::SYSLOG;
use super::{Advice, Cost, Level};

pub(super) const DOVECOT: Advice = Advice {
    server: "dovecot",
    formats: &["dovecot", "dovecot-rawlog"],
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
        Level {
            name: "dialogues of some users (rawlog)",
            turn_on: "in dovecot.conf, inside protocol imap and protocol pop3: rawlog_dir = /var/lib/dovecot/rawlog/%u\nmkdir -p /var/lib/dovecot/rawlog/USER, owned by the account that the user's mail processes run as: only users with such a folder are logged\ndoveadm reload\nwhen done: remove the folder",
            shows: "every octet behind the login in both directions, each line to a microsecond of UTC",
            hides: "the client's port, what came before the login. It holds whole messages: treat such a log as secret",
            cost: Cost {
                session: 520,
                exchange: 200,
            },
        },
    ],
    basis: "ordinary lines, to a factor of two; a rawlog has the octets of all messages besides",
    rotates: SYSLOG,
    deleting: "syslog holds the file; with log_path of its own move the file away, then `doveadm log reopen`; a rawlog is held for its session only",
};

pub(super) const CYRUS: Advice = Advice {
    server: "cyrus",
    formats: &["cyrus", "cyrus-telemetry"],
    protos: &[Proto("imap"), Proto("nntp"), Proto("pop3")],
    levels: &[
        Level {
            name: "as installed",
            turn_on: "nothing to do",
            shows: "logins and refused logins, STARTTLS with its cipher; SESSIONID holds the second at which the session began, and the process",
            hides: "the client's port at any level, commands, octets, connections without a login",
            cost: Cost {
                session: 280,
                exchange: 0,
            },
        },
        Level {
            name: "useful",
            turn_on: "in imapd.conf: auditlog: yes\nrestart cyrus-imapd (running processes keep the old setting)",
            shows: "octets in both directions of the whole session, inside TLS, and its end; changes to mailboxes",
            hides: "the client's port, commands",
            cost: Cost {
                session: 540,
                exchange: 0,
            },
        },
        Level {
            name: "dialogues of some users (telemetry)",
            turn_on: "mkdir CONFIGDIRECTORY/log/USER, owned by cyrus (configdirectory in imapd.conf: /var/lib/cyrus or /var/lib/imap): only users with such a folder are logged, from their next login on\nwhen done: remove the folder",
            shows: "every octet behind the login in both directions, each read and write to a second of UTC",
            hides: "the client's address and port, what came before the login. It holds whole messages: treat such a log as secret",
            cost: Cost {
                session: 350,
                exchange: 300,
            },
        },
    ],
    basis: "measured on captures/real-logs/cyrus: 4 sessions, 9 commands in telemetry; messages come on top of it",
    rotates: "the system's syslog, facility local6 or mail (syslog_facility): /var/log/mail.log or /var/log/imapd.log; telemetry is a file for each process or session and never turned",
    deleting: "syslog holds the log: turn it with logrotate; a telemetry file is held until its session ends, and can be removed then",
};

pub(super) const COURIER: Advice = Advice {
    server: "courier",
    formats: &["courier"],
    protos: &[Proto("imap"), Proto("pop3"), Proto("smtp")],
    levels: &[Level {
        name: "as installed",
        turn_on: "nothing to do; leave DEBUG_LOGIN=0 in authdaemonrc: 1 tells how logins are looked up, which is not compared, and 2 writes passwords in clear",
        shows: "connection, login and end of each session with the client's port; octets in both directions behind the login, inside TLS; refusals of ESMTP",
        hides: "commands and replies, octets before the login, TLS versions; nothing turns them on but ESMTP_LOG_DIALOG=1 in /etc/courier/esmtpd, whose lines do not say whose command it is: they are left aside. Old versions have neither port nor octets",
        cost: Cost {
            session: 430,
            exchange: 0,
        },
    }],
    basis: "measured on captures/real-logs/courier: 4 sessions of IMAP and POP3; a session of ESMTP takes a line of 80 octets, and one for each refusal",
    rotates: SYSLOG,
    deleting: "syslog holds the file, Courier none: turn it with logrotate, or restart rsyslog after moving it",
};
