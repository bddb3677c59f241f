//! Writing: the store as an [`Appender`].
//!
//! A write is judged, then logged and synced, then put into the head, all under the writer's
//! lock: what is seen by readers is on disk, and what failed to reach the disk is nowhere.

use crate::error::{Result, StoreError};
use crate::head::{Head, Places, Verdict};
use crate::parts::{is_marker, is_part, refuse_part, take_apart};
use crate::shared::Shared;
use crate::store::Store;
use crate::wal::{put_exemplar, put_metadata, put_samples, put_scrape, put_series, put_target};
use series::{
    Appended, Appender, Exemplar, Labels, Metadata, Sample, ScrapeRows, SeriesRef, TargetAppender,
    WriteSeries,
};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

impl Appender for Store {
    fn target(&self, target: &Labels) -> series::Result<Box<dyn TargetAppender>> {
        let shared = self.shared();
        if shared.writer().is_none() {
            return Err(shared.closed().into());
        }
        let mut head = shared.head_mut();
        if head.targets.len() >= shared.options.max_targets && !head.knows_target(target) {
            return Err(StoreError::Limit {
                what: format!("targets, on adding {target}"),
                bound: "max_targets",
                limit: shared.options.max_targets as u64,
            }
            .into());
        }
        let target = head.target(target);
        Ok(Box::new(Session {
            shared: Arc::clone(shared),
            target,
            series: Vec::new(),
            free: Vec::new(),
            refs: HashMap::new(),
            seen: Vec::new(),
            scrape: 0,
            accepted: Vec::new(),
        }))
    }

    fn write(&self, series: &[WriteSeries]) -> series::Result<Appended> {
        for entry in series {
            refuse_part(&entry.labels)?;
        }
        let has_parts = series.iter().any(|entry| entry.extras.is_some());
        let apart = has_parts.then(|| take_apart(series));
        write(self.shared(), apart.as_deref().unwrap_or(series), has_parts).map_err(Into::into)
    }
}

/// An open target.
struct Session {
    shared: Arc<Shared>,
    target: u32,
    /// For each reference the series in the head.
    series: Vec<Option<u32>>,
    free: Vec<u32>,
    refs: HashMap<u32, u32>,
    /// For each reference the last scrape that brought it, to notice a series that comes twice.
    seen: Vec<u32>,
    scrape: u32,
    accepted: Vec<(u32, f64)>,
}

impl Session {
    fn id(&self, series: SeriesRef) -> Option<u32> {
        self.series.get(series.0 as usize).copied().flatten()
    }
}

impl TargetAppender for Session {
    fn series(&mut self, labels: &Labels) -> series::Result<SeriesRef> {
        refuse_part(labels)?;
        let id = hold(&self.shared, labels, i64::MAX)?;
        if let Some(known) = self.refs.get(&id) {
            // One hold for each reference.
            if let Some(series) = self.shared.head_mut().get_mut(id) {
                series.holders -= 1;
            }
            return Ok(SeriesRef(*known));
        }
        let at = self.free.pop().unwrap_or(self.series.len() as u32);
        if at as usize == self.series.len() {
            self.series.push(None);
            self.seen.push(0);
        }
        self.series[at as usize] = Some(id);
        self.refs.insert(id, at);
        Ok(SeriesRef(at))
    }

    fn release(&mut self, series: SeriesRef) {
        if let Some(id) = self.id(series) {
            self.series[series.0 as usize] = None;
            self.refs.remove(&id);
            self.free.push(series.0);
            if let Some(series) = self.shared.head_mut().get_mut(id) {
                series.holders = series.holders.saturating_sub(1);
            }
        }
    }

    fn append(&mut self, scrape: &ScrapeRows<'_>) -> series::Result<Appended> {
        let shared = Arc::clone(&self.shared);
        let appended = self.append_scrape(&shared, scrape);
        note(&shared, &appended);
        Ok(appended?)
    }
}

