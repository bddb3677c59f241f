//! What the grammar cannot refuse: types of arguments and operands, modifiers where they mean
//! nothing, selectors of everything (Prometheus `checkAST`).

use crate::functions::FunctionId;
use crate::parse_error::ParseError;
use crate::span::Span;
use crate::syntax::{AggregateOp, Binary, Call, Expr, ExprKind, ValueType, VectorSelector};

type Result = std::result::Result<(), Box<ParseError>>;

pub(crate) fn check(query: &str, expr: &Expr) -> Result {
    Checker { query }.expr(expr)
}

struct Checker<'a> {
    query: &'a str,
}

impl Checker<'_> {
    fn fail(&self, span: Span, message: impl Into<String>) -> Result {
        Err(Box::new(ParseError::new(self.query, span, message)))
    }

    fn expr(&self, expr: &Expr) -> Result {
        match &expr.kind {
            ExprKind::Number(_) | ExprKind::String(_) => Ok(()),
            ExprKind::Vector(selector) => self.selector(selector, expr.span),
            ExprKind::Matrix(matrix) => self.selector(&matrix.selector, matrix.selector_span),
            ExprKind::Subquery(subquery) => {
                self.expr(&subquery.expr)?;
                match subquery.expr.value_type() {
                    ValueType::Vector => Ok(()),
                    other => self.fail(
                        expr.span,
                        format!(
                            "subquery is only allowed on instant vector, got {} instead",
                            other.as_str()
                        ),
                    ),
                }
            }
            ExprKind::Aggregate(aggregate) => {
                self.expect(&aggregate.expr, ValueType::Vector, "aggregation expression")?;
                let Some(parameter) = &aggregate.parameter else {
                    return Ok(());
                };
                let wanted = if aggregate.op == AggregateOp::CountValues {
                    ValueType::String
                } else {
                    ValueType::Scalar
                };
                self.expect(parameter, wanted, "aggregation parameter")
            }
            ExprKind::Binary(binary) => self.binary(binary, expr.span),
            ExprKind::Call(call) => self.call(call, expr.span),
            ExprKind::Paren(inner) => self.expr(inner),
            ExprKind::Unary(unary) => {
                self.expr(&unary.expr)?;
                match unary.expr.value_type() {
                    ValueType::Scalar | ValueType::Vector => Ok(()),
                    other => self.fail(
                        expr.span,
                        format!(
                            "unary expression only allowed on expressions of type scalar or \
                             instant vector, got {:?}",
                            other.as_str()
                        ),
                    ),
                }
            }
        }
    }

    fn expect(&self, expr: &Expr, wanted: ValueType, context: &str) -> Result {
        self.expr(expr)?;
        let got = expr.value_type();
        if got == wanted {
            return Ok(());
        }
        self.fail(
            expr.span,
            format!(
                "expected type {} in {context}, got {}{}",
                wanted.as_str(),
                got.as_str(),
                missing_range(wanted, got, expr)
            ),
        )
    }

    fn selector(&self, selector: &VectorSelector, span: Span) -> Result {
        if let Some(name) = &selector.name {
            let twice = selector
                .matchers
                .iter()
                .find(|m| m.name() == series::METRIC_NAME);
            return match twice {
                Some(matcher) => self.fail(
                    span,
                    format!(
                        "metric name must not be set twice: {name:?} or {:?}",
                        matcher.value()
                    ),
                ),
                None => Ok(()),
            };
        }
        if selector
            .matchers
            .iter()
            .all(series::Matcher::matches_absent)
        {
            return self.fail(
                span,
                "vector selector must contain at least one non-empty matcher",
            );
        }
        Ok(())
    }

    fn binary(&self, binary: &Binary, span: Span) -> Result {
        self.expr(&binary.left)?;
        self.expr(&binary.right)?;
        let (left, right) = (binary.left.value_type(), binary.right.value_type());
        let op = binary.op;
        let matching = &binary.matching;
        for (side, expr) in [(left, &binary.left), (right, &binary.right)] {
            if !matches!(side, ValueType::Scalar | ValueType::Vector) {
                return self.fail(
                    expr.span,
                    format!(
                        "binary expression must contain only scalar and instant vector types, \
                         got {}",
                        side.as_str()
                    ),
                );
            }
        }
        if binary.return_bool && !op.is_comparison() {
            return self.fail(
                binary.op_span,
                "bool modifier can only be used on comparison operators",
            );
        }
        let scalars = left == ValueType::Scalar && right == ValueType::Scalar;
        if op.is_comparison() && !binary.return_bool && scalars {
            return self.fail(
                binary.op_span,
                "comparisons between scalars must use BOOL modifier",
            );
        }
        if let Some(group) = &matching.group
            && matching.on
            && let Some(label) = matching.labels.iter().find(|l| group.include.contains(l))
        {
            return self.fail(
                binary.op_span,
                format!("label {label:?} must not occur in ON and GROUP clause at once"),
            );
        }
        let vectors = left == ValueType::Vector && right == ValueType::Vector;
        let fills = matching.fill.left.is_some() || matching.fill.right.is_some();
        if op.is_set() && !vectors {
            return self.fail(
                span,
                format!(
                    "set operator {:?} not allowed in binary scalar expression",
                    op.as_str()
                ),
            );
        }
        if !vectors && !matching.labels.is_empty() {
            return self.fail(span, "vector matching only allowed between instant vectors");
        }
        if !vectors && fills {
            return self.fail(
                span,
                "filling in missing series only allowed between instant vectors",
            );
        }
        if op.is_set() && matching.group.is_some() {
            return self.fail(
                span,
                format!("no grouping allowed for {:?} operation", op.as_str()),
            );
        }
        if op.is_set() && fills {
            return self.fail(
                span,
                "filling in missing series not allowed for set operators",
            );
        }
        Ok(())
    }

    fn call(&self, call: &Call, span: Span) -> Result {
        let function = call.function;
        let got = call.arguments.len();
        let name = function.name;
        let least = function.min_arguments();
        match function.max_arguments() {
            Some(most) if most == least && got != most => {
                return self.fail(
                    span,
                    format!("expected {most} argument(s) in call to {name:?}, got {got}"),
                );
            }
            _ if got < least => {
                return self.fail(
                    span,
                    format!("expected at least {least} argument(s) in call to {name:?}, got {got}"),
                );
            }
            Some(most) if got > most => {
                return self.fail(
                    span,
                    format!("expected at most {most} argument(s) in call to {name:?}, got {got}"),
                );
            }
            _ => {}
        }
        for (index, argument) in call.arguments.iter().enumerate() {
            let last = function.arguments.len() - 1;
            let wanted = function.arguments[index.min(last)];
            if function.id == FunctionId::Info && index == 1 {
                match &argument.kind {
                    // Here alone a selector of everything has a meaning.
                    ExprKind::Vector(selector) if selector.name.is_none() => continue,
                    ExprKind::Vector(_) => {
                        return self.fail(
                            argument.span,
                            "expected label selectors only, got vector selector instead",
                        );
                    }
                    _ => return self.fail(argument.span, "expected label selectors only"),
                }
            }
            self.expr(argument)?;
            let got = argument.value_type();
            if got != wanted {
                return self.fail(
                    argument.span,
                    format!(
                        "expected type {} in call to function {name:?}, got {}{}",
                        wanted.as_str(),
                        got.as_str(),
                        missing_range(wanted, got, argument)
                    ),
                );
            }
        }
        Ok(())
    }
}

/// The commonest slip deserves a word: a range function over a selector without its range.
fn missing_range(wanted: ValueType, got: ValueType, expr: &Expr) -> &'static str {
    match (wanted, got, &expr.kind) {
        (ValueType::Matrix, ValueType::Vector, ExprKind::Vector(_)) => {
            " (add a range such as [5m] behind the selector)"
        }
        (ValueType::Matrix, ValueType::Vector, _) => {
            " (add a range and a step such as [1h:1m] behind the expression)"
        }
        (ValueType::Vector, ValueType::Matrix, _) => {
            " (a function such as rate or avg_over_time makes one from a range)"
        }
        _ => "",
    }
}
