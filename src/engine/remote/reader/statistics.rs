//! What a query cost, as servers tell it (`stats=all`).

use super::MAX_STATISTICS_BYTES;
use serde_json::Value;
use series::{Stage, Statistics};
use std::time::Duration;

/// The timings that Prometheus tells, in seconds.
const STAGES: [&str; 6] = [
    "evalTotalTime",
    "resultSortTime",
    "queryPreparationTime",
    "innerEvalTime",
    "execQueueTime",
    "execTotalTime",
];

/// Reads the object under `stats`: Prometheus's numbers where they stand, and the text itself,
/// for every server tells something else.
pub(super) fn read(json: &[u8]) -> Result<Statistics, serde_json::Error> {
    let told: Value = serde_json::from_slice(json)?;
    let stages = STAGES.into_iter().filter_map(|name| {
        let seconds = told["timings"][name].as_f64()?;
        let elapsed = Duration::try_from_secs_f64(seconds).ok()?;
        Some(Stage { name, elapsed })
    });
    let text = std::str::from_utf8(json).ok();
    Ok(Statistics {
        series: None,
        samples: told["samples"]["totalQueryableSamples"].as_u64(),
        stages: stages.collect(),
        told: text
            .filter(|text| text.len() <= MAX_STATISTICS_BYTES)
            .map(Box::from),
    })
}
