//! Answers of this room's own, for people: JSON with a message.

use axum::Json;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use engine::Cause;
use serde_json::json;

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
