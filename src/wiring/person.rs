use super::condition::Living;
use super::data_dir::DataDir;
use super::own_metrics::OwnMetrics;
use super::running::{Begin, Running};
use super::stored;
use api::TsdbStatistics;
use cli::{CannotOpen, Opening, Place, Task};
use engine::Engine;
use engine::embedded::{Condition, EmbeddedEngine, EmbeddedSettings};
use scrape::{Clock, DiskFiles};
use series::{Interrupt, LabelQuery, SeriesSource, TimeRange};
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use store::{Options, RealDisk, Store};
use tempfile::TempDir;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

/// How long the last scrape may take to be written at the end.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// What the commands that a person starts need of the machine.
pub(crate) struct PersonsMachine {
    /// What time it is.
    pub(crate) clock: Arc<dyn Clock>,
    /// Where the plugin keeps its data, as far as a person's shell lets that be seen.
    pub(crate) plugin_data: DataDir,
}

impl PersonsMachine {
    fn data_dir(&self, named: Option<&Path>) -> DataDir {
        named.map_or_else(|| self.plugin_data.clone(), DataDir::named)
    }
}

impl cli::Machine for PersonsMachine {
    fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }

    fn clock(&self) -> api::Clock {
        let clock = Arc::clone(&self.clock);
        Arc::new(move || clock.now())
    }

    #[cfg(unix)]
    fn asked_to_stop(&self) -> io::Result<Task<()>> {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        Ok(Box::pin(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        }))
    }

    #[cfg(not(unix))]
    fn asked_to_stop(&self) -> io::Result<Task<()>> {
        Ok(Box::pin(async {
            // Without signals the process ends when its window is closed.
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending().await
            }
        }))
    }

    fn open(&self, opening: Opening) -> Result<cli::Running, CannotOpen> {
        let folder = Folder::of(opening.place)?;
        let defaults = Options::default();
        let options = Options {
            retention: opening.retention_ms.unwrap_or(defaults.retention),
            retention_size: opening.retention_bytes.unwrap_or(defaults.retention_size),
            ..defaults
        };
        let running = Running::start(Begin {
            dir: folder.path(),
            options,
            settings: opening.scrape,
            // Whoever starts the process may read what it reads.
            files: DiskFiles::anywhere(),
            clock: &self.clock,
            runtime: &Handle::current(),
            stop: CancellationToken::new(),
            upkeep: Arc::new(|| {}),
        })
        .map_err(|error| CannotOpen(error.to_string()))?;
        let running = Arc::new(running);
        let store = running.store.clone();
        let damage = store.health().damage.into_iter();
        let damage = damage
            .map(|damage| format!("{}: {}", damage.path.display(), damage.what))
            .collect();
        let engine: Arc<dyn Engine> = Arc::new(EmbeddedEngine::new(
            Arc::new(store.clone()),
            Arc::new(Living {
                running: Arc::clone(&running),
                clock: Arc::clone(&self.clock),
                others: None,
            }),
            EmbeddedSettings::default(),
        ));
        let metrics =
            OwnMetrics::new(Arc::clone(&running)).map_err(|error| CannotOpen(error.to_string()))?;
        let (targets, counted) = (Arc::clone(&running), store.clone());
        Ok(cli::Running {
            engine,
            appender: Arc::new(store.clone()),
            targets: Arc::new(move || targets.scraper.status()),
            statistics: Arc::new(move |limit| statistics(&counted, limit)),
            metrics: Arc::new(move || metrics.text()),
            dir: folder.path().to_owned(),
            damage,
            close: Box::new(move || {
                Box::pin(async move {
                    let closed = running.close(STOP_TIMEOUT).await;
                    closed.map_err(|error| format!("Closing the store: {error}"))?;
                    folder.leave()
                })
            }),
        })
    }

    fn open_to_read(&self, dir: &Path) -> Result<Arc<dyn Engine>, CannotOpen> {
        let clock = Arc::clone(&self.clock);
        let opened = Store::open_read_only(
            Arc::new(RealDisk),
            dir,
            Options::default(),
            Arc::new(move || clock.now()),
        );
        let store = opened.map_err(|error| CannotOpen(error.to_string()))?;
        Ok(Arc::new(EmbeddedEngine::new(
            Arc::new(store.clone()),
            Arc::new(AtRest(store)),
            EmbeddedSettings::default(),
        )))
    }

    fn stored(&self, dir: Option<&Path>) -> Result<cli::Stored, CannotOpen> {
        stored::stored(&self.data_dir(dir))
    }

    fn remove_stored(&self, dir: Option<&Path>, name: &str) -> Result<(), CannotOpen> {
        stored::remove(&self.data_dir(dir), name)
    }
}

