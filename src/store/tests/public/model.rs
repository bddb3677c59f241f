//! Random lives of a store against a plain map.

use crate::bench::{Bench, options, own};
use proptest::prelude::*;
use series::{
    Interrupt, LabelQuery, MatchOp, Matcher, OneThread, STALE_NAN, SeriesSource, TimeRange,
};
use std::collections::BTreeSet;
use store::{MemoryDisk, Outage};

#[derive(Debug, Clone)]
enum Step {
    /// So many scrapes of a target, some of whose series are absent.
    Scrape {
        target: usize,
        rounds: usize,
        interval: i64,
        absent: usize,
        kind: u8,
    },
    /// Series with times of their own, from so long ago on.
    Write {
        target: usize,
        series: usize,
        count: usize,
        ago: i64,
        interval: i64,
    },
    Maintain,
    Reopen,
    Restart(Outage),
    Select {
        matcher: usize,
        from: i64,
        len: i64,
    },
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0usize..3, 1usize..40, 1i64..3000, 0usize..8, 0u8..4).prop_map(
            |(target, rounds, interval, absent, kind)| Step::Scrape { target, rounds, interval, absent, kind }),
        3 => (0usize..4, 1usize..6, 1usize..60, 0i64..90_000, 1i64..3000).prop_map(
            |(target, series, count, ago, interval)| Step::Write { target, series, count, ago, interval }),
        2 => Just(Step::Maintain),
        1 => Just(Step::Reopen),
        1 => prop_oneof![Just(Outage::Kill), Just(Outage::PowerCut), Just(Outage::TornPowerCut)]
            .prop_map(Step::Restart),
        2 => (0usize..6, -150_000i64..20_000, 0i64..120_000).prop_map(
            |(matcher, from, len)| Step::Select { matcher, from, len }),
    ]
}

fn value(kind: u8, round: usize, series: usize) -> f64 {
    let x = (round * 31 + series * 17) as f64;
    match kind {
        0 => x,
        1 => (x * 12.9898).sin() * 43_758.545,
        2 if round % 7 == 3 => STALE_NAN,
        2 => (x / 4.0).floor() / 100.0,
        _ => -0.0,
    }
}

fn matchers(which: usize) -> Vec<Matcher> {
    let of = |op, name: &str, value: &str| Matcher::new(op, name, value).unwrap();
    match which {
        0 => vec![],
        1 => vec![Matcher::equal("__name__", "metric_1")],
        2 => vec![
            of(MatchOp::Regex, "job", "job[01]"),
            of(MatchOp::NotEqual, "n", "3"),
        ],
        3 => vec![
            of(MatchOp::NotRegex, "n", "[0-3]"),
            Matcher::equal("job", "job1"),
        ],
        4 => vec![Matcher::equal("absent", "")],
        _ => vec![of(MatchOp::Regex, "absent", ".+")],
    }
}

fn live(steps: Vec<Step>) {
    let mut bench = Bench::new(MemoryDisk::new(), options());
    for step in steps {
        match step {
            Step::Scrape {
                target,
                rounds,
                interval,
                absent,
                kind,
            } => {
                for round in 0..rounds {
                    bench.advance(interval + (round % 3) as i64);
                    let rows: Vec<(usize, f64)> = (0..8)
                        .filter(|series| (series + round / 5) % 8 >= absent)
                        .map(|series| (series, value(kind, round, series)))
                        .collect();
                    bench.scrape(target, &rows).unwrap();
                }
            }
            Step::Write {
                target,
                series,
                count,
                ago,
                interval,
            } => {
                let from = bench.now() - ago;
                let batch: Vec<_> = (0..series)
                    .map(|series| {
                        let samples: Vec<_> = (0..count)
                            .map(|i| (from + i as i64 * interval, value(0, i, series)))
                            .filter(|(time, _)| *time <= bench.now())
                            .collect();
                        own(target, series + 6, &samples)
                    })
                    .collect();
                bench.write(&batch).unwrap();
            }
            Step::Maintain => {
                bench.store().maintain().unwrap();
            }
            Step::Reopen => {
                bench.store().close().unwrap();
                bench.stop();
                bench.open();
            }
            Step::Restart(outage) => bench.restart(outage),
            Step::Select { matcher, from, len } => {
                let start = bench.now() + from;
                let range = TimeRange {
                    start,
                    end: start + len,
                };
                bench.check_range(&matchers(matcher), range);
            }
        }
    }
    bench.check();
    bench.store().maintain().unwrap();
    bench.check();
    bench.restart(Outage::PowerCut);
    bench.check();
    assert!(
        bench.store().health().is_good(),
        "{:?}",
        bench.store().health()
    );
    check_labels(&bench);
}

