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
    Appender, Columns, Interrupt, Matcher, OneThread, ScrapeRows, SeriesSource, TimeRange,
    WriteSeries,
};
use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;
use store::{Disk, Entry, Locking, Options, ReadFile, RealDisk, Store, WriteFile, probe};

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
    if words.iter().any(|word| word == "dump") {
        return dump();
    }
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

/// The quickest of several runs, in seconds: what others did on the machine meanwhile only slows.
fn quickest(mut run: impl FnMut()) -> f64 {
    let seconds = (0..15).map(|_| {
        let start = Instant::now();
        run();
        start.elapsed().as_secs_f64()
    });
    seconds.fold(f64::INFINITY, f64::min)
}

/// Seconds of this thread's processor for one of several runs.
fn processor(mut run: impl FnMut()) -> f64 {
    const RUNS: usize = 9;
    // What is read first comes from the disk.
    run();
    let start = cpu_seconds();
    (0..RUNS).for_each(|_| run());
    (cpu_seconds() - start) / RUNS as f64
}

/// Seconds that this thread has run, as Linux counts them, to some milliseconds.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text.split(' ').next().and_then(|n| n.parse::<f64>().ok());
    nanoseconds.unwrap_or(f64::NAN) / 1e9
}

/// Bytes that a sample of this kind takes at the least: the entropy of the steps from one value
/// to the next, of each series for itself, as its distribution is known.
fn entropy(kind: Kind, chunks: &[Vec<f64>]) -> f64 {
    let bits = |probabilities: &mut dyn Iterator<Item = f64>| {
        let terms = probabilities.filter(|p| *p > 0.0).map(|p| -p * p.log2());
        terms.sum::<f64>()
    };
    // Of a normal distribution in steps of one, as the sum of its parts.
    let normal = |deviation: f64| {
        if deviation == 0.0 {
            return 0.0;
        }
        let density = |at: f64| (-0.5 * (at / deviation).powi(2)).exp();
        let reach = (6.0 * deviation).ceil() as i64;
        let whole: f64 = (-reach..=reach).map(|at| density(at as f64)).sum();
        bits(&mut (-reach..=reach).map(|at| density(at as f64) / whole))
    };
    let of_series = |(series, values): (usize, &Vec<f64>)| match kind {
        Kind::Counters | Kind::Buckets => normal(Walk::new(kind, series).rate().sqrt()),
        Kind::GaugeBytes => 7.0,
        Kind::GaugeHundredths => normal(40.0),
        Kind::GaugeFull => {
            // In units of the last place, which depend on how large the value is.
            let places = values.iter().map(|value| {
                let place = (value.abs().log2().floor() - 52.0).exp2();
                (0.5 * (2.0 * std::f64::consts::PI * std::f64::consts::E).sqrt() / place).log2()
            });
            places.sum::<f64>() / values.len() as f64
        }
    };
    let sum: f64 = chunks.iter().enumerate().map(of_series).sum();
    sum / chunks.len() as f64 / 8.0
}

type Decode = dyn Fn(&[u8], &mut [f64]) -> Option<usize>;

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
        println!("  {kind:?}, entropy {:.3} B/sample", entropy(kind, &chunks));
        for (name, encode) in [
            ("head", probe::encode_quickly as fn(&[f64]) -> Vec<u8>),
            ("fresh blocks", probe::encode),
            ("compacted blocks", probe::encode_densely),
        ] {
            let encoded: Vec<Vec<u8>> = chunks.iter().map(|chunk| encode(chunk)).collect();
            let bytes: usize = encoded.iter().map(Vec::len).sum();
            let encoding = processor(|| {
                chunks
                    .iter()
                    .for_each(|c| drop(std::hint::black_box(encode(c))))
            });
            let mut out = vec![0.0; 256];
            let mut decode = |how: &Decode| {
                quickest(|| {
                    for chunk in &encoded {
                        std::hint::black_box(how(chunk, &mut out));
                    }
                })
            };
            let best = decode(&|chunk, out| probe::decode(chunk, false, out));
            let avx2 = decode(&|chunk, out| probe::decode_avx2(chunk, out));
            let portable = decode(&|chunk, out| probe::decode(chunk, true, out));
            println!(
                "    {name:16} {:.3} B/sample  encode {}  decode {}  AVX2 {}  portable {}",
                bytes as f64 / count as f64,
                per_second(count, encoding),
                per_second(count, best),
                per_second(count, avx2),
                per_second(count, portable),
            );
        }
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

