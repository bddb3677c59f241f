//! A set of selected series: a fixed view, decoded as it is read.

use super::gathered::{Guide, Identity, NONE};
use super::lists::{InHand, Node, NodeTimes, OpenBlock, Piece, PieceAt, PieceChunks, Source};
use crate::block::chunk_ranges;
use crate::bytes::Malformed;
use crate::codec::{CHUNK_SAMPLES, ChunkInfo, Kernel, decode_values, info};
use series::{Columns, Labels, Result, Run, Sample, SeriesSet};
use std::sync::{LazyLock, Mutex, PoisonError};

/// Warnings beyond this many only count.
const MAX_WARNINGS: usize = 50;

/// What a query reads. Everything stands in a few long lists.
#[derive(Default)]
pub(crate) struct Set {
    /// By which most series are named.
    pub(super) guide: Guide,
    /// The labels of the others.
    pub(super) strangers: Vec<Labels>,
    pub(super) series: Vec<SetSeries>,
    pub(super) sources: Vec<Source>,
    /// Of all sources.
    pub(super) nodes: Vec<Node>,
    /// For each timeline its nodes, in order of time.
    pub(super) timelines: Vec<Vec<u32>>,
    /// By which readers know it from other sets; set when it is finished.
    pub(super) number: u64,
    pub(super) warnings: Mutex<Warnings>,
}

#[derive(Default)]
pub(super) struct Warnings {
    texts: Vec<String>,
    more: usize,
}

pub(crate) struct SetSeries {
    pub(super) is: Identity,
    pub(super) first_piece: PieceAt,
    pub(super) bound: usize,
    /// Its pieces lie side by side in time and must be merged sample by sample.
    pub(super) disordered: bool,
}

impl Set {
    /// The labels of one of its series.
    pub(super) fn labels_of(&self, is: Identity) -> &Labels {
        // An identity names labels that are there, so that nobody sees this.
        static EMPTY: LazyLock<Labels> = LazyLock::new(Labels::empty);
        match is {
            Identity::Guided(at) => self.guide.get(at as usize),
            Identity::Stranger(at) => self.strangers.get(at as usize),
        }
        .unwrap_or(&EMPTY)
    }

    /// Joins nodes that follow each other in their series, so that a target's times are one
    /// timeline across blocks and head.
    pub(super) fn stitch(&mut self) {
        let mut next = vec![NONE; self.nodes.len()];
        let mut previous = vec![NONE; self.nodes.len()];
        let mut pieces = Vec::new();
        for at in 0..self.series.len() {
            self.sort_pieces(at, &mut pieces);
            let mut piece = self.series[at].first_piece;
            let mut last: Option<u32> = None;
            while piece != PieceAt::NONE {
                let (node, follower) = self.node_and_next(piece);
                if let Some(before) = last
                    && before != node
                {
                    let (a, b) = (before as usize, node as usize);
                    if self.nodes[a].max_time >= self.nodes[b].min_time {
                        self.series[at].disordered = true;
                    } else if next[a] == NONE && previous[b] == NONE {
                        next[a] = node;
                        previous[b] = before;
                    }
                } else if last == Some(node) {
                    self.series[at].disordered = true;
                }
                last = Some(node);
                piece = follower;
            }
        }
        for (first, previous) in previous.iter().enumerate() {
            if *previous != NONE {
                continue;
            }
            let timeline = self.timelines.len() as u32;
            let mut nodes = Vec::new();
            let mut row = 0;
            let mut at = first as u32;
            while at != NONE {
                let node = &mut self.nodes[at as usize];
                node.timeline = timeline;
                node.row = row;
                row += node.rows;
                nodes.push(at);
                at = next[at as usize];
            }
            self.timelines.push(nodes);
        }
    }

    /// Puts the pieces of a series in order of time. `pieces` is memory for it.
    fn sort_pieces(&mut self, series: usize, pieces: &mut Vec<(i64, PieceAt)>) {
        pieces.clear();
        let mut piece = self.series[series].first_piece;
        while piece != PieceAt::NONE {
            let (node, next) = self.node_and_next(piece);
            pieces.push((self.nodes[node as usize].min_time, piece));
            piece = next;
        }
        if pieces.is_sorted_by_key(|(time, _)| *time) {
            return;
        }
        pieces.sort_by_key(|(time, _)| *time);
        self.series[series].first_piece = pieces[0].1;
        for pair in pieces.windows(2) {
            self.piece_mut(pair[0].1).next = pair[1].1;
        }
        if let Some((_, last)) = pieces.last() {
            self.piece_mut(*last).next = PieceAt::NONE;
        }
    }

