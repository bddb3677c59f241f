//! Wires the embedded engine: where its data lies, what is kept beside it so that scraping goes
//! on after a restart, and one store and one scraper per data source.
//!
//! Part of the front door: it may enter every room and holds the rules of none.

mod condition;
mod data_dir;
mod kept;
mod wanted;

pub(crate) use data_dir::DataDir;

use condition::Living;
use engine::Engine;
use engine::embedded::EmbeddedEngine;
use grafana::{EmbeddedSettings, InstanceId, InstanceSettings};
use kept::KeptSettings;
use scrape::{Clock, DiskFiles, Scraper, Surroundings, SystemNames};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use store::{Options, RealDisk, Store};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use wanted::Wanted;

/// How often blocks are made, merged and dropped where it is time.
const MAINTENANCE_INTERVAL: Duration = Duration::from_secs(60);
/// How long the last scrapes may take to be written at the end, all together.
const STOP_TIMEOUT: Duration = Duration::from_millis(500);

/// What the embedded engine's parts are made with.
pub(crate) struct Foundation {
    /// Where data lies.
    pub(crate) dir: DataDir,
    /// Files with credentials and lists of targets are read below these folders only.
    pub(crate) file_dirs: Vec<PathBuf>,
    /// What time it is.
    pub(crate) clock: Arc<dyn Clock>,
    /// Where scraping runs.
    pub(crate) runtime: Handle,
    /// Ends everything.
    pub(crate) stop: CancellationToken,
}

/// All data sources whose app is scraped here.
pub(crate) struct Embedded {
    foundation: Foundation,
    sources: Mutex<HashMap<InstanceId, Arc<Source>>>,
}

/// One data source: its samples, and who adds to them.
struct Source {
    store: Store,
    options: Options,
    scraper: Scraper,
    /// When the settings that are in force were changed.
    updated_ms: AtomicI64,
    /// Whether Grafana has asked since the start.
    is_asked: Arc<AtomicBool>,
    /// Ends this source alone.
    stop: CancellationToken,
}

impl Embedded {
    /// Nothing is read or written yet.
    pub(crate) fn new(foundation: Foundation) -> Self {
        Self {
            foundation,
            sources: Mutex::default(),
        }
    }

    /// Goes on scraping what was scraped before the process ended, without waiting for Grafana
    /// to ask. Targets whose credentials only Grafana has wait for its first request.
    pub(crate) fn resume(&self) {
        let dir = &self.foundation.dir;
        for kept in kept::find(dir.path()) {
            let (id, name) = (kept.id(), &kept.name);
            let (org, uid) = (id.org_id, id.uid.as_str());
            if kept.is_forgotten(self.foundation.clock.now()) {
                tracing::info!(
                    org,
                    uid,
                    "data source {name:?} was not asked for {} days: its app is no longer \
                     scraped, its data stays in {}. If the data source was deleted, the folder \
                     may be removed",
                    kept::FORGOTTEN_AFTER_DAYS,
                    dir.of(&id).display(),
                );
                continue;
            }
            match self.source(&id, &Wanted::kept(&kept)) {
                Ok(_) => tracing::info!(org, uid, "goes on scraping for data source {name:?}"),
                Err(error) => tracing::warn!(org, uid, "cannot go on for {name:?}: {error}"),
            }
        }
    }

    /// The engine of a data source, over its one store.
    ///
    /// # Errors
    /// [`engine::Error::Setting`] names a setting that cannot be used;
    /// [`engine::Error::Source`] says what is wrong with the place where the data should lie.
    pub(crate) fn open(
        &self,
        settings: &InstanceSettings,
        embedded: &EmbeddedSettings,
    ) -> Result<Arc<dyn Engine>, engine::Error> {
        let wanted = Wanted::asked(settings, embedded);
        let query_settings = wanted.query_settings()?;
        let source = self.source(&settings.id, &wanted)?;
        source.is_asked.store(true, Ordering::Relaxed);
        let kept = KeptSettings::new(settings, embedded, self.foundation.clock.now());
        if let Err(error) = kept.write(&self.foundation.dir.of(&settings.id)) {
            tracing::warn!("after a restart scraping waits for Grafana's first request: {error}");
        }
        let store = Arc::new(source.store.clone());
        Ok(Arc::new(EmbeddedEngine::new(
            store,
            Arc::new(Living(source)),
            query_settings,
        )))
    }

