//! One fetcher: asks one leader, over one connection, for all partitions that it was given.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use ottla_metadata::{Millis, TopicId, TopicPartition};
use ottla_partition::{EpochEnd, Follower, FollowerRequest, NextRequest};
use ottla_protocol::ErrorCode;
use ottla_protocol::messages::FetchResponse;
use tokio::time::Instant;

use super::answers::Fetched;
use super::exchange::Outcome;
use super::link::{Link, LinkError};
use super::requests::{self, Asker, EpochQuestion, OffsetQuestion};
use super::session::{Plan, Session, Wanted};
use super::versions::{SESSIONS, TOPIC_IDS, Versions};
use super::{FetcherKey, Inbox};
use crate::manager::ReplicaManager;
use crate::replica::Replica;

/// After so many bytes of one answer other tasks get their turn.
const BYTES_PER_TURN: usize = 1 << 20;

pub(super) struct Task {
    pub(super) manager: Weak<ReplicaManager>,
    pub(super) key: FetcherKey,
    pub(super) versions: Versions,
    pub(super) inbox: Arc<Inbox>,
    pub(super) members: HashMap<TopicPartition, Arc<Replica>>,
    /// Partitions by topic id: answers of later versions name no topics.
    pub(super) names: HashMap<(TopicId, i32), TopicPartition>,
    /// Those whose brain has to be asked again what it wants.
    pub(super) changed: HashSet<TopicPartition>,
    /// Those that are to be asked again at an instant.
    pub(super) delayed: HashMap<TopicPartition, Millis>,
    pub(super) epochs: Vec<EpochQuestion>,
    pub(super) offsets: Vec<OffsetQuestion>,
    pub(super) session: Session,
    pub(super) link: Option<Link>,
    /// Whether there was a connection since the last failure.
    pub(super) is_following: bool,
    /// Before this instant an arrival does not cut a long poll short.
    pub(super) patient_until: Instant,
    /// The leader refused the session twice in a row.
    pub(super) refusals: u32,
}

impl Task {
    pub(super) fn new(manager: &Arc<ReplicaManager>, key: FetcherKey, inbox: Arc<Inbox>) -> Task {
        Task {
            manager: Arc::downgrade(manager),
            key,
            versions: Versions::of(manager.settings.following.version),
            inbox,
            members: HashMap::new(),
            names: HashMap::new(),
            changed: HashSet::new(),
            delayed: HashMap::new(),
            epochs: Vec::new(),
            offsets: Vec::new(),
            session: Session::default(),
            link: None,
            is_following: false,
            patient_until: Instant::now(),
            refusals: 0,
        }
    }

    pub(super) async fn run(mut self) {
        while let Some(manager) = self.manager.upgrade() {
            self.take_news();
            if self.members.is_empty() && manager.fetchers.retire(self.key, &self.inbox) {
                return;
            }
            self.look(&manager);
            if !self.epochs.is_empty() {
                let questions = std::mem::take(&mut self.epochs);
                self.ask_epochs(&manager, questions).await;
            } else if !self.offsets.is_empty() {
                let questions = std::mem::take(&mut self.offsets);
                self.ask_offsets(&manager, questions).await;
            } else if let Some(plan) = self.next_fetch() {
                self.fetch(&manager, plan).await;
            } else {
                let wait = self.next_delayed().map(|at| at - manager.now());
                drop(manager);
                self.sleep(wait).await;
            }
        }
    }

    /// Until something is told or so many milliseconds have passed.
    async fn sleep(&self, millis: Option<Millis>) {
        let told = self.inbox.told.notified();
        match millis {
            Some(millis) => {
                let wait = Duration::from_millis(millis.max(0).unsigned_abs());
                // Either way the brains are asked anew.
                let _ = tokio::time::timeout(wait, told).await;
            }
            None => told.await,
        }
    }

    /// The next instant at which a partition's back-off is over.
    pub(super) fn next_delayed(&self) -> Option<Millis> {
        self.delayed.values().min().copied()
    }

