//! A store on a disk in memory beside a plain map that says what must be in it.

use series::{
    Appended, Appender, Columns, Interrupt, Labels, Matcher, OneThread, Sample, ScrapeRows,
    SeriesSet, SeriesSource, TargetAppender, TimeRange, WriteSeries,
};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use store::{MemoryDisk, Options, Outage, RealDisk, Store};

/// Bits of values by time, by series.
pub(crate) type Plain = BTreeMap<Labels, BTreeMap<i64, u64>>;

pub(crate) const DIR: &str = "/data/1-wiki";

/// Small ranges, so that little data makes many blocks.
pub(crate) fn options() -> Options {
    Options {
        block_range: 20_000,
        compacted_range: 100_000,
        wal_segment_bytes: 4_000,
        checkpoint_bytes: 20_000,
        retention: 1 << 40,
        ..Options::default()
    }
}

pub(crate) struct Bench {
    pub(crate) disk: MemoryDisk,
    pub(crate) now: Arc<AtomicI64>,
    pub(crate) options: Options,
    pub(crate) store: Option<Store>,
    targets: BTreeMap<usize, Box<dyn TargetAppender>>,
    /// What was acknowledged.
    pub(crate) plain: Plain,
}

pub(crate) fn labels(target: usize, series: usize) -> Labels {
    Labels::new([
        ("__name__", format!("metric_{}", series % 3)),
        ("job", format!("job{target}")),
        ("n", format!("{series}")),
    ])
    .unwrap()
}

/// A store on the machine's own disk, with a log and checkpoints that are soon full.
pub(crate) fn open_real(dir: &Path, now: &Arc<AtomicI64>) -> Store {
    let now = Arc::clone(now);
    let options = Options {
        wal_segment_bytes: 20_000,
        checkpoint_bytes: 60_000,
        ..options()
    };
    let clock = Arc::new(move || now.load(Ordering::Relaxed));
    Store::open(Arc::new(RealDisk), dir, options, clock).unwrap()
}

impl Bench {
    pub(crate) fn new(disk: MemoryDisk, options: Options) -> Self {
        let mut bench = Self::unopened(disk, options);
        bench.open();
        bench
    }

    pub(crate) fn unopened(disk: MemoryDisk, options: Options) -> Self {
        Self {
            disk,
            now: Arc::new(AtomicI64::new(1_000_000)),
            options,
            store: None,
            targets: BTreeMap::new(),
            plain: Plain::new(),
        }
    }

    pub(crate) fn try_open(&mut self) -> store::Result<()> {
        let now = Arc::clone(&self.now);
        self.store = Some(Store::open(
            Arc::new(self.disk.clone()),
            Path::new(DIR),
            self.options.clone(),
            Arc::new(move || now.load(Ordering::Relaxed)),
        )?);
        Ok(())
    }

    pub(crate) fn open(&mut self) {
        self.try_open().unwrap();
    }

    pub(crate) fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    pub(crate) fn now(&self) -> i64 {
        self.now.load(Ordering::Relaxed)
    }

    pub(crate) fn advance(&self, milliseconds: i64) {
        self.now.fetch_add(milliseconds, Ordering::Relaxed);
    }

    pub(crate) fn stop(&mut self) {
        self.targets.clear();
        self.store = None;
    }

    pub(crate) fn restart(&mut self, outage: Outage) {
        self.stop();
        self.disk.restart(outage);
        self.open();
    }

    /// Scrapes a target now; what is acknowledged goes into the plain map.
    pub(crate) fn scrape(
        &mut self,
        target: usize,
        rows: &[(usize, f64)],
    ) -> series::Result<Appended> {
        let store = self.store.as_ref().unwrap();
        let appender = match self.targets.entry(target) {
            Entry::Occupied(open) => open.into_mut(),
            Entry::Vacant(place) => {
                let name = Labels::new([("target", target.to_string())]).unwrap();
                place.insert(store.target(&name)?)
            }
        };
        let time = self.now.load(Ordering::Relaxed);
        let mut by_ref = Vec::new();
        for (series, value) in rows {
            by_ref.push((appender.series(&labels(target, *series))?, *value));
        }
        let appended = appender.append(&ScrapeRows {
            time,
            rows: &by_ref,
            own: &[],
            exemplars: &[],
            metadata: &[],
        })?;
        let mut expected = Appended::default();
        for (series, value) in rows {
            accept(
                &mut self.plain,
                labels(target, *series),
                time,
                *value,
                &mut expected,
            );
        }
        assert_eq!(appended, expected);
        Ok(appended)
    }

