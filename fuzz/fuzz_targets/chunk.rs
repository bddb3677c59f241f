//! Any bytes as a chunk of the store: no kernel panics, and all agree.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| store::probe::decode_chunk(bytes));
