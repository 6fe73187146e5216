//! The table of IIS's ODBC logging, out of a database. With the feature `odbc` that is `SQLite` behind its driver for ODBC
//! (Debian: libsqliteodbc); skipped, saying so, where that is not installed.

use crate::program::{complained, run};

/// Without unixODBC a table is refused with what to build, and what was typed is not repeated.
#[cfg(not(feature = "odbc"))]
#[test]
fn a_build_without_unixodbc_says_so() {
    let output = run(&["-l", "odbc:DSN=web;UID=reader;PWD=geheim;table=inetlog"]);
    let text = complained(&output);
    assert_eq!(output.status.code(), Some(4), "{text}");
    assert!(text.contains("--features odbc"), "{text}");
    assert!(text.contains("UID=reader;PWD=***;table=inetlog"), "{text}");
}

#[test]
fn what_is_no_address_of_a_table_is_told_without_what_was_typed() {
    for (address, wanted) in [
        ("DSN=web;PWD=geheim", "add ;table=NAME"),
        ("table=inetlog", "DSN=NAME"),
        (
            "DSN=web;geheim;table=inetlog",
            "part 2 of the connection string",
        ),
        (
            "DSN=web;PWD=geheim;table=inetlog; DROP TABLE inetlog",
            "part 4",
        ),
        (
            "DSN=web;PWD=geheim;table={inetlog; DROP TABLE inetlog}",
            "plain name",
        ),
    ] {
        let output = run(&["-l", &format!("odbc:{address}")]);
        let text = complained(&output);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(wanted), "{text}");
        assert!(!text.contains("geheim"), "{text}");
    }
}

#[cfg(feature = "odbc")]
mod database {
    use odbc_api::{ConnectionOptions, environment};

    use super::{complained, run};
    use crate::program::{records, said};

    const COLUMNS: &str = "ClientHost varchar(255), Username varchar(255), LogTime datetime, Service varchar(255), Machine varchar(255), \
        ServerIP varchar(50), ProcessingTime int, BytesRecvd int, BytesSent int, ServiceStatus int, Win32Status int, \
        Operation varchar(255), Target varchar(255), Parameters varchar(255)";
    /// Two SMTP sessions that overlap, and a request with a comma, quotes and a secret in it.
    const ROWS: &[&str] = &[
        "'203.0.113.77', 'gw.example', '2006-10-08 23:00:15', 'SMTPSVC1', 'MAIL01', '198.51.100.25', 0, 22, 43, 250, 0, 'HELO', '-', '+gw.example'",
        "'192.0.2.31', 'PC-31', '2006-10-08 23:00:16', 'SMTPSVC1', 'MAIL01', '198.51.100.25', 93, 10, 225, 250, 0, 'EHLO', NULL, '+PC-31'",
        "'192.0.2.31', 'PC-31', '2006-10-08 23:00:17', 'SMTPSVC1', 'MAIL01', '198.51.100.25', 0, 4, 65, 240, 1015, 'QUIT', '-', 'PC-31'",
        "'192.0.2.10', NULL, '2006-10-08 23:00:18', 'W3SVC1', 'MAIL01', '198.51.100.80', 4502, 163, 3223, 200, 0, 'GET', '/logo.gif', 'a=1,\"2\"&password=geheim'",
        "'203.0.113.77', 'gw.example', '2006-10-08 23:00:19', 'SMTPSVC1', 'MAIL01', '198.51.100.25', 0, 4, 65, 240, 6219, 'QUIT', '-', 'gw.example'",
        "'203.0.113.77', 'gw.example', 'yesterday', 'SMTPSVC1', 'MAIL01', '198.51.100.25', 0, 4, 65, 240, 6219, 'QUIT', '-', 'gw.example'",
    ];

    /// A database in a folder; none where the driver is not installed.
    fn database(folder: &tempfile::TempDir, statements: &[String]) -> Option<String> {
        let path = folder.path().join("logs.db");
        let connection = format!("Driver=SQLite3;Database={};PWD=geheim", path.display());
        let opened = environment()
            .unwrap()
            .connect_with_connection_string(&connection, ConnectionOptions::default());
        let opened = match opened {
            Ok(opened) => opened,
            Err(error) => {
                eprintln!("skipped: no SQLite behind ODBC (Debian: libsqliteodbc): {error}");
                return None;
            }
        };
        for statement in statements {
            opened.execute(statement, (), None).unwrap();
        }
        Some(connection)
    }

    fn filled() -> Vec<String> {
        let insert = ROWS
            .iter()
            .map(|row| format!("INSERT INTO inetlog VALUES ({row})"));
        std::iter::once(format!("CREATE TABLE inetlog ({COLUMNS})"))
            .chain(insert)
            .collect()
    }

