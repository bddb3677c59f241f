//! Quantiles and fractions of classic histograms, whose buckets are series with the label `le`,
//! and of native ones beside them (Prometheus querying/functions).

use super::Evaluator;
use super::vector::{ABSENT, Head, Histograms, Scalars, Vector, is_present};
use super::workers::in_parallel;
use crate::error::Result;
use crate::native::{self, NanObservations};
use crate::notices::ForcedMonotonicity;
use crate::plan::Steps;
use crate::span::Span;
use series::{Histogram, LabelGroups, Labels};
use std::sync::Arc;

const BUCKET_LABEL: &str = "le";

/// Relative differences between buckets below this are slips of rounding
/// (Prometheus `smallDeltaTolerance`).
const TOLERANCE: f64 = 1e-12;

/// How many histograms a thread takes at a time.
const FAMILIES: usize = 4;

/// Interpolating costs so many times more for a bucket than reading does for a sample.
const COST_OF_A_BUCKET: usize = 8;

/// Upper bound and cumulative count.
type Bucket = (f64, f64);

/// The series of one histogram.
struct Family {
    head: Head,
    /// Bound and row, by increasing bound.
    buckets: Vec<(f64, usize)>,
    /// Rows that hold native histograms.
    native: Vec<usize>,
}

/// What is asked of each histogram.
pub(crate) enum Question<'a> {
    Quantile(&'a Scalars),
    Fraction(&'a Scalars, &'a Scalars),
}

/// Where its parts stand in the query.
#[derive(Clone, Copy)]
pub(crate) struct Places {
    pub(crate) parameter: Span,
    pub(crate) vector: Span,
}

/// A question to the histograms of a vector.
struct Asked<'a> {
    question: &'a Question<'a>,
    vector: &'a Vector,
    steps: &'a Steps,
    places: Places,
}

