//! Operators between two vectors: who matches whom is worked out once from labels, and then
//! whole columns are combined (Prometheus querying/operators, "Vector matching").

use super::Evaluator;
use super::pairs::{PairRows, combine_columns};
use super::vector::{ABSENT, Budget, Head, Vector, all_different, is_present, without_metadata};
use crate::arithmetic::{compares, computes};
use crate::error::{Error, Result};
use crate::native::{self, MixedSchemas};
use crate::span::Span;
use crate::syntax::{BinaryOp, Matching, Side};
use series::{Histogram, LabelGroups, Labels, METRIC_NAME, ResetHint};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

/// For each series the number of its *signature*: of the labels by which it is matched.
fn signatures(vector: &Vector, matching: &Matching, known: &mut LabelGroups) -> Vec<usize> {
    let named = |name: &str| matching.labels.iter().any(|label| label == name);
    let counts = |name: &str| named(name) == matching.on && (matching.on || name != METRIC_NAME);
    let heads = vector.heads.iter();
    heads
        .map(|head| known.number(&head.labels, counts))
        .collect()
}

/// Room for at most so many cells is made before any comes.
const EXPECTED_CELLS: usize = 1 << 20;

/// A result in the making: rows found again by their labels, and by whether their name is to go,
/// for in the end these will be series of different labels.
///
/// Every row is accounted for when it is made: a series may get one for each of its partners.
struct Output<'a> {
    vector: Vector,
    places: HashMap<(Labels, bool), usize>,
    budget: &'a Arc<Budget>,
}

impl<'a> Output<'a> {
    /// `rows` are expected; room for them is not touched before they come.
    fn new(rows: usize, steps: usize, budget: &'a Arc<Budget>) -> Self {
        let mut vector = Vector::empty(steps);
        vector.heads.reserve(rows);
        vector
            .cells
            .reserve(rows.saturating_mul(steps).min(EXPECTED_CELLS));
        Self {
            vector,
            places: HashMap::with_capacity(rows),
            budget,
        }
    }

    fn row(&mut self, head: Head) -> Result<usize> {
        let steps = self.vector.steps;
        let next = self.vector.heads.len();
        match self.places.entry((head.labels.clone(), head.drop_name)) {
            Entry::Occupied(known) => Ok(*known.get()),
            Entry::Vacant(new) => {
                let room = self.budget.reserve(1, steps)?;
                match &mut self.vector.reservation {
                    Some(held) => held.absorb(room),
                    none => *none = Some(room),
                }
                self.vector.heads.push(head);
                self.vector.cells.resize((next + 1) * steps, ABSENT);
                Ok(*new.insert(next))
            }
        }
    }

    fn put(&mut self, row: usize, step: usize, cell: Cell) -> Result<()> {
        let position = row * self.vector.steps + step;
        if self.vector.present(row, step) {
            return Err(Error::SameLabels {
                labels: self.vector.heads[row].labels.clone(),
            });
        }
        match cell {
            Cell::Float(value) => self.vector.cells[position] = value,
            Cell::Histogram(histogram) => {
                self.vector.histograms.insert(position, histogram);
            }
        }
        Ok(())
    }

    /// Drops rows that never got a sample.
    fn finish(self) -> Vector {
        let vector = self.vector;
        let filled: Vec<bool> = (0..vector.len())
            .map(|row| (0..vector.steps).any(|step| vector.present(row, step)))
            .collect();
        vector.retain(&filled)
    }
}

/// What an operator between two vectors gives.
pub(crate) enum Combined {
    /// Series that have nothing to do with each other, evaluated when they are read.
    Rows(PairRows),
    /// Series that had to be put together step by step.
    Vector(Vector),
}

/// A sample at one step.
enum Cell {
    Float(f64),
    Histogram(Arc<Histogram>),
}

