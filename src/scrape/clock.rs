use std::time::Duration;

/// Where this room learns the time.
pub trait Clock: Send + Sync {
    /// Milliseconds since the epoch. It may jump in both directions.
    fn now(&self) -> i64;

    /// Time since some fixed moment. It never runs backwards.
    fn monotonic(&self) -> Duration;
}
