//! The life of one target: wait, fetch, write, and again.

use crate::error::milliseconds;
use crate::fetch::Fetcher;
use crate::ingest::{Ingest, Outcome, Reading};
use crate::schedule::Schedule;
use crate::settings::Job;
use crate::status::{Health, SharedState};
use crate::target::Target;
use crate::{Clock, Error, Result};
use series::{Appended, Appender};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

/// What a target's loop works with.
#[derive(Clone)]
pub(crate) struct Tools {
    pub(crate) appender: Arc<dyn Appender>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Pages that are worked on at once: parsing fills a core, and waiting for the disk a thread.
    pub(crate) ingests: Arc<Semaphore>,
}

/// How a target is scraped; it may change while the loop runs.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) job: Arc<Job>,
    pub(crate) fetcher: Arc<Fetcher>,
    pub(crate) target: Target,
    /// Fails each scrape without asking the target.
    pub(crate) forced: Option<Error>,
}

/// What a loop leaves behind when its target is gone, or hands to the one that takes over.
pub(crate) struct Legacy {
    pub(crate) ingest: Ingest,
    /// When the next scrape would have been, in milliseconds since the epoch: the time of the
    /// stale markers if nobody takes over.
    pub(crate) stale_time: i64,
    pub(crate) interval: Duration,
}

/// Scrapes until `stop`. Gives back what is needed to go on or to end the series; `None` where
/// nothing was ever written.
pub(crate) async fn run(
    tools: Tools,
    mut plan: watch::Receiver<Plan>,
    state: SharedState,
    stop: CancellationToken,
    mut ingest: Option<Ingest>,
) -> Option<Legacy> {
    let mut last: Option<i64> = None;
    // A target that takes over goes on at its place instead of scraping at once.
    let mut first = ingest.is_none();
    let mut page_size = 0;
    loop {
        let schedule = schedule_of(&plan.borrow_and_update());
        let wait = match last {
            None if first => schedule.first_wait(),
            Some(_) if first => {
                first = false;
                schedule.wait_after_first(tools.clock.now())
            }
            _ => schedule.wait(tools.clock.now(), last.unwrap_or(i64::MIN)),
        };
        if !wait_for(wait, &mut plan, &stop, &state, &schedule, &tools, last).await {
            break;
        }
        let now = plan.borrow_and_update().clone();
        let time = schedule_of(&now).time_of(tools.clock.now());
        let started = tools.clock.monotonic();
        let fetched = match &now.forced {
            Some(error) => Err(error.clone()),
            None => {
                let buffer = Vec::with_capacity(page_size);
                tokio::select! {
                    fetched = now.fetcher.fetch(&now.target, buffer) => fetched,
                    () = stop.cancelled() => break,
                }
            }
        };
        if let Err(error @ Error::SecretUnknown(_)) = fetched {
            // Not a failure of the app: nothing is written until the secret is there.
            state.change(|state| {
                state.health = Health::Unknown;
                state.error = Some(error);
            });
            last = Some(time);
            first = false;
            continue;
        }
        let Ok(permit) = tools.ingests.acquire().await else {
            break;
        };
        let work = Work {
            tools: tools.clone(),
            reading: Reading::new(&now.job, now.target.labels.clone()),
            job: Arc::clone(&now.job),
            url: now.target.url.clone(),
            time,
            started,
        };
        let held = ingest.take();
        // Not cut off by `stop`: half a scrape is not written, and it ends by itself.
        let done = tokio::task::spawn_blocking(move || work.run(held, fetched)).await;
        drop(permit);
        let done = done.unwrap_or_else(|_| Done {
            ingest: None,
            result: Err(Error::Internal),
            elapsed: tools.clock.monotonic().saturating_sub(started),
            page_size: 0,
        });
        ingest = done.ingest;
        page_size = done.page_size;
        let set_back = last.map_or(0, |last| last - time);
        report(&state, &done.result, time, done.elapsed, set_back);
        last = Some(time);
    }
    let interval = plan.borrow().target.interval;
    let stale_time = match last {
        Some(last) => last.saturating_add(milliseconds(interval)),
        None => tools.clock.now(),
    };
    Some(Legacy {
        ingest: ingest?,
        stale_time,
        interval,
    })
}

fn schedule_of(plan: &Plan) -> Schedule {
    let interval = plan.target.interval;
    Schedule::new(interval, plan.target.identity().offset(interval))
}

