//! Blocks and their options: how a pcapng file is divided (draft-ietf-opsawg-pcapng §3).

use std::ops::Range;

use nom::bytes::complete::take;
use nom::number::Endianness;
use nom::number::complete::{u16 as n16, u32 as n32};

use crate::input::Window;
use crate::model::DamageLog;

pub(super) type Parsed<'b, T> = nom::IResult<&'b [u8], T, ()>;

/// Block types.
pub(super) mod kind {
    pub(in super::super) const SECTION: u32 = 0x0a0d_0d0a;
    pub(in super::super) const INTERFACE: u32 = 1;
    pub(in super::super) const PACKET_OLD: u32 = 2;
    pub(in super::super) const SIMPLE: u32 = 3;
    pub(in super::super) const NAMES: u32 = 4;
    pub(in super::super) const STATISTICS: u32 = 5;
    pub(in super::super) const PACKET: u32 = 6;
    pub(in super::super) const SECRETS: u32 = 10;
}

/// Option codes that all blocks share.
pub(super) const OPTION_COMMENT: u16 = 1;

const SECTION_MAGIC: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
/// What opens each block: type and length.
const HEAD: usize = 8;
/// A block without a body.
const EMPTY: usize = 12;
/// Largest block believed, and how far behind a broken one others are looked for.
const MAX_BLOCK: usize = 16 << 20;

/// A block whose two lengths agree; its bytes are the next of the window.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) kind: u32,
    /// Where its body lies, from its beginning.
    pub(super) body: Range<usize>,
    /// Of the whole block, padded.
    pub(super) length: usize,
}

/// The blocks of a file or a stream.
#[derive(Debug)]
pub(super) struct Blocks<'m> {
    pub(super) window: Window<'m>,
    /// Byte order of the present section.
    pub(super) endian: Endianness,
    pub(super) damage: DamageLog,
}

impl<'m> Blocks<'m> {
    pub(super) fn new(window: Window<'m>) -> Self {
        Self {
            window,
            endian: Endianness::Little,
            damage: DamageLog::default(),
        }
    }

    /// The block ahead; `None` at the end or where no more can be found.
    pub(super) fn block(&mut self) -> Option<Block> {
        loop {
            let head = self.window.ahead(EMPTY);
            if head.is_empty() {
                return None;
            }
            if let Some(endian) = section_order(head) {
                self.endian = endian;
            }
            match self.at(0, self.endian) {
                Some(block) => return Some(block),
                None => self.resynchronise()?,
            }
        }
    }

    /// The block that begins `skip` octets ahead.
    fn at(&mut self, skip: usize, endian: Endianness) -> Option<Block> {
        let head = self.window.ahead(skip + EMPTY).get(skip..)?;
        let (kind, claimed) = head_of(head, endian)?;
        let length = padded(claimed)?;
        let bytes = self.window.ahead(skip + length).get(skip..)?;
        let end: Parsed<'_, u32> = n32(endian)(bytes.get(length - 4..length)?);
        (end.ok()?.1 == claimed).then_some(Block {
            kind,
            body: HEAD..length - 4,
            length,
        })
    }

    /// Goes on where the next block seems to begin.
    fn resynchronise(&mut self) -> Option<()> {
        let from = self.window.at();
        let head = self.window.ahead(EMPTY);
        // Told before the search, which reads on.
        let claimed = head_of(head, self.endian).and_then(|(_, claimed)| padded(claimed));
        let mut skip = 1;
        while skip < MAX_BLOCK {
            let ahead = self.window.ahead(skip + EMPTY);
            let Some(ahead) = ahead.get(skip..).filter(|ahead| ahead.len() >= EMPTY) else {
                break;
            };
            let mut heads = ahead.windows(EMPTY);
            let Some(step) = heads.position(|head| may_begin(head, self.endian)) else {
                skip += ahead.len() - EMPTY + 1;
                continue;
            };
            skip += step;
            let head = self.window.held().get(skip..).unwrap_or_default();
            let endian = section_order(head).unwrap_or(self.endian);
            if self.at(skip, endian).is_some() {
                self.damage.note(from, || {
                    format!("a block that cannot be read; {skip} bytes are passed over")
                });
                self.window.skip(skip);
                return Some(());
            }
            skip += 1;
        }
        let left = self.window.held().len();
        self.damage.note(from, || match claimed {
            Some(claimed) if claimed > left => format!("the file ends {left} bytes into a block"),
            _ if left < EMPTY => format!("the file ends {left} bytes into a block"),
            _ => "a block that cannot be read, and none behind it; the rest is not read".into(),
        });
        self.window.end();
        None
    }
}

