//! A block's index in memory: raw bytes with checked access, labels made when first asked for.

use crate::bytes::{Malformed, Reader, put_uvarint};
use crate::codec::CHUNK_SAMPLES;
use series::{Labels, MatchOp, Matcher};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// One column of times in a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TimelineEntry {
    pub(crate) rows: usize,
    pub(crate) min_time: i64,
    pub(crate) max_time: i64,
    /// Where its chunks stand, one behind the other.
    pub(crate) offset: u64,
    /// Where they stand a second time; 0 when they do not.
    pub(crate) copy: u64,
    pub(crate) lens: Vec<u32>,
}

impl TimelineEntry {
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        put_uvarint(out, self.rows as u64);
        crate::bytes::put_varint(out, self.min_time);
        put_uvarint(out, self.max_time.wrapping_sub(self.min_time) as u64);
        put_uvarint(out, self.offset);
        put_uvarint(out, self.copy);
        for len in &self.lens {
            put_uvarint(out, u64::from(*len));
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        // A chunk's length takes a byte, so that as many rows as bytes could hold are believed.
        let rows = reader.uvarint()?;
        if rows.div_ceil(CHUNK_SAMPLES as u64) > reader.rest().len() as u64 {
            return Err(Malformed("a timeline is too long"));
        }
        let rows = rows as usize;
        let min_time = reader.varint()?;
        Ok(Self {
            rows,
            min_time,
            max_time: min_time.wrapping_add(reader.uvarint()? as i64),
            offset: reader.uvarint()?,
            copy: reader.uvarint()?,
            lens: (0..rows.div_ceil(CHUNK_SAMPLES))
                .map(|_| reader.u32_varint())
                .collect::<Result<_, _>>()?,
        })
    }
}

/// One series's values along one timeline.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct TrackEntry {
    pub(crate) timeline: u32,
    pub(crate) runs: Vec<(u32, u32)>,
    pub(crate) offset: u64,
    /// Of each chunk; 0 when it is the same as the one before.
    pub(crate) lens: Vec<u32>,
}

/// Where chunks of these lengths stand, the first at `offset`.
pub(crate) fn chunk_ranges(offset: u64, lens: &[u32]) -> impl Iterator<Item = Range<u64>> {
    let mut last = offset..offset;
    lens.iter().map(move |len| {
        if *len > 0 {
            last = last.end..last.end.saturating_add(u64::from(*len));
        }
        last.clone()
    })
}

impl TrackEntry {
    /// Where its chunks stand.
    pub(crate) fn chunks(&self) -> impl Iterator<Item = Range<u64>> {
        chunk_ranges(self.offset, &self.lens)
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        put_uvarint(out, u64::from(self.timeline));
        put_uvarint(out, self.runs.len() as u64);
        let mut end = 0;
        for (row, len) in &self.runs {
            put_uvarint(out, u64::from(row - end));
            put_uvarint(out, u64::from(*len));
            end = row + len;
        }
        put_uvarint(out, self.offset);
        for len in &self.lens {
            put_uvarint(out, u64::from(*len));
        }
    }

    /// Reads the next track into `self`, keeping its memory.
    fn read(
        &mut self,
        reader: &mut Reader<'_>,
        timelines: &[TimelineEntry],
    ) -> Result<(), Malformed> {
        self.timeline = reader.u32_varint()?;
        let timeline = timelines
            .get(self.timeline as usize)
            .ok_or(Malformed("no such timeline"))?;
        self.runs.clear();
        let (mut end, mut values) = (0u64, 0u64);
        for _ in 0..reader.count(2)? {
            let row = end.saturating_add(reader.uvarint()?);
            let len = reader.uvarint()?;
            end = row.saturating_add(len);
            if end > timeline.rows as u64 || len == 0 {
                return Err(Malformed("rows lie outside of their timeline"));
            }
            values += len;
            self.runs.push((row as u32, len as u32));
        }
        self.offset = reader.uvarint()?;
        self.lens.clear();
        for _ in 0..values.div_ceil(CHUNK_SAMPLES as u64) {
            self.lens.push(reader.u32_varint()?);
        }
        Ok(())
    }
}

/// A list of byte strings with direct access: a count, the offsets, the bytes.
#[derive(Debug, Default)]
struct Table(Vec<u8>);

impl Table {
    fn len(&self) -> usize {
        word(&self.0, 0).unwrap_or(0) as usize
    }