impl Evaluator<'_> {
    /// `and`, `or`, `unless`.
    pub(crate) fn set_operation(
        &self,
        op: BinaryOp,
        left: &Vector,
        right: &Vector,
        matching: &Matching,
    ) -> Result<Vector> {
        let steps = left.steps;
        let mut known = LabelGroups::default();
        let left_signatures = signatures(left, matching, &mut known);
        let right_signatures = signatures(right, matching, &mut known);
        let count = known.labels().len();
        let (masking, masking_signatures) = if op == BinaryOp::Or {
            (left, &left_signatures)
        } else {
            (right, &right_signatures)
        };
        let _held = self.budget.reserve(count, steps.div_ceil(8))?;
        let mut mask = vec![false; count * steps];
        for (row, signature) in masking_signatures.iter().enumerate() {
            let mask = &mut mask[signature * steps..(signature + 1) * steps];
            for (bit, value) in mask.iter_mut().zip(masking.row(row)) {
                *bit |= is_present(*value);
            }
            for (step, _) in masking.row_histograms(row) {
                mask[step] = true;
            }
        }
        let mut output = Output::new(left.len(), steps, &self.budget);
        let mut take = |vector: &Vector, row: usize, signature: Option<(usize, bool)>| {
            let keep = |step: usize| match signature {
                None => true,
                Some((signature, wanted)) => mask[signature * steps + step] == wanted,
            };
            let floats = vector.row(row).iter().enumerate();
            let floats = floats
                .filter(|(_, value)| is_present(**value))
                .map(|(step, value)| (step, Cell::Float(*value)));
            let histograms = vector
                .row_histograms(row)
                .map(|(step, histogram)| (step, Cell::Histogram(Arc::clone(histogram))));
            let mut to = None;
            for (step, cell) in floats.chain(histograms).filter(|(step, _)| keep(*step)) {
                let to = match to {
                    Some(to) => to,
                    None => *to.insert(output.row(vector.heads[row].clone())?),
                };
                output.put(to, step, cell)?;
            }
            Ok::<(), Error>(())
        };
        for (row, signature) in left_signatures.iter().enumerate() {
            self.interrupt.check()?;
            match op {
                BinaryOp::And => take(left, row, Some((*signature, true)))?,
                BinaryOp::Unless => take(left, row, Some((*signature, false)))?,
                _ => take(left, row, None)?,
            }
        }
        if op == BinaryOp::Or {
            for (row, signature) in right_signatures.iter().enumerate() {
                self.interrupt.check()?;
                take(right, row, Some((*signature, false)))?;
            }
        }
        Ok(output.finish())
    }

    /// Arithmetic and comparisons.
    pub(crate) fn vectors(
        &self,
        op: BinaryOp,
        left: &Arc<Vector>,
        right: &Arc<Vector>,
        return_bool: bool,
        matching: &Matching,
        span: Span,
    ) -> Result<Combined> {
        let pairing = Pairing::new(self, op, left, right, return_bool, matching, span);
        Ok(match pairing.apart() {
            Some(pairs) => Combined::Rows(PairRows {
                op,
                return_bool,
                left: Arc::clone(left),
                right: Arc::clone(right),
                pairs,
            }),
            None => Combined::Vector(pairing.run()?),
        })
    }

    /// Combines two samples as the operator's sides; `None` where nothing comes out.
    fn combine(
        &self,
        op: BinaryOp,
        return_bool: bool,
        left: &Sample<'_>,
        right: &Sample<'_>,
        span: Span,
    ) -> Option<Cell> {
        let notices = &self.notices;
        let comparison = |holds: bool, kept: Cell| {
            if return_bool {
                Some(Cell::Float(f64::from(u8::from(holds))))
            } else {
                holds.then_some(kept)
            }
        };
        let incompatible = |left, right| {
            notices.incompatible_types(left, op.as_str(), right, span);
            None
        };
        match (left, right) {
            (Sample::Float(_), Sample::Float(_))
                if matches!(op, BinaryOp::TrimLower | BinaryOp::TrimUpper) =>
            {
                incompatible("float", "float")
            }
            (Sample::Float(a), Sample::Float(b)) => {
                if op.is_comparison() {
                    comparison(compares(op, *a, *b), Cell::Float(*a))
                } else {
                    Some(Cell::Float(computes(op, *a, *b)))
                }
            }
            (Sample::Float(a), Sample::Histogram(b)) => {
                if op != BinaryOp::Mul {
                    return incompatible("float", "histogram");
                }
                let mut result = b.as_ref().clone();
                native::scale(&mut result, *a);
                native::compact(&mut result);
                Some(Cell::Histogram(Arc::new(result)))
            }
            (Sample::Histogram(a), Sample::Float(b)) => {
                let mut result = a.as_ref().clone();
                match op {
                    BinaryOp::Mul => native::scale(&mut result, *b),
                    BinaryOp::Div => native::divide(&mut result, *b),
                    _ => return incompatible("histogram", "float"),
                }
                native::compact(&mut result);
                Some(Cell::Histogram(Arc::new(result)))
            }
            (Sample::Histogram(a), Sample::Histogram(b)) => match op {
                BinaryOp::Add | BinaryOp::Sub => {
                    let subtract = op == BinaryOp::Sub;
                    let mut result = a.as_ref().clone();
                    let (sign, what) = if subtract {
                        (-1.0, "subtraction")
                    } else {
                        (1.0, "addition")
                    };
                    match native::combine(&mut result, b, sign) {
                        Ok(came) => {
                            if came.collision {
                                notices.reset_collision(what, span);
                            }
                            if came.reconciled {
                                notices.mismatched_bounds(what, span);
                            }
                        }
                        Err(MixedSchemas) => {
                            notices.incompatible_layout(op.as_str(), span);
                            return None;
                        }
                    }
                    if subtract {
                        result.reset_hint = ResetHint::Gauge;
                    }
                    native::compact(&mut result);
                    Some(Cell::Histogram(Arc::new(result)))
                }
                BinaryOp::Equal => comparison(native::equal(a, b), Cell::Histogram(Arc::clone(a))),
                BinaryOp::NotEqual => {
                    comparison(!native::equal(a, b), Cell::Histogram(Arc::clone(a)))
                }
                _ => incompatible("histogram", "histogram"),
            },
        }
    }
}

