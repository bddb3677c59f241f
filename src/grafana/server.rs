//! The gRPC server that Grafana talks to, from the first call to a clean end.

use crate::answer_body::WrittenWhileSent;
use crate::data::DataService;
use crate::diagnostics::DiagnosticsService;
use crate::faults::Faults;
use crate::instances::{Instances, OpenEngine};
use crate::launch::Endpoint;
use crate::metrics::Metrics;
use crate::panics::CatchPanic;
use crate::proto::plugin::grpc_broker_server::{GrpcBroker, GrpcBrokerServer};
use crate::proto::plugin::grpc_controller_server::{GrpcController, GrpcControllerServer};
use crate::proto::plugin::{ConnInfo, Empty};
use crate::proto::pluginv2::data_server::DataServer;
use crate::proto::pluginv2::diagnostics_server::DiagnosticsServer;
use crate::proto::pluginv2::resource_server::ResourceServer;
use crate::proto::pluginv2::stream_server::StreamServer;
use crate::resource::ResourceService;
use crate::settings::HostSettings;
use crate::stream::{ChannelRegistry, StreamService};
use futures_util::Stream;
use jiff::Timestamp;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

/// Longest message that is read. Grafana itself allows 2 GiB; a query is at most some MiB.
const MAX_REQUEST_BYTES: usize = 32 << 20;
/// How long running calls may take to end after the host asked the process to stop. The host
/// kills it two seconds after asking.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);
/// The name under which go-plugin asks for health.
const HEALTH_SERVICE: &str = "plugin";

/// What the server is made of.
pub struct Plugin {
    /// Makes engines.
    pub open_engine: Arc<dyn OpenEngine>,
    /// What the host brings to every data source.
    pub host: HostSettings,
    /// What the API tells of this program, and its clock.
    pub api_host: api::Host,
    /// Answers about settings that are being edited ([`api::drafts`]).
    pub drafts: axum::Router,
    /// The plugin's own metrics.
    pub metrics: Metrics,
    /// The wall clock, for live streams.
    pub now: fn() -> Timestamp,
    /// Mistakes that a test asks for.
    pub faults: Faults,
    /// Ends the process: cancelled by a signal, by the host's request, or by its death.
    pub stop: CancellationToken,
}

/// Why serving ended badly.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The socket cannot be listened on.
    #[error("cannot listen: {0}")]
    Listen(#[from] std::io::Error),
    /// The transport failed.
    #[error("the connection to Grafana failed: {0}")]
    Transport(#[from] tonic::transport::Error),
}

impl Plugin {
    /// Serves until `stop`, then lets running calls end for at most a second.
    ///
    /// # Errors
    /// [`ServeError`] when the socket or the transport fails.
    pub async fn serve(self, mut endpoint: Endpoint) -> Result<(), ServeError> {
        let stop = self.stop;
        let faults = self.faults;
        let metrics = self.metrics;
        let instances = Arc::new(Instances::new(self.open_engine, self.host, self.api_host));
        let data = DataService {
            instances: Arc::clone(&instances),
            metrics: metrics.clone(),
            faults,
            now: self.now,
        };
        let diagnostics = DiagnosticsService {
            instances: Arc::clone(&instances),
            metrics: metrics.clone(),
            now: self.now,
        };
        let resource = ResourceService {
            instances: Arc::clone(&instances),
            drafts: self.drafts,
            metrics: metrics.clone(),
            faults,
        };
        let streams = StreamService {
            instances,
            metrics,
            channels: ChannelRegistry::new(self.now),
            stop: stop.clone(),
        };
        let (health, health_service) = tonic_health::server::health_reporter();
        health
            .set_service_status(HEALTH_SERVICE, tonic_health::ServingStatus::Serving)
            .await;

        let limit = MAX_REQUEST_BYTES;
        let server = tonic::transport::Server::builder()
            .layer(CatchPanic)
            .add_service(health_service)
            .add_service(GrpcControllerServer::new(Controller { stop: stop.clone() }))
            .add_service(GrpcBrokerServer::new(Broker { stop: stop.clone() }))
            .add_service(WrittenWhileSent(
                DataServer::new(data).max_decoding_message_size(limit),
            ))
            .add_service(DiagnosticsServer::new(diagnostics).max_decoding_message_size(limit))
            .add_service(ResourceServer::new(resource).max_decoding_message_size(limit))
            .add_service(StreamServer::new(streams).max_decoding_message_size(limit))
            .serve_with_incoming_shutdown(endpoint.incoming()?, stop.clone().cancelled_owned());
        tokio::pin!(server);
        tokio::select! {
            ended = &mut server => ended?,
            () = async {
                stop.cancelled().await;
                tokio::time::sleep(DRAIN_TIMEOUT).await;
            } => tracing::info!("calls still ran a second after the request to stop"),
        }
        Ok(())
    }
}

/// Ends the process when the host asks for it.
struct Controller {
    stop: CancellationToken,
}

#[tonic::async_trait]
impl GrpcController for Controller {
    async fn shutdown(&self, _: Request<Empty>) -> Result<Response<Empty>, Status> {
        tracing::debug!("the host asks to stop");
        self.stop.cancel();
        Ok(Response::new(Empty {}))
    }
}

/// Holds the stream that go-plugin opens to every plugin. Nothing is ever sent on it; its end
/// means that the host is gone.
struct Broker {
    stop: CancellationToken,
}

#[tonic::async_trait]
impl GrpcBroker for Broker {
    type StartStreamStream = Pin<Box<dyn Stream<Item = Result<ConnInfo, Status>> + Send>>;

    async fn start_stream(
        &self,
        request: Request<Streaming<ConnInfo>>,
    ) -> Result<Response<Self::StartStreamStream>, Status> {
        let mut incoming = request.into_inner();
        let stop = self.stop.clone();
        tokio::spawn(async move {
            // No connection is ever brokered: messages are read only to see the end.
            while let Ok(Some(_)) = incoming.message().await {}
            if !stop.is_cancelled() {
                tracing::debug!("the host is gone");
                stop.cancel();
            }
        });
        let stop = self.stop.clone();
        let until_stop = futures_util::stream::once(async move { stop.cancelled().await });
        let nothing = futures_util::StreamExt::filter_map(until_stop, |()| async { None });
        Ok(Response::new(Box::pin(nothing)))
    }
}
