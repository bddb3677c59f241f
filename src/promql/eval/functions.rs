//! Range functions over the numbers of one window, bit for bit as Prometheus computes them.

use super::edges::Windows;
use super::vector::ABSENT;
use super::window::{Samples, WindowRows};
use crate::arithmetic::{kahan, quantile};
use crate::functions::FunctionId;
use crate::syntax::Extension;
use std::collections::VecDeque;

/// The numbers of a window; at least one.
#[derive(Clone, Copy)]
pub(crate) struct WindowFloats<'a> {
    pub(crate) times: &'a [i64],
    pub(crate) values: &'a [f64],
}

/// The largest value; NaN only where all are.
pub(crate) fn max(values: &[f64]) -> f64 {
    let mut largest = values[0];
    for value in values {
        if *value > largest || largest.is_nan() {
            largest = *value;
        }
    }
    largest
}

/// The smallest value; NaN only where all are.
pub(crate) fn min(values: &[f64]) -> f64 {
    let mut smallest = values[0];
    for value in values {
        if *value < smallest || smallest.is_nan() {
            smallest = *value;
        }
    }
    smallest
}

const LANES: usize = 8;

/// As [`max`] for values that are known to be numbers: several at once.
pub(crate) fn max_without_nan(values: &[f64]) -> f64 {
    let largest = fold_lanes(values, |a, b| if b > a { b } else { a });
    first_of_zeros(largest, values, max)
}

/// As [`min`] for values that are known to be numbers.
pub(crate) fn min_without_nan(values: &[f64]) -> f64 {
    let smallest = fold_lanes(values, |a, b| if b < a { b } else { a });
    first_of_zeros(smallest, values, min)
}

/// As [`max`] for values of which none is below the one before it.
pub(crate) fn max_of_growing(values: &[f64]) -> f64 {
    first_of_zeros(values[values.len() - 1], values, max)
}

/// The first of equals stands, and only zeros can be equal and yet differ.
fn first_of_zeros(found: f64, values: &[f64], one_by_one: impl Fn(&[f64]) -> f64) -> f64 {
    let is_negative = |value: &f64| value.to_bits() == (-0.0f64).to_bits();
    let any = |values: &[f64]| values.iter().fold(false, |any, v| any | is_negative(v));
    if found == 0.0 && any(values) {
        one_by_one(values)
    } else {
        found
    }
}

#[inline(always)]
fn fold_lanes(values: &[f64], choose: impl Fn(f64, f64) -> f64) -> f64 {
    let mut lanes = [values[0]; LANES];
    let mut chunks = values.chunks_exact(LANES);
    for chunk in &mut chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane = choose(*lane, *value);
        }
    }
    let mut result = lanes[0];
    for value in lanes.iter().skip(1).chain(chunks.remainder()) {
        result = choose(result, *value);
    }
    result
}

/// The extreme of each window in one pass: those samples wait in a queue that no later one beats,
/// so that each sample is put in and taken out once, however long windows are. `beats` is strict,
/// which lets the first of equals stand, as looking at each window anew does.
pub(crate) fn sliding(samples: &Samples<'_>, out: &mut [f64], beats: impl Fn(f64, f64) -> bool) {
    let values = samples.values;
    let mut waiting: VecDeque<usize> = VecDeque::new();
    let mut next = 0;
    for (step, cell) in out.iter_mut().enumerate() {
        let (low, high) = samples.window(step);
        while next < high {
            while waiting
                .back()
                .is_some_and(|last| beats(values[next], values[*last]))
            {
                waiting.pop_back();
            }
            waiting.push_back(next);
            next += 1;
        }
        while waiting.front().is_some_and(|first| *first < low) {
            waiting.pop_front();
        }
        *cell = match waiting.front() {
            Some(first) if low < high => values[*first],
            _ => ABSENT,
        };
    }
}

