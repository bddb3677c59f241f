//! Who the server is told that we are.

use super::faulty_server::{FaultyServer, Seen, json};
use super::*;
use engine::ForwardedHeader;
use engine::remote::BasicAuth;

async fn seen_with(change: impl FnOnce(&mut RemoteSettings), context: Context) -> Seen {
    let server = FaultyServer::start(|_| json(200, UP)).await;
    let engine = remote_with(&server.url, change);
    engine.range(&range_of("up"), &context).await.unwrap();
    server.requests().remove(0)
}

fn forwarding(headers: &[(&str, &str)]) -> Context {
    Context {
        forwarded: headers
            .iter()
            .map(|(name, value)| ForwardedHeader {
                name: (*name).to_owned(),
                value: secret(value),
            })
            .collect(),
        ..Context::default()
    }
}

fn basic(settings: &mut RemoteSettings) {
    settings.basic_auth = Some(BasicAuth {
        user: "me".to_owned(),
        password: secret("pw"),
    });
}

#[tokio::test]
async fn each_kind_of_credentials_reaches_the_server() {
    let none = Context::default;
    let seen = seen_with(|_| {}, none()).await;
    assert_eq!(seen.header("authorization"), None);
    let seen = seen_with(basic, none()).await;
    assert_eq!(seen.header("authorization"), Some("Basic bWU6cHc="));
    let seen = seen_with(|s| s.bearer = Some(secret("t0ken")), none()).await;
    assert_eq!(seen.header("authorization"), Some("Bearer t0ken"));
    let in_url = |s: &mut RemoteSettings| s.url = s.url.replace("http://", "http://me:pw@");
    let seen = seen_with(in_url, none()).await;
    assert_eq!(seen.header("authorization"), Some("Basic bWU6cHc="));
    let tenant = |s: &mut RemoteSettings| {
        s.headers = vec![
            ("X-Scope-OrgID".to_owned(), secret("team")),
            ("Host".to_owned(), secret("prometheus.example")),
        ];
    };
    let seen = seen_with(tenant, none()).await;
    assert_eq!(seen.header("x-scope-orgid"), Some("team"));
    assert_eq!(seen.header("host"), Some("prometheus.example"));
}

#[tokio::test]
async fn the_callers_identity_goes_along_only_where_settings_say_so() {
    let headers = [("Authorization", "Bearer user"), ("x-id-token", "id")];
    let seen = seen_with(basic, forwarding(&headers)).await;
    assert_eq!(seen.header("authorization"), Some("Basic bWU6cHc="));
    assert_eq!(seen.header("x-id-token"), None);
    let pass = |s: &mut RemoteSettings| {
        basic(s);
        s.forward_oauth = true;
    };
    let seen = seen_with(pass, forwarding(&headers)).await;
    assert_eq!(seen.header("authorization"), Some("Bearer user"));
    assert_eq!(seen.header("x-id-token"), Some("id"));
}

#[tokio::test]
async fn only_named_cookies_go_along() {
    let headers = [("Cookie", "grafana_session=secret; proxy=1; other=2")];
    let seen = seen_with(|_| {}, forwarding(&headers)).await;
    assert_eq!(seen.header("cookie"), None);
    let keep = |s: &mut RemoteSettings| s.keep_cookies = vec!["proxy".to_owned()];
    let seen = seen_with(keep, forwarding(&headers)).await;
    assert_eq!(seen.header("cookie"), Some("proxy=1"));
}

#[tokio::test]
async fn no_message_holds_a_secret() {
    let engine = remote("http://me:hunter2@127.0.0.1:1/?token=hunter3");
    let error = ask(&engine, "up").await.unwrap_err();
    let text = format!("{error} {error:?}");
    assert!(!text.contains("hunter"), "{text}");
}
