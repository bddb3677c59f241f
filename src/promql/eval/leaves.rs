//! Where samples come in: selectors, range functions over them or over subqueries, and range
//! vectors that an instant query asks for as they are.

use super::edges::Windows;
use super::rows::{Rows, Scratch, VectorRows};
use super::vector::{Scalars, Vector, without_metadata};
use super::window::{Feed, SelectRows, WindowRows, with_samples};
use super::{Evaluator, RangeRow};
use crate::error::{Error, Result};
use crate::functions::FunctionId;
use crate::plan::{NodeId, Selector, Steps, Windowed};
use crate::span::Span;
use crate::syntax::Extension;
use series::is_stale;
use std::sync::{Arc, Mutex};

impl Evaluator<'_> {
    pub(super) fn select(
        &self,
        selector: &Selector,
        steps: &Steps,
        times: bool,
    ) -> Box<dyn Rows + '_> {
        let set = Arc::clone(&self.sets[selector.selection]);
        let mut windows = Windows::new(steps, selector.at, selector.offset, self.lookback);
        let smoothed = selector.extension == Some(Extension::Smoothed);
        if smoothed {
            windows.ahead = self.lookback;
        }
        Box::new(SelectRows {
            feed: Feed::from_set(set, windows),
            windows,
            times,
            smoothed,
        })
    }

    /// The samples that a range function reads, and its windows over them; `None` where there
    /// can be none.
    fn feed(
        &self,
        over: &Windowed,
        steps: &Steps,
    ) -> Result<Option<(Feed, Windows, Option<Extension>)>> {
        match over {
            Windowed::Samples { selector, range } => {
                let length = match selector.extension {
                    None => *range,
                    Some(_) => range.saturating_add(self.lookback),
                };
                let mut windows = Windows::new(steps, selector.at, selector.offset, length);
                if selector.extension == Some(Extension::Smoothed) {
                    windows.ahead = self.lookback;
                }
                let set = Arc::clone(&self.sets[selector.selection]);
                Ok(Some((
                    Feed::from_set(set, windows),
                    windows,
                    selector.extension,
                )))
            }
            Windowed::Subquery {
                inner,
                steps: subquery,
            } => {
                let Some(inner_steps) = subquery.inner(steps) else {
                    return Ok(None);
                };
                // The grid of times itself takes room, even where no series has any.
                let _held = self.budget.reserve(1, inner_steps.count)?;
                let vector = self.vector(*inner, &inner_steps)?;
                let windows = Windows::new(steps, subquery.at, subquery.offset, subquery.range);
                Ok(Some((
                    Feed::from_grid(vector, inner_steps, &windows),
                    windows,
                    None,
                )))
            }
        }
    }

    pub(super) fn window(
        &self,
        function: FunctionId,
        over: &Windowed,
        parameters: &[NodeId],
        (span, parameter_span): (Span, Span),
        steps: &Steps,
    ) -> Result<Box<dyn Rows + '_>> {
        let parameters = parameters
            .iter()
            .map(|node| self.scalars(*node, steps))
            .collect::<Result<Vec<_>>>()?;
        let Some((feed, windows, extension)) = self.feed(over, steps)? else {
            return Ok(Box::new(VectorRows(Arc::new(Vector::empty(steps.count)))));
        };
        if feed.len() > 0 {
            match function {
                FunctionId::QuantileOverTime => {
                    for step in 0..steps.count {
                        let q = parameters[0].get(step);
                        if !(0.0..=1.0).contains(&q) {
                            self.notices.invalid_quantile(q, parameter_span);
                        }
                    }
                }
                FunctionId::DoubleExponentialSmoothing => {
                    check_smoothing(&parameters, steps.count)?;
                }
                _ => {}
            }
        }
        Ok(Box::new(WindowRows {
            evaluator: self,
            feed,
            windows,
            steps: *steps,
            function,
            parameters,
            extension,
            span,
            last_hint: Mutex::new(String::new()),
        }))
    }

    /// The samples of a range vector, for an instant query that asks for them as they are.
    pub(crate) fn range(&self, over: &Windowed, steps: &Steps) -> Result<Vec<RangeRow>> {
        let Some((feed, windows, extension)) = self.feed(over, steps)? else {
            return Ok(Vec::new());
        };
        if extension.is_some() {
            return Err(Error::Unsupported(
                "an anchored or smoothed range without a function",
            ));
        }
        let mut rows = Vec::new();
        let mut scratch = Scratch::default();
        let mut reservations = Vec::new();
        for row in 0..feed.len() {
            self.interrupt.check()?;
            let taken = with_samples(
                &feed,
                row,
                &windows,
                false,
                &mut scratch,
                |samples, _, extras| {
                    let (low, high) = samples.window(0);
                    let (start, end) = (windows.start(0), windows.end(0));
                    let histograms = extras.histograms.iter().filter(|(time, histogram)| {
                        start < *time && *time <= end && !is_stale(histogram.sum)
                    });
                    let histograms: Vec<_> = histograms.cloned().collect();
                    (low < high || !histograms.is_empty()).then(|| {
                        (
                            samples.times[low..high].to_vec(),
                            samples.values[low..high].to_vec(),
                            histograms,
                        )
                    })
                },
            )?;
            let Some((times, values, histograms)) = taken else {
                continue;
            };
            reservations.push(self.budget.reserve(1, values.len())?);
            debug_assert!(values.iter().all(|value| !is_stale(*value)));
            let head = feed.head(row);
            let labels = if head.drop_name {
                without_metadata(&head.labels)
            } else {
                head.labels
            };
            rows.push(RangeRow {
                labels,
                times,
                values,
                histograms,
            });
        }
        self.count_samples(&mut scratch);
        Ok(rows)
    }
}

fn check_smoothing(parameters: &[Scalars], steps: usize) -> Result<()> {
    for step in 0..steps {
        for (index, (name, short)) in [("smoothing", "sf"), ("trend", "tf")].iter().enumerate() {
            let value = parameters[index].get(step);
            if value <= 0.0 || value >= 1.0 {
                return Err(Error::SmoothingFactor { name, short, value });
            }
        }
    }
    Ok(())
}
