//! Logins inside TLS that a mailbox server's log says were refused, and how often: `Aborted login (auth failed, 2 attempts in 4 secs)`.
//!
//! They are the certain ones where the whole dialogue is what such a session can be: commands of four letters or the like, then as many
//! logins as the log counts, each answered by the same words, then a command that ends it or nothing.

use crate::model::{LineRef, LogSession, Proto, What};

/// Octets of `+OK` and of `-ERR` with their line ends, and a tag, a status and words of one letter for IMAP.
const OK: u64 = 5;
const ERR: u64 = 6;
/// The longest reply that is taken for a refusal.
const LONGEST: u64 = 512;
/// Octets of a command of POP3 in four letters: CAPA, AUTH, UTF8, NOOP, QUIT.
const FOUR: u64 = 6;
/// Octets of LOGIN beside the user, of LOGOUT, and of AUTHENTICATE PLAIN beside its answer, the shortest tag and the shortest secret taken.
const LOGIN: u64 = 12;
const LOGOUT: u64 = 10;
const AUTHENTICATE: u64 = 23;
/// By how much a tag may be longer.
const TAG: u64 = 7;

/// Octets of a request and of its reply, if it had one.
pub(super) type Sizes = (u64, u64);

/// How many logins a log says were refused in a session, and the line that says so.
pub(super) fn counted(log: &LogSession) -> Option<(usize, LineRef)> {
    log.events.iter().find_map(|event| {
        let What::Note(words) = event.what else {
            return None;
        };
        let behind = words.split_once("auth failed, ")?.1;
        let (count, _) = behind.split_once(" attempts")?;
        // No session has more; twice as many must still be a number.
        let count: u16 = count.parse().ok()?;
        (count > 0).then_some((count.into(), event.line))
    })
}

/// The first of `count` pairs of USER and PASS, or of `count` LOGINs, where the requests of a session can be nothing else; `user` is who tried last.
pub(super) fn find(proto: Proto, asked: &[Sizes], count: usize, user: &str) -> Option<usize> {
    let user = u64::try_from(user.len()).unwrap_or(u64::MAX);
    match proto {
        Proto("pop3") => pop3(asked, count, user),
        Proto("imap") => imap(asked, count, user),
        _ => None,
    }
}

/// USER and PASS (RFC 1939 §7), by turns.
fn pop3(asked: &[Sizes], count: usize, user: u64) -> Option<usize> {
    let first = asked.iter().position(|(sent, _)| *sent != FOUR)?;
    let (logins, rest) = asked.get(first..)?.split_at_checked(count * 2)?;
    let (&(_, welcome), &(_, refusal)) = (logins.first()?, logins.get(1)?);
    let ends = match rest {
        [] => true,
        [(sent, _)] => *sent == FOUR,
        _ => false,
    };
    let all = logins.chunks_exact(2).all(|pair| match *pair {
        [(named, taken), (secret, refused)] => {
            // `AUTH PLAIN` is answered by `+ `, what it asks for by a refusal.
            named > FOUR && taken == welcome && secret > FOUR && refused == refusal
        }
        _ => false,
    });
    let (last, _) = *logins.get(count * 2 - 2)?;
    let is_user = last == user + FOUR + 1;
    let told_apart = welcome >= OK && refusal > ERR && refusal != welcome && refusal <= LONGEST;
    (ends && all && is_user && told_apart).then_some(first)
}

/// LOGIN (RFC 9051 §6.2.3), answered alike, behind commands that are not.
fn imap(asked: &[Sizes], count: usize, user: u64) -> Option<usize> {
    // The last may be LOGOUT, which is answered by BYE and OK.
    let short = |sizes: &Sizes| (LOGOUT..=LOGOUT + TAG).contains(&sizes.0);
    let logins = match asked.split_last() {
        Some((last, before)) if short(last) && before.last().map(|one| one.1) != Some(last.1) => {
            before
        }
        _ => asked,
    };
    let first = logins.len().checked_sub(count)?;
    let (before, logins) = logins.split_at_checked(first)?;
    let &(_, refusal) = logins.first()?;
    // AUTHENTICATE PLAIN with its answer on the same line is longer.
    let secret = 2 + user + 1;
    let login = LOGIN + user..AUTHENTICATE + secret.div_ceil(3) * 4;
    let all = logins.iter().all(|(_, refused)| *refused == refusal);
    let is_user = logins.last().is_some_and(|(sent, _)| login.contains(sent));
    let others = before.iter().all(|(_, reply)| *reply != refusal);
    let told = (LOGOUT..=LONGEST).contains(&refusal);
    (all && is_user && others && told).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Event, LogEvent, LogId, LogTime, Span, Stamp};

    /// `CAPA`, then `USER user5` and `PASS …` twice, then `QUIT`.
    const POP3: [Sizes; 6] = [(6, 90), (12, 5), (14, 38), (12, 5), (15, 38), (6, 18)];

    #[test]
    fn as_many_pairs_as_are_counted_are_the_logins() {
        let found = |asked: &[Sizes], count, user| find(Proto("pop3"), asked, count, user);
        assert_eq!(found(&POP3, 2, "user5"), Some(1));
        assert_eq!(
            found(&POP3[..5], 2, "user5"),
            Some(1),
            "it went without a word"
        );
        for (count, user) in [(1, "user5"), (3, "user5"), (2, "user50")] {
            assert_eq!(found(&POP3, count, user), None, "{count} {user}");
        }
        let mut taken = POP3;
        taken[4].1 = 16;
        assert_eq!(found(&taken, 2, "user5"), None, "the second was taken");
        let by_auth = [(6, 90), (12, 4), (30, 38), (6, 18)];
        assert_eq!(found(&by_auth, 1, "user5"), None);
    }

    #[test]
    fn of_imap_those_that_are_answered_alike() {
        let found = |asked: &[Sizes], count| find(Proto("imap"), asked, count, "user3");
        // `a1 CAPABILITY`, `a2 LOGIN user3 wrong` twice, `a4 LOGOUT`.
        let asked = [(15, 90), (22, 53), (22, 53), (11, 70)];
        assert_eq!(found(&asked, 2), Some(1));
        assert_eq!((found(&asked, 1), found(&asked, 3)), (None, None));
        assert_eq!(found(&asked[..3], 2), Some(1));
        let long = [(15, 90), (60, 53), (60, 53), (11, 70)];
        assert_eq!(found(&long, 2), None, "as long as AUTHENTICATE is");
    }

    #[test]
    fn counts_beyond_belief_are_none() {
        let counted = |count: &str| {
            let mut log = LogSession::new(LogId(0), Proto("pop3"));
            log.events.push(LogEvent {
                line: LineRef {
                    log: LogId(0),
                    line: 1,
                },
                stamp: Stamp {
                    at: LogTime(0),
                    resolution: Span::SECOND,
                },
                what: Event::Note(format!(
                    "Aborted login (auth failed, {count} attempts in 4 secs)"
                )),
            });
            super::counted(&log).map(|(count, _)| count)
        };
        assert_eq!(counted("2"), Some(2));
        for count in ["0", "65536", "9223372036854775809", "-1"] {
            assert_eq!(counted(count), None, "{count}");
        }
    }
}
