use crate::Labels;

/// Series one after the other, each with the pairs that the one before it does not begin with:
/// neighbours in an order are mostly alike.
#[derive(Debug, Default)]
pub struct Successive<'a> {
    last: Option<&'a Labels>,
    /// Where each pair of its text ends.
    ends: Vec<usize>,
}

impl<'a> Successive<'a> {
    /// How many pairs at the front the labels have in common with those before them, and the
    /// pairs behind these.
    pub fn next(
        &mut self,
        labels: &'a Labels,
    ) -> (usize, impl Iterator<Item = (&'a str, &'a str)>) {
        let same = self.last.map_or(0, |last| last.same_bytes(labels));
        while self.ends.last().is_some_and(|end| *end > same) {
            self.ends.pop();
        }
        let common = self.ends.len();
        let begin = self.ends.last().copied().unwrap_or(0);
        self.ends.extend(labels.pair_ends(begin));
        self.last = Some(labels);
        (common, labels.iter_from(begin))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn some_labels() -> impl Strategy<Value = BTreeMap<String, String>> {
        prop::collection::btree_map("[ab]{1,2}|x{120,140}", "[ab]{1,3}|é{60,70}", 0..4)
    }

    proptest! {
        #[test]
        fn what_is_common_and_what_is_new_make_up_the_labels(
            all in prop::collection::vec(some_labels(), 1..20),
        ) {
            let all: Vec<Labels> = all.iter().map(|map| Labels::new(map).unwrap()).collect();
            let mut successive = Successive::default();
            let mut before: Vec<(&str, &str)> = Vec::new();
            for labels in &all {
                let pairs: Vec<_> = labels.iter().collect();
                let same = before.iter().zip(&pairs).take_while(|(a, b)| a == b).count();
                let (common, new) = successive.next(labels);
                prop_assert_eq!(common, same);
                prop_assert_eq!(new.collect::<Vec<_>>(), &pairs[same..]);
                before = pairs;
            }
        }
    }
}
