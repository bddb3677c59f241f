//! Labels, series, metadata, exemplars, and what passes through.

use super::faulty_server::{FaultyServer, Step, answer, json};
use super::*;
use bytes::Bytes;
use engine::remote::ServerKind;
use engine::{LabelQuestion, Method, ResourceRequest};
use futures_util::TryStreamExt;
use series::MetricKind;
use std::time::Duration;

fn resource(path: &str) -> ResourceRequest {
    ResourceRequest {
        method: Method::Get,
        path: path.to_owned(),
        query: String::new(),
        headers: Vec::new(),
        body: Bytes::new(),
    }
}

#[tokio::test]
async fn label_questions_are_asked_as_the_api_takes_them() {
    let server =
        FaultyServer::start(|_| json(200, r#"{"status":"success","data":["b","a","c"]}"#)).await;
    let engine = remote(&server.url);
    let question = LabelQuestion {
        selectors: vec!["up{a=\"b\"}".to_owned(), "down".to_owned()],
        range: Some((1_000, 2_500)),
        limit: Some(2),
    };
    let none = Context::default();
    let names = engine.label_names(&question, &none).await.unwrap();
    assert_eq!(names.entries, ["a", "b"]);
    assert!(names.truncated);
    let seen = server.questions().remove(0);
    assert_eq!(seen.target, "/api/v1/labels");
    assert_eq!(
        seen.body,
        "match%5B%5D=up%7Ba%3D%22b%22%7D&match%5B%5D=down&start=1&end=2.5&limit=3"
    );
    let all = LabelQuestion::default();
    let values = engine.label_values("my.label", &all, &none).await.unwrap();
    assert_eq!(values.entries.len(), 3);
    assert!(!values.truncated);
    let seen = server.questions().remove(1);
    assert_eq!(seen.method, "GET");
    assert_eq!(
        seen.target,
        "/api/v1/label/U__my_2e_label/values?limit=40001"
    );
}

/// Look-ups wait for no probe, and profit from it as soon as it is there.
#[tokio::test]
async fn what_the_server_is_is_found_out_in_the_background() {
    for (build, victoria, kind, path) in [
        (
            r#"{"version":"2.20.0"}"#,
            false,
            ServerKind::Prometheus,
            "/api/v1/series",
        ),
        (
            r#"{"version":"2.42.0"}"#,
            false,
            ServerKind::Prometheus,
            "/api/v1/labels",
        ),
        (
            r#"{"version":"2.24.0"}"#,
            true,
            ServerKind::VictoriaMetrics,
            "/api/v1/labels",
        ),
        (
            r#"{"version":"0.34.1"}"#,
            false,
            ServerKind::Thanos,
            "/api/v1/labels",
        ),
        (
            r#"{"version":"1.16.0"}"#,
            false,
            ServerKind::Cortex,
            "/api/v1/labels",
        ),
        (
            r#"{"application":"Grafana Mimir","version":"2.14.0","features":{"ruler_config_api":"true"}}"#,
            false,
            ServerKind::Mimir,
            "/api/v1/labels",
        ),
    ] {
        let server = FaultyServer::start(move |seen| match seen.path() {
            "/api/v1/status/buildinfo" => {
                let headers: &[_] = if victoria {
                    &[("X-Server-Hostname", "vm")]
                } else {
                    &[]
                };
                let body = format!("{{\"status\":\"success\",\"data\":{build}}}");
                answer(200, headers, body)
            }
            _ => json(200, r#"{"status":"success","data":[]}"#),
        })
        .await;
        let engine = remote(&server.url);
        let question = LabelQuestion {
            selectors: vec!["up".to_owned()],
            ..LabelQuestion::default()
        };
        let none = Context::default();
        engine.label_names(&question, &none).await.unwrap();
        // Only a broken test waits so long.
        for _ in 0..2_000 {
            if engine.server().kind.is_some() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(engine.server().kind, Some(kind), "{build}");
        engine.label_names(&question, &none).await.unwrap();
        let questions = server.questions();
        assert_eq!(questions.last().unwrap().path(), path, "{build}");
        let probes = server.requests().len() - questions.len();
        assert_eq!(probes, 1, "{build}");
    }
}

#[tokio::test]
async fn an_old_server_is_asked_for_series_instead_of_labels() {
    let server = FaultyServer::start(|_| {
        json(
            200,
            r#"{"status":"success","data":[{"a":"1","b":"2"},{"a":"3"}]}"#,
        )
    })
    .await;
    let engine = remote_with(&server.url, |s| s.version = Some("2.23.1".to_owned()));
    let question = LabelQuestion {
        selectors: vec!["up".to_owned()],
        ..LabelQuestion::default()
    };
    let none = Context::default();
    let values = engine.label_values("a", &question, &none).await.unwrap();
    assert_eq!(values.entries, ["1", "3"]);
    let names = engine.label_names(&question, &none).await.unwrap();
    assert_eq!(names.entries, ["a", "b"]);
    let paths: Vec<String> = server
        .questions()
        .into_iter()
        .map(|seen| seen.target)
        .collect();
    assert_eq!(paths, ["/api/v1/series", "/api/v1/series"]);
}

#[tokio::test]
async fn exemplars_come_by_series_in_order_of_time() {
    let server = FaultyServer::start(|_| {
        json(
            200,
            r#"{"status":"success","data":[{"seriesLabels":{"__name__":"m"},"exemplars":[
            {"labels":{"traceID":"b"},"value":"6","timestamp":1600096955.479},
            {"labels":{"traceID":"a"},"value":5,"timestamp":1600096945.479}]}]}"#,
        )
    })
    .await;
    let all = remote(&server.url)
        .exemplars(&range_of("m"), &Context::default())
        .await
        .unwrap();
    assert_eq!(all[0].labels.metric_name(), Some("m"));
    let traces: Vec<_> = all[0]
        .exemplars
        .iter()
        .map(|e| e.labels.get("traceID"))
        .collect();
    assert_eq!(traces, [Some("a"), Some("b")]);
    assert_eq!(all[0].exemplars[0].sample.time, 1_600_096_945_479);
    assert_eq!(all[0].exemplars[1].sample.value, 6.0);
}

