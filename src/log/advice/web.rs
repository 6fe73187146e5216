//! Web servers and proxies.

use crate::model::Proto;

use super::{Advice, Cost, Level, TYPICAL};

const HTTP: &[Proto] = &[Proto("http")];

pub(super) const NGINX: Advice = Advice {
    server: "nginx",
    formats: &["clf", "nginx-error", "web-guess"],
    protos: HTTP,
    levels: &[
        Level {
            name: "as installed (combined)",
            turn_on: "access_log /var/log/nginx/access.log;",
            shows: "each request with status and size of the body, to the second of its end",
            hides: "the client's port, the time taken, heads",
            cost: Cost {
                session: 0,
                exchange: 190,
            },
        },
        Level {
            name: "useful",
            turn_on: "log_format both '$remote_addr:$remote_port [$time_local] $msec $request_time $connection \"$request\" $status $bytes_sent $body_bytes_sent $request_length $ssl_protocol/$ssl_cipher';\naccess_log /var/log/nginx/both.log both;\nnginx -t && nginx -s reload\nread it with --log-format 'both=…the same text…'",
            shows: "the connection by the client's port, milliseconds, octets before encryption in both directions, TLS",
            hides: "heads and bodies, connections without a request",
            cost: Cost {
                session: 0,
                exchange: 200,
            },
        },
        Level {
            name: "connections too (the only log of its mail proxy)",
            turn_on: "error_log /var/log/nginx/error.log info;\nnginx -t && nginx -s reload",
            shows: "why requests failed, by connection; of the mail proxy the client's port, logins, refusals and ends",
            hides: "what went well with a request, commands of mail",
            cost: Cost {
                session: 400,
                exchange: 0,
            },
        },
    ],
    basis: TYPICAL,
    rotates: "/var/log/nginx/*.log, turned by logrotate",
    deleting: "every worker holds the file: move it away, then `nginx -s reopen`; never delete it before that",
};

pub(super) const APACHE: Advice = Advice {
    server: "apache",
    formats: &["clf"],
    protos: HTTP,
    levels: &[
        Level {
            name: "as installed (combined)",
            turn_on: "CustomLog ${APACHE_LOG_DIR}/access.log combined",
            shows: "each request with status, to the second of its beginning; the size is of the body with %b, with heads with %O (Debian)",
            hides: "the client's port, the time taken",
            cost: Cost {
                session: 0,
                exchange: 190,
            },
        },
        Level {
            name: "useful",
            turn_on: "LogFormat \"%a:%{remote}p %A:%{local}p %{begin:usec}t %D %k %X %>s %B \\\"%r\\\" %{SSL_PROTOCOL}x %{SSL_CIPHER}x\" both\nCustomLog ${APACHE_LOG_DIR}/both.log both\napachectl configtest && apachectl graceful\nread it with --log-format 'both=…the same text…'",
            shows: "the connection by the client's port, microseconds, aborts, TLS",
            hides: "heads and bodies; %I and %O count encrypted octets and cannot be compared",
            cost: Cost {
                session: 0,
                exchange: 180,
            },
        },
    ],
    basis: TYPICAL,
    rotates: "/var/log/apache2 or /var/log/httpd, turned by logrotate, or by rotatelogs",
    deleting: "every child holds the file: move it away, then `apachectl graceful`",
};

pub(super) const HAPROXY: Advice = Advice {
    server: "haproxy",
    formats: &["haproxy"],
    protos: HTTP,
    levels: &[
        Level {
            name: "connections (tcplog)",
            turn_on: "in the frontend: log global, option tcplog",
            shows: "each connection with the client's port, accept and end to a millisecond, octets to the client, who ended it",
            hides: "requests",
            cost: Cost {
                session: 150,
                exchange: 0,
            },
        },
        Level {
            name: "requests (httplog)",
            turn_on: "in an HTTP frontend: log global, option httplog\nwithout `option dontlognull`, so that empty connections show",
            shows: "each request with the client's port, five timers, status, how it ended",
            hides: "heads and bodies; its octets are counted in a form of its own",
            cost: Cost {
                session: 0,
                exchange: 190,
            },
        },
    ],
    basis: TYPICAL,
    rotates: "syslog, turned by logrotate",
    deleting: "syslog holds the file, HAProxy none",
};

pub(super) const CADDY: Advice = Advice {
    server: "caddy",
    formats: &["caddy"],
    protos: HTTP,
    levels: &[Level {
        name: "access log",
        turn_on: "in the site's block: log { output file /var/log/caddy/access.log }\ncaddy reload",
        shows: "each request with the client's port, microseconds, size of the body, TLS version",
        hides: "bodies; connections without a request",
        cost: Cost {
            session: 0,
            exchange: 900,
        },
    }],
    basis: TYPICAL,
    rotates: "by itself: at 100 MB, ten files are kept (roll_size, roll_keep)",
    deleting: "turned files can go at once; the one in use only after `caddy stop`",
};

pub(super) const TRAEFIK: Advice = Advice {
    server: "traefik",
    formats: &["traefik"],
    protos: HTTP,
    levels: &[
        Level {
            name: "common format",
            turn_on: "accessLog: {filePath: /var/log/traefik/access.log}",
            shows: "each request, to the second of its beginning, and milliseconds taken",
            hides: "the client's port",
            cost: Cost {
                session: 0,
                exchange: 250,
            },
        },
        Level {
            name: "JSON",
            turn_on: "accessLog: {filePath: /var/log/traefik/access.log, format: json}\nrestart",
            shows: "the client's port, nanoseconds, TLS version and cipher",
            hides: "bodies; connections without a request",
            cost: Cost {
                session: 0,
                exchange: 900,
            },
        },
    ],
    basis: TYPICAL,
    rotates: "not by itself: logrotate, then signal USR1",
    deleting: "Traefik holds the file: move it away, then send USR1",
};

pub(super) const ENVOY: Advice = Advice {
    server: "envoy",
    formats: &["envoy"],
    protos: HTTP,
    levels: &[
        Level {
            name: "default format",
            turn_on: "in http_connection_manager (and tcp_proxy): access_log: [{name: envoy.access_loggers.file, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: /var/log/envoy/access.log}}]",
            shows: "each request with status, octets of bodies and milliseconds, to a millisecond of its beginning",
            hides: "the client's address and port, by which requests are found",
            cost: Cost {
                session: 0,
                exchange: 150,
            },
        },
        Level {
            name: "useful (Istio's format)",
            turn_on: "in Istio's MeshConfig: accessLogFile: /dev/stdout, accessLogFormat left empty; accessLogEncoding TEXT or JSON\nkubectl logs POD -c istio-proxy",
            shows: "the same with both ends of the connection, and how the reply came about",
            hides: "heads and bodies; connections without a request",
            cost: Cost {
                session: 0,
                exchange: 400,
            },
        },
    ],
    basis: "measured on 5 lines of the default as documented, not on a server; Istio's is reckoned from its fields",
    rotates: "not by itself: logrotate; what goes to stdout is turned by the container's runtime",
    deleting: "Envoy holds the file: move it away, then send USR1 or POST /reopen_logs to its admin port",
};
