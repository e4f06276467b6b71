//! The controller's words, carried to the replicas: the port of `ottla-cluster` over
//! `ottla-replication`.

use std::collections::BTreeSet;
use std::sync::Arc;

use ottla_cluster::{
    ConfigEntity, LeaderAndIsr, LeaderAndIsrPartition, LocalReplicas, ReplicaAnswers,
    RequestRefused, StopReplica, StopReplicaPartition,
};
use ottla_metadata::{BrokerId, ClusterImage, ConfigImage, TopicName, TopicPartition};
use ottla_replication::{Assignment, Leadership, ReplicaError, ReplicaManager, ReplicaStop};
use parking_lot::Mutex;

use crate::configs::Configs;

/// The broker's own replicas as the cluster crate commands them.
pub struct Replicas {
    manager: Arc<ReplicaManager>,
    configs: Arc<Configs>,
    live: Mutex<BTreeSet<BrokerId>>,
}

impl Replicas {
    /// The replicas of `manager`, which goes by `configs`.
    pub fn new(manager: Arc<ReplicaManager>, configs: Arc<Configs>) -> Replicas {
        Replicas {
            manager,
            configs,
            live: Mutex::default(),
        }
    }
}

impl LocalReplicas for Replicas {
    fn leader_and_isr(&self, request: LeaderAndIsr) -> Result<ReplicaAnswers, RequestRefused> {
        let assignments = request.partitions.into_iter().map(assignment).collect();
        Ok(answers(self.manager.apply_leader_and_isr(assignments)))
    }

    fn stop_replicas(&self, request: StopReplica) -> Result<ReplicaAnswers, RequestRefused> {
        let stops = request.partitions.into_iter().map(stop).collect();
        Ok(answers(self.manager.stop_replicas(stops)))
    }

    fn metadata_updated(&self, image: &Arc<ClusterImage>, _removed: &[TopicName]) {
        let now: BTreeSet<BrokerId> = image.brokers.keys().copied().collect();
        let mut live = self.live.lock();
        if *live != now {
            self.manager.update_live_brokers(&now);
            *live = now;
        }
    }

    fn configs_changed(&self, configs: &Arc<ConfigImage>, changed: &[ConfigEntity]) {
        self.configs.update(Arc::clone(configs));
        let is_broker = |entity: &ConfigEntity| !matches!(entity, ConfigEntity::Topic(_));
        if changed.iter().any(is_broker) {
            return self.manager.update_all_topic_configs();
        }
        for entity in changed {
            if let ConfigEntity::Topic(topic) = entity {
                self.manager.update_topic_config(topic);
            }
        }
    }
}

fn assignment(partition: LeaderAndIsrPartition) -> Assignment {
    Assignment {
        partition: partition.partition,
        topic_id: partition.topic_id,
        leader: partition.leader,
        leadership: Leadership {
            leader_epoch: partition.leader_epoch,
            partition_epoch: partition.partition_epoch,
            replicas: partition.replicas.into_iter().collect(),
            isr: partition.isr.into_iter().collect(),
        },
        is_new: partition.is_new,
    }
}

fn stop(partition: StopReplicaPartition) -> ReplicaStop {
    ReplicaStop {
        partition: partition.partition,
        // -1 and -2 ("being deleted") stop whatever leadership is in force.
        leader_epoch: Some(partition.leader_epoch).filter(|epoch| *epoch >= 0),
        delete: partition.delete,
    }
}

fn answers(results: Vec<(TopicPartition, Result<(), ReplicaError>)>) -> ReplicaAnswers {
    results
        .into_iter()
        .map(|(partition, result)| (partition, result.map_err(refusal)))
        .collect()
}

fn refusal(error: ReplicaError) -> ottla_cluster::ReplicaError {
    match error {
        ReplicaError::Offline => ottla_cluster::ReplicaError::Storage,
        ReplicaError::InconsistentTopicId => ottla_cluster::ReplicaError::InconsistentTopicId,
        ReplicaError::NotAReplica => ottla_cluster::ReplicaError::NotAReplica,
        ReplicaError::StaleLeaderEpoch => ottla_cluster::ReplicaError::StaleLeaderEpoch,
        ReplicaError::FencedLeaderEpoch => ottla_cluster::ReplicaError::FencedLeaderEpoch,
    }
}
