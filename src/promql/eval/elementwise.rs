//! Operations that turn each sample into one sample, without looking at any other.

use super::Evaluator;
use super::rows::{Rows, Scratch};
use super::vector::{ABSENT, Head, Scalars, any_present, is_present};
use crate::arithmetic::{compares, computes, go_max, go_min};
use crate::calendar::{days_in_month, moment};
use crate::error::Result;
use crate::functions::FunctionId;
use crate::native;
use crate::plan::Steps;
use crate::span::Span;
use crate::syntax::BinaryOp;
use series::Histogram;
use std::sync::Arc;

/// What happens to each sample.
pub(crate) enum Operation {
    Negate,
    /// A function of one number.
    Function(FunctionId),
    Clamp {
        least: Scalars,
        most: Scalars,
    },
    Round {
        nearest: Scalars,
    },
    /// The evaluation time in place of the value.
    Timestamp,
    /// An operator with a scalar on its other side.
    Scalar {
        op: BinaryOp,
        scalar: Scalars,
        scalar_is_left: bool,
        return_bool: bool,
    },
}

/// Rows with an operation on each sample.
pub(crate) struct MapRows<'e> {
    pub(crate) evaluator: &'e Evaluator<'e>,
    pub(crate) inner: Box<dyn Rows + 'e>,
    pub(crate) operation: Operation,
    pub(crate) steps: Steps,
    pub(crate) span: Span,
}

impl MapRows<'_> {
    fn drops_name(&self) -> bool {
        match &self.operation {
            Operation::Scalar {
                op, return_bool, ..
            } => *return_bool || !op.is_comparison(),
            _ => true,
        }
    }
}

impl Rows for MapRows<'_> {
    fn len(&self) -> usize {
        self.inner.len()
    }

    fn head(&self, row: usize) -> Head {
        let mut head = self.inner.head(row);
        head.drop_name |= self.drops_name();
        head
    }

    fn read(
        &self,
        row: usize,
        scratch: &mut Scratch,
        out: &mut [f64],
        histograms: &mut Vec<(usize, Arc<Histogram>)>,
    ) -> Result<bool> {
        if !self.inner.read(row, scratch, out, histograms)? {
            out.fill(ABSENT);
            return Ok(false);
        }
        self.floats(out);
        if !histograms.is_empty() {
            self.histograms(out, histograms);
        }
        Ok(!histograms.is_empty() || any_present(out))
    }

    fn cost(&self) -> usize {
        self.inner.cost()
    }
}

#[inline(always)]
fn map(out: &mut [f64], change: impl Fn(f64) -> f64) {
    for cell in out {
        if is_present(*cell) {
            *cell = change(*cell);
        }
    }
}

impl MapRows<'_> {
    fn floats(&self, out: &mut [f64]) {
        use FunctionId as F;
        match &self.operation {
            Operation::Negate => map(out, |v| -v),
            Operation::Function(function) => match function {
                F::Abs => map(out, f64::abs),
                F::Ceil => map(out, f64::ceil),
                F::Floor => map(out, f64::floor),
                F::Exp => map(out, f64::exp),
                F::Sqrt => map(out, f64::sqrt),
                F::Ln => map(out, f64::ln),
                F::Log2 => map(out, f64::log2),
                F::Log10 => map(out, f64::log10),
                F::Sin => map(out, f64::sin),
                F::Cos => map(out, f64::cos),
                F::Tan => map(out, f64::tan),
                F::Asin => map(out, f64::asin),
                F::Acos => map(out, f64::acos),
                F::Atan => map(out, f64::atan),
                F::Sinh => map(out, f64::sinh),
                F::Cosh => map(out, f64::cosh),
                F::Tanh => map(out, f64::tanh),
                F::Asinh => map(out, f64::asinh),
                F::Acosh => map(out, f64::acosh),
                F::Atanh => map(out, f64::atanh),
                F::Rad => map(out, |v| v * std::f64::consts::PI / 180.0),
                F::Deg => map(out, |v| v * 180.0 / std::f64::consts::PI),
                F::Sgn => map(out, |v| {
                    if v < 0.0 {
                        -1.0
                    } else if v > 0.0 {
                        1.0
                    } else {
                        v
                    }
                }),
                F::HistogramCount
                | F::HistogramSum
                | F::HistogramAvg
                | F::HistogramStddev
                | F::HistogramStdvar => out.fill(ABSENT),
                other => map(out, |v| date_part(*other, v)),
            },
            Operation::Clamp { least, most } => {
                for (step, cell) in out.iter_mut().enumerate() {
                    let (least, most) = (least.get(step), most.get(step));
                    if !is_present(*cell) {
                        continue;
                    }
                    *cell = if most < least {
                        ABSENT
                    } else {
                        go_max(least, go_min(most, *cell))
                    };
                }
            }
            Operation::Round { nearest } => {
                for (step, cell) in out.iter_mut().enumerate() {
                    if is_present(*cell) {
                        let inverse = 1.0 / nearest.get(step);
                        *cell = (*cell * inverse + 0.5).floor() / inverse;
                    }
                }
            }
            Operation::Timestamp => {
                for (step, cell) in out.iter_mut().enumerate() {
                    if is_present(*cell) {
                        *cell = self.steps.time(step) as f64 / 1000.0;
                    }
                }
            }
            Operation::Scalar {
                op,
                scalar,
                scalar_is_left,
                return_bool,
            } => with_scalar(*op, scalar, *scalar_is_left, *return_bool, out),
        }
    }

    fn histograms(&self, out: &mut [f64], histograms: &mut Vec<(usize, Arc<Histogram>)>) {
        use FunctionId as F;
        match &self.operation {
            Operation::Negate => {
                for (_, histogram) in histograms.iter_mut() {
                    native::scale(Arc::make_mut(histogram), -1.0);
                }
            }
            Operation::Timestamp => {
                for (step, _) in histograms.drain(..) {
                    out[step] = self.steps.time(step) as f64 / 1000.0;
                }
            }
            Operation::Function(function) => {
                for (step, histogram) in histograms.drain(..) {
                    let h = histogram.as_ref();
                    out[step] = match function {
                        F::HistogramCount => h.count,
                        F::HistogramSum => h.sum,
                        F::HistogramAvg => h.sum / h.count,
                        F::HistogramStddev => native::variance(h).sqrt(),
                        F::HistogramStdvar => native::variance(h),
                        _ => continue,
                    };
                }
            }
            Operation::Clamp { .. } | Operation::Round { .. } => histograms.clear(),
            Operation::Scalar {
                op,
                scalar,
                scalar_is_left,
                return_bool,
            } => {
                let notices = &self.evaluator.notices;
                let mut kept = Vec::new();
                for (step, mut histogram) in histograms.drain(..) {
                    let scalar = scalar.get(step);
                    match op {
                        BinaryOp::Mul => native::scale(Arc::make_mut(&mut histogram), scalar),
                        BinaryOp::Div if !scalar_is_left => {
                            native::divide(Arc::make_mut(&mut histogram), scalar);
                        }
                        _ => {
                            let (left, right) = if *scalar_is_left {
                                ("float", "histogram")
                            } else {
                                ("histogram", "float")
                            };
                            notices.incompatible_types(left, op.as_str(), right, self.span);
                            // Prometheus gives nothing, with `bool` as well.
                            let _ = return_bool;
                            continue;
                        }
                    }
                    kept.push((step, histogram));
                }
                *histograms = kept;
            }
        }
    }
}