impl Session {
    fn append_scrape(&mut self, shared: &Shared, scrape: &ScrapeRows<'_>) -> Result<Appended> {
        let mut writer = shared.writer();
        let wal = writer.as_mut().ok_or_else(|| shared.closed())?;
        let segment = wal.prepare()?;
        let now = shared.clock.now();
        let mut batch = Batch::new(shared, now, segment);
        batch.last = (!scrape.own.is_empty()).then(HashMap::new);
        self.accepted.clear();
        self.scrape = self.scrape.wrapping_add(1);
        let head = shared.head();
        let in_bounds = batch.in_bounds(scrape.time);
        for &(series, value) in scrape.rows {
            let Some(id) = self.id(series) else {
                continue;
            };
            if !in_bounds {
                batch.appended.out_of_bounds += 1;
                continue;
            }
            let seen = &mut self.seen[series.0 as usize];
            if *seen == self.scrape {
                let first = self.accepted.iter().find(|row| row.0 == id);
                let same = first.is_some_and(|row| row.1.to_bits() == value.to_bits());
                batch.count(if same {
                    Verdict::Duplicate
                } else {
                    Verdict::Conflict
                });
                continue;
            }
            *seen = self.scrape;
            let verdict = head.verdict(id, scrape.time, value);
            batch.count(verdict);
            if verdict == Verdict::Store {
                self.accepted.push((id, value));
                batch.introduce(&head, id);
            }
        }
        for own in scrape.own {
            let Some(id) = self.id(own.series) else {
                continue;
            };
            // A row of the scrape itself comes first and bars older times.
            let row = (self.seen[own.series.0 as usize] == self.scrape)
                .then(|| self.accepted.iter().find(|row| row.0 == id))
                .flatten();
            let after = row.map(|row| (scrape.time, row.1));
            batch.own(&head, id, &[own.sample], after);
        }
        for row in scrape.exemplars {
            if let Some(id) = self.id(row.series) {
                batch.exemplar(&head, id, &row.exemplar);
            }
        }
        batch.metadata(
            &head,
            scrape
                .metadata
                .iter()
                .map(|(family, m)| (family.as_str(), m)),
        );
        let target = head.targets.get(self.target as usize);
        let target = target.map(|t| (t.labels.clone(), t.wal_segment != segment));
        drop(head);
        if self.accepted.is_empty() && batch.is_empty() {
            return Ok(batch.appended);
        }
        let mut introduction = Vec::new();
        if let Some((labels, true)) = &target
            && !self.accepted.is_empty()
        {
            put_target(&mut introduction, self.target, labels);
        }
        let repeated = batch.put_series(&mut introduction);
        wal.append(&introduction, repeated, |out| {
            if !self.accepted.is_empty() {
                put_scrape(out, self.target, scrape.time, &self.accepted);
            }
            batch.put_rest(out);
        })?;
        let mut head = shared.head_mut();
        if !self.accepted.is_empty() {
            if let Some(target) = head.targets.get_mut(self.target as usize) {
                target.wal_segment = segment;
            }
            head.add_scrape(self.target, scrape.time, &self.accepted);
        }
        Ok(batch.apply(&mut head))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let mut head = self.shared.head_mut();
        for id in self.series.iter().flatten() {
            if let Some(series) = head.get_mut(*id) {
                series.holders = series.holders.saturating_sub(1);
            }
        }
    }
}

/// Writes series; with `has_parts` some are parts of the series before them.
fn write(shared: &Shared, series: &[WriteSeries], has_parts: bool) -> Result<Appended> {
    let mut held = hold_known(shared, series);
    let mut written = Ok(Appended::default());
    for (entry, held) in series.iter().zip(&mut held) {
        if held.is_some() || !is_series(entry) {
            continue;
        }
        let first = entry.samples.first().map_or(i64::MAX, |sample| sample.time);
        match hold(shared, &entry.labels, first) {
            Ok(id) => *held = Some(id),
            Err(error) => {
                written = Err(error);
                break;
            }
        }
    }
    if written.is_ok() {
        written = write_held(shared, series, &held, has_parts);
        note(shared, &written);
    }
    let mut head = shared.head_mut();
    for id in held.into_iter().flatten() {
        if let Some(series) = head.get_mut(id) {
            series.holders = series.holders.saturating_sub(1);
        }
    }
    written
}

