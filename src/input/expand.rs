//! Arguments become paths: files stay, folders and patterns become the files in them.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};

use super::InputError;
use super::open::not_found;

/// The inputs that `argument` names: itself, the files of a folder, or those that match a pattern.
///
/// Names come in natural order (`trace2` before `trace10`), so that rotated files come in turn.
///
/// # Errors
/// When a folder cannot be read or nothing matches.
pub fn expand(argument: &Path) -> Result<Vec<PathBuf>, InputError> {
    if argument == Path::new("-") || argument.exists() && !argument.is_dir() {
        return Ok(vec![argument.to_owned()]);
    }
    let found = if argument.is_dir() {
        files_in(argument, |name| !name.starts_with('.'))?
    } else {
        let name = argument.file_name().and_then(|name| name.to_str());
        let Some(pattern) = name.filter(|name| name.contains(['*', '?', '['])) else {
            // Opening it says best why not.
            return Ok(vec![argument.to_owned()]);
        };
        let pattern: Vec<char> = pattern.chars().collect();
        let folder = match argument.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        files_in(folder, |name| {
            let name: Vec<char> = name.chars().collect();
            matches(&pattern, &name)
        })?
    };
    if found.is_empty() {
        return Err(not_found(argument));
    }
    Ok(found)
}

fn files_in(folder: &Path, wanted: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>, InputError> {
    let refused = |source| InputError::Refused {
        path: folder.to_owned(),
        source,
    };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(refused)? {
        let entry = entry.map_err(refused)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !entry.path().is_dir() && wanted(&name) {
            names.push((name, entry.path()));
        }
    }
    names.sort_by(|one, other| natural(&one.0, &other.0));
    Ok(names.into_iter().map(|(_, path)| path).collect())
}

/// Order in which runs of digits count as numbers.
fn natural(one: &str, other: &str) -> Ordering {
    keys(one).cmp(&keys(other)).then_with(|| one.cmp(other))
}

/// Pieces of a name: text, and numbers by length and digits.
fn keys(name: &str) -> Vec<(String, usize, String)> {
    let mut keys = vec![(String::new(), 0, String::new())];
    for character in name.chars() {
        let Some((text, length, digits)) = keys.last_mut() else {
            break;
        };
        if character.is_ascii_digit() {
            if character != '0' || *length > 0 {
                digits.push(character);
                *length += 1;
            }
        } else if *length > 0 {
            keys.push((character.to_string(), 0, String::new()));
        } else {
            text.push(character);
        }
    }
    keys
}

/// Shell patterns: `*`, `?`, and sets in brackets. Takes time linear in the product of the lengths at most.
fn matches(pattern: &[char], name: &[char]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    loop {
        let step = match pattern.get(p) {
            Some('*') => {
                star = Some((p + 1, n));
                p += 1;
                continue;
            }
            None if n == name.len() => return true,
            None => None,
            Some(_) => name
                .get(n)
                .and_then(|&character| one(pattern.get(p..).unwrap_or_default(), character)),
        };
        match (step, star) {
            (Some(length), _) => {
                p += length;
                n += 1;
            }
            // Let the last star take one more.
            (None, Some((after, from))) if from < name.len() => {
                star = Some((after, from + 1));
                (p, n) = (after, from + 1);
            }
            (None, _) => return false,
        }
    }
}

/// Whether the first piece of `pattern` takes `character`; gives the piece's length.
fn one(pattern: &[char], character: char) -> Option<usize> {
    match pattern {
        ['?', ..] => Some(1),
        ['[', rest @ ..] => {
            let (negated, rest, skipped) = match rest {
                ['!' | '^', rest @ ..] => (true, rest, 2),
                _ => (false, rest, 1),
            };
            let end = 1 + rest.iter().skip(1).position(|&c| c == ']')?;
            let set = rest.get(..end)?;
            let within = in_set(set, character);
            (within != negated).then_some(skipped + end + 1)
        }
        [first, ..] => (*first == character).then_some(1),
        [] => None,
    }
}

fn in_set(set: &[char], character: char) -> bool {
    match set {
        [from, '-', to, rest @ ..] => (*from..=*to).contains(&character) || in_set(rest, character),
        [first, rest @ ..] => *first == character || in_set(rest, character),
        [] => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &str, name: &str) -> bool {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        matches(&chars(pattern), &chars(name))
    }

    #[test]
    fn patterns_match_as_in_a_shell() {
        for (pattern, name, wanted) in [
            ("*.log", "mail.log", true),
            ("*.log", "mail.log.1", false),
            ("ex0[6-9]????.log", "ex061009.log", true),
            ("ex[!0]*", "ex061009.log", false),
            ("a*b*c", "aXbXbXc", true),
            ("a*b*c", "aXbXbX", false),
            ("[", "x", false),
        ] {
            assert_eq!(fits(pattern, name), wanted, "{pattern} {name}");
        }
        let long = "a".repeat(2000);
        assert!(!fits(
            &"a*".repeat(50).as_str().replace("**", "*"),
            &format!("b{long}")
        ));
    }

    #[test]
    fn a_folder_gives_its_files_in_natural_order() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["t10.pcap", "t2.pcap", ".hidden", "t2.log"] {
            std::fs::write(folder.path().join(name), b"").unwrap();
        }
        let names = |found: Vec<PathBuf>| -> Vec<String> {
            found
                .iter()
                .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
                .collect()
        };
        assert_eq!(
            names(expand(folder.path()).unwrap()),
            ["t2.log", "t2.pcap", "t10.pcap"]
        );
        let pattern = folder.path().join("*.pcap");
        assert_eq!(names(expand(&pattern).unwrap()), ["t2.pcap", "t10.pcap"]);
        let error = expand(&folder.path().join("*.cap")).unwrap_err();
        assert!(error.to_string().contains("*.cap"), "{error}");
    }
}
