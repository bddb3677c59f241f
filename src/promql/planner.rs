//! A tree into a plan: durations and `@` resolved, constants folded, equal parts shared, parts
//! that are the same at every step marked, and for each selector the stretch of time it reads.

use crate::error::{Error, Result};
use crate::functions::FunctionId;
use crate::plan::{Frame, Node, NodeId, Plan, Selection, Selector, Steps, SubquerySteps, Windowed};
use crate::span::Span;
use crate::syntax::{
    At, Call, Duration, DurationKind, Expr, ExprKind, Extension, Shift, Text, Unary, ValueType,
    VectorSelector,
};
use series::{Labels, LabelsBuilder, MatchOp, Matcher, TimeRange};
use std::collections::HashMap;
use std::fmt::Write;

/// Makes a plan of `expr`.
pub(crate) fn plan(query: &str, expr: &Expr, frame: Frame) -> Result<Plan> {
    let mut planner = Planner {
        query,
        frame,
        plan: Plan {
            nodes: Vec::new(),
            spans: Vec::new(),
            types: Vec::new(),
            uses: Vec::new(),
            selections: Vec::new(),
            root: 0,
        },
        known: HashMap::new(),
        selected: HashMap::new(),
    };
    let (mut root, facts) = planner.expr(expr, &frame.steps)?;
    if facts.wrap {
        root = planner.wrap(root, expr.span);
    }
    planner.plan.root = root;
    planner.merge_selections();
    Ok(planner.plan)
}

/// What is known of a planned part.
#[derive(Clone, Copy)]
struct Facts {
    /// It has the same value at every step.
    invariant: bool,
    /// Evaluating it once is worth a node of its own.
    wrap: bool,
}

struct Planner<'a> {
    query: &'a str,
    frame: Frame,
    plan: Plan,
    known: HashMap<String, NodeId>,
    selected: HashMap<(String, i64, i64), usize>,
}

/// The same for conditions that are written the same.
fn series_key(matchers: &[Matcher]) -> String {
    let mut key = String::new();
    for matcher in matchers {
        let _ = write!(key, "{matcher};");
    }
    key
}

