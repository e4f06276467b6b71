//! AlterPartition (KIP-497) as a leader sends it, and what it makes of the answer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ottla_controller::{
    AlterationAnswer, AlterationError, AlterationRefused, IsrAlteration, TopicKey,
};
use ottla_metadata::{BrokerId, LeaderEpoch, TopicId, TopicName, TopicPartition};
use ottla_protocol::messages::alter_partition_request::{BrokerState, PartitionData, TopicData};
use ottla_protocol::messages::{AlterPartitionRequest, AlterPartitionResponse};
use ottla_protocol::{ErrorCode, StrBytes, messages};

use super::IsrProposal;
use crate::commands::alter_partition;
use crate::controller_channel::Ask;
use crate::shared::Shared;

/// The newest version that names topics by name.
const NEWEST_BY_NAME: i16 = 1;

/// What the controller says of one partition, by what a leader does about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// This is stored.
    Stored {
        leader_epoch: LeaderEpoch,
        isr: Vec<BrokerId>,
        partition_epoch: i32,
    },
    /// Surely not stored; other in-sync replicas may be proposed.
    Refused(ErrorCode),
    /// The controller's next word must be waited for.
    Conflict(ErrorCode),
    /// It must be asked again.
    Again(ErrorCode),
}

/// One request with all that is proposed.
pub(super) struct AlterPartition {
    shared: Arc<Shared>,
    proposals: Vec<IsrProposal>,
}

impl AlterPartition {
    pub(super) fn new(shared: Arc<Shared>, proposals: Vec<IsrProposal>) -> AlterPartition {
        AlterPartition { shared, proposals }
    }

    fn broker_epoch(&self) -> i64 {
        self.shared.broker_epoch.load(Ordering::Acquire)
    }

    /// The names of the topics that an answer may name by id.
    fn names(&self) -> BTreeMap<TopicId, TopicName> {
        let proposals = self.proposals.iter();
        proposals
            .map(|proposal| (proposal.topic_id, Arc::clone(&proposal.partition.topic)))
            .collect()
    }
}

impl Ask for AlterPartition {
    type Request = AlterPartitionRequest;
    type Answer = Result<BTreeMap<TopicPartition, Verdict>, ErrorCode>;

    /// Ids are used only if all topics have one. Nothing is asked while this broker is not
    /// registered: its epoch is its proof.
    fn newest_version(&self) -> Option<i16> {
        let all_have_ids = self.proposals.iter().all(|p| !p.topic_id.is_zero());
        let by_id = all_have_ids && self.shared.settings.version.topic_ids();
        let newest = if by_id { i16::MAX } else { NEWEST_BY_NAME };
        (self.broker_epoch() >= 0).then_some(newest)
    }

    fn request(&self, version: i16) -> AlterPartitionRequest {
        let mut topics: Vec<TopicData> = Vec::new();
        let mut last: Option<&TopicPartition> = None;
        for proposal in &self.proposals {
            let partition = partition_data(proposal, version);
            let same = last.is_some_and(|last| last.topic == proposal.partition.topic);
            match topics.last_mut().filter(|_| same) {
                Some(topic) => topic.partitions.push(partition),
                None => {
                    let topic = TopicData::default().with_partitions(vec![partition]);
                    topics.push(match version <= NEWEST_BY_NAME {
                        true => {
                            let name = proposal.partition.topic.to_string();
                            topic.with_topic_name(messages::TopicName(StrBytes::from_string(name)))
                        }
                        false => topic.with_topic_id(uuid::Uuid::from_bytes(proposal.topic_id.0)),
                    });
                }
            }
            last = Some(&proposal.partition);
        }
        AlterPartitionRequest::default()
            .with_broker_id(messages::BrokerId(self.shared.id().0))
            .with_broker_epoch(self.broker_epoch())
            .with_topics(topics)
    }

    fn answer(&self, version: i16, response: AlterPartitionResponse) -> Option<Self::Answer> {
        let code = ErrorCode::from_code(response.error_code);
        match code.unwrap_or(ErrorCode::UnknownServerError) {
            ErrorCode::None => {}
            ErrorCode::NotController => return None,
            code => return Some(Err(code)),
        }
        let names = self.names();
        let mut verdicts = BTreeMap::new();
        for topic in response.topics {
            let name = match version <= NEWEST_BY_NAME {
                true => Some(topic.topic_name.as_str().into()),
                false => names.get(&TopicId(*topic.topic_id.as_bytes())).cloned(),
            };
            let Some(name) = name else {
                continue;
            };
            for partition in topic.partitions {
                let code = ErrorCode::from_code(partition.error_code);
                let verdict = match code.unwrap_or(ErrorCode::UnknownServerError) {
                    ErrorCode::None => Verdict::Stored {
                        leader_epoch: partition.leader_epoch,
                        isr: partition.isr.iter().map(|id| BrokerId(id.0)).collect(),
                        partition_epoch: partition.partition_epoch,
                    },
                    code => verdict(code),
                };
                let at = TopicPartition::new(Arc::clone(&name), partition.partition_index);
                verdicts.insert(at, verdict);
            }
        }
        a_controllers(verdicts)
    }

