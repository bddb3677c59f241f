//! What holds for every query: printing gives it back, no text panics, and a range query gives
//! at each step what an instant query gives there.

#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod support;

use promql::syntax::{Duration, DurationKind, Expr, ExprKind, Shift};
use promql::{
    Error, InstantParams, Limits, RangeParams, Span, evaluate_instant, evaluate_range, parse,
    pretty,
};
use proptest::prelude::*;
use series::{Interrupt, Labels, QueryResult, STALE_NAN};
use std::collections::BTreeMap;
use support::memory::{Memory, Point, Source};

/// A random query of type vector (or scalar), as text.
fn vector(depth: u32) -> BoxedStrategy<String> {
    let name = prop::sample::select(vec!["a_total", "b", "c", "h_bucket"]);
    let matchers = prop::sample::select(vec![
        "",
        "",
        "{g=\"1\"}",
        "{g!=\"1\",i=~\"[ab]\"}",
        "{i!~\"b|c\"}",
        "{\"g\"=~\".+\"}",
        "{nothing=\"here\"}",
    ]);
    let shift = prop::sample::select(vec![
        "",
        "",
        "",
        " offset 1m",
        " offset -30s",
        " @ 300",
        " @ start()",
        " @ end() offset 15s",
    ]);
    let leaf = (name, matchers, shift)
        .prop_map(|(name, matchers, shift)| format!("{name}{matchers}{shift}"));
    if depth == 0 {
        return leaf.boxed();
    }
    let range = (
        prop::sample::select(vec![
            "rate",
            "increase",
            "delta",
            "irate",
            "idelta",
            "resets",
            "changes",
            "deriv",
            "avg_over_time",
            "sum_over_time",
            "min_over_time",
            "max_over_time",
            "count_over_time",
            "last_over_time",
            "stddev_over_time",
            "stdvar_over_time",
            "present_over_time",
            "absent_over_time",
            "mad_over_time",
            "first_over_time",
            "ts_of_max_over_time",
        ]),
        prop_oneof![
            (
                prop::sample::select(vec![
                    "a_total",
                    "b",
                    "c{g=\"1\"}",
                    "{__name__=~\"a_total|c\",i=\"a\"}"
                ]),
                prop::sample::select(vec![
                    "[1m]",
                    "[90s]",
                    "[5m] offset 1m",
                    "[2m] @ 400",
                    "[3m] @ end()"
                ]),
            )
                .prop_map(|(series, range)| format!("{series}{range}")),
            (
                vector(depth - 1),
                prop::sample::select(vec![
                    "[3m:1m]",
                    "[2m:15s]",
                    "[5m:]",
                    "[2m:30s] offset 1m",
                    "[2m:20s] @ 500"
                ]),
            )
                .prop_map(|(inner, range)| format!("({inner}){range}")),
        ],
    )
        .prop_map(|(function, range)| format!("{function}({range})"));
    let mapped = (
        prop::sample::select(vec![
            "abs",
            "ceil",
            "floor",
            "sqrt",
            "sgn",
            "ln",
            "exp",
            "-",
            "absent",
            "timestamp",
            "hour",
            "round",
            "deg",
        ]),
        vector(depth - 1),
    )
        .prop_map(|(function, inner)| format!("{function}({inner})"));
    // No grouping by name: whether a group's name goes may change from step to step, but a series
    // of a range has one name, in Prometheus as here.
    let aggregate = (
        prop::sample::select(vec![
            "sum",
            "avg",
            "min",
            "max",
            "count",
            "group",
            "stddev",
            "stdvar",
            "topk(2,",
            "bottomk(1,",
            "quantile(0.4,",
            "count_values(\"v\",",
            "limitk(1,",
        ]),
        prop::sample::select(vec!["", " by (g)", " without (i)", " by (i, g)"]),
        vector(depth - 1),
    )
        .prop_map(|(op, grouping, inner)| match op.split_once('(') {
            Some((op, parameter)) => format!("{op}{grouping} ({parameter} {inner})"),
            None => format!("{op}{grouping} ({inner})"),
        });
    let operators = prop::sample::select(vec![
        "+", "-", "*", "/", "%", "^", "atan2", "==", "!=", ">", "<", ">=", "<=", "> bool",
        "== bool", "and", "or", "unless",
    ]);
    let binary = (
        vector(depth - 1),
        operators.clone(),
        prop::sample::select(vec!["", " on (g, i)", " ignoring (i)", " on ()", " on (i)"]),
        prop::sample::select(vec!["", "", " group_left ()", " group_right (g)"]),
        vector(depth - 1),
    )
        .prop_map(|(left, op, matching, group, right)| {
            let set = matches!(op, "and" | "or" | "unless");
            let group = if matching.is_empty() || set {
                ""
            } else {
                group
            };
            let group = if matching.contains('g') && group.contains("(g)") {
                ""
            } else {
                group
            };
            format!("({left}) {op}{matching}{group} ({right})")
        });
    let with_scalar = (
        vector(depth - 1),
        operators,
        scalar(depth - 1),
        any::<bool>(),
    )
        .prop_map(|(vector, op, scalar, swapped)| {
            let op = if matches!(op, "and" | "or" | "unless") {
                "+"
            } else {
                op
            };
            if swapped {
                format!("({scalar}) {op} ({vector})")
            } else {
                format!("({vector}) {op} ({scalar})")
            }
        });
    let special = vector(depth - 1).prop_flat_map(move |inner| {
        prop::sample::select(vec![
            format!("histogram_quantile(0.9, {inner})"),
            "histogram_quantile(0.5, sum by (le) (rate(h_bucket[2m])))".to_owned(),
            format!("histogram_fraction(0.1, 0.5, {inner})"),
            format!("label_replace({inner}, \"i\", \"x$1\", \"g\", \"(.*)\")"),
            format!("label_join({inner}, \"j\", \"-\", \"g\", \"i\")"),
            format!("clamp({inner}, 2, 40)"),
            format!("quantile_over_time(0.3, b[2m])"),
            format!("predict_linear(a_total[3m], 60)"),
            format!("vector(scalar({inner}))"),
            "vector(time())".to_owned(),
            "minute()".to_owned(),
            format!("sort({inner})"),
        ])
    });
    prop_oneof![
        1 => leaf,
        3 => range,
        1 => mapped,
        2 => aggregate,
        2 => binary,
        1 => with_scalar,
        1 => special,
    ]
    .boxed()
}

