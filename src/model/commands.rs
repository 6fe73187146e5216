//! Lists of commands in little memory.

use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

use smallvec::SmallVec;

use super::{LogCommand, Span, Verb};

/// Commands and replies one after the other, in some 20 octets each where a [`LogCommand`] takes hundreds: a log of a gigabyte counts
/// ten million of them, and few are ever looked at.
///
/// Each is an octet that says what is there, then its texts and numbers. A length or number is written seven bits to an octet, the lowest
/// first; a usual text is a number alone.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Commands(Box<[u8]>);

/// One command and its reply, packed in the same way: a row of a web log takes 50 octets instead of 250.
#[derive(Clone, PartialEq, Eq)]
pub struct PackedCommand(Box<[u8]>);

/// A [`PackedCommand`] that is borrowed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PackedRef<'a>(&'a [u8]);

impl PackedCommand {
    /// The command.
    pub fn get(&self) -> CommandRef<'_> {
        self.borrowed().get()
    }

    /// The same, borrowed.
    pub const fn borrowed(&self) -> PackedRef<'_> {
        PackedRef(&self.0)
    }
}

impl<'a> PackedRef<'a> {
    pub(super) const fn new(octets: &'a [u8]) -> Self {
        Self(octets)
    }

    pub(super) const fn octets(self) -> &'a [u8] {
        self.0
    }

    /// The command.
    pub fn get(self) -> CommandRef<'a> {
        Rest(self.0).command().unwrap_or_default()
    }

    /// Its texts, none of them read.
    pub(super) fn skim(self) -> Skimmed<'a> {
        Rest(self.0).skim().unwrap_or_default()
    }

    /// The same, in memory of its own.
    pub fn owned(self) -> PackedCommand {
        PackedCommand(self.0.into())
    }
}

impl fmt::Debug for PackedRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

impl From<CommandRef<'_>> for PackedCommand {
    fn from(command: CommandRef<'_>) -> Self {
        let mut octets = Octets::new();
        push(&mut octets, command);
        Self(octets.as_slice().into())
    }
}

impl From<LogCommand> for PackedCommand {
    fn from(command: LogCommand) -> Self {
        command.borrowed().into()
    }
}

impl fmt::Debug for PackedCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

/// A [`LogCommand`] that is borrowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CommandRef<'a> {
    /// Command word for comparison.
    pub verb: &'a str,
    /// The command's text, secrets masked.
    pub request: &'a str,
    /// Reply code or status word.
    pub code: Option<&'a str>,
    /// The reply's text, where the log has it.
    pub response: Option<&'a str>,
    /// Octets of the request with line ends.
    pub request_bytes: Option<u64>,
    /// Octets of the reply with line ends.
    pub response_bytes: Option<u64>,
    /// Octets of the reply's body, where the log counts only that.
    pub body_octets: Option<u64>,
    /// Octets of the reply, where it is not told whether its head is counted and, with TLS, its records.
    pub reply_octets: Option<u64>,
    /// Time the server spent on it.
    pub taken: Option<Span>,
}

/// The texts of a command where they lie: most that look at a command need to read but one or two.
#[derive(Clone, Copy, Default)]
pub(super) struct Skimmed<'a> {
    pub(super) verb: RawText<'a>,
    pub(super) request: RawText<'a>,
    pub(super) code: Option<RawText<'a>>,
    pub(super) response: Option<RawText<'a>>,
}

/// A text that was not read.
#[derive(Clone, Copy)]
pub(super) enum RawText<'a> {
    Usual(&'static str),
    Octets(&'a [u8]),
}

impl Default for RawText<'_> {
    fn default() -> Self {
        Self::Usual("")
    }
}

impl<'a> RawText<'a> {
    /// The text.
    pub(super) fn get(self) -> &'a str {
        match self {
            Self::Usual(text) => text,
            // Nothing but text was packed.
            Self::Octets(octets) => std::str::from_utf8(octets).unwrap_or_default(),
        }
    }
}

/// Texts that many commands have. Their order is no part of any file.
const USUAL: [&str; 54] = [
    "",
    "EHLO",
    "HELO",
    "MAIL",
    "RCPT",
    "DATA",
    Verb::BODY,
    "<body>",
    "QUIT",
    "RSET",
    "NOOP",
    "AUTH",
    "AUTH ***",
    "STARTTLS",
    "BDAT",
    "LHLO",
    "250",
    "354",
    "220",
    "221",
    "235",
    "503",
    "550",
    "450",
    "554",
    "250 2.0.0 Ok",
    "250 2.1.0 Ok",
    "250 2.1.5 Ok",
    "220 2.0.0 Ready to start TLS",
    "221 2.0.0 Bye",
    "235 2.7.0 Authentication successful",
    "354 End data with <CR><LF>.<CR><LF>",
    "503 5.5.1 Error: need MAIL command",
    "250 OK",
    "250 Accepted",
    "354 Enter message, ending with \".\" on a line by itself",
    "552",
    "421",
    "553",
    "451",
    "GET",
    "HEAD",
    "POST",
    "200",
    "204",
    "206",
    "301",
    "302",
    "304",
    "400",
    "401",
    "403",
    "404",
    "500",
];