pub(crate) fn sum(values: &[f64]) -> f64 {
    let (mut sum, mut compensation) = (0.0, 0.0);
    for value in values {
        (sum, compensation) = kahan(*value, sum, compensation);
    }
    if sum.is_infinite() {
        sum
    } else {
        sum + compensation
    }
}

/// The mean: of the sum while that stays finite, step by step beyond.
pub(crate) fn average(values: &[f64]) -> f64 {
    let mut mean = Mean::new(values[0]);
    for value in &values[1..] {
        mean.add(*value);
    }
    mean.result()
}

/// A running mean that loses no digits and does not overflow where the sum would.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mean {
    count: f64,
    /// The sum, and after an overflow the mean.
    value: f64,
    compensation: f64,
    incremental: bool,
}

impl Mean {
    pub(crate) fn new(first: f64) -> Self {
        Self {
            count: 1.0,
            value: first,
            compensation: 0.0,
            incremental: false,
        }
    }

    #[inline]
    pub(crate) fn add(&mut self, value: f64) {
        self.count += 1.0;
        if !self.incremental {
            let (sum, compensation) = kahan(value, self.value, self.compensation);
            if !sum.is_infinite() {
                self.value = sum;
                self.compensation = compensation;
                return;
            }
            self.incremental = true;
            self.value /= self.count - 1.0;
            self.compensation /= self.count - 1.0;
        }
        let share = (self.count - 1.0) / self.count;
        (self.value, self.compensation) = kahan(
            value / self.count,
            share * self.value,
            share * self.compensation,
        );
    }

    pub(crate) fn result(&self) -> f64 {
        if self.incremental {
            self.value + self.compensation
        } else {
            self.value / self.count + self.compensation / self.count
        }
    }
}

fn variance(values: &[f64]) -> f64 {
    let mut count = 0.0;
    let (mut mean, mut mean_compensation) = (0.0, 0.0);
    let (mut sum, mut compensation) = (0.0, 0.0);
    for value in values {
        count += 1.0;
        let delta = value - (mean + mean_compensation);
        (mean, mean_compensation) = kahan(delta / count, mean, mean_compensation);
        (sum, compensation) = kahan(
            delta * (value - (mean + mean_compensation)),
            sum,
            compensation,
        );
    }
    (sum + compensation) / count
}

/// Slope per second and value at `at`, by least squares.
fn regression(window: WindowFloats<'_>, at: i64) -> (f64, f64) {
    let first = window.values[0];
    if window.values.iter().skip(1).all(|value| *value == first) {
        return if first.is_infinite() {
            (f64::NAN, f64::NAN)
        } else {
            (0.0, first)
        };
    }
    let mut count = 0.0;
    let mut x = (0.0, 0.0);
    let mut y = (0.0, 0.0);
    let mut xy = (0.0, 0.0);
    let mut xx = (0.0, 0.0);
    for (time, value) in window.times.iter().zip(window.values) {
        count += 1.0;
        let seconds = time.saturating_sub(at) as f64 / 1e3;
        x = kahan(seconds, x.0, x.1);
        y = kahan(*value, y.0, y.1);
        xy = kahan(seconds * value, xy.0, xy.1);
        xx = kahan(seconds * seconds, xx.0, xx.1);
    }
    let (x, y, xy, xx) = (x.0 + x.1, y.0 + y.1, xy.0 + xy.1, xx.0 + xx.1);
    let slope = (xy - x * y / count) / (xx - x * x / count);
    (slope, y / count - slope * x / count)
}

