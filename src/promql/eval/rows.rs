//! Series that are evaluated one at a time, when somebody reads them.
//!
//! A chain such as `abs(rate(m[5m]) * 2)` never stands in memory as a whole: whoever consumes
//! it, an aggregation or the answer, reads row by row into a buffer that is reused, on as many
//! threads as the work is worth.

use super::Evaluator;
use super::edges::Edges;
use super::vector::{Head, Histograms, Vector};
use super::workers::in_parallel;
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
        self.0.cells.len()
    }
}

/// Work below this many samples is done on the thread that asks: about a millisecond, of which
/// a good part goes by before others have begun. (10,000 series of 20 samples are done 5 to 8 %
/// sooner by two threads, for 12 % more of the processors' time.)
const WORTH_A_THREAD: usize = 250_000;

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
        // The threads touch the memory first: to fill it with zeros before would keep them waiting.
        let mut cells = Box::new_uninit_slice(count * steps);
        let mut present = vec![false; count];
        let workers = self.workers(rows.cost() + cells.len());
        let part = match workers {
            1 => count,
            _ => count.div_ceil(workers * PARTS_OF_A_THREAD),
        };
        let parts = cells.chunks_mut(part * steps);
        let parts = parts.zip(present.chunks_mut(part)).enumerate();
        let found = in_parallel(
            workers,
            parts.collect(),
            || Ok((Scratch::default(), vec![0.0; steps], Vec::new())),
            |(scratch, row, histograms), (index, (cells, present))| {
                let first = index * part;
                let mut found = Histograms::new();
                for (index, (out, any)) in cells.chunks_mut(steps).zip(present).enumerate() {
                    self.interrupt.check()?;
                    *any = rows.read(first + index, scratch, row, histograms)?;
                    for (cell, value) in out.iter_mut().zip(&*row) {
                        cell.write(*value);
                    }
                    for (step, histogram) in histograms.drain(..) {
                        found.insert((first + index) * steps + step, histogram);
                    }
                }
                self.count_samples(scratch);
                Ok(found)
            },
        )?;
        // SAFETY: all parts are done, and each has written every cell of its rows.
        #[allow(unsafe_code)]
        let cells = unsafe { cells.assume_init() }.into_vec();
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
