//! Elections that somebody asks for: an ElectLeaders request (KIP-183, KIP-460), the znode
//! `/admin/preferred_replica_election`, or the timer that evens out leadership
//! (`KafkaController.processReplicaLeaderElection`, `checkAndTriggerAutoLeaderRebalance`).

use std::collections::{BTreeMap, BTreeSet};

use ottla_metadata::{BrokerId, TopicPartition};

use crate::context::{Partition, Pending};
use crate::controller::{Active, Step};
use crate::election::Liveness;
use crate::{Action, ElectionAnswers, ElectionKind, ElectionRefused, WaiterId};

/// An election that was asked for and is not over.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Election {
    asker: Asker,
    kind: ElectionKind,
    /// Partitions without an answer yet, and whether they were found to need the election.
    waiting: BTreeMap<TopicPartition, bool>,
    answers: ElectionAnswers,
}

/// Who asked.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Asker {
    /// A request.
    Request(WaiterId),
    /// The znode, which goes after every attempt.
    Znode,
    /// The timer: nobody waits.
    Timer,
}

/// Where one partition of an election stands.
enum Progress {
    /// Something is under way; nothing is decided meanwhile.
    Wait,
    /// It needs the election: to be attended with the wish in mind.
    Begin,
    /// It is over.
    Done(Result<BrokerId, ElectionRefused>),
}

impl Active {
    /// A request wants leaders.
    pub(crate) fn elect_leaders(
        &mut self,
        waiter: WaiterId,
        kind: ElectionKind,
        partitions: BTreeSet<TopicPartition>,
    ) {
        self.elect(Asker::Request(waiter), kind, partitions);
    }

    /// The znode wants preferred leaders; whether they can lead is decided partition by partition.
    pub(crate) fn elect_preferred(&mut self, partitions: BTreeSet<TopicPartition>) {
        self.elect(Asker::Znode, ElectionKind::Preferred, partitions);
    }

    /// Elects preferred leaders of brokers that lead too few of the partitions that prefer them:
    /// where more than `percentage` of these are led by others.
    pub(crate) fn balance_leaders(&mut self, percentage: i32) {
        // Per preferred leader: how many partitions prefer it, and those led by others.
        let mut brokers: BTreeMap<BrokerId, (i64, Vec<TopicPartition>)> = BTreeMap::new();
        for (name, topic) in &self.context.topics {
            if topic.deletion.is_some() {
                continue;
            }
            for (number, partition) in &topic.partitions {
                let Some(preferred) = partition.preferred() else {
                    continue;
                };
                let (all, elsewhere) = brokers.entry(preferred).or_default();
                *all += 1;
                if partition.leadership.is_some() && partition.leader() != Some(preferred) {
                    elsewhere.push(TopicPartition::new(name.clone(), *number));
                }
            }
        }
        let mut wanted = BTreeSet::new();
        for (preferred, (all, elsewhere)) in brokers {
            let led_elsewhere = i64::try_from(elsewhere.len()).unwrap_or(i64::MAX);
            if led_elsewhere.saturating_mul(100) > all.saturating_mul(i64::from(percentage)) {
                wanted.extend(elsewhere.into_iter().filter(|tp| {
                    self.context.partition(tp).is_some_and(|partition| {
                        partition.in_sync(preferred)
                            && self.context.liveness(tp, partition, preferred) == Liveness::Live
                    })
                }));
            }
        }
        if !wanted.is_empty() {
            self.elect(Asker::Timer, ElectionKind::Preferred, wanted);
        }
    }

    fn elect(&mut self, asker: Asker, kind: ElectionKind, partitions: BTreeSet<TopicPartition>) {
        self.elections.push(Election {
            asker,
            kind,
            waiting: partitions.into_iter().map(|tp| (tp, false)).collect(),
            answers: BTreeMap::new(),
        });
    }

