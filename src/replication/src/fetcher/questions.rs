//! What a fetcher asks beside fetches: where epochs end, and where the leader's log does.

use std::collections::HashMap;
use std::sync::Arc;

use ottla_metadata::TopicPartition;
use ottla_protocol::ErrorCode;
use ottla_protocol::messages::{ListOffsetsRequest, OffsetForLeaderEpochRequest};

use super::link::LinkError;
use super::requests::{self, EARLIEST, EpochQuestion, LATEST, OffsetQuestion};
use super::task::{Task, asker, blocking};
use crate::manager::ReplicaManager;

impl Task {
    pub(super) async fn ask_epochs(
        &mut self,
        manager: &Arc<ReplicaManager>,
        questions: Vec<EpochQuestion>,
    ) {
        let version = self.versions.epoch_end;
        let asked: Vec<_> = questions
            .iter()
            .map(|question| (question.partition.clone(), question.leader_epoch))
            .collect();
        let request = requests::epoch_ends(questions, asker(manager));
        let exchange = self.exchange::<OffsetForLeaderEpochRequest>(manager, version, &request);
        let answers = match exchange.await {
            Ok(response) => requests::epoch_end_answers(version, response),
            Err(error) => return self.unanswered(manager, asked, &error),
        };
        let mut answers: HashMap<_, _> = answers
            .into_iter()
            .map(|(partition, code, end)| (partition, if code == 0 { Ok(end) } else { Err(code) }))
            .collect();
        let mut pairs = Vec::with_capacity(asked.len());
        for (partition, leader_epoch) in asked {
            let missing = Err(ErrorCode::UnknownTopicOrPartition.code());
            let answer = answers.remove(&partition).unwrap_or(missing);
            if let Some(replica) = self.members.get(&partition) {
                pairs.push((Arc::clone(replica), leader_epoch, answer));
            }
            self.changed.insert(partition);
        }
        let manager = Arc::clone(manager);
        blocking(move || {
            for (replica, leader_epoch, answer) in pairs {
                manager.epoch_end_answered(&replica, leader_epoch, answer);
            }
        })
        .await;
    }

    pub(super) async fn ask_offsets(
        &mut self,
        manager: &Arc<ReplicaManager>,
        questions: Vec<OffsetQuestion>,
    ) {
        let version = self.versions.list_offsets;
        let asked: Vec<_> = questions
            .iter()
            .map(|question| (question.partition.clone(), question.leader_epoch))
            .collect();
        // The end first: a start that moves on meanwhile is still not beyond what is there.
        let mut ends = Vec::with_capacity(2);
        for timestamp in [LATEST, EARLIEST] {
            let request = requests::offsets(&questions, timestamp, asker(manager));
            let exchange = self.exchange::<ListOffsetsRequest>(manager, version, &request);
            match exchange.await {
                Ok(response) => {
                    let answers = requests::offset_answers(response).into_iter();
                    let answers: HashMap<_, _> = answers
                        .map(|(tp, code, offset)| {
                            (tp, if code == 0 { Ok(offset) } else { Err(code) })
                        })
                        .collect();
                    ends.push(answers);
                }
                Err(error) => return self.unanswered(manager, asked, &error),
            }
        }
        let mut pairs = Vec::with_capacity(asked.len());
        for (partition, leader_epoch) in asked {
            let missing = Err(ErrorCode::UnknownTopicOrPartition.code());
            let mut found = ends
                .iter()
                .map(|answers| answers.get(&partition).copied().unwrap_or(missing));
            let (end, start) = (
                found.next().unwrap_or(missing),
                found.next().unwrap_or(missing),
            );
            let answer = end.and_then(|end| start.map(|start| (start, end)));
            if let Some(replica) = self.members.get(&partition) {
                pairs.push((Arc::clone(replica), leader_epoch, answer));
            }
            self.changed.insert(partition);
        }
        let manager = Arc::clone(manager);
        blocking(move || {
            for (replica, leader_epoch, answer) in pairs {
                manager.leader_offsets_answered(&replica, leader_epoch, answer);
            }
        })
        .await;
    }

    fn unanswered(
        &mut self,
        manager: &ReplicaManager,
        asked: Vec<(TopicPartition, i32)>,
        error: &LinkError,
    ) {
        for (partition, leader_epoch) in asked {
            if let Some(replica) = self.members.get(&partition) {
                manager.leader_failed(replica, leader_epoch);
            }
            self.changed.insert(partition);
        }
        self.failed(manager, error);
    }
}
