//! Prometheus's HTTP API over an engine: routes, envelope, status codes, remote-write receive,
//! the state of targets, and Headwater's own look-ups for editors.
//!
//! Enters `engine`, `promql`, `scrape` and `series`. Knows nothing of Grafana or the store.
//! Start at [`resources`], which stands behind a Grafana data source, [`drafts`], which its
//! settings' editor asks, and [`server`], which is served over HTTP.

mod drafts;
mod error;
mod evaluate;
mod forwarded;
mod json;
mod lookups;
mod meant_for;
mod own;
mod page;
mod parameters;
mod parts;
mod passthrough;
mod reply;
mod serving;
mod tree;
mod write;

pub use drafts::{StoredSettings, drafts};
pub use json::{push_labels, push_text};
#[doc(hidden)]
pub use own::metric_search::Names;
pub use page::{Page, PageFile};
pub use parts::{
    AllowedHosts, BuildInfo, Clock, Count, Host, ServerParts, Targets, TsdbStatistics, WriteLimits,
};
#[doc(hidden)]
pub use write::Reader as RemoteWriteReader;

use axum::Router;
use axum::routing::{any, get, post};
use engine::Engine;
use own::metric_search::KeptNames;
use std::sync::Arc;

/// What the handlers share.
#[derive(Clone)]
struct Api {
    engine: Arc<dyn Engine>,
    host: Arc<Host>,
    kept_names: Arc<KeptNames>,
}

/// The paths below a Grafana data source's `resources/`: those of Prometheus's API that its
/// editors ask for, and Headwater's own (query-contract.md, "Resources").
///
/// Requests to Prometheus's API pass through where the engine has a server behind it, and are
/// answered from the engine's own methods where it has none.
pub fn resources(engine: Arc<dyn Engine>, host: Host) -> Router {
    let prometheus = if engine.passes_through() {
        Router::new().route("/api/v1/{*path}", any(passthrough::pass))
    } else {
        prometheus()
    };
    let api = Api {
        engine,
        host: Arc::new(host),
        kept_names: Arc::default(),
    };
    prometheus
        .merge(own())
        .route("/metrics", get(own::metrics::names))
        .fallback(reply::not_found)
        .method_not_allowed_fallback(reply::method_not_allowed)
        .with_state(api)
}

/// Everything that is served over HTTP without Grafana: Prometheus's API, remote write, the
/// state of targets, the server's own metrics, and the page.
///
/// `/metrics` are the server's own metrics here, as in Prometheus; the list of metric names,
/// which Grafana asks for under that path, stands at `/api/v1/label/__name__/values`.
pub fn server(engine: Arc<dyn Engine>, parts: ServerParts) -> Router {
    let api = Api {
        engine,
        host: Arc::new(parts.host.clone()),
        kept_names: Arc::default(),
    };
    let routes = prometheus()
        .merge(own())
        .route("/metrics", get(serving::metrics));
    serving::add(routes, parts).with_state(api)
}

/// The paths of Prometheus's API that an engine alone can answer.
fn prometheus() -> Router<Api> {
    Router::new()
        .route(
            "/api/v1/query",
            get(evaluate::instant).post(evaluate::instant),
        )
        .route(
            "/api/v1/query_range",
            get(evaluate::range).post(evaluate::range),
        )
        .route(
            "/api/v1/query_exemplars",
            get(evaluate::exemplars).post(evaluate::exemplars),
        )
        .route(
            "/api/v1/format_query",
            get(evaluate::format).post(evaluate::format),
        )
        .route("/api/v1/parse_query", get(tree::parse).post(tree::parse))
        .route("/api/v1/labels", get(lookups::names).post(lookups::names))
        .route("/api/v1/label/{name}/values", get(lookups::values))
        .route("/api/v1/series", get(lookups::series).post(lookups::series))
        .route("/api/v1/metadata", get(lookups::metadata))
        .route("/api/v1/rules", get(lookups::rules))
        .route("/api/v1/alerts", get(lookups::alerts))
        .route("/api/v1/status/buildinfo", get(lookups::build))
}

/// Headwater's own paths.
fn own() -> Router<Api> {
    Router::new()
        .route("/metrics/{name}", get(own::metrics::one))
        .route("/metric-search", get(own::metric_search::answer))
        .route("/validate", post(own::validate::answer))
        .route("/variable-query", post(own::variables::answer))
        .route("/suggestions", post(own::suggestions::answer))
}
