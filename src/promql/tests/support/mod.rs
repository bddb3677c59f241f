//! What the integration tests share: the folder of third-party cases, and a source in memory.
#![allow(clippy::disallowed_methods, reason = "tests ask whether CI runs them")]
#![allow(dead_code, clippy::print_stderr, clippy::unwrap_used)]

use std::path::PathBuf;

/// `../shared/conformance` beside the checkout; `None`, after a clear line, where it is absent.
///
/// # Panics
/// When it is absent on CI, where a silent skip would hide a broken checkout.
pub(crate) fn conformance(what: &str) -> Option<PathBuf> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    // The front door's tests use this file too, and stand two folders higher.
    let root = here.ancestors().find(|dir| dir.join("Cargo.lock").exists());
    let path = root.unwrap().join("../shared/conformance").join(what);
    if path.exists() {
        return Some(path);
    }
    assert!(
        std::env::var_os("CI").is_none(),
        "{} is absent, and CI is set",
        path.display()
    );
    eprintln!("SKIPPED: {} is absent", path.display());
    None
}

/// A dashboard's expression with Grafana's variables filled in: durations where a duration has
/// to stand, a pattern that matches everything elsewhere.
pub(crate) fn fill_variables(expression: &str) -> String {
    let mut out = String::new();
    let mut rest = expression;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let name: String = if let Some(braced) = rest.strip_prefix('{') {
            let end = braced.find('}').unwrap_or(braced.len());
            rest = &braced[(end + 1).min(braced.len())..];
            braced[..end].to_owned()
        } else {
            let end = rest
                .find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(rest.len());
            let name = rest[..end].to_owned();
            rest = &rest[end..];
            name
        };
        // `$1` belongs to label_replace.
        if name.starts_with(|c: char| c.is_ascii_digit()) || name.is_empty() {
            out.push('$');
            out.push_str(&name);
            continue;
        }
        out.push_str(match name.as_str() {
            "__rate_interval" | "__interval" | "interval" | "resolution" => "5m",
            "__range" => "1h",
            "created_by" => "created_by_name",
            _ => ".*",
        });
    }
    out.push_str(rest);
    out
}

pub(crate) mod memory;
pub(crate) mod script;
