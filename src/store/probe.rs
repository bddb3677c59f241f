//! Doors for fuzz targets and benchmarks: what parses bytes, called directly.

use crate::block::{Block, Opened};
use crate::codec::{
    CHUNK_SAMPLES, Effort, Kernel, MAX_CHUNK_SAMPLES, decode_times, decode_values, encode_times,
    encode_values,
};
use crate::disk::{Disk, MemoryDisk};
use crate::format::{FileKind, HEADER_LEN};
use crate::select::{Guide, Set};
use crate::wal::{read_records, walk_frames};
use series::{Columns, SeriesSet, TimeRange};
use std::path::Path;
use std::sync::Arc;

/// Samples in a full chunk.
pub const CHUNK: usize = CHUNK_SAMPLES;

/// Decodes bytes as a chunk of values and as one of times, once as they are and once behind a
/// checksum that fits. Must not panic whatever the bytes are, and all kernels must agree.
///
/// # Panics
/// When kernels disagree.
pub fn decode_chunk(bytes: &[u8]) {
    let mut fitting = bytes.to_vec();
    fitting.extend_from_slice(&crc32c::crc32c(bytes).to_le_bytes());
    for bytes in [bytes, &fitting] {
        let decode = |kernel: Kernel| {
            let mut values = [0.0; MAX_CHUNK_SAMPLES];
            let mut times = Vec::new();
            let of_values = decode_values(kernel, bytes, &mut values).is_ok();
            let of_times = decode_times(kernel, bytes, &mut times).is_ok();
            (of_values, of_times, values.map(f64::to_bits), times)
        };
        let portable = decode(Kernel::Portable);
        assert!(decode(Kernel::best()) == portable, "kernels disagree");
    }
}

/// Reads bytes as a segment of the log and gives how many records it found. Must not panic.
#[must_use]
pub fn read_log(bytes: &[u8]) -> usize {
    let _ = FileKind::Wal.check(bytes);
    let mut records = 0;
    walk_frames(bytes.get(HEADER_LEN..).unwrap_or_default(), |_, payload| {
        let _ = read_records(payload, |_| records += 1);
    });
    let _ = read_records(bytes, |_| records += 1);
    records
}

/// Reads bytes as a block, every series of it, and gives how many samples it found. Must not
/// panic.
#[must_use]
pub fn read_block(bytes: &[u8]) -> usize {
    let disk = MemoryDisk::new();
    let path = Path::new("/block");
    disk.put(path, bytes.to_vec());
    let disk: &dyn Disk = &disk;
    let Ok(Opened::Block(block)) = Block::open(disk, path) else {
        return 0;
    };
    let block = Arc::new(block);
    let Ok(index) = block.index(1) else { return 0 };
    let guide = Guide::default();
    let all: Vec<u32> = (0..index.len() as u32).collect();
    let (gathered, _) = block.gather(&index, &all, TimeRange::ALL, &guide);
    let _ = index.each_label(|name, value| {
        let _ = index.equal(name, value);
    });
    let set = Set::put_together(guide, vec![gathered]);
    let mut columns = Columns::default();
    let mut samples = 0;
    for at in 0..set.len() {
        if set.read(at, &mut columns).is_ok() {
            samples += columns.values.len();
        }
    }
    samples
}

/// Encodes up to [`CHUNK`] values as they stand in fresh blocks.
#[must_use]
pub fn encode(values: &[f64]) -> Vec<u8> {
    encode_values(values, Effort::Thorough)
}

/// Encodes up to [`CHUNK`] values as they stand in compacted blocks.
#[must_use]
pub fn encode_densely(values: &[f64]) -> Vec<u8> {
    encode_values(values, Effort::Dense)
}

/// Encodes up to [`CHUNK`] values as they stand in memory.
#[must_use]
pub fn encode_quickly(values: &[f64]) -> Vec<u8> {
    encode_values(values, Effort::Quick)
}

/// Encodes up to [`CHUNK`] times.
#[must_use]
pub fn encode_column_of_times(times: &[i64]) -> Vec<u8> {
    encode_times(times)
}

/// Decodes a chunk with the best code of this machine, or with the portable one; `None` when it
/// is damaged.
pub fn decode(chunk: &[u8], portable: bool, out: &mut [f64]) -> Option<usize> {
    let kernel = if portable {
        Kernel::Portable
    } else {
        Kernel::best()
    };
    decode_values(kernel, chunk, out).ok().map(|info| info.len)
}

/// As [`decode`], with the portable code compiled for AVX2 where the machine has it.
pub fn decode_avx2(chunk: &[u8], out: &mut [f64]) -> Option<usize> {
    decode_values(Kernel::Avx2, chunk, out)
        .ok()
        .map(|info| info.len)
}
