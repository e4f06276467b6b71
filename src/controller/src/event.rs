//! What goes into the brain and what comes out of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ottla_metadata::{BrokerId, BrokerInfo, TopicId, TopicName, TopicPartition};

use crate::{
    AlterationAnswer, AlterationRefused, Assignment, IsrAlteration, LeaderIsr, NotController,
    ReassignmentAnswers, ReplicaAnswers, Request, RequestRefused, StateNode, TopicNode,
};

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// This broker won the election and owns `/controller` and `/controller_epoch`.
    Elected(Fence),
    /// Another controller was elected, our session is gone, or a fenced write was refused.
    Deposed,
    /// Something seen or done in the term with that controller epoch; dropped in any other term.
    InTerm(i32, TermEvent),
}

/// Something that matters only to the controller of one term.
///
/// Reads must be fed in the order they were made, and before anything that was read later.
#[derive(Clone, Debug, PartialEq)]
pub enum TermEvent {
    /// The answer to [`Action::Load`].
    Loaded(Box<Loaded>),
    /// All of `/brokers/ids`: somebody came, went, bounced or changed their endpoints.
    Brokers(BTreeMap<BrokerId, Arc<BrokerInfo>>),
    /// The names under `/brokers/topics`.
    TopicsListed(BTreeSet<TopicName>),
    /// Topic nodes, asked for by [`Action::ReadTopics`] or because a watch fired.
    TopicsRead(Vec<TopicRead>),
    /// The names under `/admin/delete_topics`.
    DeletionsListed(BTreeSet<TopicName>),
    /// Leaders changed in-sync replicas: numbers of `isr_change_*` nodes and what they say.
    IsrNotified {
        /// Numbers of the nodes.
        nodes: Vec<i64>,
        /// The partitions they name.
        partitions: BTreeSet<TopicPartition>,
    },
    /// Log directories failed: numbers of `log_dir_event_*` nodes and the brokers they name.
    LogDirNotified {
        /// Numbers of the nodes.
        nodes: Vec<i64>,
        /// The brokers.
        brokers: BTreeSet<BrokerId>,
    },
    /// State nodes, asked for by [`Action::ReadStates`].
    StatesRead(Vec<(TopicPartition, Read<StateNode>)>),
    /// What became of an [`Action::StoreStates`].
    StatesStored(Vec<(TopicPartition, StoreOutcome)>),
    /// What became of an [`Action::StoreTopic`].
    TopicStored(TopicName, StoreOutcome),
    /// What became of an [`Action::RemoveTopic`]; the version says nothing.
    TopicRemoved(TopicName, StoreOutcome),
    /// A broker answered a LeaderAndIsr.
    LeaderAndIsrAnswered(Answered),
    /// A broker answered a StopReplica that deletes.
    StopReplicaAnswered(Answered),
    /// Where unclean leader election is allowed (`unclean.leader.election.enable`).
    Unclean(UncleanElection),
    /// Somebody wants preferred leaders (`/admin/preferred_replica_election`).
    ElectPreferred(BTreeSet<TopicPartition>),
    /// A leader wants in-sync replicas changed (AlterPartition).
    AlterPartition {
        /// Names the waiting request in the [`Action::AnswerAlteration`].
        waiter: WaiterId,
        /// The leader.
        broker: BrokerId,
        /// The epoch of its registration, which must be the one that is known.
        broker_epoch: i64,
        /// What it wants.
        partitions: Vec<IsrAlteration>,
    },
    /// An ElectLeaders request (KIP-183, KIP-460).
    ElectLeaders {
        /// Names the waiting request in the [`Action::AnswerElection`].
        waiter: WaiterId,
        /// Which leaders are wanted.
        kind: ElectionKind,
        /// Of which partitions.
        partitions: BTreeSet<TopicPartition>,
    },
    /// It is time to see whether leadership is spread as it should be
    /// (`auto.leader.rebalance.enable`).
    BalanceLeaders {
        /// `leader.imbalance.per.broker.percentage`.
        percentage: i32,
    },
    /// A request wants partitions moved to other replicas (KIP-455); `None` cancels.
    Reassign {
        /// Names the waiting request in the [`Action::AnswerReassignment`].
        waiter: WaiterId,
        /// The replicas that each partition shall have.
        partitions: BTreeMap<TopicPartition, Option<Vec<BrokerId>>>,
    },
    /// A request wants to know the reassignments under way.
    ListReassignments {
        /// Names the waiting request in the [`Action::AnswerListing`].
        waiter: WaiterId,
        /// Of which partitions, or of all.
        partitions: Option<BTreeSet<TopicPartition>>,
    },
    /// What `/admin/reassign_partitions` says now; nothing if it is not there.
    ReassignmentsRead(BTreeMap<TopicPartition, Vec<BrokerId>>),
    /// A broker wants to leave in good order.
    ControlledShutdown {
        /// Names the waiting request in the [`Action::AnswerShutdown`].
        waiter: WaiterId,
        /// Who leaves.
        broker: BrokerId,
        /// The epoch of its registration, or -1 from a broker that does not know.
        broker_epoch: i64,
    },
}

