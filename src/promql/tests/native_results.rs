//! Native histograms in a result, as Prometheus's HTTP API has them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use promql::{InstantParams, Limits, RangeParams, evaluate_instant, evaluate_range, parse};
use series::{Answer, Bucket, Histogram, Interrupt, Labels, QueryResult};
use std::sync::Arc;
use support::memory::{Memory, Point};

const LOOKBACK: i64 = 300_000;

fn labels(name: &str) -> Labels {
    Labels::new([("__name__", name)]).unwrap()
}

/// `h` at 10 and 20 s, of which the second has twice the observations, and `n`, a number.
fn memory() -> Memory {
    let mut memory = Memory::default();
    let bucket = |index, count| Bucket { index, count };
    for (time, factor) in [(10_000, 1.0), (20_000, 2.0)] {
        let histogram = Histogram {
            schema: 0,
            count: 6.0 * factor,
            sum: 1.5 * factor,
            zero_threshold: 0.001,
            zero_count: factor,
            positive: vec![bucket(0, factor), bucket(1, 0.0), bucket(2, 2.0 * factor)],
            negative: vec![bucket(1, 2.0 * factor)],
            ..Histogram::default()
        };
        memory.put(&labels("h"), time, Point::Histogram(Arc::new(histogram)), 0);
        memory.put(&labels("n"), time, Point::Float(factor), 0);
        let custom = Histogram {
            schema: Histogram::CUSTOM_SCHEMA,
            count: 3.0,
            positive: vec![bucket(0, 1.0), bucket(2, 2.0)],
            custom_bounds: Some([0.5, 1.0].into()),
            ..Histogram::default()
        };
        memory.put(&labels("c"), time, Point::Histogram(Arc::new(custom)), 0);
    }
    memory
}

fn instant(query: &str, limits: &Limits) -> promql::Result<Answer> {
    let params = InstantParams {
        time: 20_000,
        lookback: LOOKBACK,
    };
    let source = memory().source();
    let expr = parse(query).unwrap();
    evaluate_instant(query, &expr, &source, params, limits, &Interrupt::new())
}

#[test]
fn buckets_come_from_the_lowest_to_the_highest_and_none_is_empty() {
    let answer = instant("h", &Limits::default()).unwrap();
    assert_eq!(answer.result, QueryResult::Vector(Vec::new()));
    assert_eq!(answer.warnings, [] as [String; 0]);
    let [h] = &answer.histograms[..] else {
        panic!("{answer:?}");
    };
    assert_eq!(h.labels, labels("h"));
    assert_eq!(h.times[..], [20_000; 4]);
    assert_eq!(h.lowers[..], [-2.0, -0.001, 0.5, 2.0]);
    assert_eq!(h.uppers[..], [-1.0, 0.001, 1.0, 4.0]);
    assert_eq!(h.counts[..], [4.0, 2.0, 2.0, 4.0]);
    assert_eq!(h.boundaries[..], [1, 3, 0, 0]);
    let [total] = &h.totals[..] else {
        panic!("{h:?}");
    };
    assert_eq!((total.time, total.count, total.sum), (20_000, 12.0, 3.0));
}

#[test]
fn custom_bounds_have_infinity_at_both_ends() {
    let answer = instant("c", &Limits::default()).unwrap();
    let c = &answer.histograms[0];
    assert_eq!(c.lowers[..], [f64::NEG_INFINITY, 1.0]);
    assert_eq!(c.uppers[..], [0.5, f64::INFINITY]);
    assert_eq!(c.boundaries[..], [3, 0]);
}

#[test]
fn a_range_holds_a_histogram_for_each_step() {
    let query = r#"{__name__=~"[hn]"}"#;
    let expr = parse(query).unwrap();
    let params = RangeParams {
        start: 0,
        end: 20_000,
        step: 10_000,
        lookback: LOOKBACK,
    };
    let source = memory().source();
    let limits = Limits::default();
    let interrupt = Interrupt::new();
    let answer = evaluate_range(query, &expr, &source, params, &limits, &interrupt).unwrap();
    let QueryResult::Matrix(matrix) = &answer.result else {
        panic!("{answer:?}");
    };
    assert_eq!(matrix.len(), 1);
    let [h] = &answer.histograms[..] else {
        panic!("{answer:?}");
    };
    let times: Vec<i64> = h.totals.iter().map(|total| total.time).collect();
    assert_eq!(times, [10_000, 20_000]);
    assert_eq!(h.times.len(), 8);
}

#[test]
fn the_samples_of_a_range_are_given_as_they_are() {
    let answer = instant("h[15s]", &Limits::default()).unwrap();
    assert_eq!(answer.result, QueryResult::Matrix(Vec::new()));
    assert_eq!(answer.histograms[0].totals.len(), 2);
}

#[test]
fn buckets_count_as_samples_do() {
    let limits = Limits {
        samples: 10,
        ..Limits::default()
    };
    let error = instant("h", &limits).unwrap_err();
    assert!(
        matches!(error, promql::Error::TooManySamples { .. }),
        "{error}"
    );
}
