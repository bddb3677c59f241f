//! The doors: a query and its times in, an answer out.

use crate::error::{Error, Result};
use crate::eval::vector::{Vector, all_present, is_present};
use crate::eval::{Evaluator, RangeRow};
use crate::limits::Limits;
use crate::native;
use crate::plan::{Frame, Node, Plan, Steps};
use crate::planner::plan;
use crate::syntax::{Expr, ValueType};
use series::{
    Answer, Column, Histogram, HistogramSeries, HistogramTotal, InstantSample, Interrupt, Labels,
    QueryResult, Sample, Series, SeriesSource, Statistics,
};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// How far back a selector looks for a sample, in milliseconds (Prometheus's default).
pub const DEFAULT_LOOKBACK: i64 = 300_000;

/// Columns that a row of a bucket has.
const COLUMNS: usize = 5;

/// The times of a range query, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RangeParams {
    /// The first step, since the epoch.
    pub start: i64,
    /// No step lies behind it, since the epoch.
    pub end: i64,
    /// Between two steps.
    pub step: i64,
    /// How far back a selector looks for a sample.
    pub lookback: i64,
}

/// The time of an instant query, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InstantParams {
    /// Since the epoch.
    pub time: i64,
    /// How far back a selector looks for a sample.
    pub lookback: i64,
}

/// Evaluates `expr` at every step from start to end.
///
/// `query` is the text that `expr` was parsed from; notices point into it. The result is a
/// matrix, sorted by labels; a scalar gives one series without labels.
///
/// # Errors
/// [`Error`], as Prometheus refuses what cannot be evaluated; and bounds of `limits`.
pub fn evaluate_range(
    query: &str,
    expr: &Expr,
    source: &dyn SeriesSource,
    params: RangeParams,
    limits: &Limits,
    interrupt: &Interrupt,
) -> Result<Answer> {
    let RangeParams {
        start,
        end,
        step,
        lookback,
    } = params;
    match expr.value_type() {
        ValueType::Scalar | ValueType::Vector => {}
        other => return Err(Error::RangeType(other.as_str())),
    }
    if step <= 0 {
        return Err(Error::Step(step));
    }
    if end < start {
        return Err(Error::Backwards { start, end });
    }
    let points = u64::try_from((i128::from(end) - i128::from(start)) / i128::from(step))
        .unwrap_or(u64::MAX)
        .saturating_add(1);
    if points > limits.points {
        return Err(Error::TooManyPoints {
            points,
            limit: limits.points,
        });
    }
    let steps = Steps {
        start,
        step,
        count: points as usize,
    };
    let frame = Frame {
        steps,
        start,
        end,
        step,
        lookback,
        default_subquery_step: limits.default_subquery_step,
    };
    let plan = plan(query, expr, frame)?;
    let evaluator = Evaluator::new(&plan, source, limits, interrupt, lookback, false)?;
    let mut histograms = Vec::new();
    let result = if expr.value_type() == ValueType::Scalar {
        let scalars = evaluator.scalars(plan.root, &steps)?;
        QueryResult::Matrix(vec![Series {
            labels: Labels::empty(),
            times: (0..steps.count).map(|i| steps.time(i)).collect(),
            values: (0..steps.count).map(|i| scalars.get(i)).collect(),
        }])
    } else {
        let vector = root_vector(&evaluator, &plan, &steps)?;
        histograms = native_series(&evaluator, &vector, &steps)?;
        QueryResult::Matrix(matrix(vector, &steps))
    };
    Ok(answer(query, evaluator, result, histograms))
}

