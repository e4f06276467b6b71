//! What the controller says: become leader or follower, stop.

use std::collections::BTreeSet;
use std::sync::Arc;

use ottla_metadata::{BrokerId, LeaderEpoch, TopicId, TopicPartition};
use ottla_partition::{Event, Leadership, Partition};

use crate::error::ReplicaError;
use crate::manager::ReplicaManager;
use crate::registry::Hosted;
use crate::replica::Replica;

/// The leadership of one partition (LeaderAndIsr).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The partition.
    pub partition: TopicPartition,
    /// The topic's id; zero where it has none.
    pub topic_id: TopicId,
    /// Epoch of the controller that decided; a leader that stores an ISR itself repeats it.
    pub controller_epoch: i32,
    /// Who leads, if anybody does.
    pub leader: Option<BrokerId>,
    /// Epochs, replicas and ISR.
    pub leadership: Leadership,
    /// The replica may be created although a log directory is offline: it cannot have been there.
    pub is_new: bool,
}

/// A replica to stop (StopReplica).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaStop {
    /// The partition.
    pub partition: TopicPartition,
    /// The leadership that ends; `None` stops whatever is in force.
    pub leader_epoch: Option<LeaderEpoch>,
    /// Whether the log goes too.
    pub delete: bool,
}

type Live = Arc<BTreeSet<BrokerId>>;
type Answers = Vec<(TopicPartition, Result<(), ReplicaError>)>;

impl ReplicaManager {
    /// Takes over leaderships (`ReplicaManager.becomeLeaderOrFollower`). Controller and broker
    /// epochs have been checked. Creates logs, so it may block.
    pub fn apply_leader_and_isr(&self, assignments: Vec<Assignment>) -> Answers {
        let live: Live = Arc::new(self.image.load().brokers.keys().copied().collect());
        let mut changes = Vec::new();
        let mut answers = Vec::with_capacity(assignments.len());
        for assignment in assignments {
            let partition = assignment.partition.clone();
            let result = self.apply(assignment, &live, &mut changes);
            if let Err(error) = &result {
                tracing::debug!(%partition, %error, "leadership not applied");
            }
            answers.push((partition, result));
        }
        self.registry.change(changes);
        self.recheck(&mut answers);
        self.fetchers.wake();
        let applied = answers.iter().filter(|(_, result)| result.is_ok()).count();
        tracing::info!(applied, of = answers.len(), "leaderships applied");
        answers
    }

    /// A log directory that failed meanwhile: the controller hears of its replicas by these answers
    /// only. Those that were being opened were not in the registry when the others went offline.
    fn recheck(&self, answers: &mut Answers) {
        let mut failed = false;
        for (TopicPartition { topic, partition }, result) in answers {
            if result.is_err() {
                continue;
            }
            if let Some(Hosted::Online(replica)) = self.registry.get(topic, *partition)
                && replica.log().is_offline()
            {
                self.take_offline(&replica);
                *result = Err(ReplicaError::Offline);
                failed = true;
            }
        }
        if failed {
            self.look_for_dirs();
        }
    }

    fn apply(
        &self,
        assignment: Assignment,
        live: &Live,
        changes: &mut Vec<(TopicPartition, Option<Hosted>)>,
    ) -> Result<(), ReplicaError> {
        let TopicPartition { topic, partition } = &assignment.partition;
        let hosted = self.registry.get(topic, *partition);
        if let Some(Hosted::Online(replica)) = &hosted {
            judge(replica, &assignment)?;
        }
        if !assignment.leadership.replicas.contains(&self.broker) {
            return Err(ReplicaError::NotAReplica);
        }
        let replica = match hosted {
            Some(Hosted::Online(replica)) => replica,
            Some(Hosted::Offline) | None => match self.open(&assignment, live) {
                Ok(replica) => {
                    let name = assignment.partition.clone();
                    changes.push((name, Some(Hosted::Online(Arc::clone(&replica)))));
                    replica
                }
                Err(error) => {
                    if matches!(error, ReplicaError::Offline) {
                        changes.push((assignment.partition.clone(), Some(Hosted::Offline)));
                    }
                    return Err(error);
                }
            },
        };
        self.assign(&replica, assignment, live);
        // A move that a restart interrupted.
        self.resume_move(&replica);
        Ok(())
    }

    /// Opens the log, creating it if it is not there, and gives it a brain.
    fn open(&self, assignment: &Assignment, live: &Live) -> Result<Arc<Replica>, ReplicaError> {
        let partition = &assignment.partition;
        let rules = self.topic_rules(&partition.topic);
        // It may lie in a directory that failed; a second one would lose its records.
        let is_missing = self.logs.get(partition).is_none();
        if is_missing && !assignment.is_new && self.logs.has_offline_dir() {
            return Err(ReplicaError::Offline);
        }
        let config = Arc::clone(&rules.log);
        let log = self
            .logs
            .get_or_create(partition, assignment.topic_id, config);
        let log = log.inspect_err(|error| {
            tracing::error!(%partition, %error, "cannot open the log");
        })?;
        // A log loads with the high watermark of its checkpoint.
        let (end, high_watermark) = (log.log_end_offset(), log.high_watermark());
        let brain = Partition::new(self.broker, self.brain_rules(&rules), end, high_watermark);
        let replica = Replica::new(log, assignment.topic_id, rules, brain);
        let replica = Arc::new(replica);
        self.step(&replica, Event::LiveBrokers(Arc::clone(live)));
        Ok(replica)
    }

