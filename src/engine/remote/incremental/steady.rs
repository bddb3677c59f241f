//! Whether the value at a step depends on nothing but the samples up to that step.

use promql::syntax::{AggregateOp, Duration, DurationKind, Shift, VectorSelector};
use promql::{Expr, ExprKind};

/// Functions whose value depends on the whole range, or (`info`) on series beside the selected.
const UNSTEADY: [&str; 4] = ["start", "end", "range", "info"];

/// Whether each step of `expr` keeps its value when the range around it moves and newer samples
/// come. What our parser does not know, such as MetricsQL's own functions, is not.
///
/// `@` fixes a time whose samples may still change, and `@ start()` moves with the range; a
/// negative offset and `smoothed` look at samples behind the step.
pub(super) fn is_steady(expr: &str) -> bool {
    promql::parse(expr).is_ok_and(|tree| steady(&tree))
}

fn steady(expr: &Expr) -> bool {
    let here = match &expr.kind {
        ExprKind::Vector(selector) => steady_selector(selector),
        ExprKind::Matrix(matrix) => {
            steady_selector(&matrix.selector) && literal(&matrix.range).is_some()
        }
        ExprKind::Subquery(subquery) => {
            let step = subquery.step.as_ref();
            steady_shift(&subquery.shift)
                && literal(&subquery.range).is_some()
                && step.is_none_or(|step| literal(step).is_some())
        }
        // Servers other than Prometheus choose series by the whole range.
        ExprKind::Aggregate(aggregate) => {
            !matches!(aggregate.op, AggregateOp::Limitk | AggregateOp::LimitRatio)
        }
        ExprKind::Call(call) => !UNSTEADY.contains(&call.function.name),
        _ => true,
    };
    here && expr.children().into_iter().all(steady)
}

fn steady_selector(selector: &VectorSelector) -> bool {
    selector.extension.is_none() && steady_shift(&selector.shift)
}

fn steady_shift(shift: &Shift) -> bool {
    let offset = shift.offset.as_ref();
    shift.at.is_none()
        && offset.is_none_or(|offset| literal(offset).is_some_and(|seconds| seconds >= 0.0))
}

/// The seconds of a duration that is written out; others may depend on the query's range.
fn literal(duration: &Duration) -> Option<f64> {
    match &duration.kind {
        DurationKind::Literal(number) => Some(number.value),
        DurationKind::Negate(inner) => literal(inner).map(|seconds| -seconds),
        DurationKind::Paren(inner) => literal(inner),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_that_look_back_only_are_steady() {
        for expr in [
            "up",
            "sum by (job) (rate(http_requests_total{code=~\"5..\"}[5m]))",
            "histogram_quantile(0.9, sum by (le) (rate(h_bucket[1m0s])))",
            "topk(5, avg_over_time(x[1h:1m] offset 5m))",
            "a / on (b) group_left c offset 1w",
            "time() - process_start_time_seconds > bool 3",
            "-(predict_linear(disk[6h], 4 * 3600))",
            "x offset -(-5m)",
            "absent(up) or vector(0)",
        ] {
            assert!(is_steady(expr), "{expr}");
        }
    }

    #[test]
    fn what_looks_elsewhere_is_not() {
        for expr in [
            "up @ 1700000000",
            "up @ start()",
            "rate(x[5m] @ end())",
            "sum_over_time(x[1h:1m] @ end())",
            "x offset -5m",
            "rate(x[5m] offset -1s)",
            "max_over_time(x[1h:1m] offset -5m)",
            "sum(a) + sum(b offset -1m)",
            "limitk(3, x)",
            "rate(x[range()])",
            "rate(x[5m] offset step())",
            "rate(x[5m] smoothed)",
            "info(x)",
            "sum(",
            "range_avg(x)",
            "rate(x)",
        ] {
            assert!(!is_steady(expr), "{expr}");
        }
    }
}
