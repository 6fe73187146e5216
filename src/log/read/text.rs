//! Logs that are not in UTF-8: told by a byte order mark or by NULs, or named by the user.

use encoding_rs::{Decoder, Encoding, UTF_8, UTF_16BE, UTF_16LE};

/// Octets looked at where no byte order mark is.
const LOOKED_AT: usize = 4096;
/// Octets decoded at a time.
const CHUNK: usize = 1 << 18;

/// How a log writes its letters.
///
/// Single-octet encodings look all alike, so that only the user can tell which one it is: without a word of his, octets that are no UTF-8 are
/// shown as `\xhh`.
pub(super) struct Text {
    decoder: Option<Decoder>,
    name: Option<&'static str>,
    mark: usize,
    out: String,
}

impl Text {
    /// For a log that begins with `bytes`.
    pub(super) fn of(bytes: &[u8], given: Option<&'static Encoding>) -> Self {
        let (encoding, mark) = match (Encoding::for_bom(bytes), given) {
            (Some((encoding, mark)), _) => (Some(encoding), mark),
            (None, Some(given)) => (Some(given), 0),
            (None, None) => (wide(bytes), 0),
        };
        let encoding = encoding.filter(|encoding| *encoding != UTF_8);
        Self {
            decoder: encoding.map(Encoding::new_decoder_without_bom_handling),
            name: encoding.map(Encoding::name),
            mark,
            out: String::new(),
        }
    }

    /// Its name, where it is not UTF-8.
    pub(super) const fn name(&self) -> Option<&'static str> {
        self.name
    }

    /// The log's own bytes, without its mark, where they are to be left alone.
    pub(super) fn plain<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let is_plain = self.decoder.is_none();
        is_plain.then(|| bytes.get(self.mark..).unwrap_or_default())
    }

    /// Gives `bytes` in UTF-8, piece by piece; the log's own bytes where they are to be left alone.
    pub(super) fn take(&mut self, bytes: &[u8], each: &mut dyn FnMut(&[u8])) {
        let skipped = self.mark.min(bytes.len());
        self.mark -= skipped;
        let bytes = bytes.get(skipped..).unwrap_or_default();
        let Some(decoder) = &mut self.decoder else {
            each(bytes);
            return;
        };
        for chunk in bytes.chunks(CHUNK) {
            self.out.clear();
            let most = decoder.max_utf8_buffer_length(chunk.len());
            self.out.reserve(most.unwrap_or(CHUNK * 3));
            // With that much room it takes all of it.
            let (..) = decoder.decode_to_string(chunk, &mut self.out, false);
            each(self.out.as_bytes());
        }
    }
}

/// UTF-16 without a mark: every other octet of Latin letters is NUL, and no line end is whole.
fn wide(bytes: &[u8]) -> Option<&'static Encoding> {
    let head = bytes.get(..LOOKED_AT).unwrap_or(bytes);
    let pairs = head.len() / 2;
    let nuls = |at: usize| {
        head.chunks_exact(2)
            .filter(|pair| pair.get(at) == Some(&0))
            .count()
    };
    let (high_first, low_first) = (nuls(0), nuls(1));
    // A run of NULs has them at both places.
    let most =
        |here: usize, there: usize| pairs >= 8 && here * 10 >= pairs * 7 && there * 10 <= pairs;
    if most(low_first, high_first) {
        Some(UTF_16LE)
    } else if most(high_first, low_first) {
        Some(UTF_16BE)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(bytes: &[u8], given: Option<&str>, step: usize) -> (String, Option<&'static str>) {
        let given = given.and_then(|name| Encoding::for_label(name.as_bytes()));
        let mut text = Text::of(bytes, given);
        let mut out = Vec::new();
        for chunk in bytes.chunks(step) {
            text.take(chunk, &mut |bytes| out.extend_from_slice(bytes));
        }
        (String::from_utf8_lossy(&out).into_owned(), text.name())
    }

    #[test]
    fn utf_16_is_told_with_and_without_a_mark() {
        let line = "2024-03-05 über alles\r\n";
        let units = || line.encode_utf16();
        let little: Vec<u8> = units().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = units().flat_map(u16::to_be_bytes).collect();
        for (bytes, name) in [
            (little.clone(), "UTF-16LE"),
            ([b"\xff\xfe".as_slice(), &little].concat(), "UTF-16LE"),
            (big.clone(), "UTF-16BE"),
            ([b"\xfe\xff".as_slice(), &big].concat(), "UTF-16BE"),
        ] {
            for step in [1, 3, 1000] {
                assert_eq!(decoded(&bytes, None, step), (line.into(), Some(name)));
            }
        }
    }

    #[test]
    fn code_pages_are_as_named_and_utf_8_stays() {
        assert_eq!(
            decoded(b"r\xe9n", Some("windows-1252"), 9),
            ("rén".into(), Some("windows-1252"))
        );
        assert_eq!(decoded(b"\xcf\xf0", Some("windows-1251"), 9).0, "Пр");
        assert_eq!(
            decoded(b"\xef\xbb\xbfa\n", None, 1),
            ("a\n".into(), None),
            "only the mark goes"
        );
        assert_eq!(decoded(&[0; 64], None, 9).1, None, "NULs alone are none");
    }
}
