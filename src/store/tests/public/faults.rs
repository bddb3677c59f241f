//! Damaged bytes, full disks, jumping clocks and second openers.

use crate::bench::{Bench, DIR, Plain, assert_same, options, own, read_all};
use proptest::prelude::*;
use series::{Interrupt, Matcher, OneThread, SeriesSource, TimeRange};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::{Disk, Fault, MemoryDisk, Options, Outage, RealDisk, Store, StoreError};

/// A store with several blocks, a checkpoint and a log, not ended properly.
fn filled() -> Bench {
    filled_with(options())
}

fn filled_with(options: Options) -> Bench {
    let mut bench = Bench::new(MemoryDisk::new(), options);
    for round in 0..170usize {
        bench.advance(1000);
        let rows: Vec<_> = (0..6).map(|s| (s, (round * 3 + s) as f64)).collect();
        bench.scrape(0, &rows).unwrap();
        let now = bench.now();
        bench
            .write(&[own(5, 1, &[(now - 500, round as f64 / 3.0)])])
            .unwrap();
        if round % 10 == 0 {
            bench.store().maintain().unwrap();
        }
    }
    bench.stop();
    bench.disk.restart(Outage::Kill);
    bench
}

fn lost(bench: &Bench) -> usize {
    let found = read_all(bench.store(), &[], TimeRange::ALL);
    let mut lost = 0;
    for (labels, samples) in &bench.plain {
        let there = found.get(labels);
        for (time, bits) in samples {
            match there.and_then(|there| there.get(time)) {
                Some(found) => assert_eq!(found, bits, "{labels} at {time} changed"),
                None => lost += 1,
            }
        }
    }
    for (labels, samples) in &found {
        for time in samples.keys() {
            let known = bench
                .plain
                .get(labels)
                .is_some_and(|s| s.contains_key(time));
            assert!(known, "{labels} at {time} was invented");
        }
    }
    lost
}

fn samples(plain: &Plain) -> usize {
    plain.values().map(|samples| samples.len()).sum()
}

fn of_kind(bench: &Bench, stem: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let is_kind = |path: &PathBuf| {
        path.file_name()
            .unwrap()
            .to_string_lossy()
            .starts_with(stem)
    };
    let files = bench.disk.files().into_iter();
    let files: Vec<_> = files.filter(|(path, _)| is_kind(path)).collect();
    assert!(!files.is_empty(), "no {stem}");
    files
}

/// Opens what lies on `disk` and counts what is missing.
fn reopened(bench: &Bench, disk: MemoryDisk) -> (Bench, usize) {
    let mut other = Bench::unopened(disk, bench.options.clone());
    other.advance(bench.now() - other.now());
    other.plain = bench.plain.clone();
    other.open();
    let lost = lost(&other);
    (other, lost)
}

/// Flips single bytes in files of one kind. Everything opens, nothing changes or is invented,
/// what is lost stays within one file's share and is reported, and life goes on.
fn flip(stem: &str, step: usize) {
    let bench = filled();
    let total = samples(&bench.plain);
    let (mut worst, mut flips, mut silent) = (0, 0, 0);
    for (path, bytes) in of_kind(&bench, stem) {
        for at in (0..bytes.len()).step_by(step) {
            let disk = bench.disk.copy();
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            disk.put(&path, damaged);
            let (mut other, lost) = reopened(&bench, disk);
            flips += 1;
            worst = worst.max(lost);
            let set = other
                .store()
                .select(&[], TimeRange::ALL, &Interrupt::new(), &OneThread)
                .unwrap();
            let mut columns = series::Columns::default();
            for series in 0..set.len() {
                set.read(series, &mut columns).unwrap();
            }
            let told = !other.store().health().damage.is_empty() || !set.warnings().is_empty();
            if lost > 0 && !told {
                // Only the end of the log may go without a word: it cannot be told from a write
                // that was going on when the process ended.
                assert_eq!(
                    stem,
                    "wal",
                    "{} at {at}: {lost} lost in silence",
                    path.display()
                );
                silent += 1;
                assert!(
                    lost <= 12,
                    "{} at {at}: {lost} lost in silence",
                    path.display()
                );
            }
            drop(set);
            other.plain = read_all(other.store(), &[], TimeRange::ALL);
            other.advance(1000);
            other.scrape(0, &[(0, 1e9)]).unwrap();
            other.store().maintain().unwrap();
            other.restart(Outage::PowerCut);
            assert_eq!(self::lost(&other), 0);
        }
    }
    println!(
        "{stem}: {flips} flipped bytes, at worst {worst} of {total} samples lost, {silent} silently"
    );
    assert!(worst < total / 2, "{worst} of {total}");
}

#[test]
fn a_flipped_byte_in_a_block_costs_little() {
    flip("block", 11);
}

