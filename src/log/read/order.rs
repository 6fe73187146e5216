//! Large things put in order without a copy of them all.

/// Orders `things` by `key`; equal ones stay as they were. Beside them it takes a key and a number for each.
pub(super) fn order<T, K: Ord>(things: &mut [T], key: impl Fn(&T) -> K) {
    if things.is_sorted_by_key(&key) {
        return;
    }
    let mut sources: Vec<(K, usize)> = things.iter().map(key).zip(0..).collect();
    sources.sort_unstable();
    let sources: Vec<usize> = sources.into_iter().map(|(_, at)| at).collect();
    for (at, &source) in sources.iter().enumerate() {
        // What stood at a place already filled was moved to where that place's own came from.
        let mut source = source;
        while source < at {
            match sources.get(source) {
                Some(&next) => source = next,
                None => break,
            }
        }
        things.swap(at, source);
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
