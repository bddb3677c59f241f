//! Errors as Grafana is told them: a status, a source and a text for a person.

use crate::instances::InstanceError;
use crate::response::{ErrorSource, QueryError};
use engine::Cause;

/// The HTTP status that stands for a cause.
fn status_of(cause: Cause) -> u16 {
    match cause {
        Cause::Invalid => 400,
        Cause::Limit => 422,
        Cause::Unavailable => 502,
        Cause::Timeout => 504,
        Cause::Corrupt | Cause::Internal => 500,
    }
}

/// An engine's error as a query's.
pub(crate) fn query_error(error: &engine::Error) -> QueryError {
    QueryError {
        message: error.to_string(),
        // A server may say "error" under 200; that must not pass for success.
        status: error
            .status()
            .filter(|status| *status >= 400)
            .unwrap_or_else(|| status_of(error.cause())),
        source: if error.is_downstream() {
            ErrorSource::Downstream
        } else {
            ErrorSource::Plugin
        },
    }
}

/// Why no query of a request can be asked.
pub(crate) fn instance_error(error: &InstanceError) -> QueryError {
    match error {
        InstanceError::Settings(error) => QueryError {
            message: format!("this data source's settings cannot be used: {error}"),
            status: 400,
            source: ErrorSource::Downstream,
        },
        InstanceError::Engine(error) => query_error(error),
    }
}
