//! Arithmetic on native histograms (Prometheus `model/histogram`, `FloatHistogram`).

use crate::arithmetic::kahan;
use series::{Bucket, Histogram, ResetHint};
use std::sync::Arc;

/// Two histograms of which one has exponential and the other custom buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MixedSchemas;

/// What adding two histograms came across.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Came {
    /// One restarted and the other did not.
    pub(crate) collision: bool,
    /// Their custom bounds differed and were reduced to those they share.
    pub(crate) reconciled: bool,
}

/// A bucket with its bounds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounded {
    pub(crate) lower: f64,
    pub(crate) upper: f64,
    pub(crate) count: f64,
}

/// Adds (`sign` 1) or subtracts (`sign` -1) `other`.
pub(crate) fn combine(
    histogram: &mut Histogram,
    other: &Histogram,
    sign: f64,
) -> Result<Came, MixedSchemas> {
    if histogram.uses_custom_bounds() != other.uses_custom_bounds() {
        return Err(MixedSchemas);
    }
    let mut came = Came::default();
    histogram.reset_hint = match (histogram.reset_hint, other.reset_hint) {
        (a, b) if a == b => a,
        (ResetHint::Gauge, _) | (_, ResetHint::Gauge) => ResetHint::Gauge,
        (ResetHint::Unknown, _) | (_, ResetHint::Unknown) => ResetHint::Unknown,
        _ => {
            came.collision = true;
            ResetHint::Unknown
        }
    };
    histogram.count += sign * other.count;
    histogram.sum += sign * other.sum;
    if histogram.uses_custom_bounds() {
        came.reconciled = combine_custom(histogram, other, sign);
        return Ok(came);
    }
    let mut other = other.clone();
    align_zero_buckets(histogram, &mut other);
    histogram.zero_count += sign * other.zero_count;
    let schema = histogram.schema.min(other.schema);
    reduce(histogram, schema);
    reduce(&mut other, schema);
    histogram.positive = merged(&histogram.positive, &other.positive, sign);
    histogram.negative = merged(&histogram.negative, &other.negative, sign);
    Ok(came)
}

fn combine_custom(histogram: &mut Histogram, other: &Histogram, sign: f64) -> bool {
    let bounds = |h: &Histogram| h.custom_bounds.clone().unwrap_or_else(|| Arc::from([]));
    let (mine, theirs) = (bounds(histogram), bounds(other));
    if mine == theirs {
        histogram.positive = merged(&histogram.positive, &other.positive, sign);
        return false;
    }
    let shared: Arc<[f64]> = mine
        .iter()
        .copied()
        .filter(|bound| theirs.contains(bound))
        .collect();
    let rebinned = |buckets: &[Bucket], bounds: &[f64]| {
        let moved = buckets.iter().map(|bucket| {
            let upper = usize::try_from(bucket.index)
                .ok()
                .and_then(|i| bounds.get(i))
                .copied()
                .unwrap_or(f64::INFINITY);
            let index = shared.partition_point(|bound| *bound < upper) as i32;
            Bucket {
                index,
                count: bucket.count,
            }
        });
        summed(moved.collect())
    };
    histogram.positive = merged(
        &rebinned(&histogram.positive, &mine),
        &rebinned(&other.positive, &theirs),
        sign,
    );
    histogram.custom_bounds = Some(shared);
    true
}

/// Multiplies all counts; a negative factor makes a gauge.
pub(crate) fn scale(histogram: &mut Histogram, factor: f64) {
    each_count(histogram, |count| *count *= factor);
    histogram.sum *= factor;
    if factor < 0.0 {
        histogram.reset_hint = ResetHint::Gauge;
    }
}

/// Divides all counts; by zero, the buckets go (their counts would mean nothing).
pub(crate) fn divide(histogram: &mut Histogram, divisor: f64) {
    each_count(histogram, |count| *count /= divisor);
    histogram.sum /= divisor;
    if divisor == 0.0 {
        histogram.positive.clear();
        histogram.negative.clear();
    }
    if divisor < 0.0 {
        histogram.reset_hint = ResetHint::Gauge;
    }
}