/// Some senders write metadata as entries of their own, which are no series.
fn is_series(entry: &WriteSeries) -> bool {
    !(entry.samples.is_empty() && entry.exemplars.is_empty())
}

/// Holds what the head has already, which nearly always is all, with one look into it.
fn hold_known(shared: &Shared, series: &[WriteSeries]) -> Vec<Option<u32>> {
    let mut head = shared.head_mut();
    let find = |entry: &WriteSeries| {
        let id = head.find(&entry.labels).filter(|_| is_series(entry))?;
        head.get_mut(id)?.holders += 1;
        Some(id)
    };
    series.iter().map(find).collect()
}

fn write_held(
    shared: &Shared,
    series: &[WriteSeries],
    ids: &[Option<u32>],
    has_parts: bool,
) -> Result<Appended> {
    let mut writer = shared.writer();
    let wal = writer.as_mut().ok_or_else(|| shared.closed())?;
    let segment = wal.prepare()?;
    let mut batch = Batch::new(shared, shared.clock.now(), segment);
    let mut sorted: Vec<u32> = ids.iter().copied().flatten().collect();
    sorted.sort_unstable();
    if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
        batch.last = Some(HashMap::new());
    }
    {
        let head = shared.head();
        // Where the samples of the series stand whose parts follow.
        let mut whole = 0..0;
        for (entry, id) in series.iter().zip(ids) {
            let Some(id) = id else { continue };
            if has_parts && is_part(&entry.labels) {
                batch.part(&head, *id, &entry.samples, whole.clone());
                continue;
            }
            whole.start = batch.samples.len();
            batch.own(&head, *id, &entry.samples, None);
            whole.end = batch.samples.len();
            if has_parts {
                batch.count_histograms(whole.clone());
            }
            for exemplar in &entry.exemplars {
                batch.exemplar(&head, *id, exemplar);
            }
        }
        let metadata = series
            .iter()
            .filter_map(|entry| Some((entry.labels.metric_name()?, entry.metadata.as_ref()?)));
        batch.metadata(&head, metadata);
    }
    if batch.is_empty() {
        return Ok(batch.appended);
    }
    let mut introduction = Vec::new();
    let repeated = batch.put_series(&mut introduction);
    wal.append(&introduction, repeated, |out| batch.put_rest(out))?;
    Ok(batch.apply(&mut shared.head_mut()))
}

/// Remembers whether writing works, for health.
fn note(shared: &Shared, written: &Result<Appended>) {
    let mut health = shared.health();
    match written {
        Ok(_) => {
            if health.write_error.is_some() {
                health.write_error = None;
            }
        }
        Err(error) => health.write_error = Some(error.to_string()),
    }
}

/// Finds or makes a series and keeps it from being forgotten. `first` is the oldest time that
/// is going to be written, `i64::MAX` when that is now.
fn hold(shared: &Shared, labels: &Labels, first: i64) -> Result<u32> {
    {
        let mut head = shared.head_mut();
        if let Some(id) = head.find(labels)
            && let Some(series) = head.get_mut(id)
        {
            series.holders += 1;
            return Ok(id);
        }
    }
    let options = &shared.options;
    let limit = |what: String, bound: &'static str, limit: usize| StoreError::Limit {
        what,
        bound,
        limit: limit as u64,
    };
    if labels.len() > options.max_labels {
        let what = format!("labels of a series, {}", labels.len());
        return Err(limit(what, "max_labels", options.max_labels));
    }
    if labels.heap_size() > options.max_labels_bytes {
        let what = format!("bytes of a series's labels, {}", labels.heap_size());
        return Err(limit(what, "max_labels_bytes", options.max_labels_bytes));
    }
    // Blocks may know the series, and then it goes on where they end.
    let mut last = None;
    for block in shared.blocks().iter() {
        let max_time = block.footer().max_time;
        if max_time >= first || (first == i64::MAX && max_time >= shared.clock.now()) {
            // A block that cannot be read does not keep new samples out.
            let known = block
                .index(shared.next_use())
                .and_then(|index| block.last_sample(&index, labels));
            match known {
                Ok(time) => last = last.max(time),
                Err(error) => shared.report(block.path(), error.to_string()),
            }
        }
    }
    let mut head = shared.head_mut();
    if head.find(labels).is_none() && head.len() >= options.max_series {
        let what = format!("series in memory, on adding {labels}");
        return Err(limit(what, "max_series", options.max_series));
    }
    // The value is not worth reading for: the same sample again counts as a conflict then.
    let id = head.create(labels, last.map(|time| (time, f64::NAN)));
    if let Some(series) = head.get_mut(id) {
        series.holders += 1;
    }
    Ok(id)
}

