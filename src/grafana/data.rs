//! QueryData: the queries of a request side by side, each with its own fate.

use crate::answer_body::hand_over;
use crate::answers::{Asked, exemplar_frame, push_answer, push_failed};
use crate::faults::Faults;
use crate::forwarded::{forwarded_headers, is_from_alert};
use crate::frames::Frames;
use crate::instances::{Instance, Instances};
use crate::metrics::{Counted, Metrics};
use crate::panel_query::PanelQuery;
use crate::proto::pluginv2::data_server::Data;
use crate::proto::pluginv2::{DataQuery, QueryDataRequest};
use crate::response::{DataResponse, ErrorSource, QueryDataResponse, QueryError};
use crate::status::query_error;
use engine::{Context, Priority};
use futures_util::FutureExt;
use jiff::Timestamp;
use query::{Kind, RangeQuery, Resolved};
use series::Interrupt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

/// How long before the host's deadline a query is given up, so that the answer that says so
/// still arrives: a tenth of the time, between these.
const DEADLINE_MARGIN: (Duration, Duration) =
    (Duration::from_millis(20), Duration::from_millis(500));

/// Answers queries.
pub(crate) struct DataService {
    pub(crate) instances: Arc<Instances>,
    pub(crate) metrics: Metrics,
    pub(crate) faults: Faults,
    pub(crate) now: fn() -> Timestamp,
}

/// What all queries of a request have in common.
struct Shared {
    instance: Arc<Instance>,
    context: Context,
    deadline: Option<Deadline>,
    metrics: Metrics,
    faults: Faults,
}

#[derive(Clone, Copy)]
struct Deadline {
    at: Instant,
    given: Duration,
}

/// Pulls the interrupt when the request is gone, so that loops on other threads stop too.
struct StopOnDrop(Interrupt);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

#[tonic::async_trait]
impl Data for DataService {
    async fn query_data(
        &self,
        request: Request<QueryDataRequest>,
    ) -> Result<Response<QueryDataResponse>, Status> {
        let deadline = deadline(request.metadata());
        let request = request.into_inner();
        let plugin_context = request.plugin_context.unwrap_or_default();
        let instance = match self.instances.get(&plugin_context).await {
            Ok(instance) => instance,
            Err(error) => {
                let error = crate::status::instance_error(&error);
                let failed = |query: DataQuery| (query.ref_id, DataResponse::failed(error.clone()));
                let responses = request.queries.into_iter().map(failed).collect();
                return Ok(hand_over(QueryDataResponse::new(responses)));
            }
        };
        let is_from_alert = is_from_alert(&request.headers);
        let interrupt = Interrupt::new();
        let _stop = StopOnDrop(interrupt.clone());
        let shared = Arc::new(Shared {
            instance,
            context: Context {
                interrupt,
                now_ms: Some((self.now)().as_millisecond()),
                lookback_ms: None,
                deadline: deadline.map(|deadline| deadline.at.into_std()),
                priority: if is_from_alert {
                    Priority::Alerting
                } else {
                    Priority::Dashboard
                },
                forwarded: forwarded_headers(&request.headers),
            },
            deadline,
            metrics: self.metrics.clone(),
            faults: self.faults,
        });
        // A dropped set aborts its tasks: cancelling the call cancels every query.
        let mut running = JoinSet::new();
        for query in request.queries {
            let shared = Arc::clone(&shared);
            running.spawn(async move {
                let ref_id = query.ref_id.clone();
                (ref_id, shared.answer_or_fail(query).await)
            });
        }
        let mut responses = Vec::with_capacity(running.len());
        while let Some(done) = running.join_next().await {
            match done {
                Ok(response) => responses.push(response),
                Err(error) => return Err(Status::internal(format!("a query task ended: {error}"))),
            }
        }
        responses.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(hand_over(QueryDataResponse::new(responses)))
    }
}

impl Shared {
    /// Keeps count and time, and turns a panic into the failure of this query alone.
    async fn answer_or_fail(&self, query: DataQuery) -> DataResponse {
        let _in_flight = Counted::new(&self.metrics.queries_in_flight);
        let started = Instant::now();
        let answer = AssertUnwindSafe(self.answer_in_time(query))
            .catch_unwind()
            .await;
        let response = answer.unwrap_or_else(|_| {
            DataResponse::failed(QueryError {
                message: "Headwater made a mistake while answering this query; its log in \
                          Grafana's log says where. The other queries are not affected."
                    .to_owned(),
                status: 500,
                source: ErrorSource::Plugin,
            })
        });
        let status = response
            .error
            .as_ref()
            .map_or(200, |error| error.status)
            .to_string();
        self.metrics.queries.with_label_values(&[&status]).inc();
        self.metrics
            .query_duration
            .with_label_values(&[&status])
            .observe(started.elapsed().as_secs_f64());
        response
    }

    async fn answer_in_time(&self, query: DataQuery) -> DataResponse {
        let Some(deadline) = self.deadline else {
            return self.answer(query).await;
        };
        match tokio::time::timeout_at(deadline.at, self.answer(query)).await {
            Ok(response) => response,
            Err(_) => {
                self.context.interrupt.time_out();
                DataResponse::failed(QueryError {
                    message: format!(
                        "no answer within the {} s that Grafana gave: ask for a shorter range or \
                         fewer series, or raise the time-out (for alert rules: \
                         [unified_alerting] evaluation_timeout)",
                        deadline.given.as_secs_f64()
                    ),
                    status: 504,
                    source: ErrorSource::Downstream,
                })
            }
        }
    }

