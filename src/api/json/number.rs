//! Numbers as Prometheus spells them.

/// Digits of a float's shortest form.
const MAX_DIGITS: usize = 17;

/// The shortest decimal that reads back as `value`, without exponent from 1e-6 to below 1e21,
/// otherwise as `1e-07`; `NaN`, `+Inf`, `-Inf` (what Go's `strconv` makes of the formats `f` and
/// `e`, between which Prometheus chooses so).
pub(crate) fn push_value(out: &mut Vec<u8>, value: f64) {
    if !value.is_finite() {
        out.extend_from_slice(if value.is_nan() {
            b"NaN"
        } else if value > 0.0 {
            b"+Inf"
        } else {
            b"-Inf"
        });
        return;
    }
    let mut buffer = zmij::Buffer::new();
    let text = buffer.format_finite(value).as_bytes();
    let magnitude = value.abs();
    // Within these bounds no exponent is written, except for the `.0` of a whole number all is
    // as it should be.
    if (1e-4..1e15).contains(&magnitude) || magnitude == 0.0 {
        out.extend_from_slice(text.strip_suffix(b".0").unwrap_or(text));
    } else {
        respell(out, text, magnitude);
    }
}

/// The same digits with the point, or the exponent, where Go puts it.
#[cold]
fn respell(out: &mut Vec<u8>, text: &[u8], magnitude: f64) {
    let (sign, text) = match text.strip_prefix(b"-") {
        Some(rest) => (&b"-"[..], rest),
        None => (&b""[..], text),
    };
    out.extend_from_slice(sign);
    let (mantissa, exponent) = match text.iter().position(|b| *b == b'e') {
        Some(at) => (&text[..at], parse_exponent(&text[at + 1..])),
        None => (text, 0),
    };
    let whole = mantissa
        .iter()
        .position(|b| *b == b'.')
        .unwrap_or(mantissa.len());
    // The digits without zeros at either end, and how many of them stand before the point.
    let mut digits = Vec::with_capacity(2 * MAX_DIGITS);
    digits.extend(mantissa.iter().filter(|b| **b != b'.'));
    let leading = digits.iter().take_while(|b| **b == b'0').count();
    digits.drain(..leading);
    while digits.last() == Some(&b'0') {
        digits.pop();
    }
    let before = whole as i32 - leading as i32 + exponent;
    if !(1e-6..1e21).contains(&magnitude) {
        out.extend_from_slice(&digits[..1]);
        if digits.len() > 1 {
            out.push(b'.');
            out.extend_from_slice(&digits[1..]);
        }
        let exponent = before - 1;
        out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
        if exponent.abs() < 10 {
            out.push(b'0');
        }
        out.extend_from_slice(itoa::Buffer::new().format(exponent.abs()).as_bytes());
    } else if before <= 0 {
        out.extend_from_slice(b"0.");
        out.resize(out.len() + before.unsigned_abs() as usize, b'0');
        out.extend_from_slice(&digits);
    } else {
        let before = before as usize;
        let point = before.min(digits.len());
        out.extend_from_slice(&digits[..point]);
        out.resize(out.len() + before - point, b'0');
        if point < digits.len() {
            out.push(b'.');
            out.extend_from_slice(&digits[point..]);
        }
    }
}

fn parse_exponent(text: &[u8]) -> i32 {
    let (sign, digits) = match text {
        [b'-', rest @ ..] => (-1, rest),
        [b'+', rest @ ..] => (1, rest),
        _ => (1, text),
    };
    sign * digits
        .iter()
        .fold(0, |value, digit| value * 10 + i32::from(digit - b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn spelled(value: f64) -> String {
        let mut out = Vec::new();
        push_value(&mut out, value);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_are_spelled_as_go_spells_them() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-17.0, "-17"),
            (0.1, "0.1"),
            (0.000_123_4, "0.0001234"),
            (0.000_01, "0.00001"),
            (0.000_001, "0.000001"),
            (0.000_001_25, "0.00000125"),
            (0.000_000_999, "9.99e-07"),
            (1e-7, "1e-07"),
            (-1.5e-10, "-1.5e-10"),
            (5e-324, "5e-324"),
            (1e15, "1000000000000000"),
            (1e16, "10000000000000000"),
            (123_456_789_012_345_680.0, "123456789012345680"),
            (1.5e20, "150000000000000000000"),
            (1e21, "1e+21"),
            (1.797_693_134_862_315_7e308, "1.7976931348623157e+308"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (9_007_199_254_740_993.0, "9007199254740992"),
            (4_503_599_627_370_497.5, "4503599627370497.5"),
        ] {
            assert_eq!(spelled(value), text);
        }
    }

    proptest! {
        #[test]
        fn what_is_spelled_reads_back_and_is_no_longer_than_needed(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            let text = spelled(value);
            prop_assert_eq!(text.parse::<f64>().unwrap().to_bits(), bits, "{}", text);
            let digits = |text: &str| {
                let mantissa = text.split('e').next().unwrap_or_default();
                let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
                digits.trim_start_matches('0').trim_end_matches('0').to_owned()
            };
            prop_assert_eq!(digits(&text), digits(&format!("{value:e}")));
        }

        #[test]
        fn between_the_bounds_no_exponent_stands(exponent in -6..20i32, part in 1.0..10.0f64) {
            let text = spelled(part * 10f64.powi(exponent));
            prop_assert!(!text.contains('e') || text.ends_with("e-07"), "{}", text);
        }
    }
}
