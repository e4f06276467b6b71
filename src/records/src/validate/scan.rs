//! First look: frames, sizes and checksums.

use crate::batches::{Batches, batches, verify};
use crate::error::{CorruptBatch, InvalidRecords};
use crate::format::{CODEC_MASK, Compression, MAGIC_AT, Magic, v2};
use crate::header::BatchHeader;
use crate::rules::{AppendRules, AppendSource};
use crate::wire;

/// What the entries have in common.
pub(super) struct Scan {
    /// Header of the first entry.
    pub(super) first: BatchHeader,
    /// Codec of the last compressed entry, or none.
    pub(super) codec: Compression,
    /// Number of whole entries.
    pub(super) entries: usize,
    /// Their size; what follows is a partial entry and ignored.
    pub(super) valid_bytes: usize,
}

impl Scan {
    /// The header, if there is one entry only.
    pub(super) fn only_entry_header(&self) -> Option<BatchHeader> {
        (self.entries == 1).then_some(self.first)
    }
}

/// Looks at all entries; `None` if there is no whole one.
pub(super) fn scan(records: &[u8], rules: &AppendRules) -> Result<Option<Scan>, InvalidRecords> {
    let mut walk = batches(records);
    if rules.require_single_v2_batch {
        require_single_v2_batch(walk.clone())?;
    }
    let mut found: Option<Scan> = None;
    while let Some(entry) = walk.next() {
        let header = admit(entry?, rules)?;
        let scan = found.get_or_insert(Scan {
            first: header,
            codec: Compression::None,
            entries: 0,
            valid_bytes: 0,
        });
        scan.entries += 1;
        scan.valid_bytes = walk.consumed();
        if header.compression() != Compression::None {
            scan.codec = header.compression();
        }
    }
    Ok(found)
}

/// What requests from version 3 on promise (`ProduceRequest.validateRecords`).
fn require_single_v2_batch(mut walk: Batches<'_>) -> Result<(), InvalidRecords> {
    let Some(first) = walk.next().transpose()? else {
        return Err(InvalidRecords::batch(
            "a partition's records must hold a batch",
        ));
    };
    if first.get(MAGIC_AT) != Some(&Magic::V2.byte()) {
        return Err(InvalidRecords::batch(
            "records must be of format v2 since produce version 3",
        ));
    }
    match walk.next().transpose()? {
        Some(_) => Err(InvalidRecords::batch(
            "a partition's records must be a single batch",
        )),
        None => Ok(()),
    }
}

/// What is wrong with an entry before its records are looked at (`analyzeAndValidateRecords`).
fn admit(entry: &[u8], rules: &AppendRules) -> Result<BatchHeader, InvalidRecords> {
    let is_v2 = entry.get(MAGIC_AT) == Some(&Magic::V2.byte());
    if is_v2 && !rules.zstd_allowed {
        refuse_zstd(entry)?;
    }
    if is_v2 && rules.source == AppendSource::Client && wire::i64_at(entry, 0) != Some(0) {
        return Err(InvalidRecords::batch(
            "base offset of a produced batch must be 0",
        ));
    }
    if entry.len() > rules.max_batch_bytes {
        return Err(InvalidRecords::TooLarge {
            size: entry.len(),
            limit: rules.max_batch_bytes,
        });
    }
    verify(entry).map_err(|error| match error {
        CorruptBatch::UnknownCompression(codec) => InvalidRecords::UnsupportedCompression { codec },
        CorruptBatch::TooSmall { .. }
        | CorruptBatch::UnknownMagic(_)
        | CorruptBatch::Checksum { .. }
        | CorruptBatch::WrongLength { .. }
        | CorruptBatch::FieldPastEnd => InvalidRecords::Corrupt(error),
    })
}

fn refuse_zstd(batch: &[u8]) -> Result<(), InvalidRecords> {
    match batch.get(v2::ATTRIBUTES_AT + 1) {
        Some(attributes) if attributes & CODEC_MASK == Compression::Zstd.id() => {
            Err(InvalidRecords::UnsupportedCompression {
                codec: Compression::Zstd.id(),
            })
        }
        Some(_) | None => Ok(()),
    }
}

/// The header of an entry that `admit` has seen.
pub(super) fn header_of(entry: &[u8]) -> Result<BatchHeader, CorruptBatch> {
    BatchHeader::parse(entry)?.ok_or(CorruptBatch::FieldPastEnd)
}
