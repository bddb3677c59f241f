//! `label_replace`, `label_join` and `info`: rows whose labels change and whose values do not.

use super::Evaluator;
use super::rows::{Rows, Scratch};
use super::vector::{ABSENT, Head, Scalars, Vector, all_different};
use crate::error::{Error, Result};
use crate::plan::Steps;
use series::{Histogram, Labels, LabelsBuilder, METRIC_NAME, Matcher};
use std::collections::HashMap;
use std::sync::Arc;

/// Rows under other labels.
pub(crate) struct RelabelledRows<'e> {
    pub(crate) inner: Box<dyn Rows + 'e>,
    pub(crate) heads: Vec<Head>,
}

impl Rows for RelabelledRows<'_> {
    fn len(&self) -> usize {
        self.inner.len()
    }

    fn head(&self, row: usize) -> Head {
        self.heads[row].clone()
    }

    fn read(
        &self,
        row: usize,
        scratch: &mut Scratch,
        out: &mut [f64],
        histograms: &mut Vec<(usize, Arc<Histogram>)>,
    ) -> Result<bool> {
        self.inner.read(row, scratch, out, histograms)
    }

    fn cost(&self) -> usize {
        self.inner.cost()
    }
}

/// Bytes that a label's value may get by `label_replace` or `label_join`: each of them can double
/// what the one inside of it gave.
const MAX_VALUE: usize = 1 << 20;

/// Sets `destination`; a metric's name that is set is there to stay.
fn set(head: &Head, destination: &str, value: String) -> Result<Head> {
    if value.len() > MAX_VALUE {
        return Err(Error::LabelTooLong {
            name: destination.to_owned(),
            limit: MAX_VALUE,
        });
    }
    Ok(Head {
        labels: head.labels.to_builder().set(destination, value).build(),
        drop_name: head.drop_name && destination != METRIC_NAME,
    })
}

/// The heads of `rows` after `label_replace`.
pub(crate) fn replaced(
    rows: &dyn Rows,
    destination: &str,
    replacement: &str,
    source: &str,
    pattern: &str,
) -> Result<Vec<Head>> {
    let regex = series::anchored_regex(pattern).map_err(|error| Error::Regex {
        pattern: pattern.to_owned(),
        reason: error.reason,
    })?;
    (0..rows.len())
        .map(|row| {
            let head = rows.head(row);
            let value = head.labels.get(source).unwrap_or_default();
            match regex.captures(value) {
                None => Ok(head),
                Some(captures) => {
                    let mut text = String::new();
                    captures.expand(replacement, &mut text);
                    set(&head, destination, text)
                }
            }
        })
        .collect()
}

/// The heads of `rows` after `label_join`.
pub(crate) fn joined(
    rows: &dyn Rows,
    destination: &str,
    separator: &str,
    sources: &[String],
) -> Result<Vec<Head>> {
    (0..rows.len())
        .map(|row| {
            let head = rows.head(row);
            let values: Vec<&str> = sources
                .iter()
                .map(|source| head.labels.get(source).unwrap_or_default())
                .collect();
            set(&head, destination, values.join(separator))
        })
        .collect()
}

