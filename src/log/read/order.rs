//! Large things put in order without a copy of them all.

/// Orders `things` by `key`; equal ones stay as they were. Beside them it takes a key and a number for each.
pub(super) fn order<T, K: Ord>(things: &mut [T], key: impl Fn(&T) -> K) {
    let mut sources: Vec<(K, usize)> = things.iter().map(key).zip(0..).collect();
    if sources.is_sorted() {
        return;
    }
    sources.sort_unstable();
    let mut sources: Vec<usize> = sources.into_iter().map(|(_, at)| at).collect();
    // Each ring of places that give one another their things is gone round once.
    for start in 0..sources.len() {
        let mut at = start;
        while let Some(source) = sources.get_mut(at) {
            let from = std::mem::replace(source, at);
            if from == start || from == at {
                break;
            }
            things.swap(at, from);
            at = from;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::order;

    proptest! {
        #[test]
        fn it_is_a_stable_sort(keys in proptest::collection::vec(0u8..20, 0..60)) {
            let mut things: Vec<(u8, usize)> = keys.iter().copied().zip(0..).collect();
            let mut sorted = things.clone();
            sorted.sort_by_key(|thing| thing.0);
            order(&mut things, |thing| thing.0);
            prop_assert_eq!(things, sorted);
        }
    }
}
