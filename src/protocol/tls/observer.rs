//! Watches a TLS connection from outside.

use crate::flow::StreamEvent;
use crate::model::{Nanos, Side, TlsSummary, TlsVersion};

use super::super::{Decoder, Dialogue, Step, Verdict};
use super::alert;
use super::burst::Bursts;
use super::handshake::Messages;
use super::record::{Content, RecordSeen, Splitter};

/// Alerts kept.
const MAX_ALERTS: usize = 8;

/// Watches a TLS connection.
#[derive(Debug, Default)]
pub struct Tls {
    splitters: [Splitter; 2],
    watch: Watch,
}

/// What is known from the records so far.
#[derive(Debug, Default)]
struct Watch {
    summary: TlsSummary,
    messages: [Messages; 2],
    /// Which sides have begun to encrypt.
    ciphered: [bool; 2],
    bursts: Bursts,
    reset: Option<Side>,
}

impl Decoder for Tls {
    fn event(&mut self, event: StreamEvent<'_>, out: &mut Dialogue) -> Step {
        let side = event.side();
        let Some(splitter) = self.splitters.get_mut(side.index()) else {
            return Step::Continue;
        };
        let watch = &mut self.watch;
        let mut take = |record: RecordSeen<'_>| watch.record(side, &record, out);
        match event {
            StreamEvent::Data {
                at, packet, bytes, ..
            } => splitter.data(bytes, at, packet, &mut take),
            StreamEvent::Gap { at, missing, .. } => splitter.gap(missing, at, &mut take),
            StreamEvent::Rst { .. } => watch.reset = Some(side),
            StreamEvent::Fin { .. } => {}
        }
        Step::Continue
    }

    fn finish(&mut self, out: &mut Dialogue) {
        self.watch.finish(out);
    }
}

impl Watch {
    fn record(&mut self, side: Side, record: &RecordSeen<'_>, out: &mut Dialogue) {
        let at = side.index();
        match record.content {
            Content::Handshake => {
                if let Some(messages) = self.messages.get_mut(at) {
                    messages.record(record.body, record.start, &mut self.summary);
                }
            }
            Content::ChangeCipherSpec => self.change_cipher(side, record.end),
            Content::Alert => self.alert(side, record),
            Content::ApplicationData => {
                self.bursts
                    .record(side, record, &mut self.summary, &mut out.bursts);
            }
            Content::Other => {}
        }
    }

    /// From here on the direction is encrypted, up to TLS 1.2; in 1.3 the record means nothing.
    fn change_cipher(&mut self, side: Side, at: Nanos) {
        if self.summary.version == Some(TlsVersion::TLS_1_3) || self.summary.version.is_none() {
            return;
        }
        if let (Some(messages), Some(ciphered)) = (
            self.messages.get_mut(side.index()),
            self.ciphered.get_mut(side.index()),
        ) {
            messages.close();
            *ciphered = true;
        }
        // A server that encrypts without having shown a certificate takes up an earlier session.
        if side == Side::Server {
            self.summary.resumed.get_or_insert(true);
        }
        if self.ciphered == [true, true] {
            self.summary.finished.get_or_insert(at);
        }
    }

    fn alert(&mut self, side: Side, record: &RecordSeen<'_>) {
        let clear = !self.ciphered.get(side.index()).copied().unwrap_or_default();
        if let ([level, code], true) = (record.body, clear)
            && self.summary.alerts.len() < MAX_ALERTS
        {
            let who = if side == Side::Client {
                "client"
            } else {
                "server"
            };
            let gravity = if *level == 2 { "fatal" } else { "warning" };
            self.summary
                .alerts
                .push(format!("{who}: {} ({gravity})", alert::words(*code)));
        }
    }

    fn finish(&mut self, out: &mut Dialogue) {
        self.bursts.finish(&self.summary, &mut out.bursts);
        let summary = std::mem::take(&mut self.summary);
        if summary.client_hello.is_some() && summary.finished.is_none() {
            let why = match (summary.alerts.first(), summary.server_hello, self.reset) {
                (Some(alert), ..) => alert.clone(),
                (None, _, Some(Side::Client)) => "the client reset the connection".into(),
                (None, _, Some(Side::Server)) => "the server reset the connection".into(),
                (None, None, None) => "the server sent no hello".into(),
                (None, Some(_), None) => "it was not completed".into(),
            };
            out.notes.push(format!("the TLS handshake failed: {why}"));
        }
        out.tls = Some(summary);
    }
}

