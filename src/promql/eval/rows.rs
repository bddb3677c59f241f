//! Series that are evaluated one at a time, when somebody reads them.
//!
//! A chain such as `abs(rate(m[5m]) * 2)` never stands in memory as a whole: whoever consumes
//! it, an aggregation or the answer, reads row by row into a buffer that is reused, on as many
//! threads as the work is worth.

use super::Evaluator;
use super::edges::Edges;
use super::vector::{ABSENT, Head, Histograms, Vector, is_present};
use crate::error::Result;
use series::{Columns, Extras, Histogram};
use std::sync::Arc;

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
        let mut cells = vec![ABSENT; count * steps];
        let mut present = vec![false; count];
        let workers = self.workers(rows.cost());
        let part = count.div_ceil(workers);
        let parts: Vec<(usize, &mut [f64], &mut [bool])> = cells
            .chunks_mut(part * steps)
            .zip(present.chunks_mut(part))
            .enumerate()
            .map(|(index, (cells, present))| (index * part, cells, present))
            .collect();
        let read_part = |(first, cells, present): (usize, &mut [f64], &mut [bool])| {
            let mut scratch = Scratch::default();
            let mut found = Histograms::new();
            let mut histograms = Vec::new();
            for (index, (out, any)) in cells.chunks_mut(steps).zip(present).enumerate() {
                self.interrupt.check()?;
                *any = rows.read(first + index, &mut scratch, out, &mut histograms)?;
                for (step, histogram) in histograms.drain(..) {
                    found.insert((first + index) * steps + step, histogram);
                }
            }
            self.count_samples(&mut scratch);
            Ok(found)
        };
        let found: Vec<Result<Histograms>> = in_parallel(parts, read_part);
        let mut histograms = Histograms::new();
        for found in found {
            histograms.append(&mut found?);
        }
        let mut vector = Vector {
            steps,
            heads: Vec::with_capacity(count),
            cells,
            histograms,
            reservation: Some(reservation),
        };
        if present.iter().all(|any| *any) {
            vector.heads.extend((0..count).map(|row| rows.head(row)));
            return Ok(vector);
        }
        let mut to = 0;
        let mut moved = Histograms::new();
        for (row, any) in present.iter().enumerate() {
            if !any {
                continue;
            }
            vector.heads.push(rows.head(row));
            vector
                .cells
                .copy_within(row * steps..(row + 1) * steps, to * steps);
            for (position, histogram) in vector.histograms.range(row * steps..(row + 1) * steps) {
                moved.insert(position - row * steps + to * steps, Arc::clone(histogram));
            }
            to += 1;
        }
        vector.cells.truncate(to * steps);
        vector.histograms = moved;
        Ok(vector)
    }

    /// Adds what a worker read to the query's statistics.
    pub(crate) fn count_samples(&self, scratch: &mut Scratch) {
        let samples = std::mem::take(&mut scratch.samples);
        self.samples
            .fetch_add(samples, std::sync::atomic::Ordering::Relaxed);
    }
}

/// Runs `work` on each part, the first on this thread and the others on their own, and gives the
/// results back in the order of the parts.
pub(crate) fn in_parallel<P: Send, R: Send>(
    parts: Vec<P>,
    work: impl Fn(P) -> R + Send + Sync,
) -> Vec<R> {
    let mut parts = parts.into_iter();
    let Some(first) = parts.next() else {
        return Vec::new();
    };
    if parts.len() == 0 {
        return vec![work(first)];
    }
    let work = &work;
    std::thread::scope(|scope| {
        let others: Vec<_> = parts.map(|part| scope.spawn(move || work(part))).collect();
        let mut results = vec![work(first)];
        for other in others {
            match other.join() {
                Ok(result) => results.push(result),
                // The worker's panic is ours.
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        results
    })
}

/// Whether any cell holds a number.
pub(crate) fn any_present(cells: &[f64]) -> bool {
    cells.iter().any(|value| is_present(*value))
}