/// A range function that has no loop of its own in [`WindowRows`].
pub(crate) fn float(
    rows: &WindowRows<'_>,
    step: usize,
    window: WindowFloats<'_>,
    sorted: &mut Vec<f64>,
) -> Option<f64> {
    use FunctionId as F;
    let WindowFloats { times, values } = window;
    let parameter = |index: usize| rows.parameters[index].get(step);
    let seconds = |index: usize| times[index] as f64 / 1000.0;
    let mut quantile_of = |q: f64, values: &[f64]| {
        sorted.clear();
        sorted.extend_from_slice(values);
        quantile(q, sorted)
    };
    Some(match rows.function {
        F::SumOverTime => sum(values),
        F::AvgOverTime => average(values),
        F::MaxOverTime => max(values),
        F::MinOverTime => min(values),
        F::CountOverTime => values.len() as f64,
        F::PresentOverTime => 1.0,
        F::LastOverTime => *values.last()?,
        F::FirstOverTime => values[0],
        F::StdvarOverTime => variance(values),
        F::StddevOverTime => variance(values).sqrt(),
        F::QuantileOverTime => quantile_of(parameter(0), values),
        F::MadOverTime => {
            let median = quantile_of(0.5, values);
            let deviations: Vec<f64> = values.iter().map(|v| (v - median).abs()).collect();
            quantile_of(0.5, &deviations)
        }
        F::TsOfFirstOverTime => seconds(0),
        F::TsOfLastOverTime => seconds(times.len() - 1),
        F::TsOfMaxOverTime | F::TsOfMinOverTime => {
            let mut best = 0;
            for index in 0..values.len() {
                let (value, known) = (values[index], values[best]);
                let better = if rows.function == F::TsOfMaxOverTime {
                    value >= known
                } else {
                    value <= known
                };
                if better || known.is_nan() {
                    best = index;
                }
            }
            seconds(best)
        }
        F::Changes => values
            .windows(2)
            .filter(|pair| pair[0] != pair[1] && !(pair[0].is_nan() && pair[1].is_nan()))
            .count() as f64,
        F::Resets => values.windows(2).filter(|pair| pair[1] < pair[0]).count() as f64,
        F::Irate | F::Idelta => {
            let last = values.len().checked_sub(1)?;
            let before = last.checked_sub(1)?;
            let rate = rows.function == F::Irate;
            let interval = times[last] - times[before];
            if interval == 0 {
                return None;
            }
            let mut difference = values[last];
            // After a restart the whole value is the increase.
            let restarted = values[last] < values[before];
            if !(rate && restarted) {
                difference -= values[before];
            }
            if rate {
                difference / (interval as f64 / 1000.0)
            } else {
                difference
            }
        }
        F::Deriv if values.len() >= 2 => regression(window, times[0]).0,
        F::PredictLinear if values.len() >= 2 => {
            let (slope, intercept) = regression(window, rows.steps.time(step));
            slope * parameter(0) + intercept
        }
        F::DoubleExponentialSmoothing if values.len() >= 2 => {
            let (smoothing, trend) = (parameter(0), parameter(1));
            let mut level = values[0];
            let mut slope = values[1] - values[0];
            let mut before = 0.0;
            for (index, value) in values.iter().enumerate().skip(1) {
                if index > 1 {
                    slope = trend * (level - before) + (1.0 - trend) * slope;
                }
                let next = smoothing * value + (1.0 - smoothing) * (level + slope);
                before = level;
                level = next;
            }
            level
        }
        _ => return None,
    })
}

/// The value at `time` on the line between two samples; a counter that restarted between them
/// starts from 0.
fn interpolate(a: (i64, f64), b: (i64, f64), time: i64, counter: bool) -> f64 {
    let from = if counter && b.1 < a.1 { 0.0 } else { a.1 };
    from + (b.1 - from) * (time - a.0) as f64 / (b.0 - a.0) as f64
}

/// A `smoothed` vector selector: the value at each step's time between the samples around it.
pub(crate) fn smooth(samples: &Samples<'_>, windows: &Windows, out: &mut [f64]) {
    for (step, cell) in out.iter_mut().enumerate() {
        let (low, high) = samples.window(step);
        let (times, values) = (&samples.times[low..high], &samples.values[low..high]);
        let at = windows.end(step);
        let next = times.partition_point(|time| *time < at);
        *cell = if times.get(next) == Some(&at) {
            values[next]
        } else if next == 0 {
            ABSENT
        } else if next < times.len() {
            interpolate(
                (times[next - 1], values[next - 1]),
                (times[next], values[next]),
                at,
                false,
            )
        } else {
            values[next - 1]
        };
    }
}

