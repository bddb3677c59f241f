//! Remote-write receive: `POST /api/v1/write`
//! (Prometheus Remote-Write specifications 1.0 and 2.0).

mod histogram;
mod known_labels;
mod message;
mod protobuf;
mod refusals;

use self::known_labels::KnownLabels;
use crate::parts::{ServerParts, WriteLimits};
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Extension, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use series::Appender;
use std::sync::Arc;
use tokio::sync::Semaphore;

const SAMPLES_WRITTEN: HeaderName =
    HeaderName::from_static("x-prometheus-remote-write-samples-written");
const HISTOGRAMS_WRITTEN: HeaderName =
    HeaderName::from_static("x-prometheus-remote-write-histograms-written");
const EXEMPLARS_WRITTEN: HeaderName =
    HeaderName::from_static("x-prometheus-remote-write-exemplars-written");

/// What a sender says is in its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    /// `prometheus.WriteRequest`
    V1,
    /// `io.prometheus.write.v2.Request`
    V2,
}

/// Why a request is refused as a whole; nothing of it was written.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error(
        "Content-Type is {0:?}: application/x-protobuf is understood, with \
         proto=prometheus.WriteRequest or proto=io.prometheus.write.v2.Request"
    )]
    ContentType(String),
    #[error("Content-Encoding is {0:?}: only snappy (its block format) is understood")]
    Encoding(String),
    #[error("the body is longer than write_max_compressed_bytes = {0}")]
    Compressed(usize),
    #[error("the body inflates to {size} bytes, more than write_max_bytes = {limit}")]
    Inflated { size: usize, limit: usize },
    #[error("the body is no snappy block: {0}")]
    Snappy(snap::Error),
    #[error("the body is no {0:?} message: {1}")]
    Protobuf(Version, protobuf::Malformed),
    #[error("{0}")]
    Store(series::Error),
    #[error("writing failed")]
    Internal,
}

