use super::super::super::testing::{commands, read};
use super::*;

fn guess(log: &str) -> Option<Guess> {
    let lines: Vec<&[u8]> = log.lines().map(str::as_bytes).collect();
    Guess::of(&Head {
        lines: &lines,
        year: 2026,
    })
}

fn text(log: &str) -> String {
    guess(log).map(|guess| guess.text).unwrap_or_default()
}

/// Four lines, with what changes from one to the next.
fn lines(line: impl Fn(usize) -> String) -> String {
    (0..4).map(|at| line(at) + "\n").collect()
}

#[test]
fn fields_are_told_by_their_values() {
    let told = text(&lines(|n| {
        format!(
            r#"192.0.2.1{n} - [24/Nov/2026:03:50:2{n} +0000] 200 51{n} "GET /{n} HTTP/1.1" 0.01{n} 0.00{n} "-" "Mozilla/5.0 (X)" TLSv1.3"#
        )
    }));
    assert_eq!(
        told,
        r#"$remote_addr ${field_1} [$time_local] $status $reply_octets "$request" $request_time ${field_7} "${field_8}" "$http_user_agent" $ssl_protocol"#
    );
    let told = text(&lines(|n| {
        format!(
            r#"179549215{n}.798 192.0.2.10:5000{n} rt=0.01{n} up=0.00{n}, 0.001 status=404 size=15{n} "POST /x HTTP/2.0""#
        )
    }));
    assert_eq!(
        told,
        r#"$msec $remote_addr:$remote_port rt=$request_time up=${upstream_4} status=$status size=$reply_octets "$request""#
            .replace("upstream_4", "upstream_3")
    );
}