    fn get(&self, at: usize) -> Result<&[u8], Malformed> {
        let outside = Malformed("an index entry lies outside of its section");
        if at >= self.len() {
            return Err(outside);
        }
        let base = 4 + 4 * (self.len() + 1);
        let from = base + word(&self.0, 4 + 4 * at).ok_or(outside)? as usize;
        let to = base + word(&self.0, 8 + 4 * at).ok_or(outside)? as usize;
        self.0.get(from..to).ok_or(outside)
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let mut word = [0; 4];
    word.copy_from_slice(bytes.get(at..at + 4)?);
    Some(u32::from_le_bytes(word))
}

/// Writes what [`Table`] reads.
pub(crate) fn put_table<'a>(out: &mut Vec<u8>, entries: impl Iterator<Item = &'a [u8]> + Clone) {
    let count = entries.clone().count() as u32;
    out.extend_from_slice(&count.to_le_bytes());
    let mut offset = 0u32;
    out.extend_from_slice(&offset.to_le_bytes());
    for entry in entries.clone() {
        offset += entry.len() as u32;
        out.extend_from_slice(&offset.to_le_bytes());
    }
    for entry in entries {
        out.extend_from_slice(entry);
    }
}

/// Lists of series by (name, value), as symbols.
pub(crate) type PostingLists = BTreeMap<(u32, u32), Vec<u32>>;

/// Writes a postings section.
pub(crate) fn put_postings(out: &mut Vec<u8>, lists: &PostingLists) {
    out.extend_from_slice(&(lists.len() as u32).to_le_bytes());
    let mut bytes = Vec::new();
    for ((name, value), list) in lists {
        for number in [*name, *value, bytes.len() as u32] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        put_uvarint(&mut bytes, list.len() as u64);
        let mut last = 0;
        for series in list {
            put_uvarint(&mut bytes, u64::from(series - last));
            last = *series;
        }
    }
    out.extend_from_slice(&bytes);
}

/// The index of one block.
#[derive(Debug, Default)]
pub(crate) struct Index {
    pub(crate) timelines: Vec<TimelineEntry>,
    symbols: Table,
    series: Table,
    postings: Vec<u8>,
    labels: Vec<OnceLock<Labels>>,
    /// Whether each series is known to stand behind the one before it.
    behind: Vec<AtomicBool>,
    /// What matchers found that look at every value, the latest last.
    found: Mutex<Vec<Found>>,
}

/// What a matcher found.
#[derive(Debug)]
struct Found {
    name: String,
    op: MatchOp,
    value: String,
    series: Vec<u32>,
}

/// Matchers whose finds are remembered, and the most series of each: a mebibyte in all.
const MATCHERS: usize = 16;
const SERIES_OF_A_MATCHER: usize = 16 << 10;

impl Index {
    /// Takes the sections as they stand in the file. Without postings they are made anew.
    pub(crate) fn new(
        timelines: &[u8],
        symbols: Vec<u8>,
        series: Vec<u8>,
        postings: Option<Vec<u8>>,
    ) -> Result<Self, Malformed> {
        let mut reader = Reader::new(timelines);
        let count = reader.count(5)?;
        let timelines = (0..count)
            .map(|_| TimelineEntry::read(&mut reader))
            .collect::<Result<Vec<_>, _>>()?;
        let series = Table(series);
        if series.len() > series.0.len() / 4 {
            return Err(Malformed("a count exceeds the bytes that follow"));
        }
        let mut index = Self {
            timelines,
            symbols: Table(symbols),
            labels: (0..series.len()).map(|_| OnceLock::new()).collect(),
            behind: (0..series.len()).map(|_| AtomicBool::new(false)).collect(),
            series,
            postings: Vec::new(),
            found: Mutex::default(),
        };
        index.postings = match postings {
            Some(postings) => postings,
            None => index.rebuild_postings()?,
        };
        Ok(index)
    }

    fn rebuild_postings(&self) -> Result<Vec<u8>, Malformed> {
        let mut lists = PostingLists::new();
        for at in 0..self.len() {
            let mut reader = Reader::new(self.series.get(at)?);
            for _ in 0..reader.count(2)? {
                let label = (reader.u32_varint()?, reader.u32_varint()?);
                lists.entry(label).or_default().push(at as u32);
            }
        }
        let mut out = Vec::new();
        put_postings(&mut out, &lists);
        Ok(out)
    }

    /// How many series there are.
    pub(crate) fn len(&self) -> usize {
        self.series.len()
    }

    /// Bytes in memory, once all labels have been asked for.
    pub(crate) fn heap_size(&self) -> usize {
        let labels = self.len() * (size_of::<OnceLock<Labels>>() + 1 + 128);
        let timelines = self.timelines.iter().map(|t| 64 + t.lens.len() * 4);
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let found = found.iter().map(|found| 128 + 4 * found.series.len());
        self.symbols.0.len()
            + self.series.0.len()
            + self.postings.len()
            + labels
            + found.sum::<usize>()
            + timelines.sum::<usize>()
    }

