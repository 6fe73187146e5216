//! What a session's record tells of TLS.

use serde::Serialize;

use crate::model::{Nanos, TlsSummary};

use super::super::Account;

#[derive(Serialize)]
pub(super) struct Tls<'a> {
    version: Option<String>,
    cipher: Option<&'a str>,
    sni: Option<&'a str>,
    alpn: &'a [String],
    resumed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offered: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    retried: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    ech: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_hello: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_hello: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished: Option<String>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    alerts: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    decrypted: Option<DecryptedRecord>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ja3: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ja4: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<CertificateRecord<'a>>,
}

#[derive(Serialize)]
struct CertificateRecord<'a> {
    subject: &'a str,
    issuer: &'a str,
    not_after: String,
}

/// How many of a session's records the secrets given opened.
#[derive(Serialize)]
struct DecryptedRecord {
    records: u64,
    failed: u64,
}

pub(super) fn tls_record<'a>(account: &Account, tls: &'a TlsSummary) -> Tls<'a> {
    let utc = |at: Option<Nanos>| Some(account.utc(at?).to_rfc3339());
    Tls {
        version: tls.version.map(|version| version.to_string()),
        cipher: tls.cipher.as_deref(),
        sni: tls.server_name.as_ref().map(|name| name.0.as_str()),
        alpn: &tls.alpn,
        resumed: tls.resumed,
        offered: tls.offered.map(|version| version.to_string()),
        retried: tls.retried,
        ech: tls.encrypted_hello,
        client_hello: utc(tls.client_hello),
        server_hello: utc(tls.server_hello),
        finished: utc(tls.finished),
        alerts: &tls.alerts,
        decrypted: tls.decryption.map(|done| DecryptedRecord {
            records: done.opened,
            failed: done.failed,
        }),
        ja3: tls.ja3.as_deref(),
        ja4: tls.ja4.as_deref(),
        certificate: tls
            .certificate
            .as_ref()
            .map(|certificate| CertificateRecord {
                subject: &certificate.subject,
                issuer: &certificate.issuer,
                not_after: certificate.not_after.to_rfc3339(),
            }),
    }
}