    fn take_news(&mut self) {
        for (partition, replica) in self.inbox.take() {
            let old = self.members.remove(&partition);
            if let Some(old) = old {
                self.names.remove(&(old.topic_id, partition.partition));
                if replica
                    .as_ref()
                    .is_none_or(|new| new.topic_id != old.topic_id)
                {
                    self.session.leave(&partition);
                }
            }
            let Some(replica) = replica else {
                self.changed.remove(&partition);
                self.delayed.remove(&partition);
                continue;
            };
            self.names
                .insert((replica.topic_id, partition.partition), partition.clone());
            self.changed.insert(partition.clone());
            self.members.insert(partition, replica);
        }
    }

    /// Asks the brains of those that changed, or whose time has come, what they want.
    fn look(&mut self, manager: &ReplicaManager) {
        let now = manager.now();
        let due = self.delayed.iter().filter(|(_, at)| **at <= now);
        self.changed
            .extend(due.map(|(partition, _)| partition.clone()));
        for partition in std::mem::take(&mut self.changed) {
            self.delayed.remove(&partition);
            let Some(replica) = self.members.get(&partition) else {
                continue;
            };
            let (next, leader_epoch, is_caught_up) = {
                let brain = &replica.state().brain;
                let is_caught_up = brain.follower().is_some_and(Follower::is_caught_up);
                (brain.next_request(now), brain.leader_epoch(), is_caught_up)
            };
            let next = match next {
                NextRequest::Now(FollowerRequest::Fetch { .. }) if !is_caught_up => {
                    let held_back = manager.held_back_until(replica, now);
                    held_back.map_or(next, NextRequest::At)
                }
                next => next,
            };
            match next {
                NextRequest::Now(FollowerRequest::Fetch { at, last_epoch }) => {
                    let wanted = Wanted {
                        topic_id: replica.topic_id,
                        at,
                        log_start: replica.log().log_start_offset(),
                        leader_epoch,
                        last_epoch,
                    };
                    self.session.want(&partition, wanted);
                    continue;
                }
                NextRequest::Now(FollowerRequest::EpochEnd { epoch }) => {
                    self.epochs.push(EpochQuestion {
                        partition: partition.clone(),
                        leader_epoch,
                        epoch,
                    });
                }
                NextRequest::Now(FollowerRequest::LeaderOffsets) => {
                    self.offsets.push(OffsetQuestion {
                        partition: partition.clone(),
                        leader_epoch,
                    });
                }
                NextRequest::At(at) => {
                    self.delayed.insert(partition.clone(), at);
                }
                NextRequest::Nothing => {}
            }
            self.session.leave(&partition);
        }
    }

    fn next_fetch(&mut self) -> Option<Plan> {
        let version = self.versions.fetch;
        self.session.next(version >= SESSIONS, version >= TOPIC_IDS)
    }

    async fn fetch(&mut self, manager: &Arc<ReplicaManager>, plan: Plan) {
        let settings = &manager.settings.following;
        let by_id = plan.by_id;
        let version = match self.versions.fetch {
            version if version >= TOPIC_IDS && !by_id => TOPIC_IDS - 1,
            version => version,
        };
        let request = requests::fetch(version, plan, asker(manager), settings);
        let response = match self.exchange_fetch(manager, version, &request).await {
            Outcome::Answered(response) => response,
            Outcome::CutShort => {
                self.link = None;
                self.session.begin_anew();
                return;
            }
            Outcome::Failed(error) => return self.failed(manager, &error),
        };
        match ErrorCode::from_code(response.error_code) {
            Some(ErrorCode::None) => self.refusals = 0,
            Some(ErrorCode::FetchSessionIdNotFound) if self.refusals == 0 => {
                self.refusals += 1;
                return self.session.lost();
            }
            Some(ErrorCode::InvalidFetchSessionEpoch | ErrorCode::FetchSessionTopicIdError)
                if self.refusals == 0 =>
            {
                self.refusals += 1;
                return self.session.begin_anew();
            }
            code => {
                let name = code.map_or("an unknown error", ErrorCode::name);
                let error = LinkError::Refused(name.to_owned());
                return self.failed(manager, &error);
            }
        }
        self.session.answered(response.session_id);
        self.take_in(manager, version, response).await;
    }

