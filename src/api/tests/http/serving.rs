use crate::fake::{FakeEngine, FakeStore};
use crate::{NOW, Server, parts, send};
use api::{AllowedHosts, Count, Page, PageFile, ServerParts, TsdbStatistics};
use axum::body::Body;
use axum::http::{Request, StatusCode};
use scrape::{DroppedTarget, Health, Status, TargetState};
use serde_json::json;
use series::{Labels, Secret};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

fn with(change: impl FnOnce(&mut ServerParts)) -> Server {
    let mut parts = parts(Arc::new(FakeStore::default()));
    change(&mut parts);
    Server::with(FakeEngine::default(), parts)
}

fn status() -> Status {
    let target = |job: &str, last_scrape| TargetState {
        job: job.to_owned(),
        url: "http://wiki:8000/metrics".to_owned(),
        labels: Labels::new([("job", job)]).unwrap(),
        discovered: Labels::new([("__address__", "wiki:8000")]).unwrap(),
        interval: Duration::from_secs(15),
        timeout: Duration::from_millis(1_500),
        health: Health::Up,
        error: None,
        store_error: None,
        last_scrape,
        last_duration: Duration::from_millis(250),
        samples: 7,
        series: 5,
        warnings: vec!["odd".to_owned()],
        appended: Default::default(),
    };
    Status {
        targets: vec![target("a", Some(NOW)), target("b", None)],
        dropped: vec![DroppedTarget {
            job: "a".to_owned(),
            discovered: Labels::new([("__address__", "gone:1")]).unwrap(),
        }],
        problems: Vec::new(),
    }
}

#[tokio::test]
async fn targets_are_listed_as_prometheus_lists_them() {
    let server = with(|parts| parts.targets = Arc::new(status));
    let all = server.get("/api/v1/targets").await.json();
    let first = &all["data"]["activeTargets"][0];
    for (key, value) in [
        ("discoveredLabels", json!({"__address__": "wiki:8000"})),
        ("labels", json!({"job": "a"})),
        ("scrapePool", json!("a")),
        ("scrapeUrl", json!("http://wiki:8000/metrics")),
        ("lastError", json!("")),
        ("lastScrape", json!("2023-11-14T22:13:20.123Z")),
        ("lastScrapeDuration", json!(0.25)),
        ("health", json!("up")),
        ("scrapeInterval", json!("15s")),
        ("scrapeTimeout", json!("1s500ms")),
        ("samples", json!(7)),
        ("warnings", json!(["odd"])),
    ] {
        assert_eq!(first[key], value, "{key}");
    }
    let second = &all["data"]["activeTargets"][1];
    assert_eq!(second["lastScrape"], "0001-01-01T00:00:00Z");
    assert_eq!(all["data"]["droppedTargetCounts"], json!({"a": 1}));
    for (query, active, dropped) in [
        ("state=active", 2, 0),
        ("state=dropped", 0, 1),
        ("state=any&scrapePool=b", 1, 0),
    ] {
        let path = format!("/api/v1/targets?{query}");
        let data = server.get(&path).await.json()["data"].clone();
        let count = |key: &str| data[key].as_array().unwrap().len();
        assert_eq!(
            (count("activeTargets"), count("droppedTargets")),
            (active, dropped),
            "{query}"
        );
    }
}

#[tokio::test]
async fn the_store_is_described() {
    let server = with(|parts| {
        parts.statistics = Arc::new(|limit| TsdbStatistics {
            series: 10,
            min_time: Some(1),
            series_by_metric: vec![
                Count {
                    name: "up".to_owned(),
                    value: 3,
                };
                limit
            ],
            ..TsdbStatistics::default()
        });
    });
    let found = server.get("/api/v1/status/tsdb?limit=2").await.json();
    assert_eq!(found["data"]["headStats"]["numSeries"], 10);
    assert_eq!(found["data"]["headStats"]["maxTime"], i64::MIN);
    assert_eq!(
        found["data"]["seriesCountByMetricName"],
        json!([{"name": "up", "value": 3}, {"name": "up", "value": 3}])
    );
    for (limit, text) in [
        ("0", "positive"),
        ("x", "positive"),
        ("10001", "must not exceed 10000"),
    ] {
        let path = format!("/api/v1/status/tsdb?limit={limit}");
        server.refused(&path, 400, "bad_data", text).await;
    }
}

