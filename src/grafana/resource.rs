//! CallResource: HTTP over gRPC, answered by the router that also stands behind `serve`.

use crate::faults::Faults;
use crate::instances::{InstanceError, Instances};
use crate::metrics::Metrics;
use crate::proto::pluginv2::resource_server::Resource;
use crate::proto::pluginv2::{CallResourceRequest, CallResourceResponse, StringList};
use axum::body::Body;
use futures_util::{Stream, StreamExt, stream};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request as HttpRequest, Uri};
use serde_json::json;
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use tonic::{Request, Response, Status};
use tower::ServiceExt;

/// Answers resource calls.
pub(crate) struct ResourceService {
    pub(crate) instances: Arc<Instances>,
    pub(crate) metrics: Metrics,
    pub(crate) faults: Faults,
}

type Messages = Pin<Box<dyn Stream<Item = Result<CallResourceResponse, Status>> + Send>>;

#[tonic::async_trait]
impl Resource for ResourceService {
    type CallResourceStream = Messages;

    async fn call_resource(
        &self,
        request: Request<CallResourceRequest>,
    ) -> Result<Response<Self::CallResourceStream>, Status> {
        let mut request = request.into_inner();
        self.faults.before_resource(&request.path);
        let plugin_context = request.plugin_context.take().unwrap_or_default();
        let (status, messages) = match self.instances.get(&plugin_context).await {
            Err(error) => refused(instance_status(&error), &error.to_string()),
            Ok(instance) => match to_http(request) {
                Err(reason) => refused(400, &reason),
                Ok(request) => {
                    let response = match instance.router.clone().oneshot(request).await {
                        Ok(response) => response,
                        Err(never) => match never {},
                    };
                    (response.status().as_u16(), to_messages(response))
                }
            },
        };
        self.metrics
            .resource_calls
            .with_label_values(&[status.to_string()])
            .inc();
        Ok(Response::new(messages))
    }
}

fn instance_status(error: &InstanceError) -> u16 {
    crate::status::instance_error(error).status
}

fn refused(status: u16, message: &str) -> (u16, Messages) {
    let headers = HashMap::from([(
        "content-type".to_owned(),
        StringList {
            values: vec!["application/json".to_owned()],
        },
    )]);
    let body = json!({ "message": message }).to_string().into();
    let message = CallResourceResponse {
        code: status.into(),
        headers,
        body,
    };
    (status, Box::pin(stream::once(async { Ok(message) })))
}

/// The call as an HTTP request. `url` holds path and query; `path` is used where it is missing.
fn to_http(call: CallResourceRequest) -> Result<HttpRequest<Body>, String> {
    let method = Method::from_bytes(call.method.as_bytes())
        .map_err(|_| format!("{:?} is no HTTP method", call.method))?;
    let target = if call.url.is_empty() {
        &call.path
    } else {
        &call.url
    };
    let target = format!("/{}", target.trim_start_matches('/'));
    let uri: Uri = target
        .parse()
        .map_err(|error| format!("{target:?} is no path: {error}"))?;
    let mut request = HttpRequest::new(Body::from(call.body));
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.headers_mut() = to_headers(call.headers);
    Ok(request)
}

/// Headers that HTTP does not allow are left out: a browser or proxy put them there.
fn to_headers(lists: HashMap<String, StringList>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, list) in lists {
        let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else {
            continue;
        };
        for value in list.values {
            if let Ok(mut value) = HeaderValue::from_str(&value) {
                // What may carry a token is not printed by anything that prints headers.
                value.set_sensitive(true);
                headers.append(name.clone(), value);
            }
        }
    }
    headers
}

/// The response as messages: status and headers with the first, the body piece by piece.
fn to_messages(response: http::Response<Body>) -> Messages {
    let (parts, body) = response.into_parts();
    let mut headers: HashMap<String, StringList> = HashMap::new();
    for (name, value) in &parts.headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        headers
            .entry(name.to_string())
            .or_default()
            .values
            .push(value);
    }
    let code = parts.status.as_u16().into();
    let head = CallResourceResponse {
        code,
        headers,
        body: bytes::Bytes::new(),
    };
    let pieces = body.into_data_stream().map(|piece| match piece {
        Ok(body) => Ok(CallResourceResponse {
            body,
            ..CallResourceResponse::default()
        }),
        Err(error) => Err(Status::unavailable(format!(
            "the answer broke off: {error}"
        ))),
    });
    Box::pin(stream::once(async { Ok(head) }).chain(pieces))
}
