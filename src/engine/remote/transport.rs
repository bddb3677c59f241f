//! Sends requests and receives answers: URLs, credentials, redirects, methods.

use super::failure;
use super::gate::{Gate, Permit};
use super::settings::{BasicAuth, Compression, RemoteSettings};
use super::tls;
use crate::{Context, Error, ForwardedHeader, Method, Priority, Result};
use bytes::Bytes;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, LOCATION,
};
use reqwest::{StatusCode, Url};
use series::Secret;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// Most redirects that are followed for one request.
const MAX_REDIRECTS: usize = 10;

/// Idle connections that are kept.
const MAX_IDLE_CONNECTIONS: usize = 10;

const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");

/// A server and how it is spoken to.
pub(super) struct Transport {
    http: reqwest::Client,
    /// For a server that redirects from http to https.
    secure: OnceLock<reqwest::Client>,
    make: Make,
    /// Without credentials, query and fragment; its host is the name that TLS asks for.
    base: Url,
    /// The base as a person wrote it, without credentials.
    shown: String,
    /// What stands behind the question mark of every request, decoded.
    custom: Vec<(String, String)>,
    headers: HeaderMap,
    forward_oauth: bool,
    keep_cookies: Vec<String>,
    method: Method,
    /// Set when the server answered POST with 405.
    get_only: AtomicBool,
    gate: Arc<Gate>,
}

/// A request below the server's base.
#[derive(Clone)]
pub(super) struct Request {
    /// `api/v1/query`; nothing for the data source's URL itself.
    pub(super) path: String,
    /// Encoded as a form.
    pub(super) parameters: String,
    /// How, where it must not be the data source's own method.
    pub(super) method: Option<Method>,
    /// Beside those of the settings.
    pub(super) headers: Vec<(String, String)>,
    /// The caller's, already chosen by [`Transport::forwarded`].
    pub(super) forwarded: Vec<ForwardedHeader>,
    pub(super) priority: Priority,
}

/// An answer whose body is still to come. The place inside the gate is kept until it is dropped.
pub(super) struct Received {
    response: reqwest::Response,
    /// What was asked, without credentials and query.
    pub(super) url: String,
    _permit: Permit,
}

/// What a client is made of.
struct Make {
    settings: RemoteSettings,
    compressed: bool,
    alias: Option<(String, String)>,
}

impl Make {
    fn client(&self, https: bool) -> Result<reqwest::Client> {
        let mut builder = reqwest::Client::builder()
            .user_agent("Headwater")
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .connect_timeout(self.settings.connect_timeout)
            .pool_max_idle_per_host(MAX_IDLE_CONNECTIONS)
            .gzip(self.compressed)
            .brotli(self.compressed)
            .zstd(self.compressed)
            .dns_resolver(SystemResolver {
                alias: self.alias.clone(),
            })
            .no_proxy();
        // Reading the system's authorities takes milliseconds, which http need not wait for.
        let tls = if https {
            tls::configuration(&self.settings.tls)?
        } else {
            tls::trusting_nobody()?
        };
        builder = builder.tls_backend_preconfigured(tls);
        if let Some(proxy) = &self.settings.proxy {
            builder = builder.proxy(read_proxy(proxy)?);
        }
        builder
            .build()
            .map_err(|error| Error::Internal(format!("HTTP client: {error}")))
    }
}

