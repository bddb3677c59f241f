//! A plan into values: each node gives rows that are evaluated when read, or one number per
//! step.

pub(crate) mod aggregate;
mod binary;
mod classic;
mod edges;
mod elementwise;
mod functions;
mod leaves;
mod mixed;
mod pairs;
mod ranking;
mod relabel;
mod rows;
pub(crate) mod vector;
mod window;
mod workers;

use crate::arithmetic::scalars;
use crate::error::{Error, Result};
use crate::functions::FunctionId;
use crate::limits::Limits;
use crate::notices::Notices;
use crate::plan::{Node, NodeId, Plan, Steps};
use crate::span::Span;
use crate::syntax::{AggregateOp, BinaryOp, Matching, Text, ValueType};
use binary::Combined;
use classic::{Places, Question};
use elementwise::{MapRows, Operation, date_part};
use rows::{Rows, Scratch, VectorRows};
use series::{Histogram, Interrupt, Labels, SeriesSet, SeriesSource};
use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use vector::{ABSENT, Budget, Head, Scalars, Vector, is_present};
use workers::Threads;

/// One evaluation of a plan.
pub(crate) struct Evaluator<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) sets: Vec<Arc<dyn SeriesSet>>,
    pub(crate) limits: &'a Limits,
    pub(crate) interrupt: &'a Interrupt,
    pub(crate) lookback: i64,
    /// Whether the query itself has a single step, so that an order can show.
    pub(crate) instant: bool,
    pub(crate) budget: Arc<Budget>,
    pub(crate) notices: Notices,
    pub(crate) samples: AtomicU64,
    known: Mutex<HashMap<(NodeId, Steps), Arc<Vector>>>,
}

/// A series with samples at times of its own: what a range vector gives.
pub(crate) struct RangeRow {
    pub(crate) labels: Labels,
    pub(crate) times: Vec<i64>,
    pub(crate) values: Vec<f64>,
    pub(crate) histograms: Vec<(i64, Arc<Histogram>)>,
}

impl<'e> Evaluator<'e> {
    /// Selects all series of the plan.
    pub(crate) fn new(
        plan: &'e Plan,
        source: &dyn SeriesSource,
        limits: &'e Limits,
        interrupt: &'e Interrupt,
        lookback: i64,
        instant: bool,
    ) -> Result<Self> {
        let mut sets: Vec<Arc<dyn SeriesSet>> = Vec::with_capacity(plan.selections.len());
        for selection in &plan.selections {
            let (matchers, range) = (&selection.matchers, selection.range);
            let set = source.select(matchers, range, interrupt, &Threads(limits.threads))?;
            sets.push(Arc::from(set));
        }
        Ok(Self {
            plan,
            sets,
            limits,
            interrupt,
            lookback,
            instant,
            budget: Budget::new(limits.samples),
            notices: Notices::default(),
            samples: AtomicU64::new(0),
            known: Mutex::new(HashMap::new()),
        })
    }
}

