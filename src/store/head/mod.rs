//! The head: what is in memory because no block has it yet.
//!
//! Series hang on timelines: a target's scrapes make one, and what is written with times of its
//! own joins a timeline whose times it shares or begins another. Nothing here touches the disk.

mod exemplars;
mod postings;
mod timeline;
mod track;

pub(crate) use exemplars::ExemplarRing;
pub(crate) use postings::Postings;
pub(crate) use timeline::Timeline;
pub(crate) use track::{Runs, Track};

use crate::codec::CHUNK_SAMPLES;
use series::{Labels, Metadata, Sample};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

/// Spellings of one family's metadata that are kept beside each other.
const MAX_METADATA_OF_FAMILY: usize = 8;

/// What becomes of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Store,
    Duplicate,
    Conflict,
    OutOfOrder,
}

/// A series of the head.
#[derive(Debug)]
pub(crate) struct HeadSeries {
    pub(crate) labels: Labels,
    /// Time and value of the newest sample, also when a block has it already.
    pub(crate) last: Option<(i64, f64)>,
    /// Where samples are being added.
    pub(crate) current: Track,
    /// Samples along other timelines.
    #[expect(
        clippy::box_collection,
        reason = "absent in nearly all of very many series"
    )]
    pub(crate) others: Option<Box<Vec<Track>>>,
    /// Appenders that may write to it.
    pub(crate) holders: u32,
    /// The last segment of the log that introduced it.
    pub(crate) wal_segment: u64,
}

impl HeadSeries {
    /// All tracks, the one that is being added to last.
    pub(crate) fn tracks(&self) -> impl Iterator<Item = &Track> {
        let others = self.others.iter().flat_map(|others| others.iter());
        others.chain((!self.current.is_empty()).then_some(&self.current))
    }

    fn tracks_mut(&mut self) -> impl Iterator<Item = &mut Track> {
        let others = self.others.iter_mut().flat_map(|others| others.iter_mut());
        others.chain([&mut self.current])
    }
}

/// A target, by the order in which it was opened.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) labels: Labels,
    pub(crate) timeline: Option<u32>,
    pub(crate) wal_segment: u64,
}

/// Which timelines hold which times, for the rest of one request: its series mostly share one.
#[derive(Debug, Default)]
pub(crate) struct Places {
    latest: Option<(i64, u32)>,
    known: HashMap<i64, u32>,
}

impl Places {
    fn get(&self, time: i64) -> Option<u32> {
        self.known.get(&time).copied()
    }

    fn note(&mut self, time: i64, timeline: u32) {
        if self.latest != Some((time, timeline)) {
            self.latest = Some((time, timeline));
            self.known.insert(time, timeline);
        }
    }
}

/// How many samples at the front of each track of a series went into blocks.
pub(crate) type Taken = Vec<(u32, Vec<(u32, usize)>)>;

/// Everything in memory.
#[derive(Debug, Default)]
pub(crate) struct Head {
    series: Vec<Option<Box<HeadSeries>>>,
    free: Vec<u32>,
    by_labels: HashMap<Labels, u32>,
    pub(crate) postings: Postings,
    order: Mutex<Order>,
    timelines: Vec<Option<Timeline>>,
    free_timelines: Vec<u32>,
    pub(crate) targets: Vec<Target>,
    targets_by_labels: HashMap<Labels, u32>,
    pub(crate) exemplars: ExemplarRing,
    metadata: BTreeMap<String, Vec<Metadata>>,
    /// While the log is replayed: how long tails may get.
    replay_tail: Option<usize>,
    /// Samples added since the process began.
    pub(crate) appended: u64,
    /// Samples added before `late_before` since the last flush.
    pub(crate) late: u64,
    pub(crate) late_before: i64,
    pub(crate) min_time: Option<i64>,
    pub(crate) max_time: Option<i64>,
}

/// Series in the order of their labels, put right when somebody asks.
#[derive(Debug, Default)]
struct Order {
    sorted: Vec<u32>,
    rank: Vec<u32>,
    fresh: Vec<u32>,
}

impl Head {
    pub(crate) fn len(&self) -> usize {
        self.by_labels.len()
    }

    pub(crate) fn find(&self, labels: &Labels) -> Option<u32> {
        self.by_labels.get(labels).copied()
    }

