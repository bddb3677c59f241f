//! Functions over ranges, series by series: all windows of a series in one pass over its
//! samples.

use super::Evaluator;
use super::edges::{EdgesByTimeline, Extrapolation, Windows};
use super::functions::{self, WindowFloats};
use super::mixed;
use super::rows::{Rows, Scratch};
use super::vector::{ABSENT, Head, Scalars, Vector, all_present, any_present, is_present};
use crate::error::{Error, Result};
use crate::functions::FunctionId;
use crate::plan::Steps;
use crate::span::Span;
use crate::syntax::Extension;
use series::{Extras, Histogram, Interrupt, SeriesSet, is_stale};
use std::sync::Arc;

/// Where the samples under the windows come from.
pub(crate) enum Feed {
    /// A set of stored series.
    Set {
        set: Arc<dyn SeriesSet>,
        edges: EdgesByTimeline,
        extras: bool,
    },
    /// The values of a subquery, which all stand on the same steps.
    Grid {
        vector: Arc<Vector>,
        steps: Steps,
        edges: Arc<super::edges::Edges>,
    },
}

impl Feed {
    pub(crate) fn from_set(set: Arc<dyn SeriesSet>, windows: Windows) -> Self {
        let edges = EdgesByTimeline::new(set.as_ref(), windows);
        let extras = set.has_extras();
        Self::Set { set, edges, extras }
    }

    pub(crate) fn from_grid(vector: Arc<Vector>, steps: Steps, windows: &Windows) -> Self {
        let mut edges = super::edges::Edges {
            times: (0..steps.count).map(|i| steps.time(i)).collect(),
            ..super::edges::Edges::default()
        };
        edges.find(windows);
        Self::Grid {
            vector,
            steps,
            edges: Arc::new(edges),
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Set { set, .. } => set.len(),
            Self::Grid { vector, .. } => vector.len(),
        }
    }

    pub(crate) fn head(&self, row: usize) -> Head {
        match self {
            Self::Set { set, .. } => Head {
                labels: set.labels(row).clone(),
                drop_name: false,
            },
            Self::Grid { vector, .. } => vector.heads[row].clone(),
        }
    }

    pub(crate) fn cost(&self) -> usize {
        match self {
            Self::Set { set, .. } => (0..set.len()).map(|row| set.sample_bound(row)).sum(),
            Self::Grid { vector, .. } => vector.cells.len(),
        }
    }
}

/// The samples of one series under its windows.
pub(crate) struct Samples<'a> {
    pub(crate) times: &'a [i64],
    pub(crate) values: &'a [f64],
    low: &'a [u32],
    high: &'a [u32],
    /// The timeline's row at which `times` and `values` begin.
    base: usize,
    /// Known to hold no value below the one before it and no NaN.
    pub(crate) never_decreases: bool,
    pub(crate) no_nan: bool,
    /// What `rate` needs of the timeline.
    shared: Option<&'a super::edges::Edges>,
}

impl Samples<'_> {
    /// Whether each row of the timeline has a value of the series.
    fn is_whole_timeline(&self) -> bool {
        self.base == 0
            && self
                .shared
                .is_some_and(|edges| edges.times.len() == self.values.len())
    }

    /// The samples of a step's window: the first, and the one behind the last.
    #[inline(always)]
    pub(crate) fn window(&self, step: usize) -> (usize, usize) {
        let end = self.values.len();
        let low = (self.low[step] as usize).saturating_sub(self.base).min(end);
        let high = (self.high[step] as usize)
            .saturating_sub(self.base)
            .min(end);
        (low, high)
    }
}

