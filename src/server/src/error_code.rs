//! Where errors become protocol codes: one `match` per error type, without a wildcard arm, so that
//! a new variant does not compile until somebody has chosen its code.

use ottla_cluster::{
    AlterConfigError, AlterationError, AlterationRefused, CreatePartitionsError, CreateTopicError,
    DeleteTopicError, ElectLeaderError, ElectionRefused, GrantError, ReassignError,
    ReassignmentError, ReplicaError, RequestRefused, ShutdownRefused, StoreError,
};
use ottla_config::ChangeError;
use ottla_coordinator::Unavailable;
use ottla_coordinator::group::GroupError;
use ottla_log::{AppendError, ReadError, StorageError};
use ottla_protocol::ErrorCode;
use ottla_records::InvalidRecords;
use ottla_replication::{
    DeleteRecordsError, FetchError, ListOffsetsError, MoveRefused, PartitionError, ProduceError,
};

pub(crate) fn partition(error: PartitionError) -> ErrorCode {
    match error {
        PartitionError::Unknown => ErrorCode::UnknownTopicOrPartition,
        PartitionError::NotLeader => ErrorCode::NotLeaderOrFollower,
        PartitionError::FencedLeaderEpoch => ErrorCode::FencedLeaderEpoch,
        PartitionError::UnknownLeaderEpoch => ErrorCode::UnknownLeaderEpoch,
        PartitionError::InconsistentTopicId => ErrorCode::InconsistentTopicId,
        PartitionError::Offline => ErrorCode::KafkaStorageError,
    }
}

pub(crate) fn produce(error: &ProduceError) -> ErrorCode {
    match error {
        ProduceError::Partition(error) => partition(*error),
        ProduceError::InternalTopic => ErrorCode::InvalidTopicException,
        ProduceError::NotEnoughReplicas { .. } => ErrorCode::NotEnoughReplicas,
        ProduceError::NotEnoughReplicasAfterAppend => ErrorCode::NotEnoughReplicasAfterAppend,
        ProduceError::TimedOut => ErrorCode::RequestTimedOut,
        ProduceError::Records(error) => records(error),
        ProduceError::Append(error) => append(error),
    }
}

fn records(error: &InvalidRecords) -> ErrorCode {
    match error {
        InvalidRecords::Corrupt(_) => ErrorCode::CorruptMessage,
        InvalidRecords::Invalid { .. } | InvalidRecords::Decompress { .. } => {
            ErrorCode::InvalidRecord
        }
        InvalidRecords::InvalidTimestamp { .. } => ErrorCode::InvalidTimestamp,
        InvalidRecords::TooLarge { .. } => ErrorCode::MessageTooLarge,
        InvalidRecords::ListTooLarge { .. } => ErrorCode::RecordListTooLarge,
        InvalidRecords::UnsupportedCompression { .. } => ErrorCode::UnsupportedCompressionType,
        InvalidRecords::UnsupportedForFormat { .. } => ErrorCode::UnsupportedForMessageFormat,
    }
}

fn append(error: &AppendError) -> ErrorCode {
    match error {
        AppendError::InvalidProducerEpoch { .. } => ErrorCode::InvalidProducerEpoch,
        AppendError::OutOfOrderSequence { .. } => ErrorCode::OutOfOrderSequenceNumber,
        AppendError::InvalidTxnState(_) => ErrorCode::InvalidTxnState,
        AppendError::TransactionCoordinatorFenced { .. } => ErrorCode::TransactionCoordinatorFenced,
        AppendError::UnexpectedOffset { .. } => ErrorCode::UnknownServerError,
        AppendError::SetTooLarge { .. } => ErrorCode::RecordListTooLarge,
        AppendError::Corrupt(_) => ErrorCode::CorruptMessage,
        AppendError::InvalidRecords(error) => records(error),
        AppendError::Storage(error) => storage(error),
    }
}

/// A log that was closed or deleted has gone to another broker, or is about to.
pub(crate) fn storage(error: &StorageError) -> ErrorCode {
    match error {
        StorageError::Io { .. } | StorageError::Offline(_) | StorageError::Exhausted { .. } => {
            ErrorCode::KafkaStorageError
        }
        StorageError::Closed(_) | StorageError::SegmentDeleted(_) => ErrorCode::NotLeaderOrFollower,
    }
}

pub(crate) fn read(error: &ReadError) -> ErrorCode {
    match error {
        ReadError::OffsetOutOfRange { .. } => ErrorCode::OffsetOutOfRange,
        ReadError::Corrupt { .. } => ErrorCode::CorruptMessage,
        ReadError::Storage(error) => storage(error),
    }
}

