//! Any bytes as a Prometheus server's answer, in one piece and cut in two: the same comes out.

#![no_main]

use engine::remote::reader::{Bounds, Read, ReadError, Reader};
use libfuzzer_sys::fuzz_target;

const BOUNDS: Bounds = Bounds {
    samples: 100_000,
    series: 10_000,
    bytes: 1 << 20,
};

fn read(pieces: &[&[u8]]) -> Result<Read, ReadError> {
    let mut reader = Reader::new(BOUNDS);
    for piece in pieces {
        reader.feed(piece)?;
    }
    reader.finish()
}

fuzz_target!(|bytes: &[u8]| {
    let (first, second) = bytes.split_at(bytes.len() / 3);
    let (whole, cut) = (read(&[bytes]), read(&[first, second]));
    match (whole, cut) {
        // As text, for NaN is not equal to itself.
        (Ok(whole), Ok(cut)) => assert_eq!(format!("{whole:?}"), format!("{cut:?}")),
        (whole, cut) => assert_eq!(whole.is_ok(), cut.is_ok(), "{whole:?} {cut:?}"),
    }
});
