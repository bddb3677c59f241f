mod writing;

pub use writing::{write_json, write_text};

use crate::surroundings::{FetchFailure, Surroundings};
use crate::{Ending, Streams};
use clap::Args;
use exposition::Format;
use scrape::{PageReport, Refusal, check_page};
use std::path::Path;

/// The largest page that is checked, in bytes. A scrape's own limit is far below it.
const PAGE_LIMIT: u64 = 256 * 1024 * 1024;

/// `gpx_headwater scrape-check`: exit status 0 when Prometheus would ingest the page, 1 when it
/// would not, be it that it refuses the page or that the target gives none, 2 when the command
/// was called wrongly (a file that is not there is a wrong call).
#[derive(Debug, Args)]
#[command(
    after_help = "Exit status: 0 Prometheus would ingest the page, 1 it would not, 2 wrong usage."
)]
pub struct ScrapeCheck {
    /// The page's Content-Type, whatever the target says; files have none, and are OpenMetrics
    /// when they have a line "# EOF"
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,

    /// Write one JSON document instead of text
    #[arg(long)]
    json: bool,

    /// A URL (http:// or https://), a file, or - for the standard input
    #[arg(value_name = "URL | FILE | -")]
    page: String,
}

impl ScrapeCheck {
    pub(crate) fn run(&self, surroundings: &dyn Surroundings, streams: &mut Streams<'_>) -> Ending {
        let report = match self.read(surroundings) {
            Ok((body, sent_type)) => self.check(&body, sent_type.as_deref()),
            Err(FetchFailure::Failed(what)) => PageReport::of_nothing(0, Refusal::Fetch(what)),
            Err(FetchFailure::Usage(message)) => {
                // Nobody is left to be told when the stream is closed.
                let _ = writeln!(streams.err, "{message}");
                return Ending::Usage;
            }
        };
        let written = if self.json {
            write_json(&report, &self.page, streams.out)
        } else {
            write_text(&report, &self.page, streams.out)
        };
        if written.is_err() {
            return Ending::Usage;
        }
        match report.is_ingested() {
            true => Ending::Good,
            false => Ending::Bad,
        }
    }

    fn check(&self, body: &[u8], sent_type: Option<&str>) -> PageReport {
        let header = self.content_type.as_deref().or(sent_type);
        let format = match header {
            // An empty body is an empty scrape, whatever its type.
            Some(_) if body.is_empty() => Ok(Format::PrometheusText),
            Some(header) => Format::from_content_type(header, None),
            None => Ok(guessed_format(body)),
        };
        match format {
            Ok(format) => check_page(body, format),
            Err(error) => PageReport::of_nothing(body.len(), Refusal::ContentType(error)),
        }
    }

    /// The page and the type that its sender gave it; files have none.
    fn read(
        &self,
        surroundings: &dyn Surroundings,
    ) -> Result<(Vec<u8>, Option<String>), FetchFailure> {
        let page = self.page.as_str();
        if page == "-" {
            let body = surroundings.read_input(PAGE_LIMIT);
            return body.map(|body| (body, None)).map_err(|error| {
                FetchFailure::Usage(format!("Cannot read the standard input: {error}."))
            });
        }
        if is_url(page) {
            let fetched = surroundings.fetch(page, PAGE_LIMIT)?;
            return Ok((fetched.body, Some(fetched.content_type)));
        }
        let body = surroundings.read_file(Path::new(page), PAGE_LIMIT);
        body.map(|body| (body, None)).map_err(|error| {
            let advice = "A URL begins with http:// or https://.";
            FetchFailure::Usage(format!("Cannot read {page}: {error}. {advice}"))
        })
    }
}

fn is_url(page: &str) -> bool {
    let scheme = page.split_once("://").map(|(scheme, _)| scheme);
    scheme.is_some_and(|s| s.eq_ignore_ascii_case("http") || s.eq_ignore_ascii_case("https"))
}

/// The format of a page that came without a header: OpenMetrics where a line says that the page
/// ends, be it the last line or not, for text behind it is a fault of OpenMetrics.
fn guessed_format(page: &[u8]) -> Format {
    match page
        .split(|b| *b == b'\n')
        .any(|line| line.starts_with(b"# EOF"))
    {
        true => Format::OpenMetrics,
        false => Format::PrometheusText,
    }
}

#[cfg(test)]
mod tests;
