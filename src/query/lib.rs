//! Turns what a panel asks into what an engine is asked: the time range on the grid of its
//! step, the step itself, and the expression with macros such as `$__rate_interval` filled in.
//!
//! Enters `series`. Knows nothing of engines, JSON or gRPC; has no clock.
//! Start at [`Question::resolve`]. The rules are the observable behaviour of Grafana's
//! Prometheus data source 13.1; each is documented where it is applied.

mod error;
mod question;

pub use error::Error;
pub use question::{InstantQuery, Kind, Question, RangeQuery, Resolved};
