//! Columns in memory → bytes of a gRPC response, beside arrow's own writer in the same run.
//!
//! `cargo bench -p grafana`
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a benchmark"
)]
#![allow(
    unsafe_code,
    reason = "an allocator that counts can only be written so"
)]

use arrow_array::{Float64Array, RecordBatch, TimestampNanosecondArray};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use grafana::{Asked, Legend, encode_response};
use series::{Answer, Column, Labels, QueryResult, Series};
use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const RUNS: usize = 15;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: every call is handed to the system's allocator as it came; only sizes are counted.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(now, Ordering::Relaxed);
        // SAFETY: the layout is the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the pointer came from `alloc` with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    println!(
        "series × points   ours ms   arrow ms   ratio   response MiB   extra memory × response"
    );
    for (series, points) in [
        (200, 10_000),
        (5_000, 120),
        (10_000, 60),
        (1, 11_000),
        (10_000, 1),
    ] {
        let answer = answer(series, points);
        let asked = Asked {
            ref_id: "A",
            expr: "up",
            step_ms: 15_000,
            legend: &Legend::Auto,
        };
        let (ours, (bytes, extra)) = measure(|| {
            let before = NOW.load(Ordering::Relaxed);
            PEAK.store(before, Ordering::Relaxed);
            let bytes = encode_response(&[(asked, &answer)]).unwrap();
            (bytes.len(), PEAK.load(Ordering::Relaxed) - before)
        });
        let (arrow, _) = measure(|| through_arrow(&answer));
        println!(
            "{series:>6} × {points:<7} {:>9.2} {:>10.2} {:>7.1} {:>14.2} {:>12.3}",
            ours.as_secs_f64() * 1e3,
            arrow.as_secs_f64() * 1e3,
            arrow.as_secs_f64() / ours.as_secs_f64(),
            bytes as f64 / 1_048_576.0,
            extra as f64 / bytes as f64,
        );
    }
}

/// The median time and the last result.
fn measure<T>(mut run: impl FnMut() -> T) -> (Duration, T) {
    let mut times = Vec::new();
    let mut last = None;
    for _ in 0..RUNS {
        let started = Instant::now();
        let result = black_box(run());
        times.push(started.elapsed());
        last = Some(result);
    }
    times.sort();
    (times[RUNS / 2], last.unwrap())
}

fn answer(series: usize, points: usize) -> Answer {
    let times: Column<i64> = (0..points as i64)
        .map(|p| 1_700_000_000_000 + p * 15_000)
        .collect();
    let one = |number: usize| Series {
        labels: Labels::new([
            ("__name__", "http_requests_total"),
            (
                "instance",
                &format!("10.0.{}.{}:8080", number / 256, number % 256),
            ),
            ("job", "wiki"),
            ("method", "GET"),
            ("status", "200"),
        ])
        .unwrap(),
        times: times.clone(),
        values: (0..points)
            .map(|point| (number * point) as f64 * 0.5)
            .collect(),
    };
    Answer::new(QueryResult::Matrix((0..series).map(one).collect()))
}

/// What the same frames cost through arrow's writer, gathered in one buffer.
fn through_arrow(answer: &Answer) -> usize {
    let QueryResult::Matrix(series) = &answer.result else {
        return 0;
    };
    let mut all = Vec::new();
    for Series {
        labels,
        times,
        values,
    } in series
    {
        let labels: HashMap<&str, &str> = labels.iter().collect();
        let labels = serde_json::to_string(&labels).unwrap();
        let time = Field::new(
            "Time",
            DataType::Timestamp(TimeUnit::Nanosecond, None),
            false,
        )
        .with_metadata(HashMap::from([(
            "config".into(),
            r#"{"interval":15000}"#.into(),
        )]));
        let value = Field::new("http_requests_total", DataType::Float64, false)
            .with_metadata(HashMap::from([("labels".into(), labels)]));
        let metadata = HashMap::from([
            ("name".into(), String::new()),
            ("refId".into(), "A".into()),
            (
                "meta".into(),
                r#"{"type":"timeseries-multi","typeVersion":[0,1]}"#.into(),
            ),
        ]);
        let schema = Arc::new(Schema::new_with_metadata(vec![time, value], metadata));
        let times = TimestampNanosecondArray::from_iter_values(times.iter().map(|t| t * 1_000_000));
        let values = Float64Array::from_iter_values(values.iter().copied());
        let batch =
            RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(times), Arc::new(values)]);
        let mut file = arrow_ipc::writer::FileWriter::try_new(Vec::new(), &schema).unwrap();
        file.write(&batch.unwrap()).unwrap();
        file.finish().unwrap();
        all.extend_from_slice(&file.into_inner().unwrap());
    }
    all.len()
}