impl Refused {
    /// 5xx and 429 tell a sender to try again, other statuses not to.
    fn status(&self) -> StatusCode {
        match self {
            Self::ContentType(_) | Self::Encoding(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Compressed(_) | Self::Inflated { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Snappy(_) | Self::Protobuf(..) => StatusCode::BAD_REQUEST,
            // Series expire, and then there is room again.
            Self::Store(series::Error::Limit { .. }) => StatusCode::TOO_MANY_REQUESTS,
            Self::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// What became of a request.
#[derive(Debug, Default)]
struct Written {
    samples: u64,
    histograms: u64,
    exemplars: u64,
    /// What was not written, in words for the sender.
    refused: Option<String>,
}

/// What requests share.
#[derive(Clone)]
pub(crate) struct Intake {
    /// Places for those that are taken in at a time.
    places: Arc<Semaphore>,
    known: Arc<KnownLabels>,
}

impl Intake {
    pub(crate) fn new(limits: WriteLimits) -> Self {
        Self {
            places: Arc::new(Semaphore::new(limits.at_once.max(1))),
            known: Arc::default(),
        }
    }
}

/// `POST /api/v1/write`.
pub(crate) async fn receive(
    Extension(parts): Extension<Arc<ServerParts>>,
    Extension(intake): Extension<Intake>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    match take(&parts, intake, &head.headers, body).await {
        Ok(written) => answer(&written),
        Err(refused) => {
            tracing::warn!("remote write refused: {refused}");
            let mut response = (refused.status(), format!("{refused}\n")).into_response();
            add_counts(&mut response, &Written::default());
            response
        }
    }
}

async fn take(
    parts: &Arc<ServerParts>,
    intake: Intake,
    headers: &HeaderMap,
    body: Body,
) -> Result<Written, Refused> {
    let version = version(headers)?;
    check_encoding(headers)?;
    let limits = parts.write_limits;
    let body = to_bytes(body, limits.compressed_bytes)
        .await
        .map_err(|_| Refused::Compressed(limits.compressed_bytes))?;
    // Only now, or senders that are slow would keep others out.
    let place = intake
        .places
        .acquire_owned()
        .await
        .map_err(|_| Refused::Internal)?;
    let appender = Arc::clone(&parts.appender);
    // Reading takes a while, and writing waits for the disk.
    let work = move || {
        // Held until the work is done, also when the sender has gone.
        let _place = place;
        store(version, &body, limits, &intake.known, appender.as_ref())
    };
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| Refused::Internal)?
}

fn store(
    version: Version,
    body: &Bytes,
    limits: WriteLimits,
    known: &KnownLabels,
    appender: &dyn Appender,
) -> Result<Written, Refused> {
    let message = inflate(body, limits.bytes)?;
    let read = match version {
        Version::V1 => message::read_v1(&message, &limits, known),
        Version::V2 => message::read_v2(&message, &limits),
    };
    let mut request = read.map_err(|error| Refused::Protobuf(version, error))?;
    drop(message);
    let appended = if request.series.is_empty() {
        series::Appended::default()
    } else {
        appender.write(&request.series).map_err(Refused::Store)?
    };
    request.refusals.stored(&appended);
    let refused = request.refusals.message();
    if let Some(refused) = &refused {
        tracing::warn!("remote write: {refused}");
    }
    Ok(Written {
        // What was there already is there, which is what the sender wants to know.
        samples: appended.stored + appended.duplicate + request.refusals.repeated
            - appended.histograms,
        histograms: appended.histograms,
        exemplars: appended.exemplars,
        refused,
    })
}

/// A sender without Content-Type is one of the first version, as in Prometheus.
fn version(headers: &HeaderMap) -> Result<Version, Refused> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return Ok(Version::V1);
    };
    let text = String::from_utf8_lossy(value.as_bytes());
    let unknown = || Refused::ContentType(text.chars().take(128).collect());
    let mut parts = text.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or_default();
    if !media_type.eq_ignore_ascii_case("application/x-protobuf") {
        return Err(unknown());
    }
    for parameter in parts {
        let Some((name, value)) = parameter.split_once('=') else {
            continue;
        };
        if name.trim().eq_ignore_ascii_case("proto") {
            return match value.trim().trim_matches('"') {
                "prometheus.WriteRequest" => Ok(Version::V1),
                "io.prometheus.write.v2.Request" => Ok(Version::V2),
                _ => Err(unknown()),
            };
        }
    }
    Ok(Version::V1)
}

/// A sender that names no encoding compresses all the same, as the specification demands.
fn check_encoding(headers: &HeaderMap) -> Result<(), Refused> {
    match headers.get(header::CONTENT_ENCODING) {
        None => Ok(()),
        Some(value) if value.as_bytes().eq_ignore_ascii_case(b"snappy") => Ok(()),
        Some(value) => {
            let text = String::from_utf8_lossy(value.as_bytes());
            Err(Refused::Encoding(text.chars().take(64).collect()))
        }
    }
}

/// The size stands at the head of a block and is looked at before memory is taken.
fn inflate(body: &[u8], limit: usize) -> Result<Vec<u8>, Refused> {
    let size = snap::raw::decompress_len(body).map_err(Refused::Snappy)?;
    if size > limit {
        return Err(Refused::Inflated { size, limit });
    }
    // No block says more than 64 bytes in three: a larger size is a lie that would cost memory.
    if size / 64 > body.len() {
        return Err(Refused::Snappy(snap::Error::HeaderMismatch {
            expected_len: size as u64,
            got_len: body.len() as u64,
        }));
    }
    snap::raw::Decoder::new()
        .decompress_vec(body)
        .map_err(Refused::Snappy)
}

/// Reads remote writes' bodies without storing anything: for the fuzz target, which has no other
/// way to these bytes than over HTTP. As a server does, it knows series from one to the next.
#[derive(Default)]
pub struct Reader(KnownLabels);

impl Reader {
    /// Reads a body of the second version or the first.
    ///
    /// # Errors
    /// What would be answered where the whole body is refused.
    pub fn read(&self, second: bool, body: &[u8]) -> Result<Vec<series::WriteSeries>, String> {
        let limits = WriteLimits::default();
        let message = inflate(body, limits.bytes).map_err(|refused| refused.to_string())?;
        let read = if second {
            message::read_v2(&message, &limits)
        } else {
            message::read_v1(&message, &limits, &self.0)
        };
        let request = read.map_err(|error| error.to_string())?;
        let _ = request.refusals.message();
        Ok(request.series)
    }
}

fn answer(written: &Written) -> Response {
    let mut response = match &written.refused {
        None => StatusCode::NO_CONTENT.into_response(),
        Some(refused) => (StatusCode::BAD_REQUEST, refused.clone()).into_response(),
    };
    add_counts(&mut response, written);
    response
}

/// The headers of 2.0, which senders of 1.0 leave unread.
fn add_counts(response: &mut Response, written: &Written) {
    let headers = response.headers_mut();
    headers.insert(SAMPLES_WRITTEN, HeaderValue::from(written.samples));
    headers.insert(HISTOGRAMS_WRITTEN, HeaderValue::from(written.histograms));
    headers.insert(EXEMPLARS_WRITTEN, HeaderValue::from(written.exemplars));
}

#[cfg(test)]
mod tests;
