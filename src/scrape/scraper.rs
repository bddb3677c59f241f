//! Keeps one loop per target: starts, changes and stops what settings and discovery ask for.

use crate::discovery::{discover, refresh};
use crate::error::milliseconds;
use crate::fetch::Fetcher;
use crate::settings::{Job, Settings, Source, TargetGroup};
use crate::status::{DroppedTarget, Health, Problem, SharedState, Status, TargetState};
use crate::target::{Found, Identity, Target};
use crate::target_loop::{Legacy, Plan, Tools, run};
use crate::{Clock, Error, Files, Names, Result};
use series::{Appended, Appender, Labels};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};

/// What a scraper works with.
#[derive(Clone)]
pub struct Surroundings {
    /// Where samples go.
    pub appender: Arc<dyn Appender>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where credentials and lists of targets are read.
    pub files: Arc<dyn Files>,
    /// Where names of targets are looked up.
    pub names: Arc<dyn Names>,
}

/// Pages that are worked on at once.
const INGESTS: usize = 4;

/// A running scraper. It stops when its token is cancelled or when it is dropped.
pub struct Scraper {
    settings: watch::Sender<Settings>,
    status: Arc<Mutex<Board>>,
    manager: tokio::task::JoinHandle<()>,
    _stop: DropGuard,
}

impl Scraper {
    /// Starts to scrape. Called within a tokio runtime with timers and I/O.
    ///
    /// A new target is scraped within a second, and from then on at its own place in each
    /// interval of the wall clock. Once `stop` is cancelled no more is written; stale markers
    /// are not, because whoever restarts goes on where it was.
    #[must_use]
    pub fn start(surroundings: Surroundings, settings: Settings, stop: &CancellationToken) -> Self {
        let stop = stop.child_token();
        let (settings, mut changes) = watch::channel(settings);
        let status = Arc::new(Mutex::new(Board::default()));
        let (events, incoming) = mpsc::unbounded_channel();
        let mut manager = Manager {
            tools: Tools {
                appender: surroundings.appender,
                clock: surroundings.clock,
                ingests: Arc::new(Semaphore::new(INGESTS)),
            },
            files: surroundings.files,
            names: surroundings.names,
            stop: stop.clone(),
            events,
            status: Arc::clone(&status),
            jobs: Vec::new(),
            next_source: 0,
            running: HashMap::new(),
            legacies: HashMap::new(),
            awaited: HashSet::new(),
            tasks: JoinSet::new(),
        };
        // At once, so that the targets are known when this returns.
        manager.set(changes.borrow_and_update().clone());
        Self {
            settings,
            status,
            manager: tokio::spawn(manager.run(changes, incoming)),
            _stop: stop.drop_guard(),
        }
    }

    /// Scrapes by other settings from now on. What stays the same is not disturbed.
    pub fn apply(&self, settings: Settings) {
        self.settings.send_replace(settings);
    }

    /// How everything is now.
    #[must_use]
    pub fn status(&self) -> Status {
        let board = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        Status {
            targets: board.targets.iter().map(SharedState::read).collect(),
            dropped: board.dropped.clone(),
            problems: board.problems.clone(),
        }
    }

    /// Scrapes the targets that are `wanted` now, once and out of turn; their places in each
    /// interval stay. Does not wait for it: [`TargetState::last_scrape`] tells when it is done.
    pub fn hurry(&self, wanted: impl Fn(&TargetState) -> bool) {
        let board = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = board.targets.iter().filter(|state| wanted(&state.read()));
        wanted.for_each(SharedState::hurry);
    }

    /// Stops and waits until the last scrape that is being written is written.
    pub async fn stop(self) {
        let Self { manager, _stop, .. } = self;
        drop(_stop);
        // An error means that the manager panicked, and then it has stopped too.
        let _ = manager.await;
    }
}

#[derive(Default)]
struct Board {
    targets: Vec<SharedState>,
    dropped: Vec<DroppedTarget>,
    problems: Vec<Problem>,
}