fn each_count(histogram: &mut Histogram, mut change: impl FnMut(&mut f64)) {
    change(&mut histogram.count);
    change(&mut histogram.zero_count);
    let buckets = histogram.positive.iter_mut().chain(&mut histogram.negative);
    for bucket in buckets {
        change(&mut bucket.count);
    }
}

/// Leaves out empty buckets.
pub(crate) fn compact(histogram: &mut Histogram) {
    histogram.positive.retain(|bucket| bucket.count != 0.0);
    histogram.negative.retain(|bucket| bucket.count != 0.0);
}

/// Joins buckets until the histogram has the coarser `schema`.
pub(crate) fn reduce(histogram: &mut Histogram, schema: i8) {
    if histogram.uses_custom_bounds() || schema >= histogram.schema {
        return;
    }
    let shift = u32::from((histogram.schema - schema).unsigned_abs()).min(31);
    for buckets in [&mut histogram.positive, &mut histogram.negative] {
        let joined = buckets
            .iter()
            .map(|bucket| Bucket {
                index: ((bucket.index - 1) >> shift) + 1,
                count: bucket.count,
            })
            .collect();
        *buckets = summed(joined);
    }
    histogram.schema = schema;
}

/// Adds up buckets of the same index; they come in order.
fn summed(buckets: Vec<Bucket>) -> Vec<Bucket> {
    let mut out: Vec<Bucket> = Vec::with_capacity(buckets.len());
    for bucket in buckets {
        match out.last_mut() {
            Some(last) if last.index == bucket.index => last.count += bucket.count,
            _ => out.push(bucket),
        }
    }
    out
}

fn merged(a: &[Bucket], b: &[Bucket], sign: f64) -> Vec<Bucket> {
    let mut out = Vec::with_capacity(a.len() + b.len());
    let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
    loop {
        let next = match (a.peek(), b.peek()) {
            (None, None) => return out,
            (Some(x), Some(y)) if x.index == y.index => {
                let bucket = Bucket {
                    index: x.index,
                    count: x.count + sign * y.count,
                };
                a.next();
                b.next();
                bucket
            }
            (Some(x), y) if y.is_none_or(|y| x.index < y.index) => {
                let bucket = **x;
                a.next();
                bucket
            }
            (_, Some(y)) => {
                let bucket = Bucket {
                    index: y.index,
                    count: sign * y.count,
                };
                b.next();
                bucket
            }
            (Some(x), None) => {
                let bucket = **x;
                a.next();
                bucket
            }
        };
        out.push(next);
    }
}

/// Widens the narrower zero bucket until both have the same width.
fn align_zero_buckets(a: &mut Histogram, b: &mut Histogram) {
    // Each round widens one by at least a bucket, so that this ends.
    while a.zero_threshold != b.zero_threshold {
        let (narrow, wide) = if a.zero_threshold < b.zero_threshold {
            (&mut *a, b.zero_threshold)
        } else {
            (&mut *b, a.zero_threshold)
        };
        let mut threshold = wide;
        let schema = narrow.schema;
        for buckets in [&mut narrow.positive, &mut narrow.negative] {
            buckets.retain(|bucket| {
                let lower = exponential_bound(bucket.index - 1, schema);
                if lower >= wide {
                    return true;
                }
                if bucket.count != 0.0 {
                    // A bucket that the threshold cuts goes in as a whole.
                    threshold = threshold.max(exponential_bound(bucket.index, schema));
                }
                narrow.zero_count += bucket.count;
                false
            });
        }
        narrow.zero_threshold = threshold;
    }
}

