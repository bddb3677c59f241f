//! Prometheus's HTTP API over an engine: routes, envelope, status codes.
//!
//! Enters `engine`, `promql`, `scrape` and `series`. Knows nothing of Grafana or the store.
//! Start at [`resources`].

mod forwarded;
mod metrics;
mod passthrough;
mod reply;

use axum::Router;
use axum::routing::{any, get};
use engine::Engine;
use std::sync::Arc;

/// What the handlers share.
#[derive(Clone)]
struct Api {
    engine: Arc<dyn Engine>,
}

/// The paths below a Grafana data source's `resources/`: those of Prometheus's API that its
/// editors ask for, and Headwater's own (query-contract.md, "Resources").
pub fn resources(engine: Arc<dyn Engine>) -> Router {
    Router::new()
        .route("/api/v1/{*path}", any(passthrough::pass))
        .route("/metrics", get(metrics::names))
        .route("/metrics/{name}", get(metrics::one))
        .fallback(reply::not_found)
        .method_not_allowed_fallback(reply::method_not_allowed)
        .with_state(Api { engine })
}
