//! The records of the log. A frame's payload is a row of records that belong together: all of
//! them are there after a crash, or none.

use crate::bytes::{Malformed, Reader, put_text, put_uvarint, put_varint};
use series::{Exemplar, Labels, Metadata, MetricKind, Sample, is_stale};

const SERIES: u8 = 1;
const TARGET: u8 = 2;
const SCRAPE: u8 = 3;
const SAMPLES: u8 = 4;
const EXEMPLAR: u8 = 5;
const METADATA: u8 = 6;

/// One record, as it is read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Record {
    /// From here to the end of the segment, `id` stands for these labels.
    Series { id: u32, labels: Labels },
    /// From here to the end of the segment, `id` stands for this target.
    Target { id: u32, labels: Labels },
    /// Values that series of a target had at one time.
    Scrape {
        target: u32,
        time: i64,
        rows: Vec<(u32, f64)>,
    },
    /// Samples with times of their own.
    Samples(Vec<(u32, Sample)>),
    /// An exemplar of a series.
    Exemplar { series: u32, exemplar: Exemplar },
    /// What is known of a metric family.
    Metadata { family: String, metadata: Metadata },
}

pub(crate) fn put_series(out: &mut Vec<u8>, id: u32, labels: &Labels) {
    out.push(SERIES);
    put_uvarint(out, u64::from(id));
    put_labels(out, labels);
}

pub(crate) fn put_target(out: &mut Vec<u8>, id: u32, labels: &Labels) {
    out.push(TARGET);
    put_uvarint(out, u64::from(id));
    put_labels(out, labels);
}

pub(crate) fn put_scrape(out: &mut Vec<u8>, target: u32, time: i64, rows: &[(u32, f64)]) {
    out.push(SCRAPE);
    put_uvarint(out, u64::from(target));
    put_varint(out, time);
    put_uvarint(out, rows.len() as u64);
    // A steady page brings the same series in the same order: one run.
    let mut last = 0;
    let mut rest = rows;
    while let Some(&(first, _)) = rest.first() {
        let run = (1..rest.len())
            .find(|at| u64::from(rest[*at].0) != u64::from(first) + *at as u64)
            .unwrap_or(rest.len());
        put_varint(out, i64::from(first) - last);
        put_uvarint(out, run as u64);
        last = i64::from(first) + run as i64;
        rest = &rest[run..];
    }
    put_values(out, rows.iter().map(|row| row.1), rows.len());
}

pub(crate) fn put_samples(out: &mut Vec<u8>, samples: &[(u32, Sample)]) {
    out.push(SAMPLES);
    put_uvarint(out, samples.len() as u64);
    let (mut last_id, mut last_time) = (0, 0i64);
    for (id, sample) in samples {
        put_varint(out, i64::from(*id) - last_id);
        put_varint(out, sample.time.wrapping_sub(last_time));
        (last_id, last_time) = (i64::from(*id), sample.time);
    }
    put_values(out, samples.iter().map(|(_, s)| s.value), samples.len());
}

pub(crate) fn put_exemplar(out: &mut Vec<u8>, series: u32, exemplar: &Exemplar) {
    out.push(EXEMPLAR);
    put_uvarint(out, u64::from(series));
    put_labels(out, &exemplar.labels);
    put_varint(out, exemplar.sample.time);
    out.extend_from_slice(&exemplar.sample.value.to_bits().to_le_bytes());
}

pub(crate) fn put_metadata(out: &mut Vec<u8>, family: &str, metadata: &Metadata) {
    out.push(METADATA);
    put_text(out, family);
    out.push(kind_code(metadata.kind));
    put_text(out, &metadata.help);
    put_text(out, &metadata.unit);
}

/// Hands every record of a frame to `take`; those before a malformed one are handed over.
pub(crate) fn read_records(payload: &[u8], mut take: impl FnMut(Record)) -> Result<(), Malformed> {
    let mut reader = Reader::new(payload);
    while !reader.is_empty() {
        take(read_record(&mut reader)?);
    }
    Ok(())
}

