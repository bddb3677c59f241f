//! A real file system that is really full: a small tmpfs, which only root can mount.

use crate::bench::{labels, open_real, read_all};
use series::{Appender, Labels, ScrapeRows, TimeRange};
use std::io::Write;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use store::Store;

const START: i64 = 1_000_000;
const STEP: i64 = 1000;
const SERIES: usize = 40;
/// Scrapes that are tried while the disk is full.
const FULL_ROUNDS: i64 = 60;

/// A tmpfs of its own, gone when this is dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(bytes: &str) -> Result<Self, String> {
        let dir = tempfile::tempdir().unwrap();
        let size = format!("size={bytes}");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(dir.path())
            .output()
            .map_err(|error| format!("mount: {error}"))?;
        if !mounted.status.success() {
            return Err(String::from_utf8_lossy(&mounted.stderr).into_owned());
        }
        Ok(Self(dir))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

fn value(time: i64, series: usize) -> f64 {
    (time as f64 * 0.37 + series as f64).sin()
}

/// Every sample of the times in `acknowledged` and no other, bit by bit.
fn check(store: &Store, acknowledged: &[i64]) {
    let found = read_all(store, &[], TimeRange::ALL);
    for series in 0..SERIES {
        let samples = found.get(&labels(0, series)).cloned().unwrap_or_default();
        let there: Vec<i64> = samples.keys().copied().collect();
        assert_eq!(there, acknowledged, "series {series}");
        for (time, bits) in samples {
            assert_eq!(bits, value(time, series).to_bits());
        }
    }
}

#[test]
fn a_full_file_system_stops_writing_alone_and_only_until_there_is_space() {
    let disk = match SmallDisk::mount("1m") {
        Ok(disk) => disk,
        Err(why) => {
            #[expect(clippy::disallowed_methods, reason = "a test is told where it runs")]
            let in_ci = std::env::var_os("CI").is_some();
            assert!(!in_ci, "CI must be able to mount a tmpfs, as root: {why}");
            println!("skipped: a small tmpfs cannot be mounted here: {why}");
            return;
        }
    };
    let dir = disk.0.path().join("1-wiki");
    let now = Arc::new(AtomicI64::new(START));
    let store = open_real(&dir, &now);
    let target = Labels::new([("target", "full")]).unwrap();
    let mut appender = store.target(&target).unwrap();
    let refs: Vec<_> = (0..SERIES)
        .map(|series| appender.series(&labels(0, series)).unwrap())
        .collect();
    let mut acknowledged = Vec::new();
    let mut refused = 0;
    let mut scrape = |acknowledged: &mut Vec<i64>| {
        let time = now.fetch_add(STEP, Ordering::Relaxed) + STEP;
        let rows = refs.iter().copied().enumerate();
        let rows: Vec<_> = rows.map(|(series, r)| (r, value(time, series))).collect();
        let appended = appender.append(&ScrapeRows {
            time,
            rows: &rows,
            own: &[],
            exemplars: &[],
            metadata: &[],
        });
        let written = appended.map(|appended| assert_eq!(appended.stored, SERIES as u64));
        if written.is_ok() {
            acknowledged.push(time);
        }
        written
    };
    for cycle in 0..3 {
        for _ in 0..50 {
            scrape(&mut acknowledged).unwrap();
        }
        store.maintain().unwrap();
        // Somebody else fills the rest, to the last byte.
        let filling = disk.0.path().join("somebody-elses");
        let mut file = std::fs::File::create(&filling).unwrap();
        let zeros = [0u8; 4096];
        while file.write(&zeros).is_ok_and(|written| written > 0) {}
        drop(file);
        let mut full = 0;
        for round in 0..FULL_ROUNDS {
            if let Err(error) = scrape(&mut acknowledged) {
                full += 1;
                assert!(error.to_string().contains("Free some space"), "{error}");
                assert!(store.health().write_error.is_some());
            }
            if round % 10 == 9 {
                // Making blocks fails too; what is there stays readable.
                let _ = store.maintain();
                check(&store, &acknowledged);
            }
        }
        assert!(full > 0, "cycle {cycle}: the disk was never full");
        refused += full;
        std::fs::remove_file(&filling).unwrap();
        scrape(&mut acknowledged).unwrap();
        store.maintain().unwrap();
        assert!(store.health().is_good(), "{:?}", store.health());
        check(&store, &acknowledged);
    }
    drop((appender, store));
    let store = open_real(&dir, &now);
    assert!(store.health().is_good(), "{:?}", store.health());
    check(&store, &acknowledged);
    println!(
        "a full tmpfs: {refused} scrapes refused, {} acknowledged, 0 lost",
        acknowledged.len()
    );
}
