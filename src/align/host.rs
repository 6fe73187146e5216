//! Logs that are of one machine, as the packets show it: such logs were written by one clock.

use crate::model::{Role, Sender, Side, Station, WireSession};

use super::settled::Settled;
use super::translation::Own;
use super::view::View;

/// Sessions without which a log is not laid at a machine's door.
const ENOUGH: usize = 3;
/// Hops left of a packet that no router passed on: what systems begin with.
const UNROUTED: [u8; 3] = [64, 128, 255];

/// The machine that wrote the log: the one station whose packets, of every session that was joined, came straight from the server. A router
/// would have taken a hop off them; a log that calls clients or itself by other addresses may be of a machine behind it.
pub(super) fn of(view: &View<'_>, settled: &Settled) -> Option<Station> {
    if !view.translation.is_none() || view.own != Own::Compared {
        return None;
    }
    let mut stations = settled.clear().map(|verdict| {
        let log = view.logs.get(verdict.log)?;
        let wire = view.wire(verdict.wire)?;
        (log.role == Role::Server).then(|| straight(wire))?
    });
    let first = stations.next()??;
    let mut joined = 1;
    for station in stations {
        if station != Some(first) {
            return None;
        }
        joined += 1;
    }
    (joined >= ENOUGH).then_some(first)
}

/// The station that sent all packets of the server, where no router did.
fn straight(wire: &WireSession) -> Option<Station> {
    let way = wire.passage.of(Side::Server);
    let (least, most) = way.hops?;
    match way.sender {
        Sender::One(station) if least == most && UNROUTED.contains(&least) => Some(station),
        _ => None,
    }
}
