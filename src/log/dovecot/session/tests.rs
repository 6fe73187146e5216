use super::super::super::testing;
use super::*;
use crate::model::{Ending, Extent};

const WITH_IDS: &str = "\
Nov 24 03:43:39 master: Info: Dovecot v2.3.19.1 (9b53102964) starting up for imap, pop3
Nov 24 03:43:40 imap-login: Info: Login: user=<bob>, method=PLAIN, rip=192.0.2.10, lip=198.51.100.25, mpid=11849, session=<N20qhP1gybjAAAIK>
Nov 24 03:43:40 imap-login: Info: Login: user=<carol>, method=PLAIN, rip=2001:db8::31, lip=2001:db8::25, mpid=11852, TLS, session=<OAQrhP1gna8gAQ24AAAAAAAAAAAAAAAx>
Nov 24 03:43:40 imap-login: Info: Disconnected: Connection closed (no auth attempts in 0 secs): user=<>, rip=203.0.113.77, lip=198.51.100.25, session=<+WYshP1gYabLAHFN>
Nov 24 03:43:41 imap(carol)<11852><OAQrhP1gna8gAQ24AAAAAAAAAAAAAAAx>: Info: Disconnected: Logged out in=32 out=788 deleted=0
Nov 24 03:43:41 imap(bob)<11849><N20qhP1gybjAAAIK>: Info: Disconnected: Connection closed in=339 out=1577 deleted=1
nothing of the kind
Nov 24 03:43:41 imap-login: Info: Login: user=<bob, method
Nov 24 03:43:41 imap-login: Info: Login: user=<bob>, method=PLAIN, rip=192.0.2, lip=198.51.100.25, session=<N20qhP1gybjAAAIK>
";

fn read(log: &str) -> (Vec<LogSession>, usize, Zone) {
    let told = testing::read(&ENTRY, log, 2026);
    (told.sessions, told.failed, told.zone)
}

fn numbers(session: &LogSession) -> Vec<u64> {
    let mut numbers: Vec<u64> = session.events.iter().map(|event| event.line.line).collect();
    numbers.dedup();
    numbers
}

/// As a busy Dovecot 2.3 wrote it: the mailbox process was faster than the one of the login.
#[test]
fn an_end_that_was_written_before_its_login_is_of_the_same_session() {
    const END: &str = "2026-11-26 18:25:19 imap(bob)<18846><N20qhP1gybjAAAIK>: Info: Disconnected: Logged out in=8 out=468\n";
    const LOGIN: &str = "2026-11-26 18:25:19 imap-login: Info: Login: user=<bob>, method=PLAIN, rip=192.0.2.10, lip=198.51.100.25, mpid=18846, session=<N20qhP1gybjAAAIK>\n";
    let (sessions, failed, _) = read(&format!("{END}{LOGIN}"));
    assert_eq!((sessions.len(), failed), (1, 0));
    assert_eq!(sessions[0].ending, Ending::Quit);
    assert_eq!(sessions[0].local, address("198.51.100.25"));
    assert_eq!(
        sessions[0].rare().octets.map(|octets| octets.sent),
        Some(468)
    );
    let late = LOGIN.replace("18:25:19", "18:25:22");
    assert_eq!(read(&format!("{END}{late}")).0.len(), 2, "another session");
    let many: String = (0..99)
        .map(|n| END.replace("N20qhP1gybj", &format!("N20qhP1gy{n:02}")))
        .collect();
    assert_eq!(read(&many).0.len(), 99, "none is lost");
}

#[test]
fn what_was_done_to_mails_is_of_the_session_with_its_id() {
    let ends = "Nov 24 03:43:41 imap(carol)";
    let mail = "Nov 24 03:43:40 imap(bob)<11849><N20qhP1gybjAAAIK>: Info: save: box=INBOX, uid=1, msgid=<a@b>, size=415
Nov 24 03:43:40 imap(bob)<11849><N20qhP1gybjAAAIK>: Info: copy from INBOX: box=Trash, uid=1, msgid=<a@b>, size=415
Nov 24 03:43:40 imap(bob)<11849><other>: Info: delete: box=INBOX, uid=1, msgid=<a@b>, size=415
Nov 24 03:43:40 imap(bob)<11849><N20qhP1gybjAAAIK>: Debug: Namespace: box=x, y: z
";
    let (sessions, failed, _) = read(&WITH_IDS.replacen(ends, &format!("{mail}{ends}"), 1));
    assert_eq!((sessions.len(), failed), (3, 3));
    assert_eq!(numbers(&sessions[0]), [2, 5, 6, 10]);
    assert_eq!(numbers(&sessions[1]), [3, 9]);
}