/// Versions 5 and before do not know of failed disks.
pub(crate) fn fetch(error: &FetchError, version: i16) -> ErrorCode {
    let code = match error {
        FetchError::Partition(error) => partition(*error),
        FetchError::UnknownFetchedEpoch => ErrorCode::OffsetOutOfRange,
        FetchError::Read(error) => read(error),
    };
    match code {
        ErrorCode::KafkaStorageError if version <= 5 => ErrorCode::NotLeaderOrFollower,
        code => code,
    }
}

/// Versions 4 and before do not know of an offset that is not available yet.
pub(crate) fn list_offsets(error: &ListOffsetsError, version: i16) -> ErrorCode {
    match error {
        ListOffsetsError::Partition(error) => partition(*error),
        ListOffsetsError::NotAvailable if version < 5 => ErrorCode::LeaderNotAvailable,
        ListOffsetsError::NotAvailable => ErrorCode::OffsetNotAvailable,
        ListOffsetsError::Read(error) => read(error),
    }
}

pub(crate) fn delete_records(error: &DeleteRecordsError) -> ErrorCode {
    match error {
        DeleteRecordsError::Partition(error) => partition(*error),
        DeleteRecordsError::OffsetOutOfRange => ErrorCode::OffsetOutOfRange,
        DeleteRecordsError::NotDeletable => ErrorCode::PolicyViolation,
        DeleteRecordsError::InternalTopic => ErrorCode::InvalidTopicException,
        DeleteRecordsError::TimedOut => ErrorCode::RequestTimedOut,
        DeleteRecordsError::Storage(error) => storage(error),
    }
}

/// Why a replica is not moved to another log directory.
pub(crate) fn move_refused(refused: MoveRefused) -> ErrorCode {
    match refused {
        MoveRefused::UnknownDir => ErrorCode::LogDirNotFound,
        MoveRefused::NameTooLong => ErrorCode::InvalidTopicException,
        MoveRefused::NoReplica => ErrorCode::ReplicaNotAvailable,
        MoveRefused::Offline => ErrorCode::KafkaStorageError,
    }
}

/// What was asked of ZooKeeper may or may not have happened when it did not answer.
pub(crate) fn store(error: &StoreError) -> ErrorCode {
    match error {
        StoreError::Away => ErrorCode::RequestTimedOut,
        StoreError::Unexpected(_) => ErrorCode::UnknownServerError,
    }
}

pub(crate) fn create_topic(error: &CreateTopicError) -> ErrorCode {
    match error {
        CreateTopicError::NotController => ErrorCode::NotController,
        CreateTopicError::InvalidName(_) | CreateTopicError::Collides(_) => {
            ErrorCode::InvalidTopicException
        }
        CreateTopicError::Exists(_) | CreateTopicError::MarkedForDeletion(_) => {
            ErrorCode::TopicAlreadyExists
        }
        CreateTopicError::Reserved(_)
        | CreateTopicError::Duplicate(_)
        | CreateTopicError::CountsAndAssignment => ErrorCode::InvalidRequest,
        CreateTopicError::InvalidPartitions(_) => ErrorCode::InvalidPartitions,
        CreateTopicError::InvalidReplicationFactor { .. } => ErrorCode::InvalidReplicationFactor,
        CreateTopicError::RacksMissing(_) => ErrorCode::UnknownServerError,
        CreateTopicError::InvalidAssignment(_) => ErrorCode::InvalidReplicaAssignment,
        CreateTopicError::NoLeaderInTime => ErrorCode::RequestTimedOut,
        CreateTopicError::Store(error) => store(error),
    }
}

/// Versions 2 and before do not know that deletion can be disabled.
pub(crate) fn delete_topic(error: &DeleteTopicError, version: i16) -> ErrorCode {
    match error {
        DeleteTopicError::NotController => ErrorCode::NotController,
        DeleteTopicError::Unknown(_) => ErrorCode::UnknownTopicOrPartition,
        DeleteTopicError::Disabled if version < 3 => ErrorCode::InvalidRequest,
        DeleteTopicError::Disabled => ErrorCode::TopicDeletionDisabled,
        DeleteTopicError::NotGoneInTime => ErrorCode::RequestTimedOut,
        DeleteTopicError::Store(error) => store(error),
    }
}

