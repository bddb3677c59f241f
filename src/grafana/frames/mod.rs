//! Grafana's data frames, from columns to Arrow IPC bytes.
//!
//! A response holds [`Frames`]. The frames of series, of which there may be thousands, are kept
//! as a shared [template](template) with three texts and two columns, and are written straight
//! into the response's buffer; all other shapes are rare and written by arrow.

mod general;
mod template;

pub(crate) use general::{Field, Frame, Values};
pub(crate) use template::{SeriesShape, Shared, Template};

use bytes::{BufMut, Bytes};
use series::Column;
use std::ops::Range;
use std::sync::Arc;

/// Why a frame cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// Columns of different length.
    #[error("frame {frame:?}: field {field:?} has {len} values, the first field has {expected}")]
    Ragged {
        /// The frame's name.
        frame: String,
        /// The field's name.
        field: String,
        /// Its values.
        len: usize,
        /// The first field's values.
        expected: usize,
    },
    /// Arrow refused the frame.
    #[error("frame {frame:?}: {source}")]
    Arrow {
        /// The frame's name.
        frame: String,
        /// What it said.
        source: arrow_schema::ArrowError,
    },
}

/// The frames of one refId, in order.
#[derive(Default)]
pub(crate) struct Frames {
    list: Vec<Encoded>,
    /// The texts of all series frames, end to end: one allocation instead of three a frame.
    texts: Vec<u8>,
}

enum Encoded {
    Whole(Bytes),
    Series(SeriesFrame),
}

/// A frame of a time and a value column. Its texts stand one behind the other in
/// [`Frames::texts`], from `text_start`.
struct SeriesFrame {
    template: Arc<Template>,
    text_start: usize,
    text_lengths: [u32; 3],
    times: Column<i64>,
    values: Column<f64>,
}

impl SeriesFrame {
    fn texts<'a>(&self, all: &'a [u8]) -> [&'a [u8]; 3] {
        let mut start = self.text_start;
        self.text_lengths.map(|length| {
            let range: Range<usize> = start..start + length as usize;
            start = range.end;
            &all[range]
        })
    }
}

impl Frames {
    /// How many frames there are.
    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    /// Adds a frame of any shape.
    pub(crate) fn push(&mut self, frame: &Frame) -> Result<(), FrameError> {
        self.list.push(Encoded::Whole(frame.to_arrow()?));
        Ok(())
    }

    /// Adds the frame of one series. `times` are milliseconds since the epoch.
    ///
    /// # Errors
    /// [`FrameError::Ragged`] when the columns differ in length.
    pub(crate) fn push_series(
        &mut self,
        template: &Arc<Template>,
        texts: SeriesTexts<'_>,
        times: Column<i64>,
        values: Column<f64>,
    ) -> Result<(), FrameError> {
        if times.len() != values.len() {
            return Err(FrameError::Ragged {
                frame: texts.name.to_owned(),
                field: texts.name.to_owned(),
                len: values.len(),
                expected: times.len(),
            });
        }
        let text_start = self.texts.len();
        let mut last = text_start;
        let mut lengths = [0; 3];
        let parts: [WriteText<'_>; 3] = [
            &|out| out.extend_from_slice(texts.name.as_bytes()),
            texts.labels,
            &|out| out.extend_from_slice(texts.config),
        ];
        for (length, write) in lengths.iter_mut().zip(parts) {
            write(&mut self.texts);
            *length = (self.texts.len() - last) as u32;
            last = self.texts.len();
        }
        self.list.push(Encoded::Series(SeriesFrame {
            template: Arc::clone(template),
            text_start,
            text_lengths: lengths,
            times,
            values,
        }));
        Ok(())
    }

    /// The frame's length in bytes.
    pub(crate) fn frame_len(&self, frame: usize) -> usize {
        match &self.list[frame] {
            Encoded::Whole(bytes) => bytes.len(),
            Encoded::Series(frame) => {
                let texts = frame.text_lengths.map(|length| length as usize);
                frame.template.encoded_len(texts, frame.values.len())
            }
        }
    }

    /// Writes the bytes of one frame. `shared` goes along from each frame to the next.
    pub(crate) fn write_frame(&self, frame: usize, shared: &mut Shared, buffer: &mut impl BufMut) {
        match &self.list[frame] {
            Encoded::Whole(bytes) => buffer.put_slice(bytes),
            Encoded::Series(frame) => frame.template.write(
                frame.texts(&self.texts),
                &frame.times,
                &frame.values,
                shared,
                buffer,
            ),
        }
    }

    /// All frames as bytes of their own.
    pub(crate) fn to_bytes(&self) -> Vec<Vec<u8>> {
        let mut shared = Shared::default();
        (0..self.len())
            .map(|frame| {
                let mut bytes = Vec::with_capacity(self.frame_len(frame));
                self.write_frame(frame, &mut shared, &mut bytes);
                bytes
            })
            .collect()
    }
}

/// Writes a text to the end of others.
type WriteText<'a> = &'a dyn Fn(&mut Vec<u8>);

/// The texts in which the frames of one template differ.
#[derive(Clone, Copy)]
pub(crate) struct SeriesTexts<'a> {
    /// The value field's name.
    pub(crate) name: &'a str,
    /// Writes the value field's labels as a JSON object.
    pub(crate) labels: WriteText<'a>,
    /// The value field's config as a JSON object; ignored by a template without one.
    pub(crate) config: &'a [u8],
}

#[cfg(test)]
mod tests;
