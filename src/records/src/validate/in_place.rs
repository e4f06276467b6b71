//! Keeping the bytes: only the header is copied and patched.

use bytes::Bytes;
use smallvec::SmallVec;

use super::check::Checked;
use super::scan::header_of;
use crate::append_set::{AppendSet, BatchInfo, Content};
use crate::batches::batches;
use crate::crc;
use crate::error::{CorruptBatch, InvalidRecords};
use crate::format::{
    LOG_OVERHEAD, MAX_HEADER_SIZE, Magic, NO_TIMESTAMP, TIMESTAMP_TYPE_BIT, TimestampType, legacy,
    v2,
};
use crate::header::BatchHeader;
use crate::rules::AppendRules;
use crate::wire;

/// A single entry.
pub(super) fn one(
    records: Bytes,
    header: &BatchHeader,
    checked: &Checked,
    rules: &AppendRules,
) -> Result<AppendSet, InvalidRecords> {
    check_set_size(records.len(), rules)?;
    let mut head = [0; MAX_HEADER_SIZE];
    let head_len = match header.magic() {
        Magic::V0 => LOG_OVERHEAD,
        Magic::V1 => legacy::KEY_AT_V1,
        Magic::V2 => v2::RECORDS_AT,
    };
    let (Some(target), Some(source)) = (head.get_mut(..head_len), records.get(..head_len)) else {
        return Err(CorruptBatch::FieldPastEnd.into());
    };
    target.copy_from_slice(source);
    let body = records.slice(head_len..);
    let max_timestamp = stored_timestamp(header.magic(), checked.max_timestamp, rules);
    patch_timestamp(target, &body, header, max_timestamp, rules.timestamp_type);
    let mut info = info(header, max_timestamp, rules);
    info.record_count = checked.record_count;
    info.last_offset = i64::from(checked.record_count) - 1;
    info.control = checked.control;
    Ok(AppendSet::new(
        SmallVec::from_buf([info]),
        Content::Patched {
            head,
            head_len,
            body,
        },
        log_append_time(rules),
    ))
}

/// Several uncompressed messages: offsets and perhaps timestamps lie everywhere, so they are
/// copied.
pub(super) fn messages(records: &[u8], rules: &AppendRules) -> Result<AppendSet, InvalidRecords> {
    check_set_size(records.len(), rules)?;
    let mut owned = records.to_vec();
    let mut infos = SmallVec::new();
    let mut rest = owned.as_mut_slice();
    for entry in batches(records) {
        let header = header_of(entry?)?;
        let (entry, after) = rest
            .split_at_mut_checked(header.size())
            .ok_or(CorruptBatch::FieldPastEnd)?;
        rest = after;
        let max_timestamp = stored_timestamp(header.magic(), header.max_timestamp(), rules);
        patch_timestamp(entry, &[], &header, max_timestamp, rules.timestamp_type);
        infos.push(info(&header, max_timestamp, rules));
    }
    Ok(AppendSet::new(
        infos,
        Content::Owned(owned),
        log_append_time(rules),
    ))
}

/// `RECORD_LIST_TOO_LARGE` if no segment can hold the set.
pub(super) fn check_set_size(size: usize, rules: &AppendRules) -> Result<(), InvalidRecords> {
    if size > rules.max_set_bytes {
        return Err(InvalidRecords::ListTooLarge {
            size,
            limit: rules.max_set_bytes,
        });
    }
    Ok(())
}

/// The append time, if it is what the topic stores.
pub(super) fn log_append_time(rules: &AppendRules) -> Option<i64> {
    match rules.timestamp_type {
        TimestampType::Create => None,
        TimestampType::LogAppend => Some(rules.now_ms),
    }
}

fn stored_timestamp(magic: Magic, max_timestamp: i64, rules: &AppendRules) -> i64 {
    match magic {
        Magic::V0 => NO_TIMESTAMP,
        Magic::V1 | Magic::V2 => log_append_time(rules).unwrap_or(max_timestamp.max(NO_TIMESTAMP)),
    }
}

/// Makes the header say `max_timestamp` of type `kind`. The checksum is computed again only if that
/// changes something.
fn patch_timestamp(
    head: &mut [u8],
    body: &[u8],
    header: &BatchHeader,
    max_timestamp: i64,
    kind: TimestampType,
) {
    let same = header.max_timestamp() == max_timestamp && header.timestamp_type() == kind;
    let (attributes_at, timestamp_at) = match header.magic() {
        Magic::V0 => return,
        Magic::V1 | Magic::V2 if same => return,
        Magic::V1 => (legacy::ATTRIBUTES_AT, legacy::TIMESTAMP_AT),
        Magic::V2 => (v2::ATTRIBUTES_AT + 1, v2::MAX_TIMESTAMP_AT),
    };
    if let Some(attributes) = head.get_mut(attributes_at) {
        match kind {
            TimestampType::Create => *attributes &= !TIMESTAMP_TYPE_BIT,
            TimestampType::LogAppend => *attributes |= TIMESTAMP_TYPE_BIT,
        }
    }
    wire::put(head, timestamp_at, max_timestamp.to_be_bytes());
    match header.magic() {
        Magic::V0 | Magic::V1 => {
            let mut crc = crc32fast::Hasher::new();
            crc.update(head.get(legacy::CRC_AT + 4..).unwrap_or(&[]));
            crc.update(body);
            wire::put(head, legacy::CRC_AT, crc.finalize().to_be_bytes());
        }
        Magic::V2 => {
            let crc = crc::batch_crc(head, body);
            wire::put(head, v2::CRC_AT, crc.to_be_bytes());
        }
    }
}

/// What the log wants to know of an entry with one record; offsets come later.
pub(super) fn info(header: &BatchHeader, max_timestamp: i64, rules: &AppendRules) -> BatchInfo {
    BatchInfo {
        size: header.size(),
        base_offset: 0,
        last_offset: 0,
        max_timestamp,
        offset_of_max_timestamp: -1,
        magic: header.magic(),
        compression: header.compression(),
        timestamp_type: match header.magic() {
            Magic::V0 => TimestampType::Create,
            Magic::V1 | Magic::V2 => rules.timestamp_type,
        },
        producer: header.producer(),
        transactional: header.is_transactional(),
        control: None,
        record_count: 1,
    }
}
