use super::*;
use crate::RelabelRule;
use crate::fake::{FakeAppender, Scrape};
use crate::keys::Item;
use crate::settings::Limits;
use proptest::prelude::*;
use serde_json::{Value, json};
use series::{Appender, MetricKind};

struct Target {
    appender: FakeAppender,
    ingest: Ingest,
    time: i64,
}

impl Target {
    fn new(change: impl FnOnce(&mut Reading)) -> Self {
        let appender = FakeAppender::default();
        let labels = Labels::new([("job", "j")]).unwrap();
        let mut reading = reading();
        change(&mut reading);
        let ingest = Ingest::new(appender.target(&labels).unwrap(), reading);
        Self {
            appender,
            ingest,
            time: 0,
        }
    }

    fn page(&mut self, page: &str) -> Outcome {
        self.page_of(page, Format::PrometheusText)
    }

    fn page_of(&mut self, page: &str, format: Format) -> Outcome {
        self.scrape(Ok((page.as_bytes(), format))).unwrap()
    }

    fn fail(&mut self) -> Outcome {
        self.scrape(Err(Error::Internal)).unwrap()
    }

    fn scrape(&mut self, page: Result<(&[u8], Format)>) -> Result<Outcome> {
        self.time += 1_000;
        self.ingest
            .scrape(page, self.time, || Duration::from_millis(250))
    }

    fn last(&self) -> Scrape {
        self.appender.last()
    }
}

fn reading() -> Reading {
    Reading {
        labels: Labels::new([("job", "j")]).unwrap(),
        honor_labels: false,
        honor_timestamps: true,
        track_timestamps_staleness: false,
        metric_relabel: Vec::new(),
        limits: Limits::default(),
    }
}

fn rules(rules: Value) -> Vec<RelabelRule> {
    let item = Item {
        value: &rules,
        path: String::new(),
    };
    let items = item.list().unwrap();
    items
        .iter()
        .map(|item| RelabelRule::read(item).unwrap())
        .collect()
}

fn series(pairs: &[(&str, f64)]) -> Vec<(String, f64)> {
    pairs.iter().map(|(s, v)| ((*s).to_owned(), *v)).collect()
}

const NONE: &[&str] = &[];