/// Type and length of the block that begins here.
fn head_of(head: &[u8], endian: Endianness) -> Option<(u32, u32)> {
    let parse = |head| -> Parsed<'_, (u32, u32)> {
        let (rest, kind) = n32(endian)(head)?;
        let (rest, length) = n32(endian)(rest)?;
        Ok((rest, (kind, length)))
    };
    parse(head).ok().map(|(_, head)| head)
}

/// The length that a block takes, from what it states: some writers leave the padding out.
fn padded(claimed: u32) -> Option<usize> {
    let length = usize::try_from(claimed).ok()?;
    (EMPTY..=MAX_BLOCK)
        .contains(&length)
        .then(|| length.next_multiple_of(4))
}

/// Whether a block of a kind worth going on with may begin here.
fn may_begin(head: &[u8], endian: Endianness) -> bool {
    if section_order(head).is_some() {
        return true;
    }
    let Some((kind, claimed)) = head_of(head, endian) else {
        return false;
    };
    let least = match kind {
        kind::INTERFACE | kind::SECRETS => 20,
        kind::PACKET_OLD | kind::PACKET => 32,
        kind::SIMPLE => 16,
        kind::STATISTICS => 24,
        _ => return false,
    };
    padded(claimed).is_some_and(|length| length >= least)
}

/// The byte order of the section that begins here, if one does.
fn section_order(rest: &[u8]) -> Option<Endianness> {
    match (rest.get(..4)?, rest.get(8..12)?) {
        (magic, [0x1a, 0x2b, 0x3c, 0x4d]) if magic == SECTION_MAGIC => Some(Endianness::Big),
        (magic, [0x4d, 0x3c, 0x2b, 0x1a]) if magic == SECTION_MAGIC => Some(Endianness::Little),
        _ => None,
    }
}

/// Whether `file` begins with a section header.
pub(super) fn is_section(file: &[u8]) -> bool {
    file.starts_with(&SECTION_MAGIC)
}

/// A value under a code, and what comes behind its padding.
pub(super) struct Tagged<'b> {
    pub(super) code: u16,
    pub(super) value: &'b [u8],
    pub(super) after: &'b [u8],
}

/// Options as code and value, up to the end mark or to where they are cut.
pub(super) fn options_of(
    mut rest: &[u8],
    endian: Endianness,
) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let Tagged { code, value, after } = tagged(rest, endian)?;
        rest = after;
        (code != 0).then_some((code, value))
    })
}

/// A 16-bit code, a 16-bit length, a value, padding.
pub(super) fn tagged(rest: &[u8], endian: Endianness) -> Option<Tagged<'_>> {
    let parse = |rest| -> Parsed<'_, (u16, &[u8])> {
        let (rest, code) = n16(endian)(rest)?;
        let (rest, length) = n16(endian)(rest)?;
        let (rest, value) = take(length)(rest)?;
        Ok((rest, (code, value)))
    };
    let (after, (code, value)) = parse(rest).ok()?;
    let padding = value.len().next_multiple_of(4) - value.len();
    Some(Tagged {
        code,
        value,
        after: after.get(padding..).unwrap_or_default(),
    })
}

/// Text as it stands, up to an end mark that the format does not ask for.
pub(super) fn text(value: &[u8]) -> String {
    let end = value.iter().position(|&byte| byte == 0);
    let value = value.get(..end.unwrap_or(value.len())).unwrap_or_default();
    String::from_utf8_lossy(value).into_owned()
}
