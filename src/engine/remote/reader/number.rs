//! Text to numbers. Values stand in most answers as plain decimals and are read eight bytes at a
//! time; everything else goes through the standard library, which a property test holds equal.

use super::digits::{self, LOOK, eight_digits};

/// Digits with a value below 2^64, whatever they are.
const SAFE_DIGITS: usize = 19;

const POWERS_OF_TEN: [u64; 17] = {
    let mut all = [1; 17];
    let mut power = 1;
    while power < all.len() {
        all[power] = all[power - 1] * 10;
        power += 1;
    }
    all
};

/// 10^0 to 10^22: the powers that a double holds exactly.
const EXACT_POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// Most digits behind the point on the fast path: 5^27 is the last that fits 64 bits.
const MAX_FRACTION: usize = 27;

/// `RECIPROCALS[k]` is 2^(127 + bits of 5^k) / 5^k, cut off: 128 significant bits of 1 / 5^k.
const RECIPROCALS: [u128; MAX_FRACTION + 1] = reciprocals();

/// Below it the division is quicker. Values that were computed have more digits, nearly all of
/// them, and others fewer: the branch can be foreseen.
const MANY_DIGITS: u64 = 1_000_000_000_000_000;

const fn power_of_five(exponent: usize) -> u64 {
    let mut power = 1;
    let mut i = 0;
    while i < exponent {
        power *= 5;
        i += 1;
    }
    power
}

const fn bits_of(number: u64) -> u32 {
    64 - number.leading_zeros()
}

const fn reciprocals() -> [u128; MAX_FRACTION + 1] {
    let mut all = [0; MAX_FRACTION + 1];
    let mut k = 1;
    while k <= MAX_FRACTION {
        let divisor = power_of_five(k) as u128;
        // Long division of a one with zeros behind it, one bit of the quotient at a time.
        let mut rest = 1u128 << (bits_of(power_of_five(k)) - 1);
        let mut quotient = 0u128;
        let mut bit = 0;
        while bit < 128 {
            rest <<= 1;
            quotient <<= 1;
            if rest >= divisor {
                rest -= divisor;
                quotient |= 1;
            }
            bit += 1;
        }
        all[k] = quotient;
        k += 1;
    }
    all
}

/// Reads `-123.456` from `start` on, as far as it goes: the value and where it ends.
///
/// `None` means that it has to be read in the general way: no digits, too many of them, or too
/// near the end of `bytes`. An exponent is left for the caller to stumble over.
///
/// How many digits a value has cannot be foreseen, and so nothing here branches on it: they are
/// read from their end, and what stands before them does not count.
#[inline(always)]
pub(super) fn plain_decimal(bytes: &[u8], start: usize) -> Option<(f64, usize)> {
    usual_decimal(bytes, start).or_else(|| other_decimal(bytes, start))
}

/// Where there is no sign, at most eight digits stand before the point and sixteen behind it, and
/// the bytes begin and end far enough from them.
#[inline(always)]
fn usual_decimal(bytes: &[u8], start: usize) -> Option<(f64, usize)> {
    let others = digits::others(bytes.get(start..start + LOOK)?.first_chunk()?);
    let whole = others.trailing_zeros() as usize;
    let point = start + whole;
    if whole == 0 || whole > 8 {
        return None;
    }
    let mantissa = digits::last_of_eight(*bytes.get(..point)?.last_chunk()?, whole);
    if bytes[point] == b'.' {
        let next = (others & (others - 1)).trailing_zeros() as usize;
        let fraction = next - whole - 1;
        if fraction == 0 || fraction > 16 || next > SAFE_DIGITS + 1 {
            return None;
        }
        let end = start + next;
        let last = digits::last_of_sixteen(*bytes.get(..end)?.last_chunk()?, fraction);
        let mantissa = mantissa * POWERS_OF_TEN[fraction] + last;
        Some((scaled(mantissa, fraction)?, end))
    } else {
        Some((mantissa as f64, point))
    }
}

/// Where a sign or the number of digits asks for more.
#[inline(never)]
fn other_decimal(bytes: &[u8], start: usize) -> Option<(f64, usize)> {
    if *bytes.get(start)? == b'-'
        && let Some((value, end)) = usual_decimal(bytes, start + 1)
    {
        return Some((-value, end));
    }
    long_decimal(bytes, start)
}

