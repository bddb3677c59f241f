//! Series as columns over all steps, and the memory that they take.

use crate::error::{Error, Result};
use series::{Histogram, Labels, METRIC_NAME, STALE_NAN};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Stands where a series has no sample at a step.
///
/// The stale marker serves for it: a selector drops stale samples anyway, so that no sample of
/// a vector ever has its bits, and a column can be copied without looking at it.
pub(crate) const ABSENT: f64 = STALE_NAN;

#[inline(always)]
pub(crate) fn is_present(value: f64) -> bool {
    value.to_bits() != ABSENT.to_bits()
}

/// Whether any cell holds a number.
pub(crate) fn any_present(cells: &[f64]) -> bool {
    cells.iter().any(|value| is_present(*value))
}

/// Whether every cell of a column holds a number.
pub(crate) fn all_present(cells: &[f64]) -> bool {
    // Many at once, before it is decided.
    let absent = |cells: &[f64]| {
        cells
            .iter()
            .fold(false, |any, cell| any | !is_present(*cell))
    };
    !cells.chunks(64).any(absent)
}

/// What is known of a series without its values.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Head {
    pub(crate) labels: Labels,
    /// Whether the metric's name goes at the end of the query (Prometheus's delayed removal).
    pub(crate) drop_name: bool,
}

/// The labels without what goes with a metric's name.
pub(crate) fn without_metadata(labels: &Labels) -> Labels {
    let goes = |name: &str| matches!(name, METRIC_NAME | "__type__" | "__unit__");
    if labels.iter().any(|(name, _)| goes(name)) {
        labels.without(goes)
    } else {
        labels.clone()
    }
}

/// Whether no labels come twice.
pub(crate) fn all_different<'a>(labels: impl Iterator<Item = &'a Labels> + Clone) -> bool {
    // What comes from a selection is mostly still in its order.
    labels.clone().is_sorted_by(|a, b| a < b) || {
        let mut seen = HashSet::new();
        labels.into_iter().all(|labels| seen.insert(labels))
    }
}

/// Numbers held at once by an evaluation, bounded.
#[derive(Debug)]
pub(crate) struct Budget {
    used: AtomicU64,
    peak: AtomicU64,
    limit: u64,
}

impl Budget {
    pub(crate) fn new(limit: u64) -> Arc<Self> {
        Arc::new(Self {
            used: AtomicU64::new(0),
            peak: AtomicU64::new(0),
            limit,
        })
    }

    /// Takes room for `rows` × `columns` numbers until the reservation is dropped.
    pub(crate) fn reserve(self: &Arc<Self>, rows: usize, columns: usize) -> Result<Reservation> {
        let amount = (rows as u64).saturating_mul(columns as u64);
        let before = self.used.fetch_add(amount, Ordering::Relaxed);
        let wanted = before.saturating_add(amount);
        let reservation = Reservation {
            budget: Arc::clone(self),
            amount,
        };
        self.peak.fetch_max(wanted, Ordering::Relaxed);
        if wanted > self.limit {
            return Err(Error::TooManySamples {
                wanted,
                limit: self.limit,
            });
        }
        Ok(reservation)
    }
}

impl Reservation {
    /// Takes in what another reservation of the same budget holds.
    pub(crate) fn absorb(&mut self, mut other: Self) {
        self.amount += std::mem::take(&mut other.amount);
    }
}

/// Room in a [`Budget`], given back when dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    budget: Arc<Budget>,
    amount: u64,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.amount, Ordering::Relaxed);
    }
}

/// Native histograms by position: row × steps + step.
pub(crate) type Histograms = BTreeMap<usize, Arc<Histogram>>;

/// Series with one cell per step each, row by row in one column.
#[derive(Debug)]
pub(crate) struct Vector {
    pub(crate) steps: usize,
    pub(crate) heads: Vec<Head>,
    pub(crate) cells: Vec<f64>,
    /// Where a cell holds a histogram, `cells` is absent and it stands here.
    pub(crate) histograms: Histograms,
    pub(crate) reservation: Option<Reservation>,
}

