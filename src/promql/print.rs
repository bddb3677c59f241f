//! The tree back into text: on one line, and in the layout of Prometheus's formatter.

use crate::lexer::is_plain_label;
use crate::syntax::{
    Aggregate, At, Binary, Duration, DurationKind, Expr, ExprKind, Extension, Grouping,
    MatrixSelector, Number, Shift, Side, Subquery, Text, VectorSelector,
};
use series::{Matcher, format_duration};
use std::fmt::{self, Display, Formatter, Write};

/// The longest line that is not broken (Prometheus `maxCharactersPerLine`).
const MAX_LINE: usize = 100;

/// A query in the layout of Prometheus's formatter (`promtool promql format`, `/format_query`):
/// what is longer than 100 characters goes on lines of its own, indented by two spaces.
#[must_use]
pub fn pretty(expr: &Expr) -> String {
    let mut out = String::new();
    write_pretty(&mut out, expr, 0);
    out
}

fn write_pretty(out: &mut String, expr: &Expr, level: usize) {
    let line = expr.to_string();
    let indent = "  ".repeat(level);
    let short = line.len() <= MAX_LINE;
    match &expr.kind {
        ExprKind::Aggregate(aggregate) if !short => {
            let _ = writeln!(out, "{indent}{}(", AggregateHead(aggregate));
            if let Some(parameter) = &aggregate.parameter {
                write_pretty(out, parameter, level + 1);
                out.push_str(",\n");
            }
            write_pretty(out, &aggregate.expr, level + 1);
            let _ = write!(out, "\n{indent})");
        }
        ExprKind::Binary(binary) if !short => {
            write_pretty(out, &binary.left, level + 1);
            let _ = write!(out, "\n{indent}{}\n", Operator(binary));
            write_pretty(out, &binary.right, level + 1);
        }
        ExprKind::Call(call) if !short => {
            let _ = writeln!(out, "{indent}{}(", call.function.name);
            for (i, argument) in call.arguments.iter().enumerate() {
                if i > 0 {
                    out.push_str(",\n");
                }
                write_pretty(out, argument, level + 1);
            }
            let _ = write!(out, "\n{indent})");
        }
        ExprKind::Paren(inner) if !short => {
            let _ = writeln!(out, "{indent}(");
            write_pretty(out, inner, level + 1);
            let _ = write!(out, "\n{indent})");
        }
        // Prometheus does not indent a subquery that fits one line.
        ExprKind::Subquery(_) if short => out.push_str(&line),
        ExprKind::Subquery(subquery) => {
            write_pretty(out, &subquery.expr, level);
            let _ = write!(out, "{}", SubqueryTimes(subquery));
        }
        ExprKind::Unary(unary) => {
            let mut inner = String::new();
            write_pretty(&mut inner, &unary.expr, level);
            let sign = if unary.negate { '-' } else { '+' };
            let _ = write!(out, "{indent}{sign}{}", inner.trim());
        }
        _ => {
            let _ = write!(out, "{indent}{line}");
        }
    }
}

/// The query on one line, as Prometheus writes it. Reading it back gives the same tree.
impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ExprKind::Number(number) => number.fmt(f),
            ExprKind::String(text) => text.fmt(f),
            ExprKind::Vector(selector) => {
                write_series(f, selector)?;
                selector.shift.write_at(f)?;
                write_extension(f, selector.extension)?;
                selector.shift.write_offset(f)
            }
            ExprKind::Matrix(matrix) => matrix.fmt(f),
            ExprKind::Subquery(subquery) => {
                write!(f, "{}{}", subquery.expr, SubqueryTimes(subquery))
            }
            ExprKind::Aggregate(aggregate) => {
                write!(f, "{}(", AggregateHead(aggregate))?;
                if let Some(parameter) = &aggregate.parameter {
                    write!(f, "{parameter}, ")?;
                }
                write!(f, "{})", aggregate.expr)
            }
            ExprKind::Binary(binary) => {
                write!(f, "{} {} {}", binary.left, Operator(binary), binary.right)
            }
            ExprKind::Call(call) => {
                write!(f, "{}(", call.function.name)?;
                for (i, argument) in call.arguments.iter().enumerate() {
                    let separator = if i > 0 { ", " } else { "" };
                    write!(f, "{separator}{argument}")?;
                }
                f.write_str(")")
            }
            ExprKind::Paren(inner) => write!(f, "({inner})"),
            ExprKind::Unary(unary) => {
                write!(f, "{}{}", if unary.negate { '-' } else { '+' }, unary.expr)
            }
        }
    }
}