    fn piece(&self, at: PieceAt) -> &Piece {
        &self.sources[at.source as usize].lists.pieces[at.piece as usize]
    }

    pub(super) fn piece_mut(&mut self, at: PieceAt) -> &mut Piece {
        &mut self.sources[at.source as usize].lists.pieces[at.piece as usize]
    }

    /// The node of a piece, and the piece that follows it.
    fn node_and_next(&self, at: PieceAt) -> (u32, PieceAt) {
        let piece = self.piece(at);
        let first = self.sources[at.source as usize].first_node;
        (first + piece.node, piece.next)
    }

    /// Which of the set's timelines and rows hold what was added as `node`.
    pub(crate) fn place_of(&self, node: u32) -> (usize, usize) {
        let node = &self.nodes[node as usize];
        (node.timeline as usize, node.row)
    }

    /// Every sample of a series with its time, in order of time.
    pub(crate) fn samples(&self, series: usize) -> Result<Vec<Sample>> {
        let mut columns = Columns::default();
        self.read(series, &mut columns)?;
        let mut samples = Vec::with_capacity(columns.values.len());
        let mut values = columns.values.iter();
        let mut times = Vec::new();
        let mut timeline = None;
        for run in &columns.runs {
            if timeline.replace(run.timeline) != Some(run.timeline) {
                self.read_times(run.timeline, &mut times)?;
            }
            let rows = times.get(run.row..run.row + run.len).ok_or_else(|| {
                series::Error::Corrupt("a run lies outside of its column of times".into())
            })?;
            let pairs = rows.iter().zip(values.by_ref());
            samples.extend(pairs.map(|(&time, &value)| Sample { time, value }));
        }
        Ok(samples)
    }

    fn pieces_of(&self, series: usize) -> impl Iterator<Item = PieceAt> {
        let series = self.series.get(series);
        let mut at = series.map_or(PieceAt::NONE, |series| series.first_piece);
        std::iter::from_fn(move || {
            let piece = (at != PieceAt::NONE).then_some(at)?;
            at = self.node_and_next(at).1;
            Some(piece)
        })
    }

    fn times_of<'a>(&'a self, node: &'a Node) -> Result<&'a [i64]> {
        match &node.times {
            NodeTimes::Known(times, first) => Ok(&times[*first..*first + node.rows]),
            NodeTimes::Block {
                source,
                timeline,
                read,
            } => {
                if let Some(times) = read.get() {
                    return Ok(times);
                }
                let mut times = Vec::new();
                self.read_block_times(*source, *timeline, &mut times)?;
                Ok(read.get_or_init(|| times))
            }
        }
    }

    /// Appends the times of a timeline of a source's block.
    fn read_block_times(&self, source: u32, timeline: u32, times: &mut Vec<i64>) -> Result<()> {
        if let Some(OpenBlock { block, index }) = &self.sources[source as usize].block {
            block.times(index, timeline, times)?;
        }
        Ok(())
    }

    /// Adds to what [`SeriesSet::warnings`] says.
    pub(crate) fn warn(&self, text: String) {
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        if warnings.texts.contains(&text) {
            return;
        }
        if warnings.texts.len() < MAX_WARNINGS {
            warnings.texts.push(text);
        } else {
            warnings.more += 1;
        }
    }

