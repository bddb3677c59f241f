use super::message::{self, Request};
use super::protobuf::Malformed;
use super::refusals::Refusals;
use super::*;
use proptest::prelude::*;
use prost::Message;
use series::{FewSamples, Labels, Metadata, MetricKind, Sample, WriteSeries};

/// The messages as prost reads and writes them: what a reader that is not ours makes of them.
mod v1 {
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct WriteRequest {
        #[prost(message, repeated, tag = "1")]
        pub(super) timeseries: Vec<TimeSeries>,
        #[prost(message, repeated, tag = "3")]
        pub(super) metadata: Vec<MetricMetadata>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct TimeSeries {
        #[prost(message, repeated, tag = "1")]
        pub(super) labels: Vec<Label>,
        #[prost(message, repeated, tag = "2")]
        pub(super) samples: Vec<Sample>,
        #[prost(message, repeated, tag = "3")]
        pub(super) exemplars: Vec<Exemplar>,
        #[prost(message, repeated, tag = "4")]
        pub(super) histograms: Vec<Histogram>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Label {
        #[prost(string, tag = "1")]
        pub(super) name: String,
        #[prost(string, tag = "2")]
        pub(super) value: String,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Sample {
        #[prost(double, tag = "1")]
        pub(super) value: f64,
        #[prost(int64, tag = "2")]
        pub(super) timestamp: i64,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Exemplar {
        #[prost(message, repeated, tag = "1")]
        pub(super) labels: Vec<Label>,
        #[prost(double, tag = "2")]
        pub(super) value: f64,
        #[prost(int64, tag = "3")]
        pub(super) timestamp: i64,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Histogram {
        #[prost(uint64, tag = "1")]
        pub(super) count: u64,
        #[prost(double, tag = "3")]
        pub(super) sum: f64,
        #[prost(sint32, tag = "4")]
        pub(super) schema: i32,
        #[prost(double, tag = "5")]
        pub(super) zero_threshold: f64,
        #[prost(uint64, tag = "6")]
        pub(super) zero_count: u64,
        #[prost(message, repeated, tag = "8")]
        pub(super) negative_spans: Vec<Span>,
        #[prost(sint64, repeated, tag = "9")]
        pub(super) negative_deltas: Vec<i64>,
        #[prost(message, repeated, tag = "11")]
        pub(super) positive_spans: Vec<Span>,
        #[prost(sint64, repeated, tag = "12")]
        pub(super) positive_deltas: Vec<i64>,
        #[prost(double, repeated, tag = "13")]
        pub(super) positive_counts: Vec<f64>,
        #[prost(int32, tag = "14")]
        pub(super) reset_hint: i32,
        #[prost(int64, tag = "15")]
        pub(super) timestamp: i64,
        #[prost(double, repeated, tag = "16")]
        pub(super) custom_values: Vec<f64>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Span {
        #[prost(sint32, tag = "1")]
        pub(super) offset: i32,
        #[prost(uint32, tag = "2")]
        pub(super) length: u32,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct MetricMetadata {
        #[prost(int32, tag = "1")]
        pub(super) kind: i32,
        #[prost(string, tag = "2")]
        pub(super) metric_family_name: String,
        #[prost(string, tag = "4")]
        pub(super) help: String,
        #[prost(string, tag = "5")]
        pub(super) unit: String,
    }
}

mod v2 {
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Request {
        #[prost(string, repeated, tag = "4")]
        pub(super) symbols: Vec<String>,
        #[prost(message, repeated, tag = "5")]
        pub(super) timeseries: Vec<TimeSeries>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct TimeSeries {
        #[prost(uint32, repeated, tag = "1")]
        pub(super) labels_refs: Vec<u32>,
        #[prost(message, repeated, tag = "2")]
        pub(super) samples: Vec<Sample>,
        #[prost(message, repeated, tag = "3")]
        pub(super) histograms: Vec<super::v1::Histogram>,
        #[prost(message, repeated, tag = "4")]
        pub(super) exemplars: Vec<Exemplar>,
        #[prost(message, optional, tag = "5")]
        pub(super) metadata: Option<Metadata>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Sample {
        #[prost(double, tag = "1")]
        pub(super) value: f64,
        #[prost(int64, tag = "2")]
        pub(super) timestamp: i64,
        #[prost(int64, tag = "3")]
        pub(super) start_timestamp: i64,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Exemplar {
        #[prost(uint32, repeated, tag = "1")]
        pub(super) labels_refs: Vec<u32>,
        #[prost(double, tag = "2")]
        pub(super) value: f64,
        #[prost(int64, tag = "3")]
        pub(super) timestamp: i64,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Metadata {
        #[prost(int32, tag = "1")]
        pub(super) kind: i32,
        #[prost(uint32, tag = "3")]
        pub(super) help_ref: u32,
        #[prost(uint32, tag = "4")]
        pub(super) unit_ref: u32,
    }
}

fn read_v1(message: &[u8]) -> Result<Request, Malformed> {
    // A request that was read before must be read alike.
    let known = KnownLabels::default();
    let first = message::read_v1(message, &WriteLimits::default(), &known);
    let again = message::read_v1(message, &WriteLimits::default(), &known);
    assert_eq!(format!("{first:?}"), format!("{again:?}"));
    first
}

fn read_v2(message: &[u8]) -> Result<Request, Malformed> {
    message::read_v2(message, &WriteLimits::default())
}

fn label(name: &str, value: &str) -> v1::Label {
    v1::Label {
        name: name.to_owned(),
        value: value.to_owned(),
    }
}

fn sample(timestamp: i64, value: f64) -> v1::Sample {
    v1::Sample { value, timestamp }
}

fn series(labels: &[(&str, &str)], samples: &[(i64, f64)]) -> v1::TimeSeries {
    v1::TimeSeries {
        labels: labels.iter().map(|(n, v)| label(n, v)).collect(),
        samples: samples.iter().map(|(t, v)| sample(*t, *v)).collect(),
        ..v1::TimeSeries::default()
    }
}

fn read(timeseries: Vec<v1::TimeSeries>) -> Request {
    let request = v1::WriteRequest {
        timeseries,
        metadata: Vec::new(),
    };
    read_v1(&request.encode_to_vec()).unwrap()
}

fn is_same(read: &[Sample], sent: &[(i64, f64)]) -> bool {
    read.len() == sent.len()
        && read
            .iter()
            .zip(sent)
            .all(|(a, b)| a.time == b.0 && a.value.to_bits() == b.1.to_bits())
}

const UP: &[(&str, &str)] = &[("__name__", "up"), ("job", "a")];

/// Checks that a series is refused with `text` while another in the same request is kept.
fn check_refused(bad: v1::TimeSeries, text: &str) {
    let lost = bad.samples.len() as u64;
    let request = read(vec![bad, series(UP, &[(1, 1.0)])]);
    assert_eq!(request.series.len(), 1, "{text}");
    assert_eq!(request.refusals.samples, lost, "{text}");
    let message = request.refusals.message().unwrap();
    assert!(message.contains(text), "{message}");
}

#[test]
fn bad_labels_are_refused_and_the_rest_is_kept() {
    let with = |labels: &[(&str, &str)]| series(labels, &[(1, 1.0), (2, 1.0)]);
    check_refused(with(&[]), "__name__ is missing");
    check_refused(with(&[("job", "a")]), "__name__ is missing");
    check_refused(with(&[("__name__", "")]), "__name__ is missing");
    check_refused(
        with(&[("__name__", "up"), ("", "a")]),
        "a label has no name",
    );
    check_refused(
        with(&[("__name__", "up"), ("job", "a"), ("job", "b")]),
        "\"job\" stands twice",
    );
    check_refused(
        with(&[("__name__", "up"), ("job", "a"), ("instance", "b")]),
        "sorted by name, and \"instance\" comes too late",
    );
}

#[test]
fn labels_beyond_the_stores_bounds_cost_no_other_series() {
    let names: Vec<String> = (0..64).map(|n| format!("l{n:02}")).collect();
    let mut labels = vec![("__name__", "up")];
    labels.extend(names.iter().map(|name| (name.as_str(), "x")));
    check_refused(
        series(&labels, &[(1, 1.0)]),
        "65 labels, more than max_labels",
    );
    let long = "x".repeat(17 << 10);
    check_refused(
        series(&[("__name__", "up"), ("a", &long)], &[(1, 1.0)]),
        "more than max_labels_bytes = 16384",
    );
}

#[test]
fn text_that_is_no_utf_8_is_refused() {
    let mut good = v1::WriteRequest {
        timeseries: vec![series(&[("__name__", "up"), ("job", "abc")], &[(1, 1.0)])],
        metadata: Vec::new(),
    }
    .encode_to_vec();
    let at = good.windows(3).position(|w| w == b"abc").unwrap();
    good[at] = 0xff;
    let request = read_v1(&good).unwrap();
    assert!(request.series.is_empty());
    let message = request.refusals.message().unwrap();
    assert!(message.contains("not valid UTF-8"), "{message}");
}

#[test]
fn samples_that_are_not_later_are_refused_and_repetitions_are_not() {
    let request = read(vec![series(
        UP,
        &[(5, 1.0), (5, 1.0), (5, 2.0), (4, 1.0), (6, 3.0), (1, 0.0)],
    )]);
    assert!(is_same(&request.series[0].samples, &[(5, 1.0), (6, 3.0)]));
    assert_eq!(request.refusals.samples, 3);
    assert_eq!(request.refusals.repeated, 1);
    let message = request.refusals.message().unwrap();
    for text in ["out of order sample", "duplicate sample for timestamp"] {
        assert!(message.contains(text), "{message}");
    }
}

/// Five observations: two in a zero bucket, one below it and two above, two buckets apart.
fn histogram(time: i64) -> v1::Histogram {
    let span = |offset, length| v1::Span { offset, length };
    v1::Histogram {
        count: 5,
        sum: 3.5,
        schema: 3,
        zero_threshold: 0.001,
        zero_count: 2,
        negative_spans: vec![span(4, 1)],
        negative_deltas: vec![1],
        positive_spans: vec![span(-2, 1), span(1, 2)],
        positive_deltas: vec![1, -1, 1],
        reset_hint: 2,
        timestamp: time,
        ..v1::Histogram::default()
    }
}

#[test]
fn native_histograms_are_read_as_they_were_sent() {
    let mut with = series(UP, &[(1, 1.0)]);
    with.histograms.push(histogram(2));
    let request = read(vec![with]);
    assert_eq!(request.refusals, Refusals::default());
    let [series] = &request.series[..] else {
        panic!("{:?}", request.series);
    };
    assert_eq!(series.samples.len(), 1);
    let extras = series.extras.as_ref().unwrap();
    let [(2, found)] = &extras.histograms[..] else {
        panic!("{extras:?}");
    };
    let bucket = |index, count| series::Bucket { index, count };
    assert_eq!(
        **found,
        series::Histogram {
            schema: 3,
            count: 5.0,
            sum: 3.5,
            zero_threshold: 0.001,
            zero_count: 2.0,
            positive: vec![bucket(-2, 1.0), bucket(0, 0.0), bucket(1, 1.0)],
            negative: vec![bucket(4, 1.0)],
            custom_bounds: None,
            reset_hint: series::ResetHint::NotReset,
        }
    );
}

#[test]
fn a_native_histogram_with_bounds_of_its_own_keeps_them() {
    let mut with = series(UP, &[]);
    with.histograms.push(v1::Histogram {
        count: 3,
        schema: -53,
        positive_spans: vec![v1::Span {
            offset: 0,
            length: 2,
        }],
        positive_deltas: vec![1, 1],
        custom_values: vec![0.5],
        timestamp: 1,
        ..v1::Histogram::default()
    });
    let request = read(vec![with]);
    let extras = request.series[0].extras.as_ref().unwrap();
    let bounds = extras.histograms[0].1.custom_bounds.as_deref();
    assert_eq!(bounds, Some(&[0.5][..]));
}

type Change = fn(&mut v1::Histogram);

#[test]
fn a_wrong_native_histogram_costs_no_other_sample() {
    let wrong: [(&str, Change); 10] = [
        ("more than 2048", |h| h.positive_deltas = vec![0; 2_049]),
        ("the schema is 9", |h| h.schema = 9),
        ("hold 5 observations, its count is 6", |h| h.count = 6),
        ("spans need 4, and there are 3", |h| {
            h.positive_spans[0].length = 2;
        }),
        ("a span lies before", |h| h.positive_spans[1].offset = -1),
        ("is negative", |h| h.positive_deltas[1] = -2),
        ("an index is too large", |h| {
            h.positive_spans[1].offset = i32::MAX;
        }),
        ("custom bounds stand beside", |h| h.custom_values.push(1.0)),
        ("no negative buckets", |h| h.schema = -53),
        ("must increase", |h| {
            h.schema = -53;
            h.custom_values = vec![2.0, 1.0];
        }),
    ];
    for (text, change) in wrong {
        let mut with = series(UP, &[(1, 1.0)]);
        let mut bad = histogram(2);
        change(&mut bad);
        with.histograms.extend([bad, histogram(3)]);
        let request = read(vec![with]);
        assert_eq!(request.refusals.samples, 1, "{text}");
        let message = request.refusals.message().unwrap();
        assert!(message.contains(text), "{message}");
        let [series] = &request.series[..] else {
            panic!("{:?}", request.series);
        };
        assert_eq!(series.samples.len(), 1);
        assert_eq!(series.extras.as_ref().unwrap().histograms.len(), 1);
    }
}

#[test]
fn native_histograms_that_are_not_later_are_refused_and_repetitions_are_not() {
    let mut other = histogram(2);
    other.sum = 4.0;
    let mut with = series(UP, &[(5, 1.0)]);
    with.histograms = vec![
        histogram(2),
        histogram(2),
        other,
        histogram(1),
        histogram(5),
        histogram(6),
    ];
    let request = read(vec![with]);
    let kept = &request.series[0].extras.as_ref().unwrap().histograms;
    let times: Vec<i64> = kept.iter().map(|(time, _)| *time).collect();
    assert_eq!(times, [2, 6]);
    assert_eq!(
        (request.refusals.samples, request.refusals.repeated),
        (3, 1)
    );
}

#[test]
fn the_end_of_a_series_of_native_histograms_is_kept() {
    let mut with = series(UP, &[]);
    with.histograms.push(v1::Histogram {
        sum: series::STALE_NAN,
        timestamp: 7,
        ..v1::Histogram::default()
    });
    let request = read(vec![with]);
    let (time, found) = &request.series[0].extras.as_ref().unwrap().histograms[0];
    assert_eq!((*time, series::is_stale(found.sum)), (7, true));
}

#[test]
fn start_times_stay_with_their_samples() {
    let sample = |timestamp, start_timestamp| v2::Sample {
        value: 1.0,
        timestamp,
        start_timestamp,
    };
    let request = v2::Request {
        symbols: ["", "__name__", "up"].map(str::to_owned).into(),
        timeseries: vec![v2::TimeSeries {
            labels_refs: vec![1, 2],
            // The third comes too late.
            samples: vec![sample(1, 0), sample(3, 2), sample(2, 1), sample(4, 2)],
            ..v2::TimeSeries::default()
        }],
    };
    let read = read_v2(&request.encode_to_vec()).unwrap();
    let extras = read.series[0].extras.as_ref().unwrap();
    assert_eq!(extras.start_times, [0, 2, 2]);
}

#[test]
fn metadata_of_families_has_no_samples() {
    let request = v1::WriteRequest {
        timeseries: Vec::new(),
        metadata: vec![v1::MetricMetadata {
            kind: 1,
            metric_family_name: "http_requests".into(),
            help: "Requests.".into(),
            unit: "seconds".into(),
        }],
    };
    let read = read_v1(&request.encode_to_vec()).unwrap();
    let metadata = Metadata {
        kind: MetricKind::Counter,
        help: "Requests.".into(),
        unit: "seconds".into(),
    };
    assert_eq!(
        read.series,
        [WriteSeries {
            labels: Labels::new([("__name__", "http_requests")]).unwrap(),
            samples: FewSamples::new(),
            exemplars: Vec::new(),
            metadata: Some(metadata),
            extras: None,
        }]
    );
}

fn symbols(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn symbols_make_labels_exemplars_and_metadata() {
    let request = v2::Request {
        symbols: symbols(&["", "__name__", "up", "job", "a", "Help.", "trace_id", "7f"]),
        timeseries: vec![v2::TimeSeries {
            labels_refs: vec![1, 2, 3, 4],
            samples: vec![v2::Sample {
                value: 1.5,
                timestamp: 9,
                start_timestamp: 3,
            }],
            exemplars: vec![v2::Exemplar {
                labels_refs: vec![6, 7],
                value: 2.5,
                timestamp: 8,
            }],
            metadata: Some(v2::Metadata {
                kind: 2,
                help_ref: 5,
                unit_ref: 0,
            }),
            histograms: Vec::new(),
        }],
    };
    let read = read_v2(&request.encode_to_vec()).unwrap();
    assert_eq!(read.refusals.message(), None);
    let [series] = read.series.as_slice() else {
        panic!("{:?}", read.series);
    };
    assert_eq!(series.labels.to_string(), "up{job=\"a\"}");
    assert!(is_same(&series.samples, &[(9, 1.5)]));
    assert_eq!(series.exemplars[0].labels.get("trace_id"), Some("7f"));
    let metadata = series.metadata.as_ref().unwrap();
    assert_eq!(
        (metadata.kind, metadata.help.as_str()),
        (MetricKind::Gauge, "Help.")
    );
}

#[test]
fn references_that_lead_nowhere_are_refused() {
    for (refs, text) in [
        (vec![1, 2, 3], "odd number"),
        (vec![1, 2, 3, 99], "no symbol 99"),
    ] {
        let one = v2::Sample {
            value: 1.0,
            timestamp: 1,
            start_timestamp: 0,
        };
        let with = |refs: Vec<u32>| v2::TimeSeries {
            labels_refs: refs,
            samples: vec![one.clone()],
            ..v2::TimeSeries::default()
        };
        let request = v2::Request {
            symbols: symbols(&["", "__name__", "up", "job"]),
            timeseries: vec![with(refs), with(vec![1, 2])],
        };
        let read = read_v2(&request.encode_to_vec()).unwrap();
        assert_eq!(read.series.len(), 1);
        let message = read.refusals.message().unwrap();
        assert!(message.contains(text), "{message}");
    }
}

#[test]
fn a_series_of_version_two_needs_something_to_store() {
    let request = v2::Request {
        symbols: symbols(&["", "__name__", "up"]),
        timeseries: vec![v2::TimeSeries {
            labels_refs: vec![1, 2],
            ..v2::TimeSeries::default()
        }],
    };
    let read = read_v2(&request.encode_to_vec()).unwrap();
    assert!(read.series.is_empty());
    assert!(read.refusals.message().unwrap().contains("at least one"));
}

#[test]
fn of_many_refusals_some_are_spelled_out() {
    let request = read(vec![series(&[("job", "a")], &[(1, 1.0)]); 5_000]);
    assert_eq!(request.refusals.samples, 5_000);
    let message = request.refusals.message().unwrap();
    assert!(message.len() < 4_096, "{} bytes", message.len());
    assert!(message.contains("and 4990 more"), "{message}");
}

#[test]
fn the_size_is_looked_at_before_anything_is_inflated() {
    let long = snap::raw::Encoder::new()
        .compress_vec(&vec![0; 10_000])
        .unwrap();
    assert!(matches!(
        inflate(&long, 9_999),
        Err(Refused::Inflated {
            size: 10_000,
            limit: 9_999
        })
    ));
    assert_eq!(inflate(&long, 10_000).unwrap().len(), 10_000);
    // A block that promises much and holds nothing.
    let lie = [0xff, 0xff, 0xff, 0x1f, 0x00];
    assert!(matches!(inflate(&lie, 1 << 30), Err(Refused::Snappy(_))));
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z_]{1,6}", "\\PC{1,4}"]
}

fn sorted_labels() -> impl Strategy<Value = Vec<(String, String)>> {
    prop::collection::btree_map(name(), "(?s:.{1,8})", 0..5).prop_map(|mut map| {
        map.insert("__name__".into(), "m".into());
        map.into_iter().collect()
    })
}

fn samples() -> impl Strategy<Value = Vec<(i64, f64)>> {
    prop::collection::btree_map(any::<i64>(), any::<u64>(), 1..6).prop_map(|map| {
        map.into_iter()
            .map(|(time, bits)| (time, f64::from_bits(bits)))
            .collect()
    })
}

proptest! {
    #[test]
    fn what_prost_writes_is_read_the_same(
        sent in prop::collection::vec((sorted_labels(), samples(), samples()), 0..5)
    ) {
        let exemplars = |from: &[(i64, f64)]| -> Vec<v1::Exemplar> {
            from.iter()
                .map(|(timestamp, value)| v1::Exemplar {
                    labels: vec![label("z", "1"), label("a", "2")],
                    value: *value,
                    timestamp: *timestamp,
                })
                .collect()
        };
        let pairs = |labels: &[(String, String)]| -> Vec<v1::Label> {
            labels.iter().map(|(n, v)| label(n, v)).collect()
        };
        let one = v1::WriteRequest {
            timeseries: sent
                .iter()
                .map(|(labels, samples, own)| v1::TimeSeries {
                    labels: pairs(labels),
                    samples: samples.iter().map(|(t, v)| sample(*t, *v)).collect(),
                    exemplars: exemplars(own),
                    histograms: Vec::new(),
                })
                .collect(),
            metadata: Vec::new(),
        };
        let mut table = vec![String::new()];
        let mut reference = |text: &str| {
            let at = table.iter().position(|known| known == text).unwrap_or_else(|| {
                table.push(text.to_owned());
                table.len() - 1
            });
            at as u32
        };
        let timeseries = sent
            .iter()
            .map(|(labels, samples, own)| v2::TimeSeries {
                labels_refs: labels
                    .iter()
                    .flat_map(|(n, v)| [n.clone(), v.clone()])
                    .map(|text| reference(&text))
                    .collect(),
                samples: samples
                    .iter()
                    .map(|(timestamp, value)| v2::Sample {
                        value: *value,
                        timestamp: *timestamp,
                        start_timestamp: 0,
                    })
                    .collect(),
                exemplars: own
                    .iter()
                    .map(|(timestamp, value)| v2::Exemplar {
                        labels_refs: ["z", "1", "a", "2"].map(&mut reference).to_vec(),
                        value: *value,
                        timestamp: *timestamp,
                    })
                    .collect(),
                ..v2::TimeSeries::default()
            })
            .collect();
        let two = v2::Request { symbols: table, timeseries };
        for read in [
            read_v1(&one.encode_to_vec()).unwrap(),
            read_v2(&two.encode_to_vec()).unwrap(),
        ] {
            prop_assert_eq!(read.refusals.message(), None);
            prop_assert_eq!(read.series.len(), sent.len());
            for (series, (labels, samples, own)) in read.series.iter().zip(&sent) {
                prop_assert_eq!(&series.labels, &Labels::new(labels.iter().map(|(n, v)| (n, v))).unwrap());
                prop_assert!(is_same(&series.samples, samples));
                prop_assert_eq!(series.exemplars.len(), own.len());
                let found: Vec<Sample> = series.exemplars.iter().map(|e| e.sample).collect();
                prop_assert!(is_same(&found, own));
                for exemplar in &series.exemplars {
                    prop_assert_eq!(exemplar.labels.get("a"), Some("2"));
                }
            }
        }
    }

    /// What prost reads we read, and find as many samples in it. Two differences are meant: prost
    /// skips groups, which no message here has, and knows not all fields of a histogram.
    #[test]
    fn damaged_messages_are_read_as_prost_reads_them(
        sent in prop::collection::vec((sorted_labels(), samples()), 1..4),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
        is_cut: bool,
    ) {
        let request = v1::WriteRequest {
            timeseries: sent
                .iter()
                .map(|(labels, samples)| v1::TimeSeries {
                    labels: labels.iter().map(|(n, v)| label(n, v)).collect(),
                    samples: samples.iter().map(|(t, v)| sample(*t, *v)).collect(),
                    ..v1::TimeSeries::default()
                })
                .collect(),
            metadata: Vec::new(),
        };
        let mut bytes = request.encode_to_vec();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if is_cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let Ok(theirs) = v1::WriteRequest::decode(bytes.as_slice()) else {
            return Ok(());
        };
        let has_histograms = theirs.timeseries.iter().any(|s| !s.histograms.is_empty());
        match read_v1(&bytes) {
            Ok(ours) => {
                let kept = ours.series.iter().map(|s| {
                    let natives = s.extras.as_ref().map_or(0, |e| e.histograms.len());
                    (s.samples.len() + natives) as u64
                });
                let kept: u64 = kept.sum();
                let sent: u64 = theirs
                    .timeseries
                    .iter()
                    .map(|s| (s.samples.len() + s.histograms.len()) as u64)
                    .sum();
                let lost = ours.refusals.samples + ours.refusals.repeated;
                prop_assert_eq!(kept + lost, sent);
            }
            Err(error) => prop_assert!(
                has_histograms || matches!(error, Malformed::Wire { wire: 3 | 4, .. }),
                "{} in what prost reads: {:?}", error, bytes
            ),
        }
    }

    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read_v1(&bytes);
        let _ = read_v2(&bytes);
        let _ = inflate(&bytes, 1 << 20);
    }
}
