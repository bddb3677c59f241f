//! Blocks: samples of a range of time in one file that never changes.

mod footer;
mod index;
mod parity;
mod writer;

pub(crate) use footer::{BlockUse, Footer, SectionKind};
pub(crate) use index::{Index, TrackEntry, chunk_ranges};
pub(crate) use writer::{BlockSpec, write_block};

use crate::codec::{Kernel, decode_times};
use crate::disk::{Disk, ReadFile};
use crate::error::{Result, StoreError};
use crate::format::{FileKind, HEADER_LEN, Header};
use crate::matching::{LabelIndex, tell_apart};
use crate::select::{Gathered, Gathering, Guide, OpenBlock, Stretch};
use footer::{FOOTER_WINDOW, Section};
use parity::mend;
use series::{Labels, Matcher};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// An open block.
pub(crate) struct Block {
    path: PathBuf,
    file: Box<dyn ReadFile>,
    len: u64,
    footer: Footer,
    index: Mutex<Option<Arc<Index>>>,
    /// When the index was last asked for, in calls; for the cache.
    last_use: AtomicU64,
    damaged: AtomicBool,
}

/// What opening a block came to.
pub(crate) enum Opened {
    Block(Block),
    OtherVersion(u32),
    Damaged(&'static str),
}

impl Block {
    /// Opens a block: reads its header and footer only.
    pub(crate) fn open(disk: &dyn Disk, path: &Path) -> io::Result<Opened> {
        let file = disk.open(path)?;
        let len = file.len()?;
        let mut header = [0; HEADER_LEN];
        let known = match file.read_at(0, &mut header) {
            Ok(()) => FileKind::Block.check(&header),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Header::Damaged,
            Err(error) => return Err(error),
        };
        if let Header::OtherVersion(version) = known {
            return Ok(Opened::OtherVersion(version));
        }
        let mut end = vec![0; len.min(FOOTER_WINDOW) as usize];
        file.read_at(len - end.len() as u64, &mut end)?;
        // A footer proves the format even where the header is damaged.
        let Some(footer) = Footer::find(&end) else {
            return Ok(Opened::Damaged("no footer can be read"));
        };
        Ok(Opened::Block(Self {
            path: path.to_owned(),
            file,
            len,
            footer,
            index: Mutex::new(None),
            last_use: AtomicU64::new(0),
            damaged: AtomicBool::new(known == Header::Damaged),
        }))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn footer(&self) -> &Footer {
        &self.footer
    }

    /// Bytes on disk.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Remembers that bytes of it did not fit their checksum.
    pub(crate) fn found_damage(&self) {
        self.damaged.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_damaged(&self) -> bool {
        self.damaged.load(Ordering::Relaxed)
    }

    pub(crate) fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.file.read_at(offset, bytes)
    }

    pub(crate) fn last_use(&self) -> u64 {
        self.last_use.load(Ordering::Relaxed)
    }

    /// Bytes that the index takes in memory now.
    pub(crate) fn index_bytes(&self) -> usize {
        let slot = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        slot.as_ref().map_or(0, |index| index.heap_size())
    }

    pub(crate) fn drop_index(&self) {
        *self.index.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The index, from memory or from disk; `now` counts uses.
    pub(crate) fn index(&self, now: u64) -> Result<Arc<Index>> {
        self.last_use.store(now, Ordering::Relaxed);
        let mut slot = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = &*slot {
            return Ok(Arc::clone(index));
        }
        let timelines = self.section(SectionKind::Timelines)?;
        let symbols = self.section(SectionKind::Symbols)?;
        let series = self.section(SectionKind::Series)?;
        let postings = self.section(SectionKind::Postings).ok();
        let index = Index::new(&timelines, symbols, series, postings)
            .map_err(|error| StoreError::corrupt(&self.path, error.to_string()))?;
        let index = Arc::new(index);
        *slot = Some(Arc::clone(&index));
        Ok(index)
    }

    /// Reads a section, mended where that is needed and can be done.
    pub(crate) fn section(&self, kind: SectionKind) -> Result<Vec<u8>> {
        let damaged =
            || StoreError::corrupt(&self.path, format!("{kind:?} of its index are damaged"));
        let section = self.find_section(kind as u8).ok_or_else(damaged)?;
        let mut bytes = vec![0; section.len as usize];
        // Bytes that the disk does not give up may be few enough to be mended.
        let mut read = self.file.read_at(section.offset, &mut bytes);
        for (at, part) in bytes.chunks_mut(4096).enumerate() {
            if read.is_ok() {
                break;
            }
            let offset = section.offset + at as u64 * 4096;
            if self.file.read_at(offset, part).is_err() {
                part.fill(0);
            }
        }
        if read.is_ok() && crc32c::crc32c(&bytes) == section.crc {
            return Ok(bytes);
        }
        self.found_damage();
        if let Some(parity) = self.find_section(kind.parity()) {
            let mut sums = vec![0; parity.len as usize];
            read = self.file.read_at(parity.offset, &mut sums);
            if read.is_ok() && mend(&mut bytes, &sums) && crc32c::crc32c(&bytes) == section.crc {
                return Ok(bytes);
            }
        }
        Err(damaged())
    }

    fn find_section(&self, kind: u8) -> Option<&Section> {
        let inside = |section: &&Section| {
            let end = section.offset.checked_add(section.len);
            section.kind == kind && end.is_some_and(|end| end <= self.len)
        };
        self.footer.sections.iter().find(inside)
    }

    /// Appends the times of a timeline.
    pub(crate) fn times(&self, index: &Index, timeline: u32, times: &mut Vec<i64>) -> Result<()> {
        let entry = index
            .timelines
            .get(timeline as usize)
            .ok_or_else(|| StoreError::corrupt(&self.path, "no such timeline"))?;
        let first = times.len();
        times.reserve(entry.rows.min(1 << 20));
        let total: u64 = entry.lens.iter().map(|len| u64::from(*len)).sum();
        // All chunks with one read, or each by itself where that cannot be.
        let whole = self.times_at(entry.offset, total).ok();
        let mut at = 0;
        for len in &entry.lens {
            let own = at as usize..at as usize + *len as usize;
            let own = whole.as_deref().and_then(|whole| whole.get(own));
            let mut read = match own {
                Some(chunk) => self.decode_times(chunk, times),
                None => self.time_chunk(entry.offset + at, *len, times),
            };
            if read.is_err() {
                self.found_damage();
                if entry.copy > 0 {
                    read = self.time_chunk(entry.copy + at, *len, times);
                }
            }
            read?;
            at += u64::from(*len);
        }
        let own = &times[first..];
        if own.len() != entry.rows || !own.is_sorted_by(|a, b| a < b) {
            return Err(StoreError::corrupt(
                &self.path,
                "a column of times is wrong",
            ));
        }
        Ok(())
    }

    fn time_chunk(&self, offset: u64, len: u32, times: &mut Vec<i64>) -> Result<()> {
        self.decode_times(&self.times_at(offset, u64::from(len))?, times)
    }

    fn times_at(&self, offset: u64, len: u64) -> Result<Vec<u8>> {
        if offset.checked_add(len).is_none_or(|end| end > self.len) {
            return Err(StoreError::corrupt(
                &self.path,
                "times lie outside of the file",
            ));
        }
        let mut bytes = vec![0; len as usize];
        self.file
            .read_at(offset, &mut bytes)
            .map_err(StoreError::io("read", &self.path))?;
        Ok(bytes)
    }

    fn decode_times(&self, chunk: &[u8], times: &mut Vec<i64>) -> Result<()> {
        decode_times(Kernel::best(), chunk, times)
            .map_err(|error| StoreError::corrupt(&self.path, format!("times: {error}")))?;
        Ok(())
    }

    /// Gathers series for a set, as far as they have samples in `range`; those before an error
    /// too.
    pub(crate) fn gather(
        self: &Arc<Self>,
        index: &Arc<Index>,
        series: &[u32],
        range: series::TimeRange,
        guide: &Guide,
    ) -> (Gathered, Result<()>) {
        let open = OpenBlock {
            block: Arc::clone(self),
            index: Arc::clone(index),
        };
        let mut gathering = Gathering::new(range, guide, series.len(), Some(open));
        let ended = self.gather_all(index, series, &mut gathering);
        (gathering.finish(), ended)
    }

    fn gather_all(
        &self,
        index: &Index,
        series: &[u32],
        gathering: &mut Gathering<'_>,
    ) -> Result<()> {
        // For each timeline, once it is asked for, its node and which of its rows are wanted.
        let mut nodes: Vec<Option<Option<Stretch>>> = vec![None; index.timelines.len()];
        let mut track = TrackEntry::default();
        for &at in series {
            let malformed = |error| self.malformed(error);
            let labels = index.labels_like(at, gathering.expected());
            let labels = labels.map_err(malformed)?;
            let mut failed = None;
            index
                .tracks(at, &mut track, |track| {
                    let Some(known) = nodes.get_mut(track.timeline as usize) else {
                        return;
                    };
                    let node = match known {
                        Some(node) => node,
                        None => {
                            let node = self.node(index, track.timeline, gathering);
                            // Without its times a value means nothing: the series that stand on
                            // this column go without it, the others do not suffer.
                            let node = node.unwrap_or_else(|error| {
                                gathering.warn(format!("{error}; samples of {labels} are missing"));
                                None
                            });
                            known.insert(node)
                        }
                    };
                    let bytes: u64 = track.lens.iter().map(|len| u64::from(*len)).sum();
                    if track.offset.saturating_add(bytes) > self.len {
                        failed = Some(StoreError::corrupt(&self.path, "chunks lie outside"));
                    } else if let Some((node, wanted)) = node {
                        gathering.add_block_track(labels, *node, track, wanted);
                    }
                })
                .map_err(malformed)?;
            if let Some(error) = failed {
                return Err(error);
            }
        }
        Ok(())
    }

    fn node(
        &self,
        index: &Index,
        timeline: u32,
        gathering: &mut Gathering<'_>,
    ) -> Result<Option<Stretch>> {
        let range = gathering.range();
        let Some(entry) = index.timelines.get(timeline as usize) else {
            return Ok(None);
        };
        if entry.rows == 0 || entry.max_time < range.start || entry.min_time > range.end {
            return Ok(None);
        }
        // A column that stands only once is read right away, to know whether it can be.
        let whole = range.start <= entry.min_time && entry.max_time <= range.end;
        if whole && entry.copy != 0 {
            let bounds = (entry.min_time, entry.max_time);
            let node = gathering.add_block_timeline(timeline, bounds, entry.rows);
            return Ok(Some((node, 0..entry.rows as u32)));
        }
        let mut times = Vec::new();
        self.times(index, timeline, &mut times)?;
        let from = times.partition_point(|time| *time < range.start);
        let to = times.partition_point(|time| *time <= range.end);
        let node = gathering.add_times(times, from..to);
        Ok(node.map(|node| (node, from as u32..to as u32)))
    }

    /// Time and value of a series's last sample.
    pub(crate) fn last_sample(&self, index: &Index, labels: &Labels) -> Result<Option<i64>> {
        let malformed = |error| self.malformed(error);
        let Some(series) = index.find(labels).map_err(malformed)? else {
            return Ok(None);
        };
        let mut ends = Vec::new();
        index
            .tracks(series, &mut TrackEntry::default(), |track| {
                if let Some((row, len)) = track.runs.last() {
                    ends.push((track.timeline, row + len - 1));
                }
            })
            .map_err(malformed)?;
        let mut last = None;
        let mut times = Vec::new();
        for (timeline, row) in ends {
            times.clear();
            self.times(index, timeline, &mut times)?;
            last = last.max(times.get(row as usize).copied());
        }
        Ok(last)
    }

    pub(crate) fn malformed(&self, error: crate::bytes::Malformed) -> StoreError {
        self.found_damage();
        StoreError::corrupt(&self.path, error.to_string())
    }
}

/// An index that says which block's it is when it turns out to be damaged.
pub(crate) struct BlockLabels<'a>(pub(crate) &'a Block, pub(crate) &'a Index);

impl LabelIndex for BlockLabels<'_> {
    fn all(&self) -> Vec<u32> {
        (0..self.1.len() as u32).collect()
    }

    fn equal(&self, name: &str, value: &str) -> Result<Vec<u32>> {
        self.1.equal(name, value).map_err(|e| self.0.malformed(e))
    }

    fn filtered(&self, name: &str, keep: &mut dyn FnMut(&str) -> bool) -> Result<Vec<Vec<u32>>> {
        self.1.filtered(name, keep).map_err(|e| self.0.malformed(e))
    }

    /// Dashboards ask the same again and again, and to look at every value of a label costs more
    /// than to read the few series that are found.
    fn told_apart(&self, matcher: &Matcher) -> Result<Vec<u32>> {
        if let Some(found) = self.1.found_before(matcher) {
            return Ok(found);
        }
        let found = tell_apart(self, matcher)?;
        self.1.remember(matcher, &found);
        Ok(found)
    }
}
