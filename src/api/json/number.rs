//! Numbers as Prometheus spells them.

/// Digits of a float's shortest form.
const MAX_DIGITS: usize = 17;

/// No number takes more bytes; [`write_value`] may overwrite as many.
pub(crate) const VALUE_BYTES: usize = 32;

/// The shortest decimal that reads back as `value`, without exponent from 1e-6 to below 1e21,
/// otherwise as `1e-07`; `NaN`, `+Inf`, `-Inf` (what Go's `strconv` makes of the formats `f` and
/// `e`, between which Prometheus chooses so).
pub(crate) fn push_value(out: &mut Vec<u8>, value: f64) {
    let mut window = [0; VALUE_BYTES];
    let length = write_value(&mut window, value);
    out.extend_from_slice(&window[..length]);
}

/// As [`push_value`], to the start of `window`. Gives back how many bytes count; those behind
/// them are spoilt.
///
/// Lengths vary from number to number and processors guess them badly, so that fixed sizes are
/// copied and the rest is overwritten by what follows.
#[inline]
pub(crate) fn write_value(window: &mut [u8; VALUE_BYTES], value: f64) -> usize {
    let whole = value as i64;
    // Counters are mostly whole numbers. Minus zero is told from zero by its bits.
    if whole.unsigned_abs() < 10_000_000_000_000_000 && (whole as f64).to_bits() == value.to_bits()
    {
        return write_whole(window, whole);
    }
    let magnitude = value.abs();
    if (1e-4..1e15).contains(&magnitude) {
        // Within these bounds no exponent is written, and whole numbers were written above.
        let mut buffer = zmij::Buffer::new();
        return write_short(window, buffer.format_finite(value).as_bytes());
    }
    write_odd(window, value)
}

/// A whole number of at most 16 digits.
#[inline]
fn write_whole(window: &mut [u8; VALUE_BYTES], value: i64) -> usize {
    let magnitude = value.unsigned_abs();
    if magnitude < 100_000_000 {
        let digits = eight_digits(magnitude);
        let zeros = (digits.trailing_zeros() as usize / 8).min(7);
        let ascii = (digits >> (8 * zeros)) | 0x3030_3030_3030_3030;
        return write_digits(window, value < 0, ascii.to_le_bytes(), zeros);
    }
    let high = eight_digits(magnitude / 100_000_000);
    let low = eight_digits(magnitude % 100_000_000);
    let digits = u128::from(high) | (u128::from(low) << 64);
    let zeros = (digits.trailing_zeros() as usize / 8).min(15);
    let ascii = (digits >> (8 * zeros)) | 0x3030_3030_3030_3030_3030_3030_3030_3030;
    write_digits(window, value < 0, ascii.to_le_bytes(), zeros)
}

/// Digits behind their sign, of which so many at the end do not count.
#[inline]
fn write_digits<const N: usize>(
    window: &mut [u8; VALUE_BYTES],
    is_negative: bool,
    ascii: [u8; N],
    spare: usize,
) -> usize {
    let sign = usize::from(is_negative);
    window[0] = b'-';
    window[sign..sign + N].copy_from_slice(&ascii);
    sign + N - spare
}

/// The eight digits of a number below 10^8, one to a byte, the first in the lowest. Divides all
/// halves at once: by 10,000, then by 100 in each half, then by 10 in each quarter.
#[inline]
fn eight_digits(number: u64) -> u64 {
    let halves = (number / 10_000) | ((number % 10_000) << 32);
    let hundreds = ((halves * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let quarters = ((halves - 100 * hundreds) << 16) + hundreds;
    let tens = ((quarters * 103) >> 10) & 0x000f_000f_000f_000f;
    ((quarters - 10 * tens) << 8) + tens
}

/// Copies a text of at most 32 bytes by two copies of a fixed size that may overlap.
#[inline]
fn write_short(window: &mut [u8; VALUE_BYTES], text: &[u8]) -> usize {
    let length = text.len().min(VALUE_BYTES);
    let text = &text[..length];
    if let (Some(first), Some(last)) = (text.first_chunk::<16>(), text.last_chunk::<16>()) {
        window[..16].copy_from_slice(first);
        window[length - 16..length].copy_from_slice(last);
    } else if let (Some(first), Some(last)) = (text.first_chunk::<8>(), text.last_chunk::<8>()) {
        window[..8].copy_from_slice(first);
        window[length - 8..length].copy_from_slice(last);
    } else {
        window[..length].copy_from_slice(text);
    }
    length
}

/// What is not finite, or needs another exponent than its shortest form has.
#[cold]
fn write_odd(window: &mut [u8; VALUE_BYTES], value: f64) -> usize {
    if value.is_nan() {
        return write_short(window, b"NaN");
    }
    if value.is_infinite() {
        return write_short(window, if value > 0.0 { b"+Inf" } else { b"-Inf" });
    }
    if value == 0.0 {
        return write_short(window, b"-0");
    }
    let mut out = Vec::with_capacity(VALUE_BYTES);
    let mut buffer = zmij::Buffer::new();
    let text = buffer.format_finite(value).as_bytes();
    respell(&mut out, text, value.abs());
    write_short(window, &out)
}

/// The same digits with the point, or the exponent, where Go puts it.
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
            (2_251_799_813_685_249.5, "2251799813685249.5"),
            // Lies in the middle of two spellings of 17 digits: the even one is Go's.
            (f64::from_bits(0xc31c_4b9e_fcea_aef9), "-1991111392013246.2"),
        ] {
            assert_eq!(spelled(value), text);
        }
    }

    #[test]
    fn whole_numbers_of_every_length_are_spelled() {
        let mut power = 1_i64;
        for _ in 0..18 {
            for value in [
                power,
                power - 1,
                power + 1,
                123_456_789_012_345_678 % power.max(2),
            ] {
                for value in [value, -value] {
                    let exact = value as f64;
                    assert_eq!(spelled(exact), (exact as i64).to_string());
                }
            }
            power *= 10;
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
            let (ours, theirs) = (digits(&text), digits(&format!("{value:e}")));
            if ours != theirs {
                // Rust's own spelling rounds up what lies exactly between two shortest ones.
                let exact = digits(&format!("{value:.800e}"));
                prop_assert_eq!(ours.len(), theirs.len());
                prop_assert_eq!(exact, format!("{ours}5"));
                prop_assert!(ours.ends_with(['2', '4', '6', '8']), "{}", text);
            }
        }

        #[test]
        fn between_the_bounds_no_exponent_stands(exponent in -6..20i32, part in 1.0..10.0f64) {
            let text = spelled(part * 10f64.powi(exponent));
            prop_assert!(!text.contains('e') || text.ends_with("e-07"), "{}", text);
        }
    }
}
