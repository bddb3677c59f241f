/// What one evaluation may use. Each bound has the name of a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// `max_samples`: numbers held in memory at once, 8 bytes each; Prometheus's
    /// `--query.max-samples`. Samples that stream through are not held. Default 50,000,000.
    pub samples: u64,
    /// `max_points`: steps of a range query, as Prometheus's API bounds them. Default 11,000.
    pub points: u64,
    /// `query_threads`: threads that a large evaluation may use, its own among them.
    /// Default 2.
    pub threads: usize,
    /// The step of a subquery that gives none, in milliseconds; Prometheus takes its global
    /// evaluation interval. Default 60,000.
    pub default_subquery_step: i64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            samples: 50_000_000,
            points: 11_000,
            threads: 2,
            default_subquery_step: 60_000,
        }
    }
}
