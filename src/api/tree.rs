//! `parse_query`: the syntax tree as Prometheus's API shows it.

use crate::error::{Result, success};
use crate::evaluate::expression;
use crate::parameters::Parameters;
use axum::response::Response;
use promql::syntax::{
    At, Binary, Duration, DurationKind, Extension, Grouping, Shift, Side, VectorSelector,
};
use promql::{Expr, ExprKind, ValueType, Variadic};
use serde_json::{Map, Value, json};

/// `parse_query`.
pub(crate) async fn parse(parameters: Parameters) -> Result<Response> {
    let (_, tree) = expression(&parameters)?;
    success(&shown(&tree), &[])
}

/// One node; the parser bounds how deep trees are.
fn shown(expr: &Expr) -> Value {
    match &expr.kind {
        ExprKind::Number(number) => json!({"type": "numberLiteral", "val": spelled(number.value)}),
        ExprKind::String(text) => json!({"type": "stringLiteral", "val": text.to_lossy()}),
        ExprKind::Vector(selector) => selector_node("vectorSelector", selector).into(),
        ExprKind::Matrix(matrix) => {
            let mut node = selector_node("matrixSelector", &matrix.selector);
            insert_duration(&mut node, "range", Some(&matrix.range));
            node.into()
        }
        ExprKind::Subquery(subquery) => {
            let mut node = Map::new();
            node.insert("type".into(), "subquery".into());
            node.insert("expr".into(), shown(&subquery.expr));
            insert_duration(&mut node, "range", Some(&subquery.range));
            insert_duration(&mut node, "step", subquery.step.as_ref());
            insert_shift(&mut node, &subquery.shift);
            node.into()
        }
        ExprKind::Aggregate(aggregate) => {
            let (without, labels) = match &aggregate.grouping {
                Grouping::By(labels) => (false, labels),
                Grouping::Without(labels) => (true, labels),
            };
            json!({
                "type": "aggregation",
                "op": aggregate.op.as_str(),
                "expr": shown(&aggregate.expr),
                "param": aggregate.parameter.as_ref().map(shown),
                "grouping": labels,
                "without": without,
            })
        }
        ExprKind::Binary(binary) => json!({
            "type": "binaryExpr",
            "op": binary.op.as_str(),
            "lhs": shown(&binary.left),
            "rhs": shown(&binary.right),
            "matching": matching(binary),
            "bool": binary.return_bool,
        }),
        ExprKind::Call(call) => json!({
            "type": "call",
            "func": {
                "name": call.function.name,
                "argTypes": call.function.arguments.iter().map(|t| type_name(*t)).collect::<Vec<_>>(),
                "variadic": match call.function.variadic {
                    Variadic::No => 0,
                    Variadic::UpTo(times) => i64::try_from(times).unwrap_or(i64::MAX),
                    Variadic::Any => -1,
                },
                "returnType": type_name(call.function.returns),
            },
            "args": call.arguments.iter().map(shown).collect::<Vec<_>>(),
        }),
        ExprKind::Paren(inner) => json!({"type": "parenExpr", "expr": shown(inner)}),
        ExprKind::Unary(unary) => json!({
            "type": "unaryExpr",
            "op": if unary.negate { "-" } else { "+" },
            "expr": shown(&unary.expr),
        }),
    }
}

fn matching(binary: &Binary) -> Value {
    let vectors = [&binary.left, &binary.right]
        .iter()
        .all(|side| side.value_type() == ValueType::Vector);
    if !vectors {
        return Value::Null;
    }
    let matching = &binary.matching;
    let (card, include) = match &matching.group {
        Some(group) if group.many == Side::Left => ("many-to-one", group.include.as_slice()),
        Some(group) => ("one-to-many", group.include.as_slice()),
        None if binary.op.is_set() => ("many-to-many", &[][..]),
        None => ("one-to-one", &[][..]),
    };
    json!({
        "card": card,
        "labels": matching.labels,
        "on": matching.on,
        "include": include,
        "fillValues": {"lhs": matching.fill.left, "rhs": matching.fill.right},
    })
}

