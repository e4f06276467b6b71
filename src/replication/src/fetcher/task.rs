//! One fetcher: asks one leader, over one connection, for all partitions that it was given.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use ottla_metadata::{Millis, TopicId, TopicPartition};
use ottla_partition::{EpochEnd, Follower, FollowerRequest, NextRequest};
use ottla_protocol::layout::Guarded;
use ottla_protocol::messages::{
    FetchRequest, FetchResponse, ListOffsetsRequest, OffsetForLeaderEpochRequest,
};
use ottla_protocol::{ErrorCode, Request};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::answers::Fetched;
use super::link::{Link, LinkError};
use super::requests::{self, Asker, EARLIEST, EpochQuestion, LATEST, OffsetQuestion};
use super::session::{Plan, Session, Wanted};
use super::versions::{SESSIONS, TOPIC_IDS, Versions};
use super::{FetcherKey, Inbox};
use crate::manager::ReplicaManager;
use crate::replica::Replica;
use crate::settings::FollowSettings;

/// After so many bytes of one answer other tasks get their turn.
const BYTES_PER_TURN: usize = 1 << 20;

pub(super) struct Task {
    manager: Weak<ReplicaManager>,
    key: FetcherKey,
    inbox: Arc<Inbox>,
    members: HashMap<TopicPartition, Arc<Replica>>,
    /// Partitions by topic id: answers of later versions name no topics.
    names: HashMap<(TopicId, i32), TopicPartition>,
    /// Those whose brain has to be asked again what it wants.
    changed: HashSet<TopicPartition>,
    /// Those that are to be asked again at an instant.
    delayed: BTreeSet<(Millis, TopicPartition)>,
    epochs: Vec<EpochQuestion>,
    offsets: Vec<OffsetQuestion>,
    session: Session,
    link: Option<Link>,
    /// Before this instant an arrival does not cut a long poll short.
    patient_until: Instant,
    /// The leader refused the session twice in a row.
    refusals: u32,
}

/// How a fetch ended.
enum Outcome {
    Answered(FetchResponse),
    /// Given up for the sake of partitions that arrived meanwhile.
    CutShort,
    Failed(LinkError),
}

