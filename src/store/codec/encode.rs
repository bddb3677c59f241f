//! Numbers to chunks: tries the few forms that a column can take and keeps the shortest.

use super::{
    CHUNK_SAMPLES, FLAG_FOLDED, FLAG_IRREGULAR, FLAG_NEVER_DECREASES, FLAG_NO_NAN, FLAG_PREFIX,
    FLAG_UNIT, MAX_CHUNK_SAMPLES, MAX_EXPONENT, MAX_PACKED_WIDTH, POWERS, SCALE_BITS,
    SCALE_INTEGER, WIDTH_UNARY, kernel,
};
use crate::bytes::{put_uvarint, put_varint, zigzag};

/// How long to look for the shortest form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    /// For chunks that are still growing in memory.
    Quick,
    /// For chunks that stay, and are read the most.
    Thorough,
    /// For chunks that stay long: fewer bytes, and a little more work to read.
    Dense,
}

/// Integers of larger magnitude are not all exact as floats.
const EXACT: f64 = 9_007_199_254_740_992.0;
/// 2⁵¹: below it, adding [`ROUNDER`] rounds to a whole number.
const ROUNDABLE: f64 = 2_251_799_813_685_248.0;
/// 1.5·2⁵².
const ROUNDER: f64 = 6_755_399_441_055_744.0;

/// Encodes up to [`MAX_CHUNK_SAMPLES`] values.
pub(crate) fn encode_values(values: &[f64], effort: Effort) -> Vec<u8> {
    debug_assert!(!values.is_empty() && values.len() <= MAX_CHUNK_SAMPLES);
    let mut flags = FLAG_NEVER_DECREASES | FLAG_NO_NAN;
    let mut last = f64::NEG_INFINITY;
    for &value in values {
        if value.is_nan() {
            flags &= !(FLAG_NO_NAN | FLAG_NEVER_DECREASES);
        } else if value < last {
            flags &= !FLAG_NEVER_DECREASES;
        }
        last = value;
    }
    let mut integers = [0; MAX_CHUNK_SAMPLES];
    let integers = &mut integers[..values.len()];
    let mut exceptions = Vec::new();
    if let Some(exponent) = decimals(values, integers, &mut exceptions) {
        let scale = exponent | flags;
        return encode(integers, scale, &exceptions, values, effort);
    }
    for (integer, value) in integers.iter_mut().zip(values) {
        *integer = value.to_bits() as i64;
    }
    encode(integers, SCALE_BITS | flags, &[], values, effort)
}

/// Encodes up to [`MAX_CHUNK_SAMPLES`] times or other integers.
pub(crate) fn encode_times(times: &[i64]) -> Vec<u8> {
    debug_assert!(!times.is_empty() && times.len() <= MAX_CHUNK_SAMPLES);
    encode(times, SCALE_INTEGER, &[], &[], Effort::Thorough)
}

/// Scales `values` by the smallest power of ten that makes nearly all of them whole, and gives
/// its exponent; positions that stay outside go to `exceptions`.
fn decimals(values: &[f64], integers: &mut [i64], exceptions: &mut Vec<u8>) -> Option<u8> {
    // An exception costs nine bytes. Beyond one in twelve the bits of the floats are shorter,
    // except in very short chunks, where nothing matters much.
    let most = values.len() / 12 + 1;
    'exponents: for exponent in 0..=MAX_EXPONENT {
        exceptions.clear();
        let power = POWERS[exponent as usize];
        let whole_of = |value: f64| {
            if exponent == 0 {
                (value.abs() < EXACT).then_some(value as i64)
            } else {
                // Adding and taking away 1.5·2⁵² rounds without a call of the mathematics library.
                let scaled = value * power;
                (scaled.abs() < ROUNDABLE).then_some(((scaled + ROUNDER) - ROUNDER) as i64)
            }
        };
        // An exception repeats the number before it, which costs least.
        let mut last = 0;
        let mut first_found = None;
        for (i, (&value, integer)) in values.iter().zip(integers.iter_mut()).enumerate() {
            let whole = whole_of(value)
                .filter(|whole| (*whole as f64 / power).to_bits() == value.to_bits());
            if let Some(whole) = whole {
                first_found.get_or_insert((i, whole));
                last = whole;
            } else {
                if exceptions.len() == most {
                    continue 'exponents;
                }
                exceptions.push(i as u8);
            }
            *integer = last;
        }
        let Some((start, whole)) = first_found else {
            continue;
        };
        integers[..start].fill(whole);
        return Some(exponent);
    }
    None
}

/// One way to tell the integers: a line and what stands on it.
#[derive(Clone, Copy)]
struct Plan {
    slope: i64,
    base: i64,
    prefix: bool,
    width: u32,
    unit: u64,
    /// The bits above `width` are told in unary.
    unary: Option<Folding>,
    bytes: usize,
}

