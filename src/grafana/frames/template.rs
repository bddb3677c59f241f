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
use std::sync::Arc;

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

    /// The length of a frame with texts of these lengths and so many rows.
    pub(super) fn encoded_len(&self, texts: [usize; 3], rows: usize) -> usize {
        let texts = texts.map(text_len);
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
        self: &Arc<Self>,
        texts: [&[u8]; 3],
        times: &Column<i64>,
        values: &Column<f64>,
        shared: &mut Shared,
        buffer: &mut impl BufMut,
    ) {
        let texts = &texts[..self.texts];
        shared.around.fit(self, texts, values.len());
        shared.fit_nanoseconds(times);
        let around = &shared.around;
        buffer.put_slice(&around.schema);
        put_texts(texts, buffer);
        buffer.put_slice(&around.batch);
        buffer.put_slice(bytemuck::cast_slice(&shared.nanoseconds));
        buffer.put_slice(bytemuck::cast_slice(values));
        buffer.put_slice(&around.footer);
        put_texts(texts, buffer);
        buffer.put_slice(&around.end);
    }
}

/// What consecutive frames can share while they are written.
#[derive(Default)]
pub(crate) struct Shared {
    milliseconds: Option<Column<i64>>,
    nanoseconds: Vec<i64>,
    around: Around,
}

impl Shared {
    fn fit_nanoseconds(&mut self, milliseconds: &Column<i64>) {
        let last = self.milliseconds.as_ref();
        if last.is_some_and(|last| last.is_same(milliseconds)) {
            return;
        }
        self.nanoseconds.clear();
        self.nanoseconds
            .extend(milliseconds.iter().map(|time| nanoseconds(*time)));
        self.milliseconds = Some(milliseconds.clone());
    }
}

/// The bytes of a frame around its texts and columns.
#[derive(Default)]
struct Around {
    layout: Option<Layout>,
    /// Up to the schema's texts.
    schema: Vec<u8>,
    /// From there to the columns.
    batch: Vec<u8>,
    /// From there to the footer's texts.
    footer: Vec<u8>,
    end: Vec<u8>,
}

/// All that those bytes depend on.
struct Layout {
    template: Arc<Template>,
    /// As [`text_len`] has them.
    texts: [usize; 3],
    rows: usize,
}

impl Layout {
    fn is(&self, template: &Arc<Template>, texts: [usize; 3], rows: usize) -> bool {
        Arc::ptr_eq(&self.template, template) && self.texts == texts && self.rows == rows
    }
}

impl Around {
    /// Makes them those of a frame with these texts and so many rows.
    fn fit(&mut self, template: &Arc<Template>, texts: &[&[u8]], rows: usize) {
        let mut lengths = [0; 3];
        for (length, text) in lengths.iter_mut().zip(texts) {
            *length = text_len(text.len());
        }
        let layout = self.layout.as_ref();
        if layout.is_some_and(|layout| layout.is(template, lengths, rows)) {
            return;
        }
        self.layout = Some(Layout {
            template: Arc::clone(template),
            texts: lengths,
            rows,
        });
        let lengths = &lengths[..texts.len()];
        let schema_len = template.schema.encoded_len(lengths);

        self.schema.clear();
        self.schema.put_slice(MAGIC_START);
        self.schema.put_u32_le(CONTINUATION);
        self.schema.put_u32_le(schema_len as u32);
        template.schema.write(lengths, &[], &mut self.schema);

        self.batch.clear();
        self.batch.put_bytes(0, template.schema.padding(lengths));
        self.batch.put_u32_le(CONTINUATION);
        self.batch.put_u32_le(template.batch_len as u32);
        self.batch.put_slice(&batch_message(rows));

        self.footer.clear();
        self.footer.put_u32_le(CONTINUATION);
        self.footer.put_u32_le(0);
        let batch_offset = MAGIC_START.len() + MESSAGE_PREFIX + schema_len;
        let numbers = [
            (template.footer_offset, batch_offset as i64),
            (template.footer_body, body_len(rows) as i64),
        ];
        template.footer.write(lengths, &numbers, &mut self.footer);

        self.end.clear();
        self.end.put_bytes(0, template.footer.padding(lengths));
        let footer_len = template.footer.encoded_len(lengths);
        self.end.put_u32_le(footer_len as u32);
        self.end.put_slice(MAGIC_END);
    }
}

/// Writes what a stencil leaves out. The texts stand in reverse order, as a flatbuffer builder
/// lays them.
fn put_texts(texts: &[&[u8]], buffer: &mut impl BufMut) {
    for text in texts.iter().rev() {
        buffer.put_u32_le(text.len() as u32);
        buffer.put_slice(text);
        buffer.put_bytes(0, text_len(text.len()) - size_of::<u32>() - text.len());
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

    /// The length with texts of these lengths and what fills it up to a multiple of eight:
    /// columns must start at one.
    fn encoded_len(&self, texts: &[usize]) -> usize {
        (self.prefix.len() + texts.iter().sum::<usize>()).next_multiple_of(8)
    }

    /// How many zeros stand behind the texts.
    fn padding(&self, texts: &[usize]) -> usize {
        self.encoded_len(texts) - self.prefix.len() - texts.iter().sum::<usize>()
    }

    /// Writes what stands before texts of these lengths, with `numbers` put in their places.
    fn write(&self, texts: &[usize], numbers: &[(usize, i64)], buffer: &mut Vec<u8>) {
        let mut starts = [0; 3];
        let mut place = self.prefix.len();
        for (text, start) in texts.iter().zip(&mut starts).rev() {
            *start = place;
            place += text;
        }
        let begin = buffer.len();
        buffer.extend_from_slice(&self.prefix);
        let written = &mut buffer[begin..];
        for &(hole, text) in &self.holes {
            let distance = (starts[text] - hole) as u32;
            written[hole..hole + size_of::<u32>()].copy_from_slice(&distance.to_le_bytes());
        }
        for &(place, number) in numbers {
            written[place..place + size_of::<i64>()].copy_from_slice(&number.to_le_bytes());
        }
    }
}

/// The bytes of a text of `len`: its length, the text, a zero, and up to a multiple of four.
fn text_len(len: usize) -> usize {
    size_of::<u32>() + (len + 1).next_multiple_of(4)
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
