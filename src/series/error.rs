/// What can go wrong between a question and its samples.
///
/// The store and other sources answer with it through [`crate::SeriesSource`] and
/// [`crate::Appender`]; `engine` sorts it into what a person can do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nobody waits for the answer any more.
    #[error("the query was cancelled")]
    Cancelled,
    /// The deadline passed before the answer was ready.
    #[error("the query ran out of time")]
    TimedOut,
    /// A bound was reached; `bound` is its name as settings spell it.
    #[error("{what}: the limit {bound} = {limit} was reached")]
    Limit {
        /// What there was too much of, in words.
        what: String,
        /// The setting's name.
        bound: &'static str,
        /// The bound's value.
        limit: u64,
    },
    /// Stored bytes do not say what they should.
    #[error("damaged data: {0}")]
    Corrupt(String),
    /// The source cannot answer now (disk full, closed, read-only).
    #[error("{0}")]
    Unavailable(String),
}

/// A result whose error is this room's.
pub type Result<T, E = Error> = std::result::Result<T, E>;
