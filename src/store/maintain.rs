//! What happens beside writing and reading: the head becomes blocks, blocks merge, old ones go.

use crate::block::{Block, BlockSpec, BlockUse, Opened, write_block};
use crate::error::{Result, StoreError};
use crate::format::{file_name, file_number};
use crate::head::Head;
use crate::select::{Guide, Set};
use crate::shared::Shared;
use crate::source::{HeadNodes, gather_head};
use crate::wal::{WAL_STEM, put_exemplar, put_frame, put_metadata, put_series, put_target};
use series::{SeriesSet, TimeRange};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) const BLOCK_STEM: &str = "block";
pub(crate) const CHECKPOINT_STEM: &str = "head";
pub(crate) const TEMPORARY: &str = ".tmp";

/// A clock that moved further than this between two looks has jumped.
const CLOCK_JUMP: i64 = 2 * 60 * 60 * 1000;

/// What maintenance remembers from one time to the next.
#[derive(Debug)]
pub(crate) struct Maintenance {
    pub(crate) next_block: u64,
    /// Bytes of the last checkpoint.
    pub(crate) checkpoint_bytes: u64,
    /// The clock at the last look, and since when it has run without jumps.
    pub(crate) last_now: i64,
    pub(crate) steady_since: i64,
}

/// What one round of maintenance did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Maintained {
    /// Blocks that came out of the head.
    pub flushed: u64,
    /// Blocks that several others became.
    pub compacted: u64,
    /// Blocks that went because they were too old or took too much space.
    pub dropped: u64,
}

impl Shared {
    /// One round: flush what is due, compact what can be, drop what is too old.
    pub(crate) fn maintain(&self) -> Result<Maintained> {
        let mut maintenance = self.maintenance();
        if self.writer().is_none() {
            return Err(self.closed());
        }
        // Old blocks first: on a full disk, only their space lets anything else be written.
        let mut done = Maintained {
            dropped: self.retain(&mut maintenance)?,
            ..Maintained::default()
        };
        if let Some(cut) = self.due(maintenance.checkpoint_bytes) {
            done.flushed = self.flush(&mut maintenance, cut)?;
        }
        while self.compact_once(&mut maintenance)? {
            done.compacted += 1;
        }
        Ok(done)
    }

    /// Up to when the head is to become blocks now, or `i64::MIN` to write a checkpoint only.
    fn due(&self, checkpoint_bytes: u64) -> Option<i64> {
        let range = self.options.block_range;
        let wal_bytes = self
            .writer()
            .as_ref()
            .map_or(0, |wal| wal.bytes_beside_repetition());
        let head = self.head();
        // A range becomes a block when half of the next one is over: late scrapes are in then.
        let newest = head.max_time.map(|max| max.min(self.clock.now()));
        let cut = newest.map(|newest| (newest - range / 2).div_euclid(range) * range);
        if let (Some(cut), Some(min)) = (cut, head.min_time)
            && min < cut
            && (head.late_before < cut || head.late > self.options.max_late_samples)
        {
            return Some(cut);
        }
        // Writing the head down more often than it grows would cost more than it saves.
        (wal_bytes > self.options.checkpoint_bytes.max(2 * checkpoint_bytes)).then_some(i64::MIN)
    }

    /// Turns what the head has before `cut` into blocks and writes the rest down, so that the
    /// log can begin anew.
    pub(crate) fn flush(&self, maintenance: &mut Maintenance, cut: i64) -> Result<u64> {
        let range = self.options.block_range;
        let (checkpoint, taken, windows, rest) = {
            let mut writer = self.writer();
            let wal = writer.as_mut().ok_or_else(|| self.closed())?;
            // All that is in the head stands in segments before this one.
            let checkpoint = wal.rotate();
            let head = self.head();
            let taken = head.before(cut);
            let starts = head.ranges_before(cut, range);
            let windows: Vec<Set> = starts
                .into_iter()
                .map(|start| TimeRange {
                    start,
                    end: start + range - 1,
                })
                .map(|window| Snapshot::of(&head, window).set)
                .collect();
            let rest = TimeRange {
                start: cut,
                end: i64::MAX,
            };
            (checkpoint, taken, windows, Snapshot::of(&head, rest))
        };
        let mut fresh = Vec::new();
        let written = self
            .write_fresh(maintenance, checkpoint, &windows, &mut fresh)
            .and_then(|()| self.write_checkpoint(&self.dir, checkpoint, &rest));
        drop(windows);
        match written {
            Ok(bytes) => maintenance.checkpoint_bytes = bytes,
            Err(error) => {
                self.take_back(checkpoint, &fresh);
                return Err(error);
            }
        }

        // From here on the log up to the checkpoint is not needed any more.
        let flushed = fresh.len() as u64;
        {
            let mut writer = self.writer();
            let mut head = self.head_mut();
            head.remove(&taken, cut);
            let mut blocks = self.blocks().to_vec();
            blocks.extend(fresh);
            self.set_blocks(blocks);
            if let Some(wal) = writer.as_mut() {
                wal.forget_earlier();
            }
        }
        self.remove_before(WAL_STEM, checkpoint);
        self.remove_before(CHECKPOINT_STEM, checkpoint);
        Ok(flushed)
    }

