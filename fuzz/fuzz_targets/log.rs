//! Any bytes as a segment of the store's log.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = store::probe::read_log(bytes);
});
