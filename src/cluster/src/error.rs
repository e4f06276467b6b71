//! What can go wrong, by what the caller does about it.

use ottla_metadata::{BrokerId, InvalidTopicName, TopicName};
use ottla_zk::{RegisterError, ZkError};

/// ZooKeeper did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// ZooKeeper is away or did not answer in time. Whether a write happened is unknown.
    #[error("zookeeper did not answer in time")]
    Away,
    /// ZooKeeper refused, or holds something that cannot be understood.
    #[error("zookeeper holds or answers something unexpected: {0}")]
    Unexpected(String),
}

/// Why the broker could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No connection within `zookeeper.connection.timeout.ms`, or a wrong `zookeeper.connect`.
    #[error(transparent)]
    Connect(#[from] ZkError),
    /// The id or an address is taken by another broker, or the record of sessions failed.
    #[error(transparent)]
    Register(#[from] RegisterError),
    /// ZooKeeper failed later.
    #[error("zookeeper failed while the broker started")]
    Store(#[from] StoreError),
}

/// Why a partition got no other leader by request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ElectLeaderError {
    /// The controller had a reason not to elect.
    #[error(transparent)]
    Refused(#[from] ottla_controller::ElectionRefused),
    /// The new leader did not show in this broker's image in time (`REQUEST_TIMED_OUT`).
    #[error("the new leader was not seen in time")]
    TimedOut,
}

/// Why nothing is known of a reassignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReassignError {
    /// Not the controller (`NOT_CONTROLLER`).
    #[error("this broker is not the controller")]
    NotController,
    /// The controller did not get to it in time (`REQUEST_TIMED_OUT`).
    #[error("the controller did not answer in time")]
    TimedOut,
}

/// Why a topic was not created.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CreateTopicError {
    /// Not the controller (`NOT_CONTROLLER`).
    #[error("this broker is not the controller")]
    NotController,
    /// The name breaks a rule (`INVALID_TOPIC_EXCEPTION`).
    #[error(transparent)]
    InvalidName(#[from] InvalidTopicName),
    /// The name would clash with another's in metric names (`INVALID_TOPIC_EXCEPTION`).
    #[error("topic {0:?} exists, whose name differs only in '.' and '_'")]
    Collides(TopicName),
    /// There is such a topic (`TOPIC_ALREADY_EXISTS`).
    #[error("topic {0:?} exists already")]
    Exists(String),
    /// There was such a topic and its deletion is not finished (`TOPIC_ALREADY_EXISTS`).
    #[error("topic {0:?} is marked for deletion")]
    MarkedForDeletion(String),
    /// The name is the metadata log's (`INVALID_REQUEST`).
    #[error("the name {0:?} is reserved")]
    Reserved(String),
    /// The name came twice in one request (`INVALID_REQUEST`).
    #[error("topic {0:?} is named twice in the request")]
    Duplicate(String),
    /// Counts and a manual assignment exclude each other (`INVALID_REQUEST`).
    #[error(
        "the number of partitions and the replication factor must be -1 when replicas are assigned by hand"
    )]
    CountsAndAssignment,
    /// Zero or negative (`INVALID_PARTITIONS`).
    #[error("the number of partitions is {0}; it must be larger than 0")]
    InvalidPartitions(i32),
    /// Zero, negative, or more than there are brokers to place replicas on
    /// (`INVALID_REPLICATION_FACTOR`).
    #[error(
        "the replication factor is {asked}; it must be between 1 and {available}, the number of brokers that can take replicas"
    )]
    InvalidReplicationFactor {
        /// What was asked for.
        asked: i16,
        /// Brokers that replicas can be placed on.
        available: usize,
    },
    /// Some brokers have a rack and others none (`UNKNOWN_SERVER_ERROR`, as Kafka answers it).
    #[error("{0}")]
    RacksMissing(ottla_controller::PlacementError),
    /// A manual assignment is not a set of equally long, duplicate-free replica lists for
    /// partitions 0 to n-1 (`INVALID_REPLICA_ASSIGNMENT`).
    #[error("{0}")]
    InvalidAssignment(InvalidAssignment),
    /// Written, but without leaders when the time was up (`REQUEST_TIMED_OUT`).
    #[error("the topic was created, but not all of its partitions had a leader in time")]
    NoLeaderInTime,
    /// ZooKeeper was away (`REQUEST_TIMED_OUT`) or confused.
    #[error(transparent)]
    Store(StoreError),
}

