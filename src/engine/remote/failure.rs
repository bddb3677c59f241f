//! What went wrong, from what the network and the server said.

use super::transport::DnsFailure;
use crate::{Error, TransportFailure};
use reqwest::Url;
use std::error::Error as StdError;
use std::io;

/// How much of a body is kept to say what it is.
pub(super) const HEAD_BYTES: usize = 1024;

/// Why a request or its body failed on the way.
pub(super) fn of_transport(shown: &str, error: &reqwest::Error) -> Error {
    let mut failure = if error.is_connect() {
        TransportFailure::Connect
    } else {
        TransportFailure::Broken
    };
    // Where nothing else is known, the error itself would show the URL, in whose parameters there
    // may be a token.
    let mut reason = match error.url() {
        Some(url) => error.to_string().replace(url.as_str(), shown),
        None => error.to_string(),
    };
    let mut source = StdError::source(error);
    while let Some(cause) = source {
        reason = cause.to_string();
        if cause.is::<DnsFailure>() {
            failure = TransportFailure::Dns;
            break;
        }
        if let Some(tls) = tls_error(cause) {
            failure = TransportFailure::Tls;
            reason = format!("TLS: {tls}");
            break;
        }
        if let Some(io) = cause.downcast_ref::<io::Error>()
            && io.kind() == io::ErrorKind::ConnectionRefused
        {
            failure = TransportFailure::Refused;
            reason = "connection refused".to_owned();
            break;
        }
        source = cause.source();
    }
    if error.is_timeout() && error.is_connect() {
        reason = "no connection came about in time".to_owned();
    }
    Error::Transport {
        url: shown.to_owned(),
        failure,
        reason,
    }
}

fn tls_error<'a>(cause: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
        return Some(tls);
    }
    // An error of I/O hides the one it wraps from the chain of sources, and layers wrap it again.
    let inner: &'a (dyn StdError + 'static) = cause.downcast_ref::<io::Error>()?.get_ref()?;
    tls_error(inner)
}

/// A URL for a message: without credentials and query.
pub(super) fn without_secrets(url: &Url) -> String {
    let mut url = url.clone();
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.to_string()
}

/// What a successful answer is whose body does not begin as JSON does; `None` when nothing is
/// recognized.
pub(super) fn of_strange_body(url: &str, head: &[u8]) -> Option<Error> {
    let text = String::from_utf8_lossy(head);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    if text.starts_with('<') {
        return Some(Error::Html {
            url: url.to_owned(),
            title: title(text),
        });
    }
    is_metrics_page(text).then(|| Error::ExporterPage {
        url: url.to_owned(),
    })
}

/// The title of a web page, or its first words.
fn title(html: &str) -> String {
    // Lower case in ASCII keeps every position.
    let lower = html.to_ascii_lowercase();
    let inner = lower
        .find("<title")
        .and_then(|tag| Some(tag + lower[tag..].find('>')? + 1))
        .map(|start| {
            let end = lower[start..]
                .find('<')
                .map_or(lower.len(), |end| start + end);
            &html[start..end]
        });
    let text = match inner {
        Some(title) if !title.trim().is_empty() => title.to_owned(),
        _ => {
            let mut outside = String::new();
            let mut in_tag = false;
            for c in html.chars() {
                match c {
                    '<' => in_tag = true,
                    '>' => {
                        in_tag = false;
                        outside.push(' ');
                    }
                    c if !in_tag => outside.push(c),
                    _ => {}
                }
            }
            outside
        }
    };
    let words: Vec<&str> = text.split_whitespace().take(12).collect();
    if words.is_empty() {
        "without a title".to_owned()
    } else {
        words.join(" ")
    }
}

/// Whether a text is a metrics page: comments of that format, or a line with a name and a number.
fn is_metrics_page(text: &str) -> bool {
    for line in text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .take(20)
    {
        if let Some(comment) = line.strip_prefix('#') {
            let word = comment.split_whitespace().next();
            if matches!(word, Some("HELP" | "TYPE" | "UNIT" | "EOF")) {
                return true;
            }
            continue;
        }
        let name = line
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'))
            .unwrap_or(line.len());
        let rest = match line[name..].strip_prefix('{') {
            Some(labels) => match labels.rfind('}') {
                Some(end) => &labels[end + 1..],
                None => return false,
            },
            None => &line[name..],
        };
        let begins_as_name = line.starts_with(|c: char| !c.is_ascii_digit());
        let value = rest.split_whitespace().next();
        return name > 0
            && begins_as_name
            && rest.starts_with(char::is_whitespace)
            && value.is_some_and(|value| value.parse::<f64>().is_ok());
    }
    false
}

/// An answer that is not in Prometheus's form.
pub(super) fn of_status(status: u16, head: &[u8]) -> Error {
    let head = &head[..head.len().min(HEAD_BYTES)];
    Error::UnexpectedStatus {
        status,
        body: String::from_utf8_lossy(head).trim_end().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metrics_page_is_recognized() {
        for page in [
            "# HELP up Whether it is up.\n# TYPE up gauge\nup 1\n",
            "# a comment\nup 1\n",
            "up{job=\"a}b\"} 1 1700000000\n",
            "\u{feff}\n# TYPE a counter\n",
            "go_goroutines 12\n# EOF\n",
            "a:b NaN\n",
        ] {
            let error = of_strange_body("http://a", page.as_bytes());
            assert!(matches!(error, Some(Error::ExporterPage { .. })), "{page}");
        }
        for other in [
            "",
            "OK",
            "404 page not found",
            "not found 404 x",
            "# hello",
            "[1]",
            "up{ 1",
        ] {
            assert_eq!(
                of_strange_body("http://a", other.as_bytes()),
                None,
                "{other}"
            );
        }
    }

    #[test]
    fn a_web_page_is_named_by_its_title() {
        for (html, expected) in [
            (
                "<!doctype html><TITLE lang=en> Sign \n in </TITLE>",
                "Sign in",
            ),
            ("<html><body>Please <b>log in</b>", "Please log in"),
            ("<html>", "without a title"),
            ("<title>\u{e4}", "\u{e4}"),
        ] {
            let Some(Error::Html { title, .. }) = of_strange_body("http://a", html.as_bytes())
            else {
                panic!("{html}");
            };
            assert_eq!(title, expected);
        }
    }
}