fn check_labels(bench: &Bench) {
    let expected: BTreeSet<_> = bench.plain.keys().cloned().collect();
    let query = LabelQuery {
        selectors: &[],
        range: TimeRange::ALL,
        limit: None,
    };
    let interrupt = Interrupt::new();
    let found = bench.store().series(&query, &interrupt).unwrap();
    // A series that was announced but whose samples were all refused may be there as well.
    let found: BTreeSet<_> = found.entries.into_iter().collect();
    assert!(found.is_superset(&expected));
    let jobs = bench
        .store()
        .label_values("job", &query, &interrupt)
        .unwrap();
    let expected: BTreeSet<_> = expected.iter().filter_map(|l| l.get("job")).collect();
    assert!(expected.is_subset(&jobs.entries.iter().map(String::as_str).collect()));
    let selectors = [vec![Matcher::equal("job", "job1")]];
    let query = LabelQuery {
        selectors: &selectors,
        ..query
    };
    let names = bench.store().label_names(&query, &interrupt).unwrap();
    if bench.plain.keys().any(|l| l.get("job") == Some("job1")) {
        assert_eq!(names.entries, ["__name__", "job", "n"]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(
        option_env!("HEADWATER_MODEL_CASES").and_then(|n| n.parse().ok()).unwrap_or(150)
    ))]

    #[test]
    fn a_store_holds_what_a_map_holds(steps in prop::collection::vec(any_step(), 1..30)) {
        live(steps);
    }
}

#[test]
fn series_of_a_target_are_one_run_over_one_timeline_across_blocks_and_head() {
    let mut bench = Bench::new(MemoryDisk::new(), options());
    for round in 0..300 {
        bench.advance(1000);
        let rows: Vec<_> = (0..8)
            .map(|series| (series, value(0, round, series)))
            .collect();
        bench.scrape(0, &rows).unwrap();
        if round % 10 == 0 {
            bench.store().maintain().unwrap();
        }
    }
    let statistics = bench.store().statistics();
    assert!(statistics.blocks >= 3, "{statistics:?}");
    let set = bench
        .store()
        .select(&[], TimeRange::ALL, &Interrupt::new(), &OneThread)
        .unwrap();
    assert_eq!(set.timelines(), 1);
    let mut columns = series::Columns::default();
    for at in 0..set.len() {
        set.read(at, &mut columns).unwrap();
        assert_eq!(columns.runs.len(), 1);
        assert_eq!((columns.runs[0].row, columns.runs[0].len), (0, 300));
        assert!(columns.runs[0].no_nan && columns.runs[0].never_decreases);
    }
}

#[test]
fn readers_get_the_same_in_any_order_of_two_sets_in_turn_and_side_by_side() {
    const SERIES: usize = 300;
    let mut bench = Bench::new(MemoryDisk::new(), options());
    for round in 0..300 {
        bench.advance(1000);
        let rows: Vec<_> = (0..SERIES)
            .map(|series| (series, value(0, round, series)))
            .collect();
        bench.scrape(0, &rows).unwrap();
        if round % 10 == 0 {
            bench.store().maintain().unwrap();
        }
    }
    assert!(bench.store().statistics().blocks >= 3);
    let select = |range| {
        let (interrupt, workers) = (Interrupt::new(), OneThread);
        let set = bench.store().select(&[], range, &interrupt, &workers);
        set.unwrap()
    };
    let early = TimeRange {
        start: i64::MIN,
        end: bench.now() - 25_000,
    };
    let sets = [select(TimeRange::ALL), select(early)];
    let bits = |columns: &series::Columns| -> Vec<u64> {
        columns.values.iter().map(|value| value.to_bits()).collect()
    };
    // Each series by a reader of its own, which has nothing in hand.
    let expected = sets.each_ref().map(|set| {
        let read = |at| {
            let mut columns = series::Columns::default();
            set.read(at, &mut columns).unwrap();
            bits(&columns)
        };
        (0..set.len()).map(read).collect::<Vec<_>>()
    });
    assert_eq!(expected.each_ref().map(Vec::len), [SERIES; 2]);
    assert!(expected[0][7].len() > expected[1][7].len());
    std::thread::scope(|scope| {
        for stride in [1, 7, 299, 11] {
            let (sets, expected, bits) = (&sets, &expected, &bits);
            scope.spawn(move || {
                let mut columns = series::Columns::default();
                // More often than there are pieces.
                for step in 0..3 * SERIES {
                    let at = step * stride % SERIES;
                    for (set, expected) in sets.iter().zip(expected) {
                        set.read(at, &mut columns).unwrap();
                        assert_eq!(bits(&columns), expected[at], "{at}");
                    }
                }
            });
        }
    });
}