/// Whether a counter restarted between `before` and `now`.
pub(crate) fn is_reset(now: &Histogram, before: &Histogram) -> bool {
    match now.reset_hint {
        ResetHint::Reset => return true,
        ResetHint::NotReset => return false,
        ResetHint::Unknown | ResetHint::Gauge => {}
    }
    if now.count < before.count || now.uses_custom_bounds() != before.uses_custom_bounds() {
        return true;
    }
    if now.uses_custom_bounds() {
        if now.custom_bounds != before.custom_bounds {
            return false;
        }
    } else if now.schema > before.schema || now.zero_threshold < before.zero_threshold {
        return true;
    }
    let (mut now, mut before) = (now.clone(), before.clone());
    if !now.uses_custom_bounds() {
        align_zero_buckets(&mut now, &mut before);
        reduce(&mut before, now.schema);
    }
    let fewer = |now: &[Bucket], before: &[Bucket]| {
        merged(now, before, -1.0)
            .iter()
            .any(|bucket| bucket.count < 0.0)
    };
    now.zero_count < before.zero_count
        || fewer(&now.positive, &before.positive)
        || fewer(&now.negative, &before.negative)
}

/// Equal in everything but what is known of restarts.
pub(crate) fn equal(a: &Histogram, b: &Histogram) -> bool {
    let same = |a: f64, b: f64| a.to_bits() == b.to_bits();
    let buckets = |a: &[Bucket], b: &[Bucket]| {
        let filled = |buckets: &[Bucket]| {
            buckets
                .iter()
                .filter(|bucket| bucket.count != 0.0)
                .map(|bucket| (bucket.index, bucket.count.to_bits()))
                .collect::<Vec<_>>()
        };
        filled(a) == filled(b)
    };
    a.schema == b.schema
        && same(a.count, b.count)
        && same(a.sum, b.sum)
        && a.custom_bounds == b.custom_bounds
        && (a.uses_custom_bounds()
            || (a.zero_threshold == b.zero_threshold && same(a.zero_count, b.zero_count)))
        && buckets(&a.positive, &b.positive)
        && buckets(&a.negative, &b.negative)
}

fn exponential_bound(index: i32, schema: i8) -> f64 {
    f64::exp2(f64::from(index) * f64::exp2(-f64::from(schema)))
}

/// All buckets from the lowest to the highest, the zero bucket among them where it is filled.
pub(crate) fn buckets(histogram: &Histogram) -> Vec<Bounded> {
    let schema = histogram.schema;
    if let (true, Some(bounds)) = (histogram.uses_custom_bounds(), &histogram.custom_bounds) {
        let bound = |index: i32| match usize::try_from(index) {
            Err(_) => f64::NEG_INFINITY,
            Ok(index) => bounds.get(index).copied().unwrap_or(f64::INFINITY),
        };
        return histogram
            .positive
            .iter()
            .map(|bucket| Bounded {
                lower: bound(bucket.index - 1),
                upper: bound(bucket.index),
                count: bucket.count,
            })
            .collect();
    }
    let mut out = Vec::new();
    for bucket in histogram.negative.iter().rev() {
        out.push(Bounded {
            lower: -exponential_bound(bucket.index, schema),
            upper: -exponential_bound(bucket.index - 1, schema),
            count: bucket.count,
        });
    }
    if histogram.zero_count > 0.0 {
        out.push(Bounded {
            lower: -histogram.zero_threshold,
            upper: histogram.zero_threshold,
            count: histogram.zero_count,
        });
    }
    for bucket in &histogram.positive {
        out.push(Bounded {
            lower: exponential_bound(bucket.index - 1, schema),
            upper: exponential_bound(bucket.index, schema),
            count: bucket.count,
        });
    }
    out
}

/// What a quantile of observations that are no number came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NanObservations {
    None,
    /// The result is NaN.
    Result,
    /// The result is too high.
    Skew,
}

