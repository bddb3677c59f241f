use super::*;
use arrow_ipc::reader::FileReader;
use series::{Exemplar, HistogramSeries, Sample, SeriesExemplars, Stage};
use std::collections::HashMap;
use std::io::Cursor;
use std::time::Duration;

/// A field's name and its metadata as JSON.
type SeenField = (String, HashMap<String, Value>);

/// What a reader finds in a frame besides its values.
struct Seen {
    name: String,
    ref_id: String,
    meta: Value,
    fields: Vec<SeenField>,
    rows: usize,
}

fn read(frames: &Frames) -> Vec<Seen> {
    let json = |text: &String| serde_json::from_str::<Value>(text).unwrap();
    let read_one = |bytes: Vec<u8>| {
        let file = FileReader::try_new(Cursor::new(bytes), None).unwrap();
        let schema = file.schema();
        let metadata: HashMap<String, String> = schema.metadata().clone().into();
        Seen {
            name: metadata["name"].clone(),
            ref_id: metadata["refId"].clone(),
            meta: metadata.get("meta").map(json).unwrap_or_default(),
            fields: schema
                .fields()
                .iter()
                .map(|field| {
                    let metadata: HashMap<String, String> = field.metadata().clone().into();
                    let metadata = metadata.iter().map(|(k, v)| (k.clone(), json(v))).collect();
                    (field.name().clone(), metadata)
                })
                .collect(),
            rows: file.map(|batch| batch.unwrap().num_rows()).sum(),
        }
    };
    frames.to_bytes().into_iter().map(read_one).collect()
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    Labels::new(pairs.iter().copied()).unwrap()
}

fn series(pairs: &[(&str, &str)], values: &[f64]) -> Series {
    Series {
        labels: labels(pairs),
        times: (0..values.len() as i64).map(|step| step * 15_000).collect(),
        values: values.to_vec().into(),
    }
}

fn frames_of(answer: &Answer, legend: Legend) -> Vec<Seen> {
    let asked = Asked {
        ref_id: "A",
        expr: "sum(up)",
        step_ms: 60_000,
        legend: &legend,
    };
    let mut frames = Frames::default();
    push_answer(&mut frames, answer, &asked).unwrap();
    read(&frames)
}

fn legend_of(pairs: &[(&str, &str)], legend: Legend) -> Option<String> {
    let answer = Answer::new(QueryResult::Matrix(vec![series(pairs, &[1.0])]));
    let frames = frames_of(&answer, legend);
    let config = frames[0].fields[1].1.get("config")?;
    Some(config["displayNameFromDS"].as_str()?.to_owned())
}

#[test]
fn a_matrix_is_a_frame_for_each_series() {
    let mut answer = Answer::new(QueryResult::Matrix(vec![
        series(&[("__name__", "up"), ("job", "a")], &[1.0, f64::NAN]),
        series(&[("job", "b")], &[1.0]),
    ]));
    answer.statistics = Statistics {
        series: Some(2),
        samples: Some(3),
        ..Statistics::default()
    };
    let frames = frames_of(&answer, Legend::Auto);
    assert_eq!(frames.len(), 2);
    assert_eq!(
        (frames[0].name.as_str(), frames[0].ref_id.as_str()),
        ("", "A")
    );
    assert_eq!(
        frames[0].meta,
        json!({
            "type": "timeseries-multi",
            "typeVersion": [0, 1],
            "custom": {
                "resultType": "matrix",
                "calculatedMinStep": 60_000,
                "stats": { "series": 2, "samples": 3 },
            },
            "stats": [
                { "displayName": "Series selected", "unit": "short", "value": 2 },
                { "displayName": "Samples read", "unit": "short", "value": 3 },
            ],
            "executedQueryString": "Expr: sum(up)\nStep: 1m0s",
        })
    );
    assert_eq!(
        frames[1].meta,
        json!({
            "type": "timeseries-multi",
            "typeVersion": [0, 1],
            "custom": { "resultType": "matrix" },
        })
    );
    let time = (
        "Time".to_owned(),
        HashMap::from([("config".to_owned(), json!({"interval": 60_000}))]),
    );
    assert_eq!(frames[0].fields[0], time);
    assert_eq!(frames[1].fields[0], time);
    assert_eq!(frames[0].fields[1].0, "up");
    assert_eq!(
        frames[0].fields[1].1["labels"],
        json!({"__name__": "up", "job": "a"})
    );
    assert_eq!(frames[1].fields[1].0, "Value");
    assert_eq!((frames[0].rows, frames[1].rows), (2, 1));
}