impl Vector {
    pub(crate) fn empty(steps: usize) -> Self {
        Self {
            steps,
            heads: Vec::new(),
            cells: Vec::new(),
            histograms: Histograms::new(),
            reservation: None,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.heads.len()
    }

    pub(crate) fn row(&self, row: usize) -> &[f64] {
        &self.cells[row * self.steps..(row + 1) * self.steps]
    }

    pub(crate) fn histogram(&self, row: usize, step: usize) -> Option<&Arc<Histogram>> {
        if self.histograms.is_empty() {
            return None;
        }
        self.histograms.get(&(row * self.steps + step))
    }

    pub(crate) fn present(&self, row: usize, step: usize) -> bool {
        is_present(self.cells[row * self.steps + step]) || self.histogram(row, step).is_some()
    }

    /// The histograms of a row with their steps.
    pub(crate) fn row_histograms(
        &self,
        row: usize,
    ) -> impl Iterator<Item = (usize, &Arc<Histogram>)> {
        let first = row * self.steps;
        self.histograms
            .range(first..first + self.steps)
            .map(move |(position, histogram)| (position - first, histogram))
    }

    /// Only the rows for which `kept` says so, which has an entry for each.
    pub(crate) fn retain(mut self, kept: &[bool]) -> Self {
        if kept.iter().all(|kept| *kept) {
            return self;
        }
        let steps = self.steps;
        let mut to = 0;
        let mut histograms = Histograms::new();
        for row in (0..kept.len()).filter(|row| kept[*row]) {
            self.heads.swap(to, row);
            self.cells
                .copy_within(row * steps..(row + 1) * steps, to * steps);
            for (step, histogram) in self.row_histograms(row) {
                histograms.insert(to * steps + step, Arc::clone(histogram));
            }
            to += 1;
        }
        self.heads.truncate(to);
        self.cells.truncate(to * steps);
        self.histograms = histograms;
        self
    }

    /// Rows that share their labels become one, where no step has a sample of both.
    pub(crate) fn merge_equal_labels(self) -> Result<Self> {
        if all_different(self.heads.iter().map(|head| &head.labels)) {
            return Ok(self);
        }
        let mut first_of: HashMap<&Labels, usize> = HashMap::with_capacity(self.len());
        let mut target: Vec<usize> = Vec::with_capacity(self.len());
        let mut unique = 0;
        for head in &self.heads {
            let next = unique;
            let row = *first_of.entry(&head.labels).or_insert(next);
            if row == next {
                unique += 1;
            }
            target.push(row);
        }
        let steps = self.steps;
        let mut merged = Self {
            steps,
            heads: Vec::with_capacity(unique),
            cells: vec![ABSENT; unique * steps],
            histograms: Histograms::new(),
            reservation: self.reservation,
        };
        for (row, head) in self.heads.into_iter().enumerate() {
            let to = target[row];
            if to == merged.heads.len() {
                merged.heads.push(head);
            }
            let cells = &self.cells[row * steps..(row + 1) * steps];
            for (step, value) in cells.iter().enumerate() {
                if is_present(*value) {
                    let cell = &mut merged.cells[to * steps + step];
                    if is_present(*cell) {
                        return Err(Error::SameLabels {
                            labels: merged.heads[to].labels.clone(),
                        });
                    }
                    *cell = *value;
                }
            }
        }
        for (position, histogram) in self.histograms {
            let to = target[position / steps];
            let place = to * steps + position % steps;
            if merged.histograms.insert(place, histogram).is_some() {
                return Err(Error::SameLabels {
                    labels: merged.heads[to].labels.clone(),
                });
            }
        }
        Ok(merged)
    }

    /// Takes the metric's name from rows whose name was to go.
    pub(crate) fn drop_names(mut self) -> Result<Self> {
        // Labels are unique as long as no name goes: every operation sees to that.
        if self.heads.iter().all(|head| !head.drop_name) {
            return Ok(self);
        }
        for head in &mut self.heads {
            if head.drop_name {
                head.labels = without_metadata(&head.labels);
                head.drop_name = false;
            }
        }
        self.merge_equal_labels()
    }
}

/// One number per step.
#[derive(Debug, Clone)]
pub(crate) enum Scalars {
    /// The same at every step.
    Constant(f64),
    /// One each.
    Each(Arc<Vec<f64>>),
}

impl Scalars {
    #[inline]
    pub(crate) fn get(&self, step: usize) -> f64 {
        match self {
            Self::Constant(value) => *value,
            Self::Each(values) => values[step],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector(rows: &[(&str, &[f64])]) -> Vector {
        Vector {
            steps: rows[0].1.len(),
            heads: rows
                .iter()
                .map(|(name, _)| Head {
                    labels: Labels::new([("__name__", *name), ("a", "b")]).unwrap(),
                    drop_name: true,
                })
                .collect(),
            cells: rows.iter().flat_map(|(_, cells)| cells.to_vec()).collect(),
            histograms: Histograms::new(),
            reservation: None,
        }
    }

    #[test]
    fn rows_that_become_equal_merge_unless_they_meet() {
        let merged = vector(&[("x", &[1.0, ABSENT]), ("y", &[ABSENT, 2.0])])
            .drop_names()
            .unwrap();
        assert_eq!(merged.len(), 1);
        assert_eq!(merged.row(0), &[1.0, 2.0]);
        assert!(
            vector(&[("x", &[1.0, 3.0]), ("y", &[ABSENT, 2.0])])
                .drop_names()
                .is_err()
        );
    }

    #[test]
    fn only_kept_rows_stay_with_their_values_and_histograms() {
        let mut rows = vector(&[
            ("a", &[1.0, 1.5]),
            ("b", &[2.0, ABSENT]),
            ("c", &[3.0, 3.5]),
            ("d", &[4.0, 4.5]),
        ]);
        rows.histograms.insert(3, Arc::new(Histogram::default()));
        let kept = rows.retain(&[false, true, false, true]);
        let names: Vec<_> = kept.heads.iter().map(|h| h.labels.metric_name()).collect();
        assert_eq!(names, [Some("b"), Some("d")]);
        assert_eq!((kept.row(0)[0], kept.row(1)), (2.0, &[4.0, 4.5][..]));
        assert_eq!(kept.histograms.keys().copied().collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn a_budget_gives_back_what_is_dropped() {
        let budget = Budget::new(10);
        let mut held = budget.reserve(2, 2).unwrap();
        held.absorb(budget.reserve(1, 4).unwrap());
        assert!(budget.reserve(1, 3).is_err());
        drop(held);
        assert!(budget.reserve(1, 10).is_ok());
        assert!(budget.reserve(usize::MAX, usize::MAX).is_err());
    }
}