/// Where each usual text is.
static PLACES: LazyLock<HashMap<&str, u64, foldhash::fast::FixedState>> =
    LazyLock::new(|| USUAL.into_iter().zip(0..).collect());

/// Bits of the octet that a command begins with.
const CODE: u8 = 1;
const RESPONSE: u8 = 1 << 1;
const REQUEST_BYTES: u8 = 1 << 2;
const RESPONSE_BYTES: u8 = 1 << 3;
const BODY_OCTETS: u8 = 1 << 4;
const TAKEN: u8 = 1 << 5;
const REPLY_OCTETS: u8 = 1 << 6;
const NUMBERS: u8 = REQUEST_BYTES | RESPONSE_BYTES | BODY_OCTETS | TAKEN | REPLY_OCTETS;

impl Commands {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The commands, in order.
    pub fn iter(&self) -> impl Iterator<Item = CommandRef<'_>> {
        let mut rest = Rest(&self.0);
        std::iter::from_fn(move || rest.command())
    }

    /// Their texts, none of them read.
    pub(super) fn skim(&self) -> impl Iterator<Item = Skimmed<'_>> {
        let mut rest = Rest(&self.0);
        std::iter::from_fn(move || rest.skim())
    }
}

/// Octets that are being put together; few commands take more.
type Octets = SmallVec<[u8; 512]>;

/// [`Commands`] that are being put together.
#[derive(Debug, Default)]
pub struct CommandsBuilder(Octets);

impl CommandsBuilder {
    /// One more, behind the others.
    pub fn push(&mut self, command: CommandRef<'_>) {
        push(&mut self.0, command);
    }

    /// One that is packed already.
    pub fn push_packed(&mut self, command: PackedRef<'_>) {
        self.0.extend_from_slice(command.octets());
    }

    /// All of them.
    pub fn finish(self) -> Commands {
        Commands(self.0.as_slice().into())
    }
}

impl<'a> FromIterator<CommandRef<'a>> for Commands {
    fn from_iter<I: IntoIterator<Item = CommandRef<'a>>>(commands: I) -> Self {
        let mut builder = CommandsBuilder::default();
        for command in commands {
            builder.push(command);
        }
        builder.finish()
    }
}

impl<'a> FromIterator<&'a LogCommand> for Commands {
    fn from_iter<I: IntoIterator<Item = &'a LogCommand>>(commands: I) -> Self {
        commands.into_iter().map(LogCommand::borrowed).collect()
    }
}

impl fmt::Debug for Commands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl CommandRef<'_> {
    /// The same, with texts of its own.
    pub fn owned(self) -> LogCommand {
        LogCommand {
            verb: Verb::new(self.verb),
            request: self.request.to_owned(),
            code: self.code.map(str::to_owned),
            response: self.response.map(str::to_owned),
            request_bytes: self.request_bytes,
            response_bytes: self.response_bytes,
            body_octets: self.body_octets,
            reply_octets: self.reply_octets,
            taken: self.taken,
        }
    }

    /// Whether it is a message body.
    pub fn is_body(self) -> bool {
        self.verb == Verb::BODY
    }
}

impl LogCommand {
    /// The same, borrowed.
    pub fn borrowed(&self) -> CommandRef<'_> {
        CommandRef {
            verb: self.verb.as_str(),
            request: &self.request,
            code: self.code.as_deref(),
            response: self.response.as_deref(),
            request_bytes: self.request_bytes,
            response_bytes: self.response_bytes,
            body_octets: self.body_octets,
            reply_octets: self.reply_octets,
            taken: self.taken,
        }
    }
}

fn push(out: &mut Octets, command: CommandRef<'_>) {
    let mut there = 0;
    for (bit, is_there) in [
        (CODE, command.code.is_some()),
        (RESPONSE, command.response.is_some()),
        (REQUEST_BYTES, command.request_bytes.is_some()),
        (RESPONSE_BYTES, command.response_bytes.is_some()),
        (BODY_OCTETS, command.body_octets.is_some()),
        (REPLY_OCTETS, command.reply_octets.is_some()),
        (TAKEN, command.taken.is_some()),
    ] {
        there |= if is_there { bit } else { 0 };
    }
    out.push(there);
    push_text(out, command.verb);
    push_text(out, command.request);
    for text in [command.code, command.response].into_iter().flatten() {
        push_text(out, text);
    }
    // Time may be negative in a broken log; the bits are kept as they are.
    let taken = command.taken.map(|taken| taken.0.cast_unsigned());
    let numbers = [
        command.request_bytes,
        command.response_bytes,
        command.body_octets,
        command.reply_octets,
        taken,
    ];
    for number in numbers.into_iter().flatten() {
        push_number(out, number);
    }
}

/// A usual text is an even number, the length of another an odd one.
fn push_text(out: &mut Octets, text: &str) {
    if let Some(&at) = PLACES.get(text) {
        push_number(out, at * 2);
    } else {
        push_number(out, u64::try_from(text.len() * 2 + 1).unwrap_or(u64::MAX));
        out.extend_from_slice(text.as_bytes());
    }
}