impl Task {
    pub(super) fn new(manager: Weak<ReplicaManager>, key: FetcherKey, inbox: Arc<Inbox>) -> Task {
        Task {
            manager,
            key,
            inbox,
            members: HashMap::new(),
            names: HashMap::new(),
            changed: HashSet::new(),
            delayed: BTreeSet::new(),
            epochs: Vec::new(),
            offsets: Vec::new(),
            session: Session::default(),
            link: None,
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
            } else if let Some(plan) = self.next_fetch(&manager) {
                self.fetch(&manager, plan).await;
            } else {
                let wait = self.delayed.first().map(|(at, _)| at - manager.now());
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
        while let Some((at, partition)) = self.delayed.pop_first() {
            if at > now {
                self.delayed.insert((at, partition));
                break;
            }
            self.changed.insert(partition);
        }
        for partition in std::mem::take(&mut self.changed) {
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
                    self.delayed.insert((at, partition.clone()));
                }
                NextRequest::Nothing => {}
            }
            self.session.leave(&partition);
        }
    }

    fn next_fetch(&mut self, manager: &ReplicaManager) -> Option<Plan> {
        let version = Versions::of(manager.settings.following.version).fetch;
        self.session.next(version >= SESSIONS, version >= TOPIC_IDS)
    }

    async fn fetch(&mut self, manager: &Arc<ReplicaManager>, plan: Plan) {
        let settings = &manager.settings.following;
        let by_id = plan.by_id;
        let version = match Versions::of(settings.version).fetch {
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

    /// Sends a fetch and waits for its answer, at most `replica.socket.timeout.ms`. Partitions that
    /// arrive while the leader has nothing to say are not kept waiting for the end of the long
    /// poll: that would be the time without a quorum after a failover.
    async fn exchange_fetch(
        &mut self,
        manager: &ReplicaManager,
        version: i16,
        request: &FetchRequest,
    ) -> Outcome {
        let settings = &manager.settings.following;
        let deadline = Instant::now() + settings.socket_timeout;
        if let Err(error) = self.connect(manager, deadline).await {
            return Outcome::Failed(error);
        }
        let Some(link) = &mut self.link else {
            return Outcome::CutShort;
        };
        match timeout_at(deadline, link.send(version, request)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Outcome::Failed(error),
            Err(_) => return Outcome::Failed(timed_out(settings)),
        }
        loop {
            let arrivals = self.inbox.has_arrivals();
            tokio::select! {
                biased;
                answer = link.receive::<FetchRequest>(version) => {
                    return answer.map_or_else(Outcome::Failed, Outcome::Answered);
                }
                () = self.inbox.told.notified(), if !arrivals => {}
                () = sleep_until(self.patient_until), if arrivals && !link.is_receiving() => {
                    // A new session names all partitions: the more there are, the rarer.
                    let cost = Duration::from_micros(20) * u32::try_from(self.session.len()).unwrap_or(u32::MAX);
                    self.patient_until = Instant::now() + cost.max(Duration::from_millis(1));
                    return Outcome::CutShort;
                }
                () = sleep_until(deadline) => return Outcome::Failed(timed_out(settings)),
            }
        }
    }

    async fn connect(
        &mut self,
        manager: &ReplicaManager,
        deadline: Instant,
    ) -> Result<(), LinkError> {
        if self.link.is_some() {
            return Ok(());
        }
        let settings = &manager.settings.following;
        let (leader, number) = self.key;
        let image = manager.image.load_full();
        let endpoint = image
            .brokers
            .get(&leader)
            .and_then(|broker| broker.endpoint(&settings.listener))
            .ok_or_else(|| LinkError::NoAddress(settings.listener.clone()))?;
        let client_id = format!("broker-{}-fetcher-{number}", manager.broker.0);
        let open = Link::open(endpoint, settings.receive_buffer_bytes, &client_id);
        let link = timeout_at(deadline, open)
            .await
            .map_err(|_| timed_out(settings))??;
        tracing::info!(
            leader = leader.0, host = %endpoint.host, port = endpoint.port, %client_id, "following"
        );
        self.link = Some(link);
        Ok(())
    }

    /// The leader could not be asked: everything waits for the back-off, unless a connection that
    /// had worked was closed, which is tried once more at once.
    fn failed(&mut self, manager: &ReplicaManager, error: &LinkError) {
        let worked = self.link.take().is_some_and(|link| link.has_answered);
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

    async fn ask_epochs(&mut self, manager: &Arc<ReplicaManager>, questions: Vec<EpochQuestion>) {
        let version = Versions::of(manager.settings.following.version).epoch_end;
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

    async fn ask_offsets(&mut self, manager: &Arc<ReplicaManager>, questions: Vec<OffsetQuestion>) {
        let version = Versions::of(manager.settings.following.version).list_offsets;
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

    async fn exchange<R>(
        &mut self,
        manager: &ReplicaManager,
        version: i16,
        request: &R,
    ) -> Result<R::Response, LinkError>
    where
        R: Request + Guarded,
        R::Response: Guarded,
    {
        let settings = &manager.settings.following;
        let deadline = Instant::now() + settings.socket_timeout;
        self.connect(manager, deadline).await?;
        let Some(link) = &mut self.link else {
            return Err(timed_out(settings));
        };
        let exchange = async {
            link.send(version, request).await?;
            link.receive::<R>(version).await
        };
        timeout_at(deadline, exchange)
            .await
            .map_err(|_| timed_out(settings))?
    }
}

fn asker(manager: &ReplicaManager) -> Asker {
    let image = manager.image.load();
    let epoch = image.brokers.get(&manager.broker).map(|own| own.epoch);
    Asker {
        broker: manager.broker,
        epoch: epoch.unwrap_or(-1),
    }
}

fn timed_out(settings: &FollowSettings) -> LinkError {
    LinkError::TimedOut(settings.socket_timeout.as_millis())
}

/// Runs what may block where that does no harm.
async fn blocking(work: impl FnOnce() + Send + 'static) {
    if let Err(error) = tokio::task::spawn_blocking(work).await {
        tracing::error!(%error, "taking in a leader's answer");
    }
}
