//! Why a request to Prometheus's API gets no answer, and how the API words it.

use crate::json;
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use engine::Cause;
use serde::Serialize;

/// A result whose error is this room's.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a request to Prometheus's API gets no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A parameter cannot be used.
    #[error("invalid parameter {name:?}: {reason}")]
    Parameter {
        /// Its name, as the request spells it.
        name: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The request as a whole cannot be used.
    #[error("{0}")]
    Request(String),
    /// The request's body is longer than allowed.
    #[error("the request's body is longer than {} MiB", .limit >> 20)]
    TooLong {
        /// Bytes.
        limit: usize,
    },
    /// The parameter `timeout`, or the deadline of the caller, passed first.
    #[error("query timed out in expression evaluation")]
    TimedOut,
    /// The engine has no answer.
    #[error(transparent)]
    Engine(#[from] engine::Error),
    /// A mistake of ours.
    #[error("internal error: {0}")]
    Internal(&'static str),
}

impl Error {
    pub(crate) fn parameter(name: &'static str, reason: impl ToString) -> Self {
        Self::Parameter {
            name,
            reason: reason.to_string(),
        }
    }

    /// The status and `errorType` of Prometheus's HTTP API ("Format overview"): 400 for what was
    /// asked wrongly, 422 for what cannot be evaluated, 503 for what took too long.
    fn kind(&self) -> (StatusCode, &str) {
        match self {
            Self::Parameter { .. } | Self::Request(_) => (StatusCode::BAD_REQUEST, "bad_data"),
            Self::TooLong { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "bad_data"),
            Self::TimedOut => (StatusCode::SERVICE_UNAVAILABLE, "timeout"),
            Self::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
            Self::Engine(error) => engine_kind(error),
        }
    }
}

fn engine_kind(error: &engine::Error) -> (StatusCode, &str) {
    if let engine::Error::Api { status, kind, .. } = error {
        let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::BAD_GATEWAY);
        return (status, kind);
    }
    let given = error
        .status()
        .and_then(|status| StatusCode::from_u16(status).ok());
    match error.cause() {
        Cause::Invalid if given == Some(StatusCode::BAD_REQUEST) => {
            (StatusCode::BAD_REQUEST, "bad_data")
        }
        Cause::Invalid | Cause::Limit => (StatusCode::UNPROCESSABLE_ENTITY, "execution"),
        Cause::Timeout => {
            let cancelled = matches!(
                error,
                engine::Error::Cancelled | engine::Error::Source(series::Error::Cancelled)
            );
            let kind = if cancelled { "canceled" } else { "timeout" };
            (StatusCode::SERVICE_UNAVAILABLE, kind)
        }
        Cause::Unavailable => (
            given.unwrap_or(StatusCode::SERVICE_UNAVAILABLE),
            "unavailable",
        ),
        Cause::Corrupt | Cause::Internal => (
            given.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            "internal",
        ),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    status: &'static str,
    error_type: &'a str,
    error: String,
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (status, error_type) = self.kind();
        // A remote server's own text stands without its type, which has a place of its own.
        let error = match &self {
            Self::Engine(engine::Error::Api { message, .. }) => message.clone(),
            error => error.to_string(),
        };
        let envelope = Envelope {
            status: "error",
            error_type,
            error,
        };
        (status, Json(envelope)).into_response()
    }
}

/// A successful answer with small `data`, which is put together in one piece.
pub(crate) fn success(data: &impl Serialize, warnings: &[String]) -> Result<Response> {
    let mut body = br#"{"status":"success","data":"#.to_vec();
    serde_json::to_writer(&mut body, data).map_err(|_| Error::Internal("data without JSON"))?;
    json::push_notices(&mut body, warnings, &[]);
    body.push(b'}');
    let mut response = Response::new(body.into());
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    Ok(response)
}