impl Planner<'_> {
    fn add(&mut self, node: Node, span: Span, value_type: ValueType) -> NodeId {
        // Spans inside of nodes are for messages only; the first place stands for all.
        let key = match &node {
            Node::Window {
                function,
                over,
                parameters,
                ..
            } => format!("window {function:?} {over:?} {parameters:?}"),
            other => format!("{other:?}"),
        };
        if let Some(known) = self.known.get(&key) {
            self.plan.uses[*known] += 1;
            return *known;
        }
        let id = self.plan.nodes.len();
        self.plan.nodes.push(node);
        self.plan.spans.push(span);
        self.plan.types.push(value_type);
        self.plan.uses.push(1);
        self.known.insert(key, id);
        id
    }

    fn number(&mut self, value: f64, span: Span) -> NodeId {
        self.add(Node::Number(value.to_bits()), span, ValueType::Scalar)
    }

    fn constant(&self, node: NodeId) -> Option<f64> {
        match self.plan.nodes[node] {
            Node::Number(bits) => Some(f64::from_bits(bits)),
            _ => None,
        }
    }

    fn wrap(&mut self, inner: NodeId, span: Span) -> NodeId {
        let value_type = self.plan.types[inner];
        self.add(Node::Invariant(inner), span, value_type)
    }

    fn resolve(&self, duration: &Duration, may_be_negative: bool) -> Result<i64> {
        let range = self.frame.end.saturating_sub(self.frame.start);
        let seconds = duration.seconds(self.frame.step as f64 / 1000.0, range as f64 / 1000.0);
        let fail = |what| {
            let (line, column) = duration.span.line_and_column(self.query);
            Err(Error::Duration { line, column, what })
        };
        if !seconds.is_finite() {
            return fail("duration is NaN or infinite");
        }
        if seconds <= 0.0 && !may_be_negative {
            return fail("duration must be greater than 0");
        }
        if seconds.abs() > 9_223_372_036.854_775 {
            return fail("duration is out of range");
        }
        let milliseconds = match duration.kind {
            DurationKind::Literal(_) => (seconds * 1000.0).round(),
            // Prometheus cuts what arithmetic gives instead of rounding it.
            _ => (seconds * 1000.0).trunc(),
        } as i64;
        if milliseconds <= 0 && !may_be_negative {
            return fail("duration must be greater than 0");
        }
        Ok(milliseconds)
    }

    fn shift(&self, shift: &Shift) -> Result<(Option<i64>, i64)> {
        let offset = match &shift.offset {
            Some(duration) => self.resolve(duration, true)?,
            None => 0,
        };
        let at = shift.at.map(|at| match at {
            At::Time(time) => time,
            At::Start => self.frame.start,
            At::End => self.frame.end,
        });
        Ok((at, offset))
    }

    /// Resolves a selector that looks `back` milliseconds (left-open) at each of `steps`.
    fn selector(
        &mut self,
        selector: &VectorSelector,
        back: i64,
        ahead: i64,
        steps: &Steps,
    ) -> Result<Selector> {
        let (at, offset) = self.shift(&selector.shift)?;
        let (first, last) = at.map_or((steps.start, steps.end()), |at| (at, at));
        let range = TimeRange {
            start: first
                .saturating_sub(offset)
                .saturating_sub(back)
                .saturating_add(1),
            end: last.saturating_sub(offset).saturating_add(ahead),
        };
        let selection = self.select(selector.all_matchers(), range);
        Ok(Selector {
            selection,
            at,
            offset,
            extension: selector.extension,
        })
    }

    fn select(&mut self, matchers: Vec<Matcher>, range: TimeRange) -> usize {
        let key = (series_key(&matchers), range.start, range.end);
        let next = self.plan.selections.len();
        let known = *self.selected.entry(key).or_insert(next);
        if known == next {
            self.plan.selections.push(Selection { matchers, range });
        }
        known
    }

    /// Selections of the same series whose times overlap become one.
    fn merge_selections(&mut self) {
        let selections = &mut self.plan.selections;
        let mut by_series: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, selection) in selections.iter().enumerate() {
            let key = series_key(&selection.matchers);
            by_series.entry(key).or_default().push(index);
        }
        let mut target: Vec<usize> = (0..selections.len()).collect();
        for mut group in by_series.into_values() {
            group.sort_by_key(|index| selections[*index].range.start);
            let mut open = group[0];
            for index in group.into_iter().skip(1) {
                let range = selections[index].range;
                if selections[open].range.overlaps(&range) {
                    let end = selections[open].range.end.max(range.end);
                    selections[open].range.end = end;
                    target[index] = open;
                } else {
                    open = index;
                }
            }
        }
        // What was merged into another is not selected.
        let mut kept = vec![0; selections.len()];
        let mut rest = Vec::new();
        for (index, selection) in std::mem::take(selections).into_iter().enumerate() {
            if target[index] == index {
                kept[index] = rest.len();
                rest.push(selection);
            }
        }
        *selections = rest;
        let resolve = |index: usize| kept[target[index]];
        for node in &mut self.plan.nodes {
            match node {
                Node::Select(selector)
                | Node::SelectTimes(selector)
                | Node::Info { selector, .. } => {
                    selector.selection = resolve(selector.selection);
                }
                Node::Window { over, .. } | Node::Range(over) => {
                    if let Windowed::Samples { selector, .. } = over {
                        selector.selection = resolve(selector.selection);
                    }
                }
                _ => {}
            }
        }
    }

    fn expr(&mut self, expr: &Expr, steps: &Steps) -> Result<(NodeId, Facts)> {
        let value_type = expr.value_type();
        let span = expr.span;
        let varying = Facts {
            invariant: false,
            wrap: false,
        };
        let constant = Facts {
            invariant: true,
            wrap: false,
        };
        match &expr.kind {
            ExprKind::Number(number) => Ok((self.number(number.value, span), constant)),
            ExprKind::String(text) => {
                let node = self.add(Node::Text(text.clone()), span, value_type);
                Ok((node, constant))
            }
            ExprKind::Paren(inner) => self.expr(inner, steps),
            ExprKind::Vector(selector) => {
                let smoothed = selector.extension == Some(Extension::Smoothed);
                let ahead = if smoothed { self.frame.lookback } else { 0 };
                let selector = self.selector(selector, self.frame.lookback, ahead, steps)?;
                let fixed = selector.at.is_some();
                let node = self.add(Node::Select(selector), span, value_type);
                let facts = Facts {
                    invariant: fixed,
                    wrap: fixed,
                };
                Ok((node, facts))
            }
            ExprKind::Matrix(_) | ExprKind::Subquery(_) => {
                let (over, facts) = self.windowed(expr, steps)?;
                Ok((self.add(Node::Range(over), span, value_type), facts))
            }
            ExprKind::Unary(unary) => self.unary(unary, span, value_type, steps),
            ExprKind::Aggregate(aggregate) => {
                let (inner, facts) = self.expr(&aggregate.expr, steps)?;
                let parameter = match &aggregate.parameter {
                    Some(parameter) => Some(self.expr(parameter, steps)?),
                    None => None,
                };
                let invariant = facts.invariant && parameter.is_none_or(|(_, f)| f.invariant);
                let inner = if facts.wrap && !invariant {
                    self.wrap(inner, aggregate.expr.span)
                } else {
                    inner
                };
                let node = Node::Aggregate {
                    op: aggregate.op,
                    grouping: aggregate.grouping.clone(),
                    parameter: parameter.map(|(node, _)| node),
                    inner,
                };
                let facts = Facts {
                    invariant,
                    wrap: invariant,
                };
                Ok((self.add(node, span, value_type), facts))
            }
            ExprKind::Binary(binary) => {
                let (left, left_facts) = self.expr(&binary.left, steps)?;
                let (right, right_facts) = self.expr(&binary.right, steps)?;
                if let (Some(a), Some(b)) = (self.constant(left), self.constant(right)) {
                    let value = crate::arithmetic::scalars(binary.op, a, b);
                    return Ok((self.number(value, span), constant));
                }
                let invariant = left_facts.invariant && right_facts.invariant;
                let mut wrap = |node, facts: Facts, span| {
                    if facts.wrap && !invariant {
                        self.wrap(node, span)
                    } else {
                        node
                    }
                };
                let left = wrap(left, left_facts, binary.left.span);
                let right = wrap(right, right_facts, binary.right.span);
                let node = Node::Binary {
                    op: binary.op,
                    left,
                    right,
                    return_bool: binary.return_bool,
                    matching: binary.matching.clone(),
                };
                let facts = Facts {
                    invariant,
                    wrap: invariant,
                };
                Ok((self.add(node, span, value_type), facts))
            }
            ExprKind::Call(call) => {
                let (node, invariant) = self.call(call, span, value_type, steps)?;
                let facts = if self.constant(node).is_some() {
                    constant
                } else if invariant {
                    Facts {
                        invariant,
                        wrap: true,
                    }
                } else {
                    varying
                };
                Ok((node, facts))
            }
        }
    }

    fn unary(
        &mut self,
        unary: &Unary,
        span: Span,
        value_type: ValueType,
        steps: &Steps,
    ) -> Result<(NodeId, Facts)> {
        let (inner, facts) = self.expr(&unary.expr, steps)?;
        if !unary.negate {
            return Ok((inner, facts));
        }
        if let Some(value) = self.constant(inner) {
            return Ok((self.number(-value, span), facts));
        }
        Ok((self.add(Node::Negate(inner), span, value_type), facts))
    }

    /// What stands in a range function's range argument.
    fn windowed(&mut self, expr: &Expr, steps: &Steps) -> Result<(Windowed, Facts)> {
        match &expr.without_parens().kind {
            ExprKind::Matrix(matrix) => {
                let range = self.resolve(&matrix.range, false)?;
                let (back, ahead) = match matrix.selector.extension {
                    None => (range, 0),
                    Some(Extension::Anchored) => (range.saturating_add(self.frame.lookback), 0),
                    Some(Extension::Smoothed) => (
                        range.saturating_add(self.frame.lookback),
                        self.frame.lookback,
                    ),
                };
                let selector = self.selector(&matrix.selector, back, ahead, steps)?;
                let facts = Facts {
                    invariant: selector.at.is_some(),
                    wrap: false,
                };
                Ok((Windowed::Samples { selector, range }, facts))
            }
            ExprKind::Subquery(subquery) => {
                let (at, offset) = self.shift(&subquery.shift)?;
                let range = self.resolve(&subquery.range, false)?;
                let step = match &subquery.step {
                    Some(step) => self.resolve(step, false)?,
                    None => self.frame.default_subquery_step,
                };
                let inner_steps = SubquerySteps {
                    at,
                    offset,
                    range,
                    step: step.max(1),
                };
                let steps = inner_steps.inner(steps).unwrap_or(Steps {
                    start: steps.start,
                    step: 1,
                    count: 1,
                });
                let (mut inner, facts) = self.expr(&subquery.expr, &steps)?;
                if facts.invariant && facts.wrap {
                    inner = self.wrap(inner, subquery.expr.span);
                }
                let facts = Facts {
                    invariant: at.is_some(),
                    wrap: false,
                };
                let over = Windowed::Subquery {
                    inner,
                    steps: inner_steps,
                };
                Ok((over, facts))
            }
            _ => Err(Error::Unsupported("this expression as a range vector")),
        }
    }

    fn call(
        &mut self,
        call: &Call,
        span: Span,
        value_type: ValueType,
        steps: &Steps,
    ) -> Result<(NodeId, bool)> {
        use FunctionId as F;
        let id = call.function.id;
        let seconds = |ms: i64| ms as f64 / 1000.0;
        let folded = match id {
            F::Pi => Some(std::f64::consts::PI),
            F::Start => Some(seconds(self.frame.start)),
            F::End => Some(seconds(self.frame.end)),
            F::Step => Some(seconds(self.frame.step)),
            F::Range => Some(seconds(self.frame.end.saturating_sub(self.frame.start))),
            _ => None,
        };
        if let Some(value) = folded {
            return Ok((self.number(value, span), true));
        }
        if id == F::Time {
            return Ok((self.add(Node::Time, span, value_type), false));
        }
        let range_argument = call
            .arguments
            .iter()
            .position(|argument| argument.value_type() == ValueType::Matrix);
        if let Some(position) = range_argument {
            return self.range_call(call, position, span, value_type, steps);
        }
        if id == F::Timestamp
            && let ExprKind::Vector(selector) = &call.arguments[0].without_parens().kind
        {
            let selector = self.selector(selector, self.frame.lookback, 0, steps)?;
            let fixed = selector.at.is_some();
            let node = self.add(Node::SelectTimes(selector), span, value_type);
            return Ok((node, fixed));
        }
        let depends_on_time = matches!(
            id,
            F::DaysInMonth
                | F::DayOfMonth
                | F::DayOfWeek
                | F::DayOfYear
                | F::Hour
                | F::Minute
                | F::Month
                | F::Year
                | F::Timestamp
        );
        match id {
            F::LabelReplace | F::LabelJoin => return self.relabel(call, span, steps),
            F::Info => return self.info(call, span, steps),
            _ => {}
        }
        let mut invariant = !depends_on_time;
        let mut planned = Vec::new();
        for argument in &call.arguments {
            let (node, facts) = self.expr(argument, steps)?;
            invariant &= facts.invariant;
            planned.push((node, facts, argument.span));
        }
        let arguments = planned
            .into_iter()
            .map(|(node, facts, span)| {
                if facts.wrap && !invariant {
                    self.wrap(node, span)
                } else {
                    node
                }
            })
            .collect::<Vec<_>>();
        let node = if id == F::Absent {
            Node::Absent {
                inner: arguments[0],
                labels: labels_of_absent(&call.arguments[0]),
            }
        } else {
            Node::Function {
                function: id,
                arguments,
            }
        };
        Ok((self.add(node, span, value_type), invariant))
    }

    fn range_call(
        &mut self,
        call: &Call,
        position: usize,
        span: Span,
        value_type: ValueType,
        steps: &Steps,
    ) -> Result<(NodeId, bool)> {
        use FunctionId as F;
        let argument = &call.arguments[position];
        let (over, facts) = self.windowed(argument, steps)?;
        if let Windowed::Samples { selector, .. } = &over {
            check_extension(selector.extension, call)?;
        }
        // Prediction is relative to the evaluation time.
        let mut invariant = facts.invariant && call.function.id != F::PredictLinear;
        let mut parameters = Vec::new();
        let mut parameter_span = argument.span;
        for (i, argument) in call.arguments.iter().enumerate() {
            if i != position {
                let (node, facts) = self.expr(argument, steps)?;
                invariant &= facts.invariant;
                parameters.push(node);
                if i == 0 {
                    parameter_span = argument.span;
                }
            }
        }
        let absent = call.function.id == F::AbsentOverTime;
        let function = if absent {
            F::PresentOverTime
        } else {
            call.function.id
        };
        let node = Node::Window {
            function,
            over,
            parameters,
            span: argument.span,
            parameter_span,
        };
        let mut node = self.add(node, span, value_type);
        if absent {
            let labels = labels_of_absent(argument);
            node = self.add(
                Node::Absent {
                    inner: node,
                    labels,
                },
                span,
                value_type,
            );
        }
        Ok((node, invariant))
    }

    fn relabel(&mut self, call: &Call, span: Span, steps: &Steps) -> Result<(NodeId, bool)> {
        let (inner, facts) = self.expr(&call.arguments[0], steps)?;
        let text = |i: usize| match &call.arguments[i].without_parens().kind {
            ExprKind::String(text) => text.clone(),
            _ => Text(Vec::new()),
        };
        let label = |text: &Text, what| match text.as_str() {
            Some(name) if !name.is_empty() => Ok(name.to_owned()),
            _ => Err(Error::LabelName {
                what,
                name: text.to_string(),
            }),
        };
        let node = if call.function.id == FunctionId::LabelReplace {
            // The pattern is looked at first, as Prometheus does.
            let pattern = text(4).to_lossy();
            if let Err(error) = series::anchored_regex(&pattern) {
                return Err(Error::Regex {
                    pattern,
                    reason: error.reason,
                });
            }
            Node::LabelReplace {
                inner,
                destination: label(&text(1), "destination label name in label_replace():")?,
                replacement: text(2).to_lossy(),
                source: text(3).to_lossy(),
                pattern,
            }
        } else {
            let mut sources = Vec::new();
            for i in 3..call.arguments.len() {
                sources.push(label(&text(i), "source label name in label_join():")?);
            }
            Node::LabelJoin {
                inner,
                destination: label(&text(1), "destination label name in label_join():")?,
                separator: text(2).to_lossy(),
                sources,
            }
        };
        Ok((self.add(node, span, ValueType::Vector), facts.invariant))
    }

    fn info(&mut self, call: &Call, span: Span, steps: &Steps) -> Result<(NodeId, bool)> {
        let (inner, facts) = self.expr(&call.arguments[0], steps)?;
        let inner = if facts.wrap {
            self.wrap(inner, call.arguments[0].span)
        } else {
            inner
        };
        let matchers = match call.arguments.get(1).map(|a| &a.kind) {
            Some(ExprKind::Vector(selector)) => selector.matchers.clone(),
            _ => Vec::new(),
        };
        let name = |m: &&Matcher| m.name() == series::METRIC_NAME;
        let mut wanted = matchers.clone();
        let positive = matchers
            .iter()
            .filter(name)
            .any(|m| matches!(m.op(), MatchOp::Equal | MatchOp::Regex));
        if !positive {
            let any_name = matchers.iter().any(|m| name(&m));
            wanted.push(if any_name {
                Matcher::new(MatchOp::Regex, series::METRIC_NAME, ".+_info")
                    .map_err(|_| Error::Unsupported("info"))?
            } else {
                Matcher::equal(series::METRIC_NAME, "target_info")
            });
        }
        let at = match first_selector(&call.arguments[0]) {
            Some(selector) => self.shift(&selector.shift)?.0,
            None => None,
        };
        let (first, last) = at.map_or((steps.start, steps.end()), |at| (at, at));
        let range = TimeRange {
            start: first.saturating_sub(self.frame.lookback).saturating_add(1),
            end: last,
        };
        let selector = Selector {
            selection: self.select(wanted, range),
            at,
            offset: 0,
            extension: None,
        };
        let node = Node::Info {
            inner,
            matchers,
            selector,
        };
        Ok((self.add(node, span, ValueType::Vector), false))
    }
}

