//! The remote engine through its public door, against servers that behave well and badly.

#![allow(clippy::unwrap_used, reason = "a test stops where it is surprised")]

mod answers;
mod credentials;
mod diagnosis;
mod faulty_server;
mod incremental;
mod kindness;
mod lookups;
mod real_prometheus;
mod real_victoria_metrics;
mod requests;
mod tls;

use engine::remote::{RemoteEngine, RemoteSettings};
use engine::{Context, Engine, Error, Priority};
use query::{InstantQuery, RangeQuery};
use series::{Answer, QueryResult, Secret};

fn settings(url: &str) -> RemoteSettings {
    RemoteSettings {
        url: url.to_owned(),
        ..RemoteSettings::default()
    }
}

fn remote(url: &str) -> RemoteEngine {
    remote_with(url, |_| {})
}

fn remote_with(url: &str, change: impl FnOnce(&mut RemoteSettings)) -> RemoteEngine {
    let mut settings = settings(url);
    change(&mut settings);
    match RemoteEngine::new(settings) {
        Ok(engine) => engine,
        Err(error) => panic!("{error}"),
    }
}

fn range_of(expr: &str) -> RangeQuery {
    RangeQuery {
        expr: expr.to_owned(),
        start_ms: 1_700_000_000_000,
        end_ms: 1_700_000_060_000,
        step_ms: 15_000,
    }
}

fn instant_of(expr: &str) -> InstantQuery {
    InstantQuery {
        expr: expr.to_owned(),
        time_ms: 1_700_000_000_500,
    }
}

async fn ask(engine: &RemoteEngine, expr: &str) -> Result<Answer, Error> {
    engine.range(&range_of(expr), &Context::default()).await
}

fn alerting() -> Context {
    Context {
        priority: Priority::Alerting,
        ..Context::default()
    }
}

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

/// One series with one sample.
const UP: &str = r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"up"},"values":[[1700000000,"1"]]}]}}"#;

fn series_count(answer: &Answer) -> usize {
    match &answer.result {
        QueryResult::Matrix(series) => series.len(),
        QueryResult::Vector(samples) => samples.len(),
        other => panic!("{other:?}"),
    }
}
