//! Writing the records anew, in another format or codec.

use smallvec::SmallVec;

use super::in_place::{check_set_size, info, log_append_time};
use super::scan::header_of;
use crate::append_set::{AppendSet, BatchInfo, CompressedV0, Content};
use crate::batch_options::BatchOptions;
use crate::batches::batches;
use crate::builder::BatchBuilder;
use crate::cursor::RecordCursor;
use crate::error::{BuildError, InvalidRecords};
use crate::format::{Compression, Magic, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE};
use crate::header::BatchHeader;
use crate::rules::AppendRules;

/// How the topic stores records.
pub(super) struct Target {
    pub(super) magic: Magic,
    pub(super) codec: Compression,
    pub(super) level: i32,
}

/// All records of `records`, checked before, as the target wants them.
pub(super) fn rebuild(
    records: &[u8],
    first: &BatchHeader,
    target: &Target,
    rules: &AppendRules,
) -> Result<AppendSet, InvalidRecords> {
    if target.codec == Compression::Zstd && target.magic < Magic::V2 {
        return Err(InvalidRecords::UnsupportedCompression {
            codec: target.codec.id(),
        });
    }
    if first.is_control() {
        return Err(InvalidRecords::batch("control batches cannot be converted"));
    }
    // A compressed v0 message is compressed once the absolute offsets are known.
    let later = target.magic == Magic::V0 && target.codec != Compression::None;
    let producer = first.producer();
    let mut builder = BatchBuilder::new(BatchOptions {
        magic: target.magic,
        compression: if later {
            Compression::None
        } else {
            target.codec
        },
        level: if later { 0 } else { target.level },
        log_append_time_ms: log_append_time(rules),
        producer_id: producer.map_or(NO_PRODUCER_ID, |producer| producer.id),
        producer_epoch: producer.map_or(NO_PRODUCER_EPOCH, |producer| producer.epoch),
        base_sequence: producer.map_or(NO_SEQUENCE, |producer| producer.base_sequence),
        transactional: first.is_transactional(),
        ..BatchOptions::default()
    })
    .map_err(|error| refusal(&error, rules))?;
    for entry in batches(records) {
        let mut cursor = RecordCursor::new(entry?)?;
        while let Some(record) = cursor.next()? {
            builder
                .append_record(&record)
                .map_err(|error| refusal(&error, rules))?;
            // Ends a conversion that cannot succeed before it takes more memory.
            check_set_size(builder.size(), rules)?;
        }
    }
    let record_count = u32::try_from(builder.record_count()).unwrap_or(0);
    let bytes = builder.build().map_err(|error| refusal(&error, rules))?;
    if later {
        compressed_v0(bytes, record_count, target, rules)
    } else {
        built(bytes, record_count, rules)
    }
}

/// The infos of what was built, and the size checks that Kafka repeats after a conversion.
fn built(
    bytes: Vec<u8>,
    record_count: u32,
    rules: &AppendRules,
) -> Result<AppendSet, InvalidRecords> {
    let mut infos: SmallVec<[BatchInfo; 1]> = SmallVec::new();
    for entry in batches(&bytes) {
        let header = header_of(entry?)?;
        if header.size() > rules.max_batch_bytes {
            return Err(InvalidRecords::TooLarge {
                size: header.size(),
                limit: rules.max_batch_bytes,
            });
        }
        infos.push(info(&header, header.max_timestamp(), rules));
    }
    if let [only] = infos.as_mut_slice() {
        only.record_count = record_count;
        only.last_offset = i64::from(record_count) - 1;
    }
    check_set_size(bytes.len(), rules)?;
    Ok(AppendSet::new(
        infos,
        Content::Owned(bytes),
        log_append_time(rules),
    ))
}

fn compressed_v0(
    inner: Vec<u8>,
    record_count: u32,
    target: &Target,
    rules: &AppendRules,
) -> Result<AppendSet, InvalidRecords> {
    let mut message = CompressedV0 {
        inner,
        codec: target.codec,
        level: target.level,
        max_batch_bytes: rules.max_batch_bytes,
        entry: Vec::new(),
    };
    // With offsets from 0, to know the size.
    message.build(0)?;
    check_set_size(message.entry.len(), rules)?;
    let header = header_of(&message.entry)?;
    let mut info = info(&header, header.max_timestamp(), rules);
    info.record_count = record_count;
    info.last_offset = i64::from(record_count) - 1;
    Ok(AppendSet::new(
        SmallVec::from_buf([info]),
        Content::CompressedV0(message),
        log_append_time(rules),
    ))
}

fn refusal(error: &BuildError, rules: &AppendRules) -> InvalidRecords {
    match *error {
        BuildError::UnsupportedForFormat(feature) => {
            InvalidRecords::UnsupportedForFormat { feature }
        }
        BuildError::Offset { .. } => InvalidRecords::batch("more records than one batch can count"),
        BuildError::TooLarge => InvalidRecords::TooLarge {
            size: i32::MAX as usize,
            limit: rules.max_batch_bytes,
        },
        BuildError::Compress { codec, .. } => {
            InvalidRecords::UnsupportedCompression { codec: codec.id() }
        }
    }
}
