use super::{Disk, Entry, Lock, Locking, ReadFile, WriteFile};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A disk in memory that fails where a test wants it to.
///
/// It distinguishes what was written from what was synced: after [`MemoryDisk::restart`] with
/// [`Outage::PowerCut`] only the latter is there. Clones share one disk.
#[derive(Clone, Default)]
pub struct MemoryDisk(Arc<Mutex<State>>);

/// What goes wrong, counted in operations that change the disk, from 0 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// This operation fails and does nothing; those after it work.
    FailAt(u64),
    /// Nothing happens from this operation on, as if the process had ended.
    StopAt(u64),
    /// As [`Fault::StopAt`], but an append at this operation leaves the first half of its bytes.
    TearAt(u64),
}

/// How the process that used the disk ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outage {
    /// It was killed: the kernel still has all that was written.
    Kill,
    /// The power went: names and bytes that were not synced are gone.
    PowerCut,
    /// As [`Outage::PowerCut`], but half of the bytes that were not synced arrived, and the last
    /// of those are zeros.
    TornPowerCut,
}

#[derive(Default)]
struct State {
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    files: Vec<FileState>,
    locks: BTreeSet<PathBuf>,
    /// Locks of before a restart are void.
    life: u64,
    operations: u64,
    fault: Option<Fault>,
    reads: u64,
    failing_read: Option<u64>,
    capacity: Option<u64>,
}

#[derive(Default, Clone)]
struct FileState {
    bytes: Vec<u8>,
    synced: Vec<u8>,
}

impl MemoryDisk {
    /// An empty disk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Plans a fault, or none; counting starts over.
    pub fn plan(&self, fault: Option<Fault>) {
        let mut state = self.state();
        state.fault = fault;
        state.operations = 0;
    }

    /// How many operations changed the disk since the last [`MemoryDisk::plan`].
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// Lets one of the next reads fail, counted from 0 on, or none.
    pub fn plan_read(&self, failing: Option<u64>) {
        let mut state = self.state();
        state.failing_read = failing;
        state.reads = 0;
    }

    /// How many reads there were since the last [`MemoryDisk::plan_read`].
    #[must_use]
    pub fn reads(&self) -> u64 {
        self.state().reads
    }

    /// Lets all files together hold at most so many bytes, or any number.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state().capacity = bytes;
    }

    /// All bytes of all files.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.state().used()
    }

    /// Ends the process that used the disk: its locks and the planned fault are gone, and with
    /// the power what was not synced.
    pub fn restart(&self, outage: Outage) {
        let mut state = self.state();
        state.locks.clear();
        state.life += 1;
        state.fault = None;
        state.operations = 0;
        if outage == Outage::Kill {
            return;
        }
        state.names = state.durable_names.clone();
        for file in &mut state.files {
            let mut bytes = file.synced.clone();
            if outage == Outage::TornPowerCut && file.bytes.len() > bytes.len() {
                let arrived = (file.bytes.len() - bytes.len()) / 2;
                bytes.extend_from_slice(&file.bytes[bytes.len()..][..arrived]);
                let end = bytes.len();
                bytes[end - arrived / 2..].fill(0);
            }
            file.bytes.clone_from(&bytes);
            file.synced = bytes;
        }
    }

    /// The files and their bytes.
    #[must_use]
    pub fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let state = self.state();
        let bytes =
            |(path, file): (&PathBuf, &usize)| (path.clone(), state.files[*file].bytes.clone());
        state.names.iter().map(bytes).collect()
    }

    /// Puts a file there as it is, durably and past all faults.
    pub fn put(&self, path: &Path, bytes: Vec<u8>) {
        let mut state = self.state();
        let file = state.files.len();
        state.files.push(FileState {
            synced: bytes.clone(),
            bytes,
        });
        state.names.insert(path.to_owned(), file);
        state.durable_names.insert(path.to_owned(), file);
    }

    /// Another disk with the same files, all durable.
    #[must_use]
    pub fn copy(&self) -> Self {
        let copy = Self::new();
        for (path, bytes) in self.files() {
            copy.put(&path, bytes);
        }
        copy
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How an operation is to go.
enum Go {
    Whole,
    Half,
}

impl State {
    fn used(&self) -> u64 {
        let mut live: Vec<usize> = self.names.values().copied().collect();
        live.sort_unstable();
        live.dedup();
        live.iter().map(|f| self.files[*f].bytes.len() as u64).sum()
    }

    fn operate(&mut self) -> io::Result<Go> {
        let operation = self.operations;
        self.operations += 1;
        let failed = |what| Err(io::Error::other(format!("{what} at operation {operation}")));
        match self.fault {
            Some(Fault::FailAt(at)) if at == operation => failed("planned failure"),
            Some(Fault::TearAt(at)) if at == operation => Ok(Go::Half),
            Some(Fault::StopAt(at)) if at <= operation => failed("planned stop"),
            Some(Fault::TearAt(at)) if at < operation => failed("planned stop"),
            _ => Ok(Go::Whole),
        }
    }

    /// Operations that cannot be torn do not happen at all.
    fn operate_whole(&mut self) -> io::Result<()> {
        match self.operate()? {
            Go::Whole => Ok(()),
            Go::Half => Err(io::Error::other("planned stop")),
        }
    }

    fn find(&self, path: &Path) -> io::Result<usize> {
        self.names
            .get(path)
            .copied()
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("{}", path.display())))
    }
}

