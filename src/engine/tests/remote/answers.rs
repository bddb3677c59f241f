//! What is made of answers, bad ones above all.

use super::faulty_server::{FaultyServer, Step, answer, json};
use super::*;
use engine::remote::{AtBound, Compression};
use engine::{Cause, TransportFailure};
use std::io::Write;
use std::time::Duration;

async fn answered(steps: impl Fn() -> Vec<Step> + Send + Sync + 'static) -> Result<Answer, Error> {
    let server = FaultyServer::start(move |_| steps()).await;
    ask(&remote(&server.url), "up").await
}

#[tokio::test]
async fn prometheus_errors_keep_their_text_and_status() {
    let body = r#"{"status":"error","errorType":"bad_data","error":"parse error"}"#;
    for (status, cause) in [
        (400, Cause::Invalid),
        (422, Cause::Invalid),
        (503, Cause::Invalid),
        (200, Cause::Invalid),
    ] {
        let error = answered(move || json(status, body)).await.unwrap_err();
        assert_eq!(error.to_string(), "bad_data: parse error");
        assert_eq!(error.status(), Some(status));
        assert_eq!(error.cause(), cause);
        assert!(error.is_downstream());
    }
    let body = r#"{"status":"error","errorType":"timeout","error":"query timed out"}"#;
    let error = answered(move || json(503, body)).await.unwrap_err();
    assert_eq!(error.cause(), Cause::Timeout);
}

#[tokio::test]
async fn other_statuses_are_told_with_the_first_kib() {
    for (status, cause) in [
        (401, Cause::Invalid),
        (403, Cause::Invalid),
        (404, Cause::Invalid),
        (429, Cause::Limit),
        (500, Cause::Unavailable),
        (502, Cause::Unavailable),
        (504, Cause::Timeout),
    ] {
        let body = format!("too many requests {}", "x".repeat(3_000));
        let sent = body.clone();
        let error = answered(move || answer(status, &[], &sent))
            .await
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "unexpected response with status code {status}: {}",
                &body[..1024]
            )
        );
        assert_eq!((error.status(), error.cause()), (Some(status), cause));
    }
}

#[tokio::test]
async fn a_bad_request_that_is_no_json_is_told_as_it_came() {
    for body in ["<html>proxy says no", "{\"mess", "no"] {
        let error = answered(move || answer(400, &[], body)).await.unwrap_err();
        assert_eq!(
            error,
            Error::UnexpectedStatus {
                status: 400,
                body: body.to_owned()
            }
        );
    }
}

#[tokio::test]
async fn a_success_that_is_no_api_is_recognized() {
    let page = "# HELP up Whether.\n# TYPE up gauge\nup 1\n";
    let error = answered(move || answer(200, &[], page)).await.unwrap_err();
    assert!(matches!(error, Error::ExporterPage { .. }));
    assert!(error.to_string().contains("embedded mode"), "{error}");
    assert_eq!(error.status(), Some(502));

    let page = "<!DOCTYPE html><title>Sign in</title>";
    let error = answered(move || answer(200, &[], page)).await.unwrap_err();
    assert!(matches!(&error, Error::Html { title, .. } if title == "Sign in"));

    for body in ["", "  \n ", "OK", "[1]"] {
        let error = answered(move || answer(200, &[], body)).await.unwrap_err();
        assert!(
            matches!(error, Error::Malformed { offset: 0, .. }),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_malformed_answer_names_its_byte() {
    for (body, offset, reason) in [
        (&b"{\"status\":\"success\"}"[..], 20, "resultType"),
        (b"{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[{\"metric\":{\"a\":\"\xff\"}}]}}", 76, "UTF-8"),
        (b"{\"status\":\"success\",\"data\":", 27, "ends before"),
    ] {
        let error = answered(move || answer(200, &[], body)).await.unwrap_err();
        match &error {
            Error::Malformed { offset: at, reason: why, .. } => {
                assert_eq!(*at, offset, "{error}");
                assert!(why.contains(reason), "{error}");
            }
            _ => panic!("{error}"),
        }
        assert_eq!(error.cause(), Cause::Corrupt);
    }
}

#[tokio::test]
async fn a_connection_that_breaks_is_no_answer() {
    let cut = || {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n";
        vec![
            Step::Send([head.as_bytes(), &UP.as_bytes()[..80]].concat()),
            Step::Close,
        ]
    };
    let error = answered(cut).await.unwrap_err();
    let broken = |error: &Error| {
        matches!(
            error,
            Error::Transport {
                failure: TransportFailure::Broken,
                ..
            }
        )
    };
    assert!(broken(&error), "{error:?}");
    let cut_chunk = || {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n50\r\n";
        vec![
            Step::Send([head.as_bytes(), &UP.as_bytes()[..0x20]].concat()),
            Step::Close,
        ]
    };
    let error = answered(cut_chunk).await.unwrap_err();
    assert!(broken(&error), "{error:?}");
    let error = answered(|| vec![Step::Close]).await.unwrap_err();
    assert!(broken(&error), "{error:?}");
}

#[tokio::test]
async fn a_body_in_odd_chunks_is_read_all_the_same() {
    let slow = || {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let mut steps = vec![Step::Send(head.as_bytes().to_vec())];
        for byte in UP.bytes() {
            steps.push(Step::Send(vec![b'1', b'\r', b'\n', byte, b'\r', b'\n']));
        }
        steps.insert(20, Step::Wait(Duration::from_millis(5)));
        steps.push(Step::Send(b"0\r\n\r\n".to_vec()));
        steps
    };
    assert_eq!(series_count(&answered(slow).await.unwrap()), 1);
}

#[tokio::test]
async fn a_server_that_never_answers_runs_into_the_deadline() {
    let server = FaultyServer::start(|_| vec![Step::HoldOpen]).await;
    let engine = remote(&server.url);
    let context = Context {
        deadline: Some(std::time::Instant::now() + Duration::from_millis(50)),
        ..Context::default()
    };
    let error = engine.range(&range_of("up"), &context).await.unwrap_err();
    assert!(matches!(error, Error::TimedOut { .. }), "{error}");
    assert_eq!((error.cause(), error.status()), (Cause::Timeout, Some(504)));
    server.abandoned(1).await;
}

/// The answer of a query that nobody waits for any more must not become another one's.
#[tokio::test]
async fn an_answer_after_cancellation_is_nobodys() {
    let server = FaultyServer::start(|seen| {
        let late = seen.body.contains("query=late");
        let mut steps = json(200, if late { SIX } else { UP });
        if late {
            steps.insert(0, Step::Wait(Duration::from_millis(100)));
        }
        steps
    })
    .await;
    let engine = std::sync::Arc::new(remote_with(&server.url, |s| s.max_concurrent_queries = 1));
    for _ in 0..3 {
        let late = tokio::spawn({
            let engine = std::sync::Arc::clone(&engine);
            async move { ask(&engine, "late").await.map(drop) }
        });
        server.holding(1).await;
        late.abort();
        assert!(late.await.is_err());
        assert_eq!(series_count(&ask(&engine, "up").await.unwrap()), 1);
        server.holding(0).await;
        assert_eq!(series_count(&ask(&engine, "up").await.unwrap()), 1);
    }
}

#[tokio::test]
async fn samples_out_of_order_and_twice_are_put_right_and_told() {
    let body = r#"{"status":"success","data":{"resultType":"matrix","result":[
        {"metric":{"a":"2"},"values":[[3,"3"],[1,"1"],[2,"2"],[2,"20"]]},
        {"metric":{"a":"1"},"values":[[1,"1"],[2,"2"],[3,"3"]]}]}}"#;
    let answer = answered(move || json(200, body)).await.unwrap();
    let QueryResult::Matrix(series) = &answer.result else {
        panic!("{answer:?}");
    };
    // Series keep the server's order.
    assert_eq!(series[0].labels.get("a"), Some("2"));
    assert_eq!(&series[0].times[..], [1_000, 2_000, 3_000]);
    assert_eq!(&series[0].values[..], [1.0, 20.0, 3.0]);
    assert!(answer.warnings[0].contains("out of order or twice"));
}

