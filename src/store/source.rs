//! Reading: the store as a [`SeriesSource`].

use crate::block::{Block, BlockLabels, Index};
use crate::error::Result;
use crate::head::Head;
use crate::matching::find;
use crate::parts::{PART, Whole, is_part, split};
use crate::select::{Gathered, Gathering, Known, SetBuilder};
use crate::shared::Shared;
use crate::store::Store;
use series::{
    Interrupt, LabelQuery, Labels, Limited, Matcher, Metadata, OneThread, SeriesExemplars,
    SeriesSet, SeriesSource, TimeRange, Workers,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::sync::{Arc, OnceLock};

impl SeriesSource for Store {
    fn select(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        interrupt: &Interrupt,
        workers: &dyn Workers,
    ) -> series::Result<Box<dyn SeriesSet>> {
        select(self.shared(), matchers, range, interrupt, workers).map_err(Into::into)
    }

    fn label_names(
        &self,
        query: &LabelQuery<'_>,
        interrupt: &Interrupt,
    ) -> series::Result<Limited<Vec<String>>> {
        let mut names = BTreeSet::new();
        if query.selectors.is_empty() {
            let (head, blocks) = sources(self.shared(), query.range);
            if head {
                let head = self.shared().head();
                let known = head.postings.names().filter(|name| *name != PART);
                names.extend(known.map(str::to_owned));
            }
            for block in blocks {
                interrupt.check()?;
                each_label(self.shared(), &block, |name, _| {
                    if name != PART && !names.contains(name) {
                        names.insert(name.to_owned());
                    }
                });
            }
        } else {
            each_series(self.shared(), query, interrupt, |labels| {
                for (name, _) in labels.iter() {
                    if !names.contains(name) {
                        names.insert(name.to_owned());
                    }
                }
            })?;
        }
        Ok(limited(names, query.limit))
    }

    fn label_values(
        &self,
        name: &str,
        query: &LabelQuery<'_>,
        interrupt: &Interrupt,
    ) -> series::Result<Limited<Vec<String>>> {
        let mut values = BTreeSet::new();
        if name == PART {
            return Ok(limited(values, query.limit));
        }
        if query.selectors.is_empty() {
            let (head, blocks) = sources(self.shared(), query.range);
            if head {
                values.extend(
                    self.shared()
                        .head()
                        .postings
                        .values(name)
                        .map(str::to_owned),
                );
            }
            for block in blocks {
                interrupt.check()?;
                each_label(self.shared(), &block, |found, value| {
                    if found == name && !values.contains(value) {
                        values.insert(value.to_owned());
                    }
                });
            }
        } else {
            each_series(self.shared(), query, interrupt, |labels| {
                if let Some(value) = labels.get(name)
                    && !values.contains(value)
                {
                    values.insert(value.to_owned());
                }
            })?;
        }
        Ok(limited(values, query.limit))
    }

    fn series(
        &self,
        query: &LabelQuery<'_>,
        interrupt: &Interrupt,
    ) -> series::Result<Limited<Vec<Labels>>> {
        let mut found = BTreeSet::new();
        each_series(self.shared(), query, interrupt, |labels| {
            if !found.contains(labels) {
                found.insert(labels.clone());
            }
        })?;
        Ok(limited(found, query.limit))
    }

    fn exemplars(
        &self,
        selectors: &[Vec<Matcher>],
        range: TimeRange,
        interrupt: &Interrupt,
    ) -> series::Result<Vec<SeriesExemplars>> {
        interrupt.check()?;
        let head = self.shared().head();
        let wanted = |labels: &Labels| {
            selectors.iter().any(|matchers| {
                let fits = |m: &Matcher| m.matches(labels.get(m.name()).unwrap_or_default());
                matchers.iter().all(fits)
            })
        };
        let mut found: Vec<SeriesExemplars> = head
            .exemplars
            .iter()
            .filter(|(labels, _)| wanted(labels))
            .map(|(labels, exemplars)| SeriesExemplars {
                labels: labels.clone(),
                exemplars: exemplars
                    .iter()
                    .filter(|exemplar| range.contains(exemplar.sample.time))
                    .cloned()
                    .collect(),
            })
            .filter(|found| !found.exemplars.is_empty())
            .collect();
        found.sort_unstable_by(|a, b| a.labels.cmp(&b.labels));
        Ok(found)
    }

    fn metadata(&self, metric: Option<&str>) -> Vec<(String, Vec<Metadata>)> {
        let head = self.shared().head();
        let known: &BTreeMap<String, Vec<Metadata>> = head.metadata();
        // The latest spelling stands first, as the one that counts.
        let entry = |(family, spellings): (&String, &Vec<Metadata>)| {
            (family.clone(), spellings.iter().rev().cloned().collect())
        };
        match metric {
            Some(metric) => known.get_key_value(metric).map(entry).into_iter().collect(),
            None => known.iter().map(entry).collect(),
        }
    }
}

fn limited<T>(found: BTreeSet<T>, limit: Option<usize>) -> Limited<Vec<T>> {
    let most = limit.unwrap_or(usize::MAX);
    Limited {
        truncated: found.len() > most,
        entries: found.into_iter().take(most).collect(),
    }
}

/// Whether the head, and which blocks, may have samples in `range`.
fn sources(shared: &Shared, range: TimeRange) -> (bool, Vec<Arc<Block>>) {
    let head = shared.head();
    let in_head = match (head.min_time, head.max_time) {
        (Some(min), Some(max)) => min <= range.end && range.start <= max,
        _ => false,
    };
    (in_head, blocks_in(shared, range))
}

/// The blocks that may have samples in `range`.
fn blocks_in(shared: &Shared, range: TimeRange) -> Vec<Arc<Block>> {
    let overlaps = |block: &&Arc<Block>| {
        let footer = block.footer();
        footer.min_time <= range.end && range.start <= footer.max_time
    };
    shared.blocks().iter().filter(overlaps).cloned().collect()
}

/// The index of a block; one that cannot be read is reported and left out.
fn index_of(shared: &Shared, block: &Block) -> Option<Arc<Index>> {
    match block.index(shared.next_use()) {
        Ok(index) => Some(index),
        Err(error) => {
            shared.report(block.path(), format!("{error}; its samples are missing"));
            None
        }
    }
}

fn each_label(shared: &Shared, block: &Block, take: impl FnMut(&str, &str)) {
    if let Some(index) = index_of(shared, block)
        && let Err(error) = index.each_label(take)
    {
        shared.report(block.path(), error.to_string());
    }
}

/// Hands the labels of every series that the question is about to `take`, some repeatedly.
fn each_series(
    shared: &Shared,
    query: &LabelQuery<'_>,
    interrupt: &Interrupt,
    mut take: impl FnMut(&Labels),
) -> series::Result<()> {
    let (in_head, blocks) = sources(shared, query.range);
    let every = [Vec::new()];
    let selectors = if query.selectors.is_empty() {
        &every[..]
    } else {
        query.selectors
    };
    for matchers in selectors {
        if in_head {
            let head = shared.head();
            for id in find(matchers, &head.postings)? {
                if let Some(series) = head.get(id).filter(|s| !is_part(&s.labels)) {
                    take(&series.labels);
                }
            }
        }
        for block in &blocks {
            interrupt.check()?;
            let Some(index) = index_of(shared, block) else {
                continue;
            };
            for series in find(matchers, &BlockLabels(block, &index))? {
                let labels = index.labels(series);
                let labels = labels.map_err(|error| block.malformed(error))?;
                if !is_part(labels) {
                    take(labels);
                }
            }
        }
    }
    shared.trim_indexes();
    Ok(())
}

/// Tracks that are gathered by the thread that asks, for it has done so before others begin.
const FEW_TRACKS: usize = 4_000;

/// What a query selects from some sources.
struct Selecting<'a> {
    shared: &'a Shared,
    matchers: &'a [Matcher],
    range: TimeRange,
    series: SetBuilder,
    /// Parts of histograms, each a series of its own.
    parts: SetBuilder,
    warnings: Vec<String>,
}