enum Event {
    /// A source has answered.
    Discovered(u64, Result<Vec<TargetGroup>>),
    /// A target's loop has ended.
    Ended(Identity, Option<Legacy>),
    /// Nobody took over a target in time.
    Due(Labels, u64),
    /// Its stale markers could not be written.
    NotEnded(Labels, Legacy, u32),
}

struct Manager {
    tools: Tools,
    files: Arc<dyn Files>,
    names: Arc<dyn Names>,
    stop: CancellationToken,
    events: mpsc::UnboundedSender<Event>,
    status: Arc<Mutex<Board>>,
    jobs: Vec<RunningJob>,
    next_source: u64,
    running: HashMap<Identity, Running>,
    /// What ended targets left, by their labels, for whoever takes over.
    legacies: HashMap<Labels, Waiting>,
    /// Labels of targets that start when the loop that has them now has ended.
    awaited: HashSet<Labels>,
    tasks: JoinSet<()>,
}

struct RunningJob {
    job: Arc<Job>,
    fetcher: Arc<Fetcher>,
    sources: Vec<RunningSource>,
}

struct RunningSource {
    id: u64,
    source: Source,
    groups: Vec<TargetGroup>,
    error: Option<Error>,
    _stop: Option<DropGuard>,
}

struct Running {
    plan: watch::Sender<Plan>,
    state: SharedState,
    stop: CancellationToken,
}

struct Waiting {
    legacy: Legacy,
    turn: u64,
    attempts: u32,
}

/// How often stale markers of a target that is gone are tried to write.
const END_ATTEMPTS: u32 = 10;