pub(crate) fn create_partitions(error: &CreatePartitionsError) -> ErrorCode {
    match error {
        CreatePartitionsError::NotController => ErrorCode::NotController,
        CreatePartitionsError::UnknownTopic(_) => ErrorCode::UnknownTopicOrPartition,
        CreatePartitionsError::MarkedForDeletion(_) => ErrorCode::InvalidTopicException,
        CreatePartitionsError::Duplicate(_) => ErrorCode::InvalidRequest,
        CreatePartitionsError::NotAnIncrease { .. } => ErrorCode::InvalidPartitions,
        CreatePartitionsError::ReassignmentInProgress => ErrorCode::ReassignmentInProgress,
        CreatePartitionsError::InvalidReplicationFactor { .. } => {
            ErrorCode::InvalidReplicationFactor
        }
        CreatePartitionsError::RacksMissing(_) => ErrorCode::UnknownServerError,
        CreatePartitionsError::InvalidAssignment(_) => ErrorCode::InvalidReplicaAssignment,
        CreatePartitionsError::NoLeaderInTime => ErrorCode::RequestTimedOut,
        CreatePartitionsError::Store(error) => store(error),
    }
}

/// Why the controller does not look at a leader's changes of in-sync replicas.
pub(crate) fn alteration_refused(refused: AlterationRefused) -> ErrorCode {
    match refused {
        AlterationRefused::NotController => ErrorCode::NotController,
        AlterationRefused::StaleBrokerEpoch => ErrorCode::StaleBrokerEpoch,
    }
}

/// Versions 1 and before do not know of replicas that may not be in sync (KIP-841).
pub(crate) fn alteration(error: AlterationError, version: i16) -> ErrorCode {
    match error {
        AlterationError::UnknownTopicId => ErrorCode::UnknownTopicId,
        AlterationError::UnknownPartition => ErrorCode::UnknownTopicOrPartition,
        AlterationError::NotController => ErrorCode::NotController,
        AlterationError::FencedLeaderEpoch => ErrorCode::FencedLeaderEpoch,
        AlterationError::InvalidUpdateVersion => ErrorCode::InvalidUpdateVersion,
        AlterationError::InvalidRequest => ErrorCode::InvalidRequest,
        AlterationError::IneligibleReplica if version < 2 => ErrorCode::OperationNotAttempted,
        AlterationError::IneligibleReplica => ErrorCode::IneligibleReplica,
        AlterationError::Unusable => ErrorCode::UnknownServerError,
    }
}

/// Why the controller grants no producer ids.
pub(crate) fn grant(error: &GrantError) -> ErrorCode {
    match error {
        GrantError::NotController => ErrorCode::NotController,
        GrantError::UnknownBroker => ErrorCode::BrokerIdNotRegistered,
        GrantError::StaleBrokerEpoch => ErrorCode::StaleBrokerEpoch,
        GrantError::Store(error) => store(error),
    }
}

/// Why the controller moves no leaderships off a broker.
pub(crate) fn shutdown_refused(refused: ShutdownRefused) -> ErrorCode {
    match refused {
        ShutdownRefused::NotController => ErrorCode::StaleControllerEpoch,
        ShutdownRefused::StaleBrokerEpoch => ErrorCode::StaleBrokerEpoch,
        ShutdownRefused::UnknownBroker => ErrorCode::BrokerNotAvailable,
    }
}

/// Why a partition got no other leader by request.
pub(crate) fn elect_leader(error: &ElectLeaderError) -> ErrorCode {
    match error {
        ElectLeaderError::Refused(refused) => match refused {
            ElectionRefused::NotController => ErrorCode::NotController,
            ElectionRefused::UnknownPartition => ErrorCode::UnknownTopicOrPartition,
            ElectionRefused::TopicDeleted => ErrorCode::InvalidTopicException,
            ElectionRefused::NotNeeded => ErrorCode::ElectionNotNeeded,
            ElectionRefused::PreferredUnavailable => ErrorCode::PreferredLeaderNotAvailable,
            ElectionRefused::NobodyEligible => ErrorCode::EligibleLeadersNotAvailable,
        },
        ElectLeaderError::TimedOut => ErrorCode::RequestTimedOut,
    }
}

/// Why nothing is known of a reassignment.
pub(crate) fn reassign(error: ReassignError) -> ErrorCode {
    match error {
        ReassignError::NotController => ErrorCode::NotController,
        ReassignError::TimedOut => ErrorCode::RequestTimedOut,
    }
}

