//! CPU of one scrape of a steady page, from bytes to the appender, and of the first scrape.

#![allow(clippy::print_stdout)] // A benchmark speaks on stdout.

use exposition::Format;
use scrape::{Ingest, Limits, Reading};
use series::{Appended, Labels, Result, ScrapeRows, SeriesRef, TargetAppender};
use std::collections::HashMap;
use std::fmt::Write;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Takes everything and keeps nothing but what a reference needs.
#[derive(Default)]
struct Sink {
    known: HashMap<Labels, SeriesRef>,
    rows: usize,
}

impl TargetAppender for Sink {
    fn series(&mut self, labels: &Labels) -> Result<SeriesRef> {
        let next = SeriesRef(self.known.len() as u32);
        Ok(*self.known.entry(labels.clone()).or_insert(next))
    }

    fn release(&mut self, _series: SeriesRef) {}

    fn append(&mut self, scrape: &ScrapeRows<'_>) -> Result<Appended> {
        self.rows += black_box(scrape.rows).len();
        Ok(Appended::default())
    }
}

fn reading() -> Reading {
    Reading {
        labels: Labels::new([("instance", "app:8000"), ("job", "app")]).unwrap_or_default(),
        honor_labels: false,
        honor_timestamps: true,
        track_timestamps_staleness: false,
        metric_relabel: Vec::new(),
        limits: Limits::default(),
    }
}

/// Families of ten series with three labels, their values of the lengths that counters and
/// gauges have.
fn page(series: usize, scrape: usize) -> String {
    let mut text = String::new();
    for i in 0..series {
        if i.is_multiple_of(10) {
            let family = i / 10;
            let _ = write!(
                text,
                "# HELP app_requests_{family}_total Requests that the app has answered.\n\
                 # TYPE app_requests_{family}_total counter\n"
            );
        }
        let (family, code) = (i / 10, 200 + i % 10);
        let _ = writeln!(
            text,
            "app_requests_{family}_total{{method=\"GET\",code=\"{code}\",path=\"/api/v1/items\"}} {}",
            i * 1_000 + scrape * (i % 7)
        );
    }
    text
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn main() {
    // `cargo test --benches` only asks whether it runs.
    let rounds = if std::env::args().any(|argument| argument == "--test") {
        3
    } else {
        300
    };
    for series in [2_000, 100_000] {
        let rounds = (rounds * 2_000 / series).max(3);
        let pages: Vec<String> = (0..10).map(|scrape| page(series, scrape)).collect();
        let mut first = Vec::new();
        let mut steady = Vec::new();
        let mut turned = Vec::new();
        let mut ingest = Ingest::new(Box::<Sink>::default(), reading());
        let mut time = 0;
        let mut scrape = |ingest: &mut Ingest, text: &str| {
            time += 15_000;
            let start = Instant::now();
            let page = Ok((text.as_bytes(), Format::PrometheusText));
            let outcome = ingest.scrape(page, time, Duration::default);
            let elapsed = start.elapsed();
            assert!(outcome.is_ok_and(|outcome| outcome.kept == series as u64));
            elapsed
        };
        for _ in 0..rounds.min(20) {
            let mut fresh = Ingest::new(Box::<Sink>::default(), reading());
            first.push(scrape(&mut fresh, &pages[0]));
        }
        scrape(&mut ingest, &pages[0]);
        for round in 0..rounds {
            steady.push(scrape(&mut ingest, &pages[round % pages.len()]));
        }
        // Every other scrape in another order: no guess is right.
        let mut lines: Vec<&str> = pages[0]
            .lines()
            .filter(|line| !line.starts_with('#'))
            .collect();
        lines.sort_by_key(|line| {
            line.bytes()
                .fold(0u32, |h, b| h.wrapping_mul(31) + u32::from(b))
        });
        let mut other = lines.join("\n");
        other.push('\n');
        for round in 0..rounds.max(4) {
            let text = if round.is_multiple_of(2) {
                &other
            } else {
                &pages[0]
            };
            turned.push(scrape(&mut ingest, text));
        }
        let megabytes = pages[0].len() as f64 / 1e6;
        let steady = median(steady);
        println!(
            "{series} series ({megabytes:.2} MB): first {:?}, steady {steady:?} ({:.0} MB/s, {:.0} ns a series), \
             another order {:?}",
            median(first),
            megabytes / steady.as_secs_f64(),
            steady.as_nanos() as f64 / series as f64,
            median(turned),
        );
    }
}
