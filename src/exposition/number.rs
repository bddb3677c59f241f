use std::fmt::Write;

/// The NaN that every NaN of a page becomes, so that none is taken for the stale marker
/// (Prometheus `model/value.NormalNaN`).
pub const NORMAL_NAN: f64 = f64::from_bits(0x7ff8_0000_0000_0001);

/// The powers of ten that a 64-bit float holds exactly.
const EXACT_POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// Reads a number as Prometheus does: Go's `strconv.ParseFloat` without hexadecimal floats and
/// underscores. `None` where the text is no number or beyond the range of a float.
pub(crate) fn parse_float(text: &[u8]) -> Option<f64> {
    match parse_short(text) {
        Some(value) => Some(value),
        None => parse_any(text),
    }
}

/// Numbers of up to 19 digits whose value is one exact integer times or divided by one exact
/// power of ten, which rounds once and so correctly (Clinger 1990). That is nearly every number
/// of a real page; the rest goes to the standard library.
#[inline]
fn parse_short(text: &[u8]) -> Option<f64> {
    let (negative, digits) = match text.first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let mut mantissa: u64 = 0;
    let mut at = 0;
    while let Some(digit) = digits
        .get(at)
        .map(|b| b.wrapping_sub(b'0'))
        .filter(|d| *d < 10)
    {
        mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(digit));
        at += 1;
    }
    let mut count = at;
    let mut exponent: i32 = 0;
    if digits.get(at) == Some(&b'.') {
        at += 1;
        let fraction = at;
        while let Some(digit) = digits
            .get(at)
            .map(|b| b.wrapping_sub(b'0'))
            .filter(|d| *d < 10)
        {
            mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(digit));
            at += 1;
        }
        count += at - fraction;
        exponent = -i32::try_from(at - fraction).ok()?;
    }
    // Twenty digits may have overflowed.
    if count == 0 || count > 19 || mantissa > 1 << 53 {
        return None;
    }
    if at < digits.len() {
        exponent += parse_exponent(&digits[at..])?;
    }
    let power = *EXACT_POWERS.get(exponent.unsigned_abs() as usize)?;
    let value = if exponent < 0 {
        mantissa as f64 / power
    } else {
        mantissa as f64 * power
    };
    Some(if negative { -value } else { value })
}

/// `e`, a sign or none, one to three digits, and nothing else.
fn parse_exponent(text: &[u8]) -> Option<i32> {
    let (b'e' | b'E', rest) = text.split_first()? else {
        return None;
    };
    let (sign, digits) = match rest.first()? {
        b'-' => (-1, &rest[1..]),
        b'+' => (1, &rest[1..]),
        _ => (1, rest),
    };
    if digits.is_empty() || digits.len() > 3 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = digits
        .iter()
        .fold(0, |value, digit| value * 10 + i32::from(digit - b'0'));
    Some(sign * value)
}

#[cold]
fn parse_any(text: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(text).ok()?;
    if text.eq_ignore_ascii_case("nan") {
        return Some(NORMAL_NAN);
    }
    let (sign, unsigned) = match text.as_bytes().first()? {
        b'-' => (-1.0, &text[1..]),
        b'+' => (1.0, &text[1..]),
        _ => (1.0, text),
    };
    if unsigned.eq_ignore_ascii_case("inf") || unsigned.eq_ignore_ascii_case("infinity") {
        return Some(sign * f64::INFINITY);
    }
    // The standard library takes a signed NaN, which Go refuses, and makes too large numbers
    // infinite, for which Go has an error.
    let value: f64 = text.parse().ok()?;
    value.is_finite().then_some(value)
}

