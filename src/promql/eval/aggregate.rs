//! Aggregations that give one series per group.
//!
//! Groups are known from labels before any sample is read. Then one group at a time is read,
//! series by series, into accumulators with one place per step; nothing of the input stays.

use super::Evaluator;
use super::functions::Mean;
use super::rows::{Rows, Scratch};
use super::vector::{ABSENT, Head, Histograms, Scalars, Vector, is_present};
use super::workers::in_parallel;
use crate::arithmetic::{kahan, quantile};
use crate::error::{Error, Result};
use crate::native::{self, MixedSchemas};
use crate::plan::value_label;
use crate::span::Span;
use crate::syntax::{AggregateOp, Grouping};
use series::{Histogram, LabelGroups, METRIC_NAME, ResetHint};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

/// The groups of some rows, in the order in which they first occur.
pub(crate) struct Groups {
    pub(crate) heads: Vec<Head>,
    pub(crate) rows: Vec<Vec<usize>>,
}

/// Whether the label `name` tells groups apart.
fn makes_groups(grouping: &Grouping, name: &str) -> bool {
    match grouping {
        Grouping::By(names) => names.iter().any(|n| n == name),
        Grouping::Without(names) => name != METRIC_NAME && !names.iter().any(|n| n == name),
    }
}

pub(crate) fn groups_of(rows: &dyn Rows, grouping: &Grouping) -> Groups {
    let mut groups = Groups {
        heads: Vec::new(),
        rows: Vec::new(),
    };
    let mut known = LabelGroups::default();
    let all = matches!(grouping, Grouping::By(names) if names.is_empty());
    for row in 0..rows.len() {
        let head = rows.head(row);
        let group = if all && row > 0 {
            0
        } else {
            known.number(&head.labels, |name| makes_groups(grouping, name))
        };
        if group == groups.heads.len() {
            groups.heads.push(Head {
                labels: known.labels()[group].clone(),
                drop_name: false,
            });
            groups.rows.push(Vec::new());
        }
        groups.heads[group].drop_name |= head.drop_name;
        groups.rows[group].push(row);
    }
    groups
}