    /// Writes a block for each of the sets that has samples.
    fn write_fresh(
        &self,
        maintenance: &mut Maintenance,
        checkpoint: u64,
        windows: &[Set],
        fresh: &mut Vec<Arc<Block>>,
    ) -> Result<()> {
        for set in windows.iter().filter(|set| !set.is_empty()) {
            let spec = BlockSpec {
                number: maintenance.next_block,
                made_for: BlockUse::Fresh,
                checkpoint,
                parents: Vec::new(),
            };
            if let Some(block) = self.write(BLOCK_STEM, set, spec, |_| Vec::new())? {
                fresh.push(Arc::new(block));
                maintenance.next_block += 1;
            }
        }
        Ok(())
    }

    /// Removes what a flush wrote before it failed: the next attempt writes all of it again,
    /// and a full disk must not become fuller with every attempt.
    fn take_back(&self, checkpoint: u64, fresh: &[Arc<Block>]) {
        // The checkpoint may have its name although that is not known to be durable. With it,
        // the samples of the blocks count as out of the log: it has to be gone before they are.
        let path = self.dir.join(file_name(CHECKPOINT_STEM, checkpoint));
        let is_gone = match self.disk.remove(&path) {
            Ok(()) => self.disk.sync_dir(&self.dir).is_ok(),
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        };
        if is_gone {
            for block in fresh {
                let _ = self.disk.remove(block.path());
            }
        }
    }

    fn write_checkpoint(&self, dir: &Path, checkpoint: u64, rest: &Snapshot) -> Result<u64> {
        let name = file_name(CHECKPOINT_STEM, checkpoint);
        let (temporary, path) = (dir.join(name.clone() + TEMPORARY), dir.join(name));
        let spec = BlockSpec {
            number: checkpoint,
            made_for: BlockUse::Checkpoint,
            checkpoint,
            parents: Vec::new(),
        };
        let footer = write_block(&*self.disk, &temporary, &rest.set, spec, |numbers| {
            rest.records(numbers)
        })?;
        self.publish(dir, &temporary, &path)?;
        let sections = footer.iter().flat_map(|footer| &footer.sections);
        Ok(sections
            .map(|section| section.offset + section.len)
            .max()
            .unwrap_or(0))
    }

    fn publish(&self, dir: &Path, temporary: &Path, path: &Path) -> Result<()> {
        self.disk
            .rename(temporary, path)
            .map_err(StoreError::io("rename", temporary))?;
        self.disk.sync_dir(dir).map_err(StoreError::io("sync", dir))
    }

    /// Writes a block and opens it.
    fn write(
        &self,
        stem: &str,
        set: &Set,
        spec: BlockSpec,
        records: impl FnOnce(&[u32]) -> Vec<u8>,
    ) -> Result<Option<Block>> {
        let name = file_name(stem, spec.number);
        let (temporary, path) = (self.dir.join(name.clone() + TEMPORARY), self.dir.join(name));
        if write_block(&*self.disk, &temporary, set, spec, records)?.is_none() {
            return Ok(None);
        }
        self.publish(&self.dir, &temporary, &path)?;
        self.open_written(&path).map(Some)
    }

    fn open_written(&self, path: &Path) -> Result<Block> {
        match Block::open(&*self.disk, path).map_err(StoreError::io("open", path))? {
            Opened::Block(block) => Ok(block),
            Opened::OtherVersion(_) | Opened::Damaged(_) => Err(StoreError::corrupt(
                path,
                "it was just written but cannot be read",
            )),
        }
    }

