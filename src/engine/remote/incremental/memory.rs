//! Earlier answers, within a bound of bytes; the one that was used longest ago goes first.

use super::merge::{Known, bytes_of};
use crate::ForwardedHeader;
use query::RangeQuery;
use series::Series;
use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What an entry takes beside its series and its expression.
const ENTRY_BYTES: usize = 512;

/// Ranges of one question that are remembered side by side: panels that show an hour, a day.
const RANGES: usize = 4;

/// Everything that changes an answer, except for the range itself. What the settings say (URL,
/// credentials, custom parameters) does not stand here, for changed settings make a new engine.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Question {
    expr: String,
    step_ms: i64,
    /// Where on the clock the steps are: another time zone has other days.
    phase_ms: i64,
    /// Who asks, where the server is told.
    identity: Vec<ForwardedHeader>,
}

impl Question {
    pub(super) fn new(query: &RangeQuery, identity: &[ForwardedHeader]) -> Self {
        Self {
            expr: query.expr.clone(),
            step_ms: query.step_ms,
            phase_ms: query.start_ms.rem_euclid(query.step_ms),
            identity: identity.to_vec(),
        }
    }
}

impl Hash for Question {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Tokens stay out of the hash; equality tells them apart.
        (&self.expr, self.step_ms, self.phase_ms).hash(state);
    }
}

pub(super) struct Memory {
    max_bytes: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    entries: HashMap<Question, Vec<Entry>>,
    bytes: usize,
    /// Counts uses, so that the order of last uses is known.
    uses: u64,
}

struct Entry {
    known: Arc<Known>,
    bytes: usize,
    last_use: u64,
}

