//! Times and durations as a person writes them on a command line.

use jiff::Timestamp;
use series::parse_duration;
use std::time::Duration;

/// A duration above zero as Prometheus writes it, such as `30s` or `15d`.
pub(crate) fn positive_duration(text: &str) -> Result<Duration, String> {
    let ms = positive_ms(text)?;
    Ok(Duration::from_millis(ms.unsigned_abs()))
}

/// As [`positive_duration`], in milliseconds.
pub(crate) fn positive_ms(text: &str) -> Result<i64, String> {
    let ms = parse_duration(text).map_err(|error| error.to_string())?;
    match ms {
        1.. => Ok(ms),
        _ => Err("it must be longer than nothing".to_owned()),
    }
}

/// As [`positive_duration`], but the text itself.
pub(crate) fn duration_text(text: &str) -> Result<String, String> {
    positive_ms(text).map(|_| text.to_owned())
}

/// A step: a duration, or a number of seconds. In milliseconds.
pub(crate) fn step(text: &str) -> Result<i64, String> {
    match text.parse::<f64>() {
        Ok(seconds) => match seconds_to_ms(seconds) {
            Some(ms @ 1..) => Ok(ms),
            _ => Err("it must be at least a millisecond".to_owned()),
        },
        Err(_) => positive_ms(text),
    }
}

/// A moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Milliseconds since the epoch.
    At(i64),
    /// So many milliseconds from now; negative for what has been.
    FromNow(i64),
}

impl Moment {
    pub(crate) const NOW: Self = Self::FromNow(0);

    /// In milliseconds since the epoch.
    pub(crate) fn resolve(self, now_ms: i64) -> i64 {
        match self {
            Self::At(ms) => ms,
            Self::FromNow(ms) => now_ms.saturating_add(ms),
        }
    }
}

/// `now`, `-1h`, `now-1h`, RFC 3339 (`2024-05-01T12:00:00Z`) or seconds since the epoch.
pub(crate) fn moment(text: &str) -> Result<Moment, String> {
    let relative = text.strip_prefix("now").unwrap_or(text);
    if relative.is_empty() && !text.is_empty() {
        return Ok(Moment::NOW);
    }
    let signed = relative
        .strip_prefix('-')
        .map(|duration| (duration, -1))
        .or_else(|| relative.strip_prefix('+').map(|duration| (duration, 1)));
    if let Some((duration, sign)) = signed
        && let Ok(ms) = parse_duration(duration)
    {
        return Ok(Moment::FromNow(sign * ms));
    }
    if let Some(ms) = text.parse().ok().and_then(seconds_to_ms) {
        return Ok(Moment::At(ms));
    }
    let time: Result<Timestamp, _> = text.parse();
    time.map(|time| Moment::At(time.as_millisecond()))
        .map_err(|_| {
            "write now, -1h, now-30m, 2024-05-01T12:00:00Z or seconds since 1970".to_owned()
        })
}

fn seconds_to_ms(seconds: f64) -> Option<i64> {
    let ms = (seconds * 1_000.0).round();
    // Beyond this no calendar goes, and every number below is exact.
    (ms.abs() < 9.0e15).then_some(ms as i64)
}

/// A number of bytes as Prometheus writes it: `512MB`, `1.5GB`, powers of 1024.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    series::parse_bytes(text).ok_or_else(|| "write a size such as 512MB or 10GB".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_in_five_ways() {
        const NOW: i64 = 1_714_564_800_000;
        for (text, ms) in [
            ("now", NOW),
            ("-1h", NOW - 3_600_000),
            ("now-1h30m", NOW - 5_400_000),
            ("now+1s", NOW + 1_000),
            ("1714564800", NOW),
            ("1714564800.25", NOW + 250),
            ("-3600", -3_600_000),
            ("2024-05-01T12:00:00Z", NOW),
            ("2024-05-01T14:00:00.5+02:00", NOW + 500),
        ] {
            let read = moment(text).map(|moment| moment.resolve(NOW));
            assert_eq!(read, Ok(ms), "{text}");
        }
        for text in [
            "",
            "yesterday",
            "-1",
            "--1h",
            "nowish",
            "NaN",
            "inf",
            "2024-05-01",
        ] {
            // A bare negative number is a time before 1970.
            assert_eq!(moment(text).is_ok(), text == "-1", "{text}");
        }
    }

    #[test]
    fn a_step_is_a_duration_or_seconds_above_zero() {
        for (text, ms) in [
            ("15s", 15_000),
            ("1m30s", 90_000),
            ("0.5", 500),
            ("60", 60_000),
        ] {
            assert_eq!(step(text), Ok(ms), "{text}");
        }
        for text in ["0", "0s", "-5", "NaN", "soon", ""] {
            assert!(step(text).is_err(), "{text}");
        }
    }
}
