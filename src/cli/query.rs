mod chart;
mod place;
mod writing;

use crate::machine::Machine;
use crate::surroundings::Surroundings;
use crate::times::Moment;
use crate::{Ending, Streams};
use axum::body::Body;
use axum::http::{Request, header};
use chart::Chart;
use clap::{Args, ValueEnum};
use engine::remote::{RemoteEngine, RemoteSettings};
use engine::{Context, Engine, InstantQuery, RangeQuery};
use http_body_util::BodyExt;
use series::{Answer, QueryResult, Secret};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use tower::ServiceExt;

/// The largest token file that is read, in bytes.
const TOKEN_LIMIT: u64 = 64 << 10;
/// A range without a step is divided into about so many.
const STEPS: i64 = 240;

/// `gpx_headwater query`: exit status 0 with an answer, 1 when there is none (the expression is
/// wrong, the server does not answer), 2 when the command was called wrongly.
#[derive(Debug, Args)]
#[command(
    after_help = "Times are written now, -1h, now-30m, 2024-05-01T12:00:00Z or as seconds since 1970.

Examples:
  gpx_headwater query 'sum by (status) (rate(http_requests_total[5m]))' --url http://localhost:9090
  gpx_headwater query 'rate(posts_created_total[5m])' --data-dir ./data --start -6h
  gpx_headwater query up --url http://localhost:9099 --start -1h --step 1m --output csv

Exit status: 0 answered, 1 no answer (a wrong expression, a server that does not answer), 2 wrong usage."
)]
#[command(group = clap::ArgGroup::new("source").required(true).args(["url", "data_dir"]))]
pub struct Query {
    /// What is asked, in PromQL
    #[arg(value_name = "EXPR")]
    expr: String,

    /// A server with Prometheus's HTTP API
    #[arg(long, value_name = "URL")]
    url: Option<String>,

    /// A file with the token that the server asks for
    #[arg(long, value_name = "FILE", requires = "url")]
    bearer_token_file: Option<PathBuf>,

    /// A folder with samples, also one that serve writes to
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,

    /// When; now where nothing is said
    #[arg(long, value_name = "TIME", value_parser = crate::times::moment, allow_hyphen_values = true,
          conflicts_with_all = ["start", "end", "step"])]
    time: Option<Moment>,

    /// The begin of a range
    #[arg(long, value_name = "TIME", value_parser = crate::times::moment, allow_hyphen_values = true)]
    start: Option<Moment>,

    /// The end of the range; now where nothing is said
    #[arg(long, value_name = "TIME", value_parser = crate::times::moment, allow_hyphen_values = true,
          requires = "start")]
    end: Option<Moment>,

    /// From one evaluation to the next, such as 30s; about 240 fit the range where nothing is said
    #[arg(long, value_name = "DURATION", value_parser = crate::times::step, requires = "start")]
    step: Option<i64>,

    /// How the answer is written; table for one moment, chart for a range where nothing is said
    #[arg(long, value_name = "FORM", value_enum)]
    output: Option<Output>,

    /// The same as --output json
    #[arg(long, conflicts_with = "output")]
    json: bool,

    /// Columns of a chart
    #[arg(long, value_name = "COLUMNS", default_value_t = 80,
          value_parser = clap::value_parser!(u16).range(40..=400))]
    width: u16,
}

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people.
    Table,
    /// A row per sample: the labels, the time, the value.
    Csv,
    /// As Prometheus's HTTP API answers.
    Json,
    /// Drawn in the terminal.
    Chart,
}

/// What is asked, with its times resolved.
enum Asked {
    Instant(InstantQuery),
    Range(RangeQuery),
}

/// Why there is no answer.
enum Failure {
    /// The command was called wrongly.
    Usage(String),
    /// There is none.
    NoAnswer(String),
    /// Nobody reads it.
    Output,
}

impl From<io::Error> for Failure {
    fn from(_: io::Error) -> Self {
        Self::Output
    }
}

impl Query {
    pub(crate) fn run(
        &self,
        surroundings: &dyn Surroundings,
        machine: &dyn Machine,
        streams: &mut Streams<'_>,
    ) -> Ending {
        let answered =
            crate::block_on(async { Ok(self.answer(surroundings, machine, streams).await) });
        match answered.unwrap_or_else(|reason| Err(Failure::Usage(reason))) {
            Ok(()) => Ending::Good,
            Err(Failure::Usage(reason)) => crate::refuse(streams, &reason),
            Err(Failure::Output) => Ending::Usage,
            Err(Failure::NoAnswer(reason)) => {
                // Nobody is left to be told when the stream is closed.
                let _ = write!(streams.err, "{}", place::shown(&self.expr, &reason));
                Ending::Bad
            }
        }
    }

    async fn answer(
        &self,
        surroundings: &dyn Surroundings,
        machine: &dyn Machine,
        streams: &mut Streams<'_>,
    ) -> Result<(), Failure> {
        let clock = machine.clock();
        let now_ms = clock();
        let asked = self.asked(now_ms)?;
        let engine = self.engine(surroundings, machine)?;
        let output = self.output().unwrap_or(match asked {
            Asked::Instant(_) => Output::Table,
            Asked::Range(_) => Output::Chart,
        });
        if output == Output::Json {
            let host = api::Host {
                clock: Some(clock),
                ..api::Host::default()
            };
            let answer = as_json(&asked, api::resources(engine, host)).await?;
            streams.out.write_all(&answer)?;
            writeln!(streams.out)?;
            return Ok(());
        }
        let context = Context {
            now_ms: Some(now_ms),
            ..Context::default()
        };
        let answer = match &asked {
            Asked::Instant(query) => engine.instant(query, &context).await,
            Asked::Range(query) => engine.range(query, &context).await,
        };
        let answer = answer.map_err(|error| Failure::NoAnswer(error.to_string()))?;
        for warning in &answer.warnings {
            writeln!(streams.err, "warning: {warning}")?;
        }
        if !answer.histograms.is_empty() {
            let count = answer.histograms.len();
            writeln!(
                streams.err,
                "warning: {count} series of native histograms are not shown"
            )?;
        }
        for info in &answer.infos {
            writeln!(streams.err, "info: {info}")?;
        }
        self.write(output, &asked, &answer, streams)
    }