/// Where samples lie, and whether they go at the end.
enum Folder {
    Stays(PathBuf),
    Goes(TempDir),
}

impl Folder {
    fn of(place: Place) -> Result<Self, CannotOpen> {
        match place {
            Place::Folder(dir) => Ok(Self::Stays(dir)),
            Place::Temporary => {
                let made = tempfile::Builder::new().prefix("headwater-").tempdir();
                made.map(Self::Goes).map_err(|error| {
                    CannotOpen(format!("Cannot make a temporary folder: {error}."))
                })
            }
        }
    }

    fn path(&self) -> &Path {
        match self {
            Self::Stays(dir) => dir,
            Self::Goes(dir) => dir.path(),
        }
    }

    fn leave(self) -> Result<(), String> {
        match self {
            Self::Stays(_) => Ok(()),
            Self::Goes(dir) => {
                let path = dir.path().display().to_string();
                dir.close()
                    .map_err(|error| format!("Cannot remove {path}: {error}."))
            }
        }
    }
}

/// A store that nobody writes to.
struct AtRest(Store);

impl Condition for AtRest {
    fn health(&self) -> engine::Health {
        let damage = self.0.health().damage.into_iter();
        let damage: Vec<String> = damage
            .map(|damage| format!("{}: {}", damage.path.display(), damage.what))
            .collect();
        engine::Health {
            status: engine::HealthStatus::Ok,
            message: format!("The samples in {} can be read.", self.0.dir().display()),
            advice: None,
            details: vec![("damage", damage.join("; "))],
        }
    }
}

/// Counts the series in memory by their labels; each list has at most `limit` entries. It walks
/// over all of them, as nobody asks for this often.
fn statistics(store: &Store, limit: usize) -> TsdbStatistics {
    let sizes = store.statistics();
    let head = LabelQuery {
        selectors: &[],
        range: TimeRange {
            start: sizes.max_time.unwrap_or(0).saturating_sub(HEAD_MS),
            end: i64::MAX,
        },
        limit: None,
    };
    // Who cannot read the index is told by every query.
    let found = store.series(&head, &Interrupt::new());
    let found = found.map(|found| found.entries).unwrap_or_default();
    let mut metrics: HashMap<&str, u64> = HashMap::new();
    let mut pairs: HashMap<(&str, &str), u64> = HashMap::new();
    for labels in &found {
        for (name, value) in labels.iter() {
            *pairs.entry((name, value)).or_default() += 1;
            if name == series::METRIC_NAME {
                *metrics.entry(value).or_default() += 1;
            }
        }
    }
    let mut values: HashMap<&str, u64> = HashMap::new();
    let mut bytes: HashMap<&str, u64> = HashMap::new();
    for (name, value) in pairs.keys() {
        *values.entry(name).or_default() += 1;
        *bytes.entry(name).or_default() += value.len() as u64;
    }
    let label_pairs = pairs.len() as u64;
    let pairs = pairs.into_iter();
    TsdbStatistics {
        series: sizes.head_series,
        label_pairs,
        chunks: 0,
        min_time: sizes.min_time,
        max_time: sizes.max_time,
        series_by_metric: most(metrics.into_iter().map(owned).collect(), limit),
        values_by_label: most(values.into_iter().map(owned).collect(), limit),
        bytes_by_label: most(bytes.into_iter().map(owned).collect(), limit),
        series_by_pair: most(
            pairs
                .map(|((n, v), count)| (format!("{n}={v}"), count))
                .collect(),
            limit,
        ),
    }
}

/// What was alive so many milliseconds ago counts as in memory: a block and a half.
const HEAD_MS: i64 = 3 * 3_600_000;

fn owned((name, value): (&str, u64)) -> (String, u64) {
    (name.to_owned(), value)
}

fn most(mut counts: Vec<(String, u64)>, limit: usize) -> Vec<api::Count> {
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    counts.truncate(limit);
    let counts = counts.into_iter();
    counts
        .map(|(name, value)| api::Count { name, value })
        .collect()
}
