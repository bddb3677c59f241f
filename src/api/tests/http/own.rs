use crate::fake::{Asked, FakeEngine, FakeStore};
use crate::{NOW, Server, host, parts, send};
use axum::body::Body;
use axum::http::{Request, StatusCode};
use engine::{Engine, InstantQuery, LabelQuestion};
use serde_json::{Value, json};
use series::{Answer, InstantSample, Labels, Limited, QueryResult, Sample};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

async fn validate(body: Value) -> Value {
    let server = Server::new(FakeEngine::default());
    let answer = server.post_json("/validate", &body).await;
    assert_eq!(answer.status, StatusCode::OK);
    answer.json()
}

#[tokio::test]
async fn a_right_query_is_valid_with_variables_too() {
    for body in [
        json!({"queryText": "rate(up{job=~\"$job\"}[$__rate_interval])"}),
        json!({"expr": "sum by (${by:csv}) ([[metric]])"}),
    ] {
        assert_eq!(validate(body).await, json!({"valid": true}));
    }
}

#[tokio::test]
async fn a_mistake_is_shown_where_a_browser_counts_it() {
    let verdict = validate(json!({"queryText": "up{job=\"😀$job\"}\n  + rat(up)"})).await;
    assert_eq!(verdict["valid"], false);
    // The emoji counts two, as in a browser's editor.
    assert_eq!(
        verdict["position"],
        json!({"start": 21, "end": 24, "line": 2, "column": 5})
    );
    let error = verdict["error"].as_str().unwrap();
    assert!(error.starts_with("2:5: parse error: "), "{error}");
    assert!(error.contains("rate"), "{error}");
}

#[tokio::test]
async fn a_body_without_a_query_is_refused() {
    let server = Server::new(FakeEngine::default());
    for body in ["{}", "[]", "not json", ""] {
        let answer = server.post("/validate", "application/json", body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}");
        assert_eq!(answer.json()["errorType"], "bad_data");
    }
}

fn entries(texts: &[&str]) -> Limited<Vec<String>> {
    Limited {
        entries: texts.iter().map(|text| (*text).to_owned()).collect(),
        truncated: false,
    }
}

fn variable_engine() -> FakeEngine {
    let sample = Sample {
        time: 1_500,
        value: 2.5,
    };
    let labels = Labels::new([("__name__", "up"), ("b", "2"), ("a", "1")]).unwrap();
    FakeEngine {
        names: entries(&["__name__", "a", "b"]),
        values: entries(&["x", "y"]),
        series: Limited {
            entries: vec![labels.clone()],
            truncated: false,
        },
        answer: Ok(Answer::new(QueryResult::Vector(vec![InstantSample {
            labels,
            sample,
        }]))),
        ..FakeEngine::default()
    }
}

#[tokio::test]
async fn variables_are_answered_in_grafanas_language() {
    let of = |selectors: &[&str]| LabelQuestion {
        selectors: selectors.iter().map(|text| (*text).to_owned()).collect(),
        ..LabelQuestion::default()
    };
    let values = |name: &str, question| Asked::Values(name.to_owned(), question);
    for (query, texts, asked) in [
        ("label_names()", &["a", "b"][..], Asked::Names(of(&[]))),
        (
            "label_names(http)",
            &["a", "b"],
            Asked::Names(of(&["{__name__=~\".*http.*\"}"])),
        ),
        ("label_values(job)", &["x", "y"], values("job", of(&[]))),
        (
            "label_values(up{a=\"1\", b=\"2\"}, job)",
            &["x", "y"],
            values("job", of(&["up{a=\"1\", b=\"2\"}"])),
        ),
        (
            "metrics(node_\\d+)",
            &["x", "y"],
            values("__name__", of(&["{__name__=~\"node_\\\\d+\"}"])),
        ),
        (
            "query_result(topk(1, up))",
            &["up{a=\"1\",b=\"2\"} 2.5 1500"],
            Asked::Instant(
                InstantQuery {
                    expr: "topk(1, up)".to_owned(),
                    time_ms: NOW,
                },
                None,
            ),
        ),
        (
            "up{a=\"1\"}",
            &["up{a=\"1\",b=\"2\"}"],
            Asked::Series(of(&["up{a=\"1\"}"])),
        ),
    ] {
        let server = Server::new(variable_engine());
        let answer = server
            .post_json("/variable-query", &json!({"query": query}))
            .await;
        let choices: Vec<Value> = texts
            .iter()
            .map(|text| json!({"text": text, "value": text}))
            .collect();
        assert_eq!(answer.json(), json!(choices), "{query}");
        assert_eq!(server.engine.asked(), [asked], "{query}");
    }
}

