use jiff::Timestamp;
use series::{Labels, METRIC_NAME, QueryResult};
use std::collections::BTreeSet;
use std::io::{self, Write};

/// Writes an answer for people: values first, for they line up.
pub(super) fn write_table(result: &QueryResult, out: &mut dyn Write) -> io::Result<()> {
    match result {
        QueryResult::Scalar(sample) => writeln!(out, "{}", number(sample.value)),
        QueryResult::String { value, .. } => writeln!(out, "{value}"),
        QueryResult::Vector(samples) => {
            if samples.is_empty() {
                return writeln!(out, "no series");
            }
            let values: Vec<String> = samples.iter().map(|s| number(s.sample.value)).collect();
            let width = widest(&values);
            writeln!(out, "{:>width$}  series", "value")?;
            for (value, sample) in values.iter().zip(samples) {
                writeln!(out, "{value:>width$}  {}", sample.labels)?;
            }
            Ok(())
        }
        QueryResult::Matrix(series) => {
            if series.is_empty() {
                return writeln!(out, "no series");
            }
            for (index, one) in series.iter().enumerate() {
                if index > 0 {
                    writeln!(out)?;
                }
                writeln!(out, "{}", one.labels)?;
                let values: Vec<String> = one.values.iter().map(|v| number(*v)).collect();
                let width = widest(&values);
                for (at, value) in one.times.iter().zip(&values) {
                    writeln!(out, "  {}  {value:>width$}", time(*at))?;
                }
            }
            Ok(())
        }
    }
}

fn widest(values: &[String]) -> usize {
    values.iter().map(String::len).max().unwrap_or(0).max(5)
}

/// Writes an answer as CSV (RFC 4180, with a header, lines end as on Unix): a column per label,
/// `__name__` first, then `time` as RFC 3339 and `value`.
pub(super) fn write_csv(result: &QueryResult, out: &mut dyn Write) -> io::Result<()> {
    match result {
        QueryResult::Scalar(sample) => {
            writeln!(
                out,
                "time,value\n{},{}",
                time(sample.time),
                number(sample.value)
            )
        }
        QueryResult::String { time: at, value } => {
            writeln!(out, "time,value\n{},{}", time(*at), field(value))
        }
        QueryResult::Vector(samples) => {
            let columns = columns(samples.iter().map(|sample| &sample.labels));
            write_header(&columns, out)?;
            for sample in samples {
                write_labels(&columns, &sample.labels, out)?;
                let (at, value) = (sample.sample.time, sample.sample.value);
                writeln!(out, "{},{}", time(at), number(value))?;
            }
            Ok(())
        }
        QueryResult::Matrix(series) => {
            let columns = columns(series.iter().map(|one| &one.labels));
            write_header(&columns, out)?;
            for one in series {
                for (at, value) in one.times.iter().zip(one.values.iter()) {
                    write_labels(&columns, &one.labels, out)?;
                    writeln!(out, "{},{}", time(*at), number(*value))?;
                }
            }
            Ok(())
        }
    }
}

/// The names of all labels, the metric's name first.
fn columns<'a>(all: impl Iterator<Item = &'a Labels>) -> Vec<&'a str> {
    let names: BTreeSet<&str> = all.flat_map(|l| l.iter().map(|(name, _)| name)).collect();
    let mut names: Vec<&str> = names.into_iter().collect();
    names.sort_by_key(|name| *name != METRIC_NAME);
    names
}

fn write_header(columns: &[&str], out: &mut dyn Write) -> io::Result<()> {
    for column in columns {
        write!(out, "{},", field(column))?;
    }
    writeln!(out, "time,value")
}

fn write_labels(columns: &[&str], labels: &Labels, out: &mut dyn Write) -> io::Result<()> {
    for column in columns {
        write!(out, "{},", field(labels.get(column).unwrap_or_default()))?;
    }
    Ok(())
}

fn field(text: &str) -> String {
    if text.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// A number as Prometheus writes it: the fewest digits that read back as the same number.
pub(super) fn number(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let size = value.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        return format!("{value:e}");
    }
    value.to_string()
}

/// A time as RFC 3339 in UTC; milliseconds where there are some.
pub(super) fn time(ms: i64) -> String {
    match Timestamp::from_millisecond(ms) {
        Ok(time) => time.to_string(),
        Err(_) => format!("{ms} ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use series::{InstantSample, Sample, Series};

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        Labels::new(pairs.iter().copied()).unwrap()
    }

    fn vector() -> QueryResult {
        let sample = |pairs: &[(&str, &str)], value| InstantSample {
            labels: labels(pairs),
            sample: Sample {
                time: 1_714_564_800_000,
                value,
            },
        };
        QueryResult::Vector(vec![
            sample(&[("__name__", "a"), ("path", "/\"x\",y")], 1234.5),
            sample(&[("__name__", "a"), ("code", "200")], f64::INFINITY),
        ])
    }

    fn written(
        write: fn(&QueryResult, &mut dyn Write) -> io::Result<()>,
        result: &QueryResult,
    ) -> String {
        let mut out = Vec::new();
        write(result, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn values_line_up_in_front_of_their_series() {
        assert_eq!(
            written(write_table, &vector()),
            " value  series\n1234.5  a{path=\"/\\\"x\\\",y\"}\n  +Inf  a{code=\"200\"}\n"
        );
        let empty = QueryResult::Vector(Vec::new());
        assert_eq!(written(write_table, &empty), "no series\n");
    }

    #[test]
    fn csv_has_a_column_for_every_label_and_quotes_what_needs_it() {
        assert_eq!(
            written(write_csv, &vector()),
            "__name__,code,path,time,value\n\
             a,,\"/\"\"x\"\",y\",2024-05-01T12:00:00Z,1234.5\n\
             a,200,,2024-05-01T12:00:00Z,+Inf\n"
        );
    }

    #[test]
    fn a_range_is_written_series_by_series() {
        let series = Series {
            labels: labels(&[("a", "b")]),
            times: vec![0, 1_500].into(),
            values: vec![0.1, 1e-9].into(),
        };
        let matrix = QueryResult::Matrix(vec![series.clone(), series]);
        let table = written(write_table, &matrix);
        let one = "{a=\"b\"}\n  1970-01-01T00:00:00Z    0.1\n  1970-01-01T00:00:01.5Z   1e-9\n";
        assert_eq!(table, format!("{one}\n{one}"));
        let csv = written(write_csv, &matrix);
        assert_eq!(csv.lines().count(), 5);
        assert_eq!(csv.lines().nth(2), Some("b,1970-01-01T00:00:01.5Z,1e-9"));
    }
}
