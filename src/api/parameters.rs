//! The parameters of a request, from the URL or a form, and how times and durations are written.

use crate::error::{Error, Result};
use axum::body::to_bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{Method, header};
use jiff::Timestamp;

/// Longest form: Go's servers, and so Prometheus, read as much.
const MAX_FORM_BYTES: usize = 10 << 20;

/// The first and the last time that are kept apart from others, in milliseconds since the epoch:
/// far beyond every sample, and near enough that their difference is no overflow.
pub(crate) const MIN_TIME: i64 = -MAX_TIME;
pub(crate) const MAX_TIME: i64 = i64::MAX / 4;

/// How Prometheus writes the ends of its time, which its clients send as "since ever".
const WRITTEN_MIN_TIME: &str = "-292273086-05-16T16:47:06Z";
const WRITTEN_MAX_TIME: &str = "292277025-08-18T07:12:54.999999999Z";

/// Name and value pairs, those of a form before those of the URL.
pub(crate) struct Parameters(Vec<(String, String)>);

impl<S: Sync> FromRequest<S> for Parameters {
    type Rejection = Error;

    async fn from_request(request: Request, _: &S) -> Result<Self> {
        let (parts, body) = request.into_parts();
        let is_form = parts.method == Method::POST
            && parts
                .headers
                .get(header::CONTENT_TYPE)
                .and_then(|value| value.to_str().ok())
                .and_then(|value| value.split(';').next())
                .is_some_and(|value| {
                    value
                        .trim()
                        .eq_ignore_ascii_case("application/x-www-form-urlencoded")
                });
        let form = if is_form {
            to_bytes(body, MAX_FORM_BYTES)
                .await
                .map_err(|_| Error::TooLong {
                    limit: MAX_FORM_BYTES,
                })?
        } else {
            Default::default()
        };
        let query = parts.uri.query().unwrap_or_default();
        let pairs = form_urlencoded::parse(&form)
            .chain(form_urlencoded::parse(query.as_bytes()))
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        Ok(Self(pairs))
    }
}

impl Parameters {
    /// The first value of `name`; empty where there is none, which means the same.
    pub(crate) fn first(&self, name: &str) -> &str {
        self.all(name).next().unwrap_or_default()
    }

    pub(crate) fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }

    /// A time that must be given.
    pub(crate) fn time(&self, name: &'static str) -> Result<i64> {
        parse_time(self.first(name)).map_err(|reason| Error::parameter(name, reason))
    }

    /// A time that may be left out.
    pub(crate) fn optional_time(&self, name: &'static str) -> Result<Option<i64>> {
        let text = self.first(name);
        if text.is_empty() {
            return Ok(None);
        }
        parse_time(text).map(Some).map_err(|reason| {
            Error::parameter(name, format!("invalid time value for '{name}': {reason}"))
        })
    }

    /// `start` and `end`; `None` when neither is given.
    pub(crate) fn optional_range(&self) -> Result<Option<(i64, i64)>> {
        let start = self.optional_time("start")?;
        let end = self.optional_time("end")?;
        Ok(match (start, end) {
            (None, None) => None,
            (start, end) => Some((start.unwrap_or(MIN_TIME), end.unwrap_or(MAX_TIME))),
        })
    }

    /// A duration in milliseconds that may be left out.
    pub(crate) fn optional_duration(&self, name: &'static str) -> Result<Option<i64>> {
        let text = self.first(name);
        if text.is_empty() {
            return Ok(None);
        }
        parse_duration(text)
            .map(Some)
            .map_err(|reason| Error::parameter(name, reason))
    }

    /// `limit`; `None` for no limit, which 0 says too.
    pub(crate) fn limit(&self) -> Result<Option<usize>> {
        let text = self.first("limit");
        if text.is_empty() {
            return Ok(None);
        }
        let limit: i64 = text.parse().map_err(|_| {
            Error::parameter("limit", format!("parsing {text:?}: not a whole number"))
        })?;
        match usize::try_from(limit) {
            Ok(0) => Ok(None),
            Ok(limit) => Ok(Some(limit)),
            Err(_) => Err(Error::parameter("limit", "limit must be non-negative")),
        }
    }
}

/// Seconds since the epoch with parts, or RFC 3339; in milliseconds.
pub(crate) fn parse_time(text: &str) -> std::result::Result<i64, String> {
    let refused = || format!("cannot parse {text:?} to a valid timestamp");
    if let Ok(seconds) = text.parse::<f64>() {
        if seconds.is_nan() {
            return Err(refused());
        }
        // Rounded by parts, so that times of large numbers keep their milliseconds. The cast
        // ends at the bounds of 64 bits.
        let whole = (seconds.trunc() as i64).saturating_mul(1_000);
        let part = (seconds.fract() * 1_000.0).round() as i64;
        return Ok(whole.saturating_add(part).clamp(MIN_TIME, MAX_TIME));
    }
    match text {
        WRITTEN_MIN_TIME => Ok(MIN_TIME),
        WRITTEN_MAX_TIME => Ok(MAX_TIME),
        _ => text
            .parse::<Timestamp>()
            .map(Timestamp::as_millisecond)
            .map_err(|_| refused()),
    }
}

/// Seconds with parts, or a duration as Prometheus writes it; in milliseconds.
pub(crate) fn parse_duration(text: &str) -> std::result::Result<i64, String> {
    if let Ok(seconds) = text.parse::<f64>() {
        // Prometheus counts nanoseconds in 64 bits.
        if seconds.is_nan() || (seconds * 1e9).abs() > i64::MAX as f64 {
            return Err(format!(
                "cannot parse {text:?} to a valid duration. It overflows int64"
            ));
        }
        // Nanoseconds first: 0.3 s is a little less than 300 ms in a float.
        return Ok((seconds * 1e9) as i64 / 1_000_000);
    }
    series::parse_duration(text).map_err(|_| format!("cannot parse {text:?} to a valid duration"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_or_rfc_3339() {
        for (text, ms) in [
            ("0", 0),
            ("1435781451.781", 1_435_781_451_781),
            ("1435781451.7819", 1_435_781_451_782),
            ("-1.5", -1_500),
            ("1e3", 1_000_000),
            ("2015-07-01T20:10:51.781Z", 1_435_781_451_781),
            ("2015-07-01T22:10:51+02:00", 1_435_781_451_000),
            ("1e300", MAX_TIME),
            ("-Inf", MIN_TIME),
            (WRITTEN_MIN_TIME, MIN_TIME),
            (WRITTEN_MAX_TIME, MAX_TIME),
        ] {
            assert_eq!(parse_time(text), Ok(ms), "{text}");
        }
        for text in ["", "NaN", "foo", "30s", "2015-07-01", "20:10"] {
            let reason = format!("cannot parse {text:?} to a valid timestamp");
            assert_eq!(parse_time(text), Err(reason));
        }
    }

    #[test]
    fn durations_are_seconds_or_prometheus_spelling() {
        for (text, ms) in [
            ("15", 15_000),
            ("0.3", 300),
            ("1.5", 1_500),
            ("0.0009", 0),
            ("-2", -2_000),
            ("1h30m", 5_400_000),
            ("500ms", 500),
        ] {
            assert_eq!(parse_duration(text), Ok(ms), "{text}");
        }
        for text in ["", "1e10", "NaN", "Inf", "1.5h", "foo", "1m2h"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
