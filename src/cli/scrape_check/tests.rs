use super::*;
use crate::fake::FakeMachine;
use crate::{FetchedPage, run};
use std::ffi::OsString;
use std::io;

/// Surroundings of one page, whatever it is asked by.
struct OnePage(FetchedPage);

impl OnePage {
    fn new(content_type: &str, body: &str) -> Self {
        Self(FetchedPage {
            content_type: content_type.into(),
            body: body.into(),
        })
    }
}

impl Surroundings for OnePage {
    fn read_file(&self, path: &Path, _: u64) -> io::Result<Vec<u8>> {
        match path.to_str() {
            Some("page") => Ok(self.0.body.clone()),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn read_input(&self, _: u64) -> io::Result<Vec<u8>> {
        Ok(self.0.body.clone())
    }

    fn fetch(&self, url: &str, _: u64) -> Result<FetchedPage, FetchFailure> {
        match url {
            "http://there/metrics" => Ok(self.0.clone()),
            "http://" => Err(FetchFailure::Usage("It has no host.".into())),
            _ => Err(FetchFailure::Failed(format!("Cannot reach {url}."))),
        }
    }
}

fn start(page: &OnePage, arguments: &[&str]) -> (Ending, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut streams = Streams {
        out: &mut out,
        err: &mut err,
    };
    let line = ["gpx_headwater", "scrape-check"].iter().chain(arguments);
    let ending = run(
        line.map(OsString::from),
        page,
        &FakeMachine::default(),
        &mut streams,
    );
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (ending, text(out), text(err))
}

#[test]
fn the_exit_status_says_whether_prometheus_would_ingest_the_page() {
    let good = OnePage::new("text/plain; version=0.0.4", "a 1\n");
    let bad = OnePage::new("text/plain", "a 1\nb x\n");
    for source in ["page", "-", "http://there/metrics"] {
        assert_eq!(start(&good, &[source]).0, Ending::Good, "{source}");
        let (ending, out, _) = start(&bad, &[source]);
        assert_eq!(ending, Ending::Bad, "{source}");
        assert!(
            out.starts_with(&format!("{source}:2:3: value \"x\"")),
            "{out}"
        );
    }
}

#[test]
fn a_target_that_gives_no_page_is_not_ingested() {
    let page = OnePage::new("text/plain", "a 1\n");
    let (ending, out, err) = start(&page, &["http://gone/metrics"]);
    assert_eq!((ending, err.as_str()), (Ending::Bad, ""));
    assert!(
        out.starts_with("Cannot reach http://gone/metrics.\n"),
        "{out}"
    );
    let (ending, out, _) = start(&page, &["--json", "http://gone/metrics"]);
    assert_eq!(ending, Ending::Bad);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["refusal"]["line"], serde_json::Value::Null);
    assert_eq!(
        json["refusal"]["reason"],
        "Cannot reach http://gone/metrics."
    );
}

#[test]
fn wrong_usage_ends_with_two() {
    let page = OnePage::new("text/plain", "a 1\n");
    for (arguments, message) in [
        (&[][..], "required"),
        (&["page", "other"], "unexpected"),
        (&["--what", "page"], "--what"),
        (&["absent"], "Cannot read absent"),
        (&["http://"], "It has no host."),
    ] {
        let (ending, out, err) = start(&page, arguments);
        assert_eq!(ending, Ending::Usage, "{arguments:?}");
        assert!(
            err.contains(message) && out.is_empty(),
            "{arguments:?}: {out}{err}"
        );
    }
    assert_eq!(start(&page, &["--help"]).0, Ending::Good);
}

#[test]
fn the_type_comes_from_the_option_then_the_header_then_the_last_line() {
    let html = OnePage::new("text/html", "a 1\n");
    let (ending, out, _) = start(&html, &["http://there/metrics"]);
    assert_eq!(ending, Ending::Bad);
    assert!(out.contains("text/html"), "{out}");
    let told = ["--content-type", "text/plain", "http://there/metrics"];
    assert_eq!(start(&html, &told).0, Ending::Good);

    let open = OnePage::new("application/openmetrics-text", "a 1\n\n# EOF\n");
    for source in ["http://there/metrics", "page"] {
        let (ending, out, _) = start(&open, &[source]);
        assert_eq!(ending, Ending::Bad, "{source}");
        assert!(out.contains("(OpenMetrics"), "{out}");
    }
    assert_eq!(
        start(&OnePage::new("", "a 1\n# EOF?\n"), &["page"]).0,
        Ending::Bad
    );
    assert_eq!(
        start(&OnePage::new("", "a 1\n\n"), &["page"]).0,
        Ending::Good
    );
    let empty = OnePage::new("application/openmetrics-text", "");
    assert_eq!(start(&empty, &["http://there/metrics"]).0, Ending::Good);
}

#[test]
fn the_text_says_what_would_be_stored_and_what_is_wrong() {
    let page = OnePage::new(
        "",
        "# HELP a_total h\n# TYPE a_total counter\na_total{b=\"c\"} 1\na_total{b=\"d\"} 1\na_total{b=\"d\"} 2\n",
    );
    let (_, out, _) = start(&page, &["page"]);
    assert_eq!(
        out,
        "page: Prometheus would ingest this page (Prometheus's text format, 91 bytes).\n\
         \n\
         Stored would be 2 of 3 samples, 2 series:\n\
         \x20 series  type            metric\n\
         \x20      2  counter         a_total\n\
         \n\
         1 finding:\n\
         line 5: loss [duplicate-sample] a_total: a_total{b=\"d\"} stands already on line 4; here \
         with another value (2, before 1)\n"
    );
}

#[test]
fn the_json_holds_the_same() {
    let page = OnePage::new("", "# TYPE a_ms gauge\na_ms 1\nb x\n");
    let (ending, out, _) = start(&page, &["--json", "page"]);
    assert_eq!(ending, Ending::Bad);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["ingested"], false);
    assert_eq!(json["refusal"]["line"], 3);
    assert_eq!(json["refusal"]["column"], 3);
    assert_eq!(json["metrics"][0]["name"], "a_ms");
    assert_eq!(json["metrics"][0]["series"], 1);
    assert_eq!(json["metrics"][0]["help"], serde_json::Value::Null);
    assert_eq!(json["findings"][0]["rule"], "no-help");
    assert_eq!(json["findings"][1]["rule"], "abbreviated-unit");
}
