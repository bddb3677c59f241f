//! Whether a request was meant for this server: what `Host` and `Origin` say.
//!
//! A server on loopback asks for no token, yet every web page that somebody opens on the machine
//! can send requests there. What a browser adds to them tells such requests apart.

use crate::parts::AllowedHosts;
use crate::reply::Refusal;
use axum::http::{HeaderMap, HeaderName, StatusCode, Uri, header};
use std::net::IpAddr;

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// Refuses a request that a page from elsewhere had a browser send. One without `Host` comes from
/// no browser.
pub(crate) fn check(uri: &Uri, headers: &HeaderMap, allowed: &AllowedHosts) -> Result<(), Refusal> {
    let text = |name: &HeaderName| {
        headers
            .get(name)
            .map(|v| String::from_utf8_lossy(v.as_bytes()))
    };
    let host = match uri.authority() {
        Some(authority) => Some(authority.as_str().into()),
        None => text(&header::HOST),
    };
    if let Some(host) = &host
        && !allowed.take(name_in(host))
    {
        return Err(refusal(format!(
            "the request is meant for {:?}, and this server goes by the names of loopback \
             (localhost, 127.0.0.1, [::1]): otherwise a web page from elsewhere could read it. If \
             that name is yours, start with --allow-host {}",
            shown(host),
            shown(name_in(host)),
        )));
    }
    let Some(origin) = text(&header::ORIGIN) else {
        // Without an origin a page can still have something fetched, as an image is; following a
        // link is a person's own doing.
        let site = text(&FETCH_SITE);
        let from_elsewhere = matches!(site.as_deref(), Some("cross-site" | "same-site"));
        if from_elsewhere && text(&FETCH_MODE).as_deref() != Some("navigate") {
            return Err(refusal(
                "the request comes from a page of another server".to_owned(),
            ));
        }
        return Ok(());
    };
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    let own = match (authority, &host) {
        (Some(authority), Some(host)) if authority.eq_ignore_ascii_case(host) => true,
        (Some(authority), _) => allowed.lists(name_in(authority)),
        (None, _) => false,
    };
    if own {
        return Ok(());
    }
    Err(refusal(format!(
        "the request comes from a page of {:?}: only this server's own page may ask it through a \
         browser. If that page is yours, start with --allow-host and its name",
        shown(&origin)
    )))
}

impl AllowedHosts {
    fn take(&self, name: &str) -> bool {
        let name = name.strip_suffix('.').unwrap_or(name);
        let lower = name.to_ascii_lowercase();
        if lower == "localhost" || lower.ends_with(".localhost") {
            return true;
        }
        let address = lower.trim_start_matches('[').trim_end_matches(']');
        let is_loopback = |ip: IpAddr| ip.to_canonical().is_loopback();
        address.parse().is_ok_and(is_loopback) || self.lists(name)
    }

    fn lists(&self, name: &str) -> bool {
        let Self(names) = self;
        names.iter().any(|known| known.eq_ignore_ascii_case(name))
    }
}

/// The name without its port.
fn name_in(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => authority,
    }
}

fn shown(text: &str) -> String {
    text.chars().take(100).collect()
}

fn refusal(message: String) -> Refusal {
    Refusal {
        status: StatusCode::FORBIDDEN,
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn allows(names: &[&str], given: &[(&'static str, &str)]) -> bool {
        let allowed = AllowedHosts(names.iter().map(|name| (*name).to_owned()).collect());
        let mut headers = HeaderMap::new();
        for (name, value) in given {
            headers.insert(*name, HeaderValue::from_str(value).unwrap());
        }
        check(&Uri::from_static("/api/v1/query"), &headers, &allowed).is_ok()
    }

    #[test]
    fn only_names_of_loopback_and_those_given_are_this_server() {
        for host in [
            "localhost:9099",
            "LOCALHOST",
            "wiki.localhost:9099",
            "127.0.0.1:9099",
            "127.8.0.1",
            "[::1]:9099",
            "[::1]",
            "[::ffff:127.0.0.1]:1",
            "metrics.example:9099",
            "Metrics.Example.",
        ] {
            assert!(allows(&["metrics.example"], &[("host", host)]), "{host}");
        }
        for host in [
            "evil.example:9099",
            "localhost.evil.example",
            "127.0.0.1.evil.example:9099",
            "192.168.0.7:9099",
            "[::]:9099",
            "",
            "notlocalhost",
        ] {
            assert!(!allows(&["metrics.example"], &[("host", host)]), "{host}");
        }
        assert!(allows(&[], &[]), "no browser leaves Host out");
    }

    #[test]
    fn a_page_of_another_server_may_not_ask() {
        let host = ("host", "127.0.0.1:9099");
        for (origin, allowed) in [
            ("http://127.0.0.1:9099", true),
            ("https://127.0.0.1:9099", true),
            ("http://metrics.example", true),
            ("http://127.0.0.1:3000", false),
            ("http://localhost:9099", false),
            ("http://evil.example", false),
            ("null", false),
            ("", false),
        ] {
            let given = [host, ("origin", origin)];
            assert_eq!(allows(&["metrics.example"], &given), allowed, "{origin}");
        }
    }

    #[test]
    fn a_link_may_lead_here_and_an_image_may_not() {
        let host = ("host", "127.0.0.1:9099");
        for (site, mode, allowed) in [
            ("cross-site", "navigate", true),
            ("cross-site", "no-cors", false),
            ("same-site", "no-cors", false),
            ("same-origin", "cors", true),
            ("none", "navigate", true),
        ] {
            let given = [host, ("sec-fetch-site", site), ("sec-fetch-mode", mode)];
            assert_eq!(allows(&[], &given), allowed, "{site} {mode}");
        }
    }
}
