//! What "Save & test" tells.

use super::faulty_server::{FaultyServer, Step, answer, json};
use super::*;
use engine::HealthStatus;
use std::time::Duration;
use tokio::io::AsyncWriteExt;

const TWO: &str =
    r#"{"status":"success","data":{"resultType":"scalar","result":[1700000000.000,"2"]}}"#;
const BUILD: &str = r#"{"status":"success","data":{"version":"2.42.0","goVersion":"go1.19"}}"#;

async fn check(url: &str, context: &Context, status: HealthStatus, says: &[&str]) -> String {
    let health = remote(url).health(context).await;
    let text = format!("{} {}", health.message, health.advice.unwrap_or_default());
    assert_eq!(health.status, status, "{text}");
    for words in says {
        assert!(text.contains(words), "{words:?} is not in: {text}");
    }
    text
}

async fn ill(steps: impl Fn(&str) -> Vec<Step> + Send + Sync + 'static, says: &[&str]) {
    let server = FaultyServer::start(move |seen| steps(seen.path())).await;
    check(&server.url, &Context::default(), HealthStatus::Error, says).await;
}

#[tokio::test]
async fn a_healthy_server_is_named_with_its_version() {
    let server = FaultyServer::start(|seen| match seen.path() {
        "/api/v1/query" => json(200, TWO),
        _ => json(200, BUILD),
    })
    .await;
    let context = Context {
        now_ms: Some(1_700_000_001_000),
        ..Context::default()
    };
    let says = ["Prometheus 2.42.0 answers"];
    let text = check(&server.url, &context, HealthStatus::Ok, &says).await;
    assert!(!text.contains("clock"), "{text}");
    let skewed = Context {
        now_ms: Some(1_700_000_600_000),
        ..Context::default()
    };
    let says = ["clock is 600 s behind", "NTP"];
    check(&server.url, &skewed, HealthStatus::Ok, &says).await;
}

