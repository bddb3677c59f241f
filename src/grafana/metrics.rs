//! The plugin's own metrics, which Grafana serves at `/metrics/plugins/<id>`.

use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
};
#[cfg(target_os = "linux")]
use prometheus::{
    core::Collector,
    core::Desc,
    process_collector::ProcessCollector,
    proto::{Counter, MetricFamily},
};

/// Counts what this room does.
#[derive(Clone)]
pub struct Metrics {
    registry: Registry,
    pub(crate) queries_in_flight: IntGauge,
    pub(crate) queries: IntCounterVec,
    pub(crate) query_duration: HistogramVec,
    pub(crate) resource_calls: IntCounterVec,
    pub(crate) streams: IntGauge,
    pub(crate) instances: IntGauge,
}

const DURATION_BUCKETS: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];

impl Metrics {
    /// Registers all metrics, with those of the process where the platform has them.
    ///
    /// # Errors
    /// [`prometheus::Error`] when two metrics have the same name.
    pub fn new() -> Result<Self, prometheus::Error> {
        let gauge = |name: &str, help: &str| IntGauge::new(name, help);
        let counter = |name: &str, help: &str, labels: &[&str]| {
            IntCounterVec::new(Opts::new(name, help), labels)
        };
        let duration = HistogramOpts::new(
            "headwater_query_duration_seconds",
            "Time from a query's arrival to its frames, by status.",
        )
        .buckets(DURATION_BUCKETS.to_vec());
        let metrics = Self {
            registry: Registry::new(),
            queries_in_flight: gauge(
                "headwater_queries_in_flight",
                "Queries that are being answered.",
            )?,
            queries: counter(
                "headwater_queries_total",
                "Queries answered, by HTTP status.",
                &["status"],
            )?,
            query_duration: HistogramVec::new(duration, &["status"])?,
            resource_calls: counter(
                "headwater_resource_calls_total",
                "Resource calls answered, by HTTP status.",
                &["status"],
            )?,
            streams: gauge(
                "headwater_streams_running",
                "Live streams that are running.",
            )?,
            instances: gauge(
                "headwater_instances",
                "Data sources that have been asked since the start.",
            )?,
        };
        let registry = &metrics.registry;
        registry.register(Box::new(metrics.queries_in_flight.clone()))?;
        registry.register(Box::new(metrics.queries.clone()))?;
        registry.register(Box::new(metrics.query_duration.clone()))?;
        registry.register(Box::new(metrics.resource_calls.clone()))?;
        registry.register(Box::new(metrics.streams.clone()))?;
        registry.register(Box::new(metrics.instances.clone()))?;
        #[cfg(target_os = "linux")]
        registry.register(Box::new(OwnProcess::default()))?;
        Ok(metrics)
    }

    /// Where other rooms' metrics are added.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// All metrics in Prometheus's text format.
    pub(crate) fn to_text(&self) -> Result<Vec<u8>, prometheus::Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}

/// The metrics of this process. The library's own collector counts the CPU in whole seconds, of
/// which a process that needs few gets none within a rate's window.
#[cfg(target_os = "linux")]
pub struct OwnProcess(ProcessCollector);

#[cfg(target_os = "linux")]
impl Default for OwnProcess {
    fn default() -> Self {
        Self(ProcessCollector::for_self())
    }
}

#[cfg(target_os = "linux")]
impl Collector for OwnProcess {
    fn desc(&self) -> Vec<&Desc> {
        self.0.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut families = self.0.collect();
        let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        let cpu = families
            .iter_mut()
            .find(|family| family.name() == "process_cpu_seconds_total");
        for metric in cpu.into_iter().flat_map(MetricFamily::mut_metric) {
            let mut seconds = Counter::default();
            seconds.set_value(used.tv_sec as f64 + used.tv_nsec as f64 / 1e9);
            metric.set_counter(seconds);
        }
        families
    }
}

/// One more while it lives.
pub(crate) struct Counted(IntGauge);

impl Counted {
    pub(crate) fn new(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn cpu_below_a_second_is_counted() {
        let metrics = Metrics::new().unwrap();
        let seconds = || -> f64 {
            let page = String::from_utf8(metrics.to_text().unwrap()).unwrap();
            let line = page
                .lines()
                .find_map(|line| line.strip_prefix("process_cpu_seconds_total "));
            line.unwrap().parse().unwrap()
        };
        let before = seconds();
        assert!(before > 0.0 && before.fract() > 0.0, "{before}");
        assert!(seconds() > before);
    }
}