fn check_extension(extension: Option<Extension>, call: &Call) -> Result<()> {
    use FunctionId as F;
    let id = call.function.id;
    let smoothed = matches!(id, F::Delta | F::Increase | F::Rate);
    let anchored = smoothed || matches!(id, F::Changes | F::Resets);
    let (modifier, allowed) = match extension {
        Some(Extension::Smoothed) if !smoothed => ("smoothed", "delta, increase, rate"),
        Some(Extension::Anchored) if !anchored => {
            ("anchored", "changes, delta, increase, rate, resets")
        }
        _ => return Ok(()),
    };
    Err(Error::Extension {
        modifier,
        allowed,
        function: call.function.name,
    })
}

/// The first vector selector of an expression, in the order of the text.
fn first_selector(expr: &Expr) -> Option<&VectorSelector> {
    match &expr.kind {
        ExprKind::Vector(selector) => Some(selector),
        ExprKind::Matrix(matrix) => Some(&matrix.selector),
        _ => expr.children().into_iter().find_map(first_selector),
    }
}

/// The labels that a selector fixes to one value, for `absent`. A label with several conditions
/// is left out, whatever they say.
fn labels_of_absent(expr: &Expr) -> Labels {
    let selector = match &expr.without_parens().kind {
        ExprKind::Vector(selector) => selector,
        ExprKind::Matrix(matrix) => &matrix.selector,
        _ => return Labels::empty(),
    };
    let mut builder = LabelsBuilder::new();
    let mut seen: Vec<&str> = Vec::new();
    for matcher in &selector.matchers {
        if matcher.name() == series::METRIC_NAME {
            continue;
        }
        if matcher.op() == MatchOp::Equal && !seen.contains(&matcher.name()) {
            builder.set(matcher.name(), matcher.value());
            seen.push(matcher.name());
        } else {
            builder.remove(matcher.name());
        }
    }
    builder.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(query: &str) -> Plan {
        let frame = Frame {
            steps: Steps {
                start: 3_600_000,
                step: 60_000,
                count: 10,
            },
            start: 3_600_000,
            end: 4_140_000,
            step: 60_000,
            lookback: 300_000,
            default_subquery_step: 60_000,
        };
        plan(query, &crate::parse(query).unwrap(), frame).unwrap()
    }

    fn selected(query: &str) -> Vec<(i64, i64)> {
        planned(query)
            .selections
            .iter()
            .map(|s| (s.range.start, s.range.end))
            .collect()
    }

    #[test]
    fn a_selector_is_selected_once_over_all_that_is_read_of_it() {
        assert_eq!(selected("a + a"), [(3_300_001, 4_140_000)]);
        assert_eq!(selected("rate(a[10m]) / a"), [(3_000_001, 4_140_000)]);
        assert_eq!(
            selected("a - a offset 30m"),
            [(3_300_001, 4_140_000), (1_500_001, 2_340_000)]
        );
        assert_eq!(selected("a @ 60"), [(-239_999, 60_000)]);
        assert_eq!(
            selected("max_over_time(rate(a[1m])[5m:1m])"),
            [(3_300_001, 4_140_000)]
        );
    }

    #[test]
    fn equal_parts_are_one_node_and_constants_are_folded() {
        let shared = planned("rate(a[5m]) / (rate(a[5m]) + 1)");
        let windows = shared
            .nodes
            .iter()
            .filter(|node| matches!(node, Node::Window { .. }))
            .count();
        assert_eq!(windows, 1);
        assert_eq!(
            planned("1 + 2 * pi()").nodes.last(),
            Some(&Node::Number((1.0 + 2.0 * std::f64::consts::PI).to_bits()))
        );
    }

    #[test]
    fn what_at_fixes_is_evaluated_once() {
        let plan = planned("sum(rate(a[5m] @ 100)) + b");
        let Node::Binary { left, .. } = &plan.nodes[plan.root] else {
            panic!("{:?}", plan.nodes[plan.root]);
        };
        assert!(matches!(plan.nodes[*left], Node::Invariant(_)));
    }
}
