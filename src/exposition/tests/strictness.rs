//! What Prometheus 3.12 takes and refuses, rule by rule, and where an error points.
//! Each verdict was compared with Prometheus's own `model/textparse`.

#![allow(clippy::unwrap_used)] // A test may stop where it stands.

use exposition::Format::{OpenMetrics, PrometheusText};
use exposition::{Entry, Error, Format, Parser};
use series::MetricKind;

/// What a page holds, one line each, or the error's text.
fn read(page: &[u8], format: Format) -> Result<Vec<String>, Error> {
    let mut parser = Parser::new(page, format);
    let mut lines = Vec::new();
    while let Some(entry) = parser.next()? {
        lines.push(match entry {
            Entry::Help { family, text } => format!("help {family}: {text}"),
            Entry::Type { family, kind } => format!("type {family}: {}", kind.as_str()),
            Entry::Unit { family, unit } => format!("unit {family}: {unit}"),
            Entry::Comment(text) => String::from_utf8_lossy(text).into_owned(),
            Entry::Sample(sample) => {
                let mut line = format!("{} = {}", sample.labels()?, sample.value);
                if let Some(time) = sample.time {
                    line += &format!(" @ {time}");
                }
                if let Some(exemplar) = sample.exemplar {
                    let time = exemplar.time;
                    line += &format!(" # {} {} {time:?}", exemplar.labels()?, exemplar.value);
                }
                line
            }
        });
    }
    Ok(lines)
}

fn taken(format: Format, page: &str, lines: &[&str]) {
    match read(page.as_bytes(), format) {
        Ok(read) => assert_eq!(read, lines, "{page:?}"),
        Err(error) => panic!("{page:?} is refused: {error}"),
    }
}

fn refused(format: Format, page: &str, error: &str) {
    match read(page.as_bytes(), format) {
        Ok(lines) => panic!("{page:?} is taken: {lines:?}"),
        Err(got) => assert_eq!(got.to_string(), error, "{page:?}"),
    }
}

