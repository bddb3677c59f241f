//! Grafana Live: streams of a data source, by path.

mod live_query;

use crate::instances::{Instance, Instances};
use crate::metrics::{Counted, Metrics};
use crate::proto::pluginv2::stream_server::Stream as StreamRpc;
use crate::proto::pluginv2::{
    PublishStreamRequest, PublishStreamResponse, RunStreamRequest, StreamPacket,
    SubscribeStreamRequest, SubscribeStreamResponse, publish_stream_response,
    subscribe_stream_response,
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use jiff::Timestamp;
use live_query::LiveQuery;
use std::pin::Pin;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

/// Packets of one running stream: JSON frames.
pub(crate) type Packets = Pin<Box<dyn Stream<Item = Result<Bytes, Status>> + Send>>;

/// One kind of stream.
pub(crate) trait Channel: Send + Sync {
    /// The first segment of the paths that this channel serves.
    fn prefix(&self) -> &'static str;

    /// Runs a stream for its first subscriber until it is dropped.
    ///
    /// # Errors
    /// A status with a text for the person whose `data` cannot be used.
    fn run(&self, instance: Arc<Instance>, data: &[u8]) -> Result<Packets, Status>;
}

/// The kinds of streams there are.
pub(crate) struct ChannelRegistry(Vec<Box<dyn Channel>>);

impl ChannelRegistry {
    pub(crate) fn new(now: fn() -> Timestamp) -> Self {
        Self(vec![Box::new(LiveQuery::new(now))])
    }

    /// The channel that serves `path`, which is `<prefix>/<anything>`.
    fn find(&self, path: &str) -> Option<&dyn Channel> {
        let (prefix, rest) = path.split_once('/')?;
        let channel = self.0.iter().find(|channel| channel.prefix() == prefix)?;
        (!rest.is_empty()).then_some(channel.as_ref())
    }
}

/// Serves streams.
pub(crate) struct StreamService {
    pub(crate) instances: Arc<Instances>,
    pub(crate) metrics: Metrics,
    pub(crate) channels: ChannelRegistry,
    pub(crate) stop: CancellationToken,
}

#[tonic::async_trait]
impl StreamRpc for StreamService {
    async fn subscribe_stream(
        &self,
        request: Request<SubscribeStreamRequest>,
    ) -> Result<Response<SubscribeStreamResponse>, Status> {
        let path = request.into_inner().path;
        let status = match self.channels.find(&path) {
            Some(_) => subscribe_stream_response::Status::Ok,
            None => subscribe_stream_response::Status::NotFound,
        };
        Ok(Response::new(SubscribeStreamResponse {
            status: status.into(),
            data: Bytes::new(),
        }))
    }

    async fn publish_stream(
        &self,
        _: Request<PublishStreamRequest>,
    ) -> Result<Response<PublishStreamResponse>, Status> {
        // Streams only show what is stored; nobody publishes into them.
        let status = publish_stream_response::Status::PermissionDenied;
        Ok(Response::new(PublishStreamResponse {
            status: status.into(),
            data: Bytes::new(),
        }))
    }

    type RunStreamStream = Pin<Box<dyn Stream<Item = Result<StreamPacket, Status>> + Send>>;

    async fn run_stream(
        &self,
        request: Request<RunStreamRequest>,
    ) -> Result<Response<Self::RunStreamStream>, Status> {
        let request = request.into_inner();
        let channel = self.channels.find(&request.path).ok_or_else(|| {
            Status::not_found(format!("no stream is served at {:?}", request.path))
        })?;
        let context = request.plugin_context.unwrap_or_default();
        let instance = self
            .instances
            .get(&context)
            .await
            .map_err(|error| Status::failed_precondition(error.to_string()))?;
        let running = Counted::new(&self.metrics.streams);
        let packets = channel
            .run(instance, &request.data)?
            .take_until(self.stop.clone().cancelled_owned())
            .map(move |packet| {
                // Counted as long as the stream that holds it.
                let _ = &running;
                packet.map(|data| StreamPacket { data })
            });
        Ok(Response::new(Box::pin(packets)))
    }
}
