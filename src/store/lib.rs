//! Keeps samples on disk and finds them again by label.
//!
//! Enters `series`. Knows nothing of PromQL, HTTP, Grafana or configuration files.
//! The bytes are described in FORMAT.md.

mod bytes;
mod codec;
