use promql::syntax::{Grouping, VectorSelector};
use promql::{Expr, ExprKind};
use series::{MatchOp, Matcher};

/// A condition that a dashboard puts on all of its queries (Grafana's ad-hoc filter), before it
/// is known to be right.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LabelFilter {
    /// The label.
    pub key: String,
    /// `equals`, `not-equals`, `regex-match`, `regex-not-match`, `one-of` or `not-one-of`, or
    /// PromQL's own sign.
    pub operator: String,
    /// What the label is compared with.
    pub value: String,
    /// The choices of `one-of` and `not-one-of`; `value` where there are none.
    pub values: Vec<String>,
}

impl LabelFilter {
    /// The condition as PromQL knows it.
    ///
    /// # Errors
    /// Says which operators there are, or what is wrong with the pattern.
    pub fn matcher(&self) -> std::result::Result<Matcher, String> {
        let plain = || self.value.clone();
        let (op, value) = match self.operator.as_str() {
            "equals" | "=" => (MatchOp::Equal, plain()),
            "not-equals" | "!=" => (MatchOp::NotEqual, plain()),
            "regex-match" | "=~" => (MatchOp::Regex, plain()),
            "regex-not-match" | "!~" => (MatchOp::NotRegex, plain()),
            "one-of" | "=|" => (MatchOp::Regex, self.choices()),
            "not-one-of" | "!=|" => (MatchOp::NotRegex, self.choices()),
            other => {
                return Err(format!(
                    "unknown operator {other:?} of a filter: equals, not-equals, regex-match, \
                     regex-not-match, one-of and not-one-of are known"
                ));
            }
        };
        Matcher::new(op, self.key.as_str(), value).map_err(|error| error.to_string())
    }

    /// A pattern of the choices, each meant letter by letter.
    fn choices(&self) -> String {
        let only = std::slice::from_ref(&self.value);
        let values = if self.values.is_empty() {
            only
        } else {
            &self.values
        };
        let patterns: Vec<String> = values.iter().map(|value| escaped(value)).collect();
        patterns.join("|")
    }
}

/// Takes the meaning away from what has one in a regular expression (RE2's syntax).
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if "\\.+*?()|[]{}^$".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// The query with `conditions` on each of its selectors and `labels` kept by each of its
/// aggregations, as Grafana's ad-hoc filters and grouping mean them.
///
/// `sum(a)` becomes `sum by (l) (a)`, `by (x)` becomes `by (x, l)`, and `without (l)` loses `l`.
/// A query that asks for neither stays letter by letter what it was, and need not be one that we
/// understand.
///
/// # Errors
/// When the query cannot be read: to answer it without its filters would show wrong figures.
pub fn narrowed(
    query: &str,
    conditions: &[Matcher],
    labels: &[String],
) -> std::result::Result<String, promql::ParseError> {
    if conditions.is_empty() && labels.is_empty() {
        return Ok(query.to_owned());
    }
    let mut expr = promql::parse(query)?;
    narrow(&mut expr, conditions, labels);
    Ok(expr.to_string())
}

/// As deep as the parser lets a query be.
fn narrow(expr: &mut Expr, conditions: &[Matcher], labels: &[String]) {
    match &mut expr.kind {
        ExprKind::Number(_) | ExprKind::String(_) => {}
        ExprKind::Vector(selector) => restrict(selector, conditions),
        ExprKind::Matrix(matrix) => restrict(&mut matrix.selector, conditions),
        ExprKind::Subquery(subquery) => narrow(&mut subquery.expr, conditions, labels),
        ExprKind::Aggregate(aggregate) => {
            if let Some(parameter) = &mut aggregate.parameter {
                narrow(parameter, conditions, labels);
            }
            keep(&mut aggregate.grouping, labels);
            narrow(&mut aggregate.expr, conditions, labels);
        }
        ExprKind::Binary(binary) => {
            narrow(&mut binary.left, conditions, labels);
            narrow(&mut binary.right, conditions, labels);
        }
        ExprKind::Call(call) => {
            for argument in &mut call.arguments {
                narrow(argument, conditions, labels);
            }
        }
        ExprKind::Paren(inner) => narrow(inner, conditions, labels),
        ExprKind::Unary(unary) => narrow(&mut unary.expr, conditions, labels),
    }
}

