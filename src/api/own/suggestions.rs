//! `POST suggestions`: the labels, or the values of one, that go with the queries in an editor,
//! as Grafana's Prometheus plugin answers it.

use super::selectors::selector;
use super::{Question, templates, time_of};
use crate::error::{Error, Result};
use crate::json::{ListJson, push_text, stream_json};
use crate::lookups::{check_selector, truncated, unescape_label};
use crate::parameters::{MAX_TIME, MIN_TIME};
use crate::{Api, forwarded};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use engine::{LabelFilter, LabelQuestion};
use promql::syntax::VectorSelector;
use promql::{Expr, ExprKind};
use serde::Deserialize;
use serde_json::Value;
use series::{METRIC_NAME, MatchOp, Matcher};
use std::collections::BTreeSet;

/// What an editor asks.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Asked {
    /// With it, values of that label are wanted; without, names of labels.
    #[serde(default)]
    label_name: Option<String>,
    #[serde(default)]
    queries: Option<Vec<String>>,
    #[serde(default)]
    scopes: Option<Vec<Filter>>,
    #[serde(default)]
    adhoc_filters: Option<Vec<Filter>>,
    #[serde(default)]
    start: Value,
    #[serde(default)]
    end: Value,
    #[serde(default)]
    limit: Option<i64>,
}

/// A condition on a label, as scopes and ad-hoc filters have it.
#[derive(Deserialize)]
pub(crate) struct Filter {
    key: String,
    #[serde(default)]
    operator: String,
    #[serde(default)]
    value: String,
    #[serde(default)]
    values: Option<Vec<String>>,
}

impl From<Filter> for LabelFilter {
    fn from(filter: Filter) -> Self {
        Self {
            key: filter.key,
            operator: filter.operator,
            value: filter.value,
            values: filter.values.unwrap_or_default(),
        }
    }
}

/// `POST suggestions`.
pub(crate) async fn answer(
    State(api): State<Api>,
    headers: HeaderMap,
    Question(asked): Question<Asked>,
) -> Result<Response> {
    let mut metrics = BTreeSet::new();
    for query in asked.queries.iter().flatten() {
        // A query that is being written is often not yet right: then it has nothing to say.
        if let Ok(tree) = templates::parse(query) {
            collect_metrics(&tree, &mut metrics);
        }
    }
    let filters = asked
        .scopes
        .into_iter()
        .chain(asked.adhoc_filters)
        .flatten();
    let conditions: Vec<Matcher> = filters
        .map(|filter| LabelFilter::from(filter).matcher().map_err(Error::Request))
        .collect::<Result<_>>()?;
    let with_conditions = |metric: Option<&str>| {
        let name = metric.map(|metric| (METRIC_NAME, "=", metric));
        let others = conditions
            .iter()
            .map(|m| (m.name(), m.op().as_str(), m.value()));
        selector(name.into_iter().chain(others))
    };
    let selectors: Vec<String> = if metrics.is_empty() && !conditions.is_empty() {
        vec![with_conditions(None)]
    } else {
        let metrics = metrics.iter();
        metrics
            .map(|metric| with_conditions(Some(metric)))
            .collect()
    };
    for selector in &selectors {
        check_selector(selector).map_err(Error::Request)?;
    }
    let range = match (time_of("start", &asked.start)?, time_of("end", &asked.end)?) {
        (None, None) => None,
        (start, end) => Some((start.unwrap_or(MIN_TIME), end.unwrap_or(MAX_TIME))),
    };
    let question = LabelQuestion {
        selectors,
        range,
        limit: asked
            .limit
            .and_then(|limit| usize::try_from(limit).ok())
            .filter(|limit| *limit > 0),
    };
    let context = forwarded::context(&headers);
    let label = asked.label_name.filter(|label| !label.is_empty());
    let found = match label {
        Some(label) => {
            let label = unescape_label(&label);
            api.engine.label_values(&label, &question, &context).await?
        }
        None => api.engine.label_names(&question, &context).await?,
    };
    let warnings = truncated(found.truncated);
    let push = |out: &mut Vec<u8>, text: &String| push_text(out, text);
    Ok(stream_json(ListJson::new(found.entries, push, warnings)))
}

fn collect_metrics(expr: &Expr, metrics: &mut BTreeSet<String>) {
    let mut add = |selector: &VectorSelector| {
        let matchers = selector.all_matchers();
        let names = matchers
            .iter()
            .filter(|m| m.name() == METRIC_NAME && m.op() == MatchOp::Equal);
        metrics.extend(names.map(|m| m.value().to_owned()));
    };
    match &expr.kind {
        ExprKind::Vector(selector) => add(selector),
        ExprKind::Matrix(matrix) => add(&matrix.selector),
        _ => {}
    }
    for child in expr.children() {
        collect_metrics(child, metrics);
    }
}
