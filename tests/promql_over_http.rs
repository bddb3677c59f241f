//! Prometheus's own cases of the language, and ours, through a whole server: each script's samples
//! go into `serve` by remote write, and its questions are asked over HTTP.
//! Every question is asked of the evaluator alone as well, and has to come out of the server as it
//! does there, notices and all.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]
#![cfg(unix)]

mod process;
mod remote_write;
#[path = "../src/promql/tests/support/mod.rs"]
mod support;

use process::Started;
use remote_write::{Client, Sent};
use serde_json::Value;
use series::{
    Answer, HistogramSeries, HistogramTotal, InstantSample, Labels, QueryResult, Sample, Series,
};
use std::path::Path;
use std::sync::Arc;
use support::memory::{Memory, Point};
use support::script::{Bench, Evaluator, run_on};
use tempfile::TempDir;

/// A server over a folder of its own, both of which go with it.
struct Server {
    _process: Started,
    client: Client,
    _dir: TempDir,
}

impl Server {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let mut process = Started::new(&[
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--data-dir",
            data.to_str().unwrap(),
            // The scripts begin in 1970.
            "--retention",
            "200y",
        ]);
        let client = Client::new(process.address("listens on http://"));
        Self {
            _process: process,
            client,
            _dir: dir,
        }
    }
}

/// A server that is started when it is first needed, and anew after each `clear`; beside it the
/// evaluator over the same samples.
#[derive(Default)]
struct Served {
    server: Option<Server>,
    beside: Evaluator,
    asked: usize,
    /// Questions that the two answer differently.
    different: Vec<String>,
}

impl Served {
    fn client(&mut self) -> &mut Client {
        &mut self.server.get_or_insert_with(Server::start).client
    }

    fn ask(&mut self, path: &str, form: &[(&str, &str)]) -> Result<Answer, String> {
        let (status, body) = self.client().post_form(path, form);
        let body: Value = serde_json::from_str(&body).unwrap_or_else(|e| panic!("{e}: {body}"));
        if status == 200 {
            return Ok(answer(&body));
        }
        assert!((400..500).contains(&status), "{status}: {body}");
        Err(body["error"].as_str().unwrap().to_owned())
    }
}

impl Served {
    /// Notes where the server does not answer as the evaluator does: result, notices and all.
    fn compare(
        &mut self,
        query: &str,
        served: &Result<Answer, String>,
        beside: &Result<Answer, String>,
    ) {
        self.asked += 1;
        let shown = |answer: &Answer| {
            let Answer {
                result,
                histograms,
                warnings,
                infos,
                ..
            } = answer;
            format!("{result:?} {histograms:?} {warnings:?} {infos:?}")
        };
        let same = match (served, beside) {
            (Ok(served), Ok(beside)) => shown(served) == shown(beside),
            (Err(served), Err(beside)) => served.contains(beside.as_str()),
            _ => false,
        };
        if !same {
            let text = format!("{query}: served {served:?}, evaluated {beside:?}");
            self.different.push(text);
        }
    }
}

impl Bench for Served {
    fn clear(&mut self) {
        self.server = None;
        self.beside.clear();
    }

    fn load(&mut self, block: &Memory) {
        self.beside.load(block);
        let series: Vec<Sent> = block
            .series
            .iter()
            .map(|(labels, samples)| {
                let mut sent = Sent {
                    labels: labels.clone(),
                    ..Sent::default()
                };
                for (time, (point, start)) in samples {
                    match point {
                        Point::Float(value) => {
                            let (time, value) = (*time, *value);
                            sent.samples.push((Sample { time, value }, *start));
                        }
                        Point::Histogram(histogram) => {
                            sent.histograms.push((*time, Arc::clone(histogram)));
                        }
                    }
                }
                sent
            })
            .collect();
        let (status, said) = self.client().write(&series);
        assert_eq!(status, 204, "{said}");
    }

    fn instant(&mut self, query: &str, time: i64) -> Result<Answer, String> {
        let form = [("query", query), ("time", &seconds(time))];
        let served = self.ask("/api/v1/query", &form);
        let beside = self.beside.instant(query, time);
        self.compare(query, &served, &beside);
        served
    }

    fn range(&mut self, query: &str, start: i64, end: i64, step: i64) -> Result<Answer, String> {
        let form = [
            ("query", query),
            ("start", &seconds(start)),
            ("end", &seconds(end)),
            ("step", &seconds(step)),
        ];
        let served = self.ask("/api/v1/query_range", &form);
        let beside = self.beside.range(query, start, end, step);
        self.compare(query, &served, &beside);
        served
    }
}

fn seconds(ms: i64) -> String {
    let sign = if ms < 0 { "-" } else { "" };
    let ms = ms.unsigned_abs();
    format!("{sign}{}.{:03}", ms / 1_000, ms % 1_000)
}

