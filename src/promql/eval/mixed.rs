//! Range functions over series that hold native histograms, alone or among numbers, and over
//! counters whose start times are known. Rare, so plain rather than fast.

use super::edges::Extrapolation;
use super::functions::{self, WindowFloats};
use super::vector::ABSENT;
use super::window::{Samples, WindowRows, smaller};
use crate::functions::FunctionId;
use crate::native::{self, MixedSchemas};
use crate::notices::Notices;
use crate::span::Span;
use series::{Extras, Histogram, ResetHint, is_stale};
use std::sync::Arc;

type Timed = (i64, Arc<Histogram>);

/// One window with all that it holds.
struct Window<'a> {
    floats: WindowFloats<'a>,
    starts: &'a [i64],
    histograms: &'a [Timed],
    metric: &'a str,
    span: Span,
    notices: &'a Notices,
}

enum Found {
    Nothing,
    Float(f64),
    Histogram(Histogram),
}

/// Evaluates all windows of a row.
pub(crate) fn windows(
    rows: &WindowRows<'_>,
    row: usize,
    samples: &Samples<'_>,
    extras: &Extras,
    sorted: &mut Vec<f64>,
    out: &mut [f64],
    histograms: &mut Vec<(usize, Arc<Histogram>)>,
) {
    let head = rows.feed.head(row);
    let metric = head.labels.metric_name().unwrap_or_default();
    let all: Vec<Timed> = extras
        .histograms
        .iter()
        .filter(|(_, histogram)| !is_stale(histogram.sum))
        .cloned()
        .collect();
    for (step, cell) in out.iter_mut().enumerate() {
        *cell = ABSENT;
        let (low, high) = samples.window(step);
        let (low, high) = (low.min(high), high);
        let from = all.partition_point(|(time, _)| *time <= rows.windows.start(step));
        let to = all.partition_point(|(time, _)| *time <= rows.windows.end(step));
        let window = Window {
            floats: WindowFloats {
                times: &samples.times[low..high],
                values: &samples.values[low..high],
            },
            starts: extras.start_times.get(low..high).unwrap_or(&[]),
            histograms: &all[from.min(to)..to],
            metric,
            span: rows.span,
            notices: &rows.evaluator.notices,
        };
        if window.floats.values.is_empty() && window.histograms.is_empty() {
            continue;
        }
        match evaluate(rows, step, &window, sorted) {
            Found::Nothing => {}
            Found::Float(value) => *cell = value,
            Found::Histogram(histogram) => histograms.push((step, Arc::new(histogram))),
        }
    }
}

fn evaluate(
    rows: &WindowRows<'_>,
    step: usize,
    window: &Window<'_>,
    sorted: &mut Vec<f64>,
) -> Found {
    use FunctionId as F;
    let floats = window.floats;
    let histograms = window.histograms;
    let count = floats.values.len();
    let mixed = count > 0 && !histograms.is_empty();
    match rows.function {
        F::Rate | F::Increase | F::Delta => {
            if mixed {
                window
                    .notices
                    .mixed_floats_histograms(window.metric, window.span);
                return Found::Nothing;
            }
            rate(rows, step, window)
        }
        F::SumOverTime | F::AvgOverTime => {
            if mixed {
                window
                    .notices
                    .mixed_floats_histograms(window.metric, window.span);
                return Found::Nothing;
            }
            if histograms.is_empty() {
                return plain(rows, step, window, sorted);
            }
            total(window, rows.function == F::AvgOverTime)
        }
        F::CountOverTime => Found::Float((count + histograms.len()) as f64),
        F::PresentOverTime => Found::Float(1.0),
        F::LastOverTime | F::FirstOverTime | F::TsOfLastOverTime | F::TsOfFirstOverTime => {
            ends(rows.function, window)
        }
        F::Changes | F::Resets => {
            Found::Float(transitions(window, rows.function == F::Resets) as f64)
        }
        F::Irate | F::Idelta => instant(window, rows.function == F::Irate),
        _ => {
            // All others look at numbers only, and say so where histograms stand among them.
            let regression = matches!(
                rows.function,
                F::Deriv | F::PredictLinear | F::DoubleExponentialSmoothing
            );
            if count == 0 {
                return Found::Nothing;
            }
            if mixed {
                window.notices.ignored_in_range(window.metric, window.span);
            }
            if regression && count < 2 {
                return Found::Nothing;
            }
            plain(rows, step, window, sorted)
        }
    }
}

