//! What of a remote write was not written, in words for its sender.

use std::fmt::Write;

/// Most reasons that one answer spells out.
const MAX_SHOWN: usize = 10;

/// Why something was not written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Reason {
    #[error("a label has no name")]
    EmptyName,
    #[error("the label {0:?} stands twice")]
    Repeated(String),
    #[error("labels must be sorted by name, and {0:?} comes too late")]
    Unsorted(String),
    #[error("a label is not valid UTF-8")]
    NotUtf8,
    #[error("the label __name__ is missing")]
    NoMetricName,
    #[error("{found} labels, more than max_labels = {limit}")]
    ManyLabels { found: usize, limit: usize },
    #[error("labels of {found} bytes, more than max_labels_bytes = {limit}")]
    LongLabels { found: usize, limit: usize },
    #[error("labels_refs must hold pairs, and has an odd number of entries")]
    OddReferences,
    #[error("there is no symbol {0}")]
    NoSymbol(u32),
    #[error("a series must have at least one sample, histogram or exemplar")]
    NoSamples,
    #[error("a native histogram is wrong: {0}")]
    Histogram(String),
    #[error("the label name {0:?} is the store's own")]
    Reserved(String),
    #[error("out of order sample: samples of a series must be sorted by time")]
    OutOfOrder,
    #[error("duplicate sample for timestamp: two values at one time")]
    SameTime,
}

/// What was not written.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Refusals {
    /// Samples and histograms.
    pub(crate) samples: u64,
    /// Exemplars.
    pub(crate) exemplars: u64,
    /// Samples that repeat the one before them bit by bit, which are no mistake.
    pub(crate) repeated: u64,
    reasons: Vec<String>,
    more: u64,
}

impl Refusals {
    /// A series, or so many samples of it.
    pub(crate) fn series(&mut self, reason: Reason, series: &str, samples: usize) {
        self.samples += samples as u64;
        self.note(reason, series);
    }

    /// An exemplar of a series.
    pub(crate) fn exemplar(&mut self, reason: Reason, series: &str) {
        self.exemplars += 1;
        self.note(reason, series);
    }

    /// What the store refused, of no series that it names.
    pub(crate) fn stored(&mut self, appended: &series::Appended) {
        for (count, text) in [
            (
                appended.conflicting,
                "duplicate sample for timestamp: another value is stored for its time",
            ),
            (
                appended.out_of_order,
                "out of order sample: older than what the store still takes",
            ),
            (
                appended.out_of_bounds,
                "out of bounds: beyond the retention, or too far in the future",
            ),
        ] {
            if count > 0 {
                self.samples += count;
                self.reasons.push(format!("{count} × {text}"));
            }
        }
    }

    fn note(&mut self, reason: Reason, series: &str) {
        if self.reasons.len() < MAX_SHOWN {
            self.reasons.push(format!("{reason} (series {series})"));
        } else {
            self.more += 1;
        }
    }

    /// What to tell the sender; `None` where all is well.
    pub(crate) fn message(&self) -> Option<String> {
        if self.reasons.is_empty() {
            return None;
        }
        let mut text = format!(
            "not written: {} samples, {} exemplars; the rest of the request was\n",
            self.samples, self.exemplars
        );
        for reason in &self.reasons {
            let _ = writeln!(text, "{reason}");
        }
        if self.more > 0 {
            let _ = writeln!(text, "and {} more", self.more);
        }
        Some(text)
    }
}