/// A sample of an operand.
enum Sample<'a> {
    Float(f64),
    Histogram(&'a Arc<Histogram>),
}

fn sample(vector: &Vector, row: usize, step: usize) -> Option<Sample<'_>> {
    let value = vector.cells[row * vector.steps + step];
    if is_present(value) {
        return Some(Sample::Float(value));
    }
    vector.histogram(row, step).map(Sample::Histogram)
}

/// What has given results of some labels already, where several series could.
struct Matched {
    /// These two alone, wherever both have a sample; most labels get no others.
    alone: Option<(usize, usize)>,
    /// The steps, once others come.
    at: Vec<bool>,
}

/// Series of the side that may have many for one, and of the other.
struct Pairing<'a> {
    evaluator: &'a Evaluator<'a>,
    op: BinaryOp,
    many: &'a Vector,
    one: &'a Vector,
    /// Whether `many` stands right of the operator.
    swapped: bool,
    return_bool: bool,
    matching: &'a Matching,
    span: Span,
    steps: usize,
    signatures: LabelGroups,
    many_signatures: Vec<usize>,
    one_signatures: Vec<usize>,
    /// The series of `one` by signature.
    partners: Vec<Vec<usize>>,
    /// How many series of `many` have each signature.
    sharing: Vec<usize>,
}

