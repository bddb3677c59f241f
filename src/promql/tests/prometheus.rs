//! The same samples in Debian's Prometheus 2.42 and in memory: every expression of real
//! dashboards gives the same answer, except where Prometheus 3 differs on purpose.
//!
//! Skipped where `prometheus` and `promtool` are not installed, or the expressions are absent.
//!
//! Samples stand 7 ms beside whole seconds, so that no window's edge meets a sample: what
//! changed with Prometheus 3, whose windows are left-open, does not show then.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

mod support;

use promql::syntax::{Expr, ExprKind, VectorSelector};
use promql::{Limits, RangeParams, evaluate_range, parse};
use serde_json::Value;
use series::{Interrupt, Labels, MatchOp, QueryResult};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use support::memory::{Memory, Point};

const START: i64 = 1_700_000_000_000;
const INTERVAL: i64 = 30_000;
const SAMPLES: i64 = 150;

/// Queries that answer differently in Prometheus 2.42 by a change that is documented, with it.
const CHANGED: &[(&str, &str)] = &[
    (
        "own_gauge atan2 own_total",
        "2.42 kept the metric's name (fixed: prometheus/prometheus, operators that change the \
         meaning of a metric drop its name)",
    ),
    (
        "rate(node_disk_io_now{instance=\".*\", cluster=\".*\"}[5m]) ",
        "a rate over a gauge meets the zero point of counters in most windows, which Prometheus \
         3 applies after the threshold for extrapolation and 2.42 applied before",
    ),
    (
        "sum(rate(workqueue_depth{job=\"apiserver\", instance=~\".*\", cluster=\".*\"}[5m])) by (instance, name)",
        "as above",
    ),
];

/// Series that a selector finds: its equalities as they are, and values that its patterns match.
fn series_for(selector: &VectorSelector, out: &mut BTreeSet<Labels>) {
    let Some(name) = selector.name.clone().or_else(|| {
        selector
            .matchers
            .iter()
            .find(|m| m.name() == "__name__")
            .map(|m| m.value().to_owned())
    }) else {
        return;
    };
    for variant in ["a", "b"] {
        let mut labels: BTreeMap<String, String> = BTreeMap::new();
        for label in [
            "cluster",
            "namespace",
            "pod",
            "instance",
            "node",
            "container",
            "job",
        ] {
            let value = match label {
                "pod" | "instance" => format!("{label}-{variant}"),
                _ => label.to_owned(),
            };
            labels.insert(label.to_owned(), value);
        }
        labels.insert("__name__".to_owned(), name.clone());
        for matcher in &selector.matchers {
            let value = match matcher.op() {
                MatchOp::Equal => matcher.value().to_owned(),
                MatchOp::Regex => {
                    let first = matcher.value().trim_matches(['(', ')', '^', '$']);
                    let first = first.split('|').next().unwrap_or_default();
                    let plain: String = first
                        .replace(".*", "x")
                        .replace(".+", "x")
                        .chars()
                        .filter(|c| !matches!(c, '(' | ')' | '[' | ']' | '\\' | '?' | '+' | '*'))
                        .collect();
                    if matcher.matches(labels.get(matcher.name()).map_or("", String::as_str)) {
                        continue;
                    }
                    plain
                }
                MatchOp::NotEqual | MatchOp::NotRegex => {
                    let now = labels.get(matcher.name()).cloned().unwrap_or_default();
                    if matcher.matches(&now) {
                        continue;
                    }
                    format!("other-{variant}")
                }
            };
            if matcher.name() != "__name__" {
                labels.insert(matcher.name().to_owned(), value);
            }
        }
        labels.retain(|_, value| !value.is_empty());
        if name.ends_with("_bucket") && !labels.contains_key("le") {
            for le in ["0.1", "0.5", "1", "+Inf"] {
                labels.insert("le".to_owned(), le.to_owned());
                out.insert(Labels::new(labels.clone()).unwrap());
            }
        } else {
            out.insert(Labels::new(labels).unwrap());
        }
    }
}

fn selectors(expr: &Expr, out: &mut BTreeSet<Labels>) {
    match &expr.kind {
        ExprKind::Vector(selector) => series_for(selector, out),
        ExprKind::Matrix(matrix) => series_for(&matrix.selector, out),
        _ => {}
    }
    for child in expr.children() {
        selectors(child, out);
    }
}

struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

/// Counters where names say so, gauges elsewhere; some with a gap or a restart.
fn fill(series: &BTreeSet<Labels>) -> Memory {
    let mut numbers = Numbers(88_172_645_463_325_252);
    let mut memory = Memory::default();
    let mut families: BTreeMap<Labels, Vec<(f64, Labels)>> = BTreeMap::new();
    for labels in series {
        let name = labels.metric_name().unwrap_or_default();
        if name.ends_with("_bucket")
            && let Some(Ok(bound)) = labels.get("le").map(str::parse::<f64>)
        {
            let family = labels.without(|name| name == "le");
            families
                .entry(family)
                .or_default()
                .push((bound, labels.clone()));
            continue;
        }
        let counter = ["_total", "_sum", "_count"]
            .iter()
            .any(|s| name.ends_with(s));
        let gap = numbers.next(6) == 0;
        let restart = numbers.next(8) == 0;
        // Far from zero, so that the zero point of counters limits no extrapolation: when it
        // does was changed in Prometheus 3.
        let mut value = 1e6 + numbers.next(100) as f64;
        for index in 0..SAMPLES {
            value = match counter {
                true if restart && index == 90 => 1e5,
                true => value + numbers.next(20) as f64,
                false => (numbers.next(2_000) as f64) / 8.0,
            };
            if !(gap && (60..80).contains(&index)) {
                memory.put(labels, START + index * INTERVAL + 7, Point::Float(value), 0);
            }
        }
    }
    for (_, mut buckets) in families {
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut counts = vec![1e5; buckets.len()];
        for index in 0..SAMPLES {
            let mut below = 0.0;
            for (count, (_, labels)) in counts.iter_mut().zip(&buckets) {
                *count += numbers.next(5) as f64;
                below += *count;
                memory.put(labels, START + index * INTERVAL + 7, Point::Float(below), 0);
            }
        }
    }
    memory
}

fn open_metrics(memory: &Memory) -> String {
    let mut text = String::new();
    for (labels, samples) in &memory.series {
        let name = labels.metric_name().unwrap_or_default();
        let pairs: Vec<String> = labels
            .iter()
            .filter(|(name, _)| *name != "__name__")
            .map(|(name, value)| format!("{name}={value:?}"))
            .collect();
        for (time, (point, _)) in samples {
            if let Point::Float(value) = point {
                let (seconds, ms) = (time / 1000, time % 1000);
                let _ = writeln!(
                    text,
                    "{name}{{{}}} {value} {seconds}.{ms:03}",
                    pairs.join(",")
                );
            }
        }
    }
    text.push_str("# EOF\n");
    text
}

