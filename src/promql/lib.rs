//! PromQL: reads queries, checks them, plans them and evaluates them over columns of samples.
//!
//! Enters `series`. Knows nothing of the store, of HTTP or of Grafana.
//! Start at [`parse`], then [`evaluate_range`] and [`evaluate_instant`].

mod answer;
mod arithmetic;
mod calendar;
mod check;
mod clauses;
mod durations;
mod error;
mod eval;
mod functions;
mod lexer;
mod limits;
mod native;
mod notices;
mod parse_error;
mod parser;
mod plan;
mod planner;
mod print;
mod span;
pub mod syntax;

pub use answer::{DEFAULT_LOOKBACK, InstantParams, RangeParams, evaluate_instant, evaluate_range};
pub use error::{Error, Result};
pub use functions::{Function, Variadic, function, functions};
pub use limits::Limits;
pub use parse_error::ParseError;
pub use parser::{MAX_DEPTH, MAX_QUERY_BYTES, parse, parse_selector};
pub use print::pretty;
pub use span::Span;
pub use syntax::{Expr, ExprKind, ValueType};
