//! The typed syntax tree of a query. Every node knows the stretch of text it was read from.

use crate::functions::Function;
use crate::span::Span;
use series::Matcher;

/// A query or a part of one.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where it stands in the query's text.
    pub span: Span,
}

/// The kinds of expression that PromQL knows.
#[derive(Debug, Clone, PartialEq)]
pub enum ExprKind {
    /// `4`, `0x1f`, `Inf`, `5m`.
    Number(Number),
    /// `"text"`.
    String(Text),
    /// `metric{label="value"} @ time offset duration`.
    Vector(Box<VectorSelector>),
    /// A vector selector with a range behind it: `metric[5m]`.
    Matrix(Box<MatrixSelector>),
    /// An expression evaluated over a range: `expr[1h:1m]`.
    Subquery(Box<Subquery>),
    /// `sum by (job) (expr)`.
    Aggregate(Box<Aggregate>),
    /// `left operator right`.
    Binary(Box<Binary>),
    /// `function(arguments)`.
    Call(Box<Call>),
    /// `(expr)`.
    Paren(Box<Expr>),
    /// `-expr`, `+expr`.
    Unary(Box<Unary>),
}

/// A number, with how it was written.
#[derive(Debug, Clone, Copy)]
pub struct Number {
    /// The value; a duration counts in seconds.
    pub value: f64,
    /// Whether it was written as a duration, such as `5m`.
    pub duration: bool,
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.duration == other.duration
            && (self.value == other.value || (self.value.is_nan() && other.value.is_nan()))
    }
}

/// A string literal: bytes, because escapes such as `\xff` need not form UTF-8.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Text(pub Vec<u8>);

impl Text {
    /// The text, unless it is no UTF-8.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// The text, with U+FFFD in place of what is no UTF-8.
    #[must_use]
    pub fn to_lossy(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }
}

/// Which series, and when.
#[derive(Debug, Clone, PartialEq)]
pub struct VectorSelector {
    /// The metric's name where it stands before the braces.
    pub name: Option<String>,
    /// The conditions inside the braces, in the order written. The name outside the braces is
    /// not among them; [`VectorSelector::all_matchers`] adds it.
    pub matchers: Vec<Matcher>,
    /// The offset and `@` behind it.
    pub shift: Shift,
    /// `anchored` or `smoothed` behind it (experimental in Prometheus).
    pub extension: Option<Extension>,
}

impl VectorSelector {
    /// All conditions, with that on the metric's name.
    #[must_use]
    pub fn all_matchers(&self) -> Vec<Matcher> {
        let mut all = self.matchers.clone();
        if let Some(name) = &self.name {
            all.push(Matcher::equal(series::METRIC_NAME, name.as_str()));
        }
        all
    }
}

/// How the edges of a range are treated (Prometheus feature `promql-extended-range-selectors`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Extension {
    /// The last sample before the range counts as its first.
    Anchored,
    /// Values at the edges are interpolated.
    Smoothed,
}

/// When a selector or subquery looks, as a change of the evaluation time.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Shift {
    /// `offset`.
    pub offset: Option<Duration>,
    /// `@`.
    pub at: Option<At>,
}

/// The time that `@` fixes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum At {
    /// Milliseconds since the epoch.
    Time(i64),
    /// The query's start.
    Start,
    /// The query's end.
    End,
}

/// A length of time: a number of seconds, or arithmetic on such numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Duration {
    /// What it is.
    pub kind: DurationKind,
    /// Where it stands.
    pub span: Span,
}

/// The parts of a duration (arithmetic is experimental in Prometheus).
#[derive(Debug, Clone, PartialEq)]
pub enum DurationKind {
    /// Seconds.
    Literal(Number),
    /// `step()`.
    Step,
    /// `range()`: from the query's start to its end.
    Range,
    /// `-duration`.
    Negate(Box<Duration>),
    /// `(duration)`.
    Paren(Box<Duration>),
    /// `left operator right`; only arithmetic operators.
    Binary(BinaryOp, Box<Duration>, Box<Duration>),
    /// `min_of(left, right)`.
    Min(Box<Duration>, Box<Duration>),
    /// `max_of(left, right)`.
    Max(Box<Duration>, Box<Duration>),
}

