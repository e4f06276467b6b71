//! What a group refuses, and what may go wrong with an append.

use crate::MemberId;

/// Why a request on a group failed. One variant for each protocol error that a classic group may
/// answer; the server maps them to codes one to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupError {
    /// `UNKNOWN_MEMBER_ID`
    #[error("the member is not in the group")]
    UnknownMemberId,
    /// `ILLEGAL_GENERATION`
    #[error("the generation is not the group's")]
    IllegalGeneration,
    /// `REBALANCE_IN_PROGRESS`
    #[error("the group rebalances: join again")]
    RebalanceInProgress,
    /// `FENCED_INSTANCE_ID`
    #[error("another member took the group instance id over")]
    FencedInstanceId,
    /// `MEMBER_ID_REQUIRED`
    #[error("join again with the member id given")]
    MemberIdRequired,
    /// `INCONSISTENT_GROUP_PROTOCOL`
    #[error("protocol type or protocols do not fit the group's")]
    InconsistentGroupProtocol,
    /// `INVALID_SESSION_TIMEOUT`
    #[error(
        "the session timeout is out of group.min.session.timeout.ms .. group.max.session.timeout.ms"
    )]
    InvalidSessionTimeout,
    /// `GROUP_MAX_SIZE_REACHED`
    #[error("the group has group.max.size members")]
    GroupMaxSizeReached,
    /// `NON_EMPTY_GROUP`
    #[error("the group has members")]
    NonEmptyGroup,
    /// `GROUP_ID_NOT_FOUND`
    #[error("there is no such group")]
    GroupIdNotFound,
    /// `GROUP_SUBSCRIBED_TO_TOPIC`
    #[error("members are subscribed to the topic")]
    GroupSubscribedToTopic,
    /// `OFFSET_METADATA_TOO_LARGE`
    #[error("the offset's metadata is longer than offset.metadata.max.bytes")]
    OffsetMetadataTooLarge,
    /// `INVALID_COMMIT_OFFSET_SIZE`
    #[error("the commit is larger than the log takes")]
    InvalidCommitOffsetSize,
    /// `UNSTABLE_OFFSET_COMMIT`
    #[error("a commit of this partition is under way")]
    UnstableOffsetCommit,
    /// `COORDINATOR_NOT_AVAILABLE`
    #[error("the coordinator is not available")]
    CoordinatorNotAvailable,
    /// `NOT_COORDINATOR`
    #[error("this broker is not the group's coordinator")]
    NotCoordinator,
    /// `REQUEST_TIMED_OUT`
    #[error("the commit was not replicated in time")]
    RequestTimedOut,
    /// `UNKNOWN_SERVER_ERROR`
    #[error("the group's state could not be stored")]
    UnknownServerError,
}

/// A join refused: the error and the member id that goes with it in the answer (the new id with
/// [`GroupError::MemberIdRequired`], sometimes empty, otherwise what the client sent).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct JoinRefused {
    /// Why.
    pub error: GroupError,
    /// What the response's `memberId` holds.
    pub member_id: MemberId,
}

/// Why an append to `__consumer_offsets` failed, as far as groups tell failures apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendFailure {
    /// `UNKNOWN_TOPIC_OR_PARTITION`
    #[error("the partition is not there")]
    UnknownPartition,
    /// `NOT_ENOUGH_REPLICAS` or `NOT_ENOUGH_REPLICAS_AFTER_APPEND`
    #[error("too few replicas are in sync")]
    NotEnoughReplicas,
    /// `NOT_LEADER_OR_FOLLOWER`
    #[error("this broker does not lead the partition")]
    NotLeader,
    /// `KAFKA_STORAGE_ERROR`
    #[error("the log directory failed")]
    Storage,
    /// `REQUEST_TIMED_OUT`: stored here, not replicated in `offsets.commit.timeout.ms`.
    #[error("not replicated in time")]
    TimedOut,
    /// `MESSAGE_TOO_LARGE`, `RECORD_LIST_TOO_LARGE` or `INVALID_FETCH_SIZE`
    #[error("too large for the log")]
    TooLarge,
    /// Anything else.
    #[error("not appended")]
    Other,
}

impl AppendFailure {
    /// What members hear when the group's record was not stored (`GroupMetadataManager.storeGroup`).
    pub(crate) fn of_group_store(self) -> GroupError {
        match self {
            AppendFailure::UnknownPartition | AppendFailure::NotEnoughReplicas => {
                GroupError::CoordinatorNotAvailable
            }
            AppendFailure::NotLeader | AppendFailure::Storage => GroupError::NotCoordinator,
            AppendFailure::TimedOut => GroupError::RebalanceInProgress,
            AppendFailure::TooLarge | AppendFailure::Other => GroupError::UnknownServerError,
        }
    }

    /// What a committer hears (`GroupMetadataManager.maybeConvertOffsetCommitError`).
    pub(crate) fn of_offset_commit(self) -> GroupError {
        match self {
            AppendFailure::UnknownPartition | AppendFailure::NotEnoughReplicas => {
                GroupError::CoordinatorNotAvailable
            }
            AppendFailure::NotLeader | AppendFailure::Storage => GroupError::NotCoordinator,
            AppendFailure::TimedOut => GroupError::RequestTimedOut,
            AppendFailure::TooLarge => GroupError::InvalidCommitOffsetSize,
            AppendFailure::Other => GroupError::UnknownServerError,
        }
    }
}
