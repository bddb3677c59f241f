use crate::Labels;
use std::collections::HashMap;
use std::sync::Arc;

/// Groups of series that are alike in some of their labels, numbered from 0 on as they come.
#[derive(Debug, Default)]
pub struct LabelGroups {
    numbers: HashMap<Arc<str>, usize>,
    labels: Vec<Labels>,
    scratch: String,
    last: usize,
}

impl LabelGroups {
    /// The number of the group that a series belongs to by those of its labels whose names
    /// `keep` wants.
    pub fn number(&mut self, labels: &Labels, mut keep: impl FnMut(&str) -> bool) -> usize {
        let kept = labels.iter().filter(|(name, _)| keep(name));
        Labels::write_sorted(&mut self.scratch, kept);
        // Neighbours are mostly alike.
        let last = self.labels.get(self.last);
        if last.is_some_and(|last| *last.text() == *self.scratch) {
            return self.last;
        }
        self.last = match self.numbers.get(self.scratch.as_str()) {
            Some(known) => *known,
            None => {
                let text: Arc<str> = self.scratch.as_str().into();
                self.labels.push(Labels::of_text(Arc::clone(&text)));
                self.numbers.insert(text, self.labels.len() - 1);
                self.labels.len() - 1
            }
        };
        self.last
    }

    /// The labels that the series of each group have in common.
    #[must_use]
    pub fn labels(&self) -> &[Labels] {
        &self.labels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_that_are_alike_get_one_number() {
        let labels = |a: &str, b: &str| Labels::new([("a", a), ("b", b)]).unwrap();
        let mut groups = LabelGroups::default();
        let series = [("1", "1"), ("1", "2"), ("2", "1"), ("1", "3"), ("", "2")];
        let numbers = series.map(|(a, b)| groups.number(&labels(a, b), |name| name == "a"));
        assert_eq!(numbers, [0, 0, 1, 0, 2]);
        assert_eq!(
            groups.labels(),
            [labels("1", ""), labels("2", ""), Labels::empty()]
        );
    }
}
