//! How often each command was used in a session, as `smtpd` counts it at disconnect (`smtpd_cmd_table` in `smtpd/smtpd.c`).

/// A command that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    Ehlo,
    Mail,
    Rcpt,
    Data,
    Quit,
    StartTls,
    Auth,
    Rset,
    Helo,
    Bdat,
    Noop,
    Vrfy,
    Etrn,
    Xclient,
    Xforward,
    /// What is no command; its words are not logged.
    Unknown,
}

/// All of them, the most frequent first.
const ALL: [(Word, &str); 16] = [
    (Word::Ehlo, "EHLO"),
    (Word::Mail, "MAIL"),
    (Word::Rcpt, "RCPT"),
    (Word::Data, "DATA"),
    (Word::Quit, "QUIT"),
    (Word::StartTls, "STARTTLS"),
    (Word::Auth, "AUTH"),
    (Word::Rset, "RSET"),
    (Word::Helo, "HELO"),
    (Word::Bdat, "BDAT"),
    (Word::Noop, "NOOP"),
    (Word::Vrfy, "VRFY"),
    (Word::Etrn, "ETRN"),
    (Word::Xclient, "XCLIENT"),
    (Word::Xforward, "XFORWARD"),
    (Word::Unknown, "UNKNOWN"),
];

impl Word {
    /// The command of this name, in any case.
    pub(super) fn named(name: &[u8]) -> Option<Self> {
        let found = ALL
            .iter()
            .find(|(_, known)| known.as_bytes().eq_ignore_ascii_case(name));
        found.map(|(word, _)| *word)
    }
}

/// How often a command was used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// With a reply that accepts it.
    pub(super) accepted: u32,
    /// In all.
    pub(super) total: u32,
}

impl Tally {
    /// `1/2`: accepted and in all; `2` where all were accepted.
    fn read(text: &[u8]) -> Option<Self> {
        let slash = text.iter().position(|&octet| octet == b'/');
        let (accepted, total) = match slash {
            Some(at) => (text.get(..at)?, text.get(at + 1..)?),
            None => (text, text),
        };
        let (accepted, total) = (number(accepted)?, number(total)?);
        (accepted <= total).then_some(Self { accepted, total })
    }

    pub(super) const fn refused(self) -> u32 {
        self.total.saturating_sub(self.accepted)
    }
}

/// The tallies of all commands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tallies([Tally; ALL.len()]);

impl Tallies {
    /// `ehlo=1 rcpt=1/2 commands=2/3`; the last is the sum of the others.
    pub(super) fn read(text: &str) -> Self {
        let mut tallies = Self::default();
        for part in text.as_bytes().split(|&octet| octet == b' ') {
            let Some(at) = part.iter().position(|&octet| octet == b'=') else {
                continue;
            };
            let (name, numbers) = (part.get(..at), part.get(at + 1..));
            if let Some(word) = name.and_then(Word::named)
                && let Some(tally) = numbers.and_then(Tally::read)
            {
                tallies.set(word, tally);
            }
        }
        tallies
    }

    pub(super) fn get(&self, word: Word) -> Tally {
        self.0.get(word as usize).copied().unwrap_or_default()
    }

    fn set(&mut self, word: Word, tally: Tally) {
        if let Some(of_word) = self.0.get_mut(word as usize) {
            *of_word = tally;
        }
    }

    /// Whether nothing was counted; old versions count nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|tally| tally.total == 0)
    }

    /// How many commands there are, as far as they are placed: of those unknown the words are missing.
    pub(super) fn sum(&self) -> u64 {
        let known = ALL.iter().filter(|(word, _)| *word != Word::Unknown);
        known
            .map(|(word, _)| u64::from(self.get(*word).total))
            .sum()
    }

    /// Takes one accepted command off, if there is one.
    pub(super) fn take(&mut self, word: Word) -> bool {
        let mut tally = self.get(word);
        let any = tally.accepted > 0;
        if any {
            tally.accepted -= 1;
            tally.total = tally.total.saturating_sub(1);
            self.set(word, tally);
        }
        any
    }

    /// Takes one refused command off, if there is one.
    pub(super) fn take_refused(&mut self, word: Word) -> bool {
        let mut tally = self.get(word);
        let any = tally.refused() > 0;
        if any {
            tally.total -= 1;
            self.set(word, tally);
        }
        any
    }
}

fn number(text: &[u8]) -> Option<u32> {
    let mut number = 0u32;
    for octet in text {
        let digit = octet.is_ascii_digit().then(|| octet - b'0')?;
        number = number.checked_mul(10)?.checked_add(digit.into())?;
    }
    (!text.is_empty()).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_and_what_is_none_is_passed_over() {
        let tallies =
            Tallies::read("ehlo=1 mail=0/1 rcpt=1/2 unknown=0/3 what=1 quit=x data= commands=2/7");
        let counted = ALL.iter().filter_map(|(word, _)| {
            let Tally { accepted, total } = tallies.get(*word);
            (total > 0).then_some((*word, accepted, total))
        });
        assert_eq!(
            counted.collect::<Vec<_>>(),
            [
                (Word::Ehlo, 1, 1),
                (Word::Mail, 0, 1),
                (Word::Rcpt, 1, 2),
                (Word::Unknown, 0, 3)
            ]
        );
        assert_eq!(tallies.sum(), 4);
        assert!(Tallies::read("").is_empty());
        assert!(Tallies::read("rcpt=4294967296 data=-1 mail=4294967295/1").is_empty());
    }

    #[test]
    fn each_word_has_its_place() {
        for (at, (word, name)) in ALL.iter().enumerate() {
            assert_eq!(*word as usize, at);
            let small = name.to_ascii_lowercase();
            assert_eq!(Word::named(small.as_bytes()), Some(*word));
        }
        assert_eq!(Word::named(b"END-OF-MESSAGE"), None);
    }

    #[test]
    fn no_more_is_taken_than_was_counted() {
        let mut tallies = Tallies::read("rcpt=1/3");
        assert!(tallies.take(Word::Rcpt));
        assert!(!tallies.take(Word::Rcpt));
        assert!(tallies.take_refused(Word::Rcpt) && tallies.take_refused(Word::Rcpt));
        assert!(!tallies.take_refused(Word::Rcpt));
        assert!(tallies.is_empty());
    }
}