impl Evaluator<'_> {
    pub(crate) fn aggregate(
        &self,
        op: AggregateOp,
        grouping: &Grouping,
        parameter: &Scalars,
        rows: &dyn Rows,
        steps: usize,
        span: Span,
    ) -> Result<Vector> {
        let groups = groups_of(rows, grouping);
        let count = groups.heads.len();
        if count == 0 {
            return Ok(Vector::empty(steps));
        }
        let reservation = self.budget.reserve(count, steps)?;
        let mut vector = Vector {
            steps,
            heads: Vec::with_capacity(count),
            cells: Vec::with_capacity(count * steps),
            histograms: Histograms::new(),
            reservation: Some(reservation),
        };
        let units = units(op, &groups.rows);
        let parts = units.iter().filter(|unit| !unit.whole).count();
        let _held = self.budget.reserve(ACCUMULATED * parts, steps)?;
        let start = || {
            let held = self.budget.reserve(1 + ACCUMULATED, steps)?;
            Ok((Scratch::default(), vec![ABSENT; steps], Vec::new(), held))
        };
        let outcomes = in_parallel(
            self.workers(rows.cost() + rows.len() * steps),
            units.iter().collect(),
            start,
            |(scratch, values, histograms, _), unit| {
                // A quantile needs all values of its group at once.
                let _collected = match op {
                    AggregateOp::Quantile => Some(self.budget.reserve(unit.rows.len(), steps)?),
                    _ => None,
                };
                let mut accumulator = Accumulator::new(op, steps);
                for row in unit.rows {
                    self.interrupt.check()?;
                    if rows.read(*row, scratch, values, histograms)? {
                        accumulator.add(values);
                        if !histograms.is_empty() {
                            let head = rows.head(*row);
                            let name = head.labels.metric_name().unwrap_or_default();
                            self.add_histograms(op, &mut accumulator, histograms, name, span);
                        }
                    }
                }
                self.count_samples(scratch);
                Ok(if unit.whole {
                    Outcome::Whole(self.finish(op, accumulator, parameter, span))
                } else {
                    Outcome::Part(accumulator)
                })
            },
        )?;
        let mut outcomes = units.iter().zip(outcomes).peekable();
        while let Some((unit, outcome)) = outcomes.next() {
            let finished = match outcome {
                Outcome::Whole(finished) => finished,
                Outcome::Part(mut accumulator) => {
                    while let Some((_, outcome)) =
                        outcomes.next_if(|(next, _)| next.group == unit.group)
                    {
                        if let Outcome::Part(more) = outcome {
                            accumulator.merge(more);
                        }
                    }
                    self.finish(op, accumulator, parameter, span)
                }
            };
            let Some(finished) = finished else {
                continue;
            };
            let offset = vector.heads.len() * steps;
            vector.heads.push(groups.heads[unit.group].clone());
            vector.cells.extend_from_slice(&finished.cells);
            let histograms = finished.histograms.into_iter();
            vector
                .histograms
                .extend(histograms.map(|(step, histogram)| (offset + step, histogram)));
        }
        Ok(vector)
    }

    fn add_histograms(
        &self,
        op: AggregateOp,
        accumulator: &mut Accumulator,
        histograms: &[(usize, Arc<Histogram>)],
        metric: &str,
        span: Span,
    ) {
        match op {
            AggregateOp::Count | AggregateOp::Group => {
                for (step, _) in histograms {
                    accumulator.count[*step] += 1.0;
                }
            }
            AggregateOp::Sum | AggregateOp::Avg => {
                for (step, histogram) in histograms {
                    let total = match accumulator.histograms.entry(*step) {
                        std::collections::btree_map::Entry::Vacant(new) => {
                            new.insert(HistogramTotal::new(histogram));
                            continue;
                        }
                        std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
                    };
                    match total.add(histogram) {
                        Ok(true) => self.notices.mismatched_bounds("aggregation", span),
                        Ok(false) => {}
                        Err(MixedSchemas) => self.notices.mixed_schemas(metric, span),
                    }
                }
            }
            _ => self.notices.ignored_in_aggregation(op.as_str(), span),
        }
    }

    /// The results of a group at all steps; `None` where there are none.
    fn finish(
        &self,
        op: AggregateOp,
        accumulator: Accumulator,
        parameter: &Scalars,
        span: Span,
    ) -> Option<Finished> {
        let mut finished = Finished {
            cells: vec![ABSENT; accumulator.count.len()],
            histograms: Histograms::new(),
        };
        let mut any = false;
        for (step, total) in &accumulator.histograms {
            if accumulator.count[*step] > 0.0 {
                self.notices.mixed_in_aggregation(span);
                continue;
            }
            if total.collision() {
                self.notices.reset_collision("aggregation", span);
            }
            if let Some(result) = total.result(op == AggregateOp::Avg) {
                finished.histograms.insert(*step, Arc::new(result));
                any = true;
            }
        }
        let mut collected = accumulator.collected;
        for (step, cell) in finished.cells.iter_mut().enumerate() {
            let count = accumulator.count[step];
            if count == 0.0 || accumulator.histograms.contains_key(&step) {
                continue;
            }
            any = true;
            let value = accumulator.value[step];
            *cell = match op {
                AggregateOp::Sum => value + accumulator.second[step],
                AggregateOp::Avg => accumulator.means[step].result(),
                AggregateOp::Count => count,
                AggregateOp::Group => 1.0,
                AggregateOp::Stdvar => value / count,
                AggregateOp::Stddev => (value / count).sqrt(),
                AggregateOp::Quantile => quantile(parameter.get(step), &mut collected[step]),
                _ => value,
            };
        }
        any.then_some(finished)
    }

    /// `count_values`: a series per group and value.
    pub(crate) fn count_values(
        &self,
        grouping: &Grouping,
        label: &str,
        rows: &dyn Rows,
        steps: usize,
    ) -> Result<Vector> {
        let mut vector = Vector::empty(steps);
        let mut known = LabelGroups::default();
        let mut reservations = Vec::new();
        let mut scratch = Scratch::default();
        let mut values = vec![ABSENT; steps];
        let mut histograms = Vec::new();
        // The label itself always makes the group, except where `without` names it.
        let grouping = match grouping {
            Grouping::By(names) => {
                let mut names = names.clone();
                names.push(label.to_owned());
                Grouping::By(names)
            }
            without => without.clone(),
        };
        for row in 0..rows.len() {
            self.interrupt.check()?;
            if !rows.read(row, &mut scratch, &mut values, &mut histograms)? {
                continue;
            }
            let head = rows.head(row);
            let mut of_value: HashMap<u64, usize> = HashMap::new();
            let mut place = |text: String, vector: &mut Vector| -> Result<usize> {
                let labels = head.labels.to_builder().set(label, text).build();
                let group = known.number(&labels, |name| makes_groups(&grouping, name));
                if group == vector.heads.len() {
                    reservations.push(self.budget.reserve(1, steps)?);
                    vector.heads.push(Head {
                        labels: known.labels()[group].clone(),
                        drop_name: false,
                    });
                    vector.cells.resize(vector.cells.len() + steps, ABSENT);
                }
                Ok(group)
            };
            let count = |vector: &mut Vector, row: usize, step: usize| {
                let cell = &mut vector.cells[row * steps + step];
                *cell = if is_present(*cell) { *cell + 1.0 } else { 1.0 };
            };
            for (step, value) in values.iter().enumerate() {
                if !is_present(*value) {
                    continue;
                }
                let row = match of_value.entry(value.to_bits()) {
                    Entry::Occupied(known) => *known.get(),
                    Entry::Vacant(new) => *new.insert(place(value_label(*value), &mut vector)?),
                };
                count(&mut vector, row, step);
            }
            for (step, histogram) in histograms.drain(..) {
                let text = format!("{{count:{}, sum:{}}}", histogram.count, histogram.sum);
                let row = place(text, &mut vector)?;
                count(&mut vector, row, step);
            }
        }
        self.count_samples(&mut scratch);
        let reservation = Some(self.budget.reserve(vector.len(), steps)?);
        // In an order that does not depend on when a value came first: among equals, `bottomk`
        // picks the same at a step of a range as at that time alone.
        let sorted = self.sort_by_labels(&vector, &[], false);
        drop(reservations);
        Ok(Vector {
            reservation,
            ..sorted
        })
    }

    /// Whether `label` can name a label.
    pub(crate) fn check_label(&self, label: Option<&str>, shown: String) -> Result<String> {
        match label {
            Some(name) if !name.is_empty() => Ok(name.to_owned()),
            _ => Err(Error::LabelName {
                what: "label name",
                name: shown,
            }),
        }
    }
}

