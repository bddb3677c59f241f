//! Parity for the sections of an index: what one bad stretch of a disk takes can be made again
//! from the rest, for a sixteenth of a section's bytes.

use crate::bytes::Reader;

/// Stripes that a section is divided into.
const STRIPES: usize = 16;

fn stripe_len(len: usize) -> usize {
    len.div_ceil(STRIPES)
}

/// The checksums of all stripes, and the parity of their bytes.
pub(super) fn parity(bytes: &[u8]) -> Vec<u8> {
    let stripe = stripe_len(bytes.len());
    let mut out = Vec::with_capacity(STRIPES * 4 + stripe);
    for at in 0..STRIPES {
        let crc = crc32c::crc32c(stripe_of(bytes, at));
        out.extend_from_slice(&crc.to_le_bytes());
    }
    let mut sums = vec![0; stripe];
    for at in 0..STRIPES {
        for (sum, byte) in sums.iter_mut().zip(stripe_of(bytes, at)) {
            *sum ^= byte;
        }
    }
    out.extend_from_slice(&sums);
    out
}

fn stripe_of(bytes: &[u8], at: usize) -> &[u8] {
    let stripe = stripe_len(bytes.len());
    let from = (at * stripe).min(bytes.len());
    &bytes[from..(from + stripe).min(bytes.len())]
}

/// Makes the one stripe of `bytes` anew whose checksum does not fit. `false` when more than one
/// is damaged.
pub(super) fn mend(bytes: &mut [u8], parity: &[u8]) -> bool {
    let stripe = stripe_len(bytes.len());
    if parity.len() != STRIPES * 4 + stripe {
        return false;
    }
    let (sums_of_stripes, sums) = parity.split_at(STRIPES * 4);
    let mut reader = Reader::new(sums_of_stripes);
    let mut damaged = None;
    for at in 0..STRIPES {
        if reader.u32() != Ok(crc32c::crc32c(stripe_of(bytes, at))) && damaged.replace(at).is_some()
        {
            return false;
        }
    }
    let Some(damaged) = damaged else { return false };
    let mut whole = sums.to_vec();
    for at in (0..STRIPES).filter(|at| *at != damaged) {
        for (sum, byte) in whole.iter_mut().zip(stripe_of(bytes, at)) {
            *sum ^= byte;
        }
    }
    let from = (damaged * stripe).min(bytes.len());
    let to = (from + stripe).min(bytes.len());
    bytes[from..to].copy_from_slice(&whole[..to - from]);
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn one_bad_stretch_is_mended(
            bytes in prop::collection::vec(any::<u8>(), 1..400),
            at: prop::sample::Index, flip in 1u8..,
        ) {
            let parity = parity(&bytes);
            let mut damaged = bytes.clone();
            let at = at.index(bytes.len());
            damaged[at] ^= flip;
            prop_assert!(mend(&mut damaged, &parity));
            prop_assert_eq!(damaged, bytes);
        }

        #[test]
        fn any_bytes_are_mended_or_refused(
            mut bytes in prop::collection::vec(any::<u8>(), 0..100),
            parity in prop::collection::vec(any::<u8>(), 0..100),
        ) {
            mend(&mut bytes, &parity);
        }
    }
}
