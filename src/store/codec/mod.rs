//! Chunks: up to [`CHUNK_SAMPLES`] numbers in few bytes, and back, bit for bit.
//!
//! A chunk holds a column of values or of times. Its numbers are integers: times as they are,
//! values scaled by a power of ten where that is exact, or else the bits of the floats. They
//! are told by a straight line and small residuals, packed in groups of eight so that a group
//! of w bits takes exactly w bytes. Chunks of compacted blocks keep only the low bits of
//! residuals there and tell the high ones in unary, which is close to what the numbers' spread
//! needs at the least. What does not fit stands behind as patches (wide residuals) and
//! exceptions (values that are no such integer: stale markers, -0). FORMAT.md has the bytes.

mod checksum;
mod decode;
mod encode;
mod kernel;
mod vector;

pub(crate) use decode::{ChunkInfo, decode_times, decode_values, info};
pub(crate) use encode::{Effort, encode_times, encode_values};
pub(crate) use kernel::Kernel;
pub use kernel::kernel_name;

/// Samples in a full chunk.
pub(crate) const CHUNK_SAMPLES: usize = 240;

/// The most samples that a chunk can hold: its count minus one is a byte.
pub(crate) const MAX_CHUNK_SAMPLES: usize = 256;

/// Scale code of chunks of integers (times).
pub(crate) const SCALE_INTEGER: u8 = 14;
/// Scale code of chunks that hold the bits of floats.
pub(crate) const SCALE_BITS: u8 = 15;
/// The largest decimal exponent.
pub(crate) const MAX_EXPONENT: u8 = 6;

pub(crate) const FLAG_PREFIX: u8 = 0x10;
pub(crate) const FLAG_NEVER_DECREASES: u8 = 0x20;
pub(crate) const FLAG_NO_NAN: u8 = 0x40;
pub(crate) const FLAG_UNIT: u8 = 0x80;
/// In the width byte: patches or exceptions follow.
pub(crate) const FLAG_IRREGULAR: u8 = 0x80;

/// The widest residual that one eight-byte load reaches at any offset of bits; wider ones take
/// 64 bits.
pub(crate) const MAX_PACKED_WIDTH: u32 = 57;

/// In the width byte: how many bits are packed stands in the next byte, and the bits above them
/// in unary behind everything else.
pub(crate) const WIDTH_UNARY: u8 = 65;
/// In the byte behind [`WIDTH_UNARY`]: residuals are zigzagged.
pub(crate) const FLAG_FOLDED: u8 = 0x40;

pub(crate) const POWERS: [f64; MAX_EXPONENT as usize + 1] = [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6];

/// How the integers of a chunk become numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    /// Divide by ten to this power.
    Decimal(u8),
    /// They are the bits of floats.
    Bits,
}

/// The straight line that residuals stand on: `base + slope·i + unit·r`, where `r` is the
/// residual, or with `prefix` the sum of the residuals up to `i`; all modulo 2⁶⁴.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) base: i64,
    pub(crate) slope: i64,
    pub(crate) unit: u64,
    pub(crate) prefix: bool,
}

#[cfg(test)]
mod tests;
