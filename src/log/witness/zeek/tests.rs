use super::super::super::testing;
use super::*;
use crate::model::What;

const CONN: &str = "#separator \\x09
#set_separator\t,
#empty_field\t(empty)
#unset_field\t-
#path\tconn
#open\t2026-11-24-03-29-10
#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tservice\tduration\torig_bytes\tresp_bytes\tconn_state\thistory
#types\ttime\tstring\taddr\tport\taddr\tport\tenum\tstring\tinterval\tcount\tcount\tstring\tstring
1795490950.538528\tCAcJw21BbVedgFnYH3\t192.0.2.10\t41104\t198.51.100.25\t25\ttcp\tsmtp,ssl\t0.022045\t633\t2215\tRSTO\tShAdDaR
1795490951.000001\tCAcJw21BbVedgFnYH4\t2001:db8::31\t53211\t2001:db8::80\t80\ttcp\t-\t-\t-\t-\tS0\tS
1795490951.1\tCmes9e3NDvkXzbcdef\t192.0.2.10\t8\t198.51.100.25\t0\ticmp\t-\t-\t-\t-\tOTH\t-
1795490952\ttoo\tfew
yesterday\tCAcJw21BbVedgFnYH5\t192.0.2.10\t1\t198.51.100.25\t25\ttcp\t-\t-\t-\t-\tS0\tS
nothing at all
#close\t2026-11-24-04-00-00
";

#[test]
fn connections_have_ends_states_and_lengths() {
    let told = testing::read(&ENTRY, CONN, 2026);
    assert_eq!((told.sessions.len(), told.failed, told.aside), (2, 3, 10));
    let smtp = &told.sessions[0];
    assert_eq!(
        (smtp.proto, smtp.peer_port, smtp.local_port),
        (Proto("smtp"), Some(41104), Some(25))
    );
    assert_eq!(
        (smtp.duration, smtp.ending),
        (Some(Span::micros(22_045)), Ending::Lost)
    );
    assert_eq!(
        smtp.events.first().unwrap().stamp.at.to_rfc3339(),
        "2026-11-24T03:29:10.538528000Z"
    );
    assert_eq!(
        smtp.events.last().unwrap().stamp.at.to_rfc3339(),
        "2026-11-24T03:29:10.560573000Z"
    );
    assert_eq!(
        (told.sessions[1].proto, told.sessions[1].duration),
        (Proto::UNKNOWN, None)
    );
    assert!(told.sureness.0 >= 300, "{:?}", told.sureness);
}

#[test]
fn lines_of_one_uid_are_one_session_in_json_too() {
    let log = r#"{"ts":1795490957.2,"uid":"Ca","id.orig_h":"192.0.2.10","id.orig_p":40001,"id.resp_h":"198.51.100.80","id.resp_p":80,"trans_depth":1,"method":"GET","host":"www.example.com","uri":"/a?password=x","version":"1.1","status_code":200,"response_body_len":13}
{"ts":1795490957.3,"uid":"Cb","id.orig_h":"192.0.2.31","id.orig_p":40002,"id.resp_h":"198.51.100.80","id.resp_p":80,"method":"GET","uri":"/b","status_code":404}
{"ts":"2026-11-24T03:29:17.400000Z","uid":"Ca","id.orig_h":"192.0.2.10","id.orig_p":40001,"id.resp_h":"198.51.100.80","id.resp_p":80,"method":"GET","uri":"/c","status_code":200}
{"uid":"Cc","method":"GET"}
{"ts":1
"#;
    let told = testing::read(&ENTRY, log, 2026);
    assert_eq!((told.sessions.len(), told.failed), (2, 2));
    let events = &told.sessions[0].events;
    assert_eq!(events.len(), 2);
    let command = events.first().unwrap().command().unwrap();
    assert_eq!(
        (command.request, command.body_octets),
        ("GET /a?password=*** HTTP/1.1", Some(13))
    );
}

#[test]
fn envelopes_handshakes_and_look_ups() {
    let smtp = r#"{"ts":1795490957.2,"uid":"Ca","id.orig_h":"192.0.2.10","id.orig_p":40001,"id.resp_h":"198.51.100.25","id.resp_p":25,"helo":"pc","mailfrom":"a@example.net","rcptto":["b@example.com"],"last_reply":"250 2.0.0 Ok"}"#;
    let told = testing::read(&ENTRY, smtp, 2026);
    assert_eq!(
        (told.sessions[0].proto, told.sessions[0].names[0].as_str()),
        (Proto("smtp"), "pc")
    );
    let ssl = "#separator \\x09\n#path\tssl\n#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tversion\tcipher\tserver_name\n1795490957.2\tCa\t192.0.2.10\t40001\t198.51.100.25\t465\tTLSv13\tTLS_AES_256_GCM_SHA384\tmail.example.com\n";
    let told = testing::read(&ENTRY, ssl, 2026);
    let tls = told.sessions[0].tls.as_ref().unwrap();
    assert_eq!(tls.version, TlsVersion::from_name("TLSv1.3"));
    let dns = r#"{"ts":1795490957.2,"uid":"Cd","id.orig_h":"192.0.2.10","id.orig_p":5353,"id.resp_h":"198.51.100.53","id.resp_p":53,"proto":"udp","trans_id":7,"query":"www.example.com","qtype_name":"A","rcode_name":"NOERROR"}"#;
    let told = testing::read(&ENTRY, dns, 2026);
    assert_eq!(
        told.sessions[0].events.first().unwrap().what,
        What::Note("A www.example.com: NOERROR")
    );
}