/// What scraping took: seconds on the clock, and of this thread's processor.
#[derive(Default)]
struct Took {
    wall: f64,
    cpu: f64,
}

/// Scrapes `series` series of the kinds in turn, at the times given and a little later; calls
/// `each` behind every scrape.
fn scrape(
    store: &Store,
    clock: &Clock,
    kinds: &[Kind],
    series: usize,
    times: impl Iterator<Item = i64>,
    mut each: impl FnMut(usize),
) -> Took {
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
    // Values are made beforehand for some rounds, so that their making is not counted: the
    // system counts a thread's time in steps of milliseconds.
    let mut rows = vec![Vec::new(); (4_000_000 / series / 16).clamp(1, 40)];
    let mut took = Took::default();
    let mut times = times.peekable();
    let mut round = 0;
    while times.peek().is_some() {
        for rows in &mut rows {
            rows.clear();
            rows.extend(
                refs.iter()
                    .zip(&mut walks)
                    .map(|(r, walk)| (*r, walk.next())),
            );
        }
        let (start, cpu) = (Instant::now(), cpu_seconds());
        let mut aside = (0.0, 0.0);
        for (rows, time) in rows.iter().zip(times.by_ref()) {
            let time = time + noise.below(9) as i64;
            clock.0.store(time, Ordering::Relaxed);
            let scrape = ScrapeRows {
                time,
                rows,
                own: &[],
                exemplars: &[],
                metadata: &[],
            };
            let appended = appender.append(&scrape).unwrap();
            assert_eq!(appended.stored as usize, series);
            let before = (Instant::now(), cpu_seconds());
            each(round);
            aside.0 += before.0.elapsed().as_secs_f64();
            aside.1 += cpu_seconds() - before.1;
            round += 1;
        }
        took.wall += start.elapsed().as_secs_f64() - aside.0;
        took.cpu += cpu_seconds() - cpu - aside.1;
    }
    took
}

fn steady(rounds: usize) -> impl Iterator<Item = i64> {
    (0..rounds as i64).map(|round| START + round * INTERVAL)
}

/// The machine's disk without waiting for it, to fill stores quickly.
struct Unsynced;

impl Disk for Unsynced {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        RealDisk.create_dir(dir)
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        RealDisk.list(dir)
    }
    fn create(&self, path: &Path) -> io::Result<Box<dyn WriteFile>> {
        Ok(Box::new(UnsyncedFile(RealDisk.create(path)?)))
    }
    fn open(&self, path: &Path) -> io::Result<Box<dyn ReadFile>> {
        RealDisk.open(path)
    }
    fn truncate(&self, path: &Path, len: u64) -> io::Result<()> {
        RealDisk.truncate(path, len)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove(path)
    }
    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.link(from, to)
    }
    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
    fn lock(&self, path: &Path, holder: &str) -> io::Result<Locking> {
        RealDisk.lock(path, holder)
    }
    fn lock_holder(&self, path: &Path) -> io::Result<Option<String>> {
        RealDisk.lock_holder(path)
    }
}

struct UnsyncedFile(Box<dyn WriteFile>);

impl WriteFile for UnsyncedFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.append(bytes)
    }
    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.0.truncate(len)
    }
}

