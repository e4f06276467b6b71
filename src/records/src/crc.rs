//! Checksums: CRC-32C of v2 batches, and of what else Kafka guards with it.

use crc_fast::{CrcAlgorithm, checksum};

use crate::error::CorruptBatch;
use crate::format::v2;
use crate::wire;

/// CRC-32C (Castagnoli).
pub fn crc32c(bytes: &[u8]) -> u32 {
    low_half(checksum(CrcAlgorithm::Crc32Iscsi, bytes))
}

/// CRC-32C of a v2 batch, over everything from the attributes on, given in two adjacent pieces.
pub(crate) fn batch_crc(head: &[u8], body: &[u8]) -> u32 {
    let covered = head.get(v2::ATTRIBUTES_AT..).unwrap_or(&[]);
    if body.is_empty() {
        return crc32c(covered);
    }
    let mut digest = crc_fast::Digest::new(CrcAlgorithm::Crc32Iscsi);
    digest.update(covered);
    digest.update(body);
    low_half(digest.finalize())
}

/// A 32-bit checksum in a 64-bit return value.
fn low_half(crc: u64) -> u32 {
    u32::try_from(crc & 0xffff_ffff).unwrap_or_default()
}

/// Checks the CRC-32C of a whole v2 batch.
pub(crate) fn check_batch_crc(batch: &[u8]) -> Result<(), CorruptBatch> {
    let stored = wire::u32_at(batch, v2::CRC_AT).ok_or(CorruptBatch::FieldPastEnd)?;
    let computed = batch_crc(batch, &[]);
    if stored == computed {
        Ok(())
    } else {
        Err(CorruptBatch::Checksum { stored, computed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc32c_of_the_check_string() {
        let mut batch = vec![0; v2::ATTRIBUTES_AT];
        batch.extend_from_slice(b"123456789");
        assert_eq!(batch_crc(&batch, &[]), 0xe306_9283);
        let (head, body) = batch.split_at(v2::ATTRIBUTES_AT + 4);
        assert_eq!(batch_crc(head, body), 0xe306_9283);
    }
}