fn read_record(reader: &mut Reader<'_>) -> Result<Record, Malformed> {
    Ok(match reader.u8()? {
        SERIES => Record::Series {
            id: reader.u32_varint()?,
            labels: read_labels(reader)?,
        },
        TARGET => Record::Target {
            id: reader.u32_varint()?,
            labels: read_labels(reader)?,
        },
        SCRAPE => read_scrape(reader)?,
        SAMPLES => {
            let count = reader.count(2)?;
            let mut samples = Vec::with_capacity(count);
            let (mut id, mut time) = (0i64, 0i64);
            for _ in 0..count {
                id = id.wrapping_add(reader.varint()?);
                time = time.wrapping_add(reader.varint()?);
                let id = u32::try_from(id).map_err(|_| Malformed("no such series id"))?;
                samples.push((id, Sample { time, value: 0.0 }));
            }
            let mut at = samples.iter_mut();
            read_values(reader, count, |value| {
                if let Some((_, sample)) = at.next() {
                    sample.value = value;
                }
            })?;
            Record::Samples(samples)
        }
        EXEMPLAR => Record::Exemplar {
            series: reader.u32_varint()?,
            exemplar: Exemplar {
                labels: read_labels(reader)?,
                sample: Sample {
                    time: reader.varint()?,
                    value: f64::from_bits(reader.u64()?),
                },
            },
        },
        METADATA => Record::Metadata {
            family: reader.text()?.to_owned(),
            metadata: Metadata {
                kind: kind_of(reader.u8()?)?,
                help: reader.text()?.to_owned(),
                unit: reader.text()?.to_owned(),
            },
        },
        _ => return Err(Malformed("no such record")),
    })
}

fn read_scrape(reader: &mut Reader<'_>) -> Result<Record, Malformed> {
    let target = reader.u32_varint()?;
    let time = reader.varint()?;
    // Half a byte is the least that a value takes.
    let count = reader.uvarint()?;
    if count > 2 * reader.rest().len() as u64 {
        return Err(Malformed("a count exceeds the bytes that follow"));
    }
    let count = count as usize;
    let mut rows = Vec::with_capacity(count);
    let mut next = 0i64;
    while rows.len() < count {
        let first = next.wrapping_add(reader.varint()?);
        let run = reader.uvarint()?;
        let first = u32::try_from(first).map_err(|_| Malformed("no such series id"))?;
        if run == 0 || run > (count - rows.len()) as u64 || run > u64::from(u32::MAX - first) {
            return Err(Malformed("a run of series is too long"));
        }
        rows.extend((first..first + run as u32).map(|id| (id, 0.0)));
        next = i64::from(first) + run as i64;
    }
    let mut at = rows.iter_mut();
    read_values(reader, count, |value| {
        if let Some(row) = at.next() {
            row.1 = value;
        }
    })?;
    Ok(Record::Scrape { target, time, rows })
}

fn put_labels(out: &mut Vec<u8>, labels: &Labels) {
    put_uvarint(out, labels.len() as u64);
    for (name, value) in labels.iter() {
        put_text(out, name);
        put_text(out, value);
    }
}

fn read_labels(reader: &mut Reader<'_>) -> Result<Labels, Malformed> {
    let count = reader.count(2)?;
    let mut pairs = Vec::with_capacity(count);
    for _ in 0..count {
        pairs.push((reader.text()?, reader.text()?));
    }
    if !pairs.windows(2).all(|pair| pair[0].0 < pair[1].0) {
        return Err(Malformed("labels are out of order"));
    }
    Ok(Labels::from_sorted(pairs))
}

/// The value before.
const CODE_SAME: u8 = 0;
/// This many bytes, up to seven, of the zigzagged difference to the whole number before.
const CODE_STEP: u8 = 0;
const CODE_RAW: u8 = 8;
const CODE_STALE: u8 = 9;
/// The upper two to seven bytes of the float, whose other bytes are zeros.
const CODE_UPPER: u8 = 8;

/// Values of neighbouring series: half a byte says how each is written.
fn put_values(out: &mut Vec<u8>, values: impl Iterator<Item = f64>, count: usize) {
    let codes = out.len();
    out.resize(codes + count.div_ceil(2), 0);
    let mut last_bits = 0u64;
    let mut last_whole = 0i64;
    for (i, value) in values.enumerate() {
        let bits = value.to_bits();
        let whole = value as i64;
        let code = if bits == last_bits {
            CODE_SAME
        } else if (whole as f64).to_bits() == bits && whole != i64::MAX {
            let step = crate::bytes::zigzag(whole.wrapping_sub(last_whole));
            let len = (64 - step.leading_zeros()).div_ceil(8).max(1) as usize;
            last_whole = whole;
            if len < 8 {
                out.extend_from_slice(&step.to_le_bytes()[..len]);
                CODE_STEP + len as u8
            } else {
                out.extend_from_slice(&bits.to_le_bytes());
                CODE_RAW
            }
        } else if is_stale(value) {
            CODE_STALE
        } else {
            let zeros = bits.trailing_zeros() as usize / 8;
            let len = (8 - zeros.min(8)).max(2);
            out.extend_from_slice(&bits.to_le_bytes()[8 - len..]);
            if len == 8 {
                CODE_RAW
            } else {
                CODE_UPPER + len as u8
            }
        };
        last_bits = bits;
        out[codes + i / 2] |= code << (i % 2 * 4);
    }
}

