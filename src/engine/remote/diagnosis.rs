//! What answers at the URL, what is wrong with it, and how to mend it.

use super::lookups;
use super::probe::ServerFacts;
use super::settings::ServerKind;
use super::transport::{Request, Transport};
use crate::{Error, Health, HealthStatus, Method, TransportFailure};
use serde::de::IgnoredAny;
use std::time::Duration;

/// An answer to `1+1` that takes longer is worth a word.
const SLOW: Duration = Duration::from_secs(2);

/// Clocks further apart shift what "now" means on a panel.
const MAX_SKEW_MS: i64 = 30_000;

impl ServerKind {
    /// Its name for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Prometheus => "Prometheus",
            Self::Mimir => "Mimir",
            Self::Thanos => "Thanos",
            Self::VictoriaMetrics => "VictoriaMetrics",
            Self::Cortex => "Cortex",
            Self::Headwater => "Headwater",
        }
    }
}

/// The diagnosis after `1+1` was answered.
pub(super) fn of_success(
    transport: &Transport,
    facts: Option<&ServerFacts>,
    took: Duration,
    skew_ms: Option<i64>,
) -> Health {
    let kind = facts.and_then(|facts| facts.kind);
    let version = facts.and_then(|facts| facts.version.clone());
    let name = kind.map_or("A Prometheus-compatible server", ServerKind::name);
    let mut message = match &version {
        Some(version) => format!("{name} {version} answers queries at {}.", transport.shown()),
        None => format!("{name} answers queries at {}.", transport.shown()),
    };
    let mut advice = None;
    let mut details = vec![("server", name.to_owned())];
    details.extend(version.map(|version| ("version", version)));
    details.push(("url", transport.shown().to_owned()));
    details.push(("answeredInMs", took.as_millis().to_string()));
    if let Some(skew) = skew_ms {
        details.push(("clockSkewMs", skew.to_string()));
        if skew.abs() > MAX_SKEW_MS {
            let (seconds, side) = (
                skew.abs() / 1_000,
                if skew > 0 { "ahead of" } else { "behind" },
            );
            message.push_str(&format!(" Its clock is {seconds} s {side} Grafana's."));
            advice = Some(
                "Panels that end at \"now\" will miss the newest samples or show a gap. \
                 Synchronize both clocks, for example with NTP."
                    .to_owned(),
            );
        }
    }
    if took > SLOW {
        message.push_str(&format!(
            " The answer to 1+1 took {:.1} s.",
            took.as_secs_f64()
        ));
        advice.get_or_insert_with(|| {
            "The server or the way to it is slow; dashboards will be too. Look at the server's \
             load and at proxies in between."
                .to_owned()
        });
    }
    Health {
        status: HealthStatus::Ok,
        message,
        advice,
        details,
    }
}

/// The diagnosis after `1+1` failed.
pub(super) async fn of_failure(transport: &Transport, error: &Error, request: &Request) -> Health {
    let (mut hint, mut page) = (None, None);
    // Some apps answer any path they do not know with their first page.
    if matches!(
        error,
        Error::UnexpectedStatus { status: 404, .. } | Error::Html { .. }
    ) {
        hint = hint_for_missing(transport, request).await;
        if hint.is_none() {
            page = metrics_page(transport, request).await;
        }
    }
    let error = page.as_ref().unwrap_or(error);
    let advice = hint.or_else(|| advice(error));
    let mut details = vec![("url", transport.shown().to_owned())];
    if let Some(status) = error.status() {
        details.push(("status", status.to_string()));
    }
    let message = match error {
        Error::UnexpectedStatus { status, body } => {
            let body: String = body.chars().take(200).collect();
            format!("{} answers with status {status}: {body}", transport.shown())
        }
        error => error.to_string(),
    };
    Health {
        status: HealthStatus::Error,
        message,
        advice,
        details,
    }
}

