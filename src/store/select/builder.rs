//! Puts a set together from sources.

use super::gathered::{Gathered, Identity, Known, NONE};
use super::set::{NodeTimes, PieceChunks, Set, SetSeries};
use series::Labels;
use std::collections::HashMap;
use std::ops::Range;

/// Collects what a query reads.
#[derive(Default)]
pub(crate) struct SetBuilder {
    set: Set,
    /// The last piece of each series.
    last_pieces: Vec<u32>,
    /// So many series at the front stand in the order of their labels.
    sorted: usize,
    /// Series by their labels, as far as somebody had to look for one among them.
    by_labels: HashMap<Labels, u32>,
    /// The first series that is not in `by_labels` yet.
    unlisted: usize,
    /// Where the next new series of a source is expected.
    hint: usize,
}

impl SetBuilder {
    /// The series so far, for the sources that come next.
    pub(crate) fn known(&self) -> Known<'_> {
        Known {
            series: &self.set.series,
            sorted: self.sorted,
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
        let before = self.set.series.len();
        for series in source.series {
            let at = match series.is {
                Identity::Known(at) => at as usize,
                Identity::New(at) => {
                    self.place_of(&source.new[at as usize], source.searched, before)
                }
            };
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

    /// Where the series with these labels stands, perhaps from now on. It is none of the first
    /// `searched`, and, as no labels come twice within a source, none behind the first `before`.
    fn place_of(&mut self, labels: &Labels, searched: usize, before: usize) -> usize {
        let series = &mut self.set.series;
        let expected = series.get(self.hint).filter(|_| self.hint < before);
        let mut place = expected
            .is_some_and(|known| known.labels == *labels)
            .then_some(self.hint);
        if place.is_none() && searched < before {
            if self.by_labels.is_empty() {
                self.unlisted = searched;
            }
            for (at, known) in (0..).zip(&*series).take(before).skip(self.unlisted) {
                self.by_labels.insert(known.labels.clone(), at);
            }
            self.unlisted = before;
            place = self.by_labels.get(labels).map(|at| *at as usize);
        }
        let at = place.unwrap_or_else(|| {
            let at = series.len();
            if self.sorted == at && series.last().is_none_or(|last| last.labels < *labels) {
                self.sorted += 1;
            }
            series.push(SetSeries {
                labels: labels.clone(),
                first_piece: NONE,
                bound: 0,
                disordered: false,
            });
            self.last_pieces.push(NONE);
            at
        });
        self.hint = at + 1;
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
