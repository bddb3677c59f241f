//! Lines drawn with braille patterns: a character has two dots side by side and four above each
//! other (Unicode, "Braille Patterns", U+2800).

use super::writing::{number, time};
use engine::RangeQuery;
use series::Series;
use std::io::{self, Write};

/// Series that are drawn; a terminal is not wide or high enough for more.
const MOST_SERIES: usize = 8;
/// Lines of a chart that stands alone, and of one among others.
const HEIGHT_ALONE: usize = 14;
const HEIGHT: usize = 5;
/// Columns in front of the axis.
const SCALE: usize = 10;

/// Draws series over the range of a query, each in a chart of its own, for a terminal has no
/// colours to rely on.
pub(super) struct Chart<'a> {
    /// Columns.
    pub(super) width: usize,
    pub(super) query: &'a RangeQuery,
}

impl Chart<'_> {
    pub(super) fn write(&self, series: &[Series], out: &mut dyn Write) -> io::Result<()> {
        if series.is_empty() {
            return writeln!(out, "no series");
        }
        let height = if series.len() == 1 {
            HEIGHT_ALONE
        } else {
            HEIGHT
        };
        for one in series.iter().take(MOST_SERIES) {
            self.write_one(one, height, out)?;
        }
        self.write_times(out)?;
        if let more @ 1.. = series.len().saturating_sub(MOST_SERIES) {
            let advice = "a table or CSV has them all; topk() and sum by () make them fewer";
            writeln!(out, "and {more} more series: {advice}")?;
        }
        Ok(())
    }

    fn write_one(&self, one: &Series, height: usize, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", one.labels)?;
        let finite = one.values.iter().copied().filter(|value| value.is_finite());
        let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        });
        if low > high {
            return writeln!(out, "{:>SCALE$} ┤ no number that can be drawn", "");
        }
        let (low, high) = with_room(low, high);
        let mut dots = Dots::new(self.width.saturating_sub(SCALE + 2).max(1), height);
        let mut last: Option<(i64, f64, f64)> = None;
        for (at, value) in one.times.iter().zip(one.values.iter()) {
            if !value.is_finite() {
                last = None;
                continue;
            }
            let (x, y) = (self.x(*at), (value - low) / (high - low));
            match last {
                // A step without a sample is a gap.
                Some((before, from_x, from_y)) if at - before <= self.query.step_ms => {
                    dots.line((from_x, from_y), (x, y));
                }
                _ => dots.point(x, y),
            }
            last = Some((*at, x, y));
        }
        for (row, line) in dots.rows().enumerate() {
            let scale = match row {
                0 => short(high),
                row if row + 1 == height => short(low),
                row if height > 8 && row == height / 2 => {
                    let share = 1.0 - row as f64 / (height - 1) as f64;
                    short(low + (high - low) * share)
                }
                _ => String::new(),
            };
            let axis = if scale.is_empty() { '│' } else { '┤' };
            let text = format!("{scale:>SCALE$} {axis}{line}");
            writeln!(out, "{}", text.trim_end_matches(['\u{2800}', ' ']))?;
        }
        Ok(())
    }

    /// The place of a time from 0 to 1.
    fn x(&self, at: i64) -> f64 {
        let range = (self.query.end_ms - self.query.start_ms).max(1);
        (at - self.query.start_ms) as f64 / range as f64
    }

    fn write_times(&self, out: &mut dyn Write) -> io::Result<()> {
        let width = self.width.saturating_sub(SCALE + 2).max(1);
        // Nobody reads milliseconds from a chart.
        let whole = |ms: i64| time(ms - ms.rem_euclid(1_000));
        let (start, end) = (whole(self.query.start_ms), whole(self.query.end_ms));
        writeln!(out, "{:SCALE$} └{}", "", "─".repeat(width))?;
        let room = width.saturating_sub(start.len()).max(end.len() + 1);
        writeln!(out, "{:SCALE$}  {start}{end:>room$}", "")
    }
}

/// Bounds that are not equal.
fn with_room(low: f64, high: f64) -> (f64, f64) {
    // Halved first, for the difference of two numbers may be beyond all numbers.
    if high / 2.0 - low / 2.0 > f64::EPSILON * high.abs().max(low.abs()) && (high - low).is_finite()
    {
        return (low, high);
    }
    let room = (high.abs() / 10.0).max(1.0);
    (
        low / 2.0 + (low / 2.0 - room),
        high / 2.0 + (high / 2.0 + room),
    )
}

