//! Frames: payloads that can be told from damage, in the log and wherever else bytes stand
//! behind each other.

use crate::bytes::Reader;
use std::ops::Range;

/// What every frame begins with, so that reading finds its way again behind damage.
const MARKER: [u8; 4] = [0xf5, b'h', b'w', 0xfa];
/// Marker, length and checksum.
pub(crate) const FRAME_OVERHEAD: usize = 12;

/// Appends a frame whose payload `fill` writes.
pub(crate) fn put_frame(out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&MARKER);
    out.extend_from_slice(&[0; 8]);
    fill(out);
    let payload = start + FRAME_OVERHEAD;
    let len = (out.len() - payload) as u32;
    let crc = checksum(len, &out[payload..]);
    out[start + 4..start + 8].copy_from_slice(&len.to_le_bytes());
    out[start + 8..payload].copy_from_slice(&crc.to_le_bytes());
}

fn checksum(len: u32, payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&len.to_le_bytes()), payload)
}

/// What a walk over frames met besides them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Gaps {
    /// Bytes between whole frames that are none.
    pub(crate) damaged: Vec<Range<usize>>,
    /// Where the bytes behind the last whole frame begin, if there are any.
    pub(crate) tail: Option<usize>,
}

/// Hands every whole frame in `bytes` to `take`, with its place.
pub(crate) fn walk_frames<'a>(bytes: &'a [u8], mut take: impl FnMut(usize, &'a [u8])) -> Gaps {
    let mut gaps = Gaps::default();
    let mut at = 0;
    let mut damaged_from = None;
    while at < bytes.len() {
        if let Some(payload) = frame_at(&bytes[at..]) {
            if let Some(from) = damaged_from.take() {
                gaps.damaged.push(from..at);
            }
            take(at, payload);
            at += FRAME_OVERHEAD + payload.len();
        } else {
            damaged_from.get_or_insert(at);
            let next = bytes[at + 1..]
                .windows(MARKER.len())
                .position(|window| window == MARKER);
            match next {
                Some(next) => at += 1 + next,
                None => break,
            }
        }
    }
    gaps.tail = damaged_from;
    gaps
}

fn frame_at(bytes: &[u8]) -> Option<&[u8]> {
    let mut reader = Reader::new(bytes);
    if reader.take(4).ok()? != MARKER {
        return None;
    }
    let len = reader.u32().ok()?;
    let crc = reader.u32().ok()?;
    let payload = reader.take(len as usize).ok()?;
    (checksum(len, payload) == crc).then_some(payload)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn walk(bytes: &[u8]) -> (Vec<Vec<u8>>, Gaps) {
        let mut payloads = Vec::new();
        let gaps = walk_frames(bytes, |_, payload| payloads.push(payload.to_vec()));
        (payloads, gaps)
    }

    proptest! {
        #[test]
        fn a_flipped_byte_costs_its_frame_only(
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 1..6),
            at: prop::sample::Index, bit in 0u8..8,
        ) {
            let mut bytes = Vec::new();
            let mut ends = Vec::new();
            for payload in &payloads {
                put_frame(&mut bytes, |out| out.extend_from_slice(payload));
                ends.push(bytes.len());
            }
            prop_assert_eq!(walk(&bytes), (payloads.clone(), Gaps::default()));
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            let hit = ends.iter().position(|end| at < *end).unwrap();
            let start = if hit == 0 { 0 } else { ends[hit - 1] };
            let (found, gaps) = walk(&bytes);
            let mut left = payloads.clone();
            left.remove(hit);
            prop_assert_eq!(found, left);
            if hit + 1 == payloads.len() {
                prop_assert_eq!(gaps.tail, Some(start));
            } else {
                prop_assert_eq!(gaps.damaged, vec![start..ends[hit]]);
            }
        }

        #[test]
        fn any_bytes_are_walked(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            walk(&bytes);
        }
    }
}
