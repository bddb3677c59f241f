//! `query`, `query_range`, `query_exemplars` and `format_query`.

use crate::error::{Error, Result, success};
use crate::json::{
    AnswerJson, ListJson, StatisticsJson, push_labels, push_time, push_value, stream_answer,
    stream_json,
};
use crate::parameters::{MAX_TIME, MIN_TIME, Parameters};
use crate::{Api, forwarded};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use engine::{Context, InstantQuery, RangeQuery};
use promql::{Expr, ValueType};
use series::{Answer, QueryResult, SeriesExemplars};
use std::future::Future;
use std::time::{Duration, Instant};

/// More steps than this are refused, for safety, as in Prometheus: enough for a week by the
/// minute or a year by the hour.
const MAX_STEPS: i64 = 11_000;

/// How long an engine may take to notice that its deadline has passed.
const GRACE: Duration = Duration::from_millis(200);

const TRUNCATED: &str = "results truncated due to limit";

/// `query`: one evaluation, now or at `time`.
pub(crate) async fn instant(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response> {
    let limit = parameters.limit()?;
    let now_ms = api.host.clock.as_ref().map(|clock| clock());
    let time_ms = match parameters.optional_time("time")? {
        Some(time) => time,
        None => now_ms.ok_or_else(|| Error::parameter("time", "it must be given here"))?,
    };
    let (context, timeout) = surroundings(&api, &headers, &parameters)?;
    let (expr, _) = expression(&parameters)?;
    let query = InstantQuery { expr, time_ms };
    let work = api.engine.instant(&query, &context);
    answered(work, &context, timeout, limit, &parameters).await
}

/// `query_range`: one evaluation per step.
pub(crate) async fn range(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response> {
    let limit = parameters.limit()?;
    let start_ms = parameters.time("start")?;
    let end_ms = parameters.time("end")?;
    if end_ms < start_ms {
        let reason = "end timestamp must not be before start time";
        return Err(Error::parameter("end", reason));
    }
    let step_ms = crate::parameters::parse_duration(parameters.first("step"))
        .map_err(|reason| Error::parameter("step", reason))?;
    if step_ms <= 0 {
        let reason = "zero or negative query resolution step widths are not accepted. Try a \
                      positive integer";
        return Err(Error::parameter("step", reason));
    }
    if (end_ms - start_ms) / step_ms > MAX_STEPS {
        return Err(Error::Request(
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the \
             query resolution (?step=XX)"
                .to_owned(),
        ));
    }
    let (context, timeout) = surroundings(&api, &headers, &parameters)?;
    let (expr, tree) = expression(&parameters)?;
    if !matches!(tree.value_type(), ValueType::Scalar | ValueType::Vector) {
        let found = promql::Error::RangeType(tree.value_type().as_str());
        return Err(Error::parameter("query", found));
    }
    let query = RangeQuery {
        expr,
        start_ms,
        end_ms,
        step_ms,
    };
    let work = api.engine.range(&query, &context);
    answered(work, &context, timeout, limit, &parameters).await
}

/// `query_exemplars`: exemplars of the series that an expression selects.
pub(crate) async fn exemplars(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response> {
    let start_ms = parameters.optional_time("start")?.unwrap_or(MIN_TIME);
    let end_ms = parameters.optional_time("end")?.unwrap_or(MAX_TIME);
    if end_ms < start_ms {
        return Err(Error::Request(
            "end timestamp must not be before start timestamp".to_owned(),
        ));
    }
    let (context, timeout) = surroundings(&api, &headers, &parameters)?;
    let expr = parameters.first("query").to_owned();
    promql::parse(&expr).map_err(|error| Error::Request(error.to_string()))?;
    let query = RangeQuery {
        expr,
        start_ms,
        end_ms,
        // Exemplars are asked for over a range as a whole.
        step_ms: 1,
    };
    let work = api.engine.exemplars(&query, &context);
    let found = in_time(work, &context, timeout).await?;
    Ok(stream_json(ListJson::new(
        found,
        push_exemplars,
        Vec::new(),
    )))
}

/// `format_query`: the expression in Prometheus's layout.
pub(crate) async fn format(parameters: Parameters) -> Result<Response> {
    let (_, tree) = expression(&parameters)?;
    success(&promql::pretty(&tree), &[])
}

/// The parameter `query`, checked here so that what is wrong with it is told before anything is
/// asked.
pub(crate) fn expression(parameters: &Parameters) -> Result<(String, Expr)> {
    let text = parameters.first("query");
    match promql::parse(text) {
        Ok(tree) => Ok((text.to_owned(), tree)),
        Err(error) => Err(Error::parameter("query", error)),
    }
}

/// What accompanies a question: who asks, `lookback_delta`, and `timeout`.
fn surroundings(
    api: &Api,
    headers: &HeaderMap,
    parameters: &Parameters,
) -> Result<(Context, Option<Duration>)> {
    let timeout = parameters
        .optional_duration("timeout")?
        .map(|ms| Duration::from_millis(u64::try_from(ms).unwrap_or(0)));
    let lookback = parameters.first("lookback_delta");
    let lookback_ms = if lookback.is_empty() {
        None
    } else {
        let parsed = crate::parameters::parse_duration(lookback).map_err(|reason| {
            Error::Request(format!("error parsing lookback delta duration: {reason}"))
        })?;
        // Zero stands for the default, as in Prometheus.
        Some(parsed).filter(|ms| *ms > 0)
    };
    let context = Context {
        now_ms: api.host.clock.as_ref().map(|clock| clock()),
        deadline: timeout.and_then(|timeout| Instant::now().checked_add(timeout)),
        lookback_ms,
        ..forwarded::context(headers)
    };
    Ok((context, timeout))
}

/// Waits for `work` no longer than the caller does. The engine knows the deadline and says best
/// what came of it; one that looks at the interrupt alone is stopped a moment later.
async fn in_time<T>(
    work: impl Future<Output = engine::Result<T>>,
    context: &Context,
    timeout: Option<Duration>,
) -> Result<T> {
    let Some(timeout) = timeout else {
        return Ok(work.await?);
    };
    match tokio::time::timeout(timeout.saturating_add(GRACE), work).await {
        Ok(done) => Ok(done?),
        Err(_) => {
            context.interrupt.time_out();
            Err(Error::TimedOut)
        }
    }
}

async fn answered(
    work: impl Future<Output = engine::Result<Answer>>,
    context: &Context,
    timeout: Option<Duration>,
    limit: Option<usize>,
    parameters: &Parameters,
) -> Result<Response> {
    let begin = Instant::now();
    let mut answer = in_time(work, context, timeout).await?;
    if let Some(limit) = limit {
        let before = match &mut answer.result {
            QueryResult::Matrix(matrix) => cut(matrix, limit),
            QueryResult::Vector(vector) => cut(vector, limit),
            QueryResult::Scalar(_) | QueryResult::String { .. } => false,
        };
        if before {
            answer.warnings.push(TRUNCATED.to_owned());
        }
    }
    let statistics = (!parameters.first("stats").is_empty()).then(|| StatisticsJson {
        elapsed: begin.elapsed(),
    });
    Ok(stream_answer(AnswerJson::new(answer, statistics.as_ref())))
}

fn cut<T>(list: &mut Vec<T>, limit: usize) -> bool {
    let longer = list.len() > limit;
    list.truncate(limit);
    longer
}

fn push_exemplars(out: &mut Vec<u8>, series: &SeriesExemplars) {
    out.extend_from_slice(br#"{"seriesLabels":"#);
    push_labels(out, &series.labels);
    out.extend_from_slice(br#","exemplars":["#);
    for (at, exemplar) in series.exemplars.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.extend_from_slice(br#"{"labels":"#);
        push_labels(out, &exemplar.labels);
        out.extend_from_slice(br#","value":""#);
        push_value(out, exemplar.sample.value);
        out.extend_from_slice(br#"","timestamp":"#);
        push_time(out, exemplar.sample.time);
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
}