    async fn ask_own(&self) -> Option<Self::Answer> {
        let proposals = self.proposals.iter();
        let wanted = proposals.map(|proposal| IsrAlteration {
            topic: topic_key(proposal),
            partition: proposal.partition.partition,
            leader_epoch: proposal.leader_epoch,
            isr: proposal.isr.clone(),
            recovering: false,
            partition_epoch: proposal.expected,
        });
        let (id, epoch) = (self.shared.id(), self.broker_epoch());
        let answers = match alter_partition(&self.shared, id, epoch, wanted.collect()).await {
            Ok(answers) => answers,
            Err(AlterationRefused::NotController) => return None,
            Err(AlterationRefused::StaleBrokerEpoch) => {
                return Some(Err(ErrorCode::StaleBrokerEpoch));
            }
        };
        let names = self.names();
        let mut verdicts = BTreeMap::new();
        for answer in answers {
            let name = match &answer.topic {
                TopicKey::Name(name) => Some(name),
                TopicKey::Id(id) => names.get(id),
            };
            if let Some(name) = name {
                let at = TopicPartition::new(Arc::clone(name), answer.partition);
                verdicts.insert(at, own_verdict(answer));
            }
        }
        a_controllers(verdicts)
    }
}

/// By id where there is one: a proposal for a deleted topic says nothing of its successor.
fn topic_key(proposal: &IsrProposal) -> TopicKey {
    match proposal.topic_id.is_zero() {
        true => TopicKey::Name(Arc::clone(&proposal.partition.topic)),
        false => TopicKey::Id(proposal.topic_id),
    }
}

/// A controller may know less of one partition than its leader and still answer for the others.
/// `None` if it says of all of them that it is not their controller.
fn a_controllers(
    verdicts: BTreeMap<TopicPartition, Verdict>,
) -> Option<Result<BTreeMap<TopicPartition, Verdict>, ErrorCode>> {
    let not_controller = Verdict::Again(ErrorCode::NotController);
    let none = !verdicts.is_empty() && verdicts.values().all(|verdict| *verdict == not_controller);
    (!none).then_some(Ok(verdicts))
}

/// A leader counts as recovered (KIP-704): Kafka never waits for more.
fn partition_data(proposal: &IsrProposal, version: i16) -> PartitionData {
    let ids = proposal.isr.iter().map(|id| messages::BrokerId(id.0));
    let partition = PartitionData::default()
        .with_partition_index(proposal.partition.partition)
        .with_leader_epoch(proposal.leader_epoch)
        .with_partition_epoch(proposal.expected);
    match version {
        0..=2 => partition.with_new_isr(ids.collect()),
        _ => {
            // Brokers of a ZooKeeper cluster do not know each other's epochs.
            let states = ids.map(|id| {
                BrokerState::default()
                    .with_broker_id(id)
                    .with_broker_epoch(-1)
            });
            partition.with_new_isr_with_epochs(states.collect())
        }
    }
}

/// `Partition.handleAlterPartitionError`.
fn verdict(code: ErrorCode) -> Verdict {
    match code {
        ErrorCode::OperationNotAttempted | ErrorCode::IneligibleReplica => Verdict::Refused(code),
        ErrorCode::UnknownTopicOrPartition
        | ErrorCode::UnknownTopicId
        | ErrorCode::FencedLeaderEpoch
        | ErrorCode::InvalidUpdateVersion
        | ErrorCode::InvalidRequest
        | ErrorCode::NewLeaderElected => Verdict::Conflict(code),
        code => Verdict::Again(code),
    }
}

/// The same for an answer that took no detour through codes.
fn own_verdict(answer: AlterationAnswer) -> Verdict {
    match answer.result {
        Ok(node) => Verdict::Stored {
            leader_epoch: node.state.leader_epoch,
            isr: node.state.isr,
            partition_epoch: node.version,
        },
        Err(error) => verdict(match error {
            AlterationError::NotController => ErrorCode::NotController,
            AlterationError::UnknownTopicId => ErrorCode::UnknownTopicId,
            AlterationError::UnknownPartition => ErrorCode::UnknownTopicOrPartition,
            AlterationError::FencedLeaderEpoch => ErrorCode::FencedLeaderEpoch,
            AlterationError::InvalidUpdateVersion => ErrorCode::InvalidUpdateVersion,
            AlterationError::InvalidRequest => ErrorCode::InvalidRequest,
            AlterationError::IneligibleReplica => ErrorCode::IneligibleReplica,
            AlterationError::Unusable => ErrorCode::UnknownServerError,
        }),
    }
}
