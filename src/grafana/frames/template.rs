//! The bytes of a series's frame, prepared once per response.
//!
//! A frame of two columns is an Arrow IPC file of about 1.2 KB around its samples, and the frames
//! of a response differ only in the value field's name, labels and config. These three texts
//! are laid at the end of each flatbuffer, so that all that stands before them keeps its place;
//! what points at them, or counts rows, is a *hole* that is filled when a frame is written.
//! Arrow's own writer needs about 5 µs for such a frame.
//!
//! Layout (Arrow columnar format, "IPC File Format"): magic, schema message, record batch
//! message with the columns as its body, end of stream, footer (the schema again), magic.

use super::general::nanoseconds;
use arrow_ipc as ipc;
use bytes::BufMut;
use flatbuffers::{FlatBufferBuilder, WIPOffset};
use series::Column;

const MAGIC_START: &[u8; 8] = b"ARROW1\0\0";
const MAGIC_END: &[u8; 6] = b"ARROW1";
const CONTINUATION: u32 = 0xffff_ffff;
/// Continuation marker and length before each message.
const MESSAGE_PREFIX: usize = 8;
/// A marker and a length of zero.
const END_OF_STREAM: usize = 8;
/// Distinct numbers that stand nowhere else in a footer, so that their places can be found.
const OFFSET_MARK: i64 = 0x5a17_c0de_0ff5_e701;
const BODY_MARK: i64 = 0x5a17_c0de_b0d7_1e02;

/// What all frames of a template have in common.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SeriesShape<'a> {
    pub(crate) ref_id: &'a str,
    /// The frame's meta, JSON text.
    pub(crate) meta: &'a str,
    /// The time field's config, JSON text; `None` for none.
    pub(crate) time_config: Option<&'a str>,
    /// Whether the value field has a config.
    pub(crate) has_config: bool,
}

/// The prepared bytes of one shape of frame.
#[derive(Debug)]
pub(crate) struct Template {
    schema: Stencil,
    footer: Stencil,
    /// Where the footer's block stands: the batch's offset and its body's length.
    footer_offset: usize,
    footer_body: usize,
    batch_len: usize,
    texts: usize,
}

/// A flatbuffer up to its variable texts.
#[derive(Debug)]
struct Stencil {
    prefix: Vec<u8>,
    /// (place in `prefix`, which text it points at), in order.
    holes: Vec<(usize, usize)>,
}

impl Template {
    /// Prepares the bytes for `shape`.
    pub(crate) fn new(shape: &SeriesShape<'_>) -> Self {
        let texts = if shape.has_config { 3 } else { 2 };
        let schema = Stencil::new(texts, |texts| schema_message(shape, texts));
        let footer = Stencil::new(texts, |texts| footer(shape, texts));
        let footer_offset = find(&footer.prefix, OFFSET_MARK);
        let footer_body = find(&footer.prefix, BODY_MARK);
        let batch_len = batch_message(0).len();
        Self {
            schema,
            footer,
            footer_offset,
            footer_body,
            batch_len,
            texts,
        }
    }

    /// The length of a frame with these texts and so many rows.
    pub(super) fn encoded_len(&self, texts: [&str; 3], rows: usize) -> usize {
        let texts = &texts[..self.texts];
        MAGIC_START.len()
            + MESSAGE_PREFIX
            + self.schema.encoded_len(texts)
            + MESSAGE_PREFIX
            + self.batch_len
            + body_len(rows)
            + END_OF_STREAM
            + self.footer.encoded_len(texts)
            + size_of::<u32>()
            + MAGIC_END.len()
    }