/// The estimated quantile: linear within custom buckets and the zero bucket, exponential within
/// the others (Prometheus `HistogramQuantile`).
pub(crate) fn quantile(q: f64, histogram: &Histogram) -> (f64, NanObservations) {
    use NanObservations as N;
    if q < 0.0 {
        return (f64::NEG_INFINITY, N::None);
    }
    if q > 1.0 {
        return (f64::INFINITY, N::None);
    }
    if histogram.count == 0.0 || q.is_nan() {
        return (f64::NAN, N::None);
    }
    let custom = histogram.uses_custom_bounds();
    let all = buckets(histogram);
    let forward = histogram.sum.is_nan() || q < 0.5;
    let mut rank = if forward {
        q * histogram.count
    } else {
        (1.0 - q) * histogram.count
    };
    let mut order: Vec<Bounded> = all.into_iter().filter(|b| b.count != 0.0).collect();
    if !forward {
        order.reverse();
    }
    let mut count = 0.0;
    let mut found = None;
    for (index, bucket) in order.iter().enumerate() {
        count += bucket.count;
        found = Some(index);
        if count >= rank {
            break;
        }
    }
    let Some(found) = found else {
        return (f64::NAN, N::None);
    };
    let mut bucket = order[found];
    if !custom && bucket.lower < 0.0 && bucket.upper > 0.0 {
        if histogram.negative.is_empty() && !histogram.positive.is_empty() {
            bucket.lower = 0.0;
        } else if histogram.positive.is_empty() && !histogram.negative.is_empty() {
            bucket.upper = 0.0;
        }
    } else if custom {
        if bucket.lower == f64::NEG_INFINITY {
            if bucket.upper <= 0.0 {
                return (bucket.upper, N::None);
            }
            bucket.lower = 0.0;
        } else if bucket.upper == f64::INFINITY {
            return (bucket.lower, N::None);
        }
    }
    count = count.min(histogram.count);
    if count < rank {
        return if histogram.sum.is_nan() {
            (f64::NAN, N::Result)
        } else {
            (bucket.upper, N::None)
        };
    }
    rank = if forward {
        rank - (count - bucket.count)
    } else {
        count - rank
    };
    let mut nan = N::None;
    if histogram.sum.is_nan() {
        let rest: f64 = order[found + 1..].iter().map(|b| b.count).sum();
        if count + rest < histogram.count {
            nan = N::Skew;
        }
    }
    let fraction = rank / bucket.count;
    if custom || (bucket.lower <= 0.0 && bucket.upper >= 0.0) {
        return (bucket.lower + (bucket.upper - bucket.lower) * fraction, nan);
    }
    let (low, high) = (bucket.lower.abs().log2(), bucket.upper.abs().log2());
    let value = if bucket.lower > 0.0 {
        f64::exp2(low + (high - low) * fraction)
    } else {
        -f64::exp2(high + (low - high) * (1.0 - fraction))
    };
    (value, nan)
}

/// The estimated share of observations between two bounds, and whether some are no number
/// (Prometheus `HistogramFraction`).
pub(crate) fn fraction(lower: f64, upper: f64, histogram: &Histogram) -> (f64, bool) {
    if histogram.count == 0.0 || lower.is_nan() || upper.is_nan() {
        return (f64::NAN, false);
    }
    if lower >= upper {
        return (0.0, false);
    }
    let custom = histogram.uses_custom_bounds();
    let all = buckets(histogram);
    let total: f64 = all.iter().map(|b| b.count).sum();
    let mut rank = 0.0;
    let (mut below_lower, mut below_upper) = (None, None);
    for mut bucket in all {
        let zero = bucket.lower <= 0.0 && bucket.upper >= 0.0;
        if zero && histogram.negative.is_empty() && !histogram.positive.is_empty() {
            bucket.lower = 0.0;
        } else if zero && histogram.positive.is_empty() && !histogram.negative.is_empty() {
            bucket.upper = 0.0;
        }
        let within = |value: f64| {
            if custom || zero {
                if bucket.lower == f64::NEG_INFINITY {
                    return bucket.count;
                }
                return rank
                    + bucket.count * (value - bucket.lower) / (bucket.upper - bucket.lower);
            }
            let low = bucket.lower.abs().log2();
            let high = bucket.upper.abs().log2();
            let at = value.abs().log2();
            let part = if value > 0.0 {
                (at - low) / (high - low)
            } else {
                1.0 - (at - high) / (low - high)
            };
            rank + bucket.count * part
        };
        for (bound, slot) in [(lower, &mut below_lower), (upper, &mut below_upper)] {
            if slot.is_some() {
                continue;
            }
            if bucket.lower >= bound {
                *slot = Some(rank);
            } else if bucket.upper > bound {
                *slot = Some(within(bound));
            }
        }
        if below_lower.is_some() && below_upper.is_some() {
            break;
        }
        rank += bucket.count;
    }
    let mut count = histogram.count;
    let mut nan = false;
    if histogram.sum.is_nan() {
        nan = total < histogram.count;
        count = total;
    }
    let below = |rank: Option<f64>| rank.unwrap_or(count).min(count);
    (
        (below(below_upper) - below(below_lower)) / histogram.count,
        nan,
    )
}