/// A series that is introduced to a segment of the log.
struct Introduction {
    id: u32,
    labels: Labels,
    /// Whether an older segment knew it.
    repeats: bool,
}

/// What one write brings besides a target's rows.
struct Batch<'a> {
    shared: &'a Shared,
    segment: u64,
    oldest: i64,
    newest: i64,
    appended: Appended,
    /// Series that the segment does not know yet.
    fresh: Vec<Introduction>,
    fresh_ids: std::collections::HashSet<u32>,
    samples: Vec<(u32, Sample)>,
    /// The last sample of each series in this write, where one may come twice.
    last: Option<HashMap<u32, (i64, f64)>>,
    exemplars: Vec<(u32, Labels, Exemplar)>,
    metadata: Vec<(String, Metadata)>,
}

impl<'a> Batch<'a> {
    fn new(shared: &'a Shared, now: i64, segment: u64) -> Self {
        Self {
            shared,
            segment,
            oldest: now.saturating_sub(shared.options.retention),
            newest: now.saturating_add(shared.options.max_future),
            appended: Appended::default(),
            fresh: Vec::new(),
            fresh_ids: std::collections::HashSet::new(),
            samples: Vec::new(),
            last: None,
            exemplars: Vec::new(),
            metadata: Vec::new(),
        }
    }

    fn in_bounds(&self, time: i64) -> bool {
        self.oldest <= time && time <= self.newest
    }

    fn is_empty(&self) -> bool {
        self.samples.is_empty() && self.exemplars.is_empty() && self.metadata.is_empty()
    }

