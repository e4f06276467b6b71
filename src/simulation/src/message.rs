//! What goes over the fake network.

use std::collections::{BTreeMap, BTreeSet};

use ottla_controller::{
    AlterationAnswer, AlterationRefused, IsrAlteration, ReplicaAnswers, Request, RequestRefused,
    ShutdownRefused,
};
use ottla_metadata::{BrokerId, LeaderEpoch, Offset, PartitionImage, TopicId, TopicPartition};

use crate::disk::{Entry, ProducerSequence};
use crate::zookeeper::{Ask, Tell};

/// A message.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    /// To ZooKeeper and back.
    Ask(Ask),
    Tell(Tell),
    /// LeaderAndIsr, UpdateMetadata, StopReplica.
    Control(Request),
    Controlled(Result<ReplicaAnswers, RequestRefused>),
    /// A follower's Fetch.
    Fetch(BrokerId, Vec<FetchPart>),
    Fetched(Vec<Result<FetchedPart, Refused>>),
    /// OffsetForLeaderEpoch, of one partition.
    EpochEnd {
        partition: TopicPartition,
        leader_epoch: LeaderEpoch,
        epoch: LeaderEpoch,
    },
    EpochEnded(Result<(LeaderEpoch, Offset), Refused>),
    /// ListOffsets of both ends, by a follower.
    Ends {
        partition: TopicPartition,
        leader_epoch: LeaderEpoch,
    },
    EndsAre(Result<(Offset, Offset), Refused>),
    /// Produce, one record.
    Produce {
        partition: TopicPartition,
        record: u64,
        producer: Option<ProducerSequence>,
        all_acks: bool,
    },
    Produced(Result<Offset, Refused>),
    /// A consumer's Fetch.
    Consume {
        partition: TopicPartition,
        at: Offset,
    },
    Consumed(Result<(Vec<Entry>, Offset), Refused>),
    /// AlterPartition: the leader, its broker epoch, what it wants.
    AlterPartition(BrokerId, i64, Vec<IsrAlteration>),
    Altered(Result<Vec<AlterationAnswer>, AlterationRefused>),
    /// ControlledShutdown: who leaves, with its broker epoch.
    Shutdown(BrokerId, i64),
    ShutDown(Result<BTreeSet<TopicPartition>, ShutdownRefused>),
    /// AlterPartitionReassignments, and its cancellation.
    Reassign(BTreeMap<TopicPartition, Option<Vec<BrokerId>>>),
    Metadata,
    MetadataIs(BTreeMap<TopicPartition, PartitionImage>),
    /// A timer.
    Woken,
}

/// One partition of a follower's Fetch.
#[derive(Clone, Debug)]
pub(crate) struct FetchPart {
    pub(crate) partition: TopicPartition,
    pub(crate) topic_id: TopicId,
    /// The leadership that the follower believes in; old followers did not say.
    pub(crate) leader_epoch: Option<LeaderEpoch>,
    pub(crate) at: Offset,
    pub(crate) last_epoch: Option<LeaderEpoch>,
}

/// Its answer.
#[derive(Clone, Debug)]
pub(crate) struct FetchedPart {
    pub(crate) high_watermark: Offset,
    pub(crate) diverging: Option<(LeaderEpoch, Offset)>,
    pub(crate) entries: Vec<Entry>,
}

/// Errors of requests, as clients tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    NotLeader,
    FencedEpoch,
    UnknownEpoch,
    UnknownTopic,
    OutOfRange,
    OutOfOrder,
    NotEnoughReplicas,
    NotEnoughReplicasAfterAppend,
    TimedOut,
}
