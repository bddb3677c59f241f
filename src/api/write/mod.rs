//! Remote-write receive.
use axum::response::Response;
pub(crate) async fn receive() -> Response {
    Response::default()
}
