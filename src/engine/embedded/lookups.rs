use crate::{LabelQuestion, Result};
use promql::{Expr, ExprKind};
use series::{LabelQuery, Limited, Matcher};

/// Asks a source for what `question` is about, with its selectors read.
pub(super) fn ask<T>(
    question: &LabelQuestion,
    ask: impl FnOnce(&LabelQuery<'_>) -> series::Result<Limited<T>>,
) -> Result<Limited<T>> {
    let selectors: Vec<Vec<Matcher>> = question
        .selectors
        .iter()
        .map(|text| promql::parse_selector(text))
        .collect::<Result<_, _>>()
        .map_err(promql::Error::from)?;
    Ok(ask(&LabelQuery {
        selectors: &selectors,
        range: question.time_range(),
        limit: question.limit,
    })?)
}

/// The matchers of every selector in an expression.
pub(super) fn selectors_of(expr: &Expr) -> Vec<Vec<Matcher>> {
    let mut selectors = Vec::new();
    let mut waiting = vec![expr];
    while let Some(expr) = waiting.pop() {
        match &expr.kind {
            ExprKind::Vector(selector) => selectors.push(selector.all_matchers()),
            ExprKind::Matrix(matrix) => selectors.push(matrix.selector.all_matchers()),
            _ => waiting.extend(expr.children()),
        }
    }
    selectors
}
