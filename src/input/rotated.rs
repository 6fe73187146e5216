//! Rotated sets: files that are one log, cut by time.
//!
//! `mail.log`, `mail.log.1`, `mail.log.2.gz` (logrotate), `mail.log-20261101.gz` (its `dateext`), and logs that have their day in their name:
//! `ex261101.log`, `RECV2026110116-1.LOG`, `hmailserver_2026-11-01.log`. And two files that are the halves of one: `NAME.in` and `NAME.out`, what came
//! and what went (Dovecot's rawlog).

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Endings of compressed files.
const PACKED: [&str; 7] = [".gz", ".xz", ".zst", ".zstd", ".lz4", ".bz2", ".Z"];

/// Whose file it is, and how old among them.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Member {
    family: (PathBuf, String),
    age: Age,
}

/// From the oldest to the newest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Age {
    /// Digits of a date, and the number of the file of that day or hour.
    Date(String, u64),
    /// `.1` is newer than `.2`.
    Turn(Reverse<u64>),
    /// The file that is being written.
    Current,
    /// What came in, or what went out: neither is older.
    Half(Half),
}

/// Which of two files that belong together; what came in is read first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Half {
    In,
    Out,
}

/// Puts the files of a rotated set together: sets in the order of their first file in `paths`, the oldest file of each first; indices of `paths`.
pub fn rotated_sets(paths: &[&Path]) -> Vec<Vec<usize>> {
    let mut sets: Vec<Vec<(Age, usize)>> = Vec::new();
    let mut known: BTreeMap<(PathBuf, String), usize> = BTreeMap::new();
    for (at, path) in paths.iter().enumerate() {
        let half = Member::half(path).filter(|(other, _)| paths.contains(&other.as_path()));
        let member = half.map(|(_, member)| member).or_else(|| Member::of(path));
        let Some(member) = member else {
            sets.push(vec![(Age::Current, at)]);
            continue;
        };
        let set = *known.entry(member.family).or_insert_with(|| {
            sets.push(Vec::new());
            sets.len() - 1
        });
        if let Some(set) = sets.get_mut(set) {
            set.push((member.age, at));
        }
    }
    for set in &mut sets {
        set.sort();
    }
    sets.into_iter()
        .map(|set| set.into_iter().map(|(_, at)| at).collect())
        .collect()
}

impl Member {
    /// As a half, and where the other one would be.
    fn half(path: &Path) -> Option<(PathBuf, Self)> {
        let name = path.file_name()?.to_str()?;
        let (stem, half, other) = match name.strip_suffix(".in") {
            Some(stem) => (stem, Half::In, "out"),
            None => (name.strip_suffix(".out")?, Half::Out, "in"),
        };
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let member = Self {
            family: (folder, format!("{stem}.in+out")),
            age: Age::Half(half),
        };
        Some((path.with_extension(other), member))
    }

    fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let plain = PACKED
            .iter()
            .find_map(|ending| name.strip_suffix(ending))
            .unwrap_or(name);
        let (stem, age) = turn(plain)
            .or_else(|| dated(plain))
            .unwrap_or_else(|| (plain.to_owned(), Age::Current));
        Some(Self {
            family: (folder, stem),
            age,
        })
    }
}

/// `mail.log.2`.
fn turn(name: &str) -> Option<(String, Age)> {
    let (stem, number) = name.rsplit_once('.')?;
    let is_number =
        (1..=4).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit());
    let number = number
        .parse()
        .ok()
        .filter(|_| is_number && !stem.is_empty())?;
    Some((stem.to_owned(), Age::Turn(Reverse(number))))
}

/// A date at the end (`mail.log-20261101`) leaves the name of the current file; one within stays as a mark in the name.
fn dated(name: &str) -> Option<(String, Age)> {
    let bytes = name.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let is_digit = |byte: &u8| byte.is_ascii_digit();
        let from = at + bytes.get(at..)?.iter().position(is_digit)?;
        let length = bytes
            .get(from..)?
            .iter()
            .take_while(|byte| byte.is_ascii_digit() || **byte == b'-')
            .count();
        let run = name.get(from..from + length)?.trim_end_matches('-');
        let behind = from + run.len();
        if let Some((digits, number)) = date(run) {
            let before = name.get(..from)?;
            let after = name.get(behind..)?;
            let stem = match (before.strip_suffix(['-', '.', '_']), after) {
                (Some(stem), "") => stem.to_owned(),
                _ => format!("{before}*{after}"),
            };
            return Some((stem, Age::Date(digits, number)));
        }
        at = from + length;
    }
    None
}

