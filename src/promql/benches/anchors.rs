//! The queries of the shared design's anchors over a source in memory: 2,000 counters and 200
//! histograms of 11 buckets, 24 hours at 15 s. Prints the time per query on one thread, median
//! of 7, and on two.
//!
//! `cargo bench -p promql --bench anchors [-- name]`

#![allow(clippy::print_stdout, clippy::unwrap_used)]

#[path = "../tests/support/memory.rs"]
mod memory;

use memory::{Source, Stored};
use promql::{InstantParams, Limits, RangeParams, evaluate_instant, evaluate_range, parse};
use series::{Columns, Extras, Interrupt, Labels, OneThread, QueryResult, Run, SeriesSource};
use std::sync::Arc;
use std::time::Instant;

const SAMPLES: usize = 5_760;
const INTERVAL: i64 = 15_000;
const START: i64 = 1_700_000_000_000;

/// A small generator of numbers that look random (xorshift), so that runs repeat.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

fn data() -> Source {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let targets = 100;
    let timelines: Vec<Vec<i64>> = (0..targets)
        .map(|target| {
            (0..SAMPLES)
                .map(|i| {
                    let jitter = numbers.next(5) as i64 - 2;
                    START + target * 137 + i as i64 * INTERVAL + jitter
                })
                .collect()
        })
        .collect();
    let mut series = Vec::new();
    let mut push = |pairs: &[(&str, String)], timeline: usize, values: Vec<f64>| {
        let mut stored = Stored {
            labels: Labels::new(pairs.iter().map(|(n, v)| (*n, v.as_str()))).unwrap(),
            columns: Columns {
                runs: vec![Run {
                    timeline,
                    row: 0,
                    len: values.len(),
                    never_decreases: false,
                    no_nan: false,
                }],
                values,
                ..Columns::default()
            },
            extras: Extras::default(),
        };
        stored.flag_runs();
        series.push(Arc::new(stored));
    };
    for i in 0..2_000 {
        let mut value = 0.0;
        let values = (0..SAMPLES)
            .map(|_| {
                value += numbers.next(20) as f64;
                value
            })
            .collect();
        let pairs = [
            ("__name__", "m".to_owned()),
            ("g", (i % 20).to_string()),
            ("instance", i.to_string()),
        ];
        push(&pairs, i % targets as usize, values);
    }
    for i in 0..200 {
        let mut counts = [0.0; 11];
        let mut columns: Vec<Vec<f64>> = (0..11).map(|_| Vec::with_capacity(SAMPLES)).collect();
        for _ in 0..SAMPLES {
            let mut below = 0.0;
            for bucket in 0..11 {
                counts[bucket] += numbers.next(4) as f64;
                below += counts[bucket];
                columns[bucket].push(below);
            }
        }
        for (bucket, values) in columns.into_iter().enumerate() {
            let le = if bucket == 10 {
                "+Inf".to_owned()
            } else {
                (0.005 * f64::from(1 << bucket)).to_string()
            };
            let pairs = [
                ("__name__", "h_bucket".to_owned()),
                ("g", (i % 20).to_string()),
                ("instance", i.to_string()),
                ("le", le),
            ];
            push(&pairs, i % targets as usize, values);
        }
    }
    series.sort_by(|a, b| a.labels.cmp(&b.labels));
    Source {
        timelines: Arc::new(timelines),
        series,
    }
}

fn points(result: &QueryResult) -> usize {
    match result {
        QueryResult::Matrix(series) => series.iter().map(|s| s.values.len()).sum(),
        QueryResult::Vector(samples) => samples.len(),
        _ => 1,
    }
}

/// Nanoseconds that the main thread has run; other work on the machine does not count.
fn cpu() -> u64 {
    std::fs::read_to_string("/proc/self/schedstat")
        .ok()
        .and_then(|text| text.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

/// What reading all counters through the seam costs by itself.
fn read_everything(source: &Source) -> f64 {
    let matcher = series::Matcher::equal("__name__", "m");
    let mut times: Vec<u64> = (0..7)
        .map(|_| {
            let started = cpu();
            let set = source
                .select(
                    std::slice::from_ref(&matcher),
                    series::TimeRange::ALL,
                    &Interrupt::new(),
                    &OneThread,
                )
                .unwrap();
            let mut columns = Columns::default();
            for row in 0..set.len() {
                set.read(row, &mut columns).unwrap();
                std::hint::black_box(&columns);
            }
            cpu() - started
        })
        .collect();
    times.sort_unstable();
    times[3] as f64 / 1e6
}

fn main() {
    let filter = std::env::args().nth(1).filter(|a| !a.starts_with('-'));
    let source = data();
    let end = START + SAMPLES as i64 * INTERVAL;
    let day = 86_400_000;
    // Query, and steps; 0 for an instant query.
    let queries: [(&str, i64); 14] = [
        ("sum by (g)(rate(m[5m]))", 1_000),
        (
            "histogram_quantile(0.95, sum by (le, g)(rate(h_bucket[5m])))",
            1_000,
        ),
        ("m", 200),
        ("max_over_time(m[1h])", 100),
        ("topk(5, rate(m[5m]))", 0),
        ("sum(m)", 0),
        ("sum(rate(m[5m]))", 1_000),
        ("max_over_time(rate(m[5m])[1h:1m])", 100),
        (
            "sum by (g)(rate(m[5m])) / on(g) group_left sum by (g)(m)",
            1_000,
        ),
        ("m * on(instance) group_left(g) m", 200),
        ("topk(5, rate(m[5m]))", 200),
        ("quantile by (g)(0.9, rate(m[5m]))", 200),
        ("avg_over_time(m[1h])", 100),
        ("rate(m{instance=~\"1.\"}[5m])", 1_000),
    ];
    println!(
        "reading all counters by itself: {:.1} ms",
        read_everything(&source)
    );
    println!(
        "{:<70} {:>9} {:>9} {:>9} {:>9}",
        "query", "CPU", "1 thread", "2 threads", "points"
    );
    for (query, steps) in queries {
        if filter.as_ref().is_some_and(|f| !query.contains(f.as_str())) {
            continue;
        }
        let expr = parse(query).unwrap();
        let mut medians = Vec::new();
        let mut cpu_medians = Vec::new();
        let mut count = 0;
        for threads in [1, 2] {
            let limits = Limits {
                threads,
                ..Limits::default()
            };
            let mut cpu_times: Vec<u64> = Vec::new();
            let mut times: Vec<f64> = (0..7)
                .map(|_| {
                    let started = Instant::now();
                    let cpu_started = cpu();
                    let interrupt = Interrupt::new();
                    let answer = if steps == 0 {
                        let params = InstantParams {
                            time: end,
                            lookback: 300_000,
                        };
                        evaluate_instant(query, &expr, &source, params, &limits, &interrupt)
                    } else {
                        let params = RangeParams {
                            start: end - day + day / steps,
                            end,
                            step: day / steps,
                            lookback: 300_000,
                        };
                        evaluate_range(query, &expr, &source, params, &limits, &interrupt)
                    };
                    count = points(&answer.unwrap().result);
                    cpu_times.push(cpu() - cpu_started);
                    started.elapsed().as_secs_f64() * 1e3
                })
                .collect();
            times.sort_by(f64::total_cmp);
            medians.push(times[3]);
            cpu_times.sort_unstable();
            cpu_medians.push(cpu_times[3] as f64 / 1e6);
        }
        println!(
            "{query:<70} {:>6.1} ms {:>6.1} ms {:>6.1} ms {count:>9}",
            cpu_medians[0], medians[0], medians[1]
        );
    }
}
