use crate::parse_error::ParseError;
use series::Labels;

/// Why a query has no answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is no query.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// The source failed, or the work was interrupted.
    #[error(transparent)]
    Source(#[from] series::Error),
    /// A range query needs numbers at every step.
    #[error("invalid expression type {0:?} for range query, must be Scalar or instant Vector")]
    RangeType(&'static str),
    /// The step of a range query is not above 0.
    #[error("zero or negative query resolution step widths are not accepted: {0} ms")]
    Step(i64),
    /// A range query ends before it starts.
    #[error("the query ends ({end} ms) before it starts ({start} ms)")]
    Backwards {
        /// Milliseconds since the epoch.
        start: i64,
        /// Milliseconds since the epoch.
        end: i64,
    },
    /// More steps than allowed.
    #[error(
        "exceeded maximum resolution of {limit} points per timeseries: the range holds {points} \
         steps. Try decreasing the query resolution (?step=XX)"
    )]
    TooManyPoints {
        /// How many the query asks for.
        points: u64,
        /// How many are allowed.
        limit: u64,
    },
    /// More numbers at once in memory than allowed.
    #[error(
        "query processing would load too many samples into memory in query execution: \
         {wanted} samples, the limit is {limit}"
    )]
    TooManySamples {
        /// How many there would be.
        wanted: u64,
        /// How many are allowed.
        limit: u64,
    },
    /// Two series have the same labels at the same time.
    #[error("vector cannot contain metrics with the same labelset: {labels}")]
    SameLabels {
        /// Their labels.
        labels: Labels,
    },
    /// The side of an operator that must have one series per group has two.
    #[error(
        "found duplicate series for the match group {group} on the {side} hand-side of the \
         operation: [{first}, {second}];many-to-many matching not allowed: matching labels must \
         be unique on one side"
    )]
    ManyToMany {
        /// The labels that are matched.
        group: Labels,
        /// `left` or `right`.
        side: &'static str,
        /// One of the series.
        first: Labels,
        /// Another.
        second: Labels,
    },
    /// Several series on the left match one on the right, without `group_left`.
    #[error(
        "multiple matches for labels: many-to-one matching must be explicit \
         (group_left/group_right): {labels}"
    )]
    ImplicitManyToOne {
        /// The labels that several results would share.
        labels: Labels,
    },
    /// Several results of a grouped match have the same labels.
    #[error("multiple matches for labels: grouping labels must ensure unique matches: {labels}")]
    GroupedTwice {
        /// The labels that several results would share.
        labels: Labels,
    },
    /// A text that should name a label does not.
    #[error("invalid {what} {name}")]
    LabelName {
        /// What it should name, in words.
        what: &'static str,
        /// The name, quoted.
        name: String,
    },
    /// `label_replace` or `label_join` made a value that is longer than allowed.
    #[error("the value for label {name} has more than {limit} bytes")]
    LabelTooLong {
        /// The label.
        name: String,
        /// How many bytes are allowed.
        limit: usize,
    },
    /// A pattern of `label_replace` that is no regular expression.
    #[error("invalid regular expression in label_replace(): {pattern}: {reason}")]
    Regex {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A parameter of an aggregation that is no number.
    #[error("{0} value is NaN")]
    ParameterNan(&'static str),
    /// A parameter of an aggregation beyond 64 bits.
    #[error("Scalar value {value} {how} int64")]
    ParameterRange {
        /// The value.
        value: f64,
        /// `overflows` or `underflows`.
        how: &'static str,
    },
    /// A factor of `double_exponential_smoothing` outside of 0 to 1.
    #[error("invalid {name} factor. Expected: 0 < {short} < 1, got: {value}")]
    SmoothingFactor {
        /// `smoothing` or `trend`.
        name: &'static str,
        /// `sf` or `tf`.
        short: &'static str,
        /// What was given.
        value: f64,
    },
    /// `anchored` or `smoothed` where it has no meaning.
    #[error("{modifier} modifier can only be used with: {allowed} - not with {function}")]
    Extension {
        /// `anchored` or `smoothed`.
        modifier: &'static str,
        /// The functions that allow it.
        allowed: &'static str,
        /// The function that does not.
        function: &'static str,
    },
    /// `anchored` or `smoothed` over native histograms.
    #[error("smoothed and anchored modifiers do not work with native histograms")]
    ExtendedHistograms,
    /// A duration that came out of arithmetic and cannot be used.
    #[error("{line}:{column}: {what}")]
    Duration {
        /// The line of the duration, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What is wrong with it.
        what: &'static str,
    },
    /// `info` found two values for one label.
    #[error("conflicting label: {0}")]
    InfoConflict(String),
    /// `info` found two series of the same age for one target.
    #[error("found duplicate series for info metric: existing {first}, new {second}")]
    InfoDuplicate {
        /// One.
        first: Labels,
        /// The other.
        second: Labels,
    },
    /// Experimental syntax that is read but not evaluated.
    #[error("{0} is not supported")]
    Unsupported(&'static str),
}

/// A result whose error is this room's.
pub type Result<T, E = Error> = std::result::Result<T, E>;