fn plain(rows: &WindowRows<'_>, step: usize, window: &Window<'_>, sorted: &mut Vec<f64>) -> Found {
    functions::float(rows, step, window.floats, sorted).map_or(Found::Nothing, Found::Float)
}

/// Whether a start time shows that a counter restarted before its sample.
fn restarted_by_start(before: (i64, i64), now: (i64, i64)) -> bool {
    let ((start_before, time_before), (start, time)) = (before, now);
    if start == 0 || start > time || start < time_before {
        return false;
    }
    if start > time_before {
        return true;
    }
    // A start at the sample before: a delta when that one's start is known, too.
    start_before != 0 && start_before <= time_before
}

fn float_restart(window: &Window<'_>, index: usize) -> bool {
    let WindowFloats { times, values } = window.floats;
    if values[index] < values[index - 1] {
        return true;
    }
    let (Some(before), Some(now)) = (window.starts.get(index - 1), window.starts.get(index)) else {
        return false;
    };
    // Starts that move on without reaching the sample before cover its time twice.
    if *now != 0 && *now < times[index - 1] && *now > *before && *before != 0 {
        window.notices.overlapping_start(window.metric, window.span);
    }
    restarted_by_start((*before, times[index - 1]), (*now, times[index]))
}

fn rate(rows: &WindowRows<'_>, step: usize, window: &Window<'_>) -> Found {
    let counter = rows.function != FunctionId::Delta;
    let per_seconds =
        (rows.function == FunctionId::Rate).then_some(rows.windows.length as f64 / 1000.0);
    let (start, end) = (rows.windows.start(step), rows.windows.end(step));
    let WindowFloats { times, values } = window.floats;
    if values.len() >= 2 {
        let mut increase = values[values.len() - 1] - values[0];
        if counter {
            for index in 1..values.len() {
                if float_restart(window, index) {
                    increase += values[index - 1];
                }
            }
        }
        let part =
            Extrapolation::between(times[0], times[times.len() - 1], times.len(), start, end);
        let mut to_start = part.to_start;
        if counter && increase > 0.0 && values[0] >= 0.0 {
            to_start = smaller(part.sampled * (values[0] / increase), to_start);
        }
        return Found::Float(increase * part.factor(to_start, per_seconds));
    }
    let histograms = window.histograms;
    let (Some((first_time, first)), Some((last_time, _))) = (histograms.first(), histograms.last())
    else {
        return Found::Nothing;
    };
    if histograms.len() < 2 {
        return Found::Nothing;
    }
    let Some(mut result) = histogram_increase(window, counter) else {
        return Found::Nothing;
    };
    let part = Extrapolation::between(*first_time, *last_time, histograms.len(), start, end);
    let mut to_start = part.to_start;
    if counter && result.count > 0.0 && first.count >= 0.0 {
        to_start = smaller(part.sampled * (first.count / result.count), to_start);
    }
    native::scale(&mut result, part.factor(to_start, per_seconds));
    result.reset_hint = ResetHint::Gauge;
    Found::Histogram(result)
}