    /// The leader could not be asked: everything waits for the back-off, unless a connection that
    /// had worked was closed, which is tried once more at once.
    pub(super) fn failed(&mut self, manager: &ReplicaManager, error: &LinkError) {
        let worked = self.link.take().is_some_and(|link| link.has_answered);
        self.is_following = false;
        self.session.begin_anew();
        self.refusals = 0;
        tracing::warn!(leader = self.key.0.0, %error, partitions = self.session.len(), "cannot fetch");
        if worked && matches!(error, LinkError::Io(_)) {
            return;
        }
        for (partition, wanted) in self.session.partitions() {
            if let Some(replica) = self.members.get(partition) {
                manager.leader_failed(replica, wanted.leader_epoch);
                self.changed.insert(partition.clone());
            }
        }
    }

    async fn take_in(
        &mut self,
        manager: &Arc<ReplicaManager>,
        version: i16,
        response: FetchResponse,
    ) {
        let mut unflushed = Vec::new();
        let mut bytes = 0;
        for topic in response.responses {
            let id = TopicId(topic.topic_id.into_bytes());
            for part in topic.partitions {
                let index = part.partition_index;
                let partition = match version >= TOPIC_IDS {
                    true => self.names.get(&(id, index)).cloned(),
                    false => Some(TopicPartition::new(topic.topic.0.as_str(), index)),
                };
                let Some(partition) = partition else {
                    continue;
                };
                let (Some(replica), Some(wanted)) = (
                    self.members.get(&partition),
                    self.session.wanted(&partition),
                ) else {
                    continue;
                };
                let replica = Arc::clone(replica);
                let diverging = part.diverging_epoch;
                let fetched = if part.error_code != 0 {
                    Fetched::Error(part.error_code)
                } else if version >= 12 && diverging.epoch >= 0 {
                    Fetched::Diverging(EpochEnd {
                        epoch: diverging.epoch,
                        end_offset: diverging.end_offset,
                    })
                } else {
                    Fetched::Records {
                        records: part.records.unwrap_or_default(),
                        high_watermark: part.high_watermark,
                        log_start: if version >= 5 {
                            part.log_start_offset
                        } else {
                            -1
                        },
                    }
                };
                match fetched {
                    Fetched::Diverging(_) => {
                        let manager = Arc::clone(manager);
                        let cut = move || drop(manager.fetched(&replica, wanted, fetched));
                        blocking(cut).await;
                    }
                    fetched => {
                        let size = match &fetched {
                            Fetched::Records { records, .. } => records.len(),
                            _ => 0,
                        };
                        unflushed.extend(manager.fetched(&replica, wanted, fetched));
                        if size > 0 {
                            self.session.had_its_turn(&partition);
                            bytes += size;
                        }
                        if bytes >= BYTES_PER_TURN {
                            bytes = 0;
                            tokio::task::yield_now().await;
                        }
                    }
                }
                self.changed.insert(partition);
            }
        }
        if !unflushed.is_empty() {
            let manager = Arc::clone(manager);
            blocking(move || manager.flush_fetched(unflushed)).await;
        }
    }
}

pub(super) fn asker(manager: &ReplicaManager) -> Asker {
    let image = manager.image.load();
    let epoch = image.brokers.get(&manager.broker).map(|own| own.epoch);
    Asker {
        broker: manager.broker,
        epoch: epoch.unwrap_or(-1),
    }
}

/// Runs what may block where that does no harm.
pub(super) async fn blocking(work: impl FnOnce() + Send + 'static) {
    if let Err(error) = tokio::task::spawn_blocking(work).await {
        tracing::error!(%error, "taking in a leader's answer");
    }
}
