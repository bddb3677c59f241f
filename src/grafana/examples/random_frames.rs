//! Writes frames made at random, each beside a description of what it holds, for readers in
//! other languages to compare: `cargo run -p grafana --example random_frames -- DIR SEED COUNT`.
//!
//! The form of the descriptions is told in `tests/host/frames_test.go`.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a tool of the tests"
)]

use grafana::{Asked, Legend, encode_frames};
use serde_json::{Value, json};
use series::{Answer, Column, InstantSample, Labels, LabelsBuilder, QueryResult, Sample, Series};
use std::path::PathBuf;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let dir = PathBuf::from(arguments.next().unwrap());
    let seed: u64 = arguments.next().unwrap().parse().unwrap();
    let count: usize = arguments.next().unwrap().parse().unwrap();
    let mut random = fastrand::Rng::with_seed(seed);
    let mut written = 0;
    for case in 0..count {
        let (answer, series) = random_answer(&mut random);
        let ref_id = random_text(&mut random, 8);
        let step_ms = random.i64(1..100_000);
        let asked = Asked {
            ref_id: &ref_id,
            expr: "up",
            step_ms,
            legend: &Legend::Auto,
        };
        let frames = encode_frames(&answer, &asked).unwrap();
        assert_eq!(frames.len(), series.len());
        for (index, (frame, series)) in frames.iter().zip(&series).enumerate() {
            let description = describe(&answer, series, &asked, index == 0);
            std::fs::write(dir.join(format!("{case}_{index}.arrow")), frame).unwrap();
            let description = description.to_string();
            std::fs::write(dir.join(format!("{case}_{index}.json")), description).unwrap();
            written += 1;
        }
    }
    println!("{written} frames of {count} answers written, seed {seed}");
}

/// An answer, and its series as frames are to show them.
fn random_answer(random: &mut fastrand::Rng) -> (Answer, Vec<Series>) {
    let count = random.usize(1..5);
    let is_matrix = random.bool();
    let mut shared_times: Column<i64> = Column::default();
    let series: Vec<Series> = (0..count)
        .map(|_| {
            let rows = if is_matrix { random.usize(1..40) } else { 1 };
            if random.bool() || shared_times.len() != rows {
                let start = random.i64(-8_000_000_000_000..8_000_000_000_000);
                shared_times = (0..rows as i64).map(|row| start + row * 15_000).collect();
            }
            let values = (0..rows).map(|_| random_value(random)).collect();
            Series {
                labels: random_labels(random),
                times: shared_times.clone(),
                values,
            }
        })
        .collect();
    let result = if is_matrix {
        QueryResult::Matrix(series.clone())
    } else {
        let one = |series: &Series| InstantSample {
            labels: series.labels.clone(),
            sample: Sample {
                time: series.times[0],
                value: series.values[0],
            },
        };
        QueryResult::Vector(series.iter().map(one).collect())
    };
    let mut answer = Answer::new(result);
    if random.bool() {
        answer.warnings.push(random_text(random, 30));
    }
    (answer, series)
}

fn random_value(random: &mut fastrand::Rng) -> f64 {
    match random.u8(0..6) {
        0 => f64::NAN,
        1 => f64::INFINITY,
        2 => f64::NEG_INFINITY,
        3 => -0.0,
        4 => f64::from_bits(random.u64(..)),
        _ => random.f64() * 1e6,
    }
}

fn random_labels(random: &mut fastrand::Rng) -> Labels {
    let mut labels = LabelsBuilder::new();
    labels.set("instance", random_text(random, 6) + "x");
    for _ in 0..random.usize(0..6) {
        let name = if random.bool() {
            "__name__".to_owned()
        } else {
            random_text(random, 12) + "n"
        };
        labels.set(name, random_text(random, 40));
    }
    labels.build()
}

fn random_text(random: &mut fastrand::Rng, longest: usize) -> String {
    (0..random.usize(0..=longest))
        .map(|_| {
            if random.u8(0..4) == 0 {
                random.char(..)
            } else {
                random.alphanumeric()
            }
        })
        .collect()
}

fn describe(answer: &Answer, series: &Series, asked: &Asked<'_>, is_first: bool) -> Value {
    let is_matrix = matches!(answer.result, QueryResult::Matrix(_));
    let labels: Value = series
        .labels
        .iter()
        .map(|(n, v)| (n.to_owned(), Value::from(v)))
        .collect();
    let mut meta = json!({
        "type": if is_matrix { "timeseries-multi" } else { "numeric-multi" },
        "typeVersion": [0, 1],
        "custom": { "resultType": if is_matrix { "matrix" } else { "vector" } },
    });
    if let Some(text) = answer.warnings.first() {
        meta["notices"] = json!([{ "severity": "warning", "text": text }]);
    }
    if is_first {
        meta["custom"]["calculatedMinStep"] = asked.step_ms.into();
        let step = query::format_go_duration(asked.step_ms);
        meta["executedQueryString"] = format!("Expr: {}\nStep: {step}", asked.expr).into();
    }
    let nanoseconds = |time: &i64| (time * 1_000_000).to_string();
    let bits = |value: &f64| format!("0x{:016x}", value.to_bits());
    json!({
        "name": "",
        "refId": asked.ref_id,
        "meta": meta,
        "fields": [
            {
                "name": "Time",
                "type": "time",
                "config": { "interval": asked.step_ms },
                "values": series.times.iter().map(nanoseconds).collect::<Vec<_>>(),
            },
            {
                "name": series.labels.metric_name().unwrap_or("Value"),
                "type": "float64",
                "labels": labels,
                "values": series.values.iter().map(bits).collect::<Vec<_>>(),
            },
        ],
    })
}
