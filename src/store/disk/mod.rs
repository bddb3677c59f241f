//! The disk as the store sees it, so that tests can own it.

mod memory;
mod real;

pub use memory::{Fault, MemoryDisk, Outage};
pub use real::RealDisk;

use std::io;
use std::path::Path;

/// A file's name within its directory, and its length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name without the directory.
    pub name: String,
    /// Length in bytes.
    pub len: u64,
}

/// What the store asks of a file system. What is written counts as durable only after the
/// file's `sync`, and a name only after `sync_dir` of its directory.
pub trait Disk: Send + Sync {
    /// Makes a directory and those above it; one that exists is fine.
    ///
    /// # Errors
    /// Of the file system.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;

    /// The files in a directory, in no order; directories are left out.
    ///
    /// # Errors
    /// Of the file system.
    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>>;

    /// Makes an empty file for writing; one of that name is emptied.
    ///
    /// # Errors
    /// Of the file system.
    fn create(&self, path: &Path) -> io::Result<Box<dyn WriteFile>>;

    /// Opens a file for reading. It stays readable when its name is removed.
    ///
    /// # Errors
    /// Of the file system.
    fn open(&self, path: &Path) -> io::Result<Box<dyn ReadFile>>;

    /// Cuts a file to `len` bytes, durably.
    ///
    /// # Errors
    /// Of the file system.
    fn truncate(&self, path: &Path, len: u64) -> io::Result<()>;

    /// Gives a file another name, replacing what has it.
    ///
    /// # Errors
    /// Of the file system.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file's name.
    ///
    /// # Errors
    /// Of the file system.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Gives a file a second name, or where the file system cannot, copies it.
    ///
    /// # Errors
    /// Of the file system.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Makes the names in a directory durable.
    ///
    /// # Errors
    /// Of the file system.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Takes the lock file `path` for as long as the answer lives and writes `holder` into it.
    ///
    /// # Errors
    /// Of the file system; somebody else's lock is [`Locking::Taken`].
    fn lock(&self, path: &Path, holder: &str) -> io::Result<Locking>;

    /// What the holder of the lock file `path` wrote into it; `None` where nobody holds it.
    /// Nothing is changed.
    ///
    /// # Errors
    /// Of the file system.
    fn lock_holder(&self, path: &Path) -> io::Result<Option<String>>;
}

/// What came of taking a lock.
pub enum Locking {
    /// It is held until this is dropped.
    Held(Box<dyn Lock>),
    /// Somebody else has it, who wrote this.
    Taken(String),
}

/// A lock that is held; dropping releases it.
pub trait Lock: Send + Sync {}

/// A file that is written from front to back.
pub trait WriteFile: Send {
    /// Appends all bytes; after an error some of them may stand at the end.
    ///
    /// # Errors
    /// Of the file system.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes what was appended durable.
    ///
    /// # Errors
    /// Of the file system.
    fn sync(&mut self) -> io::Result<()>;

    /// Cuts the file to `len` bytes and appends from there.
    ///
    /// # Errors
    /// Of the file system.
    fn truncate(&mut self, len: u64) -> io::Result<()>;
}

/// A file that is read at any place, from any thread.
pub trait ReadFile: Send + Sync {
    /// Length in bytes.
    ///
    /// # Errors
    /// Of the file system.
    fn len(&self) -> io::Result<u64>;

    /// Whether there is nothing in it.
    ///
    /// # Errors
    /// Of the file system.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Fills `bytes` from `offset` on.
    ///
    /// # Errors
    /// Of the file system; `UnexpectedEof` when the file ends before `bytes` is full.
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()>;
}

/// Reads a whole file.
pub(crate) fn read_all(disk: &dyn Disk, path: &Path) -> io::Result<Vec<u8>> {
    let file = disk.open(path)?;
    let mut bytes = vec![0; file.len()? as usize];
    file.read_at(0, &mut bytes)?;
    Ok(bytes)
}
