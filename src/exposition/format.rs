use std::fmt;

/// The `Accept` header of a scrape: OpenMetrics before Prometheus's text, newer versions first,
/// with the same weights as Prometheus 3 sends without protobuf (`scrape.acceptHeader`).
pub const ACCEPT: &str = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
application/openmetrics-text;version=0.0.1;q=0.5,\
text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
text/plain;version=0.0.4;q=0.3,\
*/*;q=0.2";

/// The language of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Format {
    /// Prometheus's text format 0.0.4, with the quoted names of 1.0.0.
    #[default]
    PrometheusText,
    /// OpenMetrics 1.0 (and 0.0.1) as text.
    OpenMetrics,
}

/// Why a `Content-Type` header does not say which format a page is in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ContentTypeError {
    /// There is no header, or only blanks in it.
    #[error("the target sent no Content-Type and no fallback format is set")]
    Missing,
    /// The header is not written as RFC 2045 asks.
    #[error("cannot read the Content-Type {0:?} and no fallback format is set")]
    Malformed(String),
    /// The header names a type that holds no metrics, or holds them in a form that this room
    /// does not read (`application/vnd.google.protobuf`).
    #[error("the Content-Type {0:?} is no text format of metrics and no fallback format is set")]
    Unsupported(String),
}

impl Format {
    /// The format that a `Content-Type` header names; an absent header is `""`.
    ///
    /// The rules are those of Prometheus 3 (`textparse.New`): only the media type counts, so
    /// any version and character set will do; with a header that is absent, malformed or names
    /// another type, `fallback` is used where there is one.
    ///
    /// # Errors
    /// [`ContentTypeError`] when the header does not name a format and there is no `fallback`.
    pub fn from_content_type(
        header: &str,
        fallback: Option<Self>,
    ) -> Result<Self, ContentTypeError> {
        Self::named_by(header).or_else(|error| fallback.ok_or(error))
    }

    fn named_by(header: &str) -> Result<Self, ContentTypeError> {
        if header.is_empty() {
            return Err(ContentTypeError::Missing);
        }
        let (media_type, parameters) = match header.find(';') {
            Some(at) => header.split_at(at),
            None => (header, ""),
        };
        let media_type = media_type.trim();
        if media_type.is_empty() && parameters.is_empty() {
            return Err(ContentTypeError::Missing);
        }
        if !is_media_type(media_type) || !are_parameters(parameters) {
            return Err(ContentTypeError::Malformed(header.to_owned()));
        }
        if media_type.eq_ignore_ascii_case("text/plain") {
            Ok(Self::PrometheusText)
        } else if media_type.eq_ignore_ascii_case("application/openmetrics-text") {
            Ok(Self::OpenMetrics)
        } else {
            Err(ContentTypeError::Unsupported(header.to_owned()))
        }
    }

    /// The format's name in words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::PrometheusText => "Prometheus's text format",
            Self::OpenMetrics => "OpenMetrics",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// `token` or `token/token`.
fn is_media_type(text: &str) -> bool {
    let (major, minor) = text
        .split_once('/')
        .map_or((text, None), |(major, minor)| (major, Some(minor)));
    is_token(major) && minor.is_none_or(is_token)
}

/// `; name=value` any number of times, names without repetition, and perhaps a last `;`.
fn are_parameters(mut text: &str) -> bool {
    let mut names: Vec<String> = Vec::new();
    loop {
        text = text.trim_start();
        if text.is_empty() {
            return true;
        }
        let Some(parameter) = text.strip_prefix(';') else {
            return false;
        };
        let parameter = parameter.trim_start();
        if parameter.is_empty() {
            return true;
        }
        let Some((name, rest)) = take_token(parameter) else {
            return false;
        };
        let Some(value) = rest.trim_start().strip_prefix('=') else {
            return false;
        };
        let value = value.trim_start();
        let taken = match value.strip_prefix('"') {
            Some(quoted) => take_quoted(quoted),
            None => take_token(value).map(|(_, rest)| rest),
        };
        let Some(rest) = taken else { return false };
        let name = name.to_ascii_lowercase();
        if names.contains(&name) {
            return false;
        }
        names.push(name);
        text = rest;
    }
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(&byte)
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

fn take_token(text: &str) -> Option<(&str, &str)> {
    let end = text
        .bytes()
        .position(|b| !is_token_byte(b))
        .unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

/// What follows the closing quote of a text whose opening quote is already taken.
fn take_quoted(text: &str) -> Option<&str> {
    let mut bytes = text.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => return Some(&text[at + 1..]),
            b'\\' => drop(bytes.next()),
            b'\r' | b'\n' => return None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(header: &str, want: Result<Format, ContentTypeError>) {
        assert_eq!(Format::from_content_type(header, None), want, "{header:?}");
        let with_fallback = Format::from_content_type(header, Some(Format::OpenMetrics));
        assert_eq!(with_fallback, Ok(want.unwrap_or(Format::OpenMetrics)));
    }

    #[test]
    fn only_the_media_type_counts() {
        for header in [
            "text/plain",
            "text/plain; version=0.0.4",
            "text/plain; version=0.0.4; charset=utf-8; escaping=underscores",
            "Text/Plain;charset=\"utf;8\";",
            " text/plain ; version = 9 ",
        ] {
            check(header, Ok(Format::PrometheusText));
        }
        for header in [
            "application/openmetrics-text",
            "application/openmetrics-text; version=0.0.1; charset=utf-8",
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8",
        ] {
            check(header, Ok(Format::OpenMetrics));
        }
    }

    #[test]
    fn a_header_that_names_no_format_is_an_error_that_repeats_it() {
        check("", Err(ContentTypeError::Missing));
        check("  ", Err(ContentTypeError::Missing));
        for header in ["application/json; charset=utf-8", "text/html"] {
            check(header, Err(ContentTypeError::Unsupported(header.into())));
        }
        for header in [
            "text/plain; version",
            "text/plain; a=1; A=2",
            "text/plain; a=\"1",
            "text/",
            "text plain",
            ";",
        ] {
            check(header, Err(ContentTypeError::Malformed(header.into())));
        }
    }
}