impl<'a> Pairing<'a> {
    fn new(
        evaluator: &'a Evaluator<'a>,
        op: BinaryOp,
        left: &'a Vector,
        right: &'a Vector,
        return_bool: bool,
        matching: &'a Matching,
        span: Span,
    ) -> Self {
        let swapped = matching
            .group
            .as_ref()
            .is_some_and(|group| group.many == Side::Right);
        let (many, one) = if swapped {
            (right, left)
        } else {
            (left, right)
        };
        let mut known = LabelGroups::default();
        let many_signatures = signatures(many, matching, &mut known);
        let one_signatures = signatures(one, matching, &mut known);
        let count = known.labels().len();
        let mut partners = vec![Vec::new(); count];
        for (row, signature) in one_signatures.iter().enumerate() {
            partners[*signature].push(row);
        }
        let mut sharing = vec![0; count];
        for signature in &many_signatures {
            sharing[*signature] += 1;
        }
        Self {
            evaluator,
            op,
            many,
            one,
            swapped,
            return_bool,
            matching,
            span,
            steps: left.steps,
            signatures: known,
            many_signatures,
            one_signatures,
            partners,
            sharing,
        }
    }

    /// What stands in for a missing series: of the side `one` first.
    ///
    /// With `group_right` Prometheus turns the sides around before it looks at the values to
    /// fill in, so that `fill_left` always fills the side with many.
    fn fills(&self) -> (Option<f64>, Option<f64>) {
        (self.matching.fill.right, self.matching.fill.left)
    }

    /// The pairs with their rows left and right, where they are all that there is to know: numbers
    /// only, each series with at most one partner, and no two results of the same labels.
    fn apart(&self) -> Option<Vec<(Head, usize, usize)>> {
        let plain = self.many.histograms.is_empty()
            && self.one.histograms.is_empty()
            && self.fills() == (None, None)
            && !matches!(self.op, BinaryOp::TrimLower | BinaryOp::TrimUpper);
        let crowded = |(rows, sharing): (&Vec<usize>, &usize)| {
            rows.len() > 1 || (self.matching.group.is_none() && *sharing > 1 && rows.len() == 1)
        };
        if !plain || self.partners.iter().zip(&self.sharing).any(crowded) {
            return None;
        }
        let pairs: Vec<_> = self
            .many_signatures
            .iter()
            .enumerate()
            .filter_map(|(row, signature)| {
                let partner = *self.partners[*signature].first()?;
                let head = self.head(row, Some(partner), *signature);
                Some(match self.swapped {
                    true => (head, partner, row),
                    false => (head, row, partner),
                })
            })
            .collect();
        all_different(pairs.iter().map(|(head, ..)| &head.labels)).then_some(pairs)
    }

    fn run(self) -> Result<Vector> {
        self.check_one_side()?;
        let (fill_one, fill_many) = self.fills();
        let mut output = Output::new(self.many.len(), self.steps, &self.evaluator.budget);
        let mut matched = HashMap::new();
        let mut covered: HashMap<usize, Vec<bool>> = HashMap::new();
        for (row, signature) in self.many_signatures.iter().enumerate() {
            for partner in &self.partners[*signature] {
                self.evaluator.interrupt.check()?;
                self.pair(
                    row,
                    Some(*partner),
                    *signature,
                    &mut output,
                    &mut matched,
                    &mut covered,
                )?;
            }
            if fill_one.is_some() {
                self.pair(
                    row,
                    None,
                    *signature,
                    &mut output,
                    &mut matched,
                    &mut covered,
                )?;
            }
        }
        if let Some(value) = fill_many {
            for (row, signature) in self.one_signatures.iter().enumerate() {
                self.fill_many(row, *signature, value, &mut output, &covered)?;
            }
        }
        Ok(output.finish())
    }

