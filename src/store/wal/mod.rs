//! The write-ahead log: what was acknowledged and is not yet in a block or checkpoint.
//!
//! Every segment stands on its own: ids are introduced again in each segment that uses them, so
//! that damage to one leaves the others readable.

mod frame;
mod record;

pub(crate) use frame::{put_frame, walk_frames};
pub(crate) use record::{
    Record, put_exemplar, put_metadata, put_samples, put_scrape, put_series, put_target,
    read_records,
};

use crate::disk::{Disk, WriteFile, read_all};
use crate::error::{Result, StoreError};
use crate::format::{FileKind, HEADER_LEN, Header, file_name, file_number};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The stem of the segments' names.
pub(crate) const WAL_STEM: &str = "wal";

/// Writes the log.
pub(crate) struct Wal {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    segment_bytes: u64,
    segment: u64,
    file: Option<Box<dyn WriteFile>>,
    /// Bytes of whole, synced frames in the segment.
    len: u64,
    /// Those of them that introduce series which the log knew before.
    repeated: u64,
    /// Bytes of the segments before it that this process wrote or found.
    earlier: u64,
    earlier_repeated: u64,
    buffer: Vec<u8>,
}

impl Wal {
    /// A log whose first segment will be `segment`; nothing is written before the first frame.
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        dir: &Path,
        segment_bytes: u64,
        segment: u64,
        earlier: u64,
    ) -> Self {
        Self {
            disk,
            dir: dir.to_owned(),
            segment_bytes,
            segment,
            file: None,
            len: 0,
            repeated: 0,
            earlier,
            earlier_repeated: 0,
            buffer: Vec::new(),
        }
    }

    /// Bytes that opening would have to read again.
    pub(crate) fn bytes(&self) -> u64 {
        self.earlier + self.len
    }

    /// Those of [`Wal::bytes`] that a checkpoint makes fewer. Series are introduced to every segment
    /// again: were that counted, many series would have each scrape end a segment and write all of
    /// their labels anew.
    pub(crate) fn bytes_beside_repetition(&self) -> u64 {
        self.bytes() - self.repeated - self.earlier_repeated
    }

    /// Readies the segment that the next frame goes to and gives its number.
    pub(crate) fn prepare(&mut self) -> Result<u64> {
        if self.file.is_some() && self.len - self.repeated >= self.segment_bytes {
            self.rotate();
        }
        if self.file.is_none() {
            let path = self.dir.join(file_name(WAL_STEM, self.segment));
            let io = |action| StoreError::io(action, &path);
            let mut file = self.disk.create(&path).map_err(io("create"))?;
            file.append(&FileKind::Wal.header()).map_err(io("write"))?;
            file.sync().map_err(io("sync"))?;
            self.disk.sync_dir(&self.dir).map_err(io("sync"))?;
            self.file = Some(file);
            self.len = HEADER_LEN as u64;
        }
        Ok(self.segment)
    }

    /// Ends the segment; the next frame goes to the one whose number this gives.
    pub(crate) fn rotate(&mut self) -> u64 {
        if self.file.take().is_some() {
            self.segment += 1;
            self.earlier += self.len;
            self.earlier_repeated += self.repeated;
            self.len = 0;
            self.repeated = 0;
        }
        self.segment
    }

    /// Counts segments as gone that came before the current one.
    pub(crate) fn forget_earlier(&mut self) {
        self.earlier = 0;
        self.earlier_repeated = 0;
    }

    /// Writes one frame behind [`Wal::prepare`]; when this returns, it is on disk. After an
    /// error it is not, as far as the disk lets that be undone.
    ///
    /// `introduction` holds the records that say what ids mean. All that follows in the segment
    /// depends on them, so that they also get a frame of their own. `repeated` of its bytes stand
    /// in older segments too.
    pub(crate) fn append(
        &mut self,
        introduction: &[u8],
        repeated: u64,
        fill: impl FnOnce(&mut Vec<u8>),
    ) -> Result<()> {
        self.prepare()?;
        self.buffer.clear();
        if !introduction.is_empty() {
            put_frame(&mut self.buffer, |out| out.extend_from_slice(introduction));
        }
        put_frame(&mut self.buffer, |out| {
            out.extend_from_slice(introduction);
            fill(out);
        });
        let path = self.dir.join(file_name(WAL_STEM, self.segment));
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        let written = file
            .append(&self.buffer)
            .map_err(StoreError::io("write", &path))
            .and_then(|()| file.sync().map_err(StoreError::io("sync", &path)));
        if let Err(error) = written {
            // Take back what arrived, or leave the segment behind as it is: reading stops at
            // its torn end, and the next frame begins a new one.
            let undone = file.truncate(self.len).and_then(|()| file.sync());
            if undone.is_err() {
                self.rotate();
            }
            return Err(error);
        }
        self.len += self.buffer.len() as u64;
        // They stand in both frames.
        self.repeated += 2 * repeated;
        if self.buffer.capacity() > 4 << 20 {
            self.buffer = Vec::new();
        }
        Ok(())
    }
}

/// A segment as it was found.
pub(crate) struct Segment {
    pub(crate) path: PathBuf,
    pub(crate) bytes: Vec<u8>,
    pub(crate) header: Header,
}

/// The numbers of the segments in `dir`, increasing.
pub(crate) fn segments(disk: &dyn Disk, dir: &Path) -> Result<Vec<u64>> {
    let mut numbers: Vec<u64> = disk
        .list(dir)
        .map_err(StoreError::io("list", dir))?
        .iter()
        .filter_map(|entry| file_number(WAL_STEM, &entry.name))
        .collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// Reads a whole segment.
pub(crate) fn read_segment(disk: &dyn Disk, dir: &Path, number: u64) -> Result<Segment> {
    let path = dir.join(file_name(WAL_STEM, number));
    let bytes = read_all(disk, &path).map_err(StoreError::io("read", &path))?;
    let header = FileKind::Wal.check(&bytes);
    Ok(Segment {
        path,
        bytes,
        header,
    })
}