/// `rate` and its kind over a range that is `anchored` or `smoothed`; the windows hold samples
/// beyond the range by the lookback.
pub(crate) fn extended(rows: &WindowRows<'_>, samples: &Samples<'_>, out: &mut [f64]) {
    use FunctionId as F;
    let smoothed = rows.extension == Some(Extension::Smoothed);
    let counter = rows.function != F::Delta;
    let lookback = rows.evaluator.lookback;
    let range = rows.windows.length - lookback;
    for (step, cell) in out.iter_mut().enumerate() {
        *cell = ABSENT;
        let (low, high) = samples.window(step);
        if low >= high {
            continue;
        }
        let (times, values) = (&samples.times[low..high], &samples.values[low..high]);
        let end = rows.windows.end(step);
        let start = end.saturating_sub(range);
        let last = times.len() - 1;
        let mut first = times[..last]
            .partition_point(|time| *time <= start)
            .saturating_sub(1);
        let last = if smoothed {
            times[..last].partition_point(|time| *time < end)
        } else {
            last
        };
        if times[last] <= start || (smoothed && times[first] > end) {
            continue;
        }
        if matches!(rows.function, F::Changes | F::Resets) {
            let inside = &values[first..=last];
            *cell = if rows.function == F::Changes {
                inside
                    .windows(2)
                    .filter(|pair| pair[0] != pair[1] && !(pair[0].is_nan() && pair[1].is_nan()))
                    .count()
            } else {
                inside.windows(2).filter(|pair| pair[1] < pair[0]).count()
            } as f64;
            continue;
        }
        let at = |index: usize| (times[index], values[index]);
        let left = if smoothed && times[first] < start && first + 1 < times.len() {
            interpolate(at(first), at(first + 1), start, counter)
        } else {
            values[first]
        };
        let right = if smoothed && last > 0 && times[last] > end {
            interpolate(at(last - 1), at(last), end, counter)
        } else {
            values[last]
        };
        let mut result = right - left;
        if counter {
            if times[first] <= start {
                first += 1;
            }
            // Samples on the edges are accounted for by the values at the edges.
            let behind = if times[last] >= end { last } else { last + 1 };
            let mut before = left;
            let mut correction = 0.0;
            for value in values.get(first..behind).unwrap_or(&[]) {
                if *value < before {
                    correction += before;
                }
                before = *value;
            }
            if right < before {
                correction += before;
            }
            result += correction;
        }
        if rows.function == F::Rate {
            result /= range as f64 / 1000.0;
        }
        *cell = result;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_mean_survives_a_sum_that_does_not_fit() {
        assert_eq!(average(&[f64::MAX, f64::MAX]), f64::MAX);
        assert_eq!(average(&[1.0, 1e100, 1.0, -1e100]), 0.5);
    }

    proptest! {
        #[test]
        fn short_ways_find_what_one_by_one_finds(
            mut values in prop::collection::vec(
                prop_oneof![-1e9f64..1e9, Just(0.0), Just(-0.0)], 1..60,
            ),
            end in prop_oneof![Just(f64::INFINITY), Just(0.0)],
        ) {
            values.retain(|value| *value <= end);
            values.push(end);
            prop_assert_eq!(max(&values).to_bits(), max_without_nan(&values).to_bits());
            prop_assert_eq!(min(&values).to_bits(), min_without_nan(&values).to_bits());
            values.sort_by(|a, b| a.partial_cmp(b).unwrap());
            prop_assert_eq!(max(&values).to_bits(), max_of_growing(&values).to_bits());
            prop_assert_eq!(min(&values).to_bits(), values[0].to_bits());
        }
    }
}
