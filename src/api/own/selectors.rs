//! Selectors put together from names and values.

use std::fmt::Write;

/// A text between quotes, as PromQL reads it.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// `{name op "value",…}`; names are quoted where they need it.
pub(crate) fn selector<'a>(
    conditions: impl IntoIterator<Item = (&'a str, &'a str, &'a str)>,
) -> String {
    let mut out = String::from("{");
    for (at, (name, op, value)) in conditions.into_iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        let plain = !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if plain {
            out.push_str(name);
        } else {
            out.push_str(&quoted(name));
        }
        let _ = write!(out, "{op}{}", quoted(value));
    }
    out.push('}');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_together_is_read_back() {
        let text = selector([
            ("__name__", "=", "a.b"),
            ("job", "=~", "x\"\\d+\n"),
            ("http.status", "!=", "é"),
            ("9", "!~", "."),
        ]);
        let read: Vec<(String, &str, String)> = promql::parse_selector(&text)
            .unwrap()
            .iter()
            .map(|m| (m.name().to_owned(), m.op().as_str(), m.value().to_owned()))
            .collect();
        for wanted in [
            ("__name__", "=", "a.b"),
            ("job", "=~", "x\"\\d+\n"),
            ("http.status", "!=", "é"),
            ("9", "!~", "."),
        ] {
            let wanted = (wanted.0.to_owned(), wanted.1, wanted.2.to_owned());
            assert!(read.contains(&wanted), "{wanted:?} in {read:?}");
        }
    }
}
