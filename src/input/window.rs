//! Bytes from front to back: a mapped file, or a window that moves over a stream.

use std::fmt;
use std::io::{ErrorKind, Read};

use crate::model::DamageLog;

use super::Taken;

/// Octets asked of a stream at once.
const CHUNK: usize = if cfg!(test) { 1 << 12 } else { 1 << 18 };

/// What is ahead of a reader that never goes back.
///
/// Over a file it borrows; over a stream it holds what was asked for with [`Window::ahead`] and a chunk more, never the
/// stream as a whole. A stream that fails ends there, and the failure is damage.
pub struct Window<'m> {
    store: Store<'m>,
    /// Offset in the input of what is ahead.
    at: u64,
    damage: DamageLog,
}

enum Store<'m> {
    /// All that is left.
    Whole(&'m [u8]),
    Passing(Passing<'m>),
}

struct Passing<'m> {
    from: Box<dyn Read + 'm>,
    /// Octets that the stream has taken off what is stored, where that differs from what it gave.
    taken: Option<Taken>,
    buffer: Vec<u8>,
    /// What of the buffer is ahead: octets before `start` are behind, those from `end` on are room.
    start: usize,
    end: usize,
    ended: bool,
}

impl<'m> Window<'m> {
    /// Over bytes that are all there.
    pub const fn of(bytes: &'m [u8]) -> Self {
        Self {
            store: Store::Whole(bytes),
            at: 0,
            damage: DamageLog::new(),
        }
    }

    /// Over a stream; `taken` counts what it takes off a compressed file.
    pub fn passing(from: Box<dyn Read + 'm>, taken: Option<Taken>) -> Self {
        Self {
            store: Store::Passing(Passing {
                from,
                taken,
                buffer: Vec::new(),
                start: 0,
                end: 0,
                ended: false,
            }),
            at: 0,
            damage: DamageLog::new(),
        }
    }

    /// The bytes, where they are all there and nothing was passed over.
    pub const fn whole(&self) -> Option<&'m [u8]> {
        match self.store {
            Store::Whole(bytes) if self.at == 0 => Some(bytes),
            _ => None,
        }
    }

    /// What is ahead: at least `wanted` octets unless the input ends before. Waits for a stream.
    #[inline]
    pub fn ahead(&mut self, wanted: usize) -> &[u8] {
        match &mut self.store {
            Store::Whole(rest) => rest,
            Store::Passing(passing) => {
                passing.fill(wanted, self.at, &mut self.damage);
                passing.held()
            }
        }
    }

    /// What is ahead as far as it is held already.
    #[inline]
    pub fn held(&self) -> &[u8] {
        match &self.store {
            Store::Whole(rest) => rest,
            Store::Passing(passing) => passing.held(),
        }
    }

    /// Passes over `octets`, or what is held of them.
    #[inline]
    pub fn skip(&mut self, octets: usize) {
        let passed = match &mut self.store {
            Store::Whole(rest) => {
                let passed = octets.min(rest.len());
                *rest = rest.get(passed..).unwrap_or_default();
                passed
            }
            Store::Passing(passing) => {
                let passed = octets.min(passing.end - passing.start);
                passing.start += passed;
                passed
            }
        };
        self.at += u64::try_from(passed).unwrap_or(0);
    }

    /// Passes over all that is left; of a stream nothing more is read.
    pub fn end(&mut self) {
        self.skip(usize::MAX);
        if let Store::Passing(passing) = &mut self.store {
            passing.ended = true;
        }
    }

    /// Offset in the (decompressed) input of what is ahead.
    pub const fn at(&self) -> u64 {
        self.at
    }

    /// Octets of the input consumed, as stored.
    pub fn consumed(&self) -> u64 {
        match &self.store {
            Store::Passing(Passing {
                taken: Some(taken), ..
            }) => taken.octets(),
            _ => self.at,
        }
    }

    /// Failures of the stream.
    pub const fn damage(&self) -> &DamageLog {
        &self.damage
    }
}

impl Passing<'_> {
    fn held(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    fn fill(&mut self, wanted: usize, at: u64, damage: &mut DamageLog) {
        while self.end - self.start < wanted && !self.ended {
            self.make_room(wanted);
            let room = self.buffer.get_mut(self.end..).unwrap_or_default();
            match self.from.read(room) {
                Ok(0) => self.ended = true,
                Ok(read) => self.end += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    let held = u64::try_from(self.end - self.start).unwrap_or(0);
                    damage.note(at + held, || format!("the stream breaks off here: {error}"));
                    self.ended = true;
                }
            }
        }
    }

    /// Room for what is missing of `wanted`, and a chunk at least.
    fn make_room(&mut self, wanted: usize) {
        let held = self.end - self.start;
        if self.buffer.len() - self.end >= CHUNK / 4 && self.start + wanted <= self.buffer.len() {
            return;
        }
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, held);
        let size = wanted.max(held) + CHUNK;
        if self.buffer.len() < size {
            self.buffer.resize(size, 0);
        }
    }
}

impl fmt::Debug for Window<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Window(at {}, {} held)", self.at, self.held().len())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Gives a few octets at a time.
    struct Drops<'a>(&'a [u8], usize);

    impl Read for Drops<'_> {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            let step = into.len().min(self.1).min(self.0.len());
            into[..step].copy_from_slice(&self.0[..step]);
            self.0 = &self.0[step..];
            Ok(step)
        }
    }

    #[test]
    fn a_stream_that_fails_ends_there_and_says_so() {
        struct Fails(u8);
        impl Read for Fails {
            fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
                self.0 += 1;
                match self.0 {
                    1 => {
                        into[..3].copy_from_slice(b"abc");
                        Ok(3)
                    }
                    2 => Err(ErrorKind::Interrupted.into()),
                    _ => Err(std::io::Error::other("cable")),
                }
            }
        }
        let mut window = Window::passing(Box::new(Fails(0)), None);
        assert_eq!(window.ahead(5), b"abc");
        assert_eq!(
            window.damage().to_string(),
            "at byte 3: the stream breaks off here: cable"
        );
        window.skip(9);
        assert!(window.ahead(1).is_empty());
        assert_eq!(window.at(), 3);
    }

    proptest! {
        #[test]
        fn a_stream_and_a_file_give_the_same(
            steps in proptest::collection::vec((0usize..70_000, 0usize..40_000), 1..16),
            drop in 1usize..30_000,
        ) {
            let bytes: Vec<u8> = (0..200_000u32).map(|n| n.to_le_bytes()[n as usize % 3]).collect();
            let mut file = Window::of(&bytes);
            let mut stream = Window::passing(Box::new(Drops(&bytes, drop)), None);
            for (wanted, skip) in steps {
                let (one, other) = (file.ahead(wanted), stream.ahead(wanted));
                let length = wanted.min(one.len());
                prop_assert!(other.len() >= length);
                prop_assert_eq!(&one[..length], &other[..length]);
                let skip = skip.min(length);
                file.skip(skip);
                stream.skip(skip);
                prop_assert_eq!(file.at(), stream.at());
            }
        }
    }
}