    /// Removes numbered files below `number`. What cannot be removed now goes at the next start.
    fn remove_before(&self, stem: &str, number: u64) {
        for entry in self.disk.list(&self.dir).unwrap_or_default() {
            if file_number(stem, &entry.name).is_some_and(|found| found < number) {
                let _ = self.disk.remove(&self.dir.join(entry.name));
            }
        }
    }

    /// Merges one group of blocks, if there is one.
    fn compact_once(&self, maintenance: &mut Maintenance) -> Result<bool> {
        let blocks = self.blocks();
        let late_before = self.head().late_before;
        let Some(group) = self.group(&blocks, late_before) else {
            return Ok(false);
        };
        let first = group[0].index(self.next_use())?;
        let guide = Guide::of_block(&first, &(0..first.len() as u32).collect::<Vec<_>>());
        let mut sources = Vec::new();
        for block in &group {
            let index = block.index(self.next_use())?;
            let all: Vec<u32> = (0..index.len() as u32).collect();
            let (gathered, ended) = block.gather(&index, &all, TimeRange::ALL, &guide);
            ended?;
            sources.push(gathered);
        }
        let set = Set::put_together(guide, sources);
        let spec = BlockSpec {
            number: maintenance.next_block,
            made_for: BlockUse::Compacted,
            checkpoint: 0,
            parents: group.iter().map(|block| block.footer().number).collect(),
        };
        let name = file_name(BLOCK_STEM, spec.number);
        let (temporary, path) = (self.dir.join(name.clone() + TEMPORARY), self.dir.join(name));
        write_block(&*self.disk, &temporary, &set, spec, |_| Vec::new())?;
        let unread = set.warnings().into_iter().next();
        if group.iter().any(|block| block.is_damaged()) {
            // Leave damaged blocks as they are: somebody may know how to mend them.
            let _ = self.disk.remove(&temporary);
            for block in group.iter().filter(|block| block.is_damaged()) {
                self.report(
                    block.path(),
                    "parts of it are damaged; it stays as it is".into(),
                );
            }
            return Ok(true);
        }
        if let Some(unread) = unread {
            // What could not be read this time may be read the next.
            let _ = self.disk.remove(&temporary);
            return Err(StoreError::Io {
                action: "merge into",
                path,
                source: std::io::Error::other(unread),
            });
        }
        drop(set);
        self.publish(&self.dir, &temporary, &path)?;
        maintenance.next_block += 1;
        let merged = self.open_written(&path)?;
        let is_parent = |block: &Arc<Block>| group.iter().any(|parent| Arc::ptr_eq(parent, block));
        let mut left: Vec<_> = blocks.iter().filter(|b| !is_parent(b)).cloned().collect();
        left.push(Arc::new(merged));
        self.set_blocks(left);
        for block in &group {
            // A parent that stays is known by the block that names it and goes at the next start.
            let _ = self.disk.remove(block.path());
        }
        self.trim_indexes();
        Ok(true)
    }

    /// Blocks that should be one: several of a whole compacted range, or too many of a fresh one.
    fn group(&self, blocks: &[Arc<Block>], late_before: i64) -> Option<Vec<Arc<Block>>> {
        for (range, least, over) in [
            (self.options.compacted_range, 2, true),
            (self.options.block_range, 4, false),
        ] {
            let mut groups: HashMap<i64, Vec<Arc<Block>>> = HashMap::new();
            for block in blocks.iter().filter(|block| !block.is_damaged()) {
                let footer = block.footer();
                let start = footer.min_time.div_euclid(range);
                if footer.max_time.div_euclid(range) == start {
                    groups.entry(start).or_default().push(Arc::clone(block));
                }
            }
            let due = groups.into_iter().filter(|(start, group)| {
                group.len() >= least && (!over || (start + 1) * range <= late_before)
            });
            if let Some((_, group)) = due.min_by_key(|(start, _)| *start) {
                return Some(group);
            }
        }
        None
    }

