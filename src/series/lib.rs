//! The vocabulary that every room speaks: labels, samples, matchers, answers, and the two
//! seams through which samples are written ([`Appender`]) and read ([`SeriesSource`]).
//!
//! Enters no other room and knows of none: no network, no disk, no clock, no JSON.
//! Start at [`Labels`] and [`SeriesSource`].

mod answer;
mod appender;
mod column;
mod duration;
mod error;
mod groups;
mod histogram;
mod interrupt;
mod labels;
mod matcher;
mod metadata;
mod pattern;
mod sample;
mod secret;
mod size;
mod source;
mod successive;
mod workers;

pub use answer::{Answer, InstantSample, QueryResult, Series, Stage, Statistics};
pub use appender::{
    Appended, Appender, ExemplarRow, FewSamples, OwnRow, ScrapeRows, SeriesRef, TargetAppender,
    WriteSeries,
};
pub use column::Column;
pub use duration::{DurationError, format_duration, parse_duration};
pub use error::{Error, Result};
pub use groups::LabelGroups;
pub use histogram::{Bucket, Extras, Histogram, HistogramSeries, HistogramTotal, ResetHint};
pub use interrupt::Interrupt;
pub use labels::{Labels, LabelsBuilder, LabelsError};
pub use matcher::{MatchOp, Matcher, MatcherError, anchored_regex};
pub use metadata::{Metadata, MetricKind};
pub use sample::{Exemplar, STALE_NAN, Sample, TimeRange, is_stale};
pub use secret::Secret;
pub use size::parse_bytes;
pub use source::{
    Columns, Kept, LabelQuery, Limited, Run, SeriesExemplars, SeriesSet, SeriesSource,
};
pub use successive::Successive;
pub use workers::{OneThread, Workers};

/// The label that holds a metric's name.
pub const METRIC_NAME: &str = "__name__";
