//! The broker as a member of its cluster.
//!
//! - [`Bootstrap`] and [`Registered`] are the steps of its start that concern ZooKeeper.
//! - [`Cluster`] is the handle afterwards: the image of the cluster, dynamic configuration, and the
//!   changes that a client can ask for.
//! - [`LocalReplicas`] is the port through which controllers command this broker's replicas.
//! - [`wire`] is how controllers talk to other brokers.
//!
//! Behind the handle run three tasks. One keeps the broker registered, stands for controller and
//! drives `ottla-controller`; one follows `/config`; one receives the requests of controllers, one
//! at a time, from this process ([`Outboxes`](outbox::Outboxes)) as from the network
//! ([`Cluster::receive`]). As long as this broker is the controller there is one more for each live
//! broker, which carries requests there. A session that expires is replaced: the broker registers
//! again and stands again, without a restart. While ZooKeeper is away the image stays and requests
//! that need ZooKeeper time out.

mod alter_configs;
mod assignment;
mod bootstrap;
mod carry_out;
mod cluster;
mod commands;
mod configs;
mod context;
mod controller_channel;
mod convert;
mod courier;
mod create_partitions;
mod create_topics;
mod delete_topics;
mod driver;
mod elect_leaders;
mod error;
mod image;
mod isr;
mod leave;
mod local;
mod log_dirs;
mod membership;
mod options;
mod outbox;
mod producer_ids;
mod reassign;
mod receiver;
mod shared;
#[cfg(test)]
mod tests;
mod unclean;
mod vital;
mod wait;
pub mod wire;

pub use bootstrap::{Bootstrap, Registered};
pub use cluster::Cluster;
pub use create_topics::CreatedTopic;
pub use elect_leaders::ElectedLeaders;
pub use error::{
    AlterConfigError, CreatePartitionsError, CreateTopicError, DeleteTopicError, ElectLeaderError,
    GrantError, InvalidAssignment, ReassignError, StartError, StoreError,
};
pub use isr::{IsrOutcome, IsrProposal, IsrProposer};
pub use local::{ConfigEntity, LocalReplicas};
pub use options::{
    LeaderBalance, LeaveOptions, NewPartitions, NewTopic, Registration, Settings, WaitOptions,
};
pub use ottla_controller::{
    AlterationAnswer, AlterationError, AlterationRefused, Assignment, EPOCH_DURING_DELETE,
    ElectionKind, ElectionRefused, IsrAlteration, LeaderAndIsr, LeaderAndIsrPartition, LeaderIsr,
    PartitionUpdate, ReassignmentAnswers, ReassignmentError, ReplicaAnswers, ReplicaError, Request,
    RequestRefused, Sender, ShutdownRefused, StateNode, StopReplica, StopReplicaPartition,
    TopicKey, UpdateMetadata,
};
pub use ottla_zk::{RegisterError, SessionId, SessionRecord, ZkConfig, ZkError};
pub use vital::vital;
