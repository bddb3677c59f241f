//! Headwater's own look-ups of metrics: their names, and what one of them is.

use super::selectors::selector;
use crate::reply::{self, Refusal};
use crate::{Api, forwarded};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use engine::LabelQuestion;
use serde::Serialize;
use series::METRIC_NAME;

/// How many names a refusal offers instead of one that is not there.
const NEAR_NAMES: usize = 5;
/// Suffixes that a family's samples carry beyond its own name (OpenMetrics 1.0, "Suffixes").
pub(super) const SUFFIXES: [&str; 6] = ["_total", "_bucket", "_count", "_sum", "_created", "_info"];

/// What is known of a metric.
#[derive(Serialize)]
pub(crate) struct Metric {
    name: String,
    r#type: &'static str,
    description: String,
    unit: String,
}

/// All metric names, sorted; up to the engine's limit, where the answer says so.
pub(crate) async fn names(State(api): State<Api>, headers: HeaderMap) -> Result<Response, Refusal> {
    let context = forwarded::context(&headers);
    let question = LabelQuestion::default();
    let names = api.engine.label_values(METRIC_NAME, &question, &context);
    Ok(reply::list(names.await?))
}

/// Type, description and unit of one metric; its family's where the name carries a suffix.
pub(crate) async fn one(
    State(api): State<Api>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Metric>, Refusal> {
    let context = forwarded::context(&headers);
    let family = SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix));
    let candidates = [Some(name.clone()), family.map(str::to_owned)];
    for candidate in candidates.into_iter().flatten() {
        let families = api.engine.metadata(Some(&candidate), &context).await?;
        let found = families
            .into_iter()
            .find(|(family, _)| *family == candidate);
        if let Some(metadata) = found.and_then(|(_, mut list)| list.pop()) {
            return Ok(Json(Metric {
                name,
                r#type: metadata.kind.as_str(),
                description: metadata.help,
                unit: metadata.unit,
            }));
        }
    }
    // Of a great many names the engine gives only the first, and so it is asked for this one.
    let this_one = LabelQuestion {
        selectors: vec![selector([(METRIC_NAME, "=", name.as_str())])],
        ..LabelQuestion::default()
    };
    let this_one = api.engine.label_values(METRIC_NAME, &this_one, &context);
    if this_one.await?.entries.contains(&name) {
        // Samples without metadata: the name is all there is to say.
        let (description, unit) = (String::new(), String::new());
        return Ok(Json(Metric {
            name,
            r#type: "unknown",
            description,
            unit,
        }));
    }
    let question = LabelQuestion::default();
    let names = api.engine.label_values(METRIC_NAME, &question, &context);
    let names = names.await?.entries;
    let near = near_names(&name, &names);
    let advice = match near.as_slice() {
        [] => String::new(),
        near => format!("; near names: {}", near.join(", ")),
    };
    Err(Refusal {
        status: StatusCode::NOT_FOUND,
        message: format!("there is no metric {name:?}{advice}"),
    })
}

/// The names closest to `name`: those that differ in few letters, or hold it.
fn near_names<'a>(name: &str, names: &'a [String]) -> Vec<&'a str> {
    let worst = name.len() / 3 + 1;
    let mut near: Vec<(usize, &str)> = names
        .iter()
        .filter_map(|candidate| {
            let distance = if candidate.contains(name) {
                0
            } else {
                strsim::levenshtein(name, candidate)
            };
            (distance <= worst).then_some((distance, candidate.as_str()))
        })
        .collect();
    near.sort_unstable();
    near.into_iter()
        .take(NEAR_NAMES)
        .map(|(_, name)| name)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_differ_in_few_letters_are_near() {
        let names = [
            "http_requests_total",
            "up",
            "users_created_total",
            "users_created_created",
        ]
        .map(str::to_owned);
        assert_eq!(
            near_names("user_created_total", &names),
            ["users_created_total", "users_created_created"]
        );
        assert_eq!(near_names("requests", &names), ["http_requests_total"]);
        assert!(near_names("nothing_like_it_at_all", &names).is_empty());
    }
}
