//! Changes of in-sync replicas that leaders ask the controller for
//! (`KafkaController.tryProcessAlterPartition`, KIP-497, KIP-841).
//!
//! A change is judged when nothing else is under way for its partition, and judged again after its
//! write: then the node either says what was asked for, which is success, however the write ended,
//! or it is judged by what the node says now. So a request whose answer was lost can be repeated,
//! and an unknown outcome is never taken for a refusal.

use std::collections::{BTreeMap, BTreeSet};

use ottla_metadata::{BrokerId, LeaderEpoch, TopicId, TopicName, TopicPartition};

use crate::context::{Partition, Pending};
use crate::controller::{Active, Step};
use crate::election::Liveness;
use crate::{Action, LeaderIsr, StateNode, StateWrite, WaiterId};

/// How a request names a topic: by name before AlterPartition 2, then by id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TopicKey {
    /// Its name.
    Name(TopicName),
    /// Its id.
    Id(TopicId),
}

/// New in-sync replicas, as the leader of a partition wants them stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IsrAlteration {
    /// The topic.
    pub topic: TopicKey,
    /// The partition.
    pub partition: i32,
    /// The leadership under which the leader asks.
    pub leader_epoch: LeaderEpoch,
    /// In-sync replicas.
    pub isr: Vec<BrokerId>,
    /// Whether the leader has yet to recover from an unclean election (KIP-704).
    pub recovering: bool,
    /// The version of the state that the leader knows.
    pub partition_epoch: i32,
}

/// What became of an [`IsrAlteration`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlterationAnswer {
    /// The topic, named as in the request.
    pub topic: TopicKey,
    /// The partition.
    pub partition: i32,
    /// The state as it is stored now, or why it is not what was asked for.
    pub result: Result<StateNode, AlterationError>,
}

/// Why in-sync replicas were not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AlterationError {
    /// No topic has that id (`UNKNOWN_TOPIC_ID`).
    #[error("no topic has that id")]
    UnknownTopicId,
    /// No such partition, or it never had a leader (`UNKNOWN_TOPIC_OR_PARTITION`).
    #[error("there is no such partition")]
    UnknownPartition,
    /// The leader knows more than this controller does (`NOT_CONTROLLER`).
    #[error("the leader knows of a younger controller")]
    NotController,
    /// The leadership has ended (`FENCED_LEADER_EPOCH`).
    #[error("the leadership has ended")]
    FencedLeaderEpoch,
    /// The state was changed meanwhile (`INVALID_UPDATE_VERSION`).
    #[error("the state was changed meanwhile")]
    InvalidUpdateVersion,
    /// The state asked for cannot be (`INVALID_REQUEST`).
    #[error("such a state cannot be")]
    InvalidRequest,
    /// A replica is on a broker that is dead or leaving (`INELIGIBLE_REPLICA`, which leaders below
    /// AlterPartition 2 know as `OPERATION_NOT_ATTEMPTED`).
    #[error("a replica is on a broker that is dead or leaving")]
    IneligibleReplica,
    /// The stored state cannot be understood or written until somebody repairs it: to be asked again
    /// (`UNKNOWN_SERVER_ERROR`).
    #[error("the stored state cannot be understood or written")]
    Unusable,
}

/// Why a whole AlterPartition was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AlterationRefused {
    /// This broker is not the controller (`NOT_CONTROLLER`).
    #[error("this broker is not the controller")]
    NotController,
    /// The broker is not registered, or under another epoch (`STALE_BROKER_EPOCH`).
    #[error("the broker is not registered under that epoch")]
    StaleBrokerEpoch,
}

/// A request that has not been answered.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Altering {
    pub(crate) waiter: WaiterId,
    /// The leader that asks.
    broker: BrokerId,
    parts: Vec<Part>,
}

/// One partition of a request.
#[derive(Clone, Debug, PartialEq)]
struct Part {
    wanted: IsrAlteration,
    /// The partition, if there is a topic of that name or id.
    tp: Option<TopicPartition>,
    /// Whether a state that could not be used was read once more for this.
    read_again: bool,
    result: Option<Result<StateNode, AlterationError>>,
}