fn gzipped(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn a_compressed_answer_is_read() {
    let server = FaultyServer::start(|_| {
        answer(200, &[("Content-Encoding", "gzip")], gzipped(UP.as_bytes()))
    })
    .await;
    let engine = remote_with(&server.url, |s| s.compression = Compression::On);
    assert_eq!(series_count(&ask(&engine, "up").await.unwrap()), 1);
}

#[tokio::test]
async fn a_gzip_bomb_stops_at_the_bound() {
    let mut body = br#"{"status":"success","data":{"resultType":"matrix","result":[],"#.to_vec();
    body.extend_from_slice(b"\"x\":\"");
    body.resize(8 << 20, b' ');
    body.extend_from_slice(b"\"}}");
    let bomb = gzipped(&body);
    assert!(bomb.len() * 50 < body.len(), "{}", bomb.len());
    let server =
        FaultyServer::start(move |_| answer(200, &[("Content-Encoding", "gzip")], &bomb)).await;
    let engine = remote_with(&server.url, |s| {
        s.compression = Compression::On;
        s.at_bound = AtBound::Error;
        s.max_response_bytes = 1 << 20;
    });
    let error = ask(&engine, "up").await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Limit {
                bound: "maxResponseBytes",
                ..
            }
        ),
        "{error}"
    );
}

/// Three series of two samples.
const SIX: &str = r#"{"status":"success","data":{"resultType":"matrix","result":[
    {"metric":{"a":"1"},"values":[[1,"1"],[2,"2"]]},
    {"metric":{"a":"2"},"values":[[1,"1"],[2,"2"]]},
    {"metric":{"a":"3"},"values":[[1,"1"],[2,"2"]]}]}}"#;

#[tokio::test]
async fn at_a_bound_a_dashboard_gets_what_came_and_a_rule_an_error() {
    let server = FaultyServer::start(|_| json(200, SIX)).await;
    for (bound, change) in [
        (
            "maxSamples",
            (|s| s.max_samples = 3) as fn(&mut RemoteSettings),
        ),
        ("maxSeries", |s| s.max_series = 2),
        ("maxResponseBytes", |s| s.max_response_bytes = 150),
    ] {
        let partial = remote_with(&server.url, change);
        let answer = ask(&partial, "up").await.unwrap();
        assert_eq!(series_count(&answer), 2, "{bound}");
        assert!(answer.warnings[0].contains(bound), "{:?}", answer.warnings);
        let refused = |error: Error| {
            assert!(
                matches!(error, Error::Limit { bound: b, .. } if b == bound),
                "{error}"
            );
            assert_eq!(error.cause(), Cause::Limit);
        };
        refused(
            partial
                .range(&range_of("up"), &alerting())
                .await
                .unwrap_err(),
        );
        let strict = remote_with(&server.url, |s| {
            change(s);
            s.at_bound = AtBound::Error;
        });
        refused(ask(&strict, "up").await.unwrap_err());
    }
    let wide = remote_with(&server.url, |s| {
        s.max_samples = 6;
        s.max_series = 3;
        s.max_response_bytes = SIX.len() as u64;
    });
    assert!(
        wide.range(&range_of("up"), &alerting())
            .await
            .unwrap()
            .warnings
            .is_empty()
    );
}