fn append() {
    for (name, kinds) in [
        ("counters", &[Kind::Counters][..]),
        ("mixed kinds", &KINDS[..]),
    ] {
        let dir = temporary("append");
        for (what, disk) in [
            ("without fsync", Arc::new(Unsynced) as Arc<dyn Disk>),
            ("with fsync", Arc::new(RealDisk)),
        ] {
            let _ = std::fs::remove_dir_all(&dir);
            let clock = Clock::new();
            let store = Store::open(disk, &dir, Options::default(), clock.reading()).unwrap();
            let took = scrape(&store, &clock, kinds, 2000, steady(480), |_| {});
            println!(
                "  {name}: 480 scrapes of 2,000 series, {what}: {:.3} ms a scrape ({:.3} of \
                 processor), {} ({}); log {:.2} B/sample",
                took.wall * 1000.0 / 480.0,
                took.cpu * 1000.0 / 480.0,
                per_second(2000 * 480, took.wall),
                per_second(2000 * 480, took.cpu),
                store.statistics().wal_bytes as f64 / (2000.0 * 480.0),
            );
        }
        let clock = Clock::new();
        clock.0.store(START + 3 * 3_600_000, Ordering::Relaxed);
        let cpu = cpu_seconds();
        let store = open_at(&dir, &clock, Options::default());
        let replay = cpu_seconds() - cpu;
        let cpu = cpu_seconds();
        store.close().unwrap();
        let close = cpu_seconds() - cpu;
        drop(store);
        let cpu = cpu_seconds();
        drop(open_at(&dir, &clock, Options::default()));
        println!(
            "  {name}: processor for replay {}, for closing {:.1} ms, for opening from the \
             checkpoint {:.1} ms",
            per_second(2000 * 480, replay),
            close * 1e3,
            (cpu_seconds() - cpu) * 1e3
        );
        let _ = std::fs::remove_dir_all(&dir);
    }
    // Remote write: 24 hours, 2,000 series, 10 samples of each of 500 series a request.
    let dir = temporary("write");
    let clock = Clock::new();
    clock.0.store(START + 24 * 3_600_000, Ordering::Relaxed);
    let store = open_at(&dir, &clock, Options::default());
    let mut walks: Vec<Walk> = (0..2000).map(|at| Walk::new(Kind::Counters, at)).collect();
    let (mut seconds, mut processor) = (0.0, 0.0);
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
                    extras: None,
                })
                .collect();
            let (start, cpu) = (Instant::now(), cpu_seconds());
            samples += store.write(&request).unwrap().stored as usize;
            if block % 16 == 0 && part == 0 {
                store.maintain().unwrap();
            }
            seconds += start.elapsed().as_secs_f64();
            processor += cpu_seconds() - cpu;
        }
    }
    println!(
        "  remote write, 5,000 samples a request, with fsync, blocks and compaction: {} samples in {seconds:.2} s ({processor:.2} of processor), {}",
        samples,
        per_second(samples, seconds)
    );
    drop(store);
    let _ = std::fs::remove_dir_all(&dir);
}

/// Writes two hours of what `size` stores as OpenMetrics text into the temporary directory, for
/// `promtool tsdb create-blocks-from openmetrics`.
fn dump() {
    for kind in KINDS {
        let path = std::env::temp_dir().join(format!("store-bench-{kind:?}.om"));
        let mut text = String::new();
        for at in 0..1001 {
            let mut walk = Walk::new(kind, at);
            let labels = Walk::labels(kind, at);
            let mut noise = Noise(17);
            for round in 0..480 {
                let time = START + round * INTERVAL + noise.below(9) as i64;
                let seconds = time as f64 / 1000.0;
                let _ = writeln!(text, "{labels} {} {seconds:.3}", walk.next());
            }
        }
        text.push_str("# EOF\n");
        std::fs::write(&path, text.replace("\", ", "\",")).unwrap();
        println!("{}", path.display());
    }
}

