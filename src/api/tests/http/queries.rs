use crate::fake::{Asked, FakeEngine};
use crate::{NOW, Server, form};
use axum::http::StatusCode;
use engine::{Error, InstantQuery, RangeQuery};
use serde_json::json;
use series::{
    Answer, Exemplar, InstantSample, Labels, QueryResult, Sample, Series, SeriesExemplars,
};

fn labels(n: usize) -> Labels {
    Labels::new([("__name__", "up".to_owned()), ("n", n.to_string())]).unwrap()
}

fn vector(count: usize) -> Answer {
    let sample = Sample {
        time: 1_500,
        value: 0.5,
    };
    let entries = (0..count).map(|n| InstantSample {
        labels: labels(n),
        sample,
    });
    Answer::new(QueryResult::Vector(entries.collect()))
}

fn answering(answer: Answer) -> Server {
    Server::new(FakeEngine {
        answer: Ok(answer),
        ..FakeEngine::default()
    })
}

fn instant(expr: &str, time_ms: i64) -> InstantQuery {
    InstantQuery {
        expr: expr.to_owned(),
        time_ms,
    }
}

#[tokio::test]
async fn an_instant_query_is_answered_by_get_and_by_form() {
    let server = answering(vector(1));
    let expected = json!({"status": "success", "data": {"resultType": "vector", "result": [
        {"metric": {"__name__": "up", "n": "0"}, "value": [1.5, "0.5"]}
    ]}});
    let by_get = server
        .get("/api/v1/query?query=up%20%3E%200&time=12.5")
        .await;
    assert_eq!(by_get.status, StatusCode::OK);
    assert_eq!(by_get.headers["content-type"], "application/json");
    assert_eq!(by_get.json(), expected);
    // The form goes before the URL, and the URL still counts.
    let by_form = server
        .post(
            "/api/v1/query?time=12.5&query=other",
            form(),
            "query=up+%3E+0",
        )
        .await;
    assert_eq!(by_form.json(), expected);
    let asked = Asked::Instant(instant("up > 0", 12_500), None);
    assert_eq!(server.engine.asked(), [asked.clone(), asked]);
}

#[tokio::test]
async fn a_query_without_time_is_asked_now() {
    let server = answering(vector(0));
    server.get("/api/v1/query?query=up").await;
    assert_eq!(
        server.engine.asked(),
        [Asked::Instant(instant("up", NOW), None)]
    );
}

#[tokio::test]
async fn the_lookback_goes_with_the_query() {
    let server = answering(vector(0));
    server
        .get("/api/v1/query?query=up&time=1&lookback_delta=90s")
        .await;
    assert_eq!(
        server.engine.asked(),
        [Asked::Instant(instant("up", 1_000), Some(90_000))]
    );
    let path = "/api/v1/query?query=up&lookback_delta=soon";
    let text = "error parsing lookback delta duration";
    server.refused(path, 400, "bad_data", text).await;
}

#[tokio::test]
async fn a_range_query_reads_its_times_and_step() {
    let matrix = QueryResult::Matrix(vec![Series {
        labels: labels(0),
        times: vec![0, 15_000].into(),
        values: vec![1.0, f64::NAN].into(),
    }]);
    let server = answering(Answer::new(matrix));
    let answer = server
        .get("/api/v1/query_range?query=up&start=1970-01-01T00:00:00Z&end=15.0&step=15s")
        .await;
    assert_eq!(
        answer.json()["data"]["result"][0]["values"],
        json!([[0, "1"], [15, "NaN"]])
    );
    let query = RangeQuery {
        expr: "up".to_owned(),
        start_ms: 0,
        end_ms: 15_000,
        step_ms: 15_000,
    };
    assert_eq!(server.engine.asked(), [Asked::Range(query, None)]);
}

