//! The checksum of a chunk, which is short: CRC-32C, eight bytes at a time from the first on.
//! The library aligns its reads, byte by byte at either end: it took twice as long for 60 bytes,
//! a half longer for 350, as long at 1,000, and is better from 1,540 on.
#![allow(unsafe_code)]

/// From so many bytes on the library works twice on three parts side by side.
#[cfg(target_arch = "x86_64")]
const SHORT: usize = 1_536;

pub(super) fn checksum(bytes: &[u8]) -> u32 {
    #[cfg(target_arch = "x86_64")]
    if bytes.len() < SHORT && is_x86_feature_detected!("sse4.2") {
        // SAFETY: the feature was just detected.
        return unsafe { of_short(bytes) };
    }
    crc32c::crc32c(bytes)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse4.2")]
fn of_short(bytes: &[u8]) -> u32 {
    use std::arch::x86_64::{_mm_crc32_u8, _mm_crc32_u32, _mm_crc32_u64};
    let (words, mut rest) = bytes.as_chunks::<8>();
    let wide = words.iter().fold(u64::from(u32::MAX), |crc, word| {
        _mm_crc32_u64(crc, u64::from_le_bytes(*word))
    });
    let mut crc = wide as u32;
    if let Some((half, end)) = rest.split_first_chunk::<4>() {
        crc = _mm_crc32_u32(crc, u32::from_le_bytes(*half));
        rest = end;
    }
    !rest.iter().fold(crc, |crc, byte| _mm_crc32_u8(crc, *byte))
}

#[cfg(test)]
mod tests {
    use super::checksum;

    #[test]
    fn it_is_the_librarys_at_every_length_and_place() {
        let bytes: Vec<u8> = (0..1_700u32).map(|at| ((at * at) >> 3) as u8).collect();
        for end in (0..100).chain(1_500..bytes.len()) {
            for start in [end.saturating_sub(9), end / 2, 1.min(end), 0] {
                let part = &bytes[start..end];
                assert_eq!(checksum(part), crc32c::crc32c(part), "{start}..{end}");
            }
        }
    }
}
