//! What must hold for any page: what is written is read back, and no bytes cause a panic.

#![allow(clippy::unwrap_used)] // A test may stop where it stands.

mod exercise;

use exercise::exercise;
use exposition::{Entry, Format, NORMAL_NAN, Parser};
use proptest::prelude::*;
use series::{Labels, METRIC_NAME, MetricKind};
use std::fmt::Write;

/// Series texts that are good in both formats and begin like much of what is generated.
const GUESSES: [&[u8]; 6] = [b"a", b"ab", b"a{}", b"a{b=\"c\"}", b"{\"a\"}", b"a:b"];

#[derive(Debug, Clone)]
struct WrittenSample {
    name: String,
    labels: Vec<(String, String)>,
    value: f64,
    time: Option<i64>,
    exemplar: Option<(Vec<(String, String)>, f64)>,
}

fn label_pairs() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = prop_oneof![4 => "[a-zA-Z_][a-zA-Z0-9_]{0,8}", 1 => any::<String>()]
        .prop_filter("reserved", |name| !name.is_empty() && name != METRIC_NAME);
    let value = prop_oneof![2 => "[a-z0-9./ ]{0,12}", 1 => any::<String>()];
    prop::collection::btree_map(name, value, 0..5).prop_map(|map| map.into_iter().collect())
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        3 => any::<i32>().prop_map(f64::from),
        3 => any::<f64>(),
        1 => prop::sample::select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0]),
    ]
}

fn written_sample() -> impl Strategy<Value = WrittenSample> {
    let name = prop_oneof![4 => "[a-zA-Z_:][a-zA-Z0-9_:]{0,8}", 1 => any::<String>()];
    (
        name.prop_filter("a name", |name| !name.is_empty()),
        label_pairs(),
        value(),
        prop::option::of(0..4_000_000_000_000_i64),
        prop::option::of((label_pairs(), value())),
    )
        .prop_map(|(name, labels, value, time, exemplar)| WrittenSample {
            name,
            labels,
            value,
            time,
            exemplar,
        })
}

fn is_plain(name: &str, colon: bool) -> bool {
    let letter = |b: u8| b.is_ascii_alphabetic() || b == b'_' || (colon && b == b':');
    name.bytes().next().is_some_and(letter) && name.bytes().all(|b| letter(b) || b.is_ascii_digit())
}

fn quote(page: &mut String, text: &str) {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    let _ = write!(page, "\"{}\"", escaped.replace('\n', "\\n"));
}

fn write_pairs(page: &mut String, name: Option<&str>, pairs: &[(String, String)]) {
    page.push('{');
    let mut comma = "";
    if let Some(name) = name {
        quote(page, name);
        comma = ",";
    }
    for (name, value) in pairs {
        page.push_str(comma);
        comma = ",";
        if is_plain(name, false) {
            page.push_str(name);
        } else {
            quote(page, name);
        }
        page.push('=');
        quote(page, value);
    }
    page.push('}');
}

fn write_page(samples: &[WrittenSample], format: Format) -> String {
    let mut page = String::new();
    for sample in samples {
        if is_plain(&sample.name, true) {
            page.push_str(&sample.name);
            if !sample.labels.is_empty() {
                write_pairs(&mut page, None, &sample.labels);
            }
        } else {
            write_pairs(&mut page, Some(&sample.name), &sample.labels);
        }
        let _ = write!(page, " {}", sample.value);
        match (sample.time, format) {
            (None, _) => {}
            (Some(time), Format::PrometheusText) => page.push_str(&format!(" {time}")),
            (Some(time), Format::OpenMetrics) => {
                page.push_str(&format!(" {}.{:03}", time / 1000, time % 1000));
            }
        }
        if let (Some((labels, value)), Format::OpenMetrics) = (&sample.exemplar, format) {
            page.push_str(" # ");
            write_pairs(&mut page, None, labels);
            let _ = write!(page, " {value}");
        }
        page.push('\n');
    }
    if format == Format::OpenMetrics {
        page.push_str("# EOF\n");
    }
    page
}

fn bits(value: f64) -> u64 {
    if value.is_nan() {
        NORMAL_NAN.to_bits()
    } else {
        value.to_bits()
    }
}

fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let page = (prop::collection::vec(written_sample(), 1..4), any::<bool>());
    let byte = prop_oneof![
        3 => prop::sample::select(b" \t\n\"\\{}=,#:.+-0aEeTHNU\0\xff\xc3".to_vec()),
        1 => any::<u8>(),
    ];
    let changes = prop::collection::vec((any::<prop::sample::Index>(), byte, 0..3_u8), 0..6);
    (page, changes).prop_map(|((samples, open_metrics), changes)| {
        let format = [Format::PrometheusText, Format::OpenMetrics][usize::from(open_metrics)];
        let mut page = write_page(&samples, format).into_bytes();
        page.splice(
            0..0,
            *b"# HELP a b\n# TYPE a counter\n# UNIT a \na{b=\"c\"} 1\n",
        );
        for (index, byte, how) in changes {
            let at = index.index(page.len());
            match how {
                0 => page.insert(at, byte),
                1 => page[at] = byte,
                _ => drop(page.remove(at)),
            }
        }
        page
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_written_page_is_read_back(
        samples in prop::collection::vec(written_sample(), 0..6),
        format in prop::sample::select(vec![Format::PrometheusText, Format::OpenMetrics]),
    ) {
        let page = write_page(&samples, format);
        let mut parser = Parser::new(page.as_bytes(), format);
        for written in &samples {
            let entry = parser.next().map_err(|e| TestCaseError::fail(format!("{e} in {page}")))?;
            let Some(Entry::Sample(sample)) = entry else {
                return Err(TestCaseError::fail(format!("{entry:?} in {page}")));
            };
            let mut pairs = written.labels.clone();
            pairs.push((METRIC_NAME.into(), written.name.clone()));
            prop_assert_eq!(sample.labels().unwrap(), Labels::new(pairs).unwrap());
            prop_assert_eq!(sample.value.to_bits(), bits(written.value));
            match (sample.time, written.time) {
                // Seconds with three decimals are no exact floats, and Prometheus cuts.
                (Some(read), Some(time)) if format == Format::OpenMetrics => {
                    prop_assert!(time - read == 0 || time - read == 1);
                }
                (read, time) => prop_assert_eq!(read, time),
            }
            let want = written.exemplar.as_ref().filter(|_| format == Format::OpenMetrics);
            prop_assert_eq!(sample.exemplar.is_some(), want.is_some());
            if let (Some(read), Some((pairs, value))) = (sample.exemplar, want) {
                prop_assert_eq!(read.labels().unwrap(), Labels::new(pairs.clone()).unwrap());
                prop_assert_eq!(read.value.to_bits(), bits(*value));
                prop_assert_eq!(read.time, None);
            }
        }
        prop_assert!(parser.next().unwrap().is_none());
    }

    #[test]
    fn written_metadata_is_read_back(name in "[a-z_:][a-z0-9_:]{0,8}", help in "[^\0]*", open_metrics: bool) {
        let format = [Format::PrometheusText, Format::OpenMetrics][usize::from(open_metrics)];
        let mut escaped = help.replace('\\', "\\\\").replace('\n', "\\n");
        if open_metrics {
            escaped = escaped.replace('"', "\\\"");
        }
        // Prometheus's text format cannot tell a help of blanks from none.
        prop_assume!(open_metrics || !escaped.trim_matches([' ', '\t']).is_empty());
        let page = format!("# HELP {name} {escaped}\n# TYPE {name} gauge\n# EOF\n");
        let mut parser = Parser::new(page.as_bytes(), format);
        let Some(Entry::Help { family, text }) = parser.next().unwrap() else {
            return Err(TestCaseError::fail("no help"));
        };
        prop_assert_eq!((&*family, &*text), (&*name, &*help));
        let Some(Entry::Type { family, kind }) = parser.next().unwrap() else {
            return Err(TestCaseError::fail("no type"));
        };
        prop_assert_eq!((&*family, kind), (&*name, MetricKind::Gauge));
    }

    #[test]
    fn arbitrary_bytes_cause_no_panic(page in prop::collection::vec(any::<u8>(), 0..200)) {
        exercise(&page, &GUESSES);
    }

    #[test]
    fn the_letters_of_the_format_in_any_order_cause_no_panic(
        page in "([ab]|[{}\"\\\\=,]|[ \t\n]|# |HELP |TYPE |UNIT |EOF\n|1|NaN|counter|\0|é){0,40}"
    ) {
        exercise(page.as_bytes(), &GUESSES);
    }

    #[test]
    fn a_page_with_errors_causes_no_panic_and_no_guess_changes_what_is_read(page in mutated()) {
        exercise(&page, &GUESSES);
    }
}
