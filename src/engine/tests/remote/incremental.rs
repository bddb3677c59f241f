//! Moving time ranges from memory: what comes out is what the server says to the whole range.

use super::faulty_server::{FaultyServer, Seen, Step, json};
use super::*;
use engine::ForwardedHeader;
use engine::remote::Incremental;
use proptest::prelude::*;
use std::collections::HashMap;
use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

const OVERLAP_MS: i64 = 60_000;
const NOW: i64 = 1_700_000_000_000;

fn incremental(settings: &mut RemoteSettings) {
    settings.incremental = Some(Incremental {
        overlap: Duration::from_millis(OVERLAP_MS.unsigned_abs()),
        ..Incremental::default()
    });
}

fn at(now_ms: i64) -> Context {
    Context {
        now_ms: Some(now_ms),
        ..Context::default()
    }
}

fn ending(expr: &str, end_ms: i64, length_ms: i64, step_ms: i64) -> RangeQuery {
    let end_ms = end_ms.div_euclid(step_ms) * step_ms;
    RangeQuery {
        expr: expr.to_owned(),
        start_ms: end_ms - length_ms / step_ms * step_ms,
        end_ms,
        step_ms,
    }
}

fn form(seen: &Seen) -> HashMap<String, String> {
    form_urlencoded::parse(seen.body.as_bytes())
        .into_owned()
        .collect()
}

fn ms(form: &HashMap<String, String>, name: &str) -> i64 {
    let seconds: f64 = form[name].parse().unwrap();
    (seconds * 1_000.0).round() as i64
}

/// The ranges that were asked, in milliseconds.
fn ranges(server: &FaultyServer) -> Vec<(i64, i64)> {
    let asked = server.requests().into_iter();
    asked
        .filter(|seen| seen.path() == "/api/v1/query_range")
        .map(|seen| form(&seen))
        .map(|form| (ms(&form, "start"), ms(&form, "end")))
        .collect()
}

fn chance(what: impl Hash, one_in: u64) -> bool {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish().is_multiple_of(one_in)
}

/// A server of which samples younger than the overlap may be missing or other than they will be,
/// whose series come and go, and which warns of some times.
struct Changing {
    now_ms: Arc<AtomicI64>,
    server: FaultyServer,
}

impl Changing {
    async fn start() -> Self {
        let now_ms = Arc::new(AtomicI64::new(NOW));
        let clock = Arc::clone(&now_ms);
        let server = FaultyServer::start(move |seen| {
            if seen.path() != "/api/v1/query_range" {
                return json(404, "{}");
            }
            json(200, &changing(&form(seen), clock.load(Ordering::SeqCst)))
        })
        .await;
        Self { now_ms, server }
    }

    /// Moves the clock on, and with it what is still unsettled.
    fn go_to(&self, now_ms: i64) -> Context {
        self.now_ms.store(now_ms, Ordering::SeqCst);
        at(now_ms)
    }
}

fn changing(form: &HashMap<String, String>, now_ms: i64) -> String {
    let expr = form["query"].as_str();
    let (start, end) = (ms(form, "start"), ms(form, "end"));
    let step = ms(form, "step") as usize;
    let mut series = Vec::new();
    let mut warns = false;
    for number in 0..8 {
        let mut values = String::new();
        for time in (start..=end).step_by(step) {
            let settled = time <= now_ms - OVERLAP_MS;
            let minute = time / 240_000;
            warns |= expr == "warned" && chance(("warned", minute / 3), 9);
            let missing = chance((expr, number, minute), 3)
                || time > now_ms
                || (!settled && chance((expr, number, time, now_ms), 4));
            if missing {
                continue;
            }
            let late = if settled { 0 } else { now_ms % 1_000 };
            let comma = if values.is_empty() { "" } else { "," };
            let value = time % 10_007 + number + late;
            write!(values, "{comma}[{},\"{value}\"]", time as f64 / 1e3).unwrap();
        }
        if !values.is_empty() {
            series.push(format!(
                "{{\"metric\":{{\"n\":\"{number}\"}},\"values\":[{values}]}}"
            ));
        }
    }
    let warnings = if warns { ",\"warnings\":[\"w\"]" } else { "" };
    format!(
        "{{\"status\":\"success\"{warnings},\"data\":{{\"resultType\":\"matrix\",\"result\":[{}]}}}}",
        series.join(",")
    )
}

