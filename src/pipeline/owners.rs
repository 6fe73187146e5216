//! Which program owned a connection, as the capturing machine noted it.

use std::collections::{BTreeMap, HashMap};

use crate::capture::{OwnedConnection, Record};
use crate::link::{Datagram, Upper};
use crate::model::{Conversation, Endpoint, Process};

/// Connections whose row is remembered; beyond it only the ends tell.
const MAX_NOTED: usize = 1_000_000;

/// The two ends of a connection, the lower one first.
type Ends = (Endpoint, Endpoint);

/// The process tables of all captures.
///
/// A row counts for a connection when it names both of its ends: rows that packets name are also 0 or beyond the table
/// where the machine knew no program.
#[derive(Debug, Default)]
pub(super) struct Owners {
    /// Rows by capture and number.
    rows: BTreeMap<Ends, Vec<(usize, u32, Process)>>,
    /// Rows that packets named.
    noted: HashMap<Ends, (usize, u32)>,
}

impl Owners {
    /// Takes the tables of all captures in their order.
    pub(super) fn new<'a>(tables: impl Iterator<Item = &'a [OwnedConnection]>) -> Self {
        let mut owners = Self::default();
        for (capture, table) in tables.enumerate() {
            for (row, owned) in (0..).zip(table) {
                let rows = owners.rows.entry(ends(owned.local, owned.remote));
                rows.or_default()
                    .push((capture, row, owned.process.clone()));
            }
        }
        owners
    }

    /// Notes which row a packet of capture `from` names.
    pub(super) fn note(&mut self, from: usize, record: &Record, datagram: &Datagram<'_>) {
        let Some(row) = record.process.filter(|_| !self.rows.is_empty()) else {
            return;
        };
        let (source_port, destination_port) = match &datagram.upper {
            Upper::Tcp(segment) => (segment.source_port, segment.destination_port),
            Upper::Udp(udp) => (udp.source_port, udp.destination_port),
            _ => return,
        };
        let end = |ip, port| Endpoint { ip, port };
        let key = ends(
            end(datagram.source, source_port),
            end(datagram.destination, destination_port),
        );
        if self.noted.len() < MAX_NOTED || self.noted.contains_key(&key) {
            self.noted.insert(key, (from, row));
        }
    }

    /// The program that owned `conversation`, unless two may have.
    pub(super) fn of(&self, conversation: &Conversation) -> Option<Process> {
        let key = ends(conversation.client, conversation.server);
        let rows = self.rows.get(&key)?;
        let noted = self.noted.get(&key);
        let named = rows
            .iter()
            .find(|(capture, row, _)| noted == Some(&(*capture, *row)));
        if let Some((_, _, process)) = named {
            return Some(process.clone());
        }
        let (_, _, first) = rows.first()?;
        let only = rows.iter().all(|(_, _, process)| process == first);
        only.then(|| first.clone())
    }
}

fn ends(one: Endpoint, other: Endpoint) -> Ends {
    (one.min(other), one.max(other))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Transport;

    fn end(last: u8, port: u16) -> Endpoint {
        Endpoint {
            ip: [192, 0, 2, last].into(),
            port,
        }
    }

    fn row(path: &str, port: u16) -> OwnedConnection {
        OwnedConnection {
            process: Process {
                path: path.into(),
                id: 7,
            },
            local: end(1, port),
            remote: end(2, 25),
        }
    }

    fn conversation(port: u16) -> Conversation {
        Conversation {
            client: end(1, port),
            server: end(2, 25),
            transport: Transport::Tcp,
        }
    }

    #[test]
    fn a_row_counts_for_its_own_ends_and_two_for_none_unless_a_packet_names_one() {
        let table = [row("a", 1000), row("b", 2000), row("c", 2000)];
        let mut owners = Owners::new(std::iter::once(&table[..]));
        let of = |owners: &Owners, port| owners.of(&conversation(port)).map(|process| process.path);
        assert_eq!(of(&owners, 1000).as_deref(), Some("a"));
        assert_eq!(of(&owners, 2000), None);
        assert_eq!(of(&owners, 3000), None);
        owners.noted.insert(ends(end(1, 2000), end(2, 25)), (0, 2));
        assert_eq!(of(&owners, 2000).as_deref(), Some("c"));
    }
}