    /// Changes the role. Nobody appends meanwhile, and whoever reads or waits looks again.
    fn assign(&self, replica: &Arc<Replica>, assignment: Assignment, live: &Live) {
        let Assignment {
            partition,
            controller_epoch,
            leader,
            leadership,
            ..
        } = assignment;
        let leader_epoch = leadership.leader_epoch;
        let _no_appends = replica.leadership.write();
        let log_end = replica.log().log_end_offset();
        let event = if leader == Some(self.broker) {
            let log_start = replica.log().log_start_offset();
            Event::MadeLeader {
                leadership,
                log_start,
                log_end,
            }
        } else if leader.is_some_and(|leader| !live.contains(&leader)) {
            // Its death is news to us before it is to the controller, whose next word will name
            // another leader (`Partition.makeFollower`).
            tracing::warn!(%partition, ?leader, "not following a leader that is not alive");
            return;
        } else {
            Event::MadeFollower {
                leadership,
                leader,
                log_end,
                latest_epoch: replica.log().latest_epoch(),
            }
        };
        let mut state = replica.state();
        state.controller_epoch = controller_epoch;
        state.flush.cut(log_end);
        let aftermath = replica.step(&mut state, self.now(), event);
        state.readers.disturb();
        state.readers.forget_unseen();
        drop(state);
        self.finish(replica, aftermath);
        self.place(replica);
        tracing::debug!(%partition, ?leader, leader_epoch, log_end, "leadership applied");
    }

    /// Stops replicas, and deletes them where asked (`ReplicaManager.stopReplicas`). Renames
    /// directories, so it may block.
    pub fn stop_replicas(&self, stops: Vec<ReplicaStop>) -> Answers {
        let mut changes = Vec::new();
        let stop = |stop: ReplicaStop| {
            let result = self.stop(&stop, &mut changes);
            (stop.partition, result)
        };
        let answers = stops.into_iter().map(stop).collect();
        self.registry.change(changes);
        self.fetchers.wake();
        answers
    }

    fn stop(
        &self,
        stop: &ReplicaStop,
        changes: &mut Vec<(TopicPartition, Option<Hosted>)>,
    ) -> Result<(), ReplicaError> {
        let TopicPartition { topic, partition } = &stop.partition;
        match self.registry.get(topic, *partition) {
            Some(Hosted::Offline) => return Err(ReplicaError::Offline),
            Some(Hosted::Online(replica)) => self.stop_replica(&replica, stop)?,
            None => {}
        }
        if !stop.delete {
            return Ok(());
        }
        changes.push((stop.partition.clone(), None));
        let deleted = self.logs.schedule_delete(&stop.partition);
        deleted.inspect_err(|error| {
            tracing::error!(partition = %stop.partition, %error, "cannot delete the log");
        })?;
        Ok(())
    }

    fn stop_replica(&self, replica: &Arc<Replica>, stop: &ReplicaStop) -> Result<(), ReplicaError> {
        let _no_appends = replica.leadership.write();
        let mut state = replica.state();
        if matches!(state.brain.role(), ottla_partition::Role::Offline) {
            return Err(ReplicaError::Offline);
        }
        if stop
            .leader_epoch
            .is_some_and(|epoch| epoch < state.brain.leader_epoch())
        {
            return Err(ReplicaError::FencedLeaderEpoch);
        }
        let log_end = replica.log().log_end_offset();
        state.flush.cut(log_end);
        let event = Event::MadeFollower {
            leadership: Leadership {
                leader_epoch: state.brain.leader_epoch(),
                partition_epoch: state.brain.partition_epoch(),
                replicas: state.brain.replicas().clone(),
                isr: state.brain.replicas().clone(),
            },
            leader: None,
            log_end,
            latest_epoch: replica.log().latest_epoch(),
        };
        let aftermath = replica.step(&mut state, self.now(), event);
        state.readers.disturb();
        drop(state);
        self.finish(replica, aftermath);
        self.place(replica);
        Ok(())
    }
}

/// Whether an assignment is news to a replica that is here already (zookeeper.md 4.3).
fn judge(replica: &Replica, assignment: &Assignment) -> Result<(), ReplicaError> {
    let (local, asked) = (replica.topic_id, assignment.topic_id);
    if !local.is_zero() && !asked.is_zero() && local != asked {
        return Err(ReplicaError::InconsistentTopicId);
    }
    let state = replica.state();
    let is_offline = matches!(state.brain.role(), ottla_partition::Role::Offline);
    if is_offline || replica.log().is_offline() {
        return Err(ReplicaError::Offline);
    }
    if assignment.leadership.leader_epoch <= state.brain.leader_epoch() {
        return Err(ReplicaError::StaleLeaderEpoch);
    }
    Ok(())
}
