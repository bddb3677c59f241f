/// Bounds and habits of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Samples older than this many milliseconds go, block by block. Default: 15 days.
    pub retention: i64,
    /// When blocks and log together take more bytes, the oldest blocks go; 0 for no such bound.
    /// Default: 0.
    pub retention_size: u64,
    /// Series that may be in memory at a time: active ones, and those of the last hours.
    /// Default: 1,000,000.
    pub max_series: usize,
    /// Labels that a series may have. Default: 64.
    pub max_labels: usize,
    /// Bytes that the labels of a series may take together. Default: 16 KiB.
    pub max_labels_bytes: usize,
    /// Targets that may be known at a time. Default: 100,000.
    pub max_targets: usize,
    /// Metric families of which metadata is kept. Default: 50,000.
    pub max_metadata: usize,
    /// Exemplars kept in memory; the oldest go first. Default: 20,000.
    pub max_exemplars: usize,
    /// Samples further in the future than this many milliseconds are refused.
    /// Default: 10 minutes.
    pub max_future: i64,
    /// Milliseconds that a fresh block spans. Default: 2 hours.
    pub block_range: i64,
    /// Milliseconds that a compacted block spans, a multiple of `block_range`.
    /// Default: 24 hours.
    pub compacted_range: i64,
    /// Bytes after which the log begins a new segment, beside those that introduce series again.
    /// Default: 16 MiB.
    pub wal_segment_bytes: u64,
    /// Bytes of log after which the head is written down, so that opening stays quick, beside those
    /// that introduce series again; with a large head only after twice as much as that takes.
    /// Default: 2 MiB.
    pub checkpoint_bytes: u64,
    /// Samples of ranges that already became blocks which may wait in memory before they become
    /// blocks of their own. Default: 4,000,000.
    pub max_late_samples: u64,
    /// Bytes of block indexes kept in memory for the next query. Default: 32 MiB.
    pub index_cache_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        const MINUTE: i64 = 60_000;
        const HOUR: i64 = 60 * MINUTE;
        Self {
            retention: 15 * 24 * HOUR,
            retention_size: 0,
            max_series: 1_000_000,
            max_labels: 64,
            max_labels_bytes: 16 << 10,
            max_targets: 100_000,
            max_metadata: 50_000,
            max_exemplars: 20_000,
            max_future: 10 * MINUTE,
            block_range: 2 * HOUR,
            compacted_range: 24 * HOUR,
            wal_segment_bytes: 16 << 20,
            checkpoint_bytes: 2 << 20,
            max_late_samples: 4_000_000,
            index_cache_bytes: 32 << 20,
        }
    }
}

/// Says what time it is, in milliseconds since the epoch.
///
/// Any `Fn() -> i64` is a clock, so that tests own time.
pub trait Clock: Send + Sync {
    /// Milliseconds since the epoch; it may jump in both directions.
    fn now(&self) -> i64;
}

impl<F: Fn() -> i64 + Send + Sync> Clock for F {
    fn now(&self) -> i64 {
        self()
    }
}