impl Manager {
    async fn run(
        mut self,
        mut settings: watch::Receiver<Settings>,
        mut incoming: mpsc::UnboundedReceiver<Event>,
    ) {
        let stop = self.stop.clone();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                changed = settings.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    let new = settings.borrow_and_update().clone();
                    self.set(new);
                }
                event = incoming.recv() => match event {
                    Some(event) => self.take(event),
                    None => break,
                },
                // Ended tasks are taken out, so that their results do not pile up.
                Some(_) = self.tasks.join_next() => {}
            }
        }
        // Loops see the token too; each finishes the scrape that it is writing.
        stop.cancel();
        while self.tasks.join_next().await.is_some() {}
    }

    /// Takes settings over: jobs keep what of theirs stays the same.
    fn set(&mut self, settings: Settings) {
        let mut old = std::mem::take(&mut self.jobs);
        for job in settings.jobs {
            let job = Arc::new(job);
            let before = old
                .iter()
                .position(|before| before.job.name == job.name && before.job.sources == job.sources)
                .map(|index| old.swap_remove(index));
            let (fetcher, sources) = match before {
                Some(before) if asks_alike(&before.job, &job) => (before.fetcher, before.sources),
                Some(before) => (self.fetcher(&job), before.sources),
                None => (self.fetcher(&job), self.sources(&job)),
            };
            self.jobs.push(RunningJob {
                job,
                fetcher,
                sources,
            });
        }
        self.reconcile();
    }

    fn fetcher(&self, job: &Job) -> Arc<Fetcher> {
        Arc::new(Fetcher::new(job, Arc::clone(&self.files)))
    }

    fn sources(&mut self, job: &Job) -> Vec<RunningSource> {
        job.sources
            .iter()
            .map(|source| {
                let id = self.next_source;
                self.next_source += 1;
                let (groups, stop) = match source {
                    Source::Static(groups) => (groups.clone(), None),
                    Source::Dns(_) | Source::Files(_) => (Vec::new(), Some(self.watch(id, source))),
                };
                RunningSource {
                    id,
                    source: source.clone(),
                    groups,
                    error: None,
                    _stop: stop,
                }
            })
            .collect()
    }

    /// Asks a source again and again, until the guard is dropped.
    fn watch(&mut self, id: u64, source: &Source) -> DropGuard {
        let stop = self.stop.child_token();
        let guard = stop.clone().drop_guard();
        let (source, events) = (source.clone(), self.events.clone());
        let (names, files) = (Arc::clone(&self.names), Arc::clone(&self.files));
        self.tasks.spawn(async move {
            let mut last = None;
            loop {
                let answer = tokio::select! {
                    () = stop.cancelled() => return,
                    answer = discover(&source, &*names, &files) => answer,
                };
                if let Some(answer) = answer
                    && last.as_ref() != Some(&answer)
                {
                    last = Some(answer.clone());
                    if events.send(Event::Discovered(id, answer)).is_err() {
                        return;
                    }
                }
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(refresh(&source)) => {}
                }
            }
        });
        guard
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Discovered(id, answer) => {
                let sources = self.jobs.iter_mut().flat_map(|job| &mut job.sources);
                for source in sources.filter(|source| source.id == id) {
                    match &answer {
                        Ok(groups) => {
                            source.groups.clone_from(groups);
                            source.error = None;
                        }
                        // What was found before is better than nothing.
                        Err(error) => source.error = Some(error.clone()),
                    }
                }
                self.reconcile();
            }
            Event::Ended(identity, legacy) => {
                self.running.remove(&identity);
                if let Some(legacy) = legacy {
                    self.keep(identity.labels.clone(), legacy, 0);
                }
                if self.awaited.contains(&identity.labels) {
                    self.reconcile();
                }
            }
            Event::Due(labels, turn) => {
                let is_due = self.legacies.get(&labels).is_some_and(|w| w.turn == turn);
                // Whoever has the same labels goes on with the series: it is not their end.
                let taken_over = self.running.keys().any(|running| running.labels == labels);
                if is_due
                    && let Some(waiting) = self.legacies.remove(&labels)
                    && !taken_over
                {
                    self.end(labels, waiting);
                }
            }
            Event::NotEnded(labels, legacy, attempts) => {
                if attempts < END_ATTEMPTS && !self.legacies.contains_key(&labels) {
                    self.keep(labels, legacy, attempts);
                }
            }
        }
    }

    /// Keeps what a target left until its series have to be marked: when two scrapes and a
    /// tenth of the interval went by without it (as Prometheus waits).
    fn keep(&mut self, labels: Labels, legacy: Legacy, attempts: u32) {
        let turn = self.next_source;
        self.next_source += 1;
        let since = self.tools.clock.now() - legacy.stale_time;
        let wait = 2 * milliseconds(legacy.interval) + milliseconds(legacy.interval) / 10;
        let wait = match attempts {
            0 => (wait - milliseconds(legacy.interval) - since).clamp(0, wait),
            _ => milliseconds(legacy.interval),
        };
        let waiting = Waiting {
            legacy,
            turn,
            attempts,
        };
        self.legacies.insert(labels.clone(), waiting);
        let (events, stop) = (self.events.clone(), self.stop.clone());
        self.tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(Duration::from_millis(wait.unsigned_abs())) => {
                    // Nobody listens any more when the scraper stops.
                    let _ = events.send(Event::Due(labels, turn));
                }
            }
        });
    }

    /// Marks the series of a target that is gone.
    fn end(&mut self, labels: Labels, waiting: Waiting) {
        let (events, attempts) = (self.events.clone(), waiting.attempts);
        let mut legacy = waiting.legacy;
        self.tasks.spawn(async move {
            let ended = tokio::task::spawn_blocking(move || {
                let ended = legacy.ingest.end(legacy.stale_time);
                (legacy, ended)
            });
            if let Ok((legacy, Err(_))) = ended.await {
                let _ = events.send(Event::NotEnded(labels, legacy, attempts + 1));
            }
        });
    }

    /// Starts, changes and stops loops so that they are what jobs and sources ask for.
    fn reconcile(&mut self) {
        let mut board = Board::default();
        let mut wanted: Vec<(Identity, Plan)> = Vec::new();
        let mut known: HashSet<Identity> = HashSet::new();
        for running in &self.jobs {
            let mut found = Found::default();
            for source in &running.sources {
                debug_assert!(
                    !matches!(source.source, Source::Static(_)) || source.error.is_none()
                );
                source
                    .groups
                    .iter()
                    .for_each(|group| found.add(&running.job, group));
                found.errors.extend(source.error.clone());
            }
            let name = &running.job.name;
            let forced = too_many(&running.job, found.targets.len());
            found.errors.extend(forced.clone());
            for target in found.targets {
                let identity = target.identity();
                // The same page under the same labels is one target, however often it is named.
                if known.insert(identity.clone()) {
                    let plan = Plan {
                        job: Arc::clone(&running.job),
                        fetcher: Arc::clone(&running.fetcher),
                        target,
                        forced: forced.clone(),
                    };
                    wanted.push((identity, plan));
                }
            }
            board
                .dropped
                .extend(found.dropped.into_iter().map(|discovered| DroppedTarget {
                    job: name.clone(),
                    discovered,
                }));
            board
                .problems
                .extend(found.errors.into_iter().map(|error| Problem {
                    job: name.clone(),
                    error,
                }));
        }
        let mut ending: HashSet<Labels> = HashSet::new();
        for (identity, running) in &self.running {
            if !known.contains(identity) {
                running.stop.cancel();
            }
            if running.stop.is_cancelled() {
                ending.insert(identity.labels.clone());
            }
        }
        self.awaited.clear();
        for (identity, plan) in wanted {
            let goes_on = self
                .running
                .get(&identity)
                .is_some_and(|running| !running.stop.is_cancelled());
            let state = if ending.contains(&identity.labels) && !goes_on {
                // Its predecessor hands over what it knows of the series when it has ended.
                self.awaited.insert(identity.labels);
                SharedState::new(new_state(&plan))
            } else {
                self.ensure(identity, plan)
            };
            board.targets.push(state);
        }
        *self.status.lock().unwrap_or_else(PoisonError::into_inner) = board;
    }

    /// Makes a target run by a plan.
    fn ensure(&mut self, identity: Identity, plan: Plan) -> SharedState {
        if let Some(running) = self.running.get(&identity) {
            running.state.change(|state| describe(state, &plan));
            running.plan.send_replace(plan);
            return running.state.clone();
        }
        let state = SharedState::new(new_state(&plan));
        let stop = self.stop.child_token();
        let (sender, receiver) = watch::channel(plan);
        let legacy = self.legacies.remove(&identity.labels);
        let running = Running {
            plan: sender,
            state: state.clone(),
            stop: stop.clone(),
        };
        self.running.insert(identity.clone(), running);
        let ingest = legacy.map(|waiting| waiting.legacy.ingest);
        let looping = run(self.tools.clone(), receiver, state.clone(), stop, ingest);
        let events = self.events.clone();
        self.tasks.spawn(async move {
            let legacy = looping.await;
            let _ = events.send(Event::Ended(identity, legacy));
        });
        state
    }
}

