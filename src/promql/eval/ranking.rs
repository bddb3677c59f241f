//! Aggregations that pick series of each group instead of computing one.

use super::Evaluator;
use super::aggregate::groups_of;
use super::rows::{Rows, Scratch};
use super::vector::{ABSENT, Head, Histograms, Scalars, Vector, is_present};
use crate::error::{Error, Result};
use crate::span::Span;
use crate::syntax::{AggregateOp, Grouping};
use series::Histogram;
use std::collections::HashMap;
use std::sync::Arc;

/// A series' value at a step, picked.
#[derive(Clone)]
struct Picked {
    row: usize,
    value: f64,
    histogram: Option<Arc<Histogram>>,
}

/// The `k` best values so far, the worst of them on top: a binary heap whose ties fall as in
/// Go's `container/heap`, because which of several equal series is kept shows in the answer.
#[derive(Default)]
struct Best {
    heap: Vec<Picked>,
}

impl Best {
    fn offer(&mut self, new: Picked, k: usize, largest: bool) {
        // NaN counts as worst, whichever end is wanted.
        let worse = |a: f64, b: f64| a.is_nan() || if largest { a < b } else { a > b };
        if self.heap.len() < k {
            self.heap.push(new);
            let mut at = self.heap.len() - 1;
            while at > 0 {
                let parent = (at - 1) / 2;
                if !worse(self.heap[at].value, self.heap[parent].value) {
                    break;
                }
                self.heap.swap(at, parent);
                at = parent;
            }
            return;
        }
        let top = self.heap[0].value;
        let better = if largest {
            top < new.value
        } else {
            top > new.value
        };
        let number_for_nan = top.is_nan() && !new.value.is_nan();
        if !(better || number_for_nan) {
            return;
        }
        self.heap[0] = new;
        let mut at = 0;
        loop {
            let left = 2 * at + 1;
            if left >= self.heap.len() {
                break;
            }
            let right = left + 1;
            let child = if right < self.heap.len()
                && worse(self.heap[right].value, self.heap[left].value)
            {
                right
            } else {
                left
            };
            if !worse(self.heap[child].value, self.heap[at].value) {
                break;
            }
            self.heap.swap(at, child);
            at = child;
        }
    }

    /// Best first, NaN last.
    fn sorted(mut self, largest: bool) -> Vec<Picked> {
        self.heap.sort_by(|a, b| {
            let order = a.value.is_nan().cmp(&b.value.is_nan());
            let values = a
                .value
                .partial_cmp(&b.value)
                .unwrap_or(std::cmp::Ordering::Equal);
            order.then(if largest { values.reverse() } else { values })
        });
        self.heap
    }
}

