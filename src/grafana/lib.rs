//! What Grafana sees: gRPC services, settings, panel JSON, frames, resources, health, streams.
//!
//! Enters `api`, `query`, `engine` and `series`. Knows nothing of the store, PromQL or scraping:
//! whoever wires the process hands over an [`OpenEngine`].
//! Start at [`Plugin::serve`]; what Grafana demands of a process is told where it is obeyed.

mod launch;
mod log;
mod panics;
mod server;

mod data;
mod diagnostics;
mod resource;
mod stream;

mod forwarded;
mod instances;
mod metrics;
mod panel_query;
mod settings;
mod status;

mod answers;
mod codec;
mod frames;
mod proto;
mod response;

pub use instances::OpenEngine;
pub use launch::{Endpoint, Launch, LaunchError};
pub use log::{GrafanaLog, parse_level};
pub use metrics::Metrics;
pub use panics::log_panics;
pub use server::{Plugin, ServeError};
pub use settings::{
    EmbeddedSettings, EngineSettings, HostSettings, InstanceId, InstanceSettings, SettingsError,
};
