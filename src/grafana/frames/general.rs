//! Frames of any shape, written by arrow: the rare ones, and the oracle of the fast ones.

use super::FrameError;
use arrow_array::{
    ArrayRef, Float64Array, Int8Array, RecordBatch, StringArray, TimestampNanosecondArray,
};
use arrow_ipc::writer::FileWriter;
use arrow_schema::{DataType, Schema, TimeUnit};
use bytes::Bytes;
use series::Column;
use std::collections::HashMap;
use std::sync::Arc;

const NANOSECONDS_PER_MILLISECOND: i64 = 1_000_000;

/// A frame of any shape.
#[derive(Debug, Clone, Default)]
pub(crate) struct Frame {
    pub(crate) name: String,
    pub(crate) ref_id: String,
    /// JSON text.
    pub(crate) meta: Option<String>,
    pub(crate) fields: Vec<Field>,
}

/// A column of a frame.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) name: String,
    /// JSON object of strings.
    pub(crate) labels: Option<String>,
    /// JSON object.
    pub(crate) config: Option<String>,
    pub(crate) values: Values,
}

/// A field's values.
#[derive(Debug, Clone)]
pub(crate) enum Values {
    /// Milliseconds since the epoch; nanoseconds on the wire.
    Time(Column<i64>),
    Float(Column<f64>),
    Int8(Column<i8>),
    Text(Vec<String>),
}

impl Values {
    fn len(&self) -> usize {
        match self {
            Self::Time(values) => values.len(),
            Self::Float(values) => values.len(),
            Self::Int8(values) => values.len(),
            Self::Text(values) => values.len(),
        }
    }

    fn data_type(&self) -> DataType {
        match self {
            Self::Time(_) => DataType::Timestamp(TimeUnit::Nanosecond, None),
            Self::Float(_) => DataType::Float64,
            Self::Int8(_) => DataType::Int8,
            Self::Text(_) => DataType::Utf8,
        }
    }

    fn to_array(&self) -> ArrayRef {
        match self {
            Self::Time(values) => Arc::new(TimestampNanosecondArray::from_iter_values(
                values.iter().map(|time| nanoseconds(*time)),
            )),
            Self::Float(values) => Arc::new(Float64Array::from_iter_values(values.iter().copied())),
            Self::Int8(values) => Arc::new(Int8Array::from_iter_values(values.iter().copied())),
            Self::Text(values) => Arc::new(StringArray::from_iter_values(values)),
        }
    }
}

/// Times beyond the years 1677 to 2262 do not fit Grafana's nanoseconds and stop at the edge.
pub(super) fn nanoseconds(milliseconds: i64) -> i64 {
    milliseconds.saturating_mul(NANOSECONDS_PER_MILLISECOND)
}

impl Frame {
    /// The frame as an Arrow IPC file, the only form that Grafana's SDK reads.
    pub(super) fn to_arrow(&self) -> Result<Bytes, FrameError> {
        let expected = self.fields.first().map_or(0, |field| field.values.len());
        for field in &self.fields {
            let len = field.values.len();
            if len != expected {
                let (frame, field) = (self.name.clone(), field.name.clone());
                return Err(FrameError::Ragged {
                    frame,
                    field,
                    len,
                    expected,
                });
            }
        }
        self.write_file().map_err(|source| FrameError::Arrow {
            frame: self.name.clone(),
            source,
        })
    }

    fn write_file(&self) -> Result<Bytes, arrow_schema::ArrowError> {
        let fields: Vec<arrow_schema::Field> = self.fields.iter().map(Field::to_schema).collect();
        let mut metadata = HashMap::from([
            ("name".to_owned(), self.name.clone()),
            ("refId".to_owned(), self.ref_id.clone()),
        ]);
        if let Some(meta) = &self.meta {
            metadata.insert("meta".to_owned(), meta.clone());
        }
        let schema = Arc::new(Schema::new_with_metadata(fields, metadata));
        let mut file = FileWriter::try_new(Vec::new(), &schema)?;
        if !self.fields.is_empty() {
            let columns = self
                .fields
                .iter()
                .map(|field| field.values.to_array())
                .collect();
            file.write(&RecordBatch::try_new(schema, columns)?)?;
        }
        file.finish()?;
        Ok(file.into_inner()?.into())
    }
}

impl Field {
    fn to_schema(&self) -> arrow_schema::Field {
        let mut metadata = HashMap::new();
        for (key, json) in [("labels", &self.labels), ("config", &self.config)] {
            if let Some(json) = json {
                metadata.insert(key.to_owned(), json.clone());
            }
        }
        // Grafana reads a null in a column that is not nullable as 0, and none of these has nulls.
        arrow_schema::Field::new(&self.name, self.values.data_type(), false).with_metadata(metadata)
    }
}
