//! Texts in two, by what stands between.
//!
//! `str::split_once` does the same. Lines are short and there are millions of them: there a third of what reading took went into its searchers.

/// What is before the first `between` in `text`, and what is behind it.
#[inline]
pub(super) fn cut<'a>(text: &'a str, between: &str) -> Option<(&'a str, &'a str)> {
    let (&first, others) = between.as_bytes().split_first()?;
    let mut begins = memchr::memchr_iter(first, text.as_bytes());
    let at = begins.find(|at| has(text, at + 1, others))?;
    Some((text.get(..at)?, text.get(at + between.len()..)?))
}

/// The same of the last `between`.
#[inline]
pub(super) fn cut_last<'a>(text: &'a str, between: &str) -> Option<(&'a str, &'a str)> {
    let (&first, others) = between.as_bytes().split_first()?;
    let mut begins = memchr::memrchr_iter(first, text.as_bytes());
    let at = begins.find(|at| has(text, at + 1, others))?;
    Some((text.get(..at)?, text.get(at + between.len()..)?))
}

/// What is before the first `between`: all where there is none.
#[inline]
pub(super) fn head<'a>(text: &'a str, between: &str) -> &'a str {
    cut(text, between).map_or(text, |(head, _)| head)
}

/// Whether `wanted` stands at this place.
fn has(text: &str, at: usize, wanted: &[u8]) -> bool {
    let behind = text.as_bytes().get(at..);
    behind.is_some_and(|behind| behind.starts_with(wanted))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_what_the_library_does(text in "[ab: é]{0,12}", between in "[ab: é]{1,3}") {
            let between = between.as_str();
            prop_assert_eq!(cut(&text, between), text.split_once(between));
            prop_assert_eq!(cut_last(&text, between), text.rsplit_once(between));
            prop_assert_eq!(Some(head(&text, between)), text.split(between).next());
        }
    }
}
