use crate::Error;

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// A Julian year of 365.25 days, as Grafana counts years in a setting.
const JULIAN_YEAR: i64 = 31_557_600 * SECOND;

/// Up to which interval (first, in milliseconds) which step (second) is the nice one. Beyond the
/// last line steps are 30 days, from two years on 365 (Grafana plugin SDK, `gtime`).
const NICE: [(i64, i64); 30] = [
    (10, 1),
    (15, 10),
    (35, 20),
    (75, 50),
    (150, 100),
    (350, 200),
    (750, 500),
    (1_500, SECOND),
    (3_500, 2 * SECOND),
    (7_500, 5 * SECOND),
    (12_500, 10 * SECOND),
    (17_500, 15 * SECOND),
    (25_000, 20 * SECOND),
    (45_000, 30 * SECOND),
    (90_000, MINUTE),
    (210_000, 2 * MINUTE),
    (450_000, 5 * MINUTE),
    (750_000, 10 * MINUTE),
    (1_050_000, 15 * MINUTE),
    (1_500_000, 20 * MINUTE),
    (2_700_000, 30 * MINUTE),
    (5_400_000, HOUR),
    (9_000_000, 2 * HOUR),
    (16_200_000, 3 * HOUR),
    (32_400_000, 6 * HOUR),
    (86_400_000, 12 * HOUR),
    (604_800_000, DAY),
    (1_814_400_000, 7 * DAY),
    (63_071_999_999, 30 * DAY),
    (i64::MAX, 365 * DAY),
];

const NANOS_PER_MS: i128 = 1_000_000;

/// The nice interval near `nanoseconds`, in milliseconds, at least one.
///
/// Nanoseconds, for a range divided by the number of points seldom is whole milliseconds.
pub(crate) fn round_to_nice(nanoseconds: i128) -> i64 {
    NICE.iter()
        .find(|(up_to, step)| {
            // The last two steps part at two years exactly, which belongs to the longer one.
            let bound = if *step == 30 * DAY {
                nanoseconds < (i128::from(*up_to) + 1) * NANOS_PER_MS
            } else {
                nanoseconds <= i128::from(*up_to) * NANOS_PER_MS
            };
            bound || *up_to == i64::MAX
        })
        .map_or(365 * DAY, |(_, step)| *step)
}

/// Reads an interval as Grafana's settings and Min step spell it, in milliseconds.
///
/// `15s`, `1m30s`, `1.5h`, `500ms` (Go's spelling, also `us` and `ns`), a number with one of `d`,
/// `w`, `M` (a twelfth of a year), `y` (365.25 days), or a bare number of seconds; white space
/// around it and the brackets of `<10m>` are left out. Parts of a millisecond are rounded up, for
/// neither Prometheus nor we know shorter ones. The value may be zero or negative.
///
/// # Errors
/// [`Error::Interval`] with the text, [`Error::OutOfRange`] when 64 bits of nanoseconds do not
/// hold it.
pub fn parse_interval(text: &str) -> Result<i64, Error> {
    let malformed = || Error::Interval {
        text: text.to_owned(),
    };
    let out_of_range = || Error::OutOfRange { what: "interval" };
    let inner = text.trim();
    let inner = inner.strip_prefix('<').unwrap_or(inner);
    let inner = inner.strip_suffix('>').unwrap_or(inner);
    if inner.is_empty() {
        return Err(malformed());
    }
    let digits = inner.bytes().take_while(u8::is_ascii_digit).count();
    let whole = |unit: i64| {
        inner[..digits]
            .parse::<i64>()
            .ok()
            .and_then(|count| count.checked_mul(unit))
            // Grafana counts in nanoseconds and cannot hold more either.
            .filter(|ms| ms.checked_mul(1_000_000).is_some())
            .ok_or_else(out_of_range)
    };
    match &inner[digits..] {
        "" => whole(SECOND),
        "d" if digits > 0 => whole(DAY),
        "w" if digits > 0 => whole(7 * DAY),
        "M" if digits > 0 => whole(JULIAN_YEAR / 12),
        "y" if digits > 0 => whole(JULIAN_YEAR),
        _ => {
            let nanoseconds = parse_go_duration(inner).ok_or_else(malformed)?;
            let nanoseconds = i64::try_from(nanoseconds).map_err(|_| out_of_range())?;
            Ok(
                nanoseconds.div_euclid(1_000_000)
                    + i64::from(nanoseconds.rem_euclid(1_000_000) > 0),
            )
        }
    }
}

