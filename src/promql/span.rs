/// A stretch of the query's text, in bytes: `start` is its first, `end` is behind its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte behind the last.
    pub end: usize,
}

impl Span {
    /// A stretch from `start` to before `end`.
    #[must_use]
    pub const fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// The smallest stretch that holds both.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        Self {
            start: self.start.min(other.start),
            end: self.end.max(other.end),
        }
    }

    /// Line and column of the first byte in `query`, both counted from 1; columns count bytes,
    /// as Prometheus counts them.
    #[must_use]
    pub fn line_and_column(self, query: &str) -> (usize, usize) {
        let before = &query.as_bytes()[..self.start.min(query.len())];
        let line = before.iter().filter(|b| **b == b'\n').count() + 1;
        let column = before.iter().rev().take_while(|b| **b != b'\n').count() + 1;
        (line, column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_start_anew_on_each_line() {
        assert_eq!(Span::new(0, 1).line_and_column("ab\ncd"), (1, 1));
        assert_eq!(Span::new(4, 5).line_and_column("ab\ncd"), (2, 2));
        assert_eq!(Span::new(99, 99).line_and_column("ab"), (1, 3));
    }
}
