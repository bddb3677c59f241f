//! Against Debian's VictoriaMetrics, which scrapes itself: another dialect of the same API.

use super::real_prometheus::now;
use super::*;
use engine::remote::ServerKind;
use engine::{HealthStatus, LabelQuestion};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

const PROGRAM: &str = "/usr/bin/victoria-metrics";

#[tokio::test]
#[allow(clippy::print_stdout, reason = "a person must see what was left out")]
async fn a_real_victoria_metrics_answers_as_prometheus_does() {
    if !std::path::Path::new(PROGRAM).exists() {
        println!("skipped: {PROGRAM} is not installed");
        assert!(option_env!("CI").is_none(), "CI must have {PROGRAM}");
        return;
    }
    let port = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().port()
    };
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("victoria-{port}"));
    let mut child = Command::new(PROGRAM)
        .arg(format!("-httpListenAddr=127.0.0.1:{port}"))
        .arg(format!("-storageDataPath={}", dir.display()))
        .arg("-selfScrapeInterval=1s")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let engine = remote(&format!("http://127.0.0.1:{port}"));
    has_started(&engine).await;

    let asked = Context {
        now_ms: Some(now()),
        ..Context::default()
    };
    let health = engine.health(&asked).await;
    assert_eq!(health.status, HealthStatus::Ok, "{}", health.message);
    assert!(
        health.message.starts_with("VictoriaMetrics answers"),
        "{}",
        health.message
    );
    assert_eq!(engine.server().kind, Some(ServerKind::VictoriaMetrics));

    // Of the last half minute VictoriaMetrics makes something up (its latency offset).
    let end = now() / 1_000 * 1_000 - 120_000;
    let range = RangeQuery {
        expr: "time()".to_owned(),
        start_ms: end - 60_000,
        end_ms: end,
        step_ms: 500,
    };
    let answer = engine.range(&range, &asked).await.unwrap();
    let QueryResult::Matrix(series) = &answer.result else {
        panic!("{answer:?}");
    };
    let expected: Vec<i64> = (0..=120).map(|i| end - 60_000 + i * 500).collect();
    assert_eq!(&series[0].times[..], &expected[..]);
    let times = series[0].times.iter().map(|time| *time as f64 / 1e3);
    assert!(
        series[0]
            .values
            .iter()
            .zip(times)
            .all(|(value, time)| *value == time)
    );

    let error = engine
        .instant(&instant_of("sum("), &asked)
        .await
        .unwrap_err();
    assert_eq!(error.status(), Some(422), "{error}");
    let names = engine
        .label_names(&LabelQuestion::default(), &asked)
        .await
        .unwrap();
    assert!(names.entries.contains(&"__name__".to_owned()));

    child.kill().await.unwrap();
    std::fs::remove_dir_all(&dir).unwrap();
}

async fn has_started(engine: &RemoteEngine) {
    for _ in 0..300 {
        let names = engine
            .label_names(&LabelQuestion::default(), &Context::default())
            .await;
        if names.is_ok_and(|names| !names.entries.is_empty()) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("VictoriaMetrics does not scrape itself");
}