#[derive(Debug, Clone)]
struct Ask {
    /// How much later than the one before.
    later_ms: i64,
    expr: &'static str,
    length_ms: i64,
    step_ms: i64,
    /// Where the range ends, from now.
    end_ms: i64,
    from_alert: bool,
}

fn asks() -> impl Strategy<Value = Vec<Ask>> {
    let ask = (
        0i64..40_000,
        prop::sample::select(vec!["a", "a", "b", "warned"]),
        prop::sample::select(vec![600_000i64, 600_000, 607_000, 1_800_000]),
        prop::sample::select(vec![5_000i64, 5_000, 7_000, 90_000]),
        prop::sample::select(vec![0i64, 0, 0, -20_000, -400_000, 30_000]),
        any::<bool>(),
    );
    let ask = ask.prop_map(
        |(later_ms, expr, length_ms, step_ms, end_ms, from_alert)| Ask {
            later_ms,
            expr,
            length_ms,
            step_ms,
            end_ms,
            from_alert,
        },
    );
    prop::collection::vec(ask, 1..25)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_comes_from_memory_is_what_the_server_says(asks in asks()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let world = Changing::start().await;
            let plain = remote(&world.server.url);
            let moving = remote_with(&world.server.url, incremental);
            let mut now_ms = NOW;
            for ask in asks {
                now_ms += ask.later_ms;
                let mut context = world.go_to(now_ms);
                if ask.from_alert {
                    context.priority = Priority::Alerting;
                }
                let query = ending(ask.expr, now_ms + ask.end_ms, ask.length_ms, ask.step_ms);
                let expected = plain.range(&query, &context).await.unwrap();
                let found = moving.range(&query, &context).await.unwrap();
                assert_eq!(found, expected, "{ask:?}");
            }
        });
    }
}

#[tokio::test]
async fn only_the_tail_of_a_moving_range_is_asked() {
    let world = Changing::start().await;
    let engine = remote_with(&world.server.url, incremental);
    for refresh in 0..4 {
        let now_ms = NOW + refresh * 5_000;
        let context = world.go_to(now_ms);
        let query = ending("a", now_ms, 3_600_000, 5_000);
        engine.range(&query, &context).await.unwrap();
    }
    let asked = ranges(&world.server);
    assert_eq!(asked[0], (NOW - 3_600_000, NOW));
    for (refresh, range) in (1..).zip(&asked[1..]) {
        let now_ms = NOW + refresh * 5_000;
        // The overlap, and the one step by which the range has moved.
        assert_eq!(*range, (now_ms - OVERLAP_MS, now_ms));
    }
    // Grafana's alert rules profit from what dashboards asked.
    let context = Context {
        priority: Priority::Alerting,
        ..world.go_to(NOW + 20_000)
    };
    let query = ending("a", NOW + 20_000, 3_600_000, 5_000);
    engine.range(&query, &context).await.unwrap();
    assert_eq!(
        ranges(&world.server)[4],
        (NOW + 20_000 - OVERLAP_MS, NOW + 20_000)
    );
}

/// How many requests two refreshes make, and whether the second asks the whole range again.
async fn asks_the_whole_again(
    change: impl FnOnce(&mut RemoteSettings),
    first: (&RangeQuery, Context),
    second: (&RangeQuery, Context),
) -> bool {
    let world = Changing::start().await;
    let engine = remote_with(&world.server.url, |settings| {
        incremental(settings);
        change(settings);
    });
    engine.range(first.0, &first.1).await.unwrap();
    engine.range(second.0, &second.1).await.unwrap();
    let asked = ranges(&world.server);
    assert_eq!(asked.len(), 2, "{asked:?}");
    asked[1] == (second.0.start_ms, second.0.end_ms)
}

