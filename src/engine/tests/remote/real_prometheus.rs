//! Against Debian's Prometheus, which scrapes itself.

use super::*;
use engine::remote::Incremental;
use engine::{Cause, HealthStatus, LabelQuestion, Method, ResourceRequest};
use futures_util::TryStreamExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::process::{Child, Command};

const PROGRAM: &str = "/usr/bin/prometheus";

struct Prometheus {
    url: String,
    dir: PathBuf,
    child: Child,
}

impl Prometheus {
    /// `None`, with a line that says so, where Prometheus is not installed.
    #[allow(clippy::print_stdout, reason = "a person must see what was left out")]
    async fn start() -> Option<Self> {
        if !std::path::Path::new(PROGRAM).exists() {
            println!("skipped: {PROGRAM} is not installed");
            assert!(option_env!("CI").is_none(), "CI must have {PROGRAM}");
            return None;
        }
        let port = {
            let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            free.local_addr().unwrap().port()
        };
        let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("prometheus-{port}"));
        std::fs::create_dir_all(&dir).unwrap();
        let config = format!(
            "global: {{scrape_interval: 1s}}\nscrape_configs:\n- job_name: self\n  static_configs:\n  - targets: ['127.0.0.1:{port}']\n"
        );
        std::fs::write(dir.join("prometheus.yml"), config).unwrap();
        let child = Command::new(PROGRAM)
            .arg(format!(
                "--config.file={}",
                dir.join("prometheus.yml").display()
            ))
            .arg(format!(
                "--storage.tsdb.path={}",
                dir.join("data").display()
            ))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let started = Self {
            url: format!("http://127.0.0.1:{port}"),
            dir,
            child,
        };
        started.has_scraped().await;
        Some(started)
    }

    async fn has_scraped(&self) {
        let engine = remote(&self.url);
        for _ in 0..300 {
            let query = InstantQuery {
                expr: "count_over_time(up[1m]) >= 3".to_owned(),
                time_ms: now(),
            };
            let asked = engine.instant(&query, &Context::default()).await;
            if asked.is_ok_and(|answer| series_count(&answer) > 0) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("Prometheus does not scrape itself");
    }

    async fn stop(mut self) {
        self.child.kill().await.unwrap();
        std::fs::remove_dir_all(&self.dir).unwrap();
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "a real server lives in real time"
)]
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    since.as_millis() as i64
}

#[tokio::test]
async fn a_real_prometheus_answers_every_kind_of_question() {
    let Some(prometheus) = Prometheus::start().await else {
        return;
    };
    for method in [Method::Post, Method::Get] {
        let engine = remote_with(&prometheus.url, |s| {
            s.method = method;
            s.query_timeout = Some(Duration::from_secs(30));
            s.custom_query_parameters = "stats=all".to_owned();
        });
        queries(&engine).await;
        look_ups(&engine).await;
    }
    moving_ranges(&prometheus.url).await;
    prometheus.stop().await;
}

