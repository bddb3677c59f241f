//! A query that is asked again and again, at the pace of its step, for panels that live.

use super::{Channel, Packets};
use crate::answers::labels_json;
use crate::instances::Instance;
use crate::panel_query::PanelQuery;
use crate::proto::pluginv2::{DataQuery, TimeRange};
use bytes::Bytes;
use engine::Context;
use futures_util::stream;
use jiff::Timestamp;
use query::{InstantQuery, Kind};
use serde_json::{Value, json};
use series::{InstantSample, Labels, QueryResult};
use std::sync::Arc;
use std::time::Duration;
use tonic::Status;

/// No stream asks more often.
const MIN_INTERVAL: Duration = Duration::from_millis(500);
/// Most series of one packet; a live panel with more cannot be read.
const MAX_SERIES: usize = 1_000;
/// The span of time for which `$__range` stands in a live query.
const RANGE_MS: i64 = 5 * 60_000;

/// Serves `query/<key>`; the subscription's data is the panel's query JSON.
pub(super) struct LiveQuery {
    now: fn() -> Timestamp,
}

impl LiveQuery {
    pub(super) fn new(now: fn() -> Timestamp) -> Self {
        Self { now }
    }
}

impl Channel for LiveQuery {
    fn prefix(&self) -> &'static str {
        "query"
    }

    fn run(&self, instance: Arc<Instance>, data: &[u8]) -> Result<Packets, Status> {
        let end = (self.now)().as_millisecond();
        let query = DataQuery {
            ref_id: "live".to_owned(),
            json: data.to_vec().into(),
            time_range: Some(TimeRange {
                from_epoch_ms: end - RANGE_MS,
                to_epoch_ms: end,
            }),
            ..DataQuery::default()
        };
        let invalid = |reason: String| Status::invalid_argument(reason);
        let mut panel = PanelQuery::parse(&query, instance.scrape_interval_ms)
            .map_err(|error| invalid(error.to_string()))?;
        panel.question.kind = Kind::Instant;
        let resolved = panel
            .resolve()
            .map_err(|error| invalid(error.to_string()))?;
        let interval = Duration::from_millis(resolved.step_ms.unsigned_abs()).max(MIN_INTERVAL);
        let mut ticks = tokio::time::interval(interval);
        // A slow answer makes the stream slower, it does not pile up questions.
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let state = Running {
            instance,
            now: self.now,
            expr: resolved.expr,
            ticks,
            context: Context::default(),
        };
        Ok(Box::pin(stream::unfold(state, |mut running| async {
            let packet = running.next_packet().await;
            Some((packet, running))
        })))
    }
}

struct Running {
    instance: Arc<Instance>,
    now: fn() -> Timestamp,
    expr: String,
    ticks: tokio::time::Interval,
    context: Context,
}

impl Running {
    async fn next_packet(&mut self) -> Result<Bytes, Status> {
        self.ticks.tick().await;
        let time_ms = (self.now)().as_millisecond();
        let query = InstantQuery {
            expr: self.expr.clone(),
            time_ms,
        };
        let answer = self
            .instance
            .engine
            .instant(&query, &self.context)
            .await
            .map_err(|error| Status::unavailable(error.to_string()))?;
        let mut samples = match answer.result {
            QueryResult::Vector(samples) => samples,
            QueryResult::Scalar(sample) => {
                vec![InstantSample {
                    labels: Labels::empty(),
                    sample,
                }]
            }
            QueryResult::Matrix(_) | QueryResult::String { .. } => {
                return Err(Status::invalid_argument(
                    "a live query needs numbers at one time: an instant vector or a scalar",
                ));
            }
        };
        samples.truncate(MAX_SERIES);
        samples.sort_by(|a, b| a.labels.cmp(&b.labels));
        Ok(packet(time_ms, &samples))
    }
}

/// A JSON frame in wide form.
fn packet(time_ms: i64, samples: &[InstantSample]) -> Bytes {
    let mut values = vec![json!([time_ms])];
    let mut entities = vec![Value::Null];
    for InstantSample { sample, .. } in samples {
        values.push(json!([sample.value.is_finite().then_some(sample.value)]));
        entities.push(entity(sample.value));
    }
    let mut packet = json!({ "data": { "values": values } });
    if entities.iter().any(|entity| !entity.is_null()) {
        packet["data"]["entities"] = entities.into();
    }
    // With every packet: whoever subscribes later knows nothing of those before.
    packet["schema"] = schema(samples);
    packet.to_string().into()
}

/// JSON has no NaN: Grafana's JSON frames list the rows of such values beside the nulls.
fn entity(value: f64) -> Value {
    if value.is_nan() {
        json!({ "NaN": [0] })
    } else if value == f64::INFINITY {
        json!({ "Inf": [0] })
    } else if value == f64::NEG_INFINITY {
        json!({ "NegInf": [0] })
    } else {
        Value::Null
    }
}

fn schema(samples: &[InstantSample]) -> Value {
    let time = json!({ "name": "Time", "type": "time", "typeInfo": { "frame": "time.Time" } });
    let value = |InstantSample { labels, .. }: &InstantSample| {
        json!({
            "name": labels.metric_name().unwrap_or("Value"),
            "type": "number",
            "typeInfo": { "frame": "float64", "nullable": true },
            "labels": labels_json(labels),
        })
    };
    let fields: Vec<Value> = std::iter::once(time)
        .chain(samples.iter().map(value))
        .collect();
    json!({ "fields": fields })
}
