//! Turns what a panel asks into what an engine is asked: the time range on the grid of its
//! step, the step itself, and the expression with macros such as `$__rate_interval` filled in.
//!
//! Enters `series`. Knows nothing of engines, JSON or gRPC; has no clock.
//! Start at [`Question::resolve`]. The rules are the observable behaviour of Grafana's
//! Prometheus data source 13.1; each is documented where it is applied.

mod align;
mod error;
mod interval;
mod macros;
mod question;

pub use align::align;
pub use error::Error;
pub use interval::{format_go_duration, format_interval, parse_interval};
pub use question::{
    DEFAULT_MAX_DATA_POINTS, DEFAULT_SCRAPE_INTERVAL_MS, InstantQuery, Kind, Question, RangeQuery,
    Resolved,
};