impl Evaluator<'_> {
    fn span(&self, node: NodeId) -> Span {
        self.plan.spans[node]
    }

    /// The vector that `node` gives, in memory.
    pub(crate) fn vector(&self, node: NodeId, steps: &Steps) -> Result<Arc<Vector>> {
        self.interrupt.check()?;
        let shared = self.plan.uses[node] > 1;
        let key = (node, *steps);
        if shared
            && let Some(known) = self
                .known
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get(&key)
        {
            return Ok(Arc::clone(known));
        }
        let vector = match self.computed(node, steps)? {
            Some(vector) => vector,
            None => {
                let rows = self.fresh_rows(node, steps)?;
                self.materialise(rows.as_ref(), steps.count)?
            }
        };
        let vector = Arc::new(vector);
        if shared {
            self.known
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(key, Arc::clone(&vector));
        }
        Ok(vector)
    }

    /// The rows that `node` gives, evaluated when they are read.
    fn rows(&self, node: NodeId, steps: &Steps) -> Result<Box<dyn Rows + '_>> {
        if self.plan.uses[node] > 1 {
            return Ok(Box::new(VectorRows(self.vector(node, steps)?)));
        }
        self.fresh_rows(node, steps)
    }

    fn fresh_rows(&self, node: NodeId, steps: &Steps) -> Result<Box<dyn Rows + '_>> {
        match &self.plan.nodes[node] {
            Node::Select(selector) => Ok(self.select(selector, steps, false)),
            Node::SelectTimes(selector) => Ok(self.select(selector, steps, true)),
            Node::Window {
                function,
                over,
                parameters,
                span,
                parameter_span,
            } => self.window(*function, over, parameters, (*span, *parameter_span), steps),
            Node::Negate(inner) => self.map(*inner, Operation::Negate, node, steps),
            Node::Function {
                function,
                arguments,
            } => match self.operation(*function, arguments, steps)? {
                Some(operation) => self.map(arguments[0], operation, node, steps),
                None => self.computed_rows(node, steps),
            },
            Node::LabelReplace {
                inner,
                destination,
                replacement,
                source,
                pattern,
            } => {
                let rows = self.rows(*inner, steps)?;
                let heads =
                    relabel::replaced(rows.as_ref(), destination, replacement, source, pattern)?;
                self.relabelled(rows, heads, steps.count)
            }
            Node::LabelJoin {
                inner,
                destination,
                separator,
                sources,
            } => {
                let rows = self.rows(*inner, steps)?;
                let heads = relabel::joined(rows.as_ref(), destination, separator, sources)?;
                self.relabelled(rows, heads, steps.count)
            }
            Node::Binary {
                op,
                left,
                right,
                return_bool,
                matching,
            } => {
                let scalar = |node: NodeId| self.plan.types[node] == ValueType::Scalar;
                let (inner, other, scalar_is_left) = if scalar(*left) {
                    (*right, *left, true)
                } else if scalar(*right) {
                    (*left, *right, false)
                } else {
                    let sides = (*left, *right);
                    let span = self.span(node);
                    let combined =
                        self.combined(*op, sides, *return_bool, matching, span, steps)?;
                    return Ok(match combined {
                        Combined::Rows(rows) => Box::new(rows),
                        Combined::Vector(vector) => Box::new(VectorRows(Arc::new(vector))),
                    });
                };
                let operation = Operation::Scalar {
                    op: *op,
                    scalar: self.scalars(other, steps)?,
                    scalar_is_left,
                    return_bool: *return_bool,
                };
                self.map(inner, operation, node, steps)
            }
            _ => self.computed_rows(node, steps),
        }
    }

    /// An operator between two vectors.
    fn combined(
        &self,
        op: BinaryOp,
        (left, right): (NodeId, NodeId),
        return_bool: bool,
        matching: &Matching,
        span: Span,
        steps: &Steps,
    ) -> Result<Combined> {
        let left = self.vector(left, steps)?;
        let right = self.vector(right, steps)?;
        if op.is_set() {
            let vector = self.set_operation(op, &left, &right, matching)?;
            return Ok(Combined::Vector(vector));
        }
        self.vectors(op, &left, &right, return_bool, matching, span)
    }

    fn computed_rows(&self, node: NodeId, steps: &Steps) -> Result<Box<dyn Rows + '_>> {
        let vector = self
            .computed(node, steps)?
            .ok_or(Error::Unsupported("this expression as a vector"))?;
        Ok(Box::new(VectorRows(Arc::new(vector))))
    }

    fn map(
        &self,
        inner: NodeId,
        operation: Operation,
        node: NodeId,
        steps: &Steps,
    ) -> Result<Box<dyn Rows + '_>> {
        Ok(Box::new(MapRows {
            evaluator: self,
            inner: self.rows(inner, steps)?,
            operation,
            steps: *steps,
            span: self.span(node),
        }))
    }

    /// The operation on single samples that a function is, where it is one.
    fn operation(
        &self,
        function: FunctionId,
        arguments: &[NodeId],
        steps: &Steps,
    ) -> Result<Option<Operation>> {
        use FunctionId as F;
        let unbounded = |value: f64| Scalars::Constant(value);
        Ok(Some(match function {
            F::Clamp => Operation::Clamp {
                least: self.scalars(arguments[1], steps)?,
                most: self.scalars(arguments[2], steps)?,
            },
            F::ClampMin => Operation::Clamp {
                least: self.scalars(arguments[1], steps)?,
                most: unbounded(f64::INFINITY),
            },
            F::ClampMax => Operation::Clamp {
                least: unbounded(f64::NEG_INFINITY),
                most: self.scalars(arguments[1], steps)?,
            },
            F::Round => Operation::Round {
                nearest: match arguments.get(1) {
                    Some(nearest) => self.scalars(*nearest, steps)?,
                    None => Scalars::Constant(1.0),
                },
            },
            F::Timestamp => Operation::Timestamp,
            F::Minute
            | F::Hour
            | F::DayOfMonth
            | F::DayOfWeek
            | F::DayOfYear
            | F::DaysInMonth
            | F::Month
            | F::Year
                if arguments.is_empty() =>
            {
                return Ok(None);
            }
            F::Vector
            | F::Scalar
            | F::Sort
            | F::SortDesc
            | F::SortByLabel
            | F::SortByLabelDesc
            | F::HistogramQuantile
            | F::HistogramQuantiles
            | F::HistogramFraction => return Ok(None),
            other => Operation::Function(other),
        }))
    }

    /// What `node` gives where it cannot be evaluated row by row; `None` where it can.
    fn computed(&self, node: NodeId, steps: &Steps) -> Result<Option<Vector>> {
        let span = self.span(node);
        Ok(Some(match &self.plan.nodes[node] {
            Node::Invariant(inner) => {
                let once = self.vector(*inner, &steps.first())?;
                self.repeated(&once, steps)?
            }
            Node::Absent { inner, labels } => self.absent(*inner, labels, steps)?,
            Node::Aggregate {
                op,
                grouping,
                parameter,
                inner,
            } => {
                let inner_span = self.span(*inner);
                if *op == AggregateOp::CountValues {
                    let text = parameter.map(|node| &self.plan.nodes[node]);
                    let Some(Node::Text(text)) = text else {
                        return Err(Error::Unsupported("count_values without a label"));
                    };
                    let label = self.check_label(text.as_str(), text.to_string())?;
                    let rows = self.rows(*inner, steps)?;
                    return self
                        .count_values(grouping, &label, rows.as_ref(), steps.count)
                        .map(Some);
                }
                let parameter_span = parameter.map_or(span, |node| self.span(node));
                let parameter = match parameter {
                    Some(parameter) => self.scalars(*parameter, steps)?,
                    None => Scalars::Constant(f64::NAN),
                };
                let rows = self.rows(*inner, steps)?;
                match op {
                    AggregateOp::Topk
                    | AggregateOp::Bottomk
                    | AggregateOp::Limitk
                    | AggregateOp::LimitRatio => self.pick(
                        *op,
                        grouping,
                        &parameter,
                        rows.as_ref(),
                        steps.count,
                        span,
                        parameter_span,
                    )?,
                    AggregateOp::Quantile => {
                        self.check_quantile(&parameter, steps, parameter_span);
                        self.aggregate(
                            *op,
                            grouping,
                            &parameter,
                            rows.as_ref(),
                            steps.count,
                            inner_span,
                        )?
                    }
                    _ => self.aggregate(
                        *op,
                        grouping,
                        &parameter,
                        rows.as_ref(),
                        steps.count,
                        inner_span,
                    )?,
                }
            }
            Node::Binary {
                op,
                left,
                right,
                return_bool,
                matching,
            } if self.plan.types[*left] == ValueType::Vector
                && self.plan.types[*right] == ValueType::Vector =>
            {
                let sides = (*left, *right);
                match self.combined(*op, sides, *return_bool, matching, span, steps)? {
                    Combined::Vector(vector) => vector,
                    Combined::Rows(rows) => self.materialise(&rows, steps.count)?,
                }
            }
            Node::Info {
                inner,
                matchers,
                selector,
            } => {
                let base = self.vector(*inner, steps)?;
                let info = self.select(selector, steps, false);
                let info = self.materialise(info.as_ref(), steps.count)?;
                let times = self.select(selector, steps, true);
                let times = self.materialise(times.as_ref(), steps.count)?;
                let names = &self.plan.selections[selector.selection].matchers;
                self.info(&base, &info, &times, matchers, names, steps)?
            }
            Node::Function {
                function,
                arguments,
            } => return self.function(*function, arguments, node, steps),
            _ => return Ok(None),
        }))
    }

    fn function(
        &self,
        function: FunctionId,
        arguments: &[NodeId],
        node: NodeId,
        steps: &Steps,
    ) -> Result<Option<Vector>> {
        use FunctionId as F;
        let span = self.span(node);
        Ok(Some(match function {
            F::Vector => relabel::vector_of(&self.scalars(arguments[0], steps)?, steps.count),
            F::Sort | F::SortDesc | F::SortByLabel | F::SortByLabelDesc => {
                let vector = self.vector(arguments[0], steps)?;
                if steps.count > 1 || !self.instant {
                    self.notices.sort_in_range(span);
                    return Ok(Some(self.copied(&vector)?));
                }
                let names: Vec<String> = arguments[1..]
                    .iter()
                    .map(|node| self.text(*node).to_lossy())
                    .collect();
                match function {
                    F::Sort => self.sort_by_value(&vector, false),
                    F::SortDesc => self.sort_by_value(&vector, true),
                    F::SortByLabel => self.sort_by_labels(&vector, &names, false),
                    _ => self.sort_by_labels(&vector, &names, true),
                }
            }
            F::HistogramQuantile => {
                let q = self.scalars(arguments[0], steps)?;
                let vector = self.vector(arguments[1], steps)?;
                let places = Places {
                    parameter: self.span(arguments[0]),
                    vector: self.span(arguments[1]),
                };
                self.histograms(&Question::Quantile(&q), &vector, steps, places)?
            }
            F::HistogramFraction => {
                let lower = self.scalars(arguments[0], steps)?;
                let upper = self.scalars(arguments[1], steps)?;
                let vector = self.vector(arguments[2], steps)?;
                let places = Places {
                    parameter: self.span(arguments[0]),
                    vector: self.span(arguments[2]),
                };
                let question = Question::Fraction(&lower, &upper);
                self.histograms(&question, &vector, steps, places)?
            }
            F::HistogramQuantiles => self.quantiles(arguments, steps)?,
            F::Minute
            | F::Hour
            | F::DayOfMonth
            | F::DayOfWeek
            | F::DayOfYear
            | F::DaysInMonth
            | F::Month
            | F::Year
                if arguments.is_empty() =>
            {
                let cells = (0..steps.count)
                    .map(|step| date_part(function, steps.time(step).div_euclid(1000) as f64))
                    .collect();
                Vector {
                    cells,
                    heads: vec![Head {
                        labels: Labels::empty(),
                        drop_name: false,
                    }],
                    reservation: Some(self.budget.reserve(1, steps.count)?),
                    ..Vector::empty(steps.count)
                }
            }
            _ => return Ok(None),
        }))
    }

    /// `histogram_quantiles`: one series per histogram and quantile.
    fn quantiles(&self, arguments: &[NodeId], steps: &Steps) -> Result<Vector> {
        let vector = self.vector(arguments[0], steps)?;
        let text = self.text(arguments[1]);
        let label = self.check_label(text.as_str(), text.to_string())?;
        let mut out = Vector::empty(steps.count);
        for node in &arguments[2..] {
            let q = self.scalars(*node, steps)?;
            let places = Places {
                parameter: self.span(*node),
                vector: self.span(arguments[0]),
            };
            let part = self.histograms(&Question::Quantile(&q), &vector, steps, places)?;
            // The quantile is one number at all steps in all but the strangest queries.
            let name = match q.get(0) {
                q if q.is_finite() && q.fract() == 0.0 => format!("{q:.1}"),
                q => crate::print::decimal(q),
            };
            for (row, head) in part.heads.iter().enumerate() {
                out.heads.push(Head {
                    labels: head
                        .labels
                        .to_builder()
                        .set(label.as_str(), name.as_str())
                        .build(),
                    drop_name: true,
                });
                out.cells.extend_from_slice(part.row(row));
            }
        }
        out.reservation = Some(self.budget.reserve(out.len(), steps.count)?);
        Ok(out)
    }

    fn text(&self, node: NodeId) -> Text {
        match &self.plan.nodes[node] {
            Node::Text(text) => text.clone(),
            _ => Text(Vec::new()),
        }
    }

    pub(crate) fn copied(&self, vector: &Vector) -> Result<Vector> {
        Ok(Vector {
            steps: vector.steps,
            heads: vector.heads.clone(),
            cells: vector.cells.clone(),
            histograms: vector.histograms.clone(),
            reservation: Some(self.budget.reserve(vector.len(), vector.steps)?),
        })
    }

    /// A vector of one step, the same at all of `steps`.
    fn repeated(&self, once: &Vector, steps: &Steps) -> Result<Vector> {
        let mut out = Vector::empty(steps.count);
        out.reservation = Some(self.budget.reserve(once.len(), steps.count)?);
        out.heads.clone_from(&once.heads);
        out.cells.reserve(once.len() * steps.count);
        for value in &once.cells {
            out.cells.extend(std::iter::repeat_n(*value, steps.count));
        }
        for (row, histogram) in &once.histograms {
            for step in 0..steps.count {
                out.histograms
                    .insert(row * steps.count + step, Arc::clone(histogram));
            }
        }
        Ok(out)
    }

    fn check_quantile(&self, parameter: &Scalars, steps: &Steps, span: Span) {
        let values = || (0..steps.count).map(|step| parameter.get(step));
        if values().any(f64::is_nan) {
            self.notices.invalid_quantile(f64::NAN, span);
        }
        let largest = values().fold(f64::NEG_INFINITY, f64::max);
        let smallest = values().fold(f64::INFINITY, f64::min);
        if largest > 1.0 {
            self.notices.invalid_quantile(largest, span);
        }
        if smallest < 0.0 {
            self.notices.invalid_quantile(smallest, span);
        }
    }

    /// 1 at the steps at which `inner` has nothing.
    fn absent(&self, inner: NodeId, labels: &Labels, steps: &Steps) -> Result<Vector> {
        let rows = self.rows(inner, steps)?;
        let reservation = self.budget.reserve(2, steps.count)?;
        let mut cells = vec![1.0; steps.count];
        let mut left = steps.count;
        let mut scratch = Scratch::default();
        let mut values = vec![ABSENT; steps.count];
        let mut histograms: Vec<(usize, Arc<Histogram>)> = Vec::new();
        for row in 0..rows.len() {
            if left == 0 {
                break;
            }
            self.interrupt.check()?;
            if !rows.read(row, &mut scratch, &mut values, &mut histograms)? {
                continue;
            }
            for (step, _) in histograms.drain(..) {
                values[step] = 1.0;
            }
            for (cell, value) in cells.iter_mut().zip(&values) {
                if is_present(*value) && is_present(*cell) {
                    *cell = ABSENT;
                    left -= 1;
                }
            }
        }
        self.count_samples(&mut scratch);
        if left == 0 {
            return Ok(Vector::empty(steps.count));
        }
        Ok(Vector {
            cells,
            heads: vec![Head {
                labels: labels.clone(),
                drop_name: false,
            }],
            reservation: Some(reservation),
            ..Vector::empty(steps.count)
        })
    }

    /// One number per step.
    pub(crate) fn scalars(&self, node: NodeId, steps: &Steps) -> Result<Scalars> {
        let each = |value: &dyn Fn(usize) -> f64| -> Result<Scalars> {
            // Scalars live as long as what uses them, which is accounted for by that.
            drop(self.budget.reserve(1, steps.count)?);
            Ok(Scalars::Each(Arc::new(
                (0..steps.count).map(value).collect(),
            )))
        };
        match &self.plan.nodes[node] {
            Node::Number(bits) => Ok(Scalars::Constant(f64::from_bits(*bits))),
            Node::Time => each(&|step| steps.time(step) as f64 / 1000.0),
            Node::Invariant(inner) => {
                let once = self.scalars(*inner, &steps.first())?;
                Ok(Scalars::Constant(once.get(0)))
            }
            Node::Negate(inner) => match self.scalars(*inner, steps)? {
                Scalars::Constant(value) => Ok(Scalars::Constant(-value)),
                values => each(&|step| -values.get(step)),
            },
            Node::Binary {
                op, left, right, ..
            } => {
                let (left, right) = (self.scalars(*left, steps)?, self.scalars(*right, steps)?);
                match (&left, &right) {
                    (Scalars::Constant(a), Scalars::Constant(b)) => {
                        Ok(Scalars::Constant(scalars(*op, *a, *b)))
                    }
                    _ => each(&|step| scalars(*op, left.get(step), right.get(step))),
                }
            }
            Node::Function {
                function: FunctionId::Scalar,
                arguments,
            } => self.only_value(arguments[0], steps),
            _ => Err(Error::Unsupported("this expression as a scalar")),
        }
    }

    /// `scalar`: the value of the only series at each step, NaN where there is not exactly one.
    fn only_value(&self, node: NodeId, steps: &Steps) -> Result<Scalars> {
        let rows = self.rows(node, steps)?;
        let _held = self.budget.reserve(2, steps.count)?;
        let mut found = vec![0_usize; steps.count];
        let mut result = vec![f64::NAN; steps.count];
        let mut scratch = Scratch::default();
        let mut values = vec![ABSENT; steps.count];
        let mut histograms = Vec::new();
        for row in 0..rows.len() {
            self.interrupt.check()?;
            if !rows.read(row, &mut scratch, &mut values, &mut histograms)? {
                continue;
            }
            for (step, value) in values.iter().enumerate() {
                if is_present(*value) {
                    found[step] += 1;
                    result[step] = if found[step] == 1 { *value } else { f64::NAN };
                }
            }
        }
        self.count_samples(&mut scratch);
        Ok(Scalars::Each(Arc::new(result)))
    }

    /// What could not be read, in the source's words.
    pub(crate) fn source_warnings(&self) -> Vec<String> {
        let mut warnings: Vec<String> = self.sets.iter().flat_map(|set| set.warnings()).collect();
        warnings.sort();
        warnings.dedup();
        warnings
    }
}