/// Reads a row's samples and hands them over. `stale_counts` keeps stale markers in place, for
/// selectors that end at them; otherwise they are left out.
pub(crate) fn with_samples<R>(
    feed: &Feed,
    row: usize,
    windows: &Windows,
    stale_counts: bool,
    scratch: &mut Scratch,
    take: impl FnOnce(Samples<'_>, &mut Vec<f64>, &Extras) -> R,
) -> Result<R> {
    let Scratch {
        columns,
        extras,
        times,
        values,
        edges: own_edges,
        sorted,
        samples,
        ..
    } = scratch;
    extras.clear();
    match feed {
        Feed::Set {
            set,
            edges,
            extras: has_extras,
        } => {
            set.read(row, columns)?;
            *samples += columns.values.len() as u64;
            if *has_extras {
                set.read_extras(row, extras)?;
            }
            let no_nan = columns
                .runs
                .iter()
                .all(|run| run.no_nan || run.never_decreases);
            let drop_stale =
                !stale_counts && !no_nan && columns.values.iter().any(|value| is_stale(*value));
            if let ([run], false) = (&columns.runs[..], drop_stale) {
                let edges = edges.get(set.as_ref(), run.timeline, own_edges)?;
                let end = run.row + run.len;
                if end <= edges.times.len() && run.len == columns.values.len() {
                    let samples = Samples {
                        times: &edges.times[run.row..end],
                        values: &columns.values,
                        low: &edges.low,
                        high: &edges.high,
                        base: run.row,
                        never_decreases: run.never_decreases,
                        no_nan,
                        shared: Some(edges),
                    };
                    return Ok(take(samples, sorted, extras));
                }
                return Err(corrupt_run());
            }
            // Several runs, or samples left out: the series gets times and windows of its own.
            times.clear();
            values.clear();
            let mut starts = Vec::new();
            let mut at = 0;
            let mut last_timeline = usize::MAX;
            for run in &columns.runs {
                if run.timeline != last_timeline {
                    edges_times(set.as_ref(), edges, run.timeline, own_edges)?;
                    last_timeline = run.timeline;
                }
                let end = run.row + run.len;
                let run_values = columns.values.get(at..at + run.len);
                let run_times = times_of(edges, run.timeline, own_edges).get(run.row..end);
                let (Some(run_values), Some(run_times)) = (run_values, run_times) else {
                    return Err(corrupt_run());
                };
                for (index, (time, value)) in run_times.iter().zip(run_values).enumerate() {
                    if drop_stale && is_stale(*value) {
                        continue;
                    }
                    times.push(*time);
                    values.push(*value);
                    if let Some(start) = extras.start_times.get(at + index) {
                        starts.push(*start);
                    }
                }
                at += run.len;
            }
            extras.start_times = starts;
            let never_decreases = false;
            own_edges.times.clear();
            own_edges.times.extend_from_slice(times);
            own_edges.find(windows);
            let samples = Samples {
                times,
                values,
                low: &own_edges.low,
                high: &own_edges.high,
                base: 0,
                never_decreases,
                no_nan,
                shared: None,
            };
            Ok(take(samples, sorted, extras))
        }
        Feed::Grid {
            vector,
            steps,
            edges,
        } => {
            let cells = vector.row(row);
            for (step, histogram) in vector.row_histograms(row) {
                let mut histogram = Arc::clone(histogram);
                // Samples of a subquery may repeat or leave out others, so that what was known
                // of restarts no longer holds.
                if matches!(
                    histogram.reset_hint,
                    series::ResetHint::Reset | series::ResetHint::NotReset
                ) {
                    Arc::make_mut(&mut histogram).reset_hint = series::ResetHint::Unknown;
                }
                extras.histograms.push((steps.time(step), histogram));
            }
            if all_present(cells) {
                let samples = Samples {
                    times: &edges.times,
                    values: cells,
                    low: &edges.low,
                    high: &edges.high,
                    base: 0,
                    never_decreases: false,
                    no_nan: false,
                    shared: Some(edges),
                };
                return Ok(take(samples, sorted, extras));
            }
            values.clear();
            own_edges.times.clear();
            for (step, value) in cells.iter().enumerate() {
                if is_present(*value) {
                    own_edges.times.push(steps.time(step));
                    values.push(*value);
                }
            }
            own_edges.find(windows);
            let samples = Samples {
                times: &own_edges.times,
                values,
                low: &own_edges.low,
                high: &own_edges.high,
                base: 0,
                never_decreases: false,
                no_nan: false,
                shared: None,
            };
            Ok(take(samples, sorted, extras))
        }
    }
}

fn corrupt_run() -> Error {
    Error::Source(series::Error::Corrupt(
        "a series points beyond its timeline".into(),
    ))
}

/// Makes sure that a timeline's times can be had from [`times_of`].
fn edges_times(
    set: &dyn SeriesSet,
    edges: &EdgesByTimeline,
    timeline: usize,
    scratch: &mut super::edges::Edges,
) -> Result<()> {
    edges.get(set, timeline, scratch)?;
    Ok(())
}

fn times_of<'a>(
    edges: &'a EdgesByTimeline,
    timeline: usize,
    scratch: &'a super::edges::Edges,
) -> &'a [i64] {
    match edges.known(timeline) {
        Some(known) => &known.times,
        None => &scratch.times,
    }
}

