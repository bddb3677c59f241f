//! A real process that writes to a real disk and is killed with SIGKILL, round after round.

use crate::bench::{labels, open_real, read_all};
use series::{Appender, Labels, ScrapeRows, SeriesSource, TimeRange};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// Names the directory to a child process.
const DIR_VARIABLE: &str = "HEADWATER_KILL_DIR";
/// How many rounds to run.
const ROUNDS_VARIABLE: &str = "HEADWATER_KILL_ROUNDS";
const ROUNDS: u64 = 20;
const START: i64 = 1_000_000;
const STEP: i64 = 1000;
const SERIES: usize = 40;

#[expect(
    clippy::disallowed_methods,
    reason = "a test is told by the environment how long to run"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn value(time: i64, series: usize) -> f64 {
    let round = (time - START) / STEP;
    match series % 4 {
        0 => (round * 7 + series as i64) as f64,
        1 => ((round * 37 + series as i64) % 1000) as f64 / 100.0,
        2 => (round as f64 * 0.1 + series as f64).sin(),
        _ => 1.0,
    }
}

/// The process that gets killed: it scrapes for ever and says what was acknowledged.
#[test]
#[ignore = "run by the kill loop in a process of its own"]
fn writes_until_killed() {
    let Some(dir) = variable(DIR_VARIABLE) else {
        return;
    };
    let now = Arc::new(AtomicI64::new(START));
    let store = open_real(Path::new(&dir), &now);
    let mut time = store.statistics().max_time.unwrap_or(START);
    let target = Labels::new([("target", "killed")]).unwrap();
    let mut appender = store.target(&target).unwrap();
    let refs: Vec<_> = (0..SERIES)
        .map(|series| appender.series(&labels(0, series)).unwrap())
        .collect();
    let mut out = std::io::stdout();
    for round in 0u64.. {
        time += STEP;
        now.store(time, Ordering::Relaxed);
        let rows: Vec<_> = refs
            .iter()
            .enumerate()
            .map(|(series, r)| (*r, value(time, series)))
            .collect();
        let scrape = ScrapeRows {
            time,
            rows: &rows,
            own: &[],
            exemplars: &[],
            metadata: &[],
        };
        let appended = appender.append(&scrape).unwrap();
        assert_eq!(appended.stored as usize, SERIES);
        writeln!(out, "acknowledged {time}").unwrap();
        if round % 7 == 0 {
            store.maintain().unwrap();
        }
    }
}

/// Runs the child for a while, kills it, and adds what it acknowledged.
fn round(dir: &Path, wait: Duration, acknowledged: &mut BTreeSet<i64>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "kill::writes_until_killed",
            "--ignored",
            "--nocapture",
        ])
        .env(DIR_VARIABLE, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let out = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let lines = BufReader::new(out).lines().map_while(Result::ok);
        let times = lines.filter_map(|line| line.strip_prefix("acknowledged ")?.parse().ok());
        times.collect::<Vec<i64>>()
    });
    std::thread::sleep(wait);
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert!(
        status.code().is_none(),
        "the child ended by itself: {status}"
    );
    acknowledged.extend(reader.join().unwrap());
}

#[test]
fn kill_9_loses_nothing_acknowledged() {
    let rounds = variable(ROUNDS_VARIABLE)
        .and_then(|n| n.parse().ok())
        .unwrap_or(ROUNDS);
    let dir = std::env::temp_dir().join(format!("store-kill-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    let mut acknowledged = BTreeSet::new();
    let mut unacknowledged = BTreeSet::new();
    let mut torn = 0;
    for at in 0..rounds {
        // Different moments, so that every kind of work is hit in some round.
        round(
            &dir,
            Duration::from_millis(10 + at * 7919 % 150),
            &mut acknowledged,
        );
        let now = Arc::new(AtomicI64::new(
            *acknowledged.last().unwrap_or(&START) + STEP,
        ));
        let store = open_real(&dir, &now);
        let health = store.health();
        assert!(health.is_good(), "round {at}: {health:?}");
        let found = read_all(&store, &[], TimeRange::ALL);
        let _ = store.metadata(None);
        let mut extra = BTreeSet::new();
        for series in 0..SERIES {
            let Some(samples) = found.get(&labels(0, series)) else {
                assert!(acknowledged.is_empty(), "round {at}: a series is missing");
                continue;
            };
            for time in &acknowledged {
                let bits = value(*time, series).to_bits();
                assert_eq!(samples.get(time), Some(&bits), "round {at}: lost {time}");
            }
            for (time, bits) in samples {
                assert_eq!(
                    *bits,
                    value(*time, series).to_bits(),
                    "round {at}: invented"
                );
                if !acknowledged.contains(time) {
                    extra.insert(*time);
                }
            }
            torn += usize::from(samples.len() != acknowledged.len() + extra.len());
        }
        // Of each round at most the last write may be there without having been told.
        assert!(extra.len() <= at as usize + 1, "round {at}: {extra:?}");
        unacknowledged = extra;
    }
    assert_eq!(torn, 0, "a scrape is there in part");
    assert!(!acknowledged.is_empty());
    println!(
        "{rounds} kills: {} scrapes of {SERIES} series acknowledged, 0 lost; {} more were on disk \
         whole but not yet told",
        acknowledged.len(),
        unacknowledged.len()
    );
    std::fs::remove_dir_all(&dir).unwrap();
}
