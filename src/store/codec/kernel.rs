//! Packing and unpacking of residuals: the portable form, and the choice of the vector form.

use super::{Line, MAX_CHUNK_SAMPLES, POWERS, Scale, vector};
use std::sync::OnceLock;

/// Which code unpacks chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kernel {
    /// Ordinary code.
    Portable,
    /// The same code, compiled for AVX2 and BMI2.
    Avx2,
    /// AVX-512 with byte permutes.
    Avx512,
}

impl Kernel {
    /// The best one that this machine runs.
    pub(crate) fn best() -> Self {
        static BEST: OnceLock<Kernel> = OnceLock::new();
        *BEST.get_or_init(|| {
            [Self::Avx512, Self::Avx2]
                .into_iter()
                .find(|kernel| kernel.is_available())
                .unwrap_or(Self::Portable)
        })
    }

    /// Whether this machine runs it.
    pub(crate) fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            Self::Avx2 => vector::has_avx2(),
            Self::Avx512 => vector::has_avx512(),
        }
    }
}

/// The name of the code that unpacks chunks on this machine.
#[must_use]
pub fn kernel_name() -> &'static str {
    match Kernel::best() {
        Kernel::Portable => "portable",
        Kernel::Avx2 => "AVX2",
        Kernel::Avx512 => "AVX-512",
    }
}

/// A number of eight bytes that a chunk can hold.
pub(crate) trait Number: Copy + Default {
    fn from_word(word: u64) -> Self;
}

impl Number for f64 {
    fn from_word(word: u64) -> Self {
        f64::from_bits(word)
    }
}

impl Number for i64 {
    fn from_word(word: u64) -> Self {
        word as i64
    }
}

/// The packed part of a chunk, checked: `bytes` holds a group of `width` bytes for every eight
/// of `n` numbers, and patches lie below `n`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Packed<'a> {
    pub(crate) n: usize,
    pub(crate) bytes: &'a [u8],
    pub(crate) width: u32,
    pub(crate) line: Line,
    pub(crate) scale: Scale,
    /// The bits of residuals above `width`, for each so many zeros and a one behind them.
    pub(crate) unary: Option<Unary<'a>>,
    /// Positions of wide residuals.
    pub(crate) patch_positions: &'a [u8],
    /// What their high bits are, `patch_bytes` each.
    pub(crate) patch_highs: &'a [u8],
    pub(crate) patch_bytes: usize,
}

/// High bits of residuals in unary, checked: there are as many ones as residuals.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unary<'a> {
    pub(crate) bits: &'a [u8],
    /// Residuals are zigzagged.
    pub(crate) folded: bool,
}

/// What eight bits of a unary part say.
#[derive(Clone, Copy)]
struct Octet {
    /// How many zeros stand before each one, a byte for each, the first in the lowest.
    zeros: u64,
    /// How many ones there are.
    ones: u8,
    /// Zeros behind the last one.
    rest: u8,
}

static OCTETS: [Octet; 256] = {
    let mut table = [Octet {
        zeros: 0,
        ones: 0,
        rest: 0,
    }; 256];
    let mut bits = 0;
    while bits < 256 {
        let octet = &mut table[bits];
        let mut at = 0;
        while at < 8 {
            if bits >> at & 1 == 0 {
                octet.rest += 1;
            } else {
                octet.zeros |= (octet.rest as u64) << (8 * octet.ones);
                octet.ones += 1;
                octet.rest = 0;
            }
            at += 1;
        }
        bits += 1;
    }
    table
};

impl Unary<'_> {
    /// Adds the high bits above `width` low ones.
    #[inline(always)]
    fn add(&self, width: u32, residuals: &mut [u64]) {
        // A whole word is written for every octet, and the last may begin at the last place.
        let mut highs = [0u8; MAX_CHUNK_SAMPLES + 8];
        let (mut at, mut before) = (0, 0u8);
        for bits in self.bits {
            let octet = &OCTETS[*bits as usize];
            let Some(out) = highs.get_mut(at..at + 8) else {
                break;
            };
            out.copy_from_slice(&octet.zeros.to_le_bytes());
            // Only below a byte's bound, which writers keep, no zeros are lost.
            out[0] = out[0].wrapping_add(before);
            before = if octet.ones == 0 {
                before.wrapping_add(octet.rest)
            } else {
                octet.rest
            };
            at += octet.ones as usize;
        }
        for (residual, high) in residuals.iter_mut().zip(highs) {
            *residual |= u64::from(high) << width;
        }
    }
}

impl Packed<'_> {
    /// Puts in what the packed bits of the residuals leave out.
    #[inline(always)]
    pub(crate) fn complete(&self, residuals: &mut [u64]) {
        if let Some(unary) = self.unary {
            unary.add(self.width, residuals);
        }
        self.patch(residuals);
        if self.unary.is_some_and(|unary| unary.folded) {
            for residual in residuals {
                *residual = *residual >> 1 ^ (*residual & 1).wrapping_neg();
            }
        }
    }

    /// Whether the packed bits are all there is.
    pub(crate) fn is_complete(&self) -> bool {
        self.patch_positions.is_empty() && self.unary.is_none()
    }

    fn patch(&self, residuals: &mut [u64]) {
        if self.patch_bytes == 1 {
            for (&at, &high) in self.patch_positions.iter().zip(self.patch_highs) {
                residuals[at as usize] |= u64::from(high) << self.width;
            }
            return;
        }
        for (&at, high) in self
            .patch_positions
            .iter()
            .zip(self.patch_highs.chunks_exact(self.patch_bytes.max(1)))
        {
            let mut word = [0; 8];
            word[..high.len()].copy_from_slice(high);
            residuals[at as usize] |= u64::from_le_bytes(word) << self.width;
        }
    }
}

