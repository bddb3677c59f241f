use std::ops::{Deref, Range};
use std::sync::Arc;

/// A read-only run of values that many owners share without a copy.
///
/// The series of one answer share one column of times where their times are equal, and may
/// stand one behind another in one column of values, which saves an allocation per series.
#[derive(Clone)]
pub struct Column<T> {
    data: Arc<Vec<T>>,
    start: usize,
    end: usize,
}

impl<T> Column<T> {
    /// The values of `range` within this column, shared.
    ///
    /// # Panics
    /// When `range` reaches beyond the column.
    #[must_use]
    pub fn slice(&self, range: Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= self.len());
        Self {
            data: Arc::clone(&self.data),
            start: self.start + range.start,
            end: self.start + range.end,
        }
    }

    /// Whether both are the very same memory: equal without looking at the values.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.data, &other.data) && self.start == other.start && self.end == other.end
    }
}

impl<T> Deref for Column<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.data[self.start..self.end]
    }
}

impl<T> From<Vec<T>> for Column<T> {
    fn from(data: Vec<T>) -> Self {
        let end = data.len();
        Self {
            data: Arc::new(data),
            start: 0,
            end,
        }
    }
}

impl<T> Default for Column<T> {
    fn default() -> Self {
        Vec::new().into()
    }
}

impl<T> FromIterator<T> for Column<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        values.into_iter().collect::<Vec<T>>().into()
    }
}

impl<T: PartialEq> PartialEq for Column<T> {
    fn eq(&self, other: &Self) -> bool {
        self[..] == other[..]
    }
}

impl<T: std::fmt::Debug> std::fmt::Debug for Column<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self[..].fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_of_a_slice_counts_from_the_slice() {
        let all: Column<i64> = (0..10).collect();
        let part = all.slice(2..8).slice(1..3);
        assert_eq!(&part[..], &[3, 4]);
        assert!(part.is_same(&all.slice(3..5)));
        assert!(!part.is_same(&all.slice(3..6)));
    }
}
