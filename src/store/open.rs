//! Opening: sorts what lies in the directory, sets aside what cannot be read, and brings the
//! head back from its checkpoint and log.

use crate::block::{Block, BlockUse, Opened, SectionKind, TrackEntry};
use crate::codec::{Kernel, MAX_CHUNK_SAMPLES, decode_values};
use crate::disk::{Disk, Entry, Lock, Locking, read_all};
use crate::error::{Result, StoreError};
use crate::format::{HEADER_LEN, Header, file_name, file_number};
use crate::head::{Head, Places, Track, Verdict};
use crate::health::Damage;
use crate::maintain::{BLOCK_STEM, CHECKPOINT_STEM, Maintenance, TEMPORARY};
use crate::options::{Clock, Options};
use crate::select::{Guide, Set};
use crate::shared::{Shared, sort_blocks};
use crate::wal::{Record, Wal, read_records, read_segment, segments, walk_frames};
use series::{SeriesSet, TimeRange};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) const LOCK_FILE: &str = "lock";

pub(crate) fn open(
    disk: Arc<dyn Disk>,
    dir: &Path,
    options: Options,
    clock: Arc<dyn Clock>,
    read_only: bool,
) -> Result<Shared> {
    let lock = if read_only {
        None
    } else {
        disk.create_dir(dir)
            .map_err(StoreError::io("create", dir))?;
        Some(self::lock(&*disk, dir)?)
    };
    let mut opening = Opening {
        disk: &*disk,
        dir,
        options: &options,
        read_only,
        damage: Vec::new(),
    };
    let entries = disk.list(dir).map_err(StoreError::io("list", dir))?;
    if !read_only {
        for entry in entries
            .iter()
            .filter(|entry| entry.name.ends_with(TEMPORARY))
        {
            // Left over from work that did not end; what cannot be removed takes only space.
            let _ = disk.remove(&dir.join(&entry.name));
        }
    }
    let wal_numbers = segments(&*disk, dir)?;
    let checkpoints = numbers(&entries, CHECKPOINT_STEM);
    let newest = highest_ever(&entries, CHECKPOINT_STEM);
    let blocks = opening.blocks(&entries, newest, &wal_numbers);

    let mut head = Head::default();
    let mut from = 0;
    for number in checkpoints.into_iter().rev() {
        if opening.checkpoint(number, &mut head) {
            from = number;
            break;
        }
    }
    let mut earlier = 0;
    head.begin_replay();
    for (at, number) in wal_numbers.iter().enumerate() {
        if *number >= from {
            earlier += opening.replay(*number, at + 1 == wal_numbers.len(), &mut head)?;
        } else if !read_only {
            let _ = disk.remove(&dir.join(file_name(crate::wal::WAL_STEM, *number)));
        }
    }
    head.end_replay();
    let block_range = options.block_range;
    let fresh = blocks.iter().map(|block| block.footer().max_time).max();
    if let Some(fresh) = fresh {
        head.late_before = (fresh.div_euclid(block_range) + 1) * block_range;
    } else {
        head.late_before = i64::MIN;
    }
    head.late = 0;
    let next_segment = highest_ever(&entries, crate::wal::WAL_STEM).max(newest) + 1;
    let now = clock.now();
    let newest_sample = head.max_time.max(fresh).unwrap_or(now);
    let maintenance = Maintenance {
        next_block: highest_ever(&entries, BLOCK_STEM) + 1,
        checkpoint_bytes: length_of(&entries, &file_name(CHECKPOINT_STEM, from)),
        last_now: now,
        // A clock that goes on where the data ends needs no time to prove itself.
        steady_since: if now.abs_diff(newest_sample) < 24 * 60 * 60 * 1000 {
            i64::MIN / 2
        } else {
            now
        },
    };
    let damage = opening.damage;
    let wal = Wal::new(
        Arc::clone(&disk),
        dir,
        options.wal_segment_bytes,
        next_segment,
        earlier,
    );
    let shared = Shared::new(
        disk,
        dir.to_owned(),
        options,
        clock,
        lock,
        maintenance,
        wal,
        head,
        blocks,
        damage,
    );
    if read_only {
        shared.close();
    }
    Ok(shared)
}

/// Takes the lock of a store's directory.
pub(crate) fn lock(disk: &dyn Disk, dir: &Path) -> Result<Box<dyn Lock>> {
    let path = dir.join(LOCK_FILE);
    let holder = format!("process {}", std::process::id());
    let locking = disk.lock(&path, &holder);
    match locking.map_err(StoreError::io("lock", &path))? {
        Locking::Held(lock) => Ok(lock),
        Locking::Taken(holder) => Err(StoreError::Locked {
            dir: dir.to_owned(),
            holder: if holder.is_empty() {
                "another process".to_owned()
            } else {
                holder
            },
        }),
    }
}

