//! The error codes of the protocol (Kafka's `Errors`).

macro_rules! error_codes {
    ($($variant:ident $name:literal = $code:literal $(, $retriable:ident)?;)*) => {
        /// An error code as it stands in responses. All codes that Kafka 3.9 knows.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(i16)]
        pub enum ErrorCode {
            $(#[doc = concat!("`", $name, "`")] $variant = $code,)*
        }

        impl ErrorCode {
            /// Every code, in the order of the numbers.
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$variant,)*];

            /// The code with this number; `None` for numbers that Kafka 3.9 does not know.
            pub fn from_code(code: i16) -> Option<ErrorCode> {
                match code {
                    $($code => Some(ErrorCode::$variant),)*
                    _ => None,
                }
            }

            /// Kafka's name of the code, such as `NOT_LEADER_OR_FOLLOWER`.
            pub fn name(self) -> &'static str {
                match self {
                    $(ErrorCode::$variant => $name,)*
                }
            }

            /// Whether the same request may succeed later (Kafka's `RetriableException`).
            pub fn is_retriable(self) -> bool {
                match self {
                    $(ErrorCode::$variant => error_codes!(@retriable $($retriable)?),)*
                }
            }
        }
    };
    (@retriable retriable) => { true };
    (@retriable) => { false };
}

impl ErrorCode {
    /// The number on the wire.
    pub fn code(self) -> i16 {
        self as i16
    }

