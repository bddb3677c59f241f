use crate::Method;
use series::Secret;
use std::time::Duration;

/// How a server is reached and what may be asked of it.
///
/// Each field names the key under which Grafana's settings hold it. It has no `Debug`, for it
/// holds secrets. [`RemoteSettings::default`] is what a data source without any setting means,
/// except for `url`, which every data source needs.
///
/// `cacheLevel`, `disableRecordingRules` and `manageAlerts` of Grafana's Prometheus data source
/// are its frontend's: they may stand in the settings and mean nothing here.
#[derive(Clone)]
pub struct RemoteSettings {
    /// `url`: the server's base, such as `http://prometheus:9090` or
    /// `https://mimir/prometheus`. http or https; a user name and password inside are taken as
    /// basic authentication.
    pub url: String,
    /// `httpMethod`: how queries are sent; POST by default. A server that answers POST with 405
    /// is asked with GET from then on.
    pub method: Method,
    /// `queryTimeout`: the longest a query may take. It is sent to the server as `timeout`, and
    /// the request is given up a little later. `None` means 60 s without telling the server.
    pub query_timeout: Option<Duration>,
    /// `customQueryParameters`: `a=1&b=2`, put into the URL of every request, in this order. A
    /// name that a query itself sets is left to the query.
    pub custom_query_parameters: String,
    /// `basicAuth`, `basicAuthUser`, `basicAuthPassword`.
    pub basic_auth: Option<BasicAuth>,
    /// `apiKey`: sent as `Authorization: Bearer …`. Basic authentication comes before it, and a
    /// forwarded `Authorization` before both.
    pub bearer: Option<Secret>,
    /// Everything about https.
    pub tls: TlsSettings,
    /// `httpHeaderName1…`, `httpHeaderValue1…`: sent with every request. `Host` may be among
    /// them.
    pub headers: Vec<(String, Secret)>,
    /// `oauthPassThru`: whether the caller's `Authorization` and `X-Id-Token` go along.
    pub forward_oauth: bool,
    /// `keepCookies`: the caller's cookies that go along, by name.
    pub keep_cookies: Vec<String>,
    /// Through what requests go; none by default.
    pub proxy: Option<Proxy>,
    /// `connectTimeout`: how long a connection may take to come about; 10 s.
    pub connect_timeout: Duration,
    /// `compression`: whether the server may compress; [`Compression::Auto`].
    pub compression: Compression,
    /// `maxConcurrentQueries`: most requests in flight at once, at least 1; 10. Waiting requests
    /// are let in by turns: a dashboard's, an alert rule's.
    pub max_concurrent_queries: usize,
    /// `maxQueuedQueries`: most requests waiting for their turn; 1,000.
    pub max_queued_queries: usize,
    /// `maxSamples`: most samples of one answer; 50 million, as Prometheus's own default.
    pub max_samples: u64,
    /// `maxSeries`: most series of one answer; 100,000.
    pub max_series: u64,
    /// `maxResponseBytes`: most bytes of one answer, decompressed; 2 GiB.
    pub max_response_bytes: u64,
    /// `atLimit`: what happens at one of these three bounds.
    pub at_bound: AtBound,
    /// `incrementalQuerying`, `incrementalQueryOverlapWindow`, `cacheBytes`: whether a moving
    /// time range is answered from memory plus its new tail. Off by default, as in Grafana's
    /// Prometheus data source: samples that come later than the overlap would be missed.
    pub incremental: Option<Incremental>,
    /// `prometheusType`: what the server is, where the settings say so.
    pub kind: Option<ServerKind>,
    /// `prometheusVersion`: the server's version, where the settings say so.
    pub version: Option<String>,
    /// `seriesEndpoint`: look names up among series even where the labels endpoint would do.
    pub series_endpoint: bool,
    /// `seriesLimit`: most entries asked of the server in look-ups; 40,000, and 0 for no limit. A
    /// list that was cut says so, in its `warnings` or in the header `X-Headwater-Truncated`. The
    /// search of metric names has a limit of its own, a million.
    pub series_limit: usize,
}

