//! The port through which this crate commands the replicas of its own broker.

use std::sync::Arc;

use ottla_controller::{LeaderAndIsr, ReplicaAnswers, RequestRefused, StopReplica};
use ottla_metadata::{ClusterImage, ConfigImage, LeaderEpoch, TopicName, TopicPartition};

use crate::{IsrOutcome, IsrProposal};

/// The broker's own replicas, commanded by whichever controller leads the cluster.
///
/// Calls come one at a time, in the controller's order, from a thread that may block (opening and
/// creating logs is allowed). The controller epoch of each request has been compared with the
/// highest that this broker has seen, and its broker epoch with our registration, before the call.
pub trait LocalReplicas: Send + Sync + 'static {
    /// Makes this broker leader or follower of the named partitions
    /// (`ReplicaManager.becomeLeaderOrFollower`). Every partition of the request is answered.
    fn leader_and_isr(&self, request: LeaderAndIsr) -> Result<ReplicaAnswers, RequestRefused>;

    /// Stops, and where asked deletes, replicas (`ReplicaManager.stopReplicas`). Unknown ones are
    /// answered `Ok`, otherwise topic deletion would hang.
    fn stop_replicas(&self, request: StopReplica) -> Result<ReplicaAnswers, RequestRefused>;

    /// The image changed and is already visible through `Cluster::image`. `removed` names topics
    /// that were deleted with this change.
    fn metadata_updated(&self, image: &Arc<ClusterImage>, removed: &[TopicName]);

    /// What became of in-sync replicas that this broker's leader proposed. Called at any time; must
    /// not block.
    fn isr_stored(&self, proposal: &IsrProposal, outcome: IsrOutcome);

    /// Partitions of which this broker is no replica, with their leader epochs now. Who still leads
    /// one in an older epoch must stop: it moved away while this broker was not registered, so
    /// that no controller could say so.
    fn moved_away(&self, partitions: Vec<(TopicPartition, LeaderEpoch)>);

    /// Dynamic configuration changed and is already visible through `Cluster::configs`.
    fn configs_changed(&self, configs: &Arc<ConfigImage>, changed: &[ConfigEntity]);
}

/// An entity with dynamic configuration of its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConfigEntity {
    /// `/config/topics/<topic>`.
    Topic(TopicName),
    /// `/config/brokers/<id>`.
    Broker(ottla_metadata::BrokerId),
    /// `/config/brokers/<default>`.
    BrokerDefault,
}