/// The same for any number of digits.
fn long_decimal(bytes: &[u8], start: usize) -> Option<(f64, usize)> {
    let negative = *bytes.get(start)? == b'-';
    let mut at = start + usize::from(negative);
    let mut mantissa = 0;
    let whole = take_digits(bytes, &mut at, &mut mantissa)?;
    let mut fraction = 0;
    if *bytes.get(at)? == b'.' {
        at += 1;
        fraction = take_digits(bytes, &mut at, &mut mantissa)?;
    }
    if whole == 0 {
        return None;
    }
    if whole + fraction > SAFE_DIGITS {
        let digits = bytes.get(start..at)?.iter().filter(|b| b.is_ascii_digit());
        let zeros = digits.take_while(|b| **b == b'0').count();
        if whole + fraction - zeros > SAFE_DIGITS {
            return None;
        }
    }
    let value = scaled(mantissa, fraction)?;
    Some((if negative { -value } else { value }, at))
}

/// Reads `1700000000` or `1700000000.123` from `start` on, in milliseconds, and where it ends.
///
/// `None` means that it has to be read in the general way.
#[inline]
pub(super) fn plain_seconds(bytes: &[u8], start: usize) -> Option<(i64, usize)> {
    let mut at = start;
    let mut number = 0;
    let whole = take_digits(bytes, &mut at, &mut number)?;
    let mut fraction = 0;
    if *bytes.get(at)? == b'.' {
        at += 1;
        fraction = take_digits(bytes, &mut at, &mut number)?;
        if fraction == 0 {
            return None;
        }
    }
    if whole == 0 || whole > 12 || fraction > 3 {
        return None;
    }
    let ms = number * [1_000, 100, 10, 1][fraction];
    Some((ms as i64, at))
}

/// Eight bytes that may be digits, the first of them in the lowest byte.
#[derive(Clone, Copy)]
struct Word {
    /// A digit is 0 to 9.
    digits: u64,
    /// How many digits stand in front.
    count: usize,
}

impl Word {
    #[inline(always)]
    fn at(bytes: &[u8], at: usize) -> Option<Self> {
        let word = bytes.get(at..at + 8)?;
        let digits = u64::from_le_bytes(word.try_into().ok()?) ^ 0x3030_3030_3030_3030;
        // Adding 0x76 lifts everything but digits into the eighth bit. A carry can only disturb
        // bytes behind the first that is no digit.
        let others = (digits.wrapping_add(0x7676_7676_7676_7676) | digits) & 0x8080_8080_8080_8080;
        Some(Self {
            digits,
            count: (others.trailing_zeros() / 8) as usize,
        })
    }

    /// The number of its digits, of which there is one at least.
    #[inline(always)]
    fn value(self) -> u64 {
        eight_digits(self.digits << (64 - 8 * self.count))
    }
}

/// Adds the digits at `at` behind those of `mantissa` and moves `at` past them: how many there
/// were. `None` when the bytes end before a character that is no digit can be seen.
#[inline(always)]
fn take_digits(bytes: &[u8], at: &mut usize, mantissa: &mut u64) -> Option<usize> {
    let from = *at;
    loop {
        let word = Word::at(bytes, *at)?;
        if word.count > 0 {
            *mantissa = mantissa
                .wrapping_mul(POWERS_OF_TEN[word.count])
                .wrapping_add(word.value());
            *at += word.count;
        }
        if word.count < 8 {
            return Some(*at - from);
        }
    }
}

/// `mantissa / 10^fraction`, rounded to the nearest double, ties to even; `None` where this
/// cannot be told here.
#[inline(always)]
fn scaled(mantissa: u64, fraction: usize) -> Option<f64> {
    if mantissa >= MANY_DIGITS
        && (1..=MAX_FRACTION).contains(&fraction)
        && let Some(value) = scaled_by_reciprocal(mantissa, fraction)
    {
        return Some(value);
    }
    if fraction == 0 {
        return Some(mantissa as f64);
    }
    // Both are exact, and so the division rounds once.
    (mantissa <= 1 << 53 && fraction < EXACT_POWERS.len())
        .then(|| mantissa as f64 / EXACT_POWERS[fraction])
}