impl Default for RemoteSettings {
    fn default() -> Self {
        Self {
            url: String::new(),
            method: Method::Post,
            query_timeout: None,
            custom_query_parameters: String::new(),
            basic_auth: None,
            bearer: None,
            tls: TlsSettings::default(),
            headers: Vec::new(),
            forward_oauth: false,
            keep_cookies: Vec::new(),
            proxy: None,
            connect_timeout: Duration::from_secs(10),
            compression: Compression::Auto,
            max_concurrent_queries: 10,
            max_queued_queries: 1_000,
            max_samples: 50_000_000,
            max_series: 100_000,
            max_response_bytes: 2 << 30,
            at_bound: AtBound::Partial,
            incremental: None,
            kind: None,
            version: None,
            series_endpoint: false,
            series_limit: 40_000,
        }
    }
}

/// A name and a password.
#[derive(Clone)]
pub struct BasicAuth {
    /// `basicAuthUser`; it may not hold a colon.
    pub user: String,
    /// `basicAuthPassword`; may be empty.
    pub password: Secret,
}

/// Everything about https.
#[derive(Clone, Default)]
pub struct TlsSettings {
    /// `tlsCACert` with `tlsAuthWithCACert`: PEM of the authorities that are trusted instead of
    /// the system's.
    pub ca: Option<Secret>,
    /// `tlsClientCert` with `tlsAuth`: PEM of our certificate and its chain.
    pub client_cert: Option<Secret>,
    /// `tlsClientKey` with `tlsAuth`: PEM of its key (PKCS#8, PKCS#1 or SEC1).
    pub client_key: Option<Secret>,
    /// `tlsSkipVerify`: take any certificate. The connection is then open to anyone in between.
    pub skip_verify: bool,
    /// `serverName`: the name that is asked for and that the certificate must bear, where it is
    /// not the URL's host.
    pub server_name: Option<String>,
}

/// Through what requests go.
#[derive(Clone)]
pub struct Proxy {
    /// `http://`, `https://`, `socks5://` (names resolved here) or `socks5h://` (names resolved
    /// by the proxy), with host and port.
    pub url: String,
    /// Hosts that are reached directly: names, `.suffix`, addresses, networks, comma-separated,
    /// as in `NO_PROXY`.
    pub except: String,
    /// Who we are to the proxy.
    pub auth: Option<BasicAuth>,
}

/// Whether the server may compress its answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// Not on loopback, in private networks and for hosts without a dot in their name: there
    /// inflating costs more time than it saves (three quarters of a query's CPU, see remote.md).
    #[default]
    Auto,
    /// Always ask for gzip, zstd or brotli.
    On,
    /// Never.
    Off,
}

/// What happens when an answer reaches a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AtBound {
    /// The answer carries the samples that arrived, with a warning that says so; of the last
    /// series some may be missing.
    #[default]
    Partial,
    /// The query fails. Alert rules always get this, for a rule must not judge by half the data.
    Error,
}

/// Bounds of the memory of earlier answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Incremental {
    /// `incrementalQueryOverlapWindow`: how much of the known end is asked for again, for late
    /// samples; 10 min.
    pub overlap: Duration,
    /// `cacheBytes`: most memory for earlier answers of this data source; 64 MiB, and 0 to
    /// remember nothing.
    pub max_bytes: usize,
}

impl Default for Incremental {
    fn default() -> Self {
        Self {
            overlap: Duration::from_secs(600),
            max_bytes: 64 << 20,
        }
    }
}

/// The dialects of Prometheus's API that are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ServerKind {
    /// Prometheus itself.
    Prometheus,
    /// Grafana Mimir.
    Mimir,
    /// Thanos.
    Thanos,
    /// VictoriaMetrics.
    VictoriaMetrics,
    /// Cortex.
    Cortex,
    /// Headwater's own server.
    Headwater,
}