/// Whether a file of this name is one of a store's own.
pub(crate) fn is_of_store(name: &str) -> bool {
    let stems = [BLOCK_STEM, CHECKPOINT_STEM, crate::wal::WAL_STEM];
    name == LOCK_FILE || stems.iter().any(|stem| file_number(stem, name).is_some())
}

fn numbers(entries: &[Entry], stem: &str) -> Vec<u64> {
    let mut numbers: Vec<u64> = entries
        .iter()
        .filter_map(|entry| file_number(stem, &entry.name))
        .collect();
    numbers.sort_unstable();
    numbers
}

/// The highest number that any file of this stem has, those set aside included.
fn highest_ever(entries: &[Entry], stem: &str) -> u64 {
    entries
        .iter()
        .filter(|entry| !entry.name.ends_with(TEMPORARY))
        .filter_map(|entry| file_number(stem, entry.name.split('.').next()?))
        .max()
        .unwrap_or(0)
}

fn length_of(entries: &[Entry], name: &str) -> u64 {
    let entry = entries.iter().find(|entry| entry.name == name);
    entry.map_or(0, |entry| entry.len)
}

struct Opening<'a> {
    disk: &'a dyn Disk,
    dir: &'a Path,
    options: &'a Options,
    read_only: bool,
    damage: Vec<Damage>,
}

