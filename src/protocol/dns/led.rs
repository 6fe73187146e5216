//! Connections and the look-ups that they were made from.

use std::net::IpAddr;

use hashbrown::HashMap;

use crate::model::{LedBy, Lookup, Nanos, Span, WireSession};

/// For how long a client uses an answer at least, and at most, whatever its time to live.
const USED: (Span, Span) = (Span::seconds(60), Span::seconds(600));

/// An address given to a client.
#[derive(Clone, Copy, Debug)]
struct Given {
    answered: Nanos,
    until: Nanos,
    by: LedBy,
}

/// Notes for each connection the look-up that gave its client the server's address, shortly before.
///
/// Where several names had been given the same address, the name that the client asks for in TLS decides; without one
/// nothing is noted.
pub fn tie(sessions: &mut [WireSession]) {
    let given = given(sessions);
    if given.is_empty() {
        return;
    }
    let led: Vec<Option<LedBy>> = sessions
        .iter()
        .map(|session| led_by(session, sessions, &given))
        .collect();
    for (session, led) in sessions.iter_mut().zip(led) {
        session.led_by = led;
    }
}

/// What each client was given, by client and address, in the order of the answers.
type ByAddress = HashMap<(IpAddr, IpAddr), Vec<Given>, foldhash::fast::RandomState>;

fn given(sessions: &[WireSession]) -> ByAddress {
    let mut all = ByAddress::default();
    for (session, wire) in sessions.iter().enumerate() {
        for (lookup, told) in wire.lookups.iter().enumerate() {
            let Some(answered) = told.answered else {
                continue;
            };
            let (least, most) = USED;
            let used = told.ttl.unwrap_or(least).clamp(least, most);
            for &address in &told.addresses {
                let key = (wire.conversation.client.ip, address);
                all.entry(key).or_default().push(Given {
                    answered,
                    until: answered + used,
                    by: LedBy { session, lookup },
                });
            }
        }
    }
    // Each list is put in order by itself.
    for list in all.values_mut() {
        list.sort_by_key(|one| (one.answered, one.by.session, one.by.lookup));
    }
    all
}

fn led_by(session: &WireSession, all: &[WireSession], given: &ByAddress) -> Option<LedBy> {
    if !session.lookups.is_empty() {
        return None;
    }
    let ends = session.conversation;
    let list = given.get(&(ends.client.ip, ends.server.ip))?;
    let before = list.partition_point(|one| one.answered <= session.start);
    let (_, longest) = USED;
    let fresh = list
        .get(..before)?
        .iter()
        .rev()
        .take_while(|one| session.start.since(one.answered) <= longest)
        .filter(|one| session.start <= one.until);
    let wanted = session
        .tls
        .as_ref()
        .and_then(|tls| tls.server_name.as_ref());
    let mut found: Option<(LedBy, &str)> = None;
    for one in fresh {
        let name = lookup(all, one.by)?.name.as_str();
        if wanted.is_some_and(|wanted| wanted.0.eq_ignore_ascii_case(name)) {
            return Some(one.by);
        }
        match found {
            None => found = Some((one.by, name)),
            Some((_, other)) if other != name && wanted.is_none() => return None,
            Some((by, other)) if other != name => found = Some((by, "")),
            Some(_) => {}
        }
    }
    found.filter(|(_, name)| !name.is_empty()).map(|(by, _)| by)
}

fn lookup(all: &[WireSession], by: LedBy) -> Option<&Lookup> {
    all.get(by.session)?.lookups.get(by.lookup)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        Conversation, Endpoint, LookupOutcome, PacketNo, Proto, RecordType, ServerName, TlsSummary,
        Transport,
    };

    const MAIL: [u8; 4] = [198, 51, 100, 25];

    fn session(server: [u8; 4], second: i64) -> WireSession {
        let end = |ip: [u8; 4], port| Endpoint {
            ip: ip.into(),
            port,
        };
        let start = Nanos(0) + Span::seconds(second);
        let ends = Conversation {
            client: end([192, 0, 2, 10], 40_000),
            server: end(server, 25),
            transport: Transport::Tcp,
        };
        WireSession::new(ends, Proto("smtp"), start)
    }

    fn looked_up(name: &str, second: i64, ttl: i64) -> WireSession {
        let mut asked = session([198, 51, 100, 53], second);
        asked.lookups.push(Lookup {
            name: name.into(),
            record_type: RecordType::A,
            asked: asked.start,
            answered: Some(asked.start),
            tries: 1,
            outcome: LookupOutcome::Found,
            addresses: vec![MAIL.into()],
            names: Vec::new(),
            ttl: Some(Span::seconds(ttl)),
            question: PacketNo(1),
            answer: None,
        });
        asked
    }

    fn led(mut sessions: Vec<WireSession>) -> Option<usize> {
        tie(&mut sessions);
        sessions.last().unwrap().led_by.map(|by| by.session)
    }

    #[test]
    fn a_connection_follows_the_answer_that_is_still_good() {
        let mail = |second| session(MAIL, second);
        assert_eq!(led(vec![looked_up("a", 0, 5), mail(1)]), Some(0));
        assert_eq!(
            led(vec![looked_up("a", 0, 5), looked_up("a", 9, 5), mail(10)]),
            Some(1)
        );
        assert_eq!(led(vec![looked_up("a", 5, 5), mail(1)]), None, "before it");
        assert_eq!(led(vec![looked_up("a", 0, 5), mail(70)]), None, "too old");
        assert_eq!(led(vec![looked_up("a", 0, 300), mail(70)]), Some(0));
        assert_eq!(
            led(vec![looked_up("a", 0, 5), session([198, 51, 100, 26], 1)]),
            None
        );
    }

    #[test]
    fn of_two_names_for_one_address_the_one_asked_for_in_tls_led_to_it() {
        let both = || vec![looked_up("a", 0, 60), looked_up("b", 1, 60)];
        assert_eq!(led([both(), vec![session(MAIL, 2)]].concat()), None);
        let mut tls = session(MAIL, 2);
        tls.tls = Some(TlsSummary {
            server_name: Some(ServerName("A".into())),
            ..TlsSummary::default()
        });
        assert_eq!(led([both(), vec![tls]].concat()), Some(0));
    }
}
