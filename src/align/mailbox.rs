//! What a mailbox server's log makes certain of hidden commands.
//!
//! Such a log lists no commands. But it says who logged in, that the client logged out, how many messages were fetched and deleted, and how
//! many octets passed behind the login; and the wire has the size of every hidden request and reply. Where only one hidden exchange can be
//! what the log tells, it gets the command's name and the log's line. All others stay without words.

use super::refused;
use crate::model::{Ending, Exchange, LineRef, LogSession, Proto, Seen, Verb, What, WireSession};

/// Octets of the line end that every command has.
const CRLF: u64 = 2;
/// Octets of the line that ends a message.
const DOT: u64 = 3;
/// The longest tag of IMAP that is taken for one: a longer command is more than one word.
const LONGEST_TAG: u64 = 8;
/// Octets of `RETR 1` to `RETR 9999`, or `DELE`, with their line end.
const NUMBERED: std::ops::RangeInclusive<u64> = 8..=11;
/// The longest first line of a POP3 reply that is taken for one (RFC 2449 allows 512; servers answer `+OK 1234 octets`).
const LONGEST_STATUS: u64 = 64;

/// Gives those of the hidden `exchanges` of a session their names that the log makes certain, where the wire has all and its sizes are exact.
pub(super) fn name(wire: &WireSession, log: &LogSession, exchanges: &mut [Exchange]) {
    let exact = wire.tls.as_ref().is_some_and(|tls| tls.padding == 0);
    if !exact || wire.bursts.iter().any(|burst| burst.damaged) {
        return;
    }
    let mut hidden = Hidden { log, exchanges };
    hidden.refused();
    match log.proto {
        Proto("pop3") => hidden.pop3(),
        Proto("imap") => hidden.imap(),
        _ => {}
    }
}

/// The hidden exchanges of a session, and its log.
struct Hidden<'a> {
    log: &'a LogSession,
    exchanges: &'a mut [Exchange],
}

