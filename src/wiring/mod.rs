//! Wires the embedded engine: where its data lies, what is kept beside it so that scraping goes
//! on after a restart, and one store and one scraper per data source, or for a person.
//!
//! Part of the front door: it may enter every room and holds the rules of none.

mod condition;
mod data_dir;
mod kept;
mod memory;
mod own_metrics;
mod person;
mod running;
mod store_metrics;
mod stored;
mod wanted;

pub(crate) use data_dir::DataDir;
pub(crate) use person::PersonsMachine;
pub(crate) use store_metrics::StoreMetrics;

use condition::Living;
use engine::Engine;
use engine::embedded::EmbeddedEngine;
use grafana::{EmbeddedSettings, InstanceId, InstanceSettings};
use kept::KeptSettings;
use running::{Begin, Running};
use scrape::{Clock, DiskFiles};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use store::Options;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use wanted::Wanted;

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
    running: Arc<Running>,
    options: Options,
    /// When the settings that are in force were changed.
    updated_ms: AtomicI64,
    /// Whether Grafana has asked since the start.
    is_asked: Arc<AtomicBool>,
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
                     scraped, its data stays in {}. If the data source was deleted, \
                     `gpx_headwater data list` and `data remove` take care of it",
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
        let running = Arc::clone(&source.running);
        Ok(Arc::new(EmbeddedEngine::new(
            Arc::new(running.store.clone()),
            Arc::new(Living {
                running,
                clock: Arc::clone(&self.foundation.clock),
                others: Some(self.foundation.dir.clone()),
            }),
            query_settings,
        )))
    }

    /// Stops scraping, waits for what is being written, and closes all stores.
    pub(crate) async fn close(&self) {
        let sources = std::mem::take(&mut *self.sources());
        let started = Instant::now();
        for (id, source) in sources {
            let left = STOP_TIMEOUT.saturating_sub(started.elapsed());
            let running = Arc::clone(&source.running);
            drop(source);
            if let Err(error) = running.close(left).await {
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
                source.running.scraper.apply(settings);
                source
                    .updated_ms
                    .store(wanted.updated_ms, Ordering::Relaxed);
                return Ok(Arc::clone(source));
            }
            // Other bounds need the store anew. Its directory is free once it is closed; queries
            // that still run keep the view that they have.
            source.running.stop.cancel();
            if let Err(error) = source.running.store.close() {
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
        let is_asked = Arc::new(AtomicBool::new(false));
        let folder = dir.of(id);
        let note = Note {
            dir: folder.clone(),
            is_asked: Arc::clone(&is_asked),
            noted_ms: clock.now().into(),
            clock: Arc::clone(clock),
        };
        let running = Running::start(Begin {
            dir: &folder,
            options: options.clone(),
            settings,
            files: DiskFiles::below(file_dirs.clone()),
            clock,
            runtime,
            stop: stop.child_token(),
            upkeep: Arc::new(move || note.refresh()),
        })
        .map_err(|error| {
            let error = error.to_string();
            engine::Error::Source(series::Error::Unavailable(format!(
                "{}. {}",
                error.trim_end_matches('.'),
                dir.advice()
            )))
        })?;
        for damage in &running.store.health().damage {
            tracing::warn!(
                org = id.org_id,
                uid = id.uid,
                "{}: {}",
                damage.path.display(),
                damage.what
            );
        }
        Ok(Source {
            running: Arc::new(running),
            options,
            updated_ms: updated_ms.into(),
            is_asked,
        })
    }
}

/// The note that a data source is in use.
struct Note {
    dir: PathBuf,
    is_asked: Arc<AtomicBool>,
    noted_ms: AtomicI64,
    clock: Arc<dyn Clock>,
}

impl Note {
    /// Writes the note anew where it is a day old and Grafana has asked since the start.
    fn refresh(&self) {
        let now_ms = self.clock.now();
        let age_ms = now_ms.abs_diff(self.noted_ms.load(Ordering::Relaxed));
        if age_ms <= kept::DAY_MS.unsigned_abs() || !self.is_asked.load(Ordering::Relaxed) {
            return;
        }
        self.noted_ms.store(now_ms, Ordering::Relaxed);
        if let Err(error) = kept::note_asked(&self.dir, now_ms) {
            tracing::warn!("noting that a data source is in use: {error}");
        }
    }
}