    /// Stops scraping, waits for what is being written, and closes all stores.
    pub(crate) async fn close(&self) {
        let sources = std::mem::take(&mut *self.sources());
        let started = Instant::now();
        for (id, source) in sources {
            let store = source.store.clone();
            source.stop.cancel();
            if let Some(source) = Arc::into_inner(source) {
                let left = STOP_TIMEOUT.saturating_sub(started.elapsed());
                // What is written too late is refused by the closed store.
                let _ = tokio::time::timeout(left, source.scraper.stop()).await;
            }
            // Without closing nothing is lost; the next start only has more of the log to read.
            if let Err(error) = store.close() {
                tracing::warn!(org = id.org_id, uid = id.uid, "closing the store: {error}");
            }
        }
    }

    fn sources(&self) -> MutexGuard<'_, HashMap<InstanceId, Arc<Source>>> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The data source's store and scraper, with `wanted` in force unless newer settings are.
    fn source(&self, id: &InstanceId, wanted: &Wanted<'_>) -> Result<Arc<Source>, engine::Error> {
        let settings = wanted.scrape_settings()?;
        let options = wanted.store_options()?;
        let mut sources = self.sources();
        if let Some(source) = sources.get(id) {
            if source.updated_ms.load(Ordering::Relaxed) > wanted.updated_ms {
                return Ok(Arc::clone(source));
            }
            if source.options == options {
                source.scraper.apply(settings);
                source
                    .updated_ms
                    .store(wanted.updated_ms, Ordering::Relaxed);
                return Ok(Arc::clone(source));
            }
            // Other bounds need the store anew. Its directory is free once it is closed; queries
            // that still run keep the view that they have.
            source.stop.cancel();
            if let Err(error) = source.store.close() {
                tracing::warn!(org = id.org_id, uid = id.uid, "closing the store: {error}");
            }
            sources.remove(id);
        }
        let source = Arc::new(self.start(id, options, settings, wanted.updated_ms)?);
        sources.insert(id.clone(), Arc::clone(&source));
        Ok(source)
    }

    fn start(
        &self,
        id: &InstanceId,
        options: Options,
        settings: scrape::Settings,
        updated_ms: i64,
    ) -> Result<Source, engine::Error> {
        let Foundation {
            dir,
            file_dirs,
            clock,
            runtime,
            stop,
        } = &self.foundation;
        let store_clock = Arc::clone(clock);
        let store = Store::open(
            Arc::new(RealDisk),
            &dir.of(id),
            options.clone(),
            Arc::new(move || store_clock.now()),
        )
        .map_err(|error| {
            engine::Error::Source(series::Error::Unavailable(format!(
                "{error}. {}",
                dir.advice()
            )))
        })?;
        for damage in &store.health().damage {
            tracing::warn!(
                org = id.org_id,
                uid = id.uid,
                "{}: {}",
                damage.path.display(),
                damage.what
            );
        }
        let stop = stop.child_token();
        let _runtime = runtime.enter();
        let surroundings = Surroundings {
            appender: Arc::new(store.clone()),
            clock: Arc::clone(clock),
            files: Arc::new(DiskFiles::below(file_dirs.clone())),
            names: Arc::new(SystemNames),
        };
        let scraper = Scraper::start(surroundings, settings, &stop);
        let is_asked = Arc::new(AtomicBool::new(false));
        runtime.spawn(maintain(Upkeep {
            store: store.clone(),
            dir: dir.of(id),
            is_asked: Arc::clone(&is_asked),
            clock: Arc::clone(clock),
            stop: stop.clone(),
        }));
        Ok(Source {
            store,
            options,
            scraper,
            updated_ms: updated_ms.into(),
            is_asked,
            stop,
        })
    }
}

/// What the upkeep of one data source works on.
struct Upkeep {
    store: Store,
    dir: PathBuf,
    is_asked: Arc<AtomicBool>,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
}

/// Keeps a store tidy, and the note that it is in use fresh, until it is stopped.
async fn maintain(upkeep: Upkeep) {
    let mut ticks = tokio::time::interval(MAINTENANCE_INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let stop = upkeep.stop.clone();
    let upkeep = Arc::new(upkeep);
    let mut noted_ms = upkeep.clock.now();
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let now_ms = upkeep.clock.now();
        let is_due = now_ms.abs_diff(noted_ms) > kept::DAY_MS.unsigned_abs();
        let notes = is_due && upkeep.is_asked.load(Ordering::Relaxed);
        let work = Arc::clone(&upkeep);
        let done = tokio::task::spawn_blocking(move || {
            if notes && let Err(error) = kept::note_asked(&work.dir, now_ms) {
                tracing::warn!("noting that a data source is in use: {error}");
            }
            work.store.maintain()
        });
        if notes {
            noted_ms = now_ms;
        }
        if let Ok(Err(error)) = done.await {
            tracing::warn!("keeping the store tidy: {error}; tried again in a minute");
        }
    }
}