/// What is to be done about one change now.
enum Verdict {
    Answer(Result<StateNode, AlterationError>),
    /// The leader knows an older state of its own leadership, which no leader does that acts by the
    /// rules: it needs a new leadership to go on.
    Lost,
    Write(StateWrite),
    /// The state could not be used when it was last read or written.
    Stuck,
    /// Something else is under way.
    Wait,
}

impl Active {
    /// A leader wants in-sync replicas changed.
    pub(crate) fn alter_partitions(
        &mut self,
        step: &mut Step,
        waiter: WaiterId,
        broker: BrokerId,
        broker_epoch: i64,
        wanted: Vec<IsrAlteration>,
    ) {
        let registered = self.context.brokers.get(&broker);
        if registered.is_none_or(|registered| registered.epoch != broker_epoch) {
            let refused = Err(AlterationRefused::StaleBrokerEpoch);
            step.actions.push(Action::AnswerAlteration(waiter, refused));
            return;
        }
        let names = self.names(&wanted);
        let part = |wanted: IsrAlteration| {
            let name = match &wanted.topic {
                TopicKey::Name(name) => Some(name),
                TopicKey::Id(id) => names.get(id),
            };
            let tp = name.map(|name| TopicPartition::new(name.clone(), wanted.partition));
            Part {
                tp,
                wanted,
                read_again: false,
                result: None,
            }
        };
        self.alterations.push(Altering {
            waiter,
            broker,
            parts: wanted.into_iter().map(part).collect(),
        });
    }

    /// The names of topics that a request names by id.
    fn names(&self, wanted: &[IsrAlteration]) -> BTreeMap<TopicId, TopicName> {
        let ids: BTreeSet<TopicId> = wanted
            .iter()
            .filter_map(|wanted| match wanted.topic {
                TopicKey::Id(id) if !id.is_zero() => Some(id),
                TopicKey::Id(_) | TopicKey::Name(_) => None,
            })
            .collect();
        if ids.is_empty() {
            return BTreeMap::new();
        }
        let topics = self.context.topics.iter();
        topics
            .filter(|(_, topic)| ids.contains(&topic.id))
            .map(|(name, topic)| (topic.id, name.clone()))
            .collect()
    }

    /// Judges changes that can be judged now, and answers requests that have no other left.
    pub(crate) fn attend_alterations(&mut self, step: &mut Step) {
        let mut waiting = std::mem::take(&mut self.alterations);
        waiting.retain_mut(|altering| {
            for part in &mut altering.parts {
                if part.result.is_none() {
                    part.result = self.attend_alteration(step, altering.broker, part);
                }
            }
            let done = altering.parts.iter().all(|part| part.result.is_some());
            if done {
                let answers = altering.parts.drain(..).filter_map(Part::answer).collect();
                let answer = Action::AnswerAlteration(altering.waiter, Ok(answers));
                step.actions.push(answer);
            }
            !done
        });
        self.alterations = waiting;
    }

    fn attend_alteration(
        &mut self,
        step: &mut Step,
        broker: BrokerId,
        part: &mut Part,
    ) -> Option<Result<StateNode, AlterationError>> {
        let Some(tp) = &part.tp else {
            return Some(Err(match part.wanted.topic {
                TopicKey::Id(_) => AlterationError::UnknownTopicId,
                TopicKey::Name(_) => AlterationError::UnknownPartition,
            }));
        };
        match self.judge(tp, broker, &part.wanted) {
            Verdict::Answer(result) => {
                if result.is_ok() {
                    step.batch.update(tp);
                }
                Some(result)
            }
            Verdict::Lost => {
                if let Some(partition) = self.context.partition_mut(tp) {
                    partition.renew = true;
                    step.dirty.insert(tp.clone());
                }
                Some(Err(AlterationError::InvalidUpdateVersion))
            }
            Verdict::Write(write) => {
                if let Some(partition) = self.context.partition_mut(tp) {
                    partition.pending = Pending::Altering(write.clone());
                    step.writes.push(write);
                }
                None
            }
            // Whether it says what was asked for is not known: the leader must not give it up.
            Verdict::Stuck if part.read_again => Some(Err(AlterationError::Unusable)),
            Verdict::Stuck => {
                part.read_again = true;
                self.look_at_stuck(step, tp);
                None
            }
            Verdict::Wait => None,
        }
    }

