//! A moving time range from memory: the steps that are known and cannot change any more come
//! from an earlier answer, and only the new tail is asked for.
//!
//! The rule that everything here serves: what comes out is what the server would have said to
//! the whole range. Where that is not sure, the whole range is asked.

mod memory;
mod merge;
mod steady;

use super::reader::Bounds;
use super::settings::Incremental;
use crate::{ForwardedHeader, Result};
use memory::{Memory, Question};
use merge::{Known, join, plain_series};
use query::RangeQuery;
use series::{Answer, QueryResult};
use std::future::Future;
use std::sync::Arc;

/// Prometheus refuses a query with more steps; that refusal must not get lost.
const MOST_STEPS: i64 = 11_000;

/// Answers moving ranges.
pub(super) struct Moving {
    memory: Memory,
    overlap_ms: i64,
    bounds: Bounds,
}

impl Moving {
    pub(super) fn new(settings: Incremental, bounds: Bounds) -> Self {
        Self {
            memory: Memory::new(settings.max_bytes),
            overlap_ms: i64::try_from(settings.overlap.as_millis()).unwrap_or(i64::MAX),
            bounds,
        }
    }

    /// The last step of `query` that does not change any more, given the caller's clock; `None`
    /// where memory is of no use to the query.
    pub(super) fn settled(&self, query: &RangeQuery, now_ms: i64) -> Option<i64> {
        let (start, end, step) = (query.start_ms, query.end_ms, query.step_ms);
        let newest = end.min(now_ms);
        let sure = newest.checked_sub(self.overlap_ms)?;
        // A range that ended long ago does not move.
        let moves = end >= now_ms.checked_sub(self.overlap_ms)?.checked_sub(step)?;
        if !moves || sure < start || end.checked_sub(start)? / step > MOST_STEPS {
            return None;
        }
        let settled = start + (sure - start) / step * step;
        steady::is_steady(&query.expr).then_some(settled)
    }

    /// Answers `query`, of which steps up to `settled_ms` do not change any more, from memory
    /// and from what `ask` says about a range.
    pub(super) async fn answer<F>(
        &self,
        query: &RangeQuery,
        settled_ms: i64,
        identity: &[ForwardedHeader],
        ask: impl Fn(RangeQuery) -> F,
    ) -> Result<Answer>
    where
        F: Future<Output = Result<Answer>>,
    {
        let question = Question::new(query, identity);
        if let Some(known) = self.memory.find(&question, query.start_ms) {
            let head_end = known.settled_ms.min(query.end_ms);
            let mut tail = query.clone();
            tail.start_ms = head_end.saturating_add(query.step_ms);
            if tail.start_ms <= query.end_ms {
                let answer = ask(tail.clone()).await?;
                if let Some(joined) = self.join(&known, query, &tail, &answer) {
                    self.remember(question, query, settled_ms, &joined);
                    return Ok(joined);
                }
                self.memory.forget(&question, &known);
            }
        }
        let mut answer = ask(query.clone()).await?;
        let packed = plain_series(&answer, query)
            .filter(|series| self.memory.could_hold(series))
            .map(merge::compact);
        if let Some(series) = packed {
            answer.result = QueryResult::Matrix(series);
            self.remember(question, query, settled_ms, &answer);
        }
        Ok(answer)
    }

    fn join(
        &self,
        known: &Known,
        query: &RangeQuery,
        tail: &RangeQuery,
        answer: &Answer,
    ) -> Option<Answer> {
        let series = plain_series(answer, tail)?;
        let joined = join(known, query.start_ms, tail.start_ms, series);
        let samples: usize = joined.iter().map(|series| series.values.len()).sum();
        if samples as u64 > self.bounds.samples || joined.len() as u64 > self.bounds.series {
            // The whole answer meets the bound in a way of its own.
            return None;
        }
        Some(Answer {
            // What the query cost the server this time.
            statistics: answer.statistics.clone(),
            ..Answer::new(QueryResult::Matrix(joined))
        })
    }

    fn remember(&self, question: Question, query: &RangeQuery, settled_ms: i64, answer: &Answer) {
        let QueryResult::Matrix(series) = &answer.result else {
            return;
        };
        self.memory.keep(
            question,
            Arc::new(Known {
                start_ms: query.start_ms,
                end_ms: query.end_ms,
                settled_ms,
                series: series.clone(),
            }),
        );
    }
}
