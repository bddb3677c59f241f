//! The pages of `../shared/conformance`: Prometheus takes or refuses them, and so do we.
#![allow(
    clippy::disallowed_methods,
    reason = "a test that asks its surroundings"
)]
// A test may stop where it stands, and says so when it is skipped.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use exposition::{Entry, Error, Format, Parser};
use std::fs;
use std::path::{Path, PathBuf};

/// The folder, or `None` with a line that says that the test was skipped.
fn conformance() -> Option<PathBuf> {
    let worktree = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    let folder = worktree?.join("../shared/conformance");
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(
        std::env::var_os("CI").is_none(),
        "{} is absent, and in CI it has to be there",
        folder.display()
    );
    println!("SKIPPED: {} is absent", folder.display());
    None
}

/// How many samples a page holds, when Prometheus's scrape would take it.
fn samples(page: &[u8], format: Format) -> Result<usize, Error> {
    let mut parser = Parser::new(page, format);
    let mut count = 0;
    while let Some(entry) = parser.next()? {
        if let Entry::Sample(sample) = entry {
            sample.labels()?;
            count += 1;
        }
    }
    Ok(count)
}

fn pages(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut pages: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|file| {
            let path = file.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read(path).unwrap())
        })
        .collect();
    pages.sort();
    assert!(!pages.is_empty(), "{} holds no page", folder.display());
    pages
}

#[test]
fn every_good_page_is_taken() {
    let Some(folder) = conformance() else { return };
    for (name, page) in pages(&folder.join("openmetrics/good")) {
        if let Err(error) = samples(&page, Format::OpenMetrics) {
            panic!("{name} is refused: {error}");
        }
    }
}

#[test]
fn every_bad_page_is_refused() {
    let Some(folder) = conformance() else { return };
    for (name, page) in pages(&folder.join("openmetrics/bad")) {
        if let Ok(count) = samples(&page, Format::OpenMetrics) {
            panic!("{name} is taken, with {count} samples");
        }
    }
}

#[test]
fn recorded_pages_hold_as_many_samples_as_they_have_lines_of_them() {
    let Some(folder) = conformance() else { return };
    for (name, page) in pages(&folder.join("pages")) {
        // Two of the applications that were asked for OpenMetrics answered in text, so that a
        // page of that name may be in either.
        let format = match name.ends_with(".om.txt") && page.ends_with(b"# EOF\n") {
            true => Format::OpenMetrics,
            false => Format::PrometheusText,
        };
        let lines = page
            .split(|b| *b == b'\n')
            .filter(|line| !line.is_empty() && !line.starts_with(b"#"))
            .count();
        assert_eq!(samples(&page, format), Ok(lines), "{name}");
        if name == "alltypes.237mfs.prom.txt" {
            assert_eq!(lines, 1857);
        }
    }
}
