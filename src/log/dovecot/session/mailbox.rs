//! What the processes of mailboxes tell: the ends of sessions, and what was done to mail in them.

use crate::model::{Event, Extent, LineRef, LogEvent, LogSession, Proto, Stamp};

use super::super::super::Parsed;
use super::super::line::{Said, ending};
use super::super::session_id::SessionId;
use super::counts::{fetched, octets, sizes};
use super::{Dovecot, MAX_TOLD, Serving};

impl Dovecot {
    /// A line of a mailbox process.
    pub(super) fn mailbox(
        &mut self,
        line: LineRef,
        said: &Said<'_>,
        stamp: Stamp,
        out: &mut Vec<LogSession>,
    ) -> Parsed {
        let aside = Parsed::Aside(Some(stamp));
        if said.is_of_mail() {
            return self.of_mail(line, said, stamp);
        }
        let (Some(proto), Some(words)) = (said.proto(), said.end()) else {
            return aside;
        };
        let user = (proto, said.user.to_owned());
        let begun = self.find(said, &user);
        // A process that took the session up from where it slept counts from there.
        let is_another = |serving: &Serving| {
            !serving.mpid.is_empty() && !said.pid.is_empty() && serving.mpid != said.pid
        };
        let slept = said.service == "imap-hibernate"
            || begun
                .and_then(|at| self.open.get(&at))
                .is_some_and(is_another);
        let session = match begun {
            Some(at) => self.close(at),
            None => self.without_login(proto, said, stamp),
        };
        let unsettled = session.is_none();
        let end_of_some = || {
            said.pid
                .is_empty()
                .then(|| self.end_of_some(&user))
                .flatten()
        };
        let Some(mut session) = session.or_else(end_of_some) else {
            self.count_end(&user, out);
            return aside;
        };
        for what in [Event::Note(words.to_owned()), Event::Close] {
            session.events.push(LogEvent { line, stamp, what });
        }
        session.ending = ending(words);
        if !slept {
            let rare = session.rare_mut();
            rare.octets = octets(words);
            rare.sizes.extend(sizes(words));
            rare.fetched = fetched(words);
        }
        if unsettled {
            out.push(session);
            self.count_end(&user, out);
        } else if begun.is_some() {
            out.push(session);
        } else {
            self.early.keep(said.session, stamp.at, session, out);
        }
        Parsed::Event(stamp)
    }

    /// What was done to a mail or a mailbox, by the plugin `mail_log`: of the open session with its id.
    fn of_mail(&mut self, line: LineRef, said: &Said<'_>, stamp: Stamp) -> Parsed {
        let at = self.by_session.get(said.session);
        let serving = at.and_then(|at| self.open.get_mut(at));
        match serving {
            Some(serving) if serving.session.events.len() < MAX_TOLD => {
                let what = Event::Note(said.text.to_owned());
                serving.session.events.push(LogEvent { line, stamp, what });
                Parsed::Event(stamp)
            }
            _ => Parsed::Aside(Some(stamp)),
        }
    }

    /// The end of one of a user's open sessions, it cannot be told which.
    fn end_of_some(&self, user: &(Proto, String)) -> Option<LogSession> {
        self.by_user.get(user)?;
        let mut session = LogSession::new(self.id, user.0);
        session.extent = Extent::End;
        session.names.push(user.1.clone());
        Some(session)
    }

    /// The open session that a last line belongs to: by its id, by its process, or as the only one of its user.
    fn find(&self, said: &Said<'_>, user: &(Proto, String)) -> Option<u64> {
        if let Some(&at) = self.by_session.get(said.session) {
            return Some(at);
        }
        let of_user = self.by_user.get(user)?;
        let with = |wanted: &str| {
            let mut found = of_user.open.iter().copied().filter(|at| {
                self.open
                    .get(at)
                    .is_some_and(|serving| serving.mpid == wanted)
            });
            found.next_back()
        };
        match (said.pid, of_user.open.as_slice()) {
            ("", &[only]) => Some(only),
            ("", _) => None,
            (pid, _) => with(pid),
        }
    }

    /// A session that the log shows only the end of.
    fn without_login(&self, proto: Proto, said: &Said<'_>, stamp: Stamp) -> Option<LogSession> {
        let id = SessionId::read(said.session, stamp.at)?;
        let mut session = LogSession::new(self.id, proto);
        session.peer = Some(id.peer);
        session.peer_port = Some(id.port);
        session.names.push(said.user.to_owned());
        Some(session)
    }

    /// One of a user's sessions is over. When as many are as were open, all are, without their last lines.
    fn count_end(&mut self, user: &(Proto, String), out: &mut Vec<LogSession>) {
        let Some(of_user) = self.by_user.get_mut(user) else {
            return;
        };
        of_user.ended += 1;
        if of_user.ended >= of_user.open.len() {
            for at in of_user.open.clone() {
                out.extend(self.close(at));
            }
        }
    }
}
