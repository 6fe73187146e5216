//! News servers.

use crate::model::Proto;

use super::{Advice, Cost, Level};

const NNTP: &[Proto] = &[Proto("nntp")];

pub(super) const INN: Advice = Advice {
    server: "inn",
    formats: &["nnrpd"],
    protos: NNTP,
    levels: &[
        Level {
            name: "as installed",
            turn_on: "nothing to do",
            shows: "connection and end of each reader with the time elapsed to a millisecond, groups, posts, commands that were not known, octets of articles sent",
            hides: "the client's port at any level (the port in the lines is the server's), commands one by one; feeds of other servers",
            cost: Cost {
                session: 910,
                exchange: 0,
            },
        },
        Level {
            name: "most (tracing)",
            turn_on: "in inn.conf: nnrpdflags: \"-t\"\nrestart innd (systemctl restart inn2, or rc.news stop and rc.news): inn.conf is read at its start\nsyslog must keep news.info and news.notice",
            shows: "every command, and the first line of its reply",
            hides: "the client's port, articles and lists, further lines of replies. AUTHINFO PASS is masked by nnrpd",
            cost: Cost {
                session: 910,
                exchange: 170,
            },
        },
    ],
    basis: "measured on captures/real-logs/inn: 3 sessions with 13 commands",
    rotates: "/var/log/news/news.notice and news.info of syslog, turned every night by scanlogs from news.daily",
    deleting: "syslog holds the files: let news.daily turn them, or move them and restart rsyslog; innd need not be stopped",
};

pub(super) const IIS_NNTP: Advice = Advice {
    server: "iis-nntp",
    formats: &["iis-nntp", "iis-fixed", "iis-odbc"],
    protos: NNTP,
    levels: &[
        Level {
            name: "Microsoft format (chosen unless another is)",
            turn_on: "virtual server > Properties > General > Enable logging > Microsoft IIS Log File Format",
            shows: "each command with code, octets and milliseconds, in the server's local time",
            hides: "the client's port, texts of replies, articles; nothing names the session",
            cost: Cost {
                session: 110,
                exchange: 110,
            },
        },
        Level {
            name: "W3C extended, all fields",
            turn_on: "the same list: W3C Extended Log File Format, then Properties > Extended Properties: tick all",
            shows: "the same in UTC, with a row for the connection itself",
            hides: "the client's port, texts of replies, articles; sessions of one address that overlap cannot be told apart",
            cost: Cost {
                session: 110,
                exchange: 110,
            },
        },
    ],
    basis: "measured on 8 rows of W3C extended with 17 fields as documented, not on a server; Microsoft's format has the same values",
    rotates: r"%windir%\System32\LogFiles\NNTPSVC1, daily at midnight of UTC (Microsoft format: local); rows are written late, 64 KB at a time",
    deleting: "the service holds the current file: stop the virtual server (net stop nntpsvc), or take only files of earlier days",
};