impl Disk for MemoryDisk {
    fn create_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        let state = self.state();
        let entry = |(path, file): (&PathBuf, &usize)| {
            (path.parent() == Some(dir)).then(|| Entry {
                name: path
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned(),
                len: state.files[*file].bytes.len() as u64,
            })
        };
        Ok(state.names.iter().filter_map(entry).collect())
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn WriteFile>> {
        let mut state = self.state();
        state.operate_whole()?;
        let file = state.files.len();
        state.files.push(FileState::default());
        state.names.insert(path.to_owned(), file);
        Ok(Box::new(MemoryFile(self.clone(), file)))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn ReadFile>> {
        let file = self.state().find(path)?;
        Ok(Box::new(MemoryFile(self.clone(), file)))
    }

    fn truncate(&self, path: &Path, len: u64) -> io::Result<()> {
        let mut state = self.state();
        state.operate_whole()?;
        let file = state.find(path)?;
        let file = &mut state.files[file];
        file.bytes.truncate(len as usize);
        file.synced.clone_from(&file.bytes);
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.operate_whole()?;
        let file = state.find(from)?;
        state.names.remove(from);
        state.names.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.operate_whole()?;
        state.find(path)?;
        state.names.remove(path);
        Ok(())
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.operate_whole()?;
        let file = state.find(from)?;
        state.names.insert(to.to_owned(), file);
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.operate_whole()?;
        let inside = |path: &Path| path.parent() == Some(dir);
        let mut durable = std::mem::take(&mut state.durable_names);
        durable.retain(|path, _| !inside(path));
        let now = state.names.iter().filter(|(path, _)| inside(path));
        durable.extend(now.map(|(path, file)| (path.clone(), *file)));
        state.durable_names = durable;
        Ok(())
    }

    fn lock(&self, path: &Path, _: &str) -> io::Result<Locking> {
        let mut state = self.state();
        if !state.locks.insert(path.to_owned()) {
            return Ok(Locking::Taken("another test".to_owned()));
        }
        Ok(Locking::Held(Box::new(MemoryLock {
            disk: self.clone(),
            path: path.to_owned(),
            life: state.life,
        })))
    }

    fn lock_holder(&self, path: &Path) -> io::Result<Option<String>> {
        let is_held = self.state().locks.contains(path);
        Ok(is_held.then(|| "another test".to_owned()))
    }
}

struct MemoryLock {
    disk: MemoryDisk,
    path: PathBuf,
    life: u64,
}

impl Lock for MemoryLock {}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        let mut state = self.disk.state();
        if state.life == self.life {
            state.locks.remove(&self.path);
        }
    }
}

struct MemoryFile(MemoryDisk, usize);

impl WriteFile for MemoryFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.0.state();
        let go = state.operate()?;
        let free = state
            .capacity
            .map_or(u64::MAX, |capacity| capacity.saturating_sub(state.used()));
        let file = &mut state.files[self.1];
        if free < bytes.len() as u64 {
            file.bytes.extend_from_slice(&bytes[..free as usize]);
            return Err(io::ErrorKind::StorageFull.into());
        }
        match go {
            Go::Whole => file.bytes.extend_from_slice(bytes),
            Go::Half => {
                file.bytes.extend_from_slice(&bytes[..bytes.len() / 2]);
                return Err(io::Error::other("planned stop"));
            }
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.0.state();
        state.operate_whole()?;
        let file = &mut state.files[self.1];
        file.synced.clone_from(&file.bytes);
        Ok(())
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        let mut state = self.0.state();
        state.operate_whole()?;
        let file = &mut state.files[self.1];
        file.bytes.truncate(len as usize);
        // Bytes behind the cut that were synced before may come back only if this is not synced.
        Ok(())
    }
}

impl ReadFile for MemoryFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.state().files[self.1].bytes.len() as u64)
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        let mut state = self.0.state();
        state.reads += 1;
        if state.failing_read == Some(state.reads - 1) {
            return Err(io::Error::other("planned failure of a read"));
        }
        let file = &state.files[self.1].bytes;
        let from = usize::try_from(offset).map_err(io::Error::other)?;
        let part = file
            .get(from..)
            .and_then(|rest| rest.get(..bytes.len()))
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        bytes.copy_from_slice(part);
        Ok(())
    }
}
