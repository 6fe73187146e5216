//! Alerts in words (RFC 8446 §6, RFC 5246 §7.2).

use tls_parser::TlsAlertDescription;

/// What an alert's number says, for a person.
pub(super) fn words(code: u8) -> String {
    let known = match code {
        0 => "closes in good order",
        10 => "unexpected message",
        20 => "a record fails its integrity check",
        22 => "a record is too long",
        40 => "no common parameters (handshake failure)",
        42 => "bad certificate",
        43 => "certificate of an unsupported kind",
        44 => "certificate revoked",
        45 => "certificate expired or not yet valid",
        46 => "certificate not acceptable",
        47 => "illegal parameter",
        48 => "certificate of an unknown authority",
        49 => "access denied",
        50 => "a message cannot be decoded",
        51 => "a cryptographic check fails",
        70 => "protocol version not supported",
        71 => "not secure enough",
        80 => "internal error",
        86 => "falls back to an older version although it need not",
        90 => "cancelled by the user",
        100 => "no renegotiation",
        109 => "an extension is missing",
        110 => "unsupported extension",
        112 => "no service of the name asked for",
        113 => "bad certificate status",
        115 => "unknown pre-shared key",
        116 => "a client certificate is required",
        120 => "no common application protocol",
        _ => return format!("{}", TlsAlertDescription(code)),
    };
    known.to_owned()
}
