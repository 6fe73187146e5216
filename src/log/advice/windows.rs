//! Servers of Microsoft.

use crate::model::Proto;

use super::{Advice, Cost, Level, TYPICAL};

pub(super) const IIS_SMTP: Advice = Advice {
    server: "iis-smtp",
    formats: &["iis-smtp", "iis-fixed", "iis-ncsa", "iis-odbc"],
    protos: &[Proto("smtp")],
    levels: &[
        Level {
            name: "W3C extended, default fields",
            turn_on: "virtual server > Properties > General > Enable logging > W3C Extended Log File Format",
            shows: "time, client, command word and status",
            hides: "arguments, names and octets, by which sessions are told apart",
            cost: Cost {
                session: 0,
                exchange: 70,
            },
        },
        Level {
            name: "W3C extended, all fields",
            turn_on: "the same, then Properties > Extended Properties: tick all",
            shows: "every command with its argument, octets of command and reply, milliseconds, HELO name; the QUIT row tells the session's length",
            hides: "the client's port, texts of replies, bodies",
            cost: Cost {
                session: 0,
                exchange: 190,
            },
        },
        Level {
            name: "NCSA or Microsoft format",
            turn_on: "the same list of formats; chosen where another program needs them",
            shows: "NCSA: commands and octets sent; Microsoft: all values of W3C extended, in local time",
            hides: "NCSA: octets received and the session's length",
            cost: Cost {
                session: 0,
                exchange: 130,
            },
        },
        Level {
            name: "ODBC",
            turn_on: r"make the table with %windir%\System32\inetsrv\Logtemp.sql in a database that is a system data source, and take ODBC Logging from the same list of formats",
            shows: "all values of W3C extended, in local time; read with -l 'odbc:DSN=NAME;table=inetlog', or exported as CSV with the names of its columns",
            hides: "what is longer than 255 characters is cut; the client's port, texts of replies, bodies",
            cost: Cost {
                session: 0,
                exchange: 190,
            },
        },
    ],
    basis: TYPICAL,
    rotates: r"%windir%\System32\LogFiles\SMTPSVC1, daily at midnight of UTC; rows are written late, 64 KB at a time",
    deleting: "the service holds the current file: stop the virtual server (net stop smtpsvc), or take only files of earlier days",
};

pub(super) const IIS_HTTP: Advice = Advice {
    server: "iis-http",
    formats: &["iis-http", "iis-fixed"],
    protos: &[Proto("http")],
    levels: &[
        Level {
            name: "as installed",
            turn_on: "IIS Manager > site > Logging > W3C",
            shows: "each request with status and milliseconds, to the second",
            hides: "the client's port, octets",
            cost: Cost {
                session: 0,
                exchange: 260,
            },
        },
        Level {
            name: "useful",
            turn_on: "Logging > Select Fields: add sc-bytes, cs-bytes, cs-version, cs-host\nAdd Field (IIS 8.5 and later): name c-port, source Server Variable, REMOTE_PORT",
            shows: "octets inside TLS in both directions, and the client's port",
            hides: "heads and bodies",
            cost: Cost {
                session: 0,
                exchange: 310,
            },
        },
    ],
    basis: TYPICAL,
    rotates: r"%SystemDrive%\inetpub\logs\LogFiles\W3SVCn, daily",
    deleting: "HTTP.sys holds the current file: `netsh http flush logbuffer` writes it out; take files of earlier days, or stop the site first",
};

pub(super) const EXCHANGE_SMTP: Advice = Advice {
    server: "exchange-smtp",
    formats: &["exchange-smtp"],
    protos: &[Proto("smtp")],
    levels: &[Level {
        name: "protocol log",
        turn_on: "Set-ReceiveConnector NAME -ProtocolLoggingLevel Verbose\nSet-SendConnector NAME -ProtocolLoggingLevel Verbose",
        shows: "every command and reply with the client's port, to a millisecond, also inside TLS",
        hides: "bodies; what the firewall kept away",
        cost: Cost {
            session: 700,
            exchange: 320,
        },
    }],
    basis: TYPICAL,
    rotates: r"TransportRoles\Logs\…\ProtocolLog: a new file every hour and every 10 MB, kept for 30 days",
    deleting: "the transport service holds the newest file only; older ones can go at once",
};

pub(super) const EXCHANGE_MAILBOX: Advice = Advice {
    server: "exchange-mailbox",
    formats: &["exchange-mailbox"],
    protos: &[Proto("imap"), Proto("pop3")],
    levels: &[Level {
        name: "protocol log",
        turn_on: "Set-ImapSettings -ProtocolLogEnabled $true\nSet-PopSettings -ProtocolLogEnabled $true\nRestart-Service MSExchangeIMAP4, MSExchangePOP3",
        shows: "every command with the client's port, octets of request and reply, milliseconds",
        hides: "texts of replies, bodies",
        cost: Cost {
            session: 260,
            exchange: 160,
        },
    }],
    basis: TYPICAL,
    rotates: r"Logging\Imap4 and Logging\Pop3: a new file every hour or day",
    deleting: "the service holds the newest file: stop it first, or take older ones",
};

pub(super) const HTTP_SYS: Advice = Advice {
    server: "http-sys",
    formats: &["httperr"],
    protos: &[Proto("http")],
    levels: &[Level {
        name: "as installed",
        turn_on: "nothing to do; if it was turned off: key HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Services\\HTTP\\Parameters, EnableErrorLogging = 1 (DWORD; also ErrorLoggingDir, ErrorLogFileTruncateSize)\nnet stop http /y, then start what it stopped (net start w3svc)",
        shows: "connections that HTTP.sys ended itself, idle ones too, and requests that it answered itself, with the client's port and the reason, to a second of UTC",
        hides: "all that reached a web site: see iis-http",
        cost: Cost {
            session: 95,
            exchange: 0,
        },
    }],
    basis: "measured on 5 rows as documented, not on a server; the day's figure is the most that there can be, of connections that all end in a row",
    rotates: r"%windir%\System32\LogFiles\HTTPERR\httperrN.log, a new file at 1 MB (ErrorLogFileTruncateSize); none is removed by itself",
    deleting: "HTTP.sys holds the newest file: `netsh http flush logbuffer` writes it out; older ones can go at once, that one after net stop http /y",
};
