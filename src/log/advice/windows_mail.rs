//! Mail servers for Windows, of others than Microsoft.

use crate::model::Proto;

use super::{Advice, Cost, Level};

const MAIL: &[Proto] = &[Proto("imap"), Proto("pop3"), Proto("smtp")];

pub(super) const HMAILSERVER: Advice = Advice {
    server: "hmailserver",
    formats: &["hmailserver"],
    protos: MAIL,
    levels: &[Level {
        name: "dialogues",
        turn_on: "hMailServer Administrator > Settings > Logging: tick Enabled, SMTP, POP3, IMAP and TCP/IP (which tells the server's port); Save",
        shows: "every command and reply to a millisecond of local time, also inside TLS, with a number that names the session; deliveries and fetches that the server made as a client",
        hides: "the client's port, octets, bodies. Passwords are masked by the server",
        cost: Cost {
            session: 180,
            exchange: 190,
        },
    }],
    basis: "measured on 9 lines as documented, not on a server: a command is two lines, its and that of its reply",
    rotates: r"hMailServer\Logs\hmailserver_YYYY-MM-DD.log, a new file every day at local midnight; none is ever removed",
    deleting: "files of earlier days can go at once; for that of today stop the hMailServer service first (with Keep files open it holds it)",
};

pub(super) const MAILENABLE: Advice = Advice {
    server: "mailenable",
    formats: &["mailenable"],
    protos: MAIL,
    levels: &[Level {
        name: "activity log",
        turn_on: "MailEnable administration > Servers > localhost > Services and Connectors > SMTP, and POP and IMAP > Properties > Logging: enable the activity log",
        shows: "every command with its reply and the octets of both, to a second of local time; the socket's number names the session",
        hides: "the client's port, bodies. AUTH shows names and passwords in base64: treat such a log as secret",
        cost: Cost {
            session: 160,
            exchange: 160,
        },
    }],
    basis: "measured on 10 rows of SMTP as documented, not on a server; POP and IMAP are taken for equal",
    rotates: r"Mail Enable\Logging\SMTP\SMTP-Activity-YYMMDD.log, and POP and IMAP alike: a new file every day",
    deleting: "take files of earlier days; for that of today stop the service of its protocol first",
};