    /// Decodes a piece to where `filling` is.
    fn read_piece(
        &self,
        is: Identity,
        at: PieceAt,
        in_hand: &mut InHand,
        filling: &mut Filling<'_>,
    ) {
        let source = &self.sources[at.source as usize];
        let lists = &source.lists;
        let piece = &lists.pieces[at.piece as usize];
        let node = &self.nodes[(source.first_node + piece.node) as usize];
        let runs = &lists.runs[piece.runs.start as usize..piece.runs.end as usize];
        let mut rows = Rows {
            timeline: node.timeline as usize,
            first_row: node.row,
            runs,
            used: 0,
        };
        let mut skip = piece.skip as usize;
        let mut left = piece.len as usize;
        match &piece.chunks {
            PieceChunks::Memory { chunks, tail } => {
                for chunk in &lists.chunks[chunks.start as usize..chunks.end as usize] {
                    let len = info(chunk).map_or(0, |info| info.len);
                    let wanted = len.saturating_sub(skip).min(left);
                    if let Err(error) = filling.chunk(chunk, skip, wanted, &mut rows) {
                        let labels = self.labels_of(is);
                        self.warn(format!("{labels}: a chunk in memory is damaged: {error}"));
                    }
                    skip = 0;
                    left -= wanted;
                }
                filling.plain(
                    &lists.tails[tail.start as usize..tail.end as usize],
                    &mut rows,
                );
            }
            PieceChunks::Block { offset, lens, span } => {
                let Some(OpenBlock { block, .. }) = &source.block else {
                    return;
                };
                let known_as = (self.number, at.source);
                let bytes = in_hand.bytes(known_as, (&lists.spans, *span), block);
                let first = lists.spans[*span as usize].offset;
                if let Err(error) = &bytes {
                    self.warn(format!("{}: cannot read: {error}", block.path().display()));
                }
                let lens = &lists.lens[lens.start as usize..lens.end as usize];
                for range in chunk_ranges(offset - first, lens) {
                    let wanted = (CHUNK_SAMPLES - skip).min(left);
                    let chunk = bytes
                        .as_ref()
                        .ok()
                        .and_then(|b| b.get(range.start as usize..range.end as usize));
                    if let Some(chunk) = chunk
                        && let Err(error) = filling.chunk(chunk, skip, wanted, &mut rows)
                    {
                        block.found_damage();
                        let labels = self.labels_of(is);
                        self.warn(format!(
                            "{}: {wanted} samples of {labels} are missing: {error}",
                            block.path().display(),
                        ));
                    }
                    skip = 0;
                    left -= wanted;
                }
            }
        }
    }

    /// Reads pieces that lie side by side in time: every sample with its time, sorted, the
    /// first source's where two have the same time.
    fn read_merged(&self, series: usize, columns: &mut Columns) -> Result<()> {
        let mut samples: Vec<(i64, usize, usize, f64)> = Vec::new();
        let mut part = Columns::default();
        let mut in_hand = columns.kept.take();
        for piece in self.pieces_of(series) {
            part.runs.clear();
            part.values.resize(self.piece(piece).len as usize, 0.0);
            let mut filling = Filling {
                columns: &mut part,
                filled: 0,
            };
            self.read_piece(self.series[series].is, piece, &mut in_hand, &mut filling);
            let filled = filling.filled;
            part.values.truncate(filled);
            let node = &self.nodes[self.node_and_next(piece).0 as usize];
            let times = self.times_of(node)?;
            let mut values = part.values.iter();
            for run in &part.runs {
                for (row, value) in (run.row..).zip(values.by_ref().take(run.len)) {
                    let time = times.get(row - node.row).copied().unwrap_or(i64::MAX);
                    samples.push((time, run.timeline, row, *value));
                }
            }
        }
        columns.kept.put(in_hand);
        samples.sort_by_key(|sample| sample.0);
        samples.dedup_by_key(|sample| sample.0);
        for (_, timeline, row, value) in samples {
            columns.values.push(value);
            match columns.runs.last_mut() {
                Some(run) if run.timeline == timeline && run.row + run.len == row => run.len += 1,
                _ => columns.runs.push(Run {
                    timeline,
                    row,
                    len: 1,
                    never_decreases: false,
                    no_nan: false,
                }),
            }
        }
        Ok(())
    }
}

impl SeriesSet for Set {
    fn len(&self) -> usize {
        self.series.len()
    }

    fn labels(&self, series: usize) -> &Labels {
        self.labels_of(self.series[series].is)
    }

    fn sample_bound(&self, series: usize) -> usize {
        self.series[series].bound
    }

    fn timelines(&self) -> usize {
        self.timelines.len()
    }

    fn read_times(&self, timeline: usize, times: &mut Vec<i64>) -> Result<()> {
        times.clear();
        for node in self.timelines.get(timeline).into_iter().flatten() {
            let node = &self.nodes[*node as usize];
            match &node.times {
                // Mostly nobody asks again.
                NodeTimes::Block {
                    source,
                    timeline,
                    read,
                } if read.get().is_none() => self.read_block_times(*source, *timeline, times)?,
                _ => times.extend_from_slice(self.times_of(node)?),
            }
        }
        Ok(())
    }