/// The estimated variance of the observations.
pub(crate) fn variance(histogram: &Histogram) -> f64 {
    let mean = histogram.sum / histogram.count;
    let (mut sum, mut compensation) = (0.0, 0.0);
    for bucket in buckets(histogram) {
        if bucket.count == 0.0 {
            continue;
        }
        let value = if histogram.uses_custom_bounds() {
            (bucket.upper + bucket.lower) / 2.0
        } else if bucket.lower <= 0.0 && bucket.upper >= 0.0 {
            0.0
        } else {
            let middle = (bucket.upper * bucket.lower).sqrt();
            if bucket.upper < 0.0 { -middle } else { middle }
        };
        let delta = value - mean;
        (sum, compensation) = kahan(bucket.count * delta * delta, sum, compensation);
    }
    (sum + compensation) / histogram.count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(schema: i8, buckets: &[(i32, f64)]) -> Histogram {
        Histogram {
            schema,
            count: buckets.iter().map(|b| b.1).sum(),
            positive: buckets
                .iter()
                .map(|(index, count)| Bucket {
                    index: *index,
                    count: *count,
                })
                .collect(),
            ..Histogram::default()
        }
    }

    #[test]
    fn adding_takes_the_coarser_schema() {
        let mut sum = histogram(1, &[(1, 1.0), (2, 2.0), (3, 4.0)]);
        combine(&mut sum, &histogram(0, &[(1, 10.0)]), 1.0).unwrap();
        assert_eq!(sum, histogram(0, &[(1, 13.0), (2, 4.0)]));
    }

    #[test]
    fn custom_and_exponential_buckets_do_not_mix() {
        let mut custom = histogram(Histogram::CUSTOM_SCHEMA, &[(0, 1.0)]);
        custom.custom_bounds = Some(Arc::from([5.0]));
        assert!(combine(&mut custom, &histogram(0, &[]), 1.0).is_err());
    }

    #[test]
    fn the_zero_buckets_grow_to_the_same_width() {
        let mut wide = histogram(0, &[]);
        wide.zero_threshold = 1.5;
        wide.zero_count = 1.0;
        let narrow = histogram(0, &[(0, 1.0), (1, 2.0), (2, 4.0)]);
        combine(&mut wide, &narrow, 1.0).unwrap();
        assert_eq!(wide.zero_threshold, 2.0);
        assert_eq!(wide.zero_count, 4.0);
        assert_eq!(wide.positive, histogram(0, &[(2, 4.0)]).positive);
    }

    #[test]
    fn a_lower_count_is_a_restart() {
        let before = histogram(0, &[(1, 3.0)]);
        assert!(is_reset(&histogram(0, &[(1, 2.0)]), &before));
        assert!(!is_reset(&histogram(0, &[(1, 3.0), (2, 1.0)]), &before));
        assert!(is_reset(&histogram(0, &[(2, 4.0)]), &before));
    }

    #[test]
    fn the_middle_of_a_bucket_is_its_geometric_middle() {
        let (value, _) = quantile(0.5, &histogram(0, &[(1, 2.0)]));
        assert!((value - 2f64.sqrt()).abs() < 1e-12);
    }
}
