//! Answers from samples of our own: PromQL evaluated in the process over a source of series.
//!
//! Evaluation runs on threads of its own and stops when nobody waits any more. Start at
//! [`EmbeddedEngine::new`].

mod lookups;

use crate::{
    Context, Engine, Error, FamilyMetadata, Health, HealthStatus, LabelQuestion, Reply,
    ResourceRequest, ResourceResponse, Result,
};
use promql::{InstantParams, Limits, RangeParams};
use query::{InstantQuery, RangeQuery};
use series::{Answer, Interrupt, Labels, Limited, SeriesExemplars, SeriesSource, Stage, TimeRange};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::Semaphore;

/// Prometheus compares the steps between the points (HTTP API, "Range queries").
const MAX_POINTS: u64 = 11_001;

/// What queries may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddedSettings {
    /// `lookback`: how far back a selector looks for a sample, in milliseconds; 5 minutes.
    pub lookback_ms: i64,
    /// `maxSamples`: most numbers that one query holds in memory; 50 million.
    pub max_samples: u64,
    /// `maxPoints`: most points of a series in a range query; 11,001, which are the 11,000 steps
    /// that Prometheus allows with the point before the first of them.
    pub max_points: u64,
    /// `maxConcurrentQueries`: most queries evaluated at once; the others wait their turn. 10.
    pub max_concurrent_queries: usize,
    /// `queryThreads`: most threads that one large query uses; 2.
    pub query_threads: usize,
}

impl Default for EmbeddedSettings {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            lookback_ms: promql::DEFAULT_LOOKBACK,
            max_samples: limits.samples,
            max_points: MAX_POINTS,
            max_concurrent_queries: 10,
            query_threads: limits.threads,
        }
    }
}

/// Says how the parts behind the engine are, of which this room knows nothing.
pub trait Condition: Send + Sync {
    /// A diagnosis for a person. It may block for a moment.
    fn health(&self) -> Health;
}

/// An engine over samples of our own.
pub struct EmbeddedEngine {
    source: Arc<dyn SeriesSource>,
    condition: Arc<dyn Condition>,
    settings: EmbeddedSettings,
    slots: Arc<Semaphore>,
}

impl EmbeddedEngine {
    /// An engine over `source`.
    #[must_use]
    pub fn new(
        source: Arc<dyn SeriesSource>,
        condition: Arc<dyn Condition>,
        settings: EmbeddedSettings,
    ) -> Self {
        let slots = Arc::new(Semaphore::new(settings.max_concurrent_queries.max(1)));
        Self {
            source,
            condition,
            settings,
            slots,
        }
    }

    fn limits(&self) -> Limits {
        Limits {
            samples: self.settings.max_samples,
            points: self.settings.max_points,
            threads: self.settings.query_threads,
            ..Limits::default()
        }
    }

    /// Runs `work` on a thread of its own when its turn has come, until it is done, the deadline
    /// has passed or nobody waits.
    async fn run<T: Send + 'static>(
        &self,
        context: &Context,
        work: impl FnOnce(&dyn SeriesSource, &Interrupt) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let started = Instant::now();
        let interrupt = context.interrupt.clone();
        let stop = StopOnDrop(interrupt.clone());
        let source = Arc::clone(&self.source);
        let slots = Arc::clone(&self.slots);
        let working = async move {
            // The place is kept until the thread is done, also when nobody waits any more.
            let place = slots.acquire_owned().await.map_err(|_| Error::Cancelled)?;
            let task = tokio::task::spawn_blocking(move || {
                let _place = place;
                interrupt.check()?;
                work(source.as_ref(), &interrupt)
            });
            task.await
                .unwrap_or_else(|error| Err(Error::Internal(format!("evaluation ended: {error}"))))
        };
        let result = match context.deadline {
            None => working.await,
            Some(deadline) => tokio::time::timeout_at(deadline.into(), working)
                .await
                .unwrap_or_else(|_| {
                    stop.0.time_out();
                    Err(Error::OutOfTime {
                        after: started.elapsed(),
                    })
                }),
        };
        stop.disarm();
        result
    }
}

/// Pulls an interrupt unless the work came to its end.
struct StopOnDrop(Interrupt);