    /// Looks at the elections under way and answers those that are over. True if partitions must be
    /// attended because an election of theirs begins.
    pub(crate) fn advance_elections(&mut self, step: &mut Step) -> bool {
        let mut elections = std::mem::take(&mut self.elections);
        let mut begun = false;
        for election in &mut elections {
            let kind = election.kind;
            let answers = &mut election.answers;
            election
                .waiting
                .retain(|tp, wanted| match self.progress(tp, kind, *wanted) {
                    Progress::Wait => true,
                    Progress::Begin => {
                        if let Some(partition) = self.context.partition_mut(tp) {
                            match kind {
                                ElectionKind::Preferred => partition.prefer = true,
                                ElectionKind::Unclean => partition.force = true,
                            }
                        }
                        step.dirty.insert(tp.clone());
                        *wanted = true;
                        begun = true;
                        true
                    }
                    Progress::Done(result) => {
                        answers.insert(tp.clone(), result);
                        false
                    }
                });
        }
        for election in elections {
            if election.waiting.is_empty() {
                step.actions.extend(self.over(election));
            } else {
                self.elections.push(election);
            }
        }
        begun
    }

    fn progress(&self, tp: &TopicPartition, kind: ElectionKind, wanted: bool) -> Progress {
        let topic = self.context.topics.get(&tp.topic);
        let Some((topic, partition)) =
            topic.and_then(|topic| Some((topic, topic.partitions.get(&tp.partition)?)))
        else {
            return Progress::Done(Err(ElectionRefused::UnknownPartition));
        };
        if topic.deletion.is_some() {
            return Progress::Done(Err(ElectionRefused::TopicDeleted));
        }
        let unavailable = match kind {
            ElectionKind::Preferred => ElectionRefused::PreferredUnavailable,
            ElectionKind::Unclean => ElectionRefused::NobodyEligible,
        };
        match partition.pending {
            Pending::Stuck => return Progress::Done(Err(unavailable)),
            // A replica that has just bounced gets its chance before an unclean leader does.
            Pending::Nothing if partition.shunned.is_empty() && !topic.awaits_id => {}
            _ => return Progress::Wait,
        }
        let stands = match (kind, partition.leader()) {
            (_, None) => None,
            (ElectionKind::Preferred, Some(leader)) => {
                Some(leader).filter(|leader| partition.preferred() == Some(*leader))
            }
            (ElectionKind::Unclean, Some(leader)) => Some(leader)
                .filter(|id| self.context.liveness(tp, partition, *id) == Liveness::Live),
        };
        match (stands, wanted) {
            (Some(leader), true) => Progress::Done(Ok(leader)),
            (Some(_), false) => Progress::Done(Err(ElectionRefused::NotNeeded)),
            (None, true) => Progress::Done(Err(unavailable)),
            (None, false) => Progress::Begin,
        }
    }

    fn over(&self, election: Election) -> Option<Action> {
        match election.asker {
            Asker::Request(waiter) => Some(Action::AnswerElection(waiter, election.answers)),
            Asker::Znode => Some(Action::RemovePreferredElection(self.fence)),
            Asker::Timer => None,
        }
    }
}

impl Election {
    /// Partitions that have no answer yet.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &TopicPartition> {
        self.waiting.keys()
    }

    /// The answer when the term ends first.
    pub(crate) fn abandoned(&self) -> Option<Action> {
        let Asker::Request(waiter) = self.asker else {
            return None;
        };
        let not_controller =
            |tp: &TopicPartition| (tp.clone(), Err(ElectionRefused::NotController));
        let mut answers = self.answers.clone();
        answers.extend(self.waiting.keys().map(not_controller));
        Some(Action::AnswerElection(waiter, answers))
    }
}

impl Partition {
    /// The replica that should lead if it can.
    pub(crate) fn preferred(&self) -> Option<BrokerId> {
        self.assignment.replicas.first().copied()
    }

    fn in_sync(&self, id: BrokerId) -> bool {
        let node = self.leadership.as_ref();
        node.is_some_and(|node| node.state.isr.contains(&id))
    }
}
