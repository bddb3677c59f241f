//! What a writer is promised, besides its samples.

use crate::bench::{Bench, assert_same, labels, options, own, read_all, read_set, within};
use series::{
    Appended, Appender, Exemplar, ExemplarRow, Interrupt, Labels, Matcher, Metadata, MetricKind,
    OneThread, OwnRow, Sample, ScrapeRows, SeriesSource, TargetAppender, TimeRange, Workers,
    WriteSeries,
};
use std::sync::atomic::{AtomicUsize, Ordering};
use store::{MemoryDisk, Options, Outage};

fn target(bench: &Bench, name: &str) -> Box<dyn TargetAppender> {
    let labels = Labels::new([("target", name)]).unwrap();
    bench.store().target(&labels).unwrap()
}

fn rows<'a>(time: i64, rows: &'a [(series::SeriesRef, f64)]) -> ScrapeRows<'a> {
    ScrapeRows {
        time,
        rows,
        own: &[],
        exemplars: &[],
        metadata: &[],
    }
}

fn values(bench: &Bench, labels: &Labels) -> Vec<(i64, f64)> {
    let matchers: Vec<_> = labels.iter().map(|(n, v)| Matcher::equal(n, v)).collect();
    let found = read_all(bench.store(), &matchers, TimeRange::ALL);
    let samples = found.get(labels).cloned().unwrap_or_default();
    samples
        .into_iter()
        .map(|(t, v)| (t, f64::from_bits(v)))
        .collect()
}

fn exemplar(trace: &str, time: i64) -> Exemplar {
    Exemplar {
        labels: Labels::new([("trace_id", trace)]).unwrap(),
        sample: Sample { time, value: 0.5 },
    }
}

#[test]
fn exemplars_and_metadata_survive_the_log_and_the_checkpoint() {
    let mut bench = Bench::new(MemoryDisk::new(), options());
    let now = bench.now();
    let known = |help: &str| Metadata {
        kind: MetricKind::Counter,
        help: help.into(),
        unit: "seconds".into(),
    };
    {
        let mut appender = target(&bench, "a");
        let series = appender.series(&labels(0, 0)).unwrap();
        let metadata = [
            ("metric_0".to_owned(), known("old")),
            ("metric_0".to_owned(), known("new")),
        ];
        for (round, stored) in [(0, 1), (1, 0), (2, 1)] {
            // The second page repeats the exemplar of the first.
            let row = ExemplarRow {
                series,
                exemplar: exemplar(if round < 2 { "t1" } else { "t2" }, now + round / 2 * 500),
            };
            let appended = appender
                .append(&ScrapeRows {
                    exemplars: &[row],
                    metadata: &metadata,
                    ..rows(now + round * 1000, &[(series, 1.0)])
                })
                .unwrap();
            assert_eq!(appended.exemplars, stored, "round {round}");
            bench.advance(1000);
        }
    }
    let check = |bench: &Bench| {
        let selectors = [vec![Matcher::equal("__name__", "metric_0")]];
        let found = bench
            .store()
            .exemplars(&selectors, TimeRange::ALL, &Interrupt::new())
            .unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].labels, labels(0, 0));
        assert_eq!(
            found[0].exemplars,
            [exemplar("t1", now), exemplar("t2", now + 500)]
        );
        let expected = vec![("metric_0".to_owned(), vec![known("new"), known("old")])];
        assert_eq!(bench.store().metadata(None), expected);
        assert_eq!(bench.store().metadata(Some("metric_0")), expected);
        assert_eq!(bench.store().metadata(Some("metric_1")), []);
    };
    check(&bench);
    bench.restart(Outage::PowerCut);
    check(&bench);
    bench.store().close().unwrap();
    bench.restart(Outage::PowerCut);
    check(&bench);
}

#[test]
fn metadata_alone_makes_no_series() {
    let bench = Bench::new(MemoryDisk::new(), options());
    let metadata = Metadata {
        help: "Requests.".into(),
        ..Metadata::default()
    };
    let entry = WriteSeries {
        labels: Labels::new([("__name__", "requests_total")]).unwrap(),
        samples: series::FewSamples::new(),
        exemplars: Vec::new(),
        metadata: Some(metadata.clone()),
        extras: None,
    };
    let written = bench.store().write(&[entry]).unwrap();
    assert_eq!(written, Appended::default());
    assert_eq!(bench.store().statistics().head_series, 0);
    let expected = vec![("requests_total".to_owned(), vec![metadata])];
    assert_eq!(bench.store().metadata(None), expected);
}