/// A number of at most seven characters, with k, M, G and T.
fn short(value: f64) -> String {
    let size = value.abs();
    let (scaled, unit) = match size {
        1e15.. => return format!("{value:.2e}"),
        1e12.. => (value / 1e12, "T"),
        1e9.. => (value / 1e9, "G"),
        1e6.. => (value / 1e6, "M"),
        1e4.. => (value / 1e3, "k"),
        _ => (value, ""),
    };
    if size != 0.0 && size < 1e-3 {
        return format!("{value:.2e}");
    }
    let decimals = match scaled.abs() {
        100.0.. => 1,
        10.0.. => 2,
        _ => 3,
    };
    // Through the text and back, so that zeros at the end go.
    let rounded = format!("{scaled:.decimals$}").parse().unwrap_or(scaled);
    format!("{}{unit}", number(rounded))
}

/// A field of dots.
struct Dots {
    columns: usize,
    rows: usize,
    /// A byte per character: which of its eight dots are set.
    cells: Vec<u8>,
}

impl Dots {
    fn new(columns: usize, rows: usize) -> Self {
        Self {
            columns,
            rows,
            cells: vec![0; columns * rows],
        }
    }

    /// Sets a dot; both places go from 0 to 1, from the left and from below.
    fn point(&mut self, x: f64, y: f64) {
        let (x, y) = self.dot(x, y);
        self.set(x, y);
    }

    /// Sets the dots between two places.
    fn line(&mut self, from: (f64, f64), to: (f64, f64)) {
        let (from, to) = (self.dot(from.0, from.1), self.dot(to.0, to.1));
        let steps = from.0.abs_diff(to.0).max(from.1.abs_diff(to.1)).max(1);
        for step in 0..=steps {
            let share = step as f64 / steps as f64;
            let between =
                |a: usize, b: usize| (a as f64 + (b as f64 - a as f64) * share).round() as usize;
            self.set(between(from.0, to.0), between(from.1, to.1));
        }
    }

    /// Column and row of a dot, the row from above.
    fn dot(&self, x: f64, y: f64) -> (usize, usize) {
        let at = |place: f64, count: usize| (place.clamp(0.0, 1.0) * (count - 1) as f64).round();
        let (columns, rows) = (self.columns * 2, self.rows * 4);
        (at(x, columns) as usize, rows - 1 - at(y, rows) as usize)
    }

    fn set(&mut self, x: usize, y: usize) {
        // The order of the eight dots in a pattern's number.
        const BITS: [[u8; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];
        if let Some(cell) = self.cells.get_mut(y / 4 * self.columns + x / 2) {
            *cell |= BITS[y % 4][x % 2];
        }
    }

    fn rows(&self) -> impl Iterator<Item = String> + '_ {
        self.cells.chunks(self.columns).map(|row| {
            row.iter()
                .filter_map(|cell| char::from_u32(0x2800 + u32::from(*cell)))
                .collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use series::Labels;

    fn drawn(values: &[f64], width: usize) -> String {
        let query = RangeQuery {
            expr: String::new(),
            start_ms: 0,
            end_ms: 60_000 * (values.len() as i64 - 1),
            step_ms: 60_000,
        };
        let series = Series {
            labels: Labels::empty(),
            times: (0..values.len() as i64).map(|at| at * 60_000).collect(),
            values: values.to_vec().into(),
        };
        let mut out = Vec::new();
        let chart = Chart {
            width,
            query: &query,
        };
        chart.write(&[series.clone(), series], &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_rising_line_goes_from_below_left_to_above_right() {
        let text = drawn(&[0.0, 10.0, 20.0], 22);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[..6],
            [
                "{}",
                "        20 ┤⠀⠀⠀⠀⠀⠀⠀⠀⡠⠊",
                "           │⠀⠀⠀⠀⠀⠀⡠⠊",
                "           │⠀⠀⠀⠀⡠⠊",
                "           │⠀⠀⡠⠊",
                "         0 ┤⡠⠊",
            ]
        );
        assert!(text.contains("1970-01-01T00:00:00Z"), "{text}");
        assert!(text.contains("1970-01-01T00:02:00Z"), "{text}");
    }

    #[test]
    fn what_cannot_be_drawn_leaves_a_gap_and_never_breaks_the_chart() {
        for values in [
            &[f64::NAN, f64::INFINITY][..],
            &[5.0],
            &[0.0, 0.0],
            &[f64::MAX, f64::MIN],
            &[1e300, f64::NAN, -1e-300],
            &[f64::MIN_POSITIVE, 0.0],
        ] {
            let text = drawn(values, 40);
            assert!(text.lines().count() >= 5, "{text}");
        }
        assert!(drawn(&[f64::NAN], 40).contains("no number"));
    }

    #[test]
    fn the_scale_is_short() {
        for (value, text) in [
            (0.0, "0"),
            (0.1234, "0.123"),
            (1234.5, "1234.5"),
            (12_345.0, "12.35k"),
            (-2_500_000.0, "-2.5M"),
            (1e13, "10T"),
            (1e-5, "1.00e-5"),
            (1e18, "1.00e18"),
        ] {
            assert_eq!(short(value), text);
        }
    }
}
