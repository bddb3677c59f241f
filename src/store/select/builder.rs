//! Puts a set together from sources.

use super::gathered::{Gathered, Guide, Identity, NONE};
use super::lists::{NodeTimes, PieceAt, Source};
use super::set::{Set, SetSeries};
use series::Labels;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// Collects what a query reads.
struct SetBuilder {
    set: Set,
    /// Where the series that the guide names stand.
    guided: Vec<u32>,
    /// Which of them came last, if none but it did.
    last_guided: Option<u32>,
    /// Where others stand.
    strangers: Vec<u32>,
    /// Those by their labels, as far as somebody had to look for one among them.
    by_labels: HashMap<Labels, u32>,
    /// The last piece of each series.
    last_pieces: Vec<PieceAt>,
    /// So many series at the front stand in the order of their labels.
    sorted: usize,
    /// Where the next stranger of a source is expected among those.
    hint: usize,
}

impl Set {
    /// Of sources that were gathered by this guide, in the order in which their samples count
    /// where two have the same time.
    pub(crate) fn put_together(guide: Guide, sources: Vec<Gathered>) -> Self {
        let mut builder = SetBuilder::new(guide);
        for source in sources {
            builder.add(source);
        }
        builder.finish()
    }
}

impl SetBuilder {
    fn new(guide: Guide) -> Self {
        Self {
            guided: vec![NONE; guide.len()],
            set: Set {
                guide,
                ..Set::default()
            },
            last_guided: None,
            strangers: Vec::new(),
            by_labels: HashMap::new(),
            last_pieces: Vec::new(),
            sorted: 0,
            hint: 0,
        }
    }

    /// Adds a source, whose numbers become those of the set.
    fn add(&mut self, source: Gathered) {
        let set = &mut self.set;
        for text in source.warnings {
            set.warn(text);
        }
        let number = set.sources.len() as u32;
        let first_node = set.nodes.len() as u32;
        set.nodes.extend(source.nodes.into_iter().map(|mut node| {
            if let NodeTimes::Block { source, .. } = &mut node.times {
                *source = number;
            }
            node
        }));
        set.sources.push(Source {
            lists: source.lists,
            block: source.block,
            first_node,
        });
        self.hint = 0;
        let before = self.strangers.len();
        for series in source.series {
            let at = match series.is {
                Identity::Guided(at) => match self.guided[at as usize] {
                    NONE => {
                        // Behind the one that the guide names before it needs no comparison.
                        let follows = self.last_guided.is_some_and(|last| last < at);
                        let place = self.push_series(series.is, follows);
                        self.last_guided = Some(at);
                        self.guided[at as usize] = place;
                        place
                    }
                    known => known,
                },
                Identity::Stranger(at) => self.place_of(&source.strangers[at as usize], before),
            };
            let at = at as usize;
            let piece = |piece| PieceAt {
                source: number,
                piece,
            };
            let (first, last) = (piece(series.first_piece), piece(series.last_piece));
            let mut own = first;
            while own != last {
                let next = &mut self.set.piece_mut(own).next;
                next.source = number;
                own = *next;
            }
            self.set.series[at].bound += series.bound;
            match std::mem::replace(&mut self.last_pieces[at], last) {
                PieceAt::NONE => self.set.series[at].first_piece = first,
                previous => self.set.piece_mut(previous).next = first,
            }
        }
    }

    /// `follows` where the series is known to stand behind the last one.
    fn push_series(&mut self, is: Identity, follows: bool) -> u32 {
        let set = &self.set;
        let at = set.series.len();
        let behind = |last: &SetSeries| set.labels_of(last.is) < set.labels_of(is);
        let in_order = || follows || set.series.last().is_none_or(behind);
        if self.sorted == at && in_order() {
            self.sorted += 1;
        }
        self.set.series.push(SetSeries {
            is,
            first_piece: PieceAt::NONE,
            bound: 0,
            disordered: false,
        });
        self.last_pieces.push(PieceAt::NONE);
        at as u32
    }

    /// Where a series stands that the guide does not name, perhaps from now on. It is none
    /// behind the first `before` of the strangers, for no labels come twice within a source.
    fn place_of(&mut self, labels: &Labels, before: usize) -> u32 {
        let known = &self.set.strangers;
        if let Some(&at) = self.strangers[..before].get(self.hint)
            && known[self.hint] == *labels
        {
            self.hint += 1;
            return at;
        }
        let unsorted = self.by_labels.len().min(before)..before;
        for (labels, &at) in known[unsorted.clone()]
            .iter()
            .zip(&self.strangers[unsorted])
        {
            self.by_labels.insert(labels.clone(), at);
        }
        if let Some(&at) = self.by_labels.get(labels) {
            // Strangers are added in turn, and so stand in the order of their places.
            let place = self.strangers.partition_point(|other| *other < at);
            self.hint = place + 1;
            return at;
        }
        let stranger = Identity::Stranger(known.len() as u32);
        self.set.strangers.push(labels.clone());
        let at = self.push_series(stranger, false);
        self.last_guided = None;
        self.strangers.push(at);
        at
    }

    /// The set, in the order of labels, its nodes stitched to timelines.
    fn finish(self) -> Set {
        static SETS: AtomicU64 = AtomicU64::new(0);
        let mut set = self.set;
        set.number = SETS.fetch_add(1, Ordering::Relaxed);
        if self.sorted < set.series.len() {
            let mut series = std::mem::take(&mut set.series);
            series.sort_unstable_by(|a, b| set.labels_of(a.is).cmp(set.labels_of(b.is)));
            set.series = series;
        }
        set.stitch();
        set
    }
}
