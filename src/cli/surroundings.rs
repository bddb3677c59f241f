use exposition::Format;
use scrape::{DiskFiles, Origin, Settings};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

/// A page that a target answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedPage {
    /// The `Content-Type` header; empty where there was none.
    pub content_type: String,
    /// The body, decompressed.
    pub body: Vec<u8>,
}

/// Why a page could not be fetched, as a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchFailure {
    /// What was asked for is no URL of a page.
    Usage(String),
    /// A scrape would fail as well.
    Failed(String),
}

/// What the commands take from outside of the process, so that tests can own it.
pub trait Surroundings {
    /// Reads a file as a whole.
    ///
    /// # Errors
    /// When it cannot be read, or has more than `limit` bytes.
    fn read_file(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>>;

    /// Reads the standard input to its end.
    ///
    /// # Errors
    /// When it cannot be read, or has more than `limit` bytes.
    fn read_input(&self, limit: u64) -> io::Result<Vec<u8>>;

    /// Fetches a page as a scrape with default settings would, whatever its type.
    ///
    /// # Errors
    /// [`FetchFailure`] when there is no page, or it has more than `limit` bytes.
    fn fetch(&self, url: &str, limit: u64) -> Result<FetchedPage, FetchFailure>;
}

/// The real surroundings of the process.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemSurroundings;

impl Surroundings for SystemSurroundings {
    fn read_file(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        read_up_to(File::open(path)?, limit)
    }

    fn read_input(&self, limit: u64) -> io::Result<Vec<u8>> {
        read_up_to(io::stdin().lock(), limit)
    }

    fn fetch(&self, url: &str, limit: u64) -> Result<FetchedPage, FetchFailure> {
        let failed = |error: &dyn std::fmt::Display| FetchFailure::Failed(error.to_string());
        let settings = serde_json::json!({ "targets": [url] });
        let job = Settings::from_json(&settings, &Origin::data_source())
            .map_err(|error| FetchFailure::Usage(error.to_string()))?
            .jobs
            .pop();
        let Some(mut job) = job else {
            return Err(FetchFailure::Usage(format!("{url} is no page.")));
        };
        job.limits.body_size = limit;
        // The check judges the type itself, so that the fetcher has to let every type pass.
        job.fallback_format = Some(Format::PrometheusText);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| failed(&error))?;
        let page = runtime
            .block_on(scrape::fetch_once(&job, Arc::new(DiskFiles::anywhere())))
            .map_err(|error| failed(&error))?;
        Ok(FetchedPage {
            content_type: page.content_type,
            body: page.body,
        })
    }
}

fn read_up_to(source: impl Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = source
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)?;
    if read as u64 > limit {
        let reason = format!("it has more than {limit} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, reason));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_longer_than_the_limit_is_refused_without_reading_it_all() {
        assert_eq!(read_up_to(&b"abc"[..], 3).unwrap(), b"abc");
        let error = read_up_to(io::repeat(0), 3).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn a_page_is_fetched_over_http_with_its_type() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                request.extend(byte);
            }
            let answer = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n\
                          Content-Length: 4\r\nConnection: close\r\n\r\na 1\n";
            io::Write::write_all(&mut stream, answer.as_bytes()).unwrap();
            String::from_utf8(request).unwrap()
        });
        let page = SystemSurroundings.fetch(&format!("http://{address}/metrics"), 100);
        let page = page.unwrap();
        assert_eq!(page.content_type, "text/plain; version=0.0.4");
        assert_eq!(page.body, b"a 1\n");
        let request = server.join().unwrap();
        assert!(
            request.starts_with("GET /metrics HTTP/1.1\r\n"),
            "{request}"
        );
        assert!(
            request.contains("application/openmetrics-text"),
            "{request}"
        );

        // The listener is gone with its thread.
        let gone = SystemSurroundings.fetch(&format!("http://{address}/metrics"), 100);
        let Err(FetchFailure::Failed(reason)) = gone else {
            panic!("{gone:?}");
        };
        assert!(reason.contains(&address.to_string()), "{reason}");
        let no_url = SystemSurroundings.fetch("http://", 100);
        assert!(matches!(no_url, Err(FetchFailure::Usage(_))), "{no_url:?}");
    }
}
