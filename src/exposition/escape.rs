use std::borrow::Cow;

/// Undoes `\\`, `\n` and, where `quotes`, `\"`. A backslash before anything else stays, as
/// Prometheus keeps it.
pub(crate) fn unescape(text: &str, quotes: bool) -> Cow<'_, str> {
    if memchr::memchr(b'\\', text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        plain.push_str(&rest[..at]);
        let (character, width) = match rest.as_bytes().get(at + 1) {
            Some(b'\\') => ('\\', 2),
            Some(b'n') => ('\n', 2),
            Some(b'"') if quotes => ('"', 2),
            _ => ('\\', 1),
        };
        plain.push(character);
        rest = &rest[at + width..];
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_escapes_are_undone_and_others_stay() {
        for (text, quotes, plain) in [
            (r"plain", true, "plain"),
            (r#"a\"b\\c\nd"#, true, "a\"b\\c\nd"),
            (r#"a\"b"#, false, r#"a\"b"#),
            (r"\t\é\", true, r"\t\é\"),
            (r"\\n", true, r"\n"),
        ] {
            assert_eq!(unescape(text, quotes), plain, "{text}");
        }
    }
}
