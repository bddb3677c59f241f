//! Reading: the store as a [`SeriesSource`].

use crate::block::{Block, BlockLabels, Index};
use crate::error::Result;
use crate::head::Head;
use crate::matching::find;
use crate::parts::{PART, Whole, is_part, split};
use crate::select::SetBuilder;
use crate::shared::Shared;
use crate::store::Store;
use series::{
    Interrupt, LabelQuery, Labels, Limited, Matcher, Metadata, SeriesExemplars, SeriesSet,
    SeriesSource, TimeRange,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

impl SeriesSource for Store {
    fn select(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        interrupt: &Interrupt,
    ) -> series::Result<Box<dyn SeriesSet>> {
        select(self.shared(), matchers, range, interrupt).map_err(Into::into)
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
    let overlaps = |min: i64, max: i64| min <= range.end && range.start <= max;
    let head = shared.head();
    let blocks = shared.blocks();
    let in_head = match (head.min_time, head.max_time) {
        (Some(min), Some(max)) => overlaps(min, max),
        _ => false,
    };
    let blocks = blocks
        .iter()
        .filter(|block| overlaps(block.footer().min_time, block.footer().max_time));
    (in_head, blocks.cloned().collect())
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

/// Selects series from head and blocks.
fn select(
    shared: &Shared,
    matchers: &[Matcher],
    range: TimeRange,
    interrupt: &Interrupt,
) -> Result<Box<dyn SeriesSet>> {
    let mut builder = SetBuilder::new(range);
    let mut parts = SetBuilder::new(range);
    let mut warnings = Vec::new();
    // The head first, and the list of blocks under its lock: what moves from one to the other
    // meanwhile is in exactly one of them.
    let blocks = {
        let head = shared.head();
        let found = find(matchers, &head.postings)?;
        let (mut found, mut of_these) = split(found, &head.postings)?;
        head.sort(&mut found);
        collect_head(&head, &found, &mut builder);
        head.sort(&mut of_these);
        collect_head(&head, &of_these, &mut parts);
        shared.blocks()
    };
    for block in blocks.iter() {
        let footer = block.footer();
        if footer.max_time < range.start || range.end < footer.min_time {
            continue;
        }
        interrupt.check()?;
        let Some(index) = index_of(shared, block) else {
            warnings.push(format!("{} cannot be read", block.path().display()));
            continue;
        };
        // Damage to one block leaves the others readable.
        let labels = BlockLabels(block, &index);
        let collected = find(matchers, &labels)
            .and_then(|found| split(found, &labels))
            .and_then(|(found, of_these)| {
                block.collect(&index, &found, &mut builder)?;
                if of_these.is_empty() {
                    return Ok(());
                }
                block.collect(&index, &of_these, &mut parts)
            });
        if let Err(error) = collected {
            shared.report(block.path(), error.to_string());
            warnings.push(error.to_string());
        }
    }
    shared.trim_indexes();
    let set = builder.finish();
    for warning in warnings {
        set.warn(warning);
    }
    let parts = parts.finish();
    Ok(if parts.is_empty() {
        Box::new(set)
    } else {
        Box::new(Whole::new(set, parts, range))
    })
}

/// Where each timeline of the head stands in the set, and which of its rows are wanted.
pub(crate) type HeadNodes = HashMap<u32, Option<(u32, Range<u32>)>>;

/// Adds series of the head, sorted by labels, as far as they have samples in the range.
pub(crate) fn collect_head(head: &Head, series: &[u32], builder: &mut SetBuilder) -> HeadNodes {
    let range = builder.range();
    let mut nodes = HeadNodes::new();
    let mut times = Vec::new();
    builder.begin_source(series.len());
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
                timeline.read(&mut times);
                let from = times.partition_point(|time| *time < range.start);
                let to = times.partition_point(|time| *time <= range.end);
                let node = builder.add_times(&times[from..to])?;
                let first = timeline.first_row();
                Some((node, first + from as u32..first + to as u32))
            });
            if let Some((node, wanted)) = node {
                builder.add_track(&series.labels, *node, track, wanted);
            }
        }
    }
    nodes
}
