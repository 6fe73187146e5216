//! Exchange 4.0 to 5.5.

use crate::model::Proto;

use super::{Advice, Cost, Level};

pub(super) const MAILBOX: Advice = Advice {
    server: "exchange55-mailbox",
    formats: &["exchange55-mailbox"],
    protos: &[Proto("imap"), Proto("nntp"), Proto("pop3")],
    levels: &[
        Level {
            name: "0",
            turn_on: "as installed; the same values as below at dword:00000000",
            shows: "nothing",
            hides: "all",
            cost: Cost {
                session: 0,
                exchange: 0,
            },
        },
        Level {
            name: "1 and 2",
            turn_on: "with regedit, key HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Services\\MSExchangeIS\\ParametersSystem, values of type REG_DWORD:\n\"POP3 Protocol Logging Level\"=dword:00000002\n\"IMAP Protocol Logging Level\"=dword:00000002\nnews readers and incoming feeds: \"ProtocolLoggingLevel\" in the same key (0 and 1 none, 4 most, 5 with articles)\nfolders: \"POP3 Protocol Log Path\", \"IMAP Protocol Log Path\", \"NNTP Protocol Log Path\" (REG_SZ)",
            shows: "connections with the client's address, in local time printed to a millisecond, of which the clock of NT has steps of 10 to 15",
            hides: "the client's port at any level, commands, replies",
            cost: Cost {
                session: 80,
                exchange: 0,
            },
        },
        Level {
            name: "3",
            turn_on: "the same values at dword:00000003",
            shows: "commands",
            hides: "replies. LOGIN and PASS show passwords in clear from here on: treat such a log as secret",
            cost: Cost {
                session: 80,
                exchange: 60,
            },
        },
        Level {
            name: "useful: 4",
            turn_on: "the same values at dword:00000004",
            shows: "commands and replies; from their lengths, octets",
            hides: "messages",
            cost: Cost {
                session: 200,
                exchange: 200,
            },
        },
        Level {
            name: "5",
            turn_on: "the same values at dword:00000005",
            shows: "everything, with messages",
            hides: "the client's port. Only for a short time: it holds all mail that is read",
            cost: Cost {
                session: 200,
                exchange: 200,
            },
        },
    ],
    basis: "measured on 18 lines of IMAP4 as documented, not on a server; at level 5 all messages come on top. Where levels 1 to 4 end is not documented to the letter: what a level leaves out is told from the log itself",
    rotates: r"\exchsrvr\mdbdata\L0000001.log, counting up; never turned and never removed by itself: watch the disk of the database",
    deleting: "the store keeps the file locked: set the level to 0 and let one client of that protocol connect, or stop the Information Store (net stop MSExchangeIS); then delete",
};

pub(super) const CONNECTOR: Advice = Advice {
    server: "exchange55-connector",
    formats: &["exchange55-connector"],
    protos: &[Proto("nntp"), Proto("smtp")],
    levels: &[
        Level {
            name: "SMTP: Minimum",
            turn_on: "Exchange Administrator > site > Configuration > Connections > Internet Mail Service > Properties > Diagnostics Logging > SMTP Protocol Log: Minimum",
            shows: "connections, with the client's name or address, to a second of local time",
            hides: "the client's port at any level, commands, replies; nothing names the session",
            cost: Cost {
                session: 75,
                exchange: 0,
            },
        },
        Level {
            name: "useful: SMTP: Medium; NNTP: 4",
            turn_on: "SMTP: the same page: Medium\nfeeds that this server began: key HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Services\\MSExchangeINS\\Parameters, \"ProtocolLoggingLevel\"=dword:00000004 (0 and 1 none); folder: \"NNTP Protocol Log Path\"\nfor feeds that others begin, see exchange55-mailbox",
            shows: "commands and replies; sessions are found by what can be said when, and lines that more than one may have said are left out",
            hides: "messages (5.0 with SP1 writes everything at Medium too). AUTH shows secrets",
            cost: Cost {
                session: 75,
                exchange: 130,
            },
        },
        Level {
            name: "SMTP: Maximum; NNTP: 5",
            turn_on: "SMTP: the same page: Maximum\nfeeds: the same value at dword:00000005",
            shows: "every packet of incoming mail besides, and articles",
            hides: "messages that this server sent. It holds mail: treat such a log as secret",
            cost: Cost {
                session: 75,
                exchange: 200,
            },
        },
    ],
    basis: "measured on 28 lines of SMTP and 16 of NNTP as documented, not on a server; Maximum writes each command twice, and all incoming messages come on top",
    rotates: r"\exchsrvr\imcdata\log and \exchsrvr\insdata\log: L0000001.LOG, counting up, a new file at each start of the service; none is removed by itself",
    deleting: "the service holds its newest file: stop it first (net stop MSExchangeIMC, net stop MSExchangeINS), or take files of earlier starts",
};