/// The last sample of each step's window: what a vector selector gives.
pub(crate) struct SelectRows {
    pub(crate) feed: Feed,
    pub(crate) windows: Windows,
    /// Give the samples' times in seconds instead of their values.
    pub(crate) times: bool,
    pub(crate) smoothed: bool,
}

impl Rows for SelectRows {
    fn len(&self) -> usize {
        self.feed.len()
    }

    fn head(&self, row: usize) -> Head {
        let mut head = self.feed.head(row);
        head.drop_name |= self.times;
        head
    }

    fn read(
        &self,
        row: usize,
        scratch: &mut Scratch,
        out: &mut [f64],
        histograms: &mut Vec<(usize, Arc<Histogram>)>,
    ) -> Result<bool> {
        histograms.clear();
        with_samples(
            &self.feed,
            row,
            &self.windows,
            !self.smoothed,
            scratch,
            |samples, _, extras| {
                if self.smoothed {
                    if !extras.histograms.is_empty() {
                        return Err(Error::ExtendedHistograms);
                    }
                    functions::smooth(&samples, &self.windows, out);
                    return Ok(());
                }
                for (step, cell) in out.iter_mut().enumerate() {
                    let (low, high) = samples.window(step);
                    *cell = if low >= high {
                        ABSENT
                    } else if !self.times {
                        samples.values[high - 1]
                    } else if is_present(samples.values[high - 1]) {
                        samples.times[high - 1] as f64 / 1000.0
                    } else {
                        ABSENT
                    };
                }
                if !extras.histograms.is_empty() {
                    self.latest_histograms(&samples, extras, out, histograms);
                }
                Ok(())
            },
        )??;
        Ok(!histograms.is_empty() || any_present(out))
    }

    fn cost(&self) -> usize {
        self.feed.cost()
    }
}

impl SelectRows {
    /// Puts a histogram wherever it is newer than the number.
    fn latest_histograms(
        &self,
        samples: &Samples<'_>,
        extras: &Extras,
        out: &mut [f64],
        histograms: &mut Vec<(usize, Arc<Histogram>)>,
    ) {
        for (step, cell) in out.iter_mut().enumerate() {
            let (low, high) = samples.window(step);
            let end = self.windows.end(step);
            let start = self.windows.start(step);
            let before = extras.histograms.partition_point(|(time, _)| *time <= end);
            let Some((time, histogram)) = extras.histograms[..before].last() else {
                continue;
            };
            let newer_number = low < high && samples.times[high - 1] > *time;
            if newer_number || *time <= start {
                continue;
            }
            *cell = ABSENT;
            if is_stale(histogram.sum) {
                continue;
            }
            if self.times {
                *cell = *time as f64 / 1000.0;
            } else {
                histograms.push((step, Arc::clone(histogram)));
            }
        }
    }
}

/// A range function over each series.
pub(crate) struct WindowRows<'e> {
    pub(crate) evaluator: &'e Evaluator<'e>,
    pub(crate) feed: Feed,
    pub(crate) windows: Windows,
    /// When the steps are evaluated; differs from the windows' ends by `@` and `offset`.
    pub(crate) steps: Steps,
    pub(crate) function: FunctionId,
    pub(crate) parameters: Vec<Scalars>,
    pub(crate) extension: Option<Extension>,
    /// Where the range argument stands.
    pub(crate) span: Span,
    /// The metric that was last said to be no counter.
    pub(crate) last_hint: std::sync::Mutex<String>,
}

impl WindowRows<'_> {
    pub(crate) fn keeps_name(&self) -> bool {
        matches!(
            self.function,
            FunctionId::LastOverTime | FunctionId::FirstOverTime
        )
    }
}

