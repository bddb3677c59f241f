use super::*;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, TimestampNanosecondType};
use arrow_ipc::reader::FileReader;
use proptest::prelude::*;
use std::collections::HashMap;
use std::io::Cursor;

/// What a reader sees in a frame, with floats by their bits.
#[derive(Debug, PartialEq)]
struct Seen {
    metadata: HashMap<String, String>,
    fields: Vec<(String, bool, HashMap<String, String>)>,
    times: Vec<i64>,
    values: Vec<u64>,
}

fn read(bytes: &[u8]) -> Seen {
    let mut file = FileReader::try_new(Cursor::new(bytes), None).unwrap();
    let schema = file.schema();
    let batch = file.next().unwrap().unwrap();
    assert!(file.next().is_none());
    Seen {
        metadata: schema.metadata().clone().into(),
        fields: schema
            .fields()
            .iter()
            .map(|f| {
                (
                    f.name().clone(),
                    f.is_nullable(),
                    f.metadata().clone().into(),
                )
            })
            .collect(),
        times: batch
            .column(0)
            .as_primitive::<TimestampNanosecondType>()
            .values()
            .to_vec(),
        values: batch
            .column(1)
            .as_primitive::<Float64Type>()
            .values()
            .iter()
            .map(|v| v.to_bits())
            .collect(),
    }
}

/// Where the footer says that the record batch starts.
fn batch_offset(bytes: &[u8]) -> i64 {
    let end = bytes.len() - 10;
    let footer_len = u32::from_le_bytes(bytes[end..end + 4].try_into().unwrap()) as usize;
    let footer = arrow_ipc::root_as_footer(&bytes[end - footer_len..end]).unwrap();
    footer.recordBatches().unwrap().get(0).offset()
}

/// The same frame through arrow's writer.
fn through_arrow(
    shape: &SeriesShape<'_>,
    [name, labels, config]: [&str; 3],
    times: &Column<i64>,
    values: &Column<f64>,
) -> Vec<u8> {
    Frame {
        name: String::new(),
        ref_id: shape.ref_id.to_owned(),
        meta: Some(shape.meta.to_owned()),
        fields: vec![
            Field {
                name: "Time".to_owned(),
                labels: None,
                config: shape.time_config.map(str::to_owned),
                values: Values::Time(times.clone()),
            },
            Field {
                name: name.to_owned(),
                labels: Some(labels.to_owned()),
                config: shape.has_config.then(|| config.to_owned()),
                values: Values::Float(values.clone()),
            },
        ],
    }
    .to_arrow()
    .unwrap()
    .to_vec()
}

type Series = ([String; 3], Vec<(i64, u64)>);

fn series() -> impl Strategy<Value = Series> {
    let text = || ".{0,40}";
    let samples = prop::collection::vec(
        (-9_000_000_000_000..9_000_000_000_000_i64, any::<u64>()),
        0..50,
    );
    (
        (text(), text(), text()).prop_map(|(a, b, c)| [a, b, c]),
        samples,
    )
}

proptest! {
    #[test]
    fn a_frame_from_a_template_reads_as_the_one_that_arrow_writes(
        ref_id in ".{0,12}",
        meta in ".{0,90}",
        time_config in prop::option::of(".{0,30}"),
        has_config: bool,
        all in prop::collection::vec(series(), 1..6),
    ) {
        let shape = SeriesShape {
            ref_id: &ref_id, meta: &meta, time_config: time_config.as_deref(), has_config,
        };
        let other_shape = SeriesShape { ref_id: &meta, meta: &ref_id, ..shape };
        let shapes = [shape, other_shape].map(|shape| (Arc::new(Template::new(&shape)), shape));
        let mut frames = Frames::default();
        let mut expected = Vec::new();
        // Other texts of the same lengths come behind each, and then those in another shape.
        let backwards = |text: &String| text.chars().rev().collect();
        let other = |(texts, samples): &Series| (texts.each_ref().map(backwards), samples.clone());
        let all = all.iter().flat_map(|one| {
            [(0, one.clone()), (0, other(one)), (1, other(one))]
        });
        for (which, ([name, labels, config], samples)) in all {
            let (template, shape) = &shapes[which];
            let times: Column<i64> = samples.iter().map(|s| s.0).collect();
            let values: Column<f64> = samples.iter().map(|s| f64::from_bits(s.1)).collect();
            let texts = SeriesTexts {
                name: &name,
                labels: &|out| out.extend_from_slice(labels.as_bytes()),
                config: if has_config { config.as_bytes() } else { b"" },
            };
            expected.push(through_arrow(shape, [&name, &labels, &config], &times, &values));
            frames.push_series(template, texts, times, values).unwrap();
        }
        let lengths: Vec<usize> = (0..frames.len()).map(|frame| frames.frame_len(frame)).collect();
        let written = frames.to_bytes();
        prop_assert_eq!(lengths, written.iter().map(Vec::len).collect::<Vec<_>>());
        for (written, expected) in written.iter().zip(&expected) {
            // Go's reader refuses a file whose columns do not start at a multiple of eight.
            prop_assert_eq!(batch_offset(written) % 8, 0);
            prop_assert_eq!(read(written), read(expected));
        }
    }
}

#[test]
fn columns_of_different_length_are_refused() {
    let template = Arc::new(Template::new(&SeriesShape::default()));
    let texts = SeriesTexts {
        name: "up",
        labels: &|_| (),
        config: b"",
    };
    let error = Frames::default()
        .push_series(&template, texts, vec![1, 2].into(), vec![1.0].into())
        .unwrap_err();
    assert!(error.to_string().contains("up"), "{error}");
    let frame = Frame {
        fields: vec![
            Field {
                name: "a".into(),
                labels: None,
                config: None,
                values: Values::Text(vec![]),
            },
            Field {
                name: "b".into(),
                labels: None,
                config: None,
                values: Values::Float(vec![1.0].into()),
            },
        ],
        ..Frame::default()
    };
    assert!(Frames::default().push(&frame).is_err());
}
