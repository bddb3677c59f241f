//! What is refused, in which words, and what is bounded.

#![allow(clippy::unwrap_used)]

mod support;

use promql::{Error, InstantParams, Limits, RangeParams, evaluate_instant, evaluate_range, parse};
use series::{Answer, Interrupt, Labels};
use support::memory::{Memory, Point};

const YEAR: i64 = 365 * 86_400_000;

/// The error of a text, with the place that it names.
fn refused(query: &str) -> String {
    match parse(query) {
        Ok(expr) => panic!("{query} was read as {expr}"),
        Err(error) => {
            assert!(error.span.start <= query.len() && error.span.end <= query.len());
            error.to_string()
        }
    }
}

fn check(query: &str, parts: &[&str]) {
    let text = refused(query);
    for part in parts {
        assert!(text.contains(part), "{query}: {text}");
    }
}

#[test]
fn errors_say_where_what_and_what_instead() {
    check(
        "rat(x[5m])",
        &["1:1:", "unknown function", "did you mean \"rate\""],
    );
    check("SUMM(x)", &["did you mean \"sum\""]);
    check(
        "rate(x)",
        &[
            "1:6:",
            "expected type range vector",
            "instant vector",
            "[5m]",
        ],
    );
    check(
        "sum(x) bye (job)",
        &["1:8:", "identifier \"bye\"", "did you mean \"by\""],
    );
    check(
        "x{job=wiki}",
        &["1:7:", "identifier \"wiki\"", "string in quotes"],
    );
    check("x{job~\"a\"}", &["1:6:", "'~'"]);
    check("x{job==\"a\"}", &["1:6:", "expected one of =, !=, =~, !~"]);
    check("sum(x", &["1:6:", "end of input", "\"(\" at 1:4"]);
    check("a +\n  * b", &["2:3:", "\"*\"", "an expression"]);
    check("x{a=~\"(\"}", &["invalid regular expression"]);
    check("{}", &["at least one non-empty matcher"]);
    check("x[5m", &["end of input", "\"]\""]);
    check("x[5]m]", &["identifier"]);
    check("x[1d1y]", &["bad number or duration syntax"]);
    check("1 == 1", &["1:3:", "must use BOOL"]);
    check("a and on(b) group_left(c) d", &["no grouping allowed"]);
    check("topk(x)", &["expected 2, got 1"]);
    check("\"a", &["unterminated quoted string"]);
    check("clamp(x, 1)", &["expected 3 argument(s)", "got 2"]);
    check(
        "(a + b)[5m]",
        &["ranges only allowed for vector selectors", "[range:step]"],
    );
}

fn memory() -> Memory {
    let mut memory = Memory::default();
    for name in ["a", "b"] {
        for i in 0..40 {
            let labels =
                Labels::new([("__name__", name.to_owned()), ("i", i.to_string())]).unwrap();
            for minute in 0..5 {
                memory.put(&labels, minute * 60_000, Point::Float(1.0), 0);
            }
        }
    }
    memory
}

fn range(query: &str, end: i64, step: i64, limits: &Limits) -> Result<Answer, Error> {
    let params = RangeParams {
        start: 0,
        end,
        step,
        lookback: 300_000,
    };
    let source = memory().source();
    let interrupt = Interrupt::new();
    evaluate_range(
        query,
        &parse(query).unwrap(),
        &source,
        params,
        limits,
        &interrupt,
    )
}

fn instant(query: &str, limits: &Limits) -> Result<Answer, Error> {
    let params = InstantParams {
        time: 120_000,
        lookback: 300_000,
    };
    let source = memory().source();
    let interrupt = Interrupt::new();
    evaluate_instant(
        query,
        &parse(query).unwrap(),
        &source,
        params,
        limits,
        &interrupt,
    )
}

#[test]
fn years_of_milliseconds_are_too_many_points() {
    let error = range("a", YEAR, 1, &Limits::default()).unwrap_err();
    assert!(matches!(error, Error::TooManyPoints { .. }), "{error}");
    assert!(error.to_string().contains("11000 points"), "{error}");
    for (start, end) in [
        (i64::MIN, i64::MAX),
        (i64::MAX, i64::MAX),
        (i64::MIN, i64::MIN),
    ] {
        let params = RangeParams {
            start,
            end,
            step: i64::MAX,
            lookback: i64::MAX,
        };
        let query = "sum(rate(a[5m] offset 1y)) + time()";
        let expr = parse(query).unwrap();
        // Any answer will do, as long as there is one.
        let _ = evaluate_range(
            query,
            &expr,
            &memory().source(),
            params,
            &Limits::default(),
            &Interrupt::new(),
        );
    }
}

#[test]
fn subqueries_over_years_are_bounded_by_memory_before_it_is_taken() {
    for query in [
        "sum_over_time(a[10y:1ms])",
        "max_over_time(vector(time())[10y:1ms])",
        "max_over_time(max_over_time(a[1y:1s])[1y:1s])",
        "count_over_time(nothing[10y:1ms])",
    ] {
        let error = instant(query, &Limits::default()).unwrap_err();
        assert!(
            matches!(error, Error::TooManySamples { .. }),
            "{query}: {error}"
        );
    }
}

#[test]
fn joins_of_everything_with_everything_are_refused() {
    let error = instant("a * on () group_left () b", &Limits::default()).unwrap_err();
    assert!(matches!(error, Error::ManyToMany { .. }), "{error}");
    let error = instant("a + on () b", &Limits::default()).unwrap_err();
    assert!(matches!(error, Error::ManyToMany { .. }), "{error}");
    let error = instant("sum(a) + on () group_right () b", &Limits::default());
    assert!(error.is_ok());
    let error = instant("{i=~\".+\"} + 1", &Limits::default()).unwrap_err();
    assert!(matches!(error, Error::SameLabels { .. }), "{error}");
}

