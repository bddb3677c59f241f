//! What all faces of a store share, and in which order it is locked: maintenance, then writer,
//! then head, then blocks.

use crate::block::Block;
use crate::disk::{Disk, Lock};
use crate::error::StoreError;
use crate::head::Head;
use crate::health::{Damage, Health};
use crate::maintain::Maintenance;
use crate::options::{Clock, Options};
use crate::wal::Wal;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

pub(crate) struct Shared {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) dir: PathBuf,
    pub(crate) options: Options,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) read_only: bool,
    maintenance: Mutex<Maintenance>,
    /// `None` once the store was closed.
    writer: Mutex<Option<Wal>>,
    head: RwLock<Head>,
    blocks: RwLock<Arc<Vec<Arc<Block>>>>,
    health: Mutex<Health>,
    index_uses: AtomicU64,
    lock: Mutex<Option<Box<dyn Lock>>>,
}

/// Pieces of damage that are listed; more say nothing new.
const MAX_DAMAGE: usize = 100;

impl Shared {
    #[expect(clippy::too_many_arguments, reason = "called once, by opening")]
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        dir: PathBuf,
        options: Options,
        clock: Arc<dyn Clock>,
        lock: Option<Box<dyn Lock>>,
        maintenance: Maintenance,
        wal: Wal,
        head: Head,
        blocks: Vec<Arc<Block>>,
        damage: Vec<Damage>,
    ) -> Self {
        let shared = Self {
            disk,
            dir,
            options,
            clock,
            read_only: lock.is_none(),
            maintenance: Mutex::new(maintenance),
            writer: Mutex::new(Some(wal)),
            head: RwLock::new(head),
            blocks: RwLock::new(Arc::new(blocks)),
            health: Mutex::new(Health::default()),
            index_uses: AtomicU64::new(1),
            lock: Mutex::new(lock),
        };
        shared.health().damage = damage;
        shared
    }

    pub(crate) fn maintenance(&self) -> MutexGuard<'_, Maintenance> {
        self.maintenance
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn writer(&self) -> MutexGuard<'_, Option<Wal>> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn head(&self) -> RwLockReadGuard<'_, Head> {
        self.head.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn head_mut(&self) -> RwLockWriteGuard<'_, Head> {
        self.head.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn blocks(&self) -> Arc<Vec<Arc<Block>>> {
        Arc::clone(&self.blocks.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the list of blocks, sorted by time.
    pub(crate) fn set_blocks(&self, mut blocks: Vec<Arc<Block>>) {
        sort_blocks(&mut blocks);
        *self.blocks.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(blocks);
    }

    pub(crate) fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn report(&self, path: &Path, what: String) {
        let mut health = self.health();
        let known = health
            .damage
            .iter()
            .any(|d| d.path == path && d.what == what);
        if !known && health.damage.len() < MAX_DAMAGE {
            health.damage.push(Damage {
                path: path.to_owned(),
                what,
            });
        }
    }

    /// Ends writing and gives the directory free.
    pub(crate) fn close(&self) {
        *self.writer() = None;
        *self.lock.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The number of this use of an index; older numbers leave the cache first.
    pub(crate) fn next_use(&self) -> u64 {
        self.index_uses.fetch_add(1, Ordering::Relaxed)
    }

    /// Lets go of indexes that were not used for the longest time.
    pub(crate) fn trim_indexes(&self) {
        let blocks = self.blocks();
        let mut loaded: Vec<(u64, usize, &Arc<Block>)> = blocks
            .iter()
            .map(|block| (block.last_use(), block.index_bytes(), block))
            .filter(|(_, bytes, _)| *bytes > 0)
            .collect();
        let mut total: usize = loaded.iter().map(|(_, bytes, _)| bytes).sum();
        loaded.sort_unstable_by_key(|(used, _, _)| *used);
        for (_, bytes, block) in loaded {
            if total <= self.options.index_cache_bytes {
                break;
            }
            block.drop_index();
            total -= bytes;
        }
    }

    pub(crate) fn closed(&self) -> StoreError {
        if self.read_only {
            return StoreError::ReadOnly {
                dir: self.dir.clone(),
            };
        }
        StoreError::Series(series::Error::Unavailable(format!(
            "the store in {} was closed",
            self.dir.display()
        )))
    }
}

pub(crate) fn sort_blocks(blocks: &mut [Arc<Block>]) {
    blocks.sort_by_key(|block| (block.footer().min_time, block.footer().number));
}