/// What is wrong with an assignment made by hand.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAssignment {
    /// No partition at all.
    #[error("the assignment is empty")]
    Empty,
    /// A partition without replicas.
    #[error("partition {0} has no replicas")]
    NoReplicas(i32),
    /// One broker twice.
    #[error("partition {0} names a broker twice")]
    DuplicateBroker(i32),
    /// Lists of different lengths.
    #[error("partition {0} has another number of replicas than the first")]
    DifferentSizes(i32),
    /// Numbers that are not 0 to n-1.
    #[error("partitions must be numbered from {expected_first} without gaps; {missing} is missing")]
    NotConsecutive {
        /// The first number expected.
        expected_first: i32,
        /// The first that is missing.
        missing: i32,
    },
    /// A partition twice.
    #[error("partition {0} is named twice")]
    DuplicatePartition(i32),
    /// As many lists as new partitions are expected.
    #[error("{given} assignments for {expected} new partitions")]
    WrongCount {
        /// New partitions.
        expected: i32,
        /// Lists given.
        given: usize,
    },
    /// A broker that is not alive.
    #[error("broker {0} is not alive")]
    UnknownBroker(BrokerId),
}

/// Why a topic was not deleted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeleteTopicError {
    /// Not the controller (`NOT_CONTROLLER`).
    #[error("this broker is not the controller")]
    NotController,
    /// No such topic (`UNKNOWN_TOPIC_OR_PARTITION`).
    #[error("there is no topic {0:?}")]
    Unknown(String),
    /// `delete.topic.enable` is false (`TOPIC_DELETION_DISABLED`; `INVALID_REQUEST` below v3).
    #[error("topic deletion is disabled (delete.topic.enable)")]
    Disabled,
    /// Marked, but not gone when the time was up (`REQUEST_TIMED_OUT`).
    #[error("the topic is marked for deletion, but was not gone in time")]
    NotGoneInTime,
    /// ZooKeeper was away (`REQUEST_TIMED_OUT`) or confused.
    #[error(transparent)]
    Store(StoreError),
}

/// Why partitions were not added.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CreatePartitionsError {
    /// Not the controller (`NOT_CONTROLLER`).
    #[error("this broker is not the controller")]
    NotController,
    /// No such topic (`UNKNOWN_TOPIC_OR_PARTITION`).
    #[error("there is no topic {0:?}")]
    UnknownTopic(String),
    /// The topic is being deleted (`INVALID_TOPIC_EXCEPTION`).
    #[error("topic {0:?} is marked for deletion")]
    MarkedForDeletion(String),
    /// The topic came twice in one request (`INVALID_REQUEST`).
    #[error("topic {0:?} is named twice in the request")]
    Duplicate(String),
    /// Not more partitions than there are (`INVALID_PARTITIONS`).
    #[error("the topic has {current} partitions; {asked} is not an increase")]
    NotAnIncrease {
        /// Partitions there are.
        current: i32,
        /// Partitions asked for.
        asked: i32,
    },
    /// The topic is being reassigned (`REASSIGNMENT_IN_PROGRESS`).
    #[error("a partition of the topic is being reassigned")]
    ReassignmentInProgress,
    /// Fewer brokers than the topic's replication factor (`INVALID_REPLICATION_FACTOR`).
    #[error("the replication factor is {asked}; only {available} brokers can take replicas")]
    InvalidReplicationFactor {
        /// The topic's.
        asked: i16,
        /// Brokers that replicas can be placed on.
        available: usize,
    },
    /// Some brokers have a rack and others none (`UNKNOWN_SERVER_ERROR`, as Kafka answers it).
    #[error("{0}")]
    RacksMissing(ottla_controller::PlacementError),
    /// The manual assignment does not fit (`INVALID_REPLICA_ASSIGNMENT`).
    #[error("{0}")]
    InvalidAssignment(InvalidAssignment),
    /// Written, but without leaders when the time was up (`REQUEST_TIMED_OUT`).
    #[error("partitions were added, but not all had a leader in time")]
    NoLeaderInTime,
    /// ZooKeeper was away (`REQUEST_TIMED_OUT`) or confused.
    #[error(transparent)]
    Store(StoreError),
}

/// Why a broker gets no block of producer ids from the controller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// Not the controller (`NOT_CONTROLLER`).
    #[error("this broker is not the controller")]
    NotController,
    /// No such broker is registered (`BROKER_ID_NOT_REGISTERED`).
    #[error("no such broker is registered")]
    UnknownBroker,
    /// The broker is registered under another epoch (`STALE_BROKER_EPOCH`).
    #[error("the broker is registered under another epoch")]
    StaleBrokerEpoch,
    /// ZooKeeper was away or confused.
    #[error(transparent)]
    Store(StoreError),
}

/// Why a dynamic configuration was not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AlterConfigError {
    /// No such topic (`UNKNOWN_TOPIC_OR_PARTITION`).
    #[error("there is no topic {0:?}")]
    UnknownTopic(String),
    /// There is no controller, or a KRaft one owns the cluster, so nobody may write
    /// (`UNKNOWN_SERVER_ERROR` in Kafka; retriable for us).
    #[error("the cluster has no controller at the moment")]
    NoController,
    /// ZooKeeper was away (`REQUEST_TIMED_OUT`) or confused.
    #[error(transparent)]
    Store(StoreError),
}