/// A number as Prometheus prints it in a query: decimal without an exponent, `+Inf`, `NaN`.
pub(crate) fn decimal(value: f64) -> String {
    if value == f64::INFINITY {
        "+Inf".to_owned()
    } else if value == f64::NEG_INFINITY {
        "-Inf".to_owned()
    } else {
        value.to_string()
    }
}

impl Display for Number {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.duration {
            write_duration(f, self.value)
        } else {
            f.write_str(&decimal(self.value))
        }
    }
}

fn write_duration(f: &mut Formatter<'_>, seconds: f64) -> fmt::Result {
    f.write_str(&format_duration((seconds * 1000.0).round() as i64))
}

/// As Go quotes a string.
impl Display for Text {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    '"' => f.write_str("\\\"")?,
                    '\\' => f.write_str("\\\\")?,
                    '\x07' => f.write_str("\\a")?,
                    '\x08' => f.write_str("\\b")?,
                    '\x0b' => f.write_str("\\v")?,
                    '\x0c' => f.write_str("\\f")?,
                    '\n' => f.write_str("\\n")?,
                    '\r' => f.write_str("\\r")?,
                    '\t' => f.write_str("\\t")?,
                    c if (c as u32) < 0x20 || c as u32 == 0x7f => write!(f, "\\x{:02x}", c as u32)?,
                    c if (c as u32) < 0x7f || !c.is_control() => f.write_char(c)?,
                    c => write!(f, "\\u{:04x}", c as u32)?,
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        f.write_char('"')
    }
}

fn write_label(f: &mut Formatter<'_>, label: &str) -> fmt::Result {
    if is_plain_label(label) {
        f.write_str(label)
    } else {
        Text(label.as_bytes().to_vec()).fmt(f)
    }
}

fn write_labels(f: &mut Formatter<'_>, labels: &[String]) -> fmt::Result {
    for (i, label) in labels.iter().enumerate() {
        if i > 0 {
            f.write_str(", ")?;
        }
        write_label(f, label)?;
    }
    Ok(())
}

struct Condition<'a>(&'a Matcher);

impl Display for Condition<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let value = Text(self.0.value().as_bytes().to_vec());
        write_label(f, self.0.name())?;
        write!(f, "{}{value}", self.0.op().as_str())
    }
}

fn write_series(f: &mut Formatter<'_>, selector: &VectorSelector) -> fmt::Result {
    if let Some(name) = &selector.name {
        f.write_str(name)?;
    }
    let mut conditions: Vec<String> = Vec::new();
    for matcher in &selector.matchers {
        conditions.push(Condition(matcher).to_string());
    }
    if conditions.is_empty() && selector.name.is_some() {
        return Ok(());
    }
    conditions.sort();
    write!(f, "{{{}}}", conditions.join(","))
}

fn write_extension(f: &mut Formatter<'_>, extension: Option<Extension>) -> fmt::Result {
    match extension {
        None => Ok(()),
        Some(Extension::Anchored) => f.write_str(" anchored"),
        Some(Extension::Smoothed) => f.write_str(" smoothed"),
    }
}