#[test]
fn a_page_becomes_rows_and_the_synthetic_series() {
    let mut target = Target::new(|_| {});
    let outcome = target.page("a 1\nb{x=\"y\"} 2\n");
    assert_eq!(
        (outcome.scraped, outcome.kept, outcome.added, outcome.live),
        (2, 2, 2, 2)
    );
    let scrape = target.last();
    assert_eq!(scrape.time, 1_000);
    let want = [(r#"a{job="j"}"#, 1.0), (r#"b{job="j", x="y"}"#, 2.0)];
    assert_eq!(scrape.page(), series(&want));
    for (name, value) in [
        ("up", 1.0),
        ("scrape_duration_seconds", 0.25),
        ("scrape_samples_scraped", 2.0),
        ("scrape_samples_post_metric_relabeling", 2.0),
        ("scrape_series_added", 2.0),
    ] {
        assert_eq!(
            scrape.value(&format!(r#"{name}{{job="j"}}"#)),
            value,
            "{name}"
        );
    }
    assert!(scrape.metadata.iter().any(|(name, _)| name == "up"));
}

#[test]
fn a_steady_page_makes_no_labels_again() {
    let mut target = Target::new(|_| {});
    let page = "a 1\nb{x=\"y\"} 2\nc 3\n";
    target.page(page);
    let calls = target.appender.state().series_calls;
    for _ in 0..3 {
        let outcome = target.page(page);
        assert_eq!((outcome.kept, outcome.added), (3, 0));
    }
    assert_eq!(target.appender.state().series_calls, calls);
    assert_eq!(target.last().page().len(), 3);
    assert_eq!(target.last().metadata, []);
}

#[test]
fn a_series_that_vanishes_is_marked_once_and_released() {
    let mut target = Target::new(|_| {});
    target.page("a 1\nb 2\nc 3\n");
    target.page("a 1\nc 3\n");
    assert_eq!(target.last().stale(), [r#"b{job="j"}"#]);
    assert_eq!(target.appender.state().released.len(), 1);
    target.page("a 1\nc 3\n");
    assert_eq!(target.last().stale(), NONE);
    let outcome = target.page("a 1\nb 2\nc 3\n");
    assert_eq!(outcome.added, 1);
    assert_eq!(target.last().page().len(), 3);
    assert_eq!(target.ingest.known_lines(), 3);
}

#[test]
fn a_failed_scrape_marks_everything_and_the_next_good_one_adds_nothing() {
    let mut target = Target::new(|_| {});
    target.page("a 1\nb 2\n");
    let outcome = target.fail();
    assert_eq!(outcome.error, Some(Error::Internal));
    let scrape = target.last();
    assert_eq!(scrape.stale(), [r#"a{job="j"}"#, r#"b{job="j"}"#]);
    assert_eq!(scrape.value(r#"up{job="j"}"#), 0.0);
    target.fail();
    assert_eq!(target.last().stale(), NONE);
    let calls = target.appender.state().series_calls;
    assert_eq!(target.page("a 1\nb 2\n").added, 0);
    assert_eq!(target.appender.state().series_calls, calls);
}

#[test]
fn a_page_that_breaks_off_counts_as_empty_but_says_how_far_it_came() {
    let mut target = Target::new(|_| {});
    target.page("a 1\nb 2\n");
    let outcome = target.page("a 1\nnew 5\nb two\n");
    let Some(Error::Page { reason, .. }) = outcome.error else {
        panic!()
    };
    assert!(reason.starts_with("line 3, column 3"), "{reason}");
    assert_eq!((outcome.scraped, outcome.added), (2, 1));
    assert_eq!(target.last().stale(), [r#"a{job="j"}"#, r#"b{job="j"}"#]);
    assert_eq!(target.last().page(), []);
    // The new series of a page that does not count was never made known.
    assert_eq!(target.ingest.known_lines(), 2);
}

#[test]
fn an_empty_page_is_a_good_page() {
    let mut target = Target::new(|_| {});
    target.page("a 1\n");
    let outcome = target.page_of("", Format::OpenMetrics);
    assert_eq!(outcome.error, None);
    assert_eq!(target.last().stale(), [r#"a{job="j"}"#]);
    assert_eq!(target.last().value(r#"up{job="j"}"#), 1.0);
}

#[test]
fn of_a_repeated_series_the_first_value_counts() {
    let mut target = Target::new(|_| {});
    for _ in 0..2 {
        let outcome = target.page("a 1\nb 2\na 3\nb{} 4\n");
        assert_eq!((outcome.scraped, outcome.kept, outcome.repeated), (4, 4, 2));
        let want = [(r#"a{job="j"}"#, 1.0), (r#"b{job="j"}"#, 2.0)];
        assert_eq!(target.last().page(), series(&want));
    }
    // The other spelling alone is the same series still.
    target.page("a 1\nb{} 4\n");
    assert_eq!(target.last().stale(), NONE);
    assert_eq!(target.last().page().len(), 2);
}

#[test]
fn a_flood_beyond_the_sample_limit_leaves_no_trace() {
    let mut target = Target::new(|reading| reading.limits.samples = 3);
    target.page("a 1\nb 2\nc 3\n");
    let calls = target.appender.state().series_calls;
    let flood: String = (0..1_000).map(|i| format!("m{{i=\"{i}\"}} 1\n")).collect();
    for _ in 0..2 {
        let outcome = target.page(&flood);
        assert!(
            matches!(
                outcome.error,
                Some(Error::Limit {
                    bound: "sampleLimit",
                    limit: 3,
                    ..
                })
            ),
            "{outcome:?}"
        );
        assert_eq!(
            (outcome.scraped, outcome.kept, outcome.added),
            (1_000, 1_000, 3)
        );
        assert_eq!(target.last().value(r#"up{job="j"}"#), 0.0);
    }
    assert_eq!(target.appender.state().series_calls, calls);
    assert_eq!(target.page("a 1\nb 2\nc 3\n").error, None);
}

#[test]
fn labels_beyond_a_limit_fail_the_scrape() {
    for (page, limit, want) in [
        ("a{x=\"1\",y=\"2\"} 1\n", 3, "labelLimit"),
        ("a{a_long_name=\"1\"} 1\n", 9, "labelNameLengthLimit"),
        ("a{x=\"a long value\"} 1\n", 9, "labelValueLengthLimit"),
    ] {
        let mut target = Target::new(|reading| match want {
            "labelLimit" => reading.limits.labels = limit,
            "labelNameLengthLimit" => reading.limits.label_name_length = limit,
            _ => reading.limits.label_value_length = limit,
        });
        assert_eq!(target.page("a 1\n").error, None);
        let outcome = target.page(page);
        match outcome.error {
            Some(Error::Limit {
                bound, limit: got, ..
            }) => assert_eq!((bound, got), (want, limit)),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn the_appenders_limit_stops_new_series_and_no_old_ones() {
    let mut target = Target::new(|_| {});
    target.page("a 1\nb 2\n");
    target.appender.state().series_limit = Some(7);
    let outcome = target.page("a 1\nc 3\nb 2\nd 4\n");
    assert_eq!(
        (outcome.error, outcome.refused, outcome.added),
        (None, 2, 0)
    );
    assert!(outcome.refusal.is_some());
    let want = [(r#"a{job="j"}"#, 1.0), (r#"b{job="j"}"#, 2.0)];
    assert_eq!(target.last().page(), series(&want));
    target.appender.state().series_limit = None;
    assert_eq!(target.page("a 1\nc 3\nb 2\nd 4\n").added, 2);
}

#[test]
fn what_a_failed_write_had_to_mark_is_marked_by_the_next() {
    let mut target = Target::new(|_| {});
    target.page("# TYPE a gauge\na 1\nb 2\n");
    let full = series::Error::Unavailable("disk full".into());
    target.appender.state().failures = vec![full.clone(); 2];
    let page = "# TYPE a counter\na 1\nc 3\n";
    for _ in 0..2 {
        let error = target.scrape(Ok((page.as_bytes(), Format::PrometheusText)));
        assert_eq!(error, Err(Error::Store(full.clone())));
    }
    target.page(page);
    let scrape = target.last();
    assert_eq!(scrape.stale(), [r#"b{job="j"}"#]);
    assert_eq!(scrape.page().len(), 2);
    assert_eq!(scrape.metadata.len(), 1);
}

#[test]
fn times_of_the_page_count_unless_told_otherwise() {
    let page = "a 1 500\na 2 600\nb 3\nfar 4 999999999\n";
    let mut target = Target::new(|_| {});
    for _ in 0..2 {
        let outcome = target.page(page);
        assert_eq!(
            (outcome.scraped, outcome.ahead, outcome.repeated),
            (4, 1, 0)
        );
        let own: Vec<(i64, f64)> = target
            .last()
            .own
            .iter()
            .map(|(_, s)| (s.time, s.value))
            .collect();
        assert_eq!(own, [(500, 1.0), (600, 2.0)]);
    }
    // A series with times of its own ends without a mark.
    target.page("b 3\n");
    assert_eq!(target.last().stale(), NONE);

    let mut target = Target::new(|reading| reading.honor_timestamps = false);
    assert_eq!(target.page(page).repeated, 1);
    assert_eq!(target.last().own, []);
    assert_eq!(target.last().page().len(), 3);

    let mut target = Target::new(|reading| reading.track_timestamps_staleness = true);
    target.page("a 1 500\nb 3\n");
    target.page("b 3\n");
    assert_eq!(target.last().stale(), [r#"a{job="j"}"#]);
}

#[test]
fn labels_of_the_target_win_unless_the_pages_are_honored() {
    let page = "a{job=\"x\",exported_job=\"y\"} 1\nb 2\n";
    let mut target = Target::new(|_| {});
    target.page(page);
    let want = [
        (
            r#"a{exported_exported_job="x", exported_job="y", job="j"}"#,
            1.0,
        ),
        (r#"b{job="j"}"#, 2.0),
    ];
    assert_eq!(target.last().page(), series(&want));
    let mut target = Target::new(|reading| reading.honor_labels = true);
    target.page(page);
    let want = [
        (r#"a{exported_job="y", job="x"}"#, 1.0),
        (r#"b{job="j"}"#, 2.0),
    ];
    assert_eq!(target.last().page(), series(&want));
}

#[test]
fn relabelling_drops_and_renames_series() {
    let mut target = Target::new(|reading| {
        reading.metric_relabel = rules(json!([
            {"action": "drop", "source_labels": ["__name__"], "regex": "go_.*"},
            {"source_labels": ["x"], "target_label": "z"},
            {"action": "labeldrop", "regex": "x"},
        ]));
    });
    for _ in 0..2 {
        let outcome = target.page("go_a 1\na{x=\"1\"} 2\ngo_a 1\n");
        assert_eq!((outcome.scraped, outcome.kept), (3, 1));
        assert_eq!(
            target.last().page(),
            series(&[(r#"a{job="j", z="1"}"#, 2.0)])
        );
    }
}

#[test]
fn relabelling_must_leave_a_name() {
    let mut target = Target::new(|reading| {
        reading.metric_relabel = rules(json!([{"action": "labeldrop", "regex": "__name__"}]));
    });
    let error = target.page("b 1\n").error.unwrap().to_string();
    assert!(error.contains("without a name"), "{error}");
}

#[test]
fn other_rules_mark_what_they_drop() {
    let mut target = Target::new(|_| {});
    target.page("a 1\nb 2\n");
    let mut changed = reading();
    changed.metric_relabel =
        rules(json!([{"action": "drop", "source_labels": ["__name__"], "regex": "b"}]));
    target.ingest.set_reading(changed.clone());
    target.page("a 1\nb 2\n");
    assert_eq!(target.last().stale(), [r#"b{job="j"}"#]);
    // The same rules again change nothing.
    let calls = target.appender.state().series_calls;
    target.ingest.set_reading(changed);
    target.page("a 1\nb 2\n");
    assert_eq!(target.appender.state().series_calls, calls);
}

#[test]
fn the_end_of_a_target_marks_the_synthetic_series_too() {
    let mut target = Target::new(|_| {});
    target.page("a 1\n");
    target.ingest.end(5_000).unwrap();
    let scrape = target.last();
    assert_eq!(
        (scrape.time, scrape.stale().len(), scrape.rows.len()),
        (5_000, 6, 6)
    );
}

#[test]
fn an_exemplar_is_handed_over_when_it_changes() {
    let mut target = Target::new(|_| {});
    let page = |exemplar: &str| format!("# TYPE a counter\na_total 1 # {exemplar}\n# EOF\n");
    let mut exemplars = |text: &str| {
        target.page_of(&page(text), Format::OpenMetrics);
        let scrape = target.last();
        scrape
            .exemplars
            .iter()
            .map(|(_, e)| (e.labels.to_string(), e.sample.time, e.sample.value))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        exemplars("{t=\"1\"} 0.5"),
        [("{t=\"1\"}".to_owned(), 1_000, 0.5)]
    );
    assert_eq!(exemplars("{t=\"1\"} 0.5"), []);
    assert_eq!(
        exemplars("{t=\"2\"} 0.5"),
        [("{t=\"2\"}".to_owned(), 3_000, 0.5)]
    );
    assert_eq!(
        exemplars("{t=\"2\"} 0.5 1.5"),
        [("{t=\"2\"}".to_owned(), 1_500, 0.5)]
    );
    assert_eq!(exemplars("{t=\"2\"} 0.5 1.5"), []);
}

#[test]
fn a_type_change_is_handed_over_and_the_series_goes_on() {
    let mut target = Target::new(|_| {});
    target.page("# TYPE a gauge\na 1\n");
    let outcome = target.page("# TYPE a counter\na 2\n");
    assert_eq!(outcome.added, 0);
    assert_eq!(target.last().metadata[0].1.kind, MetricKind::Counter);
    assert_eq!(target.last().stale(), NONE);
}

#[test]
fn a_page_in_another_format_goes_on_with_the_same_series() {
    let mut target = Target::new(|_| {});
    target.page("a 1\nb 2\n");
    target.page_of("b 2\na 1\n# EOF\n", Format::OpenMetrics);
    assert_eq!(target.last().stale(), NONE);
    assert_eq!(target.last().page().len(), 2);
}

#[derive(Debug, Clone)]
enum Step {
    Page(Vec<u8>),
    Broken(Vec<u8>),
    Fail,
    WriteFails(Vec<u8>),
}

fn step() -> impl Strategy<Value = Step> {
    let lines = || prop::collection::vec(0u8..12, 0..12);
    prop_oneof![
        6 => lines().prop_map(Step::Page),
        1 => lines().prop_map(Step::Broken),
        1 => Just(Step::Fail),
        1 => lines().prop_map(Step::WriteFails),
    ]
}

/// Line `n`: series `n / 2`, in one of two spellings; those of series 5 are dropped.
fn line(n: u8) -> String {
    let braces = if n.is_multiple_of(2) { "" } else { "{}" };
    format!("s{}{braces} {n}\n", n / 2)
}

proptest! {
    /// Whatever the pages, each written scrape holds the first value of each series and marks
    /// what the last written one had and this one has not.
    #[test]
    fn rows_follow_a_plain_model(steps in prop::collection::vec(step(), 1..12)) {
        let mut target = Target::new(|reading| {
            reading.metric_relabel =
                rules(json!([{"action": "drop", "source_labels": ["__name__"], "regex": "s5"}]));
        });
        let mut live: Vec<String> = Vec::new();
        for step in steps {
            let (lines, counts) = match &step {
                Step::Page(lines) | Step::WriteFails(lines) => (lines.clone(), true),
                Step::Broken(lines) => (lines.clone(), false),
                Step::Fail => (Vec::new(), false),
            };
            let mut page: String = lines.iter().map(|n| line(*n)).collect();
            if matches!(step, Step::Broken(_)) {
                page.push_str("broken\n");
            }
            if matches!(step, Step::WriteFails(_)) {
                let full = series::Error::Unavailable("full".into());
                target.appender.state().failures.push(full);
                let body = Ok((page.as_bytes(), Format::PrometheusText));
                prop_assert!(target.scrape(body).is_err());
                continue;
            }
            if matches!(step, Step::Fail) {
                target.fail();
            } else {
                target.page(&page);
            }
            let mut want: Vec<(String, f64)> = Vec::new();
            for n in lines.iter().filter(|n| counts && **n / 2 != 5) {
                let name = format!("s{}{{job=\"j\"}}", n / 2);
                if !want.iter().any(|(known, _)| *known == name) {
                    want.push((name, f64::from(*n)));
                }
            }
            want.sort_by(|a, b| a.0.cmp(&b.0));
            let names: Vec<String> = want.iter().map(|(name, _)| name.clone()).collect();
            let vanished: Vec<String> =
                live.iter().filter(|name| !names.contains(name)).cloned().collect();
            let scrape = target.last();
            prop_assert_eq!(scrape.page(), want);
            prop_assert_eq!(scrape.stale(), vanished);
            live = names;
        }
    }
}