impl Transport {
    pub(super) fn new(settings: &RemoteSettings) -> Result<Self> {
        let (mut base, user) = read_url(&settings.url)?;
        let shown = failure::without_secrets(&base);
        let shown = shown.trim_end_matches('/').to_owned();
        let mut custom: Vec<(String, String)> = base.query_pairs().into_owned().collect();
        custom.extend(
            form_urlencoded::parse(settings.custom_query_parameters.as_bytes()).into_owned(),
        );
        base.set_query(None);
        base.set_fragment(None);

        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(basic) = settings.basic_auth.as_ref().or(user.as_ref()) {
            headers.insert(AUTHORIZATION, basic_header(basic)?);
        } else if let Some(token) = settings.bearer.as_ref().filter(|token| !token.is_empty()) {
            let value = secret_value(&format!("Bearer {}", token.reveal()));
            let value = value.ok_or_else(|| wrong("apiKey", "holds a line break"))?;
            headers.insert(AUTHORIZATION, value);
        }
        for (name, value) in &settings.headers {
            let parsed = HeaderName::from_bytes(name.trim().as_bytes())
                .map_err(|_| wrong("httpHeaderName", format!("{name:?} is no header name")))?;
            let value = secret_value(value.reveal()).ok_or_else(|| {
                wrong(
                    "httpHeaderValue",
                    format!("the value of {name} holds a line break"),
                )
            })?;
            headers.insert(parsed, value);
        }

        let compressed = match settings.compression {
            Compression::On => true,
            Compression::Off => false,
            Compression::Auto => !is_near(&base),
        };
        let mut alias = None;
        if let Some(name) = settings
            .tls
            .server_name
            .as_deref()
            .filter(|n| !n.is_empty())
            && base.scheme() == "https"
        {
            alias = Some(rename_host(&mut base, name, &mut headers, settings)?);
        }
        let make = Make {
            settings: settings.clone(),
            compressed,
            alias,
        };
        let http = make.client(base.scheme() == "https")?;
        Ok(Self {
            http,
            secure: OnceLock::new(),
            make,
            base,
            shown,
            custom,
            headers,
            forward_oauth: settings.forward_oauth,
            keep_cookies: settings.keep_cookies.clone(),
            method: settings.method,
            get_only: AtomicBool::new(false),
            gate: Gate::new(settings.max_concurrent_queries, settings.max_queued_queries),
        })
    }

    /// The server's base as a person wrote it, without credentials.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    /// The caller's headers that the settings let through.
    pub(super) fn forwarded(&self, context: &Context) -> Vec<ForwardedHeader> {
        let mut chosen = Vec::new();
        for header in &context.forwarded {
            let name = header.name.to_ascii_lowercase();
            let value = match name.as_str() {
                "authorization" | "x-id-token" if !self.forward_oauth => continue,
                "cookie" => match kept_cookies(header.value.reveal(), &self.keep_cookies) {
                    Some(cookies) => cookies,
                    None => continue,
                },
                _ => header.value.clone(),
            };
            chosen.push(ForwardedHeader { name, value });
        }
        chosen
    }

    /// Waits for a place, sends, and follows what may be followed.
    pub(super) async fn send(&self, request: &Request) -> Result<Received> {
        let permit = self.gate.enter(request.priority).await?;
        let configured = match request.method.unwrap_or(self.method) {
            Method::Post if !self.get_only.load(Ordering::Relaxed) => Method::Post,
            _ => Method::Get,
        };
        let received = self.follow(request, configured).await?;
        if received.status() == StatusCode::METHOD_NOT_ALLOWED && configured == Method::Post {
            self.get_only.store(true, Ordering::Relaxed);
            drop(received);
            let response = self.follow(request, Method::Get).await?;
            return Ok(self.received(response, request, permit));
        }
        Ok(self.received(received, request, permit))
    }

    fn received(&self, response: reqwest::Response, request: &Request, permit: Permit) -> Received {
        Received {
            response,
            url: below(&self.shown, &request.path),
            _permit: permit,
        }
    }

