//! Headers of the person's request that Grafana passes on with a call.

use engine::ForwardedHeader;
use series::Secret;
use std::collections::HashMap;

/// In request maps these stand under their own names, all others behind `http_`.
const BARE: [&str; 3] = ["Authorization", "X-Id-Token", "Cookie"];
const PREFIX: &str = "http_";

/// The headers that an engine may be given; which of them go on is its settings' choice.
pub(crate) fn forwarded_headers(headers: &HashMap<String, String>) -> Vec<ForwardedHeader> {
    headers
        .iter()
        .filter_map(|(key, value)| {
            let bare = BARE
                .iter()
                .find(|name| key.eq_ignore_ascii_case(name))
                .copied();
            let name = bare.or_else(|| key.strip_prefix(PREFIX))?;
            Some(ForwardedHeader {
                name: name.to_owned(),
                value: Secret::new(value.clone()),
            })
        })
        .collect()
}

/// Whether an alert rule asks.
pub(crate) fn is_from_alert(headers: &HashMap<String, String>) -> bool {
    ["FromAlert", "http_FromAlert"]
        .iter()
        .filter_map(|key| headers.get(*key))
        .any(|value| value.eq_ignore_ascii_case("true"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_their_prefix_and_others_stay_behind() {
        let headers = HashMap::from(
            [
                ("Authorization", "a"),
                ("http_X-Grafana-User", "b"),
                ("FromAlert", "true"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        let mut names: Vec<String> = forwarded_headers(&headers)
            .into_iter()
            .map(|header| header.name)
            .collect();
        names.sort();
        assert_eq!(names, ["Authorization", "X-Grafana-User"]);
        assert!(is_from_alert(&headers));
        assert!(!is_from_alert(&HashMap::new()));
    }
}