#[test]
fn a_flipped_byte_in_the_checkpoint_costs_little() {
    flip("head", 5);
}

#[test]
fn a_flipped_byte_in_the_log_costs_little() {
    flip("wal", 17);
}

#[test]
fn truncated_files_open() {
    let bench = filled();
    for stem in ["block", "head", "wal"] {
        for (path, bytes) in of_kind(&bench, stem) {
            for at in (0..bytes.len()).step_by(bytes.len() / 25 + 1) {
                let disk = bench.disk.copy();
                disk.put(&path, bytes[..at].to_vec());
                let (mut other, _) = reopened(&bench, disk);
                other.advance(1000);
                other.plain = read_all(other.store(), &[], TimeRange::ALL);
                other.scrape(0, &[(0, 1e9)]).unwrap();
                other.restart(Outage::Kill);
                other.check();
            }
        }
    }
}

#[test]
fn files_of_other_versions_are_set_aside_and_kept() {
    let bench = filled();
    for stem in ["block", "head", "wal"] {
        let (path, bytes) = of_kind(&bench, stem).remove(0);
        let disk = bench.disk.copy();
        let mut other_version = bytes.clone();
        other_version[8] = 9;
        let crc = crc32c::crc32c(&other_version[..12]);
        other_version[12..16].copy_from_slice(&crc.to_le_bytes());
        disk.put(&path, other_version.clone());
        let (other, _) = reopened(&bench, disk);
        let health = other.store().health();
        let told = health
            .damage
            .iter()
            .any(|damage| damage.what.contains("version 9"));
        assert!(told, "{stem}: {health:?}");
        let mut aside = path.clone().into_os_string();
        aside.push(".version-9");
        assert_eq!(
            other.disk.files().get(Path::new(&aside)),
            Some(&other_version)
        );
    }
}

#[test]
fn a_full_disk_stops_writing_and_nothing_else_and_passes() {
    let mut bench = filled();
    bench.open();
    bench.check();
    let mut refused = 0;
    for room in [0, 1, 40, 200, 1000] {
        bench.disk.set_capacity(Some(bench.disk.used() + room));
        for round in 0..30 {
            bench.advance(1000);
            let rows: Vec<_> = (0..6).map(|s| (s, f64::from(round))).collect();
            match bench.scrape(0, &rows) {
                Ok(_) => {}
                Err(series::Error::Unavailable(why)) => {
                    refused += 1;
                    assert!(
                        why.contains(DIR) && why.contains("Free some space"),
                        "{why}"
                    );
                    assert!(bench.store().health().write_error.is_some());
                }
                Err(other) => panic!("{other}"),
            }
            bench.check();
            if round % 10 == 0 {
                // Making blocks fails as well, and loses nothing.
                let _ = bench.store().maintain();
                bench.check();
            }
        }
        bench.disk.set_capacity(None);
        bench.advance(1000);
        bench.scrape(0, &[(0, 1e6)]).unwrap();
        bench.store().maintain().unwrap();
        assert!(
            bench.store().health().is_good(),
            "{:?}",
            bench.store().health()
        );
        bench.restart(Outage::PowerCut);
        bench.check();
    }
    assert!(refused > 50, "{refused}");
}

#[test]
fn a_clock_that_jumps_forth_and_back_costs_no_old_data() {
    let mut bench = filled_with(Options {
        retention: 10 * 24 * 3_600_000,
        ..options()
    });
    bench.open();
    let old = bench.plain.clone();
    let year = 365 * 24 * 3_600_000;
    bench.advance(year);
    for _ in 0..80 {
        bench.advance(1000);
        bench.scrape(1, &[(0, 1.0)]).unwrap();
        bench.store().maintain().unwrap();
    }
    bench.advance(-year);
    for _ in 0..80 {
        bench.advance(1000);
        // The target that wrote in the future waits for it; others go on.
        let late = bench.scrape(1, &[(0, 2.0)]).unwrap();
        assert_eq!(late.stored, 0);
        assert_eq!(late.out_of_order + late.out_of_bounds, 1);
        bench.scrape(2, &[(0, 1.0)]).unwrap();
        bench.store().maintain().unwrap();
    }
    let found = read_all(bench.store(), &[], TimeRange::ALL);
    for (labels, samples) in &old {
        assert_eq!(found.get(labels), Some(samples));
    }
    bench.restart(Outage::Kill);
    bench.check();
}

#[test]
fn retention_by_time_drops_whole_blocks() {
    let mut bench = filled_with(Options {
        retention: 60_000,
        ..options()
    });
    bench.open();
    bench.store().maintain().unwrap();
    let newest = bench.now();
    bench.check_range(
        &[],
        TimeRange {
            start: newest - 60_000,
            end: newest,
        },
    );
    let statistics = bench.store().statistics();
    assert!(
        statistics.min_time.unwrap() > newest - 120_000,
        "{statistics:?}"
    );
}