impl Evaluator<'_> {
    pub(crate) fn histograms(
        &self,
        question: &Question<'_>,
        vector: &Vector,
        steps: &Steps,
        places: Places,
    ) -> Result<Vector> {
        if let Question::Quantile(q) = question {
            for step in 0..steps.count {
                let q = q.get(step);
                if !(0.0..=1.0).contains(&q) {
                    self.notices.invalid_quantile(q, places.parameter);
                }
                if matches!(question, Question::Quantile(Scalars::Constant(_))) {
                    break;
                }
            }
        }
        let families = self.families(vector, places.vector);
        let count = steps.count;
        let reservation = self.budget.reserve(families.len(), count)?;
        let mut cells = vec![ABSENT; families.len() * count];
        let asked = Asked {
            question,
            vector,
            steps,
            places,
        };
        let parts = families
            .chunks(FAMILIES)
            .zip(cells.chunks_mut(FAMILIES * count));
        let present = in_parallel(
            self.workers(vector.cells.len().saturating_mul(COST_OF_A_BUCKET)),
            parts.collect(),
            || Ok(Vec::new()),
            |buckets, (families, cells)| {
                let each = families.iter().zip(cells.chunks_mut(count));
                each.map(|(family, out)| {
                    self.interrupt.check()?;
                    Ok(self.ask(&asked, family, buckets, out))
                })
                .collect::<Result<Vec<bool>>>()
            },
        )?;
        let answers = Vector {
            steps: count,
            heads: families.into_iter().map(|family| family.head).collect(),
            cells,
            histograms: Histograms::new(),
            reservation: Some(reservation),
        };
        Ok(answers.retain(&present.concat()))
    }

    /// Answers for one histogram at all steps; `false` where there is nothing at any.
    fn ask(
        &self,
        asked: &Asked<'_>,
        family: &Family,
        buckets: &mut Vec<Bucket>,
        out: &mut [f64],
    ) -> bool {
        let Asked {
            question,
            vector,
            steps,
            places,
        } = *asked;
        let mut any = false;
        let name = family.head.labels.metric_name().unwrap_or_default();
        for (step, cell) in out.iter_mut().enumerate() {
            buckets.clear();
            for (bound, row) in &family.buckets {
                let count = vector.cells[row * steps.count + step];
                if is_present(count) {
                    buckets.push((*bound, count));
                }
            }
            let native = family
                .native
                .iter()
                .find_map(|row| vector.histogram(*row, step));
            *cell = match (native, buckets.is_empty()) {
                (None, true) => continue,
                (Some(_), false) => {
                    self.notices.mixed_classic_native(name, places.vector);
                    continue;
                }
                (Some(histogram), true) => self.ask_native(question, histogram, step, name, places),
                (None, false) => match question {
                    Question::Quantile(q) => {
                        let (value, forced) = bucket_quantile(q.get(step), buckets);
                        if let Some((lowest, highest, difference)) = forced {
                            let time = steps.time(step);
                            let forced = ForcedMonotonicity {
                                span: places.vector,
                                first_time: time,
                                last_time: time,
                                lowest_bucket: lowest,
                                highest_bucket: highest,
                                largest_difference: difference,
                                times: 1,
                            };
                            self.notices.forced_monotonicity(name, forced);
                        }
                        value
                    }
                    Question::Fraction(lower, upper) => {
                        bucket_fraction(lower.get(step), upper.get(step), buckets)
                    }
                },
            };
            any = true;
        }
        any
    }

    fn ask_native(
        &self,
        question: &Question<'_>,
        histogram: &Arc<Histogram>,
        step: usize,
        name: &str,
        places: Places,
    ) -> f64 {
        match question {
            Question::Quantile(q) => {
                let (value, nan) = native::quantile(q.get(step), histogram);
                if nan != NanObservations::None {
                    let result = nan == NanObservations::Result;
                    self.notices.nan_quantile(name, result, places.parameter);
                }
                value
            }
            Question::Fraction(lower, upper) => {
                let (value, nan) = native::fraction(lower.get(step), upper.get(step), histogram);
                if nan {
                    self.notices.nan_fraction(name, places.parameter);
                }
                value
            }
        }
    }

    fn families(&self, vector: &Vector, span: Span) -> Vec<Family> {
        let mut families: Vec<Family> = Vec::new();
        let mut known = LabelGroups::default();
        let mut place = |labels: &Labels, keep: fn(&str) -> bool, families: &mut Vec<Family>| {
            let family = known.number(labels, keep);
            if family == families.len() {
                families.push(Family {
                    head: Head {
                        labels: known.labels()[family].clone(),
                        drop_name: true,
                    },
                    buckets: Vec::new(),
                    native: Vec::new(),
                });
            }
            family
        };
        for (row, head) in vector.heads.iter().enumerate() {
            let has_floats = vector.row(row).iter().any(|value| is_present(*value));
            let has_native = vector.row_histograms(row).next().is_some();
            if has_native {
                let family = place(&head.labels, |_| true, &mut families);
                families[family].native.push(row);
            }
            if !has_floats {
                continue;
            }
            let le = head.labels.get(BUCKET_LABEL).unwrap_or_default();
            let Some(bound) = parse_bound(le) else {
                let name = head.labels.metric_name().unwrap_or_default();
                self.notices.bad_bucket_label(name, le, span);
                continue;
            };
            let family = place(&head.labels, |name| name != BUCKET_LABEL, &mut families);
            families[family].buckets.push((bound, row));
        }
        for family in &mut families {
            family
                .buckets
                .sort_by(|a, b| a.0.partial_cmp(&b.0).unwrap_or(std::cmp::Ordering::Equal));
        }
        families
    }
}

/// A bound as Go's `ParseFloat` reads it.
fn parse_bound(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let word = unsigned.to_ascii_lowercase();
    // Rust reads the same decimals; of words it knows more than Go does in one case only.
    if unsigned.is_empty() || word.starts_with('+') || word.starts_with('-') {
        return None;
    }
    if word == "nan" && unsigned.len() != text.len() {
        return None;
    }
    text.parse().ok()
}

/// Adds up buckets of the same bound; they come sorted.
fn coalesce(buckets: &mut Vec<Bucket>) {
    let mut to = 0;
    for from in 1..buckets.len() {
        if buckets[from].0 == buckets[to].0 {
            buckets[to].1 += buckets[from].1;
        } else {
            to += 1;
            buckets[to] = buckets[from];
        }
    }
    buckets.truncate(to + 1);
}

/// Equal within `tolerance` of their sum (Prometheus `almost.Equal`).
fn almost_equal(a: f64, b: f64, tolerance: f64) -> bool {
    if a == b || (a.is_nan() && b.is_nan()) {
        return true;
    }
    let sum = a.abs() + b.abs();
    let difference = (a - b).abs();
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < tolerance * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < tolerance
}

/// Makes counts grow with bounds; gives back the lowest and the highest bound that had to be
/// corrected by more than rounding, and the largest correction.
fn force_monotonic(buckets: &mut [Bucket]) -> Option<(f64, f64, f64)> {
    let mut forced: Option<(f64, f64, f64)> = None;
    let mut before = buckets[0].1;
    for (bound, count) in &mut buckets[1..] {
        if *count == before {
            continue;
        }
        if almost_equal(before, *count, TOLERANCE) {
            *count = before;
            continue;
        }
        if *count < before {
            let (lowest, highest, difference) =
                forced.unwrap_or((f64::INFINITY, f64::NEG_INFINITY, 0.0));
            forced = Some((
                lowest.min(*bound),
                highest.max(*bound),
                difference.max(before - *count),
            ));
            *count = before;
            continue;
        }
        before = *count;
    }
    forced
}

