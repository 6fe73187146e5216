//! Work on many items by several threads, with a result that does not depend on how many there are.

use std::collections::VecDeque;
use std::fmt;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
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

/// Helpers that are at work in the whole program. Work that several share may itself be shared: it is by those that are free then, as more of
/// them than processors would only wait for one another.
static AT_WORK: AtomicUsize = AtomicUsize::new(0);

/// One that is at work, until it is dropped.
struct Helper;

impl Helper {
    /// At most `wanted` of them, where no more than `all` may be at work.
    fn some(wanted: usize, all: usize) -> Vec<Self> {
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
        let helpers = self.helpers(items.len(), least);
        let size = items.len().div_ceil(self.0.get() * BLOCKS).max(least);
        let blocks = Mutex::new(items.chunks_mut(size));
        let next = || blocks.lock().unwrap_or_else(PoisonError::into_inner).next();
        let take = || {
            while let Some(block) = next() {
                block.iter_mut().for_each(&work);
            }
        };
        thread::scope(|scope| {
            for helper in helpers {
                helper.begin(scope, take);
            }
            take();
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

    /// Those who help with `count` items of which `least` are worth a thread.
    fn helpers(self, count: usize, least: usize) -> Vec<Helper> {
        let wanted = self.0.get().min(count / least);
        Helper::some(wanted.saturating_sub(1), self.others())
    }

    /// The same where `least` items are worth a thread.
    fn blocks<R: Send>(
        self,
        count: usize,
        least: usize,
        work: impl Fn(Range<usize>) -> Vec<R> + Sync,
    ) -> Vec<R> {
        let helpers = self.helpers(count, least);
        if helpers.is_empty() {
            return work(0..count);
        }
        let size = count.div_ceil((helpers.len() + 1) * BLOCKS);
        let next = AtomicUsize::new(0);
        let take = || {
            let mut done = Vec::new();
            loop {
                let block = next.fetch_add(1, Ordering::Relaxed);
                let from = block.saturating_mul(size);
                if from >= count {
                    return done;
                }
                done.push((block, work(from..(from + size).min(count))));
            }
        };
        let mut done: Vec<(usize, Vec<R>)> = thread::scope(|scope| {
            let begun = helpers.into_iter().map(|helper| helper.begin(scope, take));
            let others: Vec<_> = begun.flatten().collect();
            let mut done = take();
            for other in others {
                match other.join() {
                    Ok(more) => done.extend(more),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            done
        });
        done.sort_unstable_by_key(|&(block, _)| block);
        done.into_iter().flat_map(|(_, done)| done).collect()
    }
}

#[cfg(test)]
mod tests {
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
    fn the_order_is_that_of_the_items_on_any_number_of_threads() {
        for threads in [1, 2, 3, 8] {
            let threads = Threads(NonZeroUsize::new(threads).unwrap());
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