fn histogram_increase(window: &Window<'_>, counter: bool) -> Option<Histogram> {
    let histograms = window.histograms;
    let gauge = |h: &Histogram| h.reset_hint == ResetHint::Gauge;
    let (first, last) = (&histograms.first()?.1, &histograms.last()?.1);
    let mixed = || window.notices.mixed_schemas(window.metric, window.span);
    let mut before = first.as_ref().clone();
    if counter && (gauge(first) || gauge(last)) {
        window.notices.not_counter(window.metric, window.span);
    }
    let second = &histograms[1].1;
    if counter && native::is_reset(second, first) {
        // What stood before a restart at the very start counts for nothing.
        before = Histogram {
            schema: second.schema,
            custom_bounds: second.custom_bounds.clone(),
            ..Histogram::default()
        };
    }
    let custom = before.uses_custom_bounds();
    if last.uses_custom_bounds() != custom {
        mixed();
        return None;
    }
    if counter {
        for (_, histogram) in &histograms[1..histograms.len() - 1] {
            if gauge(histogram) {
                window.notices.not_counter(window.metric, window.span);
            }
            if histogram.uses_custom_bounds() != custom {
                mixed();
                return None;
            }
        }
    }
    let mut result = last.as_ref().clone();
    let apply = |result: &mut Histogram, other: &Histogram, sign: f64| match native::combine(
        result, other, sign,
    ) {
        Ok(came) => {
            if came.reconciled {
                let what = if sign < 0.0 {
                    "subtraction"
                } else {
                    "addition"
                };
                window.notices.mismatched_bounds(what, window.span);
            }
            Some(())
        }
        Err(MixedSchemas) => {
            window.notices.mixed_schemas(window.metric, window.span);
            None
        }
    };
    apply(&mut result, &before, -1.0)?;
    if counter {
        for (_, now) in &histograms[1..] {
            if native::is_reset(now, &before) {
                apply(&mut result, &before, 1.0)?;
            }
            before = now.as_ref().clone();
        }
    } else if !gauge(first) || !gauge(last) {
        window.notices.not_gauge(window.metric, window.span);
    }
    native::compact(&mut result);
    Some(result)
}

fn total(window: &Window<'_>, average: bool) -> Found {
    let Some((_, first)) = window.histograms.first() else {
        return Found::Nothing;
    };
    let mut sum = first.as_ref().clone();
    let hints = |wanted| {
        window
            .histograms
            .iter()
            .any(|(_, h)| h.reset_hint == wanted)
    };
    for (_, histogram) in &window.histograms[1..] {
        match native::combine(&mut sum, histogram, 1.0) {
            Ok(came) if came.reconciled => {
                window.notices.mismatched_bounds("aggregation", window.span);
            }
            Ok(_) => {}
            Err(MixedSchemas) => {
                window.notices.mixed_schemas(window.metric, window.span);
                return Found::Nothing;
            }
        }
    }
    if hints(ResetHint::Reset) && hints(ResetHint::NotReset) {
        window.notices.reset_collision("aggregation", window.span);
    }
    if average {
        native::divide(&mut sum, window.histograms.len() as f64);
    }
    Found::Histogram(sum)
}

fn ends(function: FunctionId, window: &Window<'_>) -> Found {
    use FunctionId as F;
    let last = matches!(function, F::LastOverTime | F::TsOfLastOverTime);
    let WindowFloats { times, values } = window.floats;
    let (float, histogram) = if last {
        (
            times.last().copied().zip(values.last().copied()),
            window.histograms.last(),
        )
    } else {
        (
            times.first().copied().zip(values.first().copied()),
            window.histograms.first(),
        )
    };
    let use_float = match (float, histogram) {
        (Some((time, _)), Some((other, _))) => {
            if last {
                time > *other
            } else {
                time < *other
            }
        }
        (float, _) => float.is_some(),
    };
    let times_only = matches!(function, F::TsOfLastOverTime | F::TsOfFirstOverTime);
    match (float, histogram) {
        (Some((time, value)), _) if use_float => Found::Float(if times_only {
            time as f64 / 1000.0
        } else {
            value
        }),
        (_, Some((time, _))) if times_only => Found::Float(*time as f64 / 1000.0),
        (_, Some((_, histogram))) => Found::Histogram(histogram.as_ref().clone()),
        _ => Found::Nothing,
    }
}

