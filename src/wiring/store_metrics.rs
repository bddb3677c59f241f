use super::Embedded;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntCounterVec, IntGaugeVec, Opts};
use scrape::Health;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};

/// What each data source's store and targets have come to, among the plugin's own metrics.
pub(crate) struct StoreMetrics {
    embedded: Arc<Embedded>,
    head_series: IntGaugeVec,
    samples: IntCounterVec,
    blocks: IntGaugeVec,
    block_bytes: IntGaugeVec,
    wal_bytes: IntGaugeVec,
    targets: IntGaugeVec,
    /// One answer is put together at a time.
    gathering: Mutex<()>,
}

const LABELS: &[&str] = &["org", "uid"];

impl StoreMetrics {
    /// Of the data sources that `embedded` serves at the time of asking.
    ///
    /// # Errors
    /// [`prometheus::Error`] when a name is not allowed.
    pub(crate) fn new(embedded: Arc<Embedded>) -> Result<Self, prometheus::Error> {
        let gauge = |name: &str, help: &str| IntGaugeVec::new(Opts::new(name, help), LABELS);
        Ok(Self {
            embedded,
            head_series: gauge("headwater_head_series", "Series in memory, by data source.")?,
            samples: IntCounterVec::new(
                Opts::new(
                    "headwater_samples_appended_total",
                    "Samples added since the store was opened, replayed ones included, by data source.",
                ),
                LABELS,
            )?,
            blocks: gauge("headwater_blocks", "Blocks on disk, by data source.")?,
            block_bytes: gauge(
                "headwater_block_bytes",
                "Bytes of all blocks, by data source.",
            )?,
            wal_bytes: gauge(
                "headwater_wal_bytes",
                "Bytes of the log that a start would have to read, by data source.",
            )?,
            targets: IntGaugeVec::new(
                Opts::new(
                    "headwater_targets",
                    "Targets by data source and by how their last scrape went.",
                ),
                &["org", "uid", "health"],
            )?,
            gathering: Mutex::new(()),
        })
    }

    fn vectors(&self) -> [&dyn Collector; 6] {
        [
            &self.head_series,
            &self.samples,
            &self.blocks,
            &self.block_bytes,
            &self.wal_bytes,
            &self.targets,
        ]
    }

    /// Forgets data sources that are gone, and reads the others.
    fn read(&self) {
        // A store that is being opened holds the list for as long as its log takes to be read;
        // whoever asks for metrics is not kept waiting, and gets what was known before.
        let sources = match self.embedded.sources.try_lock() {
            Ok(sources) => sources,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        let sources: Vec<_> = sources
            .iter()
            .map(|(id, source)| (id.clone(), Arc::clone(&source.running)))
            .collect();
        self.samples.reset();
        for vector in [
            &self.head_series,
            &self.blocks,
            &self.block_bytes,
            &self.wal_bytes,
            &self.targets,
        ] {
            vector.reset();
        }
        let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        for (id, running) in sources {
            let org = id.org_id.to_string();
            let labels = [org.as_str(), id.uid.as_str()];
            let sizes = running.store.statistics();
            self.samples
                .with_label_values(&labels)
                .inc_by(sizes.appended_samples);
            for (vector, count) in [
                (&self.head_series, sizes.head_series),
                (&self.blocks, sizes.blocks),
                (&self.block_bytes, sizes.block_bytes),
                (&self.wal_bytes, sizes.wal_bytes),
            ] {
                vector.with_label_values(&labels).set(signed(count));
            }
            let status = running.scraper.status();
            for health in [Health::Unknown, Health::Up, Health::Down] {
                let targets = status.targets.iter();
                let count = targets.filter(|target| target.health == health).count();
                self.targets
                    .with_label_values(&[org.as_str(), id.uid.as_str(), health.as_str()])
                    .set(signed(count as u64));
            }
        }
    }
}

impl Collector for StoreMetrics {
    fn desc(&self) -> Vec<&Desc> {
        self.vectors()
            .into_iter()
            .flat_map(Collector::desc)
            .collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let _one = self
            .gathering
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        self.read();
        self.vectors()
            .into_iter()
            .flat_map(Collector::collect)
            .collect()
    }
}
