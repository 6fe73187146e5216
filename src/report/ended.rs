//! How a session ended, for JSON and for a person.

use serde::Serialize;

use crate::model::{Ended, How, Seen, Side, Transfer};

use super::Account;
use super::jsonl::{LogLine, log_line};

/// Field `ended` of a session.
#[derive(Serialize)]
pub(super) struct EndedRecord<'a> {
    how: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
    seen: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    packet: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_line: Option<LogLine<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    words: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transfer: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    taken_by: Option<&'static str>,
}

pub(super) fn ended_record<'a>(account: &'a Account, ended: &Ended) -> EndedRecord<'a> {
    EndedRecord {
        how: ended.how.name(),
        by: ended.by.map(name),
        at: ended.at.map(|at| account.utc(at).to_rfc3339()),
        seen: ended.seen.name(),
        packet: ended.packet.map(|packet| packet.0),
        log_line: ended.line.map(|line| log_line(account, line)),
        words: ended.words.clone(),
        transfer: ended.transfer.map(Transfer::name),
        taken_by: match ended.transfer {
            Some(Transfer::ReplyUnheard(seen)) => Some(seen.name()),
            _ => None,
        },
    }
}

const fn name(side: Side) -> &'static str {
    match side {
        Side::Client => "client",
        Side::Server => "server",
    }
}

/// `the client closed first, in mid-message`.
pub(super) fn ended_words(ended: &Ended) -> String {
    let by = ended.by.map_or("a side", name);
    let mut text = match ended.how {
        How::CaptureEnded => "not before the capture did".to_owned(),
        How::Closed if ended.seen == Seen::Log => {
            format!("the {by} ended it by command, by the log")
        }
        How::Closed => format!("the {by} closed first"),
        How::Gone => format!("the {by} answered no more"),
        How::HalfClosed => format!("the {by} closed, the other side did not"),
        How::Lost => format!("the {by} went away without a word, by the log"),
        How::Reset => format!("the {by} reset it"),
        How::ResetInMiddle => {
            format!("a reset in the {by}'s name, suspected to be of neither side")
        }
        How::TlsAlert => format!("the {by} refused to go on with TLS"),
        How::Timeout if ended.seen == Seen::Log => {
            format!("the {by} closed for silence, by the log")
        }
        How::Timeout => format!("the {by} closed for silence"),
    };
    if let Some(words) = &ended.words {
        text += if ended.how == How::Closed { ", " } else { ": " };
        text += words;
    }
    text += match ended.transfer {
        Some(Transfer::ReplyCut) => "; in mid-reply",
        Some(Transfer::ReplyUnheard(Seen::Log)) => {
            "; the log says that the message was taken, and its reply never arrived"
        }
        Some(Transfer::ReplyUnheard(_)) => {
            "; the server took the message, and its reply never arrived"
        }
        Some(Transfer::RequestCut) => "; in mid-message",
        None => "",
    };
    if let Some(packet) = ended.packet {
        text = format!("{text}, packet {}", packet.0);
    }
    text
}
