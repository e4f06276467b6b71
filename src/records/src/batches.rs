//! Walking entries, and telling whether one is intact.

use crate::crc;
use crate::error::CorruptBatch;
use crate::format::{LOG_OVERHEAD, MIN_ENTRY_SIZE, Magic};
use crate::header::{self, BatchHeader};
use crate::message::{self, Message};

/// Checks one whole entry: frame, size, checksum, and for v0 and v1 that key and value lie inside.
///
/// # Errors
/// Whatever is wrong; also when `batch` is longer or shorter than the entry.
pub fn verify(batch: &[u8]) -> Result<BatchHeader, CorruptBatch> {
    let Some((size, magic)) = header::frame(batch)? else {
        return Err(CorruptBatch::WrongLength {
            expected: LOG_OVERHEAD + MIN_ENTRY_SIZE,
            actual: batch.len(),
        });
    };
    if size != batch.len() {
        return Err(CorruptBatch::WrongLength {
            expected: size,
            actual: batch.len(),
        });
    }
    // The checksum first: a flipped bit is corruption, not an unknown codec.
    match magic {
        Magic::V0 | Magic::V1 => {
            message::check_crc(batch)?;
            Message::parse(batch).map(|message| message.header)
        }
        Magic::V2 => {
            crc::check_batch_crc(batch)?;
            BatchHeader::parse(batch)?.ok_or(CorruptBatch::FieldPastEnd)
        }
    }
}

/// The whole entries in `bytes`, in order. A partial entry at the end just ends the walk, as in
/// Kafka; a broken frame yields an error and ends it.
pub fn batches(bytes: &[u8]) -> Batches<'_> {
    Batches {
        rest: bytes,
        consumed: 0,
    }
}

/// Iterator of [`batches`].
#[derive(Clone, Debug)]
pub struct Batches<'a> {
    rest: &'a [u8],
    consumed: usize,
}

impl Batches<'_> {
    /// Bytes of the entries yielded so far.
    pub fn consumed(&self) -> usize {
        self.consumed
    }
}

impl<'a> Iterator for Batches<'a> {
    type Item = Result<&'a [u8], CorruptBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        match header::frame(self.rest) {
            Ok(None) => None,
            Ok(Some((size, _))) => {
                let (entry, rest) = self.rest.split_at_checked(size)?;
                self.rest = rest;
                self.consumed += size;
                Some(Ok(entry))
            }
            Err(error) => {
                self.rest = &[];
                Some(Err(error))
            }
        }
    }
}