    /// Drops blocks that are too old, or the oldest when all take too much space.
    fn retain(&self, maintenance: &mut Maintenance) -> Result<u64> {
        let now = self.clock.now();
        if now.abs_diff(maintenance.last_now) > CLOCK_JUMP as u64 {
            maintenance.steady_since = now;
        }
        maintenance.last_now = now;
        let blocks = self.blocks();
        let newest = blocks.iter().map(|block| block.footer().max_time);
        let newest = newest
            .chain(self.head().max_time)
            .max()
            .unwrap_or(now)
            .min(now);
        // A clock that just jumped must not cost the data of the time it jumped over.
        let steady = now - maintenance.steady_since >= CLOCK_JUMP / 2;
        let oldest = newest.saturating_sub(self.options.retention);
        let too_old = |block: &Block| steady && block.footer().max_time < oldest;

        let wal_bytes = self.writer().as_ref().map_or(0, |wal| wal.bytes());
        let mut bytes = wal_bytes + blocks.iter().map(|block| block.len()).sum::<u64>();
        let mut left = Vec::new();
        let mut dropped = Vec::new();
        for block in blocks.iter() {
            let too_large = self.options.retention_size > 0 && bytes > self.options.retention_size;
            if too_old(block) || too_large {
                bytes -= block.len();
                dropped.push(Arc::clone(block));
            } else {
                left.push(Arc::clone(block));
            }
        }
        if dropped.is_empty() {
            return Ok(0);
        }
        self.set_blocks(left);
        for block in &dropped {
            self.disk
                .remove(block.path())
                .map_err(StoreError::io("remove", block.path()))?;
        }
        Ok(dropped.len() as u64)
    }

    /// Writes a copy of everything into `dir`, which another store can open.
    pub(crate) fn snapshot(&self, dir: &Path) -> Result<Vec<PathBuf>> {
        let _maintenance = self.maintenance();
        self.disk
            .create_dir(dir)
            .map_err(StoreError::io("create", dir))?;
        let present = self.disk.list(dir).map_err(StoreError::io("list", dir))?;
        if !present.is_empty() {
            return Err(StoreError::Io {
                action: "write a snapshot into",
                path: dir.to_owned(),
                source: std::io::Error::other("the directory is not empty"),
            });
        }
        let (blocks, rest) = {
            let _writer = self.writer();
            let head = self.head();
            (self.blocks(), Snapshot::of(&head, TimeRange::ALL))
        };
        let mut files = Vec::new();
        for block in blocks.iter() {
            let copy = dir.join(block.path().file_name().unwrap_or_default());
            self.disk
                .link(block.path(), &copy)
                .map_err(StoreError::io("copy", block.path()))?;
            files.push(copy);
        }
        // Later than any block's, so that no block of the copy waits for its checkpoint.
        let checkpoint = blocks.iter().map(|block| block.footer().checkpoint).max();
        let checkpoint = checkpoint.unwrap_or(0) + 1;
        self.write_checkpoint(dir, checkpoint, &rest)?;
        files.push(dir.join(file_name(CHECKPOINT_STEM, checkpoint)));
        Ok(files)
    }
}

/// The head at one moment, with what a checkpoint keeps besides samples.
pub(crate) struct Snapshot {
    set: Set,
    /// Records that name no timeline.
    records: Vec<u8>,
    /// Targets and which of the set's timelines is theirs.
    targets: Vec<(series::Labels, usize)>,
}

impl Snapshot {
    pub(crate) fn of(head: &Head, range: TimeRange) -> Self {
        let guide = Guide::default();
        let mut ids: Vec<u32> = head.iter().map(|(id, _)| id).collect();
        head.sort(&mut ids);
        let (gathered, nodes): (_, HeadNodes) = gather_head(head, &ids, range, &guide);
        let set = Set::put_together(guide, vec![gathered]);
        let mut records = Vec::new();
        put_frame(&mut records, |out| {
            for (at, (labels, exemplars)) in head.exemplars.iter().enumerate() {
                put_series(out, at as u32, labels);
                for exemplar in exemplars {
                    put_exemplar(out, at as u32, exemplar);
                }
            }
            for (family, spellings) in head.metadata() {
                for metadata in spellings {
                    put_metadata(out, family, metadata);
                }
            }
        });
        let mut targets = Vec::new();
        for target in &head.targets {
            let node = target
                .timeline
                .and_then(|timeline| nodes.get(&timeline)?.as_ref());
            // Only a timeline that begins with the target's rows is the target's.
            if let Some((node, _)) = node
                && let (timeline, 0) = set.place_of(*node)
            {
                targets.push((target.labels.clone(), timeline));
            }
        }
        Self {
            set,
            records,
            targets,
        }
    }

    /// The records of a checkpoint in whose file the set's timelines have these numbers.
    fn records(&self, numbers: &[u32]) -> Vec<u8> {
        let mut records = self.records.clone();
        put_frame(&mut records, |out| {
            for (labels, timeline) in &self.targets {
                put_target(out, numbers[*timeline], labels);
            }
        });
        records
    }
}