#[test]
fn text_is_tolerant_of_blanks_and_commas() {
    for (page, line) in [
        (
            "  a\t{ b = \"c\" \"d\"=\"e\" , }\t1 ",
            r#"a{b="c", d="e"} = 1"#,
        ),
        ("a{b=\"c\"}1", r#"a{b="c"} = 1"#),
        ("a-1", "a = -1"),
        ("a{} 1 12", "a = 1 @ 12"),
        ("\n\n \t\na 1", "a = 1"),
        ("a{b=\"c\nd\"} 1", r#"a{b="c\nd"} = 1"#),
        ("a 1\n\0 anything goes behind a NUL", "a = 1"),
    ] {
        taken(PrometheusText, page, &[line]);
    }
    taken(PrometheusText, "", &[]);
}

#[test]
fn open_metrics_is_strict_about_blanks_commas_and_its_end() {
    taken(OpenMetrics, "a 1\n# EOF", &["a = 1"]);
    taken(OpenMetrics, "a{b=\"c\",} 1\n# EOF\n", &[r#"a{b="c"} = 1"#]);
    for (page, error) in [
        ("", "line 1, column 1: the page does not end with \"# EOF\""),
        (
            "a 1\n",
            "line 2, column 1: the page does not end with \"# EOF\"",
        ),
        (
            "a 1",
            "line 1, column 4: the page does not end with \"# EOF\"",
        ),
        (
            "a 1\n# EOF\n\n",
            "line 3, column 1: there is text behind \"# EOF\"",
        ),
        (
            "\n# EOF\n",
            "line 1, column 1: expected a metric name, \"{\" or \"# \", found the end of the line",
        ),
        (
            " a 1\n# EOF\n",
            "line 1, column 1: expected a metric name, \"{\" or \"# \", found a space",
        ),
        (
            "a  1\n# EOF\n",
            "line 1, column 3: expected a number, found a space",
        ),
        (
            "a 1 \n# EOF\n",
            "line 1, column 5: expected a number, found the end of the line",
        ),
        (
            "a{b=\"c\" } 1\n# EOF\n",
            "line 1, column 8: expected \",\" or \"}\" behind the label value, found a space",
        ),
        (
            "a{b=\"c\nd\"} 1\n# EOF\n",
            "line 1, column 5: the quoted text that begins here is not closed",
        ),
        (
            "# a comment\n# EOF\n",
            "line 1, column 1: expected \"# HELP \", \"# TYPE \", \"# UNIT \" or \"# EOF\", found \"#\"",
        ),
    ] {
        refused(OpenMetrics, page, error);
    }
}

#[test]
fn errors_say_where_and_what() {
    for (page, error) in [
        (
            "a 1\nb x\n",
            "line 2, column 3: value \"x\" is not a decimal number, Inf or NaN, or is out of range",
        ),
        (
            "a 1 x\n",
            "line 1, column 5: expected a timestamp in milliseconds or the end of the line, found \"x\"",
        ),
        (
            "a 1 -5\n",
            "line 1, column 5: expected a timestamp in milliseconds or the end of the line, found \"-5\"",
        ),
        (
            "a 1 99999999999999999999\n",
            "line 1, column 5: timestamp \"99999999999999999999\" is not a point in time",
        ),
        (
            "a 1 5 6\n",
            "line 1, column 7: expected the end of the line behind the timestamp, found \"6\"",
        ),
        (
            "a\n",
            "line 1, column 2: expected a number, found the end of the line",
        ),
        (
            "a",
            "line 1, column 2: expected a number, found the end of the page",
        ),
        (
            "{b=\"c\"} 1\n",
            "line 1, column 1: the series has no metric name",
        ),
        (
            "{\"a\",\"b\"} 1\n",
            "line 1, column 6: the series has a second metric name",
        ),
        (
            "a{b} 1\n",
            "line 1, column 4: expected \"=\" behind the label name, found \"}\"",
        ),
        (
            "a{b=c} 1\n",
            "line 1, column 5: expected a quoted label value, found \"c}\"",
        ),
        (
            "a{,} 1\n",
            "line 1, column 3: expected a label name or \"}\", found \",}\"",
        ),
        (
            "# TYPE a meh\n",
            "line 1, column 10: \"meh\" is not a metric type of Prometheus's text format",
        ),
        (
            "# TYPE a unknown\n",
            "line 1, column 10: \"unknown\" is not a metric type of Prometheus's text format",
        ),
        (
            "# HELP 1\n",
            "line 1, column 8: expected a metric name, found \"1\"",
        ),
        (
            "a 1\r\n",
            "line 1, column 3: value \"1\\r\" is not a decimal number, Inf or NaN, or is out of range",
        ),
    ] {
        refused(PrometheusText, page, error);
    }
    refused(
        OpenMetrics,
        "# UNIT a_seconds bytes\n# EOF\n",
        "line 1, column 8: unit \"bytes\" does not end the name of metric \"a_seconds\" behind an underscore",
    );
}

#[test]
fn what_prometheus_finds_when_it_makes_the_labels_is_an_error_of_the_labels() {
    for (page, error) in [
        (
            "a 1\na{b=\"1\",c=\"\",b=\"2\"} 1\n",
            "line 2, column 14: label \"b\" stands twice",
        ),
        (
            "a{__name__=\"b\"} 1\n",
            "line 1, column 3: label \"__name__\" stands twice",
        ),
        (
            "{\"\"} 1\n",
            "line 1, column 1: the series has no metric name",
        ),
        (
            "a{\"\"=\"b\"} 1\n",
            "line 1, column 3: a label name is empty",
        ),
    ] {
        assert!(Parser::new(page.as_bytes(), PrometheusText).next().is_ok());
        refused(PrometheusText, page, error);
    }
    let error = read(b"{\"a\xff\"} 1\n", PrometheusText).unwrap_err();
    assert_eq!(
        error.to_string(),
        "line 1, column 1: the metric name is not valid UTF-8"
    );
}

#[test]
fn an_empty_value_takes_every_label_of_its_name_away() {
    taken(
        PrometheusText,
        "a{b=\"\",b=\"1\",c=\"2\"} 1\n",
        &[r#"a{c="2"} = 1"#],
    );
}

#[test]
fn text_that_is_not_utf8_is_refused_where_prometheus_looks() {
    for (page, error) in [
        (
            &b"a{b=\"\xff\"} 1\n"[..],
            "line 1, column 5: the label value is not valid UTF-8",
        ),
        (
            b"# HELP a b\xff\n",
            "line 1, column 11: the help text is not valid UTF-8",
        ),
    ] {
        assert_eq!(read(page, PrometheusText).unwrap_err().to_string(), error);
    }
    assert!(read(b"# just a comment \xff\n", PrometheusText).is_ok());
}

#[test]
fn metadata_is_unescaped_and_untyped_is_unknown() {
    taken(
        PrometheusText,
        "# HELP a one\\ntwo \\\\ \\\"\n#  TYPE\ta untyped\n# HELP b\n# HELP \"c.d\" e\n#HELP f g\n# UNIT a b\n",
        &[
            "help a: one\ntwo \\ \\\"",
            "type a: unknown",
            "help b: ",
            "help c.d: e",
            "#HELP f g",
            "# UNIT a b",
        ],
    );
    taken(
        OpenMetrics,
        "# HELP a \\\"x\\\"\n# TYPE a_seconds unknown\n# UNIT a_seconds seconds\n# UNIT a \n# EOF\n",
        &[
            "help a: \"x\"",
            "type a_seconds: unknown",
            "unit a_seconds: seconds",
            "unit a: ",
        ],
    );
}

#[test]
fn bounds_of_histograms_and_summaries_are_written_as_prometheus_stores_them() {
    taken(
        PrometheusText,
        "# TYPE a histogram\na_bucket{le=\"1\"} 1\n# TYPE b summary\nb{quantile=\".5\",le=\"1\"} 2\n# TYPE c gauge\nc{le=\"1\"} 3\n",
        &[
            "type a: histogram",
            r#"a_bucket{le="1.0"} = 1"#,
            "type b: summary",
            r#"b{le="1", quantile="0.5"} = 2"#,
            "type c: gauge",
            r#"c{le="1"} = 3"#,
        ],
    );
}

#[test]
fn open_metrics_has_exemplars_and_times_in_seconds() {
    taken(
        OpenMetrics,
        "a_total{x=\" # {\"} 1 1.5 # {t=\"é\\\"\",\"b.c\"=\"d\"} NaN 2e3\nb 1 # {} 1\n# EOF\n",
        &[
            "a_total{x=\" # {\"} = 1 @ 1500 # {\"b.c\"=\"d\", t=\"é\\\"\"} NaN Some(2000000)",
            "b = 1 # {} 1 None",
        ],
    );
    for page in ["a 1 # {\"b\"} 1\n# EOF\n", "a 1 # {b=\"c\"} 1 1 1\n# EOF\n"] {
        assert!(read(page.as_bytes(), OpenMetrics).is_err(), "{page}");
    }
}

#[test]
fn every_nan_becomes_the_normal_one_so_that_none_is_a_stale_marker() {
    let mut parser = Parser::new(b"a nAn\n", PrometheusText);
    let Some(Entry::Sample(sample)) = parser.next().unwrap() else {
        panic!("no sample");
    };
    assert_eq!(sample.value.to_bits(), exposition::NORMAL_NAN.to_bits());
    assert!(!series::is_stale(sample.value));
    assert_eq!(sample.preceding_kind(), MetricKind::Unknown);
}

#[test]
fn an_expected_series_is_recognised_and_only_it() {
    for (page, expected, is_it) in [
        ("a{b=\"c\"} 1\n", "a{b=\"c\"}", true),
        ("a 1\n", "a", true),
        ("ab 1\n", "a", false),
        ("a{b=\"c\"} 1\n", "a", false),
        ("a {b=\"c\"} 1\n", "a", false),
        ("a-1\n", "a", true),
        ("a{b=\"d\"} 1\n", "a{b=\"c\"}", false),
    ] {
        let mut parser = Parser::new(page.as_bytes(), PrometheusText);
        let entry = parser.next_expecting(expected.as_bytes()).unwrap();
        let Some(Entry::Sample(sample)) = entry else {
            panic!("no sample in {page:?}");
        };
        assert_eq!(sample.expected, is_it, "{page:?} for {expected:?}");
    }
}