/// Appends `residuals`, whose number is a multiple of eight, with `width` bits each.
pub(crate) fn pack(residuals: &[u64], width: u32, out: &mut Vec<u8>) {
    debug_assert!(residuals.len().is_multiple_of(8));
    let width = width as usize;
    for group in residuals.chunks_exact(8) {
        // One word more than the widest group, since whole words are written.
        let mut bytes = [0u8; 72];
        for (i, &residual) in group.iter().enumerate() {
            let (at, shift) = (i * width / 8, i * width % 8);
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[at..at + 8]);
            let word = u64::from_le_bytes(word) | residual << shift;
            bytes[at..at + 8].copy_from_slice(&word.to_le_bytes());
        }
        out.extend_from_slice(&bytes[..width]);
    }
}

/// Unpacks into `out`, which has a place for each number.
pub(crate) fn unpack<T: Number>(kernel: Kernel, packed: &Packed<'_>, out: &mut [T]) {
    debug_assert_eq!(out.len(), packed.n);
    match kernel {
        Kernel::Portable => portable(packed, out),
        Kernel::Avx2 => vector::unpack_avx2(packed, out),
        Kernel::Avx512 => vector::unpack_avx512(packed, out),
    }
}

/// The portable form of unpacking.
#[inline(always)]
pub(crate) fn portable<T: Number>(packed: &Packed<'_>, out: &mut [T]) {
    let mut residuals = [0; MAX_CHUNK_SAMPLES];
    residuals_portable(packed, &mut residuals);
    packed.complete(&mut residuals[..out.len()]);
    let line = packed.line;
    let residuals = &residuals[..out.len()];
    match packed.scale {
        Scale::Bits => follow(line, residuals, out, |word| T::from_word(word as u64)),
        Scale::Decimal(0) => follow(line, residuals, out, |whole| {
            T::from_word((whole as f64).to_bits())
        }),
        Scale::Decimal(exponent) => {
            let power = POWERS[exponent as usize];
            follow(line, residuals, out, |whole| {
                T::from_word((whole as f64 / power).to_bits())
            });
        }
    }
}

#[inline(always)]
fn follow<T>(line: Line, residuals: &[u64], out: &mut [T], number: impl Fn(i64) -> T) {
    let mut at = line.base;
    if line.prefix {
        let mut sum = 0u64;
        for (out, &residual) in out.iter_mut().zip(residuals) {
            sum = sum.wrapping_add(residual);
            *out = number(at.wrapping_add(sum.wrapping_mul(line.unit) as i64));
            at = at.wrapping_add(line.slope);
        }
    } else {
        for (out, &residual) in out.iter_mut().zip(residuals) {
            *out = number(at.wrapping_add(residual.wrapping_mul(line.unit) as i64));
            at = at.wrapping_add(line.slope);
        }
    }
}

#[inline(always)]
fn residuals_portable(packed: &Packed<'_>, out: &mut [u64; MAX_CHUNK_SAMPLES]) {
    macro_rules! by_width {
        ($($width:literal)*) => {
            match packed.width {
                $($width => groups::<$width>(packed.bytes, out),)*
                _ => {}
            }
        };
    }
    by_width!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30
        31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 64);
}

/// Every width has code of its own, in which all places and shifts are constants.
#[inline(always)]
fn groups<const WIDTH: usize>(mut bytes: &[u8], out: &mut [u64; MAX_CHUNK_SAMPLES]) {
    let mut out = out.as_chunks_mut::<8>().0.iter_mut();
    // Whole words are loaded, and the last of a group reaches up to seven bytes into the next.
    while bytes.len() >= WIDTH + 8 {
        let Some(out) = out.next() else { return };
        group::<WIDTH>(&bytes[..WIDTH + 8], out);
        bytes = &bytes[WIDTH..];
    }
    let mut last = [0; 72];
    for (bytes, out) in bytes.chunks_exact(WIDTH).zip(out) {
        last[..WIDTH].copy_from_slice(bytes);
        group::<WIDTH>(&last[..WIDTH + 8], out);
    }
}

#[inline(always)]
fn group<const WIDTH: usize>(bytes: &[u8], out: &mut [u64; 8]) {
    let mask = u64::MAX >> (64 - WIDTH);
    for (i, out) in out.iter_mut().enumerate() {
        let (at, shift) = (i * WIDTH / 8, i * WIDTH % 8);
        let mut word = [0; 8];
        word.copy_from_slice(&bytes[at..at + 8]);
        *out = u64::from_le_bytes(word) >> shift & mask;
    }
}
