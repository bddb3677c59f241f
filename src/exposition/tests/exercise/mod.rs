//! What must hold for any bytes at all. The property tests here and the fuzz target
//! `fuzz/fuzz_targets/exposition.rs` both drive this.

use exposition::{Entry, Error, Format, Parser};

/// One line as it was read, comparable; floats as their bits, so that NaN equals NaN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    what: String,
    series: Vec<u8>,
    value: u64,
    time: Option<i64>,
}

/// Reads `page`, guessing with `guess(i)` at its i-th line.
///
/// Asserts what must hold on the way: reading ends, an error is repeated and points into the
/// page, and a guess that is said to be right is the series that was read.
pub(crate) fn read<'g>(
    page: &[u8],
    format: Format,
    mut guess: impl FnMut(usize) -> &'g [u8],
) -> (Vec<Line>, Option<Error>) {
    let mut parser = Parser::new(page, format);
    let mut lines = Vec::new();
    loop {
        let expected = guess(lines.len());
        let before = parser.offset();
        match parser.next_expecting(expected) {
            Ok(None) => {
                assert!(matches!(parser.next(), Ok(None)), "the end did not last");
                return (lines, None);
            }
            Err(error) => {
                assert_eq!(parser.next().err().as_ref(), Some(&error));
                assert_points_into(page, &error);
                return (lines, Some(error));
            }
            Ok(Some(entry)) => {
                assert!(parser.offset() > before, "a line without a byte");
                lines.push(line(page, entry, expected));
            }
        }
    }
}

fn line(page: &[u8], entry: Entry<'_>, expected: &[u8]) -> Line {
    let mut line = Line {
        what: String::new(),
        series: Vec::new(),
        value: 0,
        time: None,
    };
    let Entry::Sample(sample) = entry else {
        line.what = format!("{entry:?}");
        return line;
    };
    assert_eq!(&page[sample.range()], sample.series);
    if sample.expected {
        assert_eq!(sample.series, expected);
    }
    let labels = sample.labels();
    match &labels {
        Ok(labels) => assert!(labels.metric_name().is_some()),
        Err(error) => assert_points_into(page, error),
    }
    line.what = format!("{labels:?}");
    if let Some(exemplar) = &sample.exemplar {
        let bits = exemplar.value.to_bits();
        line.what = format!("{} {:?} {bits}", line.what, exemplar.labels());
    }
    line.series = sample.series.to_vec();
    line.value = sample.value.to_bits();
    line.time = sample.time;
    line
}

fn assert_points_into(page: &[u8], error: &Error) {
    let lines: Vec<&[u8]> = page.split(|b| *b == b'\n').collect();
    let position = error.position;
    let line = lines.get(position.line - 1);
    assert!(
        line.is_some_and(|line| position.column <= line.len() + 1),
        "{error} lies outside of {}",
        page.escape_ascii()
    );
}

/// Reads `page` as both formats, without guesses, with right ones and with wrong ones, and
/// asserts that the guesses change nothing.
pub(crate) fn exercise(page: &[u8], foreign_guesses: &[&[u8]]) {
    for format in [Format::PrometheusText, Format::OpenMetrics] {
        let plain = read(page, format, |_| b"");
        let own: Vec<&[u8]> = plain.0.iter().map(|line| line.series.as_slice()).collect();
        let right = read(page, format, |i| own.get(i).copied().unwrap_or_default());
        assert_eq!(right, plain);
        for shift in 1..3 {
            let late = read(page, format, |i| {
                own.get(i + shift).copied().unwrap_or_default()
            });
            assert_eq!(late, plain);
        }
        for guess in foreign_guesses {
            let foreign = read(page, format, |_| guess);
            assert_eq!(foreign, plain, "guessing {}", guess.escape_ascii());
        }
    }
}
