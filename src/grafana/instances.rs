//! One engine per data source, made when its settings are first seen and again when they change.

use crate::proto::pluginv2::PluginContext;
use crate::settings::{HostSettings, InstanceId, InstanceSettings, SettingsError, instance_of};
use axum::Router;
use engine::Engine;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::OnceCell;

/// An engine that nobody asked for so long goes: Grafana does not tell that a data source was
/// deleted. Its Go SDK waits as long (`instancemgmt`, `defaultInstanceTTL`). What an embedded data
/// source scrapes and stores does not hang on its engine.
const UNUSED_FOR: Duration = Duration::from_secs(60 * 60);

/// Makes the engine that a data source's settings ask for. `main.rs` wires the rooms that engines
/// are made of, of which this room knows nothing.
pub trait OpenEngine: Send + Sync + 'static {
    /// May block, for example while a store is opened.
    ///
    /// # Errors
    /// [`engine::Error::Setting`] names the key of a setting that cannot be used.
    fn open(&self, settings: &InstanceSettings) -> Result<Arc<dyn Engine>, engine::Error>;
}

/// A data source that can be asked. It goes, and its engine with it, when it has been replaced
/// or nobody asks it any more, and the last of its running queries has ended.
pub(crate) struct Instance {
    pub(crate) name: String,
    pub(crate) scrape_interval_ms: Option<i64>,
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) router: Router,
}

/// Why a data source cannot be asked.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum InstanceError {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Engine(Arc<engine::Error>),
}

/// Settings are parsed and engines opened once per (organisation, uid, time of change).
pub(crate) struct Instances {
    open_engine: Arc<dyn OpenEngine>,
    host: HostSettings,
    api_host: api::Host,
    by_id: Mutex<HashMap<InstanceId, Entry>>,
}

type Opened = Arc<OnceCell<Result<Arc<Instance>, InstanceError>>>;

struct Entry {
    updated_ms: i64,
    opened: Opened,
    used: Instant,
}

impl Instances {
    pub(crate) fn new(
        open_engine: Arc<dyn OpenEngine>,
        host: HostSettings,
        api_host: api::Host,
    ) -> Self {
        Self {
            open_engine,
            host,
            api_host,
            by_id: Mutex::default(),
        }
    }

    /// The data source that the request is about.
    ///
    /// Requests that wait for the same engine open it once. A late request that still carries
    /// older settings is answered by them too, with an engine of its own that goes with it.
    pub(crate) async fn get(
        &self,
        context: &PluginContext,
    ) -> Result<Arc<Instance>, InstanceError> {
        let id = InstanceId::of(context)?;
        let updated_ms = instance_of(context)?.last_updated_ms;
        let now = Instant::now();
        self.forget_unused(now);
        match self.entry(id, updated_ms, now) {
            Some(opened) => opened.get_or_init(|| self.open(context)).await.clone(),
            None => self.open(context).await,
        }
    }

