//! Reading the entries of a segment one by one.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result};
use ottla_records::{BatchHeader, MAX_HEADER_SIZE};

use super::open;

/// A .log file.
pub(super) struct Segment {
    file: File,
    /// Where reading stops.
    end: u64,
}

/// One entry and where it stands.
pub(super) struct Entry {
    pub(super) position: u64,
    pub(super) header: BatchHeader,
    /// All its bytes.
    pub(super) bytes: Vec<u8>,
}

impl Segment {
    pub(super) fn open(path: &Path, max_bytes: u64) -> Result<Segment> {
        let file = open(path)?;
        let end = file.metadata()?.len().min(max_bytes);
        Ok(Segment { file, end })
    }

    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// The entry at this position; none at the end of the file and where only a part of one is.
    pub(super) fn entry(&self, position: u64) -> Result<Option<Entry>> {
        let left = usize::try_from(self.end.saturating_sub(position)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; MAX_HEADER_SIZE.min(left)];
        self.file.read_exact_at(&mut bytes, position)?;
        let header = BatchHeader::parse(&bytes)
            .with_context(|| format!("corrupt batch at position {position}"))?;
        let Some(header) = header.filter(|header| header.size() <= left) else {
            return Ok(None);
        };
        // No more than the file has.
        bytes.resize(header.size(), 0);
        self.file.read_exact_at(&mut bytes, position)?;
        Ok(Some(Entry {
            position,
            header,
            bytes,
        }))
    }

    /// The first entry from this position on that ends at this offset or behind it.
    pub(super) fn find(&self, mut position: u64, offset: i64) -> Result<Option<Entry>> {
        while let Some(entry) = self.entry(position)? {
            if entry.header.last_offset() >= offset {
                return Ok(Some(entry));
            }
            position = entry.next_position();
        }
        Ok(None)
    }
}

impl Entry {
    pub(super) fn next_position(&self) -> u64 {
        self.position.saturating_add(self.bytes.len() as u64)
    }
}