fn size() {
    println!("  2,000 series of a kind (2,002 of buckets), 15 s with jitter; all bytes of blocks");
    for kind in KINDS {
        let dir = temporary("size");
        let clock = Clock::new();
        let disk = Arc::new(Unsynced);
        let store = Store::open(disk, &dir, Options::default(), clock.reading()).unwrap();
        let series = if kind == Kind::Buckets { 2002 } else { 2000 };
        let mut fresh = (0u64, 0u64);
        let (mut maintain, mut compacted) = (0.0, 0);
        let rounds = 25 * 240 + 60;
        scrape(&store, &clock, &[kind], series, steady(rounds), |round| {
            if round % 240 == 0 || round + 1 == rounds {
                let cpu = cpu_seconds();
                let done = store.maintain().unwrap();
                maintain += cpu_seconds() - cpu;
                compacted += done.compacted;
                if compacted == 0 {
                    let now = store.statistics();
                    fresh = (now.block_bytes, now.block_samples);
                }
            }
        });
        let now = store.statistics();
        println!(
            "  {kind:16?} 2 h blocks {:.3} B/sample, 24 h {:.3} ({compacted} compacted); flush \
             and compaction {maintain:.2} s of processor",
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
    // One kind a process: what the first gave back would hide what the second takes.
    let dir = temporary("memory");
    let clock = Clock::new();
    let store = open_at(&dir, &clock, Options::default());
    let before = resident();
    let took = scrape(&store, &clock, &KINDS[..4], 100_000, steady(120), |_| {});
    // The benchmark's own walks and references.
    let own = 100_000 * (size_of::<Walk>() + 4);
    println!(
        "  mixed kinds: 100,000 series × 120 samples: {} bytes a series, {} of processor",
        (resident() - before).saturating_sub(own) / 100_000,
        per_second(100_000 * 120, took.cpu),
    );
    drop(store);
    let _ = std::fs::remove_dir_all(&dir);
}

fn select() {
    for (name, kind) in [
        ("counters", Kind::Counters),
        ("full precision", Kind::GaugeFull),
    ] {
        let dir = temporary("select");
        let clock = Clock::new();
        let disk = Arc::new(Unsynced);
        let store = Store::open(disk, &dir, Options::default(), clock.reading()).unwrap();
        let rounds = 5760;
        scrape(&store, &clock, &[kind], 2000, steady(rounds), |round| {
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
            let selecting = processor(|| {
                std::hint::black_box(
                    store
                        .select(&matchers, range, &interrupt, &OneThread)
                        .unwrap(),
                );
            });
            let whole = processor(|| {
                let set = store
                    .select(&matchers, range, &interrupt, &OneThread)
                    .unwrap();
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
    let disk = Arc::new(Unsynced);
    let store = Store::open(disk, &dir, Options::default(), clock.reading()).unwrap();
    // Every 15 s, and some hours more, which are still in the log.
    let rounds = 15 * 5760 + 660;
    scrape(&store, &clock, &KINDS, 2000, steady(rounds), |round| {
        if round % 240 == 0 {
            store.maintain().unwrap();
        }
    });
    let statistics = store.statistics();
    drop(store);
    let timed = || {
        let (start, cpu) = (Instant::now(), cpu_seconds());
        let store = open_at(&dir, &clock, Options::default());
        let took = (start.elapsed().as_secs_f64(), cpu_seconds() - cpu);
        let text = format!("{:.1} ms ({:.1} of processor)", took.0 * 1e3, took.1 * 1e3);
        (store, text)
    };
    let (store, after_kill) = timed();
    println!(
        "  15 days × 2,000 series, {} blocks, {:.1} MB, log {:.1} MB: after a kill {after_kill}",
        statistics.blocks,
        statistics.block_bytes as f64 / 1e6,
        statistics.wal_bytes as f64 / 1e6,
    );
    store.close().unwrap();
    drop(store);
    let (store, after_end) = timed();
    println!(
        "  after a proper end {after_end}; RSS of the process, which filled it before: {:.0} MB",
        resident() as f64 / 1e6
    );
    drop(store);
    let _ = std::fs::remove_dir_all(&dir);
}