/// Where a series falls between 0 and 1, for `limit_ratio`: its labels' hash as a share.
///
/// Prometheus uses xxhash of its own label encoding; which series fall where differs from it,
/// how many and that it is always the same ones does not.
fn share(head: &Head) -> f64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for (name, value) in head.labels.iter() {
        for byte in name
            .bytes()
            .chain([0xff])
            .chain(value.bytes())
            .chain([0xff])
        {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    // Spread the low bits upwards.
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    hash as f64 / u64::MAX as f64
}

fn in_ratio(ratio: f64, share: f64) -> bool {
    if ratio >= 0.0 {
        share < ratio
    } else {
        share >= 1.0 + ratio
    }
}

impl Evaluator<'_> {
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn pick(
        &self,
        op: AggregateOp,
        grouping: &Grouping,
        parameter: &Scalars,
        rows: &dyn Rows,
        steps: usize,
        span: Span,
        parameter_span: Span,
    ) -> Result<Vector> {
        let parameters: Vec<f64> = (0..steps).map(|step| parameter.get(step)).collect();
        if !self.check_pick(op, &parameters, parameter_span)? {
            return Ok(Vector::empty(steps));
        }
        let groups = groups_of(rows, grouping);
        let largest = op == AggregateOp::Topk;
        let ranked = largest || op == AggregateOp::Bottomk;
        let mut scratch = Scratch::default();
        let mut values = vec![ABSENT; steps];
        let mut histograms: Vec<(usize, Arc<Histogram>)> = Vec::new();
        let mut picked: Vec<(usize, Picked)> = Vec::new();
        let mut held = self.budget.reserve(1, steps)?;
        let largest_parameter = parameters.iter().copied().fold(0.0, f64::max);
        for members in &groups.rows {
            let most = members.len();
            // What may be picked of the group, as long as it is not known what is.
            let possible = match op {
                AggregateOp::LimitRatio => most,
                _ if largest_parameter >= most as f64 => most,
                _ => largest_parameter as usize,
            };
            let room = self.budget.reserve(possible, steps)?;
            let before = picked.len();
            let mut best: Vec<Best> = (0..steps).map(|_| Best::default()).collect();
            let mut taken: Vec<usize> = vec![0; steps];
            for row in members {
                self.interrupt.check()?;
                if !rows.read(*row, &mut scratch, &mut values, &mut histograms)? {
                    continue;
                }
                let share = if op == AggregateOp::LimitRatio {
                    share(&rows.head(*row))
                } else {
                    0.0
                };
                let mut take = |step: usize, value: f64, histogram: Option<Arc<Histogram>>| {
                    let parameter = parameters[step];
                    let new = Picked {
                        row: *row,
                        value,
                        histogram,
                    };
                    if op == AggregateOp::LimitRatio {
                        if in_ratio(parameter.clamp(-1.0, 1.0), share) && parameter != 0.0 {
                            picked.push((step, new));
                        }
                        return;
                    }
                    if parameter < 1.0 {
                        return;
                    }
                    let k = if parameter >= most as f64 {
                        most
                    } else {
                        parameter as usize
                    };
                    if ranked {
                        best[step].offer(new, k, largest);
                    } else if taken[step] < k {
                        taken[step] += 1;
                        picked.push((step, new));
                    }
                };
                for (step, value) in values.iter().enumerate() {
                    if is_present(*value) {
                        take(step, *value, None);
                    }
                }
                for (step, histogram) in histograms.drain(..) {
                    if ranked {
                        self.notices.ignored_in_aggregation(op.as_str(), span);
                    } else {
                        take(step, f64::NAN, Some(histogram));
                    }
                }
            }
            if ranked {
                for (step, best) in best.into_iter().enumerate() {
                    picked.extend(best.sorted(largest).into_iter().map(|p| (step, p)));
                }
            }
            drop(room);
            held.absorb(self.budget.reserve(1, picked.len() - before)?);
        }
        self.count_samples(&mut scratch);
        let mut vector = Vector::empty(steps);
        let mut place: HashMap<usize, usize> = HashMap::new();
        for (
            step,
            Picked {
                row,
                value,
                histogram,
            },
        ) in picked
        {
            let to = *place.entry(row).or_insert_with(|| {
                vector.heads.push(rows.head(row));
                vector.heads.len() - 1
            });
            if vector.cells.len() < vector.heads.len() * steps {
                held.absorb(self.budget.reserve(1, steps)?);
                vector.cells.resize(vector.heads.len() * steps, ABSENT);
            }
            match histogram {
                Some(histogram) => {
                    vector.histograms.insert(to * steps + step, histogram);
                }
                None => vector.cells[to * steps + step] = value,
            }
        }
        drop(held);
        vector.reservation = Some(self.budget.reserve(vector.len(), steps)?);
        Ok(vector)
    }

    /// Checks the parameter at all steps; `false` where it asks for nothing at any.
    fn check_pick(&self, op: AggregateOp, parameters: &[f64], span: Span) -> Result<bool> {
        let any_nan = parameters.iter().any(|value| value.is_nan());
        let largest = parameters.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let smallest = parameters.iter().copied().fold(f64::INFINITY, f64::min);
        if op == AggregateOp::LimitRatio {
            if any_nan {
                return Err(Error::ParameterNan("Ratio"));
            }
            if largest == 0.0 && smallest == 0.0 {
                return Ok(false);
            }
            if largest > 1.0 {
                self.notices.invalid_ratio(largest, 1.0, span);
            }
            if smallest < -1.0 {
                self.notices.invalid_ratio(smallest, -1.0, span);
            }
            return Ok(true);
        }
        if any_nan {
            return Err(Error::ParameterNan("Parameter"));
        }
        if largest < 1.0 {
            return Ok(false);
        }
        if smallest <= -9_223_372_036_854_775_808.0 {
            return Err(Error::ParameterRange {
                value: smallest,
                how: "underflows",
            });
        }
        if largest >= 9_223_372_036_854_775_807.0 {
            return Err(Error::ParameterRange {
                value: largest,
                how: "overflows",
            });
        }
        Ok(true)
    }

    /// Sorts an instant vector by values (`sort`, `sort_desc`): NaN last, histograms left out.
    pub(crate) fn sort_by_value(&self, vector: &Vector, descending: bool) -> Vector {
        let mut order: Vec<usize> = (0..vector.len())
            .filter(|row| is_present(vector.cells[*row]))
            .collect();
        order.sort_by(|a, b| {
            let (a, b) = (vector.cells[*a], vector.cells[*b]);
            let values = a.partial_cmp(&b).unwrap_or(std::cmp::Ordering::Equal);
            a.is_nan()
                .cmp(&b.is_nan())
                .then(if descending { values.reverse() } else { values })
        });
        reordered(vector, &order)
    }

    /// Sorts an instant vector by the values of labels in natural order, then by all labels.
    pub(crate) fn sort_by_labels(
        &self,
        vector: &Vector,
        names: &[String],
        descending: bool,
    ) -> Vector {
        let mut order: Vec<usize> = (0..vector.len()).collect();
        order.sort_by(|a, b| {
            let (a, b) = (&vector.heads[*a].labels, &vector.heads[*b].labels);
            let by_names = names
                .iter()
                .map(|name| {
                    let value = |labels: &series::Labels| labels.get(name).unwrap_or("").to_owned();
                    natural(&value(a), &value(b))
                })
                .find(|order| order.is_ne());
            let order = by_names.unwrap_or_else(|| a.cmp(b));
            if descending { order.reverse() } else { order }
        });
        reordered(vector, &order)
    }
}