fn scalar(depth: u32) -> BoxedStrategy<String> {
    let leaf = prop::sample::select(vec![
        "1",
        "0.5",
        "-3",
        "NaN",
        "Inf",
        "time()",
        "1 + 2 * 3",
        "2 ^ -1",
        "5m",
        "pi()",
    ])
    .prop_map(str::to_owned);
    if depth == 0 {
        return leaf.boxed();
    }
    prop_oneof![
        3 => leaf,
        1 => vector(depth - 1).prop_map(|inner| format!("scalar({inner})")),
    ]
    .boxed()
}

/// Series with gaps, restarts, NaN, stale markers and times of their own.
fn memory() -> impl Strategy<Value = Memory> {
    let series = (
        prop::sample::select(vec!["a_total", "b", "c", "h_bucket"]),
        prop::sample::select(vec!["1", "2"]),
        prop::sample::select(vec!["a", "b", "c"]),
        prop::sample::select(vec!["0.1", "1", "+Inf"]),
        0i64..3,
        prop::collection::vec(
            prop_oneof![
                12 => (0.0f64..9.0).prop_map(|v| Some(v.floor())),
                1 => Just(Some(f64::NAN)),
                1 => Just(Some(STALE_NAN)),
                1 => Just(Some(-0.0)),
                2 => Just(None),
                1 => Just(Some(1e300)),
            ],
            20..50,
        ),
    );
    prop::collection::vec(series, 1..9).prop_map(|all| {
        let mut memory = Memory::default();
        for (name, g, i, le, jitter, samples) in all {
            let mut pairs = vec![("__name__", name), ("g", g), ("i", i)];
            if name == "h_bucket" {
                pairs.push(("le", le));
            }
            let labels = Labels::new(pairs).unwrap();
            let mut total = 0.0;
            for (index, sample) in samples.into_iter().enumerate() {
                let Some(sample) = sample else {
                    continue;
                };
                let counts = name == "a_total" && sample.is_finite() && sample < 1e9;
                let value = if counts {
                    // A value of 8 is a restart.
                    total = if sample == 8.0 { 0.0 } else { total + sample };
                    total
                } else {
                    sample
                };
                let time = index as i64 * 15_000 + jitter * 7;
                memory.put(&labels, time, Point::Float(value), 0);
            }
        }
        memory
    })
}

fn limits(threads: usize) -> Limits {
    Limits {
        samples: 2_000_000,
        threads,
        ..Limits::default()
    }
}

