//! The answer to QueryData, written straight from columns into the wire's buffers.
//!
//! The generated type would hold every frame as bytes, and so every sample twice before the wire
//! copies it again. Field numbers are those of `proto/pluginv2.proto`.

use crate::frames::{Frames, Shared};
use bytes::{Buf, BufMut};
use prost::encoding::{
    DecodeContext, WireType, encode_key, encode_varint, encoded_len_varint, key_len, skip_field,
};
use prost::{DecodeError, Message};

/// Whose fault an error is, in Grafana's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorSource {
    Plugin,
    Downstream,
}

impl ErrorSource {
    fn as_str(self) -> &'static str {
        match self {
            Self::Plugin => "plugin",
            Self::Downstream => "downstream",
        }
    }
}

/// Why a query has no answer, or only part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QueryError {
    pub(crate) message: String,
    /// HTTP status.
    pub(crate) status: u16,
    pub(crate) source: ErrorSource,
}

/// The answer to one query: frames, an error, or both.
#[derive(Default)]
pub(crate) struct DataResponse {
    pub(crate) frames: Frames,
    pub(crate) error: Option<QueryError>,
}

/// The answers by refId.
#[derive(Default)]
pub(crate) struct QueryDataResponse {
    responses: Vec<(String, DataResponse)>,
    /// The length of each answer's bytes: needed before them, and costly for many frames.
    lengths: Vec<usize>,
}

/// How far an answer has been written.
#[derive(Default)]
pub(crate) struct Place {
    response: usize,
    /// Whether what stands before its frames is written.
    is_begun: bool,
    frame: usize,
    shared: Shared,
}

const OK: u16 = 200;

// QueryDataResponse
const RESPONSES: u32 = 1;
// An entry of a protobuf map
const KEY: u32 = 1;
const VALUE: u32 = 2;
// DataResponse
const FRAMES: u32 = 1;
const ERROR: u32 = 2;
const STATUS: u32 = 4;
const ERROR_SOURCE: u32 = 5;

impl QueryDataResponse {
    pub(crate) fn new(responses: Vec<(String, DataResponse)>) -> Self {
        let lengths = responses
            .iter()
            .map(|(_, response)| response.encoded_len())
            .collect();
        Self { responses, lengths }
    }

    /// Writes on from `place`, whole frames, until one more would be more than `enough` bytes; a
    /// longer one stands alone. Says whether there is more to write.
    pub(crate) fn write_some(
        &self,
        place: &mut Place,
        enough: usize,
        buffer: &mut impl BufMut,
    ) -> bool {
        let mut written = 0;
        while let Some((ref_id, response)) = self.responses.get(place.response) {
            if !place.is_begun {
                let len = self.lengths[place.response];
                put_prefix(RESPONSES, Self::entry_len(ref_id, len), buffer);
                put_text(KEY, ref_id, buffer);
                put_prefix(VALUE, len, buffer);
                place.is_begun = true;
            }
            while place.frame < response.frames.len() {
                let len = response.frames.frame_len(place.frame);
                if written > 0 && written + len > enough {
                    return true;
                }
                written += len;
                put_prefix(FRAMES, len, buffer);
                response
                    .frames
                    .write_frame(place.frame, &mut place.shared, buffer);
                place.frame += 1;
            }
            response.write_rest(buffer);
            *place = Place {
                response: place.response + 1,
                shared: std::mem::take(&mut place.shared),
                ..Place::default()
            };
        }
        false
    }

    /// The length of the frame that comes next; 0 where none does.
    pub(crate) fn next_len(&self, place: &Place) -> usize {
        match self.responses.get(place.response) {
            Some((_, response)) if place.frame < response.frames.len() => {
                response.frames.frame_len(place.frame)
            }
            _ => 0,
        }
    }

    /// An entry's length without its own key and length.
    fn entry_len(ref_id: &str, response_len: usize) -> usize {
        prefixed_len(KEY, ref_id.len()) + prefixed_len(VALUE, response_len)
    }
}

impl DataResponse {
    pub(crate) fn failed(error: QueryError) -> Self {
        Self {
            frames: Frames::default(),
            error: Some(error),
        }
    }

    fn status(&self) -> u16 {
        self.error.as_ref().map_or(OK, |error| error.status)
    }