/// Evaluates `expr` at one time.
///
/// The result's shape is that of the expression's type; a range vector gives the samples of its
/// range.
///
/// # Errors
/// As [`evaluate_range`].
pub fn evaluate_instant(
    query: &str,
    expr: &Expr,
    source: &dyn SeriesSource,
    params: InstantParams,
    limits: &Limits,
    interrupt: &Interrupt,
) -> Result<Answer> {
    let InstantParams { time, lookback } = params;
    let steps = Steps {
        start: time,
        step: 1,
        count: 1,
    };
    let frame = Frame {
        steps,
        start: time,
        end: time,
        step: 0,
        lookback,
        default_subquery_step: limits.default_subquery_step,
    };
    let plan = plan(query, expr, frame)?;
    let evaluator = Evaluator::new(&plan, source, limits, interrupt, lookback, true)?;
    let mut histograms = Vec::new();
    let result = match expr.value_type() {
        ValueType::String => {
            let value = match &plan.nodes[plan.root] {
                Node::Text(text) => text.to_lossy(),
                _ => String::new(),
            };
            QueryResult::String { time, value }
        }
        ValueType::Scalar => QueryResult::Scalar(Sample {
            time,
            value: evaluator.scalars(plan.root, &steps)?.get(0),
        }),
        ValueType::Matrix => {
            let mut root = &plan.nodes[plan.root];
            while let Node::Invariant(inner) = root {
                root = &plan.nodes[*inner];
            }
            let Node::Range(over) = root else {
                return Err(Error::Unsupported("this expression as a range vector"));
            };
            let mut rows = evaluator.range(over, &steps)?;
            rows.sort_by(|a, b| a.labels.cmp(&b.labels));
            for row in rows.iter().filter(|row| !row.histograms.is_empty()) {
                let found = row.histograms.iter().map(|(time, h)| (*time, &**h));
                histograms.push(native_one(&evaluator, &row.labels, found)?);
            }
            rows.retain(|row| !row.times.is_empty());
            QueryResult::Matrix(rows.into_iter().map(range_series).collect())
        }
        ValueType::Vector => {
            let vector = root_vector(&evaluator, &plan, &steps)?;
            histograms = native_series(&evaluator, &vector, &steps)?;
            let samples = vector
                .heads
                .into_iter()
                .zip(vector.cells)
                .filter(|(_, value)| is_present(*value))
                .map(|(head, value)| InstantSample {
                    labels: head.labels,
                    sample: Sample { time, value },
                })
                .collect();
            QueryResult::Vector(samples)
        }
    };
    Ok(answer(query, evaluator, result, histograms))
}

fn range_series(row: RangeRow) -> Series {
    Series {
        labels: row.labels,
        times: row.times.into(),
        values: row.values.into(),
    }
}

/// The root's vector with names dropped that were to go.
fn root_vector(evaluator: &Evaluator<'_>, plan: &Plan, steps: &Steps) -> Result<Vector> {
    let vector = evaluator.vector(plan.root, steps)?;
    let vector = Arc::try_unwrap(vector).or_else(|shared| evaluator.copied(&shared))?;
    vector.drop_names()
}

/// The native histograms of a result, by series in the order of their labels.
fn native_series(
    evaluator: &Evaluator<'_>,
    vector: &Vector,
    steps: &Steps,
) -> Result<Vec<HistogramSeries>> {
    if vector.histograms.is_empty() {
        return Ok(Vec::new());
    }
    let mut rows: Vec<usize> = vector
        .histograms
        .keys()
        .map(|at| at / steps.count)
        .collect();
    rows.dedup();
    rows.sort_by(|a, b| vector.heads[*a].labels.cmp(&vector.heads[*b].labels));
    rows.into_iter()
        .map(|row| {
            let found = vector.row_histograms(row);
            let found = found.map(|(step, histogram)| (steps.time(step), &**histogram));
            native_one(evaluator, &vector.heads[row].labels, found)
        })
        .collect()
}