impl Hidden<'_> {
    /// RFC 1939: USER and PASS, RETR and DELE, QUIT.
    fn pop3(&mut self) {
        let asked = self.asked();
        let quit = self
            .logged_out()
            .and_then(|line| Some((line, self.last(&asked)?)))
            .filter(|&(_, at)| self.sizes(at).0 == command("QUIT"));
        if let Some((line, at)) = quit {
            self.tell(at, "QUIT", "", "+OK", line);
        }
        if let Some((line, user)) = self.login()
            && let Some(at) = self.user_command(&asked, &user)
            && let [user_at, pass_at] = at
        {
            self.tell(user_at, "USER", &user, "+OK", line);
            self.tell(pass_at, "PASS", "****", "+OK", line);
        }
        if let Some(line) = self.line_of(|what| what == What::Close) {
            self.numbered(&asked, line);
        }
    }

    /// Logins that were refused as often as the log says.
    fn refused(&mut self) {
        let asked = self.asked();
        let (Some((count, line)), Some(user)) = (refused::counted(self.log), self.log.names.last())
        else {
            return;
        };
        let user = user.clone();
        let sizes: Vec<_> = asked.iter().map(|&at| self.sizes(at)).collect();
        let Some(first) = refused::find(self.log.proto, &sizes, count, &user) else {
            return;
        };
        // The log names who tried last.
        let tried = |nth: usize| if nth + 1 == count { user.as_str() } else { "" };
        if self.log.proto == Proto("imap") {
            for (nth, &at) in asked.iter().skip(first).take(count).enumerate() {
                let words = format!("{} ****", tried(nth));
                self.tell(at, "LOGIN", words.trim_start(), "NO", line);
            }
            return;
        }
        for nth in 0..count {
            let mut pair = asked.iter().skip(first + nth * 2);
            if let (Some(&user_at), Some(&pass_at)) = (pair.next(), pair.next()) {
                self.tell(user_at, "USER", tried(nth), "+OK", line);
                self.tell(pass_at, "PASS", "****", "-ERR", line);
            }
        }
    }

    /// USER and the PASS behind it: nothing but words of four letters (CAPA, AUTH, UTF8) goes before them, and only
    /// one request is as long as USER is.
    fn user_command(&self, asked: &[usize], user: &str) -> Option<[usize; 2]> {
        let length = octets(user) + command("USER ");
        let before = asked
            .iter()
            .take_while(|&&at| self.sizes(at).0 == command("CAPA"))
            .count();
        let (&user_at, &pass_at) = (asked.get(before)?, asked.get(before + 1)?);
        // Four octets at most answer AUTH, which a name of five letters makes no longer than USER.
        let (sent, answer) = self.sizes(user_at);
        let alike = asked.iter().filter(|&&at| self.sizes(at).0 == length);
        let fits = sent == length && answer >= octets("+OK\r\n") && alike.count() == 1;
        let answered = self.exchanges.get(pass_at)?.end.is_some();
        let has_secret = self.sizes(pass_at).0 > command("PASS ");
        (fits && answered && has_secret).then_some([user_at, pass_at])
    }

    /// RETR and DELE, where as many requests can be either as the log counts, and the messages have its octets.
    fn numbered(&mut self, asked: &[usize], line: LineRef) {
        let Some(fetched) = self.log.rare().fetched else {
            return;
        };
        let numbered: Vec<usize> = asked
            .iter()
            .copied()
            .filter(|&at| NUMBERED.contains(&self.sizes(at).0))
            .collect();
        let (long, short): (Vec<usize>, Vec<usize>) = numbered
            .into_iter()
            .partition(|&at| self.sizes(at).1 > LONGEST_STATUS);
        // Each reply has a first line, which some servers count, and behind the message a dot, which none does.
        let sent: u64 = long.iter().map(|&at| self.sizes(at).1).sum();
        let messages = u64::from(fetched.messages);
        let beside = messages * DOT..=messages * (LONGEST_STATUS + DOT);
        let is_all = is_count(&long, fetched.messages)
            && sent
                .checked_sub(fetched.octets)
                .is_some_and(|rest| beside.contains(&rest));
        if is_all {
            self.tell_all(&long, "RETR", line);
        }
        if is_count(&short, fetched.deleted) {
            self.tell_all(&short, "DELE", line);
        }
    }

    /// RFC 9051: LOGIN and LOGOUT.
    fn imap(&mut self) {
        let asked = self.asked();
        let Some((line, at)) = self
            .logged_out()
            .and_then(|line| Some((line, self.last(&asked)?)))
        else {
            return;
        };
        let Some(tag) = self
            .sizes(at)
            .0
            .checked_sub(command(" LOGOUT"))
            .filter(|tag| (1..=LONGEST_TAG).contains(tag))
        else {
            return;
        };
        self.tell(at, "LOGOUT", "", "OK", line);
        if let Some((line, user)) = self.login()
            && let Some(at) = self.before_octets(&asked)
            && self.is_login_command(at, tag, &user)
        {
            self.tell(at, "LOGIN", &format!("{user} ****"), "OK", line);
        }
    }

    /// The exchange behind which the octets passed that the log counts from the reply to the login on.
    fn before_octets(&self, asked: &[usize]) -> Option<usize> {
        let logged = self.log.rare().octets?;
        let (mut received, mut sent) = (0, 0);
        for &at in asked.iter().rev() {
            let (request, reply) = self.sizes(at);
            sent += reply;
            let unread = logged.received..=logged.received + logged.unread;
            if sent == logged.sent && unread.contains(&received) {
                return Some(at);
            }
            received += request;
        }
        None
    }

    /// Whether a request is too short to be AUTHENTICATE PLAIN for this user, and long enough for LOGIN.
    fn is_login_command(&self, at: usize, tag: u64, user: &str) -> bool {
        let (sent, _) = self.sizes(at);
        let secret = octets("\0") * 2 + octets(user) + 1;
        let authenticate = tag + command(" AUTHENTICATE PLAIN ") + secret.div_ceil(3) * 4;
        let login = tag + command(" LOGIN  ") + octets(user) + 1;
        (login..authenticate).contains(&sent)
    }

    /// The exchanges that a client began, in order.
    fn asked(&self) -> Vec<usize> {
        let asked = self.exchanges.iter().enumerate();
        asked
            .filter(|(_, exchange)| exchange.seen == Seen::Inferred)
            .filter(|(_, exchange)| exchange.request_bytes.is_some())
            .map(|(at, _)| at)
            .collect()
    }

    /// The last of them, where it was answered.
    fn last(&self, asked: &[usize]) -> Option<usize> {
        let &at = asked.last()?;
        self.exchanges.get(at)?.end.map(|_| at)
    }

    /// Octets of a request and its reply.
    fn sizes(&self, at: usize) -> (u64, u64) {
        let exchange = self.exchanges.get(at);
        let octets = |side: Option<u64>| side.unwrap_or(0);
        exchange.map_or((0, 0), |exchange| {
            (
                octets(exchange.request_bytes),
                octets(exchange.response_bytes),
            )
        })
    }

    /// The line that says that the client ended the session by command.
    fn logged_out(&self) -> Option<LineRef> {
        let by_command = self.log.ending == Ending::Quit;
        by_command.then(|| self.line_of(|what| what == What::Close))?
    }

    /// The line that says that the user logged in, and who he is.
    fn login(&self) -> Option<(LineRef, String)> {
        let line = self.line_of(|what| matches!(what, What::Login(_)))?;
        Some((line, self.log.names.first()?.clone()))
    }

    fn line_of(&self, wanted: impl Fn(What<'_>) -> bool) -> Option<LineRef> {
        let event = self.log.events.iter().find(|event| wanted(event.what))?;
        Some(event.line)
    }

    fn tell_all(&mut self, those: &[usize], verb: &'static str, line: LineRef) {
        for &at in those {
            self.tell(at, verb, "", "+OK", line);
        }
    }

    /// Names an exchange: what the log says of it, with the wire's times and sizes.
    fn tell(&mut self, at: usize, verb: &'static str, argument: &str, code: &str, line: LineRef) {
        let Some(exchange) = self.exchanges.get_mut(at) else {
            return;
        };
        exchange.verb = Verb::new(verb);
        let words = match argument {
            "" => verb.to_owned(),
            argument => format!("{verb} {argument}"),
        };
        // What the tag of a hidden command is nobody tells.
        let tag = if self.log.proto == Proto("imap") {
            "? "
        } else {
            ""
        };
        exchange.request = format!("{tag}{words}");
        exchange.response = Some(format!("{tag}{code}"));
        exchange.code = Some(code.to_owned());
        exchange.seen = Seen::Log;
        exchange.line = Some(line);
    }
}

/// Octets of a command with its line end.
fn command(words: &str) -> u64 {
    octets(words) + CRLF
}

fn octets(text: &str) -> u64 {
    text.len() as u64
}

/// Whether these are as many as the log counts, and some at all.
fn is_count(those: &[usize], count: u32) -> bool {
    !those.is_empty() && u32::try_from(those.len()) == Ok(count)
}

#[cfg(test)]
mod tests;
