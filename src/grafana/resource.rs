//! CallResource: HTTP over gRPC, answered by the router that also stands behind `serve`.

use crate::faults::Faults;
use crate::instances::{InstanceError, Instances};
use crate::metrics::Metrics;
use crate::proto::pluginv2::resource_server::Resource;
use crate::proto::pluginv2::{
    CallResourceRequest, CallResourceResponse, PluginContext, StringList,
};
use crate::settings::stored_settings;
use axum::Router;
use axum::body::Body;
use futures_util::{Stream, StreamExt, stream};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request as HttpRequest, Uri};
use serde_json::json;
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use tonic::{Request, Response, Status};
use tower::ServiceExt;

/// Where questions about settings that are being edited stand.
const DRAFTS: &str = "/drafts/";
/// Grafana's role of those who may change data sources.
const ADMIN: &str = "Admin";

/// Answers resource calls.
pub(crate) struct ResourceService {
    pub(crate) instances: Arc<Instances>,
    pub(crate) drafts: Router,
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
        let (status, messages) = match to_http(request) {
            Err(reason) => refused(400, &reason),
            Ok(request) if request.uri().path().starts_with(DRAFTS) => {
                self.about_drafts(&plugin_context, request).await
            }
            Ok(request) => match self.instances.get(&plugin_context).await {
                Err(error) => refused(instance_status(&error), &error.to_string()),
                Ok(instance) => answered(instance.router.clone(), request).await,
            },
        };
        self.metrics
            .resource_calls
            .with_label_values(&[status.to_string()])
            .inc();
        Ok(Response::new(messages))
    }
}

impl ResourceService {
    /// Asked without opening the data source: settings that cannot be used are what a person
    /// edits.
    ///
    /// Everybody who may query a data source may call its resources. These send requests to any
    /// address, so that they are for those who may change a data source.
    async fn about_drafts(
        &self,
        context: &PluginContext,
        mut request: HttpRequest<Body>,
    ) -> (u16, Messages) {
        let role = context.user.as_ref().map(|user| user.role.as_str());
        if role != Some(ADMIN) {
            let reason = "only users with the role Admin may try settings that are not saved";
            return refused(403, reason);
        }
        match stored_settings(context) {
            Err(error) => refused(400, &error.to_string()),
            Ok(stored) => {
                request.extensions_mut().insert(stored);
                answered(self.drafts.clone(), request).await
            }
        }
    }
}

async fn answered(router: Router, request: HttpRequest<Body>) -> (u16, Messages) {
    let response = match router.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    (response.status().as_u16(), to_messages(response))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instances::OpenEngine;
    use crate::proto::pluginv2::{DataSourceInstanceSettings, User};
    use crate::settings::{HostSettings, InstanceSettings};
    use axum::extract::Extension;
    use axum::routing::post;
    use engine::Engine;

    struct Broken;

    impl OpenEngine for Broken {
        fn open(&self, _: &InstanceSettings) -> Result<Arc<dyn Engine>, engine::Error> {
            Err(engine::Error::Internal("it does not open".to_owned()))
        }
    }

    /// Status and body of a call by someone with that role.
    async fn call(path: &str, role: Option<&str>) -> (i32, String) {
        let drafts = Router::new().route(
            "/drafts/try",
            post(async |Extension(stored): Extension<api::StoredSettings>| {
                let secrets: Vec<&str> = stored.secrets.values().map(|s| s.reveal()).collect();
                format!(
                    "{} {:?} {}",
                    stored.url,
                    stored.basic_auth_user,
                    secrets.join(",")
                )
            }),
        );
        let service = ResourceService {
            instances: Arc::new(Instances::new(
                Arc::new(Broken),
                HostSettings::default(),
                api::Host::default(),
            )),
            drafts,
            metrics: Metrics::new().unwrap(),
            faults: Faults::new(false),
        };
        let request = CallResourceRequest {
            method: "POST".into(),
            path: path.into(),
            plugin_context: Some(PluginContext {
                org_id: 1,
                user: role.map(|role| User {
                    role: role.into(),
                    ..User::default()
                }),
                data_source_instance_settings: Some(DataSourceInstanceSettings {
                    uid: "u".into(),
                    url: "http://wiki".into(),
                    basic_auth_enabled: true,
                    basic_auth_user: "me".into(),
                    decrypted_secure_json_data: HashMap::from([("apiKey".into(), "k".into())]),
                    ..Default::default()
                }),
                ..PluginContext::default()
            }),
            ..CallResourceRequest::default()
        };
        let answer = service.call_resource(Request::new(request)).await.unwrap();
        let messages: Vec<_> = answer.into_inner().collect().await;
        let mut body = Vec::new();
        let mut code = 0;
        for message in messages {
            let message = message.unwrap();
            code = code.max(message.code);
            body.extend(message.body);
        }
        (code, String::from_utf8(body).unwrap())
    }

    #[tokio::test]
    async fn drafts_are_tried_by_admins_only() {
        for role in [None, Some(""), Some("None"), Some("Viewer"), Some("Editor")] {
            for path in ["drafts/try", "/drafts/try", "drafts/else"] {
                let (code, body) = call(path, role).await;
                assert_eq!(code, 403, "{role:?} {path}: {body}");
                assert!(body.contains("role Admin"), "{body}");
            }
        }
        let (code, body) = call("drafts/try", Some("Admin")).await;
        assert_eq!((code, body.as_str()), (200, "http://wiki Some(\"me\") k"));
    }

    #[tokio::test]
    async fn no_other_spelling_of_the_path_leads_there() {
        for path in [
            "metrics/../drafts/try",
            "Drafts/try",
            "./drafts/try",
            "//drafts/try",
        ] {
            let (code, body) = call(path, Some("Viewer")).await;
            assert!(
                code >= 400 && !body.contains("http://wiki"),
                "{path}: {code} {body}"
            );
        }
    }
}
