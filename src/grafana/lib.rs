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

mod faults;
mod forwarded;
mod instances;
mod metrics;
mod panel_query;
mod settings;
mod status;

mod answer_body;
mod answers;
mod codec;
mod encode;
mod frames;
mod proto;
mod response;

pub use answers::Asked;
pub use encode::{encode_frames, encode_response};
pub use faults::Faults;
pub use frames::FrameError;
pub use instances::OpenEngine;
pub use launch::{Endpoint, Launch, LaunchError};
pub use log::{GrafanaLog, parse_level};
pub use metrics::Metrics;
#[cfg(target_os = "linux")]
pub use metrics::OwnProcess;
pub use panel_query::Legend;
pub use panics::log_panics;
pub use server::{Plugin, ServeError};
pub use settings::{
    EmbeddedSettings, EngineSettings, HostSettings, InstanceId, InstanceSettings, SettingsError,
};