fn reordered(vector: &Vector, order: &[usize]) -> Vector {
    let mut histograms = Histograms::new();
    for (to, row) in order.iter().enumerate() {
        for (step, histogram) in vector.row_histograms(*row) {
            histograms.insert(to * vector.steps + step, Arc::clone(histogram));
        }
    }
    Vector {
        steps: vector.steps,
        heads: order.iter().map(|row| vector.heads[*row].clone()).collect(),
        cells: order
            .iter()
            .flat_map(|row| vector.row(*row).iter().copied())
            .collect(),
        histograms,
        reservation: None,
    }
}

/// Compares texts with runs of digits as numbers: `a2` before `a10`.
fn natural(a: &str, b: &str) -> std::cmp::Ordering {
    let chunks = |text: &str| -> Vec<String> {
        let mut out: Vec<String> = Vec::new();
        let mut digits = None;
        for c in text.chars() {
            if digits == Some(c.is_ascii_digit())
                && let Some(last) = out.last_mut()
            {
                last.push(c);
            } else {
                digits = Some(c.is_ascii_digit());
                out.push(c.to_string());
            }
        }
        out
    };
    let (a, b) = (chunks(a), chunks(b));
    for (x, y) in a.iter().zip(&b) {
        let number = |text: &str| {
            text.starts_with(|c: char| c.is_ascii_digit())
                .then(|| text.trim_start_matches('0').to_owned())
        };
        let order = match (number(x), number(y)) {
            (Some(m), Some(n)) => m.len().cmp(&n.len()).then_with(|| m.cmp(&n)),
            _ => x.cmp(y),
        };
        let order = order.then_with(|| x.cmp(y));
        if order.is_ne() {
            return order;
        }
    }
    a.len().cmp(&b.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_texts_sort_as_numbers() {
        let mut texts = ["a10", "a2", "a1b", "b", "a"];
        texts.sort_by(|a, b| natural(a, b));
        assert_eq!(texts, ["a", "a1b", "a2", "a10", "b"]);
    }

    #[test]
    fn the_best_are_kept_and_nan_only_for_want_of_others() {
        let mut best = Best::default();
        for (row, value) in [f64::NAN, 3.0, 1.0, 7.0, 5.0].into_iter().enumerate() {
            best.offer(
                Picked {
                    row,
                    value,
                    histogram: None,
                },
                3,
                true,
            );
        }
        let values: Vec<f64> = best.sorted(true).into_iter().map(|p| p.value).collect();
        assert_eq!(values, [7.0, 5.0, 3.0]);
    }
}