#[test]
fn retention_by_size_drops_the_oldest() {
    let mut bench = filled();
    bench.open();
    let full = bench.store().statistics();
    let bytes = full.block_bytes + full.wal_bytes;
    bench.stop();
    bench.options.retention_size = bytes - full.block_bytes / 2;
    bench.open();
    let done = bench.store().maintain().unwrap();
    assert!(done.dropped > 0);
    let left = bench.store().statistics();
    assert!(left.block_bytes + left.wal_bytes <= bench.options.retention_size);
    assert!(left.min_time > full.min_time);
}

#[test]
fn a_second_opener_is_told_who_has_the_directory() {
    let dir = std::env::temp_dir().join(format!("store-lock-{}", std::process::id()));
    let open = || Store::open(Arc::new(RealDisk), &dir, Options::default(), Arc::new(|| 0));
    let first = open().unwrap();
    match open() {
        Err(error @ StoreError::Locked { .. }) => {
            let text = error.to_string();
            assert!(
                text.contains(&format!("process {}", std::process::id())),
                "{text}"
            );
        }
        Ok(_) => panic!("two writers"),
        Err(other) => panic!("{other}"),
    }
    let reader =
        Store::open_read_only(Arc::new(RealDisk), &dir, Options::default(), Arc::new(|| 0));
    reader.unwrap();
    drop(first);
    open().unwrap();
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn a_reader_beside_the_writer_changes_nothing() {
    let bench = filled();
    let before = bench.disk.files();
    let reader = Store::open_read_only(
        Arc::new(bench.disk.clone()),
        Path::new(DIR),
        options(),
        Arc::new(|| 0),
    )
    .unwrap();
    assert_same(&read_all(&reader, &[], TimeRange::ALL), &bench.plain);
    let refused = series::Appender::write(&reader, &[own(0, 0, &[(1, 1.0)])]).unwrap_err();
    assert!(
        refused.to_string().contains("for reading only"),
        "{refused}"
    );
    drop(reader);
    assert_eq!(bench.disk.files(), before);
}

#[test]
fn a_snapshot_is_a_store_and_a_moment() {
    let mut bench = filled();
    bench.open();
    let copy = Path::new("/backup");
    bench.store().snapshot(copy).unwrap();
    let then = bench.plain.clone();
    bench.advance(1000);
    bench.scrape(0, &[(0, 1e9)]).unwrap();
    let clock = Arc::new(|| 0);
    let disk = Arc::new(bench.disk.clone());
    let snapshot = Store::open(disk, copy, options(), clock).unwrap();
    assert_same(&read_all(&snapshot, &[], TimeRange::ALL), &then);
    assert!(bench.store().snapshot(copy).is_err());
    bench.check();
}

#[test]
fn a_set_stays_as_it_was_selected() {
    let mut bench = filled();
    bench.open();
    let then = bench.plain.clone();
    let set = bench
        .store()
        .select(&[], TimeRange::ALL, &Interrupt::new(), &OneThread)
        .unwrap();
    for _ in 0..200 {
        bench.advance(1000);
        bench.scrape(0, &[(0, 5.0), (1, 5.0)]).unwrap();
        bench.store().maintain().unwrap();
    }
    assert_same(&crate::bench::read_set(&*set), &then);
}

#[test]
fn bounds_are_named_when_they_are_reached() {
    let mut bench = Bench::new(
        MemoryDisk::new(),
        Options {
            max_series: 3,
            max_labels: 3,
            ..options()
        },
    );
    let error = bench
        .scrape(0, &[(0, 1.0), (1, 1.0), (2, 1.0), (3, 1.0)])
        .unwrap_err();
    assert!(
        matches!(
            error,
            series::Error::Limit {
                bound: "max_series",
                limit: 3,
                ..
            }
        ),
        "{error}"
    );
    let mut wide = own(0, 0, &[(bench.now(), 1.0)]);
    wide.labels = series::Labels::new([("a", "1"), ("b", "1"), ("c", "1"), ("d", "1")]).unwrap();
    let error = bench.write(&[wide]).unwrap_err();
    assert!(
        matches!(
            error,
            series::Error::Limit {
                bound: "max_labels",
                ..
            }
        ),
        "{error}"
    );
    let far = own(0, 0, &[(bench.now() + 3_600_000, 1.0)]);
    let appended = series::Appender::write(bench.store(), &[far]).unwrap();
    assert_eq!((appended.stored, appended.out_of_bounds), (0, 1));
    assert!(bench.plain.is_empty());
    let nothing = [Matcher::equal("n", "0")];
    assert!(read_all(bench.store(), &nothing, TimeRange::ALL).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_bytes_are_read_or_refused(
        stem in prop::sample::select(vec!["block", "head", "wal"]),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..20),
        cut in any::<prop::sample::Index>(),
    ) {
        thread_local! { static BENCH: Bench = filled(); }
        BENCH.with(|bench| {
            let (_, mut bytes) = of_kind(bench, stem).remove(0);
            for (at, byte) in flips {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            if cut.index(3) == 0 {
                bytes.truncate(cut.index(bytes.len()));
            }
            let _ = store::probe::read_block(&bytes);
            let _ = store::probe::read_log(&bytes);
            store::probe::decode_chunk(&bytes[..bytes.len().min(300)]);
        });
    }
}

/// The files that `filled` left when blocks had format version 1.
const VERSION_1: [(&str, &[u8]); 5] = [
    (
        "block-0000000006",
        include_bytes!("version-1/block-0000000006"),
    ),
    (
        "block-0000000007",
        include_bytes!("version-1/block-0000000007"),
    ),
    (
        "block-0000000008",
        include_bytes!("version-1/block-0000000008"),
    ),
    (
        "head-0000000008",
        include_bytes!("version-1/head-0000000008"),
    ),
    ("wal-0000000008", include_bytes!("version-1/wal-0000000008")),
];

#[test]
fn what_version_1_wrote_is_read_and_compacted() {
    let bench = filled();
    let disk = MemoryDisk::new();
    disk.create_dir(Path::new(DIR)).unwrap();
    for (name, bytes) in VERSION_1 {
        disk.put(&Path::new(DIR).join(name), bytes.to_vec());
    }
    let (mut old, lost_at_opening) = reopened(&bench, disk);
    assert_eq!(lost_at_opening, 0);
    assert!(old.store().health().is_good());
    for _ in 0..20 {
        old.advance(10_000);
        old.scrape(0, &[(0, 1.0)]).unwrap();
        old.store().maintain().unwrap();
    }
    let last = Path::new(DIR).join(VERSION_1[2].0);
    assert!(
        !old.disk.files().contains_key(&last),
        "it was not compacted"
    );
    assert_eq!(lost(&old), 0);
}

#[test]
fn a_read_that_fails_while_blocks_merge_loses_nothing() {
    let bench = filled_with(Options {
        compacted_range: 20_000,
        ..options()
    });
    let mut failing = 0;
    loop {
        let disk = bench.disk.copy();
        let (mut other, lost_at_opening) = reopened(&bench, disk);
        assert_eq!(lost_at_opening, 0);
        // Other bounds, under which the blocks that are there have to be merged.
        other.stop();
        other.options = options();
        other.disk.restart(Outage::Kill);
        other.open();
        // The indexes are in memory from here on.
        assert_eq!(lost(&other), 0);
        other.disk.plan_read(Some(failing));
        let maintained = other.store().maintain();
        let reads = other.disk.reads();
        other.disk.plan_read(None);
        assert_eq!(lost(&other), 0, "read {failing}: {maintained:?}");
        other.stop();
        other.disk.restart(Outage::Kill);
        other.open();
        assert_eq!(lost(&other), 0, "read {failing}, opened again");
        if reads <= failing {
            assert!(maintained.unwrap().compacted > 0 && failing > 10);
            break;
        }
        failing += 1;
    }
}

#[test]
fn a_flush_that_fails_over_and_over_leaves_nothing_behind() {
    let blocks_of = |bench: &Bench| {
        let files = bench.disk.files();
        let is_block = |path: &&PathBuf| path.to_string_lossy().contains("/block-");
        files.keys().filter(is_block).count() as u64
    };
    let mut failed = 0;
    for failing in 0..60 {
        let mut bench = Bench::new(MemoryDisk::new(), options());
        for round in 0..120usize {
            bench.advance(1000);
            bench.scrape(0, &[(0, round as f64)]).unwrap();
        }
        for _ in 0..5 {
            bench.disk.plan(Some(Fault::FailAt(failing)));
            let maintained = bench.store().maintain();
            bench.disk.plan(None);
            if maintained.is_ok() {
                break;
            }
            failed += 1;
            // One that was being published may stay: the next attempt gives its name away anew.
            let known = bench.store().statistics().blocks;
            assert!(blocks_of(&bench) <= known + 1, "operation {failing}");
            assert_eq!(lost(&bench), 0);
        }
        bench.restart(Outage::PowerCut);
        assert_eq!(lost(&bench), 0, "operation {failing}");
        bench.store().maintain().unwrap();
        assert_eq!(lost(&bench), 0, "operation {failing}");
    }
    assert!(failed > 20, "{failed}");
}
