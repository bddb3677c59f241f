//! The API through its door, with an engine and a store of our own behind it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod drafts;
mod fake;
mod lookups;
mod own;
mod queries;
mod serving;
mod writes;

use api::{BuildInfo, Host, ServerParts, TsdbStatistics, WriteLimits};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use engine::Engine;
use fake::{FakeEngine, FakeStore};
use http_body_util::BodyExt;
use serde_json::Value;
use std::sync::Arc;
use tower::ServiceExt;

/// The time that the clock shows, in milliseconds.
const NOW: i64 = 1_700_000_000_123;

fn host() -> Host {
    Host {
        clock: Some(Arc::new(|| NOW)),
        build: BuildInfo {
            version: "1.2.3".to_owned(),
            revision: "abc".to_owned(),
            date: "2026-01-01".to_owned(),
        },
    }
}

fn parts(store: Arc<FakeStore>) -> ServerParts {
    ServerParts {
        host: host(),
        targets: Arc::new(scrape::Status::default),
        appender: store,
        write_limits: WriteLimits::default(),
        metrics: Arc::new(|| "headwater_up 1\n".to_owned()),
        statistics: Arc::new(|_| TsdbStatistics::default()),
        ready: Arc::new(|| true),
        page: None,
        bearer_token: None,
        allowed_hosts: None,
    }
}

/// What came back.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }
}

async fn send(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: body.collect().await.unwrap().to_bytes(),
    }
}

/// A server over an engine, to be asked.
struct Server {
    engine: Arc<FakeEngine>,
    router: Router,
}

impl Server {
    fn new(engine: FakeEngine) -> Self {
        Self::with(engine, parts(Arc::new(FakeStore::default())))
    }

    fn with(engine: FakeEngine, parts: ServerParts) -> Self {
        let engine = Arc::new(engine);
        let router = api::server(Arc::clone(&engine) as Arc<dyn Engine>, parts);
        Self { engine, router }
    }

    async fn get(&self, path: &str) -> Answer {
        let request = Request::get(path).body(Body::empty()).unwrap();
        send(&self.router, request).await
    }

    async fn post(&self, path: &str, content_type: &str, body: &str) -> Answer {
        let request = Request::post(path)
            .header("content-type", content_type)
            .body(Body::from(body.to_owned()))
            .unwrap();
        send(&self.router, request).await
    }

    async fn post_json(&self, path: &str, body: &Value) -> Answer {
        self.post(path, "application/json", &body.to_string()).await
    }

    /// Checks an error of Prometheus's API.
    async fn refused(&self, path: &str, status: u16, kind: &str, text: &str) {
        let answer = self.get(path).await;
        let json = answer.json();
        assert_eq!(answer.status.as_u16(), status, "{path}: {json}");
        assert_eq!(json["status"], "error", "{path}");
        assert_eq!(json["errorType"], kind, "{path}");
        let error = json["error"].as_str().unwrap();
        assert!(error.contains(text), "{path}: {error}");
    }
}

fn form() -> &'static str {
    "application/x-www-form-urlencoded"
}