#[test]
fn rows_with_times_of_their_own_stand_beside_the_scrape() {
    let mut bench = Bench::new(MemoryDisk::new(), options());
    let start = bench.now();
    let mut appender = target(&bench, "a");
    let scraped = appender.series(&labels(0, 0)).unwrap();
    let stamped = appender.series(&labels(0, 1)).unwrap();
    for round in 0..50 {
        bench.advance(1000);
        let time = bench.now();
        let sample = Sample {
            time: time - 300,
            value: f64::from(round),
        };
        // Both the scrape's row and an older time of its own: the older one comes too late.
        let own = [
            OwnRow {
                series: stamped,
                sample,
            },
            OwnRow {
                series: scraped,
                sample,
            },
        ];
        let appended = appender
            .append(&ScrapeRows {
                own: &own,
                ..rows(time, &[(scraped, 1.0)])
            })
            .unwrap();
        assert_eq!((appended.stored, appended.out_of_order), (2, 1));
        bench.store().maintain().unwrap();
    }
    drop(appender);
    for _ in 0..2 {
        let own = values(&bench, &labels(0, 1));
        let expected: Vec<_> = (0..50)
            .map(|round| (start + 700 + round * 1000, round as f64))
            .collect();
        assert_eq!(own, expected);
        assert_eq!(values(&bench, &labels(0, 0)).len(), 50);
        bench.restart(Outage::Kill);
    }
}

#[test]
fn two_appenders_of_one_target_write_side_by_side() {
    let mut bench = Bench::new(MemoryDisk::new(), options());
    let start = bench.now();
    bench.advance(60_000);
    let (mut a, mut b) = (target(&bench, "a"), target(&bench, "a"));
    let first = a.series(&labels(0, 0)).unwrap();
    let shared = a.series(&labels(0, 2)).unwrap();
    let second = b.series(&labels(0, 1)).unwrap();
    let also_shared = b.series(&labels(0, 2)).unwrap();
    for round in 0..30 {
        // The second runs behind the first in time.
        let time = start + round * 1000;
        let both = a
            .append(&rows(time + 700, &[(first, 1.0), (shared, 1.0)]))
            .unwrap();
        assert_eq!(both.stored, 2);
        let late = b
            .append(&rows(time, &[(second, 2.0), (also_shared, 2.0)]))
            .unwrap();
        assert_eq!((late.stored, late.out_of_order), (1, 1));
    }
    drop((a, b));
    for _ in 0..2 {
        assert_eq!(values(&bench, &labels(0, 0)).len(), 30);
        assert_eq!(values(&bench, &labels(0, 1)).len(), 30);
        assert!(
            values(&bench, &labels(0, 2))
                .iter()
                .all(|(_, value)| *value == 1.0)
        );
        bench.restart(Outage::PowerCut);
    }
}

#[test]
fn a_series_that_stands_twice_in_a_scrape_counts_once() {
    let bench = Bench::new(MemoryDisk::new(), options());
    let mut appender = target(&bench, "a");
    let series = appender.series(&labels(0, 0)).unwrap();
    assert_eq!(appender.series(&labels(0, 0)).unwrap(), series);
    let page = [(series, 1.0), (series, 1.0), (series, 2.0)];
    let expected = Appended {
        stored: 1,
        duplicate: 1,
        conflicting: 1,
        ..Appended::default()
    };
    assert_eq!(
        appender.append(&rows(bench.now(), &page)).unwrap(),
        expected
    );
}

#[test]
fn a_released_series_can_come_back() {
    let mut bench = Bench::new(MemoryDisk::new(), options());
    let start = bench.now();
    let mut appender = target(&bench, "a");
    for round in 0..200 {
        bench.advance(1000);
        let series = appender.series(&labels(0, round % 5)).unwrap();
        appender
            .append(&rows(bench.now(), &[(series, round as f64)]))
            .unwrap();
        appender.release(series);
        if round % 10 == 0 {
            bench.store().maintain().unwrap();
        }
    }
    drop(appender);
    bench.restart(Outage::Kill);
    for series in 0..5 {
        let expected: Vec<_> = (0..200)
            .filter(|round| round % 5 == series as i64)
            .map(|round| (start + (round + 1) * 1000, round as f64))
            .collect();
        assert_eq!(values(&bench, &labels(0, series)), expected);
    }
}

#[test]
fn remote_written_series_of_one_job_share_their_times() {
    let mut bench = Bench::new(MemoryDisk::new(), options());
    for _ in 0..120 {
        bench.advance(1000);
        let now = bench.now();
        // Two jobs, whose requests alternate.
        for job in 0..2 {
            let batch: Vec<WriteSeries> = (0..5)
                .map(|series| own(job, series, &[(now - 100 * job as i64, series as f64)]))
                .collect();
            bench.write(&batch).unwrap();
        }
    }
    for _ in 0..2 {
        let set = bench
            .store()
            .select(&[], TimeRange::ALL, &Interrupt::new(), &OneThread)
            .unwrap();
        assert_eq!((set.len(), set.timelines()), (10, 2));
        bench.store().maintain().unwrap();
        bench.check();
    }
}

