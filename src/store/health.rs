use std::path::PathBuf;

/// How the store is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// What was found damaged or set aside since the store was opened, oldest first.
    pub damage: Vec<Damage>,
    /// Why the last attempt to write failed, until one succeeds.
    pub write_error: Option<String>,
    /// Why the last attempt to make or merge blocks failed, until one succeeds.
    pub maintenance_error: Option<String>,
}

impl Health {
    /// Whether everything that was ever acknowledged can be read and more can be written.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.damage.is_empty() && self.write_error.is_none() && self.maintenance_error.is_none()
    }
}

/// Something on disk that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The file as it is called now.
    pub path: PathBuf,
    /// What is wrong, what it cost, and what was done about it.
    pub what: String,
}

/// Sizes of the store, for a person.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Series in memory.
    pub head_series: u64,
    /// Samples added since the store was opened, replayed ones included.
    pub appended_samples: u64,
    /// Blocks on disk.
    pub blocks: u64,
    /// Samples in blocks.
    pub block_samples: u64,
    /// Bytes of all blocks.
    pub block_bytes: u64,
    /// Bytes of the log that opening would have to read.
    pub wal_bytes: u64,
    /// Time of the oldest sample, in milliseconds since the epoch, as coarsely as blocks know it.
    pub min_time: Option<i64>,
    /// Time of the newest sample, in milliseconds since the epoch.
    pub max_time: Option<i64>,
}
