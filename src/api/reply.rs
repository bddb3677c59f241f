//! Answers of this room's own, for people: JSON with a message.

use axum::Json;
use axum::http::{HeaderName, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use engine::Cause;
use serde::Serialize;
use serde_json::json;
use series::Limited;

/// A refusal with a text for a person.
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) message: String,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(json!({ "message": self.message }))).into_response()
    }
}

impl From<engine::Error> for Refusal {
    fn from(error: engine::Error) -> Self {
        let by_cause = match error.cause() {
            Cause::Invalid => StatusCode::BAD_REQUEST,
            Cause::Limit => StatusCode::UNPROCESSABLE_ENTITY,
            Cause::Unavailable => StatusCode::BAD_GATEWAY,
            Cause::Timeout => StatusCode::GATEWAY_TIMEOUT,
            Cause::Corrupt | Cause::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let status = error
            .status()
            .and_then(|status| StatusCode::from_u16(status).ok());
        Self {
            status: status.unwrap_or(by_cause),
            message: error.to_string(),
        }
    }
}

/// Says of a list, whose form has no place for it, that it was cut.
const TRUNCATED: HeaderName = HeaderName::from_static("x-headwater-truncated");

/// A list; where it was cut at a limit (of a remote server: `seriesLimit`), the answer's header
/// `X-Headwater-Truncated` says after how many entries.
pub(crate) fn list<T: Serialize>(found: Limited<Vec<T>>) -> Response {
    let length = found.truncated.then_some(found.entries.len());
    let mut response = Json(found.entries).into_response();
    if let Some(length) = length {
        response.headers_mut().insert(TRUNCATED, length.into());
    }
    response
}

pub(crate) async fn not_found(uri: Uri) -> Refusal {
    Refusal {
        status: StatusCode::NOT_FOUND,
        message: format!(
            "nothing is served at {}: there are api/v1/… of Prometheus's API, metrics and \
             metrics/<name>",
            uri.path()
        ),
    }
}

pub(crate) async fn method_not_allowed(method: Method, uri: Uri) -> Refusal {
    Refusal {
        status: StatusCode::METHOD_NOT_ALLOWED,
        message: format!("{} does not take {method}", uri.path()),
    }
}
