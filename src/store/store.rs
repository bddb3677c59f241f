use crate::disk::{Disk, Lock};
use crate::error::Result;
use crate::health::{Health, Statistics};
use crate::maintain::Maintained;
use crate::open;
use crate::options::{Clock, Options};
use crate::shared::Shared;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Samples in a directory. Clones share one store; dropping the last one ends it.
///
/// Writing goes through [`series::Appender`], reading through [`series::SeriesSource`].
#[derive(Clone)]
pub struct Store(Arc<Face>);

/// Closes the store when nobody has it any more; appenders keep only what they share.
struct Face(Arc<Shared>);

impl Drop for Face {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Store {
    /// Opens the store in `dir` for writing, or begins one there.
    ///
    /// Damage does not keep it from opening: what can be read is there, and [`Store::health`]
    /// says what cannot. Files of another format version are set aside under another name.
    ///
    /// # Errors
    /// [`crate::StoreError::Locked`] when another process has the directory, and
    /// [`crate::StoreError::Io`] when it cannot be made, listed or written.
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        options: Options,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        open::open(disk, dir, options, clock, false).map(Self::new)
    }

    /// Opens the store in `dir` for reading only, as it is now, also beside a writer. Nothing
    /// on disk is changed.
    ///
    /// # Errors
    /// [`crate::StoreError::Io`] when the directory cannot be listed.
    pub fn open_read_only(
        disk: Arc<dyn Disk>,
        dir: &Path,
        options: Options,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        open::open(disk, dir, options, clock, true).map(Self::new)
    }

    /// Whether the files of a store stand in `dir`.
    #[must_use]
    pub fn is_store(disk: &dyn Disk, dir: &Path) -> bool {
        let entries = disk.list(dir).unwrap_or_default();
        entries.iter().any(|entry| open::is_of_store(&entry.name))
    }

    /// Who has the store in `dir` open for writing, in the holder's own words. Nothing on disk
    /// is changed.
    ///
    /// # Errors
    /// Of the file system.
    pub fn used_by(disk: &dyn Disk, dir: &Path) -> std::io::Result<Option<String>> {
        disk.lock_holder(&dir.join(open::LOCK_FILE))
    }

    /// Keeps everybody from opening the store in `dir` for writing as long as the answer lives.
    ///
    /// # Errors
    /// [`crate::StoreError::Locked`] when somebody has it, and [`crate::StoreError::Io`].
    pub fn lock(disk: &dyn Disk, dir: &Path) -> Result<Box<dyn Lock>> {
        open::lock(disk, dir)
    }

    fn new(shared: Shared) -> Self {
        Self(Arc::new(Face(Arc::new(shared))))
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.0.0
    }

    /// The directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.shared().dir
    }

    /// Makes blocks of what is old enough in memory, merges blocks and drops those beyond
    /// retention. To be called about once a minute; mostly there is nothing to do.
    ///
    /// # Errors
    /// [`crate::StoreError::Io`], most likely a full disk. Nothing is lost then: what could not
    /// be done is tried again at the next call.
    pub fn maintain(&self) -> Result<Maintained> {
        let done = self.shared().maintain();
        self.shared().health().maintenance_error = done.as_ref().err().map(ToString::to_string);
        done
    }

    /// Writes a consistent copy of everything into the new or empty directory `dir`, which
    /// [`Store::open`] opens. Blocks are linked where the file system can.
    ///
    /// # Errors
    /// [`crate::StoreError::Io`].
    pub fn snapshot(&self, dir: &Path) -> Result<Vec<PathBuf>> {
        self.shared().snapshot(dir)
    }

    /// Writes the head down so that the next opening is quick, and gives the directory free.
    /// Without it nothing is lost either.
    ///
    /// # Errors
    /// [`crate::StoreError::Io`]; the directory is free nevertheless.
    pub fn close(&self) -> Result<()> {
        let shared = self.shared();
        let written = {
            let mut maintenance = shared.maintenance();
            let open = shared.writer().is_some();
            if open {
                shared.flush(&mut maintenance, i64::MIN).map(|_| ())
            } else {
                Ok(())
            }
        };
        shared.close();
        written
    }

    /// How the store is.
    #[must_use]
    pub fn health(&self) -> Health {
        let shared = self.shared();
        for block in shared.blocks().iter().filter(|block| block.is_damaged()) {
            shared.report(
                block.path(),
                "parts of it do not fit their checksums; what can be read or mended is used".into(),
            );
        }
        shared.health().clone()
    }

    /// How much there is.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        let shared = self.shared();
        let wal_bytes = shared.writer().as_ref().map_or(0, |wal| wal.bytes());
        let head = shared.head();
        let blocks = shared.blocks();
        let footers = || blocks.iter().map(|block| block.footer());
        Statistics {
            head_series: head.len() as u64,
            appended_samples: head.appended,
            blocks: blocks.len() as u64,
            block_samples: footers().map(|footer| footer.samples).sum(),
            block_bytes: blocks.iter().map(|block| block.len()).sum(),
            wal_bytes,
            min_time: footers().map(|f| f.min_time).chain(head.min_time).min(),
            max_time: footers().map(|f| f.max_time).chain(head.max_time).max(),
        }
    }
}
