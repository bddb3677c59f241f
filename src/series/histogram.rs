use crate::{Column, Labels};
use std::sync::Arc;

/// A native histogram (Prometheus `model/histogram`, `FloatHistogram`): buckets whose bounds
/// follow from a schema, or from a list of custom bounds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Histogram {
    /// The resolution: bucket bounds are powers of `2^(2^-schema)`, -4 to 8; and
    /// [`Histogram::CUSTOM_SCHEMA`] for custom bounds.
    pub schema: i8,
    /// The number of observations.
    pub count: f64,
    /// Their sum. The stale marker's bits mark the end of a series.
    pub sum: f64,
    /// Observations whose absolute value is at most this stand in the zero bucket.
    pub zero_threshold: f64,
    /// The zero bucket's count.
    pub zero_count: f64,
    /// Buckets of observations above zero, by increasing index. Bucket 0 ends at 1 with the
    /// exponential schemas; with custom bounds it ends at the first bound.
    pub positive: Vec<Bucket>,
    /// As `positive`, mirrored at zero.
    pub negative: Vec<Bucket>,
    /// The upper bounds of the buckets of the custom schema, increasing, without +Inf.
    pub custom_bounds: Option<Arc<[f64]>>,
    /// What the writer knows about restarts.
    pub reset_hint: ResetHint,
}

impl Histogram {
    /// The schema that stands for custom bounds.
    pub const CUSTOM_SCHEMA: i8 = -53;

    /// Whether bounds come from a list.
    #[must_use]
    pub fn uses_custom_bounds(&self) -> bool {
        self.schema == Self::CUSTOM_SCHEMA
    }
}

/// One bucket of a native histogram.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bucket {
    /// Which, by the schema.
    pub index: i32,
    /// Its observations alone, not those of the buckets below.
    pub count: f64,
}

/// The native histograms of one series in an answer, in columns with a row per bucket
/// (Prometheus HTTP API, "Native histograms").
///
/// The buckets of one time stand one behind the other. A histogram without observations has no
/// bucket and so no row.
#[derive(Debug, Clone, PartialEq)]
pub struct HistogramSeries {
    /// What identifies the series.
    pub labels: Labels,
    /// Milliseconds since the epoch.
    pub times: Column<i64>,
    /// Which bounds belong to the bucket: 0 only the upper, 1 only the lower, 2 none, 3 both.
    pub boundaries: Column<i8>,
    /// Lower bounds.
    pub lowers: Column<f64>,
    /// Upper bounds.
    pub uppers: Column<f64>,
    /// How many observations the buckets hold, which need not be whole numbers.
    pub counts: Column<f64>,
    /// What is known of each histogram as a whole, increasing in time; empty where a server was
    /// asked, of whose answers only buckets are kept.
    pub totals: Vec<HistogramTotal>,
}

/// A native histogram without its buckets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HistogramTotal {
    /// Milliseconds since the epoch.
    pub time: i64,
    /// The number of observations.
    pub count: f64,
    /// Their sum.
    pub sum: f64,
}

/// Whether a histogram restarts its counts against the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ResetHint {
    /// Compare to find out.
    #[default]
    Unknown,
    /// It does.
    Reset,
    /// It does not.
    NotReset,
    /// It is a gauge, and may go down.
    Gauge,
}

impl ResetHint {
    /// Its number in remote write (`prompb/types.proto`, `Histogram.ResetHint`).
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            Self::Unknown => 0,
            Self::Reset => 1,
            Self::NotReset => 2,
            Self::Gauge => 3,
        }
    }

    /// What a number of [`ResetHint::number`] stands for; others say nothing.
    #[must_use]
    pub fn of_number(number: u32) -> Self {
        match number {
            1 => Self::Reset,
            2 => Self::NotReset,
            3 => Self::Gauge,
            _ => Self::Unknown,
        }
    }
}

/// What columns of numbers cannot carry of a series. Most series have nothing of this.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Extras {
    /// Native histograms and their times, increasing; they stand between the numbers in time.
    pub histograms: Vec<(i64, Arc<Histogram>)>,
    /// When the counter of each value of [`crate::Columns::values`] started, in milliseconds
    /// since the epoch, 0 where unknown; empty where nothing is known of any.
    pub start_times: Vec<i64>,
}

impl Extras {
    /// Empties both, keeping their memory.
    pub fn clear(&mut self) {
        self.histograms.clear();
        self.start_times.clear();
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.histograms.is_empty() && self.start_times.is_empty()
    }
}
