use super::keys::wrong;
use super::{HostSettings, Keys, SettingsError};
use engine::Method;
use engine::remote::{
    AtBound, BasicAuth, Compression, Incremental, Proxy, RemoteSettings, ServerKind, TlsSettings,
};

/// Headers are looked for under `httpHeaderName1`, `2`, … until one is missing; a gap of deleted
/// ones is passed over.
const HEADER_GAP: u32 = 16;

/// Reads the remote engine's settings. The keys are documented at [`RemoteSettings`].
pub(super) fn parse(
    keys: &Keys<'_>,
    url: String,
    basic_auth_user: Option<String>,
    host: &HostSettings,
) -> Result<RemoteSettings, SettingsError> {
    let defaults = RemoteSettings::default();
    let size = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    Ok(RemoteSettings {
        proxy: proxy(&url, host),
        url,
        method: method(keys)?,
        query_timeout: keys.duration("queryTimeout")?,
        custom_query_parameters: keys
            .text("customQueryParameters")?
            .unwrap_or_default()
            .to_owned(),
        basic_auth: basic_auth_user.map(|user| BasicAuth {
            user,
            password: keys
                .secret("basicAuthPassword")
                .unwrap_or_else(|| series::Secret::new(String::new())),
        }),
        bearer: keys.secret("apiKey"),
        tls: tls(keys)?,
        headers: headers(keys)?,
        forward_oauth: keys.switch("oauthPassThru")?,
        keep_cookies: keys.texts("keepCookies")?,
        connect_timeout: keys
            .duration("connectTimeout")?
            .unwrap_or(defaults.connect_timeout),
        compression: compression(keys)?,
        max_concurrent_queries: keys
            .count("maxConcurrentQueries", 1)?
            .map_or(defaults.max_concurrent_queries, size),
        max_queued_queries: keys
            .count("maxQueuedQueries", 0)?
            .map_or(defaults.max_queued_queries, size),
        max_samples: keys.count("maxSamples", 1)?.unwrap_or(defaults.max_samples),
        max_series: keys.count("maxSeries", 1)?.unwrap_or(defaults.max_series),
        max_response_bytes: keys
            .count("maxResponseBytes", 1)?
            .unwrap_or(defaults.max_response_bytes),
        at_bound: at_bound(keys)?,
        incremental: incremental(keys)?,
        kind: kind(keys)?,
        version: keys
            .text("prometheusVersion")?
            .filter(|v| !v.is_empty())
            .map(str::to_owned),
        series_endpoint: keys.switch("seriesEndpoint")?,
        series_limit: keys
            .count("seriesLimit", 0)?
            .map_or(defaults.series_limit, size),
    })
}

fn method(keys: &Keys<'_>) -> Result<Method, SettingsError> {
    match keys.text("httpMethod")? {
        None | Some("") => Ok(Method::Post),
        Some(text) if text.eq_ignore_ascii_case("GET") => Ok(Method::Get),
        Some(text) if text.eq_ignore_ascii_case("POST") => Ok(Method::Post),
        Some(other) => Err(wrong("httpMethod", other, "GET or POST")),
    }
}

fn tls(keys: &Keys<'_>) -> Result<TlsSettings, SettingsError> {
    let has_client = keys.switch("tlsAuth")?;
    let has_ca = keys.switch("tlsAuthWithCACert")?;
    let secret_if = |wanted: bool, key| keys.secret(key).filter(|_| wanted);
    Ok(TlsSettings {
        ca: secret_if(has_ca, "tlsCACert"),
        client_cert: secret_if(has_client, "tlsClientCert"),
        client_key: secret_if(has_client, "tlsClientKey"),
        skip_verify: keys.switch("tlsSkipVerify")?,
        server_name: keys
            .text("serverName")?
            .filter(|name| !name.is_empty())
            .map(str::to_owned),
    })
}

fn headers(keys: &Keys<'_>) -> Result<Vec<(String, series::Secret)>, SettingsError> {
    let mut headers = Vec::new();
    let mut missing = 0;
    for number in 1.. {
        let key = format!("httpHeaderName{number}");
        let name = keys.text(&key)?.unwrap_or_default();
        if !name.is_empty() && http::HeaderName::from_bytes(name.as_bytes()).is_err() {
            return Err(wrong(&key, name, "the name of an HTTP header"));
        }
        if name.is_empty() {
            missing += 1;
            if missing > HEADER_GAP {
                break;
            }
        } else if let Some(value) = keys.secret(&format!("httpHeaderValue{number}")) {
            missing = 0;
            headers.push((name.to_owned(), value));
        }
    }
    Ok(headers)
}

fn compression(keys: &Keys<'_>) -> Result<Compression, SettingsError> {
    match keys.text("compression")? {
        None | Some("" | "auto") => Ok(Compression::Auto),
        Some("on") => Ok(Compression::On),
        Some("off") => Ok(Compression::Off),
        Some(other) => Err(wrong("compression", other, "auto, on or off")),
    }
}

fn at_bound(keys: &Keys<'_>) -> Result<AtBound, SettingsError> {
    match keys.text("atLimit")? {
        None | Some("" | "partial") => Ok(AtBound::Partial),
        Some("error") => Ok(AtBound::Error),
        Some(other) => Err(wrong("atLimit", other, "partial or error")),
    }
}

fn incremental(keys: &Keys<'_>) -> Result<Option<Incremental>, SettingsError> {
    // Wrong values are named even while the switch is off.
    let defaults = Incremental::default();
    let settings = Incremental {
        overlap: keys
            .duration("incrementalQueryOverlapWindow")?
            .unwrap_or(defaults.overlap),
        max_bytes: keys
            .count("cacheBytes", 0)?
            .map_or(defaults.max_bytes, |bytes| {
                usize::try_from(bytes).unwrap_or(usize::MAX)
            }),
    };
    Ok(keys.switch("incrementalQuerying")?.then_some(settings))
}

fn kind(keys: &Keys<'_>) -> Result<Option<ServerKind>, SettingsError> {
    const EXPECTED: &str = "Prometheus, Mimir, Thanos, Cortex or VictoriaMetrics";
    let Some(text) = keys.text("prometheusType")?.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    match text.to_ascii_lowercase().as_str() {
        "prometheus" => Ok(Some(ServerKind::Prometheus)),
        "mimir" => Ok(Some(ServerKind::Mimir)),
        "thanos" => Ok(Some(ServerKind::Thanos)),
        "cortex" => Ok(Some(ServerKind::Cortex)),
        "victoriametrics" => Ok(Some(ServerKind::VictoriaMetrics)),
        _ => Err(wrong("prometheusType", text, EXPECTED)),
    }
}

/// The proxy that the host's variables name for this URL's scheme.
fn proxy(url: &str, host: &HostSettings) -> Option<Proxy> {
    let is_https = url
        .get(..8)
        .is_some_and(|start| start.eq_ignore_ascii_case("https://"));
    let proxy = if is_https {
        &host.https_proxy
    } else {
        &host.http_proxy
    };
    let url = proxy.clone().filter(|url| !url.is_empty())?;
    Some(Proxy {
        url,
        except: host.no_proxy.clone(),
        auth: None,
    })
}
