//! How fast a page is read, in MB/s (millions of bytes a second) and nanoseconds a sample.
//!
//! `cargo bench -p exposition`. Each figure is the median of [`ROUNDS`] rounds on one core.

#![allow(clippy::print_stdout, clippy::unwrap_used)] // A benchmark prints and may stop.

use exposition::{Entry, Format, Parser};
use std::collections::HashMap;
use std::fmt::Write;
use std::hint::black_box;
use std::time::Instant;

const ROUNDS: usize = 15;
const PAGE_BYTES: usize = 5_000_000;

fn main() {
    for (name, page, format) in pages() {
        let samples = count(&page, format);
        println!("{name}: {} bytes, {samples} samples", page.len());
        let report = |what: &str, seconds: f64| {
            println!(
                "  {what:<44} {:>7.0} MB/s {:>7.1} ns/sample",
                page.len() as f64 / seconds / 1e6,
                seconds / samples as f64 * 1e9
            );
        };
        report(
            "parsed and checked, no labels made",
            median(|| count(&page, format)),
        );

        let keys = series_texts(&page, format);
        report(
            "every line expected (a steady page)",
            median(|| expected(&page, format, &keys)),
        );

        let cache: HashMap<&[u8], u32> = keys.iter().copied().zip(0..).collect();
        report(
            "parsed, every series looked up by its text",
            median(|| looked_up(&page, format, &cache)),
        );
        report(
            "parsed, all labels made",
            median(|| labelled(&page, format)),
        );
    }
}

fn median<T>(mut round: impl FnMut() -> T) -> f64 {
    let mut seconds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            black_box(round());
            start.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    seconds[ROUNDS / 2]
}

fn count(page: &[u8], format: Format) -> usize {
    let mut parser = Parser::new(black_box(page), format);
    let mut samples = 0;
    while let Some(entry) = parser.next().unwrap() {
        if let Entry::Sample(sample) = entry {
            black_box(sample.value);
            samples += 1;
        }
    }
    samples
}

fn series_texts(page: &[u8], format: Format) -> Vec<&[u8]> {
    let mut parser = Parser::new(page, format);
    let mut texts = Vec::new();
    while let Some(entry) = parser.next().unwrap() {
        if let Entry::Sample(sample) = entry {
            texts.push(sample.series);
        }
    }
    texts
}

fn expected(page: &[u8], format: Format, keys: &[&[u8]]) {
    let mut parser = Parser::new(black_box(page), format);
    let mut keys = keys.iter();
    let mut key = *keys.next().unwrap();
    while let Some(entry) = parser.next_expecting(key).unwrap() {
        if let Entry::Sample(sample) = entry {
            assert!(sample.expected);
            black_box(sample.value);
            key = keys.next().copied().unwrap_or_default();
        }
    }
}

fn looked_up(page: &[u8], format: Format, cache: &HashMap<&[u8], u32>) -> u64 {
    let mut parser = Parser::new(black_box(page), format);
    let mut sum = 0;
    while let Some(entry) = parser.next().unwrap() {
        if let Entry::Sample(sample) = entry {
            sum += u64::from(cache[sample.series]);
        }
    }
    sum
}

fn labelled(page: &[u8], format: Format) {
    let mut parser = Parser::new(black_box(page), format);
    while let Some(entry) = parser.next().unwrap() {
        if let Entry::Sample(sample) = entry {
            black_box(sample.labels().unwrap());
        }
    }
}

/// Pages of 5 MB: one as an app with counters and histograms writes it, in both formats, one of
/// long floats, and one of a recorded page repeated, where `../shared` is there.
fn pages() -> Vec<(&'static str, Vec<u8>, Format)> {
    let mut pages = vec![
        ("an app in text", app(false), Format::PrometheusText),
        (
            "an app in OpenMetrics, exemplars",
            app(true),
            Format::OpenMetrics,
        ),
        ("gauges of full precision", gauges(), Format::PrometheusText),
    ];
    let recorded = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/conformance/pages/node_exporter.prom.txt"
    );
    match std::fs::read(recorded) {
        Ok(page) => {
            let times = PAGE_BYTES / page.len() + 1;
            pages.push((
                "node_exporter, repeated",
                page.repeat(times),
                Format::PrometheusText,
            ));
        }
        Err(_) => println!("SKIPPED: {recorded} is absent"),
    }
    pages
}

fn app(open_metrics: bool) -> Vec<u8> {
    let mut page = String::new();
    let mut family = 0;
    let mut state = 1_u64;
    while page.len() < PAGE_BYTES {
        family += 1;
        let counter = if open_metrics { "" } else { "_total" };
        let _ = writeln!(
            page,
            "# HELP http_requests_{family}{counter} Requests of the app by outcome."
        );
        let _ = writeln!(page, "# TYPE http_requests_{family}{counter} counter");
        for code in [200, 201, 301, 400, 404, 500] {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let _ = writeln!(
                page,
                "http_requests_{family}_total{{code=\"{code}\",handler=\"/api/items\",method=\"GET\"}} {}",
                state >> 40
            );
        }
        let _ = writeln!(
            page,
            "# HELP request_seconds_{family} How long requests took."
        );
        let _ = writeln!(page, "# TYPE request_seconds_{family} histogram");
        for bound in [
            "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1.0", "+Inf",
        ] {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let _ = write!(
                page,
                "request_seconds_{family}_bucket{{handler=\"/api/items\",le=\"{bound}\"}} {}",
                state >> 44
            );
            if open_metrics && bound == "0.1" {
                page.push_str(
                    " # {trace_id=\"4bf92f3577b34da6a3ce929d0e0e4736\"} 0.067 1520879607.789",
                );
            }
            page.push('\n');
        }
        let _ = writeln!(
            page,
            "request_seconds_{family}_sum{{handler=\"/api/items\"}} {}",
            (state >> 33) as f64 / 1e6
        );
        let _ = writeln!(
            page,
            "request_seconds_{family}_count{{handler=\"/api/items\"}} {}",
            state >> 44
        );
    }
    if open_metrics {
        page.push_str("# EOF\n");
    }
    page.into_bytes()
}

fn gauges() -> Vec<u8> {
    let mut page = String::from("# TYPE temperature_celsius gauge\n");
    let mut state = 1_u64;
    let mut sensor = 0;
    while page.len() < PAGE_BYTES {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        sensor += 1;
        let _ = writeln!(
            page,
            "temperature_celsius{{sensor=\"s{sensor}\"}} {}",
            (state >> 11) as f64 / (1_u64 << 53) as f64 * 40.0
        );
    }
    page.into_bytes()
}
