//! What was seen and not read.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::IpAddr;

use serde::Serialize;

use crate::model::{Amount, PassedOver, Unread};

use super::Account;

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
    }
}

/// Writes one line for each kind, and a few of its ends where nothing else tells of them.
pub(super) fn write(account: &Account, out: &mut dyn Write) -> io::Result<()> {
    if account.passed_over.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nNot read")?;
    let mut kinds: BTreeMap<(&str, &str), Vec<&PassedOver>> = BTreeMap::new();
    for passed in &account.passed_over {
        let kind = (passed.what.name(), passed.what.words());
        kinds.entry(kind).or_default().push(passed);
    }
    for ((name, why), mut all) in kinds {
        let mut sum = Amount::default();
        for passed in &all {
            sum += passed.sent;
            sum += passed.back;
        }
        writeln!(
            out,
            "  {name}: {why}; {} packets, {} bytes, {} {}",
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
