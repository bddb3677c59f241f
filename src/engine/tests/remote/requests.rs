//! What is sent: methods, parameters, redirects, proxies.

use super::faulty_server::{FaultyServer, Seen, answer, json};
use super::*;
use engine::Method;
use engine::remote::{Compression, Proxy};
use std::time::Duration;

#[tokio::test]
async fn a_range_query_is_posted_as_a_form() {
    let server = FaultyServer::start(|_| json(200, UP)).await;
    let engine = remote(&server.url);
    assert_eq!(
        series_count(&ask(&engine, "up{a=\"b\"} + 1").await.unwrap()),
        1
    );
    let seen = &server.requests()[0];
    assert_eq!(
        (seen.method.as_str(), seen.target.as_str()),
        ("POST", "/api/v1/query_range")
    );
    assert_eq!(
        seen.header("content-type"),
        Some("application/x-www-form-urlencoded")
    );
    assert_eq!(
        seen.body,
        "query=up%7Ba%3D%22b%22%7D+%2B+1&start=1700000000&end=1700000060&step=15"
    );
}

#[tokio::test]
async fn an_instant_query_carries_its_time_and_the_timeout() {
    let server = FaultyServer::start(|_| {
        json(
            200,
            r#"{"status":"success","data":{"resultType":"scalar","result":[1,"2"]}}"#,
        )
    })
    .await;
    let engine = remote_with(&server.url, |s| {
        s.query_timeout = Some(Duration::from_secs(90))
    });
    let query = instant_of("1+1");
    engine.instant(&query, &Context::default()).await.unwrap();
    let seen = &server.requests()[0];
    assert_eq!(seen.target, "/api/v1/query");
    assert_eq!(seen.body, "query=1%2B1&time=1700000000.5&timeout=1m30s");
}

#[tokio::test]
async fn with_get_the_parameters_stand_in_the_url() {
    let server = FaultyServer::start(|_| json(200, UP)).await;
    let engine = remote_with(&format!("{}/prom/", server.url), |s| s.method = Method::Get);
    ask(&engine, "up").await.unwrap();
    let seen = &server.requests()[0];
    assert_eq!(seen.method, "GET");
    assert_eq!(
        seen.target,
        "/prom/api/v1/query_range?query=up&start=1700000000&end=1700000060&step=15"
    );
    assert_eq!(seen.body, "");
}

#[tokio::test]
async fn custom_parameters_go_into_the_url_and_never_replace_the_querys() {
    let server = FaultyServer::start(|_| json(200, UP)).await;
    let engine = remote_with(&format!("{}?tenant=1", server.url), |s| {
        s.custom_query_parameters = "max_source=5m&query=evil&x=a%20b".to_owned();
    });
    ask(&engine, "up").await.unwrap();
    let seen = &server.requests()[0];
    assert_eq!(
        seen.target,
        "/api/v1/query_range?tenant=1&max_source=5m&x=a+b"
    );
}

#[tokio::test]
async fn after_405_a_server_is_asked_with_get() {
    let server = FaultyServer::start(|seen| match seen.method.as_str() {
        "GET" => json(200, UP),
        _ => answer(405, &[], "no"),
    })
    .await;
    let engine = remote(&server.url);
    for _ in 0..2 {
        ask(&engine, "up").await.unwrap();
    }
    let methods: Vec<String> = server
        .requests()
        .into_iter()
        .map(|seen| seen.method)
        .collect();
    assert_eq!(methods, ["POST", "GET", "GET"]);
}

#[tokio::test]
async fn redirects_on_the_same_host_keep_method_and_body() {
    for status in [301, 302, 307, 308] {
        let server = FaultyServer::start(move |seen| match seen.path() {
            "/moved/api/v1/query_range" => json(200, UP),
            _ => answer(status, &[("Location", "/moved/api/v1/query_range")], ""),
        })
        .await;
        assert!(ask(&remote(&server.url), "up").await.is_ok(), "{status}");
        let requests = server.requests();
        assert_eq!(requests.len(), 2);
        assert_eq!(requests[1].method, "POST");
        assert_eq!(requests[1].body, requests[0].body);
    }
}

#[tokio::test]
async fn see_other_is_followed_with_get() {
    let server = FaultyServer::start(|seen| match seen.path() {
        "/moved" => json(200, UP),
        _ => answer(303, &[("Location", "/moved?x=1")], ""),
    })
    .await;
    ask(&remote(&server.url), "up").await.unwrap();
    let seen = &server.requests()[1];
    assert_eq!(seen.method, "GET");
    assert!(
        seen.target.starts_with("/moved?x=1&query=up&"),
        "{}",
        seen.target
    );
}