    async fn follow(&self, request: &Request, method: Method) -> Result<reqwest::Response> {
        let mut url = self.url(request, method);
        let headers = self.request_headers(request)?;
        let mut method = method;
        for _ in 0..=MAX_REDIRECTS {
            let http = self.client_for(&url)?;
            let mut sent = match method {
                Method::Get => http.get(url.clone()),
                Method::Post => http
                    .post(url.clone())
                    .header(CONTENT_TYPE, FORM)
                    .body(request.parameters.clone()),
            };
            sent = sent.headers(headers.clone());
            let response = sent
                .send()
                .await
                .map_err(|error| failure::of_transport(&self.shown, &error))?;
            let status = response.status();
            let target = match status.as_u16() {
                301 | 302 | 303 | 307 | 308 => response.headers().get(LOCATION),
                _ => None,
            };
            let Some(target) = target.and_then(|target| target.to_str().ok()) else {
                return Ok(response);
            };
            let refused = |to: &Url, reason| Error::Redirect {
                from: failure::without_secrets(&url),
                to: failure::without_secrets(to),
                reason,
            };
            let Ok(mut next) = url.join(target) else {
                return Ok(response);
            };
            if !may_follow(&url, &next) {
                return Err(refused(
                    &next,
                    "it leads to another host, which would get this data source's credentials \
                     and queries; enter that URL if it is the right one",
                ));
            }
            if status == StatusCode::SEE_OTHER && method == Method::Post {
                method = Method::Get;
                append_form(&mut next, &request.parameters);
            }
            url = next;
        }
        Err(Error::Redirect {
            from: self.shown.clone(),
            to: failure::without_secrets(&url),
            reason: "more than 10 redirects followed each other",
        })
    }

    fn client_for(&self, url: &Url) -> Result<&reqwest::Client> {
        if url.scheme() == self.base.scheme() {
            return Ok(&self.http);
        }
        match self.secure.get() {
            Some(client) => Ok(client),
            None => {
                let client = self.make.client(true)?;
                Ok(self.secure.get_or_init(|| client))
            }
        }
    }

    fn url(&self, request: &Request, method: Method) -> Url {
        let mut url = self.base.clone();
        url.set_path(&below(
            self.base.path().trim_end_matches('/'),
            &request.path,
        ));
        let own: Vec<_> = form_urlencoded::parse(request.parameters.as_bytes())
            .map(|(name, _)| name)
            .collect();
        let custom = self
            .custom
            .iter()
            .filter(|(name, _)| !own.iter().any(|own| own == name));
        for (name, value) in custom {
            url.query_pairs_mut().append_pair(name, value);
        }
        if method == Method::Get {
            append_form(&mut url, &request.parameters);
        }
        url
    }

    fn request_headers(&self, request: &Request) -> Result<HeaderMap> {
        let mut headers = self.headers.clone();
        let forwarded = request
            .forwarded
            .iter()
            .map(|header| (header.name.as_str(), header.value.reveal()));
        let own = request
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in own.chain(forwarded) {
            let parsed = HeaderName::from_bytes(name.as_bytes()).ok();
            match parsed.zip(secret_value(value)) {
                // Those of the connection are not a caller's to set.
                Some((name, _)) if is_of_connection(&name) => {}
                Some((name, value)) => {
                    headers.insert(name, value);
                }
                None => {
                    return Err(Error::Internal(format!("header {name:?} cannot be sent")));
                }
            }
        }
        Ok(headers)
    }
}

impl Received {
    pub(super) fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    pub(super) fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// The next piece of the body, decompressed.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>> {
        let chunk = self.response.chunk().await;
        chunk.map_err(|error| failure::of_transport(&self.url, &error))
    }

    /// All of a body that is known to be short.
    pub(super) async fn short_body(&mut self, max_bytes: usize) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            if body.len() + chunk.len() > max_bytes {
                return Err(Error::Limit {
                    what: "the answer is too long",
                    bound: "maxLookupBytes",
                    limit: max_bytes as u64,
                });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

/// A path below a base without a slash at its end; the base itself where there is no path.
fn below(base: &str, path: &str) -> String {
    match path {
        "" => base.to_owned(),
        path => format!("{base}/{path}"),
    }
}

fn wrong(key: &'static str, reason: impl Into<String>) -> Error {
    Error::Setting {
        key,
        reason: reason.into(),
    }
}

fn read_url(text: &str) -> Result<(Url, Option<BasicAuth>)> {
    let text = text.trim();
    if text.is_empty() {
        return Err(wrong(
            "url",
            "missing; enter the server's URL, such as http://prometheus:9090",
        ));
    }
    // Parsing names a part at fault and not the text, which may hold a password.
    let mut url = Url::parse(text).map_err(|error| {
        wrong(
            "url",
            format!("not a URL ({error}); write it as http://host:port"),
        )
    })?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(wrong(
            "url",
            format!(
                "starts with {}:, but must start with http:// or https://",
                url.scheme()
            ),
        ));
    }
    let decoded = |part: &str| {
        let pair = format!("{part}=").replace('+', "%2B");
        let name = form_urlencoded::parse(pair.as_bytes()).next();
        name.map(|(name, _)| name.into_owned()).unwrap_or_default()
    };
    let user = (!url.username().is_empty()).then(|| BasicAuth {
        user: decoded(url.username()),
        password: Secret::new(decoded(url.password().unwrap_or_default())),
    });
    // Neither can fail on a URL with a host.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    Ok((url, user))
}