#[tokio::test]
async fn bad_parameters_are_named_and_nothing_is_asked() {
    let server = answering(vector(0));
    let range = |more: &str| format!("/api/v1/query_range?query=up&{more}");
    for (path, text) in [
        (
            "/api/v1/query?query=up&time=noon".to_owned(),
            "invalid parameter \"time\": invalid time value for 'time': cannot parse \"noon\" to \
             a valid timestamp",
        ),
        (
            "/api/v1/query".to_owned(),
            "invalid parameter \"query\": 1:1: parse error: no expression found in input",
        ),
        (
            "/api/v1/query?query=rat(up[5m])".to_owned(),
            "invalid parameter \"query\": 1:1: parse error: unknown function",
        ),
        (
            "/api/v1/query?query=up&limit=-1".to_owned(),
            "invalid parameter \"limit\": limit must be non-negative",
        ),
        (
            "/api/v1/query?query=up&timeout=soon".to_owned(),
            "invalid parameter \"timeout\": cannot parse \"soon\" to a valid duration",
        ),
        (
            range("end=1&step=1"),
            "invalid parameter \"start\": cannot parse \"\" to a valid timestamp",
        ),
        (
            range("start=2&end=1&step=1"),
            "invalid parameter \"end\": end timestamp must not be before start time",
        ),
        (
            range("start=1&end=2&step=0"),
            "invalid parameter \"step\": zero or negative query resolution step widths",
        ),
        (
            range("start=1&end=2&step=-5s"),
            "invalid parameter \"step\": cannot parse \"-5s\" to a valid duration",
        ),
        (
            range("start=0&end=11001&step=1"),
            "exceeded maximum resolution of 11,000 points per timeseries",
        ),
        (
            "/api/v1/query_range?query=up[5m]&start=1&end=2&step=1".to_owned(),
            "invalid expression type \"range vector\" for range query",
        ),
        (
            "/api/v1/query_exemplars?query=up&start=2&end=1".to_owned(),
            "end timestamp must not be before start timestamp",
        ),
    ] {
        server.refused(&path, 400, "bad_data", text).await;
    }
    assert_eq!(server.engine.asked(), []);
    // As many points as there may be are asked for.
    server.get(&range("start=0&end=11000&step=1")).await;
    assert_eq!(server.engine.asked().len(), 1);
}

#[tokio::test]
async fn a_limit_cuts_series_and_says_so() {
    let server = answering(vector(3));
    let cut = server.get("/api/v1/query?query=up&limit=2").await.json();
    assert_eq!(cut["data"]["result"].as_array().unwrap().len(), 2);
    assert_eq!(cut["warnings"], json!(["results truncated due to limit"]));
    for limit in ["0", "3"] {
        let path = format!("/api/v1/query?query=up&limit={limit}");
        let whole = server.get(&path).await.json();
        assert_eq!(whole["data"]["result"].as_array().unwrap().len(), 3);
        assert_eq!(whole.get("warnings"), None);
    }
}

#[tokio::test]
async fn statistics_are_told_to_who_asks() {
    let mut answer = vector(1);
    answer.statistics.samples = Some(7);
    let server = answering(answer);
    let with = server.get("/api/v1/query?query=up&stats=all").await.json();
    assert_eq!(with["data"]["stats"]["samples"]["totalQueryableSamples"], 7);
    let without = server.get("/api/v1/query?query=up").await.json();
    assert_eq!(without["data"].get("stats"), None);
}

#[tokio::test]
async fn what_an_engine_says_becomes_status_and_kind() {
    let limit = || series::Error::Limit {
        what: "series".to_owned(),
        bound: "max_series",
        limit: 1,
    };
    for (error, status, kind) in [
        (
            Error::Query(promql::Error::ParameterNan("Scalar")),
            422,
            "execution",
        ),
        (Error::Source(limit()), 422, "execution"),
        (Error::Source(series::Error::TimedOut), 503, "timeout"),
        (Error::Cancelled, 503, "canceled"),
        (
            Error::Source(series::Error::Unavailable("closed".into())),
            503,
            "unavailable",
        ),
        (
            Error::Source(series::Error::Corrupt("index".into())),
            500,
            "internal",
        ),
        (Error::Internal("x".into()), 500, "internal"),
        (
            Error::Api {
                status: 429,
                kind: "too_many".into(),
                message: "slower".into(),
            },
            429,
            "too_many",
        ),
    ] {
        let text = match &error {
            Error::Api { message, .. } => message.clone(),
            error => error.to_string(),
        };
        let server = Server::new(FakeEngine {
            answer: Err(error),
            ..FakeEngine::default()
        });
        let path = "/api/v1/query?query=up";
        server.refused(path, status, kind, &text).await;
    }
}