    fn symbol(&self, at: u32) -> Result<&str, Malformed> {
        std::str::from_utf8(self.symbols.get(at as usize)?)
            .map_err(|_| Malformed("a symbol is not UTF-8"))
    }

    fn find_symbol(&self, text: &str) -> Result<Option<u32>, Malformed> {
        let (mut low, mut high) = (0, self.symbols.len());
        while low < high {
            let middle = low.midpoint(high);
            match self.symbols.get(middle)?.cmp(text.as_bytes()) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Ok(Some(middle as u32)),
            }
        }
        Ok(None)
    }

    /// The labels of a series.
    pub(crate) fn labels(&self, series: u32) -> Result<&Labels, Malformed> {
        self.labels_like(series, None)
    }

    /// The labels of a series. When they are made and are the same as `like`, they share its
    /// memory, so that blocks have those of their series in common.
    pub(crate) fn labels_like(
        &self,
        series: u32,
        like: Option<&Labels>,
    ) -> Result<&Labels, Malformed> {
        let slot = self
            .labels
            .get(series as usize)
            .ok_or(Malformed("no such series"))?;
        if let Some(labels) = slot.get() {
            return Ok(labels);
        }
        let mut reader = Reader::new(self.series.get(series as usize)?);
        let count = reader.count(2)?;
        let mut pairs = Vec::with_capacity(count);
        for _ in 0..count {
            pairs.push((
                self.symbol(reader.u32_varint()?)?,
                self.symbol(reader.u32_varint()?)?,
            ));
        }
        if !pairs.windows(2).all(|pair| pair[0].0 < pair[1].0) {
            return Err(Malformed("labels are out of order"));
        }
        let labels = Labels::from_sorted(pairs);
        let shared = like.filter(|like| **like == labels).cloned();
        Ok(slot.get_or_init(|| shared.unwrap_or(labels)))
    }

    /// Whether the labels of the series `next` stand behind those of `before`. Of neighbours in
    /// the index that is remembered.
    pub(crate) fn is_behind(&self, before: u32, next: u32) -> Result<bool, Malformed> {
        let known = self.behind.get(next as usize);
        let known = known.filter(|_| before.checked_add(1) == Some(next));
        if known.is_some_and(|known| known.load(Ordering::Relaxed)) {
            return Ok(true);
        }
        let is_behind = self.labels(before)? < self.labels(next)?;
        if let Some(known) = known {
            known.store(is_behind, Ordering::Relaxed);
        }
        Ok(is_behind)
    }

    /// The series with exactly these labels.
    pub(crate) fn find(&self, labels: &Labels) -> Result<Option<u32>, Malformed> {
        let (mut low, mut high) = (0, self.len() as u32);
        while low < high {
            let middle = low.midpoint(high);
            match self.labels(middle)?.cmp(labels) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Ok(Some(middle)),
            }
        }
        Ok(None)
    }

    /// Hands every track of a series to `take`.
    pub(crate) fn tracks(
        &self,
        series: u32,
        track: &mut TrackEntry,
        mut take: impl FnMut(&TrackEntry),
    ) -> Result<(), Malformed> {
        let mut reader = Reader::new(self.series.get(series as usize)?);
        let labels = reader.count(2)?;
        reader.skip_uvarints(2 * labels)?;
        for _ in 0..reader.count(3)? {
            track.read(&mut reader, &self.timelines)?;
            take(track);
        }
        Ok(())
    }

    fn posting_count(&self) -> usize {
        let count = word(&self.postings, 0).unwrap_or(0) as usize;
        count.min(self.postings.len() / 12)
    }

    fn posting(&self, at: usize) -> (u32, u32, u32) {
        let word = |i: usize| word(&self.postings, 4 + at * 12 + i * 4).unwrap_or(u32::MAX);
        (word(0), word(1), word(2))
    }

    fn first_posting(&self, label: (u32, u32)) -> usize {
        let (mut low, mut high) = (0, self.posting_count());
        while low < high {
            let middle = low.midpoint(high);
            let (name, value, _) = self.posting(middle);
            if (name, value) < label {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    fn list(&self, offset: u32) -> Result<Vec<u32>, Malformed> {
        let base = 4 + self.posting_count() * 12;
        let bytes = self.postings.get(base + offset as usize..);
        let mut reader = Reader::new(bytes.ok_or(Malformed("a list lies outside"))?);
        let count = reader.count(1)?;
        let mut list = Vec::with_capacity(count);
        let mut series = 0u32;
        for _ in 0..count {
            series = series.wrapping_add(reader.u32_varint()?);
            list.push(series);
        }
        if list.last().is_some_and(|last| *last as usize >= self.len()) {
            return Err(Malformed("a list names a series that is none"));
        }
        Ok(list)
    }

    pub(crate) fn equal(&self, name: &str, value: &str) -> Result<Vec<u32>, Malformed> {
        let (Some(name), Some(value)) = (self.find_symbol(name)?, self.find_symbol(value)?) else {
            return Ok(Vec::new());
        };
        let at = self.first_posting((name, value));
        if at == self.posting_count() {
            return Ok(Vec::new());
        }
        let (found_name, found_value, offset) = self.posting(at);
        if (found_name, found_value) != (name, value) {
            return Ok(Vec::new());
        }
        self.list(offset)
    }

    pub(crate) fn filtered(
        &self,
        name: &str,
        keep: &mut dyn FnMut(&str) -> bool,
    ) -> Result<Vec<Vec<u32>>, Malformed> {
        let mut lists = Vec::new();
        let Some(name) = self.find_symbol(name)? else {
            return Ok(lists);
        };
        for at in self.first_posting((name, 0))..self.posting_count() {
            let (found, value, offset) = self.posting(at);
            if found != name {
                break;
            }
            if keep(self.symbol(value)?) {
                lists.push(self.list(offset)?);
            }
        }
        Ok(lists)
    }

    /// The series that this matcher found when it was last asked, where that is remembered.
    pub(crate) fn found_before(&self, matcher: &Matcher) -> Option<Vec<u32>> {
        let mut all = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let at = all.iter().position(|found| {
            (&*found.name, found.op, &*found.value)
                == (matcher.name(), matcher.op(), matcher.value())
        })?;
        let found = all.remove(at);
        let series = found.series.clone();
        all.push(found);
        Some(series)
    }

    /// Remembers what a matcher found, and forgets the one that was asked longest ago.
    pub(crate) fn remember(&self, matcher: &Matcher, series: &[u32]) {
        if series.len() > SERIES_OF_A_MATCHER {
            return;
        }
        let mut all = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() == MATCHERS {
            all.remove(0);
        }
        all.push(Found {
            name: matcher.name().to_owned(),
            op: matcher.op(),
            value: matcher.value().to_owned(),
            series: series.to_vec(),
        });
    }

    /// Every label's name, with each of its values.
    pub(crate) fn each_label(&self, mut take: impl FnMut(&str, &str)) -> Result<(), Malformed> {
        for at in 0..self.posting_count() {
            let (name, value, _) = self.posting(at);
            take(self.symbol(name)?, self.symbol(value)?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An index of series without tracks, each with one label.
    fn index(series: &[(u8, u8)], symbols: &[&str]) -> Index {
        let (mut table, mut entries) = (Vec::new(), Vec::new());
        put_table(&mut table, symbols.iter().map(|text| text.as_bytes()));
        let slices: Vec<[u8; 4]> = series.iter().map(|(n, v)| [1, *n, *v, 0]).collect();
        put_table(&mut entries, slices.iter().map(|slice| &slice[..]));
        Index::new(&[0], table, entries, None).unwrap()
    }

    #[test]
    fn the_matchers_asked_last_are_remembered_apart() {
        let index = index(&[(0, 1), (0, 2)], &["a", "x", "y"]);
        let matcher = |op, value: &str| Matcher::new(op, "a", value).unwrap();
        for at in 0..=MATCHERS as u32 {
            let asked = matcher(MatchOp::Regex, &format!("x{at}"));
            assert_eq!(index.found_before(&asked), None);
            index.remember(&asked, &[at]);
            // This one is asked every time, and so stays.
            let first = matcher(MatchOp::Regex, "x0");
            assert_eq!(index.found_before(&first), Some(vec![0]));
        }
        let found = |op, value| index.found_before(&matcher(op, value));
        assert_eq!(found(MatchOp::Regex, "x1"), None);
        assert_eq!(found(MatchOp::Regex, "x2"), Some(vec![2]));
        assert_eq!(found(MatchOp::NotRegex, "x2"), None);
        let many = vec![0; SERIES_OF_A_MATCHER + 1];
        index.remember(&matcher(MatchOp::Regex, "x.*"), &many);
        assert_eq!(found(MatchOp::Regex, "x.*"), None);
    }

    #[test]
    fn labels_share_the_memory_of_those_that_they_equal() {
        let symbols = ["a", "x", "y"];
        let (first, second) = (
            index(&[(0, 1), (0, 2)], &symbols),
            index(&[(0, 1), (0, 2)], &symbols),
        );
        let at = |labels: &Labels| labels.get("a").map(str::as_ptr);
        let x = first.labels(0).unwrap();
        let shared = second.labels_like(0, Some(x)).unwrap();
        assert_eq!((shared, at(shared)), (x, at(x)));
        // Others than expected are their own.
        let y = second.labels_like(1, Some(x)).unwrap();
        assert_eq!(y.get("a"), Some("y"));
        assert_eq!(second.labels(0).map(at), Ok(at(x)));
    }
}