#[test]
fn backfilled_days_become_blocks_and_come_back_once() {
    let mut bench = Bench::new(MemoryDisk::new(), options());
    bench.advance(10_000_000);
    let from = bench.now() - 900_000;
    for series in 0..3 {
        let samples: Vec<_> = (0..800).map(|i| (from + i * 1000, i as f64)).collect();
        bench.write(&[own(0, series, &samples)]).unwrap();
    }
    let done = bench.store().maintain().unwrap();
    assert!(done.flushed > 30 && done.compacted > 5, "{done:?}");
    bench.check();
    bench.restart(Outage::PowerCut);
    bench.check();
    // The same again, as a sender that saw no answer would: nothing is new.
    let again: Vec<_> = (0..800).map(|i| (from + i * 1000, i as f64)).collect();
    let appended = bench.write(&[own(0, 0, &again)]).unwrap();
    assert_eq!(appended.stored, 0);
    bench.check();
}

#[test]
fn many_series_are_not_introduced_anew_with_every_scrape() {
    // Their labels alone are longer than a segment and than what calls for a checkpoint.
    let mut bench = Bench::new(MemoryDisk::new(), options());
    for round in 0..30 {
        let rows: Vec<_> = (0..300).map(|series| (series, f64::from(round))).collect();
        bench.scrape(0, &rows).unwrap();
        bench.store().maintain().unwrap();
        bench.advance(100);
    }
    let newest = newest_segment(&bench);
    assert!(newest < 10, "{newest} segments for 30 scrapes");
    bench.restart(Outage::PowerCut);
    bench.check();
}

#[test]
fn series_that_are_new_with_every_scrape_do_not_let_the_log_grow() {
    let mut bench = Bench::new(MemoryDisk::new(), options());
    for round in 0..20 {
        let rows: Vec<_> = (0..100).map(|series| (round * 100 + series, 1.0)).collect();
        bench.scrape(0, &rows).unwrap();
        bench.store().maintain().unwrap();
        bench.advance(100);
    }
    // Their introductions are most of the log, and a checkpoint makes it short.
    let newest = newest_segment(&bench);
    assert!(
        newest >= 10,
        "{newest} segments for 20 scrapes of new series"
    );
    bench.restart(Outage::PowerCut);
    bench.check();
}

/// Does the last part first, and every other on a thread of its own.
struct Backwards(AtomicUsize);

impl Workers for Backwards {
    fn run(&self, count: usize, work: &(dyn Fn(usize) + Sync)) {
        self.0.fetch_add(count, Ordering::Relaxed);
        for at in (0..count).rev() {
            if at % 2 == 0 {
                work(at);
            } else {
                std::thread::scope(|scope| scope.spawn(|| work(at)).join().unwrap());
            }
        }
    }
}

#[test]
fn blocks_that_are_gathered_side_by_side_and_share_some_series_are_one_set() {
    let options = Options {
        compacted_range: 20_000,
        ..options()
    };
    let mut bench = Bench::new(MemoryDisk::new(), options);
    for round in 0..9 {
        // Each round loses series at the front, in the middle and nowhere, and gets new ones.
        let series = (0..1_200).filter(|at| at % 7 != round && *at >= 20 * round);
        let new = (0..100).map(|at| 5_000 - 100 * round + at);
        let rows: Vec<_> = series
            .chain(new)
            .map(|at| (at, (at * round) as f64))
            .collect();
        for _ in 0..2 {
            bench.scrape(0, &rows).unwrap();
            bench.advance(10_000);
        }
        bench.store().maintain().unwrap();
    }
    let blocks = bench.store().statistics().blocks;
    assert!(blocks > 4, "{blocks} blocks");
    let workers = Backwards(AtomicUsize::new(0));
    let interrupt = Interrupt::new();
    for range in [
        TimeRange::ALL,
        TimeRange {
            start: 1_025_000,
            end: 1_145_000,
        },
    ] {
        let set = bench
            .store()
            .select(&[], range, &interrupt, &workers)
            .unwrap();
        assert_same(&read_set(&*set), &within(&bench.plain, &[], range));
    }
    assert!(workers.0.load(Ordering::Relaxed) > 4);
}

/// Segments have numbers that are never used twice.
fn newest_segment(bench: &Bench) -> u64 {
    let files = bench.disk.files();
    let names = files.keys().filter_map(|path| path.file_name()?.to_str());
    let segments = names.filter_map(|name| name.strip_prefix("wal-")?.parse().ok());
    segments.max().unwrap()
}
