//! The page for people: the files that the front end's build has left, or word of how to build it.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::borrow::Cow;
use std::sync::Arc;

/// Name, type and bytes of each file below `frontend/page/dist/`; none where it was not built.
mod built {
    include!(concat!(env!("OUT_DIR"), "/page_files.rs"));
}

/// What is shown where the page was not built: `cargo build` alone works without Node.
const NOT_BUILT: &str = r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Headwater</title>
<h1>Headwater</h1>
<p>This program was built without its page. With Node 20.19 or newer installed, build both:</p>
<pre>go run mage.go build</pre>
<p>or only the page, and then the program again:</p>
<pre>npm --prefix frontend install
npm --prefix frontend run build:page
cargo build</pre>
<p>The API works all the same: <a href="api/v1/query?query=up">a query</a>,
<a href="api/v1/targets">the targets</a>, <a href="metrics">the program's own metrics</a>.</p>
</html>
"#;

/// Everything comes from this server, and no text can become a script.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Files that are served as they are. `index.html` also stands at `/`.
#[derive(Clone, Default)]
pub struct Page {
    /// The files.
    pub files: Vec<PageFile>,
}

/// A file of the page.
#[derive(Clone)]
pub struct PageFile {
    /// Its path without a leading slash, such as `page.js`; none twice, and none of the API's.
    pub path: Cow<'static, str>,
    /// Its type, such as `text/javascript; charset=utf-8`.
    pub content_type: &'static str,
    /// What is in it.
    pub bytes: Cow<'static, [u8]>,
}

impl Page {
    /// The page that was built into this program; where none was, one that says how to build it.
    pub fn built_in() -> Self {
        let mut files: Vec<PageFile> = built::FILES
            .iter()
            .map(|(path, content_type, bytes)| PageFile {
                path: Cow::Borrowed(*path),
                content_type,
                bytes: Cow::Borrowed(*bytes),
            })
            .collect();
        if files.is_empty() {
            files.push(PageFile {
                path: Cow::Borrowed("index.html"),
                content_type: "text/html; charset=utf-8",
                bytes: Cow::Borrowed(NOT_BUILT.as_bytes()),
            });
        }
        Self { files }
    }

    /// The routes of the files.
    pub(crate) fn routes<S: Clone + Send + Sync + 'static>(self) -> Router<S> {
        let mut routes = Router::new();
        for file in self.files {
            let file = Arc::new(file);
            let at_root = (file.path == "index.html").then(|| "/".to_owned());
            let path = format!("/{}", file.path);
            for path in [Some(path), at_root].into_iter().flatten() {
                let file = Arc::clone(&file);
                routes = routes.route(&path, get(move || async move { answer(&file) }));
            }
        }
        routes
    }
}

fn answer(file: &PageFile) -> Response {
    let body = match &file.bytes {
        Cow::Borrowed(bytes) => Body::from(*bytes),
        Cow::Owned(bytes) => Body::from(bytes.clone()),
    };
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static(file.content_type),
        ),
        (
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(POLICY),
        ),
        (
            header::REFERRER_POLICY,
            HeaderValue::from_static("no-referrer"),
        ),
        // The page comes out of the binary: another version brings other files.
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (headers, body).into_response()
}
