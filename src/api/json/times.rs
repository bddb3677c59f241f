//! Times as Prometheus spells them, and the texts of columns that series share.

use series::Column;

/// Longest column whose texts are kept: longer ones are not the steps of a range query.
const MAX_KEPT: usize = 16_384;

/// Seconds since the epoch, with three more digits where they are not zero.
pub(crate) fn push_time(out: &mut Vec<u8>, milliseconds: i64) {
    if milliseconds < 0 {
        out.push(b'-');
    }
    let milliseconds = milliseconds.unsigned_abs();
    out.extend_from_slice(itoa::Buffer::new().format(milliseconds / 1_000).as_bytes());
    let part = (milliseconds % 1_000) as u16;
    if part != 0 {
        let digit = |n: u16| b'0' + (n % 10) as u8;
        out.extend_from_slice(&[b'.', digit(part / 100), digit(part / 10), digit(part)]);
    }
}

/// What stands between two values: the end of one point, the start of the next and its time.
pub(crate) fn push_between(out: &mut Vec<u8>, time: i64) {
    out.extend_from_slice(b"\"],[");
    push_time(out, time);
    out.extend_from_slice(b",\"");
}

/// The texts of the last column of times that was asked for. The series of a range query share
/// one column, or parts of it, so that each step's time is spelled once.
#[derive(Default, Clone)]
pub(crate) struct TimeTexts {
    column: Column<i64>,
    texts: Vec<Between>,
}

/// No text between two values takes more bytes: that before the longest time has 27.
pub(crate) const BETWEEN_BYTES: usize = 32;

/// A text between two values, kept at a fixed size that is cheap to copy.
#[derive(Clone, Copy)]
pub(crate) struct Between {
    pub(crate) bytes: [u8; BETWEEN_BYTES],
    /// How many of them count.
    pub(crate) length: usize,
}

impl TimeTexts {
    /// The place of `times` among the texts kept, which may become those of `times`; `None` when
    /// the column is too long to be kept.
    pub(crate) fn place(&mut self, times: &Column<i64>) -> Option<usize> {
        if let Some(place) = self.find(times) {
            return Some(place);
        }
        if times.len() > MAX_KEPT {
            return None;
        }
        self.texts.clear();
        let mut text = Vec::with_capacity(BETWEEN_BYTES);
        for time in times.iter() {
            text.clear();
            push_between(&mut text, *time);
            let mut bytes = [0; BETWEEN_BYTES];
            let length = text.len().min(BETWEEN_BYTES);
            bytes[..length].copy_from_slice(&text[..length]);
            self.texts.push(Between { bytes, length });
        }
        self.column = times.clone();
        Some(0)
    }

    /// Where `times` is a part of the very memory that is kept.
    fn find(&self, times: &Column<i64>) -> Option<usize> {
        let offset = (times.as_ptr() as usize).checked_sub(self.column.as_ptr() as usize)?;
        let place = offset / size_of::<i64>();
        let inside = place.checked_add(times.len())? <= self.column.len();
        (inside && !times.is_empty()).then_some(place)
    }

    /// The texts before the values from `place` on.
    pub(crate) fn between(&self, place: usize) -> &[Between] {
        &self.texts[place..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_second_have_three_digits() {
        for (ms, text) in [
            (0, "0"),
            (1_000, "1"),
            (1_001, "1.001"),
            (1_050, "1.050"),
            (1_100, "1.100"),
            (-1, "-0.001"),
            (-62_135_596_800_000, "-62135596800"),
            (i64::MIN, "-9223372036854775.808"),
        ] {
            let mut out = Vec::new();
            push_time(&mut out, ms);
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }

    #[test]
    fn a_part_of_the_column_kept_is_found_and_another_column_is_not() {
        let mut texts = TimeTexts::default();
        let all: Column<i64> = (0..10).map(|i| i * 1_000).collect();
        assert_eq!(texts.place(&all), Some(0));
        assert_eq!(texts.place(&all.slice(3..7)), Some(3));
        let shown = |texts: &TimeTexts, place: usize| {
            let first = texts.between(place)[0];
            String::from_utf8(first.bytes[..first.length].to_vec()).unwrap()
        };
        assert_eq!(shown(&texts, 3), "\"],[3,\"");
        let other: Column<i64> = vec![5_500].into();
        assert_eq!(texts.place(&other), Some(0));
        assert_eq!(shown(&texts, 0), "\"],[5.500,\"");
        assert_eq!(texts.place(&vec![i64::MIN].into()), Some(0));
        assert_eq!(shown(&texts, 0), "\"],[-9223372036854775.808,\"");
        assert_eq!(texts.place(&(0..100_000).collect()), None);
    }
}