/// Whether both jobs ask for pages in the same way, so that connections can be kept.
fn asks_alike(a: &Job, b: &Job) -> bool {
    a.http == b.http
        && a.accept == b.accept
        && a.compression == b.compression
        && a.limits.body_size == b.limits.body_size
}

/// As in Prometheus, a job with too many targets has none that can be scraped: which of them
/// were scraped would be chance.
fn too_many(job: &Job, targets: usize) -> Option<Error> {
    let limit = job.limits.targets;
    (targets as u64 > limit).then(|| Error::Limit {
        what: format!("the job {} has {targets} targets", job.name),
        bound: "targetLimit",
        limit,
    })
}

fn describe(state: &mut TargetState, plan: &Plan) {
    let Target {
        labels,
        discovered,
        url,
        interval,
        timeout,
    } = plan.target.clone();
    state.job.clone_from(&plan.job.name);
    state.labels = labels;
    state.discovered = discovered;
    state.url = url;
    state.interval = interval;
    state.timeout = timeout;
}

fn new_state(plan: &Plan) -> TargetState {
    let mut state = TargetState {
        job: String::new(),
        url: String::new(),
        labels: Labels::empty(),
        discovered: Labels::empty(),
        interval: Duration::ZERO,
        timeout: Duration::ZERO,
        health: Health::Unknown,
        error: None,
        store_error: None,
        last_scrape: None,
        last_duration: Duration::ZERO,
        samples: 0,
        series: 0,
        warnings: Vec::new(),
        appended: Appended::default(),
    };
    describe(&mut state, plan);
    state
}

#[cfg(test)]
mod tests;
