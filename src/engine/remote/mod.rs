//! Asks a Prometheus-compatible server over HTTP: Prometheus, Mimir, Thanos, VictoriaMetrics,
//! Cortex.
//!
//! Prometheus's JSON ends here. Start at [`RemoteSettings`] and [`RemoteEngine::new`].

mod settings;

pub use settings::{
    AtBound, BasicAuth, Compression, Incremental, Proxy, RemoteSettings, ServerKind, TlsSettings,
};

use crate::{
    Context, Engine, Error, FamilyMetadata, Health, HealthStatus, LabelQuestion, Reply,
    ResourceRequest, ResourceResponse, Result,
};
use query::{InstantQuery, RangeQuery};
use series::{Answer, Labels, Limited, SeriesExemplars};

/// An engine that asks a server. Cheap to share behind an `Arc`; dropping it closes its idle
/// connections.
pub struct RemoteEngine {
    settings: RemoteSettings,
}

impl RemoteEngine {
    /// Prepares the client; nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::Setting`] that names the key of a setting that cannot be used.
    pub fn new(settings: RemoteSettings) -> Result<Self> {
        Ok(Self { settings })
    }

    fn unfinished<T>(&self) -> Result<T> {
        Err(Error::Internal(format!(
            "{}: not connected yet",
            self.settings.url
        )))
    }
}

impl Engine for RemoteEngine {
    fn range<'a>(&'a self, _: &'a RangeQuery, _: &'a Context) -> Reply<'a, Result<Answer>> {
        Box::pin(async { self.unfinished() })
    }

    fn instant<'a>(&'a self, _: &'a InstantQuery, _: &'a Context) -> Reply<'a, Result<Answer>> {
        Box::pin(async { self.unfinished() })
    }

    fn exemplars<'a>(
        &'a self,
        _: &'a RangeQuery,
        _: &'a Context,
    ) -> Reply<'a, Result<Vec<SeriesExemplars>>> {
        Box::pin(async { self.unfinished() })
    }

    fn health<'a>(&'a self, _: &'a Context) -> Reply<'a, Health> {
        Box::pin(async {
            Health {
                status: HealthStatus::Error,
                message: "not connected yet".to_owned(),
                advice: None,
                details: Vec::new(),
            }
        })
    }

    fn resource<'a>(
        &'a self,
        _: ResourceRequest,
        _: &'a Context,
    ) -> Reply<'a, Result<ResourceResponse>> {
        Box::pin(async { self.unfinished() })
    }

    fn label_names<'a>(
        &'a self,
        _: &'a LabelQuestion,
        _: &'a Context,
    ) -> Reply<'a, Result<Limited<Vec<String>>>> {
        Box::pin(async { self.unfinished() })
    }

    fn label_values<'a>(
        &'a self,
        _: &'a str,
        _: &'a LabelQuestion,
        _: &'a Context,
    ) -> Reply<'a, Result<Limited<Vec<String>>>> {
        Box::pin(async { self.unfinished() })
    }

    fn series<'a>(
        &'a self,
        _: &'a LabelQuestion,
        _: &'a Context,
    ) -> Reply<'a, Result<Limited<Vec<Labels>>>> {
        Box::pin(async { self.unfinished() })
    }

    fn metadata<'a>(
        &'a self,
        _: Option<&'a str>,
        _: &'a Context,
    ) -> Reply<'a, Result<FamilyMetadata>> {
        Box::pin(async { self.unfinished() })
    }
}