/// Names somebody who waits for an answer; the driver knows whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WaiterId(pub u64);

/// The right to write as controller: every write is one with a check of `/controller_epoch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fence {
    /// The controller epoch.
    pub epoch: i32,
    /// The version of `/controller_epoch` that holds it.
    pub version: i32,
}

/// The whole context of a new controller.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Loaded {
    /// Live brokers with their epochs.
    pub brokers: BTreeMap<BrokerId, Arc<BrokerInfo>>,
    /// Every topic node.
    pub topics: Vec<TopicRead>,
    /// Every state node of those topics; a partition without one is not named.
    pub states: Vec<(TopicPartition, Read<StateNode>)>,
    /// The transaction (zxid) that wrote each state node last. Who registered later is a process that
    /// the node does not speak of.
    pub written: BTreeMap<TopicPartition, i64>,
    /// Names under `/admin/delete_topics`.
    pub deletions: BTreeSet<TopicName>,
    /// Where unclean election is allowed.
    pub unclean: UncleanElection,
}

/// A topic node as read.
#[derive(Clone, Debug, PartialEq)]
pub struct TopicRead {
    /// The topic.
    pub topic: TopicName,
    /// Its node.
    pub node: Read<TopicNode>,
    /// An unused id, taken if the topic needs one: chance comes in as an argument.
    pub spare_id: TopicId,
}

/// What a read found.
#[derive(Clone, Debug, PartialEq)]
pub enum Read<T> {
    /// The node.
    Found(T),
    /// No such node.
    Missing,
    /// A node that cannot be understood; the driver has logged why. It is left alone.
    Garbled,
}

/// `unclean.leader.election.enable`, by topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UncleanElection {
    /// The broker's value.
    pub default: bool,
    /// Topics that differ or repeat it.
    pub topics: BTreeMap<TopicName, bool>,
}

impl UncleanElection {
    /// Whether the topic allows it.
    pub fn allows(&self, topic: &str) -> bool {
        self.topics.get(topic).copied().unwrap_or(self.default)
    }
}

/// A broker's answer to a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// Who answered.
    pub broker: BrokerId,
    /// The broker epoch that the request named.
    pub broker_epoch: i64,
    /// Partitions of the request.
    pub partitions: Vec<TopicPartition>,
    /// What the broker said of each, or why it refused all.
    pub result: Result<ReplicaAnswers, RequestRefused>,
}

/// How a conditional write ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreOutcome {
    /// Written; the node has this version now.
    Stored(i32),
    /// Not written: the node had another version, existed already, or was gone.
    Conflict,
    /// It may have been written.
    Unknown,
    /// Not written, and trying again will not help: the driver has logged why. It is left alone
    /// until something changes.
    Refused,
}

/// A write of one partition's state node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateWrite {
    /// Which partition.
    pub partition: TopicPartition,
    /// The version that the node must have; `None` creates it, and its parents below the topic.
    pub expected: Option<i32>,
    /// What to write.
    pub state: LeaderIsr,
}

