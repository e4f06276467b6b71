//! What a controller tells brokers, as values. `ottla-cluster` delivers them in-process to its own
//! broker and will encode them for others; the fields follow `LeaderAndIsrRequest.json`,
//! `UpdateMetadataRequest.json` and `StopReplicaRequest.json`.

use std::sync::Arc;

use ottla_metadata::{BrokerId, BrokerInfo, LeaderEpoch, PartitionImage, TopicId, TopicPartition};

/// The leader epoch in a StopReplica for a topic that is being deleted
/// (`LeaderAndIsr.EpochDuringDelete`).
pub const EPOCH_DURING_DELETE: LeaderEpoch = -2;

/// The facts that every request of a controller carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sender {
    /// The controller's broker id.
    pub controller: BrokerId,
    /// The controller's epoch; a receiver that has seen a larger one refuses the request.
    pub controller_epoch: i32,
    /// The epoch of the *receiver's* registration as the controller knows it (KIP-380).
    pub broker_epoch: i64,
}

/// One of the three requests that only controllers send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Become leader or follower of partitions.
    LeaderAndIsr(LeaderAndIsr),
    /// Take over what the cluster looks like now.
    UpdateMetadata(UpdateMetadata),
    /// Stop replicating, and maybe delete, partitions.
    StopReplica(StopReplica),
}

/// Tells a broker which partitions it leads and which it follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaderAndIsr {
    /// Who sends, and to which incarnation of the receiver.
    pub sender: Sender,
    /// The partitions, in order of name.
    pub partitions: Vec<LeaderAndIsrPartition>,
}

/// The leadership of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaderAndIsrPartition {
    /// Which partition.
    pub partition: TopicPartition,
    /// The topic's id; zero where the topic has none.
    pub topic_id: TopicId,
    /// Epoch of the controller that made the decision. A leader that writes the ISR itself repeats it.
    pub controller_epoch: i32,
    /// The leader; `None` while nobody can lead.
    pub leader: Option<BrokerId>,
    /// Epoch of the leadership; a receiver applies only what is larger than its own.
    pub leader_epoch: LeaderEpoch,
    /// In-sync replicas.
    pub isr: Vec<BrokerId>,
    /// Version of the state znode after the controller's write.
    pub partition_epoch: i32,
    /// Assigned replicas in order of preference.
    pub replicas: Vec<BrokerId>,
    /// Replicas that a reassignment is adding.
    pub adding: Vec<BrokerId>,
    /// Replicas that a reassignment is removing.
    pub removing: Vec<BrokerId>,
    /// Whether the replica may be created although a log directory is offline.
    pub is_new: bool,
    /// Whether the leader came from an unclean election and has not recovered (KIP-704).
    pub recovering: bool,
}

/// Tells a broker what the cluster looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateMetadata {
    /// Who sends, and to which incarnation of the receiver.
    pub sender: Sender,
    /// All live brokers; replaces what the receiver knew.
    pub brokers: Vec<Arc<BrokerInfo>>,
    /// Changed partitions, merged into what the receiver knew; all receivers share the list.
    pub partitions: Arc<[PartitionUpdate]>,
    /// Whether `partitions` is all there is, so that a receiver that can (ours, in-process) drops
    /// topics that are not named.
    pub complete: bool,
}

/// One partition of an [`UpdateMetadata`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionUpdate {
    /// Which partition.
    pub partition: TopicPartition,
    /// The topic's id; zero where the topic has none.
    pub topic_id: TopicId,
    /// The partition as it is now, or `None` when its topic is being deleted (leader -2 on the wire).
    pub image: Option<PartitionImage>,
}

/// Tells a broker to stop replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StopReplica {
    /// Who sends, and to which incarnation of the receiver.
    pub sender: Sender,
    /// The replicas, in order of name.
    pub partitions: Vec<StopReplicaPartition>,
}

/// One replica of a [`StopReplica`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StopReplicaPartition {
    /// Which partition.
    pub partition: TopicPartition,
    /// The leader epoch: -1 for none, [`EPOCH_DURING_DELETE`] for a topic that is being deleted,
    /// otherwise the receiver refuses what is lower than its own.
    pub leader_epoch: LeaderEpoch,
    /// Whether the log goes too.
    pub delete: bool,
}

/// Why a whole request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestRefused {
    /// The receiver has seen a younger controller (`STALE_CONTROLLER_EPOCH`).
    #[error("the receiver knows a younger controller")]
    StaleControllerEpoch,
    /// The request was meant for an earlier incarnation of the receiver (`STALE_BROKER_EPOCH`).
    #[error("the receiver has registered anew since")]
    StaleBrokerEpoch,
}

/// Why a broker did not apply what a request says of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplicaError {
    /// The replica's log directory is offline (`KAFKA_STORAGE_ERROR`).
    #[error("the replica's log directory is offline")]
    Storage,
    /// The log belongs to a topic of the same name with another id (`INCONSISTENT_TOPIC_ID`).
    #[error("the log on disk belongs to a topic with another id")]
    InconsistentTopicId,
    /// The receiver is not among the replicas (`UNKNOWN_TOPIC_OR_PARTITION`).
    #[error("the receiver is not one of the partition's replicas")]
    NotAReplica,
    /// LeaderAndIsr: the receiver has this leader epoch already, or a larger one
    /// (`STALE_CONTROLLER_EPOCH`). Harmless.
    #[error("the receiver has this leader epoch or a larger one")]
    StaleLeaderEpoch,
    /// StopReplica: the receiver has a larger leader epoch (`FENCED_LEADER_EPOCH`).
    #[error("the receiver has a larger leader epoch")]
    FencedLeaderEpoch,
    /// No topic can have that name (`INVALID_TOPIC_EXCEPTION`).
    #[error("the topic's name is not a valid one")]
    InvalidTopic,
    /// A code of which the controller can make nothing.
    #[error("the receiver answered with error code {0}")]
    Other(i16),
}

/// What a broker says of each partition of a request.
pub type ReplicaAnswers = Vec<(TopicPartition, Result<(), ReplicaError>)>;