impl Rows for WindowRows<'_> {
    fn len(&self) -> usize {
        self.feed.len()
    }

    fn head(&self, row: usize) -> Head {
        let mut head = self.feed.head(row);
        head.drop_name |= !self.keeps_name();
        head
    }

    fn read(
        &self,
        row: usize,
        scratch: &mut Scratch,
        out: &mut [f64],
        histograms: &mut Vec<(usize, Arc<Histogram>)>,
    ) -> Result<bool> {
        histograms.clear();
        with_samples(
            &self.feed,
            row,
            &self.windows,
            false,
            scratch,
            |samples, sorted, extras| {
                if self.extension.is_some() {
                    if !extras.histograms.is_empty() {
                        return Err(Error::ExtendedHistograms);
                    }
                    functions::extended(self, &samples, out);
                    return Ok(());
                }
                if extras.is_empty() {
                    self.floats(&samples, sorted, out);
                } else {
                    mixed::windows(self, row, &samples, extras, sorted, out, histograms);
                }
                Ok(())
            },
        )??;
        // A loop over long windows ends early when it should.
        self.evaluator.interrupt.check()?;
        let floats = any_present(out);
        if floats && matches!(self.function, FunctionId::Rate | FunctionId::Increase) {
            self.hint_at_gauges(row);
        }
        Ok(floats || !histograms.is_empty())
    }

    fn cost(&self) -> usize {
        self.feed.cost()
    }
}

impl WindowRows<'_> {
    /// Says so when a metric's name is no counter's.
    fn hint_at_gauges(&self, row: usize) {
        let head = self.feed.head(row);
        let Some(name) = head.labels.metric_name() else {
            return;
        };
        let counter = ["_total", "_sum", "_count", "_bucket"]
            .iter()
            .any(|suffix| name.ends_with(suffix));
        if counter {
            return;
        }
        // Most often all series have one name, which then needs to be said once only.
        let mut last = self
            .last_hint
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if *last != name {
            name.clone_into(&mut last);
            self.evaluator.notices.possible_non_counter(name, self.span);
        }
    }

    fn floats(&self, samples: &Samples<'_>, sorted: &mut Vec<f64>, out: &mut [f64]) {
        use FunctionId as F;
        let stop = self.evaluator.interrupt;
        match self.function {
            F::Rate => self.rate(samples, true, true, sorted, out),
            F::Increase => self.rate(samples, true, false, sorted, out),
            F::Delta => self.rate(samples, false, false, sorted, out),
            F::MaxOverTime if samples.never_decreases => {
                each(stop, samples, out, |w| functions::max_of_growing(w.values));
            }
            F::MinOverTime if samples.never_decreases => each(stop, samples, out, |w| w.values[0]),
            F::MaxOverTime if samples.no_nan && overlap(samples) => {
                functions::sliding(samples, out, |new, known| new > known);
            }
            F::MinOverTime if samples.no_nan && overlap(samples) => {
                functions::sliding(samples, out, |new, known| new < known);
            }
            F::MaxOverTime if samples.no_nan => {
                each(stop, samples, out, |w| functions::max_without_nan(w.values));
            }
            F::MinOverTime if samples.no_nan => {
                each(stop, samples, out, |w| functions::min_without_nan(w.values));
            }
            F::MaxOverTime => each(stop, samples, out, |w| functions::max(w.values)),
            F::MinOverTime => each(stop, samples, out, |w| functions::min(w.values)),
            F::SumOverTime => each(stop, samples, out, |w| functions::sum(w.values)),
            F::AvgOverTime => each(stop, samples, out, |w| functions::average(w.values)),
            F::CountOverTime => each(stop, samples, out, |w| w.values.len() as f64),
            F::PresentOverTime => each(stop, samples, out, |_| 1.0),
            F::LastOverTime => each(stop, samples, out, |w| w.values[w.values.len() - 1]),
            _ => {
                for (step, cell) in out.iter_mut().enumerate() {
                    let (low, high) = samples.window(step);
                    *cell = if low >= high || (high - low > LONG && stop.check().is_err()) {
                        ABSENT
                    } else {
                        let window = WindowFloats {
                            times: &samples.times[low..high],
                            values: &samples.values[low..high],
                        };
                        functions::float(self, step, window, sorted).unwrap_or(ABSENT)
                    };
                }
            }
        }
    }

    /// `rate`, `increase` and `delta`, bit for bit as Prometheus's `extrapolatedRate`.
    fn rate(
        &self,
        samples: &Samples<'_>,
        counter: bool,
        per_second: bool,
        lost: &mut Vec<f64>,
        out: &mut [f64],
    ) {
        let values = samples.values;
        let per_seconds = per_second.then_some(self.windows.length as f64 / 1000.0);
        let restarts = if counter && !samples.never_decreases {
            Restarts::of(values, lost)
        } else {
            Restarts::None
        };
        let shared = samples
            .shared
            .map(|edges| (edges, edges.rate_times(&self.windows, per_second)));
        // Most series have every sample of their timeline and no restart: nothing but the first
        // and the last value of each window is looked at then.
        if let Some((edges, rates)) = shared
            && samples.is_whole_timeline()
            && matches!(restarts, Restarts::None)
        {
            rate_of_whole(samples, edges, rates, counter, per_seconds, out);
            return;
        }
        let mut first_restart = 0;
        for (step, cell) in out.iter_mut().enumerate() {
            let (low, high) = samples.window(step);
            if high < low + 2 {
                *cell = ABSENT;
                continue;
            }
            let first = values[low];
            let increase = restarts.increase(values, low, high, &mut first_restart);
            // The timeline's own figures hold where the series has all its samples.
            if let Some((edges, rates)) = shared
                && edges.high[step] - edges.low[step] == (high - low) as u32
            {
                let to_start = rates.to_start[step];
                let sampled = rates.sampled[step];
                // Only when the counter would reach zero within the stretch before its first
                // sample does zero limit the extrapolation; the margin keeps rounding out of
                // this quick test, and the exact one follows.
                let limited = counter
                    && increase > 0.0
                    && first >= 0.0
                    && sampled * first <= to_start * increase * 1.000_000_1;
                if !limited {
                    *cell = increase * rates.factor[step];
                    continue;
                }
                let to_zero = sampled * (first / increase);
                let part = Extrapolation {
                    sampled,
                    to_start,
                    to_end: rates.to_end[step],
                };
                *cell = increase * part.factor(smaller(to_zero, to_start), per_seconds);
                continue;
            }
            let part = Extrapolation::of(&samples.times[low..high], &self.windows, step);
            let mut to_start = part.to_start;
            if counter && increase > 0.0 && first >= 0.0 {
                to_start = smaller(part.sampled * (first / increase), to_start);
            }
            *cell = increase * part.factor(to_start, per_seconds);
        }
    }
}

