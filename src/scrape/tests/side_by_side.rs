//! Debian's node_exporter, scraped by us and by Debian's Prometheus at the same time.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "what is skipped is said")]

#[path = "../fake.rs"]
#[allow(dead_code, reason = "other tests use the rest of it")]
mod fake;

use fake::FakeAppender;
use scrape::{Clock, DiskFiles, Origin, Scraper, Settings, Surroundings, SystemNames};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

struct TestClock(Instant);

impl Clock for TestClock {
    fn now(&self) -> i64 {
        1_700_000_000_000 + self.0.elapsed().as_millis() as i64
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
}

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `None` where the program is not installed, which only a developer's machine may lack.
#[allow(
    clippy::disallowed_methods,
    reason = "only the environment knows whether this is CI"
)]
fn run(program: &str, arguments: &[String]) -> Option<Running> {
    let started = Command::new(program)
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    match started {
        Ok(child) => Some(Running(child)),
        Err(error) if std::env::var_os("CI").is_some() => panic!("{program}: {error}"),
        Err(error) => {
            println!("SKIPPED: {program} is not installed ({error})");
            None
        }
    }
}

fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

fn get(address: &str, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.contains(" 200 ").then(|| body.to_owned())
}

fn query(address: &str, path: &str) -> Option<Value> {
    let answer: Value = serde_json::from_str(&get(address, path)?).ok()?;
    Some(answer["data"].clone())
}

async fn until<T>(what: &str, mut find: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = find() {
            return found;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "never: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// `{"__name__": "up", …}` as we write series.
fn written(labels: &Value) -> String {
    let pairs = labels.as_object().unwrap().iter();
    let pairs = pairs.map(|(name, value)| (name.as_str(), value.as_str().unwrap()));
    series::Labels::new(pairs).unwrap().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn node_exporter_gives_us_the_series_that_prometheus_gets() {
    let exporter = free_address();
    let listen = format!("--web.listen-address={exporter}");
    let Some(_exporter) = run("prometheus-node-exporter", &[listen]) else {
        return;
    };
    until("node_exporter", || get(&exporter, "/metrics")).await;

    let directory: PathBuf =
        std::env::temp_dir().join(format!("headwater-side-by-side-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let configuration = json!({
        "global": {"scrape_interval": "1s"},
        "scrape_configs": [{"job_name": "node", "static_configs": [{"targets": [exporter]}],
            "metric_relabel_configs": [
                {"action": "drop", "source_labels": ["__name__"], "regex": "go_gc_.*"},
                {"source_labels": ["cpu"], "regex": "(.+)", "target_label": "processor", "replacement": "p$1"},
            ]}],
    });
    let file = directory.join("prometheus.yml");
    std::fs::write(&file, configuration.to_string()).unwrap();
    let prometheus = free_address();
    let arguments = [
        format!("--config.file={}", file.display()),
        format!("--storage.tsdb.path={}", directory.join("data").display()),
        format!("--web.listen-address={prometheus}"),
    ];
    let Some(_prometheus) = run("prometheus", &arguments) else {
        std::fs::remove_dir_all(&directory).unwrap();
        return;
    };

    // The very file that Prometheus reads.
    let text = std::fs::read_to_string(&file).unwrap();
    let settings = Settings::from_prometheus_yaml(&text, &Origin::data_source()).unwrap();
    let appender = FakeAppender::default();
    let surroundings = Surroundings {
        appender: Arc::new(appender.clone()),
        clock: Arc::new(TestClock(Instant::now())),
        files: Arc::new(DiskFiles::anywhere()),
        names: Arc::new(SystemNames),
    };
    let scraper = Scraper::start(surroundings, settings, &CancellationToken::new());

    until("five scrapes", || {
        (appender.scrapes("").len() >= 5).then_some(())
    })
    .await;
    let theirs = until("Prometheus's series", || {
        let ups = query(&prometheus, "/api/v1/query?query=count_over_time(up[1m])")?;
        let count: u32 = ups["result"][0]["value"][1].as_str()?.parse().ok()?;
        (count >= 3).then(|| query(&prometheus, "/api/v1/series?match[]={job=\"node\"}"))?
    })
    .await;
    scraper.stop().await;
    std::fs::remove_dir_all(&directory).unwrap();

    let theirs: BTreeSet<String> = theirs.as_array().unwrap().iter().map(written).collect();
    let ours: BTreeSet<String> = appender
        .scrapes("")
        .iter()
        .flat_map(|scrape| scrape.rows.iter().map(|(labels, _)| labels.to_string()))
        .collect();
    assert!(ours.len() > 500, "only {} series", ours.len());
    let differing: Vec<&String> = ours.symmetric_difference(&theirs).collect();
    assert_eq!(differing, Vec::<&String>::new());
    let last = appender.last();
    let up = format!("up{{instance=\"{exporter}\", job=\"node\"}}");
    assert_eq!(last.value(&up), 1.0);
    assert_eq!(last.stale(), Vec::<String>::new());
}