fn advice(error: &Error) -> Option<String> {
    let text = match error {
        Error::Transport { failure, .. } => match failure {
            TransportFailure::Dns => {
                "Check the host's name, and that Grafana's host (or container) can resolve it."
            }
            TransportFailure::Refused => {
                "Is the server running, and is this its port? Inside a container, localhost is \
                 the container itself: use the server's service name."
            }
            TransportFailure::Tls => {
                "Does the server speak https at this port? If its certificate is from an \
                 authority of your own, give the authority's certificate (tlsCACert); if it bears \
                 another name, give that name (serverName)."
            }
            TransportFailure::Connect => {
                "Can Grafana's host reach the server? Look at firewalls, network policies and the \
                 proxy setting."
            }
            TransportFailure::Broken => {
                "The connection broke before the answer was complete. Look at the server's log \
                 and at time limits of proxies in between."
            }
        },
        Error::TimedOut { .. } => {
            "The server accepted the connection but did not answer. Is it overloaded or still \
             starting, or is this another service's port?"
        }
        Error::UnexpectedStatus { status, .. } | Error::Api { status, .. } => match status {
            401 => {
                "The server wants to know who asks. Set basic authentication, an API key, or \
                 forward the user's OAuth identity."
            }
            403 => {
                "The server knows who asks and refuses. Check what these credentials may do, and \
                 the tenant header (X-Scope-OrgID) where the server has tenants."
            }
            429 => {
                "The server limits how much is asked. Lower maxConcurrentQueries, or raise its limit."
            }
            500..=599 => "The server or a proxy before it has a fault. Look at its log.",
            404 => {
                "There is no Prometheus API at this path. If the server is reached under a prefix \
                 (such as /prometheus), add it to the URL."
            }
            _ => return None,
        },
        Error::ExporterPage { .. } => {
            "Switch the data source to the embedded engine: Headwater then scrapes and stores \
             this page itself. Or enter the URL of the Prometheus server that scrapes it."
        }
        Error::Html { .. } => {
            "Enter the address of the API and not of its web page; where a login stands in \
             between, set credentials."
        }
        Error::Redirect { .. } => "Enter the URL to which the server redirects, if it is right.",
        Error::Malformed { .. } => {
            "Something answers at this URL, but not as a Prometheus API does. Check host, port \
             and path."
        }
        _ => return None,
    };
    Some(text.to_owned())
}

/// A path is wrong: where the API is found nearby, says so.
async fn hint_for_missing(transport: &Transport, request: &Request) -> Option<String> {
    let shown = transport.shown();
    for suffix in ["/api/v1/query", "/api/v1", "/graph", METRICS] {
        // A page of metrics is an app's as often as a server's own.
        if let Some(base) = shown.strip_suffix(suffix)
            && (suffix != METRICS || api_answers(transport, request, "..").await)
        {
            return Some(format!("Leave {suffix} out of the URL: enter {base}."));
        }
    }
    for prefix in ["prometheus", "api/prom", "select/0/prometheus"] {
        if api_answers(transport, request, prefix).await {
            return Some(format!(
                "The API answers under a prefix: enter {shown}/{prefix}."
            ));
        }
    }
    None
}

const METRICS: &str = "/metrics";

/// What is wrong where the URL is that of an app's metrics page, or of the app itself.
async fn metrics_page(transport: &Transport, request: &Request) -> Option<Error> {
    let path = if transport.shown().ends_with(METRICS) {
        ""
    } else {
        "metrics"
    };
    let found = ask_at(transport, request, path.to_owned()).await;
    found
        .err()
        .filter(|error| matches!(error, Error::ExporterPage { .. }))
}

async fn api_answers(transport: &Transport, request: &Request, prefix: &str) -> bool {
    let found = ask_at(transport, request, format!("{prefix}/api/v1/query")).await;
    matches!(found, Ok(_) | Err(Error::Api { .. }))
}

async fn ask_at(
    transport: &Transport,
    request: &Request,
    path: String,
) -> crate::Result<IgnoredAny> {
    let probe = Request {
        path,
        method: Some(Method::Get),
        ..request.clone()
    };
    lookups::ask(transport, &probe).await
}
