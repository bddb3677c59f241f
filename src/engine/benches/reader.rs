//! How fast answers are read, against serde_json into typed structures in the same run.
//!
//! The shapes are those of the design's measurements: series × points. Bodies are written as
//! Prometheus writes them, values are rates with 16 or 17 digits, and come in chunks of 64 KiB.
//! CPU time is the process's own (`/proc/self/schedstat`), so that other work on the machine counts
//! less; the least of several runs is shown. `cargo bench -p engine --bench reader [filter]`.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark talks to a person"
)]

use engine::remote::reader::{Bounds, Read, Reader};
use serde::Deserialize;
use series::{Labels, QueryResult};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::hint::black_box;
use std::time::Instant;

const CHUNK: usize = 64 << 10;

const WIDE: Bounds = Bounds {
    samples: u64::MAX,
    series: u64::MAX,
    bytes: u64::MAX,
};

fn main() {
    let filter = std::env::args().skip(1).find(|arg| !arg.starts_with("--"));
    println!(
        "{:<22} {:>8} {:>11} {:>11} {:>11} {:>9} {:>7}",
        "shape", "MB", "reader ms", "MB/s", "serde ms", "ns/sample", "ratio"
    );
    for (series, points, values) in [
        (200, 10_000, Values::Rates),
        (5_000, 120, Values::Rates),
        (10_000, 60, Values::Rates),
        (1, 11_000, Values::Rates),
        (200, 10_000, Values::Counters),
        (200, 10_000, Values::Gaps),
    ] {
        let name = format!("{series} x {points} {values:?}");
        if filter.as_ref().is_some_and(|filter| !name.contains(filter)) {
            continue;
        }
        let body = body(series, points, values);
        let ours = least(|| read(&body));
        let theirs = least(|| serde(&body));
        let megabytes = body.len() as f64 / 1e6;
        println!(
            "{name:<22} {megabytes:>8.2} {:>11.3} {:>11.0} {:>11.3} {:>9.1} {:>7.1}",
            ours * 1e3,
            megabytes / ours,
            theirs * 1e3,
            ours * 1e9 / (series * points) as f64,
            theirs / ours,
        );
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Values {
    /// Fractions with all their digits.
    Rates,
    /// Whole numbers.
    Counters,
    /// Rates of which every seventh is missing, elsewhere in each series.
    Gaps,
}

/// A generator of its own, so that every run reads the same.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

fn body(series: usize, points: usize, values: Values) -> Vec<u8> {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut out = String::from(r#"{"status":"success","data":{"resultType":"matrix","result":["#);
    for i in 0..series {
        let comma = if i == 0 { "" } else { "," };
        write!(
            out,
            r#"{comma}{{"metric":{{"__name__":"http_request_duration_seconds","code":"200","handler":"/api/v1/item/{i}","instance":"10.0.{}.{}:8080","job":"shop","method":"GET"}},"values":["#,
            i / 256,
            i % 256
        )
        .unwrap();
        let mut first = true;
        for point in 0..points {
            if values == Values::Gaps && (point + i) % 7 == 0 {
                continue;
            }
            let comma = if first { "" } else { "," };
            first = false;
            let time = 1_700_000_000 + 15 * point;
            let number = random.next();
            if values == Values::Counters {
                write!(out, "{comma}[{time},\"{}\"]", number >> 40).unwrap();
            } else {
                let value = (number >> 11) as f64 / (1u64 << 53) as f64 * 100.0;
                write!(out, "{comma}[{time},\"{value}\"]").unwrap();
            }
        }
        out.push_str("]}");
    }
    out.push_str("]}}\n");
    out.into_bytes()
}

fn read(body: &[u8]) -> usize {
    let mut reader = Reader::new(WIDE);
    for chunk in body.chunks(CHUNK) {
        reader.feed(chunk).unwrap();
    }
    let read = reader.finish().unwrap();
    let samples = match &read {
        Read::Answer { answer, .. } => match &answer.result {
            QueryResult::Matrix(series) => series.iter().map(|s| s.values.len()).sum(),
            _ => 0,
        },
        Read::Failed { .. } => 0,
    };
    black_box(read);
    samples
}

#[derive(Deserialize)]
struct Envelope {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    result: Vec<Element>,
}

#[derive(Deserialize)]
struct Element {
    metric: BTreeMap<String, String>,
    values: Vec<(f64, String)>,
}

fn serde(body: &[u8]) -> usize {
    let envelope: Envelope = serde_json::from_slice(body).unwrap();
    let mut samples = 0;
    let mut all = Vec::new();
    for element in envelope.data.result {
        let labels = Labels::new(element.metric).unwrap();
        let times: Vec<i64> = element
            .values
            .iter()
            .map(|s| (s.0 * 1e3).round() as i64)
            .collect();
        let values: Vec<f64> = element
            .values
            .iter()
            .map(|s| s.1.parse().unwrap())
            .collect();
        samples += values.len();
        all.push((labels, times, values));
    }
    black_box(all);
    samples
}

/// Seconds of CPU of the fastest of several runs, each long enough to be measured.
fn least(work: impl Fn() -> usize) -> f64 {
    let expected = work();
    let started = Instant::now();
    assert_eq!(work(), expected);
    let once = started.elapsed().as_secs_f64();
    let repeats = (0.25 / once).ceil().max(1.0) as usize;
    (0..7)
        .map(|_| {
            let before = cpu_seconds();
            for _ in 0..repeats {
                assert_eq!(work(), expected);
            }
            (cpu_seconds() - before) / repeats as f64
        })
        .fold(f64::INFINITY, f64::min)
}

/// What this process has used of the processors so far.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap();
    let nanoseconds: f64 = text.split_whitespace().next().unwrap().parse().unwrap();
    nanoseconds / 1e9
}
