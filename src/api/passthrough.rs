//! Paths of Prometheus's API that an engine answers itself, byte by byte.

use crate::reply::Refusal;
use crate::{Api, forwarded};
use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::response::Response;
use engine::ResourceRequest;

/// Longest body of a request; a form with a long query is some hundred KiB.
const MAX_BODY_BYTES: usize = 16 << 20;

/// Passes a request on and its answer back: status, headers and body as they come.
pub(crate) async fn pass(
    State(api): State<Api>,
    Path(path): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let path = format!("api/v1/{path}");
    if !engine::is_allowed_resource(&path) {
        return Err(Refusal {
            status: StatusCode::NOT_FOUND,
            message: format!("{path:?} is not part of the Prometheus API that is passed on"),
        });
    }
    let method = match *request.method() {
        Method::GET => engine::Method::Get,
        Method::POST => engine::Method::Post,
        _ => {
            return Err(crate::reply::method_not_allowed(
                request.method().clone(),
                request.uri().clone(),
            )
            .await);
        }
    };
    let context = forwarded::context(request.headers());
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_BODY_BYTES).await.map_err(|_| Refusal {
        status: StatusCode::PAYLOAD_TOO_LARGE,
        message: format!(
            "the request's body is longer than {} MiB",
            MAX_BODY_BYTES >> 20
        ),
    })?;
    let request = ResourceRequest {
        method,
        path,
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: forwarded::describing(&parts.headers),
        body,
    };
    let answer = api.engine.resource(request, &context).await?;
    let mut response = Response::new(Body::from_stream(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
    for (name, value) in answer.headers {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(&value)) {
            response.headers_mut().append(name, value);
        }
    }
    Ok(response)
}
