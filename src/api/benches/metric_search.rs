//! What a key costs that is typed into the field for a metric, beside a search that looks at each
//! name by itself, in the same run and with the same result.
//!
//! Names are made as the frontend's figures make them (`metric_field_figures.mjs`), each third
//! family has a help. CPU time of this process; medians are shown.
//! `cargo bench -p api --bench metric_search`.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    missing_docs,
    reason = "a benchmark talks to a person"
)]

#[path = "../own/metric_search/plain.rs"]
mod plain;

use api::Names;
use engine::FamilyMetadata;
use plain::Plain;
use series::{Limited, Metadata, MetricKind};
use std::hint::black_box;

const NAMES: usize = 200_000;
const LIMIT: usize = 50;
const RUNS: usize = 21;
const TYPED: [&str; 9] = [
    "",
    "h",
    "http",
    "http requests",
    "node_cpu_seconds",
    "pay",
    "payment latency sum",
    "ste",
    "served by",
];

const AREAS: [&str; 10] = [
    "http", "grpc", "payment", "node", "queue", "cache", "billing", "search", "mail", "login",
];
const THINGS: [&str; 8] = [
    "requests",
    "cpu_seconds",
    "latency",
    "errors",
    "bytes_sent",
    "connections",
    "retries",
    "items",
];
const ENDS: [&str; 5] = ["total", "sum", "count", "bucket", "current"];

fn main() {
    let mut names: Vec<String> = (0..NAMES)
        .map(|at| {
            format!(
                "{}_{}_service{}_{}",
                AREAS[at % 10],
                THINGS[at / 10 % 8],
                at / 400,
                ENDS[at / 80 % 5]
            )
        })
        .collect();
    names.sort();
    let metadata: FamilyMetadata = names
        .iter()
        .step_by(3)
        .map(|name| {
            let metadata = Metadata {
                kind: MetricKind::Counter,
                help: format!("What {name} is about, as served by this process."),
                unit: String::new(),
            };
            (name.clone(), vec![metadata])
        })
        .collect();
    let plain = Plain {
        names: names.clone(),
        helps: metadata
            .iter()
            .map(|(name, list)| (name.clone(), list[0].help.clone()))
            .collect(),
    };
    let list = || Limited {
        entries: names.clone(),
        truncated: false,
    };
    let preparing = median(5, || {
        let (list, metadata) = (list(), metadata.clone());
        let before = cpu_milliseconds();
        black_box(Names::new(list, metadata));
        cpu_milliseconds() - before
    });
    println!("{NAMES} names are prepared in {preparing:.1} ms, once for many keys");
    let prepared = Names::new(list(), metadata.clone());
    println!(
        "{:<22} {:>8} {:>9} {:>9} {:>7}",
        "typed", "found", "ours ms", "plain ms", "ratio"
    );
    for typed in TYPED {
        let found = prepared.search(typed, LIMIT);
        let (count, best) = plain.search(typed, LIMIT);
        assert_eq!(found.found, count, "{typed}");
        assert_eq!(found.best().collect::<Vec<_>>(), best, "{typed}");
        let ours = median(RUNS, || timed(20, || prepared.search(typed, LIMIT)));
        let theirs = median(3, || timed(2, || plain.search(typed, LIMIT)));
        println!(
            "{typed:<22} {count:>8} {ours:>9.2} {theirs:>9.1} {:>7.1}",
            theirs / ours
        );
    }
}

fn median(runs: usize, mut run: impl FnMut() -> f64) -> f64 {
    let mut all: Vec<f64> = (0..runs).map(|_| run()).collect();
    all.sort_by(f64::total_cmp);
    all[runs / 2]
}

/// Milliseconds of CPU for each of so many calls: the kernel counts in ticks of some milliseconds.
fn timed<T>(calls: usize, work: impl Fn() -> T) -> f64 {
    let before = cpu_milliseconds();
    for _ in 0..calls {
        black_box(work());
    }
    (cpu_milliseconds() - before) / calls as f64
}

/// What this process has used of the processors so far.
fn cpu_milliseconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap();
    let nanoseconds: f64 = text.split_whitespace().next().unwrap().parse().unwrap();
    nanoseconds / 1e6
}
