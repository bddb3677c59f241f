//! What every file begins with.

use crate::bytes::Reader;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// A segment of the write-ahead log.
    Wal,
    /// A block, or a checkpoint of the head, which is written like one.
    Block,
}

/// Bytes that a header takes.
pub(crate) const HEADER_LEN: usize = 16;

/// What a header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Header {
    /// A file of this kind, in a version that this code reads.
    Known,
    /// Another version's file; it must not be touched.
    OtherVersion(u32),
    /// Bytes that are no header.
    Damaged,
}

impl FileKind {
    /// The header of a new file.
    pub(crate) fn header(self) -> [u8; HEADER_LEN] {
        let mut header = [0; HEADER_LEN];
        header[..7].copy_from_slice(b"headwtr");
        header[7] = self.code();
        header[8..12].copy_from_slice(&self.version().to_le_bytes());
        let crc = crc32c::crc32c(&header[..12]);
        header[12..].copy_from_slice(&crc.to_le_bytes());
        header
    }

    /// Reads the header of a file that should be of this kind.
    pub(crate) fn check(self, bytes: &[u8]) -> Header {
        let mut reader = Reader::new(bytes);
        let (Ok(front), Ok(crc)) = (reader.take(12), reader.u32()) else {
            return Header::Damaged;
        };
        let mut version = [0; 4];
        version.copy_from_slice(&front[8..]);
        let version = u32::from_le_bytes(version);
        if crc32c::crc32c(front) != crc || &front[..7] != b"headwtr" || front[7] != self.code() {
            Header::Damaged
        } else if (1..=self.version()).contains(&version) {
            Header::Known
        } else {
            Header::OtherVersion(version)
        }
    }

    /// The version that this code writes. What older ones wrote reads the same: each only adds.
    fn version(self) -> u32 {
        match self {
            Self::Wal => 1,
            Self::Block => 2,
        }
    }

    fn code(self) -> u8 {
        match self {
            Self::Wal => b'w',
            Self::Block => b'b',
        }
    }
}

/// The name of a numbered file.
pub(crate) fn file_name(stem: &str, number: u64) -> String {
    format!("{stem}-{number:010}")
}

/// The number in a file's name, if it is of this stem and whole.
pub(crate) fn file_number(stem: &str, name: &str) -> Option<u64> {
    name.strip_prefix(stem)?.strip_prefix('-')?.parse().ok()
}