/// The range moves on with the clock while Prometheus scrapes; memory and the whole range say the
/// same, as often as the server says the same twice.
async fn moving_ranges(url: &str) {
    let plain = remote(url);
    let moving = remote_with(url, |settings| {
        settings.incremental = Some(Incremental {
            overlap: Duration::from_secs(4),
            ..Incremental::default()
        });
    });
    let mut compared = 0;
    // Only a broken test asks so often.
    for _ in 0..60 {
        let now = now();
        let context = Context {
            now_ms: Some(now),
            ..Context::default()
        };
        for expr in [
            "{job=\"self\"}",
            "sum by (handler) (rate(prometheus_http_requests_total[5s]))",
            "time() - timestamp(up)",
        ] {
            let end_ms = now / 1_000 * 1_000;
            let query = RangeQuery {
                expr: expr.to_owned(),
                start_ms: end_ms - 20_000,
                end_ms,
                step_ms: 1_000,
            };
            let before = plain.range(&query, &context).await.unwrap();
            let found = moving.range(&query, &context).await.unwrap();
            let after = plain.range(&query, &context).await.unwrap();
            if before.result == after.result {
                assert_eq!(found.result, before.result, "{expr}");
                compared += 1;
            }
        }
        if compared >= 20 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    panic!("the server never said the same twice: {compared} comparisons");
}

async fn queries(engine: &RemoteEngine) {
    let none = Context::default();
    let now = now();
    let range = |expr: &str| RangeQuery {
        expr: expr.to_owned(),
        start_ms: now - 60_000,
        end_ms: now,
        step_ms: 500,
    };
    let answer = engine.range(&range("vector(1.5)"), &none).await.unwrap();
    let QueryResult::Matrix(series) = &answer.result else {
        panic!("{answer:?}");
    };
    let expected: Vec<i64> = (0..=120).map(|i| now - 60_000 + i * 500).collect();
    assert_eq!(&series[0].times[..], &expected[..]);
    assert!(series[0].values.iter().all(|v| *v == 1.5));
    assert!(answer.statistics.samples.is_some());
    assert!(
        answer
            .statistics
            .stages
            .iter()
            .any(|stage| stage.name == "evalTotalTime")
    );

    // Every series of the server's own, against the same asked at one time each.
    let answer = engine.range(&range("{job=\"self\"}"), &none).await.unwrap();
    let QueryResult::Matrix(all) = &answer.result else {
        panic!("{answer:?}");
    };
    assert!(all.len() > 300, "{}", all.len());
    let at_end = InstantQuery {
        expr: "{job=\"self\"}".to_owned(),
        time_ms: now,
    };
    let instant = engine.instant(&at_end, &none).await.unwrap();
    let QueryResult::Vector(samples) = &instant.result else {
        panic!("{instant:?}");
    };
    assert_eq!(samples.len(), all.len());
    for sample in samples {
        let series = all
            .iter()
            .find(|series| series.labels == sample.labels)
            .unwrap();
        assert_eq!(series.times.last(), Some(&now), "{}", series.labels);
        let value = series.values.last().unwrap();
        assert_eq!(
            value.to_bits(),
            sample.sample.value.to_bits(),
            "{}",
            series.labels
        );
    }

    let at = |expr: &str| InstantQuery {
        expr: expr.to_owned(),
        time_ms: now,
    };
    let scalar = engine.instant(&at("-1/0"), &none).await.unwrap().result;
    assert!(
        matches!(scalar, QueryResult::Scalar(s) if s.value == f64::NEG_INFINITY && s.time == now)
    );
    let string = engine
        .instant(&at("\"a\\n\u{e4}\""), &none)
        .await
        .unwrap()
        .result;
    assert_eq!(
        string,
        QueryResult::String {
            time: now,
            value: "a\nä".to_owned()
        }
    );
    let error = engine.range(&range("sum("), &none).await.unwrap_err();
    assert!(error.to_string().starts_with("bad_data: "), "{error}");
    assert_eq!((error.cause(), error.status()), (Cause::Invalid, Some(400)));
    let exemplars = engine.exemplars(&range("up"), &none).await.unwrap();
    assert!(exemplars.is_empty());
}

async fn look_ups(engine: &RemoteEngine) {
    let none = Context::default();
    let everything = LabelQuestion::default();
    let names = engine.label_names(&everything, &none).await.unwrap();
    assert!(names.entries.contains(&"job".to_owned()) && !names.truncated);
    let jobs = engine
        .label_values("job", &everything, &none)
        .await
        .unwrap();
    assert_eq!(jobs.entries, ["self"]);
    let ups = LabelQuestion {
        selectors: vec!["up".to_owned()],
        ..LabelQuestion::default()
    };
    let series = engine.series(&ups, &none).await.unwrap();
    assert_eq!(series.entries[0].metric_name(), Some("up"));
    let metadata = engine.metadata(Some("go_goroutines"), &none).await.unwrap();
    assert_eq!(metadata[0].1[0].kind, series::MetricKind::Gauge);

    let asked = Context {
        now_ms: Some(now()),
        ..Context::default()
    };
    let health = engine.health(&asked).await;
    assert_eq!(health.status, HealthStatus::Ok, "{}", health.message);
    assert!(
        health.message.starts_with("Prometheus 2."),
        "{}",
        health.message
    );
    assert!(engine.server().version.is_some());

    let request = ResourceRequest {
        method: Method::Post,
        path: "api/v1/query".to_owned(),
        query: String::new(),
        headers: Vec::new(),
        body: bytes::Bytes::from_static(b"query=sum("),
    };
    let response = engine.resource(request, &none).await.unwrap();
    assert_eq!(response.status, 400);
    let body: Vec<bytes::Bytes> = response.body.try_collect().await.unwrap();
    assert!(
        String::from_utf8(body.concat())
            .unwrap()
            .contains("parse error")
    );
}