/// Why a partition is not moved.
pub(crate) fn reassignment(error: &ReassignmentError) -> ErrorCode {
    match error {
        ReassignmentError::Empty
        | ReassignmentError::Duplicate(_)
        | ReassignmentError::InvalidBroker(_)
        | ReassignmentError::DeadBroker(_)
        | ReassignmentError::Unclean => ErrorCode::InvalidReplicaAssignment,
        ReassignmentError::NotInProgress => ErrorCode::NoReassignmentInProgress,
        ReassignmentError::UnknownPartition => ErrorCode::UnknownTopicOrPartition,
        ReassignmentError::NotStored => ErrorCode::UnknownServerError,
    }
}

/// Why a controller is not obeyed.
pub(crate) fn request_refused(refused: RequestRefused) -> ErrorCode {
    match refused {
        RequestRefused::StaleControllerEpoch => ErrorCode::StaleControllerEpoch,
        RequestRefused::StaleBrokerEpoch => ErrorCode::StaleBrokerEpoch,
    }
}

/// What becomes of a controller's word on one partition.
pub(crate) fn replica(result: Result<(), ReplicaError>) -> ErrorCode {
    match result {
        Ok(()) => ErrorCode::None,
        Err(ReplicaError::Storage) => ErrorCode::KafkaStorageError,
        Err(ReplicaError::InconsistentTopicId) => ErrorCode::InconsistentTopicId,
        Err(ReplicaError::NotAReplica) => ErrorCode::UnknownTopicOrPartition,
        Err(ReplicaError::StaleLeaderEpoch) => ErrorCode::StaleControllerEpoch,
        Err(ReplicaError::FencedLeaderEpoch) => ErrorCode::FencedLeaderEpoch,
        Err(ReplicaError::InvalidTopic) => ErrorCode::InvalidTopicException,
        Err(ReplicaError::Other(code)) => {
            ErrorCode::from_code(code).unwrap_or(ErrorCode::UnknownServerError)
        }
    }
}

pub(crate) fn alter_config(error: &AlterConfigError) -> ErrorCode {
    match error {
        AlterConfigError::UnknownTopic(_) => ErrorCode::UnknownTopicOrPartition,
        AlterConfigError::NoController => ErrorCode::NotController,
        AlterConfigError::Store(error) => store(error),
    }
}

/// Settings that a topic, or a broker, cannot have.
pub(crate) fn config_change(error: &ChangeError) -> ErrorCode {
    match error {
        ChangeError::UnknownTopicKey(_) | ChangeError::Value(_) | ChangeError::Conflict(_) => {
            ErrorCode::InvalidConfig
        }
        ChangeError::ReadOnly(_) | ChangeError::NeedsListener(_) | ChangeError::NeedsBroker(_) => {
            ErrorCode::InvalidRequest
        }
    }
}

/// Why this broker does not answer for a group.
pub(crate) fn unavailable(error: Unavailable) -> ErrorCode {
    match error {
        Unavailable::Loading => ErrorCode::CoordinatorLoadInProgress,
        Unavailable::NotCoordinator => ErrorCode::NotCoordinator,
    }
}

pub(crate) fn group(error: GroupError) -> ErrorCode {
    match error {
        GroupError::UnknownMemberId => ErrorCode::UnknownMemberId,
        GroupError::IllegalGeneration => ErrorCode::IllegalGeneration,
        GroupError::RebalanceInProgress => ErrorCode::RebalanceInProgress,
        GroupError::FencedInstanceId => ErrorCode::FencedInstanceId,
        GroupError::MemberIdRequired => ErrorCode::MemberIdRequired,
        GroupError::InconsistentGroupProtocol => ErrorCode::InconsistentGroupProtocol,
        GroupError::InvalidSessionTimeout => ErrorCode::InvalidSessionTimeout,
        GroupError::GroupMaxSizeReached => ErrorCode::GroupMaxSizeReached,
        GroupError::NonEmptyGroup => ErrorCode::NonEmptyGroup,
        GroupError::GroupIdNotFound => ErrorCode::GroupIdNotFound,
        GroupError::GroupSubscribedToTopic => ErrorCode::GroupSubscribedToTopic,
        GroupError::OffsetMetadataTooLarge => ErrorCode::OffsetMetadataTooLarge,
        GroupError::InvalidCommitOffsetSize => ErrorCode::InvalidCommitOffsetSize,
        GroupError::UnstableOffsetCommit => ErrorCode::UnstableOffsetCommit,
        GroupError::CoordinatorNotAvailable => ErrorCode::CoordinatorNotAvailable,
        GroupError::NotCoordinator => ErrorCode::NotCoordinator,
        GroupError::RequestTimedOut => ErrorCode::RequestTimedOut,
        GroupError::UnknownServerError => ErrorCode::UnknownServerError,
    }
}