#[tokio::test]
async fn metadata_comes_by_family() {
    let server = FaultyServer::start(|_| {
        json(200, r#"{"status":"success","data":{"up":[{"type":"gauge","help":"h","unit":""}],"a":[{"type":"odd"}]}}"#)
    })
    .await;
    let all = remote(&server.url)
        .metadata(Some("up"), &Context::default())
        .await
        .unwrap();
    assert_eq!(server.requests()[0].target, "/api/v1/metadata?metric=up");
    assert_eq!(all[0].0, "a");
    assert_eq!(all[0].1[0].kind, MetricKind::Unknown);
    assert_eq!(
        (all[1].1[0].kind, all[1].1[0].help.as_str()),
        (MetricKind::Gauge, "h")
    );
}

#[tokio::test]
async fn null_is_an_empty_list() {
    let server = FaultyServer::start(|_| json(200, r#"{"status":"success","data":null}"#)).await;
    let engine = remote(&server.url);
    let (all, none) = (LabelQuestion::default(), Context::default());
    let names = engine.label_names(&all, &none).await.unwrap();
    assert!(names.entries.is_empty() && !names.truncated);
    assert!(engine.series(&all, &none).await.unwrap().entries.is_empty());
    assert!(engine.metadata(None, &none).await.unwrap().is_empty());
    let exemplars = engine.exemplars(&range_of("up"), &none).await.unwrap();
    assert!(exemplars.is_empty());
}

#[tokio::test]
async fn a_look_up_that_fails_says_what_the_server_says() {
    let body = r#"{"status":"error","errorType":"bad_data","error":"no"}"#;
    let server = FaultyServer::start(move |_| json(400, body)).await;
    let question = LabelQuestion::default();
    let asked = remote(&server.url);
    let error = asked
        .label_names(&question, &Context::default())
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "bad_data: no");
    let server = FaultyServer::start(|_| answer(200, &[], "up 1\n")).await;
    let asked = remote(&server.url);
    let error = asked
        .label_names(&question, &Context::default())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::ExporterPage { .. }), "{error}");
}

#[tokio::test]
async fn what_passes_through_keeps_status_headers_and_body() {
    let server = FaultyServer::start(|_| {
        let headers = [
            ("Content-Type", "application/json"),
            ("Retry-After", "7"),
            ("Set-Cookie", "a=b"),
        ];
        answer(429, &headers, "{\"a\":1}")
    })
    .await;
    let engine = remote_with(&server.url, |s| {
        s.custom_query_parameters = "t=1".to_owned()
    });
    let mut asked = resource("api/v1/series");
    asked.method = Method::Post;
    asked.query = "limit=1".to_owned();
    asked.body = Bytes::from_static(b"match%5B%5D=up");
    asked.headers = vec![
        ("accept".to_owned(), "application/json;q=0.9".to_owned()),
        ("X-Forwarded-Host".to_owned(), "evil".to_owned()),
    ];
    let response = engine.resource(asked, &Context::default()).await.unwrap();
    assert_eq!(response.status, 429);
    let named = |name: &str| response.headers.iter().find(|(n, _)| n == name);
    assert_eq!(named("retry-after").map(|(_, v)| v.as_str()), Some("7"));
    assert_eq!(named("set-cookie"), None);
    assert_eq!(named("content-length"), None);
    let body: Vec<Bytes> = response.body.try_collect().await.unwrap();
    assert_eq!(body.concat(), b"{\"a\":1}");
    let seen = server.requests().remove(0);
    assert_eq!(seen.target, "/api/v1/series?t=1");
    assert_eq!(seen.body, "limit=1&match%5B%5D=up");
    assert_eq!(seen.header("accept"), Some("application/json;q=0.9"));
    assert_eq!(seen.header("x-forwarded-host"), None);
}

#[tokio::test]
async fn only_the_api_can_be_reached() {
    let server = FaultyServer::start(|_| json(200, "{}")).await;
    let engine = remote(&server.url);
    for path in [
        "api/v1/admin/tsdb/snapshot",
        "../x",
        "",
        "api/v1/label/%2e%2e/values",
    ] {
        let asked = engine.resource(resource(path), &Context::default()).await;
        assert!(matches!(asked, Err(Error::Forbidden { .. })), "{path}");
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_body_that_passes_through_is_not_waited_for_and_dropping_it_closes() {
    let server = FaultyServer::start(|_| {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";
        vec![Step::Send(head.as_bytes().to_vec()), Step::HoldOpen]
    })
    .await;
    let engine = remote(&server.url);
    let none = Context::default();
    let asked = engine.resource(resource("api/v1/labels"), &none);
    let mut response = asked.await.unwrap();
    let first = response.body.try_next().await.unwrap().unwrap();
    assert_eq!(first, "abc");
    drop(response);
    server.abandoned(1).await;
}
