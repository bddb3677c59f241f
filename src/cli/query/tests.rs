use super::*;
use crate::fake::{FakeMachine, NOW};
use series::{InstantSample, Labels, Sample, Series};

fn one_sample() -> FakeMachine {
    FakeMachine::answering(QueryResult::Vector(vec![InstantSample {
        labels: Labels::new([("__name__", "up")]).unwrap(),
        sample: Sample {
            time: NOW,
            value: 1.0,
        },
    }]))
}

fn one_series() -> FakeMachine {
    FakeMachine::answering(QueryResult::Matrix(vec![Series {
        labels: Labels::new([("__name__", "up")]).unwrap(),
        times: vec![NOW - 60_000, NOW].into(),
        values: vec![0.0, 1.0].into(),
    }]))
}

fn asked(machine: &FakeMachine, arguments: &[&str]) -> String {
    let line = [&["query", "up", "--data-dir", "data"], arguments].concat();
    let (ending, _, err) = machine.run(&line);
    assert_eq!(ending, Ending::Good, "{err}");
    machine.asked.lock().unwrap().pop().unwrap()
}

#[test]
fn times_are_relative_to_now_where_they_say_so() {
    let machine = one_sample();
    assert_eq!(asked(&machine, &[]), "up at 0");
    assert_eq!(asked(&machine, &["--time", "-1h"]), "up at -3600000");
    assert_eq!(asked(&machine, &["--time=1714564801"]), "up at 1000");
    let machine = one_series();
    let range = |arguments: &[&str]| asked(&machine, arguments);
    assert_eq!(range(&["--start", "-1h"]), "up from -3600000 to 0 by 16000");
    assert_eq!(
        range(&["--start", "-1h", "--end", "now-30m", "--step", "15"]),
        "up from -3600000 to -1800000 by 15000"
    );
    assert_eq!(range(&["--start", "-5s"]), "up from -5000 to 0 by 1000");
}

#[test]
fn an_answer_is_written_in_the_form_that_is_asked_for() {
    let written = |machine: &FakeMachine, arguments: &[&str]| {
        let line = [&["query", "up", "--data-dir", "data"], arguments].concat();
        let (ending, out, err) = machine.run(&line);
        assert_eq!(ending, Ending::Good, "{err}");
        out
    };
    let instant = one_sample();
    assert_eq!(written(&instant, &[]), "value  series\n    1  up\n");
    assert_eq!(
        written(&instant, &["--output", "csv"]),
        "__name__,time,value\nup,2024-05-01T12:00:00Z,1\n"
    );
    let json = written(&instant, &["--output", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["data"]["resultType"], "vector");
    assert_eq!(json["data"]["result"][0]["value"][1], "1");
    let range = one_series();
    let chart = written(&range, &["--start", "-1m"]);
    assert!(chart.starts_with("up\n         1 ┤"), "{chart}");
    let table = written(&range, &["--start", "-1m", "--output", "table"]);
    assert!(table.contains("  2024-05-01T11:59:00Z      0\n"), "{table}");
    let json = written(&range, &["--start", "-1m", "--output", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["data"]["result"][0]["values"][0][1], "0");
}

#[test]
fn a_wrong_expression_is_no_answer_and_its_place_is_marked() {
    let mut machine = one_sample();
    machine.answer = Some(Err(engine::Error::Api {
        status: 400,
        kind: "bad_data".to_owned(),
        message: "invalid parameter \"query\": 1:5: parse error: what is rat?".to_owned(),
    }));
    let (ending, out, err) = machine.run(&["query", "sum(rat(x))", "--data-dir", "data"]);
    assert_eq!((ending, out.as_str()), (Ending::Bad, ""));
    assert!(err.ends_with("\n\n  sum(rat(x))\n      ^\n"), "{err}");
    // The API looks at the expression itself.
    let json = [
        "query",
        "sum(rat(x))",
        "--data-dir",
        "data",
        "--output",
        "json",
    ];
    let (ending, out, err) = machine.run(&json);
    assert_eq!((ending, out.as_str()), (Ending::Bad, ""));
    assert!(err.ends_with("\n\n  sum(rat(x))\n      ^\n"), "{err}");
}

#[test]
fn a_server_that_is_not_there_is_no_answer() {
    // Port 9 is discard, which nothing on a test machine serves.
    let line = ["query", "up", "--url", "http://127.0.0.1:9"];
    let (ending, _, err) = FakeMachine::default().run(&line);
    assert_eq!(ending, Ending::Bad);
    assert!(err.contains("127.0.0.1:9"), "{err}");
}

#[test]
fn wrong_usage_is_told_apart_from_no_answer() {
    let machine = one_sample();
    for (arguments, part) in [
        (&["up"][..], "--url"),
        (
            &["up", "--data-dir", "data", "--url", "http://x"],
            "cannot be used with",
        ),
        (&["up", "--data-dir", "elsewhere"], "There is no elsewhere."),
        (
            &["up", "--data-dir", "data", "--time", "soon"],
            "2024-05-01T12:00:00Z",
        ),
        (
            &["up", "--data-dir", "data", "--start", "now", "--end", "-1h"],
            "before it begins",
        ),
        (&["up", "--data-dir", "data", "--end", "now"], "--start"),
        (
            &["up", "--data-dir", "data", "--output", "chart"],
            "--start -1h",
        ),
        (
            &["up", "--data-dir", "data", "--start", "-1h", "--step", "0"],
            "--step",
        ),
        (&["up", "--url", "no url"], "url"),
    ] {
        let line = [&["query"], arguments].concat();
        let (ending, out, err) = machine.run(&line);
        assert_eq!((ending, out.as_str()), (Ending::Usage, ""), "{arguments:?}");
        assert!(err.contains(part), "{arguments:?}: {err}");
    }
    assert!(machine.asked.lock().unwrap().is_empty());
}