impl StopOnDrop {
    fn disarm(mut self) {
        // An interrupt that nobody else holds may be pulled for nothing.
        self.0 = Interrupt::new();
    }
}

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl Engine for EmbeddedEngine {
    fn range<'a>(
        &'a self,
        query: &'a RangeQuery,
        context: &'a Context,
    ) -> Reply<'a, Result<Answer>> {
        let (query, limits) = (query.clone(), self.limits());
        let lookback = context.lookback_ms.unwrap_or(self.settings.lookback_ms);
        Box::pin(self.run(context, move |source, interrupt| {
            timed(|| {
                let expr = promql::parse(&query.expr).map_err(promql::Error::from)?;
                let params = RangeParams {
                    start: query.start_ms,
                    end: query.end_ms,
                    step: query.step_ms,
                    lookback,
                };
                promql::evaluate_range(&query.expr, &expr, source, params, &limits, interrupt)
            })
        }))
    }

    fn instant<'a>(
        &'a self,
        query: &'a InstantQuery,
        context: &'a Context,
    ) -> Reply<'a, Result<Answer>> {
        let (query, limits) = (query.clone(), self.limits());
        let lookback = context.lookback_ms.unwrap_or(self.settings.lookback_ms);
        Box::pin(self.run(context, move |source, interrupt| {
            timed(|| {
                let expr = promql::parse(&query.expr).map_err(promql::Error::from)?;
                let params = InstantParams {
                    time: query.time_ms,
                    lookback,
                };
                promql::evaluate_instant(&query.expr, &expr, source, params, &limits, interrupt)
            })
        }))
    }

    fn exemplars<'a>(
        &'a self,
        query: &'a RangeQuery,
        context: &'a Context,
    ) -> Reply<'a, Result<Vec<SeriesExemplars>>> {
        let query = query.clone();
        Box::pin(self.run(context, move |source, interrupt| {
            let expr = promql::parse(&query.expr).map_err(promql::Error::from)?;
            let range = TimeRange {
                start: query.start_ms,
                end: query.end_ms,
            };
            Ok(source.exemplars(&lookups::selectors_of(&expr), range, interrupt)?)
        }))
    }

    fn health<'a>(&'a self, context: &'a Context) -> Reply<'a, Health> {
        let condition = Arc::clone(&self.condition);
        Box::pin(async move {
            let asked = self.run(context, move |_, _| Ok(condition.health())).await;
            asked.unwrap_or_else(|error| Health {
                status: HealthStatus::Error,
                message: error.to_string(),
                advice: None,
                details: Vec::new(),
            })
        })
    }

    fn passes_through(&self) -> bool {
        false
    }

    fn resource<'a>(
        &'a self,
        request: ResourceRequest,
        _: &'a Context,
    ) -> Reply<'a, Result<ResourceResponse>> {
        Box::pin(async move { Err(Error::Forbidden { path: request.path }) })
    }

    fn label_names<'a>(
        &'a self,
        question: &'a LabelQuestion,
        context: &'a Context,
    ) -> Reply<'a, Result<Limited<Vec<String>>>> {
        let question = question.clone();
        Box::pin(self.run(context, move |source, interrupt| {
            lookups::ask(&question, |query| source.label_names(query, interrupt))
        }))
    }

    fn label_values<'a>(
        &'a self,
        name: &'a str,
        question: &'a LabelQuestion,
        context: &'a Context,
    ) -> Reply<'a, Result<Limited<Vec<String>>>> {
        let (name, question) = (name.to_owned(), question.clone());
        Box::pin(self.run(context, move |source, interrupt| {
            lookups::ask(&question, |query| {
                source.label_values(&name, query, interrupt)
            })
        }))
    }

    fn series<'a>(
        &'a self,
        question: &'a LabelQuestion,
        context: &'a Context,
    ) -> Reply<'a, Result<Limited<Vec<Labels>>>> {
        let question = question.clone();
        Box::pin(self.run(context, move |source, interrupt| {
            lookups::ask(&question, |query| source.series(query, interrupt))
        }))
    }

    fn metadata<'a>(
        &'a self,
        metric: Option<&'a str>,
        context: &'a Context,
    ) -> Reply<'a, Result<FamilyMetadata>> {
        let metric = metric.map(str::to_owned);
        Box::pin(self.run(context, move |source, _| {
            Ok(source.metadata(metric.as_deref()))
        }))
    }
}

/// Adds the time that the evaluation took to its statistics.
fn timed(evaluate: impl FnOnce() -> promql::Result<Answer>) -> Result<Answer> {
    let started = Instant::now();
    let mut answer = evaluate()?;
    answer.statistics.stages.push(Stage {
        name: "evaluate",
        elapsed: started.elapsed(),
    });
    Ok(answer)
}

#[cfg(test)]
mod tests;
