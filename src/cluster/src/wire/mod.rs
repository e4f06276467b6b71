//! The controller's words on the wire: LeaderAndIsr, UpdateMetadata and StopReplica in every
//! version, both ways.
//!
//! A sender's version follows from `inter.broker.protocol.version` alone; there is no negotiation
//! on these channels. What an older version cannot carry is left out, as Kafka does.

pub mod leader_and_isr;
pub mod stop_replica;
mod topics;
pub mod update_metadata;
mod versions;

#[cfg(test)]
mod tests;

pub(crate) use versions::Versions;

use ottla_controller::{ReplicaAnswers, ReplicaError, RequestRefused};
use ottla_metadata::{BrokerId, TopicPartition};
use ottla_protocol::{ErrorCode, StrBytes, messages};

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn to_ids(ids: &[BrokerId]) -> Vec<messages::BrokerId> {
    ids.iter().map(|id| messages::BrokerId(id.0)).collect()
}

fn from_ids(ids: &[messages::BrokerId]) -> Vec<BrokerId> {
    ids.iter().map(|id| BrokerId(id.0)).collect()
}

/// -1 for nobody.
fn to_leader(leader: Option<BrokerId>) -> messages::BrokerId {
    messages::BrokerId(leader.map_or(-1, |id| id.0))
}

/// Negative numbers mean nobody (-1) or a partition that is being deleted (-2).
fn from_leader(id: messages::BrokerId) -> Option<BrokerId> {
    (id.0 >= 0).then_some(BrokerId(id.0))
}

/// What the receiver says of the request as a whole, where that is not "look at the partitions". A
/// code that we do not expect is that of each partition.
fn whole_answer<'a>(
    code: i16,
    partitions: impl Iterator<Item = &'a TopicPartition>,
) -> Option<Result<ReplicaAnswers, RequestRefused>> {
    match ErrorCode::from_code(code) {
        Some(ErrorCode::None) => None,
        Some(ErrorCode::StaleControllerEpoch) => Some(Err(RequestRefused::StaleControllerEpoch)),
        Some(ErrorCode::StaleBrokerEpoch) => Some(Err(RequestRefused::StaleBrokerEpoch)),
        _ => {
            let failed = partitions.map(|tp| (tp.clone(), Err(ReplicaError::Other(code))));
            Some(Ok(failed.collect()))
        }
    }
}

/// What the receiver says of one partition.
fn replica_result(code: i16) -> Result<(), ReplicaError> {
    Err(match ErrorCode::from_code(code) {
        Some(ErrorCode::None) => return Ok(()),
        Some(ErrorCode::KafkaStorageError) => ReplicaError::Storage,
        Some(ErrorCode::InconsistentTopicId) => ReplicaError::InconsistentTopicId,
        Some(ErrorCode::UnknownTopicOrPartition) => ReplicaError::NotAReplica,
        Some(ErrorCode::StaleControllerEpoch) => ReplicaError::StaleLeaderEpoch,
        Some(ErrorCode::FencedLeaderEpoch) => ReplicaError::FencedLeaderEpoch,
        Some(ErrorCode::InvalidTopicException) => ReplicaError::InvalidTopic,
        _ => ReplicaError::Other(code),
    })
}