/// `YYMMDD`, `YYMMDDHH`, `YYYYMMDD`, `YYYYMMDDHH` or `YYYY-MM-DD`, perhaps with `-N` behind: its digits and that number.
fn date(run: &str) -> Option<(String, u64)> {
    let parts: Vec<&str> = run.split('-').collect();
    let (digits, rest) = match parts.as_slice() {
        [year, month, day, rest @ ..] if year.len() == 4 && month.len() == 2 && day.len() == 2 => {
            (format!("{year}{month}{day}"), rest)
        }
        [digits, rest @ ..] => ((*digits).to_owned(), rest),
        [] => return None,
    };
    let number = match rest {
        [] => 0,
        [number] => number.parse().ok()?,
        _ => return None,
    };
    let two = |from: usize| digits.get(from..from + 2)?.parse::<u8>().ok();
    let is_day = |from: usize| {
        two(from).is_some_and(|month| (1..=12).contains(&month))
            && two(from + 2).is_some_and(|day| (1..=31).contains(&day))
    };
    let is_hour = |from: usize| two(from).is_some_and(|hour| hour < 24);
    let has_century = digits.starts_with("19") || digits.starts_with("20");
    let is_date = match digits.len() {
        6 => is_day(2),
        8 => has_century && is_day(4) || is_day(2) && is_hour(6),
        10 => has_century && is_day(4) && is_hour(8),
        _ => false,
    };
    is_date.then_some((digits, number))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sets(names: &[&str]) -> Vec<Vec<String>> {
        let paths: Vec<&Path> = names.iter().map(Path::new).collect();
        rotated_sets(&paths)
            .into_iter()
            .map(|set| set.into_iter().map(|at| names[at].to_owned()).collect())
            .collect()
    }

    #[test]
    fn numbers_count_backwards_and_the_plain_name_is_last() {
        assert_eq!(
            sets(&[
                "log/mail.log",
                "log/mail.log.1",
                "log/mail.log.10.gz",
                "log/mail.log.2.gz",
                "mail.log.1"
            ]),
            [
                vec![
                    "log/mail.log.10.gz",
                    "log/mail.log.2.gz",
                    "log/mail.log.1",
                    "log/mail.log"
                ],
                vec!["mail.log.1"]
            ]
        );
    }

    #[test]
    fn dates_count_forwards() {
        assert_eq!(
            sets(&["maillog", "maillog-20261108", "maillog-20261101.xz"]),
            [["maillog-20261101.xz", "maillog-20261108", "maillog"]]
        );
        assert_eq!(
            sets(&["ex261102.log", "ex261101.log", "u_ex261101.log"]),
            [vec!["ex261101.log", "ex261102.log"], vec!["u_ex261101.log"]]
        );
        assert_eq!(
            sets(&[
                "RECV2026110116-2.LOG",
                "RECV2026110116-1.LOG",
                "SEND2026110116-1.LOG"
            ]),
            [
                vec!["RECV2026110116-1.LOG", "RECV2026110116-2.LOG"],
                vec!["SEND2026110116-1.LOG"]
            ]
        );
        assert_eq!(
            sets(&["hmailserver_2026-11-02.log", "hmailserver_2026-11-01.log"]),
            [["hmailserver_2026-11-01.log", "hmailserver_2026-11-02.log"]]
        );
    }

    #[test]
    fn halves_come_together_and_not_with_those_of_another_day() {
        assert_eq!(
            sets(&[
                "20261124-034340.77.1.out",
                "20261125-034340.77.1.in",
                "20261124-034340.77.1.in",
                "20261125-034340.77.1.out",
                "catalina.out",
                "catalina.out.1",
            ]),
            [
                vec!["20261124-034340.77.1.in", "20261124-034340.77.1.out"],
                vec!["20261125-034340.77.1.in", "20261125-034340.77.1.out"],
                vec!["catalina.out.1", "catalina.out"],
            ]
        );
    }

    #[test]
    fn other_numbers_are_names() {
        let names = [
            "host1.log",
            "host2.log",
            "access.log",
            "error.log",
            "v2.99.log",
            "x139999.log",
            "x139998.log",
        ];
        assert_eq!(sets(&names).len(), names.len());
    }

    proptest! {
        #[test]
        fn every_path_is_in_one_set(names in proptest::collection::vec("[a-z]{0,2}[-.]?[0-9-]{0,9}(\\.gz)?", 0..12)) {
            let paths: Vec<&Path> = names.iter().map(Path::new).collect();
            let mut all: Vec<usize> = rotated_sets(&paths).concat();
            all.sort_unstable();
            prop_assert_eq!(all, (0..names.len()).collect::<Vec<_>>());
        }
    }
}