/// A vector selector with a range. Its offset and `@` stand in the selector.
#[derive(Debug, Clone, PartialEq)]
pub struct MatrixSelector {
    /// Which series.
    pub selector: VectorSelector,
    /// Where the selector stands, without the range.
    pub selector_span: Span,
    /// How far back.
    pub range: Duration,
}

/// An expression evaluated at steps over a range.
#[derive(Debug, Clone, PartialEq)]
pub struct Subquery {
    /// What is evaluated.
    pub expr: Expr,
    /// How far back.
    pub range: Duration,
    /// How far apart; `None` for the default interval.
    pub step: Option<Duration>,
    /// The offset and `@` behind it.
    pub shift: Shift,
}

/// An aggregation over series.
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregate {
    /// Which.
    pub op: AggregateOp,
    /// How series form groups.
    pub grouping: Grouping,
    /// `k` of `topk`, the quantile, the label of `count_values`.
    pub parameter: Option<Expr>,
    /// What is aggregated.
    pub expr: Expr,
}

/// The labels that make a group.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Grouping {
    /// These labels and no others.
    By(Vec<String>),
    /// All but these and the metric's name.
    Without(Vec<String>),
}

/// The aggregation operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // The names are Prometheus's own.
pub enum AggregateOp {
    Sum,
    Avg,
    Count,
    Min,
    Max,
    Group,
    Stddev,
    Stdvar,
    Topk,
    Bottomk,
    CountValues,
    Quantile,
    Limitk,
    LimitRatio,
}

impl AggregateOp {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Sum,
        Self::Avg,
        Self::Count,
        Self::Min,
        Self::Max,
        Self::Group,
        Self::Stddev,
        Self::Stdvar,
        Self::Topk,
        Self::Bottomk,
        Self::CountValues,
        Self::Quantile,
        Self::Limitk,
        Self::LimitRatio,
    ];

    /// The operator's text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Avg => "avg",
            Self::Count => "count",
            Self::Min => "min",
            Self::Max => "max",
            Self::Group => "group",
            Self::Stddev => "stddev",
            Self::Stdvar => "stdvar",
            Self::Topk => "topk",
            Self::Bottomk => "bottomk",
            Self::CountValues => "count_values",
            Self::Quantile => "quantile",
            Self::Limitk => "limitk",
            Self::LimitRatio => "limit_ratio",
        }
    }

    /// The operator of this name, in any case of letters.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|op| op.as_str().eq_ignore_ascii_case(name))
    }

    /// Whether a parameter stands before the aggregated expression.
    #[must_use]
    pub fn takes_parameter(self) -> bool {
        matches!(
            self,
            Self::Topk
                | Self::Bottomk
                | Self::CountValues
                | Self::Quantile
                | Self::Limitk
                | Self::LimitRatio
        )
    }
}

/// An operator between two expressions.
#[derive(Debug, Clone, PartialEq)]
pub struct Binary {
    /// Which.
    pub op: BinaryOp,
    /// Where the operator stands.
    pub op_span: Span,
    /// Left of it.
    pub left: Expr,
    /// Right of it.
    pub right: Expr,
    /// `bool` behind a comparison: 0 and 1 instead of a filter.
    pub return_bool: bool,
    /// How series find each other.
    pub matching: Matching,
}

/// How the series of two vectors find each other
/// (Prometheus querying/operators, "Vector matching").
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Matching {
    /// `on` (`true`) or `ignoring`.
    pub on: bool,
    /// The labels of `on` or `ignoring`.
    pub labels: Vec<String>,
    /// `group_left` and `group_right`.
    pub group: Option<Group>,
    /// Values for series without a partner (`fill`, experimental in Prometheus).
    pub fill: Fill,
}

/// Which side may have many series for one of the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The side with many.
    pub many: Side,
    /// Labels that are copied from the other side.
    pub include: Vec<String>,
}

/// A side of an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Left.
    Left,
    /// Right.
    Right,
}

/// What stands in for a missing partner.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Fill {
    /// On the left.
    pub left: Option<f64>,
    /// On the right.
    pub right: Option<f64>,
}

/// The operators between two expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // The names say it; `as_str` shows the signs.
pub enum BinaryOp {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    Atan2,
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterEqual,
    LessEqual,
    TrimUpper,
    TrimLower,
    And,
    Or,
    Unless,
}

