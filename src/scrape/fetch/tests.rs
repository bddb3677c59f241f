use super::*;
use crate::app::{App, Asked, Reply, page, redirect, status, with_type};
use crate::settings::{Origin, Settings};
use crate::{DiskFiles, Limits};
use serde_json::{Value, json};
use series::Secret;
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio_rustls::TlsAcceptor;

/// The job of one entry of `targets`; `pw` and the like are secrets named by themselves.
fn job(entry: Value) -> Job {
    let secrets = |name: &str| Some(Secret::new(name.to_owned()));
    let origin = Origin {
        secrets: &secrets,
        plain_secrets: false,
        directory: None,
    };
    let settings = Settings::from_json(&json!({ "targets": [entry] }), &origin).unwrap();
    settings.jobs.into_iter().next().unwrap()
}

async fn fetch(entry: Value) -> Result<Page> {
    fetch_once(&job(entry), Arc::new(DiskFiles::anywhere())).await
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn encoded(body: Vec<u8>, encoding: &str) -> Reply {
    let headers = [
        ("Content-Type", "text/plain"),
        ("Content-Encoding", encoding),
    ];
    let headers = headers.map(|(n, v)| (n.to_owned(), v.to_owned()));
    Reply::Whole(200, headers.to_vec(), body)
}

#[tokio::test]
async fn a_page_is_asked_for_as_prometheus_asks() {
    let app = App::start(|_| page("up 1\n")).await;
    let got = fetch(json!({"url": app.url(), "timeout": "2500ms"}))
        .await
        .unwrap();
    assert_eq!(
        (got.body.as_slice(), got.format),
        (&b"up 1\n"[..], Format::PrometheusText)
    );
    assert_eq!(got.content_type, "text/plain; version=0.0.4");
    let asked = &app.asked()[0];
    assert_eq!(asked.path(), "/metrics");
    assert_eq!(asked.header("accept"), Some(exposition::ACCEPT));
    assert_eq!(asked.header("accept-encoding"), Some("gzip"));
    assert_eq!(asked.header("host"), Some(app.address.to_string().as_str()));
    assert_eq!(
        asked.header("x-prometheus-scrape-timeout-seconds"),
        Some("2.5")
    );
    assert_eq!(asked.header("authorization"), None);
}

#[tokio::test]
async fn a_servers_own_page_is_known_by_its_build() {
    let text = "# TYPE prometheus_build_info gauge\nprometheus_build_info{version=\"3\"} 1\n";
    let app = App::start(move |_| page(text)).await;
    let got = fetch(json!(app.url())).await.unwrap();
    assert_eq!(got.prometheus_server(), Some("Prometheus"));
    let app = App::start(|_| page("my_prometheus_build_info{} 1\n")).await;
    assert_eq!(
        fetch(json!(app.url())).await.unwrap().prometheus_server(),
        None
    );
}

#[tokio::test]
async fn connections_are_kept_and_made_anew_when_the_app_closed_them() {
    let count = AtomicUsize::new(0);
    let app = App::start(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        2 => Reply::Close,
        _ => page("up 1\n"),
    })
    .await;
    let job = job(json!(app.url()));
    let fetcher = Fetcher::new(&job, Arc::new(DiskFiles::anywhere()));
    let mut found = Found::default();
    let Source::Static(groups) = &job.sources[0] else {
        panic!()
    };
    found.add(&job, &groups[0]);
    for _ in 0..2 {
        fetcher.fetch(&found.targets[0], Vec::new()).await.unwrap();
    }
    assert_eq!(app.connections(), 1);
    // The third request finds its connection closed and is asked once more.
    fetcher.fetch(&found.targets[0], Vec::new()).await.unwrap();
    assert_eq!((app.connections(), app.asked().len()), (2, 4));
}

