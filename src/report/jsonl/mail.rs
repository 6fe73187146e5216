//! What a session's record tells of mail messages, what became of them, and bodies that are kept in files.

use serde::Serialize;

use crate::model::{BodyNo, MailMessage, WireSession};

use super::super::Account;
use super::{LogLine, is_zero, log_line};

/// A mail message.
#[derive(Serialize)]
pub(super) struct MessageRecord<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sender: Option<&'a str>,
    recipients: Vec<RecipientRecord<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    packet: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<BodyRecord<'a>>,
}

/// A recipient of a message.
#[derive(Serialize)]
struct RecipientRecord<'a> {
    address: &'a str,
    code: &'a str,
}

pub(super) fn message_record<'a>(
    wire: &'a WireSession,
    message: &'a MailMessage,
) -> MessageRecord<'a> {
    let recipients = message.recipients.iter().map(|one| RecipientRecord {
        address: &one.address,
        code: &one.code,
    });
    MessageRecord {
        message_id: message.message_id.as_deref(),
        sender: message.sender.as_deref(),
        recipients: recipients.collect(),
        bytes: message.octets,
        code: message.code.as_deref(),
        packet: message.packet.map(|packet| packet.0),
        body: body_record(Some(wire), message.body),
    }
}

/// What became of a message of the session.
#[derive(Serialize)]
pub(super) struct DeliveryRecord<'a> {
    message: &'a str,
    recipient: &'a str,
    status: &'a str,
    relay: &'a str,
    reply: &'a str,
    log_line: LogLine<'a>,
}

pub(super) fn deliveries<'a>(account: &'a Account, sessions: &[usize]) -> Vec<DeliveryRecord<'a>> {
    let logs = sessions.iter().filter_map(|&at| account.logs.get(at));
    logs.flat_map(|log| &log.deliveries)
        .map(|delivery| DeliveryRecord {
            message: delivery.message(),
            recipient: delivery.recipient(),
            status: delivery.status(),
            relay: delivery.relay(),
            reply: delivery.reply(),
            log_line: log_line(account, delivery.line()),
        })
        .collect()
}

/// A body in a file.
#[derive(Serialize)]
pub(super) struct BodyRecord<'a> {
    file: &'a str,
    bytes: u64,
    sha256: &'a str,
    complete: bool,
    #[serde(skip_serializing_if = "is_zero")]
    missing_bytes: u64,
    #[serde(skip_serializing_if = "is_zero")]
    cut_bytes: u64,
}

/// The body of `wire` with this number, where it came to a file.
pub(super) fn body_record(
    wire: Option<&WireSession>,
    number: Option<BodyNo>,
) -> Option<BodyRecord<'_>> {
    let number = number?;
    let bodies = wire?.bodies.as_slice();
    let at = bodies.binary_search_by_key(&number, |body| body.number);
    let body = bodies.get(at.ok()?)?;
    Some(BodyRecord {
        file: &body.file,
        bytes: body.octets,
        sha256: &body.sha256,
        complete: body.complete,
        missing_bytes: body.missing,
        cut_bytes: body.cut,
    })
}