/// `rate` of a series without restarts that has all samples of its timeline.
fn rate_of_whole(
    samples: &Samples<'_>,
    edges: &super::edges::Edges,
    rates: &super::edges::RateTimes,
    counter: bool,
    per_seconds: Option<f64>,
    out: &mut [f64],
) {
    let values = samples.values;
    let windows = edges.low.iter().zip(&edges.high);
    let figures = rates
        .sampled
        .iter()
        .zip(&rates.to_start)
        .zip(rates.to_end.iter().zip(&rates.factor));
    for ((cell, (low, high)), ((sampled, to_start), (to_end, factor))) in
        out.iter_mut().zip(windows).zip(figures)
    {
        let (low, high) = (*low as usize, *high as usize);
        if high < low + 2 {
            *cell = ABSENT;
            continue;
        }
        let first = values[low];
        let increase = values[high - 1] - first;
        *cell = increase * factor;
        let limited = counter
            && increase > 0.0
            && first >= 0.0
            && sampled * first <= to_start * increase * 1.000_000_1;
        if limited {
            let part = Extrapolation {
                sampled: *sampled,
                to_start: *to_start,
                to_end: *to_end,
            };
            let to_zero = sampled * (first / increase);
            *cell = increase * part.factor(smaller(to_zero, *to_start), per_seconds);
        }
    }
}

/// The first where it is smaller, and the second otherwise, NaN included.
#[inline(always)]
pub(crate) fn smaller(to_zero: f64, to_start: f64) -> f64 {
    if to_zero < to_start {
        to_zero
    } else {
        to_start
    }
}

/// Where a counter stands below its value before.
enum Restarts<'a> {
    None,
    /// Their positions: each window visits its own.
    Few(Vec<u32>),
    /// Of each sample what the counter had before it and lost, as for a gauge, which falls as
    /// often as it rises: adding all is quicker than asking each. -0 where nothing was lost
    /// leaves every sum as it is.
    Many(&'a [f64]),
}

impl<'a> Restarts<'a> {
    fn of(values: &[f64], lost: &'a mut Vec<f64>) -> Self {
        const MANY: usize = 16;
        let fell = |pair: &[f64]| pair[1] < pair[0];
        let count = values.windows(2).filter(|pair| fell(pair)).count();
        if count == 0 {
            return Self::None;
        }
        if count < values.len() / MANY {
            let mut positions = Vec::with_capacity(count);
            for (index, pair) in values.windows(2).enumerate() {
                if fell(pair) {
                    positions.push(index as u32 + 1);
                }
            }
            return Self::Few(positions);
        }
        lost.clear();
        lost.push(-0.0);
        let pairs = values.windows(2);
        lost.extend(pairs.map(|pair| if fell(pair) { pair[0] } else { -0.0 }));
        Self::Many(lost)
    }