/// A Prometheus that ends with the test.
struct Server {
    child: Child,
    port: u16,
    folder: PathBuf,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Server {
    /// `None` where Prometheus is not installed.
    fn start(memory: &Memory) -> Option<Self> {
        let installed = |program: &str| {
            Command::new(program)
                .arg("--version")
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .is_ok()
        };
        if !installed("prometheus") || !installed("promtool") {
            return None;
        }
        let folder = std::env::temp_dir().join(format!("promql-diff-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("samples.om"), open_metrics(memory)).unwrap();
        std::fs::write(folder.join("empty.yml"), "").unwrap();
        let data = folder.join("data");
        let status = Command::new("promtool")
            .args(["tsdb", "create-blocks-from", "openmetrics", "--quiet"])
            .args([folder.join("samples.om").as_path(), data.as_path()])
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "promtool could not make blocks");
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let child = Command::new("prometheus")
            .arg(format!(
                "--config.file={}",
                folder.join("empty.yml").display()
            ))
            .arg(format!("--storage.tsdb.path={}", data.display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .args(["--storage.tsdb.retention.time=100y", "--log.level=error"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self {
            child,
            port,
            folder,
        };
        for _ in 0..600 {
            if server
                .post("/-/ready", "")
                .is_some_and(|body| body.contains("Ready"))
            {
                return Some(server);
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        panic!("Prometheus did not get ready");
    }

    fn post(&self, path: &str, form: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        let method = if form.is_empty() { "GET" } else { "POST" };
        let request = format!(
            "{method} {path} HTTP/1.0\r\nHost: localhost\r\n\
             Content-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\n\r\n{form}",
            form.len()
        );
        stream.write_all(request.as_bytes()).ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        Some(text.split_once("\r\n\r\n")?.1.to_owned())
    }

    fn range(&self, query: &str, params: RangeParams) -> Result<Matrix, String> {
        let mut form = String::from("query=");
        for byte in query.bytes() {
            if byte.is_ascii_alphanumeric() {
                form.push(char::from(byte));
            } else {
                let _ = write!(form, "%{byte:02X}");
            }
        }
        let seconds = |ms: i64| ms as f64 / 1000.0;
        let _ = write!(
            form,
            "&start={}&end={}&step={}",
            seconds(params.start),
            seconds(params.end),
            seconds(params.step)
        );
        let body = self.post("/api/v1/query_range", &form).unwrap_or_default();
        let answer: Value = serde_json::from_str(&body).map_err(|e| format!("{e}: {body}"))?;
        if answer["status"] != "success" {
            return Err(answer["error"].as_str().unwrap_or_default().to_owned());
        }
        let mut matrix = Matrix::new();
        for series in answer["data"]["result"].as_array().unwrap() {
            let labels = Labels::new(
                series["metric"]
                    .as_object()
                    .unwrap()
                    .iter()
                    .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())),
            )
            .unwrap();
            let points = series["values"]
                .as_array()
                .unwrap()
                .iter()
                .map(|point| {
                    let time = (point[0].as_f64().unwrap() * 1000.0).round() as i64;
                    (time, point[1].as_str().unwrap().parse().unwrap())
                })
                .collect();
            matrix.insert(labels, points);
        }
        Ok(matrix)
    }
}

type Matrix = BTreeMap<Labels, Vec<(i64, f64)>>;

fn ours(
    query: &str,
    source: &support::memory::Source,
    params: RangeParams,
) -> Result<Matrix, String> {
    let expr = parse(query).map_err(|e| e.to_string())?;
    let limits = Limits::default();
    let answer = evaluate_range(query, &expr, source, params, &limits, &Interrupt::new())
        .map_err(|e| e.to_string())?;
    let QueryResult::Matrix(series) = answer.result else {
        return Err("no matrix".into());
    };
    Ok(series
        .into_iter()
        .map(|s| {
            let points = s.times.iter().copied().zip(s.values.iter().copied());
            (s.labels, points.collect())
        })
        .collect())
}

/// Where two answers differ, in words.
fn difference(ours: &Matrix, theirs: &Matrix) -> Option<String> {
    if ours.keys().ne(theirs.keys()) {
        let missing: Vec<_> = theirs.keys().filter(|k| !ours.contains_key(k)).collect();
        let extra: Vec<_> = ours.keys().filter(|k| !theirs.contains_key(k)).collect();
        return Some(format!("missing {missing:?}, extra {extra:?}"));
    }
    for (labels, points) in theirs {
        let found = &ours[labels];
        if found.len() != points.len() {
            return Some(format!(
                "{labels}: {} points, not {}",
                found.len(),
                points.len()
            ));
        }
        for ((time, value), (at, expected)) in found.iter().zip(points) {
            if time != at || !support::script::almost(*value, *expected) {
                return Some(format!("{labels} at {at}: {value}, not {expected}"));
            }
        }
    }
    None
}

#[test]
fn dashboards_answer_as_in_prometheus() {
    let Some(path) = support::conformance("queries/dashboards.json") else {
        return;
    };
    let expressions: Vec<String> =
        serde_json::from_str(&std::fs::read_to_string(Path::new(&path)).unwrap()).unwrap();
    let queries: BTreeSet<String> = expressions
        .iter()
        .filter(|e| !e.starts_with("label_values("))
        .map(|e| support::fill_variables(e))
        .chain(OWN.iter().map(|q| (*q).to_owned()))
        .collect();
    let mut series = BTreeSet::new();
    for query in &queries {
        selectors(&parse(query).unwrap(), &mut series);
    }
    let memory = fill(&series);
    let Some(server) = Server::start(&memory) else {
        eprintln!("SKIPPED: prometheus and promtool are not installed");
        return;
    };
    let source = memory.source();
    let params = RangeParams {
        start: START + 20 * 60_000,
        end: START + SAMPLES * INTERVAL,
        step: 97_000,
        lookback: 300_000,
    };
    let (mut equal, mut empty, mut both_fail, mut changed) = (0, 0, 0, 0);
    let mut wrong = Vec::new();
    for query in &queries {
        let verdict = match (ours(query, &source, params), server.range(query, params)) {
            (Ok(ours), Ok(theirs)) => {
                empty += usize::from(theirs.is_empty());
                difference(&ours, &theirs)
            }
            (Err(_), Err(_)) => {
                both_fail += 1;
                continue;
            }
            (Ok(_), Err(error)) => Some(format!("Prometheus refuses: {error}")),
            (Err(error), Ok(_)) => Some(format!("we refuse: {error}")),
        };
        match verdict {
            None => equal += 1,
            Some(_) if CHANGED.iter().any(|(q, _)| q == query) => changed += 1,
            Some(reason) => wrong.push(format!("{query}\n    {reason}")),
        }
    }
    println!(
        "{} queries over {} series: {equal} equal (of them {empty} empty), {both_fail} refused by \
         both, {changed} changed in Prometheus 3, {} different",
        queries.len(),
        series.len(),
        wrong.len()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Queries of ours for what dashboards use little. Windows of subqueries end between inner
/// steps, for the reason at the top.
const OWN: &[&str] = &[
    "rate(own_total[5m])",
    "increase(own_total[97s])",
    "irate(own_total[2m])",
    "resets(own_total[30m])",
    "delta(own_gauge[10m])",
    "idelta(own_gauge[10m])",
    "deriv(own_gauge[10m])",
    "predict_linear(own_gauge[10m], 600)",
    "changes(own_gauge[10m])",
    "stddev_over_time(own_gauge[10m])",
    "stdvar_over_time(own_gauge[10m])",
    "quantile_over_time(0.3, own_gauge[10m])",
    "min_over_time(own_gauge[10m])",
    "last_over_time(own_gauge[10m])",
    "present_over_time(own_gauge[1m])",
    "absent_over_time(own_gauge{pod=\"nobody\"}[10m])",
    "absent(own_gauge{pod=\"nobody\"})",
    "max_over_time(rate(own_total[5m])[29m30s:1m])",
    "avg_over_time(own_gauge[7m13s500ms:41s] offset 3m)",
    "sum_over_time(own_gauge[10m] @ 1700001000)",
    "own_total offset 7m - own_total @ end()",
    "topk(1, own_gauge)",
    "bottomk(1, own_total)",
    "quantile(0.7, own_gauge)",
    "count_values(\"v\", floor(own_gauge / 100))",
    "stddev(own_gauge)",
    "stdvar by (pod) (own_gauge)",
    "group by (pod) (own_gauge)",
    "own_gauge > bool 100",
    "own_gauge > 100 < 200",
    "own_gauge and own_gauge > 50 unless own_gauge > 150",
    "own_gauge > 200 or own_gauge < 50",
    "own_gauge * on (pod) group_left (job) own_total",
    "own_gauge / ignoring (pod) group_left sum without (pod) (own_gauge)",
    "sum by (namespace) (own_gauge) / count by (namespace) (own_gauge)",
    "histogram_quantile(0.9, rate(own_bucket[5m]))",
    "histogram_quantile(0.5, sum by (le) (rate(own_bucket[5m])))",
    "label_replace(own_gauge, \"x\", \"$1-$2\", \"pod\", \"(.*)-(.*)\")",
    "label_join(own_gauge, \"x\", \"/\", \"pod\", \"job\")",
    "clamp(own_gauge, 50, 150)",
    "round(own_gauge, 7)",
    "hour() + minute() / 60",
    "day_of_week(own_total * 100000)",
    "days_in_month(own_total * 1000000)",
    "timestamp(own_gauge)",
    "sgn(own_gauge - 100)",
    "ln(own_gauge) + log2(own_gauge) + log10(own_gauge) + exp(own_gauge / 100)",
    "sin(own_gauge) * cosh(own_gauge / 100) + atan(own_gauge)",
    "own_gauge % 7 ^ 2",
    "own_gauge atan2 own_total",
    "-own_gauge",
    "scalar(own_gauge{pod=\"pod-a\"}) + vector(time())",
    "sort_desc(own_gauge)",
];