    /// How many data sources have been asked.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<InstanceId, Entry>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget_unused(&self, now: Instant) {
        let unused = |_: &InstanceId, entry: &mut Entry| {
            now.saturating_duration_since(entry.used) >= UNUSED_FOR
        };
        let forgotten: Vec<_> = self.lock().extract_if(unused).collect();
        for (id, _) in forgotten {
            tracing::debug!(
                org = id.org_id,
                uid = id.uid,
                "nobody asked this data source for an hour: its engine goes until somebody does"
            );
        }
    }

    /// The place of the engine with these settings; `None` when newer ones have been seen.
    fn entry(&self, id: InstanceId, updated_ms: i64, now: Instant) -> Option<Opened> {
        let mut by_id = self.lock();
        let new = || Entry {
            updated_ms,
            opened: Opened::default(),
            used: now,
        };
        let entry = by_id.entry(id).or_insert_with(new);
        if entry.updated_ms < updated_ms {
            *entry = new();
        }
        entry.used = now;
        (entry.updated_ms == updated_ms).then(|| Arc::clone(&entry.opened))
    }

    async fn open(&self, context: &PluginContext) -> Result<Arc<Instance>, InstanceError> {
        let settings = InstanceSettings::parse(context, &self.host)?;
        let (name, scrape_interval_ms) = (settings.name.clone(), settings.scrape_interval_ms);
        let id = settings.id.clone();
        let open_engine = Arc::clone(&self.open_engine);
        let opened = tokio::task::spawn_blocking(move || open_engine.open(&settings)).await;
        let opened = opened.unwrap_or_else(|_| {
            Err(engine::Error::Internal(
                "opening the data source failed".to_owned(),
            ))
        });
        let engine = opened.map_err(|error| {
            tracing::warn!(
                org = id.org_id,
                uid = id.uid,
                "data source {name:?}: {error}"
            );
            InstanceError::Engine(Arc::new(error))
        })?;
        tracing::info!(
            org = id.org_id,
            uid = id.uid,
            "data source {name:?} is ready"
        );
        let router = api::resources(Arc::clone(&engine), self.api_host.clone());
        Ok(Arc::new(Instance {
            name,
            scrape_interval_ms,
            engine,
            router,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::pluginv2::DataSourceInstanceSettings;
    use engine::remote::{RemoteEngine, RemoteSettings};
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[derive(Default)]
    struct Counting(AtomicUsize);

    impl OpenEngine for Counting {
        fn open(&self, _: &InstanceSettings) -> Result<Arc<dyn Engine>, engine::Error> {
            self.0.fetch_add(1, Ordering::Relaxed);
            let settings = RemoteSettings {
                url: "http://x".into(),
                ..Default::default()
            };
            Ok(Arc::new(RemoteEngine::new(settings)?))
        }
    }

    fn context(org_id: i64, uid: &str, last_updated_ms: i64, json: &str) -> PluginContext {
        PluginContext {
            org_id,
            data_source_instance_settings: Some(DataSourceInstanceSettings {
                uid: uid.into(),
                last_updated_ms,
                json_data: json.as_bytes().to_vec().into(),
                ..Default::default()
            }),
            ..Default::default()
        }
    }

    fn counting() -> (Arc<Counting>, Instances) {
        let counting = Arc::new(Counting::default());
        let instances = Instances::new(
            Arc::clone(&counting) as _,
            HostSettings::default(),
            api::Host::default(),
        );
        (counting, instances)
    }

    #[tokio::test]
    async fn an_engine_is_opened_once_for_each_change_of_settings() {
        let (counting, instances) = counting();
        let first = instances.get(&context(1, "u", 10, "{}")).await.unwrap();
        let same = instances.get(&context(1, "u", 10, "{}")).await.unwrap();
        assert!(Arc::ptr_eq(&first, &same));
        let changed = instances.get(&context(1, "u", 11, "{}")).await.unwrap();
        assert!(!Arc::ptr_eq(&first, &changed));
        instances.get(&context(2, "u", 10, "{}")).await.unwrap();
        assert_eq!(counting.0.load(Ordering::Relaxed), 3);
        assert_eq!(instances.len(), 2);
    }

    #[tokio::test]
    async fn a_late_request_with_older_settings_does_not_bring_them_back() {
        let (_, instances) = counting();
        let newest = instances.get(&context(1, "u", 11, "{}")).await.unwrap();
        let late = instances.get(&context(1, "u", 10, "{}")).await.unwrap();
        assert!(!Arc::ptr_eq(&late, &newest));
        let after = instances.get(&context(1, "u", 11, "{}")).await.unwrap();
        assert!(Arc::ptr_eq(&after, &newest));
    }

    #[tokio::test]
    async fn a_replaced_instance_lives_as_long_as_a_query_holds_it() {
        let (_, instances) = counting();
        let running = instances.get(&context(1, "u", 10, "{}")).await.unwrap();
        let engine = Arc::downgrade(&running.engine);
        instances.get(&context(1, "u", 11, "{}")).await.unwrap();
        assert!(engine.upgrade().is_some());
        drop(running);
        assert!(engine.upgrade().is_none());
    }

    #[tokio::test]
    async fn an_instance_goes_when_nobody_asked_it_for_an_hour() {
        let (counting, instances) = counting();
        let unused = instances.get(&context(1, "u", 10, "{}")).await.unwrap();
        let began = Instant::now();
        let engine = Arc::downgrade(&unused.engine);
        drop(unused);
        instances.get(&context(1, "v", 10, "{}")).await.unwrap();
        let used = InstanceId::of(&context(1, "v", 10, "{}")).unwrap();
        let half = began + UNUSED_FOR / 2;
        instances.forget_unused(half);
        assert_eq!(instances.len(), 2);
        instances.entry(used, 10, half).unwrap();
        instances.forget_unused(began + UNUSED_FOR);
        assert_eq!(instances.len(), 1);
        assert!(engine.upgrade().is_none());
        instances.get(&context(1, "u", 10, "{}")).await.unwrap();
        assert_eq!(counting.0.load(Ordering::Relaxed), 3);
    }

    #[tokio::test]
    async fn wrong_settings_are_said_at_each_request_and_mended_by_a_change() {
        let (counting, instances) = counting();
        for _ in 0..2 {
            let wrong = context(1, "u", 10, r#"{"engine": 5}"#);
            let error = instances.get(&wrong).await.err().unwrap();
            assert_eq!(error.to_string(), "setting engine: 5 is not text");
        }
        assert!(instances.get(&context(1, "u", 11, "{}")).await.is_ok());
        assert_eq!(counting.0.load(Ordering::Relaxed), 1);
    }
}
