/// Why a question cannot be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Min step, or the scrape interval, is no duration.
    #[error("not an interval: {text:?} (write 15s, 1m30s, 500ms, 1d, or seconds as a number)")]
    Interval {
        /// What was written.
        text: String,
    },
    /// An interval that is negative, or a step of zero.
    #[error("the {what} must be greater than zero, not {text}")]
    NotPositive {
        /// Which interval, in words.
        what: &'static str,
        /// What was written, or what came out.
        text: String,
    },
    /// The range ends before it starts.
    #[error("the time range ends ({end} ms) before it starts ({start} ms)")]
    Reversed {
        /// Milliseconds since the epoch.
        start: i64,
        /// Milliseconds since the epoch.
        end: i64,
    },
    /// A time, range or step that no 64-bit number of milliseconds (or, for durations, of
    /// nanoseconds, as Grafana counts them) holds.
    #[error("the {what} is out of range")]
    OutOfRange {
        /// What is too large, in words.
        what: &'static str,
    },
}
