use std::time::Duration;

/// What a caller can do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The question is wrong: ask another.
    Invalid,
    /// A bound was reached: ask for less, or raise it.
    Limit,
    /// The source cannot be reached or cannot answer now.
    Unavailable,
    /// The answer took too long, or nobody waits for it any more.
    Timeout,
    /// What came back does not say what it should.
    Corrupt,
    /// A mistake of ours.
    Internal,
}

/// Why there is no answer.
///
/// The text of an error is for a person: what happened, where, and what to do.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The question cannot be asked.
    #[error(transparent)]
    Question(#[from] query::Error),
    /// A source of samples failed.
    #[error(transparent)]
    Source(#[from] series::Error),
    /// The query cannot be evaluated.
    #[error(transparent)]
    Query(#[from] promql::Error),
    /// A setting that cannot be used; `key` is its name as the settings spell it.
    #[error("setting {key}: {reason}")]
    Setting {
        /// The setting's name.
        key: &'static str,
        /// What is wrong with its value; never the value of a secret.
        reason: String,
    },
    /// A path that resources may not reach.
    #[error("{path:?} is not part of the Prometheus API that this data source passes on")]
    Forbidden {
        /// The path asked for.
        path: String,
    },
    /// Nobody waits for the answer any more.
    #[error("the query was cancelled")]
    Cancelled,
    /// The answer did not arrive in time.
    #[error(
        "no answer from {url} within {after:.1?} (setting queryTimeout, or the caller's deadline)"
    )]
    TimedOut {
        /// The server's base URL, without credentials.
        url: String,
        /// How long was waited.
        after: Duration,
    },
    /// The evaluation did not end in time.
    #[error(
        "no result within {} s: ask for a shorter range, a wider step or fewer series",
        .after.as_secs_f64()
    )]
    OutOfTime {
        /// How long was waited.
        after: Duration,
    },
    /// A bound was reached; `bound` is its name as settings spell it.
    #[error("{what}: the limit {bound} = {limit} was reached; ask for less, or raise the limit")]
    Limit {
        /// What there was too much of, in words.
        what: &'static str,
        /// The setting's name.
        bound: &'static str,
        /// The bound's value.
        limit: u64,
    },
    /// The server cannot be reached, or the connection broke.
    #[error("Cannot reach {url}: {reason}")]
    Transport {
        /// The server's base URL, without credentials.
        url: String,
        /// What kind of failure it was.
        failure: TransportFailure,
        /// What the network said, in words.
        reason: String,
    },
    /// A redirect that would have carried credentials to another host, or one too many.
    #[error("{from} redirects to {to}, which was not followed: {reason}")]
    Redirect {
        /// Where the answer came from, without credentials.
        from: String,
        /// Where it pointed, without credentials.
        to: String,
        /// Why it was not followed.
        reason: &'static str,
    },
    /// The server answered in Prometheus's form that it has no answer.
    #[error("{kind}: {message}")]
    Api {
        /// HTTP status.
        status: u16,
        /// `errorType`, such as `bad_data`, `timeout`, `execution`.
        kind: String,
        /// `error`.
        message: String,
    },
    /// An answer that is not in Prometheus's form, by its status.
    #[error("unexpected response with status code {status}: {body}")]
    UnexpectedStatus {
        /// HTTP status.
        status: u16,
        /// The first KiB of the body, as text.
        body: String,
    },
    /// A metrics page where an API's answer was expected.
    #[error(
        "{url} answers with an exporter's metrics page instead of a Prometheus API. Use the \
         embedded mode to read this page directly, or enter the URL of the Prometheus server \
         that scrapes it"
    )]
    ExporterPage {
        /// What was asked, without credentials and query.
        url: String,
    },
    /// HTML where JSON was expected.
    #[error(
        "{url} answers with a web page ({title}) instead of a Prometheus API. Does a login page \
         or a proxy stand before the server, or is a path prefix missing?"
    )]
    Html {
        /// What was asked, without credentials and query.
        url: String,
        /// The page's title, or its first words.
        title: String,
    },
    /// An answer that cannot be read.
    #[error("the answer of {url} cannot be read: {reason} at byte {offset}")]
    Malformed {
        /// What was asked, without credentials and query.
        url: String,
        /// Byte offset in the decompressed body.
        offset: u64,
        /// What is wrong there.
        reason: String,
    },
    /// A mistake of ours.
    #[error("internal error: {0}")]
    Internal(String),
}

/// Where a connection failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransportFailure {
    /// The host's name has no address.
    Dns,
    /// Nothing listens at the port.
    Refused,
    /// The TLS handshake failed.
    Tls,
    /// The connection could not be made for another reason.
    Connect,
    /// The connection broke while the answer arrived.
    Broken,
}

/// A result whose error is this room's.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// What a caller can do about it.
    #[must_use]
    pub fn cause(&self) -> Cause {
        match self {
            Self::Question(_) | Self::Setting { .. } | Self::Forbidden { .. } => Cause::Invalid,
            Self::Source(error) => source_cause(error),
            Self::Query(error) => match error {
                promql::Error::Source(error) => source_cause(error),
                promql::Error::TooManyPoints { .. } | promql::Error::TooManySamples { .. } => {
                    Cause::Limit
                }
                _ => Cause::Invalid,
            },
            Self::Cancelled | Self::OutOfTime { .. } | Self::TimedOut { .. } => Cause::Timeout,
            Self::Limit { .. } => Cause::Limit,
            Self::Transport { .. } | Self::Redirect { .. } => Cause::Unavailable,
            Self::Api { status, kind, .. } => match (kind.as_str(), *status) {
                ("timeout" | "canceled", _) | (_, 504) => Cause::Timeout,
                (_, 429) => Cause::Limit,
                ("bad_data" | "execution" | "not_found", _) | (_, 400..=499) => Cause::Invalid,
                _ => Cause::Unavailable,
            },
            Self::UnexpectedStatus { status, .. } => match *status {
                408 | 504 => Cause::Timeout,
                413 | 429 => Cause::Limit,
                400..=499 => Cause::Invalid,
                _ => Cause::Unavailable,
            },
            Self::ExporterPage { .. } | Self::Html { .. } => Cause::Unavailable,
            Self::Malformed { .. } => Cause::Corrupt,
            Self::Internal(_) => Cause::Internal,
        }
    }

    /// The HTTP status that the query's response carries: the server's where it gave one, 502
    /// where it could not be reached or read (query contract, "Errors"). `None` leaves it to the
    /// cause.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Api { status, .. } | Self::UnexpectedStatus { status, .. } => Some(*status),
            Self::Transport { .. }
            | Self::Redirect { .. }
            | Self::ExporterPage { .. }
            | Self::Html { .. }
            | Self::Malformed { .. } => Some(502),
            Self::Query(promql::Error::Parse(_)) => Some(400),
            Self::Query(error) if !matches!(error, promql::Error::Source(_)) => Some(422),
            Self::TimedOut { .. } => Some(504),
            _ => None,
        }
    }

    /// Whether the fault lies with the server or the question (Grafana's error source
    /// `downstream`) and not with the plugin.
    #[must_use]
    pub fn is_downstream(&self) -> bool {
        !matches!(self.cause(), Cause::Internal)
    }
}

fn source_cause(error: &series::Error) -> Cause {
    match error {
        series::Error::Cancelled | series::Error::TimedOut => Cause::Timeout,
        series::Error::Limit { .. } => Cause::Limit,
        series::Error::Corrupt(_) => Cause::Corrupt,
        series::Error::Unavailable(_) => Cause::Unavailable,
        _ => Cause::Internal,
    }
}
