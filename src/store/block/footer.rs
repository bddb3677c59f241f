use crate::bytes::{Malformed, Reader, put_uvarint, put_varint};
use crate::wal::{put_frame, walk_frames};

/// Bytes at a file's end among which its footers stand.
pub(crate) const FOOTER_WINDOW: u64 = 64 << 10;

/// What a file of samples is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BlockUse {
    /// Samples of a fresh range, out of the head.
    Fresh,
    /// Several blocks made one.
    Compacted,
    /// What the head held when its log was cut.
    Checkpoint,
}

/// The sections of a block's index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SectionKind {
    Timelines = 1,
    Symbols = 2,
    Series = 3,
    Postings = 4,
    /// Records as in the log: targets, exemplars, metadata.
    Records = 5,
}

impl SectionKind {
    /// The kind of the section that holds this one's parity.
    pub(crate) fn parity(self) -> u8 {
        self as u8 | 0x80
    }
}

/// Where a section stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Section {
    pub(crate) kind: u8,
    pub(crate) offset: u64,
    pub(crate) len: u64,
    pub(crate) crc: u32,
}

/// What a block says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Footer {
    pub(crate) number: u64,
    pub(crate) made_for: BlockUse,
    /// The checkpoint that takes this block's samples out of the log.
    pub(crate) checkpoint: u64,
    pub(crate) min_time: i64,
    pub(crate) max_time: i64,
    pub(crate) samples: u64,
    pub(crate) series: u64,
    /// Blocks whose samples all are in this one.
    pub(crate) parents: Vec<u64>,
    pub(crate) sections: Vec<Section>,
}

impl Footer {
    /// Appends the footer, twice, since nothing can be read without it.
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        for _ in 0..2 {
            put_frame(out, |out| {
                put_uvarint(out, self.number);
                out.push(self.made_for as u8);
                put_uvarint(out, self.checkpoint);
                put_varint(out, self.min_time);
                put_varint(out, self.max_time);
                put_uvarint(out, self.samples);
                put_uvarint(out, self.series);
                put_uvarint(out, self.parents.len() as u64);
                for parent in &self.parents {
                    put_uvarint(out, *parent);
                }
                put_uvarint(out, self.sections.len() as u64);
                for section in &self.sections {
                    out.push(section.kind);
                    put_uvarint(out, section.offset);
                    put_uvarint(out, section.len);
                    out.extend_from_slice(&section.crc.to_le_bytes());
                }
            });
        }
    }

    /// Finds a whole footer in the last bytes of a file.
    pub(crate) fn find(bytes: &[u8]) -> Option<Self> {
        let mut found = None;
        walk_frames(bytes, |_, payload| {
            if let Ok(footer) = Self::read(payload) {
                found = Some(footer);
            }
        });
        found
    }

    fn read(payload: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(payload);
        let number = reader.uvarint()?;
        let made_for = match reader.u8()? {
            0 => BlockUse::Fresh,
            1 => BlockUse::Compacted,
            2 => BlockUse::Checkpoint,
            _ => return Err(Malformed("no such use of a block")),
        };
        let checkpoint = reader.uvarint()?;
        let (min_time, max_time) = (reader.varint()?, reader.varint()?);
        let (samples, series) = (reader.uvarint()?, reader.uvarint()?);
        let count = reader.count(1)?;
        let parents = (0..count)
            .map(|_| reader.uvarint())
            .collect::<Result<_, _>>()?;
        let count = reader.count(7)?;
        let mut sections = Vec::with_capacity(count);
        for _ in 0..count {
            sections.push(Section {
                kind: reader.u8()?,
                offset: reader.uvarint()?,
                len: reader.uvarint()?,
                crc: reader.u32()?,
            });
        }
        Ok(Self {
            number,
            made_for,
            checkpoint,
            min_time,
            max_time,
            samples,
            series,
            parents,
            sections,
        })
    }
}