/// What an instant query gives, by labels.
fn at(
    query: &str,
    expr: &Expr,
    source: &Source,
    time: i64,
) -> Result<BTreeMap<String, u64>, Error> {
    let params = InstantParams {
        time,
        lookback: 300_000,
    };
    let answer = evaluate_instant(query, expr, source, params, &limits(1), &Interrupt::new())?;
    Ok(match answer.result {
        QueryResult::Vector(samples) => samples
            .into_iter()
            .map(|s| (s.labels.to_string(), canonical(s.sample.value)))
            .collect(),
        QueryResult::Scalar(sample) => [("{}".to_owned(), canonical(sample.value))].into(),
        other => panic!("{other:?}"),
    })
}

/// The bits of a value, all NaN alike.
fn canonical(value: f64) -> u64 {
    if value.is_nan() {
        f64::NAN.to_bits()
    } else {
        value.to_bits()
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300,
        // A finding becomes a plain named test instead of a file.
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_range_query_gives_at_each_step_what_an_instant_query_gives_there(
        query in vector(3),
        memory in memory(),
        start in -2i64..20,
        threads in 1usize..3,
    ) {
        // What `start()` and `end()` mean differs between the two, and order shows in one only.
        prop_assume!(!query.contains("start()") && !query.contains("end()"));
        prop_assume!(!query.contains("sort("));
        let source = memory.source();
        let expr = parse(&query).unwrap_or_else(|e| panic!("{query}: {e}"));
        let (start, step, count) = (start * 10_000, 25_000, 12);
        let params = RangeParams { start, end: start + step * count, step, lookback: 300_000 };
        let range = evaluate_range(
            &query, &expr, &source, params, &limits(threads), &Interrupt::new(),
        );
        let instants: Vec<_> =
            (0..=count).map(|i| at(&query, &expr, &source, start + i * step)).collect();
        match range {
            Err(error) => {
                // Duplicates may also come about between steps, as in Prometheus.
                let any = instants.iter().any(Result::is_err)
                    || matches!(error, Error::SameLabels { .. });
                prop_assert!(any, "{query}: {error}");
            }
            Ok(answer) => {
                let QueryResult::Matrix(series) = answer.result else { panic!("no matrix") };
                for (i, instant) in instants.into_iter().enumerate() {
                    let time = start + i as i64 * step;
                    let found: BTreeMap<String, u64> = series
                        .iter()
                        .filter_map(|s| {
                            let at = s.times.iter().position(|t| *t == time)?;
                            Some((s.labels.to_string(), canonical(s.values[at])))
                        })
                        .collect();
                    prop_assert_eq!(instant, Ok(found), "{} at {}", query, time);
                }
            }
        }
    }

    #[test]
    fn no_time_panics(
        query in vector(3),
        memory in memory(),
        time in prop::sample::select(vec![i64::MIN, i64::MIN / 2, -1, 0, i64::MAX / 2, i64::MAX]),
        step in prop::sample::select(vec![1, 1_000, i64::MAX / 4]),
        lookback in prop::sample::select(vec![1, 300_000, i64::MAX]),
    ) {
        let source = memory.source();
        let expr = parse(&query).unwrap();
        let interrupt = Interrupt::new();
        let params = InstantParams { time, lookback };
        let _ = evaluate_instant(&query, &expr, &source, params, &limits(1), &interrupt);
        let end = time.saturating_add(step.saturating_mul(3));
        let params = RangeParams { start: time, end, step, lookback };
        let _ = evaluate_range(&query, &expr, &source, params, &limits(2), &interrupt);
    }

    #[test]
    fn a_printed_query_reads_back_as_the_same_tree(query in vector(4)) {
        let expr = parse(&query).unwrap_or_else(|e| panic!("{query}: {e}"));
        for printed in [expr.to_string(), pretty(&expr)] {
            let again = parse(&printed).unwrap_or_else(|e| panic!("{printed}: {e}"));
            prop_assert_eq!(without_spans(&expr), without_spans(&again), "{}", printed);
        }
    }

    #[test]
    fn no_text_panics(text in "[a-z0-9_:.+*/%^=!<>~@,(){}\\[\\]\"'` \\\\\n-]{0,60}") {
        let _ = parse(&text).map(|expr| pretty(&expr));
    }

    #[test]
    fn no_sequence_of_words_panics(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "sum", "by", "(", ")", "{", "}", "[", "]", "5m", "1h:1m", "foo", "rate(", "+",
                "-", "offset", "@", "start()", "end", "on", "group_left", "bool", ",", "=", "=~",
                "\"x\"", "'", "1", "0x", "NaN", "and", "unless", "fill", "fill(", "smoothed",
                "step()", "max_of(", ":", "#", "\n", "ÿ", "__name__", "!", "topk", "^",
            ]),
            0..25,
        ),
        glue in prop::sample::select(vec!["", " "]),
    ) {
        let text = words.join(glue);
        if let Ok(expr) = parse(&text) {
            let source = Memory::default().source();
            let params = InstantParams { time: 0, lookback: 300_000 };
            let _ = evaluate_instant(
                &text, &expr, &source, params, &limits(1), &Interrupt::new(),
            );
            prop_assert!(parse(&expr.to_string()).is_ok(), "{expr}");
        }
    }
}