    /// Writes a frame. `times` are milliseconds and as many as `values`.
    pub(super) fn write(
        &self,
        texts: [&str; 3],
        times: &Column<i64>,
        values: &Column<f64>,
        shared: &mut Shared,
        buffer: &mut impl BufMut,
    ) {
        let texts = &texts[..self.texts];
        let rows = values.len();
        let schema_len = self.schema.encoded_len(texts);

        buffer.put_slice(MAGIC_START);
        buffer.put_u32_le(CONTINUATION);
        buffer.put_u32_le(schema_len as u32);
        self.schema.write(texts, &[], buffer);

        let batch_offset = MAGIC_START.len() + MESSAGE_PREFIX + schema_len;
        buffer.put_u32_le(CONTINUATION);
        buffer.put_u32_le(self.batch_len as u32);
        buffer.put_slice(shared.batch(rows));
        buffer.put_slice(shared.nanoseconds(times));
        buffer.put_slice(bytemuck::cast_slice(values));

        buffer.put_u32_le(CONTINUATION);
        buffer.put_u32_le(0);
        let numbers = [
            (self.footer_offset, batch_offset as i64),
            (self.footer_body, body_len(rows) as i64),
        ];
        self.footer.write(texts, &numbers, buffer);
        buffer.put_u32_le(self.footer.encoded_len(texts) as u32);
        buffer.put_slice(MAGIC_END);
    }
}

/// What consecutive frames can share while they are written.
#[derive(Default)]
pub(crate) struct Shared {
    milliseconds: Option<Column<i64>>,
    nanoseconds: Vec<i64>,
    batch_rows: Option<usize>,
    batch: Vec<u8>,
}

impl Shared {
    fn nanoseconds(&mut self, milliseconds: &Column<i64>) -> &[u8] {
        if !self
            .milliseconds
            .as_ref()
            .is_some_and(|last| last.is_same(milliseconds))
        {
            self.nanoseconds.clear();
            self.nanoseconds
                .extend(milliseconds.iter().map(|time| nanoseconds(*time)));
            self.milliseconds = Some(milliseconds.clone());
        }
        bytemuck::cast_slice(&self.nanoseconds)
    }

    fn batch(&mut self, rows: usize) -> &[u8] {
        if self.batch_rows != Some(rows) {
            self.batch = batch_message(rows);
            self.batch_rows = Some(rows);
        }
        &self.batch
    }
}

impl Stencil {
    /// Finds the holes by building the flatbuffer twice: with texts of other lengths, all that
    /// differs before the texts is what points at them. One more text, at which nothing points,
    /// stands before the others, so that each of them moves.
    fn new(texts: usize, build: impl Fn(&[&str]) -> Vec<u8>) -> Self {
        // Both take a multiple of 8 bytes each, so that the alignment of the rest is the same.
        let short = build(&vec![""; texts + 1]);
        let long = build(&vec!["12345678"; texts + 1]);
        let prefix_len = short.len() - 8 * (texts + 1);
        debug_assert_eq!(prefix_len, long.len() - 16 * (texts + 1));
        let word = |bytes: &[u8], place: usize| {
            u32::from_le_bytes([
                bytes[place],
                bytes[place + 1],
                bytes[place + 2],
                bytes[place + 3],
            ])
        };
        let mut holes = Vec::new();
        for place in (0..prefix_len).step_by(4) {
            if word(&short, place) != word(&long, place) {
                let target = place + word(&short, place) as usize;
                // A builder lays what it writes first at the end.
                holes.push((place, texts - (target - prefix_len) / 8));
            }
        }
        debug_assert!((0..texts).all(|text| holes.iter().any(|hole| hole.1 == text)));
        let mut prefix = short;
        prefix.truncate(prefix_len);
        Self { prefix, holes }
    }

    /// The length with these texts, up to a multiple of eight: columns must start at one.
    fn encoded_len(&self, texts: &[&str]) -> usize {
        let texts: usize = texts.iter().map(|text| text_len(text)).sum();
        (self.prefix.len() + texts).next_multiple_of(8)
    }