impl Plan {
    fn set_offset(&mut self, offset: i64) {
        if self.prefix {
            self.slope = offset;
        } else {
            self.base = offset;
        }
    }
}

/// What lies on which side of the offset.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Folding {
    /// Nearly all is above it.
    Above,
    /// Both sides; residuals are zigzagged.
    Around,
}

/// More zeros than this in unary cost more than a patch.
const MAX_ZEROS: u64 = 23;

fn encode(
    integers: &[i64],
    scale_and_flags: u8,
    exceptions: &[u8],
    values: &[f64],
    effort: Effort,
) -> Vec<u8> {
    let n = integers.len();
    let mut scratch = [0i64; MAX_CHUNK_SAMPLES];
    let plan = best_plan(integers, &mut scratch[..n], effort);

    let mut residuals = [0u64; MAX_CHUNK_SAMPLES];
    residuals_of(integers, &plan, &mut residuals[..n]);
    let mut patches: Vec<(u8, u64)> = Vec::new();
    let mut unary = Bits::default();
    if let Some(folding) = plan.unary {
        for (i, residual) in residuals[..n].iter_mut().enumerate() {
            if folding == Folding::Around {
                *residual = zigzag(*residual as i64);
            }
            let high = *residual >> plan.width;
            *residual &= (1 << plan.width) - 1;
            if high > MAX_ZEROS {
                patches.push((i as u8, high));
                unary.push_one_behind(0);
            } else {
                unary.push_one_behind(high as u32);
            }
        }
    } else if plan.width < 64 {
        for (i, residual) in residuals[..n].iter_mut().enumerate() {
            let high = *residual >> plan.width;
            if high != 0 {
                patches.push((i as u8, high));
                *residual &= (1 << plan.width) - 1;
            }
        }
    }

    let mut out = Vec::with_capacity(24 + plan.bytes + exceptions.len() * 9);
    out.push((n - 1) as u8);
    let mut flags = scale_and_flags;
    if plan.prefix {
        flags |= FLAG_PREFIX;
    }
    if plan.unit != 1 {
        flags |= FLAG_UNIT;
    }
    out.push(flags);
    let irregular = !patches.is_empty() || !exceptions.is_empty();
    let irregular_flag = if irregular { FLAG_IRREGULAR } else { 0 };
    match plan.unary {
        None => out.push(plan.width as u8 | irregular_flag),
        Some(folding) => {
            out.push(WIDTH_UNARY | irregular_flag);
            let around = folding == Folding::Around;
            out.push(plan.width as u8 | if around { FLAG_FOLDED } else { 0 });
        }
    }
    put_varint(&mut out, plan.base);
    put_varint(&mut out, plan.slope);
    if plan.unit != 1 {
        put_uvarint(&mut out, plan.unit);
    }
    let high_bytes = patches
        .iter()
        .map(|(_, high)| bytes_of(*high))
        .max()
        .unwrap_or(0);
    if irregular {
        out.push(patches.len() as u8);
        out.push(high_bytes as u8);
        out.push(exceptions.len() as u8);
    }
    kernel::pack(&residuals[..n.next_multiple_of(8)], plan.width, &mut out);
    out.extend(patches.iter().map(|(at, _)| *at));
    for (_, high) in &patches {
        out.extend_from_slice(&high.to_le_bytes()[..high_bytes]);
    }
    out.extend_from_slice(exceptions);
    for &at in exceptions {
        out.extend_from_slice(&values[at as usize].to_bits().to_le_bytes());
    }
    out.extend_from_slice(&unary.finish());
    let crc = crc32c::crc32c(&out);
    out.extend_from_slice(&crc.to_le_bytes());
    out
}

/// Bits one behind the other, the first the lowest of the first byte.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    word: u64,
    used: u32,
}

impl Bits {
    /// Appends a one behind at most [`MAX_ZEROS`] zeros.
    fn push_one_behind(&mut self, zeros: u32) {
        self.word |= 1 << (self.used + zeros);
        self.used += zeros + 1;
        while self.used >= 8 {
            self.bytes.push(self.word as u8);
            self.word >>= 8;
            self.used -= 8;
        }
    }

    fn finish(mut self) -> Vec<u8> {
        if self.used > 0 {
            self.bytes.push(self.word as u8);
        }
        self.bytes
    }
}

fn bytes_of(value: u64) -> usize {
    (64 - value.leading_zeros() as usize).div_ceil(8)
}

fn bits_of(value: u64) -> u32 {
    64 - value.leading_zeros()
}

fn packed_width(bits: u32) -> u32 {
    if bits > MAX_PACKED_WIDTH { 64 } else { bits }
}

