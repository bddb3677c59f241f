//! `GET metric-search?text=…&limit=…`: the metrics that a person means by a few letters, best
//! first, each with its type, help and unit.
//!
//! An editor asks this at every key, of any number of names: they are kept (`kept.rs`) as
//! a search needs them (`names.rs`).

mod kept;
mod names;
#[cfg(test)]
mod plain;
#[cfg(test)]
mod tests;

pub(crate) use kept::KeptNames;
pub use names::Names;

use crate::error::{Error, Result};
use crate::parameters::Parameters;
use crate::{Api, forwarded};
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::Serialize;

/// Metrics in an answer where the question names no number.
const DEFAULT_LIMIT: usize = 100;
/// Most metrics in an answer: a list that a person scrolls through is shorter.
const MAX_LIMIT: usize = 10_000;

/// What a search found.
#[derive(Debug, Serialize, PartialEq)]
pub struct Found {
    /// How many metrics fit, of which `metrics` holds the best.
    pub found: usize,
    /// How many names there are at all.
    names: usize,
    /// Whether there are more names than were searched.
    truncated: bool,
    metrics: Vec<FoundMetric>,
}

impl Found {
    /// The names of the best, in their order.
    pub fn best(&self) -> impl Iterator<Item = &str> {
        self.metrics.iter().map(|metric| metric.name.as_str())
    }
}

#[derive(Debug, Serialize, PartialEq)]
struct FoundMetric {
    name: String,
    r#type: &'static str,
    description: String,
    unit: String,
}

/// How well a name fits, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    /// The name is what was typed.
    Whole,
    /// It starts with it.
    Start,
    /// Each word that was typed starts a word of the name.
    Words,
    /// Each word stands somewhere in the name.
    Inside,
    /// Each word stands in the name or in its help.
    Help,
    /// Its letters stand in the name in this order, others between them.
    Letters,
}

/// `GET metric-search`.
pub(crate) async fn answer(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Json<Found>> {
    let limit = match parameters.limit()? {
        None => DEFAULT_LIMIT,
        Some(limit) => limit.min(MAX_LIMIT),
    };
    let text = parameters.first("text").to_owned();
    let context = forwarded::context(&headers);
    let clock = api.host.clock.as_ref();
    let names = kept::names(&api.engine, &api.kept_names, clock, context).await?;
    // Some hundred thousand names take milliseconds, in which no other answer should wait.
    tokio::task::spawn_blocking(move || names.search(&text, limit))
        .await
        .map(Json)
        .map_err(|_| Error::Internal("searching the metrics' names failed"))
}
