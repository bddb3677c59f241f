use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};
use series::{
    Answer, Column, HistogramSeries, HistogramTotal, InstantSample, Labels, QueryResult, Sample,
    Series, Stage,
};
use std::time::Duration;

/// The text of all pieces, and their lengths.
fn written(mut pieces: impl Pieces) -> (Vec<u8>, Vec<usize>) {
    let (mut text, mut lengths) = (Vec::new(), Vec::new());
    loop {
        let mut piece = Vec::new();
        let more = pieces.fill(&mut piece);
        lengths.push(piece.len());
        text.extend_from_slice(&piece);
        if !more {
            return (text, lengths);
        }
    }
}

/// The text when all but the first piece is written in parts, and how many these are.
fn in_parts(mut answer: AnswerJson) -> (Vec<u8>, usize) {
    let (mut text, mut parts) = (Vec::new(), 0);
    if answer.fill(&mut text) {
        for mut part in answer.into_parts() {
            let mut piece = Vec::new();
            assert!(!part.fill(&mut piece), "a part is one piece");
            text.extend_from_slice(&piece);
            parts += 1;
        }
    }
    (text, parts)
}

fn read(pieces: impl Pieces) -> Value {
    let (text, _) = written(pieces);
    serde_json::from_slice(&text)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&text)))
}

/// What the API should say of a number: read back, it is the same.
fn number(value: &Value) -> f64 {
    match value.as_str().unwrap() {
        "NaN" => f64::NAN,
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        text => text.parse().unwrap(),
    }
}

fn same(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
}