    /// On the side with one series per group no two may meet at a step, unless the other side
    /// has nothing at all there.
    fn check_one_side(&self) -> Result<()> {
        if self.partners.iter().all(|rows| rows.len() < 2) {
            return Ok(());
        }
        let other_side: Vec<bool> = (0..self.steps)
            .map(|step| (0..self.many.len()).any(|row| self.many.present(row, step)))
            .collect();
        for (signature, rows) in self.partners.iter().enumerate() {
            if rows.len() < 2 {
                continue;
            }
            for step in (0..self.steps).filter(|step| other_side[*step]) {
                let mut present = rows.iter().filter(|row| self.one.present(**row, step));
                if let (Some(first), Some(second)) = (present.next(), present.next()) {
                    return Err(Error::ManyToMany {
                        group: self.signatures.labels()[signature].clone(),
                        side: if self.swapped { "left" } else { "right" },
                        first: self.one.heads[*second].labels.clone(),
                        second: self.one.heads[*first].labels.clone(),
                    });
                }
            }
        }
        Ok(())
    }

    /// The labels of what two series give; `None` for a partner that is filled in.
    fn head(&self, row: usize, partner: Option<usize>, signature: usize) -> Head {
        let many = &self.many.heads[row];
        let one = match partner {
            Some(partner) => &self.one.heads[partner].labels,
            None => &self.signatures.labels()[signature],
        };
        Head {
            labels: self.result_labels(&many.labels, one),
            drop_name: self.return_bool || many.drop_name,
        }
    }

    fn result_labels(&self, many: &Labels, one: &Labels) -> Labels {
        let matching = self.matching;
        let mut labels = if self.op.is_comparison() {
            many.clone()
        } else {
            without_metadata(many)
        };
        let Some(group) = &matching.group else {
            let named = |name: &str| matching.labels.iter().any(|label| label == name);
            return labels.without(|name| named(name) != matching.on);
        };
        if !group.include.is_empty() {
            let mut builder = labels.to_builder();
            for name in &group.include {
                match one.get(name) {
                    Some(value) => builder.set(name.as_str(), value),
                    None => builder.remove(name),
                };
            }
            labels = builder.build();
        }
        labels
    }

    fn pair(
        &self,
        row: usize,
        partner: Option<usize>,
        signature: usize,
        output: &mut Output<'_>,
        matched: &mut HashMap<(usize, Labels), Matched>,
        covered: &mut HashMap<usize, Vec<bool>>,
    ) -> Result<()> {
        // Of many partners, such as the infos of a target that was deployed anew each day, most
        // are gone or not there yet; they must not cost a row each.
        if let Some(partner) = partner
            && self.partners[signature].len() > 1
            && !self.meet(row, partner)
        {
            return Ok(());
        }
        let head = self.head(row, partner, signature);
        let grouped = self.matching.group.is_some();
        // Without a group, all series of a signature compete; with one, those whose results
        // have the same labels do.
        let key = (
            signature,
            if grouped {
                head.labels.clone()
            } else {
                Labels::empty()
            },
        );
        let mut seen = if self.sharing[signature] > 1 {
            match (matched.entry(key), partner) {
                (Entry::Vacant(first), Some(partner)) => {
                    first.insert(Matched {
                        alone: Some((row, partner)),
                        at: Vec::new(),
                    });
                    None
                }
                (entry, _) => Some(self.seen(entry.or_insert_with(|| Matched {
                    alone: None,
                    at: vec![false; self.steps],
                }))),
            }
        } else {
            None
        };
        let fills = self.matching.fill.left.is_some() || self.matching.fill.right.is_some();
        let mut coverage = fills.then(|| {
            covered
                .entry(signature)
                .or_insert_with(|| vec![false; self.steps])
        });
        let (fill_one, _) = self.fills();
        let drop_labels = head.labels.clone();
        let to = output.row(head)?;
        // The common case has numbers only, and nobody to compete with.
        let plain = self.many.histograms.is_empty() && self.one.histograms.is_empty();
        if let (true, None, None, Some(partner)) = (plain, &seen, &coverage, partner)
            && self.partners[signature].len() == 1
            && !matches!(self.op, BinaryOp::TrimLower | BinaryOp::TrimUpper)
            && self.fast_pair(row, partner, to, output)
        {
            return Ok(());
        }
        for step in 0..self.steps {
            let Some(many) = sample(self.many, row, step) else {
                continue;
            };
            let one = match partner {
                Some(partner) => match sample(self.one, partner, step) {
                    Some(one) => one,
                    None => continue,
                },
                None => {
                    let missing = self.partners[signature]
                        .iter()
                        .all(|partner| !self.one.present(*partner, step));
                    match fill_one {
                        Some(value) if missing => Sample::Float(value),
                        _ => continue,
                    }
                }
            };
            let (left, right) = if self.swapped {
                (&one, &many)
            } else {
                (&many, &one)
            };
            let cell = self
                .evaluator
                .combine(self.op, self.return_bool, left, right, self.span);
            if let Some(seen) = &mut seen {
                if seen[step] {
                    return Err(if grouped {
                        Error::GroupedTwice {
                            labels: drop_labels,
                        }
                    } else {
                        Error::ImplicitManyToOne {
                            labels: drop_labels,
                        }
                    });
                }
                seen[step] = true;
            }
            if let Some(coverage) = &mut coverage {
                coverage[step] = true;
            }
            // A filter keeps what stands on the operator's left.
            if let Some(cell) = cell {
                output.put(to, step, cell)?;
            }
        }
        Ok(())
    }

