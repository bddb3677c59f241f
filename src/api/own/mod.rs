//! Headwater's own look-ups, which its editors in Grafana and its page ask for.

pub(crate) mod metric_search;
pub(crate) mod metrics;
mod selectors;
pub(crate) mod suggestions;
mod templates;
pub(crate) mod validate;
pub(crate) mod variables;

use crate::error::Error;
use crate::parameters::parse_time;
use axum::body::to_bytes;
use axum::extract::{FromRequest, Request};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Longest question of an editor.
const MAX_QUESTION_BYTES: usize = 4 << 20;

/// A question in JSON, whatever its Content-Type says.
pub(crate) struct Question<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Question<T> {
    type Rejection = Error;

    async fn from_request(request: Request, _: &S) -> Result<Self, Error> {
        let body = to_bytes(request.into_body(), MAX_QUESTION_BYTES)
            .await
            .map_err(|_| Error::TooLong {
                limit: MAX_QUESTION_BYTES,
            })?;
        serde_json::from_slice(&body).map(Self).map_err(|error| {
            Error::Request(format!("the request's body is not understood: {error}"))
        })
    }
}

/// A time as Prometheus's API takes it, as text or as a number; empty and null mean none.
fn time_of(name: &'static str, value: &Value) -> Result<Option<i64>, Error> {
    let text = match value {
        Value::Null => return Ok(None),
        Value::String(text) if text.is_empty() => return Ok(None),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    parse_time(&text)
        .map(Some)
        .map_err(|reason| Error::parameter(name, reason))
}