/// The tree with all spans at nothing, for comparing.
fn without_spans(expr: &Expr) -> Expr {
    let mut copy = expr.clone();
    strip(&mut copy);
    copy
}

fn strip(expr: &mut Expr) {
    expr.span = Span::default();
    match &mut expr.kind {
        ExprKind::Number(_) | ExprKind::String(_) => {}
        ExprKind::Vector(selector) => {
            strip_shift(&mut selector.shift);
            sort_matchers(&mut selector.matchers);
        }
        ExprKind::Matrix(matrix) => {
            matrix.selector_span = Span::default();
            strip_duration(&mut matrix.range);
            strip_shift(&mut matrix.selector.shift);
            sort_matchers(&mut matrix.selector.matchers);
        }
        ExprKind::Subquery(subquery) => {
            strip(&mut subquery.expr);
            strip_duration(&mut subquery.range);
            if let Some(step) = &mut subquery.step {
                strip_duration(step);
            }
            strip_shift(&mut subquery.shift);
        }
        ExprKind::Aggregate(aggregate) => {
            aggregate.parameter.iter_mut().for_each(strip);
            strip(&mut aggregate.expr);
        }
        ExprKind::Binary(binary) => {
            binary.op_span = Span::default();
            strip(&mut binary.left);
            strip(&mut binary.right);
        }
        ExprKind::Call(call) => {
            call.name_span = Span::default();
            call.arguments.iter_mut().for_each(strip);
        }
        ExprKind::Paren(inner) => strip(inner),
        ExprKind::Unary(unary) => strip(&mut unary.expr),
    }
}

/// Conditions print sorted.
fn sort_matchers(matchers: &mut [series::Matcher]) {
    matchers.sort_by_key(ToString::to_string);
}

fn strip_shift(shift: &mut Shift) {
    shift.offset.iter_mut().for_each(strip_duration);
}

fn strip_duration(duration: &mut Duration) {
    duration.span = Span::default();
    if let DurationKind::Literal(number) = &mut duration.kind {
        // Numbers of seconds print as durations.
        number.duration = true;
    }
}

#[test]
fn deep_nesting_is_refused_and_does_not_exhaust_the_stack() {
    for text in [
        format!("{}1{}", "(".repeat(100_000), ")".repeat(100_000)),
        "(".repeat(100_000),
        "-".repeat(100_000) + "a",
        "a".to_owned() + &" + a".repeat(100_000),
        "a".to_owned() + &" ^ a".repeat(100_000),
        "a".to_owned() + &"[1m:1m]".repeat(100_000),
        "abs(".repeat(100_000) + "a",
        "a[".to_owned() + &"(".repeat(100_000),
        "a[".to_owned() + &"1+".repeat(100_000) + "1]",
        "sum by (".to_owned() + &"a,".repeat(100_000),
    ] {
        let shown: String = text.chars().take(10).collect();
        assert!(parse(&text).is_err(), "{shown}");
    }
    // Signs before a duration need no depth.
    assert!(parse(&("a[".to_owned() + &"-".repeat(100_000) + "1]")).is_ok());
}

#[test]
fn the_deepest_allowed_query_evaluates() {
    let depth = promql::MAX_DEPTH - 6;
    for query in [
        format!("{}a{}", "(".repeat(depth), ")".repeat(depth)),
        "a".to_owned() + &" + a".repeat(depth),
        "a".to_owned() + &" or a".repeat(depth),
        format!("{}a{}", "abs(".repeat(depth), ")".repeat(depth)),
        format!("{}a{}", "sum(".repeat(depth), ")".repeat(depth)),
        format!("{}a{}", "-(".repeat(depth / 2), ")".repeat(depth / 2)),
    ] {
        let shown: String = query.chars().take(10).collect();
        let expr = parse(&query).unwrap_or_else(|e| panic!("{shown}: {e}"));
        assert_eq!(parse(&pretty(&expr)).unwrap().to_string(), expr.to_string());
        let mut memory = Memory::default();
        let labels = Labels::new([("__name__", "a")]).unwrap();
        memory.put(&labels, 0, Point::Float(1.0), 0);
        assert!(at(&query, &expr, &memory.source(), 0).is_ok(), "{shown}");
    }
}
