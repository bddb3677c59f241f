use crate::Result;
use bytes::Bytes;
use futures_util::Stream;
use std::pin::Pin;

/// The two HTTP methods of Prometheus's query API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Method {
    /// Parameters stand in the URL.
    Get,
    /// Parameters stand in a form body, which may be long.
    #[default]
    Post,
}

/// A request to Prometheus's HTTP API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceRequest {
    /// GET or POST.
    pub method: Method,
    /// The path below the server's base, without a leading slash: `api/v1/labels`.
    pub path: String,
    /// What stands behind the question mark, encoded; empty for none.
    pub query: String,
    /// Headers of the request that mean something to the API, such as `Content-Type` and
    /// `Accept`; names in any case.
    pub headers: Vec<(String, String)>,
    /// The body, for POST a form.
    pub body: Bytes,
}

/// A body that arrives piece by piece.
pub type BodyStream = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>;

/// What the API answered, whatever its status.
pub struct ResourceResponse {
    /// HTTP status.
    pub status: u16,
    /// Headers that describe the body (`Content-Type`, `Content-Encoding`, `Retry-After`, …);
    /// names in lower case. Headers of the connection and cookies are left out.
    pub headers: Vec<(String, String)>,
    /// The body. Dropping it closes the request.
    pub body: BodyStream,
}

/// Whether `path` (without a leading slash) is one of those that resources may reach: Headwater
/// is not an open proxy.
#[must_use]
pub fn is_allowed_resource(path: &str) -> bool {
    match path.strip_prefix("api/v1/") {
        Some(
            "labels" | "series" | "query" | "query_range" | "query_exemplars" | "metadata"
            | "rules" | "status/buildinfo",
        ) => true,
        Some(rest) => rest
            .strip_prefix("label/")
            .and_then(|rest| rest.strip_suffix("/values"))
            .is_some_and(is_one_segment),
        None => false,
    }
}

/// Whether `name` stays one segment of a path, however URLs are normalized: dots may come encoded,
/// and white space inside is dropped.
fn is_one_segment(name: &str) -> bool {
    let dots = name.to_ascii_lowercase().replace("%2e", ".");
    let stays = !name.contains(['/', '\\', '?', '#']) && !name.contains(char::is_control);
    stays && !matches!(dots.trim(), "" | "." | "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_query_api_can_be_reached() {
        for path in [
            "api/v1/labels",
            "api/v1/label/job/values",
            "api/v1/label/U__a_2e_b/values",
            "api/v1/label/a%2Fb/values",
            "api/v1/series",
            "api/v1/query",
            "api/v1/query_range",
            "api/v1/query_exemplars",
            "api/v1/metadata",
            "api/v1/rules",
            "api/v1/status/buildinfo",
        ] {
            assert!(is_allowed_resource(path), "{path}");
        }
        for path in [
            "",
            "/api/v1/labels",
            "api/v1/labels/",
            "api/v1/admin/tsdb/snapshot",
            "api/v1/status/config",
            "api/v1/label//values",
            "api/v1/label/../values",
            "api/v1/label/%2e%2E/values",
            "api/v1/label/.\t./values",
            "api/v1/label/a/../../../admin/values",
            "api/v1/label/a\\..\\b/values",
            "api/v1/label/a?b/values",
            "-/quit",
        ] {
            assert!(!is_allowed_resource(path), "{path}");
        }
    }
}