/// The quantile by linear interpolation within the bucket that holds it; `buckets` come sorted
/// by bound and are changed.
pub(crate) fn bucket_quantile(q: f64, buckets: &mut Vec<Bucket>) -> (f64, Option<(f64, f64, f64)>) {
    if q.is_nan() {
        return (f64::NAN, None);
    }
    if q < 0.0 {
        return (f64::NEG_INFINITY, None);
    }
    if q > 1.0 {
        return (f64::INFINITY, None);
    }
    if buckets
        .last()
        .is_none_or(|(bound, _)| *bound != f64::INFINITY)
    {
        return (f64::NAN, None);
    }
    coalesce(buckets);
    let forced = force_monotonic(buckets);
    let last = buckets.len() - 1;
    let observations = buckets[last].1;
    if buckets.len() < 2 || observations == 0.0 {
        return (f64::NAN, forced);
    }
    let mut rank = q * observations;
    // A count that is NaN is never large enough, as in a search that asks `count >= rank`.
    let found = buckets[..last].partition_point(|(_, count)| {
        let enough = *count >= rank;
        !enough
    });
    let value = if found == last {
        buckets[last - 1].0
    } else if found == 0 && buckets[0].0 <= 0.0 {
        buckets[0].0
    } else {
        let (end, mut count) = buckets[found];
        let mut start = 0.0;
        if found > 0 {
            let (bound, before) = buckets[found - 1];
            start = bound;
            count -= before;
            rank -= before;
        }
        start + (end - start) * (rank / count)
    };
    (value, forced)
}

/// The share of observations between two bounds; `buckets` come sorted by bound.
fn bucket_fraction(lower: f64, upper: f64, buckets: &mut Vec<Bucket>) -> f64 {
    if buckets
        .last()
        .is_none_or(|(bound, _)| *bound != f64::INFINITY)
    {
        return f64::NAN;
    }
    coalesce(buckets);
    let count = buckets[buckets.len() - 1].1;
    if count == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    let mut start = if buckets[0].0 <= 0.0 {
        f64::NEG_INFINITY
    } else {
        0.0
    };
    let mut rank = 0.0;
    let (mut below_lower, mut below_upper) = (None, None);
    for (end, cumulative) in buckets.iter().copied() {
        let within = |value: f64| {
            if start == f64::NEG_INFINITY {
                cumulative
            } else {
                rank + (cumulative - rank) * (value - start) / (end - start)
            }
        };
        for (bound, slot) in [(lower, &mut below_lower), (upper, &mut below_upper)] {
            if slot.is_some() {
                continue;
            }
            if start >= bound {
                *slot = Some(rank);
            } else if end > bound {
                *slot = Some(within(bound));
            }
        }
        if below_lower.is_some() && below_upper.is_some() {
            break;
        }
        rank = cumulative;
        start = end;
    }
    let below = |rank: Option<f64>| match rank {
        Some(rank) if rank > count => count,
        Some(rank) => rank,
        None => count,
    };
    (below(below_upper) - below(below_lower)) / count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_lies_within_its_bucket() {
        let mut buckets = vec![(1.0, 2.0), (2.0, 4.0), (f64::INFINITY, 4.0)];
        assert_eq!(bucket_quantile(0.75, &mut buckets.clone()).0, 1.5);
        assert_eq!(bucket_quantile(1.0, &mut buckets).0, 2.0);
        assert!(bucket_quantile(0.5, &mut vec![(1.0, 2.0)]).0.is_nan());
    }

    #[test]
    fn falling_counts_are_lifted_and_reported() {
        let mut buckets = vec![(0.1, 2.0), (1.0, 1.0), (f64::INFINITY, 5.0)];
        assert_eq!(force_monotonic(&mut buckets), Some((1.0, 1.0, 1.0)));
        assert_eq!(buckets[1].1, 2.0);
    }

    #[test]
    fn bounds_read_as_go_reads_them() {
        for (text, bound) in [
            ("+Inf", f64::INFINITY),
            ("1e0", 1.0),
            (".2", 0.2),
            ("-.2", -0.2),
        ] {
            assert_eq!(parse_bound(text), Some(bound));
        }
        for text in ["", "Hello World", "++1", "+NaN"] {
            assert_eq!(parse_bound(text), None);
        }
    }
}
