//! Any text as a query: reading it does not panic, and what is read prints back the same.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|query: &str| {
    if let Ok(expr) = promql::parse(query) {
        let printed = expr.to_string();
        let again = promql::parse(&printed).map(|expr| expr.to_string());
        assert_eq!(again.as_ref(), Ok(&printed), "printed from {query:?}");
    }
});