/// What the API answered, as the engine had it before it was written.
fn answer(body: &Value) -> Answer {
    let data = &body["data"];
    let rows = || data["result"].as_array().unwrap().iter();
    let result = match data["resultType"].as_str().unwrap() {
        "matrix" => QueryResult::Matrix(
            rows()
                .filter(|row| row["values"].is_array())
                .map(|row| {
                    let samples: Vec<Sample> = row["values"]
                        .as_array()
                        .unwrap()
                        .iter()
                        .map(sample)
                        .collect();
                    Series {
                        labels: labels(row),
                        times: samples.iter().map(|sample| sample.time).collect(),
                        values: samples.iter().map(|sample| sample.value).collect(),
                    }
                })
                .collect(),
        ),
        "vector" => QueryResult::Vector(
            rows()
                .filter(|row| row["value"].is_array())
                .map(|row| InstantSample {
                    labels: labels(row),
                    sample: sample(&row["value"]),
                })
                .collect(),
        ),
        "scalar" => QueryResult::Scalar(sample(&data["result"])),
        "string" => QueryResult::String {
            time: time(&data["result"][0]),
            value: data["result"][1].as_str().unwrap().to_owned(),
        },
        other => panic!("a result of the type {other}"),
    };
    let notices = |name: &str| -> Vec<String> {
        let list = body[name].as_array().map(Vec::as_slice).unwrap_or_default();
        list.iter()
            .map(|text| text.as_str().unwrap().to_owned())
            .collect()
    };
    let mut histograms = Vec::new();
    if data["result"][0].is_object() {
        for row in rows() {
            if let Some(found) = row["histograms"].as_array() {
                histograms.push(native(row, found));
            } else if row["histogram"].is_array() {
                histograms.push(native(row, std::slice::from_ref(&row["histogram"])));
            }
        }
    }
    Answer {
        histograms,
        warnings: notices("warnings"),
        infos: notices("infos"),
        ..Answer::new(result)
    }
}

/// Native histograms of one series, as Prometheus spells them.
fn native(row: &Value, found: &[Value]) -> HistogramSeries {
    let number = |text: &Value| -> f64 { text.as_str().unwrap().parse().unwrap() };
    let (mut totals, mut rows) = (Vec::new(), Vec::new());
    for pair in found {
        let (at, histogram) = (time(&pair[0]), &pair[1]);
        totals.push(HistogramTotal {
            time: at,
            count: number(&histogram["count"]),
            sum: number(&histogram["sum"]),
        });
        for bucket in histogram["buckets"].as_array().into_iter().flatten() {
            rows.push((at, bucket));
        }
    }
    HistogramSeries {
        labels: labels(row),
        times: rows.iter().map(|(at, _)| *at).collect(),
        boundaries: rows
            .iter()
            .map(|(_, bucket)| i8::try_from(bucket[0].as_i64().unwrap()).unwrap())
            .collect(),
        lowers: rows.iter().map(|(_, bucket)| number(&bucket[1])).collect(),
        uppers: rows.iter().map(|(_, bucket)| number(&bucket[2])).collect(),
        counts: rows.iter().map(|(_, bucket)| number(&bucket[3])).collect(),
        totals,
    }
}

fn labels(row: &Value) -> Labels {
    let pairs = row["metric"].as_object().unwrap().iter();
    Labels::new(pairs.map(|(name, value)| (name.as_str(), value.as_str().unwrap()))).unwrap()
}

fn sample(pair: &Value) -> Sample {
    Sample {
        time: time(&pair[0]),
        value: pair[1].as_str().unwrap().parse().unwrap(),
    }
}

fn time(seconds: &Value) -> i64 {
    (seconds.as_f64().unwrap() * 1_000.0).round() as i64
}

/// How the scripts of a folder went.
#[derive(Debug, Default)]
struct Outcomes {
    passed: usize,
    asked: usize,
    wrong: Vec<String>,
}

fn run_folder(folder: &Path) -> Outcomes {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "test"))
        .collect();
    files.sort();
    let mut all = Outcomes::default();
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let script = std::fs::read_to_string(&file).unwrap();
        let mut bench = Served::default();
        let served = run_on(&script, &mut bench);
        println!(
            "{name}: {} of {}; {} questions",
            served.passed,
            served.passed + served.failed.len(),
            bench.asked,
        );
        all.passed += served.passed;
        all.asked += bench.asked;
        let failed = served.failed.into_iter();
        let failed = failed.map(|(line, reason)| format!("{name}:{line}: {reason}"));
        all.wrong.extend(failed);
        let different = bench.different.into_iter();
        all.wrong
            .extend(different.map(|text| format!("{name}: {text}")));
    }
    println!(
        "{}: {} passed, {} questions",
        folder.display(),
        all.passed,
        all.asked
    );
    all
}

#[test]
fn the_stable_language_passes_all_cases_of_prometheus_through_a_server() {
    let Some(folder) = support::conformance("promql/core") else {
        return;
    };
    let all = run_folder(&folder);
    assert!(all.wrong.is_empty(), "{}", all.wrong.join("\n"));
    assert_eq!(all.passed, 733);
}

#[test]
fn our_own_scripts_pass_through_a_server() {
    let all = run_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/promql"));
    assert!(all.wrong.is_empty(), "{}", all.wrong.join("\n"));
    assert!(all.passed > 0);
}
