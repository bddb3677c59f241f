//! Answers as the bytes that Grafana receives, without a server around them: the door for tests,
//! benchmarks and programs that look at frames.

use crate::answers::{Asked, push_answer};
use crate::frames::{FrameError, Frames};
use crate::response::{DataResponse, QueryDataResponse};
use bytes::BytesMut;
use prost::Message;
use series::Answer;

/// The frames of an answer, each an Arrow IPC file.
///
/// # Errors
/// [`FrameError`] when the answer's columns do not fit together.
pub fn encode_frames(answer: &Answer, asked: &Asked<'_>) -> Result<Vec<Vec<u8>>, FrameError> {
    let mut frames = Frames::default();
    push_answer(&mut frames, answer, asked)?;
    Ok(frames.to_bytes())
}

/// The protobuf bytes of a `QueryDataResponse` with these answers, in a buffer of exactly their
/// length.
///
/// # Errors
/// [`FrameError`] when an answer's columns do not fit together.
pub fn encode_response(answers: &[(Asked<'_>, &Answer)]) -> Result<BytesMut, FrameError> {
    let mut responses = Vec::with_capacity(answers.len());
    for (asked, answer) in answers {
        let mut response = DataResponse::default();
        push_answer(&mut response.frames, answer, asked)?;
        responses.push((asked.ref_id.to_owned(), response));
    }
    let message = QueryDataResponse::new(responses);
    let mut bytes = BytesMut::with_capacity(message.encoded_len());
    message.encode_raw(&mut bytes);
    Ok(bytes)
}