#[test]
fn json_with_names_of_the_users_choice() {
    let log = lines(|n| {
        format!(
            r#"{{"when":"2026-11-24T03:50:2{n}+00:00","msec":179549222{n}.500,"who":"192.0.2.1{n}","upstream":"10.0.0.1","verb":"GET","path":"/a\"{n}","proto":"HTTP/1.1","code":404,"upstream_code":500,"sent_bytes":15{n},"took":0.01{n}}}"#
        )
    });
    let told = read(&ENTRY, &log, 2026);
    assert_eq!((told.sessions.len(), told.failed), (4, 0));
    assert_eq!(commands(&told.sessions[1]), [r#"GET /a"1 HTTP/1.1 404"#]);
    assert_eq!(told.sessions[1].peer, "192.0.2.11".parse().ok());
    let get = told.sessions[1].events.first().unwrap().command().unwrap();
    assert_eq!((get.body_octets, get.reply_octets), (None, Some(151)));
    let stamp = told.sessions[1].events.first().unwrap().stamp;
    assert_eq!(
        stamp.at.to_rfc3339(),
        "2026-11-24T03:50:21.500000000Z",
        "the finer of two"
    );
    assert_eq!(get.taken.map(|taken| taken.0), Some(11_000_000));
    assert_eq!(told.sureness, Sureness(600));
    assert!(told.remarks[0].contains("4 of the 4"), "{:?}", told.remarks);
    assert!(
        told.remarks[0].contains(r#""who":"$remote_addr""#),
        "{:?}",
        told.remarks
    );
}

/// `X-Forwarded-For` in the client's place: who connected is not among them.
#[test]
fn of_a_list_of_addresses_none_is_the_client() {
    let told = text(&lines(|n| {
        let more = ["", ", 10.0.0.1", "", ", 10.0.0.2, 10.0.0.3"][n];
        format!(r#"192.0.2.10{more} - - [24/Nov/2026:03:50:2{n} +0000] "GET / HTTP/1.1" 200 5{n}"#)
    }));
    assert_eq!(
        told,
        r#"${upstream_0} ${field_1} ${field_2} [$time_local] "$request" $status $reply_octets"#
    );
}

#[test]
fn what_is_not_the_same_on_all_lines_is_not_taken() {
    // An address, a status and a number of octets that are none on one line.
    let told = text(&lines(|n| {
        let (who, status, octets) = if n == 2 {
            ("pc", "999", "x")
        } else {
            ("192.0.2.1", "200", "13")
        };
        format!(r#"h{n} {who} [24/Nov/2026:03:50:2{n} +0000] "GET / HTTP/1.1" {status} {octets}"#)
    }));
    assert_eq!(told, "", "neither client nor status is left");
    // Two addresses that differ, of which neither has a name nor stands at the beginning.
    let told = text(&lines(|n| {
        format!(
            r#"[24/Nov/2026:03:50:2{n} +0000] x 192.0.2.1{n} 10.0.0.{n} "GET / HTTP/1.1" 304 120"#
        )
    }));
    assert_eq!(
        told, r#"[$time_local] ${field_1} ${field_2} ${field_3} "$request" $status ${field_6}"#,
        "nor octets that are the same on all lines"
    );
    // Two durations of which neither is always the longer.
    let told = text(&lines(|n| {
        let (one, two) = if n == 1 {
            ("0.200", "0.100")
        } else {
            ("0.100", "0.200")
        };
        format!(r#"192.0.2.1 [24/Nov/2026:03:50:2{n} +0000] "GET / HTTP/1.1" 200 {one} {two}"#)
    }));
    assert!(!told.contains("request_time"), "{told}");
}

#[test]
fn times_since_1970_in_every_unit() {
    for (behind, word) in [
        ("", "$msec"),
        ("905", "$epoch_ms"),
        ("905202", "$epoch_us"),
        ("905202000", "$epoch_ns"),
    ] {
        let log = lines(|n| {
            format!(r#"192.0.2.10:5000{n} 179571299{n}{behind} 139 + 20{n} "GET / HTTP/1.1" -"#)
        });
        let told = text(&log);
        assert!(
            told.starts_with(&format!("$remote_addr:$remote_port {word} ")),
            "{told}"
        );
        let told = read(&ENTRY, &log, 2026);
        assert_eq!((told.sessions.len(), told.failed), (4, 0));
        let stamp = told.sessions[2].events.first().unwrap().stamp;
        assert!(
            stamp.at.to_rfc3339().starts_with("2026-11-26T17:09:52."),
            "{stamp:?}"
        );
        let digits = u32::try_from(behind.len()).unwrap();
        assert_eq!(stamp.resolution.0, 10i64.pow(9 - digits));
    }
}

#[test]
fn what_is_inferred_can_be_given_as_it_is_shown() {
    let log =
        lines(|n| format!("179571299{n}905202\t192.0.2.10\t200\t35{n}\tGET / HTTP/1.1\t\\{n}\t-"));
    let told = text(&log);
    assert_eq!(
        told,
        r"$epoch_us\t$remote_addr\t$status\t$reply_octets\t$request\t${field_5}\t${field_6}"
    );
    let head = log.lines().map(str::as_bytes).collect::<Vec<_>>();
    let head = Head {
        lines: &head,
        year: 2026,
    };
    assert_eq!(Custom::parse(&told).unwrap().probe(&head), Sureness(1000));
}

#[test]
fn a_number_that_rises_is_a_time_only_where_nothing_else_may_be_one() {
    let told = text(&lines(|n| {
        format!(r#"178000000{n} 192.0.2.1 [24/Nov/2026:03:50:2{n} +0000] "GET / HTTP/1.1" 200"#)
    }));
    assert!(
        told.contains("[$time_local]") && !told.contains("$msec"),
        "{told}"
    );
    let told = text(&lines(|n| {
        format!(r#"178000000{n} 192.0.2.1 179571299{n} "GET / HTTP/1.1" 200"#)
    }));
    assert_eq!(told, "", "which of the two is it?");
    let told = text(&lines(|n| {
        format!(r#"192.0.2.1 x 278000000{n} "GET / HTTP/1.1" 200"#)
    }));
    assert_eq!(told, "", "no log is of the year 2058");
}

#[test]
fn replies_without_a_body_tell_what_octets_are() {
    let word = |status: &'static str, octets: [u32; 4]| {
        let told = text(&lines(|n| {
            let status = if n == 3 { status } else { "200" };
            let octets = octets[n];
            format!(
                r#"[24/Nov/2026:03:50:2{n} +0000] 192.0.2.1 "GET /{n} HTTP/1.1" {status} {octets}"#
            )
        }));
        told.rsplit(' ').next().unwrap().to_owned()
    };
    assert_eq!(word("304", [153, 4100, 17, 0]), "$body_bytes_sent");
    assert_eq!(word("304", [308, 4342, 248, 189]), "$reply_octets");
    assert_eq!(word("404", [308, 4342, 248, 189]), "$reply_octets");
    // Requests of a connection, a port, the code of another server.
    assert_eq!(word("304", [1, 2, 3, 4]), "${field_4}");
    assert_eq!(word("304", [1, 2, 3, 0]), "${field_4}");
    assert_eq!(word("404", [8080, 8080, 8080, 8080]), "${field_4}");
    assert_eq!(word("404", [200, 200, 502, 404]), "${field_4}");
}

#[test]
fn of_two_columns_with_octets_the_one_that_is_named_after_the_body_is_taken() {
    let told = text(&lines(|n| {
        format!(
            r#"{{"msec":"179549222{n}.500","c":"192.0.2.1","req":"GET / HTTP/1.1","st":200,"bytes_sent":{},"body_bytes_sent":{},"request_body":9}}"#,
            500 + n,
            300 + n
        )
    }));
    assert!(
        told.contains(r#""bytes_sent":${field_4},"body_bytes_sent":$body_bytes_sent,"request_body":${field_6}"#),
        "{told}"
    );
}

#[test]
fn a_version_ends_where_its_digits_end() {
    let told = text(&lines(|n| {
        format!("192.0.2.1 179571299{n}905 GET /{n} HTTP/1.1|200|13{n}")
    }));
    assert_eq!(
        told,
        "$remote_addr $epoch_ms $request_method $request_uri ${field_4}"
    );
}

#[test]
fn other_logs_are_no_access_logs() {
    for log in [
        lines(|n| format!("Nov 24 03:50:2{n} mail postfix/smtpd[{n}]: connect from a[192.0.2.1]")),
        lines(|n| {
            format!(
                r#"{{"time":"2026-11-24T03:50:2{n}Z","client":"192.0.2.1","level":"info","msg":"GET"}}"#
            )
        }),
        lines(|n| format!(r#"192.0.2.1 "GET /{n} HTTP/1.1" 200"#)),
        // From the future and back.
        lines(|n| {
            format!(
                r#"192.0.2.1 [24/Nov/202{}:03:50:20 +0000] "GET / HTTP/1.1" 200"#,
                9 - n
            )
        }),
        String::new(),
        "rubbish\n".repeat(9),
    ] {
        assert!(guess(&log).is_none(), "{log}");
        let told = read(&ENTRY, &format!("{log}x\n"), 2026);
        assert_eq!((told.sureness, told.sessions.len()), (Sureness(0), 0));
    }
}

#[test]
fn lines_with_garbage_for_a_request_keep_their_status() {
    let log = lines(|n| {
        let request = if n == 3 {
            r"\x16\x03\x01"
        } else {
            "GET / HTTP/1.1"
        };
        format!(r#"[24/Nov/2026:03:50:2{n} +0000] 192.0.2.10 "{request}" 400 0"#)
    });
    let told = read(&ENTRY, &log, 2026);
    assert_eq!((told.sessions.len(), told.failed), (4, 0));
    assert_eq!(commands(&told.sessions[3]), ["<no request line> 400"]);
}
