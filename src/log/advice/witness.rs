//! Programs that watch the wire beside the server.

use super::{Advice, Cost, EVERY_PROTO, Level};

pub(super) const ZEEK: Advice = Advice {
    server: "zeek",
    formats: &["zeek"],
    protos: EVERY_PROTO,
    levels: &[
        Level {
            name: "connections (conn.log)",
            turn_on: "zeek -C -i INTERFACE, or of a capture: zeek -C -r FILE; in zeekctl: deploy",
            shows: "each connection with both ports, begin and length to a microsecond of UTC, octets and packets in both directions, how it ended",
            hides: "what was said",
            cost: Cost {
                session: 140,
                exchange: 0,
            },
        },
        Level {
            name: "with their protocols (smtp, http, ssl, dns)",
            turn_on: "on as installed; give every file of them with -l\nas JSON, if wanted: @load policy/tuning/json-logs in local.zeek (or on the command line), then deploy",
            shows: "requests with their status, messages with sender, recipients and last reply, TLS version and name, names asked for",
            hides: "commands one by one, bodies, what TLS hides; IMAP, POP3 and NNTP beyond the connection",
            cost: Cost {
                session: 400,
                exchange: 250,
            },
        },
    ],
    basis: "measured on rows as documented, to a factor of two and rather too high: of mail a row is a message, not a command",
    rotates: "zeekctl: logs/current, turned hourly into logs/YYYY-MM-DD and compressed, kept for ever unless LogExpireInterval is set in zeekctl.cfg; zeek alone writes into the current folder and turns nothing",
    deleting: "turned files can go at once; those in logs/current are held: zeekctl stop first",
};

pub(super) const SURICATA: Advice = Advice {
    server: "suricata",
    formats: &["eve"],
    protos: EVERY_PROTO,
    levels: &[
        Level {
            name: "connections (flow)",
            turn_on: "in suricata.yaml, outputs > eve-log: enabled: yes, types: [flow]\nsuricata -T -c /etc/suricata/suricata.yaml checks it; then restart suricata",
            shows: "each connection with both ports, begin and end to a microsecond with its zone, octets with their frames and packets in both directions",
            hides: "what was said; a flow is written when it ends or times out, up to ten minutes later",
            cost: Cost {
                session: 450,
                exchange: 0,
            },
        },
        Level {
            name: "with their protocols",
            turn_on: "the same, types: [flow, http, smtp, {tls: {extended: yes}}, dns]",
            shows: "requests with their status, messages with sender and recipients, TLS version and name, names asked for",
            hides: "commands one by one, replies of mail servers, bodies, what TLS hides; IMAP, POP3 and NNTP beyond the flow",
            cost: Cost {
                session: 800,
                exchange: 400,
            },
        },
    ],
    basis: "measured on events as documented, to a factor of two and rather too high: of mail an event is a message, not a command",
    rotates: "/var/log/suricata/eve.json: not by itself, unless rotate-interval is set in eve-log; logrotate as packaged",
    deleting: "Suricata holds the file: move it away, then send HUP or `suricatasc -c reopen-log-files`",
};
