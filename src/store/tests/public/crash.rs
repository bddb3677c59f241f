//! Crashes at every operation of the disk: what was acknowledged is there, nothing else is.

use crate::bench::{Bench, Plain, labels, options, own, read_all};
use series::TimeRange;
use store::{Fault, MemoryDisk, Outage};

/// A life with scrapes, remote writes, flushes and a compaction, until something fails.
/// Gives what was handed over when it did.
fn live(bench: &mut Bench) -> Plain {
    for round in 0..150usize {
        bench.advance(1000);
        let rows: Vec<_> = (0..4).map(|s| (s, (round * 3 + s) as f64)).collect();
        let mut offered = Plain::new();
        for (series, value) in &rows {
            let samples = offered.entry(labels(0, *series)).or_default();
            samples.insert(bench.now(), value.to_bits());
        }
        if bench.scrape(0, &rows).is_err() {
            return offered;
        }
        if round % 10 == 5 {
            let now = bench.now();
            let samples: Vec<_> = (0..10)
                .map(|i| (now - 900 + i * 90, i as f64 / 8.0))
                .collect();
            let mut offered = Plain::new();
            offered.insert(
                labels(7, 1),
                samples.iter().map(|(t, v)| (*t, v.to_bits())).collect(),
            );
            if bench.write(&[own(7, 1, &samples)]).is_err() {
                return offered;
            }
        }
        if round % 12 == 0 && bench.store().maintain().is_err() {
            return Plain::new();
        }
    }
    let _ = bench.store().close();
    Plain::new()
}

/// What is there must be all that was acknowledged and at most what was offered besides.
fn check(bench: &Bench, offered: &Plain, at: &str) {
    let found = read_all(bench.store(), &[], TimeRange::ALL);
    for (labels, samples) in &bench.plain {
        for (time, bits) in samples {
            let there = found.get(labels).and_then(|samples| samples.get(time));
            assert_eq!(there, Some(bits), "{at}: {labels} at {time} was lost");
        }
    }
    let mut unacknowledged = 0;
    for (labels, samples) in &found {
        for (time, bits) in samples {
            let known = |plain: &Plain| plain.get(labels).and_then(|s| s.get(time)) == Some(bits);
            if !known(&bench.plain) {
                assert!(known(offered), "{at}: {labels} at {time} was invented");
                unacknowledged += 1;
            }
        }
    }
    // A write is there as a whole or not at all.
    let whole: usize = offered.values().map(|samples| samples.len()).sum();
    assert!(
        unacknowledged == 0 || unacknowledged == whole,
        "{at}: a torn write"
    );
}

fn operations() -> u64 {
    let disk = MemoryDisk::new();
    disk.plan(None);
    let mut bench = Bench::new(disk.clone(), options());
    live(&mut bench);
    bench.stop();
    let operations = disk.operations();
    assert!(operations > 400, "{operations}");
    operations
}

fn crash_everywhere(fault: impl Fn(u64) -> Fault, outage: Outage) {
    for at in 0..operations() {
        let disk = MemoryDisk::new();
        disk.plan(Some(fault(at)));
        let mut bench = Bench::unopened(disk.clone(), options());
        let mut offered = Plain::new();
        if bench.try_open().is_ok() {
            offered = live(&mut bench);
        }
        bench.restart(outage);
        check(&bench, &offered, &format!("{outage:?} at {at}"));
        let health = bench.store().health();
        assert!(health.is_good(), "at {at}: {health:?}");
        // Life goes on, and a second crash in the middle of mending changes nothing.
        bench.plain = read_all(bench.store(), &[], TimeRange::ALL);
        bench.advance(60_000);
        bench.scrape(0, &[(0, 1e6), (1, 2e6)]).unwrap();
        bench.store().maintain().unwrap();
        bench.restart(Outage::PowerCut);
        bench.check();
    }
}

#[test]
fn a_kill_at_any_operation_loses_nothing_acknowledged() {
    crash_everywhere(Fault::StopAt, Outage::Kill);
}

#[test]
fn a_kill_in_the_middle_of_any_write_loses_nothing_acknowledged() {
    crash_everywhere(Fault::TearAt, Outage::Kill);
}

#[test]
fn a_power_cut_at_any_operation_loses_nothing_acknowledged() {
    crash_everywhere(Fault::StopAt, Outage::PowerCut);
}

#[test]
fn a_power_cut_that_tears_any_write_loses_nothing_acknowledged() {
    crash_everywhere(Fault::TearAt, Outage::TornPowerCut);
}

#[test]
fn a_failure_of_any_operation_passes() {
    for at in 0..operations() {
        let disk = MemoryDisk::new();
        disk.plan(Some(Fault::FailAt(at)));
        let mut bench = Bench::unopened(disk.clone(), options());
        if bench.try_open().is_err() {
            bench.open();
        }
        let offered = live(&mut bench);
        check(&bench, &offered, &format!("failure at {at}"));
        // The same process goes on behind a write that failed.
        if bench.store().health().write_error.is_some() {
            bench.advance(1000);
            bench.scrape(0, &[(0, 1e6)]).unwrap();
            assert_eq!(bench.store().health().write_error, None);
            check(&bench, &offered, &format!("after a failure at {at}"));
            bench.store().maintain().unwrap();
        }
        bench.restart(Outage::PowerCut);
        check(
            &bench,
            &offered,
            &format!("reopened after a failure at {at}"),
        );
    }
}
