//! Header blocks: the few fields that are shown.

use loona_hpack::Decoder;

use std::net::IpAddr;

use crate::protocol::forwarded::http_field;
use crate::protocol::record::text;

/// Most octets that a side may have the other remember (RFC 9113 §6.5.2: 4096 unless it says otherwise).
const TABLE: usize = 64 << 10;

/// What of a block is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fields {
    pub(super) method: Option<String>,
    pub(super) path: Option<String>,
    pub(super) authority: Option<String>,
    pub(super) status: Option<String>,
    /// Whom the request names as its sender before a proxy.
    pub(super) forwarded: Vec<IpAddr>,
    /// The block could not be read to its end.
    pub(super) cut: bool,
}

/// Reads the blocks of one direction, each of which may refer to those before it.
///
/// Where one was lost or cannot be read, it begins anew with nothing remembered: entries are numbered from the
/// newest, so what is remembered since is named rightly, and what is older is not named at all.
pub(super) struct Table(Decoder<'static>);

impl Default for Table {
    fn default() -> Self {
        let mut decoder = Decoder::new();
        decoder.set_max_allowed_table_size(TABLE);
        Self(decoder)
    }
}

impl Table {
    /// A block was lost.
    pub(super) fn lose(&mut self) {
        *self = Self::default();
    }

    pub(super) fn read(&mut self, block: &[u8]) -> Fields {
        let mut fields = Fields::default();
        let read = self.0.decode_with_cb(block, |name, value| {
            let field = match &*name {
                b":method" => &mut fields.method,
                b":path" => &mut fields.path,
                b":authority" => &mut fields.authority,
                b":status" => &mut fields.status,
                _ => return http_field(&name, &value, &mut fields.forwarded),
            };
            field.get_or_insert_with(|| text(&value));
        });
        if read.is_err() {
            fields.cut = true;
            self.lose();
        }
        fields
    }
}
