//! Prometheus's JSON, written piece by piece: no answer stands in memory as text as a whole.

mod answer;
mod lists;
mod number;
mod times;
mod writers;

pub(crate) use answer::{AnswerJson, StatisticsJson};
pub use lists::push_labels;
pub(crate) use lists::{ListJson, SuccessiveLabels};
pub(crate) use number::push_value;
pub(crate) use times::push_time;
use writers::written;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use futures_util::{StreamExt, stream};
use std::convert::Infallible;

/// A piece is sent when it has so many bytes.
pub(crate) const PIECE_BYTES: usize = 64 << 10;

/// Most notices of a kind in one answer, as in Prometheus.
const MAX_NOTICES: usize = 10;

/// A text that is written piece by piece.
pub(crate) trait Pieces: Send + 'static {
    /// Appends to `out` until it holds [`PIECE_BYTES`] or a little more, or the text ends.
    /// Says whether there is more.
    fn fill(&mut self, out: &mut Vec<u8>) -> bool;
}

/// A successful list. One that fits a piece is sent as a whole, with its length.
pub(crate) fn stream_json(mut pieces: impl Pieces) -> Response {
    let mut first = Vec::with_capacity(1 << 10);
    if !pieces.fill(&mut first) {
        return json(Body::from(first));
    }
    let rest = stream::unfold(Some(pieces), |pieces| async move {
        let mut pieces = pieces?;
        let mut piece = Vec::with_capacity(PIECE_BYTES + (8 << 10));
        let more = pieces.fill(&mut piece);
        Some((Bytes::from(piece), more.then_some(pieces)))
    });
    let all = stream::once(async { Bytes::from(first) }).chain(rest);
    json(Body::from_stream(all.map(Ok::<_, Infallible>)))
}

/// A successful answer to a query. One that fits a piece is sent as a whole, with its length;
/// long ones are written by several threads, as is what follows the first piece of others.
pub(crate) fn stream_answer(mut answer: AnswerJson) -> Response {
    if answer.is_long() {
        return json(Body::from_stream(written(answer.into_parts())));
    }
    let mut first = Vec::with_capacity(1 << 10);
    if !answer.fill(&mut first) {
        return json(Body::from(first));
    }
    let all = stream::once(async { Ok(Bytes::from(first)) }).chain(written(answer.into_parts()));
    json(Body::from_stream(all))
}

fn json(body: Body) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}

/// `,"warnings":[…],"infos":[…]`, each where there are any.
pub(crate) fn push_notices(out: &mut Vec<u8>, warnings: &[String], infos: &[String]) {
    for (name, kind, notices) in [("warnings", "warning", warnings), ("infos", "info", infos)] {
        if notices.is_empty() {
            continue;
        }
        out.extend_from_slice(b",\"");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":[");
        for (at, notice) in notices.iter().take(MAX_NOTICES).enumerate() {
            if at > 0 {
                out.push(b',');
            }
            push_text(out, notice);
        }
        if let Some(more @ 1..) = notices.len().checked_sub(MAX_NOTICES) {
            out.push(b',');
            push_text(out, &format!("{more} more {kind} annotations omitted"));
        }
        out.push(b']');
    }
}

/// Where the first byte stands that a JSON string cannot hold as it is.
fn first_to_escape(text: &[u8]) -> Option<usize> {
    let (words, rest) = text.as_chunks::<8>();
    for (word, at) in words.iter().zip((0..).step_by(8)) {
        if let Some(found) = first_to_escape_of(*word) {
            return Some(at + found);
        }
    }
    match text.last_chunk::<8>() {
        // Those before the rest are looked at a second time.
        Some(word) if !rest.is_empty() => {
            first_to_escape_of(*word).map(|found| text.len() - 8 + found)
        }
        Some(_) => None,
        None => text.iter().position(|byte| !is_plain(*byte)),
    }
}

fn is_plain(byte: u8) -> bool {
    byte >= 0x20 && byte != b'"' && byte != b'\\'
}

/// As [`first_to_escape`], of eight bytes at once.
#[inline]
fn first_to_escape_of(word: [u8; 8]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const TOPS: u64 = 0x8080_8080_8080_8080;
    let bytes = u64::from_le_bytes(word);
    // The top bit of each byte that is below 0x20, or equal: exact up to the first of them.
    let below = bytes.wrapping_sub(ONES * 0x20) & !bytes;
    let equal = |byte: u8| {
        let differences = bytes ^ (ONES * u64::from(byte));
        differences.wrapping_sub(ONES) & !differences
    };
    let found = (below | equal(b'"') | equal(b'\\')) & TOPS;
    (found != 0).then(|| found.trailing_zeros() as usize / 8)
}

/// A JSON string.
pub fn push_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = first_to_escape(rest) {
        out.extend_from_slice(&rest[..at]);
        match rest[at] {
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            byte @ (b'"' | b'\\') => out.extend_from_slice(&[b'\\', byte]),
            byte => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
            }
        }
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

#[cfg(test)]
mod tests;
