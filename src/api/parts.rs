//! What the rooms around this one hand in.

use crate::page::Page;
use series::{Appender, Secret};
use std::sync::Arc;

/// Tells the time, in milliseconds since the epoch.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// What a process knows of itself.
#[derive(Clone, Default)]
pub struct Host {
    /// The time of queries that give none. Without a clock they are refused.
    pub clock: Option<Clock>,
    /// What `status/buildinfo` tells.
    pub build: BuildInfo,
}

/// What `status/buildinfo` tells. Empty texts mean that nobody knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BuildInfo {
    /// The version, such as `0.1.0`.
    pub version: String,
    /// The commit.
    pub revision: String,
    /// When it was built.
    pub date: String,
}

/// Who knows the targets.
pub trait Targets: Send + Sync {
    /// What is known of them now.
    fn status(&self) -> scrape::Status;
}

impl<F: Fn() -> scrape::Status + Send + Sync> Targets for F {
    fn status(&self) -> scrape::Status {
        self()
    }
}

/// What [`crate::server`] needs beside an engine.
#[derive(Clone)]
pub struct ServerParts {
    /// The clock and the version.
    pub host: Host,
    /// The targets that are scraped.
    pub targets: Arc<dyn Targets>,
    /// Where remote write goes.
    pub appender: Arc<dyn Appender>,
    /// What a remote write may bring.
    pub write_limits: WriteLimits,
    /// The server's own metrics, as text in the Prometheus format. May take its time.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// What the store holds; each list with at most so many entries. May take its time.
    pub statistics: Arc<dyn Fn(usize) -> TsdbStatistics + Send + Sync>,
    /// Whether queries can be answered.
    pub ready: Arc<dyn Fn() -> bool + Send + Sync>,
    /// The page for people, where there is one.
    pub page: Option<Page>,
    /// The token that every request but `/-/healthy` and `/-/ready` must carry as
    /// `Authorization: Bearer …`; `None` asks for none. The page's files need none: they hold
    /// nothing, and ask for the token.
    pub bearer_token: Option<Secret>,
    /// Whom requests may be meant for, where a browser on this machine could be led to ask; `None`
    /// checks nothing, for a server that asks for a token.
    pub allowed_hosts: Option<AllowedHosts>,
}

/// The names that `Host` may carry: those of loopback, and these.
///
/// A web page from elsewhere reads a server on loopback by a name of its own that it lets point
/// to 127.0.0.1 (DNS rebinding); the browser then sends that name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedHosts(pub Vec<String>);

/// Bounds of one remote write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteLimits {
    /// `write_max_compressed_bytes`: the body as it is sent. Default 16 MiB.
    pub compressed_bytes: usize,
    /// `write_max_bytes`: the body as it is read. Default 64 MiB; senders rarely exceed 1 MiB.
    pub bytes: usize,
    /// `max_labels`: labels of a series. Not above the store's own bound, which refuses a whole
    /// request for one series beyond it. Default 64.
    pub labels: usize,
    /// `max_labels_bytes`: bytes of a series's labels together; as `labels`. Default 16 KiB.
    pub labels_bytes: usize,
    /// `write_max_at_once`: requests that are inflated and written at a time, for that is when
    /// each takes most memory; more of them wait. Default 16.
    pub at_once: usize,
}

impl Default for WriteLimits {
    fn default() -> Self {
        Self {
            compressed_bytes: 16 << 20,
            bytes: 64 << 20,
            labels: 64,
            labels_bytes: 16 << 10,
            at_once: 16,
        }
    }
}

/// What the store holds (the facts of Prometheus's `status/tsdb`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TsdbStatistics {
    /// Series with samples in memory.
    pub series: u64,
    /// Pairs of label name and value.
    pub label_pairs: u64,
    /// Chunks in memory.
    pub chunks: u64,
    /// The oldest sample in memory, in milliseconds since the epoch.
    pub min_time: Option<i64>,
    /// The newest sample, in milliseconds since the epoch.
    pub max_time: Option<i64>,
    /// Series by metric name, most first.
    pub series_by_metric: Vec<Count>,
    /// Values by label name, most first.
    pub values_by_label: Vec<Count>,
    /// Bytes of values by label name, most first.
    pub bytes_by_label: Vec<Count>,
    /// Series by `name=value`, most first.
    pub series_by_pair: Vec<Count>,
}

/// A name and how much there is of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// The name.
    pub name: String,
    /// How much.
    pub value: u64,
}
