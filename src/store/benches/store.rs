//! Figures of the store. `cargo bench -p store -- NAME…` runs only those whose names contain one
//! of the words.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints and may fail"
)]

mod data;

use data::{KINDS, Kind, Noise, Walk};
use series::{
    Appender, Columns, Interrupt, Matcher, ScrapeRows, SeriesSource, TimeRange, WriteSeries,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;
use store::{MemoryDisk, Options, RealDisk, Store, probe};

const START: i64 = 1_700_006_400_000;
const INTERVAL: i64 = 15_000;

fn main() {
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .collect();
    let benches: [(&str, fn()); 6] = [
        ("codec", codec),
        ("append", append),
        ("size", size),
        ("memory", memory),
        ("select", select),
        ("open", open),
    ];
    println!("kernel: {}", store::kernel_name());
    for (name, bench) in benches {
        if words.is_empty() || words.iter().any(|word| name.contains(word.as_str())) {
            println!("\n{name}");
            bench();
        }
    }
}

fn per_second(count: usize, seconds: f64) -> String {
    format!("{:8.1} M/s", count as f64 / seconds / 1e6)
}

/// The median of several runs, in seconds.
fn median(mut run: impl FnMut()) -> f64 {
    let mut seconds: Vec<f64> = (0..7)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

fn codec() {
    println!("  values of 240 a chunk; bytes with header and checksum");
    for kind in KINDS {
        let chunks: Vec<Vec<f64>> = (0..2000)
            .map(|series| {
                let mut walk = Walk::new(kind, series);
                (0..probe::CHUNK).map(|_| walk.next()).collect()
            })
            .collect();
        let count = chunks.len() * probe::CHUNK;
        let encoded: Vec<Vec<u8>> = chunks.iter().map(|chunk| probe::encode(chunk)).collect();
        let bytes: usize = encoded.iter().map(Vec::len).sum();
        let mut out = vec![0.0; 256];
        let thorough = median(|| {
            chunks
                .iter()
                .for_each(|c| drop(std::hint::black_box(probe::encode(c))))
        });
        let quick = median(|| {
            chunks
                .iter()
                .for_each(|c| drop(std::hint::black_box(probe::encode_quickly(c))))
        });
        let mut decode = |how: &dyn Fn(&[u8], &mut [f64]) -> Option<usize>| {
            median(|| {
                for chunk in &encoded {
                    std::hint::black_box(how(chunk, &mut out));
                }
            })
        };
        let best = decode(&|chunk, out| probe::decode(chunk, false, out));
        let avx2 = decode(&|chunk, out| probe::decode_avx2(chunk, out));
        let portable = decode(&|chunk, out| probe::decode(chunk, true, out));
        println!(
            "  {kind:16?} {:.3} B/sample  encode {} (quick {})  decode {}  AVX2 {}  portable {}",
            bytes as f64 / count as f64,
            per_second(count, thorough),
            per_second(count, quick),
            per_second(count, best),
            per_second(count, avx2),
            per_second(count, portable),
        );
    }
    let mut noise = Noise(5);
    let times: Vec<i64> = (0..240)
        .map(|i| START + i * INTERVAL + noise.below(9) as i64 - 4)
        .collect();
    let bytes = probe::encode_column_of_times(&times).len();
    println!(
        "  times, ±4 ms of jitter: {:.3} B/row",
        bytes as f64 / 240.0
    );
}

struct Clock(Arc<AtomicI64>);

impl Clock {
    fn new() -> Self {
        Self(Arc::new(AtomicI64::new(START)))
    }

    fn reading(&self) -> Arc<dyn store::Clock> {
        let now = Arc::clone(&self.0);
        Arc::new(move || now.load(Ordering::Relaxed))
    }
}

fn temporary(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("store-bench-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    dir
}

fn open_at(dir: &Path, clock: &Clock, options: Options) -> Store {
    Store::open(Arc::new(RealDisk), dir, options, clock.reading()).unwrap()
}

/// Scrapes `series` series of the kinds in turn, `rounds` times; calls `each` behind every
/// scrape.
fn scrape(
    store: &Store,
    clock: &Clock,
    kinds: &[Kind],
    series: usize,
    rounds: usize,
    mut each: impl FnMut(usize),
) -> f64 {
    let target = series::Labels::new([("target", "wiki")]).unwrap();
    let mut appender = store.target(&target).unwrap();
    let mut walks = Vec::new();
    let mut refs = Vec::new();
    for at in 0..series {
        let kind = kinds[at % kinds.len()];
        walks.push(Walk::new(kind, at / kinds.len()));
        refs.push(
            appender
                .series(&Walk::labels(kind, at / kinds.len()))
                .unwrap(),
        );
    }
    let mut noise = Noise(17);
    let mut rows = Vec::new();
    let mut seconds = 0.0;
    for round in 0..rounds {
        rows.clear();
        rows.extend(
            refs.iter()
                .zip(&mut walks)
                .map(|(r, walk)| (*r, walk.next())),
        );
        let time = START + round as i64 * INTERVAL + noise.below(9) as i64;
        clock.0.store(time, Ordering::Relaxed);
        let start = Instant::now();
        let appended = appender
            .append(&ScrapeRows {
                time,
                rows: &rows,
                own: &[],
                exemplars: &[],
                metadata: &[],
            })
            .unwrap();
        seconds += start.elapsed().as_secs_f64();
        assert_eq!(appended.stored as usize, series);
        each(round);
    }
    seconds
}

fn append() {
    for (name, kinds) in [
        ("counters", &[Kind::Counters][..]),
        ("mixed kinds", &KINDS[..]),
    ] {
        let clock = Clock::new();
        let disk = MemoryDisk::new();
        let store = Store::open(
            Arc::new(disk),
            Path::new("/bench"),
            Options {
                wal_segment_bytes: 1 << 20,
                ..Options::default()
            },
            clock.reading(),
        )
        .unwrap();
        let seconds = scrape(&store, &clock, kinds, 2000, 480, |_| {});
        println!(
            "  {name}: scrapes of 2,000 series, log without fsync: {:.3} ms a scrape, {}",
            seconds * 1000.0 / 480.0,
            per_second(2000 * 480, seconds)
        );
        let dir = temporary("append");
        let clock = Clock::new();
        let store = open_at(&dir, &clock, Options::default());
        let seconds = scrape(&store, &clock, kinds, 2000, 480, |_| {});
        println!(
            "  {name}: on disk with fsync: {:.3} ms a scrape, {}; log {:.2} B/sample",
            seconds * 1000.0 / 480.0,
            per_second(2000 * 480, seconds),
            store.statistics().wal_bytes as f64 / (2000.0 * 480.0),
        );
        drop(store);
        let start = Instant::now();
        let store = open_at(&dir, &clock, Options::default());
        println!(
            "  {name}: replay of that log: {}",
            per_second(2000 * 480, start.elapsed().as_secs_f64())
        );
        let start = Instant::now();
        store.close().unwrap();
        println!(
            "  {name}: close with checkpoint: {:.1} ms",
            start.elapsed().as_secs_f64() * 1e3
        );
        drop(store);
        let start = Instant::now();
        let store = open_at(&dir, &clock, Options::default());
        println!(
            "  {name}: open from checkpoint: {:.1} ms",
            start.elapsed().as_secs_f64() * 1e3
        );
        drop(store);
        let _ = std::fs::remove_dir_all(&dir);
    }
    // Remote write: 24 hours, 2,000 series, 10 samples of each of 500 series a request.
    let dir = temporary("write");
    let clock = Clock::new();
    clock.0.store(START + 24 * 3_600_000, Ordering::Relaxed);
    let store = open_at(&dir, &clock, Options::default());
    let mut walks: Vec<Walk> = (0..2000).map(|at| Walk::new(Kind::Counters, at)).collect();
    let mut seconds = 0.0;
    let mut samples = 0;
    for block in 0..576 {
        for part in 0..4 {
            let request: Vec<WriteSeries> = (part * 500..part * 500 + 500)
                .map(|at| WriteSeries {
                    labels: Walk::labels(Kind::Counters, at),
                    samples: (0..10)
                        .map(|i| series::Sample {
                            time: START + (block * 10 + i) * INTERVAL,
                            value: walks[at].next(),
                        })
                        .collect(),
                    exemplars: Vec::new(),
                    metadata: None,
                })
                .collect();
            let start = Instant::now();
            samples += store.write(&request).unwrap().stored as usize;
            if block % 16 == 0 && part == 0 {
                store.maintain().unwrap();
            }
            seconds += start.elapsed().as_secs_f64();
        }
    }
    println!(
        "  remote write, 5,000 samples a request, with fsync, blocks and compaction: {} samples in {seconds:.2} s, {}",
        samples,
        per_second(samples, seconds)
    );
    drop(store);
    let _ = std::fs::remove_dir_all(&dir);
}

fn size() {
    println!(
        "  2,000 series of a kind (2,002 of buckets), 26 hours at 15 s with jitter; all bytes of the blocks"
    );
    for kind in KINDS {
        let dir = temporary("size");
        let clock = Clock::new();
        let store = open_at(
            &dir,
            &clock,
            Options {
                wal_segment_bytes: 64 << 20,
                ..Options::default()
            },
        );
        let series = if kind == Kind::Buckets { 2002 } else { 2000 };
        let mut fresh = (0u64, 0u64);
        let mut maintain = 0.0;
        let seconds = scrape(&store, &clock, &[kind], series, 26 * 240 + 300, |round| {
            if round % 240 == 0 {
                let start = Instant::now();
                let done = store.maintain().unwrap();
                maintain += start.elapsed().as_secs_f64();
                let now = store.statistics();
                if done.compacted == 0 {
                    fresh = (now.block_bytes, now.block_samples);
                }
            }
        });
        let now = store.statistics();
        println!(
            "  {kind:16?} 2 h blocks {:.3} B/sample, compacted {:.3}; scraping {seconds:.1} s, flush and compaction {maintain:.2} s",
            fresh.0 as f64 / fresh.1 as f64,
            now.block_bytes as f64 / now.block_samples as f64,
        );
        drop(store);
        let _ = std::fs::remove_dir_all(&dir);
    }
}

/// Resident memory in bytes, as Linux tells.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = status
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<usize>().ok());
    pages.unwrap_or(0) * 4096
}

fn memory() {
    for (name, kinds) in [
        ("counters", &[Kind::Counters][..]),
        ("mixed kinds", &KINDS[..]),
    ] {
        let dir = temporary("memory");
        let clock = Clock::new();
        let store = open_at(&dir, &clock, Options::default());
        let before = resident();
        let mut peak = 0;
        let seconds = scrape(&store, &clock, kinds, 100_000, 120, |_| {
            peak = peak.max(resident())
        });
        let after = resident();
        // The benchmark's own walks, references and rows.
        let own = 100_000 * (size_of::<Walk>() + 4 + 16);
        println!(
            "  {name}: 100,000 series × 120 samples: {} bytes a series (peak {}), {} with fsync",
            (after - before).saturating_sub(own) / 100_000,
            (peak - before).saturating_sub(own) / 100_000,
            per_second(100_000 * 120, seconds),
        );
        drop(store);
        let _ = std::fs::remove_dir_all(&dir);
    }
}

fn select() {
    for (name, kind) in [
        ("counters", Kind::Counters),
        ("full precision", Kind::GaugeFull),
    ] {
        let dir = temporary("select");
        let clock = Clock::new();
        let store = open_at(
            &dir,
            &clock,
            Options {
                wal_segment_bytes: 64 << 20,
                ..Options::default()
            },
        );
        let rounds = 5760;
        scrape(&store, &clock, &[kind], 2000, rounds, |round| {
            if round % 240 == 0 {
                store.maintain().unwrap();
            }
        });
        let metric = Walk::labels(kind, 0)
            .metric_name()
            .unwrap_or_default()
            .to_owned();
        let matchers = [Matcher::equal("__name__", metric)];
        let interrupt = Interrupt::new();
        let mut columns = Columns::default();
        let mut times = Vec::new();
        let mut ask = |range: TimeRange| {
            let mut samples = 0;
            let selecting = median(|| {
                std::hint::black_box(store.select(&matchers, range, &interrupt).unwrap());
            });
            let whole = median(|| {
                let set = store.select(&matchers, range, &interrupt).unwrap();
                samples = 0;
                for timeline in 0..set.timelines() {
                    set.read_times(timeline, &mut times).unwrap();
                }
                for at in 0..set.len() {
                    set.read(at, &mut columns).unwrap();
                    samples += columns.values.len();
                }
            });
            (samples, selecting, whole)
        };
        let (samples, selecting, whole) = ask(TimeRange::ALL);
        println!(
            "  {name}: 24 h, {} blocks: {samples} samples, select {:.2} ms, with reading {:.2} ms, {}",
            store.statistics().blocks,
            selecting * 1e3,
            whole * 1e3,
            per_second(samples, whole)
        );
        let end = START + rounds as i64 * INTERVAL;
        let (samples, selecting, whole) = ask(TimeRange {
            start: end - 300_000,
            end,
        });
        println!(
            "  {name}: the last 5 minutes: {samples} samples, select {:.2} ms, with reading {:.2} ms",
            selecting * 1e3,
            whole * 1e3
        );
        drop(store);
        let _ = std::fs::remove_dir_all(&dir);
    }
}

fn open() {
    let dir = temporary("open");
    let clock = Clock::new();
    let store = open_at(
        &dir,
        &clock,
        Options {
            wal_segment_bytes: 64 << 20,
            ..Options::default()
        },
    );
    scrape(&store, &clock, &KINDS, 2000, 15 * 5760, |round| {
        if round % 240 == 0 {
            store.maintain().unwrap();
        }
    });
    let statistics = store.statistics();
    drop(store);
    let before = resident();
    let start = Instant::now();
    let store = open_at(&dir, &clock, Options::default());
    println!(
        "  15 days × 2,000 series, {} blocks, {:.1} MB, log {:.1} MB: after a kill {:.1} ms, RSS +{:.1} MB",
        statistics.blocks,
        statistics.block_bytes as f64 / 1e6,
        statistics.wal_bytes as f64 / 1e6,
        start.elapsed().as_secs_f64() * 1e3,
        (resident() - before) as f64 / 1e6,
    );
    store.close().unwrap();
    drop(store);
    let start = Instant::now();
    let store = open_at(&dir, &clock, Options::default());
    println!(
        "  after a proper end {:.1} ms",
        start.elapsed().as_secs_f64() * 1e3
    );
    drop(store);
    let _ = std::fs::remove_dir_all(&dir);
}
