//! What only a server without Grafana serves: targets, remote write, its own metrics, the page.

use crate::error::{Error, Result, success};
use crate::parameters::Parameters;
use crate::parts::{Count, ServerParts, TsdbStatistics};
use crate::{Api, meant_for, reply, write};
use axum::Router;
use axum::extract::{Extension, Request};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use jiff::Timestamp;
use serde::Serialize;
use series::{Labels, Secret, format_duration};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Prometheus's format of its own metrics.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";
/// What Prometheus writes where there was no scrape yet.
const NEVER: &str = "0001-01-01T00:00:00Z";
const DEFAULT_STATISTICS: usize = 10;
const MAX_STATISTICS: usize = 10_000;

/// No answer is taken for what its type does not say, nor into a page of another server.
const KEPT_APART: [(HeaderName, &str); 2] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

/// Adds the routes of a server, and the guards before them.
pub(crate) fn add(routes: Router<Api>, parts: ServerParts) -> Router<Api> {
    let token = parts.bearer_token.clone();
    let hosts = parts.allowed_hosts.clone();
    let page = parts.page.clone().unwrap_or_default();
    let routes = routes
        .route("/api/v1/targets", get(targets))
        .route("/api/v1/status/tsdb", get(statistics))
        .route("/api/v1/write", post(write::receive));
    let parts = Arc::new(parts);
    let ready = Arc::clone(&parts.ready);
    let guarded = routes
        .fallback(reply::not_found)
        .method_not_allowed_fallback(reply::method_not_allowed)
        .layer(Extension(write::Intake::new(parts.write_limits)))
        .layer(Extension(parts));
    let guarded = match token {
        None => guarded,
        Some(token) => guarded.layer(from_fn(move |request: Request, next: Next| {
            let allowed = carries(&request, &token);
            async move {
                if allowed {
                    next.run(request).await
                } else {
                    unauthorized()
                }
            }
        })),
    };
    // These hold no secret, and whoever asks them has no token yet.
    let open = guarded
        .merge(page.routes())
        .route("/-/healthy", get(|| async { "Headwater is Healthy.\n" }))
        .route(
            "/-/ready",
            get(move || {
                let is_ready = ready();
                async move {
                    if is_ready {
                        (StatusCode::OK, "Headwater is Ready.\n")
                    } else {
                        (StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable\n")
                    }
                }
            }),
        );
    let open = match hosts {
        None => open,
        Some(hosts) => open.layer(from_fn(move |request: Request, next: Next| {
            let checked = meant_for::check(request.uri(), request.headers(), &hosts);
            async move {
                match checked {
                    Ok(()) => next.run(request).await,
                    Err(refusal) => refusal.into_response(),
                }
            }
        })),
    };
    open.layer(from_fn(|request: Request, next: Next| async move {
        let mut response = next.run(request).await;
        let headers = response.headers_mut();
        for (name, value) in KEPT_APART {
            headers.insert(name, HeaderValue::from_static(value));
        }
        response
    }))
}

/// The server's own metrics.
pub(crate) async fn metrics(Extension(parts): Extension<Arc<ServerParts>>) -> Result<Response> {
    let gather = Arc::clone(&parts.metrics);
    let text = tokio::task::spawn_blocking(move || gather())
        .await
        .map_err(|_| Error::Internal("gathering metrics failed"))?;
    Ok(([(header::CONTENT_TYPE, TEXT_FORMAT)], text).into_response())
}

fn carries(request: &Request, token: &Secret) -> bool {
    let given = request
        .headers()
        .get(header::AUTHORIZATION)
        .map(HeaderValue::as_bytes)
        .and_then(|value| value.split_at_checked(7))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"Bearer "))
        .map(|(_, given)| given);
    given.is_some_and(|given| equal(given, token.reveal().as_bytes()))
}

/// Compares without telling by its time how many bytes are right.
fn equal(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |all, (a, b)| all | (a ^ b)) == 0
}