fn best_plan(integers: &[i64], scratch: &mut [i64], effort: Effort) -> Plan {
    let n = integers.len();
    // Steps: the line's slope is the smallest common step, residuals add up.
    for (step, pair) in scratch.iter_mut().zip(integers.windows(2)) {
        *step = pair[1].wrapping_sub(pair[0]);
    }
    let steps = &mut scratch[..n - 1];
    // The best without unary bits, which decides what else is worth a try: so denser chunks are
    // never longer than others.
    let mut packed = place_offset(steps, n, effort, true);
    packed.base = integers[0];
    let mut best = packed;
    if effort == Effort::Dense
        && let Some(mut dense) = place_unary(steps, n, &packed)
    {
        dense.base = integers[0];
        best = dense;
    }

    // The numbers themselves, and their distance from the line through first and last.
    let level = spread(integers.iter().copied());
    let slope = integers[n - 1].wrapping_sub(integers[0]) / (n.max(2) as i64 - 1);
    let tilted = |i: usize| integers[i].wrapping_sub(slope.wrapping_mul(i as i64));
    let along = spread((0..n).map(tilted));
    for ((_, range), slope) in [(level, 0), (along, slope)] {
        if best.bytes == 0 {
            break;
        }
        let whole = packed_width(bits_of(range / packed.unit));
        if whole >= packed.width {
            // With its outliers cut off it might still be narrower.
            let narrow = |i: usize| integers[i].wrapping_sub(slope.wrapping_mul(i as i64));
            if effort == Effort::Quick || inner_bits(n, narrow) > packed.width {
                continue;
            }
        }
        for (i, out) in scratch.iter_mut().enumerate() {
            *out = integers[i].wrapping_sub(slope.wrapping_mul(i as i64));
        }
        let mut plan = place_offset(scratch, n, effort, false);
        plan.slope = slope;
        let dense = match effort {
            Effort::Dense => place_unary(scratch, n, &plan),
            Effort::Quick | Effort::Thorough => None,
        };
        let denser = dense.unwrap_or(plan);
        if denser.bytes < best.bytes {
            best = denser;
        }
        if plan.bytes < packed.bytes {
            packed = plan;
        }
    }
    best
}

/// The smallest number and how far the largest is above it.
fn spread(numbers: impl Iterator<Item = i64>) -> (i64, u64) {
    let (mut low, mut high) = (i64::MAX, i64::MIN);
    for number in numbers {
        low = low.min(number);
        high = high.max(number);
    }
    (low, high.wrapping_sub(low) as u64)
}

/// Finds the offset and width that cost least for `numbers`, of which `n` are packed; those
/// outside of the window become patches.
fn place_offset(numbers: &mut [i64], n: usize, effort: Effort, prefix: bool) -> Plan {
    let groups = n.div_ceil(8);
    let (low, range) = spread(numbers.iter().copied());
    let mut plan = Plan {
        slope: 0,
        base: 0,
        prefix,
        width: 0,
        unit: 1,
        unary: None,
        bytes: 0,
    };
    if numbers.is_empty() || range == 0 {
        plan.set_offset(if numbers.is_empty() { 0 } else { low });
        return plan;
    }
    // Beyond that range a difference may wrap, and dividing what wrapped is not exact.
    let mut unit = u64::from(range > i64::MAX as u64);
    for number in numbers.iter() {
        let above = number.wrapping_sub(low) as u64;
        if unit == 1 {
            break;
        }
        // Mostly the unit is found at once, and then only confirmed.
        if unit == 0 || !above.is_multiple_of(unit) {
            unit = greatest_common_divisor(above, unit);
        }
    }
    let unit = unit.max(1);
    plan.unit = unit;
    plan.width = packed_width(bits_of(range / unit));
    plan.bytes = groups * plan.width as usize + usize::from(unit > 1) * 2;
    plan.set_offset(low);
    // Only many numbers repay the search, and only a wide range leaves something to gain.
    if plan.width < 2 || numbers.len() < 16 {
        return plan;
    }
    if effort == Effort::Quick {
        let inner = inner_bits(numbers.len(), |i| numbers[i] / unit as i64);
        if inner + 4 > plan.width {
            return plan;
        }
    }
    numbers.sort_unstable();
    let mut width = plan.width.min(MAX_PACKED_WIDTH + 1);
    let mut worse = 0;
    while width > 0 && worse < 3 {
        width -= 1;
        let reach = unit.saturating_mul((1 << width) - 1);
        let (mut most, mut at) = (0, 0);
        let mut end = 0;
        for start in 0..numbers.len() {
            while end < numbers.len() && numbers[end].wrapping_sub(numbers[start]) as u64 <= reach {
                end += 1;
            }
            if end - start > most {
                most = end - start;
                at = start;
            }
            if end == numbers.len() {
                break;
            }
        }
        let outside = numbers.len() - most;
        let offset = numbers[at];
        // The highest bits of a patch: below the offset they wrap and fill the word.
        let highest = |number: i64| ((number.wrapping_sub(offset) / unit as i64) as u64) >> width;
        let wide = bytes_of(highest(numbers[0])).max(bytes_of(highest(numbers[numbers.len() - 1])));
        let bytes = groups * width as usize
            + usize::from(unit > 1) * 2
            + if outside > 0 { 3 } else { 0 }
            + outside * (1 + wide);
        if outside < MAX_CHUNK_SAMPLES && bytes < plan.bytes {
            plan.bytes = bytes;
            plan.width = width;
            plan.set_offset(offset);
            worse = 0;
        } else {
            worse += 1;
        }
    }
    plan
}

