//! Digits, many at a time: where they end, and the number that they are.

/// Bytes that [`others`] looks at.
pub(super) const LOOK: usize = 32;

/// Which of the bytes are no digits, the first one in the lowest bit.
#[inline(always)]
pub(super) fn others(bytes: &[u8; LOOK]) -> u32 {
    lanes::others(bytes)
}

/// The number of the last `count` bytes, at most eight, which must be digits.
#[inline(always)]
pub(super) fn last_of_eight(bytes: [u8; 8], count: usize) -> u64 {
    let blanked = (u64::from_le_bytes(bytes) ^ ZEROS as u64) & (LAST[count] >> 64) as u64;
    eight_digits(blanked)
}

/// The number of the last `count` bytes, which must be digits.
#[inline(always)]
pub(super) fn last_of_sixteen(bytes: [u8; 16], count: usize) -> u64 {
    lanes::sixteen_digits((u128::from_le_bytes(bytes) ^ ZEROS) & LAST[count])
}

/// `0` in every byte.
const ZEROS: u128 = u128::from_le_bytes([b'0'; 16]);

/// The bytes that stay of sixteen when only so many at their end count.
const LAST: [u128; 17] = {
    let mut masks = [0; 17];
    let mut count = 1;
    while count <= 16 {
        masks[count] = u128::MAX << (128 - 8 * count);
        count += 1;
    }
    masks
};

/// The number of eight digits, each as a number, the first of them in the lowest byte.
#[inline(always)]
pub(super) fn eight_digits(word: u64) -> u64 {
    // Neighbours are joined: digits to pairs, pairs to fours, fours to the whole.
    let pairs = (word.wrapping_mul(10).wrapping_add(word >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(100).wrapping_add(pairs >> 16)) & 0x0000_ffff_0000_ffff;
    (fours.wrapping_mul(10_000).wrapping_add(fours >> 32)) & 0xffff_ffff
}

/// What every processor can do.
#[cfg_attr(target_arch = "x86_64", cfg(test))]
mod portable {
    use super::{LOOK, eight_digits};

    #[inline(always)]
    pub(super) fn others(bytes: &[u8; LOOK]) -> u32 {
        const HIGH: u64 = 0x8080_8080_8080_8080;
        let (words, _) = bytes.as_chunks::<8>();
        let mut all = 0;
        for (place, word) in words.iter().enumerate() {
            let digits = u64::from_le_bytes(*word) ^ 0x3030_3030_3030_3030;
            // Adding 0x76 lifts everything but digits into the eighth bit.
            let others = (((digits & !HIGH) + 0x7676_7676_7676_7676) | digits) & HIGH;
            // The multiplication brings the eight bits together in the highest byte.
            let bits = (others >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56;
            all |= (bits as u32) << (8 * place);
        }
        all
    }

    #[inline(always)]
    pub(super) fn sixteen_digits(digits: u128) -> u64 {
        eight_digits(digits as u64) * 100_000_000 + eight_digits((digits >> 64) as u64)
    }
}

/// The same with the vectors that every x86-64 has (SSE2).
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod sse2 {
    use super::LOOK;
    use core::arch::x86_64::*;

    #[inline(always)]
    pub(super) fn others(bytes: &[u8; LOOK]) -> u32 {
        // SAFETY: SSE2 belongs to x86-64.
        unsafe { others_of(bytes) }
    }

    #[inline(always)]
    pub(super) fn sixteen_digits(digits: u128) -> u64 {
        // SAFETY: SSE2 belongs to x86-64.
        unsafe { sixteen_digits_of(digits) }
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn vector(bytes: u128) -> __m128i {
        _mm_set_epi64x((bytes >> 64) as i64, bytes as i64)
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn others_of(bytes: &[u8; LOOK]) -> u32 {
        let (halves, _) = bytes.as_chunks::<16>();
        let mut all = 0;
        for (place, half) in halves.iter().enumerate() {
            let digits = _mm_xor_si128(vector(u128::from_le_bytes(*half)), _mm_set1_epi8(0x30));
            let above_nine = _mm_subs_epu8(digits, _mm_set1_epi8(9));
            let are_digits = _mm_cmpeq_epi8(above_nine, _mm_setzero_si128());
            all |= (_mm_movemask_epi8(are_digits) as u32) << (16 * place);
        }
        !all
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn sixteen_digits_of(digits: u128) -> u64 {
        let digits = vector(digits);
        let zero = _mm_setzero_si128();
        let tens = _mm_set1_epi32(1 << 16 | 10);
        let hundreds = _mm_set1_epi32(1 << 16 | 100);
        let ten_thousands = _mm_set1_epi32(1 << 16 | 10_000);
        // Neighbours are joined: digits to pairs, pairs to fours, fours to eights.
        let pairs = _mm_packs_epi32(
            _mm_madd_epi16(_mm_unpacklo_epi8(digits, zero), tens),
            _mm_madd_epi16(_mm_unpackhi_epi8(digits, zero), tens),
        );
        let fours = _mm_madd_epi16(pairs, hundreds);
        let eights = _mm_madd_epi16(_mm_packs_epi32(fours, fours), ten_thousands);
        let both = _mm_cvtsi128_si64(eights) as u64;
        (both & 0xffff_ffff) * 100_000_000 + (both >> 32)
    }
}

#[cfg(not(target_arch = "x86_64"))]
use portable as lanes;
#[cfg(target_arch = "x86_64")]
use sse2 as lanes;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn others_are_all_bytes_but_digits(text in "[ -~]{32}", any in any::<[u8; LOOK]>()) {
            for bytes in [text.as_bytes().try_into().unwrap(), any] {
                let bit = |at: usize| u32::from(!bytes[at].is_ascii_digit()) << at;
                let expected = (0..LOOK).map(bit).sum::<u32>();
                prop_assert_eq!(others(&bytes), expected);
                prop_assert_eq!(portable::others(&bytes), expected);
            }
        }

        #[test]
        fn digits_are_read_from_their_end(before in any::<[u8; 16]>(), digits in "[0-9]{1,16}") {
            let count = digits.len();
            let mut bytes = before;
            bytes[16 - count..].copy_from_slice(digits.as_bytes());
            let expected: u64 = digits.parse().unwrap();
            prop_assert_eq!(last_of_sixteen(bytes, count), expected);
            let blanked = (u128::from_le_bytes(bytes) ^ ZEROS) & LAST[count];
            prop_assert_eq!(portable::sixteen_digits(blanked), expected);
            if count <= 8 {
                let last = bytes.last_chunk().unwrap();
                prop_assert_eq!(last_of_eight(*last, count), expected);
            }
        }
    }
}