    /// Writes prefix and texts, with the holes filled and `numbers` put in their places.
    fn write(&self, texts: &[&str], numbers: &[(usize, i64)], buffer: &mut impl BufMut) {
        // The texts stand in reverse order, as a flatbuffer builder lays them.
        let mut starts = [0; 3];
        let mut place = self.prefix.len();
        for (text, start) in texts.iter().zip(&mut starts).rev() {
            *start = place;
            place += text_len(text);
        }
        let mut done = 0;
        let mut numbers = numbers.iter().peekable();
        for &(hole, text) in &self.holes {
            while let Some(&(place, number)) = numbers.next_if(|(place, _)| *place < hole) {
                buffer.put_slice(&self.prefix[done..place]);
                buffer.put_i64_le(number);
                done = place + size_of::<i64>();
            }
            buffer.put_slice(&self.prefix[done..hole]);
            buffer.put_u32_le((starts[text] - hole) as u32);
            done = hole + size_of::<u32>();
        }
        for &(place, number) in numbers {
            buffer.put_slice(&self.prefix[done..place]);
            buffer.put_i64_le(number);
            done = place + size_of::<i64>();
        }
        buffer.put_slice(&self.prefix[done..]);
        for text in texts.iter().rev() {
            buffer.put_u32_le(text.len() as u32);
            buffer.put_slice(text.as_bytes());
            buffer.put_bytes(0, text_len(text) - size_of::<u32>() - text.len());
        }
        buffer.put_bytes(0, self.encoded_len(texts) - place);
    }
}

/// The bytes of a text: its length, the text, a zero, and up to a multiple of four.
fn text_len(text: &str) -> usize {
    size_of::<u32>() + (text.len() + 1).next_multiple_of(4)
}

/// The columns' bytes: 64-bit times and 64-bit values.
fn body_len(rows: usize) -> usize {
    rows * (size_of::<i64>() + size_of::<f64>())
}

/// The place of a mark that stands exactly once.
fn find(bytes: &[u8], mark: i64) -> usize {
    let mark = mark.to_le_bytes();
    let place = bytes.windows(mark.len()).position(|window| window == mark);
    debug_assert!(place.is_some(), "a footer without its block");
    place.unwrap_or_default()
}

fn schema_message(shape: &SeriesShape<'_>, texts: &[&str]) -> Vec<u8> {
    let mut builder = FlatBufferBuilder::new();
    let schema = schema(&mut builder, shape, texts);
    let message = ipc::Message::create(
        &mut builder,
        &ipc::MessageArgs {
            version: ipc::MetadataVersion::V5,
            header_type: ipc::MessageHeader::Schema,
            header: Some(schema.as_union_value()),
            bodyLength: 0,
            custom_metadata: None,
        },
    );
    builder.finish(message, None);
    builder.finished_data().to_vec()
}

fn footer(shape: &SeriesShape<'_>, texts: &[&str]) -> Vec<u8> {
    let mut builder = FlatBufferBuilder::new();
    let schema = schema(&mut builder, shape, texts);
    let batch_metadata = MESSAGE_PREFIX + batch_message(0).len();
    let block = ipc::Block::new(OFFSET_MARK, batch_metadata as i32, BODY_MARK);
    let blocks = builder.create_vector(&[block]);
    let footer = ipc::Footer::create(
        &mut builder,
        &ipc::FooterArgs {
            version: ipc::MetadataVersion::V5,
            schema: Some(schema),
            dictionaries: None,
            recordBatches: Some(blocks),
            custom_metadata: None,
        },
    );
    builder.finish(footer, None);
    builder.finished_data().to_vec()
}