#[tokio::test]
async fn gzip_is_inflated_within_the_bound() {
    let app = App::start(|_| encoded(gzip(b"up 1\n"), "gzip")).await;
    assert_eq!(fetch(json!(app.url())).await.unwrap().body, b"up 1\n");

    // 16 MiB of zeros in 16 kB.
    let bomb = gzip(&vec![b'0'; 16 << 20]);
    let app = App::start(move |_| encoded(bomb.clone(), "gzip")).await;
    let error = fetch(json!({"url": app.url(), "bodySizeLimit": "1MB"}))
        .await
        .unwrap_err();
    assert_eq!(
        error,
        Error::BodyTooLarge {
            url: app.url(),
            limit: 1 << 20
        }
    );

    let mut cut = gzip(b"up 1\n");
    cut.truncate(10);
    let app = App::start(move |asked: &Asked| match asked.path() {
        "/cut" => encoded(cut.clone(), "gzip"),
        _ => encoded(b"x".to_vec(), "br"),
    })
    .await;
    for path in ["cut", "br"] {
        let error = fetch(json!(format!("http://{}/{path}", app.address)))
            .await
            .unwrap_err();
        assert!(matches!(error, Error::Encoding { .. }), "{error}");
    }
    let app = App::start(|_| page("up 1\n")).await;
    fetch(json!({"url": app.url(), "compression": false}))
        .await
        .unwrap();
    assert_eq!(app.asked()[0].header("accept-encoding"), Some("identity"));
}

#[tokio::test]
async fn a_body_without_end_ends_at_the_bound_or_the_timeout() {
    let app = App::start(|_| Reply::Endless(vec![b'#'; 64 << 10])).await;
    let error = fetch(json!({"url": app.url(), "bodySizeLimit": "5MB"}))
        .await
        .unwrap_err();
    assert_eq!(
        error,
        Error::BodyTooLarge {
            url: app.url(),
            limit: 5 << 20
        }
    );

    let app = App::start(|_| Reply::Endless(Vec::new())).await;
    let error = fetch(json!({"url": app.url(), "timeout": "200ms"}))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::TimedOut { .. }), "{error}");
    assert!(
        error.to_string().contains("did not answer within 200ms"),
        "{error}"
    );

    let app = App::start(|_| Reply::Silence).await;
    let error = fetch(json!({"url": app.url(), "timeout": "200ms"}))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::TimedOut { .. }), "{error}");
}

#[tokio::test]
async fn a_page_of_a_gigabyte_takes_no_gigabyte() {
    let app = App::start(|_| Reply::Promise(1 << 30)).await;
    let error = fetch(json!(app.url())).await.unwrap_err();
    assert_eq!(
        error,
        Error::BodyTooLarge {
            url: app.url(),
            limit: Limits::default().body_size
        }
    );
}

#[tokio::test]
async fn what_went_wrong_is_said_to_a_person() {
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let error = fetch(json!(format!("http://{closed}/metrics")))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "Cannot reach http://{closed}/metrics: connection refused. \
             Is the app running, and can Grafana's host reach it?"
        )
    );
    let error = fetch(json!("http://no-such-host.invalid/metrics"))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::UnknownHost { .. }), "{error}");

    let json_answer = r#"{"status":"success","data":{}}"#;
    let html = "<!doctype html><title>x</title>";
    for (reply, part) in [
        (status(404), "HTTP status 404. Is the path right?"),
        (status(401), "Set the user name and password"),
        (
            with_type("text/html; charset=utf-8", html),
            "answered with a web page",
        ),
        (with_type("text/plain", html), "answered with a web page"),
        (
            with_type("application/json", json_answer),
            "Set the data source's engine to remote",
        ),
        (
            with_type("application/json", "{}"),
            "no text format of metrics",
        ),
        (
            Reply::Whole(200, Vec::new(), b"up 1\n".to_vec()),
            "sent no Content-Type",
        ),
        (Reply::Close, "broke off its answer"),
        (Reply::Half(b"up 1\n".to_vec()), "broke off its answer"),
    ] {
        let app = App::start(move |_| reply.clone()).await;
        let error = fetch(json!(app.url())).await.unwrap_err().to_string();
        assert!(
            error.contains(part) && error.contains(&app.url()),
            "{part}: {error}"
        );
    }
    let api_error = Reply::Whole(
        400,
        vec![("Content-Type".to_owned(), "application/json".to_owned())],
        br#"{"status": "error", "errorType": "bad_data"}"#.to_vec(),
    );
    let app = App::start(move |_| api_error.clone()).await;
    let error = fetch(json!(app.url())).await.unwrap_err();
    assert!(matches!(error, Error::PrometheusApi { .. }), "{error}");
}

#[tokio::test]
async fn a_fallback_reads_a_page_without_a_type() {
    let app = App::start(|_| Reply::Whole(200, Vec::new(), b"up 1\n".to_vec())).await;
    let entry = json!({"url": app.url(), "fallbackScrapeProtocol": "PrometheusText0.0.4"});
    assert_eq!(fetch(entry).await.unwrap().format, Format::PrometheusText);
}

