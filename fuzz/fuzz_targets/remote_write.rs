//! Any bytes as the body of a remote write of either version, as they are and compressed: reading
//! them does not panic, and what is read has labels and increasing times.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for second in [false, true] {
        let _ = api::read_remote_write(second, data);
        let Ok(body) = snap::raw::Encoder::new().compress_vec(data) else {
            return;
        };
        for series in api::read_remote_write(second, &body).unwrap_or_default() {
            assert!(series.metadata.is_some() || series.labels.metric_name().is_some());
            assert!(
                series
                    .samples
                    .windows(2)
                    .all(|pair| pair[0].time < pair[1].time)
            );
        }
    }
});
