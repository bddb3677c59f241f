//! `POST variable-query`: the values of a dashboard's variable, in the language of Grafana's
//! Prometheus data source (`label_values(up, job)` and so on).

use super::selectors::selector;
use super::{Question, time_of};
use crate::error::{Error, Result};
use crate::json::push_value;
use crate::lookups::check_selector;
use crate::{Api, forwarded, reply};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use engine::{Context, InstantQuery, LabelQuestion};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use series::{Labels, Limited, METRIC_NAME, QueryResult, Sample};
use std::fmt::Write;

#[derive(Deserialize)]
pub(crate) struct Asked {
    query: String,
    /// When the series must have samples, as Prometheus's API takes times.
    #[serde(default)]
    start: Value,
    #[serde(default)]
    end: Value,
}

/// One choice.
#[derive(Debug, Serialize)]
pub(crate) struct Choice {
    text: String,
    value: String,
}

/// What a variable's query asks for.
#[derive(Debug, PartialEq, Eq)]
enum Kind<'a> {
    LabelNames,
    LabelNamesOf(&'a str),
    LabelValues { label: &'a str, of: Option<&'a str> },
    Metrics(&'a str),
    QueryResult(&'a str),
    Series(&'a str),
}

/// `POST variable-query`.
pub(crate) async fn answer(
    State(api): State<Api>,
    headers: HeaderMap,
    Question(asked): Question<Asked>,
) -> Result<Response> {
    let start = time_of("start", &asked.start)?;
    let end = time_of("end", &asked.end)?;
    let range = match (start, end) {
        (None, None) => None,
        (start, end) => Some((
            start.unwrap_or(crate::parameters::MIN_TIME),
            end.unwrap_or(crate::parameters::MAX_TIME),
        )),
    };
    let context = forwarded::context(&headers);
    let of = |selectors: Vec<String>| -> Result<LabelQuestion> {
        for selector in &selectors {
            check_selector(selector).map_err(|reason| Error::parameter("query", reason))?;
        }
        Ok(LabelQuestion {
            selectors,
            range,
            limit: None,
        })
    };
    let Limited { entries, truncated } = match kind_of(&asked.query)? {
        Kind::LabelNames => label_names(&api, of(Vec::new())?, &context).await?,
        Kind::LabelNamesOf(part) => {
            let pattern = format!(".*{part}.*");
            let matching = selector([(METRIC_NAME, "=~", pattern.as_str())]);
            label_names(&api, of(vec![matching])?, &context).await?
        }
        Kind::LabelValues {
            label,
            of: matching,
        } => {
            let question = of(matching.map(str::to_owned).into_iter().collect())?;
            api.engine.label_values(label, &question, &context).await?
        }
        Kind::Metrics(pattern) => {
            let question = of(vec![selector([(METRIC_NAME, "=~", pattern)])])?;
            let names = api.engine.label_values(METRIC_NAME, &question, &context);
            names.await?
        }
        Kind::QueryResult(expr) => {
            let now = || api.host.clock.as_ref().map(|clock| clock());
            let time_ms = end
                .or_else(now)
                .ok_or_else(|| Error::parameter("end", "it must be given here"))?;
            Limited {
                entries: query_result(&api, expr, time_ms, &context).await?,
                truncated: false,
            }
        }
        Kind::Series(matching) => {
            let question = of(vec![matching.to_owned()])?;
            let found = api.engine.series(&question, &context).await?;
            Limited {
                entries: found.entries.iter().map(series_text).collect(),
                truncated: found.truncated,
            }
        }
    };
    let choices = entries.into_iter().map(|text| Choice {
        value: text.clone(),
        text,
    });
    Ok(reply::list(Limited {
        entries: choices.collect::<Vec<_>>(),
        truncated,
    }))
}

async fn label_names(
    api: &Api,
    question: LabelQuestion,
    context: &Context,
) -> Result<Limited<Vec<String>>> {
    let mut names = api.engine.label_names(&question, context).await?;
    names.entries.retain(|name| name != METRIC_NAME);
    Ok(names)
}

async fn query_result(
    api: &Api,
    expr: &str,
    time_ms: i64,
    context: &Context,
) -> Result<Vec<String>> {
    promql::parse(expr).map_err(|error| Error::parameter("query", error))?;
    let query = InstantQuery {
        expr: expr.to_owned(),
        time_ms,
    };
    let answer = api.engine.instant(&query, context).await?;
    Ok(match answer.result {
        QueryResult::Vector(vector) => vector
            .iter()
            .map(|entry| {
                let Sample { time, value } = entry.sample;
                format!("{} {} {time}", series_text(&entry.labels), spelled(value))
            })
            .collect(),
        QueryResult::Scalar(sample) => vec![spelled(sample.value)],
        QueryResult::String { value, .. } => vec![value],
        QueryResult::Matrix(_) => {
            let reason = "query_result needs one value per series: take the range away, or put \
                          a function such as last_over_time around it";
            return Err(Error::parameter("query", reason));
        }
    })
}

fn spelled(value: f64) -> String {
    let mut out = Vec::new();
    push_value(&mut out, value);
    String::from_utf8(out).unwrap_or_default()
}

/// `name{a="b",c="d"}` as Grafana writes a series in a list of choices: braces always, values as
/// they are.
fn series_text(labels: &Labels) -> String {
    let mut text = labels.metric_name().unwrap_or_default().to_owned();
    text.push('{');
    let others = labels.iter().filter(|(name, _)| *name != METRIC_NAME);
    for (at, (name, value)) in others.enumerate() {
        let separator = if at > 0 { "," } else { "" };
        let _ = write!(text, "{separator}{name}=\"{value}\"");
    }
    text.push('}');
    text
}

fn kind_of(query: &str) -> Result<Kind<'_>> {
    let query = query.trim();
    let call = |name: &str| {
        let inside = query.strip_prefix(name)?.strip_prefix('(')?;
        inside.strip_suffix(')').map(str::trim)
    };
    let needs = |what: &str| Err(Error::parameter("query", format!("{query}: {what}")));
    if let Some(part) = call("label_names") {
        return Ok(match part {
            "" => Kind::LabelNames,
            part => Kind::LabelNamesOf(part),
        });
    }
    if let Some(inside) = call("label_values") {
        // A selector may hold commas, a label's name does not.
        let (of, label) = match inside.rsplit_once(',') {
            Some((of, label)) => (Some(of.trim()), label.trim()),
            None => (None, inside),
        };
        if label.is_empty() {
            return needs("name a label, such as label_values(up, job)");
        }
        let everything = |of: &str| matches!(of.replace(' ', "").as_str(), "" | "{}");
        let of = of.filter(|of| !everything(of));
        return Ok(Kind::LabelValues { label, of });
    }
    if let Some(pattern) = call("metrics") {
        return match pattern {
            "" => needs("give a regular expression, such as metrics(node_.*)"),
            pattern => Ok(Kind::Metrics(pattern)),
        };
    }
    if let Some(expr) = call("query_result") {
        return match expr {
            "" => needs("give an expression, such as query_result(topk(5, up))"),
            expr => Ok(Kind::QueryResult(expr)),
        };
    }
    match query {
        "" => needs("the query is empty"),
        query => Ok(Kind::Series(query)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_told_apart() {
        for (query, kind) in [
            ("label_names()", Kind::LabelNames),
            (" label_names( ) ", Kind::LabelNames),
            ("label_names(http)", Kind::LabelNamesOf("http")),
            (
                "label_values(job)",
                Kind::LabelValues {
                    label: "job",
                    of: None,
                },
            ),
            (
                "label_values({ }, job)",
                Kind::LabelValues {
                    label: "job",
                    of: None,
                },
            ),
            (
                "label_values(up{a=\"b,c\", d=\"e\"}, job)",
                Kind::LabelValues {
                    label: "job",
                    of: Some("up{a=\"b,c\", d=\"e\"}"),
                },
            ),
            ("metrics(node_.*)", Kind::Metrics("node_.*")),
            (
                "query_result(sum(up) by (job))",
                Kind::QueryResult("sum(up) by (job)"),
            ),
            ("up{job=\"a\"}", Kind::Series("up{job=\"a\"}")),
        ] {
            assert_eq!(kind_of(query).unwrap(), kind, "{query}");
        }
        for query in [
            "",
            "label_values()",
            "label_values(up, )",
            "metrics()",
            "query_result()",
        ] {
            assert!(kind_of(query).is_err(), "{query}");
        }
    }
}
