//! PromQL: reads queries, checks them, plans them and evaluates them over columns of samples.
//!
//! Enters `series`. Knows nothing of the store, of HTTP or of Grafana.
//! Start at [`parse`].

mod check;
mod durations;
mod functions;
mod lexer;
mod parse_error;
mod parser;
mod print;
mod span;
pub mod syntax;

pub use functions::{Function, Variadic, function, functions};
pub use parse_error::ParseError;
pub use parser::{MAX_DEPTH, MAX_QUERY_BYTES, parse, parse_selector};
pub use print::pretty;
pub use span::Span;
pub use syntax::{Expr, ExprKind, ValueType};
