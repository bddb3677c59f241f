use super::running::Running;
use prometheus::{Encoder, IntCounter, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder};
use scrape::Health;
use std::sync::{Arc, Mutex, PoisonError};

/// The process's own metrics, which `serve` and `demo` show at `/metrics`.
pub(super) struct OwnMetrics {
    running: Arc<Running>,
    registry: Registry,
    head_series: IntGauge,
    samples: IntCounter,
    blocks: IntGauge,
    block_bytes: IntGauge,
    wal_bytes: IntGauge,
    targets: IntGaugeVec,
    /// One page is put together at a time.
    gathering: Mutex<()>,
}

impl OwnMetrics {
    pub(super) fn new(running: Arc<Running>) -> Result<Self, prometheus::Error> {
        let gauge = |name: &str, help: &str| IntGauge::new(name, help);
        let metrics = Self {
            running,
            registry: Registry::new(),
            head_series: gauge("headwater_head_series", "Series in memory.")?,
            samples: IntCounter::new(
                "headwater_samples_appended_total",
                "Samples added since the store was opened, replayed ones included.",
            )?,
            blocks: gauge("headwater_blocks", "Blocks on disk.")?,
            block_bytes: gauge("headwater_block_bytes", "Bytes of all blocks.")?,
            wal_bytes: gauge(
                "headwater_wal_bytes",
                "Bytes of the log that a start would have to read.",
            )?,
            targets: IntGaugeVec::new(
                Opts::new(
                    "headwater_targets",
                    "Targets, by how their last scrape went.",
                ),
                &["health"],
            )?,
            gathering: Mutex::new(()),
        };
        let registry = &metrics.registry;
        registry.register(Box::new(metrics.head_series.clone()))?;
        registry.register(Box::new(metrics.samples.clone()))?;
        registry.register(Box::new(metrics.blocks.clone()))?;
        registry.register(Box::new(metrics.block_bytes.clone()))?;
        registry.register(Box::new(metrics.wal_bytes.clone()))?;
        registry.register(Box::new(metrics.targets.clone()))?;
        #[cfg(target_os = "linux")]
        registry.register(Box::new(grafana::OwnProcess::default()))?;
        Ok(metrics)
    }

    /// The page, in the Prometheus text format.
    pub(super) fn text(&self) -> String {
        let _one = self
            .gathering
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let sizes = self.running.store.statistics();
        let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        self.head_series.set(signed(sizes.head_series));
        self.blocks.set(signed(sizes.blocks));
        self.block_bytes.set(signed(sizes.block_bytes));
        self.wal_bytes.set(signed(sizes.wal_bytes));
        let more = sizes.appended_samples.saturating_sub(self.samples.get());
        self.samples.inc_by(more);
        let status = self.running.scraper.status();
        for health in [Health::Unknown, Health::Up, Health::Down] {
            let targets = status.targets.iter();
            let count = targets.filter(|target| target.health == health).count();
            let gauge = self.targets.with_label_values(&[health.as_str()]);
            gauge.set(signed(count as u64));
        }
        let mut page = Vec::new();
        match TextEncoder::new().encode(&self.registry.gather(), &mut page) {
            Ok(()) => String::from_utf8_lossy(&page).into_owned(),
            Err(error) => format!("# {error}\n"),
        }
    }
}
