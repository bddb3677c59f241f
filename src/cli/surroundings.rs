use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// A page that a target answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedPage {
    /// The `Content-Type` header; empty where there was none.
    pub content_type: String,
    /// The body, decompressed.
    pub body: Vec<u8>,
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

    /// Fetches a page as a scrape would.
    ///
    /// # Errors
    /// A sentence that says what happened.
    fn fetch(&self, url: &str, limit: u64) -> Result<FetchedPage, String>;
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

    fn fetch(&self, url: &str, _limit: u64) -> Result<FetchedPage, String> {
        Err(format!("cannot fetch {url}: this build has no fetcher"))
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