#[tokio::test]
async fn a_query_that_takes_too_long_is_given_up() {
    let server = Server::new(FakeEngine {
        hangs: true.into(),
        ..FakeEngine::default()
    });
    let path = "/api/v1/query?query=up&timeout=1ms";
    server
        .refused(path, 503, "timeout", "query timed out")
        .await;
}

#[tokio::test]
async fn exemplars_stand_with_their_series() {
    let exemplar = Exemplar {
        labels: Labels::new([("trace_id", "7f")]).unwrap(),
        sample: Sample {
            time: 1_234,
            value: 6.0,
        },
    };
    let server = Server::new(FakeEngine {
        exemplars: vec![SeriesExemplars {
            labels: labels(0),
            exemplars: vec![exemplar.clone(), exemplar],
        }],
        ..FakeEngine::default()
    });
    let answer = server
        .get("/api/v1/query_exemplars?query=up&start=1&end=2")
        .await;
    let shown = json!({"labels": {"trace_id": "7f"}, "value": "6", "timestamp": 1.234});
    assert_eq!(
        answer.json()["data"],
        json!([{"seriesLabels": {"__name__": "up", "n": "0"}, "exemplars": [shown, shown]}])
    );
    let asked = server.engine.asked();
    let [Asked::Exemplars(query)] = asked.as_slice() else {
        panic!("{asked:?}");
    };
    assert_eq!((query.start_ms, query.end_ms), (1_000, 2_000));
}

#[tokio::test]
async fn a_query_is_laid_out() {
    let server = answering(vector(0));
    let answer = server
        .get("/api/v1/format_query?query=sum%20by(job)(up)%2F2")
        .await;
    assert_eq!(answer.json()["data"], "sum by (job) (up) / 2");
    let bad = "/api/v1/format_query?query=sum(";
    server.refused(bad, 400, "bad_data", "parse error").await;
}

#[tokio::test]
async fn a_query_is_shown_as_a_tree() {
    let server = answering(vector(0));
    let query = "topk(3, rate(a{b!~\"c\"}[5m] offset -1m)) > on(x) group_left(y) d @ 7";
    let body = form_urlencoded::Serializer::new(String::new())
        .append_pair("query", query)
        .finish();
    let tree = server.post("/api/v1/parse_query", form(), &body).await;
    let tree = tree.json()["data"].clone();
    let matching = json!({
        "card": "many-to-one", "labels": ["x"], "on": true, "include": ["y"],
        "fillValues": {"lhs": null, "rhs": null},
    });
    assert_eq!(
        (&tree["type"], &tree["op"]),
        (&json!("binaryExpr"), &json!(">"))
    );
    assert_eq!(tree["matching"], matching);
    assert_eq!(tree["bool"], false);
    let topk = &tree["lhs"];
    assert_eq!(topk["type"], "aggregation");
    assert_eq!(topk["param"], json!({"type": "numberLiteral", "val": "3"}));
    let rate = &topk["expr"];
    assert_eq!(
        rate["func"],
        json!({"name": "rate", "argTypes": ["matrix"], "variadic": 0, "returnType": "vector"})
    );
    let selector = &rate["args"][0];
    assert_eq!(selector["type"], "matrixSelector");
    assert_eq!(selector["range"], 300_000);
    assert_eq!(selector["offset"], -60_000);
    assert_eq!(
        selector["matchers"],
        json!([
            {"name": "b", "value": "c", "type": "!~"},
            {"name": "__name__", "value": "a", "type": "="},
        ])
    );
    assert_eq!(tree["rhs"]["timestamp"], 7_000);
}
