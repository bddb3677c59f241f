//! Prometheus's own `.test` scripts and ours.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod support;

use std::path::Path;

/// Runs all scripts of a folder and prints how each went; gives back passed and failed.
fn run_folder(folder: &Path) -> (usize, Vec<String>) {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "test"))
        .collect();
    files.sort();
    let (mut passed, mut failed) = (0, Vec::new());
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let outcome = support::script::run(&std::fs::read_to_string(&file).unwrap());
        println!(
            "{name}: {} of {}",
            outcome.passed,
            outcome.passed + outcome.failed.len()
        );
        passed += outcome.passed;
        for (line, reason) in outcome.failed {
            failed.push(format!("{name}:{line}: {reason}"));
        }
    }
    println!(
        "{}: {passed} of {}",
        folder.display(),
        passed + failed.len()
    );
    (passed, failed)
}

#[test]
fn the_stable_language_passes_all_cases_of_prometheus() {
    let Some(folder) = support::conformance("promql/core") else {
        return;
    };
    let (passed, failed) = run_folder(&folder);
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert_eq!(passed, 733);
}

#[test]
fn our_own_scripts_pass() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/promql");
    let (passed, failed) = run_folder(&folder);
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(passed > 0);
}

#[test]
fn experimental_cases_do_not_fall_behind() {
    /// How many passed when this was last looked at.
    const PASSED: usize = 164;
    let Some(folder) = support::conformance("promql/experimental") else {
        return;
    };
    let (passed, failed) = run_folder(&folder);
    for reason in &failed {
        println!("{reason}");
    }
    assert!(passed >= PASSED, "{passed} passed, {PASSED} did before");
}

#[test]
fn a_wrong_expectation_is_noticed() {
    for script in [
        "load 1m\n  m 1 2\n\neval instant at 1m m\n  m 3",
        "load 1m\n  m 1 2\n\neval instant at 1m m\n  m 2\n  n 2",
        "load 1m\n  m 1 2\n\neval instant at 1m m",
        "load 1m\n  m 1 2\n\neval range from 0 to 1m step 1m m\n  m 1 2 3",
        "load 1m\n  m 1 2\n\neval instant at 1m m\n  expect fail",
        "load 1m\n  m 1 2\n\neval instant at 1m m\n  expect warn\n  m 2",
        "load 1m\n  m_total 1 2\n\neval instant at 1m quantile(2, m_total)\n  expect no_warn\n  {} Inf",
    ] {
        let outcome = support::script::run(script);
        assert_eq!((outcome.passed, outcome.failed.len()), (0, 1), "{script}");
    }
}