#[test]
fn numbers_in_memory_are_counted() {
    let limits = Limits {
        samples: 100,
        ..Limits::default()
    };
    assert!(range("sum(a)", 240_000, 60_000, &limits).is_ok());
    let error = range("a", 240_000, 60_000, &limits).unwrap_err();
    assert!(
        matches!(
            error,
            Error::TooManySamples {
                wanted: 200,
                limit: 100
            }
        ),
        "{error}"
    );
}

#[test]
fn an_interrupted_query_stops() {
    let interrupt = Interrupt::new();
    interrupt.cancel();
    let params = InstantParams {
        time: 0,
        lookback: 300_000,
    };
    let expr = parse("1 + sum(a)").unwrap();
    let error = evaluate_instant(
        "1 + sum(a)",
        &expr,
        &memory().source(),
        params,
        &Limits::default(),
        &interrupt,
    )
    .unwrap_err();
    assert_eq!(error, Error::Source(series::Error::Cancelled));
}

#[test]
fn what_a_step_cannot_be_is_refused() {
    for step in [0, -1, i64::MIN] {
        assert_eq!(
            range("a", 1, step, &Limits::default()),
            Err(Error::Step(step))
        );
    }
    assert!(matches!(
        range("a", -1, 1, &Limits::default()),
        Err(Error::Backwards { .. })
    ));
    assert!(matches!(
        range("a[5m]", 1, 1, &Limits::default()),
        Err(Error::RangeType("range vector"))
    ));
}

#[test]
fn notices_point_into_the_query() {
    let answer = instant("1 +\nrate(a[5m])", &Limits::default()).unwrap();
    assert_eq!(
        answer.infos,
        [
            "PromQL info: metric might not be a counter, name does not end in \
             _total/_sum/_count/_bucket: \"a\" (2:6)"
        ]
    );
    let answer = instant("quantile(1.5, a)", &Limits::default()).unwrap();
    assert_eq!(
        answer.warnings,
        ["PromQL warning: quantile value should be between 0 and 1, got 1.5 (1:10)"]
    );
}

/// As [`instant`], of a query over a day of which each series of `b` has five minutes: what a
/// target leaves behind that is deployed anew again and again.
fn churning(query: &str, limits: &Limits) -> Result<Answer, Error> {
    let mut memory = Memory::default();
    for i in 0..40_i64 {
        let name = |name: &str| {
            let pairs = [("__name__", name.to_owned()), ("i", i.to_string())];
            Labels::new(pairs).unwrap()
        };
        for minute in 0..200 {
            memory.put(&name("a"), minute * 60_000, Point::Float(1.0), 0);
        }
        for minute in i * 5..i * 5 + 5 {
            memory.put(&name("b"), minute * 60_000, Point::Float(1.0), 0);
        }
    }
    let params = RangeParams {
        start: 0,
        end: 199 * 60_000,
        step: 60_000,
        lookback: 30_000,
    };
    evaluate_range(
        query,
        &parse(query).unwrap(),
        &memory.source(),
        params,
        limits,
        &Interrupt::new(),
    )
}

#[test]
fn rows_of_a_join_are_counted_one_by_one() {
    let enough = Limits {
        samples: 1_000_000,
        ..Limits::default()
    };
    // Each of 40 series gets a series of its own with each of 40 partners, one after the other.
    let query = "a * on () group_left (of) label_replace(b, \"of\", \"$1\", \"i\", \"(.*)\")";
    let answer = churning(query, &enough).unwrap();
    let series::QueryResult::Matrix(matrix) = answer.result else {
        panic!("no matrix")
    };
    assert_eq!(matrix.len(), 1600);
    assert!(matrix.iter().all(|series| series.values.len() == 5));
    let few = Limits {
        samples: 100_000,
        ..Limits::default()
    };
    let error = churning(query, &few).unwrap_err();
    assert!(matches!(error, Error::TooManySamples { .. }), "{error}");
    // Those that never meet cost nothing.
    let query = "a{i=\"0\"} * on () group_left (of) label_replace(b offset 1w, \"of\", \"$1\", \"i\", \"(.*)\")";
    assert!(churning(query, &few).is_ok());
}

#[test]
fn the_best_of_each_of_many_groups_are_counted_once() {
    let limits = Limits {
        samples: 20_000,
        ..Limits::default()
    };
    assert!(churning("topk by (i) (1, a)", &limits).is_ok());
    let error = churning(
        "topk(20, a)",
        &Limits {
            samples: 3_000,
            ..limits
        },
    )
    .unwrap_err();
    assert!(matches!(error, Error::TooManySamples { .. }), "{error}");
}

#[test]
fn values_that_a_quantile_collects_are_counted() {
    let limits = Limits {
        samples: 5_000,
        ..Limits::default()
    };
    assert!(churning("quantile by (i) (0.9, a)", &limits).is_err());
    assert!(churning("quantile(0.9, a{i=~\"1.\"})", &limits).is_ok());
    let error = churning("quantile(0.9, a)", &limits).unwrap_err();
    assert!(matches!(error, Error::TooManySamples { .. }), "{error}");
}

#[test]
fn labels_that_double_again_and_again_are_refused() {
    let mut replaced = "a{i=\"1\"}".to_owned();
    let mut joined = replaced.clone();
    for _ in 0..40 {
        replaced = format!("label_replace({replaced}, \"i\", \"$1$1\", \"i\", \"(.*)\")");
        joined = format!("label_join({joined}, \"i\", \"\", \"i\", \"i\")");
    }
    for query in [replaced, joined] {
        let error = instant(&query, &Limits::default()).unwrap_err();
        assert!(matches!(error, Error::LabelTooLong { .. }), "{error}");
    }
}
