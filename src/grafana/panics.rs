//! A panic ends one call, not the process.

use futures_util::FutureExt;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};
use tonic::Status;
use tower::{Layer, Service};

/// Turns a panic while a call is answered into the status `Internal` of that call. Without it
/// the connection's task would unwind, and the host would see `Canceled` on every call it has.
#[derive(Clone, Copy)]
pub(crate) struct CatchPanic;

#[derive(Clone)]
pub(crate) struct CatchPanicService<S>(S);

impl<S> Layer<S> for CatchPanic {
    type Service = CatchPanicService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CatchPanicService(inner)
    }
}

impl<S, Q, B> Service<http::Request<Q>> for CatchPanicService<S>
where
    S: Service<http::Request<Q>, Response = http::Response<B>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    B: Default + Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Q>) -> Self::Future {
        let answering = AssertUnwindSafe(self.0.call(request)).catch_unwind();
        Box::pin(async {
            answering.await.unwrap_or_else(|_| {
                // The panic hook has logged where.
                Ok(
                    Status::internal("Headwater made a mistake while answering; see its log")
                        .into_http(),
                )
            })
        })
    }
}

/// Sends panics to the log: on stderr as they are, Grafana could not read them.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();
        let reason = panic.payload_as_str().unwrap_or("a panic without a text");
        tracing::error!(place, "panic: {reason}");
    }));
}
