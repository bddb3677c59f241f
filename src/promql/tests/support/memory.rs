//! Series in memory behind the reading seam, for tests and benchmarks.

#![allow(dead_code, clippy::unwrap_used)]

use series::{
    Columns, Exemplar, Extras, Histogram, Interrupt, LabelQuery, Labels, Limited, Matcher,
    Metadata, Result, Run, SeriesExemplars, SeriesSet, SeriesSource, TimeRange, Workers,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One sample of a series.
#[derive(Debug, Clone)]
pub(crate) enum Point {
    Float(f64),
    Histogram(Arc<Histogram>),
}

/// Series whose samples are put in one by one. All share one timeline, the union of all times,
/// so that a series with gaps has several runs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memory {
    pub(crate) series: BTreeMap<Labels, BTreeMap<i64, (Point, i64)>>,
}

impl Memory {
    pub(crate) fn put(&mut self, labels: &Labels, time: i64, point: Point, start: i64) {
        self.series
            .entry(labels.clone())
            .or_default()
            .insert(time, (point, start));
    }

    pub(crate) fn source(&self) -> Source {
        let mut times: Vec<i64> = self
            .series
            .values()
            .flat_map(|samples| samples.iter())
            .filter(|(_, (point, _))| matches!(point, Point::Float(_)))
            .map(|(time, _)| *time)
            .collect();
        times.sort_unstable();
        times.dedup();
        let series = self
            .series
            .iter()
            .map(|(labels, samples)| {
                let mut stored = Stored {
                    labels: labels.clone(),
                    columns: Columns::default(),
                    extras: Extras::default(),
                };
                let mut starts = Vec::new();
                for (time, (point, start)) in samples {
                    match point {
                        Point::Histogram(histogram) => {
                            stored
                                .extras
                                .histograms
                                .push((*time, Arc::clone(histogram)));
                        }
                        Point::Float(value) => {
                            let row = times.binary_search(time).unwrap();
                            stored.columns.values.push(*value);
                            starts.push(*start);
                            match stored.columns.runs.last_mut() {
                                Some(run) if run.row + run.len == row => run.len += 1,
                                _ => stored.columns.runs.push(Run {
                                    timeline: 0,
                                    row,
                                    len: 1,
                                    never_decreases: false,
                                    no_nan: false,
                                }),
                            }
                        }
                    }
                }
                if starts.iter().any(|start| *start != 0) {
                    stored.extras.start_times = starts;
                }
                stored.flag_runs();
                Arc::new(stored)
            })
            .collect();
        Source {
            timelines: Arc::new(vec![times]),
            series,
        }
    }
}

/// One series as columns.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) labels: Labels,
    pub(crate) columns: Columns,
    pub(crate) extras: Extras,
}

impl Stored {
    /// Works out what is known of each run, as a store does when it writes.
    pub(crate) fn flag_runs(&mut self) {
        let mut at = 0;
        for run in &mut self.columns.runs {
            let values = &self.columns.values[at..at + run.len];
            run.no_nan = values.iter().all(|value| !value.is_nan());
            run.never_decreases = run.no_nan && values.windows(2).all(|pair| pair[1] >= pair[0]);
            at += run.len;
        }
    }
}

/// Columns that can be queried.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) timelines: Arc<Vec<Vec<i64>>>,
    /// In the order of their labels.
    pub(crate) series: Vec<Arc<Stored>>,
}

impl SeriesSource for Source {
    fn select(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        interrupt: &Interrupt,
        _: &dyn Workers,
    ) -> Result<Box<dyn SeriesSet>> {
        interrupt.check()?;
        let chosen: Vec<Arc<Stored>> = self
            .series
            .iter()
            .filter(|series| {
                matchers
                    .iter()
                    .all(|m| m.matches(series.labels.get(m.name()).unwrap_or_default()))
            })
            .cloned()
            .collect();
        Ok(Box::new(Set {
            extras: chosen.iter().any(|series| !series.extras.is_empty()),
            timelines: Arc::clone(&self.timelines),
            rows: self
                .timelines
                .iter()
                .map(|times| {
                    // Start times stand beside all values, so that nothing is cut off there.
                    if self.series.iter().any(|s| !s.extras.start_times.is_empty()) {
                        return 0..times.len();
                    }
                    let from = times.partition_point(|time| *time < range.start);
                    from..times.partition_point(|time| *time <= range.end).max(from)
                })
                .collect(),
            chosen,
        }))
    }

    fn label_names(&self, _: &LabelQuery<'_>, _: &Interrupt) -> Result<Limited<Vec<String>>> {
        unreachable!("the evaluator asks for series only")
    }

    fn label_values(
        &self,
        _: &str,
        _: &LabelQuery<'_>,
        _: &Interrupt,
    ) -> Result<Limited<Vec<String>>> {
        unreachable!("the evaluator asks for series only")
    }

    fn series(&self, _: &LabelQuery<'_>, _: &Interrupt) -> Result<Limited<Vec<Labels>>> {
        unreachable!("the evaluator asks for series only")
    }

    fn exemplars(
        &self,
        _: &[Vec<Matcher>],
        _: TimeRange,
        _: &Interrupt,
    ) -> Result<Vec<SeriesExemplars>> {
        let none: Vec<Exemplar> = Vec::new();
        drop(none);
        unreachable!("the evaluator asks for series only")
    }

    fn metadata(&self, _: Option<&str>) -> Vec<(String, Vec<Metadata>)> {
        Vec::new()
    }
}

struct Set {
    timelines: Arc<Vec<Vec<i64>>>,
    /// The rows of each timeline that fall into the range asked for.
    rows: Vec<std::ops::Range<usize>>,
    chosen: Vec<Arc<Stored>>,
    extras: bool,
}

impl SeriesSet for Set {
    fn len(&self) -> usize {
        self.chosen.len()
    }

    fn labels(&self, series: usize) -> &Labels {
        &self.chosen[series].labels
    }

    fn sample_bound(&self, series: usize) -> usize {
        let columns = &self.chosen[series].columns;
        columns
            .runs
            .iter()
            .map(|run| {
                let rows = &self.rows[run.timeline];
                (run.row + run.len)
                    .min(rows.end)
                    .saturating_sub(run.row.max(rows.start))
            })
            .sum()
    }

    fn timelines(&self) -> usize {
        self.timelines.len()
    }

    fn read_times(&self, timeline: usize, times: &mut Vec<i64>) -> Result<()> {
        times.clear();
        times.extend_from_slice(&self.timelines[timeline][self.rows[timeline].clone()]);
        Ok(())
    }

    fn read(&self, series: usize, columns: &mut Columns) -> Result<()> {
        columns.clear();
        let stored = &self.chosen[series].columns;
        let mut at = 0;
        for run in &stored.runs {
            let rows = &self.rows[run.timeline];
            let from = run.row.max(rows.start);
            let to = (run.row + run.len).min(rows.end);
            if from < to {
                let first = at + from - run.row;
                columns
                    .values
                    .extend_from_slice(&stored.values[first..first + to - from]);
                columns.runs.push(Run {
                    row: from - rows.start,
                    len: to - from,
                    ..*run
                });
            }
            at += run.len;
        }
        Ok(())
    }

    fn has_extras(&self) -> bool {
        self.extras
    }

    fn read_extras(&self, series: usize, extras: &mut Extras) -> Result<()> {
        extras.clone_from(&self.chosen[series].extras);
        Ok(())
    }

    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }
}
