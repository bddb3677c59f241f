/// What a metric is (OpenMetrics 1.0, "Metric Types"; Prometheus spells them the same).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub enum MetricKind {
    /// No type is known; Prometheus's text format says `untyped`, its API `unknown`.
    #[default]
    Unknown,
    /// Only grows, or restarts at zero.
    Counter,
    /// May take any value.
    Gauge,
    /// Buckets that only grow.
    Histogram,
    /// Buckets that may shrink.
    GaugeHistogram,
    /// Quantiles with a sum and a count.
    Summary,
    /// Labels that say what something is; the value is 1.
    Info,
    /// Which of a set of states hold.
    StateSet,
}

impl MetricKind {
    /// The spelling of Prometheus's metadata API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::GaugeHistogram => "gaugehistogram",
            Self::Summary => "summary",
            Self::Info => "info",
            Self::StateSet => "stateset",
        }
    }
}

/// What a page says about one metric family.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub struct Metadata {
    /// The family's type.
    pub kind: MetricKind,
    /// The help text, unescaped.
    pub help: String,
    /// The unit, empty where none is given.
    pub unit: String,
}