/// The shortest way to tell the high bits of `numbers` in unary, if it is shorter than `packed`,
/// which has been found for them.
fn place_unary(numbers: &mut [i64], n: usize, packed: &Plan) -> Option<Plan> {
    let (_, range) = spread(numbers.iter().copied());
    if packed.bytes == 0 || numbers.len() < 16 || range > i64::MAX as u64 {
        return None;
    }
    numbers.sort_unstable();
    let unit = packed.unit;
    let at = |part: usize| numbers[part * (numbers.len() - 1) / 64];
    // Half of the numbers lie in the middle as wide as that.
    let bits = bits_of(at(48).wrapping_sub(at(16)) as u64 / unit);
    let mut best = *packed;
    let offset_len = |offset: i64| bits_of(zigzag(offset)).div_ceil(7) as usize;
    let mut shortest = packed.bytes
        + offset_len(if packed.prefix {
            packed.slope
        } else {
            packed.base
        });
    for (offset, folding) in [
        (at(32), Folding::Around),
        (at(0), Folding::Above),
        // Some outliers below, such as a counter's restart.
        (at(1), Folding::Above),
    ] {
        for width in bits.saturating_sub(2)..=(bits + 1).min(MAX_PACKED_WIDTH) {
            let (mut zeros, mut patches, mut highest) = (0, 0, 0);
            for number in numbers.iter() {
                let residual = number.wrapping_sub(offset) / unit as i64;
                let high = match folding {
                    Folding::Around => zigzag(residual),
                    Folding::Above => residual as u64,
                } >> width;
                if high > MAX_ZEROS {
                    patches += 1;
                    highest = high.max(highest);
                } else {
                    zeros += high as usize;
                }
            }
            let bytes = n.div_ceil(8) * width as usize
                + (n + zeros).div_ceil(8)
                + 1
                + usize::from(unit > 1) * 2
                + if patches > 0 { 3 } else { 0 }
                + patches * (1 + bytes_of(highest));
            if patches < MAX_CHUNK_SAMPLES && bytes + offset_len(offset) < shortest {
                shortest = bytes + offset_len(offset);
                best.bytes = bytes;
                best.width = width;
                best.unary = Some(folding);
                best.set_offset(offset);
            }
        }
    }
    best.unary.is_some().then_some(best)
}

/// The width that most numbers need, judged by a few of them.
fn inner_bits(n: usize, number: impl Fn(usize) -> i64) -> u32 {
    let mut sample = [0; 16];
    for (i, out) in sample.iter_mut().enumerate() {
        *out = number(i * (n - 1) / 15);
    }
    sample.sort_unstable();
    bits_of(sample[14].wrapping_sub(sample[1]) as u64)
}

fn greatest_common_divisor(mut a: u64, mut b: u64) -> u64 {
    if a == 0 || b == 0 {
        return a | b;
    }
    let shift = (a | b).trailing_zeros();
    a >>= a.trailing_zeros();
    while b != 0 {
        b >>= b.trailing_zeros();
        if a > b {
            std::mem::swap(&mut a, &mut b);
        }
        b -= a;
    }
    a << shift
}

fn residuals_of(integers: &[i64], plan: &Plan, out: &mut [u64]) {
    let unit = plan.unit as i64;
    if plan.prefix {
        out[0] = 0;
        for (i, pair) in integers.windows(2).enumerate() {
            let residual = pair[1].wrapping_sub(pair[0]).wrapping_sub(plan.slope);
            out[i + 1] = if unit == 1 { residual } else { residual / unit } as u64;
        }
    } else {
        for (i, (out, &integer)) in out.iter_mut().zip(integers).enumerate() {
            let line = plan.base.wrapping_add(plan.slope.wrapping_mul(i as i64));
            let residual = integer.wrapping_sub(line);
            *out = if unit == 1 { residual } else { residual / unit } as u64;
        }
    }
}

const _: () = assert!(CHUNK_SAMPLES <= MAX_CHUNK_SAMPLES && CHUNK_SAMPLES.is_multiple_of(8));