/// A sample of either kind.
enum Sample<'a> {
    Float(usize),
    Histogram(&'a Histogram),
}

fn in_order<'a>(window: &'a Window<'a>) -> Vec<(i64, Sample<'a>)> {
    let floats = window
        .floats
        .times
        .iter()
        .enumerate()
        .map(|(index, time)| (*time, Sample::Float(index)));
    let histograms = window
        .histograms
        .iter()
        .map(|(time, histogram)| (*time, Sample::Histogram(histogram)));
    let mut all: Vec<_> = floats.chain(histograms).collect();
    all.sort_by_key(|(time, _)| *time);
    all
}

fn transitions(window: &Window<'_>, resets: bool) -> usize {
    let all = in_order(window);
    all.windows(2)
        .filter(|pair| match (&pair[0].1, &pair[1].1) {
            (Sample::Float(before), Sample::Float(now)) => {
                let (a, b) = (window.floats.values[*before], window.floats.values[*now]);
                if resets {
                    if *now == *before + 1 {
                        float_restart(window, *now)
                    } else {
                        b < a
                    }
                } else {
                    a != b && !(a.is_nan() && b.is_nan())
                }
            }
            (Sample::Histogram(before), Sample::Histogram(now)) => {
                if resets {
                    native::is_reset(now, before)
                } else {
                    !native::equal(now, before)
                }
            }
            _ => true,
        })
        .count()
}

fn instant(window: &Window<'_>, rate: bool) -> Found {
    let all = in_order(window);
    let [.., before, now] = &all[..] else {
        return Found::Nothing;
    };
    let interval = now.0 - before.0;
    if interval == 0 {
        return Found::Nothing;
    }
    let seconds = interval as f64 / 1000.0;
    match (&before.1, &now.1) {
        (Sample::Float(a), Sample::Float(b)) => {
            let mut difference = window.floats.values[*b];
            let restart = rate && *b == *a + 1 && float_restart(window, *b);
            if !restart {
                difference -= window.floats.values[*a];
            }
            Found::Float(if rate {
                difference / seconds
            } else {
                difference
            })
        }
        (Sample::Histogram(a), Sample::Histogram(b)) => {
            let gauge = |h: &Histogram| h.reset_hint == ResetHint::Gauge;
            if rate && (gauge(a) || gauge(b)) {
                window.notices.not_counter(window.metric, window.span);
            }
            let gauges = gauge(a) && gauge(b);
            if !rate && !gauges {
                window.notices.not_gauge(window.metric, window.span);
            }
            let mut result = (*b).clone();
            if !rate || !native::is_reset(b, a) {
                match native::combine(&mut result, a, -1.0) {
                    Ok(came) if came.reconciled => {
                        window.notices.mismatched_bounds("subtraction", window.span);
                    }
                    Ok(_) => {}
                    Err(MixedSchemas) => {
                        window.notices.mixed_schemas(window.metric, window.span);
                        return Found::Nothing;
                    }
                }
            }
            result.reset_hint = ResetHint::Gauge;
            native::compact(&mut result);
            if rate {
                native::divide(&mut result, seconds);
            }
            Found::Histogram(result)
        }
        _ => {
            window
                .notices
                .mixed_floats_histograms(window.metric, window.span);
            Found::Nothing
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_behind_the_sample_before_is_a_restart() {
        assert!(restarted_by_start((0, 10), (20, 30)));
        assert!(!restarted_by_start((0, 10), (5, 30)));
        assert!(!restarted_by_start((0, 10), (10, 30)));
        assert!(restarted_by_start((5, 10), (10, 30)));
        assert!(!restarted_by_start((0, 10), (0, 30)));
    }
}
