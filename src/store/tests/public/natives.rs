//! Native histograms and start times, which are kept in parts and read whole.

use crate::bench::{Bench, labels, options, own, read_all};
use series::{
    Appender, Bucket, Extras, Histogram, Interrupt, LabelQuery, Labels, OneThread, ResetHint,
    STALE_NAN, SeriesSource, TimeRange, WriteSeries,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use store::{MemoryDisk, Options, Outage};

/// What was written, by series and time.
type Whole = BTreeMap<Labels, BTreeMap<i64, Arc<Histogram>>>;

/// A histogram that looks different at each time: buckets come and go, and the layout changes.
fn histogram(round: i64) -> Histogram {
    let mut histogram = Histogram {
        schema: (round / 40 % 5) as i8,
        count: 3.0 * round as f64,
        sum: round as f64 * 0.1,
        zero_threshold: 1e-128,
        zero_count: (round % 3) as f64,
        ..Histogram::default()
    };
    let bucket = |index: i64, count: i64| Bucket {
        index: index as i32,
        count: count as f64,
    };
    for index in -3..round % 7 {
        histogram.positive.push(bucket(2 * index, round + index));
    }
    if round % 5 == 0 {
        histogram.negative.push(bucket(1, round));
    }
    histogram.reset_hint = match round % 11 {
        0 => ResetHint::Reset,
        1 => ResetHint::Gauge,
        2 => ResetHint::NotReset,
        _ => ResetHint::Unknown,
    };
    if round % 30 > 20 {
        let bounds = [0.1, 0.5, 1.0, round as f64];
        histogram = Histogram {
            schema: Histogram::CUSTOM_SCHEMA,
            count: 7.0,
            sum: f64::NAN,
            positive: vec![bucket(0, 3), bucket(4, 4)],
            custom_bounds: Some(bounds[..3 + (round % 2) as usize].into()),
            ..Histogram::default()
        };
    }
    if round % 50 == 49 {
        histogram = Histogram {
            sum: STALE_NAN,
            ..Histogram::default()
        };
    }
    histogram
}

fn with_histograms(labels: &Labels, histograms: Vec<(i64, Arc<Histogram>)>) -> WriteSeries {
    WriteSeries {
        labels: labels.clone(),
        samples: series::FewSamples::new(),
        exemplars: Vec::new(),
        metadata: None,
        extras: Some(Box::new(Extras {
            histograms,
            start_times: Vec::new(),
        })),
    }
}

/// Two series of histograms and one of numbers, and one of both, over several blocks.
fn filled(disk: MemoryDisk) -> (Bench, Whole) {
    let mut bench = Bench::new(disk, options());
    let mut whole = Whole::new();
    for round in 1..170 {
        bench.advance(1000);
        let now = bench.now();
        let mut written = Vec::new();
        for series in 0..3 {
            // The third is made of numbers and histograms by turns.
            if series == 2 && round % 3 != 0 {
                continue;
            }
            let histogram = Arc::new(histogram(round + series));
            let labels = labels(1, series as usize);
            let known = whole.entry(labels.clone()).or_default();
            known.insert(now, Arc::clone(&histogram));
            written.push(with_histograms(&labels, vec![(now, histogram)]));
        }
        let stored = bench.store().write(&written).unwrap();
        assert_eq!(stored.stored, written.len() as u64);
        assert_eq!(stored.histograms, written.len() as u64);
        let mut numbers = vec![own(2, 0, &[(now, round as f64)])];
        if round % 3 != 0 {
            numbers.push(own(1, 2, &[(now, round as f64 / 3.0)]));
        }
        bench.write(&numbers).unwrap();
        if round % 10 == 0 {
            bench.store().maintain().unwrap();
        }
    }
    (bench, whole)
}

fn read(bench: &Bench, range: TimeRange) -> (Whole, Vec<String>) {
    let set = bench
        .store()
        .select(&[], range, &Interrupt::new(), &OneThread)
        .unwrap();
    let mut whole = Whole::new();
    let mut extras = Extras::default();
    for series in 0..set.len() {
        set.read_extras(series, &mut extras).unwrap();
        let found: BTreeMap<_, _> = extras.histograms.drain(..).collect();
        if !found.is_empty() {
            whole.insert(set.labels(series).clone(), found);
        }
    }
    (whole, set.warnings())
}

/// Bit by bit, for a NaN equals none.
fn assert_same(found: &Whole, expected: &Whole) {
    assert_eq!(format!("{found:?}"), format!("{expected:?}"));
}

#[test]
fn histograms_are_read_as_they_were_written() {
    let (mut bench, whole) = filled(MemoryDisk::new());
    let check = |bench: &Bench| {
        let (found, warnings) = read(bench, TimeRange::ALL);
        assert_eq!(warnings, [] as [String; 0]);
        assert_same(&found, &whole);
        // The numbers beside them are the numbers alone.
        bench.check();
        let range = TimeRange {
            start: 1_037_500,
            end: 1_104_000,
        };
        let mut within = whole.clone();
        for times in within.values_mut() {
            times.retain(|time, _| range.contains(*time));
        }
        assert_same(&read(bench, range).0, &within);
    };
    check(&bench);
    assert!(bench.store().statistics().blocks > 1);
    bench.restart(Outage::PowerCut);
    check(&bench);
    bench.store().close().unwrap();
    bench.restart(Outage::Kill);
    check(&bench);
    bench.advance(200_000);
    bench.store().maintain().unwrap();
    check(&bench);
}

#[test]
fn nobody_sees_the_parts() {
    let (bench, whole) = filled(MemoryDisk::new());
    let everything = LabelQuery {
        selectors: &[],
        range: TimeRange::ALL,
        limit: None,
    };
    let interrupt = Interrupt::new();
    let store = bench.store();
    let names = store.label_names(&everything, &interrupt).unwrap();
    assert_eq!(names.entries, ["__name__", "job", "n"]);
    let all = [vec![series::Matcher::equal("job", "job1")]];
    let of_some = LabelQuery {
        selectors: &all,
        ..everything
    };
    let names = store.label_names(&of_some, &interrupt).unwrap();
    assert_eq!(names.entries, ["__name__", "job", "n"]);
    let series = store.series(&of_some, &interrupt).unwrap();
    assert_eq!(series.entries, whole.into_keys().collect::<Vec<_>>());
    for query in [&everything, &of_some] {
        let values = store.label_values("\0part", query, &interrupt).unwrap();
        assert_eq!(values.entries, [] as [String; 0]);
    }
    let found = read_all(store, &[], TimeRange::ALL);
    assert_eq!(found.len(), 2, "numbers stand in two series");
}

#[test]
fn a_histogram_is_written_once() {
    let bench = Bench::new(MemoryDisk::new(), options());
    let labels = labels(0, 0);
    let write = |time: i64, round: i64| {
        let entry = with_histograms(&labels, vec![(time, Arc::new(histogram(round)))]);
        bench.store().write(&[entry]).unwrap()
    };
    assert_eq!(write(1_000_000, 1).histograms, 1);
    let again = write(1_000_000, 1);
    assert_eq!((again.stored, again.histograms, again.duplicate), (0, 0, 1));
    // Another one at the same time, of which a bucket would be new, leaves nothing behind.
    let other = write(1_000_000, 6);
    assert_eq!((other.stored, other.conflicting), (0, 1));
    assert_eq!(write(1_000_500, 2).histograms, 1);
    assert_eq!(write(1_000_400, 3).out_of_order, 1);
    let number = bench
        .store()
        .write(&[WriteSeries {
            labels: labels.clone(),
            ..own(0, 0, &[(1_000_500, 1.0), (1_000_600, 2.0)])
        }])
        .unwrap();
    assert_eq!((number.stored, number.conflicting), (1, 1));
    let (found, _) = read(&bench, TimeRange::ALL);
    let expected = [(1_000_000, 1), (1_000_500, 2)];
    let expected = expected.map(|(time, round)| (time, Arc::new(histogram(round))));
    assert_same(&found, &Whole::from([(labels, BTreeMap::from(expected))]));
}

#[test]
fn start_times_stand_beside_their_numbers() {
    let mut bench = Bench::new(MemoryDisk::new(), options());
    let samples: Vec<(i64, f64)> = (0..90).map(|at| (1_000_000 + at, at as f64)).collect();
    let mut entry = own(0, 0, &samples);
    let start_times: Vec<i64> = (0..90).map(|at| [0, 999_000, 999_500][at / 30]).collect();
    entry.extras = Some(Box::new(Extras {
        histograms: Vec::new(),
        start_times: start_times.clone(),
    }));
    bench.write(&[entry]).unwrap();
    let check = |bench: &Bench| {
        let set = bench
            .store()
            .select(&[], TimeRange::ALL, &Interrupt::new(), &OneThread);
        let set = set.unwrap();
        let mut extras = Extras::default();
        set.read_extras(0, &mut extras).unwrap();
        assert_eq!(extras.start_times, start_times);
    };
    check(&bench);
    bench.restart(Outage::PowerCut);
    check(&bench);
    bench.advance(100_000);
    let later = bench.now();
    bench.store().write(&[own(0, 1, &[(later, 1.0)])]).unwrap();
    bench.store().maintain().unwrap();
    assert_eq!(bench.store().statistics().blocks, 1);
    check(&bench);
}

/// A flipped byte may cost histograms, and then somebody is told; it never changes one.
#[test]
fn a_damaged_part_is_no_other_histogram() {
    let (mut bench, whole) = filled(MemoryDisk::new());
    bench.stop();
    bench.disk.restart(Outage::Kill);
    let blocks = bench.disk.files().into_iter();
    let (path, bytes) = blocks
        .filter(|(path, _)| {
            path.file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with("block-")
        })
        .max_by_key(|(_, bytes)| bytes.len())
        .unwrap();
    let mut missing = 0;
    for at in (0..bytes.len()).step_by(131) {
        let disk = bench.disk.copy();
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        disk.put(&path, damaged);
        let mut other = Bench::unopened(disk, bench.options.clone());
        other.advance(bench.now() - other.now());
        other.open();
        let (found, warnings) = read(&other, TimeRange::ALL);
        let mut lost = 0;
        for (labels, times) in &whole {
            let there = found.get(labels);
            for (time, histogram) in times {
                match there.and_then(|there| there.get(time)) {
                    Some(found) => assert_eq!(format!("{found:?}"), format!("{histogram:?}")),
                    None => lost += 1,
                }
            }
        }
        let told = !warnings.is_empty() || !other.store().health().damage.is_empty();
        assert!(lost == 0 || told, "{lost} lost at byte {at} without a word");
        missing += lost;
    }
    assert!(missing > 0, "no flip hit anything");
}

#[test]
fn a_label_of_the_stores_own_is_refused() {
    let bench = Bench::new(MemoryDisk::new(), Options::default());
    let labels = Labels::new([("\0part", "count"), ("__name__", "a")]).unwrap();
    let entry = WriteSeries {
        labels: labels.clone(),
        ..own(0, 0, &[(1_000_000, 1.0)])
    };
    let error = bench.store().write(&[entry]).unwrap_err().to_string();
    assert!(error.contains("the store's own"), "{error}");
    let target = Labels::new([("target", "a")]).unwrap();
    let mut target = bench.store().target(&target).unwrap();
    assert!(target.series(&labels).is_err());
    assert_eq!(bench.store().statistics().head_series, 0);
}