#[tokio::test]
async fn a_server_without_buildinfo_is_healthy() {
    let server = FaultyServer::start(|seen| match seen.path() {
        "/api/v1/query" => json(200, TWO),
        _ => answer(404, &[], "no"),
    })
    .await;
    let says = ["Prometheus-compatible server answers"];
    check(&server.url, &Context::default(), HealthStatus::Ok, &says).await;
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_told_apart() {
    let none = Context::default();
    let refused = "http://127.0.0.1:1";
    let says = [
        "Cannot reach http://127.0.0.1:1",
        "connection refused",
        "localhost is",
    ];
    check(refused, &none, HealthStatus::Error, &says).await;
    let nowhere = "http://prometheus.invalid:9090";
    let says = ["prometheus.invalid cannot be resolved", "host's name"];
    check(nowhere, &none, HealthStatus::Error, &says).await;
    let says = ["TLS", "speak https"];
    check(
        &plain_http_at_https().await,
        &none,
        HealthStatus::Error,
        &says,
    )
    .await;
    let silent = FaultyServer::start(|_| vec![Step::HoldOpen]).await;
    let soon = Context {
        deadline: Some(std::time::Instant::now() + Duration::from_millis(100)),
        ..Context::default()
    };
    let says = ["no answer from", "overloaded"];
    check(&silent.url, &soon, HealthStatus::Error, &says).await;
}

#[tokio::test]
async fn a_refusal_says_what_to_set() {
    ill(
        |_| answer(401, &[], "who?"),
        &["status 401: who?", "basic authentication"],
    )
    .await;
    ill(
        |_| answer(403, &[], "no org id"),
        &["no org id", "X-Scope-OrgID"],
    )
    .await;
    ill(
        |_| answer(429, &[], "slow down"),
        &["slow down", "maxConcurrentQueries"],
    )
    .await;
    ill(|_| answer(502, &[], "bad gateway"), &["bad gateway", "log"]).await;
    let body = r#"{"status":"error","errorType":"unauthorized","error":"token"}"#;
    ill(move |_| json(401, body), &["token", "API key"]).await;
}

#[tokio::test]
async fn a_wrong_path_gets_a_hint_at_the_prefix() {
    ill(
        |_| answer(404, &[], "not found"),
        &["404", "under a prefix"],
    )
    .await;
    let at_prefix = |path: &str| match path {
        "/prometheus/api/v1/query" => json(200, TWO),
        _ => answer(404, &[], "not found"),
    };
    ill(at_prefix, &["enter http://127.0.0.1:", "/prometheus."]).await;
    let server = FaultyServer::start(|_| answer(404, &[], "not found")).await;
    let url = format!("{}/graph", server.url);
    let says = ["Leave /graph out"];
    check(&url, &Context::default(), HealthStatus::Error, &says).await;
}

#[tokio::test]
async fn an_app_or_its_metrics_page_instead_of_a_server_is_recognized() {
    let page = "# TYPE users_created_total counter\nusers_created_total 3\n";
    let app = FaultyServer::start(move |seen| match seen.path() {
        "/metrics" => answer(200, &[], page),
        _ => answer(404, &[], r#"{"detail":"Not Found"}"#),
    })
    .await;
    let none = Context::default();
    for url in [format!("{}/metrics", app.url), app.url.clone()] {
        let named = format!("{}/metrics answers with an exporter's", app.url);
        let says = [named.as_str(), "embedded engine"];
        check(&url, &none, HealthStatus::Error, &says).await;
    }
    // The first page of an app that knows no other path, as node_exporter has it.
    let app = FaultyServer::start(move |seen| match seen.path() {
        "/metrics" => answer(200, &[], page),
        _ => answer(200, &[], "<html><title>Node Exporter</title></html>"),
    })
    .await;
    for url in [format!("{}/metrics", app.url), app.url.clone()] {
        let named = format!("{}/metrics answers with an exporter's", app.url);
        check(&url, &none, HealthStatus::Error, &[named.as_str()]).await;
    }
    // A proxy may have metrics of its own before the API that it stands before.
    let proxy = FaultyServer::start(move |seen| match seen.path() {
        "/metrics" => answer(200, &[], page),
        "/prometheus/api/v1/query" => json(200, TWO),
        _ => answer(404, &[], "404 page not found"),
    })
    .await;
    let says = ["The API answers under a prefix"];
    let text = check(&proxy.url, &none, HealthStatus::Error, &says).await;
    assert!(!text.contains("embedded"), "{text}");
    let prometheus = FaultyServer::start(move |seen| match seen.path() {
        "/metrics" => answer(200, &[], page),
        "/api/v1/query" => json(200, TWO),
        _ => answer(404, &[], "404 page not found"),
    })
    .await;
    let url = format!("{}/metrics", prometheus.url);
    let says = ["Leave /metrics out of the URL"];
    let text = check(&url, &none, HealthStatus::Error, &says).await;
    assert!(!text.contains("embedded"), "{text}");
}

#[tokio::test]
async fn another_service_at_the_url_is_recognized() {
    let page = "# TYPE up gauge\nup 1\n";
    ill(
        move |_| answer(200, &[], page),
        &["exporter's metrics page", "embedded engine"],
    )
    .await;
    let html = "<title>Grafana</title>";
    ill(
        move |_| answer(200, &[], html),
        &["web page (Grafana)", "credentials"],
    )
    .await;
    ill(
        |_| answer(200, &[], "pong"),
        &["\"pong\"", "not as a Prometheus API"],
    )
    .await;
    let elsewhere = [("Location", "http://login.example/")];
    ill(
        move |_| answer(302, &elsewhere, ""),
        &["redirects to http://login.example/"],
    )
    .await;
}

/// An https URL where a server speaks plain http and says so to a TLS greeting, as servers do.
async fn plain_http_at_https() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let refusal = b"HTTP/1.1 400 Bad Request\r\n\r\nClient sent TLS to an HTTP server.\n";
        socket.write_all(refusal).await.unwrap();
    });
    url
}
