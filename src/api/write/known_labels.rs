//! The labels of series that senders have written before, by the bytes in which they came.
//!
//! A sender writes a series the same way in every request. Comparing those bytes takes a fraction
//! of what it takes to read the labels anew, to judge them and to give them memory.

use series::Labels;
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

/// Most bytes of written labels that one generation keeps: some 150,000 series.
const GENERATION_BYTES: usize = 32 << 20;

/// Labels that were judged and found good, by what was written.
#[derive(Debug)]
pub(crate) struct KnownLabels {
    generations: RwLock<Generations>,
    generation_bytes: usize,
}

impl Default for KnownLabels {
    fn default() -> Self {
        Self::with_bytes(GENERATION_BYTES)
    }
}

/// What has not been asked for while the younger one filled up is forgotten with the older one.
#[derive(Debug, Default)]
struct Generations {
    young: HashMap<Box<[u8]>, Labels>,
    young_bytes: usize,
    old: HashMap<Box<[u8]>, Labels>,
}

impl KnownLabels {
    fn with_bytes(generation_bytes: usize) -> Self {
        Self {
            generations: RwLock::default(),
            generation_bytes,
        }
    }

    /// For the series of one request.
    pub(crate) fn lookup<'m>(&self) -> Lookup<'_, 'm> {
        Lookup {
            known: self,
            seen: Some(
                self.generations
                    .read()
                    .unwrap_or_else(PoisonError::into_inner),
            ),
            fresh: Vec::new(),
        }
    }

    fn add(&self, fresh: &[(&[u8], Labels)]) {
        let mut all = self
            .generations
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        for (written, labels) in fresh {
            if all.young_bytes + written.len() > self.generation_bytes {
                all.old = std::mem::take(&mut all.young);
                all.young_bytes = 0;
            }
            if all
                .young
                .insert((*written).into(), labels.clone())
                .is_none()
            {
                all.young_bytes += written.len();
            }
        }
    }
}

/// Looks up the series of one request, and remembers the new ones at its end.
pub(crate) struct Lookup<'k, 'm> {
    known: &'k KnownLabels,
    /// Let go before anything is added.
    seen: Option<RwLockReadGuard<'k, Generations>>,
    fresh: Vec<(&'m [u8], Labels)>,
}

impl<'m> Lookup<'_, 'm> {
    /// The labels that were written like this.
    pub(crate) fn get(&mut self, written: &'m [u8]) -> Option<Labels> {
        let seen = self.seen.as_ref()?;
        if let Some(labels) = seen.young.get(written) {
            return Some(labels.clone());
        }
        let labels = seen.old.get(written)?.clone();
        self.fresh.push((written, labels.clone()));
        Some(labels)
    }

    /// Keeps labels that were read from these bytes and are good.
    pub(crate) fn remember(&mut self, written: &'m [u8], labels: &Labels) {
        self.fresh.push((written, labels.clone()));
    }
}

impl Drop for Lookup<'_, '_> {
    fn drop(&mut self) {
        drop(self.seen.take());
        if !self.fresh.is_empty() {
            self.known.add(&self.fresh);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(name: &str) -> Labels {
        Labels::from_sorted([("__name__", name)])
    }

    #[test]
    fn what_is_asked_for_stays_and_the_rest_is_forgotten() {
        let known = KnownLabels::with_bytes(4);
        known.lookup().remember(b"aa", &labels("a"));
        known.lookup().remember(b"bb", &labels("b"));
        // Makes both of them the older generation, of which only one is asked for.
        known.lookup().remember(b"cc", &labels("c"));
        assert_eq!(known.lookup().get(b"aa"), Some(labels("a")));
        known.lookup().remember(b"dd", &labels("d"));
        assert_eq!(known.lookup().get(b"aa"), Some(labels("a")));
        assert_eq!(known.lookup().get(b"bb"), None);
        assert_eq!(known.lookup().get(b"dd"), Some(labels("d")));
    }
}
