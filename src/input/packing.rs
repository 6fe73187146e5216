//! Compression, told by the first bytes and never by the name.

use std::io::{BufRead, Read};

/// How a stream is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// RFC 1952, any number of members.
    Gzip,
    /// LZ4 frames.
    Lz4,
    /// The `.xz` container.
    Xz,
    /// RFC 8878.
    Zstd,
}

/// The first bytes of each.
const MAGIC: [(&[u8], Packing); 4] = [
    (&[0x1f, 0x8b, 8], Packing::Gzip),
    (&[0x04, 0x22, 0x4d, 0x18], Packing::Lz4),
    (&[0xfd, b'7', b'z', b'X', b'Z', 0], Packing::Xz),
    (&[0x28, 0xb5, 0x2f, 0xfd], Packing::Zstd),
];

/// Octets by which all of them are told.
pub(super) const MAGIC_LENGTH: usize = 6;

/// Memory that unpacking an xz stream may take.
const XZ_MEMORY: u64 = 256 << 20;

impl Packing {
    /// What `bytes` begin with.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        MAGIC
            .iter()
            .find(|(magic, _)| bytes.starts_with(magic))
            .map(|&(_, packing)| packing)
    }

    /// Reads what is inside.
    pub(super) fn reader<'p>(self, packed: impl BufRead + 'p) -> Box<dyn Read + 'p> {
        match self {
            Self::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(packed)),
            Self::Lz4 => Box::new(lz4_flex::frame::FrameDecoder::new(packed)),
            Self::Xz => match liblzma::stream::Stream::new_stream_decoder(
                XZ_MEMORY,
                liblzma::stream::CONCATENATED,
            ) {
                Ok(stream) => Box::new(liblzma::bufread::XzDecoder::new_stream(packed, stream)),
                Err(error) => Box::new(Broken(Some(error.into()))),
            },
            Self::Zstd => match zstd::stream::read::Decoder::with_buffer(packed) {
                Ok(decoder) => Box::new(decoder),
                Err(error) => Box::new(Broken(Some(error))),
            },
        }
    }
}

/// A stream that could not be begun.
struct Broken(Option<std::io::Error>);

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}
