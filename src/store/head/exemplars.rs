use series::{Exemplar, Labels};
use std::collections::{HashMap, VecDeque};

/// The latest exemplars of all series, at most so many.
#[derive(Debug, Default)]
pub(crate) struct ExemplarRing {
    /// By arrival: whose exemplar is the oldest.
    order: VecDeque<Labels>,
    by_series: HashMap<Labels, VecDeque<Exemplar>>,
}

impl ExemplarRing {
    /// Whether `exemplar` says something new: it is later than the last of its series. Pages
    /// repeat their exemplars with every scrape.
    pub(crate) fn is_new(&self, series: &Labels, exemplar: &Exemplar) -> bool {
        let last = self.by_series.get(series).and_then(VecDeque::back);
        last.is_none_or(|last| {
            last.sample.time < exemplar.sample.time
                && (last.labels != exemplar.labels
                    || last.sample.value.to_bits() != exemplar.sample.value.to_bits())
        })
    }

    pub(crate) fn push(&mut self, series: &Labels, exemplar: Exemplar, most: usize) {
        if most == 0 {
            return;
        }
        while self.order.len() >= most {
            let Some(oldest) = self.order.pop_front() else {
                break;
            };
            if let Some(list) = self.by_series.get_mut(&oldest) {
                list.pop_front();
                if list.is_empty() {
                    self.by_series.remove(&oldest);
                }
            }
        }
        self.order.push_back(series.clone());
        self.by_series
            .entry(series.clone())
            .or_default()
            .push_back(exemplar);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Labels, &VecDeque<Exemplar>)> {
        self.by_series.iter()
    }
}