fn basic_header(basic: &BasicAuth) -> Result<HeaderValue> {
    if basic.user.contains(':') {
        return Err(wrong("basicAuthUser", "a user name cannot hold a colon"));
    }
    let pair = format!("{}:{}", basic.user, basic.password.reveal());
    secret_value(&format!("Basic {}", base64(pair.as_bytes())))
        .ok_or_else(|| Error::Internal("base64 gave no header".to_owned()))
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let at = |i: usize| u32::from(group.get(i).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for place in 0..4 {
            if place > group.len() {
                out.push('=');
            } else {
                out.push(char::from(
                    LETTERS[(bits >> (18 - 6 * place) & 63) as usize],
                ));
            }
        }
    }
    out
}

fn secret_value(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text.trim()).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn is_of_connection(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection"
            | "content-length"
            | "content-encoding"
            | "accept-encoding"
            | "host"
            | "keep-alive"
            | "proxy-authorization"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// Only the named cookies; `None` where none of them is there.
fn kept_cookies(header: &str, keep: &[String]) -> Option<Secret> {
    let kept: Vec<&str> = header
        .split(';')
        .map(str::trim)
        .filter(|cookie| {
            let name = cookie.split('=').next().unwrap_or_default();
            keep.iter().any(|keep| keep == name)
        })
        .collect();
    (!kept.is_empty()).then(|| Secret::new(kept.join("; ")))
}

/// The same host and port, or the same host's https.
fn may_follow(from: &Url, to: &Url) -> bool {
    let same_host = from.host_str() == to.host_str();
    let upgrade = from.scheme() == "http" && to.scheme() == "https";
    let same_door =
        from.scheme() == to.scheme() && from.port_or_known_default() == to.port_or_known_default();
    same_host && (same_door || upgrade)
}

fn append_form(url: &mut Url, parameters: &str) {
    if parameters.is_empty() {
        return;
    }
    let query = match url.query().filter(|query| !query.is_empty()) {
        Some(query) => format!("{query}&{parameters}"),
        None => parameters.to_owned(),
    };
    url.set_query(Some(&query));
}

/// On this machine or in a private network, as far as the URL tells.
fn is_near(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    match literal.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        Ok(IpAddr::V6(ip)) => {
            ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local()
        }
        Err(_) => {
            !host.contains('.')
                || [".local", ".localhost", ".internal", ".svc"]
                    .iter()
                    .any(|suffix| host.ends_with(suffix))
        }
    }
}

/// Puts the name that TLS asks for into the URL; the resolver then finds the real host's
/// addresses for it, and `Host` keeps the real host.
fn rename_host(
    base: &mut Url,
    name: &str,
    headers: &mut HeaderMap,
    settings: &RemoteSettings,
) -> Result<(String, String)> {
    if settings.proxy.is_some() {
        return Err(wrong("serverName", "cannot be combined with a proxy"));
    }
    if name.parse::<IpAddr>().is_ok() {
        return Err(wrong("serverName", "must be a name and not an address"));
    }
    let real = base.host_str().unwrap_or_default().to_owned();
    let authority = match base.port() {
        Some(port) => format!("{real}:{port}"),
        None => real.clone(),
    };
    base.set_host(Some(name))
        .map_err(|_| wrong("serverName", "not the name of a host"))?;
    if !headers.contains_key(HOST)
        && let Ok(value) = HeaderValue::from_str(&authority)
    {
        headers.insert(HOST, value);
    }
    let real = real
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned();
    Ok((base.host_str().unwrap_or_default().to_owned(), real))
}

