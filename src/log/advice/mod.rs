//! How to make each server log what a comparison needs: levels, what they show, what they cost, how their files rotate.
//!
//! A table of facts beside the formats; nothing here reads a log. Each row says what its costs are measured on.

mod exchange55;
mod mail;
mod mailbox;
mod news;
mod web;
mod windows;
mod windows_mail;
mod witness;

use crate::model::Proto;

/// Of a witness that logs connections whatever they speak.
pub const EVERY_PROTO: &[Proto] = &[];

const TYPICAL: &str = "ordinary lines with ordinary names and addresses, to a factor of two";

/// What there is to know of one server's logging.
pub struct Advice {
    /// As given on the command line.
    pub server: &'static str,
    /// Rows of the registry that read its logs.
    pub formats: &'static [&'static str],
    /// What it speaks; [`EVERY_PROTO`] of what watches the wire.
    pub protos: &'static [Proto],
    /// From the least to the most.
    pub levels: &'static [Level],
    /// What the costs of its levels were measured on.
    pub basis: &'static str,
    /// Where the files are and how they rotate.
    pub rotates: &'static str,
    /// What holds a file open.
    pub deleting: &'static str,
}

/// One level of a server's log.
pub struct Level {
    /// In a few words.
    pub name: &'static str,
    /// Commands or settings that turn it on, one a line.
    pub turn_on: &'static str,
    /// What can be compared with it.
    pub shows: &'static str,
    /// What cannot.
    pub hides: &'static str,
    /// Octets on disk.
    pub cost: Cost,
}

/// Octets that a level writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Of each session.
    pub session: u64,
    /// Of each command or request.
    pub exchange: u64,
}

impl Cost {
    /// Octets of so much traffic.
    pub const fn of(self, sessions: u64, exchanges: u64) -> u64 {
        self.session
            .saturating_mul(sessions)
            .saturating_add(self.exchange.saturating_mul(exchanges))
    }
}

/// All servers, in alphabetical order.
pub static ADVICE: &[Advice] = &[
    web::APACHE,
    web::CADDY,
    mailbox::COURIER,
    mailbox::CYRUS,
    mailbox::DOVECOT,
    web::ENVOY,
    windows::EXCHANGE_MAILBOX,
    windows::EXCHANGE_SMTP,
    exchange55::CONNECTOR,
    exchange55::MAILBOX,
    mail::EXIM,
    web::HAPROXY,
    windows_mail::HMAILSERVER,
    windows::HTTP_SYS,
    windows::IIS_HTTP,
    news::IIS_NNTP,
    windows::IIS_SMTP,
    news::INN,
    windows_mail::MAILENABLE,
    web::NGINX,
    mail::OPENSMTPD,
    mail::POSTFIX,
    mail::SENDMAIL,
    witness::SURICATA,
    web::TRAEFIK,
    witness::ZEEK,
];

#[cfg(test)]
mod tests {
    use super::super::registry::FORMATS;
    use super::*;

    #[test]
    fn every_advice_is_of_a_format_that_is_read() {
        assert!(ADVICE.is_sorted_by_key(|advice| advice.server));
        for advice in ADVICE {
            for format in advice.formats {
                assert!(
                    FORMATS.iter().any(|entry| entry.name == *format),
                    "{format}"
                );
            }
            assert!(!advice.levels.is_empty(), "{}", advice.server);
        }
    }

    #[test]
    fn every_format_that_is_read_has_advice() {
        let advised = |name| ADVICE.iter().any(|advice| advice.formats.contains(&name));
        let without: Vec<_> = FORMATS
            .iter()
            .map(|entry| entry.name)
            .filter(|name| !advised(*name))
            .collect();
        assert!(without.is_empty(), "add to src/log/advice: {without:?}");
    }

    #[test]
    fn no_entry_leaves_anything_unsaid() {
        for advice in ADVICE {
            let of_all = [advice.basis, advice.rotates, advice.deleting];
            let of_levels = advice
                .levels
                .iter()
                .flat_map(|level| [level.name, level.turn_on, level.shows, level.hides]);
            for text in of_all.into_iter().chain(of_levels) {
                assert!(!text.is_empty(), "{}", advice.server);
            }
        }
    }

    #[test]
    fn a_cost_is_of_sessions_and_of_what_happens_in_them() {
        let cost = Cost {
            session: 100,
            exchange: 10,
        };
        assert_eq!(cost.of(2, 30), 500);
        assert_eq!(cost.of(u64::MAX, 2), u64::MAX);
    }
}