/// Reads Go's spelling of a duration (`time.ParseDuration`), in nanoseconds: an optional sign,
/// then numbers, each with an optional fraction and a unit.
fn parse_go_duration(text: &str) -> Option<i128> {
    let (negative, mut rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (whole, after) = rest.split_at(digits);
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => after.split_at(after.bytes().take_while(u8::is_ascii_digit).count()),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let letters = after
            .find(|c: char| c == '.' || c.is_ascii_digit())
            .unwrap_or(after.len());
        let unit: i128 = match &after[..letters] {
            "ns" => 1,
            // The micro sign and the Greek letter mu look alike and are both written.
            "us" | "µs" | "μs" => 1_000,
            "ms" => NANOS_PER_MS,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        if whole.len() > 20 {
            // More than 64 bits; the caller says that it is out of range.
            return Some(i128::MAX);
        }
        total += whole.parse::<i128>().unwrap_or(0) * unit;
        // Digits below a nanosecond of an hour change nothing.
        let fraction = &fraction[..fraction.len().min(15)];
        if !fraction.is_empty() {
            let scale = 10i128.pow(fraction.len() as u32);
            total += fraction.parse::<i128>().unwrap_or(0) * unit / scale;
        }
        if total > i128::from(u64::MAX) {
            return Some(i128::MAX);
        }
        rest = &after[letters..];
    }
    Some(if negative { -total } else { total })
}

/// Writes an interval as Grafana does in `$__interval`: the largest unit alone, cut off, so that
/// 90 s becomes `1m` (Grafana plugin SDK, `gtime`). Less than a millisecond becomes `1ms`.
#[must_use]
pub fn format_interval(milliseconds: i64) -> String {
    for (unit, name) in [
        (365 * DAY, "y"),
        (DAY, "d"),
        (HOUR, "h"),
        (MINUTE, "m"),
        (SECOND, "s"),
        (1, "ms"),
    ] {
        if milliseconds >= unit {
            return format!("{}{name}", milliseconds / unit);
        }
    }
    "1ms".to_owned()
}

/// Writes a duration as Go does (`time.Duration.String`): `1m0s`, `1h0m0s`, `1.5s`, `20ms`,
/// `0s`. Frames give the step in this form (`Step: 1m0s`).
#[must_use]
pub fn format_go_duration(milliseconds: i64) -> String {
    let sign = if milliseconds < 0 { "-" } else { "" };
    let all = milliseconds.unsigned_abs();
    if all == 0 {
        return "0s".to_owned();
    }
    if all < 1_000 {
        return format!("{sign}{all}ms");
    }
    let (minutes, ms) = (all / 60_000, all % 60_000);
    let mut seconds = format!("{}", ms / 1_000);
    if ms % 1_000 != 0 {
        let fraction = format!(".{:03}", ms % 1_000);
        seconds.push_str(fraction.trim_end_matches('0'));
    }
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{sign}{seconds}s"),
        (0, minutes) => format!("{sign}{minutes}m{seconds}s"),
        (hours, minutes) => format!("{sign}{hours}h{minutes}m{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn intervals_are_read_as_grafana_writes_them() {
        for (text, ms) in [
            ("15s", 15_000),
            ("1m30s", 90_000),
            ("1h0m0s", 3_600_000),
            ("1.5h", 5_400_000),
            (".5s", 500),
            ("1.s", 1_000),
            ("+2s", 2_000),
            ("-2s", -2_000),
            ("500ms", 500),
            ("0", 0),
            ("0s", 0),
            ("60", 60_000),
            ("1d", 86_400_000),
            ("2w", 1_209_600_000),
            ("1M", 2_629_800_000),
            ("1y", 31_557_600_000),
            ("<10m>", 600_000),
            ("10m>", 600_000),
            (" 15s ", 15_000),
            ("1ns", 1),
            ("1500us", 2),
            ("1500µs", 2),
            ("1500μs", 2),
            ("-1500us", -1),
            ("1m1m", 120_000),
            ("30s1m", 90_000),
        ] {
            assert_eq!(parse_interval(text), Ok(ms), "{text}");
        }
    }

    #[test]
    fn what_is_no_interval_is_named() {
        for text in [
            "", "   ", "<>", "s", "d", "1x", "1.5", "15 s", "1h1d", "$step", ">10s", "-", "+",
            "1d2h", "1.5d", "-1d", "..5s", "1e3s", "∞",
        ] {
            assert_eq!(
                parse_interval(text),
                Err(Error::Interval {
                    text: text.to_owned()
                }),
                "{text}"
            );
        }
    }

    #[test]
    fn more_than_64_bits_of_nanoseconds_are_out_of_range() {
        for text in [
            "9223372037",
            "99999999999999999999",
            "293y",
            "106752d",
            "2562048h",
            "99999999999999999999999999999999999999999h",
            "9223372036s999s",
        ] {
            assert_eq!(
                parse_interval(text),
                Err(Error::OutOfRange { what: "interval" }),
                "{text}"
            );
        }
        assert_eq!(parse_interval("292y"), Ok(292 * JULIAN_YEAR));
        assert_eq!(parse_interval("2562047h"), Ok(2_562_047 * HOUR));
    }

    #[test]
    fn nice_intervals_are_grafanas() {
        for (from, nice) in [
            (-5, 1),
            (0, 1),
            (10, 1),
            (11, 10),
            (15, 10),
            (16, 20),
            (1_500, 1_000),
            (1_501, 2_000),
            (12_500, 10_000),
            (12_501, 15_000),
            (90_000, 60_000),
            (86_400_000, 12 * HOUR),
            (86_400_001, DAY),
            (604_800_000, DAY),
            (604_800_001, 7 * DAY),
            (1_814_400_000, 7 * DAY),
            (1_814_400_001, 30 * DAY),
            (63_071_999_999, 30 * DAY),
            (63_072_000_000, 365 * DAY),
            (i64::MAX, 365 * DAY),
        ] {
            assert_eq!(
                round_to_nice(i128::from(from) * NANOS_PER_MS),
                nice,
                "{from}"
            );
        }
        assert_eq!(round_to_nice(10 * NANOS_PER_MS + 1), 10);
        assert_eq!(round_to_nice(63_072_000_000 * NANOS_PER_MS - 1), 30 * DAY);
        assert_eq!(round_to_nice(i128::MAX), 365 * DAY);
    }

    #[test]
    fn an_interval_is_cut_to_its_largest_unit() {
        for (ms, text) in [
            (0, "1ms"),
            (1, "1ms"),
            (999, "999ms"),
            (1_500, "1s"),
            (90_000, "1m"),
            (5_400_000, "1h"),
            (90_000_000, "1d"),
            (30 * DAY, "30d"),
            (365 * DAY, "1y"),
            (800 * DAY, "2y"),
        ] {
            assert_eq!(format_interval(ms), text);
        }
    }

    #[test]
    fn go_durations_name_every_unit_below_the_first() {
        for (ms, text) in [
            (0, "0s"),
            (1, "1ms"),
            (1_000, "1s"),
            (1_500, "1.5s"),
            (1_050, "1.05s"),
            (60_000, "1m0s"),
            (90_000, "1m30s"),
            (3_600_000, "1h0m0s"),
            (3_661_001, "1h1m1.001s"),
            (30 * DAY, "720h0m0s"),
            (-1_500, "-1.5s"),
        ] {
            assert_eq!(format_go_duration(ms), text);
        }
    }

    proptest! {
        #[test]
        fn a_written_go_duration_reads_back(ms in -(1i64 << 42)..1 << 42) {
            prop_assert_eq!(parse_interval(&format_go_duration(ms)), Ok(ms));
        }

        #[test]
        fn no_text_makes_reading_panic(text in "[-+<>0-9.a-zµ]{0,30}|.{0,20}") {
            let _ = parse_interval(&text);
        }
    }
}