#[test]
fn a_servers_statistics_are_passed_on_in_its_own_words() {
    let mut answer = Answer::new(QueryResult::Matrix(Vec::new()));
    answer.statistics = Statistics {
        samples: Some(42),
        stages: vec![Stage {
            name: "evalTotalTime",
            elapsed: Duration::from_micros(1_500),
        }],
        told: Some(r#"{"timings":{"evalTotalTime":0.0015},"peak":7}"#.into()),
        ..Statistics::default()
    };
    let frames = frames_of(&answer, Legend::Auto);
    assert_eq!(
        frames[0].meta["custom"]["stats"],
        json!({ "timings": { "evalTotalTime": 0.0015 }, "peak": 7 })
    );
    assert_eq!(
        frames[0].meta["stats"],
        json!([
            { "displayName": "Samples read", "unit": "short", "value": 42 },
            { "displayName": "evalTotalTime", "unit": "ms", "value": 1.5 },
        ])
    );
}

#[test]
fn vectors_and_scalars_are_numbers_at_one_time() {
    let sample = Sample {
        time: 5,
        value: 2.0,
    };
    let one = InstantSample {
        labels: labels(&[("job", "a")]),
        sample,
    };
    let vector = Answer::new(QueryResult::Vector(vec![one.clone(), one]));
    let scalar = Answer::new(QueryResult::Scalar(sample));
    for (answer, result_type, count) in [(vector, "vector", 2), (scalar, "scalar", 1)] {
        let frames = frames_of(&answer, Legend::Auto);
        assert_eq!(frames.len(), count);
        assert_eq!(frames[0].meta["type"], "numeric-multi");
        assert_eq!(frames[0].meta["typeVersion"], json!([0, 1]));
        assert_eq!(frames[0].meta["custom"]["resultType"], result_type);
        assert_eq!(frames[0].rows, 1);
        assert!(frames[0].fields[1].1["labels"].is_object());
    }
}

#[test]
fn a_string_is_a_frame_of_text() {
    let answer = Answer::new(QueryResult::String {
        time: 5,
        value: "hello".into(),
    });
    let frames = frames_of(&answer, Legend::Auto);
    assert_eq!(frames[0].meta["type"], "timeseries-multi");
    assert_eq!(frames[0].meta["typeVersion"], json!([0, 0]));
    assert_eq!(frames[0].meta["custom"]["resultType"], "string");
    assert_eq!((frames[0].fields.len(), frames[0].rows), (2, 1));
}

fn histogram(pairs: &[(&str, &str)]) -> HistogramSeries {
    HistogramSeries {
        labels: labels(pairs),
        times: vec![1_000, 1_000].into(),
        boundaries: vec![0, 3].into(),
        lowers: vec![0.5, -0.1].into(),
        uppers: vec![1.0, 0.1].into(),
        counts: vec![3.0, 0.5].into(),
        totals: Vec::new(),
    }
}

#[test]
fn native_histograms_are_heatmap_cells_with_a_row_per_bucket() {
    let mut answer = Answer::new(QueryResult::Matrix(Vec::new()));
    answer.histograms = vec![
        histogram(&[("__name__", "h"), ("job", "a")]),
        histogram(&[]),
    ];
    answer.warnings.push("w".into());
    let notices = json!([{ "severity": "warning", "text": "w" }]);
    let frames = frames_of(&answer, Legend::Verbose);
    assert_eq!(frames.len(), 2);
    assert_eq!(
        (frames[0].name.as_str(), frames[0].ref_id.as_str()),
        ("", "A")
    );
    assert_eq!(
        frames[0].meta,
        json!({
            "type": "heatmap-cells",
            "typeVersion": [0, 0],
            "notices": notices,
            "custom": { "calculatedMinStep": 60_000 },
            "executedQueryString": "Expr: sum(up)\nStep: 1m0s",
        })
    );
    assert_eq!(
        frames[1].meta,
        json!({ "type": "heatmap-cells", "typeVersion": [0, 0], "notices": notices })
    );
    let job = json!({ "__name__": "h", "job": "a" });
    let field = |name: &str, config: Option<Value>| {
        let mut metadata = HashMap::from([("labels".to_owned(), job.clone())]);
        metadata.extend(config.map(|config| ("config".to_owned(), config)));
        (name.to_owned(), metadata)
    };
    assert_eq!(
        frames[0].fields,
        [
            field("xMax", Some(json!({ "interval": 60_000 }))),
            field("yMin", Some(json!({ "displayNameFromDS": "h{job=\"a\"}" }))),
            field("yMax", None),
            field("count", None),
            field("yLayout", None),
        ]
    );
    assert_eq!((frames[0].rows, frames[1].rows), (2, 2));
    assert_eq!(
        frames[1].fields[1].1["config"]["displayNameFromDS"],
        "sum(up)"
    );
}

#[test]
fn histograms_beside_numbers_follow_them() {
    let numbers = vec![series(&[("job", "a")], &[1.0])];
    let mut answer = Answer::new(QueryResult::Matrix(numbers));
    answer.histograms = vec![histogram(&[("job", "b")])];
    let frames = frames_of(&answer, Legend::Auto);
    let kinds: Vec<&Value> = frames.iter().map(|frame| &frame.meta["type"]).collect();
    assert_eq!(kinds, ["timeseries-multi", "heatmap-cells"]);
    assert!(frames[0].meta.get("executedQueryString").is_some());
    assert!(frames[1].meta.get("executedQueryString").is_none());
    assert!(frames[1].meta.get("custom").is_none());
    // The frontend names series that have labels.
    assert!(!frames[1].fields[1].1.contains_key("config"));
}

#[test]
fn an_empty_result_is_one_frame_that_still_says_what_was_asked() {
    for result in [
        QueryResult::Matrix(Vec::new()),
        QueryResult::Vector(Vec::new()),
    ] {
        let mut answer = Answer::new(result);
        let frames = frames_of(&answer, Legend::Auto);
        assert_eq!((frames.len(), frames[0].fields.len()), (1, 0));
        assert_eq!(frames[0].name, "");
        assert_eq!(
            frames[0].meta["executedQueryString"],
            "Expr: sum(up)\nStep: 1m0s"
        );
        answer.warnings.push("w".into());
        assert_eq!(frames_of(&answer, Legend::Auto)[0].name, "Warnings");
    }
}

#[test]
fn notices_stand_on_every_frame_warnings_first() {
    let one = || series(&[("job", "a")], &[1.0]);
    let mut answer = Answer::new(QueryResult::Matrix(vec![one(), one()]));
    answer.infos.push("an info".into());
    answer.warnings.push("a warning".into());
    for frame in frames_of(&answer, Legend::Auto) {
        assert_eq!(
            frame.meta["notices"],
            json!([
                { "severity": "warning", "text": "a warning" },
                { "severity": "info", "text": "an info" },
            ])
        );
    }
}

#[test]
fn legends_name_series_as_the_prometheus_data_source_does() {
    let template = |text: &str| Legend::Template(text.to_owned());
    let up = [("__name__", "up"), ("job", "wi\"ki\n")];
    for (pairs, legend, expected) in [
        (&up[..], Legend::Auto, None),
        (&up, Legend::Verbose, Some(r#"up{job="wi\"ki\n"}"#)),
        (&up[..1], Legend::Verbose, Some("up")),
        (&[], Legend::Verbose, Some("sum(up)")),
        (&[], Legend::Auto, Some("sum(up)")),
        (
            &[("a", "1"), ("b", "2")],
            Legend::Verbose,
            Some(r#"{a="1", b="2"}"#),
        ),
        (
            &up,
            template("{{ job }} of {{nothing}}!"),
            Some("wi\"ki\n of !"),
        ),
        (&up, template("{{job"), Some("{{job")),
        (&up, template("{{}}"), Some("{{}}")),
        (&up, template("{{nothing}}"), None),
        (&up, template("{}"), Some("sum(up)")),
    ] {
        assert_eq!(
            legend_of(pairs, legend.clone()).as_deref(),
            expected,
            "{legend:?}"
        );
    }
}

fn exemplars(pairs: &[(&str, &str)], points: &[(i64, f64, &str)]) -> SeriesExemplars {
    SeriesExemplars {
        labels: labels(pairs),
        exemplars: points
            .iter()
            .map(|(time, value, trace)| Exemplar {
                labels: labels(&[("trace_id", trace)]),
                sample: Sample {
                    time: *time,
                    value: *value,
                },
            })
            .collect(),
    }
}

#[test]
fn a_step_shows_its_greatest_exemplar_and_those_far_below_it() {
    let asked = Asked {
        ref_id: "A",
        expr: "h",
        step_ms: 60_000,
        legend: &Legend::Auto,
    };
    let all = [
        exemplars(
            &[("le", "1")],
            &[(1_000, 1.0, "low"), (70_000, 1.0, "next step")],
        ),
        exemplars(
            &[("le", "10")],
            &[(2_000, 10.0, "high"), (3_000, 9.9, "close to high")],
        ),
        exemplars(&[("le", "10")], &[(80_000, 1.0, "x"); 12]),
    ];
    let frame = exemplar_frame(&all, &asked).unwrap();
    assert_eq!(
        (frame.name.as_str(), frame.ref_id.as_str()),
        ("exemplar", "A")
    );
    let names: Vec<&str> = frame
        .fields
        .iter()
        .map(|field| field.name.as_str())
        .collect();
    assert_eq!(names, ["Time", "Value", "le", "trace_id"]);
    let Values::Text(traces) = &frame.fields[3].values else {
        panic!("not text")
    };
    assert_eq!(traces, &["low", "high", "next step"]);
    assert!(exemplar_frame(&[], &asked).is_none());
}