    fn encoded_len(&self) -> usize {
        let frames: usize = (0..self.frames.len())
            .map(|frame| prefixed_len(FRAMES, self.frames.frame_len(frame)))
            .sum();
        let error = self.error.as_ref().map_or(0, |error| {
            prefixed_len(ERROR, error.message.len())
                + prefixed_len(ERROR_SOURCE, error.source.as_str().len())
        });
        frames + error + key_len(STATUS) + encoded_len_varint(self.status().into())
    }

    /// What stands behind the frames.
    fn write_rest(&self, buffer: &mut impl BufMut) {
        if let Some(error) = &self.error {
            put_text(ERROR, &error.message, buffer);
        }
        encode_key(STATUS, WireType::Varint, buffer);
        encode_varint(self.status().into(), buffer);
        if let Some(error) = &self.error {
            put_text(ERROR_SOURCE, error.source.as_str(), buffer);
        }
    }
}

impl Message for QueryDataResponse {
    fn encode_raw(&self, buffer: &mut impl BufMut) {
        self.write_some(&mut Place::default(), usize::MAX, buffer);
    }

    fn encoded_len(&self) -> usize {
        self.responses
            .iter()
            .zip(&self.lengths)
            .map(|((ref_id, _), &len)| prefixed_len(RESPONSES, Self::entry_len(ref_id, len)))
            .sum()
    }

    /// The plugin only writes this message; a reader finds nothing in it.
    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buffer: &mut impl Buf,
        context: DecodeContext,
    ) -> Result<(), DecodeError> {
        skip_field(wire_type, tag, buffer, context)
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

/// The length of a field of `len` bytes with its key and length.
fn prefixed_len(tag: u32, len: usize) -> usize {
    key_len(tag) + encoded_len_varint(len as u64) + len
}

fn put_prefix(tag: u32, len: usize, buffer: &mut impl BufMut) {
    encode_key(tag, WireType::LengthDelimited, buffer);
    encode_varint(len as u64, buffer);
}

fn put_text(tag: u32, text: &str, buffer: &mut impl BufMut) {
    put_prefix(tag, text.len(), buffer);
    buffer.put_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answers::{Asked, push_answer};
    use crate::panel_query::Legend;
    use proptest::prelude::*;
    use series::{Answer, Labels, QueryResult, Series};

    fn answers(series: &[Vec<usize>]) -> QueryDataResponse {
        let mut responses = Vec::new();
        for (number, lengths) in series.iter().enumerate() {
            let one = |(at, rows): (usize, &usize)| Series {
                labels: Labels::new([("at", at.to_string())]).unwrap_or_default(),
                times: (0..*rows as i64).collect(),
                values: (0..*rows).map(|row| row as f64).collect(),
            };
            let matrix = lengths.iter().enumerate().map(one).collect();
            let mut response = DataResponse::default();
            let asked = Asked {
                ref_id: "A",
                expr: "up",
                step_ms: 1_000,
                legend: &Legend::Auto,
            };
            let answer = Answer::new(QueryResult::Matrix(matrix));
            push_answer(&mut response.frames, &answer, &asked).unwrap();
            if number % 2 == 1 {
                response.error = Some(QueryError {
                    message: "half of it is missing".to_owned(),
                    status: 502,
                    source: ErrorSource::Downstream,
                });
            }
            responses.push((number.to_string(), response));
        }
        QueryDataResponse::new(responses)
    }

    proptest! {
        #[test]
        fn an_answer_in_pieces_is_the_answer_in_one(
            series in proptest::collection::vec(proptest::collection::vec(0_usize..50, 0..6), 0..4),
            enough in 0_usize..6_000,
        ) {
            let message = answers(&series);
            let whole = message.encode_to_vec();
            prop_assert_eq!(whole.len(), message.encoded_len());
            let (mut place, mut all) = (Place::default(), Vec::new());
            loop {
                let next = message.next_len(&place);
                let mut piece = Vec::new();
                let more = message.write_some(&mut place, enough, &mut piece);
                prop_assert!(piece.len() >= next);
                prop_assert!(piece.len() <= enough.max(next) + 200);
                all.extend_from_slice(&piece);
                if !more {
                    break;
                }
            }
            prop_assert_eq!(all, whole);
        }
    }
}
