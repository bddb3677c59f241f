//! Asks for pages over HTTP.
//!
//! Bodies stay as they came until [`Fetched::into_page`], which may take its time and so runs
//! where blocking is allowed.

mod credentials;
mod failure;
mod tls;

use crate::keys::wrong;
use crate::settings::{HttpSettings, Job};
use crate::target::{Found, Target};
use crate::{Error, Files, Result, Source};
use bytes::Bytes;
use credentials::{Credentials, TlsMaterial};
use exposition::Format;
use flate2::read::MultiGzDecoder;
use http_body_util::{BodyExt, Empty};
use hyper::body::{Body, Incoming};
use hyper::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION,
    USER_AGENT,
};
use hyper::{Request, Response, Uri};
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::ServerName;
use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use url::Url;

/// A page of metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Where it was found; another one than asked for where the server redirected.
    pub url: String,
    /// The content type that the server named; empty where it named none.
    pub content_type: String,
    /// The format that this means.
    pub format: Format,
    /// The page, inflated.
    pub body: Vec<u8>,
}

impl Page {
    /// The kind of Prometheus-compatible server whose own page this is; `None` for any other.
    ///
    /// Whoever gives the address of such a server most likely wants its data, which the remote
    /// engine asks for, and not the metrics about the server itself.
    #[must_use]
    pub fn prometheus_server(&self) -> Option<&'static str> {
        let names_server = |line: &[u8]| {
            let known = SERVERS
                .iter()
                .find(|(start, _)| line.starts_with(start.as_bytes()));
            known.map(|(_, server)| *server)
        };
        self.body
            .split(|byte| *byte == b'\n')
            .find_map(names_server)
    }
}

/// How the line begins by which each server names its build.
const SERVERS: [(&str, &str); 6] = [
    ("prometheus_build_info{", "Prometheus"),
    ("mimir_build_info{", "Mimir"),
    ("cortex_build_info{", "Cortex"),
    ("thanos_build_info{", "Thanos"),
    (
        "vm_app_version{version=\"victoria-metrics",
        "VictoriaMetrics",
    ),
    ("vm_app_version{version=\"vmselect", "VictoriaMetrics"),
];

/// Asks for the page of the first target that `job` names itself, as a scrape would.
///
/// # Errors
/// Whatever a scrape of the target would report; [`Error::Target`] where the job names none.
pub async fn fetch_once(job: &Job, files: Arc<dyn Files>) -> Result<Page> {
    let mut found = Found::default();
    for source in &job.sources {
        if let Source::Static(groups) = source {
            groups.iter().for_each(|group| found.add(job, group));
        }
    }
    let Some(target) = found.targets.first() else {
        return Err(found.errors.pop().unwrap_or_else(|| Error::Target {
            target: job.name.clone(),
            reason: "there is no URL to ask".to_owned(),
        }));
    };
    let fetcher = Fetcher::new(job, files);
    let fetched = fetcher.fetch(target, Vec::new()).await?;
    let (limit, fallback) = (job.limits.body_size, job.fallback_format);
    tokio::task::spawn_blocking(move || fetched.into_page(limit, fallback))
        .await
        .map_err(|_| Error::Internal)?
}

/// Redirects that are followed before it is a circle (as Go's HTTP client does).
const REDIRECTS: usize = 10;

/// How long a kept connection may lie idle: Prometheus's 5 minutes.
const IDLE: Duration = Duration::from_secs(300);

type HttpClient = Client<HttpsConnector<HttpConnector>, Empty<Bytes>>;

/// Asks for the pages of one job's targets, over connections that it keeps.
pub(crate) struct Fetcher {
    http: HttpSettings,
    accept: String,
    compression: bool,
    body_size: u64,
    files: Arc<dyn Files>,
    clients: Mutex<Clients>,
}

/// Made when first needed: most jobs need only one.
#[derive(Default)]
struct Clients {
    plain: Option<HttpClient>,
    /// With our certificate, for the target itself.
    own: Option<(TlsMaterial, HttpClient)>,
    /// Without it, for whom the target redirects to.
    foreign: Option<(TlsMaterial, HttpClient)>,
}

/// The body of an answer as it came.
pub(crate) struct Fetched {
    url: String,
    content_type: String,
    encoding: String,
    body: Vec<u8>,
}

impl Fetcher {
    pub(crate) fn new(job: &Job, files: Arc<dyn Files>) -> Self {
        Self {
            http: job.http.clone(),
            accept: job.accept.clone(),
            compression: job.compression,
            body_size: job.limits.body_size,
            files,
            clients: Mutex::default(),
        }
    }

