//! The generated wire types and services (see `tests/generated_code.rs`).
#![allow(
    missing_docs,
    unreachable_pub,
    dead_code,
    clippy::all,
    clippy::pedantic
)]

/// What Grafana calls.
pub(crate) mod pluginv2 {
    include!("generated/pluginv2.rs");
}

/// What go-plugin calls.
pub(crate) mod plugin {
    include!("generated/plugin.rs");
}
