use crate::{Column, HistogramSeries, Labels, Sample};
use std::time::Duration;

/// What an engine gives back for one query.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The values.
    pub result: QueryResult,
    /// Native histograms, which stand beside the numbers of a matrix or vector.
    pub histograms: Vec<HistogramSeries>,
    /// What may make the result wrong, as the source words it.
    pub warnings: Vec<String>,
    /// What a person may want to know about the query, as the source words it.
    pub infos: Vec<String>,
    /// What the query cost.
    pub statistics: Statistics,
}

impl Answer {
    /// An answer without notices.
    #[must_use]
    pub fn new(result: QueryResult) -> Self {
        Self {
            result,
            histograms: Vec::new(),
            warnings: Vec::new(),
            infos: Vec::new(),
            statistics: Statistics::default(),
        }
    }
}

/// The four shapes of a PromQL result (Prometheus HTTP API, "Expression query result formats").
#[derive(Debug, Clone, PartialEq)]
pub enum QueryResult {
    /// Samples over a range, by series.
    Matrix(Vec<Series>),
    /// One sample per series.
    Vector(Vec<InstantSample>),
    /// One number.
    Scalar(Sample),
    /// One string; the time is in milliseconds since the epoch.
    String {
        /// When the query was evaluated.
        time: i64,
        /// The text.
        value: String,
    },
}

/// A series with its samples in columns of equal length, strictly increasing in time.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// What identifies the series.
    pub labels: Labels,
    /// Milliseconds since the epoch.
    pub times: Column<i64>,
    /// The values, one per time.
    pub values: Column<f64>,
}

/// A series at one time.
#[derive(Debug, Clone, PartialEq)]
pub struct InstantSample {
    /// What identifies the series.
    pub labels: Labels,
    /// When, and what.
    pub sample: Sample,
}

/// What a query cost; empty where the source does not say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Statistics {
    /// Series that were selected.
    pub series: Option<u64>,
    /// Samples that were read.
    pub samples: Option<u64>,
    /// Time by stage, in the order in which the stages ran.
    pub stages: Vec<Stage>,
    /// What a server told of it, word for word: a JSON object. The fields above hold what of it
    /// is understood.
    pub told: Option<Box<str>>,
}

/// One part of a query's work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// A name for people, such as `evaluate`.
    pub name: &'static str,
    /// How long it took.
    pub elapsed: Duration,
}