#[tokio::test]
async fn memory_does_not_reach_across_what_changes_the_answer() {
    let query = |expr: &str| ending(expr, NOW, 3_600_000, 5_000);
    let person = |name: &str, value: &str| Context {
        forwarded: vec![ForwardedHeader {
            name: name.to_owned(),
            value: secret(value),
        }],
        ..at(NOW)
    };
    let whole = |a: RangeQuery, b: RangeQuery| async move {
        asks_the_whole_again(|_| {}, (&a, at(NOW)), (&b, at(NOW))).await
    };
    assert!(!whole(query("a"), query("a")).await, "the test sees tails");
    for expr in [
        "a @ 1600000000",
        "a @ end()",
        "a offset -5m",
        "range_avg(a)",
        "a[",
    ] {
        assert!(whole(query(expr), query(expr)).await, "{expr}");
    }
    assert!(whole(query("a"), query("b")).await);
    // `$__range` has become another text by the time the engine is asked.
    let of_range = |text: &str| query(&format!("increase(a[{text}])"));
    assert!(whole(of_range("3600s"), of_range("3605s")).await);
    assert!(whole(query("a"), ending("a", NOW, 3_600_000, 10_000)).await);
    let mut shifted = query("a");
    (shifted.start_ms, shifted.end_ms) = (shifted.start_ms - 1_000, shifted.end_ms - 1_000);
    assert!(whole(query("a"), shifted).await);
    let mut longer = query("a");
    longer.start_ms -= 3_600_000;
    assert!(whole(query("a"), longer).await);
    let mut past = query("a");
    (past.start_ms, past.end_ms) = (past.start_ms - 600_000, past.end_ms - 600_000);
    assert!(whole(past.clone(), past).await, "does not move");

    let a = query("a");
    for (name, other) in [("Authorization", true), ("X-Panel-Id", false)] {
        let again = asks_the_whole_again(
            |settings| settings.forward_oauth = true,
            (&a, person(name, "1")),
            (&a, person(name, "2")),
        );
        assert_eq!(again.await, other, "{name}");
    }
    let cookies = (&a, person("Cookie", "s=1; t=1"));
    let again = asks_the_whole_again(
        |settings| settings.keep_cookies = vec!["s".to_owned()],
        (&a, person("Cookie", "s=1; t=2")),
        cookies,
    );
    assert!(!again.await, "cookies that stay behind");
    let no_clock = Context::default();
    assert!(asks_the_whole_again(|_| {}, (&a, at(NOW)), (&a, no_clock)).await);
    let small = |settings: &mut RemoteSettings| {
        settings.incremental = settings.incremental.map(|incremental| Incremental {
            max_bytes: 10_000,
            ..incremental
        });
    };
    assert!(asks_the_whole_again(small, (&a, at(NOW)), (&a, at(NOW))).await);
}

#[tokio::test]
async fn errors_and_answers_that_were_cut_are_not_remembered() {
    let broken = Arc::new(AtomicI64::new(0));
    let server = FaultyServer::start({
        let broken = Arc::clone(&broken);
        move |seen| match broken.load(Ordering::SeqCst) {
            0 => json(200, &changing(&form(seen), NOW)),
            _ => json(
                422,
                r#"{"status":"error","errorType":"execution","error":"x"}"#,
            ),
        }
    })
    .await;
    let engine = remote_with(&server.url, incremental);
    let query = ending("a", NOW, 3_600_000, 5_000);
    let whole = (query.start_ms, query.end_ms);
    broken.store(1, Ordering::SeqCst);
    engine.range(&query, &at(NOW)).await.unwrap_err();
    broken.store(0, Ordering::SeqCst);
    engine.range(&query, &at(NOW)).await.unwrap();
    assert_eq!(ranges(&server), [whole, whole]);
    broken.store(1, Ordering::SeqCst);
    let error = engine.range(&query, &at(NOW)).await.unwrap_err();
    assert_eq!(error.to_string(), "execution: x");

    broken.store(0, Ordering::SeqCst);
    let bounded = remote_with(&server.url, |settings| {
        incremental(settings);
        settings.max_samples = 1_000;
    });
    let before = ranges(&server).len();
    for _ in 0..2 {
        let answer = bounded.range(&query, &at(NOW)).await.unwrap();
        assert!(answer.warnings[0].contains("maxSamples"));
    }
    assert_eq!(ranges(&server)[before..], [whole, whole]);
}

