//! The query JSON that panels, alert rules and Explore send.
//!
//! Old dashboards hold values of odd types; none of them may fail a request
//! (query-contract.md, "Query JSON"). The mirror of this type is `PanelQuery` in
//! `frontend/src/types.ts`.

use crate::proto::pluginv2::DataQuery;
use engine::LabelFilter;
use query::{Kind, Question, Resolved};
use serde_json::{Map, Value};
use series::TimeRange;

/// Why a query cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PanelQueryError {
    /// No JSON object.
    #[error("the query of refId {ref_id} is not a JSON object: {reason}")]
    Malformed { ref_id: String, reason: String },
    /// Nothing is asked.
    #[error("the query of refId {ref_id} is empty: write a PromQL expression, for example `up`")]
    Empty { ref_id: String },
    /// The question cannot be worked out.
    #[error(transparent)]
    Question(#[from] query::Error),
    /// The dashboard's filters cannot be put on the query.
    #[error(
        "the dashboard's filters cannot be applied to this query, and without them it would show \
         other figures: {0}"
    )]
    Filter(String),
    /// Times that no frame can hold.
    #[error(
        "the time range of refId {ref_id} ({start} to {end} ms) lies beyond what Grafana can show: \
         the years 1678 to 2261"
    )]
    OutOfRange {
        ref_id: String,
        start: i64,
        end: i64,
    },
}

/// The times that fit the nanoseconds of Grafana's frames, in milliseconds.
const SHOWN: TimeRange = TimeRange {
    start: i64::MIN / 1_000_000 + 1,
    end: i64::MAX / 1_000_000 - 1,
};

/// What is asked and how the answer is to look.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PanelQuery {
    pub(crate) question: Question,
    pub(crate) legend: Legend,
    pub(crate) exemplar: bool,
    /// `adhocFilters`: conditions on every selector.
    pub(crate) filters: Vec<LabelFilter>,
    /// `groupByKeys`: labels that every aggregation keeps.
    pub(crate) group_by: Vec<String>,
}

/// `legendFormat`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Legend {
    /// `__auto`: the frontend names the series.
    Auto,
    /// Empty: the series as PromQL writes it.
    Verbose,
    /// Text with `{{label}}` in it.
    Template(String),
}

impl PanelQuery {
    /// Reads one query of a request. `scrape_interval_ms` is the data source's.
    pub(crate) fn parse(
        query: &DataQuery,
        scrape_interval_ms: Option<i64>,
    ) -> Result<Self, PanelQueryError> {
        let ref_id = || query.ref_id.clone();
        let malformed = |reason: String| PanelQueryError::Malformed {
            ref_id: ref_id(),
            reason,
        };
        let json: Map<String, Value> = match serde_json::from_slice(&query.json) {
            Ok(Value::Object(map)) => map,
            Ok(_) => return Err(malformed("it is another JSON value".to_owned())),
            Err(error) => return Err(malformed(error.to_string())),
        };
        let keys = Lenient(&json);
        let expr = keys.expr();
        if expr.trim().is_empty() {
            return Err(PanelQueryError::Empty { ref_id: ref_id() });
        }
        let time_range =
            query
                .time_range
                .as_ref()
                .map_or(TimeRange { start: 0, end: 0 }, |range| TimeRange {
                    start: range.from_epoch_ms,
                    end: range.to_epoch_ms,
                });
        let TimeRange { start, end } = time_range;
        if !SHOWN.contains(start) || !SHOWN.contains(end) {
            return Err(PanelQueryError::OutOfRange {
                ref_id: ref_id(),
                start,
                end,
            });
        }
        Ok(Self {
            question: Question {
                expr,
                kind: Kind::from_switches(keys.switch("range"), keys.switch("instant")),
                min_step: keys.text("interval"),
                interval_ms: keys.integer("intervalMs"),
                call_interval_ms: query.interval_ms,
                interval_factor: keys.integer("intervalFactor"),
                max_data_points: query.max_data_points,
                time_range,
                utc_offset_sec: keys.integer("utcOffsetSec"),
                scrape_interval_ms,
            },
            legend: match keys.text("legendFormat").as_str() {
                "" => Legend::Verbose,
                "__auto" => Legend::Auto,
                text => Legend::Template(text.to_owned()),
            },
            exemplar: keys.switch("exemplar"),
            filters: keys.filters(),
            group_by: keys.texts("groupByKeys"),
        })
    }

