//! Queries as Prometheus's HTTP API takes them, and their answers.

use super::failure::{self, HEAD_BYTES};
use super::reader::{Bound, Bounds, Progress, Read, Reader};
use super::settings::{AtBound, RemoteSettings};
use super::transport::{Received, Request, Transport};
use crate::{Error, Priority, Result};
use series::Answer;

/// Milliseconds as decimal seconds: `1700000000`, `0.25`.
pub(super) fn seconds(ms: i64) -> String {
    let sign = if ms < 0 { "-" } else { "" };
    let (whole, rest) = (ms.unsigned_abs() / 1_000, ms.unsigned_abs() % 1_000);
    if rest == 0 {
        return format!("{sign}{whole}");
    }
    let text = format!("{sign}{whole}.{rest:03}");
    text.trim_end_matches('0').to_owned()
}

/// Parameters as a form.
pub(super) fn form<'a>(pairs: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    for (name, value) in pairs {
        form.append_pair(name, &value);
    }
    form.finish()
}

/// What one answer may hold, and what happens when it holds more.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    bounds: Bounds,
    at_bound: AtBound,
}

impl Limits {
    pub(super) fn new(settings: &RemoteSettings) -> Self {
        Self {
            bounds: Bounds {
                samples: settings.max_samples,
                series: settings.max_series,
                bytes: settings.max_response_bytes,
            },
            at_bound: settings.at_bound,
        }
    }

    pub(super) fn bounds(self) -> Bounds {
        self.bounds
    }
}

/// Asks, and reads the answer as it arrives.
pub(super) async fn ask(
    transport: &Transport,
    request: &Request,
    limits: Limits,
) -> Result<Answer> {
    let mut received = transport.send(request).await?;
    let status = received.status();
    // The statuses that Prometheus gives an answer of its own form (query contract, "Errors").
    if !matches!(status, 200..=299 | 400 | 422 | 503) {
        let head = head(&mut received, Vec::new()).await?;
        return Err(failure::of_status(status, &head));
    }
    let read = read_body(&mut received, limits.bounds).await?;
    match read {
        Read::Failed { kind, message } => Err(Error::Api {
            status,
            kind,
            message,
        }),
        Read::Answer { answer, reached } => match reached {
            None => Ok(answer),
            Some(bound) => at_bound(answer, bound, limits, request.priority),
        },
    }
}

async fn read_body(received: &mut Received, bounds: Bounds) -> Result<Read> {
    let status = received.status();
    let mut reader = Reader::new(bounds);
    // Kept until it is clear that this is an answer.
    let mut start = Vec::new();
    let mut known = false;
    loop {
        let chunk = received.chunk().await?;
        if let Some(chunk) = &chunk
            && start.len() < HEAD_BYTES
        {
            let room = HEAD_BYTES - start.len();
            start.extend_from_slice(&chunk[..chunk.len().min(room)]);
        }
        if !known {
            let first = start.iter().find(|byte| !byte.is_ascii_whitespace());
            match first {
                Some(b'{') => known = true,
                None if chunk.is_some() => {}
                _ => {
                    let head = head(received, start).await?;
                    return Err(strange(received, status, &head));
                }
            }
        }
        let fault = match &chunk {
            Some(chunk) => match reader.feed(chunk) {
                Ok(Progress::More) => continue,
                Ok(Progress::Full(_)) => reader.finish(),
                Err(error) => Err(error),
            },
            None => reader.finish(),
        };
        return fault.map_err(|error| {
            if !(200..=299).contains(&status) {
                return failure::of_status(status, &start);
            }
            Error::Malformed {
                url: received.url.clone(),
                offset: error.offset,
                reason: error.reason.into_owned(),
            }
        });
    }
}

/// The first KiB of a body of which `start` has arrived.
pub(super) async fn head(received: &mut Received, start: Vec<u8>) -> Result<Vec<u8>> {
    let mut head = start;
    while head.len() < HEAD_BYTES {
        match received.chunk().await {
            Ok(Some(chunk)) => head.extend_from_slice(&chunk),
            // The status says enough where the body breaks.
            Ok(None) | Err(_) => break,
        }
    }
    head.truncate(HEAD_BYTES);
    Ok(head)
}

fn strange(received: &Received, status: u16, head: &[u8]) -> Error {
    if !(200..=299).contains(&status) {
        return failure::of_status(status, head);
    }
    failure::of_strange_body(&received.url, head).unwrap_or_else(|| Error::Malformed {
        url: received.url.clone(),
        offset: 0,
        reason: match head.iter().find(|byte| !byte.is_ascii_whitespace()) {
            None => "the body is empty".to_owned(),
            Some(_) => {
                let text = String::from_utf8_lossy(head);
                let words: String = text.trim().chars().take(60).collect();
                format!("expected a JSON object, found {words:?}")
            }
        },
    })
}

fn at_bound(
    mut answer: Answer,
    bound: Bound,
    limits: Limits,
    priority: Priority,
) -> Result<Answer> {
    let bounds = limits.bounds;
    let (what, name, limit) = match bound {
        Bound::Samples => (
            "the answer has too many samples",
            "maxSamples",
            bounds.samples,
        ),
        Bound::Series => ("the answer has too many series", "maxSeries", bounds.series),
        Bound::Bytes => ("the answer is too long", "maxResponseBytes", bounds.bytes),
    };
    if limits.at_bound == AtBound::Error || priority == Priority::Alerting {
        return Err(Error::Limit {
            what,
            bound: name,
            limit,
        });
    }
    answer.warnings.push(format!(
        "{what}: only what arrived up to the limit {name} = {limit} is shown"
    ));
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_steps_are_sent_as_decimal_seconds() {
        for (ms, text) in [
            (0, "0"),
            (1_700_000_000_000, "1700000000"),
            (1_700_000_000_120, "1700000000.12"),
            (250, "0.25"),
            (1, "0.001"),
            (-1_500, "-1.5"),
            (i64::MIN, "-9223372036854775.808"),
        ] {
            assert_eq!(seconds(ms), text);
        }
    }
}