impl Opening<'_> {
    fn report(&mut self, path: &Path, what: String) {
        self.damage.push(Damage {
            path: path.to_owned(),
            what,
        });
    }

    /// Gives a file a name under which nothing here looks at it again.
    fn set_aside(&mut self, path: &Path, suffix: &str, why: &str) {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{suffix}"));
        let aside = PathBuf::from(name);
        if !self.read_only
            && self.disk.rename(path, &aside).is_ok()
            && self.disk.sync_dir(self.dir).is_ok()
        {
            self.report(&aside, format!("{why}; the file was set aside"));
        } else {
            self.report(path, format!("{why}; the file was left out"));
        }
    }

    fn open_block(&mut self, path: &Path) -> Option<Block> {
        match Block::open(self.disk, path) {
            Ok(Opened::Block(block)) => Some(block),
            Ok(Opened::OtherVersion(version)) => {
                let why = format!("its format version {version} is not known to this program");
                self.set_aside(path, &format!("version-{version}"), &why);
                None
            }
            Ok(Opened::Damaged(what)) => {
                self.set_aside(path, "damaged", what);
                None
            }
            Err(error) => {
                self.report(path, format!("cannot be read: {error}"));
                None
            }
        }
    }

    fn blocks(&mut self, entries: &[Entry], checkpoint: u64, wal: &[u64]) -> Vec<Arc<Block>> {
        let mut blocks = Vec::new();
        for number in numbers(entries, BLOCK_STEM) {
            let path = self.dir.join(file_name(BLOCK_STEM, number));
            let Some(block) = self.open_block(&path) else {
                continue;
            };
            let needed = block.footer().checkpoint;
            if needed > checkpoint && wal.iter().any(|segment| *segment < needed) {
                // The flush that made it did not end: the log still has its samples.
                self.remove(&path);
                continue;
            }
            blocks.push(Arc::new(block));
        }
        let merged: Vec<u64> = blocks
            .iter()
            .flat_map(|b| b.footer().parents.clone())
            .collect();
        let (gone, mut left): (Vec<_>, Vec<_>) = blocks
            .into_iter()
            .partition(|block| merged.contains(&block.footer().number));
        for block in gone {
            self.remove(block.path());
        }
        sort_blocks(&mut left);
        left
    }

    fn remove(&self, path: &Path) {
        if !self.read_only {
            // It is left out all the same; the next opening tries again.
            let _ = self.disk.remove(path);
        }
    }

    /// Fills the head from a checkpoint; `false` when it cannot be read.
    fn checkpoint(&mut self, number: u64, head: &mut Head) -> bool {
        let path = self.dir.join(file_name(CHECKPOINT_STEM, number));
        let Some(block) = self.open_block(&path) else {
            return false;
        };
        let block = Arc::new(block);
        if block.footer().made_for != BlockUse::Checkpoint {
            self.set_aside(&path, "damaged", "it is no checkpoint");
            return false;
        }
        match self.restore(&block, head) {
            Ok(warnings) => {
                for warning in warnings {
                    self.report(&path, warning);
                }
                if block.is_damaged() {
                    self.report(&path, "parts of it are damaged; the rest was read".into());
                }
                true
            }
            Err(error) => {
                *head = Head::default();
                self.set_aside(&path, "damaged", &error.to_string());
                false
            }
        }
    }

    fn restore(&mut self, block: &Arc<Block>, head: &mut Head) -> Result<Vec<String>> {
        let index = block.index(0)?;
        let malformed = |error| block.malformed(error);
        // The file's timelines come first, so that numbers in tracks and records fit. One that
        // cannot be read stays empty, and the series on it go the slow way, which says so.
        let mut readable = Vec::new();
        for timeline in 0..index.timelines.len() as u32 {
            let mut times = Vec::new();
            let read = block.times(&index, timeline, &mut times);
            readable.push(read.is_ok());
            head.restore_timeline(if read.is_ok() { &times } else { &[] });
        }
        let bytes =
            read_all(self.disk, block.path()).map_err(StoreError::io("read", block.path()))?;
        let mut track = TrackEntry::default();
        let mut slowly = Vec::new();
        for at in 0..index.len() as u32 {
            let mut tracks = Vec::new();
            index
                .tracks(at, &mut track, |track| tracks.push(track.clone()))
                .map_err(malformed)?;
            let whole = match &tracks[..] {
                [track] if readable[track.timeline as usize] => whole_track(track, &bytes),
                _ => None,
            };
            if let Some((whole, last)) = whole {
                let id = head.create(index.labels(at).map_err(malformed)?, None);
                head.restore_track(id, whole, last);
            } else {
                slowly.push(at);
            }
        }
        drop(bytes);

        // Several timelines, or damage: sample by sample.
        let guide = Guide::default();
        let (gathered, ended) = block.gather(&index, &slowly, TimeRange::ALL, &guide);
        ended?;
        let set = Set::put_together(guide, vec![gathered]);
        for at in 0..set.len() {
            let id = head.create(set.labels(at), None);
            head.add_samples(id, &set.samples(at)?, &mut Places::default());
        }
        let warnings = set.warnings();
        if let Ok(bytes) = block.section(SectionKind::Records) {
            let mut ids = Ids::default();
            walk_frames(&bytes, |_, payload| {
                // A checkpoint's targets carry the number of their timeline.
                let _ = read_records(payload, |record| match record {
                    Record::Target { id, labels } => {
                        let target = head.target(&labels);
                        if let Some(target) = head.targets.get_mut(target as usize)
                            && (id as usize) < index.timelines.len()
                        {
                            target.timeline = Some(id);
                        }
                    }
                    Record::Exemplar { series, exemplar } => {
                        if let Some(labels) = ids.labels.get(&series) {
                            head.exemplars
                                .push(labels, exemplar, self.options.max_exemplars);
                        }
                    }
                    Record::Series { id, labels } => {
                        ids.labels.insert(id, labels);
                    }
                    Record::Metadata { family, metadata } => head.add_metadata(&family, metadata),
                    Record::Scrape { .. } | Record::Samples(_) => {}
                });
            });
        }
        Ok(warnings)
    }

    /// Replays one segment and gives its length.
    fn replay(&mut self, number: u64, last: bool, head: &mut Head) -> Result<u64> {
        let segment = match read_segment(self.disk, self.dir, number) {
            Ok(segment) => segment,
            Err(error) => {
                let path = self.dir.join(file_name(crate::wal::WAL_STEM, number));
                self.report(&path, error.to_string());
                return Ok(0);
            }
        };
        let path = segment.path;
        match segment.header {
            Header::Known => {}
            Header::OtherVersion(version) => {
                let why = format!("its format version {version} is not known to this program");
                self.set_aside(&path, &format!("version-{version}"), &why);
                return Ok(0);
            }
            // A process may end between making a segment and writing its header.
            Header::Damaged if last && segment.bytes.len() < HEADER_LEN => {}
            Header::Damaged => self.report(&path, "its header is damaged".into()),
        }
        let bytes = segment.bytes;
        let body = bytes.get(HEADER_LEN..).unwrap_or_default();
        let mut replay = Replay {
            head,
            options: self.options,
            ids: Ids::default(),
            unknown: 0,
            malformed: None,
        };
        let gaps = walk_frames(body, |_, payload| replay.frame(payload));
        let (unknown, malformed) = (replay.unknown, replay.malformed);
        for gap in &gaps.damaged {
            let what = format!("{} damaged bytes at {}", gap.len(), gap.start + HEADER_LEN);
            self.report(
                &path,
                format!("{what}; what was written before and after was read"),
            );
        }
        if let Some(tail) = gaps.tail {
            let at = (tail + HEADER_LEN) as u64;
            if !last {
                let what = format!("{} damaged bytes at its end", body.len() - tail);
                self.report(&path, what);
            } else if !self.read_only {
                // The write that was going on when the process ended; nobody was told of it.
                let _ = self.disk.truncate(&path, at);
            }
        }
        if unknown > 0 {
            let what = format!("{unknown} samples belong to series whose labels were damaged");
            self.report(&path, what);
        }
        if let Some(what) = malformed {
            self.report(&path, what);
        }
        Ok(bytes.len() as u64)
    }
}

