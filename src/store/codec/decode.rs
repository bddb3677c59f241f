//! Chunks to numbers. Nothing in a chunk is believed before its checksum fits, and nothing
//! beyond its bounds even then.

use super::checksum::checksum;
use super::kernel::{Number, Packed, Unary, unpack};
use super::{
    FLAG_FOLDED, FLAG_IRREGULAR, FLAG_NEVER_DECREASES, FLAG_NO_NAN, FLAG_PREFIX, FLAG_UNIT, Kernel,
    Line, MAX_EXPONENT, MAX_PACKED_WIDTH, SCALE_BITS, SCALE_INTEGER, Scale, WIDTH_UNARY,
};
use crate::bytes::{Malformed, Reader};

/// What a chunk says of its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChunkInfo {
    /// How many there are.
    pub(crate) len: usize,
    /// No value is below the one before it, and none is NaN.
    pub(crate) never_decreases: bool,
    /// No value is NaN.
    pub(crate) no_nan: bool,
}

/// Reads the first two bytes of a chunk, without its checksum.
pub(crate) fn info(chunk: &[u8]) -> Option<ChunkInfo> {
    let [count, flags, ..] = *chunk else {
        return None;
    };
    Some(ChunkInfo {
        len: count as usize + 1,
        never_decreases: flags & FLAG_NEVER_DECREASES != 0,
        no_nan: flags & FLAG_NO_NAN != 0,
    })
}

/// Decodes a chunk of values into the front of `out`.
pub(crate) fn decode_values(
    kernel: Kernel,
    chunk: &[u8],
    out: &mut [f64],
) -> Result<ChunkInfo, Malformed> {
    let (packed, mut exceptions) = parse(chunk, false)?;
    let out = out
        .get_mut(..packed.n)
        .ok_or(Malformed("a chunk holds more than its index says"))?;
    unpack(kernel, &packed, out);
    while !exceptions.positions.is_empty() {
        let value = exceptions.values.u64()?;
        out[exceptions.positions[0] as usize] = f64::from_bits(value);
        exceptions.positions = &exceptions.positions[1..];
    }
    info(chunk).ok_or(Malformed("bytes end early"))
}

/// Decodes a chunk of times, appending to `out`.
pub(crate) fn decode_times(
    kernel: Kernel,
    chunk: &[u8],
    out: &mut Vec<i64>,
) -> Result<usize, Malformed> {
    let (packed, _) = parse(chunk, true)?;
    append(kernel, &packed, out);
    Ok(packed.n)
}

fn append<T: Number>(kernel: Kernel, packed: &Packed<'_>, out: &mut Vec<T>) {
    let start = out.len();
    out.resize(start + packed.n, T::default());
    unpack(kernel, packed, &mut out[start..]);
}

struct Exceptions<'a> {
    positions: &'a [u8],
    values: Reader<'a>,
}

fn parse(chunk: &[u8], times: bool) -> Result<(Packed<'_>, Exceptions<'_>), Malformed> {
    let body_len = chunk.len().checked_sub(4);
    let (body, crc) = chunk.split_at(body_len.ok_or(Malformed("bytes end early"))?);
    if checksum(body).to_le_bytes() != crc {
        return Err(Malformed("the checksum does not fit"));
    }
    let mut reader = Reader::new(body);
    let n = reader.u8()? as usize + 1;
    let flags = reader.u8()?;
    let width_byte = reader.u8()?;
    let mut width = u32::from(width_byte & !FLAG_IRREGULAR);
    let mut folded = None;
    if width == u32::from(WIDTH_UNARY) {
        let form = reader.u8()?;
        folded = Some(form & FLAG_FOLDED != 0);
        width = u32::from(form & !FLAG_FOLDED);
        if width > MAX_PACKED_WIDTH {
            return Err(Malformed("no such width"));
        }
    }
    if width > MAX_PACKED_WIDTH && width != 64 {
        return Err(Malformed("no such width"));
    }
    let scale = match flags & 0x0f {
        SCALE_INTEGER if times => Scale::Bits,
        SCALE_BITS if !times => Scale::Bits,
        exponent if exponent <= MAX_EXPONENT && !times => Scale::Decimal(exponent),
        _ => return Err(Malformed("no such scale")),
    };
    let base = reader.varint()?;
    let slope = reader.varint()?;
    let unit = if flags & FLAG_UNIT == 0 {
        1
    } else {
        reader.uvarint()?
    };
    let (patches, patch_bytes, exceptions) = if width_byte & FLAG_IRREGULAR == 0 {
        (0, 0, 0)
    } else {
        (
            reader.u8()? as usize,
            reader.u8()? as usize,
            reader.u8()? as usize,
        )
    };
    if patch_bytes > 8 || (patches > 0 && (patch_bytes == 0 || width == 64)) {
        return Err(Malformed("patches are too wide"));
    }
    let bytes = reader.take(n.div_ceil(8) * width as usize)?;
    let patch_positions = reader.take(patches)?;
    let patch_highs = reader.take(patches * patch_bytes)?;
    let positions = reader.take(exceptions)?;
    let values = Reader::new(reader.take(exceptions * 8)?);
    let unary = folded.map(|folded| Unary {
        bits: reader.take_rest(),
        folded,
    });
    if !reader.is_empty() {
        return Err(Malformed("bytes are left over"));
    }
    if unary.is_some_and(|unary| ones(unary.bits) != n) {
        return Err(Malformed("a unary part has too few or too many numbers"));
    }
    let outside = |positions: &[u8]| positions.iter().any(|at| *at as usize >= n);
    if outside(patch_positions) || outside(positions) {
        return Err(Malformed("a position lies outside of its chunk"));
    }
    let packed = Packed {
        n,
        bytes,
        width,
        line: Line {
            base,
            slope,
            unit,
            prefix: flags & FLAG_PREFIX != 0,
        },
        scale,
        unary,
        patch_positions,
        patch_highs,
        patch_bytes,
    };
    Ok((packed, Exceptions { positions, values }))
}

fn ones(bits: &[u8]) -> usize {
    let (words, rest) = bits.as_chunks::<8>();
    let of_words = words
        .iter()
        .map(|word| u64::from_le_bytes(*word).count_ones());
    let of_rest = rest.iter().map(|byte| byte.count_ones());
    of_words.chain(of_rest).sum::<u32>() as usize
}