#[tokio::test]
async fn native_histograms_and_foreign_order_are_asked_whole() {
    let one = |labels: &str, rest: &str| format!("{{\"metric\":{{{labels}}},{rest}}}");
    let sample = |time: i64| format!("\"values\":[[{},\"1\"]]", time / 1_000);
    let histogram = format!(
        "\"histograms\":[[{},{{\"count\":\"1\",\"sum\":\"1\",\"buckets\":[[0,\"0\",\"1\",\"1\"]]}}]]",
        NOW / 1_000 - 600
    );
    for (series, why) in [
        (one("", &histogram), "a histogram"),
        (
            [
                one("\"a\":\"2\"", &sample(NOW - 600_000)),
                one("\"a\":\"1\"", &sample(NOW - 600_000)),
            ]
            .join(","),
            "out of order",
        ),
        (one("", &sample(NOW - 601_000)), "beside the grid"),
    ] {
        let body = format!(
            "{{\"status\":\"success\",\"data\":{{\"resultType\":\"matrix\",\"result\":[{series}]}}}}"
        );
        let server = FaultyServer::start(move |_| json(200, &body)).await;
        let engine = remote_with(&server.url, incremental);
        let query = ending("a", NOW, 3_600_000, 5_000);
        for _ in 0..2 {
            engine.range(&query, &at(NOW)).await.unwrap();
        }
        let whole = (query.start_ms, query.end_ms);
        assert_eq!(ranges(&server), [whole, whole], "{why}");
    }
}

#[tokio::test]
async fn victoria_metrics_is_left_to_its_own_memory() {
    let server = FaultyServer::start(|seen| match seen.path() {
        "/api/v1/query_range" => json(200, &changing(&form(seen), NOW)),
        _ => super::faulty_server::answer(
            200,
            &[("X-Server-Hostname", "vm")],
            r#"{"status":"success","data":{"version":"2.24.0"}}"#,
        ),
    })
    .await;
    let engine = remote_with(&server.url, incremental);
    let query = ending("a", NOW, 3_600_000, 5_000);
    engine.range(&query, &at(NOW)).await.unwrap();
    // Only a broken test waits so long.
    for _ in 0..2_000 {
        if engine.server().kind.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    engine.range(&query, &at(NOW)).await.unwrap();
    let whole = (query.start_ms, query.end_ms);
    assert_eq!(ranges(&server), [whole, whole]);
}

#[tokio::test]
async fn a_hundred_panels_of_ten_queries_are_ten_requests_a_refresh() {
    let now_ms = Arc::new(AtomicI64::new(NOW));
    let server = FaultyServer::start({
        let now_ms = Arc::clone(&now_ms);
        move |seen| {
            let body = changing(&form(seen), now_ms.load(Ordering::SeqCst));
            let mut steps = json(200, &body);
            steps.insert(0, Step::Wait(Duration::from_millis(20)));
            steps
        }
    })
    .await;
    for (moving, engine) in [
        (false, remote(&server.url)),
        (true, remote_with(&server.url, incremental)),
    ] {
        for refresh in 0..3 {
            let now = NOW + refresh * 5_000;
            now_ms.store(now, Ordering::SeqCst);
            let before = ranges(&server).len();
            let panels = (0..100).map(|panel| {
                let engine = &engine;
                async move {
                    let query = ending(&format!("q{}", panel % 10), now, 3_600_000, 5_000);
                    let context = Context {
                        forwarded: vec![ForwardedHeader {
                            name: "X-Panel-Id".to_owned(),
                            value: secret(&panel.to_string()),
                        }],
                        ..at(now)
                    };
                    engine.range(&query, &context).await
                }
            });
            for answer in futures_util::future::join_all(panels).await {
                assert!(series_count(&answer.unwrap()) > 0);
            }
            let asked = ranges(&server).split_off(before);
            assert_eq!(asked.len(), 10, "refresh {refresh}");
            let start = if moving && refresh > 0 {
                now - OVERLAP_MS
            } else {
                now - 3_600_000
            };
            assert!(asked.iter().all(|range| *range == (start, now)));
        }
    }
}