fn with_scalar(
    op: BinaryOp,
    scalar: &Scalars,
    scalar_is_left: bool,
    return_bool: bool,
    out: &mut [f64],
) {
    // The operator is chosen once, so that each loop is a plain one.
    macro_rules! arithmetic {
        ($op:expr) => {
            match (scalar, scalar_is_left) {
                (Scalars::Constant(s), false) => map(out, |v| computes($op, v, *s)),
                (Scalars::Constant(s), true) => map(out, |v| computes($op, *s, v)),
                (Scalars::Each(values), _) => {
                    for (cell, s) in out.iter_mut().zip(values.iter()) {
                        if is_present(*cell) {
                            *cell = if scalar_is_left {
                                computes($op, *s, *cell)
                            } else {
                                computes($op, *cell, *s)
                            };
                        }
                    }
                }
            }
        };
    }
    match op {
        BinaryOp::Add => arithmetic!(BinaryOp::Add),
        BinaryOp::Sub => arithmetic!(BinaryOp::Sub),
        BinaryOp::Mul => arithmetic!(BinaryOp::Mul),
        BinaryOp::Div => arithmetic!(BinaryOp::Div),
        BinaryOp::Mod => arithmetic!(BinaryOp::Mod),
        BinaryOp::Pow => arithmetic!(BinaryOp::Pow),
        BinaryOp::Atan2 => arithmetic!(BinaryOp::Atan2),
        _ if op.is_comparison() => {
            for (step, cell) in out.iter_mut().enumerate() {
                if !is_present(*cell) {
                    continue;
                }
                let s = scalar.get(step);
                let holds = if scalar_is_left {
                    compares(op, s, *cell)
                } else {
                    compares(op, *cell, s)
                };
                if return_bool {
                    *cell = f64::from(u8::from(holds));
                } else if !holds {
                    *cell = ABSENT;
                }
            }
        }
        _ => out.fill(ABSENT),
    }
}

/// A part of the date of `seconds` since the epoch. What does not fit the calendar of 64 bits
/// gives the date that Go's conversion to an integer gives on common machines.
pub(crate) fn date_part(function: FunctionId, seconds: f64) -> f64 {
    use FunctionId as F;
    let whole = if seconds.is_nan() || seconds.abs() >= 9.223_372_036_854_775e18 {
        i64::MIN
    } else {
        seconds as i64
    };
    // Years beyond this have no meaning to anybody, and would overflow the calendar.
    let moment = moment(whole.clamp(-8_000_000_000_000_000, 8_000_000_000_000_000));
    match function {
        F::Minute => f64::from(moment.minute),
        F::Hour => f64::from(moment.hour),
        F::DayOfMonth => f64::from(moment.day),
        F::DayOfWeek => f64::from(moment.weekday),
        F::DayOfYear => f64::from(moment.year_day),
        F::DaysInMonth => f64::from(days_in_month(moment.year, moment.month)),
        F::Month => f64::from(moment.month),
        F::Year => moment.year as f64,
        _ => f64::NAN,
    }
}
