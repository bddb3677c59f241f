//! Labels, series, metadata and exemplars: short answers that are read whole.

use super::failure;
use super::questions::{form, head, seconds};
use super::reader::{MAX_ERROR_BYTES, shortened};
use super::transport::{Request, Transport};
use crate::{Error, FamilyMetadata, LabelQuestion, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use series::{Exemplar, Labels, Limited, Metadata, MetricKind, Sample, SeriesExemplars};
use std::collections::BTreeMap;

/// Most bytes of such an answer: a quarter of a million label sets of 256 bytes.
const MAX_LOOKUP_BYTES: usize = 64 << 20;

#[derive(Deserialize)]
#[serde(bound = "T: Deserialize<'de>")]
struct Envelope<T> {
    #[serde(default)]
    status: String,
    /// `None` where it is missing, `Some(None)` where it is `null`.
    #[serde(default, deserialize_with = "present")]
    data: Option<Option<T>>,
    #[serde(default, rename = "errorType")]
    error_type: String,
    #[serde(default)]
    error: String,
}

/// Tells a value that is `null` from one that is not there.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> std::result::Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Asks, and reads the `data` of the answer.
pub(super) async fn ask<T: DeserializeOwned + Default>(
    transport: &Transport,
    request: &Request,
) -> Result<T> {
    Ok(ask_and_look(transport, request).await?.0)
}

/// The header by which VictoriaMetrics is known, for it says little of its build.
const VICTORIA_HEADER: &str = "x-server-hostname";

/// Asks, reads the `data` of the answer, and says whether it came from VictoriaMetrics.
pub(super) async fn ask_and_look<T: DeserializeOwned + Default>(
    transport: &Transport,
    request: &Request,
) -> Result<(T, bool)> {
    let mut received = transport.send(request).await?;
    let status = received.status();
    if !matches!(status, 200..=299 | 400 | 422 | 503) {
        let head = head(&mut received, Vec::new()).await?;
        return Err(failure::of_status(status, &head));
    }
    let body = received.short_body(MAX_LOOKUP_BYTES).await?;
    let malformed = |offset: u64, reason: String| {
        if (200..=299).contains(&status) {
            failure::of_strange_body(&received.url, &body).unwrap_or_else(|| Error::Malformed {
                url: received.url.clone(),
                offset,
                reason,
            })
        } else {
            failure::of_status(status, &body)
        }
    };
    let envelope: Envelope<T> = serde_json::from_slice(&body)
        .map_err(|error| malformed(offset_of(&body, &error), error.to_string()))?;
    if envelope.status == "error" {
        return Err(Error::Api {
            status,
            kind: shortened(envelope.error_type, MAX_ERROR_BYTES),
            message: shortened(envelope.error, MAX_ERROR_BYTES),
        });
    }
    let length = body.len() as u64;
    let missing = || malformed(length, "no \"data\" in the answer".to_owned());
    // Servers written in Go say `null` where they have an empty list.
    let data = envelope.data.ok_or_else(missing)?.unwrap_or_default();
    Ok((data, received.headers().contains_key(VICTORIA_HEADER)))
}

/// Where in `body` the line and column of `error` are.
fn offset_of(body: &[u8], error: &serde_json::Error) -> u64 {
    let lines = body.split_inclusive(|byte| *byte == b'\n');
    let before: usize = lines
        .take(error.line().saturating_sub(1))
        .map(<[u8]>::len)
        .sum();
    (before + error.column().saturating_sub(1)) as u64
}

/// The parameters of a question about labels. One entry more than the limit is asked for, so that
/// a cut list can be told from a full one.
pub(super) fn parameters(
    question: &LabelQuestion,
    default_limit: usize,
) -> (String, Option<usize>) {
    let limit = question
        .limit
        .or((default_limit > 0).then_some(default_limit));
    let mut pairs: Vec<(&str, String)> = Vec::new();
    pairs.extend(question.selectors.iter().map(|s| ("match[]", s.clone())));
    if let Some((start, end)) = question.range {
        pairs.push(("start", seconds(start)));
        pairs.push(("end", seconds(end)));
    }
    if let Some(limit) = limit {
        pairs.push(("limit", limit.saturating_add(1).to_string()));
    }
    (form(pairs), limit)
}

/// Cuts a list that came longer than asked for: not every server knows `limit`.
pub(super) fn limited<T: Ord>(mut entries: Vec<T>, limit: Option<usize>) -> Limited<Vec<T>> {
    entries.sort();
    entries.dedup();
    let truncated = limit.is_some_and(|limit| entries.len() > limit);
    if let Some(limit) = limit {
        entries.truncate(limit);
    }
    Limited { entries, truncated }
}

/// A label's name as it stands in a path: plain names as they are, others escaped as Prometheus
/// does for UTF-8 names (`U__` and the code of each character that is not plain).
pub(super) fn path_name(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let legacy = !name.is_empty()
        && name.chars().all(plain)
        && !name.starts_with(|c: char| c.is_ascii_digit());
    if legacy {
        return name.to_owned();
    }
    let mut out = "U__".to_owned();
    for (i, c) in name.chars().enumerate() {
        match c {
            '_' => out.push_str("__"),
            c if plain(c) && !(i == 0 && c.is_ascii_digit()) => out.push(c),
            c => out.push_str(&format!("_{:x}_", u32::from(c))),
        }
    }
    out
}

/// Label sets as the API writes them.
pub(super) fn label_sets(sets: Vec<BTreeMap<String, String>>) -> Vec<Labels> {
    sets.into_iter().map(|set| labels(&set)).collect()
}

fn labels(set: &BTreeMap<String, String>) -> Labels {
    Labels::from_sorted(set.iter().map(|(n, v)| (n.as_str(), v.as_str())))
}

#[derive(Deserialize)]
pub(super) struct MetadataEntry {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    help: String,
    #[serde(default)]
    unit: String,
}

/// Metadata as the API writes it.
pub(super) fn family_metadata(all: BTreeMap<String, Vec<MetadataEntry>>) -> FamilyMetadata {
    let entry = |entry: MetadataEntry| Metadata {
        kind: kind(&entry.kind),
        help: entry.help,
        unit: entry.unit,
    };
    all.into_iter()
        .map(|(name, entries)| (name, entries.into_iter().map(entry).collect()))
        .collect()
}

fn kind(text: &str) -> MetricKind {
    [
        MetricKind::Counter,
        MetricKind::Gauge,
        MetricKind::Histogram,
        MetricKind::GaugeHistogram,
        MetricKind::Summary,
        MetricKind::Info,
        MetricKind::StateSet,
    ]
    .into_iter()
    .find(|kind| kind.as_str() == text)
    .unwrap_or_default()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExemplarEntry {
    #[serde(default)]
    series_labels: BTreeMap<String, String>,
    #[serde(default)]
    exemplars: Vec<OneExemplar>,
}

#[derive(Deserialize)]
struct OneExemplar {
    #[serde(default)]
    labels: BTreeMap<String, String>,
    value: Number,
    timestamp: f64,
}

/// Servers write values as text, and some as numbers.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Text(String),
    Plain(f64),
}

/// Exemplars as the API writes them, by series, in order of time. One whose value is no number is
/// left out.
pub(super) fn exemplars(entries: Vec<ExemplarEntry>) -> Vec<SeriesExemplars> {
    entries
        .into_iter()
        .map(|entry| {
            let mut exemplars: Vec<Exemplar> = entry
                .exemplars
                .iter()
                .filter_map(|one| {
                    let value = match &one.value {
                        Number::Plain(value) => *value,
                        Number::Text(text) => text.parse().ok()?,
                    };
                    let time = (one.timestamp * 1_000.0).round() as i64;
                    Some(Exemplar {
                        labels: labels(&one.labels),
                        sample: Sample { time, value },
                    })
                })
                .collect();
            exemplars.sort_by_key(|exemplar| exemplar.sample.time);
            SeriesExemplars {
                labels: labels(&entry.series_labels),
                exemplars,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_not_plain_are_escaped_for_a_path() {
        for (name, escaped) in [
            ("job", "job"),
            ("__name__", "__name__"),
            ("my.label", "U__my_2e_label"),
            ("a_b.c", "U__a__b_2e_c"),
            ("1a", "U___31_a"),
            ("../x", "U___2e__2e__2f_x"),
            ("ä", "U___e4_"),
            ("", "U__"),
        ] {
            assert_eq!(path_name(name), escaped);
        }
    }

    #[test]
    fn a_list_beyond_its_limit_is_cut_and_says_so() {
        let list = |n: usize| (0..n).map(|i| i.to_string()).collect::<Vec<_>>();
        assert!(!limited(list(3), Some(3)).truncated);
        let cut = limited(list(4), Some(3));
        assert!(cut.truncated);
        assert_eq!(cut.entries.len(), 3);
        assert!(!limited(list(4), None).truncated);
    }

    #[test]
    fn the_byte_of_an_error_is_counted_over_lines() {
        let body = b"{\n\"a\":1,\n!}";
        let error = serde_json::from_slice::<serde_json::Value>(body).unwrap_err();
        assert_eq!(offset_of(body, &error), 9);
    }
}