/// The same with a multiplication (after D. Lemire, "Number Parsing at a Gigabyte per Second",
/// 2021).
///
/// `high` is at most two below the true product, cut off. Of its bits, 113 at least, 54 count. The
/// true product is never a tie or exact where the others are not all (or all but the last) set,
/// for the reciprocal is cut off and a true tie would therefore show as a run of ones. Those go
/// another way.
#[inline(always)]
fn scaled_by_reciprocal(mantissa: u64, fraction: usize) -> Option<f64> {
    const FEWEST_OTHERS: u64 = (1 << (113 - 54)) - 1;
    let (reciprocal, mantissa) = (RECIPROCALS[fraction], u128::from(mantissa));
    let low = (mantissa * (reciprocal & u128::from(u64::MAX))) >> 64;
    let high = mantissa * (reciprocal >> 64) + low;
    let (first, second) = ((high >> 64) as u64, high as u64);
    let zeros = first.leading_zeros();
    if second | !FEWEST_OTHERS >= u64::MAX - 1 {
        let others = (1 << (128 - 54 - zeros)) - 1;
        if high | !others >= u128::MAX - 1 {
            return None;
        }
    }
    let first = first << zeros | second >> 1 >> (63 - zeros);
    // 54 bits, rounded to 53; at most 2^53, which a double holds.
    let significand = ((first >> 10) + 1) >> 1;
    let exponent = EXPONENTS[fraction] - i64::from(zeros);
    // Between 10^-27 and 10^19, far from the ends of the exponent.
    let scale = f64::from_bits((exponent as u64) << 52);
    Some(significand as f64 * scale)
}

/// The exponents, as a double has them, of products with [`RECIPROCALS`] of which 75 bits are
/// dropped behind the first 53.
const EXPONENTS: [i64; MAX_FRACTION + 1] = {
    let mut all = [0; MAX_FRACTION + 1];
    let mut k = 1;
    while k <= MAX_FRACTION {
        all[k] = 1023 + 75 + 64 - 127 - bits_of(power_of_five(k)) as i64 - k as i64;
        k += 1;
    }
    all
};

/// Reads a value in every spelling of Prometheus and JSON: decimals with or without exponent,
/// `NaN`, `Inf`, `Infinity` with a sign and in any case. Without quotes.
pub(super) fn value(text: &[u8]) -> Option<f64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Reads seconds since the epoch as JSON writes numbers, in milliseconds. Digits behind the
/// third are rounded.
pub(super) fn time(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        _ => (false, text),
    };
    let mut whole = digits;
    let mut fraction = &[][..];
    if let Some(point) = digits.iter().position(|b| *b == b'.') {
        (whole, fraction) = (&digits[..point], &digits[point + 1..]);
        if fraction.is_empty() {
            return None;
        }
    }
    let all_digits = |part: &[u8]| part.iter().all(u8::is_ascii_digit);
    if whole.is_empty() || whole.len() > 15 || !all_digits(whole) || !all_digits(fraction) {
        return rounded(value(text)? * 1_000.0);
    }
    let mut ms = whole
        .iter()
        .fold(0i64, |sum, digit| sum * 10 + i64::from(digit - b'0'));
    for place in 0..3 {
        ms = ms * 10
            + fraction
                .get(place)
                .map_or(0, |digit| i64::from(digit - b'0'));
    }
    if fraction.get(3).is_some_and(|digit| *digit >= b'5') {
        ms += 1;
    }
    Some(if negative { -ms } else { ms })
}

fn rounded(ms: f64) -> Option<i64> {
    // 2^63 itself is a double and no i64.
    (ms.abs() < 9.223_372_036_854_775e18).then_some(ms.round() as i64)
}