fn restrict(selector: &mut VectorSelector, conditions: &[Matcher]) {
    for condition in conditions {
        if !selector.matchers.contains(condition) {
            selector.matchers.push(condition.clone());
        }
    }
}

fn keep(grouping: &mut Grouping, labels: &[String]) {
    match grouping {
        Grouping::By(kept) => {
            for label in labels {
                if !kept.contains(label) {
                    kept.push(label.clone());
                }
            }
        }
        Grouping::Without(dropped) => dropped.retain(|label| !labels.contains(label)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(operator: &str, value: &str, values: &[&str]) -> LabelFilter {
        LabelFilter {
            key: "job".into(),
            operator: operator.into(),
            value: value.into(),
            values: values.iter().map(|v| (*v).to_owned()).collect(),
        }
    }

    #[track_caller]
    fn check(query: &str, filters: &[LabelFilter], labels: &[&str], want: &str) {
        let conditions: Vec<Matcher> = filters.iter().map(|f| f.matcher().unwrap()).collect();
        let labels: Vec<String> = labels.iter().map(|l| (*l).to_owned()).collect();
        assert_eq!(narrowed(query, &conditions, &labels).unwrap(), want);
    }

    #[test]
    fn every_selector_of_a_query_gets_the_filter() {
        let api = [filter("equals", "api", &[])];
        check("up", &api, &[], r#"up{job="api"}"#);
        check(
            r#"sum by (code) (rate(a{b="c"}[5m])) / on(code) max_over_time(b[1h:5m] offset 1m)"#,
            &api,
            &[],
            r#"sum by (code) (rate(a{b="c",job="api"}[5m])) / on (code) max_over_time(b{job="api"}[1h:5m] offset 1m)"#,
        );
        check(
            r#"topk(scalar(k), a) + 1"#,
            &api,
            &[],
            r#"topk(scalar(k{job="api"}), a{job="api"}) + 1"#,
        );
        check(r#"up{job="api"}"#, &api, &[], r#"up{job="api"}"#);
    }

    #[test]
    fn operators_have_their_words_and_their_signs() {
        for (operator, value, values, want) in [
            ("not-equals", "a", &[][..], r#"up{job!="a"}"#),
            ("!=", "a", &[], r#"up{job!="a"}"#),
            ("regex-match", "a.*", &[], r#"up{job=~"a.*"}"#),
            ("regex-not-match", "a.*", &[], r#"up{job!~"a.*"}"#),
            (
                "one-of",
                "a.b",
                &["a.b", "c|d"],
                r#"up{job=~"a\\.b|c\\|d"}"#,
            ),
            ("not-one-of", "x:1", &[], r#"up{job!~"x:1"}"#),
        ] {
            check("up", &[filter(operator, value, values)], &[], want);
        }
        assert!(filter("like", "a", &[]).matcher().is_err());
        assert!(filter("regex-match", "(", &[]).matcher().is_err());
    }

    #[test]
    fn grouping_is_kept_by_every_aggregation() {
        check("sum(a)", &[], &["job"], "sum by (job) (a)");
        check("sum by (x) (a)", &[], &["x", "job"], "sum by (x, job) (a)");
        check(
            "sum without (job, y) (a)",
            &[],
            &["job"],
            "sum without (y) (a)",
        );
        check(
            "max(sum(a))",
            &[],
            &["job"],
            "max by (job) (sum by (job) (a))",
        );
        check("rate(a[5m])", &[], &["job"], "rate(a[5m])");
    }

    #[test]
    fn what_asks_for_nothing_stays_as_it_is() {
        let odd = "WITH (x = up)  x";
        assert_eq!(narrowed(odd, &[], &[]).unwrap(), odd);
        let api = filter("equals", "api", &[]).matcher().unwrap();
        assert!(narrowed(odd, &[api], &[]).is_err());
    }
}