fn unauthorized() -> Response {
    let refusal = reply::Refusal {
        status: StatusCode::UNAUTHORIZED,
        message: "this server asks for a token: Authorization: Bearer …".to_owned(),
    };
    let mut response = refusal.into_response();
    response
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TargetsShown {
    active_targets: Vec<ActiveTarget>,
    dropped_targets: Vec<Dropped>,
    dropped_target_counts: BTreeMap<String, u64>,
    problems: Vec<Problem>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ActiveTarget {
    discovered_labels: BTreeMap<String, String>,
    labels: BTreeMap<String, String>,
    scrape_pool: String,
    scrape_url: String,
    global_url: String,
    last_error: String,
    last_scrape: String,
    last_scrape_duration: f64,
    health: &'static str,
    scrape_interval: String,
    scrape_timeout: String,
    // What follows is Headwater's own.
    samples: u64,
    series: u64,
    store_error: String,
    warnings: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Dropped {
    discovered_labels: BTreeMap<String, String>,
    scrape_pool: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Problem {
    scrape_pool: String,
    error: String,
}

/// `targets`: with `state` active, dropped or any, and `scrapePool`.
async fn targets(
    Extension(parts): Extension<Arc<ServerParts>>,
    parameters: Parameters,
) -> Result<Response> {
    let status = parts.targets.status();
    let state = parameters.first("state").to_ascii_lowercase();
    let shows = |wanted: &str| matches!(state.as_str(), "" | "any") || state == wanted;
    let pool = parameters.first("scrapePool");
    let in_pool = |job: &str| pool.is_empty() || pool == job;
    let mut shown = TargetsShown {
        active_targets: Vec::new(),
        dropped_targets: Vec::new(),
        dropped_target_counts: BTreeMap::new(),
        problems: Vec::new(),
    };
    if shows("active") {
        let targets = status.targets.into_iter();
        shown.active_targets = targets
            .filter(|target| in_pool(&target.job))
            .map(active)
            .collect();
    }
    if shows("dropped") {
        for target in status.dropped {
            *shown
                .dropped_target_counts
                .entry(target.job.clone())
                .or_default() += 1;
            if in_pool(&target.job) {
                shown.dropped_targets.push(Dropped {
                    discovered_labels: as_map(&target.discovered),
                    scrape_pool: target.job,
                });
            }
        }
    }
    let problems = status.problems.into_iter();
    shown.problems = problems
        .filter(|problem| in_pool(&problem.job))
        .map(|problem| Problem {
            scrape_pool: problem.job,
            error: problem.error.to_string(),
        })
        .collect();
    success(&shown, &[])
}

fn active(target: scrape::TargetState) -> ActiveTarget {
    let text = |error: Option<scrape::Error>| error.map(|e| e.to_string()).unwrap_or_default();
    ActiveTarget {
        discovered_labels: as_map(&target.discovered),
        labels: as_map(&target.labels),
        scrape_pool: target.job,
        global_url: target.url.clone(),
        scrape_url: target.url,
        last_error: text(target.error),
        last_scrape: target
            .last_scrape
            .and_then(|ms| Timestamp::from_millisecond(ms).ok())
            .map_or_else(|| NEVER.to_owned(), |time| time.to_string()),
        last_scrape_duration: target.last_duration.as_secs_f64(),
        health: target.health.as_str(),
        scrape_interval: shown_duration(target.interval),
        scrape_timeout: shown_duration(target.timeout),
        samples: target.samples,
        series: target.series,
        store_error: text(target.store_error),
        warnings: target.warnings,
    }
}

fn shown_duration(duration: Duration) -> String {
    format_duration(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX))
}

fn as_map(labels: &Labels) -> BTreeMap<String, String> {
    let pairs = labels.iter();
    pairs.map(|(n, v)| (n.to_owned(), v.to_owned())).collect()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StatisticsShown {
    head_stats: HeadShown,
    series_count_by_metric_name: Vec<CountShown>,
    label_value_count_by_label_name: Vec<CountShown>,
    memory_in_bytes_by_label_name: Vec<CountShown>,
    series_count_by_label_value_pair: Vec<CountShown>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HeadShown {
    num_series: u64,
    num_label_pairs: u64,
    chunk_count: u64,
    min_time: i64,
    max_time: i64,
}

#[derive(Serialize)]
struct CountShown {
    name: String,
    value: u64,
}

impl From<TsdbStatistics> for StatisticsShown {
    fn from(found: TsdbStatistics) -> Self {
        let shown = |list: Vec<Count>| {
            let counts = list.into_iter();
            counts
                .map(|Count { name, value }| CountShown { name, value })
                .collect()
        };
        Self {
            head_stats: HeadShown {
                num_series: found.series,
                num_label_pairs: found.label_pairs,
                chunk_count: found.chunks,
                // What Prometheus writes for an empty head.
                min_time: found.min_time.unwrap_or(i64::MAX),
                max_time: found.max_time.unwrap_or(i64::MIN),
            },
            series_count_by_metric_name: shown(found.series_by_metric),
            label_value_count_by_label_name: shown(found.values_by_label),
            memory_in_bytes_by_label_name: shown(found.bytes_by_label),
            series_count_by_label_value_pair: shown(found.series_by_pair),
        }
    }
}

/// `status/tsdb`.
async fn statistics(
    Extension(parts): Extension<Arc<ServerParts>>,
    parameters: Parameters,
) -> Result<Response> {
    let limit = match parameters.first("limit") {
        "" => DEFAULT_STATISTICS,
        text => match text.parse::<usize>() {
            Ok(limit @ 1..=MAX_STATISTICS) => limit,
            Ok(1..) => {
                let reason = format!("limit must not exceed {MAX_STATISTICS}");
                return Err(Error::Request(reason));
            }
            _ => {
                let reason = "limit must be a positive number".to_owned();
                return Err(Error::Request(reason));
            }
        },
    };
    let count = Arc::clone(&parts.statistics);
    let found = tokio::task::spawn_blocking(move || count(limit))
        .await
        .map_err(|_| Error::Internal("counting failed"))?;
    success(&StatisticsShown::from(found), &[])
}
