//! Any bytes as a block of the store, read to its last series.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = store::probe::read_block(bytes);
});
