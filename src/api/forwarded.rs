//! Headers of a request that an engine may need.

use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, COOKIE};
use engine::{Context, ForwardedHeader};
use series::Secret;

/// Who asks, for the engine: which of these a server is given is the engine's settings' choice.
pub(crate) fn context(headers: &HeaderMap) -> Context {
    let forwarded = [AUTHORIZATION.as_str(), "x-id-token", COOKIE.as_str()]
        .into_iter()
        .filter_map(|name| {
            let value = headers.get(name)?.to_str().ok()?;
            Some(ForwardedHeader {
                name: name.to_owned(),
                value: Secret::new(value.to_owned()),
            })
        })
        .collect();
    Context {
        forwarded,
        ..Context::default()
    }
}

/// The headers that mean something to Prometheus's API.
pub(crate) fn describing(headers: &HeaderMap) -> Vec<(String, String)> {
    [CONTENT_TYPE, ACCEPT]
        .into_iter()
        .filter_map(|name| {
            let value = headers.get(&name)?.to_str().ok()?;
            Some((name.to_string(), value.to_owned()))
        })
        .collect()
}
