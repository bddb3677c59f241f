//! Debian's Prometheus sends what it scrapes to `serve`, and its promtool asks there.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and a real server lives in real time"
)]
#![cfg(unix)]

mod process;
mod remote_write;

use process::Started;
use remote_write::Client;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const PROMETHEUS: &str = "/usr/bin/prometheus";
const PROMTOOL: &str = "/usr/bin/promtool";
/// How long Prometheus sends before what arrived is looked at.
const SENDING: Duration = Duration::from_secs(15);
const PATIENCE: Duration = Duration::from_secs(90);

/// Prometheus, which ends with the test.
struct Prometheus {
    child: Child,
    address: String,
}

impl Prometheus {
    fn start(dir: &Path, scraped: &str, receiver: &str) -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        let config = format!(
            "global: {{scrape_interval: 1s}}\n\
             scrape_configs:\n\
             - job_name: self\n  static_configs: [{{targets: ['{address}']}}]\n\
             - job_name: wiki\n  static_configs: [{{targets: ['{scraped}']}}]\n\
             - job_name: gone\n  static_configs: [{{targets: ['127.0.0.1:1']}}]\n\
             remote_write:\n\
             - url: http://{receiver}/api/v1/write\n  queue_config: {{batch_send_deadline: 1s}}\n"
        );
        let file = dir.join("prometheus.yml");
        std::fs::write(&file, config).unwrap();
        let child = Command::new(PROMETHEUS)
            .arg(format!("--config.file={}", file.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                dir.join("tsdb").display()
            ))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, address }
    }

    /// The sum of one of its own counters; 0 before it is there.
    fn counter(&self, name: &str) -> f64 {
        // Its port is not open at once.
        let metrics = page(&self.address, "/metrics").unwrap_or_default();
        let lines = metrics.lines().filter(|line| line.starts_with(name));
        lines
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The body of a page; `None` where nobody answers.
fn page(address: &str, path: &str) -> Option<String> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(address).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer.split_once("\r\n\r\n")?.1.to_owned())
}

/// Times and values by series.
type Samples = BTreeMap<String, Vec<(f64, f64)>>;

/// Holds two answers to each other; gives back how many points they have. The order of a sum may
/// change its last digits.
fn compare(query: &str, served: &Samples, asked: &Samples) -> usize {
    let series = |samples: &Samples| samples.keys().cloned().collect::<Vec<_>>();
    assert_eq!(series(served), series(asked), "{query}");
    let mut points = 0;
    for (labels, asked) in asked {
        let served = &served[labels];
        assert_eq!(served.len(), asked.len(), "{query}: {labels}");
        for ((time, value), (asked_time, expected)) in served.iter().zip(asked) {
            assert_eq!(time, asked_time, "{query}: {labels}");
            let near = (value - expected).abs() <= 1e-12 * expected.abs();
            let same = near || value.to_bits() == expected.to_bits();
            assert!(
                same,
                "{query}: {labels} at {time}: {value} is not {expected}"
            );
            points += 1;
        }
    }
    points
}

/// Series and their samples, as either server answers them.
fn samples(address: &str, query: &str, end: u64) -> Samples {
    let (start, end) = ((end - 8).to_string(), end.to_string());
    let form = [
        ("query", query),
        ("start", &start),
        ("end", &end),
        ("step", "1"),
    ];
    let (status, body) = Client::new(address.to_owned()).post_form("/api/v1/query_range", &form);
    assert_eq!(status, 200, "{query}: {body}");
    let body: Value = serde_json::from_str(&body).unwrap();
    let rows = body["data"]["result"].as_array().unwrap().iter();
    let pair = |pair: &Value| {
        let value: f64 = pair[1].as_str().unwrap().parse().unwrap();
        (pair[0].as_f64().unwrap(), value)
    };
    rows.map(|row| {
        let values = row["values"].as_array().unwrap().iter();
        (row["metric"].to_string(), values.map(pair).collect())
    })
    .collect()
}

fn promtool(arguments: &[&str]) -> String {
    let ran = Command::new(PROMTOOL).args(arguments).output().unwrap();
    let (out, err) = (
        String::from_utf8(ran.stdout).unwrap(),
        String::from_utf8(ran.stderr).unwrap(),
    );
    assert!(ran.status.success(), "{arguments:?}: {err}");
    out
}

#[test]
fn what_prometheus_sends_is_answered_as_prometheus_answers_it() {
    if !Path::new(PROMETHEUS).exists() {
        println!("SKIPPED: {PROMETHEUS} is not installed");
        assert!(option_env!("CI").is_none(), "CI must have {PROMETHEUS}");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let mut demo = Started::new(&["demo"]);
    let wiki = demo.address("its metrics   http://");
    let mut server = Started::new(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--data-dir",
        data.to_str().unwrap(),
    ]);
    let served = server.address("listens on http://");
    let prometheus = Prometheus::start(dir.path(), &wiki, &served);

    let began = Instant::now();
    let sent = "prometheus_remote_storage_samples_total";
    while began.elapsed() < SENDING || prometheus.counter(sent) < 5_000.0 {
        assert!(began.elapsed() < PATIENCE, "{}", prometheus.counter(sent));
        std::thread::sleep(Duration::from_millis(250));
    }
    for lost in ["failed", "retried", "dropped"] {
        let name = format!("prometheus_remote_storage_samples_{lost}_total");
        assert_eq!(prometheus.counter(&name), 0.0, "{name}");
    }

    // What is a few seconds old was sent.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let end = now.as_secs() - 4;
    let mut equal = 0;
    // Rates are left out: over counters that have just begun, 2.42 extrapolates otherwise than
    // Prometheus 3 does, whose way is ours.
    for query in [
        "up",
        "users_created_total",
        "sum by (status) (http_requests_total)",
        "histogram_quantile(0.9, sum by (le) (http_request_duration_seconds_bucket))",
        "{job=\"wiki\"}",
        "count({job=\"self\"})",
        "topk(3, go_memstats_heap_alloc_bytes)",
        "last_over_time(go_goroutines[4s])",
    ] {
        let asked = samples(&prometheus.address, query, end);
        assert!(!asked.is_empty(), "{query}");
        equal += compare(query, &samples(&served, query, end), &asked);
    }
    println!(
        "{} samples sent, {equal} points equal",
        prometheus.counter(sent)
    );

    let url = format!("http://{served}");
    // Prometheus begins to scrape some five seconds after it was started.
    let (start, end) = ((end - 3).to_string(), end.to_string());
    let instant = promtool(&["query", "instant", &url, "sum by (job) (up)"]);
    assert!(instant.contains("{job=\"gone\"} => 0 @["), "{instant}");
    assert!(instant.contains("{job=\"wiki\"} => 1 @["), "{instant}");
    let range = promtool(&[
        "query",
        "range",
        &format!("--start={start}"),
        &format!("--end={end}"),
        "--step=1s",
        &url,
        "up{job=\"wiki\"}",
    ]);
    assert_eq!(range.matches("1 @[").count(), 4, "{range}");
    let series = promtool(&["query", "series", "--match=up", &url]);
    assert_eq!(series.lines().count(), 3, "{series}");
    let labels = promtool(&["query", "labels", &url, "job"]);
    assert_eq!(labels, "gone\nself\nwiki\n");

    drop(prometheus);
    assert_eq!(server.end("-TERM"), Some(0));
    assert_eq!(demo.end("-TERM"), Some(0));
}