#[tokio::test]
async fn a_variables_range_goes_to_the_engine() {
    let server = Server::new(variable_engine());
    let body = json!({"query": "label_values(job)", "start": 10, "end": "20.5"});
    server.post_json("/variable-query", &body).await;
    let question = LabelQuestion {
        range: Some((10_000, 20_500)),
        ..LabelQuestion::default()
    };
    assert_eq!(
        server.engine.asked(),
        [Asked::Values("job".to_owned(), question)]
    );
}

#[tokio::test]
async fn variables_that_make_no_sense_are_refused() {
    for query in [
        "",
        "label_values()",
        "label_values(sum(up), job)",
        "query_result(up[)",
        "up{",
    ] {
        let server = Server::new(variable_engine());
        let answer = server
            .post_json("/variable-query", &json!({"query": query}))
            .await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
        assert_eq!(server.engine.asked(), [], "{query}");
    }
}

#[tokio::test]
async fn suggestions_go_with_the_metrics_and_filters_of_an_editor() {
    let filter = |operator: &str, value: &str, values: Value| json!({"key": "job", "operator": operator, "value": value, "values": values});
    for (body, selectors) in [
        (json!({}), vec![]),
        (
            json!({"queries": ["rate(b[$__rate_interval]) / a", "broken("]}),
            vec!["{__name__=\"a\"}", "{__name__=\"b\"}"],
        ),
        (
            json!({"queries": ["up"], "scopes": [filter("equals", "a\"b", Value::Null)],
                "adhocFilters": [filter("one-of", "", json!(["c", "d"]))]}),
            vec!["{__name__=\"up\",job=\"a\\\"b\",job=~\"c|d\"}"],
        ),
        (
            json!({"adhocFilters": [filter("regex-match", "x.*", Value::Null)]}),
            vec!["{job=~\"x.*\"}"],
        ),
    ] {
        let server = Server::new(variable_engine());
        let answer = server.post_json("/suggestions", &body).await;
        assert_eq!(
            answer.json(),
            json!({"status": "success", "data": ["__name__", "a", "b"]}),
            "{body}"
        );
        let question = LabelQuestion {
            selectors: selectors.iter().map(|text| (*text).to_owned()).collect(),
            ..LabelQuestion::default()
        };
        assert_eq!(server.engine.asked(), [Asked::Names(question)], "{body}");
    }
}

#[tokio::test]
async fn suggestions_for_a_label_are_its_values() {
    let server = Server::new(variable_engine());
    let body = json!({"labelName": "job", "start": "1", "end": "2", "limit": 10});
    let answer = server.post_json("/suggestions", &body).await;
    assert_eq!(answer.json()["data"], json!(["x", "y"]));
    let question = LabelQuestion {
        selectors: Vec::new(),
        range: Some((1_000, 2_000)),
        limit: Some(10),
    };
    assert_eq!(
        server.engine.asked(),
        [Asked::Values("job".to_owned(), question)]
    );
    let odd = json!({"adhocFilters": [{"key": "job", "operator": "like", "value": "x"}]});
    let refused = server.post_json("/suggestions", &odd).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
}