#[test]
fn ids_tell_sessions_apart_and_their_ports() {
    let (sessions, failed, zone) = read(WITH_IDS);
    assert_eq!((sessions.len(), failed), (3, 3));
    assert_eq!(zone, Zone::Stated(Span::ZERO));
    let bob = &sessions[0];
    assert_eq!(numbers(bob), [2, 6]);
    assert_eq!((bob.peer_port, bob.ending), (Some(47305), Ending::Lost));
    assert_eq!(bob.encryption, Some(Encryption::None));
    assert_eq!(
        bob.events.first().unwrap().stamp.resolution,
        Span::MICROSECOND
    );
    let carol = &sessions[1];
    assert_eq!((numbers(carol), carol.ending), (vec![3, 5], Ending::Quit));
    assert!(carol.tls.is_some() && carol.encryption.is_none());
    assert_eq!(carol.names, ["carol"]);
    assert_eq!(
        (numbers(&sessions[2]), sessions[2].ending),
        (vec![4], Ending::Lost)
    );
}

#[test]
fn ids_show_the_zone() {
    let west = WITH_IDS.replace("Nov 24 03:", "Nov 23 22:");
    let (sessions, _, zone) = read(&west);
    assert_eq!(zone, Zone::Stated(Span::seconds(-5 * 3600)));
    let (utc, ..) = read(WITH_IDS);
    for (here, there) in sessions.iter().zip(&utc) {
        assert_eq!(here.events, there.events);
    }
}

#[test]
fn ids_of_another_clock_show_no_zone() {
    let behind = WITH_IDS.replace("03:43:4", "03:36:1");
    let (sessions, _, zone) = read(&behind);
    assert_eq!(zone, Zone::Assumed);
    assert_eq!(
        sessions[0].events.first().unwrap().stamp.resolution,
        Span::SECOND
    );
}

#[test]
fn without_ids_only_what_is_sure_is_put_together() {
    let login = |proto: &str, pid: u16| {
        format!(
            "2026-11-24 03:29:09 {proto}-login: Info: Login: user=<ann>, method=PLAIN, rip=192.0.2.10, lip=198.51.100.25, mpid={pid}"
        )
    };
    let end = |proto: &str| {
        format!("2026-11-24 03:29:10 {proto}(ann): Info: Disconnected: Logged out in=9 out=8")
    };
    let log = [
        login("imap", 1),
        login("pop3", 2),
        end("imap"),
        login("imap", 3),
        login("imap", 4),
        end("imap"),
        end("pop3"),
        end("imap"),
        login("imap", 5),
        end("imap"),
    ];
    let (sessions, failed, zone) = read(&log.join("\n"));
    let all: Vec<_> = sessions.iter().map(numbers).collect();
    let told = [
        vec![1, 3],
        vec![2, 7],
        vec![4],
        vec![5],
        vec![6],
        vec![8],
        vec![9, 10],
    ];
    assert_eq!(all, told);
    let ends: Vec<usize> = (0..sessions.len())
        .filter(|&at| sessions[at].extent == Extent::End)
        .collect();
    assert_eq!(ends, [4, 5], "which of two it ended cannot be told");
    assert_eq!((failed, zone), (0, Zone::Assumed));
    // No line tells of TLS, so none of its absence either.
    assert!(sessions.iter().all(|session| session.encryption.is_none()));
}

#[test]
fn the_process_tells_where_there_is_no_id() {
    let (sessions, ..) = read(
        "\
Nov 24 03:29:09 mail dovecot: imap-login: Login: user=<ann>, method=PLAIN, rip=192.0.2.10, lip=198.51.100.25, mpid=7, secured
Nov 24 03:29:09 mail dovecot: imap-login: Login: user=<ann>, method=PLAIN, rip=192.0.2.11, lip=198.51.100.25, mpid=8, TLS
Nov 24 03:29:10 mail dovecot: imap(ann)<8>: Disconnected for inactivity in=1 out=2
Nov 24 03:29:11 mail dovecot: imap(ann)<7>: Logged out in=1 out=2
",
    );
    assert_eq!(
        (numbers(&sessions[0]), numbers(&sessions[1])),
        (vec![1, 4], vec![2, 3])
    );
    assert_eq!(sessions[0].encryption, None);
    assert_eq!(sessions[1].ending, Ending::Timeout);
}

