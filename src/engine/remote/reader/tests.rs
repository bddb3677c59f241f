use super::*;
use proptest::prelude::*;
use series::{HistogramSeries, InstantSample, Labels, Series, Stage};
use std::time::Duration;

const WIDE: Bounds = Bounds {
    samples: u64::MAX,
    series: u64::MAX,
    bytes: u64::MAX,
};

fn read_in(chunks: &[&[u8]], bounds: Bounds) -> Result<Read, ReadError> {
    let mut reader = Reader::new(bounds);
    for chunk in chunks {
        reader.feed(chunk)?;
    }
    reader.finish()
}

fn read(body: &str) -> Result<Read, ReadError> {
    read_in(&[body.as_bytes()], WIDE)
}

fn answer(body: &str) -> Answer {
    match read(body) {
        Ok(Read::Answer {
            answer,
            reached: None,
        }) => answer,
        other => panic!("{other:?}"),
    }
}

fn matrix(body: &str) -> Vec<Series> {
    match answer(body).result {
        QueryResult::Matrix(series) => series,
        other => panic!("{other:?}"),
    }
}

/// The body of a matrix with these series.
fn matrix_body(series: &str) -> String {
    format!(r#"{{"status":"success","data":{{"resultType":"matrix","result":[{series}]}}}}"#)
}

/// The reader that this one must equal: a tree of the whole body, read by the book.
fn plain(body: &[u8]) -> Option<Answer> {
    let root: serde_json::Value = serde_json::from_slice(body).ok()?;
    let data = &root["data"];
    let number = |value: &serde_json::Value| match value {
        serde_json::Value::String(text) => text.parse::<f64>().ok(),
        value => value.as_f64(),
    };
    let time = |value: &serde_json::Value| Some((value.as_f64()? * 1_000.0).round() as i64);
    let notices = |key: &str| -> Vec<String> {
        let all = root[key].as_array().into_iter().flatten();
        all.filter_map(|n| n.as_str().map(str::to_owned)).collect()
    };
    let labels = |element: &serde_json::Value| {
        let pairs = element["metric"].as_object().into_iter().flatten();
        Labels::new(pairs.map(|(n, v)| (n.clone(), v.as_str().unwrap().to_owned()))).unwrap()
    };
    let elements = data["result"].as_array().cloned().unwrap_or_default();
    // A series of histograms alone is none of numbers.
    let has_numbers = |element: &serde_json::Value| {
        !element["histograms"].is_array()
            || element["values"].as_array().is_some_and(|v| !v.is_empty())
    };
    let histograms = |element: &serde_json::Value| -> Option<HistogramSeries> {
        let one = element["histogram"]
            .as_array()
            .map(|_| &element["histogram"]);
        let all = element["histograms"].as_array().into_iter().flatten();
        let mut rows = Vec::new();
        for pair in all.chain(one) {
            for bucket in pair[1]["buckets"].as_array().into_iter().flatten() {
                let numbers = [1, 2, 3].map(|at| number(&bucket[at]));
                rows.push((time(&pair[0])?, bucket[0].as_i64()? as i8, numbers));
            }
        }
        let column = |at: usize| rows.iter().map(|row| row.2[at]).collect::<Option<_>>();
        Some(HistogramSeries {
            labels: labels(element),
            times: rows.iter().map(|row| row.0).collect(),
            boundaries: rows.iter().map(|row| row.1).collect(),
            lowers: column(0)?,
            uppers: column(1)?,
            counts: column(2)?,
            totals: Vec::new(),
        })
    };
    let result = match data["resultType"].as_str()? {
        "matrix" => QueryResult::Matrix(
            elements
                .iter()
                .filter(|element| has_numbers(element))
                .map(|element| {
                    let samples = element["values"].as_array().cloned().unwrap_or_default();
                    Some(Series {
                        labels: labels(element),
                        times: samples.iter().map(|s| time(&s[0])).collect::<Option<_>>()?,
                        values: samples
                            .iter()
                            .map(|s| number(&s[1]))
                            .collect::<Option<_>>()?,
                    })
                })
                .collect::<Option<_>>()?,
        ),
        "vector" => QueryResult::Vector(
            elements
                .iter()
                .filter(|element| element["value"].is_array())
                .map(|element| {
                    Some(InstantSample {
                        labels: labels(element),
                        sample: Sample {
                            time: time(&element["value"][0])?,
                            value: number(&element["value"][1])?,
                        },
                    })
                })
                .collect::<Option<_>>()?,
        ),
        "scalar" => QueryResult::Scalar(Sample {
            time: time(&elements[0])?,
            value: number(&elements[1])?,
        }),
        "string" => QueryResult::String {
            time: time(&elements[0])?,
            value: elements[1].as_str()?.to_owned(),
        },
        _ => return None,
    };
    let mut answer = Answer::new(result);
    answer.histograms = elements
        .iter()
        .filter(|element| element["histograms"].is_array() || element["histogram"].is_array())
        .map(histograms)
        .collect::<Option<_>>()?;
    answer.warnings = notices("warnings");
    answer.infos = notices("infos");
    Some(answer)
}

/// Equal with NaN equal to itself, and zero not to minus zero.
fn same(a: &Answer, b: &Answer) -> bool {
    fn text(answer: &Answer) -> String {
        // Debug writes -0.0 and NaN as they are, and floats so that they read back.
        format!(
            "{:?} {:?} {:?} {:?}",
            answer.result, answer.histograms, answer.warnings, answer.infos
        )
    }
    text(a) == text(b)
}

#[test]
fn a_matrix_comes_in_columns_that_share_their_times() {
    let series = matrix(&matrix_body(
        r#"{"metric":{"__name__":"up","job":"a"},"values":[[1700000000,"1"],[1700000015,"0.5"]]},
           {"metric":{"__name__":"up","job":"b"},"values":[[1700000000,"2"],[1700000015,"NaN"]]}"#,
    ));
    assert_eq!(series[0].labels.to_string(), r#"up{job="a"}"#);
    assert_eq!(
        &series[0].times[..],
        &[1_700_000_000_000, 1_700_000_015_000]
    );
    assert_eq!(&series[0].values[..], &[1.0, 0.5]);
    assert!(series[0].times.is_same(&series[1].times));
    assert!(series[1].values[1].is_nan());
}

#[test]
fn the_four_result_types_are_told_apart() {
    let body = |kind: &str, result: &str| {
        format!(r#"{{"status":"success","data":{{"resultType":"{kind}","result":{result}}}}}"#)
    };
    let vector = answer(&body("vector", r#"[{"metric":{},"value":[1.5,"+Inf"]}]"#));
    let sample = Sample {
        time: 1_500,
        value: f64::INFINITY,
    };
    assert_eq!(
        vector.result,
        QueryResult::Vector(vec![InstantSample {
            labels: Labels::empty(),
            sample
        }])
    );
    for result in [r#"[1.5,"+Inf"]"#, r#"[ 1.5 , "\u002bInf" ]"#] {
        let scalar = answer(&body("scalar", result));
        assert_eq!(scalar.result, QueryResult::Scalar(sample));
    }
    let string = answer(&body(
        "string",
        r#"[1.5,"a\"\\\n\u00e4\ud83d\ude00\ud83d"]"#,
    ));
    assert_eq!(
        string.result,
        QueryResult::String {
            time: 1_500,
            value: "a\"\\\nä😀\u{fffd}".to_owned()
        }
    );
    assert_eq!(
        answer(&body("matrix", "[]")).result,
        QueryResult::Matrix(Vec::new())
    );
    assert_eq!(
        answer(&body("vector", "null")).result,
        QueryResult::Vector(Vec::new())
    );
}

#[test]
fn keys_come_in_any_order_and_unknown_ones_are_passed_over() {
    let series = matrix(
        "\u{20}{ \"extra\" : {\"a\":[1,{\"b\":\"]}\\\"\"}],\"c\":null} , \"data\" : { \"result\" : \
         [ { \"values\" : [ [ 1.001 , 2.5e3 ] , [ 2 , \"-0\" ] ] , \"x\":[[]], \"metric\" : { \"z\" : \"1\" , \
         \"a\" : \"\\u0061\\/b\", \"e\":\"\" } } ] , \"resultType\" : \"matrix\" , \"y\":tr\u{75}e }, \
         \"isPartial\":false, \"status\":\"success\"\n}\n",
    );
    assert_eq!(series[0].labels.to_string(), r#"{a="a/b", z="1"}"#);
    assert_eq!(&series[0].times[..], &[1_001, 2_000]);
    assert_eq!(series[0].values[0], 2_500.0);
    assert!(series[0].values[1].is_sign_negative());
}

#[test]
fn notices_and_statistics_are_kept() {
    let answer = answer(
        r#"{"status":"success","infos":["i1"],"warnings":["w1","w2",3],"data":{"resultType":"matrix",
        "result":[],"stats":{"timings":{"evalTotalTime":0.25,"other":1},"samples":
        {"totalQueryableSamplesPerStep":[[1,2]],"totalQueryableSamples":42,"peakSamples":7}}}}"#,
    );
    assert_eq!(answer.warnings, ["w1", "w2"]);
    assert_eq!(answer.infos, ["i1"]);
    assert_eq!(answer.statistics.samples, Some(42));
    assert_eq!(
        answer.statistics.stages,
        [Stage {
            name: "evalTotalTime",
            elapsed: Duration::from_millis(250)
        }]
    );
    let told = answer.statistics.told.unwrap();
    assert!(told.starts_with(r#"{"timings":{"evalTotalTime":0.25,"other":1}"#));
    assert!(told.ends_with(r#""peakSamples":7}}"#), "{told}");
}

/// The default bound; of the body nothing is kept, and so this needs no memory.
#[test]
fn a_body_of_two_gib_ends_at_the_bound() {
    let bounds = Bounds {
        bytes: 2 << 30,
        ..WIDE
    };
    let mut reader = Reader::new(bounds);
    let head = br#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,"2"]]}],"x":["#;
    assert_eq!(reader.feed(head), Ok(Progress::More));
    // Texts that are passed over: their end is looked for eight bytes at a time.
    let piece = format!("\"{}\",", "x".repeat((8 << 20) - 3));
    for _ in 0..255 {
        assert_eq!(reader.feed(piece.as_bytes()), Ok(Progress::More));
    }
    assert_eq!(
        reader.feed(piece.as_bytes()),
        Ok(Progress::Full(Bound::Bytes))
    );
    let Ok(Read::Answer { answer, reached }) = reader.finish() else {
        panic!("no answer");
    };
    assert_eq!(reached, Some(Bound::Bytes));
    let QueryResult::Matrix(series) = answer.result else {
        panic!("no matrix");
    };
    assert_eq!(&series[0].values[..], [2.0]);
}

#[test]
fn statistics_that_are_no_json_are_an_error_at_their_byte() {
    let body = r#"{"status":"success","data":{"resultType":"matrix","result":[],"stats":{"a":}}}"#;
    let error = read(body).unwrap_err();
    assert_eq!(error.offset, 70);
    assert!(error.reason.contains("statistics"), "{error}");
}

#[test]
fn statistics_beyond_their_bound_keep_only_their_numbers() {
    let steps = vec!["[1700000000,123456]"; MAX_STATISTICS_BYTES / 19].join(",");
    let answer = answer(&format!(
        "{{\"status\":\"success\",\"data\":{{\"resultType\":\"matrix\",\"result\":[],\"stats\":\
         {{\"samples\":{{\"totalQueryableSamples\":42,\"totalQueryableSamplesPerStep\":[{steps}]}}}}}}}}"
    ));
    assert_eq!(answer.statistics.samples, Some(42));
    assert_eq!(answer.statistics.told, None);
}

#[test]
fn a_failed_query_says_what_the_server_says() {
    let body = r#"{"status":"error","errorType":"bad_data","error":"parse \"x\"","data":null}"#;
    assert_eq!(
        read(body),
        Ok(Read::Failed {
            kind: "bad_data".to_owned(),
            message: "parse \"x\"".to_owned()
        })
    );
}

#[test]
fn errors_name_the_byte_where_they_are() {
    for (body, offset, reason) in [
        ("", 0, "the body ends before"),
        ("  \n", 3, "the body ends before"),
        ("<html>", 0, "expected '{', found '<'"),
        (r#"{"status":"success"}"#, 20, "no \"resultType\""),
        (
            r#"{"status":"success","data":{"result":[]}}"#,
            41,
            "no \"resultType\"",
        ),
        (
            r#"{"data":{"resultType":"streams","result":[]}}"#,
            45,
            "unknown result type",
        ),
        (r#"{"data":["a"]}"#, 8, "expected an object"),
        (r#"{"data":{"result":{}}}"#, 18, "expected an array"),
        (r#"{"status""x"}"#, 9, "expected ':'"),
        (r#"{"status":"x" "y"}"#, 14, "expected ',' or '}'"),
        (r#"{"status":"x",}"#, 14, "expected a key"),
        (r#"{"a":tru}"#, 5, "expected a value"),
        (r#"{"a":[1}"#, 8, "the body ends before"),
        (
            r#"{"data":{"result":[{"values":[[1,"x"]]}]}}"#,
            33,
            "not a number",
        ),
        (
            r#"{"data":{"result":[{"values":[[1,"1"],]}]}}"#,
            38,
            "expected a sample",
        ),
        (
            r#"{"data":{"result":[{"values":[["1","1"]]}]}}"#,
            31,
            "expected a number",
        ),
        (
            r#"{"data":{"result":[{"values":[[1]]}]}}"#,
            32,
            "expected ','",
        ),
        (
            r#"{"data":{"result":[{"values":[[1,"1",2]]}]}}"#,
            36,
            "expected ']'",
        ),
        (
            r#"{"data":{"result":[{"values":[[1-2,"1"]]}]}}"#,
            31,
            "not a time",
        ),
        (
            r#"{"data":{"result":[{"metric":{"a":1}}]}}"#,
            34,
            "expected a string",
        ),
        (
            r#"{"data":{"result":[{"metric":{"a":"\q","b":""}}]}}"#,
            35,
            "escape",
        ),
        (
            r#"{"data":{"result":[{"histogram":[1,{"buckets":[[4,"1","2","1"]]}]}]}}"#,
            48,
            "not a boundary rule",
        ),
        (
            r#"{"data":{"result":[{"histograms":[[1,{"buckets":[[0,"1","2"]]}]]}]}}"#,
            59,
            "expected ','",
        ),
        (
            r#"{"data":{"result":[{"histograms":{}}]}}"#,
            33,
            "expected an array",
        ),
        (
            r#"{"data":{"resultType":"scalar","result":[1]}}"#,
            45,
            "a scalar without",
        ),
    ] {
        let error = read(body).unwrap_err();
        assert!(error.reason.contains(reason), "{body}: {error}");
        assert_eq!(error.offset, offset, "{body}: {error}");
        // Wherever the body is cut, the error is at the same byte.
        for cut in 0..=body.len() {
            let (a, b) = body.as_bytes().split_at(cut);
            let cut_error = read_in(&[a, b], WIDE).unwrap_err();
            assert_eq!(cut_error, error, "{body} cut at {cut}");
        }
    }
}

#[test]
fn invalid_utf8_is_an_error_at_its_byte() {
    for body in [
        &b"{\"data\":{\"result\":[{\"metric\":{\"a\":\"x\xff\"}}]}}"[..],
        &b"{\"data\":{\"resultType\":\"strin\xff\"}}"[..],
    ] {
        let error = read_in(&[body], WIDE).unwrap_err();
        assert!(error.reason.contains("UTF-8"), "{error}");
        assert_eq!(
            error.offset as usize,
            body.iter().position(|b| *b == 0xff).unwrap()
        );
    }
}

#[test]
fn a_body_cut_anywhere_is_an_error() {
    let body = matrix_body(
        r#"{"metric":{"a":"b"},"values":[[1700000000,"1"],[1700000015,"22.5"]]},{"metric":{"a":"c"},"values":[[1700000000,"1"]]}"#,
    );
    for cut in 0..body.len() {
        let error = read(&body[..cut]).unwrap_err();
        assert!(error.reason.contains("ends before"), "{cut}: {error}");
        assert_eq!(error.offset as usize, cut);
    }
}

#[test]
fn what_follows_the_answer_does_not_change_it() {
    let body = matrix_body("");
    assert!(matches!(
        read(&format!("{body}\n  junk {{")),
        Ok(Read::Answer { .. })
    ));
}

#[test]
fn of_many_or_long_notices_the_first_are_kept_and_the_rest_counted() {
    let long = "ä".repeat(MAX_NOTICE_BYTES);
    let mut texts: Vec<String> = (0..MAX_NOTICES + 5).map(|i| format!("w{i}")).collect();
    texts[0] = long;
    let warnings = serde_json::to_string(&texts).unwrap();
    let answer = answer(&format!(
        r#"{{"status":"success","warnings":{warnings},"infos":["i"],"data":{{"resultType":"matrix","result":[]}}}}"#
    ));
    assert_eq!(answer.warnings.len(), MAX_NOTICES + 1);
    assert_eq!(answer.warnings[0].len(), MAX_NOTICE_BYTES + "…".len());
    assert_eq!(
        answer.warnings[MAX_NOTICES],
        "5 more warnings were left out"
    );
    assert_eq!(answer.infos, ["i"]);
}

#[test]
fn an_endless_error_is_cut() {
    let error = "x".repeat(MAX_ERROR_BYTES + 1);
    let body = format!(r#"{{"status":"error","errorType":"execution","error":"{error}"}}"#);
    let Ok(Read::Failed { message, .. }) = read(&body) else {
        panic!("an error is no answer");
    };
    assert_eq!(message.len(), MAX_ERROR_BYTES + "…".len());
    assert!(message.ends_with("x…"));
}

#[test]
fn samples_out_of_order_are_sorted_with_a_warning() {
    let answer = answer(&matrix_body(
        r#"{"metric":{},"values":[[3,"3"],[1,"1"],[1,"2"]]}"#,
    ));
    let QueryResult::Matrix(series) = &answer.result else {
        panic!("{answer:?}");
    };
    assert_eq!(&series[0].times[..], &[1_000, 3_000]);
    assert_eq!(&series[0].values[..], &[2.0, 3.0]);
    assert_eq!(answer.warnings.len(), 1);
}

#[test]
fn at_a_bound_the_answer_holds_what_came() {
    let body = matrix_body(
        r#"{"metric":{"a":"1"},"values":[[1,"1"],[2,"2"],[3,"3"]]},{"metric":{"a":"2"},"values":[[1,"1"],[2,"2"]]}"#,
    );
    let within = |bounds: Bounds| match read_in(&[body.as_bytes()], bounds).unwrap() {
        Read::Answer {
            answer:
                Answer {
                    result: QueryResult::Matrix(series),
                    ..
                },
            reached,
        } => {
            let lengths: Vec<usize> = series.iter().map(|s| s.values.len()).collect();
            (lengths, reached)
        }
        other => panic!("{other:?}"),
    };
    let all = vec![3, 2];
    assert_eq!(within(Bounds { samples: 5, ..WIDE }), (all.clone(), None));
    assert_eq!(within(Bounds { series: 2, ..WIDE }), (all.clone(), None));
    let whole = body.len() as u64;
    assert_eq!(
        within(Bounds {
            bytes: whole,
            ..WIDE
        }),
        (all, None)
    );
    assert_eq!(
        within(Bounds { samples: 4, ..WIDE }),
        (vec![3, 1], Some(Bound::Samples))
    );
    assert_eq!(
        within(Bounds { series: 1, ..WIDE }),
        (vec![3], Some(Bound::Series))
    );
    assert_eq!(
        within(Bounds { bytes: 105, ..WIDE }),
        (vec![2], Some(Bound::Bytes))
    );
}

#[test]
fn a_text_without_end_is_refused() {
    let mut reader = Reader::new(WIDE);
    reader.feed(br#"{"error":""#).unwrap();
    let chunk = vec![b'x'; 1 << 20];
    let error = (0..20)
        .find_map(|_| reader.feed(&chunk).err())
        .expect("a bound");
    assert!(error.reason.contains("longer than"), "{error}");
}

#[test]
fn native_histograms_come_in_rows_of_buckets_beside_the_numbers() {
    let matrix = answer(&matrix_body(
        r#"{"metric":{"a":"1"},"histograms":[
             [1,{"count":"4","sum":"5","buckets":[[0,"0.5","1","3"],[3,"-0.1","0.1","0.5"]]}],
             [2.5,{"count":"0","sum":"0"}],
             [3,{"buckets":[[1,"-Inf","+Inf","2"]]}]]},
           {"metric":{"a":"2"},"values":[[1,"1"]]}"#,
    ));
    assert!(matches!(&matrix.result, QueryResult::Matrix(all) if all.len() == 1));
    assert!(matrix.warnings.is_empty());
    let expected = HistogramSeries {
        labels: Labels::new([("a", "1")]).unwrap(),
        times: vec![1_000, 1_000, 3_000].into(),
        boundaries: vec![0, 3, 1].into(),
        lowers: vec![0.5, -0.1, f64::NEG_INFINITY].into(),
        uppers: vec![1.0, 0.1, f64::INFINITY].into(),
        counts: vec![3.0, 0.5, 2.0].into(),
        totals: Vec::new(),
    };
    assert_eq!(matrix.histograms, [expected]);
    let vector = answer(
        r#"{"data":{"result":[{"histogram":[1,{"buckets":[[2,"1","2","7"]]}],"metric":{"a":"1"}}],
            "resultType":"vector"}}"#,
    );
    assert_eq!(vector.result, QueryResult::Vector(Vec::new()));
    assert_eq!(vector.histograms[0].labels.get("a"), Some("1"));
    assert_eq!(&vector.histograms[0].boundaries[..], &[2]);
}

#[test]
fn each_bucket_counts_as_a_sample_and_no_histogram_is_cut() {
    let body = matrix_body(
        r#"{"metric":{"a":"1"},"values":[[1,"1"]],"histograms":[[1,{"buckets":[[0,"1","2","1"]]}],
             [2,{"buckets":[[0,"1","2","1"],[0,"2","3","1"]]}]]},
           {"metric":{"a":"2"},"histograms":[]}"#,
    );
    let within = |samples: u64, series: u64| {
        let bounds = Bounds {
            samples,
            series,
            ..WIDE
        };
        match read_in(&[body.as_bytes()], bounds).unwrap() {
            Read::Answer { answer, reached } => {
                let rows = answer.histograms.iter().map(|s| s.times.len());
                (rows.collect::<Vec<_>>(), reached)
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(within(4, 2), (vec![3, 0], None));
    assert_eq!(within(3, 2), (vec![1], Some(Bound::Samples)));
    assert_eq!(within(4, 1), (vec![3], Some(Bound::Series)));
}

fn space() -> impl Strategy<Value = String> {
    prop_oneof![6 => Just(String::new()), 1 => "[ \t\r\n]{1,3}"]
}

fn json_string(text: &str, escape_all: bool) -> String {
    if escape_all {
        let units = text.encode_utf16();
        let escaped: String = units.map(|unit| format!("\\u{unit:04x}")).collect();
        return format!("\"{escaped}\"");
    }
    serde_json::to_string(text).unwrap()
}

fn value_text() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => any::<f64>().prop_filter("finite", |v| v.is_finite()).prop_map(|v| format!("\"{v}\"")),
        8 => (-1_000_000i64..1_000_000, 0usize..8).prop_map(|(v, p)| format!("\"{}\"", v as f64 / 10f64.powi(p as i32))),
        4 => (0.0f64..1.0).prop_map(|v| format!("\"{v}\"")),
        1 => any::<f64>().prop_filter("finite", |v| v.is_finite()).prop_map(|v| format!("\"{v:e}\"")),
        1 => Just("\"NaN\"".to_owned()),
        1 => Just("\"+Inf\"".to_owned()),
        1 => Just("\"-Inf\"".to_owned()),
        1 => (-1_000i32..1_000).prop_map(|v| v.to_string()),
        1 => Just("\"\\u0031\"".to_owned()),
    ]
}

fn time_text(ms: i64) -> String {
    if ms % 1_000 == 0 {
        (ms / 1_000).to_string()
    } else {
        format!("{}.{:03}", ms / 1_000, ms % 1_000)
    }
}

/// A series's times: a grid with a start, gaps, and sometimes times of its own.
fn times() -> impl Strategy<Value = Vec<i64>> {
    let grid = (
        0usize..6,
        prop::collection::vec(any::<bool>(), 0..40),
        any::<bool>(),
    );
    prop_oneof![
        6 => (grid, prop_oneof![Just(15_000i64), Just(250), Just(60_000)]).prop_map(|((skip, keep, all), step)| {
            keep.iter().enumerate()
                .filter(|(i, keep)| *i >= skip && (all || **keep))
                .map(|(i, _)| 1_700_000_000_000 + i as i64 * step)
                .collect()
        }),
        1 => prop::collection::btree_set(0i64..4_000_000_000_000, 0..20).prop_map(|set| set.into_iter().collect()),
    ]
}

#[derive(Debug, Clone)]
struct Spaces(Vec<String>);

impl Spaces {
    /// Puts space between the tokens of JSON written without any.
    fn apply(&self, json: &str) -> String {
        if self.0.is_empty() {
            return json.to_owned();
        }
        let (mut out, mut in_string, mut escaped, mut next) = (String::new(), false, false, 0);
        for c in json.chars() {
            let structural = !in_string && "{}[],:".contains(c);
            let mut space = || {
                next += 1;
                self.0[next % self.0.len()].clone()
            };
            if structural {
                out.push_str(&space());
            }
            out.push(c);
            if structural {
                out.push_str(&space());
            }
            if in_string {
                in_string = escaped || c != '"';
                escaped = !escaped && c == '\\';
            } else {
                in_string = c == '"';
            }
        }
        out
    }
}

fn labels_json() -> impl Strategy<Value = String> {
    (
        prop::collection::btree_map("[a-c_é]{1,4}", ".{0,12}", 0..5),
        any::<bool>(),
        prop::bool::weighted(0.1),
    )
        .prop_map(|(map, reversed, escape)| {
            let mut members: Vec<String> = map
                .iter()
                .map(|(n, v)| format!("{}:{}", json_string(n, escape), json_string(v, escape)))
                .collect();
            if reversed {
                members.reverse();
            }
            format!("{{{}}}", members.join(","))
        })
}

fn shuffled(members: Vec<String>, order: usize) -> String {
    let mut members = members;
    let count = members.len();
    members.rotate_left(order % count);
    if order % 2 == 1 {
        members.reverse();
    }
    format!("{{{}}}", members.join(","))
}

fn unknown_member() -> impl Strategy<Value = Vec<String>> {
    prop_oneof![
        4 => Just(Vec::new()),
        1 => prop::sample::select(vec![
            r#""x":null"#, r#""y":[1,[],{"a":"]\""}]"#, r#""z":-1.5e3"#, r#""v":{"metric":{"a":"b"}}"#,
            r#""w":"text, \\ \" }""#, r#""t":true"#,
        ]).prop_map(|member| vec![member.to_owned()]),
    ]
}

/// A time and a histogram, in JSON.
fn histogram() -> impl Strategy<Value = String> {
    let bucket = (0..4, value_text(), value_text(), value_text())
        .prop_map(|(rule, lower, upper, count)| format!("[{rule},{lower},{upper},{count}]"));
    let buckets = prop_oneof![
        6 => prop::collection::vec(bucket, 0..5)
            .prop_map(|all| vec![format!("\"buckets\":[{}]", all.join(","))]),
        1 => Just(vec!["\"buckets\":null".to_owned()]),
        1 => Just(Vec::new()),
    ];
    (
        0i64..4_000_000_000_000,
        buckets,
        unknown_member(),
        0usize..4,
    )
        .prop_map(|(time, buckets, unknown, order)| {
            let mut members = vec!["\"count\":\"7\"".to_owned(), "\"sum\":\"NaN\"".to_owned()];
            members.extend(buckets);
            members.extend(unknown);
            format!("[{},{}]", time_text(time), shuffled(members, order))
        })
}

fn histograms_member() -> impl Strategy<Value = Vec<String>> {
    prop_oneof![
        4 => Just(Vec::new()),
        1 => prop::collection::vec(histogram(), 0..4)
            .prop_map(|all| vec![format!("\"histograms\":[{}]", all.join(","))]),
    ]
}

fn matrix_element() -> impl Strategy<Value = String> {
    (
        labels_json(),
        times(),
        prop::collection::vec(value_text(), 40),
        (unknown_member(), histograms_member()),
        0usize..6,
    )
        .prop_map(|(labels, times, values, (unknown, histograms), order)| {
            let samples: Vec<String> = times
                .iter()
                .zip(&values)
                .map(|(time, value)| format!("[{},{value}]", time_text(*time)))
                .collect();
            let mut members = vec![
                format!("\"metric\":{labels}"),
                format!("\"values\":[{}]", samples.join(",")),
            ];
            members.extend(unknown);
            members.extend(histograms);
            // Most servers put the labels first.
            shuffled(members, if order < 4 { 0 } else { order })
        })
}

fn result() -> impl Strategy<Value = (&'static str, String)> {
    let vector_element = (
        labels_json(),
        0i64..4_000_000_000_000,
        prop_oneof![
            4 => value_text().prop_map(Ok),
            1 => histogram().prop_map(Err),
        ],
        unknown_member(),
        0usize..4,
    )
        .prop_map(|(labels, time, value, unknown, order)| {
            let value = match value {
                Ok(value) => format!("\"value\":[{},{value}]", time_text(time)),
                Err(histogram) => format!("\"histogram\":{histogram}"),
            };
            let mut members = vec![format!("\"metric\":{labels}"), value];
            members.extend(unknown);
            shuffled(members, order)
        });
    prop_oneof![
        6 => prop::collection::vec(matrix_element(), 0..6)
            .prop_map(|elements| ("matrix", format!("[{}]", elements.join(",")))),
        2 => prop::collection::vec(vector_element, 0..8)
            .prop_map(|elements| ("vector", format!("[{}]", elements.join(",")))),
        1 => (0i64..4_000_000_000_000, value_text())
            .prop_map(|(time, value)| ("scalar", format!("[{},{value}]", time_text(time)))),
        1 => (0i64..4_000_000_000_000, ".{0,30}")
            .prop_map(|(time, text)| ("string", format!("[{},{}]", time_text(time), json_string(&text, false)))),
    ]
}

fn body() -> impl Strategy<Value = String> {
    (
        result(),
        prop::collection::vec(".{0,10}", 0..3),
        unknown_member(),
        unknown_member(),
        (0usize..6, 0usize..6),
        prop::collection::vec(space(), 0..4),
    )
        .prop_map(
            |((kind, result), warnings, in_root, in_data, orders, spaces)| {
                let mut data = vec![
                    format!("\"resultType\":\"{kind}\""),
                    format!("\"result\":{result}"),
                ];
                data.extend(in_data);
                let mut root = vec![
                    "\"status\":\"success\"".to_owned(),
                    format!("\"data\":{}", shuffled(data, orders.0)),
                    format!("\"warnings\":{}", serde_json::to_string(&warnings).unwrap()),
                ];
                root.extend(in_root);
                Spaces(spaces).apply(&shuffled(root, orders.1))
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn an_answer_cut_anywhere_equals_the_plain_readers(
        body in body(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let expected = plain(body.as_bytes()).expect("the generator writes what the plain reader reads");
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(body.len() + 1)).collect();
        at.sort_unstable();
        let mut chunks = Vec::new();
        let mut from = 0;
        for cut in at {
            chunks.push(&body.as_bytes()[from..cut]);
            from = cut;
        }
        chunks.push(&body.as_bytes()[from..]);
        let Ok(Read::Answer { answer, reached: None }) = read_in(&chunks, WIDE) else {
            panic!("{:?}\n{body}", read_in(&chunks, WIDE));
        };
        prop_assert!(same(&answer, &expected), "{:?}\n{:?}\n{}", answer, expected, body);
    }

    #[test]
    fn an_answer_byte_by_byte_equals_the_plain_readers(body in body()) {
        let expected = plain(body.as_bytes()).expect("the generator writes what the plain reader reads");
        let chunks: Vec<&[u8]> = body.as_bytes().chunks(1).collect();
        let Ok(Read::Answer { answer, reached: None }) = read_in(&chunks, WIDE) else {
            panic!("{:?}\n{body}", read_in(&chunks, WIDE));
        };
        prop_assert!(same(&answer, &expected), "{:?}\n{:?}\n{}", answer, expected, body);
    }

    #[test]
    fn a_damaged_body_is_an_error_or_an_answer_and_no_panic(
        body in body(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
        samples in 0u64..40, series in 0u64..4, bytes in 0u64..2_000,
    ) {
        let mut bytes_of_body = body.into_bytes();
        for (at, byte) in changes {
            let at = at.index(bytes_of_body.len());
            bytes_of_body[at] = byte;
        }
        let (a, b) = bytes_of_body.split_at(cut.index(bytes_of_body.len()));
        let whole = read_in(&[&bytes_of_body], WIDE);
        // NaN is not equal to itself, and so the texts are compared.
        prop_assert_eq!(format!("{:?}", read_in(&[a, b], WIDE)), format!("{whole:?}"));
        let _ = read_in(&[a, b], Bounds { samples, series, bytes });
    }

    #[test]
    fn no_bytes_make_the_reader_panic(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "{", "}", "[", "]", ",", ":", "\"", "\\", "\"data\":", "\"result\":", "\"values\":",
            "[1,\"2\"]", "\"metric\":{", "\"a\":\"b\"", "1", "-", ".5", "null", " ", "\"\"", "\"stats\":{",
            "\"status\":\"success\"", "\"resultType\":\"matrix\"", "[1700000000,\"", "1.5\"],", "\u{e9}",
        ]), 0..60),
        size in 1usize..20,
    ) {
        let body = pieces.concat();
        let chunks: Vec<&[u8]> = body.as_bytes().chunks(size).collect();
        let _ = read_in(&chunks, WIDE);
    }
}