#[tokio::test]
async fn credentials_go_to_the_target() {
    let app = App::start(|_| page("up 1\n")).await;
    let url = app.url();
    for entry in [
        json!({"url": url, "basicAuth": {"username": "Aladdin", "passwordSecret": "open sesame"}}),
        json!({"url": url, "bearerTokenSecret": "t0ken"}),
        json!({"url": url, "authorization": {"type": "Token", "credentialsSecret": "t0ken"}}),
        json!({"url": url, "headers": {"X-Scope": "a"}, "headerSecrets": {"X-Key": "k"}}),
    ] {
        fetch(entry).await.unwrap();
    }
    let asked = app.asked();
    let sent = |i: usize, name| asked[i].header(name);
    assert_eq!(
        sent(0, "authorization"),
        Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")
    );
    assert_eq!(sent(1, "authorization"), Some("Bearer t0ken"));
    assert_eq!(sent(2, "authorization"), Some("Token t0ken"));
    assert_eq!(
        (sent(3, "x-scope"), sent(3, "x-key")),
        (Some("a"), Some("k"))
    );
}

#[tokio::test]
async fn a_token_file_is_read_anew() {
    let path = std::env::temp_dir().join(format!("headwater-token-{}", std::process::id()));
    std::fs::write(&path, "first\n").unwrap();
    let app = App::start(|_| page("up 1\n")).await;
    let job = job(json!({"url": app.url(), "bearerTokenFile": path}));
    let fetcher = Fetcher::new(&job, Arc::new(DiskFiles::anywhere()));
    let mut found = Found::default();
    let Source::Static(groups) = &job.sources[0] else {
        panic!()
    };
    found.add(&job, &groups[0]);
    fetcher.fetch(&found.targets[0], Vec::new()).await.unwrap();
    std::fs::write(&path, "second\n").unwrap();
    fetcher.fetch(&found.targets[0], Vec::new()).await.unwrap();
    std::fs::remove_file(&path).unwrap();
    let error = fetcher
        .fetch(&found.targets[0], Vec::new())
        .await
        .err()
        .unwrap();
    assert!(matches!(error, Error::File { .. }), "{error}");
    let asked = app.asked();
    assert_eq!(asked[0].header("authorization"), Some("Bearer first"));
    assert_eq!(asked[1].header("authorization"), Some("Bearer second"));
}

#[tokio::test]
async fn redirects_are_followed_without_credentials_to_others() {
    let other = App::start(|_| page("up 1\n")).await;
    let elsewhere = other.url();
    let app = App::start(move |asked: &Asked| match asked.path() {
        "/away" => redirect(&elsewhere),
        "/here" => redirect("/metrics"),
        "/circle" => redirect("/circle"),
        "/file" => redirect("file:///etc/passwd"),
        _ => page("up 1\n"),
    })
    .await;
    let entry = |path: &str| {
        json!({
            "url": format!("http://{}{path}", app.address),
            "bearerTokenSecret": "t0ken", "headerSecrets": {"X-Key": "k"},
        })
    };
    fetch(entry("/here")).await.unwrap();
    let asked = app.asked();
    assert_eq!(asked[1].header("authorization"), Some("Bearer t0ken"));

    let got = fetch(entry("/away")).await.unwrap();
    assert_eq!(got.url, other.url());
    let asked = &other.asked()[0];
    assert_eq!(
        (asked.header("authorization"), asked.header("x-key")),
        (None, None)
    );
    assert_eq!(
        asked.header("host"),
        Some(other.address.to_string().as_str())
    );

    for path in ["/circle", "/file"] {
        let error = fetch(entry(path)).await.unwrap_err();
        assert!(matches!(error, Error::Redirect { .. }), "{error}");
    }
    let mut refuse = entry("/away");
    refuse["followRedirects"] = json!(false);
    let error = fetch(refuse).await.unwrap_err();
    assert!(
        matches!(error, Error::Status { status: 302, .. }),
        "{error}"
    );
}

