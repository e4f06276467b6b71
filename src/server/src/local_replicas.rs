//! The controller's words, carried to the replicas: the port of `ottla-cluster` over
//! `ottla-replication`.

use std::collections::BTreeSet;
use std::sync::Arc;

use ottla_cluster::{
    ConfigEntity, IsrOutcome, IsrProposal, IsrProposer, LeaderAndIsr, LeaderAndIsrPartition,
    LocalReplicas, ReplicaAnswers, RequestRefused, StopReplica, StopReplicaPartition,
};
use ottla_coordinator::{Coordinator, OFFSETS_TOPIC};
use ottla_metadata::{BrokerId, ClusterImage, ConfigImage, LeaderEpoch, TopicName, TopicPartition};
use ottla_replication::{
    Assignment, IsrStore, Leadership, ReplicaError, ReplicaManager, ReplicaStop, StoreOutcome,
};
use parking_lot::Mutex;

use crate::configs::Configs;

/// Hands the leaders' proposals of in-sync replicas to the cluster.
pub struct Proposals(pub IsrProposer);

impl IsrStore for Proposals {
    fn propose(&self, proposal: ottla_replication::IsrProposal) {
        self.0.propose(IsrProposal {
            partition: proposal.partition,
            topic_id: proposal.topic_id,
            isr: proposal.isr,
            controller_epoch: proposal.controller_epoch,
            leader_epoch: proposal.leader_epoch,
            expected: proposal.expected,
        });
    }
}

/// The broker's own replicas as the cluster crate commands them.
pub struct Replicas {
    broker: BrokerId,
    manager: Arc<ReplicaManager>,
    coordinator: Arc<Coordinator>,
    configs: Arc<Configs>,
    live: Mutex<BTreeSet<BrokerId>>,
}

impl Replicas {
    /// The replicas of `manager` on `broker`, which go by `configs`; `coordinator` hears of those
    /// that hold groups.
    pub fn new(
        broker: BrokerId,
        manager: Arc<ReplicaManager>,
        coordinator: Arc<Coordinator>,
        configs: Arc<Configs>,
    ) -> Replicas {
        Replicas {
            broker,
            manager,
            coordinator,
            configs,
            live: Mutex::default(),
        }
    }
}

impl LocalReplicas for Replicas {
    fn leader_and_isr(&self, request: LeaderAndIsr) -> Result<ReplicaAnswers, RequestRefused> {
        let leaders: Vec<_> = request
            .partitions
            .iter()
            .map(|partition| (partition.leader, partition.leader_epoch))
            .collect();
        let assignments = request.partitions.into_iter().map(assignment).collect();
        let results = self.manager.apply_leader_and_isr(assignments);
        for ((partition, result), (leader, epoch)) in results.iter().zip(leaders) {
            if result.is_err() || *partition.topic != *OFFSETS_TOPIC {
                continue;
            }
            match leader == Some(self.broker) {
                true => self.coordinator.elected(partition.partition, epoch),
                false => self.coordinator.resigned(partition.partition, Some(epoch)),
            }
        }
        Ok(answers(results))
    }

    fn stop_replicas(&self, request: StopReplica) -> Result<ReplicaAnswers, RequestRefused> {
        let stops: Vec<ReplicaStop> = request.partitions.into_iter().map(stop).collect();
        let epochs: Vec<_> = stops.iter().map(|stop| stop.leader_epoch).collect();
        let results = self.manager.stop_replicas(stops);
        for ((partition, result), epoch) in results.iter().zip(epochs) {
            if result.is_ok() && *partition.topic == *OFFSETS_TOPIC {
                self.coordinator.resigned(partition.partition, epoch);
            }
        }
        Ok(answers(results))
    }

    fn metadata_updated(&self, image: &Arc<ClusterImage>, removed: &[TopicName]) {
        let now: BTreeSet<BrokerId> = image.brokers.keys().copied().collect();
        let mut live = self.live.lock();
        if *live != now {
            self.manager.update_live_brokers(&now);
            *live = now;
        }
        drop(live);
        self.coordinator.topics_deleted(removed);
    }

    fn moved_away(&self, partitions: Vec<(TopicPartition, LeaderEpoch)>) {
        let still_led = partitions
            .into_iter()
            .filter(|(partition, epoch)| self.manager.leads_before(partition, *epoch));
        let stops: Vec<ReplicaStop> = still_led
            .map(|(partition, _)| ReplicaStop {
                partition,
                leader_epoch: None,
                delete: false,
            })
            .collect();
        if stops.is_empty() {
            return;
        }
        for (partition, result) in self.manager.stop_replicas(stops) {
            tracing::warn!(%partition, ?result, "no longer led here: it moved away unheard");
            if result.is_ok() && *partition.topic == *OFFSETS_TOPIC {
                self.coordinator.resigned(partition.partition, None);
            }
        }
    }

    fn isr_stored(&self, proposal: &IsrProposal, outcome: IsrOutcome) {
        self.manager.isr_stored(
            &ottla_replication::IsrProposal {
                partition: proposal.partition.clone(),
                topic_id: proposal.topic_id,
                isr: proposal.isr.clone(),
                controller_epoch: proposal.controller_epoch,
                leader_epoch: proposal.leader_epoch,
                expected: proposal.expected,
            },
            match outcome {
                IsrOutcome::Stored { partition_epoch } => StoreOutcome::Stored { partition_epoch },
                IsrOutcome::Refused => StoreOutcome::Refused,
                IsrOutcome::Conflict => StoreOutcome::Conflict,
                IsrOutcome::Changed {
                    isr,
                    partition_epoch,
                } => StoreOutcome::Changed {
                    isr: isr.into_iter().collect(),
                    partition_epoch,
                },
            },
        );
    }

    fn configs_changed(&self, configs: &Arc<ConfigImage>, changed: &[ConfigEntity]) {
        self.configs.update(Arc::clone(configs));
        let is_broker = |entity: &ConfigEntity| !matches!(entity, ConfigEntity::Topic(_));
        if changed.iter().any(is_broker) {
            self.manager.reconfigure(&self.configs.server().load());
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
        controller_epoch: partition.controller_epoch,
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