    async fn answer(&self, query: DataQuery) -> DataResponse {
        let bad_request = |message: String| {
            let source = ErrorSource::Downstream;
            DataResponse::failed(QueryError {
                message,
                status: 400,
                source,
            })
        };
        let panel = match PanelQuery::parse(&query, self.instance.scrape_interval_ms) {
            Ok(panel) => panel,
            Err(error) => return bad_request(error.to_string()),
        };
        self.faults.before_query(&panel.question.expr);
        let resolved = match panel.resolve() {
            Ok(resolved) => resolved,
            Err(error) => return bad_request(error.to_string()),
        };
        let asked = Asked {
            ref_id: &query.ref_id,
            expr: &resolved.expr,
            step_ms: resolved.step_ms,
            legend: &panel.legend,
        };
        // Alerting has no use for exemplars.
        let wants_exemplars = panel.exemplar && self.context.priority != Priority::Alerting;
        let exemplar_range = wants_exemplars
            .then(|| range_of(&panel, &resolved))
            .flatten();
        self.ask(&asked, &resolved, exemplar_range.as_ref()).await
    }

    /// Asks the engine, range, instant and exemplars side by side.
    async fn ask(
        &self,
        asked: &Asked<'_>,
        resolved: &Resolved,
        exemplar_range: Option<&RangeQuery>,
    ) -> DataResponse {
        let engine = &self.instance.engine;
        let range = async {
            match &resolved.range {
                Some(query) => Some(engine.range(query, &self.context).await),
                None => None,
            }
        };
        let instant = async {
            match &resolved.instant {
                Some(query) => Some(engine.instant(query, &self.context).await),
                None => None,
            }
        };
        let exemplars = async {
            match exemplar_range {
                Some(query) => Some(engine.exemplars(query, &self.context).await),
                None => None,
            }
        };
        let (range, instant, exemplars) = tokio::join!(range, instant, exemplars);
        let mut response = DataResponse::default();
        for answer in [range, instant].into_iter().flatten() {
            let pushed = match answer {
                Ok(answer) => push_answer(&mut response.frames, &answer, asked),
                Err(error) => {
                    response.add_error(query_error(&error));
                    push_failed(&mut response.frames, asked)
                }
            };
            response.check(pushed);
        }
        match exemplars {
            Some(Ok(exemplars)) => {
                if let Some(frame) = exemplar_frame(&exemplars, asked) {
                    let pushed = response.frames.push(&frame);
                    response.check(pushed);
                }
            }
            // A server without exemplars must not cost the panel its samples.
            Some(Err(error)) => {
                tracing::debug!(data_source = self.instance.name, "no exemplars: {error}");
            }
            None => {}
        }
        response
    }
}

impl DataResponse {
    /// Adds an error to those of the same query.
    fn add_error(&mut self, error: QueryError) {
        match &mut self.error {
            None => self.error = Some(error),
            Some(first) if first.message == error.message => {}
            Some(first) => first.message = format!("{}; {}", first.message, error.message),
        }
    }

    fn check(&mut self, pushed: Result<(), crate::frames::FrameError>) {
        if let Err(error) = pushed {
            tracing::error!("frames: {error}");
            self.frames = Frames::default();
            self.add_error(QueryError {
                message: error.to_string(),
                status: 500,
                source: ErrorSource::Plugin,
            });
        }
    }
}

/// The range whose exemplars belong to the question, also where only an instant is asked.
fn range_of(panel: &PanelQuery, resolved: &Resolved) -> Option<RangeQuery> {
    resolved.range.clone().or_else(|| {
        let mut panel = panel.clone();
        panel.question.kind = Kind::Range;
        panel.resolve().ok()?.range
    })
}

/// The time by which the answers must be on their way, from the call's `grpc-timeout`.
fn deadline(metadata: &MetadataMap) -> Option<Deadline> {
    let given = parse_timeout(metadata.get("grpc-timeout")?.to_str().ok()?)?;
    let (least, most) = DEADLINE_MARGIN;
    let margin = (given / 10).clamp(least, most).min(given);
    Some(Deadline {
        at: Instant::now().checked_add(given - margin)?,
        given,
    })
}

/// Reads `TimeoutValue TimeoutUnit` (gRPC over HTTP/2): at most eight digits and one letter.
fn parse_timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(count * 3_600)),
        "M" => Some(Duration::from_secs(count * 60)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_outs_are_read_in_every_unit() {
        for (text, expected) in [
            ("30S", Some(Duration::from_secs(30))),
            ("29999876u", Some(Duration::from_micros(29_999_876))),
            ("5m", Some(Duration::from_millis(5))),
            ("1H", Some(Duration::from_secs(3_600))),
            ("", None),
            ("S", None),
            ("123456789S", None),
            ("5x", None),
            ("5ü", None),
        ] {
            assert_eq!(parse_timeout(text), expected, "{text}");
        }
    }
}