/// Whether a byte can stand in a number of JSON.
#[inline]
pub(super) fn is_number_byte(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// In the middle of a body, where the usual way is open, and at its start, where it is not.
    fn fast(text: &str) -> Option<f64> {
        let [inside, alone] = ["[1700000000.123,\"", ""].map(|before| {
            let padded = format!("{before}{text}\"],[1700000001.123,\"1234567.12345678\"]");
            let (value, end) = plain_decimal(padded.as_bytes(), before.len())?;
            (end == before.len() + text.len()).then_some(value)
        });
        assert_eq!(inside.map(f64::to_bits), alone.map(f64::to_bits), "{text}");
        inside
    }

    #[test]
    fn the_fast_path_takes_the_values_that_servers_send() {
        for text in [
            "0",
            "-0",
            "1",
            "12345678",
            "123456789",
            "1700000000.123",
            "0.06666666666666667",
            "0.1",
            "9007199254740993",
            "9999999999999999999",
            "184467440737095516.5",
            "99.99999999999999",
            "0.000012345678901234567",
            "123456789012.34567",
            "0.30000000000000004",
        ] {
            let expected: f64 = text.parse().unwrap();
            assert_eq!(
                fast(text).map(f64::to_bits),
                Some(expected.to_bits()),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_plain_decimal_is_left_to_the_general_path() {
        for text in [
            "NaN", "+Inf", "-Inf", "1e5", "1.5e-7", ".5", "", "-", "+1", "--1",
        ] {
            assert_eq!(fast(text), None, "{text}");
        }
        // At the end of the bytes nothing says that the number ends.
        assert_eq!(plain_decimal(b"123", 0), None);
        assert_eq!(plain_decimal(b"", 0), None);
    }

    #[test]
    fn values_are_read_in_every_spelling() {
        for (text, bits) in [
            ("NaN", f64::NAN.to_bits()),
            ("nan", f64::NAN.to_bits()),
            ("+Inf", f64::INFINITY.to_bits()),
            ("-Inf", f64::NEG_INFINITY.to_bits()),
            ("Inf", f64::INFINITY.to_bits()),
            ("infinity", f64::INFINITY.to_bits()),
            ("1e+09", 1e9f64.to_bits()),
            ("-1.5E-7", (-1.5e-7f64).to_bits()),
            ("5e-324", 1),
        ] {
            assert_eq!(
                value(text.as_bytes()).map(f64::to_bits),
                Some(bits),
                "{text}"
            );
        }
        for text in ["", " 1", "0x1p3", "1_000", "one", "\u{ff11}"] {
            assert_eq!(value(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn times_are_exact_to_the_millisecond() {
        for (text, ms) in [
            ("0", 0),
            ("1700000000", 1_700_000_000_000),
            ("1700000000.001", 1_700_000_000_001),
            ("1700000000.1", 1_700_000_000_100),
            ("1700000000.1234", 1_700_000_000_123),
            ("1700000000.1235", 1_700_000_000_124),
            ("1.001", 1_001),
            ("-1.5", -1_500),
            ("-62135596800", -62_135_596_800_000),
            ("1.7e9", 1_700_000_000_000),
            ("1.435781430781E9", 1_435_781_430_781),
        ] {
            assert_eq!(time(text.as_bytes()), Some(ms), "{text}");
        }
        for text in [
            "", "-", "1.", "NaN", "1e400", "1e17", "-Inf", "1.2.3", "12a",
        ] {
            assert_eq!(time(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_fast_path_equals_the_standard_library_on_doubles(
            fraction in 0u64..1 << 52, exponent in 1023u64 - 40..1023 + 60, sign in 0u64..2,
        ) {
            let double = f64::from_bits(sign << 63 | exponent << 52 | fraction);
            let text = format!("{double}");
            if let Some(value) = fast(&text) {
                prop_assert_eq!(value.to_bits(), double.to_bits(), "{}", text);
            }
        }

        #[test]
        fn the_fast_path_equals_the_standard_library_on_decimals(
            sign in "-?", whole in "[0-9]{1,19}", fraction in "(\\.[0-9]{1,26})?",
        ) {
            let text = format!("{sign}{whole}{fraction}");
            if let Some(value) = fast(&text) {
                prop_assert_eq!(value.to_bits(), text.parse::<f64>().unwrap().to_bits(), "{}", text);
            }
        }

        /// Halves between two neighbouring doubles, and their surroundings, where rounding errs.
        #[test]
        fn the_fast_path_rounds_ties_to_even(
            mantissa in (1u64 << 53)..(1u64 << 54), power in 0usize..27, shift in -1i64..=1,
        ) {
            let odd = (mantissa | 1).wrapping_add_signed(shift);
            // odd / 2^power written out in full ends after `power` digits.
            let scaled = u128::from(odd) * 5u128.pow(power as u32);
            let digits = format!("{scaled:0>width$}", width = power + 1);
            let (whole, fraction) = digits.split_at(digits.len() - power);
            let text = if power == 0 { whole.to_owned() } else { format!("{whole}.{fraction}") };
            if let Some(value) = fast(&text) {
                prop_assert_eq!(value.to_bits(), text.parse::<f64>().unwrap().to_bits(), "{}", text);
            }
        }

        #[test]
        fn plain_seconds_equal_the_general_way(text in "[0-9]{1,14}(\\.[0-9]{0,5})?") {
            let padded = format!("{text},\"         ");
            if let Some((ms, end)) = plain_seconds(padded.as_bytes(), 0) {
                prop_assert_eq!(end, text.len());
                prop_assert_eq!(time(text.as_bytes()), Some(ms));
            }
        }

        #[test]
        fn a_time_that_prometheus_writes_reads_back(ms in -(1i64 << 48)..1 << 48) {
            let sign = if ms < 0 { "-" } else { "" };
            let all = ms.unsigned_abs();
            let text = format!("{sign}{}.{:03}", all / 1_000, all % 1_000);
            prop_assert_eq!(time(text.as_bytes()), Some(ms));
        }

        #[test]
        fn no_bytes_make_numbers_panic(bytes in prop::collection::vec(any::<u8>(), 0..40), start in 0usize..50) {
            let _ = plain_decimal(&bytes, start);
            let _ = value(&bytes);
            let _ = time(&bytes);
        }
    }
}
