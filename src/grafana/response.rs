//! The answer to QueryData, written straight from columns into the wire's buffer.
//!
//! The generated type would hold every frame as bytes, and so every sample twice before the wire
//! copies it again. Field numbers are those of `proto/pluginv2.proto`.

use crate::frames::Frames;
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

    fn encode(&self, buffer: &mut impl BufMut) {
        self.frames
            .write(buffer, |buffer, len| put_prefix(FRAMES, len, buffer));
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
        for ((ref_id, response), &len) in self.responses.iter().zip(&self.lengths) {
            put_prefix(RESPONSES, Self::entry_len(ref_id, len), buffer);
            put_text(KEY, ref_id, buffer);
            put_prefix(VALUE, len, buffer);
            response.encode(buffer);
        }
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
