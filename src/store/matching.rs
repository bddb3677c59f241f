//! From matchers to series, over anything that has postings.

use crate::error::Result;
use series::{MatchOp, Matcher};

/// Finds series by label; series are numbers, lists of them are increasing.
pub(crate) trait LabelIndex {
    /// All series.
    fn all(&self) -> Vec<u32>;

    /// Those with exactly this label.
    fn equal(&self, name: &str, value: &str) -> Result<Vec<u32>>;

    /// The lists of those labels called `name` whose value `keep` wants.
    fn filtered(&self, name: &str, keep: &mut dyn FnMut(&str) -> bool) -> Result<Vec<Vec<u32>>>;

    /// Those that have the label of `matcher` and fulfil it, increasing; where series without
    /// the label fulfil it as well, those that do not.
    fn told_apart(&self, matcher: &Matcher) -> Result<Vec<u32>> {
        tell_apart(self, matcher)
    }
}

/// As [`LabelIndex::told_apart`], from every value of the label.
pub(crate) fn tell_apart<I>(index: &I, matcher: &Matcher) -> Result<Vec<u32>>
where
    I: LabelIndex + ?Sized,
{
    let wanted = !matcher.matches_absent();
    let mut keep = |value: &str| matcher.matches(value) == wanted;
    Ok(union(index.filtered(matcher.name(), &mut keep)?))
}

/// The series of `index` that fulfil all matchers, increasing.
pub(crate) fn find(matchers: &[Matcher], index: &dyn LabelIndex) -> Result<Vec<u32>> {
    let mut wanted: Option<Vec<u32>> = None;
    let mut unwanted = Vec::new();
    for matcher in matchers {
        if matcher.matches_absent() {
            // Series without the label match as well: only those that do not can be told.
            unwanted.push(index.told_apart(matcher)?);
            continue;
        }
        let list = if matcher.op() == MatchOp::Equal {
            index.equal(matcher.name(), matcher.value())?
        } else if let Some(values) = matcher.listed() {
            let lists = values
                .iter()
                .map(|value| index.equal(matcher.name(), value));
            union(lists.collect::<Result<_>>()?)
        } else {
            index.told_apart(matcher)?
        };
        let both = match wanted {
            Some(wanted) => intersection(&wanted, &list),
            None => list,
        };
        if both.is_empty() {
            return Ok(both);
        }
        wanted = Some(both);
    }
    let mut found = wanted.unwrap_or_else(|| index.all());
    if !unwanted.is_empty() {
        let unwanted = union(unwanted);
        found.retain(|series| unwanted.binary_search(series).is_err());
    }
    Ok(found)
}

/// The series of all lists, increasing.
pub(crate) fn union(mut lists: Vec<Vec<u32>>) -> Vec<u32> {
    if lists.len() == 1 {
        return lists.pop().unwrap_or_default();
    }
    let mut all = lists.concat();
    all.sort_unstable();
    all.dedup();
    all
}

fn intersection(a: &[u32], b: &[u32]) -> Vec<u32> {
    let (small, large) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    let mut both = Vec::with_capacity(small.len());
    if large.len() / 16 > small.len() {
        both.extend(
            small
                .iter()
                .filter(|series| large.binary_search(series).is_ok()),
        );
        return both;
    }
    let mut at = 0;
    for series in small {
        while at < large.len() && large[at] < *series {
            at += 1;
        }
        if large.get(at) == Some(series) {
            both.push(*series);
        }
    }
    both
}