    fn write(
        &self,
        output: Output,
        asked: &Asked,
        answer: &Answer,
        streams: &mut Streams<'_>,
    ) -> Result<(), Failure> {
        match (output, &answer.result, asked) {
            (Output::Csv, result, _) => writing::write_csv(result, streams.out)?,
            (Output::Chart, QueryResult::Matrix(series), Asked::Range(query)) => {
                Chart {
                    width: usize::from(self.width),
                    query,
                }
                .write(series, streams.out)?;
            }
            (Output::Chart, ..) => {
                let reason = "A chart needs a range: give --start, such as --start -1h.";
                return Err(Failure::Usage(reason.to_owned()));
            }
            (_, result, _) => writing::write_table(result, streams.out)?,
        }
        Ok(())
    }

    fn output(&self) -> Option<Output> {
        if self.json {
            return Some(Output::Json);
        }
        self.output
    }

    fn asked(&self, now_ms: i64) -> Result<Asked, Failure> {
        let expr = self.expr.clone();
        let Some(start) = self.start else {
            if self.output() == Some(Output::Chart) {
                let reason = "A chart needs a range: give --start, such as --start -1h.";
                return Err(Failure::Usage(reason.to_owned()));
            }
            let time_ms = self.time.unwrap_or(Moment::NOW).resolve(now_ms);
            return Ok(Asked::Instant(InstantQuery { expr, time_ms }));
        };
        let start_ms = start.resolve(now_ms);
        let end_ms = self.end.unwrap_or(Moment::NOW).resolve(now_ms);
        if end_ms < start_ms {
            return Err(Failure::Usage(format!(
                "The range ends at {} before it begins at {}.",
                writing::time(end_ms),
                writing::time(start_ms)
            )));
        }
        let step_ms = self.step.unwrap_or_else(|| usual_step(end_ms - start_ms));
        Ok(Asked::Range(RangeQuery {
            expr,
            start_ms,
            end_ms,
            step_ms,
        }))
    }

    fn engine(
        &self,
        surroundings: &dyn Surroundings,
        machine: &dyn Machine,
    ) -> Result<Arc<dyn Engine>, Failure> {
        if let Some(dir) = &self.data_dir {
            let opened = machine.open_to_read(dir);
            return opened.map_err(|error| {
                let advice = "--data-dir names a folder that serve has written samples to.";
                Failure::Usage(error.advised(advice))
            });
        }
        let bearer = match &self.bearer_token_file {
            None => None,
            Some(path) => {
                let bytes = surroundings.read_file(path, TOKEN_LIMIT).map_err(|error| {
                    Failure::Usage(format!("Cannot read {}: {error}.", path.display()))
                })?;
                let text = String::from_utf8_lossy(&bytes);
                Some(Secret::new(text.trim().to_owned()))
            }
        };
        let settings = RemoteSettings {
            url: self.url.clone().unwrap_or_default(),
            bearer,
            ..RemoteSettings::default()
        };
        let engine = RemoteEngine::new(settings);
        let engine = engine.map_err(|error| Failure::Usage(format!("--url: {error}")))?;
        Ok(Arc::new(engine))
    }
}

/// A step of whole seconds of which about [`STEPS`] fit the range.
fn usual_step(range_ms: i64) -> i64 {
    let seconds = (range_ms / 1_000).div_euclid(STEPS) + 1;
    seconds * 1_000
}

/// The answer as Prometheus's HTTP API writes it.
async fn as_json(asked: &Asked, api: axum::Router) -> Result<Vec<u8>, Failure> {
    let seconds = |ms: i64| format!("{}.{:03}", ms.div_euclid(1_000), ms.rem_euclid(1_000));
    let mut form = form_urlencoded::Serializer::new(String::new());
    let path = match asked {
        Asked::Instant(query) => {
            form.append_pair("query", &query.expr);
            form.append_pair("time", &seconds(query.time_ms));
            "/api/v1/query"
        }
        Asked::Range(query) => {
            form.append_pair("query", &query.expr);
            form.append_pair("start", &seconds(query.start_ms));
            form.append_pair("end", &seconds(query.end_ms));
            form.append_pair("step", &seconds(query.step_ms));
            "/api/v1/query_range"
        }
    };
    let no_answer = |error: &dyn std::fmt::Display| Failure::NoAnswer(error.to_string());
    let request = Request::post(path)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(form.finish()))
        .map_err(|error| no_answer(&error))?;
    let Ok(answer) = api.oneshot(request).await;
    let status = answer.status();
    let body = answer.into_body().collect().await;
    let body = body.map_err(|error| no_answer(&error))?.to_bytes();
    if status.is_success() {
        return Ok(body.into());
    }
    let envelope: Option<serde_json::Value> = serde_json::from_slice(&body).ok();
    let reason = envelope.and_then(|envelope| {
        let error = envelope.get("error").or_else(|| envelope.get("message"));
        Some(error?.as_str()?.to_owned())
    });
    Err(Failure::NoAnswer(reason.unwrap_or_else(|| {
        format!("unexpected response with status code {status}")
    })))
}

#[cfg(test)]
mod tests;
