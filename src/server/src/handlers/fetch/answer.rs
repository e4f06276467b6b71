//! What a fetch is answered with.

use std::sync::Arc;

use ottla_log::LogSlice;
use ottla_metadata::{TopicId, TopicName};
use ottla_protocol::fetch::FetchPartitionResponse;
use ottla_protocol::{ErrorCode, Part};
use ottla_records::Magic;
use ottla_replication::FetchPartition;

use crate::context::Context;
use crate::fetch_conversion::Conversion;
use crate::fetch_sessions::{PartitionKey, Told, TopicKey, Wanted};

/// What was found, and what of it has to be converted first.
pub(super) struct Found {
    pub(super) answers: Vec<Answered>,
    pub(super) conversions: Vec<Conversion>,
}

/// The answer for one partition.
pub(super) struct Answered {
    pub(super) key: PartitionKey,
    pub(super) wanted: Wanted,
    pub(super) name: TopicName,
    pub(super) id: TopicId,
    pub(super) response: FetchPartitionResponse,
}

impl Answered {
    pub(super) fn new(partition: FetchPartition, response: FetchPartitionResponse) -> Answered {
        let id = partition.topic_id;
        let topic = match id {
            TopicId::ZERO => TopicKey::Name(Arc::clone(&partition.topic)),
            id => TopicKey::Id(id),
        };
        let epoch = |epoch: Option<i32>| epoch.unwrap_or(-1);
        let wanted = Wanted {
            fetch_offset: partition.fetch_offset,
            log_start_offset: partition.log_start_offset,
            max_bytes: i32::try_from(partition.max_bytes).unwrap_or(i32::MAX),
            current_leader_epoch: epoch(partition.current_leader_epoch),
            last_fetched_epoch: epoch(partition.last_fetched_epoch),
            known_high_watermark: -1,
        };
        let key = (topic, partition.partition);
        Answered {
            key,
            wanted,
            name: partition.topic,
            id,
            response,
        }
    }

    pub(super) fn told(&self) -> Told {
        Told {
            has_records: !self.response.records.is_empty(),
            is_failed: !self.response.error.is_none(),
            is_diverging: self.response.diverging_epoch.is_some(),
            is_sent_elsewhere: self.response.preferred_read_replica >= 0,
            high_watermark: self.response.high_watermark,
            log_start_offset: self.response.log_start_offset,
        }
    }
}

pub(super) fn file_part(records: LogSlice) -> Part {
    let len = u64::try_from(records.len).unwrap_or(u64::MAX);
    Part::File {
        file: records.file,
        position: records.position,
        len,
    }
}

/// The format that a client of this version reads, if the partition may hold a newer one
/// (`KafkaApis.maybeConvertFetchedData`).
///
/// # Errors
/// The client cannot be served.
pub(super) fn needed_conversion(
    context: &Context,
    partition: &FetchPartition,
    version: i16,
    is_follower: bool,
) -> Result<Option<Magic>, ErrorCode> {
    let stored = context
        .replicas
        .stored_format(&partition.topic, partition.partition);
    let Some(stored) = stored else {
        return Ok(None);
    };
    let readable = match version {
        ..=1 => Magic::V0,
        2..=3 => Magic::V1,
        _ => Magic::V2,
    };
    if stored.is_zstd {
        return Err(ErrorCode::UnsupportedCompressionType);
    }
    if stored.magic <= readable {
        return Ok(None);
    }
    if !stored.down_conversion && !is_follower {
        return Err(ErrorCode::UnsupportedVersion);
    }
    Ok(Some(readable))
}
