//! Work on many pieces that know nothing of each other, on all processors, in their order.

use std::num::NonZero;
use std::thread;

/// Fewer are not worth a thread.
const WORTH: usize = 4096;

/// What `each` makes of every item, in the order of the items whatever the number of processors.
pub(super) fn map<T: Send, U: Send>(mut items: Vec<T>, each: impl Fn(T) -> U + Sync) -> Vec<U> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    if threads == 1 || items.len() < WORTH {
        return items.into_iter().map(each).collect();
    }
    let share = items.len().div_ceil(threads);
    let mut shares = Vec::with_capacity(threads);
    while items.len() > share {
        shares.push(items.split_off(items.len() - share));
    }
    shares.push(items);
    thread::scope(|scope| {
        let each = &each;
        let works: Vec<_> = shares
            .into_iter()
            .rev()
            .map(|share| scope.spawn(move || share.into_iter().map(each).collect::<Vec<U>>()))
            .collect();
        let mut all = Vec::new();
        for work in works {
            match work.join() {
                Ok(done) => all.extend(done),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        all
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_stays_however_many_there_are() {
        for count in [0, 1, WORTH, 3 * WORTH + 7] {
            let doubled = map((0..count).collect(), |number| number * 2);
            assert!(
                doubled
                    .iter()
                    .copied()
                    .eq((0..count).map(|number| number * 2)),
                "{count}"
            );
        }
    }
}