    /// What is asked, with the dashboard's filters and grouping in its expression.
    pub(crate) fn resolve(&self) -> Result<Resolved, PanelQueryError> {
        let mut resolved = self.question.resolve()?;
        let conditions = self
            .filters
            .iter()
            .map(LabelFilter::matcher)
            .collect::<Result<Vec<_>, _>>()
            .map_err(PanelQueryError::Filter)?;
        let expr = engine::narrowed(&resolved.expr, &conditions, &self.group_by)
            .map_err(|error| PanelQueryError::Filter(error.to_string()))?;
        if let Some(range) = &mut resolved.range {
            range.expr.clone_from(&expr);
        }
        if let Some(instant) = &mut resolved.instant {
            instant.expr.clone_from(&expr);
        }
        resolved.expr = expr;
        Ok(resolved)
    }
}

/// Reads values without ever failing: what is of an odd type is read as well as it can be, else
/// as if it were missing.
struct Lenient<'a>(&'a Map<String, Value>);

impl Lenient<'_> {
    fn text(&self, key: &str) -> String {
        match self.0.get(key) {
            Some(Value::String(text)) => text.clone(),
            Some(value @ (Value::Number(_) | Value::Bool(_))) => value.to_string(),
            _ => String::new(),
        }
    }

    fn switch(&self, key: &str) -> bool {
        match self.0.get(key) {
            Some(Value::Bool(value)) => *value,
            Some(Value::String(text)) => text.eq_ignore_ascii_case("true") || text == "1",
            Some(Value::Number(number)) => number.as_f64().is_some_and(|number| number != 0.0),
            _ => false,
        }
    }

    fn integer(&self, key: &str) -> i64 {
        match self.0.get(key) {
            Some(Value::Number(number)) => number
                .as_i64()
                .or_else(|| number.as_f64().map(|n| n as i64))
                .unwrap_or(0),
            Some(Value::String(text)) => text.trim().parse::<f64>().map_or(0, |n| n as i64),
            _ => 0,
        }
    }

    fn texts(&self, key: &str) -> Vec<String> {
        let list = self.0.get(key).and_then(Value::as_array);
        list.into_iter()
            .flatten()
            .filter_map(|value| Some(value.as_str()?.to_owned()))
            .filter(|text| !text.is_empty())
            .collect()
    }

    fn filters(&self) -> Vec<LabelFilter> {
        let list = self.0.get("adhocFilters").and_then(Value::as_array);
        list.into_iter()
            .flatten()
            .filter_map(Value::as_object)
            .map(|filter| {
                let keys = Lenient(filter);
                LabelFilter {
                    key: keys.text("key"),
                    operator: keys.text("operator"),
                    value: keys.text("value"),
                    values: keys.texts("values"),
                }
            })
            // A filter that is being put together has no label yet.
            .filter(|filter| !filter.key.is_empty())
            .collect()
    }

    /// `expr`, else `queryText`, else what the builder's fields say.
    fn expr(&self) -> String {
        ["expr", "queryText"]
            .into_iter()
            .map(|key| self.text(key))
            .find(|text| !text.trim().is_empty())
            .or_else(|| self.built())
            .unwrap_or_default()
    }

    /// The expression of `metricName`, `labels`, `function` and `aggregation`.
    fn built(&self) -> Option<String> {
        let metric = self.text("metricName");
        let metric = metric.trim();
        if metric.is_empty() {
            return None;
        }
        let mut expr = self.selector(metric);
        let function = self.text("function");
        if !function.is_empty() && function != "none" {
            let window = if is_over_range(&function) {
                "[$__rate_interval]"
            } else {
                ""
            };
            expr = format!("{function}({expr}{window})");
        }
        let aggregation = self.text("aggregation");
        if matches!(
            aggregation.as_str(),
            "avg" | "sum" | "min" | "max" | "count"
        ) {
            expr = format!("{aggregation}({expr})");
        }
        Some(expr)
    }

    fn selector(&self, metric: &str) -> String {
        let is_plain = |name: &str| {
            let letter = |b: u8| b.is_ascii_alphabetic() || b == b'_' || b == b':';
            name.bytes()
                .enumerate()
                .all(|(i, b)| letter(b) || (i > 0 && b.is_ascii_digit()))
        };
        let mut parts = Vec::new();
        if !is_plain(metric) {
            parts.push(quote(metric));
        }
        if let Some(Value::Object(labels)) = self.0.get("labels") {
            for (name, value) in labels {
                let Some(value) = value.as_str() else {
                    continue;
                };
                let name = if is_plain(name) {
                    name.clone()
                } else {
                    quote(name)
                };
                parts.push(format!("{name}={}", quote(value)));
            }
        }
        let name = if is_plain(metric) { metric } else { "" };
        if parts.is_empty() {
            name.to_owned()
        } else {
            format!("{name}{{{}}}", parts.join(","))
        }
    }
}