fn labels_json(labels: &Labels) -> Value {
    let pairs = labels.iter();
    pairs
        .map(|(name, value)| (name.to_owned(), Value::from(value)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn labels() -> impl Strategy<Value = Labels> {
    prop::collection::btree_map(".{0,8}", "(?s:.{0,12})", 0..4)
        .prop_map(|pairs| Labels::new(pairs).unwrap())
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<u64>().prop_map(f64::from_bits),
        (-1_000_000..1_000_000i64).prop_map(|n| n as f64),
        -1e6..1e6f64,
    ]
}

/// Times in milliseconds as JSON numbers are exact: both sides read the same digits.
fn time_json(time: i64) -> Value {
    let sign = if time < 0 { "-" } else { "" };
    let (whole, part) = (time.unsigned_abs() / 1_000, time.unsigned_abs() % 1_000);
    serde_json::from_str(&format!("{sign}{whole}.{part:03}")).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_matrix_reads_back(
        rows in prop::collection::vec((labels(), 0..4usize, 0..4usize), 0..6),
        steps in 1..1_500usize,
        start in -1_000_000_000_000..4_000_000_000_000i64,
        step in 1..100_000i64,
        some in prop::collection::vec(value(), 1..7),
    ) {
        let shared: Column<i64> = (0..steps).map(|i| start + i as i64 * step).collect();
        let matrix: Vec<Series> = rows
            .into_iter()
            .map(|(labels, skip, cut)| {
                // Whole columns, parts of them, and columns of a series's own.
                let end = steps.saturating_sub(cut).max(skip.min(steps));
                let times = match cut {
                    3 => shared.iter().map(|time| time + 1).collect(),
                    _ => shared.slice(skip.min(steps)..end),
                };
                let values = (0..times.len()).map(|i| some[i % some.len()]).collect();
                Series { labels, times, values }
            })
            .collect();
        let answer = Answer::new(QueryResult::Matrix(matrix.clone()));
        let (text, _) = written(AnswerJson::new(answer.clone(), None));
        prop_assert_eq!(&in_parts(AnswerJson::new(answer.clone(), None)).0, &text);
        let read = read(AnswerJson::new(answer, None));
        prop_assert_eq!(&read["data"]["resultType"], "matrix");
        let result = read["data"]["result"].as_array().unwrap();
        prop_assert_eq!(result.len(), matrix.len());
        for (shown, series) in result.iter().zip(&matrix) {
            prop_assert_eq!(&shown["metric"], &labels_json(&series.labels));
            if series.times.is_empty() {
                prop_assert!(shown.get("values").is_none());
                continue;
            }
            let points = shown["values"].as_array().unwrap();
            prop_assert_eq!(points.len(), series.times.len());
            for (i, point) in points.iter().enumerate() {
                prop_assert_eq!(point[0].as_f64(), time_json(series.times[i]).as_f64());
                prop_assert!(same(number(&point[1]), series.values[i]), "{}", point);
            }
        }
    }

    #[test]
    fn texts_read_back(text in "(?s:.{0,60})", control in "[\u{0}-\u{20}\"\\\\]{0,8}") {
        let text = text + &control;
        let mut out = Vec::new();
        push_text(&mut out, &text);
        prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
    }

    #[test]
    fn a_vector_reads_back(rows in prop::collection::vec((labels(), value()), 0..20)) {
        let time = 1_435_781_451_781;
        let vector = rows
            .iter()
            .map(|(labels, value)| InstantSample {
                labels: labels.clone(),
                sample: Sample { time, value: *value },
            })
            .collect();
        let read = read(AnswerJson::new(Answer::new(QueryResult::Vector(vector)), None));
        let result = read["data"]["result"].as_array().unwrap();
        prop_assert_eq!(result.len(), rows.len());
        for (shown, (labels, value)) in result.iter().zip(&rows) {
            prop_assert_eq!(&shown["metric"], &labels_json(labels));
            prop_assert_eq!(shown["value"][0].as_f64(), Some(1_435_781_451.781));
            prop_assert!(same(number(&shown["value"][1]), *value));
        }
    }
}

#[test]
fn a_small_matrix_is_written_as_prometheus_writes_it() {
    let series = |name: &str, values: Vec<f64>| Series {
        labels: Labels::new([("__name__", name), ("job", "a\"b")]).unwrap(),
        times: vec![1_000, 1_500, 3_000].into(),
        values: values.into(),
    };
    let matrix = vec![
        series("a", vec![1.0, f64::NAN, 1e-7]),
        series("b", vec![f64::INFINITY, -0.5, 1e21]),
    ];
    let answer = Answer {
        warnings: vec!["careful".into()],
        infos: vec!["by the way".into()],
        ..Answer::new(QueryResult::Matrix(matrix))
    };
    let (text, _) = written(AnswerJson::new(answer, None));
    assert_eq!(
        String::from_utf8(text).unwrap(),
        concat!(
            r#"{"status":"success","data":{"resultType":"matrix","result":["#,
            r#"{"metric":{"__name__":"a","job":"a\"b"},"#,
            r#""values":[[1,"1"],[1.500,"NaN"],[3,"1e-07"]]},"#,
            r#"{"metric":{"__name__":"b","job":"a\"b"},"#,
            r#""values":[[1,"+Inf"],[1.500,"-0.5"],[3,"1e+21"]]}"#,
            r#"]},"warnings":["careful"],"infos":["by the way"]}"#,
        )
    );
}

#[test]
fn scalars_and_strings_are_points() {
    let scalar = QueryResult::Scalar(Sample {
        time: 1_001,
        value: 2.5,
    });
    let read_scalar = read(AnswerJson::new(Answer::new(scalar), None));
    assert_eq!(
        read_scalar["data"],
        json!({"resultType": "scalar", "result": [1.001, "2.5"]})
    );
    let string = QueryResult::String {
        time: 2_000,
        value: "a\nb".into(),
    };
    let read_string = read(AnswerJson::new(Answer::new(string), None));
    assert_eq!(
        read_string["data"],
        json!({"resultType": "string", "result": [2, "a\nb"]})
    );
}

#[test]
fn parts_written_side_by_side_are_the_same_text() {
    let times: Column<i64> = (0..500).map(|step| step * 15_000).collect();
    let labels = |i: usize| Labels::new([("__name__", "m"), ("n", &i.to_string())]).unwrap();
    let series = |i: usize| Series {
        labels: labels(i),
        times: times.clone(),
        values: (0..500).map(|step| (step * i) as f64 / 3.0).collect(),
    };
    let sample = |i: usize| InstantSample {
        labels: labels(i),
        sample: Sample {
            time: 1,
            value: i as f64,
        },
    };
    let matrix = QueryResult::Matrix((0..200).map(series).collect());
    let vector = QueryResult::Vector((0..10_000).map(sample).collect());
    for result in [matrix, vector] {
        let mut answer = Answer::new(result);
        answer.warnings.push("look out".into());
        let (text, _) = written(AnswerJson::new(answer.clone(), None));
        let (joined, parts) = in_parts(AnswerJson::new(answer, None));
        assert!(joined == text && parts > 4, "{parts} parts");
    }
}

#[test]
fn statistics_stand_beside_the_result_when_asked_for() {
    let mut answer = Answer::new(QueryResult::Vector(Vec::new()));
    answer.statistics.samples = Some(17);
    answer.statistics.series = Some(3);
    answer.statistics.stages.push(Stage {
        name: "evaluate",
        elapsed: Duration::from_millis(250),
    });
    let shown = StatisticsJson {
        elapsed: Duration::from_millis(500),
    };
    let read = read(AnswerJson::new(answer, Some(&shown)));
    let stats = &read["data"]["stats"];
    assert_eq!(stats["samples"]["totalQueryableSamples"], 17);
    assert_eq!(stats["series"], 3);
    assert_eq!(stats["timings"]["execTotalTime"], 0.5);
    assert_eq!(stats["timings"]["evalTotalTime"], 0.25);
    assert_eq!(stats["stages"]["evaluate"], 0.25);
}

#[test]
fn large_answers_come_in_pieces_of_bounded_size() {
    let times: Column<i64> = (0..11_000).map(|i| i * 1_000).collect();
    let matrix = (0..20)
        .map(|n| Series {
            labels: Labels::new([("n", n.to_string())]).unwrap(),
            times: times.clone(),
            values: (0..11_000).map(|i| f64::from(i) / 7.0).collect(),
        })
        .collect();
    let (text, lengths) = written(AnswerJson::new(
        Answer::new(QueryResult::Matrix(matrix)),
        None,
    ));
    assert!(lengths.len() > 50, "{} pieces", lengths.len());
    // A run of points may follow when a piece is nearly full.
    assert!(lengths.iter().all(|length| *length < 2 * PIECE_BYTES));
    let read: Value = serde_json::from_slice(&text).unwrap();
    let last = &read["data"]["result"][19]["values"][10_999];
    assert_eq!(last, &json!([10_999, (10_999.0 / 7.0).to_string()]));
}

#[test]
fn lists_come_in_pieces_too() {
    let names: Vec<String> = (0..20_000).map(|n| format!("metric_{n}")).collect();
    let push = |out: &mut Vec<u8>, name: &String| push_text(out, name);
    let (text, lengths) = written(ListJson::new(names.clone(), push, vec!["cut".into()]));
    assert!(lengths.len() > 3);
    let read: Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(
        read,
        json!({"status": "success", "data": names, "warnings": ["cut"]})
    );
}

#[test]
fn of_many_notices_ten_are_shown() {
    let notices: Vec<String> = (0..13).map(|n| n.to_string()).collect();
    let mut out = b"{\"a\":1".to_vec();
    push_notices(&mut out, &notices, &[]);
    out.push(b'}');
    let read: Value = serde_json::from_slice(&out).unwrap();
    let warnings = read["warnings"].as_array().unwrap();
    assert_eq!(warnings.len(), 11);
    assert_eq!(warnings[10], "3 more warning annotations omitted");
}

/// `h` with two histograms, of which the second has no observations.
fn histograms(labels: &Labels) -> HistogramSeries {
    HistogramSeries {
        labels: labels.clone(),
        times: vec![1_000, 1_000].into(),
        boundaries: vec![3, 0].into(),
        lowers: vec![-0.5, 1.0].into(),
        uppers: vec![0.5, f64::INFINITY].into(),
        counts: vec![2.0, 0.25].into(),
        totals: vec![
            HistogramTotal {
                time: 1_000,
                count: 2.25,
                sum: f64::NAN,
            },
            HistogramTotal {
                time: 2_000,
                count: 0.0,
                sum: 0.0,
            },
        ],
    }
}

const FIRST: &str =
    r#"[1,{"count":"2.25","sum":"NaN","buckets":[[3,"-0.5","0.5","2"],[0,"1","+Inf","0.25"]]}]"#;
const SECOND: &str = r#"[2,{"count":"0","sum":"0"}]"#;

#[test]
fn native_histograms_stand_beside_the_numbers_of_a_matrix() {
    let [a, b, c] = ["a", "b", "c"].map(|name| Labels::new([("__name__", name)]).unwrap());
    let numbers = |labels: &Labels| Series {
        labels: labels.clone(),
        times: vec![3_000].into(),
        values: vec![7.0].into(),
    };
    let answer = || Answer {
        histograms: vec![histograms(&b), histograms(&c)],
        ..Answer::new(QueryResult::Matrix(vec![numbers(&a), numbers(&c)]))
    };
    let expected = format!(
        r#"{{"status":"success","data":{{"resultType":"matrix","result":[{{"metric":{{"__name__":"a"}},"values":[[3,"7"]]}},{{"metric":{{"__name__":"b"}},"histograms":[{FIRST},{SECOND}]}},{{"metric":{{"__name__":"c"}},"values":[[3,"7"]],"histograms":[{FIRST},{SECOND}]}}]}}}}"#
    );
    let (text, _) = written(AnswerJson::new(answer(), None));
    assert_eq!(String::from_utf8(text).unwrap(), expected);
}

#[test]
fn native_histograms_stand_behind_the_numbers_of_a_vector() {
    let labels = |name: &str| Labels::new([("__name__", name)]).unwrap();
    let mut one = histograms(&labels("h"));
    one.totals.truncate(1);
    for numbers in [0, 1, 20_000] {
        let sample = |at: i32| InstantSample {
            labels: labels(&format!("a{at}")),
            sample: Sample {
                time: 1_000,
                value: 1.0,
            },
        };
        let answer = Answer {
            histograms: vec![one.clone()],
            ..Answer::new(QueryResult::Vector((0..numbers).map(sample).collect()))
        };
        let (text, _) = in_parts(AnswerJson::new(answer, None));
        let read: Value = serde_json::from_slice(&text).unwrap();
        let result = read["data"]["result"].as_array().unwrap();
        assert_eq!(result.len(), numbers as usize + 1);
        let last = result.last().unwrap();
        assert_eq!(last["metric"], json!({"__name__": "h"}));
        let expected: Value = serde_json::from_str(FIRST).unwrap();
        assert_eq!(last["histogram"], expected);
    }
}

proptest! {
    #[test]
    fn any_text_is_a_json_string(text in "(?s).{0,40}", wild in prop::collection::vec(0_u8..128, 0..40)) {
        for text in [text.as_str(), std::str::from_utf8(&wild).unwrap()] {
            let mut out = Vec::new();
            push_text(&mut out, text);
            let read: String = serde_json::from_slice(&out).unwrap();
            prop_assert_eq!(read, text);
        }
    }
}