#[tokio::test]
async fn a_redirect_to_another_host_is_refused_and_nothing_is_sent_there() {
    let other = FaultyServer::start(|_| json(200, UP)).await;
    let target = format!("{}/api/v1/query_range?secret=1", other.url);
    let server =
        FaultyServer::start(move |_| answer(307, &[("Location", target.as_str())], "")).await;
    let engine = remote_with(&server.url, |s| s.bearer = Some(secret("token")));
    let error = ask(&engine, "up").await.unwrap_err();
    assert!(
        matches!(&error, Error::Redirect { to, .. } if !to.contains("secret")),
        "{error}"
    );
    assert_eq!(error.status(), Some(502));
    assert!(other.requests().is_empty());
}

#[tokio::test]
async fn ten_redirects_are_followed_and_an_eleventh_is_not() {
    async fn hops(count: usize) -> (Result<Answer, Error>, usize) {
        let server = FaultyServer::start(move |seen: &Seen| {
            let hop: usize = seen.path().trim_start_matches("/hop").parse().unwrap_or(0);
            if hop == count {
                return json(200, UP);
            }
            answer(
                307,
                &[("Location", format!("/hop{}", hop + 1).as_str())],
                "",
            )
        })
        .await;
        let asked = ask(&remote(&server.url), "up").await;
        (asked, server.requests().len())
    }
    let (asked, requests) = hops(10).await;
    assert!(asked.is_ok());
    assert_eq!(requests, 11);
    let (asked, requests) = hops(11).await;
    assert!(matches!(asked, Err(Error::Redirect { .. })));
    assert_eq!(requests, 11);
}

#[tokio::test]
async fn a_proxy_gets_the_request_and_its_own_credentials() {
    let proxy = FaultyServer::start(|_| json(200, UP)).await;
    let direct = FaultyServer::start(|_| json(200, UP)).await;
    let through = |url: &str, except: &str| {
        remote_with(url, |s| {
            s.proxy = Some(Proxy {
                url: proxy.url.clone(),
                except: except.to_owned(),
                auth: Some(engine::remote::BasicAuth {
                    user: "me".to_owned(),
                    password: secret("pw"),
                }),
            });
        })
    };
    ask(&through("http://prometheus.invalid:9090", ""), "up")
        .await
        .unwrap();
    let seen = proxy.requests().remove(0);
    assert_eq!(
        seen.target,
        "http://prometheus.invalid:9090/api/v1/query_range"
    );
    assert_eq!(seen.header("proxy-authorization"), Some("Basic bWU6cHc="));
    ask(&through(&direct.url, "127.0.0.1"), "up").await.unwrap();
    assert_eq!((proxy.requests().len(), direct.requests().len()), (1, 1));
}

#[tokio::test]
async fn compression_is_asked_for_where_it_pays() {
    let server = FaultyServer::start(|_| json(200, UP)).await;
    for (compression, asked) in [
        (Compression::Auto, false),
        (Compression::Off, false),
        (Compression::On, true),
    ] {
        let engine = remote_with(&server.url, |s| s.compression = compression);
        ask(&engine, "up").await.unwrap();
        let seen = server.requests().pop().unwrap();
        let accepted = seen.header("accept-encoding").unwrap_or_default();
        assert_eq!(
            accepted.contains("gzip") && accepted.contains("zstd"),
            asked,
            "{accepted}"
        );
    }
}

#[tokio::test]
async fn settings_that_cannot_be_used_are_named() {
    for (key, change) in [
        (
            "url",
            (|s| s.url = "prometheus:9090".to_owned()) as fn(&mut RemoteSettings),
        ),
        ("apiKey", |s| s.bearer = Some(secret("a\nb"))),
        ("httpHeaderName", |s| {
            s.headers = vec![("a b".to_owned(), secret("x"))]
        }),
        ("httpHeaderValue", |s| {
            s.headers = vec![("a".to_owned(), secret("x\r\ny"))]
        }),
        ("basicAuthUser", |s| {
            s.basic_auth = Some(engine::remote::BasicAuth {
                user: "a:b".to_owned(),
                password: secret(""),
            });
        }),
        ("proxy", |s| {
            s.proxy = Some(Proxy {
                url: "::".to_owned(),
                except: String::new(),
                auth: None,
            });
        }),
        ("tlsCACert", |s| {
            s.url = "https://a".to_owned();
            s.tls.ca = Some(secret("no certificate"));
        }),
        ("tlsClientKey", |s| {
            s.url = "https://a".to_owned();
            s.tls.client_cert = Some(secret("x"));
        }),
    ] {
        let mut settings = settings("http://127.0.0.1:1");
        change(&mut settings);
        match RemoteEngine::new(settings) {
            Err(Error::Setting { key: named, .. }) => assert_eq!(named, key),
            Err(error) => panic!("{key}: {error}"),
            Ok(_) => panic!("{key}: accepted"),
        }
    }
}
