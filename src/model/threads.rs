//! Work on many items by several threads, with a result that does not depend on how many there are.

use std::collections::VecDeque;
use std::fmt;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Mutex, PoisonError};
use std::thread::{self, Scope, ScopedJoinHandle};

/// How many threads share work. Where one puts their results in order it is one more, which mostly waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threads(NonZeroUsize);

impl Default for Threads {
    /// As many as the machine has processors for this program.
    fn default() -> Self {
        Self(thread::available_parallelism().unwrap_or(NonZeroUsize::MIN))
    }
}

impl fmt::Display for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.get() {
            1 => f.write_str("1 thread"),
            many => write!(f, "{many} threads"),
        }
    }
}

impl From<NonZeroUsize> for Threads {
    fn from(count: NonZeroUsize) -> Self {
        Self(count)
    }
}

/// Items that are too few to be worth a thread.
const FEW: usize = 64;
/// Items that wait for each thread, with those that are done.
const AHEAD: usize = 2;
/// Blocks that each thread takes one after the other, so that none waits long for the last.
const BLOCKS: usize = 8;

/// Helpers that are at work in the whole program, less those who wait for them. Work that several share may itself be shared: it is by those that are
/// free then, as more of them than processors would only wait for one another.
static AT_WORK: AtomicIsize = AtomicIsize::new(0);

/// One that is at work, until it is dropped.
struct Helper;

impl Helper {
    /// At most `wanted` of them, where no more than `all` may be at work.
    fn some(wanted: usize, all: usize) -> Vec<Self> {
        let all = isize::try_from(all).unwrap_or(isize::MAX);
        let more = |at_work| (at_work < all).then_some(at_work + 1);
        let take = || AT_WORK.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        let taken = (0..wanted).map_while(|_| take().ok());
        taken.map(|_| Self).collect()
    }

    /// Has it do `work`, and then be free again. A thread that cannot be had is done without.
    fn begin<'s, R: Send + 's>(
        self,
        scope: &'s Scope<'s, '_>,
        work: impl FnOnce() -> R + Send + 's,
    ) -> Option<ScopedJoinHandle<'s, R>> {
        let work = move || {
            let _at_work = self;
            work()
        };
        thread::Builder::new().spawn_scoped(scope, work).ok()
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        AT_WORK.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One who waits for helpers, until it is dropped: another may be at work meanwhile.
struct Waiting;

impl Waiting {
    fn begin() -> Self {
        AT_WORK.fetch_sub(1, Ordering::Relaxed);
        Self
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        AT_WORK.fetch_add(1, Ordering::Relaxed);
    }
}

impl Threads {
    /// How many they are.
    pub const fn count(self) -> usize {
        self.0.get()
    }

    /// Threads that work beside the one that asks.
    pub const fn others(self) -> usize {
        self.0.get() - 1
    }

    /// What `work` gives for each item of `0..count`, in their order.
    pub fn map<R: Send>(self, count: usize, work: impl Fn(usize) -> R + Sync) -> Vec<R> {
        self.gather(count, |range| range.map(&work).collect())
    }

    /// The same for a few items that each take long.
    pub fn each<R: Send>(self, count: usize, work: impl Fn(usize) -> R + Sync) -> Vec<R> {
        self.blocks(count, 1, |range| range.map(&work).collect())
    }

    /// What `work` gives for blocks of `0..count`, put together in their order. It must not depend on where a block ends.
    pub fn gather<R: Send>(
        self,
        count: usize,
        work: impl Fn(Range<usize>) -> Vec<R> + Sync,
    ) -> Vec<R> {
        self.blocks(count, FEW, work)
    }

    /// Has `work` change each of `items`.
    pub fn change<T: Send>(self, items: &mut [T], work: impl Fn(&mut T) + Sync) {
        self.change_blocks(items, FEW, work);
    }

    /// The same of a few items that each take long.
    pub fn change_each<T: Send>(self, items: &mut [T], work: impl Fn(&mut T) + Sync) {
        self.change_blocks(items, 1, work);
    }

