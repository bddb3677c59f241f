use std::io;
use std::path::{Path, PathBuf};

/// Why a store cannot be opened or cannot do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The directory belongs to somebody else.
    #[error(
        "{dir} is in use by {holder}: two writers would destroy each other's data. \
         Stop the other process, or give this data source a directory of its own."
    )]
    Locked {
        /// The directory.
        dir: PathBuf,
        /// What the holder wrote into the lock file.
        holder: String,
    },
    /// The file system refused.
    #[error("cannot {action} {path}: {source}{}", advice(source))]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// Bytes on disk do not say what they should.
    #[error("{path}: {what}")]
    Corrupt {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A bound of [`crate::Options`] was reached.
    #[error("{what}: the limit {bound} = {limit} was reached")]
    Limit {
        /// What there was too much of.
        what: String,
        /// The option's name.
        bound: &'static str,
        /// Its value.
        limit: u64,
    },
    /// The store was opened for reading only.
    #[error("{dir} was opened for reading only")]
    ReadOnly {
        /// The directory.
        dir: PathBuf,
    },
    /// The work was interrupted, or another room's rule was broken.
    #[error(transparent)]
    Series(#[from] series::Error),
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            ". Free some space or lower the retention; writing resumes by itself."
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            ". Make the directory writable for the user that runs this process."
        }
        _ => "",
    }
}

impl StoreError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }

    pub(crate) fn corrupt(path: &Path, what: impl Into<String>) -> Self {
        Self::Corrupt {
            path: path.to_owned(),
            what: what.into(),
        }
    }
}

impl From<StoreError> for series::Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Corrupt { .. } => Self::Corrupt(error.to_string()),
            StoreError::Limit { what, bound, limit } => Self::Limit { what, bound, limit },
            StoreError::Series(error) => error,
            StoreError::Locked { .. } | StoreError::Io { .. } | StoreError::ReadOnly { .. } => {
                Self::Unavailable(error.to_string())
            }
        }
    }
}

/// A result whose error is this room's.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;
