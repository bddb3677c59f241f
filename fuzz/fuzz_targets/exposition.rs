//! Any bytes as a page of metrics, in both formats. The same checks run as property tests in
//! `src/exposition/tests/properties.rs`.

#![no_main]

#[path = "../../src/exposition/tests/exercise/mod.rs"]
mod exercise;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|page: &[u8]| exercise::exercise(page, &[b"a", b"a{b=\"c\"}"]));