/// Whether PromQL's function takes a range vector, as far as the builder offers it.
fn is_over_range(function: &str) -> bool {
    function.ends_with("_over_time")
        || matches!(
            function,
            "rate" | "irate" | "increase" | "delta" | "idelta" | "deriv" | "changes" | "resets"
        )
}

fn quote(text: &str) -> String {
    format!(
        "\"{}\"",
        text.replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(json: &Value) -> Result<PanelQuery, PanelQueryError> {
        let query = DataQuery {
            ref_id: "A".into(),
            json: json.to_string().into_bytes().into(),
            ..Default::default()
        };
        PanelQuery::parse(&query, None)
    }

    fn expr(json: Value) -> String {
        parse(&json).unwrap().question.expr
    }

    #[test]
    fn values_of_odd_types_fail_no_query() {
        let query = parse(&json!({
            "expr": "up", "range": "true", "instant": 0, "format": 3, "interval": 15,
            "intervalMs": "1500", "intervalFactor": 1.0, "utcOffsetSec": null,
            "legendFormat": 7, "datasource": "x", "scopes": 5, "exemplar": {},
        }))
        .unwrap();
        assert_eq!(query.question.kind, Kind::Range);
        assert_eq!(query.question.min_step, "15");
        assert_eq!(query.question.interval_ms, 1_500);
        assert_eq!(query.question.interval_factor, 1);
        assert_eq!(query.legend, Legend::Template("7".into()));
        assert!(!query.exemplar);
    }

    #[test]
    fn the_expression_is_found_under_each_of_its_names() {
        assert_eq!(expr(json!({"expr": "a", "queryText": "b"})), "a");
        assert_eq!(expr(json!({"expr": " ", "queryText": "b"})), "b");
        assert_eq!(
            expr(json!({"metricName": "up", "aggregation": "sum"})),
            "sum(up)"
        );
        assert_eq!(
            expr(json!({
                "metricName": "http_requests_total",
                "labels": {"status": "5\"0\\0", "a.b": "c"},
                "function": "rate",
                "aggregation": "avg",
            })),
            r#"avg(rate(http_requests_total{"a.b"="c",status="5\"0\\0"}[$__rate_interval]))"#
        );
        assert_eq!(expr(json!({"metricName": "my.metric"})), r#"{"my.metric"}"#);
    }

    #[test]
    fn filters_and_grouping_of_the_dashboard_are_in_what_is_asked() {
        let query = parse(&json!({
            "expr": "sum(rate(a[$__rate_interval]))", "range": true, "instant": true,
            "adhocFilters": [
                {"key": "job", "operator": "equals", "value": "api"},
                {"key": "zone", "operator": "one-of", "value": "a", "values": ["a", "b"]},
                {"key": "", "operator": "", "value": ""}, 5,
            ],
            "groupByKeys": ["code", ""],
        }))
        .unwrap();
        let resolved = query.resolve().unwrap();
        let want = r#"sum by (code) (rate(a{job="api",zone=~"a|b"}[1m]))"#;
        assert_eq!(resolved.expr, want);
        assert_eq!(resolved.range.unwrap().expr, want);
        assert_eq!(resolved.instant.unwrap().expr, want);
    }

    #[test]
    fn a_filter_that_cannot_be_applied_fails_its_query() {
        let filtered = |operator: &str, expr: &str| {
            let filters = [json!({"key": "job", "operator": operator, "value": "a"})];
            let query = parse(&json!({"expr": expr, "adhocFilters": filters})).unwrap();
            query.resolve().unwrap_err().to_string()
        };
        assert!(filtered("like", "up").contains("unknown operator \"like\""));
        assert!(filtered("equals", "sum(").contains("parse error"));
    }

    #[test]
    fn a_query_without_expression_says_what_to_write() {
        let error = parse(&json!({"expr": ""})).unwrap_err().to_string();
        assert!(error.contains("refId A is empty"), "{error}");
        let error = parse(&json!([1])).unwrap_err().to_string();
        assert!(error.contains("refId A is not a JSON object"), "{error}");
    }
}