    fn count(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Store => self.appended.stored += 1,
            Verdict::Duplicate => self.appended.duplicate += 1,
            Verdict::Conflict => self.appended.conflicting += 1,
            Verdict::OutOfOrder => self.appended.out_of_order += 1,
        }
    }

    /// Has the series introduced in the log, once in every segment.
    fn introduce(&mut self, head: &Head, id: u32) {
        let Some(series) = head.get(id) else { return };
        if series.wal_segment != self.segment && self.fresh_ids.insert(id) {
            self.fresh.push(Introduction {
                id,
                labels: series.labels.clone(),
                repeats: series.wal_segment > 0,
            });
        }
    }

    /// Judges samples of one series; `after` is what this write already brought of it.
    fn own(&mut self, head: &Head, id: u32, samples: &[Sample], after: Option<(i64, f64)>) {
        let known = self.last.as_ref().and_then(|last| last.get(&id));
        let mut last = known.copied().max_by_time(after);
        for sample in samples {
            if !self.in_bounds(sample.time) {
                self.appended.out_of_bounds += 1;
                continue;
            }
            let verdict = match last {
                Some((time, _)) if time < sample.time => Verdict::Store,
                Some((time, value)) if time == sample.time => {
                    if value.to_bits() == sample.value.to_bits() {
                        Verdict::Duplicate
                    } else {
                        Verdict::Conflict
                    }
                }
                Some(_) => match head.verdict(id, sample.time, sample.value) {
                    Verdict::Store => Verdict::OutOfOrder,
                    verdict => verdict,
                },
                None => head.verdict(id, sample.time, sample.value),
            };
            self.count(verdict);
            if verdict == Verdict::Store {
                self.samples.push((id, *sample));
                last = Some((sample.time, sample.value));
                self.introduce(head, id);
            }
        }
        if let (Some(known), Some(last)) = (&mut self.last, last) {
            known.insert(id, last);
        }
    }

    /// Takes the parts of those samples of this write, `whole`, that are to be stored.
    fn part(&mut self, head: &Head, id: u32, parts: &[Sample], whole: Range<usize>) {
        let before = self.samples.len();
        for part in parts {
            let of = &self.samples[whole.clone()];
            if of.binary_search_by_key(&part.time, |(_, s)| s.time).is_ok() {
                self.samples.push((id, *part));
            }
        }
        if self.samples.len() > before {
            self.introduce(head, id);
        }
    }

    fn count_histograms(&mut self, samples: Range<usize>) {
        let histograms = self.samples[samples].iter();
        let histograms = histograms.filter(|(_, sample)| is_marker(sample.value));
        self.appended.histograms += histograms.count() as u64;
    }

    fn exemplar(&mut self, head: &Head, id: u32, exemplar: &Exemplar) {
        let Some(series) = head.get(id) else { return };
        let fits = self.shared.options.max_exemplars > 0
            && self.in_bounds(exemplar.sample.time)
            && head.exemplars.is_new(&series.labels, exemplar)
            && self
                .exemplars
                .iter()
                .rev()
                .find(|(other, _, _)| *other == id)
                .is_none_or(|(_, _, last)| last.sample.time < exemplar.sample.time);
        if fits {
            self.introduce(head, id);
            self.exemplars
                .push((id, series.labels.clone(), exemplar.clone()));
        }
    }

    fn metadata<'m>(
        &mut self,
        head: &Head,
        metadata: impl Iterator<Item = (&'m str, &'m Metadata)>,
    ) {
        for (family, metadata) in metadata {
            let new = head.is_new_metadata(family, metadata, self.shared.options.max_metadata);
            let repeated = |(f, m): &(String, Metadata)| f == family && m == metadata;
            if new && !self.metadata.iter().any(repeated) {
                self.metadata.push((family.to_owned(), metadata.clone()));
            }
        }
    }

    /// Introduces series to the segment, and says how many of the bytes older segments had too.
    fn put_series(&self, out: &mut Vec<u8>) -> u64 {
        let mut repeated = 0;
        for fresh in &self.fresh {
            let before = out.len();
            put_series(out, fresh.id, &fresh.labels);
            if fresh.repeats {
                repeated += (out.len() - before) as u64;
            }
        }
        repeated
    }

    fn put_rest(&self, out: &mut Vec<u8>) {
        if !self.samples.is_empty() {
            put_samples(out, &self.samples);
        }
        for (id, _, exemplar) in &self.exemplars {
            put_exemplar(out, *id, exemplar);
        }
        for (family, metadata) in &self.metadata {
            put_metadata(out, family, metadata);
        }
    }

    /// Puts all into the head, behind the log.
    fn apply(self, head: &mut Head) -> Appended {
        for fresh in &self.fresh {
            if let Some(series) = head.get_mut(fresh.id) {
                series.wal_segment = self.segment;
            }
        }
        let mut places = Places::default();
        let mut samples = Vec::new();
        for group in self.samples.chunk_by(|a, b| a.0 == b.0) {
            samples.clear();
            samples.extend(group.iter().map(|(_, sample)| *sample));
            head.add_samples(group[0].0, &samples, &mut places);
        }
        let mut appended = self.appended;
        for (_, labels, exemplar) in self.exemplars {
            head.exemplars
                .push(&labels, exemplar, self.shared.options.max_exemplars);
            appended.exemplars += 1;
        }
        for (family, metadata) in self.metadata {
            head.add_metadata(&family, metadata);
        }
        appended
    }
}

trait MaxByTime {
    fn max_by_time(self, other: Self) -> Self;
}

impl MaxByTime for Option<(i64, f64)> {
    fn max_by_time(self, other: Self) -> Self {
        match (self, other) {
            (Some(a), Some(b)) => Some(if a.0 >= b.0 { a } else { b }),
            (a, b) => a.or(b),
        }
    }
}