    /// The same where `least` items are worth a thread.
    fn change_blocks<T: Send>(self, items: &mut [T], least: usize, work: impl Fn(&mut T) + Sync) {
        let others = self.others().min((items.len() / least).saturating_sub(1));
        let size = items.len().div_ceil(self.0.get() * BLOCKS).max(least);
        let blocks = Mutex::new(items.chunks_mut(size));
        let next = || blocks.lock().unwrap_or_else(PoisonError::into_inner).next();
        let take = || {
            while let Some(block) = next() {
                block.iter_mut().for_each(&work);
            }
        };
        let _waiting = thread::scope(|scope| {
            let free = Helper::some(others, self.others()).into_iter();
            let begun = free.filter_map(|helper| helper.begin(scope, take)).count();
            take();
            (begun > 0).then(Waiting::begin)
        });
    }

    /// Has other threads `work` on each of `items` while this one takes what came of them, in their order, until it cannot. No more than a few
    /// items are worked on ahead.
    ///
    /// # Errors
    /// When `take` fails.
    pub fn pass<T: Send, R: Send, E>(
        self,
        items: impl IntoIterator<Item = T>,
        work: impl Fn(T) -> R + Sync,
        mut take: impl FnMut(R) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut items = items.into_iter();
        let work = &work;
        thread::scope(|scope| {
            let worker = || {
                let (give, asked) = channel::<T>();
                let (answer, given) = channel::<R>();
                // Who hears no more has left.
                let answer_all = move || {
                    let _: bool = asked.iter().all(|item| answer.send(work(item)).is_ok());
                };
                let spawned = thread::Builder::new().spawn_scoped(scope, answer_all);
                spawned.ok().map(|_| (give, given))
            };
            // A thread that cannot be had is done without.
            let wanted = if self.others() > 0 { self.0.get() } else { 0 };
            let workers: Vec<_> = (0..wanted).map_while(|_| worker()).collect();
            let mut turns = workers.iter().cycle();
            let mut ahead = VecDeque::new();
            loop {
                while ahead.len() < workers.len() * AHEAD
                    && let Some((give, given)) = turns.next()
                    && let Some(item) = items.next()
                {
                    // One that is not taken any more is missed when its turn comes.
                    give.send(item).ok();
                    ahead.push_back(given);
                }
                let Some(given) = ahead.pop_front() else {
                    return items.try_for_each(|item| take(work(item)));
                };
                if let Ok(done) = given.recv() {
                    take(done)?;
                }
            }
        })
    }

