//! Sessions whose last line came before that of their login: login and mailbox processes write side by side, and who writes the log takes
//! what is there.

use std::collections::VecDeque;

use crate::model::{LogSession, LogTime, Span};

/// How much later the line of a login may come, and for how many it is waited at once.
const WITHIN: Span = Span::seconds(2);
const MAX_WAITING: usize = 64;

struct Ended {
    id: String,
    at: LogTime,
    session: LogSession,
}

/// Ends whose login has not come, the oldest first.
#[derive(Default)]
pub(super) struct Early(VecDeque<Ended>);

impl Early {
    /// Waits for the login of the session `id`, which ended `at`.
    pub(super) fn keep(
        &mut self,
        id: &str,
        at: LogTime,
        session: LogSession,
        out: &mut Vec<LogSession>,
    ) {
        if self.0.len() >= MAX_WAITING {
            out.extend(self.0.pop_front().map(|ended| ended.session));
        }
        self.0.push_back(Ended {
            id: id.to_owned(),
            at,
            session,
        });
    }

    /// Adds to `login`, of the session `id`, its end if that came before; false if none did.
    pub(super) fn complete(&mut self, id: &str, login: &mut LogSession) -> bool {
        let at = self.0.iter().position(|ended| ended.id == id);
        let Some(Ended { session: end, .. }) = at.and_then(|at| self.0.remove(at)) else {
            return false;
        };
        login.events.extend(&end.events);
        login.ending = end.ending;
        let (rare, told) = (login.rare_mut(), end.rare());
        rare.octets = told.octets;
        rare.sizes.extend(told.sizes.iter().cloned());
        true
    }

    /// Gives those whose login will not come any more.
    pub(super) fn let_go(&mut self, now: LogTime, out: &mut Vec<LogSession>) {
        while self
            .0
            .front()
            .is_some_and(|ended| now.since(ended.at) > WITHIN)
        {
            out.extend(self.0.pop_front().map(|ended| ended.session));
        }
    }

    /// Gives all.
    pub(super) fn flush(&mut self, out: &mut Vec<LogSession>) {
        out.extend(self.0.drain(..).map(|ended| ended.session));
    }
}
