//! Series that are evaluated one at a time, when somebody reads them.
//!
//! A chain such as `abs(rate(m[5m]) * 2)` never stands in memory as a whole: whoever consumes
//! it, an aggregation or the answer, reads row by row into a buffer that is reused, on as many
//! threads as the work is worth.

use super::Evaluator;
use super::edges::Edges;
use super::vector::{Head, Histograms, Vector, is_present};
use crate::error::Result;
use series::{Columns, Extras, Histogram};
use std::sync::{Arc, Mutex, PoisonError};

/// Rows that can be read in any order and from any thread.
pub(crate) trait Rows: Send + Sync {
    /// How many there are.
    fn len(&self) -> usize;

    /// The labels of a row, without reading its values.
    fn head(&self, row: usize) -> Head;

    /// Reads a row: every cell of `out` and all of `histograms` are replaced. Gives back whether
    /// any step has a sample.
    fn read(
        &self,
        row: usize,
        scratch: &mut Scratch,
        out: &mut [f64],
        histograms: &mut Vec<(usize, Arc<Histogram>)>,
    ) -> Result<bool>;

    /// About how many samples and cells reading all rows touches; to decide about threads.
    fn cost(&self) -> usize;
}

/// Memory that a worker reuses from row to row.
#[derive(Default)]
pub(crate) struct Scratch {
    pub(crate) columns: Columns,
    pub(crate) extras: Extras,
    /// Times and values of a series that does not follow its timeline.
    pub(crate) times: Vec<i64>,
    pub(crate) values: Vec<f64>,
    pub(crate) edges: Edges,
    /// Space for functions that sort or collect.
    pub(crate) sorted: Vec<f64>,
    /// Samples read since they were last counted.
    pub(crate) samples: u64,
}

/// Rows of a vector that stands in memory.
pub(crate) struct VectorRows(pub(crate) Arc<Vector>);

impl Rows for VectorRows {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn head(&self, row: usize) -> Head {
        self.0.heads[row].clone()
    }

    fn read(
        &self,
        row: usize,
        _scratch: &mut Scratch,
        out: &mut [f64],
        histograms: &mut Vec<(usize, Arc<Histogram>)>,
    ) -> Result<bool> {
        out.copy_from_slice(self.0.row(row));
        histograms.clear();
        if !self.0.histograms.is_empty() {
            histograms.extend(
                self.0
                    .row_histograms(row)
                    .map(|(step, histogram)| (step, Arc::clone(histogram))),
            );
        }
        Ok(true)
    }

    fn cost(&self) -> usize {
        self.0.cells.len() / 4
    }
}

/// Work below this many samples is done on the thread that asks.
const WORTH_A_THREAD: usize = 400_000;

/// How many parts of the rows each thread gets: few enough to cost nothing, and so many that a
/// thread which the machine held up leaves the others little to wait for.
const PARTS_OF_A_THREAD: usize = 16;

impl Evaluator<'_> {
    /// How many threads `cost` samples are worth.
    pub(crate) fn workers(&self, cost: usize) -> usize {
        (cost / WORTH_A_THREAD + 1).min(self.limits.threads.max(1))
    }

    /// Reads all rows into memory, leaving out those without any sample.
    pub(crate) fn materialise(&self, rows: &dyn Rows, steps: usize) -> Result<Vector> {
        let count = rows.len();
        if count == 0 {
            return Ok(Vector::empty(steps));
        }
        let reservation = self.budget.reserve(count, steps)?;
        // Reading replaces every cell. Zeros cost nothing until then: the threads touch the
        // memory first.
        let mut cells = vec![0.0; count * steps];
        let mut present = vec![false; count];
        let workers = self.workers(rows.cost());
        let part = match workers {
            1 => count,
            _ => count.div_ceil(workers * PARTS_OF_A_THREAD),
        };
        let parts: Vec<(usize, &mut [f64], &mut [bool])> = cells
            .chunks_mut(part * steps)
            .zip(present.chunks_mut(part))
            .enumerate()
            .map(|(index, (cells, present))| (index * part, cells, present))
            .collect();
        let found = in_parallel(
            workers,
            parts,
            || Ok((Scratch::default(), Vec::new())),
            |(scratch, histograms), (first, cells, present)| {
                let mut found = Histograms::new();
                for (index, (out, any)) in cells.chunks_mut(steps).zip(present).enumerate() {
                    self.interrupt.check()?;
                    *any = rows.read(first + index, scratch, out, histograms)?;
                    for (step, histogram) in histograms.drain(..) {
                        found.insert((first + index) * steps + step, histogram);
                    }
                }
                self.count_samples(scratch);
                Ok(found)
            },
        )?;
        let mut histograms = Histograms::new();
        for mut found in found {
            histograms.append(&mut found);
        }
        let vector = Vector {
            steps,
            heads: (0..count).map(|row| rows.head(row)).collect(),
            cells,
            histograms,
            reservation: Some(reservation),
        };
        Ok(vector.retain(&present))
    }

    /// Adds what a worker read to the query's statistics.
    pub(crate) fn count_samples(&self, scratch: &mut Scratch) {
        let samples = std::mem::take(&mut scratch.samples);
        self.samples
            .fetch_add(samples, std::sync::atomic::Ordering::Relaxed);
    }
}

/// Runs `work` on each part and gives the results back in the order of the parts.
///
/// Up to `workers` threads, of which this is one, take the next part whenever they are done with
/// one, so that all of them end at about the same time. `start` makes what a thread reuses from
/// part to part. After an error no part is begun.
pub(crate) fn in_parallel<P: Send, S, R: Send>(
    workers: usize,
    parts: Vec<P>,
    start: impl Fn() -> Result<S> + Sync,
    work: impl Fn(&mut S, P) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let workers = workers.min(parts.len());
    let parts = Mutex::new(parts.into_iter().enumerate());
    let next = || parts.lock().unwrap_or_else(PoisonError::into_inner).next();
    let run = || {
        let mut results = Vec::new();
        let mut all = || {
            let mut state = start()?;
            while let Some((at, part)) = next() {
                results.push((at, work(&mut state, part)?));
            }
            Ok(())
        };
        let ended: Result<()> = all();
        if ended.is_err() {
            while next().is_some() {}
        }
        ended.map(|()| results)
    };
    let mut results = std::thread::scope(|scope| {
        let others: Vec<_> = (1..workers).map(|_| scope.spawn(run)).collect();
        let mut results = run();
        for other in others {
            match other.join() {
                Ok(more) => {
                    if let Ok(results) = &mut results {
                        results.extend(more?);
                    }
                }
                // The worker's panic is ours.
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        results
    })?;
    results.sort_unstable_by_key(|(at, _)| *at);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}

/// Whether any cell holds a number.
pub(crate) fn any_present(cells: &[f64]) -> bool {
    cells.iter().any(|value| is_present(*value))
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
}
