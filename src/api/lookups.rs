//! `labels`, `label/<name>/values`, `series`, `metadata`, `rules` and `status/buildinfo`.

use crate::error::{Error, Result, success};
use crate::json::{ListJson, push_labels, push_text, stream_json};
use crate::parameters::Parameters;
use crate::{Api, forwarded};
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use engine::LabelQuestion;
use serde::Serialize;
use serde_json::json;
use series::Limited;
use std::collections::BTreeMap;

const TRUNCATED: &str = "results truncated due to limit";

/// `labels`: the names of labels.
pub(crate) async fn names(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response> {
    let question = question(&parameters)?;
    let context = forwarded::context(&headers);
    let names = api.engine.label_names(&question, &context).await?;
    Ok(texts(names))
}

/// `label/<name>/values`: the values of a label.
pub(crate) async fn values(
    State(api): State<Api>,
    Path(name): Path<String>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response> {
    let name = unescape_label(&name);
    if name.is_empty() {
        return Err(Error::Request(format!("invalid label name: {name:?}")));
    }
    let question = question(&parameters)?;
    let context = forwarded::context(&headers);
    let values = api.engine.label_values(&name, &question, &context).await?;
    Ok(texts(values))
}

/// `series`: label sets.
pub(crate) async fn series(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response> {
    if parameters.all("match[]").next().is_none() {
        return Err(Error::Request("no match[] parameter provided".to_owned()));
    }
    let question = question(&parameters)?;
    let context = forwarded::context(&headers);
    let found = api.engine.series(&question, &context).await?;
    let warnings = truncated(found.truncated);
    Ok(stream_json(ListJson::new(
        found.entries,
        push_labels,
        warnings,
    )))
}

#[derive(Serialize)]
struct MetadataEntry {
    r#type: &'static str,
    help: String,
    unit: String,
}

/// `metadata`: type, help and unit by metric family.
pub(crate) async fn metadata(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response> {
    let number = |name: &'static str| match parameters.first(name) {
        "" => Ok(None),
        text => match text.parse::<i64>() {
            // A negative number asks for no bound, as in Prometheus.
            Ok(number) => Ok(usize::try_from(number).ok()),
            Err(_) => Err(Error::Request(format!("{name} must be a number"))),
        },
    };
    let limit = number("limit")?.unwrap_or(usize::MAX);
    // Zero means no bound here, and none at all above.
    let per_metric = number("limit_per_metric")?
        .filter(|limit| *limit > 0)
        .unwrap_or(usize::MAX);
    let metric = Some(parameters.first("metric")).filter(|metric| !metric.is_empty());
    let context = forwarded::context(&headers);
    let families = api.engine.metadata(metric, &context).await?;
    let shown: BTreeMap<String, Vec<MetadataEntry>> = families
        .into_iter()
        .take(limit)
        .map(|(family, list)| {
            let entries = list.into_iter().take(per_metric);
            let entries = entries.map(|metadata| MetadataEntry {
                r#type: metadata.kind.as_str(),
                help: metadata.help,
                unit: metadata.unit,
            });
            (family, entries.collect())
        })
        .collect();
    success(&shown, &[])
}

/// `rules`: none, for Grafana evaluates its own.
pub(crate) async fn rules() -> Result<Response> {
    success(&json!({ "groups": [] }), &[])
}

/// `alerts`: none, as there are no rules.
pub(crate) async fn alerts() -> Result<Response> {
    success(&json!({ "alerts": [] }), &[])
}

/// `status/buildinfo`.
pub(crate) async fn build(State(api): State<Api>) -> Result<Response> {
    let build = &api.host.build;
    success(
        &json!({
            "application": "Headwater",
            "version": build.version,
            "revision": build.revision,
            "buildDate": build.date,
            "branch": "",
            "buildUser": "",
            "goVersion": "",
        }),
        &[],
    )
}

/// `match[]`, `start`, `end` and `limit`.
fn question(parameters: &Parameters) -> Result<LabelQuestion> {
    let limit = parameters.limit()?;
    let range = parameters.optional_range()?;
    let selectors: Vec<String> = parameters.all("match[]").map(str::to_owned).collect();
    for selector in &selectors {
        check_selector(selector).map_err(|reason| Error::parameter("match[]", reason))?;
    }
    Ok(LabelQuestion {
        selectors,
        range,
        limit,
    })
}

/// Says what is wrong with a selector that is to name series.
pub(crate) fn check_selector(selector: &str) -> std::result::Result<(), String> {
    let matchers = promql::parse_selector(selector).map_err(|error| error.to_string())?;
    if matchers.iter().all(series::Matcher::matches_absent) {
        return Err("match[] must contain at least one non-empty matcher".to_owned());
    }
    Ok(())
}

fn texts(list: Limited<Vec<String>>) -> Response {
    let warnings = truncated(list.truncated);
    let push = |out: &mut Vec<u8>, text: &String| push_text(out, text);
    stream_json(ListJson::new(list.entries, push, warnings))
}

pub(crate) fn truncated(truncated: bool) -> Vec<String> {
    truncated
        .then(|| TRUNCATED.to_owned())
        .into_iter()
        .collect()
}

/// A label's name as clients without UTF-8 in paths write it: behind `U__` each underscore
/// stands twice, and any other character as its hexadecimal number between underscores
/// (Prometheus `common/model`, `ValueEncodingEscaping`). A name that is not so written stays.
pub(crate) fn unescape_label(name: &str) -> String {
    unescape(name).unwrap_or_else(|| name.to_owned())
}

fn unescape(name: &str) -> Option<String> {
    let mut rest = name.strip_prefix("U__")?;
    let mut out = String::with_capacity(rest.len());
    while let Some(at) = rest.find('_') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('_') {
            out.push('_');
            rest = after;
            continue;
        }
        let (number, after) = rest.split_once('_')?;
        // Six digits hold every character; `from_str_radix` alone would take a sign.
        if number.len() > 6 || !number.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        out.push(char::from_u32(u32::from_str_radix(number, 16).ok()?)?);
        rest = after;
    }
    out.push_str(rest);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_names_are_read_and_others_stay() {
        for (name, label) in [
            ("job", "job"),
            ("U__http_2e_status", "http.status"),
            ("U__a__b", "a_b"),
            ("U___1f600_", "😀"),
            ("U__", ""),
            ("U__a_zz_", "U__a_zz_"),
            ("U__a_d800_", "U__a_d800_"),
            ("U__a_2e", "U__a_2e"),
            ("U__a_+2e_", "U__a_+2e_"),
            ("U__a_1234567_", "U__a_1234567_"),
        ] {
            assert_eq!(unescape_label(name), label, "{name}");
        }
    }
}