/// A checkpoint's track as the head keeps it, and its last value; `None` when a chunk of it is
/// damaged.
fn whole_track(entry: &TrackEntry, file: &[u8]) -> Option<(Track, f64)> {
    let mut track = Track {
        timeline: entry.timeline,
        ..Track::default()
    };
    let mut expected = 0;
    for (row, len) in &entry.runs {
        track.runs.push(*row, *len);
        expected += *len as usize;
    }
    track.chunks.reserve_exact(entry.lens.len());
    let mut values = [0.0; MAX_CHUNK_SAMPLES];
    let mut last = None;
    for range in entry.chunks() {
        let (from, to) = (range.start.try_into().ok()?, range.end.try_into().ok()?);
        let chunk: &[u8] = file.get::<std::ops::Range<usize>>(from..to)?;
        let info = decode_values(Kernel::best(), chunk, &mut values).ok()?;
        expected = expected.checked_sub(info.len)?;
        last = values.get(info.len - 1).copied();
        track.chunks.push(chunk.into());
    }
    (expected == 0).then_some(track).zip(last)
}

/// What numbers mean within a segment.
#[derive(Default)]
struct Ids {
    series: HashMap<u32, u32>,
    targets: HashMap<u32, u32>,
    labels: HashMap<u32, series::Labels>,
}

struct Replay<'a> {
    head: &'a mut Head,
    options: &'a Options,
    ids: Ids,
    unknown: u64,
    malformed: Option<String>,
}

impl Replay<'_> {
    fn frame(&mut self, payload: &[u8]) {
        let mut places = Places::default();
        let read = read_records(payload, |record| self.record(record, &mut places));
        if let Err(error) = read {
            self.malformed = Some(format!("a record cannot be read: {error}"));
        }
    }

    fn record(&mut self, record: Record, places: &mut Places) {
        match record {
            Record::Series { id, labels } => {
                let series = self.head.create(&labels, None);
                self.ids.series.insert(id, series);
            }
            Record::Target { id, labels } => {
                let target = self.head.target(&labels);
                self.ids.targets.insert(id, target);
            }
            Record::Scrape { target, time, rows } => {
                let Some(&target) = self.ids.targets.get(&target) else {
                    self.unknown += rows.len() as u64;
                    return;
                };
                let mut known = Vec::with_capacity(rows.len());
                for (id, value) in rows {
                    match self.ids.series.get(&id) {
                        Some(&series) => {
                            if self.head.verdict(series, time, value) == Verdict::Store {
                                known.push((series, value));
                            }
                        }
                        None => self.unknown += 1,
                    }
                }
                self.head.add_scrape(target, time, &known);
            }
            Record::Samples(samples) => {
                for group in samples.chunk_by(|a, b| a.0 == b.0) {
                    let Some(&series) = self.ids.series.get(&group[0].0) else {
                        self.unknown += group.len() as u64;
                        continue;
                    };
                    let mut last = i64::MIN;
                    let fresh: Vec<_> = group
                        .iter()
                        .map(|(_, sample)| *sample)
                        .filter(|sample| {
                            let verdict = self.head.verdict(series, sample.time, sample.value);
                            let fresh = verdict == Verdict::Store && sample.time > last;
                            last = last.max(sample.time);
                            fresh
                        })
                        .collect();
                    self.head.add_samples(series, &fresh, places);
                }
            }
            Record::Exemplar { series, exemplar } => {
                let series = self.ids.series.get(&series);
                let labels = series
                    .and_then(|id| self.head.get(*id))
                    .map(|s| s.labels.clone());
                if let Some(labels) = labels {
                    let most = self.options.max_exemplars;
                    self.head.exemplars.push(&labels, exemplar, most);
                }
            }
            Record::Metadata { family, metadata } => self.head.add_metadata(&family, metadata),
        }
    }
}