fn selector_node(kind: &str, selector: &VectorSelector) -> Map<String, Value> {
    let matchers: Vec<Value> = selector
        .all_matchers()
        .iter()
        .map(|m| json!({"name": m.name(), "value": m.value(), "type": m.op().as_str()}))
        .collect();
    let mut node = Map::new();
    node.insert("type".into(), kind.into());
    node.insert(
        "name".into(),
        selector.name.clone().unwrap_or_default().into(),
    );
    node.insert("matchers".into(), matchers.into());
    insert_shift(&mut node, &selector.shift);
    let extension = |wanted| selector.extension == Some(wanted);
    node.insert("anchored".into(), extension(Extension::Anchored).into());
    node.insert("smoothed".into(), extension(Extension::Smoothed).into());
    node
}

fn insert_shift(node: &mut Map<String, Value>, shift: &Shift) {
    insert_duration(node, "offset", shift.offset.as_ref());
    let (time, edge) = match shift.at {
        None => (Value::Null, Value::Null),
        Some(At::Time(time)) => (time.into(), Value::Null),
        Some(At::Start) => (Value::Null, "start".into()),
        Some(At::End) => (Value::Null, "end".into()),
    };
    node.insert("timestamp".into(), time);
    node.insert("startOrEnd".into(), edge);
}

/// `name` in milliseconds, 0 where it is reckoned only when the query runs; then `nameExpr`
/// shows how.
fn insert_duration(node: &mut Map<String, Value>, name: &str, duration: Option<&Duration>) {
    let milliseconds = duration.map_or(Some(0), fixed);
    let shown = match (milliseconds, duration) {
        (None, Some(duration)) => duration_node(duration),
        _ => Value::Null,
    };
    node.insert(name.to_owned(), milliseconds.unwrap_or(0).into());
    node.insert(format!("{name}Expr"), shown);
}

/// The milliseconds of a duration without arithmetic.
fn fixed(duration: &Duration) -> Option<i64> {
    match &duration.kind {
        DurationKind::Literal(number) => Some((number.value * 1_000.0).round() as i64),
        DurationKind::Negate(inner) => fixed(inner)?.checked_neg(),
        _ => None,
    }
}

fn duration_node(duration: &Duration) -> Value {
    let node = |op: &str, left: Option<&Duration>, right: Option<&Duration>| {
        json!({
            "type": "durationExpr",
            "op": op,
            "lhs": left.map(duration_node),
            "rhs": right.map(duration_node),
            "wrapped": false,
        })
    };
    match &duration.kind {
        DurationKind::Literal(number) => json!({
            "type": "numberLiteral",
            "val": spelled(number.value),
            "duration": number.duration,
        }),
        DurationKind::Step => node("step", None, None),
        DurationKind::Range => node("range", None, None),
        DurationKind::Negate(inner) => node("-", None, Some(inner)),
        DurationKind::Paren(inner) => {
            let mut inner = duration_node(inner);
            if let Some(node) = inner.as_object_mut() {
                node.insert("wrapped".into(), true.into());
            }
            inner
        }
        DurationKind::Binary(op, left, right) => node(op.as_str(), Some(left), Some(right)),
        DurationKind::Min(left, right) => node("min", Some(left), Some(right)),
        DurationKind::Max(left, right) => node("max", Some(left), Some(right)),
    }
}

/// The name of a type in Prometheus's API, which is shorter than in its documentation.
fn type_name(value_type: ValueType) -> &'static str {
    match value_type {
        ValueType::Scalar => "scalar",
        ValueType::Vector => "vector",
        ValueType::Matrix => "matrix",
        ValueType::String => "string",
    }
}

fn spelled(value: f64) -> String {
    let mut out = Vec::new();
    crate::json::push_value(&mut out, value);
    String::from_utf8(out).unwrap_or_default()
}