impl Evaluator<'_> {
    /// Rows under new heads; where heads meet, the rows are merged.
    pub(crate) fn relabelled<'s>(
        &'s self,
        inner: Box<dyn Rows + 's>,
        heads: Vec<Head>,
        steps: usize,
    ) -> Result<Box<dyn Rows + 's>> {
        let unique = all_different(heads.iter().map(|head| &head.labels));
        let rows = RelabelledRows { inner, heads };
        if unique {
            return Ok(Box::new(rows));
        }
        let vector = self.materialise(&rows, steps)?.merge_equal_labels()?;
        Ok(Box::new(super::rows::VectorRows(Arc::new(vector))))
    }

    /// `info`: adds the labels of info series of the same `instance` and `job` (experimental in
    /// Prometheus). Per step the youngest info series of each name counts.
    pub(crate) fn info(
        &self,
        base: &Vector,
        info: &Vector,
        times: &Vector,
        matchers: &[Matcher],
        names: &[Matcher],
        steps: &Steps,
    ) -> Result<Vector> {
        let wanted: Vec<&Matcher> = matchers
            .iter()
            .filter(|matcher| matcher.name() != METRIC_NAME)
            .collect();
        let target = |labels: &Labels| labels.without(|name| name != "instance" && name != "job");
        let mut by_target: HashMap<Labels, Vec<usize>> = HashMap::new();
        for (row, head) in info.heads.iter().enumerate() {
            by_target.entry(target(&head.labels)).or_default().push(row);
        }
        let age: HashMap<&Labels, usize> = times
            .heads
            .iter()
            .enumerate()
            .map(|(row, head)| (&head.labels, row))
            .collect();
        let mut out = Vector::empty(steps.count);
        let mut places: HashMap<Labels, usize> = HashMap::new();
        let mut reservation = self.budget.reserve(base.len(), steps.count)?;
        for (row, head) in base.heads.iter().enumerate() {
            self.interrupt.check()?;
            let name = head.labels.metric_name().unwrap_or_default();
            let is_info = names
                .iter()
                .filter(|m| m.name() == METRIC_NAME)
                .all(|m| m.matches(name));
            let candidates = by_target.get(&target(&head.labels));
            for step in 0..steps.count {
                if !base.present(row, step) {
                    continue;
                }
                let labels = if is_info {
                    Some(head.labels.clone())
                } else {
                    let candidates = candidates.map_or(&[][..], |rows| &rows[..]);
                    self.enriched(head, candidates, info, &age, times, &wanted, step)?
                };
                let Some(labels) = labels else {
                    continue;
                };
                // Infos that change give a series anew for each.
                if places.len() >= base.len() && !places.contains_key(&labels) {
                    reservation.absorb(self.budget.reserve(1, steps.count)?);
                }
                let to = *places.entry(labels).or_insert_with_key(|labels| {
                    out.heads.push(Head {
                        labels: labels.clone(),
                        drop_name: head.drop_name,
                    });
                    out.cells.resize(out.heads.len() * steps.count, ABSENT);
                    out.heads.len() - 1
                });
                if out.present(to, step) {
                    return Err(Error::SameLabels {
                        labels: out.heads[to].labels.clone(),
                    });
                }
                let position = to * steps.count + step;
                out.cells[position] = base.cells[row * steps.count + step];
                if let Some(histogram) = base.histogram(row, step) {
                    out.histograms.insert(position, Arc::clone(histogram));
                }
            }
        }
        out.reservation = Some(reservation);
        Ok(out)
    }

    #[allow(clippy::too_many_arguments)]
    fn enriched(
        &self,
        head: &Head,
        candidates: &[usize],
        info: &Vector,
        age: &HashMap<&Labels, usize>,
        times: &Vector,
        wanted: &[&Matcher],
        step: usize,
    ) -> Result<Option<Labels>> {
        let time = |row: usize| {
            age.get(&info.heads[row].labels)
                .map_or(f64::NEG_INFINITY, |row| times.row(*row)[step])
        };
        let mut youngest: HashMap<&str, usize> = HashMap::new();
        for row in candidates.iter().copied() {
            if !info.present(row, step) {
                continue;
            }
            let name = info.heads[row].labels.metric_name().unwrap_or_default();
            match youngest.get(name) {
                Some(known) if time(*known) == time(row) => {
                    return Err(Error::InfoDuplicate {
                        first: info.heads[*known].labels.clone(),
                        second: info.heads[row].labels.clone(),
                    });
                }
                Some(known) if time(*known) > time(row) => {}
                _ => {
                    youngest.insert(name, row);
                }
            }
        }
        if youngest.is_empty() {
            let optional = wanted.iter().all(|matcher| matcher.matches_absent());
            return Ok(optional.then(|| head.labels.clone()));
        }
        let mut added = LabelsBuilder::new();
        let mut rows: Vec<usize> = youngest.into_values().collect();
        rows.sort_unstable();
        for row in rows {
            for (name, value) in info.heads[row].labels.iter() {
                let asked = wanted.is_empty() || wanted.iter().any(|m| m.name() == name);
                if name == METRIC_NAME || !asked {
                    continue;
                }
                if added.get(name).is_some_and(|known| known != value) {
                    return Err(Error::InfoConflict(name.to_owned()));
                }
                if head.labels.get(name).is_none() {
                    added.set(name, value);
                }
            }
        }
        let mut labels = head.labels.to_builder();
        for (name, value) in added.iter() {
            labels.set(name, value);
        }
        Ok(Some(labels.build()))
    }
}

/// A scalar as a vector of one series without labels.
pub(crate) fn vector_of(scalars: &Scalars, steps: usize) -> Vector {
    let canonical = |value: f64| if value.is_nan() { f64::NAN } else { value };
    Vector {
        cells: (0..steps)
            .map(|step| canonical(scalars.get(step)))
            .collect(),
        heads: vec![Head {
            labels: Labels::empty(),
            drop_name: false,
        }],
        ..Vector::empty(steps)
    }
}