/// Something to do. Actions of one step are carried out in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Delete old notifications, then read the whole context, arming all watches; answer with
    /// [`TermEvent::Loaded`].
    Load(Fence),
    /// Put a request into the broker's outbox.
    Send(BrokerId, Request),
    /// Write state nodes, each on its own; answer with [`TermEvent::StatesStored`].
    StoreStates(Fence, Vec<StateWrite>),
    /// Read state nodes; answer with [`TermEvent::StatesRead`].
    ReadStates(Vec<TopicPartition>),
    /// Rewrite a topic node; answer with [`TermEvent::TopicStored`].
    StoreTopic {
        /// The right to.
        fence: Fence,
        /// Which topic.
        topic: TopicName,
        /// What to write, with the version that is expected.
        node: TopicNode,
    },
    /// Read topic nodes and arm their watches; answer with [`TermEvent::TopicsRead`].
    ReadTopics(Vec<TopicName>),
    /// Delete the topic's node with all below it, then its config, then its deletion mark; answer
    /// with [`TermEvent::TopicRemoved`].
    RemoveTopic(Fence, TopicName),
    /// Delete marks of topics that do not exist or may not be deleted.
    RemoveDeletionMarks(Fence, Vec<TopicName>),
    /// Delete processed `isr_change_*` nodes.
    RemoveIsrNotifications(Fence, Vec<i64>),
    /// Delete processed `log_dir_event_*` nodes.
    RemoveLogDirNotifications(Fence, Vec<i64>),
    /// Delete `/admin/preferred_replica_election`.
    RemovePreferredElection(Fence),
    /// Answer an ElectLeaders request.
    AnswerElection(WaiterId, ElectionAnswers),
    /// Take these entries out of `/admin/reassign_partitions`, where they are as they are here, and
    /// delete it with its last one; answer with [`TermEvent::ReassignmentsRead`].
    DropReassignments(Fence, BTreeMap<TopicPartition, Vec<BrokerId>>),
    /// Watch state nodes, where leaders write them, and read them: a reassignment ends when its
    /// targets are in sync. Answer with [`TermEvent::StatesRead`].
    WatchStates(Vec<TopicPartition>),
    /// Answer a reassignment.
    AnswerReassignment(WaiterId, Result<ReassignmentAnswers, NotController>),
    /// Answer a list of reassignments.
    AnswerListing(
        WaiterId,
        Result<BTreeMap<TopicPartition, Assignment>, NotController>,
    ),
    /// Answer a controlled shutdown.
    AnswerShutdown(WaiterId, Result<BTreeSet<TopicPartition>, ShutdownRefused>),
    /// Answer an AlterPartition.
    AnswerAlteration(WaiterId, Result<Vec<AlterationAnswer>, AlterationRefused>),
    /// Give up `/controller`: a younger controller has been at work.
    Resign,
}

/// Which leader is wanted (`ElectionType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElectionKind {
    /// The first replica of the assignment, if it is in sync.
    Preferred,
    /// Any live replica, if no replica in sync lives.
    Unclean,
}

/// What became of each partition of an election: who leads now, or why nothing changed.
pub type ElectionAnswers = BTreeMap<TopicPartition, Result<BrokerId, ElectionRefused>>;

/// Why a partition got no other leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ElectionRefused {
    /// This broker is not the controller (`NOT_CONTROLLER`).
    #[error("this broker is not the controller")]
    NotController,
    /// There is no such partition (`UNKNOWN_TOPIC_OR_PARTITION`).
    #[error("the partition does not exist")]
    UnknownPartition,
    /// The topic is being deleted (`INVALID_TOPIC_EXCEPTION`).
    #[error("the topic is being deleted")]
    TopicDeleted,
    /// The partition has the leader that is wanted (`ELECTION_NOT_NEEDED`).
    #[error("the partition is led as it should be")]
    NotNeeded,
    /// The preferred replica is not alive or not in sync (`PREFERRED_LEADER_NOT_AVAILABLE`).
    #[error("the preferred leader is not alive or not in sync")]
    PreferredUnavailable,
    /// No replica is alive (`ELIGIBLE_LEADERS_NOT_AVAILABLE`).
    #[error("no replica is alive")]
    NobodyEligible,
}

/// Why a controlled shutdown was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShutdownRefused {
    /// This broker is not the controller (`STALE_CONTROLLER_EPOCH`).
    #[error("this broker is not the controller")]
    NotController,
    /// The broker has registered anew since (`STALE_BROKER_EPOCH`).
    #[error("the broker has registered anew since")]
    StaleBrokerEpoch,
    /// No such broker is registered (`BROKER_NOT_AVAILABLE`).
    #[error("no such broker is registered")]
    UnknownBroker,
}
