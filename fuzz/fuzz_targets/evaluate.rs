//! Any text as a query over a few series: evaluating it does not panic and stays within bounds,
//! and a range query gives the same whether one thread works at it or two.

#![no_main]

#[path = "../../src/promql/tests/support/memory.rs"]
mod memory;

use libfuzzer_sys::fuzz_target;
use memory::{Memory, Point, Source};
use promql::{InstantParams, Limits, RangeParams, evaluate_instant, evaluate_range};
use series::{Interrupt, Labels, STALE_NAN};
use std::sync::LazyLock;

static SOURCE: LazyLock<Source> = LazyLock::new(|| {
    let mut memory = Memory::default();
    for (name, more) in [("a", 3), ("b", 3), ("h_bucket", 4)] {
        for i in 0..more {
            let le = ["0.1", "1", "+Inf", "x"][i as usize % 4];
            let labels = [
                ("__name__", name),
                ("le", le),
                ("i", ["0", "1", "2", "3"][i as usize]),
            ];
            let Ok(labels) = Labels::new(labels) else {
                return memory.source();
            };
            for step in 0..40_i64 {
                let value = match (step + i) % 11 {
                    9 => f64::NAN,
                    10 if i == 1 => STALE_NAN,
                    other => (other * (i + 1)) as f64,
                };
                // Gaps, and times that are off.
                if (step + i) % 7 != 3 {
                    memory.put(&labels, step * 15_000 + i, Point::Float(value), 0);
                }
            }
        }
    }
    memory.source()
});

fuzz_target!(|query: &str| {
    let Ok(expr) = promql::parse(query) else {
        return;
    };
    let interrupt = Interrupt::new();
    let limits = |threads| Limits {
        samples: 200_000,
        points: 1_000,
        threads,
        ..Limits::default()
    };
    let instant = InstantParams {
        time: 450_000,
        lookback: 300_000,
    };
    let _ = evaluate_instant(query, &expr, &*SOURCE, instant, &limits(1), &interrupt);
    let range = RangeParams {
        start: 0,
        end: 600_000,
        step: 30_000,
        lookback: 60_000,
    };
    let one = evaluate_range(query, &expr, &*SOURCE, range, &limits(1), &interrupt);
    let two = evaluate_range(query, &expr, &*SOURCE, range, &limits(2), &interrupt);
    // NaN differs from itself, and prints alike.
    let shown = |answer: &promql::Result<series::Answer>| {
        answer
            .as_ref()
            .map(|answer| format!("{:?}", answer.result))
            .map_err(ToString::to_string)
    };
    assert_eq!(shown(&one), shown(&two), "{query}");
});