    /// Fetches a page into `buffer`, whose memory is used again.
    pub(crate) async fn fetch(&self, target: &Target, buffer: Vec<u8>) -> Result<Fetched> {
        let fetching = async {
            let credentials = self.credentials().await?;
            self.follow(target, &credentials, buffer).await
        };
        tokio::time::timeout(target.timeout, fetching)
            .await
            .unwrap_or_else(|_| {
                Err(Error::TimedOut {
                    url: target.url.clone(),
                    after: target.timeout,
                })
            })
    }

    async fn credentials(&self) -> Result<Credentials> {
        if !Credentials::need_files(&self.http) {
            return Credentials::read(&self.http, &*self.files);
        }
        let (http, files) = (self.http.clone(), Arc::clone(&self.files));
        tokio::task::spawn_blocking(move || Credentials::read(&http, &*files))
            .await
            .map_err(|_| Error::Internal)?
    }

    async fn follow(
        &self,
        target: &Target,
        credentials: &Credentials,
        buffer: Vec<u8>,
    ) -> Result<Fetched> {
        let first = Url::parse(&target.url).map_err(|error| Error::Target {
            target: target.url.clone(),
            reason: error.to_string(),
        })?;
        let mut url = first.clone();
        for _ in 0..=REDIRECTS {
            // Host, port and scheme: credentials for one are none of another's business.
            let own = url.origin() == first.origin();
            let response = self.ask(target, &url, own, credentials).await?;
            let status = response.status();
            if !(status.is_redirection() && self.http.follow_redirects) {
                return self.read(url, response, buffer).await;
            }
            let location = response.headers().get(LOCATION);
            let Some(location) = location.and_then(|value| value.to_str().ok()) else {
                return self.read(url, response, buffer).await;
            };
            url = match url.join(location) {
                Ok(next) if matches!(next.scheme(), "http" | "https") => next,
                _ => {
                    return Err(Error::Redirect {
                        url: target.url.clone(),
                        reason: "to something that is no HTTP URL".to_owned(),
                    });
                }
            };
        }
        Err(Error::Redirect {
            url: target.url.clone(),
            reason: format!("more than {REDIRECTS} times"),
        })
    }

    async fn ask(
        &self,
        target: &Target,
        url: &Url,
        own: bool,
        credentials: &Credentials,
    ) -> Result<Response<Incoming>> {
        let client = self.client(url, own, credentials)?;
        let request = || self.request(target, url, own, credentials);
        let mut answer = client.request(request()?).await;
        if let Err(error) = &answer
            && failure::was_kept_too_long(error)
        {
            answer = client.request(request()?).await;
        }
        answer.map_err(|error| failure::of_request(url.as_str(), &error))
    }

    fn request(
        &self,
        target: &Target,
        url: &Url,
        own: bool,
        credentials: &Credentials,
    ) -> Result<Request<Empty<Bytes>>> {
        let refused = |reason: String| Error::Target {
            target: target.url.clone(),
            reason,
        };
        let uri: Uri = url
            .as_str()
            .parse()
            .map_err(|_| refused("its URL cannot be asked for".to_owned()))?;
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        let accept = HeaderValue::from_str(&self.accept)
            .map_err(|_| refused("its Accept header cannot be sent".to_owned()))?;
        headers.insert(ACCEPT, accept);
        let encoding = if self.compression { "gzip" } else { "identity" };
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(encoding));
        headers.insert(USER_AGENT, HeaderValue::from_static("Headwater"));
        let timeout = target.timeout.as_secs_f64().to_string();
        if let Ok(timeout) = HeaderValue::from_str(&timeout) {
            headers.insert("x-prometheus-scrape-timeout-seconds", timeout);
        }
        if own {
            for (name, value) in &credentials.headers {
                headers.append(name.clone(), value.clone());
            }
        }
        Ok(request)
    }

    fn client(&self, url: &Url, own: bool, credentials: &Credentials) -> Result<HttpClient> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let refused = |reason: String| wrong("tls", reason);
        if url.scheme() == "http" {
            if clients.plain.is_none() {
                let config = tls::no_trust().map_err(refused)?;
                clients.plain = Some(self.new_client(config, None));
            }
            return clients.plain.clone().ok_or(Error::Internal);
        }
        let place = if own {
            &mut clients.own
        } else {
            &mut clients.foreign
        };
        // Certificates are renewed under the same file name.
        if let Some((material, client)) = place
            && *material == credentials.tls
        {
            return Ok(client.clone());
        }
        let settings = &self.http.tls;
        let config =
            tls::client_config(&credentials.tls, settings.skip_verify, own).map_err(refused)?;
        let server_name = match &settings.server_name {
            Some(name) if own => Some(
                ServerName::try_from(name.clone())
                    .map_err(|_| wrong("tls.serverName", format!("{name:?} is no host name")))?,
            ),
            _ => None,
        };
        let client = self.new_client(config, server_name);
        *place = Some((credentials.tls.clone(), client.clone()));
        Ok(client)
    }

    fn new_client(
        &self,
        config: rustls::ClientConfig,
        server_name: Option<ServerName<'static>>,
    ) -> HttpClient {
        let mut builder = HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_or_http();
        if let Some(name) = server_name {
            builder = builder.with_server_name_resolver(FixedServerNameResolver::new(name));
        }
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let connector = builder.enable_http1().wrap_connector(tcp);
        let kept = if self.http.keep_alive { usize::MAX } else { 0 };
        Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(kept)
            .build(connector)
    }

    async fn read(
        &self,
        url: Url,
        response: Response<Incoming>,
        mut buffer: Vec<u8>,
    ) -> Result<Fetched> {
        let url = String::from(url);
        let status = response.status().as_u16();
        let text = |headers: &HeaderMap, name| {
            let value = headers.get(name);
            value.map_or_else(String::new, |value: &HeaderValue| {
                String::from_utf8_lossy(value.as_bytes()).into_owned()
            })
        };
        let content_type = text(response.headers(), CONTENT_TYPE);
        let encoding = text(response.headers(), CONTENT_ENCODING).to_ascii_lowercase();
        // The body of an error is only looked at to recognize who answers.
        let limit = if status == 200 {
            self.body_size
        } else {
            SNIFFED
        };
        buffer.clear();
        let mut body = response.into_body();
        // A length that is told in advance need not be awaited.
        if status == 200 && body.size_hint().lower() > limit {
            return Err(Error::BodyTooLarge { url, limit });
        }
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| failure::of_body(&url, &error))?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            if (buffer.len() + data.len()) as u64 > limit {
                if status == 200 {
                    return Err(Error::BodyTooLarge { url, limit });
                }
                break;
            }
            buffer.extend_from_slice(&data);
        }
        if status != 200 {
            if is_prometheus_api(&content_type, &buffer) {
                return Err(Error::PrometheusApi { url });
            }
            return Err(Error::Status { url, status });
        }
        Ok(Fetched {
            url,
            content_type,
            encoding,
            body: buffer,
        })
    }
}

