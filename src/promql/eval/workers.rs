//! Threads that help a large query.
//!
//! They wait for work instead of being made for it: the system puts a thread that wakes up on an
//! idle processor, and a new one often on that of its maker, where the two share it for
//! milliseconds (Linux 6.18 on two processors: 77 of 100). There are as many as processors, for
//! all queries together, and a query that finds none free does its work alone.

use crate::error::Result;
use rayon_core::{ThreadPool, ThreadPoolBuilder};
use series::Workers;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

struct Helpers {
    pool: ThreadPool,
    free: AtomicUsize,
}

/// The helpers of this process; none where the system gives no threads.
fn helpers() -> Option<&'static Helpers> {
    static HELPERS: OnceLock<Option<Helpers>> = OnceLock::new();
    let start = || {
        let count = std::thread::available_parallelism().map_or(1, usize::from);
        let pool = ThreadPoolBuilder::new()
            .num_threads(count)
            .thread_name(|at| format!("query-{at}"))
            .build();
        pool.ok().map(|pool| Helpers {
            pool,
            free: AtomicUsize::new(count),
        })
    };
    HELPERS.get_or_init(start).as_ref()
}

/// Helpers that a query has for itself, until it drops this.
struct Taken {
    from: &'static Helpers,
    count: usize,
}

impl Taken {
    /// Takes those that are free, up to `wanted`: none would wait for another query's work.
    fn take(wanted: usize) -> Option<Self> {
        if wanted == 0 {
            return None;
        }
        let from = helpers()?;
        let rest = |free: usize| Some(free.saturating_sub(wanted));
        let (Ok(free) | Err(free)) =
            from.free
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, rest);
        (free > 0).then(|| Self {
            from,
            count: free.min(wanted),
        })
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.from.free.fetch_add(self.count, Ordering::Relaxed);
    }
}

/// Runs `work` on each part and gives the results back in the order of the parts.
///
/// Up to `workers` threads take the next part whenever they are done with one, so that all of
/// them end at about the same time. `start` makes what a thread reuses from part to part. After
/// an error no part is begun.
pub(crate) fn in_parallel<P: Send, S, R: Send>(
    workers: usize,
    parts: Vec<P>,
    start: impl Fn() -> Result<S> + Sync,
    work: impl Fn(&mut S, P) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let wanted = match workers.min(parts.len()) {
        0 | 1 => 0,
        several => several,
    };
    let taken = Taken::take(wanted);
    let parts = Mutex::new(parts.into_iter().enumerate());
    let next = || parts.lock().unwrap_or_else(PoisonError::into_inner).next();
    let run = || {
        let mut done = Vec::new();
        let mut all = || {
            let mut state = start()?;
            while let Some((at, part)) = next() {
                done.push((at, work(&mut state, part)?));
            }
            Ok(())
        };
        let ended: Result<()> = all();
        if ended.is_err() {
            while next().is_some() {}
        }
        ended.map(|()| done)
    };
    let others = Mutex::new(Vec::new());
    let own = match taken {
        // The scope ends when all are done; a helper's panic is ours then.
        Some(taken) => taken.from.pool.in_place_scope(|scope| {
            for _ in 0..taken.count {
                scope.spawn(|_| {
                    let done = run();
                    others
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(done);
                });
            }
            // With as many as it wants, this thread leaves its processor to them: each wakes up
            // where it was before, and they were apart.
            if taken.count < wanted {
                run()
            } else {
                Ok(Vec::new())
            }
        }),
        None => run(),
    };
    let mut done = own?;
    for other in others.into_inner().unwrap_or_else(PoisonError::into_inner) {
        done.extend(other?);
    }
    done.sort_unstable_by_key(|(at, _)| *at);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}

/// At most so many threads, for sources that select.
pub(crate) struct Threads(pub(crate) usize);

impl Workers for Threads {
    fn run(&self, count: usize, work: &(dyn Fn(usize) + Sync)) {
        let each = |(): &mut (), at| {
            work(at);
            Ok(())
        };
        // None of these fails, so that all are done.
        let _ = in_parallel(self.0, (0..count).collect(), || Ok(()), each);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn parts_come_back_in_their_order_from_any_number_of_threads() {
        for workers in 1..5 {
            let count = |seen: &mut usize, part: usize| {
                *seen += 1;
                Ok((part * 2, *seen))
            };
            let results = in_parallel(workers, (0..50).collect(), || Ok(0), count).unwrap();
            let doubled: Vec<usize> = results.iter().map(|(doubled, _)| *doubled).collect();
            assert_eq!(doubled, (0..50).map(|part| part * 2).collect::<Vec<_>>());
            // Each thread counted its own: as many have counted to 1 as did anything.
            let begun = results.iter().filter(|(_, seen)| *seen == 1).count();
            assert!((1..=workers).contains(&begun), "{begun} of {workers}");
        }
    }

    #[test]
    fn after_an_error_no_part_is_begun() {
        let begun = AtomicUsize::new(0);
        let fail = |(): &mut (), part: usize| {
            begun.fetch_add(1, Ordering::Relaxed);
            if part == 0 {
                return Err(Error::Unsupported("this"));
            }
            // The other thread is here while the first fails.
            std::thread::sleep(std::time::Duration::from_millis(50));
            Ok(part)
        };
        assert!(in_parallel(2, (0..1_000).collect(), || Ok(()), fail).is_err());
        assert!(begun.load(Ordering::Relaxed) < 500);
        assert!(in_parallel(2, vec![1, 2], || Err(Error::Unsupported("that")), fail).is_err());
    }

    #[test]
    fn without_free_helpers_the_work_is_done_all_the_same() {
        let _all = Taken::take(usize::MAX);
        let done = in_parallel(3, vec![1, 2, 3], || Ok(()), |(), part| Ok(part));
        assert_eq!(done.unwrap(), [1, 2, 3]);
    }

    #[test]
    fn a_panic_reaches_who_asked_and_costs_no_helper() {
        let panics = |(): &mut (), part: usize| match part {
            0 => panic!("of a part"),
            part => Ok(part),
        };
        for _ in 0..50 {
            let run = || in_parallel(2, (0..10).collect(), || Ok(()), panics);
            assert!(std::panic::catch_unwind(run).is_err());
        }
        // Other tests may hold some for a moment.
        while Taken::take(1).is_none() {
            std::thread::yield_now();
        }
    }
}
