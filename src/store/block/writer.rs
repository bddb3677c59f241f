//! Writes a block from a set of series: columns of times first, then the series one by one in
//! the order of their labels, then the index.

use super::footer::{BlockUse, Footer, Section, SectionKind};
use super::index::{PostingLists, TimelineEntry, TrackEntry, put_postings, put_table};
use super::parity::parity;
use crate::bytes::put_uvarint;
use crate::codec::{CHUNK_SAMPLES, Effort, encode_times, encode_values};
use crate::disk::{Disk, WriteFile};
use crate::error::{Result, StoreError};
use crate::format::{FileKind, HEADER_LEN};
use series::{Columns, SeriesSet};
use std::collections::HashMap;
use std::path::Path;

/// Bytes that are collected before they are written.
const BUFFER_BYTES: usize = 256 << 10;

/// What a new block is to say of itself.
#[derive(Debug, Clone)]
pub(crate) struct BlockSpec {
    pub(crate) number: u64,
    pub(crate) made_for: BlockUse,
    pub(crate) checkpoint: u64,
    pub(crate) parents: Vec<u64>,
}

/// Writes the file `path`, durably but for its name. `records` is given for each of the set's
/// timelines its number in the file, and gives what the records section holds.
///
/// Without samples there is no file and no footer, except for a checkpoint.
pub(crate) fn write_block(
    disk: &dyn Disk,
    path: &Path,
    set: &dyn SeriesSet,
    spec: BlockSpec,
    records: impl FnOnce(&[u32]) -> Vec<u8>,
) -> Result<Option<Footer>> {
    let file = disk.create(path).map_err(StoreError::io("create", path))?;
    let mut writer = Writer {
        file,
        path,
        buffer: FileKind::Block.header().to_vec(),
        offset: 0,
    };
    let written = writer.block(set, spec, records);
    drop(writer);
    if !matches!(written, Ok(Some(_))) {
        // An unfinished file has a temporary name and goes at the next start at the latest.
        let _ = disk.remove(path);
    }
    written
}

struct Writer<'a> {
    file: Box<dyn WriteFile>,
    path: &'a Path,
    buffer: Vec<u8>,
    /// Bytes before the buffer.
    offset: u64,
}