    /// The rules, in Kafka's order. Those about the sender and about brokers that hold no replica
    /// are ours: Kafka would store what such a request says.
    fn judge(&self, tp: &TopicPartition, broker: BrokerId, wanted: &IsrAlteration) -> Verdict {
        let refuse = |error| Verdict::Answer(Err(error));
        let topic = self.context.topics.get(&tp.topic);
        let Some(topic) = topic.filter(|topic| !topic.is_gone()) else {
            return refuse(AlterationError::UnknownPartition);
        };
        let Some(partition) = topic.partitions.get(&tp.partition) else {
            return refuse(AlterationError::UnknownPartition);
        };
        match partition.pending {
            Pending::Nothing if partition.is_changing() => return Verdict::Wait,
            Pending::Nothing => {}
            Pending::Storing(_) | Pending::Altering(_) | Pending::Reading | Pending::Checking => {
                return Verdict::Wait;
            }
            Pending::Stuck => return Verdict::Stuck,
        }
        let Some(node) = &partition.leadership else {
            return refuse(AlterationError::UnknownPartition);
        };
        let now = &node.state;
        if wanted.partition_epoch > node.version || wanted.leader_epoch > now.leader_epoch {
            return refuse(AlterationError::NotController);
        }
        if wanted.leader_epoch < now.leader_epoch {
            return refuse(AlterationError::FencedLeaderEpoch);
        }
        if now.leader == Some(broker)
            && wanted.isr == now.isr
            && wanted.recovering == now.recovering
        {
            return Verdict::Answer(Ok(node.clone()));
        }
        if now.leader != Some(broker) {
            return refuse(AlterationError::InvalidRequest);
        }
        if wanted.partition_epoch < node.version {
            return Verdict::Lost;
        }
        let distinct: BTreeSet<&BrokerId> = wanted.isr.iter().collect();
        if wanted.recovering && (wanted.isr.len() > 1 || !now.recovering)
            || !wanted.isr.contains(&broker)
            || distinct.len() != wanted.isr.len()
        {
            return refuse(AlterationError::InvalidRequest);
        }
        if !wanted
            .isr
            .iter()
            .all(|id| self.may_be_in_sync(tp, partition, *id))
        {
            return refuse(AlterationError::IneligibleReplica);
        }
        if topic.awaits_id {
            // Soon: nothing is written before the topic has its id.
            return refuse(AlterationError::NotController);
        }
        Verdict::Write(StateWrite {
            partition: tp.clone(),
            expected: Some(node.version),
            state: LeaderIsr {
                leader: now.leader,
                leader_epoch: now.leader_epoch,
                isr: wanted.isr.clone(),
                controller_epoch: self.fence.epoch,
                recovering: wanted.recovering,
            },
        })
    }

    /// Whether the leader may count on the replica. One that it counts on already needs no more
    /// than a broker that is there to stay.
    fn may_be_in_sync(&self, tp: &TopicPartition, partition: &Partition, id: BrokerId) -> bool {
        let known = partition.leadership.as_ref();
        if known.is_some_and(|node| node.state.isr.contains(&id)) {
            self.context.brokers.contains_key(&id) && !self.context.draining.contains(&id)
        } else {
            self.context.liveness(tp, partition, id) == Liveness::Live
        }
    }
}

impl Part {
    fn answer(self) -> Option<AlterationAnswer> {
        Some(AlterationAnswer {
            topic: self.wanted.topic,
            partition: self.wanted.partition,
            result: self.result?,
        })
    }
}