/// Histograms of one series as rows of buckets. Empty buckets have none (Prometheus HTTP API,
/// "Native histograms").
fn native_one<'a>(
    evaluator: &Evaluator<'_>,
    labels: &Labels,
    histograms: impl Iterator<Item = (i64, &'a Histogram)>,
) -> Result<HistogramSeries> {
    let mut held = Vec::new();
    let mut totals = Vec::new();
    let (mut times, mut boundaries) = (Vec::new(), Vec::new());
    let (mut lowers, mut uppers, mut counts) = (Vec::new(), Vec::new(), Vec::new());
    for (time, histogram) in histograms {
        totals.push(HistogramTotal {
            time,
            count: histogram.count,
            sum: histogram.sum,
        });
        let before = times.len();
        let custom = histogram.uses_custom_bounds();
        for bucket in native::buckets(histogram) {
            if bucket.count == 0.0 {
                continue;
            }
            // Of custom bounds the first has nothing below it.
            let lowest = if custom { -f64::MAX } else { 0.0 };
            let (lower_belongs, upper_belongs) =
                (bucket.lower < lowest, custom || bucket.upper > 0.0);
            boundaries.push(match (lower_belongs, upper_belongs) {
                (false, true) => 0,
                (true, false) => 1,
                (false, false) => 2,
                (true, true) => 3,
            });
            times.push(time);
            lowers.push(bucket.lower);
            uppers.push(bucket.upper);
            counts.push(bucket.count);
        }
        // One series can be too much already, with a hundred buckets at each step.
        held.push(evaluator.budget.reserve(COLUMNS, times.len() - before)?);
    }
    Ok(HistogramSeries {
        labels: labels.clone(),
        times: times.into(),
        boundaries: boundaries.into(),
        lowers: lowers.into(),
        uppers: uppers.into(),
        counts: counts.into(),
        totals,
    })
}

/// Series in the order of their labels, sharing one column of values and, where they have all
/// samples, one of times.
fn matrix(vector: Vector, steps: &Steps) -> Vec<Series> {
    let count = steps.count;
    let all_times: Column<i64> = (0..count).map(|i| steps.time(i)).collect();
    let mut order: Vec<usize> = (0..vector.len()).collect();
    order.sort_by(|a, b| vector.heads[*a].labels.cmp(&vector.heads[*b].labels));
    let full: Vec<bool> = (0..vector.len())
        .map(|row| all_present(vector.row(row)))
        .collect();
    let values: Column<f64> = vector.cells.into();
    order
        .into_iter()
        .filter_map(|row| {
            let labels = vector.heads[row].labels.clone();
            let cells = values.slice(row * count..(row + 1) * count);
            if full[row] {
                return Some(Series {
                    labels,
                    times: all_times.clone(),
                    values: cells,
                });
            }
            // A series that is there from some step on, or up to one, needs no copy either.
            let first = cells.iter().position(|value| is_present(*value))?;
            let last = cells.iter().rposition(|value| is_present(*value))?;
            let gapless = all_present(&cells[first..=last]);
            if gapless {
                return Some(Series {
                    labels,
                    times: all_times.slice(first..last + 1),
                    values: cells.slice(first..last + 1),
                });
            }
            let (times, values): (Vec<i64>, Vec<f64>) = cells
                .iter()
                .enumerate()
                .filter(|(_, value)| is_present(**value))
                .map(|(step, value)| (steps.time(step), *value))
                .unzip();
            Some(Series {
                labels,
                times: times.into(),
                values: values.into(),
            })
        })
        .collect()
}

fn answer(
    query: &str,
    evaluator: Evaluator<'_>,
    result: QueryResult,
    histograms: Vec<HistogramSeries>,
) -> Answer {
    let series = evaluator.sets.iter().map(|set| set.len() as u64).sum();
    let samples = evaluator.samples.load(Ordering::Relaxed);
    let mut source_warnings = evaluator.source_warnings();
    let (mut warnings, infos) = evaluator.notices.texts(query);
    warnings.append(&mut source_warnings);
    Answer {
        histograms,
        warnings,
        infos,
        statistics: Statistics {
            series: Some(series),
            samples: Some(samples),
            ..Statistics::default()
        },
        ..Answer::new(result)
    }
}
