//! Answers questions: [`Engine`] is what every door asks; [`embedded`] evaluates PromQL over
//! samples of our own, [`remote`] asks a Prometheus-compatible server.
//!
//! Enters `query`, `promql` and `series`. Knows nothing of the store, frames or Grafana.
//! Start at [`Engine`] and [`remote::RemoteEngine::new`].

mod context;
pub mod embedded;
mod engine;
mod error;
mod health;
mod narrowing;
pub mod remote;
mod resource;

pub use context::{Context, ForwardedHeader, Priority};
pub use engine::{Engine, FamilyMetadata, LabelQuestion, Reply};
pub use error::{Cause, Error, Result, TransportFailure};
pub use health::{Health, HealthStatus};
pub use narrowing::{LabelFilter, narrowed};
pub use resource::{BodyStream, Method, ResourceRequest, ResourceResponse, is_allowed_resource};
// The words of the questions, for rooms that ask without having worked them out.
pub use query::{InstantQuery, RangeQuery};