/// Series of one group beyond so many are cut into units of this size, so that one large group
/// keeps several threads busy. The cut does not depend on the threads, and neither does the sum.
const UNIT: usize = 512;

/// Columns of numbers that an accumulator holds.
const ACCUMULATED: usize = 3;

/// What a worker takes at a time: rows of one group.
struct Unit<'a> {
    group: usize,
    rows: &'a [usize],
    /// These are all rows of the group.
    whole: bool,
}

/// What a worker makes of a unit.
enum Outcome {
    Whole(Option<Finished>),
    Part(Accumulator),
}

/// The results of one group, histograms by step.
struct Finished {
    cells: Vec<f64>,
    histograms: Histograms,
}

fn units(op: AggregateOp, groups: &[Vec<usize>]) -> Vec<Unit<'_>> {
    let divisible = matches!(
        op,
        AggregateOp::Sum
            | AggregateOp::Count
            | AggregateOp::Group
            | AggregateOp::Min
            | AggregateOp::Max
    );
    let mut units = Vec::new();
    for (group, rows) in groups.iter().enumerate() {
        let size = if divisible { UNIT } else { rows.len().max(1) };
        let whole = rows.len() <= size;
        units.extend(rows.chunks(size).map(|rows| Unit { group, rows, whole }));
    }
    units
}

/// The running results of one group at all steps.
struct Accumulator {
    op: AggregateOp,
    /// Samples at each step.
    count: Vec<f64>,
    /// The sum, the extreme, or the sum of squared distances.
    value: Vec<f64>,
    /// The sum's compensation, or the mean.
    second: Vec<f64>,
    means: Vec<Mean>,
    /// All values, for quantiles.
    collected: Vec<Vec<f64>>,
    histograms: std::collections::BTreeMap<usize, HistogramTotal>,
}

impl Accumulator {
    fn new(op: AggregateOp, steps: usize) -> Self {
        let column = |used: bool, value: f64| {
            if used { vec![value; steps] } else { Vec::new() }
        };
        let averages = op == AggregateOp::Avg;
        Self {
            op,
            count: vec![0.0; steps],
            // Adding to -0 leaves every first value as it is, also -0 itself.
            value: vec![-0.0; steps],
            second: column(
                matches!(
                    op,
                    AggregateOp::Sum | AggregateOp::Stddev | AggregateOp::Stdvar
                ),
                0.0,
            ),
            means: if averages {
                vec![Mean::new(0.0); steps]
            } else {
                Vec::new()
            },
            collected: if op == AggregateOp::Quantile {
                vec![Vec::new(); steps]
            } else {
                Vec::new()
            },
            histograms: std::collections::BTreeMap::new(),
        }
    }

