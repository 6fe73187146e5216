//! What was seen and not read.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::IpAddr;

use serde::Serialize;

use crate::model::{Amount, PassedOver, Unread};

use super::Account;
use super::jsonl::is_zero;

/// Ends named of each kind.
const NAMED: usize = 5;

/// One pair of ends in JSON.
#[derive(Serialize)]
pub(super) struct PassedOverRecord {
    r#type: &'static str,
    proto: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip_proto: Option<u8>,
    reason: &'static str,
    src_ip: IpAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    src_port: Option<u16>,
    dest_ip: IpAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    dest_port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    spi: Option<u32>,
    start: String,
    end: String,
    first_packet: u64,
    packets_to_server: u64,
    packets_to_client: u64,
    bytes_to_server: u64,
    bytes_to_client: u64,
    #[serde(skip_serializing_if = "is_zero")]
    bad_checksums: u64,
}

pub(super) fn record(account: &Account, passed: &PassedOver) -> PassedOverRecord {
    PassedOverRecord {
        r#type: "passed_over",
        proto: passed.what.name(),
        ip_proto: match passed.what {
            Unread::IpProtocol(number) => Some(number),
            _ => None,
        },
        reason: passed.what.words(),
        src_ip: passed.source.0,
        src_port: passed.source.1,
        dest_ip: passed.destination.0,
        dest_port: passed.destination.1,
        spi: passed.what.spi(),
        start: account.utc(passed.first).to_rfc3339(),
        end: account.utc(passed.last).to_rfc3339(),
        first_packet: passed.first_packet.0,
        packets_to_server: passed.sent.packets,
        packets_to_client: passed.back.packets,
        bytes_to_server: passed.sent.octets,
        bytes_to_client: passed.back.octets,
        bad_checksums: passed.bad_checksums,
    }
}

/// Writes one line for each kind, and a few of its ends where nothing else tells of them.
pub(super) fn write(account: &Account, out: &mut dyn Write) -> io::Result<()> {
    if account.shown_passed_over().next().is_none() {
        return Ok(());
    }
    writeln!(out, "\nNot read")?;
    let mut kinds: BTreeMap<(&str, &str), Vec<&PassedOver>> = BTreeMap::new();
    for passed in account.shown_passed_over() {
        let kind = (passed.what.name(), passed.what.words());
        kinds.entry(kind).or_default().push(passed);
    }
    for ((name, why), mut all) in kinds {
        let mut sum = Amount::default();
        let mut bad = 0;
        for passed in &all {
            sum += passed.sent;
            sum += passed.back;
            bad += passed.bad_checksums;
        }
        let bad = if bad > 0 {
            format!(", {bad} with a wrong checksum")
        } else {
            String::new()
        };
        writeln!(
            out,
            "  {name}: {why}; {} packets{bad}, {} bytes, {} {}",
            sum.packets,
            sum.octets,
            all.len(),
            if all.len() == 1 {
                "pair of ends"
            } else {
                "pairs of ends"
            },
        )?;
        all.sort_by_key(|passed| {
            let octets = passed.sent.octets + passed.back.octets;
            (std::cmp::Reverse(octets), passed.first_packet)
        });
        for passed in all
            .iter()
            .filter(|passed| passed.what.spi().is_some())
            .take(NAMED)
        {
            write_association(account, passed, out)?;
        }
    }
    Ok(())
}

fn write_association(
    account: &Account,
    passed: &PassedOver,
    out: &mut dyn Write,
) -> io::Result<()> {
    writeln!(
        out,
        "    {} → {} SPI 0x{:08x}, {} packets, {} bytes, {} to {}",
        passed.source.0,
        passed.destination.0,
        passed.what.spi().unwrap_or_default(),
        passed.sent.packets,
        passed.sent.octets,
        super::summary::to_seconds(account.utc(passed.first)),
        super::summary::to_seconds(account.utc(passed.last)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Nanos, PacketNo};
    use crate::report::Selection;

    #[test]
    fn only_what_is_selected_is_told() {
        let passed = |last, second| PassedOver {
            what: Unread::Udp,
            source: ([192, 0, 2, last].into(), Some(9)),
            destination: ([192, 0, 2, 99].into(), Some(9)),
            sent: Amount {
                packets: 1,
                octets: 10,
            },
            back: Amount::default(),
            first: Nanos(second),
            last: Nanos(second),
            first_packet: PacketNo(1),
            bad_checksums: 1,
        };
        let mut account = Account {
            passed_over: vec![passed(1, 5), passed(2, 7)],
            ..Account::default()
        };
        let mut told = |selection| {
            account.selection = selection;
            let mut text = Vec::new();
            write(&account, &mut text).unwrap();
            String::from_utf8(text).unwrap()
        };
        let all = told(Selection::default());
        assert!(
            all.contains("2 packets, 2 with a wrong checksum, 20 bytes"),
            "{all}"
        );
        for selection in [
            Selection {
                hosts: vec![[192, 0, 2, 1].into()],
                ..Selection::default()
            },
            Selection {
                since: Some(Nanos(6)),
                ..Selection::default()
            },
            Selection {
                until: Some(Nanos(6)),
                ..Selection::default()
            },
        ] {
            let some = told(selection);
            assert!(
                some.contains("1 packets, 1 with a wrong checksum, 10 bytes"),
                "{some}"
            );
        }
        let none = Selection {
            ids: vec!["s1".to_owned()],
            ..Selection::default()
        };
        assert_eq!(told(none), "", "it is in no session");
    }
}
