//! What the server is, found out quietly and again from time to time.

use super::lookups;
use super::settings::ServerKind;
use super::transport::{Request, Transport};
use crate::{Error, Result};
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::AbortHandle;

/// Where servers tell of their build.
pub(super) const PATH: &str = "api/v1/status/buildinfo";

/// A server may be exchanged behind its URL, and is then known again.
const REFRESH_AFTER: Duration = Duration::from_secs(15 * 60);

/// How soon a server that did not answer is asked again.
const RETRY_AFTER: Duration = Duration::from_secs(60);

/// How long the answer may take: nobody waits for it.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What a server says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServerFacts {
    /// Which dialect it speaks, where that is clear.
    pub kind: Option<ServerKind>,
    /// Its version, where it tells.
    pub version: Option<String>,
}

/// Knows what the server last said. Dropping it ends the asking.
#[derive(Default)]
pub(super) struct Probe {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    facts: Option<ServerFacts>,
    /// When to ask again; `None` for at once.
    next: Option<Instant>,
    asking: Option<AbortHandle>,
}

impl Probe {
    /// What the server last said.
    pub(super) fn facts(&self) -> Option<ServerFacts> {
        lock(&self.state).facts.clone()
    }

    /// Asks in the background when it is time; `request` makes the request then.
    pub(super) fn look(&self, request: impl FnOnce() -> (Arc<Transport>, Request)) {
        let mut state = lock(&self.state);
        let now = Instant::now();
        if state.next.is_some_and(|next| next > now) {
            return;
        }
        // Until then nobody else asks, whatever becomes of this one.
        state.next = Some(now + RETRY_AFTER);
        let (transport, request) = request();
        let known = Arc::clone(&self.state);
        let asking = tokio::spawn(async move {
            let asked = ask(&transport, &request, &known);
            // A server that does not tell is asked again later; queries say what is wrong.
            let _result = tokio::time::timeout(TIMEOUT, asked).await;
        });
        state.asking = Some(asking.abort_handle());
    }

    /// Asks now.
    pub(super) async fn ask(&self, transport: &Transport, request: &Request) -> Result<()> {
        ask(transport, request, &self.state).await
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        if let Some(asking) = lock(&self.state).asking.take() {
            asking.abort();
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn ask(transport: &Transport, request: &Request, state: &Mutex<State>) -> Result<()> {
    let found = match lookups::ask_and_look(transport, request).await {
        Ok((build, is_victoria)) => facts(&build, is_victoria),
        // It answers, but has nothing to say of itself: an old Cortex, a proxy of queries alone.
        Err(Error::UnexpectedStatus { status: 404, .. }) => ServerFacts::default(),
        Err(error) => return Err(error),
    };
    let mut state = lock(state);
    state.facts = Some(found);
    state.next = Some(Instant::now() + REFRESH_AFTER);
    Ok(())
}

#[derive(Deserialize, Default)]
struct BuildInfo {
    #[serde(default)]
    application: String,
    #[serde(default)]
    version: String,
    features: Option<IgnoredAny>,
}

/// Tells the dialects apart by what `status/buildinfo` says, and by whether it came with
/// VictoriaMetrics's header.
fn facts(build: &BuildInfo, is_victoria: bool) -> ServerFacts {
    let application = build.application.to_ascii_lowercase();
    if is_victoria {
        // The version it gives is that of the Prometheus whose API it speaks.
        return ServerFacts {
            kind: Some(ServerKind::VictoriaMetrics),
            version: None,
        };
    }
    let kind = if application.contains("mimir") {
        Some(ServerKind::Mimir)
    } else if application.contains("cortex") {
        Some(ServerKind::Cortex)
    } else if application.contains("thanos") {
        Some(ServerKind::Thanos)
    } else if application.contains("victoria") {
        Some(ServerKind::VictoriaMetrics)
    } else if application.contains("headwater") {
        Some(ServerKind::Headwater)
    } else if build.features.is_some() {
        // Mimir alone lists its features.
        Some(ServerKind::Mimir)
    } else if build.version.starts_with("1.") {
        // Prometheus tells of its build since 2.14; Cortex is at 1.x.
        Some(ServerKind::Cortex)
    } else if build.version.starts_with("0.") {
        // Prometheus left 0.x behind in 2016; Thanos is still there.
        Some(ServerKind::Thanos)
    } else if build.version.is_empty() {
        None
    } else {
        Some(ServerKind::Prometheus)
    };
    ServerFacts {
        kind,
        version: (!build.version.is_empty()).then(|| build.version.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dialects_are_told_apart_by_their_build() {
        for (json, kind, version) in [
            (
                r#"{"version":"2.42.0","goVersion":"go1.19"}"#,
                Some(ServerKind::Prometheus),
                Some("2.42.0"),
            ),
            (
                r#"{"application":"Grafana Mimir","version":"2.10","features":{}}"#,
                Some(ServerKind::Mimir),
                Some("2.10"),
            ),
            (
                r#"{"version":"","features":{"ruler_config_api":"true"}}"#,
                Some(ServerKind::Mimir),
                None,
            ),
            (
                r#"{"application":"Cortex","version":"1.16"}"#,
                Some(ServerKind::Cortex),
                Some("1.16"),
            ),
            (
                r#"{"version":"0.34.1"}"#,
                Some(ServerKind::Thanos),
                Some("0.34.1"),
            ),
            (
                r#"{"version":"1.16.0","revision":"f4e1b8d","goVersion":"go1.21.3"}"#,
                Some(ServerKind::Cortex),
                Some("1.16.0"),
            ),
            (
                r#"{"version":"3.7.3","revision":"x","branch":"HEAD","buildUser":"r","buildDate":"d","goVersion":"g"}"#,
                Some(ServerKind::Prometheus),
                Some("3.7.3"),
            ),
            (
                r#"{"application":"Headwater","version":"0.1.0","revision":"","branch":""}"#,
                Some(ServerKind::Headwater),
                Some("0.1.0"),
            ),
            (r#"{}"#, None, None),
        ] {
            let build: BuildInfo = serde_json::from_str(json).unwrap();
            let found = facts(&build, false);
            assert_eq!(
                (found.kind, found.version.as_deref()),
                (kind, version),
                "{json}"
            );
            let victoria = facts(&build, true);
            assert_eq!(victoria.kind, Some(ServerKind::VictoriaMetrics));
        }
    }
}
