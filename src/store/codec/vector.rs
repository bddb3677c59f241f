//! Unpacking with vector instructions, chosen at run time; `kernel::portable` is the twin that
//! a property test holds equal.
#![allow(unsafe_code)]

use super::kernel::{Number, Packed};

#[cfg(not(target_arch = "x86_64"))]
mod machine {
    use super::{Number, Packed};
    use crate::codec::kernel::portable;

    pub(crate) fn has_avx2() -> bool {
        false
    }

    pub(crate) fn has_avx512() -> bool {
        false
    }

    pub(crate) fn unpack_avx2<T: Number>(packed: &Packed<'_>, out: &mut [T]) {
        portable(packed, out);
    }

    pub(crate) fn unpack_avx512<T: Number>(packed: &Packed<'_>, out: &mut [T]) {
        portable(packed, out);
    }
}

#[cfg(target_arch = "x86_64")]
mod machine {
    use super::{Number, Packed};
    use crate::codec::kernel::portable;
    use crate::codec::{MAX_CHUNK_SAMPLES, POWERS, Scale};
    use std::arch::x86_64::*;
    use std::mem::MaybeUninit;

    pub(crate) fn has_avx2() -> bool {
        is_x86_feature_detected!("avx2") && is_x86_feature_detected!("bmi2")
    }

    pub(crate) fn has_avx512() -> bool {
        is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vbmi")
    }

    pub(crate) fn unpack_avx2<T: Number>(packed: &Packed<'_>, out: &mut [T]) {
        if has_avx2() {
            // SAFETY: the features were just detected.
            unsafe { avx2(packed, out) }
        } else {
            portable(packed, out);
        }
    }

    pub(crate) fn unpack_avx512<T: Number>(packed: &Packed<'_>, out: &mut [T]) {
        if !has_avx512() {
            return portable(packed, out);
        }
        let groups = packed.n.div_ceil(8);
        assert!(size_of::<T>() == 8 && out.len() == packed.n && packed.n <= MAX_CHUNK_SAMPLES);
        assert!(packed.width <= 64 && packed.bytes.len() >= groups * packed.width as usize);
        let out = out.as_mut_ptr().cast::<u64>();
        // SAFETY: the features were just detected; `bytes` holds all groups, and `out` has
        // place for `n` words, each of which is a valid `T` (f64 or i64), as asserted above.
        unsafe {
            if packed.is_complete() {
                avx512::<true>(packed, out);
            } else {
                avx512::<false>(packed, out);
            }
        }
    }

    #[target_feature(enable = "avx2,bmi1,bmi2")]
    fn avx2<T: Number>(packed: &Packed<'_>, out: &mut [T]) {
        portable(packed, out);
    }

    /// For every width: from which bytes of a group each of eight words is put together.
    static BYTES: [[u8; 64]; 65] = {
        let mut table = [[0; 64]; 65];
        let mut width = 0;
        while width <= 64 {
            let mut at = 0;
            while at < 64 {
                // Positions past the group wrap around; the mask takes their bits away.
                table[width][at] = ((at / 8 * width / 8 + at % 8) % 64) as u8;
                at += 1;
            }
            width += 1;
        }
        table
    };

    /// For every width: by how much each of eight words is shifted.
    static SHIFTS: [[u64; 8]; 65] = {
        let mut table = [[0; 8]; 65];
        let mut width = 0;
        while width <= 64 {
            let mut i = 0;
            while i < 8 {
                table[width][i] = (i * width % 8) as u64;
                i += 1;
            }
            width += 1;
        }
        table
    };

