//! `POST validate`: whether a query is right, and if not, where it is wrong.

use super::{Question, templates};
use axum::Json;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use std::ops::Range;

use crate::error::{Error, Result};

#[derive(Deserialize)]
pub(crate) struct ToValidate {
    #[serde(rename = "queryText")]
    query_text: Option<String>,
    expr: Option<String>,
}

#[derive(Serialize)]
struct Verdict {
    valid: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<Position>,
}

/// Where a mistake is, in the text that was sent.
#[derive(Serialize)]
struct Position {
    /// The first character of what is wrong, counted from 0 in UTF-16 as editors in a browser
    /// count; at the text's end where something is missing.
    start: usize,
    /// Behind its last.
    end: usize,
    /// The line, from 1.
    line: usize,
    /// The character in that line, from 1, in UTF-16.
    column: usize,
}

/// `POST validate` with `queryText` or `expr`.
pub(crate) async fn answer(Question(asked): Question<ToValidate>) -> Result<Response> {
    let query = asked
        .query_text
        .or(asked.expr)
        .ok_or_else(|| Error::Request("give the query as queryText (or expr)".to_owned()))?;
    let verdict = match templates::parse(&query) {
        Ok(_) => Verdict {
            valid: true,
            error: None,
            position: None,
        },
        Err(mistake) => Verdict {
            valid: false,
            error: Some(mistake.message),
            position: Some(position(&query, &mistake.span, mistake.line)),
        },
    };
    Ok(Json(verdict).into_response())
}

fn position(query: &str, span: &Range<usize>, line: usize) -> Position {
    let units = |end: usize| {
        // A place in the middle of a character counts as its start.
        let mut end = end.min(query.len());
        while !query.is_char_boundary(end) {
            end -= 1;
        }
        let before = &query[..end];
        let in_line = before.rsplit('\n').next().unwrap_or_default();
        (
            before.encode_utf16().count(),
            in_line.encode_utf16().count(),
        )
    };
    let (start, in_line) = units(span.start);
    let (end, _) = units(span.end);
    Position {
        start,
        end: end.max(start),
        line,
        column: in_line + 1,
    }
}