    fn read(&self, series: usize, columns: &mut Columns) -> Result<()> {
        columns.runs.clear();
        let Some(entry) = self.series.get(series) else {
            columns.values.clear();
            return Ok(());
        };
        if entry.disordered {
            columns.values.clear();
            return self.read_merged(series, columns);
        }
        // What the memory held before needs no clearing: all that stays is written over.
        columns.values.resize(entry.bound, 0.0);
        let mut in_hand = columns.kept.take();
        let mut filling = Filling { columns, filled: 0 };
        for piece in self.pieces_of(series) {
            self.read_piece(entry.is, piece, &mut in_hand, &mut filling);
        }
        let filled = filling.filled;
        columns.values.truncate(filled);
        columns.kept.put(in_hand);
        Ok(())
    }

    fn warnings(&self) -> Vec<String> {
        let warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        let mut texts = warnings.texts.clone();
        if warnings.more > 0 {
            texts.push(format!("and {} more", warnings.more));
        }
        texts
    }
}

/// The rows that the values of a piece stand in, used up from the front.
struct Rows<'a> {
    timeline: usize,
    first_row: usize,
    runs: &'a [(u32, u32)],
    /// Rows of the first run that are used up.
    used: u32,
}

impl Rows<'_> {
    /// Uses up to `most` rows of the first run and gives the first of them and their number.
    fn take(&mut self, most: usize) -> Option<(usize, usize)> {
        let &(row, len) = self.runs.first()?;
        let taken = ((len - self.used) as usize).min(most);
        let first = self.first_row + (row + self.used) as usize;
        self.used += taken as u32;
        if self.used == len {
            self.runs = &self.runs[1..];
            self.used = 0;
        }
        Some((first, taken))
    }

    fn skip(&mut self, mut rows: usize) {
        while rows > 0
            && let Some((_, taken)) = self.take(rows)
        {
            rows -= taken;
        }
    }
}

/// Columns that are being filled; `values` has its full length from the start, and more where
/// not all of a chunk is wanted.
struct Filling<'a> {
    columns: &'a mut Columns,
    filled: usize,
}

impl Filling<'_> {
    /// Decodes a chunk and keeps `wanted` values behind the first `skip`. When that fails, their
    /// rows stay empty.
    fn chunk(
        &mut self,
        chunk: &[u8],
        skip: usize,
        wanted: usize,
        rows: &mut Rows<'_>,
    ) -> Result<(), Malformed> {
        let decoded = self.decode(chunk, skip, wanted);
        match decoded {
            Ok(info) => self.stand(wanted, info.never_decreases, info.no_nan, rows),
            Err(_) => rows.skip(wanted),
        }
        decoded.map(|_| ())
    }

    fn decode(&mut self, chunk: &[u8], skip: usize, wanted: usize) -> Result<ChunkInfo, Malformed> {
        let known = info(chunk).ok_or(Malformed("bytes end early"))?;
        if known.len < skip + wanted {
            return Err(Malformed("a chunk holds fewer samples than its index says"));
        }
        // All values of the chunk are decoded; what follows is written over those behind the
        // wanted ones.
        let values = &mut self.columns.values;
        let end = self.filled + known.len;
        if values.len() < end {
            values.resize(end, 0.0);
        }
        let info = decode_values(Kernel::best(), chunk, &mut values[self.filled..end])?;
        if skip > 0 {
            let kept = self.filled + skip..self.filled + skip + wanted;
            values.copy_within(kept, self.filled);
        }
        Ok(info)
    }

    fn plain(&mut self, values: &[f64], rows: &mut Rows<'_>) {
        self.columns.values[self.filled..self.filled + values.len()].copy_from_slice(values);
        let no_nan = !values.iter().any(|value| value.is_nan());
        let grows = no_nan && values.is_sorted();
        self.stand(values.len(), grows, no_nan, rows);
    }

    /// Says in which rows the next `len` values stand.
    fn stand(&mut self, mut len: usize, never_decreases: bool, no_nan: bool, rows: &mut Rows<'_>) {
        while len > 0
            && let Some((row, taken)) = rows.take(len)
        {
            let values = &self.columns.values;
            match self.columns.runs.last_mut() {
                Some(run) if run.timeline == rows.timeline && run.row + run.len == row => {
                    run.len += taken;
                    run.no_nan &= no_nan;
                    run.never_decreases &=
                        never_decreases && values[self.filled - 1] <= values[self.filled];
                }
                _ => self.columns.runs.push(Run {
                    timeline: rows.timeline,
                    row,
                    len: taken,
                    never_decreases,
                    no_nan,
                }),
            }
            self.filled += taken;
            len -= taken;
        }
    }
}