/// A `le` or `quantile` as Prometheus stores it, whatever the page wrote: `1` and `1.0` both
/// become `1.0` (`labels.FormatOpenMetricsFloat`). `None` where the text is no number.
///
/// Unlike values, bounds may have underscores between their digits. Go also takes hexadecimal
/// floats here, which nobody writes; they stay as they are.
pub(crate) fn canonical_bound(text: &str) -> Option<String> {
    let value = match text.contains('_') {
        false => parse_float(text.as_bytes())?,
        true => parse_float(without_underscores(text)?.as_bytes())?,
    };
    if value == 0.0 {
        return Some("0.0".into());
    }
    if value.is_nan() {
        return Some("NaN".into());
    }
    if value.is_infinite() {
        return Some(if value > 0.0 { "+Inf" } else { "-Inf" }.into());
    }
    // Go writes an exponent below 1e-4 and from 1e6 on, with two digits or more.
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e')?;
    let exponent: i32 = exponent.parse().ok()?;
    let mut written = String::new();
    if (-4..6).contains(&exponent) {
        write!(written, "{value}").ok()?;
        if !written.contains('.') {
            written.push_str(".0");
        }
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        write!(written, "{digits}e{sign}{:02}", exponent.abs()).ok()?;
    }
    Some(written)
}

/// The text without underscores, where each stands between two digits.
fn without_underscores(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let all_part_digits = (0..bytes.len())
        .filter(|at| bytes[*at] == b'_')
        .all(|at| at > 0 && is_digit(at - 1) && is_digit(at + 1));
    all_part_digits.then(|| text.replace('_', ""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, want: Option<f64>) {
        let got = parse_float(text.as_bytes());
        assert_eq!(got.map(f64::to_bits), want.map(f64::to_bits), "{text:?}");
    }

    #[test]
    fn numbers_are_read_as_prometheus_reads_them() {
        for (text, want) in [
            ("0", 0.0),
            ("-0", -0.0),
            ("1", 1.0),
            ("+1.5", 1.5),
            (".5", 0.5),
            ("5.", 5.0),
            ("1e3", 1000.0),
            ("1E-3", 0.001),
            ("1.7e+09", 1.7e9),
            ("9007199254740993", 9007199254740992.0),
            ("18446744073709551617", 18446744073709551616.0),
            ("0.30000000000000004", 0.30000000000000004),
            ("1e23", 1e23),
            ("1e-400", 0.0),
            ("Inf", f64::INFINITY),
            ("-infinity", f64::NEG_INFINITY),
            ("+iNf", f64::INFINITY),
            ("nAn", NORMAL_NAN),
        ] {
            check(text, Some(want));
        }
    }

    #[test]
    fn what_prometheus_refuses_is_no_number() {
        for text in [
            "", "+", "-", ".", "e5", "1e", "1e+", "0x1", "0x1p3", "1_000", "+NaN", "-nan", "1e400",
            "-1e400", "infin", "1 ", "1.2.3", "--1", "0b1", "١",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn bounds_are_written_as_prometheus_stores_them() {
        for (text, want) in [
            ("1", "1.0"),
            ("-1", "-1.0"),
            ("0", "0.0"),
            ("-0", "0.0"),
            ("0.5", "0.5"),
            (".005", "0.005"),
            ("1e-5", "1e-05"),
            ("0.0001", "0.0001"),
            ("100000", "100000.0"),
            ("1000000", "1e+06"),
            ("1234567", "1.234567e+06"),
            ("inf", "+Inf"),
            ("-Inf", "-Inf"),
            ("nan", "NaN"),
            ("1e+300", "1e+300"),
            ("123456.75", "123456.75"),
            ("1_000.2_5", "1000.25"),
        ] {
            assert_eq!(canonical_bound(text).as_deref(), Some(want), "{text}");
        }
        for text in ["big", "_1", "1_", "1__0", "1_.5"] {
            assert_eq!(canonical_bound(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_short_way_equals_the_standard_library(text in "[+-]?[0-9]{0,21}(\\.[0-9]{0,21})?([eE][+-]?[0-9]{1,3})?") {
            let standard = text.parse::<f64>().ok().filter(|v| v.is_finite());
            prop_assert_eq!(parse_float(text.as_bytes()).map(f64::to_bits), standard.map(f64::to_bits));
        }

        #[test]
        fn every_float_survives_being_written(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            for text in [format!("{value}"), format!("{value:e}")] {
                prop_assert_eq!(parse_float(text.as_bytes()).map(f64::to_bits), Some(bits));
            }
        }
    }
}
