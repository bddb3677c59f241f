//! Settings that are being edited, asked through the door that the editor uses.

use super::{Answer, send};
use api::StoredSettings;
use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::routing::get;
use scrape::{DiskFiles, SystemNames};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// An app with one page of metrics; the address of the page.
async fn app(page: &'static str) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route(
        "/metrics",
        get(async move || ([("content-type", "text/plain; version=0.0.4")], page)),
    );
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}/metrics")
}

async fn ask(path: &str, body: &Value) -> Answer {
    let drafts = api::drafts(Arc::new(DiskFiles::anywhere()), Arc::new(SystemNames));
    let mut request = Request::post(path)
        .body(Body::from(body.to_string()))
        .unwrap();
    request.extensions_mut().insert(StoredSettings {
        url: String::new(),
        basic_auth_user: None,
        json: Map::new(),
        secrets: BTreeMap::new(),
    });
    send(&drafts, request).await
}

#[tokio::test]
async fn a_target_that_answers_shows_its_metrics_and_what_is_odd_about_them() {
    let url = app("# HELP a_total Things.\n# TYPE a_total counter\na_total{b=\"1\"} 1\na_total{b=\"2\"} 1\nc_ms 1\n").await;
    let answer = ask("/drafts/try", &json!({ "url": url })).await.json();
    assert_eq!(answer["ok"], true, "{answer}");
    assert_eq!(answer["url"], url);
    assert_eq!(answer["targets"], 1);
    assert_eq!(answer["server"], Value::Null);
    assert_eq!(
        answer["page"]["metrics"][0],
        json!({"name": "a_total", "type": "counter", "help": "Things.", "unit": null,
            "line": 1, "series": 2, "samples": 2})
    );
    assert_eq!(answer["page"]["metricCount"], 2);
    let rules: Vec<&str> = answer["page"]["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|finding| finding["rule"].as_str())
        .collect();
    assert!(
        rules.contains(&"no-type") && rules.contains(&"abbreviated-unit"),
        "{rules:?}"
    );
}

#[tokio::test]
async fn what_is_wrong_with_a_target_is_the_answer() {
    let body = json!({ "url": "http://127.0.0.1:9/metrics" });
    let answer = ask("/drafts/try", &body).await;
    assert_eq!(answer.status, StatusCode::OK);
    let answer = answer.json();
    assert_eq!(answer["ok"], false);
    let error = answer["error"].as_str().unwrap();
    assert!(error.contains("127.0.0.1:9"), "{error}");

    let targets = json!([{"url": "http://a"}, {"url": "http://b", "timeout": "soon"}]);
    let body = json!({"jsonData": {"targets": targets}, "entry": 1});
    let answer = ask("/drafts/try", &body).await.json();
    let error = answer["error"].as_str().unwrap();
    // The place in the list is the editor's to know.
    assert!(error.starts_with("setting timeout: "), "{error}");
}

#[tokio::test]
async fn a_prometheus_servers_own_page_is_named() {
    let url = app("prometheus_build_info{version=\"3\"} 1\n").await;
    let answer = ask("/drafts/try", &json!({ "url": url })).await.json();
    assert_eq!(answer["server"], "Prometheus");
}

#[tokio::test]
async fn rules_come_back_as_settings_or_with_the_lines_of_their_mistakes() {
    let good = json!({"yaml": "- action: labeldrop\n  regex: tmp_.*\n"});
    let answer = ask("/drafts/rules", &good).await.json();
    assert_eq!(
        answer,
        json!({"rules": [{"action": "labeldrop", "regex": "tmp_.*"}]})
    );
    let bad = json!({"yaml": "- action: labeldrop\n  regex: tmp_(\n"});
    let answer = ask("/drafts/rules", &bad).await.json();
    assert_eq!(answer["mistakes"][0]["line"], 2, "{answer}");
}

#[tokio::test]
async fn nothing_else_is_served_there() {
    assert_eq!(
        ask("/drafts/else", &json!({})).await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        ask("/drafts/try", &json!("url")).await.status,
        StatusCode::BAD_REQUEST
    );
}
