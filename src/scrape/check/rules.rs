use serde_json::{Value, json};
use std::fmt;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Prometheus drops samples of the page.
    Loss,
    /// What is stored misleads whoever queries it.
    Wrong,
    /// A convention is not followed.
    Advice,
}

impl Severity {
    /// The word that is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Loss => "loss",
            Self::Wrong => "wrong",
            Self::Advice => "advice",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Declares the rules once: name in Rust, name in reports, severity, meaning.
macro_rules! rules {
    ($($(#[doc = $doc:literal])+ $rule:ident = $name:literal, $severity:ident;)+) => {
        /// What a page can be found to do. Rules marked *promtool* are those of Prometheus's
        /// own linter (`client_golang` 1.23 `promlint`, which `promtool check metrics` runs).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Rule {
            $($(#[doc = $doc])+ $rule,)+
        }

        impl Rule {
            /// Every rule.
            pub const ALL: &[Self] = &[$(Self::$rule),+];

            /// The rule's name in reports.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$rule => $name,)+
                }
            }

            /// How much it matters.
            #[must_use]
            pub fn severity(self) -> Severity {
                match self {
                    $(Self::$rule => Severity::$severity,)+
                }
            }
        }
    };
}

rules! {
    /// A series stands twice with the same time; one sample is dropped. (*promtool*)
    DuplicateSample = "duplicate-sample", Loss;
    /// A series' samples go back in time; the later ones are dropped.
    OutOfOrder = "out-of-order", Loss;
    /// A histogram's bucket counts less than a narrower one.
    BucketsNotCumulative = "buckets-not-cumulative", Wrong;
    /// A histogram has no bucket `le="+Inf"`.
    NoInfBucket = "no-inf-bucket", Wrong;
    /// A histogram's `_count` is not what its bucket `+Inf` holds.
    CountMismatch = "count-mismatch", Wrong;
    /// A histogram or summary lacks its sum or count.
    IncompleteFamily = "incomplete-family", Wrong;
    /// A bucket without a number in `le`, or a quantile that is none from 0 to 1.
    BadBound = "bad-bound", Wrong;
    /// A counter, a bucket or a count is negative or NaN.
    NegativeCount = "negative-count", Wrong;
    /// An info metric that is not 1, or a state that is neither 0 nor 1.
    BadStateValue = "bad-state-value", Wrong;
    /// A second `TYPE`, `HELP` or `UNIT` line says something else; the last one holds.
    Redeclared = "redeclared", Wrong;
    /// A `TYPE` line stands behind samples of its metric.
    LateType = "late-type", Wrong;
    /// A metric has no `HELP` line. (*promtool*)
    NoHelp = "no-help", Advice;
    /// A metric has no `TYPE` line.
    NoType = "no-type", Advice;
    /// A declared metric has no samples.
    NoSamples = "no-samples", Advice;
    /// A name holds a unit that is not the base unit. (*promtool*)
    BaseUnit = "base-unit", Advice;
    /// A name holds an abbreviated unit. (*promtool*)
    AbbreviatedUnit = "abbreviated-unit", Advice;
    /// A counter's name does not end in `_total`. (*promtool*)
    CounterWithoutTotal = "counter-without-total", Advice;
    /// The name of something else ends in `_total`. (*promtool*)
    TotalWithoutCounter = "total-without-counter", Advice;
    /// A name ends in `_bucket`, `_count` or `_sum` though its type has no such parts.
    /// (*promtool*)
    ReservedSuffix = "reserved-suffix", Advice;
    /// A label `le` or `quantile` outside of histograms and summaries. (*promtool*)
    ReservedLabel = "reserved-label", Advice;
    /// A name holds its own type. (*promtool*)
    TypeInName = "type-in-name", Advice;
    /// A name holds a colon, which recording rules use. (*promtool*)
    ColonInName = "colon-in-name", Advice;
    /// The name of a metric or a label is written in camelCase. (*promtool*)
    MixedCase = "mixed-case", Advice;
    /// A label that the target itself gets, so that the page's is renamed `exported_…`.
    TargetLabel = "target-label", Advice;
    /// A label beginning with `__`, which are kept for Prometheus.
    InternalLabel = "internal-label", Advice;
    /// A label with very many values.
    HighCardinality = "high-cardinality", Advice;
    /// A label value that is very long.
    LongLabel = "long-label", Advice;
    /// Samples with times of their own: such series get no stale marker when they vanish.
    OwnTimestamps = "own-timestamps", Advice;
}

/// Something that a page does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it does.
    pub rule: Rule,
    /// The line of the first place where it does, counted from 1.
    pub line: usize,
    /// The metric family.
    pub metric: String,
    /// A sentence about the first place.
    pub text: String,
    /// In how many places of the family it does.
    pub times: usize,
}

impl Finding {
    pub(super) fn to_json(&self) -> Value {
        json!({
            "rule": self.rule.as_str(),
            "severity": self.rule.severity().as_str(),
            "line": self.line,
            "metric": self.metric,
            "text": self.text,
            "times": self.times,
        })
    }
}