/// Waits for the next scrape; `false` where the loop has to stop. Somebody who wants to see one
/// now ends the waiting. A plan with another schedule
/// is waited for anew, any other counts from the next scrape on.
async fn wait_for(
    wait: Duration,
    plan: &mut watch::Receiver<Plan>,
    stop: &CancellationToken,
    state: &SharedState,
    schedule: &Schedule,
    tools: &Tools,
    last: Option<i64>,
) -> bool {
    let mut schedule = *schedule;
    let sleep = tokio::time::sleep(wait);
    tokio::pin!(sleep);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return false,
            () = &mut sleep => return true,
            () = state.hurried() => return true,
            changed = plan.changed() => {
                if changed.is_err() {
                    return false;
                }
                let new = schedule_of(&plan.borrow_and_update());
                if new != schedule {
                    schedule = new;
                    let wait = match last {
                        None => new.first_wait(),
                        Some(last) => new.wait(tools.clock.now(), last),
                    };
                    sleep.as_mut().reset(tokio::time::Instant::now() + wait);
                }
            }
        }
    }
}

/// The part of a scrape that may block: parsing, and waiting for the disk.
struct Work {
    tools: Tools,
    reading: Reading,
    job: Arc<Job>,
    url: String,
    time: i64,
    started: Duration,
}

struct Done {
    ingest: Option<Ingest>,
    result: Result<Outcome>,
    elapsed: Duration,
    page_size: usize,
}

impl Work {
    fn run(self, held: Option<Ingest>, fetched: Result<crate::fetch::Fetched>) -> Done {
        let elapsed = || self.tools.clock.monotonic().saturating_sub(self.started);
        let ingest = match held {
            Some(mut ingest) => {
                ingest.set_reading(self.reading);
                Ok(ingest)
            }
            None => {
                let target = self.tools.appender.target(&self.reading.labels);
                target.map(|target| Ingest::new(target, self.reading))
            }
        };
        let mut ingest = match ingest {
            Ok(ingest) => ingest,
            Err(error) => {
                return Done {
                    ingest: None,
                    result: Err(Error::Store(error)),
                    elapsed: elapsed(),
                    page_size: 0,
                };
            }
        };
        let limit = self.job.limits.body_size;
        let page_size = fetched.as_ref().map_or(0, crate::fetch::Fetched::size);
        let page = fetched.and_then(|fetched| fetched.into_page(limit, self.job.fallback_format));
        let lines = page
            .as_ref()
            .map(|page| (page.body.as_slice(), page.format))
            .map_err(Clone::clone);
        let mut result = ingest.scrape(lines, self.time, elapsed);
        if let Ok(outcome) = &mut result
            && let Some(error) = outcome.error.take()
        {
            outcome.error = Some(error.of_page(&self.url));
        }
        Done {
            ingest: Some(ingest),
            result,
            elapsed: elapsed(),
            page_size,
        }
    }
}

fn report(
    state: &SharedState,
    result: &Result<Outcome>,
    time: i64,
    elapsed: Duration,
    set_back: i64,
) {
    state.change(|state| {
        state.last_scrape = Some(time);
        state.last_duration = elapsed;
        state.warnings.clear();
        if set_back > 0 {
            state.warnings.push(format!(
                "the clock of this machine went back by {}; the store may refuse samples until \
                 it has caught up",
                series::format_duration(set_back)
            ));
        }
        match result {
            Ok(outcome) => {
                state.store_error = None;
                state.samples = outcome.scraped;
                state.series = outcome.live as u64;
                state.health = match outcome.error {
                    None => Health::Up,
                    Some(_) => Health::Down,
                };
                state.error = outcome.error.clone();
                add(&mut state.appended, &outcome.appended);
                state.warnings.extend(warnings(outcome));
            }
            Err(error) => state.store_error = Some(error.clone()),
        }
    });
}

fn warnings(outcome: &Outcome) -> Vec<String> {
    let appended = &outcome.appended;
    let mut warnings = Vec::new();
    for (count, what) in [
        (
            outcome.repeated,
            "repeat a series of the same page; the first value counts",
        ),
        (
            outcome.ahead,
            "have a time more than 10 minutes ahead of the clock",
        ),
        (
            appended.conflicting,
            "differ from what is stored for the same time",
        ),
        (appended.out_of_order, "are older than what is stored"),
        (
            appended.out_of_bounds,
            "are too old or too far in the future to be stored",
        ),
    ] {
        if count > 0 {
            warnings.push(format!("{count} samples {what}"));
        }
    }
    if let Some(error) = &outcome.refusal {
        warnings.push(format!(
            "{} new series are not stored: {error}",
            outcome.refused
        ));
    }
    warnings
}

fn add(total: &mut Appended, one: &Appended) {
    total.stored += one.stored;
    total.duplicate += one.duplicate;
    total.conflicting += one.conflicting;
    total.out_of_order += one.out_of_order;
    total.out_of_bounds += one.out_of_bounds;
    total.exemplars += one.exemplars;
}