async fn resource(engine: FakeEngine, path: &str) -> (Arc<FakeEngine>, crate::Answer) {
    let engine = Arc::new(engine);
    let router = api::resources(Arc::clone(&engine) as Arc<dyn Engine>, host());
    let request = Request::get(path).body(Body::empty()).unwrap();
    let answer = send(&router, request).await;
    (engine, answer)
}

#[tokio::test]
async fn resources_pass_through_where_a_server_is_behind_the_engine() {
    let through = FakeEngine {
        passes_through: true,
        ..FakeEngine::default()
    };
    let (engine, _) = resource(through, "/api/v1/labels").await;
    assert_eq!(
        engine.asked(),
        [Asked::Resource("api/v1/labels".to_owned())]
    );
    let (engine, answer) = resource(FakeEngine::default(), "/api/v1/labels").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(engine.asked(), [Asked::Names(LabelQuestion::default())]);
}

#[tokio::test]
async fn resources_hold_the_names_of_metrics_and_nothing_to_write() {
    let (_, names) = resource(variable_engine(), "/metrics").await;
    assert_eq!(names.json(), json!(["x", "y"]));
    let (_, targets) = resource(variable_engine(), "/api/v1/targets").await;
    assert_eq!(targets.status, StatusCode::NOT_FOUND);
    let (_, write) = resource(variable_engine(), "/api/v1/write").await;
    assert_eq!(write.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_search_of_metrics_answers_each_key_from_names_asked_once() {
    let engine = FakeEngine {
        values: entries(&["http_requests_total", "up"]),
        metadata: vec![(
            "http_requests".to_owned(),
            vec![series::Metadata {
                kind: series::MetricKind::Counter,
                help: "Requests answered.".to_owned(),
                unit: String::new(),
            }],
        )],
        ..FakeEngine::default()
    };
    let server = Server::new(engine);
    let answer = server.get("/metric-search?text=req&limit=5").await;
    assert_eq!(
        answer.json(),
        json!({"found": 1, "names": 2, "truncated": false, "metrics": [{
            "name": "http_requests_total", "type": "counter",
            "description": "Requests answered.", "unit": "",
        }]})
    );
    assert_eq!(server.engine.asked().len(), 2);
    let more = server.get("/metric-search?text=").await;
    assert_eq!(more.json()["found"], 2);
    assert_eq!(server.engine.asked(), []);
    let refused = server.get("/metric-search?limit=some").await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_list_that_was_cut_says_so() {
    for truncated in [false, true] {
        let engine = || {
            let mut engine = variable_engine();
            engine.values.truncated = truncated;
            engine
        };
        let (_, names) = resource(engine(), "/metrics").await;
        let variable = Server::new(engine())
            .post_json("/variable-query", &json!({"query": "label_values(job)"}))
            .await;
        for answer in [names, variable] {
            let told = answer.headers.get("x-headwater-truncated");
            let told = told.map(|length| length.to_str().unwrap());
            assert_eq!(told, truncated.then_some("2"));
        }
    }
}

#[tokio::test]
async fn a_metric_is_looked_for_by_its_name_and_not_in_a_list_that_may_be_cut() {
    let (engine, answer) = resource(variable_engine(), "/metrics/y").await;
    assert_eq!(answer.json()["type"], "unknown");
    let this_one = LabelQuestion {
        selectors: vec!["{__name__=\"y\"}".to_owned()],
        ..LabelQuestion::default()
    };
    let last = engine.asked().pop();
    assert_eq!(last, Some(Asked::Values("__name__".to_owned(), this_one)));
}

/// A server whose clock the test moves, in milliseconds.
fn clocked(engine: FakeEngine) -> (Server, Arc<AtomicI64>) {
    let now = Arc::new(AtomicI64::new(NOW));
    let mut parts = parts(Arc::new(FakeStore::default()));
    let shown = Arc::clone(&now);
    parts.host.clock = Some(Arc::new(move || shown.load(Ordering::SeqCst)));
    (Server::with(engine, parts), now)
}

#[tokio::test]
async fn names_are_fetched_once_for_all_who_wait_for_them() {
    let engine = FakeEngine {
        hangs: true.into(),
        ..variable_engine()
    };
    let (server, _) = clocked(engine);
    let letting_go = async {
        // By now both have asked.
        tokio::task::yield_now().await;
        while server.engine.log.lock().unwrap().len() < 2 {
            tokio::task::yield_now().await;
        }
        server.engine.hangs.store(false, Ordering::SeqCst);
        server.engine.let_go.notify_waiters();
    };
    let (one, two) = ("/metric-search?text=x", "/metric-search?text=y");
    let (x, y, ()) = tokio::join!(server.get(one), server.get(two), letting_go);
    assert_eq!(x.json()["metrics"][0]["name"], "x");
    assert_eq!(y.json()["metrics"][0]["name"], "y");
    assert_eq!(server.engine.asked().len(), 2);
}

#[tokio::test]
async fn a_search_that_is_given_up_leaves_its_names_to_the_next() {
    let engine = FakeEngine {
        hangs: true.into(),
        ..variable_engine()
    };
    let (server, _) = clocked(engine);
    let server = Arc::new(server);
    let first = tokio::spawn({
        let server = Arc::clone(&server);
        async move { server.get("/metric-search?text=x").await }
    });
    while server.engine.log.lock().unwrap().len() < 2 {
        tokio::task::yield_now().await;
    }
    first.abort();
    assert!(first.await.is_err());
    server.engine.let_go.notify_waiters();
    let next = server.get("/metric-search?text=y").await;
    assert_eq!(next.json()["found"], 1);
    assert_eq!(server.engine.asked().len(), 2);
}

#[tokio::test]
async fn old_names_are_shown_while_new_ones_are_on_their_way() {
    let (server, now) = clocked(variable_engine());
    let search = "/metric-search?text=x";
    server.get(search).await;
    assert_eq!(server.engine.asked().len(), 2);
    now.fetch_add(19_999, Ordering::SeqCst);
    server.get(search).await;
    assert_eq!(server.engine.asked(), []);
    // From here on the server does not answer.
    server.engine.hangs.store(true, Ordering::SeqCst);
    now.fetch_add(1, Ordering::SeqCst);
    assert_eq!(server.get(search).await.json()["found"], 1);
    assert_eq!(server.engine.asked().len(), 2);
    // One fetch is enough.
    assert_eq!(server.get(search).await.json()["found"], 1);
    assert_eq!(server.engine.asked(), []);
    // Names of ten minutes ago are of no use: this waits.
    now.fetch_add(600_000, Ordering::SeqCst);
    let letting_go = async {
        tokio::task::yield_now().await;
        server.engine.hangs.store(false, Ordering::SeqCst);
        server.engine.let_go.notify_waiters();
    };
    let (answer, ()) = tokio::join!(server.get(search), letting_go);
    assert_eq!(answer.json()["found"], 1);
    // It waited for the fetch of back then, and the names are as old as that: the next asks.
    now.fetch_add(20_000, Ordering::SeqCst);
    server.get(search).await;
    assert_eq!(server.engine.asked().len(), 2);
}

#[tokio::test]
async fn an_empty_list_of_names_is_asked_for_again_at_the_next_key() {
    let (server, _) = clocked(FakeEngine::default());
    for _ in 0..2 {
        server.get("/metric-search?text=x").await;
        assert_eq!(server.engine.asked().len(), 2);
    }
}

#[tokio::test]
async fn names_that_a_server_showed_one_person_are_not_shown_to_another() {
    let engine = Arc::new(FakeEngine {
        passes_through: true,
        ..variable_engine()
    });
    let router = api::resources(Arc::clone(&engine) as Arc<dyn Engine>, host());
    for (person, fetches) in [("a", 2), ("b", 2), ("a", 0), ("b", 0)] {
        let request = Request::get("/metric-search?text=x")
            .header("authorization", person)
            .body(Body::empty())
            .unwrap();
        send(&router, request).await;
        assert_eq!(engine.asked().len(), fetches, "{person}");
    }
}
