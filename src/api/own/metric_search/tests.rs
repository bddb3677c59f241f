use super::plain::Plain;
use super::*;
use engine::FamilyMetadata;
use proptest::prelude::*;
use series::{Limited, Metadata, MetricKind};

fn metadata(helps: &[(String, String)]) -> FamilyMetadata {
    let family = |(name, help): &(String, String)| {
        let metadata = Metadata {
            kind: MetricKind::Counter,
            help: help.clone(),
            unit: "seconds".to_owned(),
        };
        (name.clone(), vec![metadata])
    };
    helps.iter().map(family).collect()
}

fn names(names: &[&str], helps: &[(&str, &str)]) -> Names {
    let helps = helps
        .iter()
        .map(|(n, h)| ((*n).to_owned(), (*h).to_owned()));
    let names = Limited {
        entries: names.iter().map(|name| (*name).to_owned()).collect(),
        truncated: false,
    };
    Names::new(names, metadata(&helps.collect::<Vec<_>>()))
}

fn order(names: &Names, text: &str) -> Vec<String> {
    let found = names.search(text, 100);
    found
        .metrics
        .into_iter()
        .map(|metric| metric.name)
        .collect()
}

#[test]
fn the_best_fit_comes_first_and_the_shorter_name_before_the_longer() {
    let all = names(
        &[
            "a_requests_total",
            "http_requests",
            "http_requests_total",
            "prequests",
            "requests",
            "requests_per_second",
            "rx_equal_uests",
            "visits",
        ],
        &[("visits", "How many Requests came in")],
    );
    assert_eq!(
        order(&all, "requests"),
        [
            "requests",
            "requests_per_second",
            "http_requests",
            "a_requests_total",
            "http_requests_total",
            "prequests",
            "visits",
            "rx_equal_uests",
        ]
    );
}

#[test]
fn several_words_may_stand_anywhere_in_any_order() {
    let all = names(&["http_requests_total", "http_errors_total"], &[]);
    assert_eq!(order(&all, "req http"), ["http_requests_total"]);
    assert!(order(&all, "req grpc").is_empty());
}

#[test]
fn a_familys_facts_stand_beside_a_name_with_a_suffix() {
    let all = names(&["wait_bucket"], &[("wait", "Time spent waiting.")]);
    let found = all.search("wait", 10);
    assert_eq!(
        found.metrics,
        [FoundMetric {
            name: "wait_bucket".to_owned(),
            r#type: "counter",
            description: "Time spent waiting.".to_owned(),
            unit: "seconds".to_owned(),
        }]
    );
}

#[test]
fn a_limit_keeps_the_best_and_counts_all() {
    let all = names(&["b_up", "up", "up_time"], &[]);
    let found = all.search("up", 1);
    assert_eq!((found.found, found.names), (3, 3));
    assert_eq!(found.metrics[0].name, "up");
    assert_eq!(all.search("", 2).metrics.len(), 2);
}

#[test]
fn capital_letters_are_the_same_as_small_ones_in_any_alphabet() {
    let all = names(&["Go_GC", "ÄRGER_total"], &[]);
    assert_eq!(order(&all, "go_gc"), ["Go_GC"]);
    assert_eq!(order(&all, "ärger"), ["ÄRGER_total"]);
}

/// Few letters, so that names, helps and what is typed have much in common.
fn text(longest: usize) -> impl Strategy<Value = String> {
    proptest::string::string_regex(&format!("[abBÄä_1 ]{{0,{longest}}}")).unwrap()
}

fn name() -> impl Strategy<Value = String> {
    let suffix = prop_oneof![Just(""), Just("_total"), Just("_sum"), Just("\n")];
    (text(9), suffix).prop_map(|(name, suffix)| name + suffix)
}

proptest! {
    #[test]
    fn a_search_finds_what_looking_at_each_name_by_itself_finds(
        names in proptest::collection::btree_set(name(), 0..80),
        helps in proptest::collection::btree_map(name(), text(12), 0..20),
        typed in text(7),
        limit in 0_usize..90,
    ) {
        let plain = Plain {
            names: names.iter().cloned().collect(),
            helps: helps.clone().into_iter().collect(),
        };
        let entries = plain.names.clone();
        let helps: Vec<_> = helps.into_iter().collect();
        let prepared = Names::new(Limited { entries, truncated: false }, metadata(&helps));
        let found = prepared.search(&typed, limit);
        let (count, best) = plain.search(&typed, limit);
        prop_assert_eq!(found.best().collect::<Vec<_>>(), best);
        prop_assert_eq!(found.found, count);
        prop_assert_eq!(found.names, names.len());
    }
}
