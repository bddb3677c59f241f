/// Why a text is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// The text is not a run of numbers with units.
    #[error(
        "not a duration: {0:?} (write it as Prometheus does: 15s, 1h30m, 500ms; \
         units from large to small, each once: y w d h m s ms)"
    )]
    Malformed(String),
    /// More milliseconds than 64 bits hold.
    #[error("duration out of range: {0:?}")]
    OutOfRange(String),
}

const UNITS: [(&str, i64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Reads a duration as Prometheus writes them (`1h30m`, `15s`, `0`), in milliseconds.
///
/// Units go from large to small and each stands at most once; `0` needs no unit
/// (Prometheus `common/model`, `ParseDuration`).
///
/// # Errors
/// [`DurationError`] with the text that was refused.
pub fn parse_duration(text: &str) -> Result<i64, DurationError> {
    let malformed = || DurationError::Malformed(text.to_owned());
    let out_of_range = || DurationError::OutOfRange(text.to_owned());
    if text == "0" {
        return Ok(0);
    }
    if text.is_empty() {
        return Err(malformed());
    }
    let mut rest = text;
    let mut next_unit = 0;
    let mut total: i64 = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let letters = rest[digits..]
            .bytes()
            .take_while(u8::is_ascii_alphabetic)
            .count();
        if digits == 0 {
            return Err(malformed());
        }
        let unit = &rest[digits..digits + letters];
        let position = UNITS[next_unit..]
            .iter()
            .position(|(name, _)| *name == unit)
            .ok_or_else(malformed)?
            + next_unit;
        let count: i64 = rest[..digits].parse().map_err(|_| out_of_range())?;
        total = count
            .checked_mul(UNITS[position].1)
            .and_then(|ms| total.checked_add(ms))
            .ok_or_else(out_of_range)?;
        next_unit = position + 1;
        rest = &rest[digits + letters..];
    }
    Ok(total)
}

/// Writes milliseconds as Prometheus does: `90000` becomes `1m30s`, years, weeks and days only
/// where nothing is left over (Prometheus `common/model`, `Duration.String`).
///
/// A negative duration gets a leading minus.
#[must_use]
pub fn format_duration(milliseconds: i64) -> String {
    if milliseconds == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    if milliseconds < 0 {
        text.push('-');
    }
    let mut rest = milliseconds.unsigned_abs();
    for (name, length) in UNITS {
        let length = length.unsigned_abs();
        let only_exact = matches!(name, "y" | "w" | "d");
        // Days may carry a rest of hours; years and weeks are written only when exact.
        if only_exact && name != "d" && !rest.is_multiple_of(length) {
            continue;
        }
        let count = rest / length;
        if count > 0 {
            text.push_str(&count.to_string());
            text.push_str(name);
            rest -= count * length;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_read_as_prometheus_reads_them() {
        for (text, ms) in [
            ("0", 0),
            ("0s", 0),
            ("324ms", 324),
            ("3s", 3_000),
            ("5m", 300_000),
            ("1h", 3_600_000),
            ("4d", 345_600_000),
            ("4d1h", 349_200_000),
            ("14d", 1_209_600_000),
            ("3w", 1_814_400_000),
            ("3w2d1h", 1_990_800_000),
            ("10y", 315_360_000_000),
            ("1h30m15s500ms", 5_415_500),
        ] {
            assert_eq!(parse_duration(text), Ok(ms), "{text}");
        }
    }

    #[test]
    fn what_prometheus_refuses_is_refused() {
        for text in [
            "", "1", "1y1m1d", "-1w", "1.5d", "d", "294y_", "1s1s", "5 m", "1µs",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
        assert!(matches!(
            parse_duration("9223372036854775808ms"),
            Err(DurationError::OutOfRange(_))
        ));
    }

    #[test]
    fn whole_weeks_and_years_are_written_as_such() {
        assert_eq!(format_duration(1_209_600_000), "2w");
        assert_eq!(format_duration(31_536_000_000), "1y");
        assert_eq!(format_duration(90_000), "1m30s");
        assert_eq!(format_duration(8 * 86_400_000 + 3_600_000), "8d1h");
        assert_eq!(format_duration(-1_500), "-1s500ms");
    }

    proptest! {
        #[test]
        fn a_written_duration_reads_back(ms in 0..i64::MAX) {
            prop_assert_eq!(parse_duration(&format_duration(ms)), Ok(ms));
        }
    }
}