fn push_number(out: &mut Octets, number: u64) {
    put_number(number, |octet| out.push(octet));
}

pub(super) fn put_number(mut number: u64, mut put: impl FnMut(u8)) {
    while let low @ 0x80.. = number {
        put(0x80 | u8::try_from(low & 0x7f).unwrap_or_default());
        number >>= 7;
    }
    put(u8::try_from(number).unwrap_or_default());
}

/// Where the bits of each octet of a number go.
const SHIFTS: [u8; 10] = [0, 7, 14, 21, 28, 35, 42, 49, 56, 63];

/// What is still to be read.
#[derive(Clone, Copy)]
pub(super) struct Rest<'a>(pub(super) &'a [u8]);

impl<'a> Rest<'a> {
    fn command(&mut self) -> Option<CommandRef<'a>> {
        let (there, texts) = self.texts()?;
        let mut number = |bit: u8| match there & bit {
            0 => Some(None),
            _ => Some(Some(self.number()?)),
        };
        Some(CommandRef {
            verb: texts.verb.get(),
            request: texts.request.get(),
            code: texts.code.map(RawText::get),
            response: texts.response.map(RawText::get),
            request_bytes: number(REQUEST_BYTES)?,
            response_bytes: number(RESPONSE_BYTES)?,
            body_octets: number(BODY_OCTETS)?,
            reply_octets: number(REPLY_OCTETS)?,
            taken: number(TAKEN)?.map(|taken| Span(taken.cast_signed())),
        })
    }

    fn skim(&mut self) -> Option<Skimmed<'a>> {
        let (there, texts) = self.texts()?;
        for _ in 0..(there & NUMBERS).count_ones() {
            self.number()?;
        }
        Some(texts)
    }

    /// What there is of a command, and its texts; the numbers are behind them.
    fn texts(&mut self) -> Option<(u8, Skimmed<'a>)> {
        let there = self.octet()?;
        let mut texts = Skimmed {
            verb: self.text()?,
            request: self.text()?,
            ..Skimmed::default()
        };
        if there & CODE != 0 {
            texts.code = Some(self.text()?);
        }
        if there & RESPONSE != 0 {
            texts.response = Some(self.text()?);
        }
        Some((there, texts))
    }

    #[inline]
    pub(super) fn octet(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    #[inline]
    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(taken)
    }

    #[inline]
    pub(super) fn number(&mut self) -> Option<u64> {
        match self.0 {
            // Most have one octet.
            [octet @ ..0x80, rest @ ..] => {
                self.0 = rest;
                Some((*octet).into())
            }
            _ => self.long_number(),
        }
    }

    fn long_number(&mut self) -> Option<u64> {
        let mut number = 0;
        for (octet, shift) in self.0.iter().zip(SHIFTS) {
            number |= u64::from(octet & 0x7f) << shift;
            if *octet < 0x80 {
                self.0 = self.0.get(usize::from(shift / 7) + 1..)?;
                return Some(number);
            }
        }
        None
    }

    fn text(&mut self) -> Option<RawText<'a>> {
        let number = usize::try_from(self.number()?).ok()?;
        if number.is_multiple_of(2) {
            return USUAL.get(number / 2).copied().map(RawText::Usual);
        }
        self.take(number / 2).map(RawText::Octets)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn command() -> impl Strategy<Value = LogCommand> {
        let text = || {
            prop_oneof![
                proptest::sample::select(&USUAL[..]).prop_map(str::to_owned),
                any::<String>()
            ]
        };
        let octets = || any::<Option<u64>>();
        (
            text(),
            text(),
            proptest::option::of(text()),
            proptest::option::of(text()),
            (octets(), octets(), octets(), octets(), any::<Option<i64>>()),
        )
            .prop_map(|(verb, request, code, response, numbers)| LogCommand {
                verb: Verb::new(&verb),
                request,
                code,
                response,
                request_bytes: numbers.0,
                response_bytes: numbers.1,
                body_octets: numbers.2,
                reply_octets: numbers.3,
                taken: numbers.4.map(Span),
            })
    }

    proptest! {
        #[test]
        fn what_is_packed_comes_out_as_it_was(commands in proptest::collection::vec(command(), 0..6)) {
            let packed: Commands = commands.iter().collect();
            prop_assert_eq!(packed.is_empty(), commands.is_empty());
            let whole: Vec<CommandRef<'_>> = commands.iter().map(LogCommand::borrowed).collect();
            prop_assert_eq!(packed.iter().collect::<Vec<_>>(), whole);
            for command in commands {
                let packed = PackedCommand::from(command.clone());
                prop_assert_eq!(packed.get(), command.borrowed());
            }
        }
    }

    #[test]
    fn a_usual_command_takes_few_octets() {
        let usual = CommandRef {
            verb: "MAIL",
            request: "MAIL",
            code: Some("250"),
            response: Some("250 2.1.0 Ok"),
            response_bytes: Some(14),
            ..CommandRef::default()
        };
        let packed: Commands = std::iter::once(usual).collect();
        assert_eq!(packed.0.len(), 6);
    }
}
