//! The body of QueryData's answer, written while it is sent.
//!
//! tonic writes a message whole before the first byte of it leaves, and so a large answer would
//! stand in memory twice: as columns and as bytes. Here the call hands its message over beside an
//! empty one, and [`WrittenWhileSent`], around the service, lets a body take its place that writes
//! the next piece when the connection has room for it.
//!
//! The bytes are those of any unary call ("gRPC over HTTP/2": one length-prefixed message in as
//! many DATA frames as there are, then the trailers).

use crate::response::{Place, QueryDataResponse};
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::stream;
use http::{HeaderMap, HeaderValue};
use http_body::Frame;
use http_body_util::StreamBody;
use prost::Message;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::{Response, Status};
use tower::Service;

/// How much is written at a time: a few of HTTP/2's frames, and little enough that the allocator
/// keeps the buffers for the next piece.
const PIECE_BYTES: usize = 64 << 10;
/// What stands around a frame in the message, and before the message.
const AROUND: usize = 256;

/// A message on its way from the call to the body.
#[derive(Clone)]
struct HandedOver(Arc<Mutex<Option<QueryDataResponse>>>);

/// The answer of a call whose message is to be written while it is sent.
pub(crate) fn hand_over(message: QueryDataResponse) -> Response<QueryDataResponse> {
    let mut response = Response::new(QueryDataResponse::default());
    let handed_over = HandedOver(Arc::new(Mutex::new(Some(message))));
    response.extensions_mut().insert(handed_over);
    response
}

/// A service whose answers are written while they are sent, where its calls [`hand_over`] one.
#[derive(Clone)]
pub(crate) struct WrittenWhileSent<S>(pub(crate) S);

impl<S: NamedService> NamedService for WrittenWhileSent<S> {
    const NAME: &'static str = S::NAME;
}

impl<S, B> Service<http::Request<B>> for WrittenWhileSent<S>
where
    S: Service<http::Request<B>, Response = http::Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let answering = self.0.call(request);
        Box::pin(async move {
            let mut response = answering.await?;
            let handed_over = response.extensions_mut().remove::<HandedOver>();
            let message = handed_over.and_then(|HandedOver(message)| {
                let mut message = message.lock().unwrap_or_else(PoisonError::into_inner);
                message.take()
            });
            let Some(message) = message else {
                return Ok(response);
            };
            let Ok(length) = u32::try_from(message.encoded_len()) else {
                let status = Status::resource_exhausted(
                    "the answer is longer than 4 GiB: ask for a shorter range, a wider step or \
                     fewer series",
                );
                return Ok(status.into_http());
            };
            Ok(response.map(|_| body(message, length)))
        })
    }
}

fn body(message: QueryDataResponse, length: u32) -> Body {
    let mut place = Place::default();
    let mut is_first = true;
    let mut is_more = true;
    let pieces = std::iter::from_fn(move || {
        if !is_more {
            return None;
        }
        let room = PIECE_BYTES.max(message.next_len(&place) + AROUND);
        let mut piece = BytesMut::with_capacity(room);
        if std::mem::take(&mut is_first) {
            // Not compressed.
            piece.put_u8(0);
            piece.put_u32(length);
        }
        is_more = message.write_some(&mut place, PIECE_BYTES - AROUND, &mut piece);
        Some(Frame::data(piece.freeze()))
    });
    let pieces = pieces.chain(std::iter::once_with(|| Frame::trailers(ended_well())));
    Body::new(StreamBody::new(stream::iter(
        pieces.map(Ok::<Frame<Bytes>, Status>),
    )))
}

fn ended_well() -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert(Status::GRPC_STATUS, HeaderValue::from_static("0"));
    trailers
}