    /// The steps at which there is a result.
    fn seen<'m>(&self, matched: &'m mut Matched) -> &'m mut Vec<bool> {
        if let Some((row, partner)) = matched.alone.take() {
            let both = |step| self.many.present(row, step) && self.one.present(partner, step);
            matched.at = (0..self.steps).map(both).collect();
        }
        &mut matched.at
    }

    /// Whether there is a step at which both have a sample.
    fn meet(&self, row: usize, partner: usize) -> bool {
        if self.many.histograms.is_empty() && self.one.histograms.is_empty() {
            let mut cells = self.many.row(row).iter().zip(self.one.row(partner));
            return cells.any(|(a, b)| is_present(*a) && is_present(*b));
        }
        (0..self.steps).any(|step| self.many.present(row, step) && self.one.present(partner, step))
    }

    /// Combines two columns of numbers at once; `false` where the result's row is in use.
    fn fast_pair(&self, row: usize, partner: usize, to: usize, output: &mut Output<'_>) -> bool {
        let steps = self.steps;
        let out = &mut output.vector.cells[to * steps..(to + 1) * steps];
        if out.iter().any(|cell| is_present(*cell)) {
            return false;
        }
        let (many, one) = (self.many.row(row), self.one.row(partner));
        let (left, right) = if self.swapped {
            (one, many)
        } else {
            (many, one)
        };
        combine_columns(self.op, self.return_bool, left, right, out);
        true
    }

    /// Gives series of the side `one` that found nobody a partner made of `value`.
    fn fill_many(
        &self,
        row: usize,
        signature: usize,
        value: f64,
        output: &mut Output<'_>,
        covered: &HashMap<usize, Vec<bool>>,
    ) -> Result<()> {
        let one = &self.one.heads[row];
        let labels = self.result_labels(&self.signatures.labels()[signature], &one.labels);
        let head = Head {
            labels,
            drop_name: self.return_bool,
        };
        let to = output.row(head)?;
        for step in 0..self.steps {
            if covered.get(&signature).is_some_and(|steps| steps[step]) {
                continue;
            }
            let Some(one) = sample(self.one, row, step) else {
                continue;
            };
            let many = Sample::Float(value);
            let (left, right) = if self.swapped {
                (&one, &many)
            } else {
                (&many, &one)
            };
            let cell = self
                .evaluator
                .combine(self.op, self.return_bool, left, right, self.span);
            if let Some(cell) = cell {
                output.put(to, step, cell)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use crate::notices::Notices;
    use crate::plan::{Frame, Steps};
    use crate::planner::plan;
    use crate::syntax::Group;
    use proptest::prelude::*;
    use proptest::sample::{select, subsequence};
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    use series::Interrupt;
    use std::sync::Mutex;
    use std::sync::atomic::AtomicU64;

    const STEPS: usize = 3;

    fn vectors() -> impl Strategy<Value = Arc<Vector>> {
        let labels = (
            select(vec!["x", "y"]),
            select(vec!["", "1", "2"]),
            select(vec!["", "1", "2", "3"]),
        );
        let cell = prop_oneof![Just(ABSENT), select(vec![1.0, -2.0, 0.0, f64::NAN])];
        let row = (any::<bool>(), prop::collection::vec(cell, STEPS));
        prop::collection::btree_map(labels, row, 0..5).prop_map(|rows| {
            let mut vector = Vector::empty(STEPS);
            for ((name, a, b), (drop_name, cells)) in rows {
                let labels = Labels::new([("__name__", name), ("a", a), ("b", b)]).unwrap();
                vector.heads.push(Head { labels, drop_name });
                vector.cells.extend(cells);
            }
            Arc::new(vector)
        })
    }

    fn matchings() -> impl Strategy<Value = Matching> {
        let names = || subsequence(vec!["__name__".to_owned(), "a".into(), "b".into()], 0..3);
        let group = (select(vec![Side::Left, Side::Right]), names())
            .prop_map(|(many, include)| Group { many, include });
        (any::<bool>(), names(), prop::option::of(group)).prop_map(|(on, labels, group)| Matching {
            on,
            labels,
            group,
            ..Matching::default()
        })
    }

    #[test]
    fn pairs_read_one_by_one_are_what_a_walk_over_all_steps_finds() {
        let frame = Frame {
            steps: Steps {
                start: 0,
                step: 1,
                count: STEPS,
            },
            start: 0,
            end: 2,
            step: 1,
            lookback: 1,
            default_subquery_step: 1,
        };
        let plan = plan("1", &crate::parse("1").unwrap(), frame).unwrap();
        let evaluator = Evaluator {
            plan: &plan,
            sets: Vec::new(),
            limits: &Limits::default(),
            interrupt: &Interrupt::new(),
            lookback: 1,
            instant: false,
            budget: Budget::new(u64::MAX),
            notices: Notices::default(),
            samples: AtomicU64::new(0),
            known: Mutex::default(),
        };
        let ops = select(vec![
            BinaryOp::Add,
            BinaryOp::Sub,
            BinaryOp::Mul,
            BinaryOp::Div,
            BinaryOp::Atan2,
            BinaryOp::Greater,
            BinaryOp::Equal,
        ]);
        let cases = (ops, any::<bool>(), vectors(), vectors(), matchings());
        let mut runner = TestRunner::deterministic();
        let mut rows = 0;
        for _ in 0..5_000 {
            let (op, return_bool, left, right, matching) =
                cases.new_tree(&mut runner).unwrap().current();
            let pairing = || {
                let span = Span { start: 0, end: 1 };
                Pairing::new(&evaluator, op, &left, &right, return_bool, &matching, span)
            };
            let Some(pairs) = pairing().apart() else {
                continue;
            };
            let read = PairRows {
                op,
                return_bool,
                left: Arc::clone(&left),
                right: Arc::clone(&right),
                pairs,
            };
            let read = evaluator.materialise(&read, STEPS).unwrap();
            let walked = pairing().run().unwrap();
            let bits = |vector: &Vector| -> Vec<u64> {
                vector.cells.iter().map(|value| value.to_bits()).collect()
            };
            assert_eq!(read.heads, walked.heads, "{left:?} {op:?} {right:?}");
            assert_eq!(bits(&read), bits(&walked), "{left:?} {op:?} {right:?}");
            rows += read.len();
        }
        assert!(rows > 500, "{rows} rows");
    }
}