/// What a block has of it.
#[derive(Default)]
struct OfBlock {
    series: Gathered,
    parts: Gathered,
    warning: Option<String>,
}

impl Selecting<'_> {
    fn gather(&self, block: &Arc<Block>) -> OfBlock {
        let Some(index) = index_of(self.shared, block) else {
            return OfBlock {
                warning: Some(format!("{} cannot be read", block.path().display())),
                ..OfBlock::default()
            };
        };
        // Damage to one block leaves the others readable.
        let labels = BlockLabels(block, &index);
        let found = find(self.matchers, &labels).and_then(|found| split(found, &labels));
        let mut of_block = OfBlock::default();
        let ended = found.and_then(|(series, parts)| {
            let (gathered, ended) = block.gather(&index, &series, self.range, self.series.known());
            of_block.series = gathered;
            ended?;
            if parts.is_empty() {
                return Ok(());
            }
            let (gathered, ended) = block.gather(&index, &parts, self.range, self.parts.known());
            of_block.parts = gathered;
            ended
        });
        if let Err(error) = ended {
            self.shared.report(block.path(), error.to_string());
            of_block.warning = Some(error.to_string());
        }
        of_block
    }

    fn add(&mut self, of_blocks: Vec<OfBlock>) {
        let (mut series, mut parts) = (Vec::new(), Vec::new());
        for of_block in of_blocks {
            series.push(of_block.series);
            parts.push(of_block.parts);
            self.warnings.extend(of_block.warning);
        }
        self.series.add_all(series);
        self.parts.add_all(parts);
    }
}

