use super::memory::{give_back_free_memory, keep_free_memory};
use scrape::{Clock, DiskFiles, Scraper, SystemNames};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use store::{Options, RealDisk, Store, StoreError};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

/// How often blocks are made, merged and dropped where it is time.
const MAINTENANCE_INTERVAL: Duration = Duration::from_secs(60);

/// Work that comes back.
pub(super) type Upkeep = Arc<dyn Fn() + Send + Sync>;

/// What a store and its scraper are started with.
pub(super) struct Begin<'a> {
    /// Where the samples lie.
    pub(super) dir: &'a Path,
    /// The store's bounds.
    pub(super) options: Options,
    /// What is scraped.
    pub(super) settings: scrape::Settings,
    /// What files with credentials and lists of targets may be read.
    pub(super) files: DiskFiles,
    /// What time it is.
    pub(super) clock: &'a Arc<dyn Clock>,
    /// Where scraping runs.
    pub(super) runtime: &'a Handle,
    /// Ends both.
    pub(super) stop: CancellationToken,
    /// What else is done once a minute; it may block.
    pub(super) upkeep: Upkeep,
}

/// A store that is kept tidy, and who adds to it.
pub(super) struct Running {
    pub(super) store: Store,
    pub(super) scraper: Scraper,
    /// Ends the scraping and the tidying.
    pub(super) stop: CancellationToken,
}

impl Running {
    /// Opens the store and begins to scrape.
    ///
    /// # Errors
    /// [`StoreError`] says what is wrong with the directory.
    pub(super) fn start(begin: Begin<'_>) -> Result<Self, StoreError> {
        let store_clock = Arc::clone(begin.clock);
        let store = Store::open(
            Arc::new(RealDisk),
            begin.dir,
            begin.options,
            Arc::new(move || store_clock.now()),
        )?;
        let _runtime = begin.runtime.enter();
        let surroundings = scrape::Surroundings {
            appender: Arc::new(store.clone()),
            clock: Arc::clone(begin.clock),
            files: Arc::new(begin.files),
            names: Arc::new(SystemNames),
        };
        let stop = begin.stop;
        let scraper = Scraper::start(surroundings, begin.settings, &stop);
        keep_free_memory();
        let kept_tidy = maintain(store.clone(), begin.upkeep, stop.clone());
        begin.runtime.spawn(kept_tidy);
        Ok(Self {
            store,
            scraper,
            stop,
        })
    }

    /// Stops scraping, waits at most `patience` for what is being written where nobody else
    /// looks at it, and closes the store.
    ///
    /// # Errors
    /// [`StoreError::Io`]. Nothing is lost then; the next start only has more of the log to read.
    pub(super) async fn close(self: Arc<Self>, patience: Duration) -> Result<(), StoreError> {
        let store = self.store.clone();
        self.stop.cancel();
        if let Some(running) = Arc::into_inner(self) {
            // What is written too late is refused by the closed store.
            let _ = tokio::time::timeout(patience, running.scraper.stop()).await;
        }
        store.close()
    }
}

/// Keeps a store tidy until it is stopped.
async fn maintain(store: Store, upkeep: Upkeep, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(MAINTENANCE_INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let (store, upkeep) = (store.clone(), Arc::clone(&upkeep));
        let done = tokio::task::spawn_blocking(move || {
            upkeep();
            let done = store.maintain();
            give_back_free_memory();
            done
        });
        if let Ok(Err(error)) = done.await {
            tracing::warn!("keeping the store tidy: {error}; tried again in a minute");
        }
    }
}