#[tokio::test]
async fn the_server_says_how_it_is() {
    let server = with(|_| {});
    assert_eq!(server.get("/-/healthy").await.status, StatusCode::OK);
    assert_eq!(server.get("/-/ready").await.status, StatusCode::OK);
    let metrics = server.get("/metrics").await;
    assert_eq!(metrics.text(), "headwater_up 1\n");
    let kind = metrics.headers["content-type"].to_str().unwrap();
    assert!(kind.starts_with("text/plain; version=0.0.4"), "{kind}");
    let starting = with(|parts| parts.ready = Arc::new(|| false));
    let ready = starting.get("/-/ready").await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn the_page_is_served() {
    let file = |path: &'static str, bytes: &'static [u8]| PageFile {
        path: Cow::Borrowed(path),
        content_type: "text/html; charset=utf-8",
        bytes: Cow::Borrowed(bytes),
    };
    let server = with(|parts| {
        parts.page = Some(Page {
            files: vec![file("index.html", b"<p>"), file("assets/page.js", b"1")],
        });
    });
    for (path, text) in [
        ("/", "<p>"),
        ("/index.html", "<p>"),
        ("/assets/page.js", "1"),
    ] {
        let answer = server.get(path).await;
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (StatusCode::OK, text)
        );
        assert_eq!(answer.headers["content-type"], "text/html; charset=utf-8");
    }
    assert_eq!(server.get("/other").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn with_a_token_only_its_bearer_is_answered() {
    let server = with(|parts| parts.bearer_token = Some(Secret::new("s3cret".to_owned())));
    let ask = |path: &'static str, header: Option<&'static str>| {
        let mut request = Request::get(path);
        if let Some(header) = header {
            request = request.header("authorization", header);
        }
        let request = request.body(Body::empty()).unwrap();
        let router = server.router.clone();
        async move { send(&router, request).await.status }
    };
    for path in ["/api/v1/labels", "/metrics", "/nowhere"] {
        for header in [
            None,
            Some("Bearer s3cre"),
            Some("Bearer "),
            Some("Basic s3cret"),
        ] {
            let status = ask(path, header).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{path} {header:?}");
        }
    }
    let allowed = ask("/api/v1/labels", Some("bearer s3cret")).await;
    assert_eq!(allowed, StatusCode::OK);
    assert_eq!(ask("/-/healthy", None).await, StatusCode::OK);
}

#[tokio::test]
async fn the_page_that_is_built_in_takes_nothing_from_elsewhere() {
    let server = with(|parts| parts.page = Some(Page::built_in()));
    let page = server.get("/").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text().contains("Headwater"), "{}", page.text());
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(
        policy.starts_with("default-src 'none'; script-src 'self';"),
        "{policy}"
    );
    assert_eq!(page.headers["x-content-type-options"], "nosniff");
    // Built with Node it carries the licence of what it draws with; without, it has no such part.
    if page.text().contains("page.js") {
        let licences = server.get("/licences.txt").await.text();
        assert!(
            licences.contains("uPlot") && licences.contains("MIT"),
            "{licences}"
        );
    }
}

#[tokio::test]
async fn the_page_can_be_had_before_the_token() {
    let server = with(|parts| {
        parts.page = Some(Page::built_in());
        parts.bearer_token = Some(Secret::new("s3cret".to_owned()));
    });
    assert_eq!(server.get("/").await.status, StatusCode::OK);
    let refused = server.get("/api/v1/labels").await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_web_page_from_elsewhere_reaches_nothing() {
    let server = with(|parts| {
        parts.page = Some(Page::built_in());
        parts.allowed_hosts = Some(AllowedHosts(vec!["metrics.example".to_owned()]));
    });
    let ask =
        |method: &'static str, path: &'static str, headers: [(&'static str, &'static str); 2]| {
            let mut request = Request::builder().method(method).uri(path);
            for (name, value) in headers {
                request = request.header(name, value);
            }
            let request = request.body(Body::empty()).unwrap();
            let router = server.router.clone();
            async move { send(&router, request).await }
        };
    let own = ("origin", "http://127.0.0.1:9099");
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/api/v1/query?query=1"),
        ("POST", "/api/v1/write"),
        ("GET", "/metrics"),
        ("POST", "/validate"),
        ("GET", "/nowhere"),
    ] {
        let rebound = ask(method, path, [("host", "evil.example:9099"), own]).await;
        assert_eq!(rebound.status, StatusCode::FORBIDDEN, "{method} {path}");
        let text = rebound.text();
        assert!(text.contains("--allow-host evil.example"), "{text}");
        let foreign = [
            ("host", "127.0.0.1:9099"),
            ("origin", "https://evil.example"),
        ];
        let foreign = ask(method, path, foreign).await;
        assert_eq!(foreign.status, StatusCode::FORBIDDEN, "{method} {path}");
        let meant = ask(method, path, [("host", "127.0.0.1:9099"), own]).await;
        assert_ne!(meant.status, StatusCode::FORBIDDEN, "{method} {path}");
        let named = [
            ("host", "metrics.example"),
            ("origin", "https://metrics.example"),
        ];
        let named = ask(method, path, named).await;
        assert_ne!(named.status, StatusCode::FORBIDDEN, "{method} {path}");
    }
}
