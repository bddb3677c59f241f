//! What an evaluation works on: operations that read each other's values, and the series to
//! select. [`crate::planner`] makes it of a tree.

use crate::functions::FunctionId;
use crate::print::decimal;
use crate::span::Span;
use crate::syntax::{AggregateOp, BinaryOp, Extension, Grouping, Matching, Text, ValueType};
use series::{Labels, Matcher, TimeRange};

/// Which node of a plan.
pub(crate) type NodeId = usize;

/// The times at which something is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Steps {
    /// Milliseconds since the epoch.
    pub(crate) start: i64,
    /// Milliseconds between two steps; at least 1.
    pub(crate) step: i64,
    /// How many; at least 1.
    pub(crate) count: usize,
}

impl Steps {
    pub(crate) fn time(&self, index: usize) -> i64 {
        self.start
            .saturating_add(self.step.saturating_mul(index as i64))
    }

    pub(crate) fn end(&self) -> i64 {
        self.time(self.count.saturating_sub(1))
    }

    pub(crate) fn first(&self) -> Self {
        Self { count: 1, ..*self }
    }
}

/// A selector with everything resolved.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Selector {
    /// Which of [`Plan::selections`].
    pub(crate) selection: usize,
    /// The time that `@` fixes.
    pub(crate) at: Option<i64>,
    /// Milliseconds to look further back.
    pub(crate) offset: i64,
    pub(crate) extension: Option<Extension>,
}

/// The step of a subquery's evaluation relative to that of what holds it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct SubquerySteps {
    pub(crate) at: Option<i64>,
    pub(crate) offset: i64,
    pub(crate) range: i64,
    pub(crate) step: i64,
}

impl SubquerySteps {
    /// The inner steps, aligned to multiples of the step as Prometheus aligns them; `None` when
    /// none falls into the range.
    pub(crate) fn inner(&self, outer: &Steps) -> Option<Steps> {
        let (first, last) = match self.at {
            Some(at) => (at, at),
            None => (outer.start, outer.end()),
        };
        let open = first.saturating_sub(self.offset).saturating_sub(self.range);
        let end = last.saturating_sub(self.offset);
        let mut start = self.step.saturating_mul(open / self.step);
        if start <= open {
            start = start.saturating_add(self.step);
        }
        if start > end {
            return None;
        }
        let count = usize::try_from((i128::from(end) - i128::from(start)) / i128::from(self.step))
            .unwrap_or(usize::MAX - 1)
            + 1;
        Some(Steps {
            start,
            step: self.step,
            count,
        })
    }
}

/// What a range function reads.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Windowed {
    /// Samples as they were stored.
    Samples { selector: Selector, range: i64 },
    /// Values that were evaluated.
    Subquery { inner: NodeId, steps: SubquerySteps },
}

/// One operation.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    Number(u64),
    Text(Text),
    /// `time()`.
    Time,
    Select(Selector),
    /// `timestamp` straight over a selector: the samples' own times.
    SelectTimes(Selector),
    /// A range function; `parameters` are its other arguments, scalars.
    Window {
        function: FunctionId,
        over: Windowed,
        parameters: Vec<NodeId>,
        span: Span,
        parameter_span: Span,
    },
    /// A range vector that nothing consumes.
    Range(Windowed),
    /// 1 where `inner` has nothing; for `absent` and `absent_over_time`.
    Absent {
        inner: NodeId,
        labels: Labels,
    },
    Function {
        function: FunctionId,
        arguments: Vec<NodeId>,
    },
    LabelReplace {
        inner: NodeId,
        destination: String,
        replacement: String,
        source: String,
        pattern: String,
    },
    LabelJoin {
        inner: NodeId,
        destination: String,
        separator: String,
        sources: Vec<String>,
    },
    Info {
        inner: NodeId,
        matchers: Vec<Matcher>,
        /// The info series, at the time that the enriched selector is fixed to.
        selector: Selector,
    },
    Aggregate {
        op: AggregateOp,
        grouping: Grouping,
        parameter: Option<NodeId>,
        inner: NodeId,
    },
    Binary {
        op: BinaryOp,
        left: NodeId,
        right: NodeId,
        return_bool: bool,
        matching: Matching,
    },
    Negate(NodeId),
    /// The same at every step: evaluated once.
    Invariant(NodeId),
}

/// Series to select, for one or several nodes.
#[derive(Debug, Clone)]
pub(crate) struct Selection {
    pub(crate) matchers: Vec<Matcher>,
    /// When samples are needed, both ends included.
    pub(crate) range: TimeRange,
}

/// Everything an evaluation needs to know of a query.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) nodes: Vec<Node>,
    pub(crate) spans: Vec<Span>,
    /// Type of each node's value.
    pub(crate) types: Vec<ValueType>,
    /// How many other nodes read each node.
    pub(crate) uses: Vec<usize>,
    pub(crate) selections: Vec<Selection>,
    pub(crate) root: NodeId,
}

/// What durations and selectors are resolved against.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    pub(crate) steps: Steps,
    /// The query's own start and end; subqueries keep them.
    pub(crate) start: i64,
    pub(crate) end: i64,
    /// The query's step; 0 for an instant query.
    pub(crate) step: i64,
    pub(crate) lookback: i64,
    pub(crate) default_subquery_step: i64,
}

/// The label value that `count_values` gives a number.
pub(crate) fn value_label(value: f64) -> String {
    decimal(value)
}