    /// What `one` and `other` give.
    pub fn both<A, B: Send>(self, one: impl FnOnce() -> A, other: impl Fn() -> B + Sync) -> (A, B) {
        thread::scope(|scope| {
            let helper = Helper::some(1, self.others()).pop();
            let begun = helper.and_then(|helper| helper.begin(scope, &other));
            let one = one();
            let Some(begun) = begun else {
                return (one, other());
            };
            let _waiting = Waiting::begin();
            match begun.join() {
                Ok(other) => (one, other),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// The same where `least` items are worth a thread.
    fn blocks<R: Send>(
        self,
        count: usize,
        least: usize,
        work: impl Fn(Range<usize>) -> Vec<R> + Sync,
    ) -> Vec<R> {
        let others = self.others().min((count / least).saturating_sub(1));
        if others == 0 {
            return work(0..count);
        }
        let size = count.div_ceil((others + 1) * BLOCKS);
        let next = AtomicUsize::new(0);
        let take = || {
            let block = next.fetch_add(1, Ordering::Relaxed);
            let from = block.saturating_mul(size);
            (from < count).then(|| (block, work(from..(from + size).min(count))))
        };
        let take_all = || std::iter::from_fn(take).collect::<Vec<_>>();
        let mut done: Vec<(usize, Vec<R>)> = thread::scope(|scope| {
            let mut helpers = Vec::new();
            let mut done = Vec::new();
            loop {
                // One who is not free now may be for the next block.
                let free = Helper::some(others - helpers.len(), self.others());
                let begun = free.into_iter().map(|helper| helper.begin(scope, take_all));
                helpers.extend(begun.flatten());
                let Some(block) = take() else { break };
                done.push(block);
            }
            let _waiting = (!helpers.is_empty()).then(Waiting::begin);
            for helper in helpers {
                match helper.join() {
                    Ok(more) => done.extend(more),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            done
        });
        done.sort_unstable_by_key(|&(block, _)| block);
        // Block by block: one by one they would be moved several times as slowly.
        let mut all = Vec::with_capacity(done.iter().map(|(_, done)| done.len()).sum());
        for (_, mut done) in done {
            all.append(&mut done);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn work_within_work_has_no_more_helpers_than_are_free() {
        let held = Helper::some(9, 3);
        assert!(held.len() <= 3 && Helper::some(9, held.len()).is_empty());
        let threads = Threads(NonZeroUsize::new(3).unwrap());
        let rows = threads.each(5, |row| threads.map(2 * FEW, |n| row * n));
        drop(held);
        let expected: Vec<Vec<usize>> = (0..5)
            .map(|row| (0..2 * FEW).map(|n| row * n).collect())
            .collect();
        assert_eq!(rows, expected);
    }

    #[test]
    fn who_waits_for_a_helper_helps_with_what_that_has_begun() {
        let two = Threads(NonZeroUsize::new(2).unwrap());
        let shared = AtomicBool::new(false);
        // Other tests may have the helpers meanwhile.
        for _ in 0..300 {
            let waiting = thread::current().id();
            let begun = AtomicBool::new(false);
            let until = Instant::now() + Duration::from_millis(50);
            two.each(2, |_| {
                if thread::current().id() == waiting {
                    while !begun.load(Ordering::Relaxed) && Instant::now() < until {
                        thread::yield_now();
                    }
                    return;
                }
                let own = thread::current().id();
                two.each(20 * BLOCKS, |_| {
                    begun.store(true, Ordering::Relaxed);
                    thread::sleep(Duration::from_micros(200));
                    shared.fetch_or(thread::current().id() != own, Ordering::Relaxed);
                });
            });
            if shared.load(Ordering::Relaxed) {
                return;
            }
        }
        panic!("a helper never had another");
    }

    #[test]
    fn the_order_is_that_of_the_items_on_any_number_of_threads() {
        for threads in [1, 2, 3, 8] {
            let threads = Threads(NonZeroUsize::new(threads).unwrap());
            assert_eq!(threads.both(|| 1, || 2), (1, 2));
            for count in [0, 1, FEW, 1000, 1001] {
                let squares: Vec<usize> = (0..count).map(|n| n * n).collect();
                assert_eq!(threads.map(count, |n| n * n), squares);
                let mut passed = Vec::new();
                let done = threads.pass(
                    0..count,
                    |n| n * n,
                    |square| {
                        passed.push(square);
                        if passed.len() > 999 { Err(()) } else { Ok(()) }
                    },
                );
                assert_eq!(done.is_err(), count > 999);
                assert_eq!(
                    passed,
                    squares.iter().copied().take(1000).collect::<Vec<_>>()
                );
                let pairs: Vec<usize> = (0..count).flat_map(|n| [n, n + 1]).collect();
                let twice = |range: Range<usize>| range.flat_map(|n| [n, n + 1]).collect();
                assert_eq!(threads.gather(count, twice), pairs);
                let mut changed: Vec<usize> = (0..count).collect();
                threads.change(&mut changed, |n| *n *= *n);
                assert_eq!(changed, squares);
                threads.change_each(&mut changed, |n| *n += 1);
                assert!(
                    changed
                        .iter()
                        .zip(&squares)
                        .all(|(one, other)| *one == other + 1)
                );
            }
        }
    }
}
