use super::*;

#[test]
fn clients_are_read_with_and_without_port() {
    for (text, ip, port) in [
        (
            "connect from unknown[192.0.2.10]:41088",
            Some("192.0.2.10"),
            Some(41_088),
        ),
        (
            "connect from a.example[2001:db8::1]",
            Some("2001:db8::1"),
            None,
        ),
        ("connect from localhost[unix]", None, None),
    ] {
        let client = Client {
            ip: ip.map(|ip| ip.parse().unwrap()),
            port,
        };
        assert_eq!(said(text), Said::Connect(client));
    }
}

#[test]
fn a_rejection_keeps_the_whole_reply() {
    let text = "656DB98E32D: reject: RCPT from unknown[192.0.2.20]:52350: 550 5.1.1 <nobody@example.com>: Recipient address rejected: User unknown; sorry; from=<foxtrot@client.example> to=<nobody@example.com> proto=ESMTP helo=<alpha.client.example>";
    assert_eq!(
        said(text),
        Said::Reject {
            id: Some("656DB98E32D"),
            verb: "RCPT",
            reply: "550 5.1.1 <nobody@example.com>: Recipient address rejected: User unknown; sorry",
            from: Some("foxtrot@client.example"),
            to: Some("nobody@example.com"),
            helo: Some("alpha.client.example"),
        }
    );
    let early = "NOQUEUE: reject: MAIL from a[192.0.2.1]: 552 5.3.4 Message size exceeds fixed limit; from=<> proto=ESMTP helo=<x>";
    assert!(matches!(
        said(early),
        Said::Reject {
            id: None,
            verb: "MAIL",
            from: Some(""),
            to: None,
            ..
        }
    ));
}

#[test]
fn lines_name_their_client() {
    for text in [
        "disconnect from a[192.0.2.1]:9 helo=1 auth=0/1 quit=1 commands=2/3",
        "lost connection after DATA (9 bytes) from a[192.0.2.1]:9",
        "NOQUEUE: reject: RCPT from a[192.0.2.1]:9: 554 5.7.1 <x@y>: no from z[203.0.113.9]; from=<> to=<x@y>",
        "656DB98E32D: client=a[192.0.2.1]:9, sasl_method=PLAIN",
        "improper command pipelining after AUTH from a[192.0.2.1]:9: QUIT",
        "warning: a[192.0.2.1]:9: SASL LOGIN authentication failed: UGFzc3dvcmQ6",
    ] {
        let client = who(text).unwrap();
        assert_eq!(
            (client.ip, client.port),
            ("192.0.2.1".parse().ok(), Some(9)),
            "{text}"
        );
    }
    for text in ["656DB98E32D: removed", "connect from localhost[unix]", ""] {
        assert_eq!(who(text), None, "{text}");
    }
    let failed = "warning: a[192.0.2.1]: SASL PLAIN authentication failed: no, sasl_username=eve@x";
    let user = Some("eve@x");
    assert_eq!(said(failed), Said::LoginFailed { user });
}

#[test]
fn the_tally_is_behind_the_client_and_old_disconnects_have_none() {
    for (text, counts) in [
        (
            "disconnect from a[192.0.2.1]:5 ehlo=1 rcpt=1/2",
            "ehlo=1 rcpt=1/2",
        ),
        ("disconnect from a[192.0.2.1]", ""),
    ] {
        assert_eq!(said(text), Said::Disconnect(counts));
    }
}

#[test]
fn tls_and_queue_ids_are_read() {
    let text = "Anonymous TLS connection established from a[192.0.2.1]:5: TLSv1.2 with cipher ECDHE-RSA-AES256-GCM-SHA384 (256/256 bits)";
    assert_eq!(
        said(text),
        Said::Tls {
            version: Some(TlsVersion(0x0303)),
            cipher: "ECDHE-RSA-AES256-GCM-SHA384"
        }
    );
    assert_eq!(
        said("4jYSry2mxdz1SW7J: client=a[192.0.2.1], sasl_method=PLAIN, sasl_username=ann"),
        Said::Queued {
            id: "4jYSry2mxdz1SW7J",
            user: Some("ann")
        }
    );
}
#[test]
fn transcripts_troubles_and_remarks_are_read() {
    for (text, expected) in [
        (
            "< a[192.0.2.1]:5: mail FROM:<x@y>",
            Said::Received("mail FROM:<x@y>"),
        ),
        (
            "> a[2001:db8::1]: 250-PIPELINING",
            Said::Sent("250-PIPELINING"),
        ),
        ("> a[192.0.2.1]:5: ", Said::Sent("")),
        (">>> START Recipient address RESTRICTIONS <<<", Said::Other),
        (
            "lost connection after DATA (16 bytes) from a[192.0.2.1]",
            Said::Lost("DATA (16 bytes)"),
        ),
        (
            "timeout after CONNECT from a[192.0.2.1]",
            Said::Timeout("CONNECT"),
        ),
        (
            "SSL_accept error from a[192.0.2.1]: -1",
            Said::Remark("SSL_accept error from a[192.0.2.1]: -1"),
        ),
        (
            "7E58B98E33D: hold: RCPT from a[192.0.2.1]: <x>: triggered; from=<a@b>",
            Said::Remark("hold: RCPT from a[192.0.2.1]: <x>: triggered; from=<a@b>"),
        ),
    ] {
        assert_eq!(said(text), expected, "{text}");
    }
    let milter = "7E58B98E33D: milter-reject: END-OF-MESSAGE from a[192.0.2.1]: 5.7.1 spam; from=<a@b> to=<c@d>";
    assert!(matches!(
        said(milter),
        Said::Reject {
            verb: "END-OF-MESSAGE",
            reply: "5.7.1 spam",
            ..
        }
    ));
}