/// Selects series from head and blocks.
fn select(
    shared: &Shared,
    matchers: &[Matcher],
    range: TimeRange,
    interrupt: &Interrupt,
    workers: &dyn Workers,
) -> Result<Box<dyn SeriesSet>> {
    let mut selecting = Selecting {
        shared,
        matchers,
        range,
        series: SetBuilder::default(),
        parts: SetBuilder::default(),
        warnings: Vec::new(),
    };
    // The head first, and the list of blocks under its lock: what moves from one to the other
    // meanwhile is in exactly one of them.
    let head = shared.head();
    let blocks = blocks_in(shared, range);
    let found = find(matchers, &head.postings)?;
    let (mut found, mut of_these) = split(found, &head.postings)?;
    head.sort(&mut found);
    selecting.series.add(gather_head(&head, &found, range).0);
    head.sort(&mut of_these);
    selecting.parts.add(gather_head(&head, &of_these, range).0);
    drop(head);
    // The first that has any series is what the others are compared with.
    let mut blocks = blocks.iter();
    while selecting.series.known().is_empty()
        && let Some(block) = blocks.next()
    {
        interrupt.check()?;
        let of_block = selecting.gather(block);
        selecting.add(vec![of_block]);
    }
    let slots: Vec<(&Arc<Block>, OnceLock<OfBlock>)> =
        blocks.map(|block| (block, OnceLock::new())).collect();
    let gather = |at: usize| {
        let (block, slot) = &slots[at];
        if interrupt.check().is_ok() {
            slot.get_or_init(|| selecting.gather(block));
        }
    };
    if selecting.series.known().len() * slots.len() > FEW_TRACKS {
        workers.run(slots.len(), &gather);
    } else {
        OneThread.run(slots.len(), &gather);
    }
    interrupt.check()?;
    let of_blocks = slots.into_iter().filter_map(|(_, slot)| slot.into_inner());
    let of_blocks = of_blocks.collect();
    selecting.add(of_blocks);
    shared.trim_indexes();
    let set = selecting.series.finish();
    for warning in selecting.warnings {
        set.warn(warning);
    }
    let parts = selecting.parts.finish();
    Ok(if parts.is_empty() {
        Box::new(set)
    } else {
        Box::new(Whole::new(set, parts, range))
    })
}

/// Where each timeline of the head stands in the set, and which of its rows are wanted.
pub(crate) type HeadNodes = HashMap<u32, Option<(u32, Range<u32>)>>;

/// Gathers series of the head, sorted by labels, as far as they have samples in `range`.
pub(crate) fn gather_head(head: &Head, series: &[u32], range: TimeRange) -> (Gathered, HeadNodes) {
    let mut nodes = HeadNodes::new();
    let mut gathering = Gathering::new(range, Known::default(), series.len(), None);
    for id in series {
        let Some(series) = head.get(*id) else {
            continue;
        };
        for track in series.tracks() {
            let node = nodes.entry(track.timeline).or_insert_with(|| {
                let timeline = head.timeline(track.timeline)?;
                if timeline.last_time()? < range.start || range.end < timeline.first_time()? {
                    return None;
                }
                let mut times = Vec::new();
                timeline.read(&mut times);
                let from = times.partition_point(|time| *time < range.start);
                let to = times.partition_point(|time| *time <= range.end);
                let node = gathering.add_times(times, from..to)?;
                let first = timeline.first_row();
                Some((node, first + from as u32..first + to as u32))
            });
            if let Some((node, wanted)) = node {
                gathering.add_track(&series.labels, *node, track, wanted);
            }
        }
    }
    (gathering.finish(), nodes)
}
