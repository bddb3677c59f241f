//! CheckHealth and CollectMetrics.

use crate::forwarded::forwarded_headers;
use crate::instances::Instances;
use crate::metrics::Metrics;
use crate::proto::pluginv2::check_health_response::HealthStatus;
use crate::proto::pluginv2::collect_metrics_response::Payload;
use crate::proto::pluginv2::diagnostics_server::Diagnostics;
use crate::proto::pluginv2::{
    CheckHealthRequest, CheckHealthResponse, CollectMetricsRequest, CollectMetricsResponse,
};
use engine::{Context, Health};
use jiff::Timestamp;
use serde_json::{Map, Value};
use series::Interrupt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tonic::{Request, Response, Status};

/// Grafana gives CheckHealth no deadline of its own.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(10);

/// Says how the plugin and its data sources fare.
pub(crate) struct DiagnosticsService {
    pub(crate) instances: Arc<Instances>,
    pub(crate) metrics: Metrics,
    pub(crate) now: fn() -> Timestamp,
}

#[tonic::async_trait]
impl Diagnostics for DiagnosticsService {
    async fn check_health(
        &self,
        request: Request<CheckHealthRequest>,
    ) -> Result<Response<CheckHealthResponse>, Status> {
        let request = request.into_inner();
        let plugin_context = request.plugin_context.unwrap_or_default();
        let interrupt = Interrupt::new();
        let context = Context {
            interrupt: interrupt.clone(),
            now_ms: Some((self.now)().as_millisecond()),
            deadline: Some((Instant::now() + HEALTH_TIMEOUT).into_std()),
            forwarded: forwarded_headers(&request.headers),
            ..Context::default()
        };
        let checking = async {
            match self.instances.get(&plugin_context).await {
                Ok(instance) => to_response(&instance.engine.health(&context).await),
                Err(error) => failed(crate::status::instance_error(&error).message),
            }
        };
        let response = tokio::time::timeout(HEALTH_TIMEOUT, checking)
            .await
            .unwrap_or_else(|_| {
                interrupt.time_out();
                failed(format!(
                    "no verdict within {} s: what this data source asks does not answer",
                    HEALTH_TIMEOUT.as_secs()
                ))
            });
        Ok(Response::new(response))
    }

    async fn collect_metrics(
        &self,
        _: Request<CollectMetricsRequest>,
    ) -> Result<Response<CollectMetricsResponse>, Status> {
        self.metrics.instances.set(self.instances.len() as i64);
        let text = self
            .metrics
            .to_text()
            .map_err(|error| Status::internal(error.to_string()))?;
        let metrics = Some(Payload {
            prometheus: text.into(),
        });
        Ok(Response::new(CollectMetricsResponse { metrics }))
    }
}

fn failed(message: String) -> CheckHealthResponse {
    CheckHealthResponse {
        status: HealthStatus::Error.into(),
        message,
        json_details: b"{}".as_slice().into(),
    }
}

fn to_response(health: &Health) -> CheckHealthResponse {
    let status = match health.status {
        engine::HealthStatus::Ok => HealthStatus::Ok,
        engine::HealthStatus::Error => HealthStatus::Error,
    };
    let mut details: Map<String, Value> = health
        .details
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone().into()))
        .collect();
    if let Some(advice) = &health.advice {
        // Grafana shows this text below the message.
        details.insert("verboseMessage".to_owned(), advice.clone().into());
    }
    CheckHealthResponse {
        status: status.into(),
        message: health.message.clone(),
        json_details: Value::Object(details).to_string().into(),
    }
}
