use super::*;
use exposition::Format;

/// The findings of a page as `rule metric line`.
fn findings(page: &str, format: Format) -> Vec<String> {
    check_page(page.as_bytes(), format)
        .findings
        .iter()
        .map(|f| format!("{} {} {}", f.rule.as_str(), f.metric, f.line))
        .collect()
}

/// Asserts what is found in a page of text. Each page has its help and type lines unless these
/// are its subject.
fn check(page: &str, want: &[&str]) {
    assert_eq!(findings(page, Format::PrometheusText), want, "{page}");
}

#[test]
fn a_page_without_faults_has_no_findings() {
    check(
        "# HELP a_seconds h\n# TYPE a_seconds histogram\na_seconds_bucket{le=\"1\"} 1\n\
         a_seconds_bucket{le=\"+Inf\"} 2\na_seconds_sum 3\na_seconds_count 2\n\
         # HELP b_total h\n# TYPE b_total counter\nb_total{c=\"d\"} 1\nb_total{c=\"e\"} 1\n\
         # HELP s h\n# TYPE s summary\ns{quantile=\"0.5\"} 1\ns_sum 1\ns_count 1\n",
        &[],
    );
    let open = "# HELP a h\n# TYPE a counter\na_total 1\na_created 1\n\
                # HELP g h\n# TYPE g gaugehistogram\ng_bucket{le=\"+Inf\"} 1\ng_gsum 1\ng_gcount 1\n\
                # HELP i h\n# TYPE i info\ni_info{v=\"1\"} 1\n# EOF\n";
    assert_eq!(findings(open, Format::OpenMetrics), [""; 0]);
}

#[test]
fn names_are_held_to_the_conventions() {
    let gauge = |name: &str| format!("# HELP {name} h\n# TYPE {name} gauge\n{name} 1\n");
    for (name, rules) in [
        ("a_milliseconds", &["base-unit"][..]),
        ("a_minutes", &["base-unit"]),
        ("a_seconds", &[]),
        ("a_ms", &["abbreviated-unit"]),
        ("a_total", &["total-without-counter"]),
        ("a_count", &["reserved-suffix"]),
        ("a_bucket", &["reserved-suffix"]),
        ("a_gauge", &["type-in-name"]),
        ("a:b", &["colon-in-name"]),
        ("aB", &["mixed-case"]),
        ("thermometers", &[]),
    ] {
        let want: Vec<String> = rules.iter().map(|r| format!("{r} {name} 1")).collect();
        assert_eq!(
            findings(&gauge(name), Format::PrometheusText),
            want,
            "{name}"
        );
    }
    check(
        "# HELP a h\n# TYPE a counter\na 1\n",
        &["counter-without-total a 1"],
    );
    let open = "# HELP a h\n# TYPE a counter\na 1\n# EOF\n";
    assert_eq!(
        findings(open, Format::OpenMetrics),
        ["counter-without-total a 1"]
    );
}

#[test]
fn what_is_not_declared_or_declared_twice_is_found() {
    check("a 1\n", &["no-help a 1", "no-type a 1"]);
    check("\n\n# TYPE a gauge\n", &["no-samples a 3"]);
    check(
        "# HELP a h\n# HELP a i\n# TYPE a gauge\n# TYPE a counter\n# TYPE a gauge\na 1\n",
        &["redeclared a 2"],
    );
    check("# HELP a h\na 1\n# TYPE a gauge\n", &["late-type a 3"]);
    let report = check_page(
        b"# TYPE a gauge\n# TYPE a counter\n# TYPE a gauge\na 1\n",
        Format::PrometheusText,
    );
    assert_eq!(report.findings[0].times, 2);
}

#[test]
fn samples_that_prometheus_drops_are_losses() {
    let declared = "# HELP a h\n# TYPE a gauge\n";
    for (samples, lost, rule) in [
        ("a 1\na 2\n", 1, Some("duplicate-sample a 4")),
        ("a 1\na 1\n", 1, Some("duplicate-sample a 4")),
        (
            "a{b=\"c\"} 1\na{b=\"c\",} 2\n",
            1,
            Some("duplicate-sample a 4"),
        ),
        ("a 1\na{b=\"c\"} 1\n", 0, None),
    ] {
        let page = format!("{declared}{samples}");
        let report = check_page(page.as_bytes(), Format::PrometheusText);
        assert_eq!(report.lost, lost, "{samples}");
        check(&page, rule.as_slice());
    }
    for (samples, lost, rules) in [
        ("a 1 1000\na 2 2000\n", 0, &["own-timestamps a 3"][..]),
        (
            "a 1 2000\na 2 1000\n",
            1,
            &["out-of-order a 4", "own-timestamps a 3"],
        ),
        (
            "a 1 2000\na 2 2000\n",
            1,
            &["duplicate-sample a 4", "own-timestamps a 3"],
        ),
        ("a 1 2000\na 1 2000\n", 0, &["own-timestamps a 3"]),
    ] {
        let page = format!("{declared}{samples}");
        let report = check_page(page.as_bytes(), Format::PrometheusText);
        assert_eq!((report.lost, report.series), (lost, 1), "{samples}");
        check(&page, rules);
    }
}

