//! Every dependency has a licence and a source that deny.toml allows.
//!
//! cargo-deny checks the same and more, but takes minutes to install; this takes the list
//! from the same file and needs nothing but cargo.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::Value;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// Tells whether an SPDX expression can be met with the allowed licences alone.
///
/// `OR` leaves the choice, `AND` binds to both and binds tighter, `WITH` adds an exception to
/// the licence before it (SPDX 2.3, annex D). Older crates write `/` for `OR`.
fn is_allowed(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    let met = any_of(&mut rest, allowed);
    met && rest.is_empty()
}

fn any_of(rest: &mut &[&str], allowed: &BTreeSet<String>) -> bool {
    let mut met = all_of(rest, allowed);
    while rest.first() == Some(&"OR") {
        *rest = &rest[1..];
        met |= all_of(rest, allowed);
    }
    met
}

fn all_of(rest: &mut &[&str], allowed: &BTreeSet<String>) -> bool {
    let mut met = one(rest, allowed);
    while rest.first() == Some(&"AND") {
        *rest = &rest[1..];
        met &= one(rest, allowed);
    }
    met
}

fn one(rest: &mut &[&str], allowed: &BTreeSet<String>) -> bool {
    match **rest {
        ["(", ..] => {
            *rest = &rest[1..];
            let met = any_of(rest, allowed);
            let closed = rest.first() == Some(&")");
            *rest = rest.get(1..).unwrap_or_default();
            met && closed
        }
        [licence, "WITH", exception, ..] => {
            *rest = &rest[3..];
            allowed.contains(&format!("{licence} WITH {exception}"))
        }
        [licence, ..] => {
            *rest = &rest[1..];
            allowed.contains(licence)
        }
        [] => false,
    }
}

#[test]
fn every_dependency_may_be_given_away_with_headwater() {
    let house = Path::new(env!("CARGO_MANIFEST_DIR"));
    let deny: toml::Table = std::fs::read_to_string(house.join("deny.toml"))
        .unwrap()
        .parse()
        .unwrap();
    let list = |section: &str, key: &str| -> BTreeSet<String> {
        deny[section][key]
            .as_array()
            .unwrap()
            .iter()
            .map(|v| v.as_str().unwrap().to_owned())
            .collect()
    };
    let licences = list("licenses", "allow");
    let registries = list("sources", "allow-registry");
    let platform = deny["graph"]["targets"][0].as_str().unwrap();

    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--locked",
            "--filter-platform",
            platform,
        ])
        .current_dir(house)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();

    let mut wrong = Vec::new();
    let mut seen = 0;
    for package in metadata["packages"].as_array().unwrap() {
        // A room has no source: it lies in this repository.
        let Some(source) = package["source"].as_str() else {
            continue;
        };
        seen += 1;
        let name = format!("{} {}", package["name"], package["version"]);
        let licence = package["license"].as_str().unwrap_or_default();
        if !is_allowed(licence, &licences) {
            wrong.push(format!("{name}: licence {licence:?} is not in deny.toml"));
        }
        if !source
            .strip_prefix("registry+")
            .is_some_and(|registry| registries.contains(registry))
        {
            wrong.push(format!("{name}: source {source} is not in deny.toml"));
        }
    }
    assert!(seen > 0, "cargo metadata named no dependency");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_expression_is_met_by_what_it_leaves_to_choose() {
    let allowed: BTreeSet<String> = ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"]
        .map(str::to_owned)
        .into();
    for (expression, expected) in [
        ("MIT", true),
        ("GPL-3.0-only", false),
        ("GPL-3.0-only OR MIT", true),
        ("GPL-3.0-only/MIT", true),
        ("GPL-3.0-only AND MIT", false),
        ("MIT AND ISC", true),
        ("MIT OR GPL-3.0-only AND GPL-2.0-only", true),
        ("GPL-2.0-only AND MIT OR GPL-3.0-only", false),
        ("(GPL-2.0-only OR MIT) AND ISC", true),
        ("(MIT AND GPL-2.0-only) OR (GPL-3.0-only AND ISC)", false),
        ("Apache-2.0 WITH LLVM-exception", true),
        ("Apache-2.0", false),
        ("MIT WITH LLVM-exception", false),
        ("", false),
        ("(MIT", false),
        ("MIT ISC", false),
        ("OR", false),
    ] {
        assert_eq!(is_allowed(expression, &allowed), expected, "{expression:?}");
    }
}