    /// # Safety
    /// `packed.bytes` holds `ceil(n / 8) · width` bytes, `width` is at most 64, and `out` has
    /// place for `n` words. `COMPLETE` only when the packed bits are all there is.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vbmi")]
    unsafe fn avx512<const COMPLETE: bool>(packed: &Packed<'_>, out: *mut u64) {
        let width = packed.width as usize;
        let groups = packed.n.div_ceil(8);
        // SAFETY: both tables have 65 rows of 64 bytes, and the width is at most 64.
        let (order, shifts) = unsafe {
            (
                _mm512_loadu_si512(BYTES[width].as_ptr().cast()),
                _mm512_loadu_si512(SHIFTS[width].as_ptr().cast()),
            )
        };
        let load = if width == 0 {
            0
        } else {
            u64::MAX >> (64 - width)
        };
        let mask = _mm512_set1_epi64(load as i64);
        let group = |g: usize| {
            // SAFETY: the mask reads `width` bytes, which the caller promised for each group.
            let raw = unsafe {
                _mm512_maskz_loadu_epi8(load, packed.bytes.as_ptr().add(g * width).cast())
            };
            let words = _mm512_permutexvar_epi8(order, raw);
            _mm512_and_si512(_mm512_srlv_epi64(words, shifts), mask)
        };
        if COMPLETE {
            // SAFETY: as promised by the caller.
            unsafe { finish(packed, out, group) };
            return;
        }
        let mut residuals = [MaybeUninit::<u64>::uninit(); MAX_CHUNK_SAMPLES];
        for g in 0..groups {
            // SAFETY: `n` is at most MAX_CHUNK_SAMPLES, a multiple of eight.
            unsafe { _mm512_storeu_si512(residuals.as_mut_ptr().add(g * 8).cast(), group(g)) };
        }
        // SAFETY: all words of all groups were just written.
        let residuals = unsafe {
            std::slice::from_raw_parts_mut(residuals.as_mut_ptr().cast::<u64>(), groups * 8)
        };
        packed.complete(residuals);
        // SAFETY: the loads stay within `residuals` as above; the rest as promised.
        unsafe {
            finish(packed, out, |g| {
                _mm512_loadu_si512(residuals.as_ptr().add(g * 8).cast())
            })
        };
    }

    /// # Safety
    /// `out` has place for `n` words; `residuals` may be called for every group of eight.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vbmi")]
    #[inline]
    unsafe fn finish(packed: &Packed<'_>, out: *mut u64, residuals: impl Fn(usize) -> __m512i) {
        // SAFETY: handed through.
        unsafe {
            match packed.scale {
                Scale::Bits => follow(packed, out, residuals, |words| words),
                Scale::Decimal(0) => follow(packed, out, residuals, |words| {
                    _mm512_castpd_si512(_mm512_cvtepi64_pd(words))
                }),
                Scale::Decimal(exponent) => {
                    let power = _mm512_set1_pd(POWERS[exponent as usize]);
                    follow(packed, out, residuals, |words| {
                        _mm512_castpd_si512(_mm512_div_pd(_mm512_cvtepi64_pd(words), power))
                    });
                }
            }
        }
    }

    /// # Safety
    /// As [`finish`].
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vbmi")]
    #[inline]
    unsafe fn follow(
        packed: &Packed<'_>,
        out: *mut u64,
        residuals: impl Fn(usize) -> __m512i,
        number: impl Fn(__m512i) -> __m512i,
    ) {
        let line = packed.line;
        let zero = _mm512_setzero_si512();
        let last_lane = _mm512_set1_epi64(7);
        let unit = _mm512_set1_epi64(line.unit as i64);
        let lanes = _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0);
        let mut at = _mm512_add_epi64(
            _mm512_set1_epi64(line.base),
            _mm512_mullo_epi64(lanes, _mm512_set1_epi64(line.slope)),
        );
        let step = _mm512_set1_epi64(line.slope.wrapping_mul(8));
        let mut carry = zero;
        for g in 0..packed.n.div_ceil(8) {
            let mut words = residuals(g);
            if line.prefix {
                words = _mm512_add_epi64(words, _mm512_alignr_epi64::<7>(words, zero));
                words = _mm512_add_epi64(words, _mm512_alignr_epi64::<6>(words, zero));
                words = _mm512_add_epi64(words, _mm512_alignr_epi64::<4>(words, zero));
                words = _mm512_add_epi64(words, carry);
                carry = _mm512_permutexvar_epi64(last_lane, words);
            }
            if line.unit != 1 {
                words = _mm512_mullo_epi64(words, unit);
            }
            let numbers = number(_mm512_add_epi64(at, words));
            at = _mm512_add_epi64(at, step);
            let left = packed.n - g * 8;
            // SAFETY: whole groups end below `n`, and the last is cut off by the mask.
            unsafe {
                if left >= 8 {
                    _mm512_storeu_si512(out.add(g * 8).cast(), numbers);
                } else {
                    _mm512_mask_storeu_epi64(out.add(g * 8).cast(), (1 << left) - 1, numbers);
                }
            }
        }
    }
}

pub(crate) use machine::{has_avx2, has_avx512, unpack_avx2, unpack_avx512};