/// A certificate authority, and a server's and a client's certificate that it signed.
struct Authority {
    ca: rcgen::Certificate,
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let ca = params.self_signed(&key).unwrap();
        Self {
            ca,
            issuer: rcgen::Issuer::new(params, key),
        }
    }

    fn sign(&self, name: &str) -> (rcgen::Certificate, rcgen::KeyPair) {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    /// A server named `name`; it asks for certificates of `clients`.
    fn acceptor(&self, name: &str, clients: Option<&Self>) -> TlsAcceptor {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(clients) => {
                let mut roots = rustls::RootCertStore::empty();
                roots.add(clients.ca.der().clone()).unwrap();
                let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
                    Arc::new(roots),
                    provider,
                );
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let (certificate, key) = self.sign(name);
        let key = rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der());
        let config = builder
            .with_single_cert(vec![certificate.der().clone()], key.into())
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

#[tokio::test]
async fn a_certificate_has_to_be_signed_by_the_given_authority() {
    let authority = Authority::new();
    let tls = authority.acceptor("127.0.0.1", None);
    let app = App::start_with(|_| page("up 1\n"), Some(tls)).await;
    let url = format!("https://{}/metrics", app.address);

    let error = fetch(json!(url)).await.unwrap_err();
    assert!(matches!(error, Error::Tls { .. }), "{error}");
    assert!(
        error.to_string().contains("Set the CA certificate"),
        "{error}"
    );

    let ca = authority.ca.pem();
    fetch(json!({"url": url, "tls": {"ca": ca}})).await.unwrap();
    fetch(json!({"url": url, "tls": {"skipVerify": true}}))
        .await
        .unwrap();

    let other = Authority::new().ca.pem();
    let error = fetch(json!({"url": url, "tls": {"ca": other}}))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Tls { .. }), "{error}");
    for ca in ["", "no PEM"] {
        let error = fetch(json!({"url": url, "tls": {"ca": ca}}))
            .await
            .unwrap_err();
        assert!(matches!(error, Error::Setting { .. }), "{error}");
    }
    // Plain HTTP to the same port is no metrics page, and plain ports speak no TLS.
    let plain = App::start(|_| page("up 1\n")).await;
    let error = fetch(json!(format!("https://{}/", plain.address)))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("Does the app speak HTTPS"),
        "{error}"
    );
}

#[tokio::test]
async fn a_certificate_has_to_carry_the_name() {
    let authority = Authority::new();
    let tls = authority.acceptor("wiki.internal", None);
    let app = App::start_with(|_| page("up 1\n"), Some(tls)).await;
    let url = format!("https://{}/metrics", app.address);
    let ca = authority.ca.pem();
    let error = fetch(json!({"url": url, "tls": {"ca": ca}}))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("serverName"), "{error}");
    fetch(json!({"url": url, "tls": {"ca": ca, "serverName": "wiki.internal"}}))
        .await
        .unwrap();
    // The Host header stays the URL's.
    let host = app.address.to_string();
    assert_eq!(app.asked()[0].header("host"), Some(host.as_str()));
}

#[tokio::test]
async fn a_client_shows_its_certificate_to_the_target_only() {
    let authority = Authority::new();
    let (certificate, key) = authority.sign("client");
    let asking = || Some(authority.acceptor("127.0.0.1", Some(&authority)));
    let other = App::start_with(|_| page("up 1\n"), asking()).await;
    let elsewhere = format!("https://{}/metrics", other.address);
    let app = App::start_with(
        move |asked: &Asked| match asked.path() {
            "/away" => redirect(&elsewhere),
            _ => page("up 1\n"),
        },
        asking(),
    )
    .await;
    let url = format!("https://{}", app.address);
    let ca = authority.ca.pem();
    let key = key.serialize_pem();
    let tls = json!({"ca": ca, "cert": certificate.pem(), "keySecret": key});

    let error = fetch(json!({"url": url, "tls": {"ca": ca}}))
        .await
        .unwrap_err();
    assert!(
        matches!(error, Error::Tls { .. } | Error::BrokenOff { .. }),
        "{error}"
    );
    fetch(json!({"url": url, "tls": tls})).await.unwrap();
    let error = fetch(json!({"url": format!("{url}/away"), "tls": tls}))
        .await
        .unwrap_err();
    assert!(
        matches!(error, Error::Tls { .. } | Error::BrokenOff { .. }),
        "{error}"
    );
    assert_eq!(other.asked().len(), 0);
}

#[tokio::test]
async fn a_missing_secret_is_no_request() {
    let app = App::start(|_| page("up 1\n")).await;
    let entry = json!({"targets": [{"url": app.url(), "bearerTokenSecret": "t"}]});
    let settings = Settings::from_json(&entry, &Origin::data_source()).unwrap();
    let files = Arc::new(DiskFiles::anywhere());
    let error = fetch_once(&settings.jobs[0], files).await.unwrap_err();
    assert_eq!(error, Error::SecretUnknown("t".to_owned()));
    assert_eq!(app.asked().len(), 0);
}