    #[test]
    fn a_table_tells_the_same_as_its_export() {
        let folder = tempfile::tempdir().unwrap();
        let Some(connection) = database(&folder, &filled()) else {
            return;
        };
        let address = format!("odbc:{connection};table=inetlog");
        let told = records(&["-l", &address, "--log-zone", "inetlog=-06:00"]);
        let text = format!("{told:?}");
        assert!(!text.contains("geheim"), "{text}");
        let (log, sessions): (Vec<_>, Vec<_>) = told
            .into_iter()
            .filter(|record| record["type"] == "log" || record["type"] == "session")
            .partition(|record| record["type"] == "log");
        let log = &log[0];
        assert_eq!(
            (&log["format"], &log["unparsed_lines"]),
            (&"iis-odbc".into(), &1.into())
        );
        assert_eq!(log["zone"], "-06:00");
        assert_eq!(sessions.len(), 3, "{sessions:?}");

        let export = folder.path().join("export.csv");
        let names: Vec<&str> = COLUMNS
            .split(", ")
            .filter_map(|column| column.split(' ').find(|word| !word.is_empty()))
            .collect();
        let rows = ROWS.iter().map(|row| {
            row.replace(", ", ",")
                .replace(
                    "a=1,\"2\"&password=geheim",
                    "\"a=1,\"\"2\"\"&password=geheim\"",
                )
                .replace('\'', "")
        });
        let csv: Vec<String> = std::iter::once(names.join(",")).chain(rows).collect();
        std::fs::write(&export, csv.join("\n")).unwrap();
        let export = export.to_str().unwrap();
        let exported: Vec<_> = records(&["-l", export, "--log-zone", "-06:00"])
            .into_iter()
            .filter(|record| record["type"] == "session")
            .collect();
        let essence = |sessions: &[serde_json::Value]| -> Vec<String> {
            let part = |record: &serde_json::Value| {
                format!(
                    "{} {} {} {}",
                    record["start"], record["src_ip"], record["dst_ip"], record["log_duration_ms"]
                )
            };
            sessions.iter().map(part).collect()
        };
        assert_eq!(essence(&sessions), essence(&exported));
    }

    #[test]
    fn what_goes_wrong_is_told_without_the_password() {
        let folder = tempfile::tempdir().unwrap();
        let statements = [
            "CREATE TABLE other (a int, geheim_b text)".to_owned(),
            "INSERT INTO other VALUES (1, 'x')".to_owned(),
        ];
        let Some(connection) = database(&folder, &statements) else {
            return;
        };
        for (address, wanted) in [
            (format!("{connection};table=inetlog"), "inetlog"),
            // Read, and no format fits its columns.
            (format!("{connection};table=other"), "no known format"),
            (
                "DSN=nowhere;UID=reader;PWD=geheim;table=inetlog".to_owned(),
                "odbcinst -q -s",
            ),
            (
                "Driver=/nowhere/lib.so;PWD=geheim;table=inetlog".to_owned(),
                "odbcinst.ini",
            ),
        ] {
            let output = run(&["-l", &format!("odbc:{address}")]);
            let text = complained(&output) + &said(&output);
            assert_eq!(output.status.code(), Some(4), "{text}");
            assert!(text.contains(wanted) && text.contains("PWD=***"), "{text}");
            assert!(!text.replace("geheim_b", "").contains("geheim"), "{text}");
        }
    }

    #[test]
    fn an_empty_table_and_values_beyond_the_bounds_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let long = format!(
            "INSERT INTO inetlog VALUES ('192.0.2.10', NULL, '2006-10-08 23:00:18', 'W3SVC1', 'W', '198.51.100.80', 1, 163, 3223, 200, 0, 'GET', '/{}', NULL)",
            "x".repeat(10_000)
        );
        let create = format!("CREATE TABLE inetlog ({COLUMNS})");
        let Some(connection) = database(&folder, std::slice::from_ref(&create)) else {
            return;
        };
        let address = format!("odbc:{connection};table=inetlog");
        let empty = records(&["-l", &address]);
        assert_eq!(
            (&empty[0]["format"], &empty[0]["lines"]),
            (&"iis-odbc".into(), &1.into())
        );
        assert!(database(&folder, &[long]).is_some());
        let cut = run(&["-l", &address]);
        assert_eq!(cut.status.code(), Some(3));
        assert!(
            said(&cut).contains("a value longer than 4096 octets is cut"),
            "{}",
            said(&cut)
        );
    }
}