    pub(crate) fn get(&self, id: u32) -> Option<&HeadSeries> {
        self.series.get(id as usize)?.as_deref()
    }

    pub(crate) fn get_mut(&mut self, id: u32) -> Option<&mut HeadSeries> {
        self.series.get_mut(id as usize)?.as_deref_mut()
    }

    pub(crate) fn timeline(&self, id: u32) -> Option<&Timeline> {
        self.timelines.get(id as usize)?.as_ref()
    }

    /// All series with their ids.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &HeadSeries)> {
        let series = self.series.iter().enumerate();
        series.filter_map(|(id, series)| Some((id as u32, series.as_deref()?)))
    }

    /// Makes a series; `last` is what blocks know of it already.
    pub(crate) fn create(&mut self, labels: &Labels, last: Option<(i64, f64)>) -> u32 {
        if let Some(id) = self.find(labels) {
            return id;
        }
        let series = Box::new(HeadSeries {
            labels: labels.clone(),
            last,
            current: Track::default(),
            others: None,
            holders: 0,
            wal_segment: 0,
        });
        let id = self.free.pop().unwrap_or(self.series.len() as u32);
        if id as usize == self.series.len() {
            self.series.push(Some(series));
        } else {
            self.series[id as usize] = Some(series);
        }
        self.by_labels.insert(labels.clone(), id);
        self.postings.insert(id, labels);
        self.order().fresh.push(id);
        id
    }

    pub(crate) fn target(&mut self, labels: &Labels) -> u32 {
        if let Some(id) = self.targets_by_labels.get(labels) {
            return *id;
        }
        let id = self.targets.len() as u32;
        self.targets.push(Target {
            labels: labels.clone(),
            timeline: None,
            wal_segment: 0,
        });
        self.targets_by_labels.insert(labels.clone(), id);
        id
    }

    pub(crate) fn knows_target(&self, labels: &Labels) -> bool {
        self.targets_by_labels.contains_key(labels)
    }

    /// What would become of a sample.
    pub(crate) fn verdict(&self, id: u32, time: i64, value: f64) -> Verdict {
        let Some(series) = self.get(id) else {
            return Verdict::OutOfOrder;
        };
        let stored = match series.last {
            None => return Verdict::Store,
            Some((last, _)) if last < time => return Verdict::Store,
            Some((last, stored)) if last == time => Some(stored),
            Some(_) => self.value_at(series, time),
        };
        match stored {
            Some(stored) if stored.to_bits() == value.to_bits() => Verdict::Duplicate,
            Some(_) => Verdict::Conflict,
            None => Verdict::OutOfOrder,
        }
    }

    fn value_at(&self, series: &HeadSeries, time: i64) -> Option<f64> {
        series.tracks().find_map(|track| {
            let row = self.timeline(track.timeline)?.find(time)?;
            let mut before = 0;
            for (first, len) in track.runs.iter() {
                if (first..first + len).contains(&row) {
                    let mut values = Vec::new();
                    track.read(&mut values);
                    return values.get((before + row - first) as usize).copied();
                }
                before += len;
            }
            None
        })
    }

    /// Adds what series of a target had at one time; every row's verdict was to store it.
    pub(crate) fn add_scrape(&mut self, target: u32, time: i64, rows: &[(u32, f64)]) {
        let known = self.targets.get(target as usize).and_then(|t| t.timeline);
        let known = known.filter(|timeline| self.timeline(*timeline).is_some());
        let id = known.unwrap_or_else(|| self.create_timeline());
        if let Some(target) = self.targets.get_mut(target as usize) {
            target.timeline = Some(id);
        }
        let Some(timeline) = self.timelines[id as usize].as_mut() else {
            return;
        };
        timeline.of_target = true;
        let row = match timeline.last_time() {
            Some(last) if last == time => timeline.end_row() - 1,
            Some(last) if last > time => {
                // Another appender of this target was ahead: these rows keep a time of their own.
                let mut places = Places::default();
                for &(series, value) in rows {
                    self.add_samples(series, &[Sample { time, value }], &mut places);
                }
                return;
            }
            _ => timeline.push(time),
        };
        for &(series, value) in rows {
            self.add(series, id, row, &[value], time);
        }
        self.count(rows.len() as u64, time, time);
    }

    /// Adds samples of one series with times of their own, increasing and later than all that
    /// it has. `places` remembers for the rest of the same request where times stand.
    pub(crate) fn add_samples(&mut self, series: u32, samples: &[Sample], places: &mut Places) {
        let (Some(first), Some(last)) = (samples.first(), samples.last()) else {
            return;
        };
        self.count(samples.len() as u64, first.time, last.time);
        let mut samples = samples;
        while !samples.is_empty() {
            let used = self.add_along_one_timeline(series, samples, places);
            samples = &samples[used..];
        }
    }

    /// Adds as many samples as fit to one timeline, at least one, and says how many.
    fn add_along_one_timeline(
        &mut self,
        series: u32,
        samples: &[Sample],
        places: &mut Places,
    ) -> usize {
        let current = self.get(series).filter(|series| !series.current.is_empty());
        let current = current.map(|series| (series.current.timeline, series.current.runs.end()));
        let mut begin = None;
        if let Some((id, end)) = current
            && let Some(timeline) = self.timeline(id)
        {
            let at_end = end == timeline.end_row() && timeline.last_time() < Some(samples[0].time);
            if at_end && !timeline.of_target {
                // The series is where its timeline ends: they go on together. A target's
                // timeline is left to its scrapes.
                begin = Some((id, end));
            } else if let Some(row) = timeline.find(samples[0].time).filter(|row| *row >= end) {
                begin = Some((id, row));
            }
        }
        if begin.is_none()
            && let Some(id) = places.get(samples[0].time)
            && let Some(row) = self.timeline(id).and_then(|t| t.find(samples[0].time))
        {
            begin = Some((id, row));
        }
        let (id, row) = begin.unwrap_or_else(|| (self.create_timeline(), 0));
        let Some(timeline) = self.timelines[id as usize].as_mut() else {
            return samples.len();
        };
        if let [sample] = samples {
            // Nearly always one sample of each series comes at a time, at a time that is there
            // or the next one.
            if row == timeline.end_row() {
                timeline.push(sample.time);
            }
            places.note(sample.time, id);
            self.add(series, id, row, &[sample.value], sample.time);
            return 1;
        }
        // Walk beside the times that are there, then add the rest.
        let mut times = Vec::new();
        timeline.times_from(row, &mut times);
        let beside = times
            .iter()
            .zip(samples)
            .take_while(|(time, sample)| **time == sample.time);
        let mut used = beside.count();
        if used == times.len() && !timeline.of_target {
            for sample in &samples[used..] {
                timeline.push(sample.time);
            }
            used = samples.len();
        }
        let values: Vec<f64> = samples[..used].iter().map(|sample| sample.value).collect();
        places.note(samples[0].time, id);
        places.note(samples[used - 1].time, id);
        self.add(series, id, row, &values, samples[used - 1].time);
        used
    }

    fn add(&mut self, id: u32, timeline: u32, row: u32, values: &[f64], last_time: i64) {
        // Different limits keep the series of a target from sealing in the same scrape.
        let tail_limit = self.replay_tail.unwrap_or(16 + (id as usize * 5) % 17);
        let Some(series) = self.get_mut(id) else {
            return;
        };
        if series.current.is_empty() {
            series.current.timeline = timeline;
            series.current.runs = Runs::default();
        } else if series.current.timeline != timeline {
            let others = series.others.get_or_insert_default();
            let at = others.iter().position(|track| track.timeline == timeline);
            let mut next = at.map_or_else(Track::default, |at| others.swap_remove(at));
            next.timeline = timeline;
            let mut previous = std::mem::replace(&mut series.current, next);
            previous.seal();
            others.push(previous);
        }
        if let Some(value) = values.last() {
            series.last = Some((last_time, *value));
        }
        series.current.push(row, values, tail_limit);
    }

    fn count(&mut self, samples: u64, first: i64, last: i64) {
        self.appended += samples;
        if first < self.late_before {
            self.late += samples;
        }
        self.min_time = Some(self.min_time.map_or(first, |min| min.min(first)));
        self.max_time = Some(self.max_time.map_or(last, |max| max.max(last)));
    }

    pub(crate) fn create_timeline(&mut self) -> u32 {
        let id = self
            .free_timelines
            .pop()
            .unwrap_or(self.timelines.len() as u32);
        if id as usize == self.timelines.len() {
            self.timelines.push(Some(Timeline::default()));
        } else {
            self.timelines[id as usize] = Some(Timeline::default());
        }
        id
    }

    /// Puts a whole track there, as a checkpoint has it.
    pub(crate) fn restore_track(&mut self, id: u32, track: Track, last_value: f64) {
        let Some(timeline) = self.timeline(track.timeline) else {
            return;
        };
        let mut times = Vec::new();
        timeline.times_from(track.runs.end().saturating_sub(1), &mut times);
        let (Some(&last_time), Some(first_time)) = (times.first(), timeline.first_time()) else {
            return;
        };
        let samples = track.runs.iter().map(|(_, len)| u64::from(len)).sum();
        self.count(samples, first_time, last_time);
        if let Some(series) = self.get_mut(id) {
            series.current = track;
            series.last = Some((last_time, last_value));
        }
    }

    /// Lets tails grow while the log is replayed, so that each value is encoded once.
    pub(crate) fn begin_replay(&mut self) {
        // Many series would take too much memory that way.
        self.replay_tail = (self.len() < 20_000).then_some(CHUNK_SAMPLES);
    }

    /// Encodes what the replay left.
    pub(crate) fn end_replay(&mut self) {
        if self.replay_tail.take().is_some() {
            for series in self.series.iter_mut().flatten() {
                if series.current.tail.len() >= 16 {
                    series.current.seal();
                }
            }
        }
    }

    /// Fills a new timeline with times.
    pub(crate) fn restore_timeline(&mut self, times: &[i64]) -> u32 {
        let id = self.create_timeline();
        if let Some(timeline) = self.timelines[id as usize].as_mut() {
            for time in times {
                timeline.push(*time);
            }
        }
        id
    }

    /// The starts of all ranges of this length, ending at or before `cut`, that have rows.
    pub(crate) fn ranges_before(&self, cut: i64, range: i64) -> BTreeSet<i64> {
        let mut starts = BTreeSet::new();
        let mut times = Vec::new();
        for timeline in self.timelines.iter().flatten() {
            if timeline.first_time().is_none_or(|first| first >= cut) {
                continue;
            }
            timeline.read(&mut times);
            let mut at = 0;
            while let Some(time) = times.get(at).filter(|time| **time < cut) {
                let start = time.div_euclid(range) * range;
                starts.insert(start);
                at += times[at..].partition_point(|time| *time < start.saturating_add(range));
            }
        }
        starts
    }

    /// How many samples before `cut` stand at the front of each track.
    pub(crate) fn before(&self, cut: i64) -> Taken {
        let mut rows: HashMap<u32, u32> = HashMap::new();
        let mut times = Vec::new();
        for (id, timeline) in self.timelines.iter().enumerate() {
            let Some(timeline) = timeline else { continue };
            if timeline.first_time().is_some_and(|first| first < cut) {
                timeline.read(&mut times);
                let before = times.partition_point(|time| *time < cut) as u32;
                rows.insert(id as u32, timeline.first_row() + before);
            }
        }
        let mut taken = Vec::new();
        for (id, series) in self.iter() {
            let mut counts = Vec::new();
            for track in series.tracks() {
                let Some(&end) = rows.get(&track.timeline) else {
                    continue;
                };
                let before = |(row, len): (u32, u32)| end.saturating_sub(row).min(len) as usize;
                let count = track.runs.iter().map(before).sum();
                if count > 0 {
                    counts.push((track.timeline, count));
                }
            }
            if !counts.is_empty() {
                taken.push((id, counts));
            }
        }
        taken
    }

    /// Takes out what is in blocks now, and with it the series that nobody writes to any more
    /// and the timelines without series.
    pub(crate) fn remove(&mut self, taken: &Taken, cut: i64) {
        for (id, counts) in taken {
            let Some(series) = self.get_mut(*id) else {
                continue;
            };
            for track in series.tracks_mut() {
                let counted = counts
                    .iter()
                    .find(|(timeline, _)| *timeline == track.timeline);
                if let Some((_, count)) = counted {
                    track.drop_front(*count);
                }
            }
            if let Some(others) = &mut series.others {
                others.retain(|track| !track.is_empty());
                if others.is_empty() {
                    series.others = None;
                }
            }
        }
        let unused = |series: &HeadSeries| series.holders == 0 && series.tracks().next().is_none();
        let gone: Vec<u32> = self
            .iter()
            .filter(|(_, series)| unused(series))
            .map(|(id, _)| id)
            .collect();
        self.forget(&gone);

        // Rows stay as long as any series, however far behind, stands on them.
        let mut first_rows: HashMap<u32, u32> = HashMap::new();
        for (_, series) in self.iter() {
            for track in series.tracks() {
                if let Some((row, _)) = track.runs.iter().next() {
                    let first = first_rows.entry(track.timeline).or_insert(row);
                    *first = (*first).min(row);
                }
            }
        }
        (self.min_time, self.max_time) = (None, None);
        let of_targets: HashSet<u32> = self.targets.iter().filter_map(|t| t.timeline).collect();
        for id in 0..self.timelines.len() as u32 {
            let Some(timeline) = self.timelines[id as usize].as_mut() else {
                continue;
            };
            match first_rows.get(&id) {
                Some(row) => timeline.drop_before(*row),
                None => timeline.drop_before(u32::MAX),
            }
            if let (Some(first), Some(last)) = (timeline.first_time(), timeline.last_time()) {
                self.min_time = Some(self.min_time.map_or(first, |min| min.min(first)));
                self.max_time = Some(self.max_time.map_or(last, |max| max.max(last)));
            } else if !of_targets.contains(&id) {
                self.timelines[id as usize] = None;
                self.free_timelines.push(id);
            }
        }
        if cut > i64::MIN {
            self.late = 0;
        }
        self.late_before = self.late_before.max(cut);
    }

    fn forget(&mut self, gone: &[u32]) {
        if gone.is_empty() {
            return;
        }
        let mut is_gone = vec![false; self.series.len()];
        for id in gone {
            is_gone[*id as usize] = true;
            if let Some(series) = self.series[*id as usize].take() {
                self.by_labels.remove(&series.labels);
            }
        }
        let is_gone = |id: u32| is_gone[id as usize];
        self.postings.remove(&is_gone);
        let mut order = self.order();
        order.sorted.retain(|id| !is_gone(*id));
        order.fresh.retain(|id| !is_gone(*id));
        drop(order);
        self.free.extend_from_slice(gone);
    }

    /// Sorts series by their labels.
    pub(crate) fn sort(&self, ids: &mut [u32]) {
        let mut order = self.order();
        let Order {
            sorted,
            rank,
            fresh,
        } = &mut *order;
        let labels = |id: &u32| self.get(*id).map(|series| &series.labels);
        if !fresh.is_empty() {
            if ids.len() < 64 {
                ids.sort_unstable_by(|a, b| labels(a).cmp(&labels(b)));
                return;
            }
            // The old part is in order already, which this sort makes use of.
            fresh.sort_unstable_by(|a, b| labels(a).cmp(&labels(b)));
            sorted.append(fresh);
            sorted.sort_by(|a, b| labels(a).cmp(&labels(b)));
            rank.clear();
            rank.resize(self.series.len(), 0);
            for (at, id) in sorted.iter().enumerate() {
                rank[*id as usize] = at as u32;
            }
        }
        ids.sort_unstable_by_key(|id| rank.get(*id as usize).copied());
    }

    fn order(&self) -> std::sync::MutexGuard<'_, Order> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this spelling of a family's metadata is new.
    pub(crate) fn is_new_metadata(&self, family: &str, metadata: &Metadata, most: usize) -> bool {
        match self.metadata.get(family) {
            Some(known) => known.last() != Some(metadata),
            None => self.metadata.len() < most,
        }
    }

    pub(crate) fn add_metadata(&mut self, family: &str, metadata: Metadata) {
        let known = match self.metadata.get_mut(family) {
            Some(known) => known,
            None => self.metadata.entry(family.to_owned()).or_default(),
        };
        known.retain(|old| *old != metadata);
        known.push(metadata);
        if known.len() > MAX_METADATA_OF_FAMILY {
            known.remove(0);
        }
    }

    /// Metadata by family; the latest spelling of each stands last.
    pub(crate) fn metadata(&self) -> &BTreeMap<String, Vec<Metadata>> {
        &self.metadata
    }
}