    /// Whether this is `NONE`.
    pub fn is_none(self) -> bool {
        self == ErrorCode::None
    }
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl From<ErrorCode> for i16 {
    fn from(code: ErrorCode) -> i16 {
        code.code()
    }
}

error_codes! {
    UnknownServerError "UNKNOWN_SERVER_ERROR" = -1;
    None "NONE" = 0;
    OffsetOutOfRange "OFFSET_OUT_OF_RANGE" = 1;
    CorruptMessage "CORRUPT_MESSAGE" = 2, retriable;
    UnknownTopicOrPartition "UNKNOWN_TOPIC_OR_PARTITION" = 3, retriable;
    InvalidFetchSize "INVALID_FETCH_SIZE" = 4;
    LeaderNotAvailable "LEADER_NOT_AVAILABLE" = 5, retriable;
    NotLeaderOrFollower "NOT_LEADER_OR_FOLLOWER" = 6, retriable;
    RequestTimedOut "REQUEST_TIMED_OUT" = 7, retriable;
    BrokerNotAvailable "BROKER_NOT_AVAILABLE" = 8;
    ReplicaNotAvailable "REPLICA_NOT_AVAILABLE" = 9, retriable;
    MessageTooLarge "MESSAGE_TOO_LARGE" = 10;
    StaleControllerEpoch "STALE_CONTROLLER_EPOCH" = 11;
    OffsetMetadataTooLarge "OFFSET_METADATA_TOO_LARGE" = 12;
    NetworkException "NETWORK_EXCEPTION" = 13, retriable;
    CoordinatorLoadInProgress "COORDINATOR_LOAD_IN_PROGRESS" = 14, retriable;
    CoordinatorNotAvailable "COORDINATOR_NOT_AVAILABLE" = 15, retriable;
    NotCoordinator "NOT_COORDINATOR" = 16, retriable;
    InvalidTopicException "INVALID_TOPIC_EXCEPTION" = 17;
    RecordListTooLarge "RECORD_LIST_TOO_LARGE" = 18;
    NotEnoughReplicas "NOT_ENOUGH_REPLICAS" = 19, retriable;
    NotEnoughReplicasAfterAppend "NOT_ENOUGH_REPLICAS_AFTER_APPEND" = 20, retriable;
    InvalidRequiredAcks "INVALID_REQUIRED_ACKS" = 21;
    IllegalGeneration "ILLEGAL_GENERATION" = 22;
    InconsistentGroupProtocol "INCONSISTENT_GROUP_PROTOCOL" = 23;
    InvalidGroupId "INVALID_GROUP_ID" = 24;
    UnknownMemberId "UNKNOWN_MEMBER_ID" = 25;
    InvalidSessionTimeout "INVALID_SESSION_TIMEOUT" = 26;
    RebalanceInProgress "REBALANCE_IN_PROGRESS" = 27;
    InvalidCommitOffsetSize "INVALID_COMMIT_OFFSET_SIZE" = 28;
    TopicAuthorizationFailed "TOPIC_AUTHORIZATION_FAILED" = 29;
    GroupAuthorizationFailed "GROUP_AUTHORIZATION_FAILED" = 30;
    ClusterAuthorizationFailed "CLUSTER_AUTHORIZATION_FAILED" = 31;
    InvalidTimestamp "INVALID_TIMESTAMP" = 32;
    UnsupportedSaslMechanism "UNSUPPORTED_SASL_MECHANISM" = 33;
    IllegalSaslState "ILLEGAL_SASL_STATE" = 34;
    UnsupportedVersion "UNSUPPORTED_VERSION" = 35;
    TopicAlreadyExists "TOPIC_ALREADY_EXISTS" = 36;
    InvalidPartitions "INVALID_PARTITIONS" = 37;
    InvalidReplicationFactor "INVALID_REPLICATION_FACTOR" = 38;
    InvalidReplicaAssignment "INVALID_REPLICA_ASSIGNMENT" = 39;
    InvalidConfig "INVALID_CONFIG" = 40;
    NotController "NOT_CONTROLLER" = 41, retriable;
    InvalidRequest "INVALID_REQUEST" = 42;
    UnsupportedForMessageFormat "UNSUPPORTED_FOR_MESSAGE_FORMAT" = 43;
    PolicyViolation "POLICY_VIOLATION" = 44;
    OutOfOrderSequenceNumber "OUT_OF_ORDER_SEQUENCE_NUMBER" = 45;
    DuplicateSequenceNumber "DUPLICATE_SEQUENCE_NUMBER" = 46;
    InvalidProducerEpoch "INVALID_PRODUCER_EPOCH" = 47;
    InvalidTxnState "INVALID_TXN_STATE" = 48;
    InvalidProducerIdMapping "INVALID_PRODUCER_ID_MAPPING" = 49;
    InvalidTransactionTimeout "INVALID_TRANSACTION_TIMEOUT" = 50;
    ConcurrentTransactions "CONCURRENT_TRANSACTIONS" = 51, retriable;
    TransactionCoordinatorFenced "TRANSACTION_COORDINATOR_FENCED" = 52;
    TransactionalIdAuthorizationFailed "TRANSACTIONAL_ID_AUTHORIZATION_FAILED" = 53;
    SecurityDisabled "SECURITY_DISABLED" = 54;
    OperationNotAttempted "OPERATION_NOT_ATTEMPTED" = 55;
    KafkaStorageError "KAFKA_STORAGE_ERROR" = 56, retriable;
    LogDirNotFound "LOG_DIR_NOT_FOUND" = 57;
    SaslAuthenticationFailed "SASL_AUTHENTICATION_FAILED" = 58;
    UnknownProducerId "UNKNOWN_PRODUCER_ID" = 59;
    ReassignmentInProgress "REASSIGNMENT_IN_PROGRESS" = 60;
    DelegationTokenAuthDisabled "DELEGATION_TOKEN_AUTH_DISABLED" = 61;
    DelegationTokenNotFound "DELEGATION_TOKEN_NOT_FOUND" = 62;
    DelegationTokenOwnerMismatch "DELEGATION_TOKEN_OWNER_MISMATCH" = 63;
    DelegationTokenRequestNotAllowed "DELEGATION_TOKEN_REQUEST_NOT_ALLOWED" = 64;
    DelegationTokenAuthorizationFailed "DELEGATION_TOKEN_AUTHORIZATION_FAILED" = 65;
    DelegationTokenExpired "DELEGATION_TOKEN_EXPIRED" = 66;
    InvalidPrincipalType "INVALID_PRINCIPAL_TYPE" = 67;
    NonEmptyGroup "NON_EMPTY_GROUP" = 68;
    GroupIdNotFound "GROUP_ID_NOT_FOUND" = 69;
    FetchSessionIdNotFound "FETCH_SESSION_ID_NOT_FOUND" = 70, retriable;
    InvalidFetchSessionEpoch "INVALID_FETCH_SESSION_EPOCH" = 71, retriable;
    ListenerNotFound "LISTENER_NOT_FOUND" = 72, retriable;
    TopicDeletionDisabled "TOPIC_DELETION_DISABLED" = 73;
    FencedLeaderEpoch "FENCED_LEADER_EPOCH" = 74, retriable;
    UnknownLeaderEpoch "UNKNOWN_LEADER_EPOCH" = 75, retriable;
    UnsupportedCompressionType "UNSUPPORTED_COMPRESSION_TYPE" = 76;
    StaleBrokerEpoch "STALE_BROKER_EPOCH" = 77;
    OffsetNotAvailable "OFFSET_NOT_AVAILABLE" = 78, retriable;
    MemberIdRequired "MEMBER_ID_REQUIRED" = 79;
    PreferredLeaderNotAvailable "PREFERRED_LEADER_NOT_AVAILABLE" = 80, retriable;
    GroupMaxSizeReached "GROUP_MAX_SIZE_REACHED" = 81;
    FencedInstanceId "FENCED_INSTANCE_ID" = 82;
    EligibleLeadersNotAvailable "ELIGIBLE_LEADERS_NOT_AVAILABLE" = 83, retriable;
    ElectionNotNeeded "ELECTION_NOT_NEEDED" = 84, retriable;
    NoReassignmentInProgress "NO_REASSIGNMENT_IN_PROGRESS" = 85;
    GroupSubscribedToTopic "GROUP_SUBSCRIBED_TO_TOPIC" = 86;
    InvalidRecord "INVALID_RECORD" = 87;
    UnstableOffsetCommit "UNSTABLE_OFFSET_COMMIT" = 88, retriable;
    ThrottlingQuotaExceeded "THROTTLING_QUOTA_EXCEEDED" = 89, retriable;
    ProducerFenced "PRODUCER_FENCED" = 90;
    ResourceNotFound "RESOURCE_NOT_FOUND" = 91;
    DuplicateResource "DUPLICATE_RESOURCE" = 92;
    UnacceptableCredential "UNACCEPTABLE_CREDENTIAL" = 93;
    InconsistentVoterSet "INCONSISTENT_VOTER_SET" = 94;
    InvalidUpdateVersion "INVALID_UPDATE_VERSION" = 95;
    FeatureUpdateFailed "FEATURE_UPDATE_FAILED" = 96;
    PrincipalDeserializationFailure "PRINCIPAL_DESERIALIZATION_FAILURE" = 97;
    SnapshotNotFound "SNAPSHOT_NOT_FOUND" = 98;
    UnknownTopicId "UNKNOWN_TOPIC_ID" = 100, retriable;
    DuplicateBrokerRegistration "DUPLICATE_BROKER_REGISTRATION" = 101;
    BrokerIdNotRegistered "BROKER_ID_NOT_REGISTERED" = 102;
    InconsistentTopicId "INCONSISTENT_TOPIC_ID" = 103, retriable;
    InconsistentClusterId "INCONSISTENT_CLUSTER_ID" = 104;
    TransactionalIdNotFound "TRANSACTIONAL_ID_NOT_FOUND" = 105;
    FetchSessionTopicIdError "FETCH_SESSION_TOPIC_ID_ERROR" = 106, retriable;
    IneligibleReplica "INELIGIBLE_REPLICA" = 107;
    NewLeaderElected "NEW_LEADER_ELECTED" = 108;
    OffsetMovedToTieredStorage "OFFSET_MOVED_TO_TIERED_STORAGE" = 109;
    FencedMemberEpoch "FENCED_MEMBER_EPOCH" = 110;
    UnreleasedInstanceId "UNRELEASED_INSTANCE_ID" = 111;
    UnsupportedAssignor "UNSUPPORTED_ASSIGNOR" = 112;
    StaleMemberEpoch "STALE_MEMBER_EPOCH" = 113;
    MismatchedEndpointType "MISMATCHED_ENDPOINT_TYPE" = 114;
    UnsupportedEndpointType "UNSUPPORTED_ENDPOINT_TYPE" = 115;
    UnknownControllerId "UNKNOWN_CONTROLLER_ID" = 116;
    UnknownSubscriptionId "UNKNOWN_SUBSCRIPTION_ID" = 117;
    TelemetryTooLarge "TELEMETRY_TOO_LARGE" = 118;
    InvalidRegistration "INVALID_REGISTRATION" = 119;
    TransactionAbortable "TRANSACTION_ABORTABLE" = 120;
    InvalidRecordState "INVALID_RECORD_STATE" = 121;
    ShareSessionNotFound "SHARE_SESSION_NOT_FOUND" = 122, retriable;
    InvalidShareSessionEpoch "INVALID_SHARE_SESSION_EPOCH" = 123, retriable;
    FencedStateEpoch "FENCED_STATE_EPOCH" = 124;
    InvalidVoterKey "INVALID_VOTER_KEY" = 125;
    DuplicateVoter "DUPLICATE_VOTER" = 126;
    VoterNotFound "VOTER_NOT_FOUND" = 127;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_kafkas() {
        assert_eq!(ErrorCode::ALL.len(), 128);
        for &code in ErrorCode::ALL {
            assert_eq!(ErrorCode::from_code(code.code()), Some(code));
        }
        assert_eq!(ErrorCode::from_code(99), None);
        assert_eq!(ErrorCode::from_code(-2), None);
        assert_eq!(ErrorCode::NotLeaderOrFollower.code(), 6);
        assert_eq!(
            ErrorCode::NotLeaderOrFollower.name(),
            "NOT_LEADER_OR_FOLLOWER"
        );
        assert!(ErrorCode::NotLeaderOrFollower.is_retriable());
        assert!(!ErrorCode::MessageTooLarge.is_retriable());
    }
}
