//! What went wrong on the network, in words for the person who looks at the target.

use crate::Error;
use std::error::Error as StdError;
use std::io::ErrorKind;

/// Whether asking again is safe and may help: the server closed a connection that was kept
/// from the last scrape before it answered.
pub(super) fn was_kept_too_long(error: &hyper_util::client::legacy::Error) -> bool {
    if error.is_connect() {
        return false;
    }
    chain(error).any(|cause| {
        cause
            .downcast_ref::<hyper::Error>()
            .is_some_and(|e| e.is_incomplete_message() || e.is_canceled())
            || cause.downcast_ref::<std::io::Error>().is_some_and(|e| {
                matches!(
                    e.kind(),
                    ErrorKind::ConnectionReset
                        | ErrorKind::BrokenPipe
                        | ErrorKind::ConnectionAborted
                )
            })
    })
}

/// Says why a request had no answer.
pub(super) fn of_request(url: &str, error: &hyper_util::client::legacy::Error) -> Error {
    let url = url.to_owned();
    if let Some(tls) = tls_error(error) {
        return Error::Tls { url, reason: tls };
    }
    let reason = reason(error);
    if !error.is_connect() {
        return Error::BrokenOff { url, reason };
    }
    // The connector's error has no type of its own that could be asked.
    if chain(error).any(|cause| cause.to_string().starts_with("dns error")) {
        return Error::UnknownHost { url, reason };
    }
    Error::Unreachable { url, reason }
}

/// Says why an answer's body did not come to its end.
pub(super) fn of_body(url: &str, error: &hyper::Error) -> Error {
    Error::BrokenOff {
        url: url.to_owned(),
        reason: reason(error),
    }
}

fn chain<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| {
        let error: &'a (dyn StdError + 'static) = *error;
        error.source()
    })
}

/// The TLS library's error hides within an I/O error, whose `source` passes it over.
fn tls_error(error: &(dyn StdError + 'static)) -> Option<String> {
    chain(error).find_map(|cause| {
        let io = cause.downcast_ref::<std::io::Error>()?;
        let mut inner = io.get_ref()?;
        // Wrapped once by the handshake and once more by the connector.
        while let Some(io) = inner.downcast_ref::<std::io::Error>() {
            inner = io.get_ref()?;
        }
        inner
            .downcast_ref::<rustls::Error>()
            .map(ToString::to_string)
    })
}

fn reason(error: &(dyn StdError + 'static)) -> String {
    let kind = chain(error).find_map(|cause| {
        let io = cause.downcast_ref::<std::io::Error>()?;
        let words = match io.kind() {
            ErrorKind::ConnectionRefused => "connection refused",
            ErrorKind::ConnectionReset => "connection reset",
            ErrorKind::ConnectionAborted => "connection aborted",
            ErrorKind::BrokenPipe => "connection closed",
            ErrorKind::HostUnreachable => "no route to that host",
            ErrorKind::NetworkUnreachable => "no route to that network",
            ErrorKind::TimedOut => "the network did not answer in time",
            _ => return None,
        };
        Some(words.to_owned())
    });
    kind.unwrap_or_else(|| {
        chain(error)
            .last()
            .map_or_else(String::new, |last| last.to_string())
    })
}