fn read_proxy(proxy: &super::settings::Proxy) -> Result<reqwest::Proxy> {
    let mut made = reqwest::Proxy::all(proxy.url.trim()).map_err(|_| {
        wrong(
            "proxy",
            "not a proxy's URL; write http://host:port or socks5://host:port",
        )
    })?;
    if let Some(auth) = &proxy.auth {
        made = made.basic_auth(&auth.user, auth.password.reveal());
    }
    Ok(made.no_proxy(reqwest::NoProxy::from_string(&proxy.except)))
}

/// Asks the system, and marks what fails so that it can be told from other failures.
struct SystemResolver {
    /// A name, and the host whose addresses it gets.
    alias: Option<(String, String)>,
}

/// The system knows no address of a name.
#[derive(Debug, thiserror::Error)]
#[error("the name {name} cannot be resolved: {reason}")]
pub(super) struct DnsFailure {
    name: String,
    reason: String,
}

impl Resolve for SystemResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let asked = match &self.alias {
            Some((alias, real)) if alias == name.as_str() => real.clone(),
            _ => name.as_str().to_owned(),
        };
        Box::pin(async move {
            let failed = |reason: String| DnsFailure {
                name: asked.clone(),
                reason,
            };
            // Port 0 is replaced by the URL's.
            let found = tokio::net::lookup_host((asked.as_str(), 0)).await;
            let found = found.map_err(|error| failed(error.to_string()))?;
            let addresses: Addrs = Box::new(found.collect::<Vec<_>>().into_iter());
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_rfc_4648s() {
        for (text, encoded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
            ("user:p\u{e4}ss", "dXNlcjpww6Rzcw=="),
        ] {
            assert_eq!(base64(text.as_bytes()), encoded);
        }
    }

    #[test]
    fn redirects_are_followed_to_the_same_door_only() {
        for (from, to, follow) in [
            ("http://a/x", "http://a/y", true),
            ("http://a/x", "https://a/x", true),
            ("http://a:80/x", "http://a/x", true),
            ("https://a/x", "http://a/x", false),
            ("http://a/x", "http://b/x", false),
            ("http://a/x", "http://a:81/x", false),
            ("http://a/x", "http://a.b/x", false),
        ] {
            let url = |text| Url::parse(text).unwrap();
            assert_eq!(may_follow(&url(from), &url(to)), follow, "{from} {to}");
        }
    }

    #[test]
    fn nearness_is_read_from_the_host() {
        for (url, near) in [
            ("http://localhost:9090", true),
            ("http://prometheus:9090", true),
            ("http://10.1.2.3", true),
            ("http://[::1]:9090", true),
            ("http://[fd00::1]", true),
            ("http://prometheus.monitoring.svc", true),
            ("http://8.8.8.8", false),
            ("https://prometheus.example.com", false),
            ("http://[2001:db8::1]", false),
        ] {
            assert_eq!(is_near(&Url::parse(url).unwrap()), near, "{url}");
        }
    }

    #[test]
    fn a_url_gives_its_credentials_up() {
        let (url, user) = read_url(" http://me:p%40s+s@host:9090/prom/ ").unwrap();
        assert_eq!(url.as_str(), "http://host:9090/prom/");
        let user = user.unwrap();
        assert_eq!(
            (user.user.as_str(), user.password.reveal()),
            ("me", "p@s+s")
        );
        for text in ["", "prometheus:9090", "ftp://host", "http://", "not a url"] {
            let Err(error) = read_url(text) else {
                panic!("{text}");
            };
            assert!(matches!(error, Error::Setting { key: "url", .. }), "{text}");
        }
    }

    #[test]
    fn only_named_cookies_are_kept() {
        let keep = ["a".to_owned(), "c".to_owned()];
        let kept = kept_cookies("a=1; b=2;c=3=4; aa=5", &keep);
        assert_eq!(kept.unwrap().reveal(), "a=1; c=3=4");
        assert!(kept_cookies("b=2", &keep).is_none());
        assert!(kept_cookies("a=1", &[]).is_none());
    }
}