    /// The increase over the samples from `low` to before `high`, at least two. Windows come in
    /// order, and `passed` is how many restarts lie before all that still come.
    #[inline(always)]
    fn increase(&self, values: &[f64], low: usize, high: usize, passed: &mut usize) -> f64 {
        let mut increase = values[high - 1] - values[low];
        match self {
            Self::None => {}
            Self::Few(positions) => {
                while positions.get(*passed).is_some_and(|at| *at as usize <= low) {
                    *passed += 1;
                }
                for at in &positions[*passed..] {
                    let at = *at as usize;
                    if at >= high {
                        break;
                    }
                    increase += values[at - 1];
                }
            }
            Self::Many(lost) => {
                for lost in &lost[low + 1..high] {
                    increase += lost;
                }
            }
        }
        increase
    }
}

/// Before a window of more samples than this is looked at, it is asked whether to go on: a single
/// series may have thousands of such windows.
const LONG: usize = 2_048;

/// Whether the windows overlap so much that sliding is cheaper than looking at each anew.
fn overlap(samples: &Samples<'_>) -> bool {
    const WORTH_SLIDING: usize = 24;
    let looked_at: usize = samples
        .low
        .iter()
        .zip(samples.high)
        .map(|(low, high)| (high - low.min(high)) as usize)
        .sum();
    looked_at > samples.values.len().saturating_mul(WORTH_SLIDING)
}

#[inline(always)]
fn each(
    stop: &Interrupt,
    samples: &Samples<'_>,
    out: &mut [f64],
    function: impl Fn(WindowFloats<'_>) -> f64,
) {
    for (step, cell) in out.iter_mut().enumerate() {
        let (low, high) = samples.window(step);
        *cell = if low >= high || (high - low > LONG && stop.check().is_err()) {
            ABSENT
        } else {
            function(WindowFloats {
                times: &samples.times[low..high],
                values: &samples.values[low..high],
            })
        };
    }
}

#[cfg(test)]
mod tests {
    use super::super::edges::Edges;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn few_and_many_restarts_are_corrected_alike(
            values in prop::collection::vec(-4i8..5, 2..300),
            rises in 0usize..60,
            length in 2usize..20,
        ) {
            // Zeros of both signs, and a stretch without restarts that makes those few.
            let mut values: Vec<f64> = values
                .iter()
                .map(|v| if *v == -1 { -0.0 } else { f64::from(*v) * 0.1 })
                .collect();
            values.extend((0..rises * values.len() / 2).map(|i| i as f64));
            let mut lost = Vec::new();
            let restarts = Restarts::of(&values, &mut lost);
            let mut passed = 0;
            for low in 0..values.len().saturating_sub(length) {
                let high = low + length;
                let mut increase = values[high - 1] - values[low];
                for pair in values[low..high].windows(2) {
                    if pair[1] < pair[0] {
                        increase += pair[0];
                    }
                }
                let corrected = restarts.increase(&values, low, high, &mut passed);
                prop_assert_eq!(corrected.to_bits(), increase.to_bits());
            }
        }

        #[test]
        fn sliding_finds_what_each_window_anew_finds(
            values in prop::collection::vec(-3i8..3, 1..80),
            step in 0i64..30,
            length in 1i64..300,
        ) {
            // Both zeros, to see that the first of equals stands.
            let values: Vec<f64> = values
                .iter()
                .map(|v| if *v == -1 { -0.0 } else { f64::from(*v) })
                .collect();
            let windows = Windows { first: -20, step, count: 40, length, ahead: 0 };
            let mut edges = Edges {
                times: (0..values.len() as i64).map(|i| i * 10).collect(),
                ..Edges::default()
            };
            edges.find(&windows);
            let samples = Samples {
                times: &edges.times,
                values: &values,
                low: &edges.low,
                high: &edges.high,
                base: 0,
                never_decreases: false,
                no_nan: true,
                shared: None,
            };
            let (mut slid, mut anew) = (vec![0.0; 40], vec![0.0; 40]);
            functions::sliding(&samples, &mut slid, |new, known| new > known);
            each(&Interrupt::new(), &samples, &mut anew, |w| functions::max(w.values));
            let bits = |cells: &[f64]| cells.iter().map(|c| c.to_bits()).collect::<Vec<_>>();
            prop_assert_eq!(bits(&slid), bits(&anew));
        }
    }
}
