//! Reading: the store as a [`SeriesSource`].

use crate::block::{Block, BlockLabels, Index};
use crate::error::{Result, StoreError};
use crate::head::Head;
use crate::matching::find;
use crate::parts::{PART, Whole, is_part, split};
use crate::select::{Gathered, Gathering, Guide, Set, Stretch};
use crate::shared::Shared;
use crate::store::Store;
use series::{
    Interrupt, LabelQuery, Labels, Limited, Matcher, Metadata, OneThread, SeriesExemplars,
    SeriesSet, SeriesSource, TimeRange, Workers,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};
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

/// What a query selects.
struct Selection<'a> {
    shared: &'a Shared,
    matchers: &'a [Matcher],
    range: TimeRange,
}

/// What fulfils the matchers in a block: series, and parts of histograms.
struct InBlock {
    index: Arc<Index>,
    series: Vec<u32>,
    parts: Vec<u32>,
}

/// By what series and parts of all sources are known.
#[derive(Default)]
struct Guides {
    series: Guide,
    parts: Guide,
}

/// What a source has.
#[derive(Default)]
struct OfSource {
    series: Gathered,
    parts: Gathered,
    warning: Option<String>,
}

impl Selection<'_> {
    /// What a block has, or why that cannot be told. Damage to one leaves the others readable.
    fn look_into(&self, block: &Block) -> std::result::Result<InBlock, String> {
        let Some(index) = index_of(self.shared, block) else {
            return Err(format!("{} cannot be read", block.path().display()));
        };
        let labels = BlockLabels(block, &index);
        let found = find(self.matchers, &labels).and_then(|found| split(found, &labels));
        let (series, parts) = found.map_err(|error| self.report(block, &error))?;
        Ok(InBlock {
            index,
            series,
            parts,
        })
    }

    fn gather(&self, block: &Arc<Block>, found: &InBlock, guides: &Guides) -> OfSource {
        let gather = |series: &[u32], guide: &Guide| {
            if series.is_empty() {
                return (Gathered::default(), Ok(()));
            }
            block.gather(&found.index, series, self.range, guide)
        };
        let (series, ended) = gather(&found.series, &guides.series);
        let (parts, parts_ended) = gather(&found.parts, &guides.parts);
        let error = ended.and(parts_ended).err();
        OfSource {
            series,
            parts,
            warning: error.map(|error| self.report(block, &error)),
        }
    }

    fn report(&self, block: &Block, error: &StoreError) -> String {
        self.shared.report(block.path(), error.to_string());
        error.to_string()
    }
}

impl Guides {
    fn is_empty(&self) -> bool {
        self.series.len() + self.parts.len() == 0
    }

    fn of_head(head: &Head, series: &[u32], parts: &[u32]) -> Self {
        let guide = |ids: &[u32]| {
            let series = ids.iter().filter_map(|id| head.get(*id));
            Guide::of_labels(series.map(|series| series.labels.clone()).collect())
        };
        Self {
            series: guide(series),
            parts: guide(parts),
        }
    }

    /// What cannot be read here says so when it is gathered.
    fn of_block(found: &InBlock) -> Self {
        Self {
            series: Guide::of_block(&found.index, &found.series),
            parts: Guide::of_block(&found.index, &found.parts),
        }
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
    let selection = Selection {
        shared,
        matchers,
        range,
    };
    // The head first, and the list of blocks under its lock: what moves from one to the other
    // meanwhile is in exactly one of them.
    let head = shared.head();
    let blocks = blocks_in(shared, range);
    let found = find(matchers, &head.postings)?;
    let (mut series, mut parts) = split(found, &head.postings)?;
    head.sort(&mut series);
    head.sort(&mut parts);
    let mut guides = Guides::of_head(&head, &series, &parts);
    let of_head = OfSource {
        series: gather_head(&head, &series, range, &guides.series).0,
        parts: gather_head(&head, &parts, range, &guides.parts).0,
        warning: None,
    };
    drop(head);
    // Without any in the head, those of the first block that has some are the guides.
    let mut looked_into = Vec::new();
    for block in &blocks {
        if !guides.is_empty() {
            break;
        }
        interrupt.check()?;
        let found = selection.look_into(block);
        if let Ok(found) = &found {
            guides = Guides::of_block(found);
        }
        looked_into.push(found);
    }
    let gathered: Vec<OnceLock<OfSource>> = blocks.iter().map(|_| OnceLock::new()).collect();
    let gather = |at: usize| {
        if interrupt.check().is_err() {
            return;
        }
        let block = &blocks[at];
        let fresh;
        let found = match looked_into.get(at) {
            Some(found) => found,
            None => {
                fresh = selection.look_into(block);
                &fresh
            }
        };
        gathered[at].get_or_init(|| match found {
            Ok(found) => selection.gather(block, found, &guides),
            Err(warning) => OfSource {
                warning: Some(warning.clone()),
                ..OfSource::default()
            },
        });
    };
    let tracks = (guides.series.len() + guides.parts.len()).saturating_mul(blocks.len());
    if tracks > FEW_TRACKS {
        workers.run(blocks.len(), &gather);
    } else {
        OneThread.run(blocks.len(), &gather);
    }
    interrupt.check()?;
    let of_blocks = gathered.into_iter().filter_map(OnceLock::into_inner);
    let (mut series, mut parts, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
    for of_source in std::iter::once(of_head).chain(of_blocks) {
        series.push(of_source.series);
        parts.push(of_source.parts);
        warnings.extend(of_source.warning);
    }
    shared.trim_indexes();
    let set = Set::put_together(guides.series, series);
    for warning in warnings {
        set.warn(warning);
    }
    let parts = Set::put_together(guides.parts, parts);
    Ok(if parts.is_empty() {
        Box::new(set)
    } else {
        Box::new(Whole::new(set, parts, range))
    })
}

/// Where each timeline of the head stands in the set, and which of its rows are wanted.
pub(crate) type HeadNodes = HashMap<u32, Option<Stretch>>;

/// Gathers series of the head, sorted by labels, as far as they have samples in `range`.
pub(crate) fn gather_head(
    head: &Head,
    series: &[u32],
    range: TimeRange,
    guide: &Guide,
) -> (Gathered, HeadNodes) {
    let mut nodes = HeadNodes::new();
    let mut gathering = Gathering::new(range, guide, series.len(), None);
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