/// Whether the client's first bytes are a TLS hello.
pub fn opening(client: &[u8]) -> Verdict {
    match *client {
        [0x16, 3, 0..=4, _, _, 1, ..] => Verdict::Certain,
        // SSL 2 form, for SSL 3 and later.
        [high, _, 1, 3, 0..=4, ..] if high & 0x80 != 0 => Verdict::Certain,
        [] | [0x16] | [0x16, 3] => Verdict::NeedMore,
        [0x16, 3, 0..=4, ..] if client.len() < 6 => Verdict::NeedMore,
        [high, ..] if high & 0x80 != 0 && client.len() < 5 => Verdict::NeedMore,
        _ => Verdict::RuledOut,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{Burst, PacketNo};

    fn record(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        [&[kind, 3, 3][..], &length, body].concat()
    }

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len()).unwrap().to_be_bytes();
        [&[kind][..], &length[1..], body].concat()
    }

    fn client_hello() -> Vec<u8> {
        let name = b"mail.example";
        let mut sni = vec![0, 0];
        let length = u16::try_from(name.len()).unwrap();
        sni.extend((length + 5).to_be_bytes());
        sni.extend((length + 3).to_be_bytes());
        sni.push(0);
        sni.extend(length.to_be_bytes());
        sni.extend(name);
        let alpn = [0, 16, 0, 7, 0, 5, 4, b'i', b'm', b'a', b'p'];
        let extensions = [&sni[..], &alpn].concat();
        let mut body = vec![3, 3];
        body.extend([7; 32]);
        body.extend([0, 0, 2, 0x13, 0x02, 1, 0]);
        body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
        body.extend(extensions);
        message(1, &body)
    }

    fn server_hello(cipher: [u8; 2], extensions: &[u8]) -> Vec<u8> {
        let mut body = vec![3, 3];
        body.extend([9; 32]);
        body.push(0);
        body.extend(cipher);
        body.push(0);
        body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
        body.extend(extensions);
        message(2, &body)
    }

    fn watch(sent: &[(Side, Vec<u8>)]) -> Dialogue {
        let mut tls = Tls::default();
        let mut out = Dialogue::default();
        for ((side, bytes), number) in sent.iter().zip(1i64..) {
            let event = StreamEvent::Data {
                side: *side,
                at: Nanos(number),
                packet: PacketNo(number.unsigned_abs()),
                bytes,
            };
            tls.event(event, &mut out);
        }
        tls.finish(&mut out);
        out
    }

    fn sizes(bursts: &[Burst]) -> Vec<(Side, u64)> {
        bursts
            .iter()
            .map(|burst| (burst.side, burst.plaintext))
            .collect()
    }

    use Side::{Client as C, Server as V};

    fn data(plaintext: usize, added: usize) -> Vec<u8> {
        record(23, &vec![0xee; plaintext + added])
    }

    fn session_1_3() -> Vec<(Side, Vec<u8>)> {
        let versions = [0, 43, 0, 2, 3, 4];
        vec![
            (C, record(22, &client_hello())),
            (V, record(22, &server_hello([0x13, 0x02], &versions))),
            (V, record(20, &[1])),
            (V, data(900, 17)),
            (C, record(20, &[1])),
            (C, data(52, 17)),
            (V, data(233, 17)),
            (V, data(233, 17)),
            (V, data(36, 17)),
            (C, data(27, 17)),
            (V, data(151, 17)),
            (C, data(6, 17)),
            (V, data(15, 17)),
            (V, data(2, 17)),
            (C, data(2, 17)),
        ]
    }

    #[test]
    fn of_tls_1_3_only_the_application_is_left() {
        let out = watch(&session_1_3());
        assert_eq!(
            sizes(&out.bursts),
            [(V, 36), (C, 27), (V, 151), (C, 6), (V, 15)]
        );
        let tls = out.tls.unwrap();
        assert_eq!(tls.version, Some(TlsVersion::TLS_1_3));
        assert_eq!(tls.cipher.as_deref(), Some("TLS_AES_256_GCM_SHA384"));
        assert_eq!(tls.server_name.unwrap().0, "mail.example");
        assert_eq!(
            (tls.alpn, tls.resumed),
            (vec!["imap".to_owned()], Some(false))
        );
        assert_eq!(tls.finished, Some(Nanos(6)));
        assert!(out.notes.is_empty(), "{:?}", out.notes);
    }

    #[test]
    fn an_answer_is_no_ticket() {
        let mut sent = session_1_3();
        // The client asks together with its Finished; there are no tickets and the answer is long.
        sent.truncate(6);
        sent.push((C, data(27, 17)));
        sent.push((V, data(300, 17)));
        assert_eq!(sizes(&watch(&sent).bursts), [(C, 27), (V, 300)]);
    }

    #[test]
    fn in_tls_1_2_the_handshake_is_apart() {
        let out = watch(&[
            (C, record(22, &client_hello())),
            (V, record(22, &server_hello([0xc0, 0x30], &[]))),
            (C, record(20, &[1])),
            (C, record(22, &[0; 40])),
            (V, record(20, &[1])),
            (V, record(22, &[0; 40])),
            (C, data(20, 24)),
            (V, data(1000, 24)),
            (V, data(500, 24)),
            (C, record(21, &[0; 26])),
        ]);
        assert_eq!(sizes(&out.bursts), [(C, 20), (V, 1500)]);
        let tls = out.tls.unwrap();
        assert_eq!(tls.version.unwrap().to_string(), "TLSv1.2");
        assert_eq!(tls.resumed, Some(true), "no certificate was shown");
        assert!(tls.alerts.is_empty(), "an encrypted alert says nothing");
    }

    #[test]
    fn a_failed_handshake_says_why() {
        let out = watch(&[(C, record(22, &client_hello())), (V, record(21, &[2, 40]))]);
        assert!(
            out.notes[0].contains("no common parameters"),
            "{:?}",
            out.notes
        );
    }

    #[test]
    fn hellos_are_told_from_other_openings() {
        assert_eq!(opening(&record(22, &client_hello())), Verdict::Certain);
        assert_eq!(opening(b"EHLO a\r\n"), Verdict::RuledOut);
        assert_eq!(opening(&[0x16, 3, 1]), Verdict::NeedMore);
        assert_eq!(opening(&[0x80, 46, 1, 3, 1, 0]), Verdict::Certain);
    }

    proptest! {
        #[test]
        fn any_bytes_are_watched(parts in proptest::collection::vec((any::<bool>(), proptest::collection::vec(any::<u8>(), 0..60)), 0..12)) {
            let mut sent = session_1_3();
            let sides = |client| if client { C } else { V };
            sent.splice(3..6, parts.into_iter().map(|(client, bytes)| (sides(client), bytes)));
            let out = watch(&sent);
            prop_assert!(out.bursts.len() <= 60);
        }
    }
}
