//! Being kind to the server: sharing, bounds, cancelling.

use super::faulty_server::{FaultyServer, Step, json};
use super::*;
use engine::{Cause, ForwardedHeader};
use std::sync::Arc;
use std::time::Duration;

async fn slow_server(time: Duration) -> FaultyServer {
    FaultyServer::start(move |_| {
        let mut steps = json(200, UP);
        steps.insert(0, Step::Wait(time));
        steps
    })
    .await
}

#[tokio::test]
async fn equal_requests_in_flight_are_sent_once() {
    let server = slow_server(Duration::from_millis(100)).await;
    let engine = remote(&server.url);
    let asked = (0..20).map(|i| {
        let engine = &engine;
        async move { ask(engine, if i % 2 == 0 { "even" } else { "odd" }).await }
    });
    for answer in futures_util::future::join_all(asked).await {
        assert_eq!(series_count(&answer.unwrap()), 1);
    }
    assert_eq!(server.requests().len(), 2);
    ask(&engine, "even").await.unwrap();
    assert_eq!(server.requests().len(), 3, "what is done is not remembered");
}

#[tokio::test]
async fn requests_of_different_people_are_not_shared() {
    let server = slow_server(Duration::from_millis(50)).await;
    let engine = remote_with(&server.url, |s| s.forward_oauth = true);
    let query = range_of("up");
    let person = |token: &str| Context {
        forwarded: vec![ForwardedHeader {
            name: "Authorization".to_owned(),
            value: secret(token),
        }],
        ..Context::default()
    };
    let (a, b) = (person("a"), person("b"));
    let (first, second) = tokio::join!(engine.range(&query, &a), engine.range(&query, &b));
    assert!(first.is_ok() && second.is_ok());
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn no_more_requests_are_in_flight_than_allowed() {
    let server = slow_server(Duration::from_millis(20)).await;
    let engine = remote_with(&server.url, |s| s.max_concurrent_queries = 3);
    let asked = (0..15).map(|i| {
        let engine = &engine;
        async move { ask(engine, &format!("q{i}")).await }
    });
    for answer in futures_util::future::join_all(asked).await {
        answer.unwrap();
    }
    assert_eq!(server.requests().len(), 15);
    assert_eq!(server.most_open_requests(), 3);
}

#[tokio::test]
async fn beyond_the_queue_a_query_is_refused() {
    let server = FaultyServer::start(|_| vec![Step::HoldOpen]).await;
    let engine = Arc::new(remote_with(&server.url, |s| {
        s.max_concurrent_queries = 1;
        s.max_queued_queries = 0;
    }));
    let holding = tokio::spawn({
        let engine = Arc::clone(&engine);
        async move { ask(&engine, "a").await.map(drop) }
    });
    server.holding(1).await;
    let error = ask(&engine, "b").await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Limit {
                bound: "maxQueuedQueries",
                ..
            }
        ),
        "{error}"
    );
    holding.abort();
}

#[tokio::test]
async fn dropping_a_query_closes_its_connection() {
    let server = FaultyServer::start(|_| vec![Step::HoldOpen]).await;
    let engine = Arc::new(remote(&server.url));
    let query = tokio::spawn({
        let engine = Arc::clone(&engine);
        async move { ask(&engine, "up").await.map(drop) }
    });
    server.holding(1).await;
    query.abort();
    server.abandoned(1).await;
}

#[tokio::test]
async fn a_query_cut_in_the_middle_of_its_answer_closes_its_connection() {
    let server = FaultyServer::start(|_| {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n20\r\n";
        vec![
            Step::Send([head.as_bytes(), &UP.as_bytes()[..0x20], b"\r\n"].concat()),
            Step::HoldOpen,
        ]
    })
    .await;
    let engine = Arc::new(remote(&server.url));
    let query = tokio::spawn({
        let engine = Arc::clone(&engine);
        async move { ask(&engine, "up").await.map(drop) }
    });
    server.holding(1).await;
    query.abort();
    server.abandoned(1).await;
}

#[tokio::test]
async fn a_shared_request_ends_with_the_last_who_waits() {
    let server = FaultyServer::start(|_| vec![Step::HoldOpen]).await;
    let engine = Arc::new(remote(&server.url));
    let mut waiting = Vec::new();
    for _ in 0..3 {
        let engine = Arc::clone(&engine);
        waiting.push(tokio::spawn(
            async move { ask(&engine, "up").await.map(drop) },
        ));
        server.holding(1).await;
    }
    for (i, query) in waiting.into_iter().enumerate() {
        server.holding(1).await;
        assert_eq!(server.requests().len(), 1, "{i}");
        query.abort();
        assert!(query.await.is_err());
    }
    server.abandoned(1).await;
}

#[tokio::test]
async fn an_interrupt_that_is_pulled_asks_nothing() {
    let server = FaultyServer::start(|_| json(200, UP)).await;
    let engine = remote(&server.url);
    let context = Context::default();
    context.interrupt.cancel();
    let error = engine.range(&range_of("up"), &context).await.unwrap_err();
    assert_eq!(error.cause(), Cause::Timeout);
    assert!(server.requests().is_empty());
}
