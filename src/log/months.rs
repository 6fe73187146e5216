//! Names of months as programs write them that go by the language of their machine, `journalctl -o short` among them.

/// Abbreviations as the GNU C library has them (`abmon`) for German, French, Spanish, Italian, Dutch, Portuguese, Swedish, Danish, Norwegian,
/// Finnish, Polish, Czech, Hungarian and Romanian, in small letters and without a dot. None is of two months.
const NAMES: [&[&str]; 12] = [
    &[
        "jan", "jän", "janv", "ene", "gen", "ian", "tammi", "sty", "led",
    ],
    &["feb", "févr", "fév", "fev", "febr", "helmi", "lut", "úno"],
    &["mar", "mär", "mars", "mrt", "maalis", "bře", "márc"],
    &[
        "apr", "avril", "avr", "abr", "april", "huhti", "kwi", "dub", "ápr",
    ],
    &["may", "mai", "mag", "mei", "maj", "touko", "kvě", "máj"],
    &[
        "jun", "juin", "giu", "juni", "kesä", "cze", "čen", "jún", "iun",
    ],
    &[
        "jul", "juil", "jui", "lug", "juli", "heinä", "lip", "čec", "júl", "iul",
    ],
    &["aug", "août", "aoû", "ago", "elo", "sie", "srp"],
    &["sep", "sept", "set", "syys", "wrz", "zář", "szept"],
    &["oct", "okt", "ott", "out", "loka", "paź", "říj"],
    &["nov", "marras", "lis"],
    &["dec", "dez", "déc", "dic", "des", "joulu", "gru", "pro"],
];

/// The number of a month, from 1.
pub(super) fn month(name: &str) -> Option<u32> {
    /// The longest name has octets.
    const LONGEST: usize = 8;
    if name.len() > LONGEST {
        return None;
    }
    let small = name.strip_suffix('.').unwrap_or(name).to_lowercase();
    let is_it = |names: &&[&str]| names.contains(&small.as_str());
    let at = NAMES.iter().position(is_it)?;
    u32::try_from(at + 1).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_is_of_two_months() {
        for (at, names) in NAMES.iter().enumerate() {
            for name in *names {
                assert_eq!(month(name), u32::try_from(at + 1).ok(), "{name}");
            }
        }
        for (name, number) in [
            ("Dez", 12),
            ("déc.", 12),
            ("Mär", 3),
            ("août", 8),
            ("OKT", 10),
        ] {
            assert_eq!(month(name), Some(number), "{name}");
        }
        for name in ["", ".", "mail", "postfix/smtpd", "Januarius", "xyz"] {
            assert_eq!(month(name), None, "{name}");
        }
    }
}