impl Shift {
    fn write_at(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.at {
            None => Ok(()),
            Some(At::Start) => f.write_str(" @ start()"),
            Some(At::End) => f.write_str(" @ end()"),
            Some(At::Time(ms)) => {
                let sign = if ms < 0 { "-" } else { "" };
                let ms = ms.unsigned_abs();
                write!(f, " @ {sign}{}.{:03}", ms / 1000, ms % 1000)
            }
        }
    }

    fn write_offset(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Some(offset) = &self.offset else {
            return Ok(());
        };
        match offset.kind {
            // An offset of nothing is not printed.
            DurationKind::Literal(number) if number.value == 0.0 => Ok(()),
            _ => write!(f, " offset {offset}"),
        }
    }
}

impl Display for MatrixSelector {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write_series(f, &self.selector)?;
        write!(f, "[{}]", self.range)?;
        write_extension(f, self.selector.extension)?;
        self.selector.shift.write_at(f)?;
        self.selector.shift.write_offset(f)
    }
}

struct SubqueryTimes<'a>(&'a Subquery);

impl Display for SubqueryTimes<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "[{}:", self.0.range)?;
        if let Some(step) = &self.0.step {
            step.fmt(f)?;
        }
        f.write_str("]")?;
        self.0.shift.write_at(f)?;
        self.0.shift.write_offset(f)
    }
}

/// A number alone prints as a duration, whichever way it was written; within arithmetic numbers
/// stay numbers.
impl Display for Duration {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            DurationKind::Literal(number) => write_duration(f, number.value),
            _ => Part(self).fmt(f),
        }
    }
}

struct Part<'a>(&'a Duration);

impl Display for Part<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.0.kind {
            DurationKind::Literal(number) => number.fmt(f),
            DurationKind::Step => f.write_str("step()"),
            DurationKind::Range => f.write_str("range()"),
            DurationKind::Negate(inner) => write!(f, "-{}", Part(inner)),
            DurationKind::Paren(inner) => write!(f, "({})", Part(inner)),
            DurationKind::Min(left, right) => {
                write!(f, "min_of({}, {})", Part(left), Part(right))
            }
            DurationKind::Max(left, right) => {
                write!(f, "max_of({}, {})", Part(left), Part(right))
            }
            DurationKind::Binary(op, left, right) => {
                write!(f, "{} {} {}", Part(left), op.as_str(), Part(right))
            }
        }
    }
}

struct AggregateHead<'a>(&'a Aggregate);

impl Display for AggregateHead<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.op.as_str())?;
        let (word, labels) = match &self.0.grouping {
            Grouping::By(labels) if labels.is_empty() => return Ok(()),
            Grouping::By(labels) => ("by", labels),
            Grouping::Without(labels) => ("without", labels),
        };
        write!(f, " {word} (")?;
        write_labels(f, labels)?;
        f.write_str(") ")
    }
}

struct Operator<'a>(&'a Binary);

impl Display for Operator<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Binary {
            op,
            return_bool,
            matching,
            ..
        } = self.0;
        f.write_str(op.as_str())?;
        if *return_bool {
            f.write_str(" bool")?;
        }
        if matching.on || !matching.labels.is_empty() || matching.group.is_some() {
            f.write_str(if matching.on { " on (" } else { " ignoring (" })?;
            write_labels(f, &matching.labels)?;
            f.write_str(")")?;
        }
        if let Some(group) = &matching.group {
            f.write_str(match group.many {
                Side::Left => " group_left (",
                Side::Right => " group_right (",
            })?;
            write_labels(f, &group.include)?;
            f.write_str(")")?;
        }
        match (matching.fill.left, matching.fill.right) {
            (Some(left), Some(right)) if left.to_bits() == right.to_bits() => {
                write!(f, " fill ({})", decimal(left))
            }
            (left, right) => {
                if let Some(value) = left {
                    write!(f, " fill_left ({})", decimal(value))?;
                }
                if let Some(value) = right {
                    write!(f, " fill_right ({})", decimal(value))?;
                }
                Ok(())
            }
        }
    }
}
