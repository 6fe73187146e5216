//! Records of findings.

use std::net::IpAddr;

use serde::Serialize;

use crate::model::{Affected, Evidence, Finding, Nanos};

use super::super::Account;
use super::{LogLine, log_line};

#[derive(Serialize)]
pub(super) struct FindingRecord<'a> {
    r#type: &'static str,
    code: &'static str,
    severity: &'static str,
    sessions: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    clients: Vec<Client>,
    count: u64,
    first: Option<String>,
    last: Option<String>,
    message: &'a str,
    not: &'a str,
    evidence: Vec<Place<'a>>,
    next: &'a str,
}

/// A client that it is of.
#[derive(Serialize)]
struct Client {
    ip: IpAddr,
    count: u64,
}

/// Where to look.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Place<'a> {
    LogLine(LogLine<'a>),
    Packet(u64),
    Time(String),
}

pub(super) fn finding_record<'a>(account: &'a Account, finding: &'a Finding) -> FindingRecord<'a> {
    let utc = |at: Nanos| account.utc(at).to_rfc3339();
    let place = |place: &Evidence| match *place {
        Evidence::Line(line) => Place::LogLine(log_line(account, line)),
        Evidence::Packet(packet) => Place::Packet(packet.0),
        Evidence::Time(at) => Place::Time(utc(at)),
    };
    let client = |client: &Affected| Client {
        ip: client.ip,
        count: client.count,
    };
    FindingRecord {
        r#type: "finding",
        code: finding.code,
        severity: finding.severity.name(),
        sessions: finding.sessions.iter().map(|at| account.id(*at)).collect(),
        endpoint: finding.endpoint.map(|end| end.to_string()),
        clients: finding.clients.iter().map(client).collect(),
        count: finding.count,
        first: finding.first.map(utc),
        last: finding.last.map(utc),
        message: &finding.message,
        not: &finding.not,
        evidence: finding.evidence.iter().map(place).collect(),
        next: &finding.next,
    }
}