fn read_values(
    reader: &mut Reader<'_>,
    count: usize,
    mut take: impl FnMut(f64),
) -> Result<(), Malformed> {
    let codes = reader.take(count.div_ceil(2))?;
    let mut last_bits = 0u64;
    let mut last_whole = 0i64;
    for i in 0..count {
        let code = codes[i / 2] >> (i % 2 * 4) & 0x0f;
        let mut word = [0; 8];
        match code {
            CODE_SAME => {}
            1..=7 => {
                word[..code as usize].copy_from_slice(reader.take(code as usize)?);
                let step = crate::bytes::unzigzag(u64::from_le_bytes(word));
                last_whole = last_whole.wrapping_add(step);
                last_bits = (last_whole as f64).to_bits();
            }
            CODE_RAW => {
                last_bits = reader.u64()?;
                let whole = f64::from_bits(last_bits) as i64;
                if (whole as f64).to_bits() == last_bits && whole != i64::MAX {
                    last_whole = whole;
                }
            }
            CODE_STALE => last_bits = series::STALE_NAN.to_bits(),
            _ => {
                let len = (code - CODE_UPPER) as usize;
                word[8 - len..].copy_from_slice(reader.take(len)?);
                last_bits = u64::from_le_bytes(word);
            }
        }
        take(f64::from_bits(last_bits));
    }
    Ok(())
}

const KINDS: [MetricKind; 8] = [
    MetricKind::Unknown,
    MetricKind::Counter,
    MetricKind::Gauge,
    MetricKind::Histogram,
    MetricKind::GaugeHistogram,
    MetricKind::Summary,
    MetricKind::Info,
    MetricKind::StateSet,
];

fn kind_code(kind: MetricKind) -> u8 {
    KINDS.iter().position(|known| *known == kind).unwrap_or(0) as u8
}

fn kind_of(code: u8) -> Result<MetricKind, Malformed> {
    let kind = KINDS.get(code as usize).copied();
    kind.ok_or(Malformed("no such metric type"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use series::STALE_NAN;

    fn any_value() -> impl Strategy<Value = f64> {
        prop_oneof![
            any::<u64>().prop_map(f64::from_bits),
            any::<i64>().prop_map(|v| v as f64),
            (-1000i64..1000).prop_map(|v| v as f64 / 4.0),
            Just(STALE_NAN),
            Just(0.0),
            Just(-0.0),
            Just(9_223_372_036_854_775_807.0),
        ]
    }

    fn same(a: &Record, b: &Record) -> bool {
        // NaN is not equal to itself, but its text is.
        format!("{a:?}") == format!("{b:?}")
    }

    proptest! {
        #[test]
        fn records_come_back(
            rows in prop::collection::vec((any::<u32>(), any_value()), 0..50),
            run in (0u32..1000, prop::collection::vec(any_value(), 0..50)),
            time: i64,
            names in prop::collection::btree_map("[a-z]{1,5}", ".{1,9}", 0..4),
        ) {
            let labels = Labels::new(&names).unwrap();
            let steady: Vec<(u32, f64)> = (run.0..).zip(run.1).collect();
            let samples: Vec<(u32, Sample)> = rows
                .iter()
                .map(|(id, value)| (*id, Sample { time: time ^ i64::from(*id), value: *value }))
                .collect();
            let exemplar = Exemplar { labels: labels.clone(), sample: Sample { time, value: 0.5 } };
            let metadata = Metadata { kind: MetricKind::Summary, help: "h".into(), unit: "s".into() };
            let mut out = Vec::new();
            put_series(&mut out, 7, &labels);
            put_target(&mut out, 8, &labels);
            put_scrape(&mut out, 8, time, &rows);
            put_scrape(&mut out, 8, time, &steady);
            put_samples(&mut out, &samples);
            put_exemplar(&mut out, 7, &exemplar);
            put_metadata(&mut out, "up", &metadata);
            let mut back = Vec::new();
            read_records(&out, |record| back.push(record)).unwrap();
            // The largest id cannot begin a run: it would end beyond 32 bits.
            let expected = [
                Record::Series { id: 7, labels: labels.clone() },
                Record::Target { id: 8, labels },
                Record::Scrape { target: 8, time, rows },
                Record::Scrape { target: 8, time, rows: steady },
                Record::Samples(samples),
                Record::Exemplar { series: 7, exemplar },
                Record::Metadata { family: "up".into(), metadata },
            ];
            prop_assert_eq!(back.len(), expected.len());
            for (back, expected) in back.iter().zip(&expected) {
                prop_assert!(same(back, expected), "{:?}\n{:?}", back, expected);
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read_records(&bytes, |_| ());
        }
    }
}