    /// Writes series with times of their own.
    pub(crate) fn write(&mut self, series: &[WriteSeries]) -> series::Result<Appended> {
        let appended = self.store().write(series)?;
        let mut expected = Appended::default();
        for entry in series {
            for sample in &entry.samples {
                let labels = entry.labels.clone();
                accept(
                    &mut self.plain,
                    labels,
                    sample.time,
                    sample.value,
                    &mut expected,
                );
            }
        }
        assert_eq!(appended.stored, expected.stored);
        Ok(appended)
    }

    pub(crate) fn check(&self) {
        let found = read_all(self.store(), &[], TimeRange::ALL);
        assert_same(&found, &self.plain);
    }

    pub(crate) fn check_range(&self, matchers: &[Matcher], range: TimeRange) {
        let found = read_all(self.store(), matchers, range);
        assert_same(&found, &within(&self.plain, matchers, range));
    }
}

/// The rule by which samples are taken: only later ones.
fn accept(plain: &mut Plain, labels: Labels, time: i64, value: f64, counts: &mut Appended) {
    let series = plain.entry(labels).or_default();
    match series.get(&time) {
        Some(bits) if *bits == value.to_bits() => counts.duplicate += 1,
        Some(_) => counts.conflicting += 1,
        None if series
            .last_key_value()
            .is_some_and(|(last, _)| *last > time) =>
        {
            counts.out_of_order += 1;
        }
        None => {
            series.insert(time, value.to_bits());
            counts.stored += 1;
        }
    }
}

pub(crate) fn own(target: usize, series: usize, samples: &[(i64, f64)]) -> WriteSeries {
    WriteSeries {
        labels: labels(target, series),
        samples: samples
            .iter()
            .map(|(time, value)| Sample {
                time: *time,
                value: *value,
            })
            .collect(),
        exemplars: Vec::new(),
        metadata: None,
        extras: None,
    }
}

pub(crate) fn within(plain: &Plain, matchers: &[Matcher], range: TimeRange) -> Plain {
    plain
        .iter()
        .filter(|(labels, _)| {
            let fits = |m: &Matcher| m.matches(labels.get(m.name()).unwrap_or_default());
            matchers.iter().all(fits)
        })
        .map(|(labels, samples)| {
            let samples = samples.range(range.start..=range.end);
            (labels.clone(), samples.map(|(t, v)| (*t, *v)).collect())
        })
        .filter(|(_, samples): &(_, BTreeMap<i64, u64>)| !samples.is_empty())
        .collect()
}

/// Reads all that is selected, and checks on the way what a set promises.
pub(crate) fn read_all(store: &Store, matchers: &[Matcher], range: TimeRange) -> Plain {
    let set = store
        .select(matchers, range, &Interrupt::new(), &OneThread)
        .unwrap();
    read_set(&*set)
}

pub(crate) fn read_set(set: &dyn SeriesSet) -> Plain {
    let mut plain = Plain::new();
    let mut columns = Columns::default();
    let mut times = Vec::new();
    let mut last_labels = None;
    for at in 0..set.len() {
        assert!(
            last_labels.as_ref() < Some(set.labels(at)),
            "labels out of order"
        );
        last_labels = Some(set.labels(at).clone());
        set.read(at, &mut columns).unwrap();
        assert!(columns.values.len() <= set.sample_bound(at));
        let mut values = columns.values.as_slice();
        let mut samples = BTreeMap::new();
        let mut last = i64::MIN;
        for run in &columns.runs {
            assert!(run.len > 0);
            let (these, rest) = values.split_at(run.len);
            values = rest;
            set.read_times(run.timeline, &mut times).unwrap();
            assert!(times.is_sorted_by(|a, b| a < b), "times do not increase");
            if run.no_nan {
                assert!(!these.iter().any(|v| v.is_nan()));
            }
            if run.never_decreases {
                assert!(these.windows(2).all(|pair| pair[0] <= pair[1]));
                assert!(run.no_nan || !these.iter().any(|v| v.is_nan()));
            }
            for (time, value) in times[run.row..run.row + run.len].iter().zip(these) {
                assert!(last < *time, "runs do not follow each other");
                last = *time;
                samples.insert(*time, value.to_bits());
            }
        }
        assert!(values.is_empty());
        if !samples.is_empty() {
            plain.insert(set.labels(at).clone(), samples);
        }
    }
    plain
}

pub(crate) fn assert_same(found: &Plain, expected: &Plain) {
    for (labels, samples) in expected {
        let Some(there) = found.get(labels) else {
            panic!("{labels} is missing with {} samples", samples.len());
        };
        for (time, bits) in samples {
            assert_eq!(there.get(time), Some(bits), "{labels} at {time}");
        }
    }
    for (labels, samples) in found {
        let expected = expected.get(labels);
        for time in samples.keys() {
            let known = expected.is_some_and(|expected| expected.contains_key(time));
            assert!(known, "{labels} at {time} was invented");
        }
    }
}
