use std::path::PathBuf;
use std::time::Duration;

/// What can go wrong between a setting and a stored sample.
///
/// The text is for the person who looks at a target: what happened, where, and what to do.
/// It never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting does not say what it should; `path` is its key path (`targets[0].timeout`).
    #[error("setting {path}: {reason}")]
    Setting {
        /// The key path from the top of the settings.
        path: String,
        /// What is wrong, and what would be right.
        reason: String,
    },
    /// A file that settings name cannot be read or understood.
    #[error("cannot read {}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A target cannot be made out of what was discovered.
    #[error("target {target}: {reason}")]
    Target {
        /// What is known of the target.
        target: String,
        /// Why it cannot be scraped.
        reason: String,
    },
    /// The name has no address, or no name server answered.
    #[error(
        "cannot find {name}: {reason}. Is the name right, and does this machine's DNS know it?"
    )]
    Lookup {
        /// The name that was looked up.
        name: String,
        /// What the resolver said.
        reason: String,
    },
    /// No connection.
    #[error("Cannot reach {url}: {reason}. Is the app running, and can Grafana's host reach it?")]
    Unreachable {
        /// The page.
        url: String,
        /// What the network said.
        reason: String,
    },
    /// The name in the URL cannot be resolved.
    #[error(
        "Cannot reach {url}: the host name cannot be resolved ({reason}). \
         Is it spelled right, and does Grafana's host know it?"
    )]
    UnknownHost {
        /// The page.
        url: String,
        /// What the resolver said.
        reason: String,
    },
    /// The TLS handshake failed.
    #[error("Cannot talk TLS with {url}: {reason}. {}", tls_advice(reason))]
    Tls {
        /// The page.
        url: String,
        /// What the TLS library said.
        reason: String,
    },
    /// The answer did not arrive in time.
    #[error(
        "{url} did not answer within {}: raise the scrape timeout, or make the page faster.",
        series::format_duration(milliseconds(*after))
    )]
    TimedOut {
        /// The page.
        url: String,
        /// The scrape timeout.
        after: Duration,
    },
    /// The connection broke after it was made.
    #[error("{url} broke off its answer: {reason}.")]
    BrokenOff {
        /// The page.
        url: String,
        /// What the network said.
        reason: String,
    },
    /// The answer has another status than 200.
    #[error("{url} answered with HTTP status {status}. {}", status_advice(*status))]
    Status {
        /// The page.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// Redirected in circles, or to something that is no HTTP URL.
    #[error("{url} redirects {reason}. Set the URL of the page itself.")]
    Redirect {
        /// The page where it began.
        url: String,
        /// Where to, or how often.
        reason: String,
    },
    /// A web page where metrics were expected.
    #[error(
        "{url} answered with a web page ({content_type}), not with metrics. \
         Metrics usually stand under /metrics; is a login in front of the app?"
    )]
    WebPage {
        /// The page.
        url: String,
        /// The content type of the answer.
        content_type: String,
    },
    /// The answer of a Prometheus-compatible HTTP API where metrics were expected.
    #[error(
        "{url} is the HTTP API of a Prometheus-compatible server, not a metrics page. \
         Set the data source's engine to remote to query that server."
    )]
    PrometheusApi {
        /// The page.
        url: String,
    },
    /// The answer's encoding is not one that was asked for, or is damaged.
    #[error("{url} sent a body that cannot be decoded ({encoding}): {reason}.")]
    Encoding {
        /// The page.
        url: String,
        /// The content encoding.
        encoding: String,
        /// What is wrong.
        reason: String,
    },
    /// The body is larger than allowed.
    #[error("{url} sent more than bodySizeLimit = {limit} bytes. Raise the limit, or expose less.")]
    BodyTooLarge {
        /// The page.
        url: String,
        /// The bound.
        limit: u64,
    },
    /// The page is no exposition that can be read.
    #[error("{url}: {reason}")]
    Page {
        /// The page.
        url: String,
        /// What is wrong, with line and column where there is one.
        reason: String,
    },
    /// A bound of the target was passed; `bound` is its name as settings spell it.
    #[error("{what}: the limit {bound} = {limit} was passed")]
    Limit {
        /// What there was too much of, in words.
        what: String,
        /// The setting's name.
        bound: &'static str,
        /// The bound's value.
        limit: u64,
    },
    /// A secret that settings name is not known (yet).
    #[error(
        "the secret {0} is not known yet: Grafana hands it over with the first request to this \
         data source; open one of its dashboards, or refer to a file instead"
    )]
    SecretUnknown(String),
    /// A secret that settings name was never set.
    #[error("the secret {0} is not set: enter it")]
    SecretNotSet(String),
    /// Settings that are being edited would send a stored secret to a place that the stored
    /// settings do not send it to.
    #[error(
        "The stored secrets are only sent to where the saved settings send them. Save this change \
         first, or enter the secrets again."
    )]
    SecretElsewhere,
    /// The samples could not be written.
    #[error("cannot store the samples: {0}")]
    Store(#[from] series::Error),
    /// A defect of ours: the work on a page ended in a panic.
    #[error("internal error while working on the page; the log says more")]
    Internal,
}

/// A result whose error is this room's.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Names the page, which whoever reads one does not know.
    pub(crate) fn of_page(self, page: &str) -> Self {
        match self {
            Self::Page { url, reason } if url.is_empty() => Self::Page {
                url: page.to_owned(),
                reason,
            },
            other => other,
        }
    }
}

/// Whole milliseconds of a duration, for sample times and for writing it.
pub(crate) fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn status_advice(status: u16) -> &'static str {
    match status {
        401 => "Set the user name and password, or the token, that the app asks for.",
        403 => "The app refuses these credentials or this host.",
        404 => "Is the path right? Metrics usually stand under /metrics.",
        429 => "The app asks for fewer requests: raise the scrape interval.",
        500..=599 => "The app failed to make the page; its log may say why.",
        _ => "Only 200 counts as a page of metrics.",
    }
}

fn tls_advice(reason: &str) -> &'static str {
    // The words are rustls's; a test holds them.
    if reason.contains("UnknownIssuer") {
        "Set the CA certificate that signed the app's certificate."
    } else if reason.contains("not valid for name") {
        "Set serverName to a name that the certificate carries."
    } else if reason.contains("expired") {
        "The app's certificate has to be renewed."
    } else if reason.contains("CertificateRequired") {
        "The app asks for a client certificate."
    } else {
        "Does the app speak HTTPS on this port?"
    }
}
