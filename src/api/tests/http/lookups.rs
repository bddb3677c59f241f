use crate::fake::{Asked, FakeEngine};
use crate::{Server, form};
use axum::http::StatusCode;
use engine::LabelQuestion;
use serde_json::json;
use series::{Labels, Limited, Metadata, MetricKind};

fn list(entries: &[&str], truncated: bool) -> Limited<Vec<String>> {
    Limited {
        entries: entries.iter().map(|text| (*text).to_owned()).collect(),
        truncated,
    }
}

#[tokio::test]
async fn names_are_asked_with_selectors_range_and_limit() {
    let server = Server::new(FakeEngine {
        names: list(&["__name__", "job"], true),
        ..FakeEngine::default()
    });
    let body = "match[]=up&match%5B%5D=%7Bjob%3D%22a%22%7D&start=1&limit=2";
    let answer = server.post("/api/v1/labels?end=5", form(), body).await;
    assert_eq!(
        answer.json(),
        json!({"status": "success", "data": ["__name__", "job"],
            "warnings": ["results truncated due to limit"]})
    );
    let question = LabelQuestion {
        selectors: vec!["up".to_owned(), "{job=\"a\"}".to_owned()],
        range: Some((1_000, 5_000)),
        limit: Some(2),
    };
    assert_eq!(server.engine.asked(), [Asked::Names(question)]);
}

#[tokio::test]
async fn without_parameters_everything_is_asked_for() {
    let server = Server::new(FakeEngine::default());
    let answer = server.get("/api/v1/labels").await;
    assert_eq!(answer.json(), json!({"status": "success", "data": []}));
    let everything = LabelQuestion::default();
    assert_eq!(server.engine.asked(), [Asked::Names(everything)]);
}

#[tokio::test]
async fn values_of_a_label_with_dots_are_found_by_its_escaped_name() {
    let server = Server::new(FakeEngine {
        values: list(&["200"], false),
        ..FakeEngine::default()
    });
    let answer = server.get("/api/v1/label/U__http_2e_status/values").await;
    assert_eq!(answer.json()["data"], json!(["200"]));
    let asked = Asked::Values("http.status".to_owned(), LabelQuestion::default());
    assert_eq!(server.engine.asked(), [asked]);
    server
        .refused(
            "/api/v1/label/U__/values",
            400,
            "bad_data",
            "invalid label name",
        )
        .await;
}

#[tokio::test]
async fn series_need_a_selector() {
    let server = Server::new(FakeEngine {
        series: Limited {
            entries: vec![Labels::new([("__name__", "up"), ("job", "a")]).unwrap()],
            truncated: false,
        },
        ..FakeEngine::default()
    });
    let answer = server.get("/api/v1/series?match[]=up").await;
    assert_eq!(
        answer.json()["data"],
        json!([{"__name__": "up", "job": "a"}])
    );
    for (path, text) in [
        ("/api/v1/series", "no match[] parameter provided"),
        (
            "/api/v1/series?match[]=%7Bjob%3D~%22.*%22%7D",
            "must contain at least one non-empty matcher",
        ),
        (
            "/api/v1/series?match[]=sum(up)",
            "invalid parameter \"match[]\"",
        ),
        ("/api/v1/series?match[]=up%7B", "parse error"),
    ] {
        server.refused(path, 400, "bad_data", text).await;
    }
}

#[tokio::test]
async fn metadata_is_listed_by_family_within_bounds() {
    let metadata = |help: &str| Metadata {
        kind: MetricKind::Counter,
        help: help.to_owned(),
        unit: String::new(),
    };
    let families = vec![
        ("a".to_owned(), vec![metadata("1"), metadata("2")]),
        ("b".to_owned(), vec![metadata("3")]),
    ];
    let server = Server::new(FakeEngine {
        metadata: families,
        ..FakeEngine::default()
    });
    let entry = |help: &str| json!({"type": "counter", "help": help, "unit": ""});
    for (query, data) in [
        (
            "",
            json!({"a": [entry("1"), entry("2")], "b": [entry("3")]}),
        ),
        ("?limit=1", json!({"a": [entry("1"), entry("2")]})),
        ("?limit=0", json!({})),
        (
            "?limit=-1&limit_per_metric=1",
            json!({"a": [entry("1")], "b": [entry("3")]}),
        ),
    ] {
        let answer = server.get(&format!("/api/v1/metadata{query}")).await;
        assert_eq!(answer.json()["data"], data, "{query}");
    }
    server.engine.asked();
    server.get("/api/v1/metadata?metric=a").await;
    assert_eq!(
        server.engine.asked(),
        [Asked::Metadata(Some("a".to_owned()))]
    );
    let text = "limit must be a number";
    server
        .refused("/api/v1/metadata?limit=x", 400, "bad_data", text)
        .await;
}

#[tokio::test]
async fn there_are_no_rules_and_the_version_is_told() {
    let server = Server::new(FakeEngine::default());
    let rules = server.get("/api/v1/rules").await;
    assert_eq!(rules.json()["data"], json!({"groups": []}));
    let alerts = server.get("/api/v1/alerts").await;
    assert_eq!(alerts.json()["data"], json!({"alerts": []}));
    let build = server.get("/api/v1/status/buildinfo").await.json();
    assert_eq!(build["data"]["version"], "1.2.3");
    assert_eq!(build["data"]["revision"], "abc");
}

#[tokio::test]
async fn unknown_paths_and_methods_are_told_in_json() {
    let server = Server::new(FakeEngine::default());
    let unknown = server.get("/api/v1/unknown").await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    assert!(
        unknown.json()["message"]
            .as_str()
            .unwrap()
            .contains("/api/v1/unknown")
    );
    let method = server.post("/api/v1/metadata", form(), "").await;
    assert_eq!(method.status, StatusCode::METHOD_NOT_ALLOWED);
    assert!(method.json()["message"].as_str().unwrap().contains("POST"));
}