impl Memory {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self {
            max_bytes,
            state: Mutex::default(),
        }
    }

    /// The answer that knows most from `start_ms` on.
    pub(super) fn find(&self, question: &Question, start_ms: i64) -> Option<Arc<Known>> {
        let mut state = self.lock();
        state.uses += 1;
        let now = state.uses;
        let entry = state
            .entries
            .get_mut(question)?
            .iter_mut()
            .filter(|entry| entry.known.start_ms <= start_ms && entry.known.settled_ms >= start_ms)
            .max_by_key(|entry| entry.known.settled_ms)?;
        entry.last_use = now;
        Some(Arc::clone(&entry.known))
    }

    /// Whether an answer of that size would be kept.
    pub(super) fn could_hold(&self, series: &[Series]) -> bool {
        bytes_of(series) + ENTRY_BYTES <= self.max_bytes
    }

    /// Keeps an answer in the place of the one that it continues.
    pub(super) fn keep(&self, question: Question, known: Arc<Known>) {
        let bytes = known.bytes() + question.expr.len() + ENTRY_BYTES;
        if bytes > self.max_bytes {
            return;
        }
        let mut state = self.lock();
        state.uses += 1;
        let entry = Entry {
            bytes,
            last_use: state.uses,
            known,
        };
        let step_ms = question.step_ms;
        let mut freed = 0;
        let ranges = state.entries.entry(question).or_default();
        let continued = |old: &Entry| continues(&old.known, &entry.known, step_ms);
        let place = ranges.iter().position(continued);
        let place = place.or_else(|| {
            let oldest = (0..ranges.len()).min_by_key(|at| ranges[*at].last_use)?;
            (ranges.len() >= RANGES).then_some(oldest)
        });
        match place {
            // Somebody else may have been later with the question and earlier with the answer.
            Some(at) if ranges[at].known.settled_ms > entry.known.settled_ms => return,
            Some(at) => {
                freed = ranges[at].bytes;
                ranges[at] = entry;
            }
            None => ranges.push(entry),
        }
        state.bytes = state.bytes - freed + bytes;
        state.make_room(self.max_bytes);
    }

    /// Forgets an answer that does not fit what the server says now.
    pub(super) fn forget(&self, question: &Question, known: &Arc<Known>) {
        let mut state = self.lock();
        let Some(ranges) = state.entries.get_mut(question) else {
            return;
        };
        let Some(at) = ranges.iter().position(|e| Arc::ptr_eq(&e.known, known)) else {
            return;
        };
        let freed = ranges.swap_remove(at).bytes;
        if ranges.is_empty() {
            state.entries.remove(question);
        }
        state.bytes -= freed;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether `new` is `old` moved on: the same length, but for the step that alignment takes or
/// gives.
fn continues(old: &Known, new: &Known, step_ms: i64) -> bool {
    let (old, new) = (old.end_ms - old.start_ms, new.end_ms - new.start_ms);
    (old - new).abs() <= step_ms
}

impl State {
    fn make_room(&mut self, max_bytes: usize) {
        while self.bytes > max_bytes {
            let entries = self.entries.iter();
            let oldest = entries
                .flat_map(|(question, ranges)| ranges.iter().map(move |entry| (question, entry)))
                .min_by_key(|(_, entry)| entry.last_use)
                .map(|(question, entry)| (question.clone(), entry.last_use));
            let Some((question, last_use)) = oldest else {
                return;
            };
            if let Some(ranges) = self.entries.get_mut(&question) {
                ranges.retain(|entry| {
                    let stays = entry.last_use != last_use;
                    self.bytes -= if stays { 0 } else { entry.bytes };
                    stays
                });
                if ranges.is_empty() {
                    self.entries.remove(&question);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use series::Labels;

    fn question(expr: &str) -> Question {
        let query = RangeQuery {
            expr: expr.to_owned(),
            start_ms: 0,
            end_ms: 0,
            step_ms: 10,
        };
        Question::new(&query, &[])
    }

    fn known(start_ms: i64, end_ms: i64, samples: usize) -> Arc<Known> {
        Arc::new(Known {
            start_ms,
            end_ms,
            settled_ms: end_ms - 10,
            series: vec![Series {
                labels: Labels::empty(),
                times: (0..samples as i64).collect(),
                values: vec![0.0; samples].into(),
            }],
        })
    }

    fn held(memory: &Memory) -> (usize, usize) {
        let state = memory.lock();
        let bytes = state.entries.values().flatten().map(|entry| entry.bytes);
        assert_eq!(bytes.sum::<usize>(), state.bytes);
        (state.entries.values().map(Vec::len).sum(), state.bytes)
    }

    #[test]
    fn at_the_bound_the_answer_used_longest_ago_goes() {
        let memory = Memory::new(20_000);
        for expr in ["a", "b", "c"] {
            memory.keep(question(expr), known(0, 100, 300));
        }
        assert_eq!(held(&memory).0, 3);
        assert!(memory.find(&question("a"), 0).is_some());
        memory.keep(question("d"), known(0, 100, 300));
        assert!(memory.find(&question("a"), 0).is_some());
        assert!(memory.find(&question("b"), 0).is_none());
        assert!(held(&memory).1 <= 20_000);
        memory.keep(question("e"), known(0, 100, 5_000));
        assert!(memory.find(&question("e"), 0).is_none(), "larger than all");
    }

    #[test]
    fn a_range_that_moves_on_takes_the_place_of_the_last_one() {
        let memory = Memory::new(1 << 20);
        memory.keep(question("a"), known(0, 100, 3));
        memory.keep(question("a"), known(10, 120, 3));
        assert_eq!(held(&memory).0, 1);
        for hours in 2..9 {
            memory.keep(question("a"), known(0, hours * 1_000, 3));
        }
        assert_eq!(held(&memory).0, RANGES);
    }

    #[test]
    fn an_answer_is_of_use_from_its_start_to_where_it_is_settled() {
        let memory = Memory::new(1 << 20);
        memory.keep(question("a"), known(20, 100, 3));
        assert!(memory.find(&question("a"), 10).is_none());
        assert!(memory.find(&question("a"), 20).is_some());
        assert!(memory.find(&question("a"), 90).is_some());
        assert!(memory.find(&question("a"), 100).is_none());
        let found = memory.find(&question("a"), 20).unwrap();
        memory.forget(&question("a"), &found);
        assert_eq!(held(&memory), (0, 0));
    }

    #[test]
    fn an_older_answer_that_comes_late_replaces_nothing() {
        let memory = Memory::new(1 << 20);
        memory.keep(question("a"), known(10, 110, 3));
        memory.keep(question("a"), known(0, 100, 3));
        assert_eq!(memory.find(&question("a"), 10).unwrap().end_ms, 110);
    }
}
