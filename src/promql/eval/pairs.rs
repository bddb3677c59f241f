//! Two vectors combined pair by pair, where no two pairs can meet in one result.

use super::rows::{Rows, Scratch};
use super::vector::{ABSENT, Head, Vector, any_present, is_present};
use crate::arithmetic::{compares, computes};
use crate::error::Result;
use crate::syntax::BinaryOp;
use series::Histogram;
use std::sync::Arc;

/// What two columns of numbers give: absent where one of them is, and where a filter drops it.
pub(crate) fn combine_columns(
    op: BinaryOp,
    return_bool: bool,
    left: &[f64],
    right: &[f64],
    out: &mut [f64],
) {
    macro_rules! each {
        ($result:expr) => {{
            let result = $result;
            for (out, (a, b)) in out.iter_mut().zip(left.iter().zip(right)) {
                *out = match is_present(*a) & is_present(*b) {
                    true => result(*a, *b),
                    false => ABSENT,
                };
            }
        }};
    }
    match op {
        BinaryOp::Add => each!(|a: f64, b: f64| a + b),
        BinaryOp::Sub => each!(|a: f64, b: f64| a - b),
        BinaryOp::Mul => each!(|a: f64, b: f64| a * b),
        BinaryOp::Div => each!(|a: f64, b: f64| a / b),
        _ if !op.is_comparison() => each!(|a, b| computes(op, a, b)),
        _ if return_bool => each!(|a, b| f64::from(u8::from(compares(op, a, b)))),
        // A filter keeps what stands on the operator's left.
        _ => each!(|a, b| if compares(op, a, b) { a } else { ABSENT }),
    }
}

/// One series for each pair, combined when it is read.
pub(crate) struct PairRows {
    pub(crate) op: BinaryOp,
    pub(crate) return_bool: bool,
    pub(crate) left: Arc<Vector>,
    pub(crate) right: Arc<Vector>,
    /// Of each pair its labels, all different, and its rows left and right.
    pub(crate) pairs: Vec<(Head, usize, usize)>,
}

impl Rows for PairRows {
    fn len(&self) -> usize {
        self.pairs.len()
    }

    fn head(&self, row: usize) -> Head {
        self.pairs[row].0.clone()
    }

    fn read(
        &self,
        row: usize,
        _scratch: &mut Scratch,
        out: &mut [f64],
        histograms: &mut Vec<(usize, Arc<Histogram>)>,
    ) -> Result<bool> {
        let (_, left, right) = self.pairs[row];
        let (left, right) = (self.left.row(left), self.right.row(right));
        combine_columns(self.op, self.return_bool, left, right, out);
        histograms.clear();
        Ok(any_present(out))
    }

    fn cost(&self) -> usize {
        // Of both sides.
        2 * self.pairs.len() * self.left.steps
    }
}