#[test]
fn an_end_without_a_beginning_still_has_its_id() {
    let (sessions, ..) = read(
        "Nov 24 03:43:41 mail dovecot: imap(bob)<11849><N20qhP1gybjAAAIK>: Disconnected: Logged out in=339 out=1577\n",
    );
    assert_eq!(sessions.len(), 1);
    assert_eq!(sessions[0].peer_port, Some(47305));
}

/// As Dovecot 2.3 wrote it: one that slept to its end, and one that was taken up again.
#[test]
fn sessions_that_slept_end_without_counts() {
    let (sessions, failed, _) = read(
        "Nov 27 07:22:54 imap-login: Info: Login: user=<bob>, method=PLAIN, rip=127.0.0.1, lip=127.0.0.1, mpid=9015, secured, session=<Csa37TxhaIR/AAAB>\n\
         Nov 27 07:22:59 imap-hibernate(bob)<9143><Csa37TxhaIR/AAAB>: Info: Disconnected: Connection closed in=24 out=721 deleted=0 expunged=0 trashed=0 hdr_count=0 hdr_bytes=0 body_count=0 body_bytes=0\n\
         Nov 27 07:22:59 imap-login: Info: Login: user=<carol>, method=PLAIN, rip=127.0.0.1, lip=127.0.0.1, mpid=9273, secured, session=<524K7jxhSL9/AAAB>\n\
         Nov 27 07:23:05 imap(carol)<9491><524K7jxhSL9/AAAB>: Info: Disconnected: Logged out in=8 out=86 deleted=0 expunged=0 trashed=0 hdr_count=0 hdr_bytes=0 body_count=0 body_bytes=0\n",
    );
    assert_eq!((sessions.len(), failed), (2, 0));
    for (session, ending) in sessions.iter().zip([Ending::Lost, Ending::Quit]) {
        assert_eq!(session.ending, ending);
        assert_eq!(
            (session.rare().octets, session.rare().fetched),
            (None, None)
        );
        assert!(session.rare().sizes.is_empty(), "{session:?}");
    }
}

#[test]
fn clients_of_lmtp_by_the_process_that_serves_them() {
    let (sessions, failed, _) = read(
        "Nov 27 07:23:05 lmtp(9507): Info: Connect from 192.0.2.50\n\
         Nov 27 07:23:05 lmtp(9508): Info: Connect from local\n\
         Nov 27 07:23:06 lmtp(bob)<9507><TrL8FtkvCWsjJQAAg+zDdQ>: Info: msgid=<x@y>: saved mail to INBOX\n\
         Nov 27 07:23:06 lmtp(9508): Info: Disconnect from local: Logged out (state=READY)\n\
         Nov 27 07:23:06 lmtp(9507): Info: Disconnect from 192.0.2.50: Logged out (state=READY)\n\
         Nov 27 07:23:07 lmtp(9507): Info: Connect from 2001:db8::50\n\
         Nov 27 07:23:08 lmtp(9507): Info: Disconnect from 2001:db8::50: Connection closed (state=RCPT TO)\n",
    );
    let told: Vec<_> = sessions
        .iter()
        .map(|session| {
            (
                session.peer.unwrap().to_string(),
                session.ending,
                numbers(session),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("192.0.2.50".to_owned(), Ending::Quit, vec![1, 3, 5]),
            ("2001:db8::50".to_owned(), Ending::Lost, vec![6, 7]),
        ]
    );
    assert_eq!(failed, 0);
}

#[test]
fn a_session_that_is_passed_on_ends_with_the_line_of_its_id() {
    let (sessions, failed, _) = read(
        "Nov 24 03:43:47 mail dovecot: imap-login: proxy(bob): Started proxying to <10.0.0.5> (0.010 secs): user=<bob>, method=PLAIN, rip=203.0.113.85, lip=198.51.100.25, TLS, session=<z6>\n\
         Nov 24 03:43:48 mail dovecot: imap-login: proxy(bob): Disconnected by client: Connection closed (1s idle, in=1000, out=2000): user=<bob>, method=PLAIN, rip=203.0.113.85, lip=198.51.100.25, TLS, session=<z6>\n",
    );
    assert_eq!((sessions.len(), failed), (1, 0));
    assert_eq!(sessions[0].ending, Ending::Unknown);
    assert_eq!(
        sessions[0].events.last().map(|event| event.what),
        Some(crate::model::What::Close)
    );
}
