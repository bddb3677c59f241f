//! Our responses read with types that are not ours: those that `grafana-plugin-sdk` generated
//! from Grafana's protocol files, and its own Arrow reader.
#![allow(clippy::unwrap_used, reason = "a test")]

use grafana::{Asked, Legend, encode_response};
use grafana_plugin_sdk::arrow2::array::PrimitiveArray;
use grafana_plugin_sdk::arrow2::io::ipc::read::{FileReader, read_file_metadata};
use grafana_plugin_sdk::pluginv2;
use prost_013::Message;
use series::{Answer, Column, Labels, QueryResult, Series};
use std::io::Cursor;

fn asked(ref_id: &str) -> Asked<'_> {
    Asked {
        ref_id,
        expr: "up",
        step_ms: 15_000,
        legend: &Legend::Auto,
    }
}

fn matrix(series: usize) -> Answer {
    let times: Column<i64> = (0..7)
        .map(|step| 1_700_000_000_000 + step * 15_000)
        .collect();
    let one = |number: usize| Series {
        labels: Labels::new([("__name__", "up"), ("instance", &number.to_string())]).unwrap(),
        times: times.clone(),
        values: (0..7).map(|step| (number * 7 + step) as f64).collect(),
    };
    Answer::new(QueryResult::Matrix((0..series).map(one).collect()))
}

#[test]
fn a_response_reads_with_the_types_of_another_sdk() {
    let (many, none) = (matrix(3), matrix(0));
    let bytes = encode_response(&[(asked("A"), &many), (asked("B"), &none)]).unwrap();
    let response = pluginv2::QueryDataResponse::decode(bytes.freeze()).unwrap();
    let mut ref_ids: Vec<&String> = response.responses.keys().collect();
    ref_ids.sort();
    assert_eq!(ref_ids, ["A", "B"]);
    assert_eq!(response.responses["A"].frames.len(), 3);
    assert_eq!(response.responses["B"].frames.len(), 1);
    assert!(
        response
            .responses
            .values()
            .all(|one| one.error.is_empty() && one.status == 200)
    );
}

#[test]
fn a_frame_reads_with_another_arrow() {
    let many = matrix(3);
    let bytes = encode_response(&[(asked("A"), &many)]).unwrap();
    let response = pluginv2::QueryDataResponse::decode(bytes.freeze()).unwrap();
    for (number, frame) in response.responses["A"].frames.iter().enumerate() {
        let mut file = Cursor::new(frame);
        let metadata = read_file_metadata(&mut file).unwrap();
        let labels: serde_json::Value =
            serde_json::from_str(&metadata.schema.fields[1].metadata["labels"]).unwrap();
        assert_eq!(labels["instance"], number.to_string());
        assert_eq!(metadata.schema.fields[1].name, "up");
        let chunk = FileReader::new(file, metadata, None, None)
            .next()
            .unwrap()
            .unwrap();
        let times: &PrimitiveArray<i64> = chunk.arrays()[0].as_any().downcast_ref().unwrap();
        let values: &PrimitiveArray<f64> = chunk.arrays()[1].as_any().downcast_ref().unwrap();
        let expected_times: Vec<i64> = (0..7)
            .map(|step| (1_700_000_000 + step * 15) * 1_000_000_000)
            .collect();
        let expected_values: Vec<f64> = (0..7).map(|step| (number * 7 + step) as f64).collect();
        assert_eq!(times.values().as_slice(), expected_times);
        assert_eq!(values.values().as_slice(), expected_values);
    }
}