    fn add(&mut self, values: &[f64]) {
        match self.op {
            AggregateOp::Sum => self.add_sum(values),
            AggregateOp::Count | AggregateOp::Group => {
                for (count, value) in self.count.iter_mut().zip(values) {
                    *count += f64::from(u8::from(is_present(*value)));
                }
            }
            AggregateOp::Min => self.add_extreme(values, |known, value| known > value),
            AggregateOp::Max => self.add_extreme(values, |known, value| known < value),
            AggregateOp::Avg => {
                for (step, value) in values.iter().enumerate() {
                    if is_present(*value) {
                        if self.count[step] == 0.0 {
                            self.means[step] = Mean::new(*value);
                        } else {
                            self.means[step].add(*value);
                        }
                        self.count[step] += 1.0;
                    }
                }
            }
            AggregateOp::Stddev | AggregateOp::Stdvar => {
                for (step, value) in values.iter().enumerate() {
                    if !is_present(*value) {
                        continue;
                    }
                    self.count[step] += 1.0;
                    if self.count[step] == 1.0 {
                        self.second[step] = *value;
                        self.value[step] = if value.is_finite() { 0.0 } else { f64::NAN };
                        continue;
                    }
                    let delta = value - self.second[step];
                    self.second[step] += delta / self.count[step];
                    self.value[step] += delta * (value - self.second[step]);
                }
            }
            AggregateOp::Quantile => {
                for (step, value) in values.iter().enumerate() {
                    if is_present(*value) {
                        self.count[step] += 1.0;
                        self.collected[step].push(*value);
                    }
                }
            }
            _ => {}
        }
    }

    fn add_sum(&mut self, values: &[f64]) {
        let cells = self
            .value
            .iter_mut()
            .zip(&mut self.second)
            .zip(&mut self.count)
            .zip(values);
        for (((sum, compensation), count), value) in cells {
            let present = is_present(*value);
            let (total, lost) = kahan(*value, *sum, *compensation);
            *sum = if present { total } else { *sum };
            *compensation = if present { lost } else { *compensation };
            *count += f64::from(u8::from(present));
        }
    }

    fn add_extreme(&mut self, values: &[f64], worse: impl Fn(f64, f64) -> bool) {
        for ((known, count), value) in self.value.iter_mut().zip(&mut self.count).zip(values) {
            if !is_present(*value) {
                continue;
            }
            if *count == 0.0 || worse(*known, *value) || known.is_nan() {
                *known = *value;
            }
            *count += 1.0;
        }
    }

    /// Adds what another unit of the same group came to.
    fn merge(&mut self, other: Self) {
        for step in 0..self.count.len() {
            if other.count[step] == 0.0 {
                continue;
            }
            if self.count[step] == 0.0 {
                self.value[step] = other.value[step];
                if let Some(second) = other.second.get(step) {
                    self.second[step] = *second;
                }
            } else {
                let (known, new) = (self.value[step], other.value[step]);
                match self.op {
                    AggregateOp::Sum => {
                        let (sum, compensation) = kahan(new, known, self.second[step]);
                        self.value[step] = sum;
                        self.second[step] = if sum.is_infinite() {
                            0.0
                        } else {
                            compensation + other.second[step]
                        };
                    }
                    AggregateOp::Min if known > new || known.is_nan() => self.value[step] = new,
                    AggregateOp::Max if known < new || known.is_nan() => self.value[step] = new,
                    _ => {}
                }
            }
            self.count[step] += other.count[step];
        }
        for (step, total) in other.histograms {
            match self.histograms.entry(step) {
                std::collections::btree_map::Entry::Vacant(new) => {
                    new.insert(total);
                }
                std::collections::btree_map::Entry::Occupied(known) => {
                    known.into_mut().merge(&total);
                }
            }
        }
    }
}

/// A running sum of native histograms.
struct HistogramTotal {
    sum: Histogram,
    count: f64,
    reset: bool,
    not_reset: bool,
    incompatible: bool,
}

impl HistogramTotal {
    fn new(first: &Histogram) -> Self {
        Self {
            sum: first.clone(),
            count: 1.0,
            reset: first.reset_hint == ResetHint::Reset,
            not_reset: first.reset_hint == ResetHint::NotReset,
            incompatible: false,
        }
    }

    fn add(&mut self, histogram: &Histogram) -> Result<bool, MixedSchemas> {
        if self.incompatible {
            return Ok(false);
        }
        self.reset |= histogram.reset_hint == ResetHint::Reset;
        self.not_reset |= histogram.reset_hint == ResetHint::NotReset;
        self.count += 1.0;
        match native::combine(&mut self.sum, histogram, 1.0) {
            Ok(came) => Ok(came.reconciled),
            Err(error) => {
                self.incompatible = true;
                Err(error)
            }
        }
    }

    fn merge(&mut self, other: &Self) {
        self.reset |= other.reset;
        self.not_reset |= other.not_reset;
        self.count += other.count;
        self.incompatible |=
            other.incompatible || native::combine(&mut self.sum, &other.sum, 1.0).is_err();
    }

    fn collision(&self) -> bool {
        self.reset && self.not_reset
    }

    fn result(&self, average: bool) -> Option<Histogram> {
        if self.incompatible {
            return None;
        }
        let mut result = self.sum.clone();
        if average {
            native::divide(&mut result, self.count);
        }
        native::compact(&mut result);
        Some(result)
    }
}