/// How much of an error's body is read.
const SNIFFED: u64 = 64 << 10;

impl Fetched {
    /// How many bytes came.
    pub(crate) fn size(&self) -> usize {
        self.body.len()
    }

    /// Inflates the body and finds out its format.
    pub(crate) fn into_page(mut self, limit: u64, fallback: Option<Format>) -> Result<Page> {
        match self.encoding.as_str() {
            "" | "identity" => {}
            "gzip" | "x-gzip" => {
                let mut inflated =
                    Vec::with_capacity(self.body.len().saturating_mul(4).min(1 << 20));
                let decoder = MultiGzDecoder::new(&self.body[..]);
                let read = decoder
                    .take(limit.saturating_add(1))
                    .read_to_end(&mut inflated);
                if let Err(error) = read {
                    return Err(Error::Encoding {
                        url: self.url,
                        encoding: self.encoding,
                        reason: error.to_string(),
                    });
                }
                if inflated.len() as u64 > limit {
                    return Err(Error::BodyTooLarge {
                        url: self.url,
                        limit,
                    });
                }
                self.body = inflated;
            }
            _ => {
                return Err(Error::Encoding {
                    url: self.url,
                    encoding: self.encoding,
                    reason: "only gzip was asked for".to_owned(),
                });
            }
        }
        if is_web_page(&self.content_type, &self.body) {
            return Err(Error::WebPage {
                url: self.url,
                content_type: self.content_type,
            });
        }
        if is_prometheus_api(&self.content_type, &self.body) {
            return Err(Error::PrometheusApi { url: self.url });
        }
        match Format::from_content_type(&self.content_type, fallback) {
            Ok(format) => Ok(Page {
                url: self.url,
                content_type: self.content_type,
                format,
                body: self.body,
            }),
            Err(error) => Err(Error::Page {
                url: self.url,
                reason: format!(
                    "{error}; set fallbackScrapeProtocol if it is metrics nevertheless"
                ),
            }),
        }
    }
}

/// A page of metrics begins with no `<`, so a web page is known by its start too.
fn is_web_page(content_type: &str, body: &[u8]) -> bool {
    let start = body.trim_ascii_start();
    let tag = |name: &[u8]| {
        start
            .get(..name.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(name))
    };
    content_type.to_ascii_lowercase().contains("html") || tag(b"<!doctype") || tag(b"<html")
}

fn is_prometheus_api(content_type: &str, body: &[u8]) -> bool {
    let start = &body[..body.len().min(256)];
    let start: Vec<u8> = start
        .iter()
        .filter(|b| !b.is_ascii_whitespace())
        .copied()
        .collect();
    content_type.to_ascii_lowercase().contains("json")
        && (start.starts_with(b"{\"status\":\"success\"")
            || start.starts_with(b"{\"status\":\"error\""))
}

#[cfg(test)]
mod tests;