#[test]
fn histograms_owe_rising_buckets_an_infinite_one_and_their_count() {
    let declared = "# HELP a h\n# TYPE a histogram\n";
    for (samples, rule) in [
        (
            "a_bucket{le=\"1\"} 3\na_bucket{le=\"+Inf\"} 2\na_sum 1\na_count 2\n",
            "buckets-not-cumulative a 4",
        ),
        (
            "a_bucket{le=\"1\"} 3\na_sum 1\na_count 3\n",
            "no-inf-bucket a 3",
        ),
        (
            "a_bucket{le=\"+Inf\"} 3\na_sum 1\na_count 2\n",
            "count-mismatch a 3",
        ),
        (
            "a_bucket{le=\"+Inf\"} 3\na_count 3\n",
            "incomplete-family a 3",
        ),
        (
            "a_bucket{le=\"+Inf\"} 3\na_sum 3\n",
            "incomplete-family a 3",
        ),
        (
            "a_bucket{le=\"+Inf\"} 3\na_bucket 3\na_sum 1\na_count 3\n",
            "bad-bound a 4",
        ),
        (
            "a_bucket{le=\"+Inf\"} -3\na_sum 1\na_count -3\n",
            "negative-count a 3",
        ),
    ] {
        check(&format!("{declared}{samples}"), &[rule]);
    }
    // Buckets are compared within their own labels and by their bounds, not by their order.
    check(
        &format!(
            "{declared}a_bucket{{b=\"1\",le=\"+Inf\"}} 9\na_bucket{{b=\"1\",le=\"10\"}} 5\n\
             a_bucket{{b=\"1\",le=\"9\"}} 4\na_bucket{{b=\"2\",le=\"+Inf\"}} 1\n\
             a_sum{{b=\"1\"}} 1\na_count{{b=\"1\"}} 9\na_sum{{b=\"2\"}} 1\na_count{{b=\"2\"}} 1\n"
        ),
        &[],
    );
}

#[test]
fn summaries_counters_infos_and_states_are_held_to_their_values() {
    check(
        "# HELP a h\n# TYPE a summary\na{quantile=\"50\"} 1\na_sum 1\na_count 1\n",
        &["bad-bound a 3"],
    );
    check(
        "# HELP a h\n# TYPE a summary\na_count 1\n",
        &["incomplete-family a 3"],
    );
    check(
        "# HELP a_total h\n# TYPE a_total counter\na_total -1\n",
        &["negative-count a_total 3"],
    );
    check(
        "# HELP a_total h\n# TYPE a_total counter\na_total NaN\n",
        &["negative-count a_total 3"],
    );
    let open = "# HELP i h\n# TYPE i info\ni_info 2\n# HELP s h\n# TYPE s stateset\ns{s=\"a\"} 0.5\n# EOF\n";
    assert_eq!(
        findings(open, Format::OpenMetrics),
        ["bad-state-value i 3", "bad-state-value s 6"]
    );
}

#[test]
fn labels_are_looked_at_too() {
    let gauge = |labels: &str| format!("# HELP a h\n# TYPE a gauge\na{{{labels}}} 1\n");
    for (labels, rule) in [
        ("le=\"1\"", "reserved-label a 3"),
        ("quantile=\"1\"", "reserved-label a 3"),
        ("userId=\"1\"", "mixed-case a 3"),
        ("job=\"1\"", "target-label a 3"),
        ("__x=\"1\"", "internal-label a 3"),
    ] {
        check(&gauge(labels), &[rule]);
    }
    check(
        &gauge(&format!("b=\"{}\"", "x".repeat(513))),
        &["long-label a 3"],
    );
    let mut many = String::from("# HELP a h\n# TYPE a gauge\n");
    for user in 0..100 {
        many += &format!("a{{user=\"{user}\"}} 1\n");
    }
    check(&many, &[]);
    many += "a{user=\"x\"} 1\n";
    check(&many, &["high-cardinality a 3"]);
}

#[test]
fn a_refused_page_reports_what_stands_before_the_fault() {
    let page = b"# HELP a h\n# TYPE a gauge\na 1\nb x\nc 1\n";
    let report = check_page(page, Format::PrometheusText);
    assert!(!report.is_ingested());
    assert_eq!((report.samples, report.series), (1, 1));
    let repeated = check_page(b"a{b=\"1\",b=\"2\"} 1\n", Format::PrometheusText);
    assert!(!repeated.is_ingested());
}

#[test]
fn samples_find_the_family_that_was_declared_for_them() {
    let page = "# TYPE a histogram\na_bucket{le=\"1\"} 1\na_count 1\n# TYPE b gauge\nb_count 1\n";
    let report = check_page(page.as_bytes(), Format::PrometheusText);
    let families: Vec<_> = report
        .families
        .iter()
        .map(|f| (f.name.as_str(), f.series, f.line))
        .collect();
    assert_eq!(families, [("a", 2, 1), ("b", 0, 4), ("b_count", 1, 5)]);
}

#[test]
fn every_rule_has_a_name_of_its_own() {
    let mut names: Vec<_> = Rule::ALL.iter().map(|rule| rule.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Rule::ALL.len());
}

proptest::proptest! {
    #[test]
    fn any_page_gets_a_report(page in "([ab]|_bucket|_total|[{}\"\\\\=, \n]|# |HELP |TYPE |EOF\n|le=\"1\"|[0-9]|histogram\n){0,60}") {
        for format in [Format::PrometheusText, Format::OpenMetrics] {
            let report = check_page(page.as_bytes(), format);
            proptest::prop_assert!(report.lost <= report.samples);
            proptest::prop_assert!(report.series <= report.samples);
            let lines = page.split('\n').count();
            proptest::prop_assert!(report.findings.iter().all(|f| (1..=lines).contains(&f.line)));
            proptest::prop_assert!(report.to_json("page").is_object());
        }
    }
}
