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
