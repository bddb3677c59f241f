//! Requests to Prometheus's API that pass through as they are.

use super::transport::{Received, Request};
use crate::{
    Context, Error, ForwardedHeader, Method, ResourceRequest, ResourceResponse, Result,
    is_allowed_resource,
};
use futures_util::stream;
use std::time::Instant;

/// The request to the server. Parameters of the URL and of a form body become one form, which the
/// data source's method then carries; a GET stays one.
pub(super) fn request(
    asked: ResourceRequest,
    forwarded: Vec<ForwardedHeader>,
    context: &Context,
) -> Result<Request> {
    if !is_allowed_resource(&asked.path) {
        return Err(Error::Forbidden { path: asked.path });
    }
    let mut parameters = asked.query;
    if !asked.body.is_empty() {
        let body = std::str::from_utf8(&asked.body).map_err(|_| Error::Forbidden {
            path: asked.path.clone(),
        })?;
        if !parameters.is_empty() {
            parameters.push('&');
        }
        parameters.push_str(body);
    }
    // Prometheus answers these to GET alone.
    let get_only = asked.path.ends_with("/values")
        || ["metadata", "rules", "status/buildinfo"]
            .iter()
            .any(|path| asked.path.ends_with(path));
    let accept = |(name, _): &(String, String)| name.eq_ignore_ascii_case("accept");
    Ok(Request {
        path: asked.path,
        parameters,
        method: (get_only || asked.method == Method::Get).then_some(Method::Get),
        headers: asked.headers.into_iter().filter(accept).collect(),
        forwarded,
        priority: context.priority,
    })
}

/// What the server answered, with its body as it comes: until `deadline`, and no more than
/// `max_bytes` of it.
pub(super) fn response(
    received: Received,
    shown: String,
    deadline: Instant,
    max_bytes: u64,
) -> ResourceResponse {
    let status = received.status();
    let headers = received
        .headers()
        .iter()
        .filter(|(name, _)| describes_the_body(name.as_str()))
        .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
        .collect();
    let started = Instant::now();
    let body = stream::try_unfold((received, 0u64), move |(mut received, seen)| {
        let url = shown.clone();
        async move {
            let chunk = tokio::time::timeout_at(deadline.into(), received.chunk()).await;
            let chunk = chunk.map_err(|_| Error::TimedOut {
                url,
                after: started.elapsed(),
            })??;
            let Some(chunk) = chunk else {
                return Ok(None);
            };
            let seen = seen + chunk.len() as u64;
            if seen > max_bytes {
                return Err(Error::Limit {
                    what: "the answer is too long",
                    bound: "maxResponseBytes",
                    limit: max_bytes,
                });
            }
            Ok(Some((chunk, (received, seen))))
        }
    });
    ResourceResponse {
        status,
        headers,
        body: Box::pin(body),
    }
}

/// Not those of the connection or of a session, and none that no longer holds of the
/// decompressed body.
fn describes_the_body(name: &str) -> bool {
    !matches!(
        name,
        "connection"
            | "content-encoding"
            | "content-length"
            | "keep-alive"
            | "proxy-authenticate"
            | "set-cookie"
            | "strict-transport-security"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "www-authenticate"
    ) && !name.starts_with("access-control-")
}
