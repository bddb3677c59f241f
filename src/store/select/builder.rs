//! Puts a set together from sources.

use super::gathered::{Gathered, Guide, Identity, NONE};
use super::set::{NodeTimes, PieceChunks, Set, SetSeries};
use series::Labels;
use std::collections::HashMap;
use std::ops::Range;

/// Collects what a query reads.
pub(crate) struct SetBuilder<'a> {
    set: Set,
    /// By which the sources were gathered.
    guide: &'a Guide,
    /// Where the series that it names stand.
    guided: Vec<u32>,
    /// Which of them came last, if none but it did.
    last_guided: Option<u32>,
    /// Where others stand.
    strangers: Vec<u32>,
    /// Those by their labels, as far as somebody had to look for one among them.
    by_labels: HashMap<Labels, u32>,
    /// The last piece of each series.
    last_pieces: Vec<u32>,
    /// So many series at the front stand in the order of their labels.
    sorted: usize,
    /// Where the next stranger of a source is expected among those.
    hint: usize,
}

impl<'a> SetBuilder<'a> {
    pub(crate) fn new(guide: &'a Guide) -> Self {
        Self {
            set: Set::default(),
            guide,
            guided: vec![NONE; guide.len()],
            last_guided: None,
            strangers: Vec::new(),
            by_labels: HashMap::new(),
            last_pieces: Vec::new(),
            sorted: 0,
            hint: 0,
        }
    }

    /// Adds sources, in the order in which their samples count where two have the same time.
    pub(crate) fn add_all(&mut self, sources: Vec<Gathered>) {
        let sum = |len: fn(&Gathered) -> usize| sources.iter().map(len).sum();
        self.set.pieces.reserve(sum(|source| source.pieces.len()));
        self.set.runs.reserve(sum(|source| source.runs.len()));
        self.set.lens.reserve(sum(|source| source.lens.len()));
        for source in sources {
            self.add(source);
        }
    }

    /// Adds a source, whose numbers become those of the set.
    pub(crate) fn add(&mut self, mut source: Gathered) {
        let set = &mut self.set;
        for text in source.warnings {
            set.warn(text);
        }
        let number = set.blocks.len() as u32;
        set.blocks.extend(source.block);
        let first_node = set.nodes.len() as u32;
        let first_span = set.spans.len() as u32;
        set.nodes.extend(source.nodes.into_iter().map(|mut node| {
            if let NodeTimes::Block { block, .. } = &mut node.times {
                *block = number;
            }
            node
        }));
        set.spans.extend(source.spans.into_iter().map(|mut span| {
            span.block = number;
            span
        }));
        let first_run = append(&mut set.runs, &mut source.runs);
        let first_chunk = append(&mut set.chunks, &mut source.chunks);
        let first_value = append(&mut set.tails, &mut source.tails);
        let first_len = append(&mut set.lens, &mut source.lens);
        let first_piece = set.pieces.len() as u32;
        set.pieces
            .extend(source.pieces.into_iter().map(|mut piece| {
                piece.node += first_node;
                shift(&mut piece.runs, first_run);
                if piece.next != NONE {
                    piece.next += first_piece;
                }
                match &mut piece.chunks {
                    PieceChunks::Memory { chunks, tail } => {
                        shift(chunks, first_chunk);
                        shift(tail, first_value);
                    }
                    PieceChunks::Block { lens, span, .. } => {
                        shift(lens, first_len);
                        *span += first_span;
                    }
                }
                piece
            }));
        self.hint = 0;
        let before = self.strangers.len();
        for series in source.series {
            let at = match series.is {
                Identity::Guided(at) => match self.guided[at as usize] {
                    NONE => {
                        // Behind the one that the guide names before it needs no comparison.
                        let follows = self.last_guided.is_some_and(|last| last < at);
                        let Some(labels) = self.guide.get(at as usize) else {
                            continue;
                        };
                        let place = self.push_series(labels, follows);
                        self.last_guided = Some(at);
                        self.guided[at as usize] = place;
                        place
                    }
                    known => known,
                },
                Identity::Stranger(at) => self.place_of(&source.strangers[at as usize], before),
            };
            let at = at as usize;
            let (first, last) = (
                first_piece + series.first_piece,
                first_piece + series.last_piece,
            );
            let entry = &mut self.set.series[at];
            entry.bound += series.bound;
            match std::mem::replace(&mut self.last_pieces[at], last) {
                NONE => entry.first_piece = first,
                previous => self.set.pieces[previous as usize].next = first,
            }
        }
    }

    /// `follows` where the series is known to stand behind the last one.
    fn push_series(&mut self, labels: &Labels, follows: bool) -> u32 {
        let series = &mut self.set.series;
        let at = series.len();
        let in_order = || follows || series.last().is_none_or(|last| last.labels < *labels);
        if self.sorted == at && in_order() {
            self.sorted += 1;
        }
        series.push(SetSeries {
            labels: labels.clone(),
            first_piece: NONE,
            bound: 0,
            disordered: false,
        });
        self.last_pieces.push(NONE);
        at as u32
    }

    /// Where a series stands that the guide does not name, perhaps from now on. It is none
    /// behind the first `before` of the strangers, for no labels come twice within a source.
    fn place_of(&mut self, labels: &Labels, before: usize) -> u32 {
        let series = &self.set.series;
        if let Some(&at) = self.strangers[..before].get(self.hint)
            && series[at as usize].labels == *labels
        {
            self.hint += 1;
            return at;
        }
        for &at in &self.strangers[self.by_labels.len().min(before)..before] {
            let labels = series[at as usize].labels.clone();
            self.by_labels.insert(labels, at);
        }
        if let Some(&at) = self.by_labels.get(labels) {
            // Strangers are added in turn, and so stand in the order of their places.
            let place = self.strangers.partition_point(|other| *other < at);
            self.hint = place + 1;
            return at;
        }
        let at = self.push_series(labels, false);
        self.last_guided = None;
        self.strangers.push(at);
        at
    }

    /// The set, in the order of labels, its nodes stitched to timelines.
    pub(crate) fn finish(self) -> Set {
        let mut set = self.set;
        if self.sorted < set.series.len() {
            set.series.sort_unstable_by(|a, b| a.labels.cmp(&b.labels));
        }
        set.stitch();
        set
    }
}

/// Moves `more` behind `all` and gives the place of its first entry.
fn append<T>(all: &mut Vec<T>, more: &mut Vec<T>) -> u32 {
    let first = all.len() as u32;
    if all.is_empty() && all.capacity() < more.len() {
        std::mem::swap(all, more);
    } else {
        all.append(more);
    }
    first
}

fn shift(range: &mut Range<u32>, by: u32) {
    range.start += by;
    range.end += by;
}