impl Writer<'_> {
    fn at(&self) -> u64 {
        self.offset + self.buffer.len() as u64
    }

    fn flush(&mut self, least: usize) -> Result<()> {
        if self.buffer.len() > least {
            self.file
                .append(&self.buffer)
                .map_err(StoreError::io("write", self.path))?;
            self.offset += self.buffer.len() as u64;
            self.buffer.clear();
        }
        Ok(())
    }

    fn block(
        &mut self,
        set: &dyn SeriesSet,
        spec: BlockSpec,
        records: impl FnOnce(&[u32]) -> Vec<u8>,
    ) -> Result<Option<Footer>> {
        let (mut timelines, numbers) = self.timelines(set)?;
        let mut symbols: Vec<&str> = (0..set.len())
            .flat_map(|at| {
                set.labels(at)
                    .iter()
                    .flat_map(|(name, value)| [name, value])
            })
            .collect();
        symbols.sort_unstable();
        symbols.dedup();
        let by_text: HashMap<&str, u32> = symbols.iter().copied().zip(0..).collect();

        let effort = match spec.made_for {
            BlockUse::Compacted => Effort::Dense,
            BlockUse::Fresh | BlockUse::Checkpoint => Effort::Thorough,
        };
        let mut entries = Vec::new();
        let mut lens = Vec::new();
        let mut lists = PostingLists::new();
        let mut used = vec![0u32; timelines.len()];
        let mut samples = 0;
        let mut columns = Columns::default();
        let mut part = Vec::new();
        for at in 0..set.len() {
            set.read(at, &mut columns)?;
            if columns.values.is_empty() {
                continue;
            }
            samples += columns.values.len() as u64;
            let series = lens.len() as u32;
            let start = entries.len();
            let labels = set.labels(at);
            put_uvarint(&mut entries, labels.len() as u64);
            for (name, value) in labels.iter() {
                let label = (by_text[name], by_text[value]);
                put_uvarint(&mut entries, u64::from(label.0));
                put_uvarint(&mut entries, u64::from(label.1));
                lists.entry(label).or_default().push(series);
            }
            let mut along: Vec<u32> = columns
                .runs
                .iter()
                .map(|run| numbers[run.timeline])
                .collect();
            along.sort_unstable();
            along.dedup();
            put_uvarint(&mut entries, along.len() as u64);
            for timeline in along {
                used[timeline as usize] += 1;
                let mut track = TrackEntry {
                    timeline,
                    offset: self.at(),
                    ..TrackEntry::default()
                };
                part.clear();
                let mut values = columns.values.as_slice();
                for run in &columns.runs {
                    let (these, rest) = values.split_at(run.len);
                    values = rest;
                    if numbers[run.timeline] == timeline {
                        part.extend_from_slice(these);
                        track.runs.push((run.row as u32, run.len as u32));
                    }
                }
                let mut last = Vec::new();
                for values in part.chunks(CHUNK_SAMPLES) {
                    let chunk = encode_values(values, effort);
                    // What never changes makes the same chunk over and over.
                    let again = chunk == last;
                    track.lens.push(if again { 0 } else { chunk.len() as u32 });
                    if !again {
                        self.buffer.extend_from_slice(&chunk);
                        last = chunk;
                    }
                }
                track.put(&mut entries);
            }
            lens.push(entries.len() - start);
            self.flush(BUFFER_BYTES)?;
        }
        let records = records(&numbers);
        if samples == 0 && spec.made_for != BlockUse::Checkpoint {
            return Ok(None);
        }
        self.copy_times(set, &numbers, &used, &mut timelines)?;

        let mut bytes = Vec::new();
        put_uvarint(&mut bytes, timelines.len() as u64);
        for timeline in &timelines {
            timeline.put(&mut bytes);
        }
        let timelines_section = bytes;
        let mut symbols_section = Vec::new();
        put_table(
            &mut symbols_section,
            symbols.iter().map(|symbol| symbol.as_bytes()),
        );
        let mut series_section = Vec::new();
        let mut starts = lens.iter().scan(0, |end, len| {
            *end += len;
            Some(&entries[*end - len..*end])
        });
        let slices: Vec<&[u8]> = starts.by_ref().collect();
        put_table(&mut series_section, slices.iter().copied());
        let mut postings_section = Vec::new();
        put_postings(&mut postings_section, &lists);

        let mut sections = Vec::new();
        let once = [
            (SectionKind::Timelines, &timelines_section),
            (SectionKind::Symbols, &symbols_section),
            (SectionKind::Series, &series_section),
        ];
        for (kind, bytes) in once {
            sections.push(self.section(kind as u8, bytes)?);
        }
        sections.push(self.section(SectionKind::Postings as u8, &postings_section)?);
        // Postings can be made again from the series; the others from their parity.
        for (kind, bytes) in once {
            sections.push(self.section(kind.parity(), &parity(bytes))?);
        }
        if !records.is_empty() {
            sections.push(self.section(SectionKind::Records as u8, &records)?);
        }
        let bounds = timelines.iter().zip(&used).filter(|(_, used)| **used > 0);
        let min_time = bounds.clone().map(|(t, _)| t.min_time).min();
        let max_time = bounds.map(|(t, _)| t.max_time).max();
        let footer = Footer {
            number: spec.number,
            made_for: spec.made_for,
            checkpoint: spec.checkpoint,
            min_time: min_time.unwrap_or(i64::MAX),
            max_time: max_time.unwrap_or(i64::MIN),
            samples,
            series: lens.len() as u64,
            parents: spec.parents,
            sections,
        };
        footer.put(&mut self.buffer);
        self.flush(0)?;
        self.file
            .sync()
            .map_err(StoreError::io("sync", self.path))?;
        Ok(Some(footer))
    }

    fn section(&mut self, kind: u8, bytes: &[u8]) -> Result<Section> {
        let section = Section {
            kind,
            offset: self.at(),
            len: bytes.len() as u64,
            crc: crc32c::crc32c(bytes),
        };
        self.buffer.extend_from_slice(bytes);
        self.flush(BUFFER_BYTES)?;
        Ok(section)
    }

    /// Writes every different column of times, and says which one each timeline has.
    fn timelines(&mut self, set: &dyn SeriesSet) -> Result<(Vec<TimelineEntry>, Vec<u32>)> {
        let mut entries: Vec<TimelineEntry> = Vec::new();
        let mut numbers = Vec::with_capacity(set.timelines());
        // By checksum: which timelines of the set, under which number.
        let mut known: HashMap<(u32, usize), Vec<(usize, u32)>> = HashMap::new();
        let (mut times, mut others) = (Vec::new(), Vec::new());
        let mut chunks = Vec::new();
        for at in 0..set.timelines() {
            set.read_times(at, &mut times)?;
            let mut entry = TimelineEntry {
                rows: times.len(),
                min_time: times.first().copied().unwrap_or(0),
                max_time: times.last().copied().unwrap_or(0),
                offset: self.at(),
                copy: 0,
                lens: Vec::new(),
            };
            chunks.clear();
            for part in times.chunks(CHUNK_SAMPLES) {
                let chunk = encode_times(part);
                entry.lens.push(chunk.len() as u32);
                chunks.extend_from_slice(&chunk);
            }
            let same_sum = known
                .entry((crc32c::crc32c(&chunks), times.len()))
                .or_default();
            let mut number = None;
            for (other, its_number) in same_sum.iter() {
                set.read_times(*other, &mut others)?;
                if others == times {
                    number = Some(*its_number);
                    break;
                }
            }
            let number = match number {
                Some(number) => number,
                None => {
                    self.buffer.extend_from_slice(&chunks);
                    self.flush(BUFFER_BYTES)?;
                    let number = entries.len() as u32;
                    same_sum.push((at, number));
                    entries.push(entry);
                    number
                }
            };
            numbers.push(number);
        }
        Ok((entries, numbers))
    }

    /// Writes the times that many series depend on a second time.
    fn copy_times(
        &mut self,
        set: &dyn SeriesSet,
        numbers: &[u32],
        used: &[u32],
        timelines: &mut [TimelineEntry],
    ) -> Result<()> {
        let mut times = Vec::new();
        for (at, number) in numbers.iter().enumerate() {
            let timeline = &mut timelines[*number as usize];
            if timeline.copy != 0 || used[*number as usize] < 2 {
                continue;
            }
            set.read_times(at, &mut times)?;
            timeline.copy = self.at();
            for part in times.chunks(CHUNK_SAMPLES) {
                self.buffer.extend_from_slice(&encode_times(part));
            }
            self.flush(BUFFER_BYTES)?;
        }
        Ok(())
    }
}

const _: () = assert!(HEADER_LEN > 0, "an offset of 0 means that there is no copy");
