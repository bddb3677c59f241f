//! Any bytes as the body of a remote write of either version, as they are and compressed: reading
//! them does not panic, what is read has labels and increasing times, and a reader that knows
//! series from bodies before reads the same as one that knows none.

#![no_main]

use api::RemoteWriteReader;
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static KNOWING: LazyLock<RemoteWriteReader> = LazyLock::new(RemoteWriteReader::default);

fuzz_target!(|data: &[u8]| {
    for second in [false, true] {
        let _ = KNOWING.read(second, data);
        let Ok(body) = snap::raw::Encoder::new().compress_vec(data) else {
            return;
        };
        let read = RemoteWriteReader::default().read(second, &body);
        let again = KNOWING.read(second, &body);
        // Not by equality, for a NaN equals none.
        assert_eq!(format!("{read:?}"), format!("{again:?}"));
        for series in read.unwrap_or_default() {
            assert!(series.metadata.is_some() || series.labels.metric_name().is_some());
            let samples = series.samples.windows(2);
            assert!(samples.clone().all(|pair| pair[0].time < pair[1].time));
            let Some(extras) = series.extras else {
                continue;
            };
            let starts = extras.start_times.len();
            assert!(starts == 0 || starts == series.samples.len());
            let mut histograms = extras.histograms.windows(2);
            assert!(histograms.all(|pair| pair[0].0 < pair[1].0));
            for (time, histogram) in &extras.histograms {
                let beside = series.samples.binary_search_by_key(time, |sample| sample.time);
                assert!(beside.is_err());
                for side in [&histogram.positive, &histogram.negative] {
                    assert!(side.windows(2).all(|pair| pair[0].index < pair[1].index));
                }
            }
        }
    }
});