impl BinaryOp {
    /// The operator's text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Mod => "%",
            Self::Pow => "^",
            Self::Atan2 => "atan2",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Greater => ">",
            Self::Less => "<",
            Self::GreaterEqual => ">=",
            Self::LessEqual => "<=",
            Self::TrimUpper => "</",
            Self::TrimLower => ">/",
            Self::And => "and",
            Self::Or => "or",
            Self::Unless => "unless",
        }
    }

    /// Whether it compares two values.
    #[must_use]
    pub fn is_comparison(self) -> bool {
        matches!(
            self,
            Self::Equal
                | Self::NotEqual
                | Self::Greater
                | Self::Less
                | Self::GreaterEqual
                | Self::LessEqual
        )
    }

    /// Whether it works on sets of series.
    #[must_use]
    pub fn is_set(self) -> bool {
        matches!(self, Self::And | Self::Or | Self::Unless)
    }

    /// How strongly it binds; more binds first
    /// (Prometheus querying/operators, "Binary operator precedence").
    #[must_use]
    pub fn precedence(self) -> u8 {
        match self {
            Self::Or => 1,
            Self::And | Self::Unless => 2,
            Self::Equal
            | Self::NotEqual
            | Self::Greater
            | Self::Less
            | Self::GreaterEqual
            | Self::LessEqual
            | Self::TrimUpper
            | Self::TrimLower => 3,
            Self::Add | Self::Sub => 4,
            Self::Mul | Self::Div | Self::Mod | Self::Atan2 => 5,
            Self::Pow => 6,
        }
    }
}

/// A function's call.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Which function.
    pub function: &'static Function,
    /// Where its name stands.
    pub name_span: Span,
    /// Its arguments.
    pub arguments: Vec<Expr>,
}

/// A sign before an expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Unary {
    /// `-` (`true`) or `+`.
    pub negate: bool,
    /// What the sign stands before.
    pub expr: Expr,
}

/// The types of PromQL's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ValueType {
    /// One number per step.
    Scalar,
    /// Series with at most one sample per step.
    Vector,
    /// Series with samples over a range per step.
    Matrix,
    /// A text.
    String,
}

impl ValueType {
    /// As Prometheus's documentation calls it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Vector => "instant vector",
            Self::Matrix => "range vector",
            Self::String => "string",
        }
    }
}

impl Expr {
    /// The type of the expression's value.
    #[must_use]
    pub fn value_type(&self) -> ValueType {
        match &self.kind {
            ExprKind::Number(_) => ValueType::Scalar,
            ExprKind::String(_) => ValueType::String,
            ExprKind::Vector(_) | ExprKind::Aggregate(_) => ValueType::Vector,
            ExprKind::Matrix(_) | ExprKind::Subquery(_) => ValueType::Matrix,
            ExprKind::Binary(binary) => {
                match (binary.left.value_type(), binary.right.value_type()) {
                    (ValueType::Scalar, ValueType::Scalar) => ValueType::Scalar,
                    _ => ValueType::Vector,
                }
            }
            ExprKind::Call(call) => call.function.returns,
            ExprKind::Paren(inner) => inner.value_type(),
            ExprKind::Unary(unary) => unary.expr.value_type(),
        }
    }

    /// The expression without the parentheses around it.
    #[must_use]
    pub fn without_parens(&self) -> &Self {
        let mut expr = self;
        while let ExprKind::Paren(inner) = &expr.kind {
            expr = inner;
        }
        expr
    }

    /// The expressions directly inside this one, in the order of the text.
    #[must_use]
    pub fn children(&self) -> Vec<&Self> {
        match &self.kind {
            ExprKind::Number(_)
            | ExprKind::String(_)
            | ExprKind::Vector(_)
            | ExprKind::Matrix(_) => Vec::new(),
            ExprKind::Subquery(subquery) => vec![&subquery.expr],
            ExprKind::Aggregate(aggregate) => aggregate
                .parameter
                .iter()
                .chain([&aggregate.expr])
                .collect(),
            ExprKind::Binary(binary) => vec![&binary.left, &binary.right],
            ExprKind::Call(call) => call.arguments.iter().collect(),
            ExprKind::Paren(inner) => vec![inner],
            ExprKind::Unary(unary) => vec![&unary.expr],
        }
    }
}
