//! Alerts sent in the clear, in words.

use crate::model::Side;

/// Names of the alerts in RFC 8446 §6, and of those that older versions had (RFC 5246 §7.2, RFC 6101).
const NAMES: [(u8, &str); 37] = [
    (0, "close notify"),
    (10, "unexpected message"),
    (20, "bad record MAC"),
    (21, "decryption failed"),
    (22, "record overflow"),
    (30, "decompression failure"),
    (40, "handshake failure"),
    (41, "no certificate"),
    (42, "bad certificate"),
    (43, "unsupported certificate"),
    (44, "certificate revoked"),
    (45, "certificate expired"),
    (46, "certificate unknown"),
    (47, "illegal parameter"),
    (48, "unknown CA"),
    (49, "access denied"),
    (50, "decode error"),
    (51, "decrypt error"),
    (60, "export restriction"),
    (70, "protocol version"),
    (71, "insufficient security"),
    (80, "internal error"),
    (86, "inappropriate fallback"),
    (90, "user canceled"),
    (100, "no renegotiation"),
    (109, "missing extension"),
    (110, "unsupported extension"),
    (111, "certificate unobtainable"),
    (112, "unrecognized name"),
    (113, "bad certificate status response"),
    (114, "bad certificate hash value"),
    (115, "unknown PSK identity"),
    (116, "certificate required"),
    (117, "general error"),
    (120, "no application protocol"),
    (121, "ECH required"),
    (255, "no error"),
];

/// An alert as read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Alert {
    fatal: bool,
    number: u8,
}

impl Alert {
    /// The alert in a record's body; `None` where it is encrypted or none.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        match *body {
            [level @ (1 | 2), number] => Some(Self {
                fatal: level == 2,
                number,
            }),
            _ => None,
        }
    }

    /// Whether the sender gives the connection up with it.
    pub(super) const fn is_fatal(self) -> bool {
        self.fatal
    }

    /// Whether it only says that the sender is done.
    pub(super) const fn is_farewell(self) -> bool {
        self.number == 0
    }

    /// Its name: `unknown CA`; `alert 77` where it has none.
    pub(super) fn name(self) -> String {
        NAMES
            .iter()
            .find(|(number, _)| *number == self.number)
            .map_or_else(
                || format!("alert {}", self.number),
                |(_, name)| (*name).to_owned(),
            )
    }

    /// `server: unrecognized name (warning)`.
    pub(super) fn words(self, side: Side) -> String {
        let level = if self.fatal { "fatal" } else { "warning" };
        format!("{}: {} ({level})", who(side), self.name())
    }
}

/// What to call a side.
pub(super) const fn who(side: Side) -> &'static str {
    match side {
        Side::Client => "client",
        Side::Server => "server",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_read_as_words() {
        let alert = Alert::read(&[2, 48]).unwrap();
        assert!(alert.is_fatal());
        assert_eq!(alert.words(Side::Client), "client: unknown CA (fatal)");
        let alert = Alert::read(&[1, 77]).unwrap();
        assert_eq!(alert.words(Side::Server), "server: alert 77 (warning)");
    }

    #[test]
    fn an_encrypted_alert_says_nothing() {
        assert_eq!(Alert::read(&[7; 26]), None);
        assert_eq!(Alert::read(&[3, 0]), None);
    }

    #[test]
    fn the_table_is_in_order_so_no_number_is_there_twice() {
        assert!(NAMES.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}