/// The schema of time and value. `texts` are the value field's name, labels and, where the shape
/// has one, config; they are written first and so stand last.
fn schema<'b>(
    builder: &mut FlatBufferBuilder<'b>,
    shape: &SeriesShape<'_>,
    texts: &[&str],
) -> WIPOffset<ipc::Schema<'b>> {
    let texts: Vec<WIPOffset<&str>> = texts
        .iter()
        .map(|text| builder.create_string(text))
        .collect();

    let mut value_metadata = vec![("labels", texts[1])];
    if shape.has_config {
        value_metadata.push(("config", texts[2]));
    }
    let value_metadata = key_values(builder, &value_metadata);
    let double = ipc::FloatingPoint::create(
        builder,
        &ipc::FloatingPointArgs {
            precision: ipc::Precision::DOUBLE,
        },
    );
    let value = ipc::Field::create(
        builder,
        &ipc::FieldArgs {
            name: Some(texts[0]),
            nullable: false,
            type_type: ipc::Type::FloatingPoint,
            type_: Some(double.as_union_value()),
            custom_metadata: value_metadata,
            ..Default::default()
        },
    );

    let time_config = shape
        .time_config
        .map(|config| builder.create_string(config));
    let time_metadata: Vec<_> = time_config
        .map(|config| ("config", config))
        .into_iter()
        .collect();
    let time_metadata = key_values(builder, &time_metadata);
    let timestamp = ipc::Timestamp::create(
        builder,
        &ipc::TimestampArgs {
            unit: ipc::TimeUnit::NANOSECOND,
            timezone: None,
        },
    );
    let time_name = builder.create_string("Time");
    let time = ipc::Field::create(
        builder,
        &ipc::FieldArgs {
            name: Some(time_name),
            nullable: false,
            type_type: ipc::Type::Timestamp,
            type_: Some(timestamp.as_union_value()),
            custom_metadata: time_metadata,
            ..Default::default()
        },
    );

    let empty = builder.create_string("");
    let ref_id = builder.create_string(shape.ref_id);
    let meta = builder.create_string(shape.meta);
    let metadata = key_values(
        builder,
        &[("name", empty), ("refId", ref_id), ("meta", meta)],
    );
    let fields = builder.create_vector(&[time, value]);
    ipc::Schema::create(
        builder,
        &ipc::SchemaArgs {
            endianness: ipc::Endianness::Little,
            fields: Some(fields),
            custom_metadata: metadata,
            features: None,
        },
    )
}

type KeyValues<'b> =
    WIPOffset<flatbuffers::Vector<'b, flatbuffers::ForwardsUOffset<ipc::KeyValue<'b>>>>;

fn key_values<'b>(
    builder: &mut FlatBufferBuilder<'b>,
    pairs: &[(&str, WIPOffset<&'b str>)],
) -> Option<KeyValues<'b>> {
    if pairs.is_empty() {
        return None;
    }
    let pairs: Vec<_> = pairs
        .iter()
        .map(|(key, value)| {
            let key = builder.create_string(key);
            let args = ipc::KeyValueArgs {
                key: Some(key),
                value: Some(*value),
            };
            ipc::KeyValue::create(builder, &args)
        })
        .collect();
    Some(builder.create_vector(&pairs))
}

/// The record batch message of `rows` rows without nulls.
fn batch_message(rows: usize) -> Vec<u8> {
    let mut builder = FlatBufferBuilder::new();
    // Zeros are written like any other number, so that the length is the same for all `rows`.
    builder.force_defaults(true);
    let column = (rows * size_of::<i64>()) as i64;
    let nodes = [ipc::FieldNode::new(rows as i64, 0); 2];
    let nodes = builder.create_vector(&nodes);
    // For each column an empty validity bitmap and the values.
    let buffers = builder.create_vector(&[
        ipc::Buffer::new(0, 0),
        ipc::Buffer::new(0, column),
        ipc::Buffer::new(column, 0),
        ipc::Buffer::new(column, column),
    ]);
    let batch = ipc::RecordBatch::create(
        &mut builder,
        &ipc::RecordBatchArgs {
            length: rows as i64,
            nodes: Some(nodes),
            buffers: Some(buffers),
            ..Default::default()
        },
    );
    let message = ipc::Message::create(
        &mut builder,
        &ipc::MessageArgs {
            version: ipc::MetadataVersion::V5,
            header_type: ipc::MessageHeader::RecordBatch,
            header: Some(batch.as_union_value()),
            bodyLength: body_len(rows) as i64,
            custom_metadata: None,
        },
    );
    builder.finish(message, None);
    let mut bytes = builder.finished_data().to_vec();
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes
}
