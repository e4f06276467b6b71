//! Drives the rebalance with ZooKeeper, and reads what is ours from the brokers.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ottla_client::{
    ClientError, Cluster, ClusterOptions, Consumer, ConsumerOptions, ConsumerRecord, OffsetSpec,
    host_port,
};
use ottla_metadata::{Millis, SecurityProtocol, TopicName, TopicPartition};
use ottla_zk::znode::{ConsumerRegistration, PartitionOwner, Subscription};
use ottla_zk::{SessionEvent, Watch, WatchEvent, WatchEvents, Zk, ZkError};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::assignment::ConsumerThread;
use crate::config::ConsumerConfig;
use crate::error::ConsumerError;
use crate::group::GroupView;
use crate::offsets::Offsets;
use crate::rebalance::{Action, Event, Rebalance};

/// How long the leaders may take to tell the first offset of a partition, before those that did
/// are read without the others.
const LOOKUP_PATIENCE: Duration = Duration::from_secs(1);
/// Before reading is tried again that failed for a passing reason.
const READ_PAUSE: Duration = Duration::from_millis(200);
/// How long the last commit may take.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);

/// A member of a group that shares its work through ZooKeeper.
///
/// It acts only while [`ZookeeperConsumer::poll`] runs: partitions are given up between two polls,
/// when all records of the first have been processed. It must therefore be called again soon.
pub struct ZookeeperConsumer {
    config: ConsumerConfig,
    /// `<group>_<host>-<ms>-<8 hex digits>`.
    id: String,
    zk: Zk,
    session: watch::Receiver<SessionEvent>,
    generation: u64,
    watches: WatchEvents,
    brain: Rebalance,
    /// What the brain has asked for and is not done yet. What was begun when a poll was given up
    /// is begun again.
    actions: VecDeque<Action>,
    /// Where brokers are by the last view, and what reads from them.
    addresses: BTreeSet<String>,
    reader: Option<Consumer>,
    offsets: Offsets,
    /// What the last try of a rebalance failed for.
    failure: Option<ConsumerError>,
    /// The brain's clock counts from here.
    started: Instant,
    next_commit: Option<Instant>,
}

impl ZookeeperConsumer {
    /// Connects to ZooKeeper. The consumer joins its group with the first poll.
    ///
    /// # Errors
    /// The settings are wrong, or ZooKeeper is not there.
    pub async fn connect(config: ConsumerConfig) -> Result<ZookeeperConsumer, ConsumerError> {
        config.check()?;
        let zk = Zk::connect(config.zookeeper.clone()).await?;
        let id = format!("{}_{}", config.group, unique_name());
        let mut session = zk.session();
        // So that the first poll finds the session that is there already.
        session.mark_changed();
        let started = Instant::now();
        Ok(ZookeeperConsumer {
            brain: Rebalance::new(&id, config.strategy, config.patience()),
            id,
            watches: zk.watch_events(),
            session,
            generation: 0,
            zk,
            actions: VecDeque::new(),
            addresses: BTreeSet::new(),
            reader: None,
            offsets: Offsets::default(),
            failure: None,
            started,
            next_commit: config.auto_commit.map(|interval| started + interval),
            config,
        })
    }

    /// The member's id in its group.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What is being read now.
    pub fn partitions(&self) -> Vec<TopicPartition> {
        self.offsets.partitions()
    }

    /// Waits until there are records and returns them, those of each partition in order. All
    /// records of the poll before must have been processed, and those that are not to come again
    /// told by [`ZookeeperConsumer::consumed`]. May be dropped while it waits, without loss.
    ///
    /// # Errors
    /// [`ConsumerError::RebalanceFailed`]; what will not pass of reading, see [`Consumer::poll`].
    pub async fn poll(&mut self) -> Result<VecDeque<ConsumerRecord>, ConsumerError> {
        loop {
            self.act().await?;
            let due = self.brain.deadline().map(|at| self.instant(at));
            let has_work = !self.offsets.partitions().is_empty();
            tokio::select! {
                biased;
                changed = self.session.changed() => {
                    // The sender lives as long as `zk`.
                    let event = *self.session.borrow_and_update();
                    if changed.is_err() || event == SessionEvent::Closed {
                        return Err(ZkError::Closed.into());
                    }
                    self.session_changed(event);
                }
                event = self.watches.next() => self.watch_fired(&event),
                () = at(due) => self.step(Event::Tick),
                () = at(self.next_commit) => self.auto_commit().await,
                records = read(self.reader.as_mut().filter(|_| has_work)) => match records {
                    Ok(records) => return Ok(records),
                    Err(error) if will_pass(&error) => {
                        tracing::warn!(%error, "reading failed, to be tried again");
                        sleep(READ_PAUSE).await;
                    }
                    Err(error) => return Err(error.into()),
                },
            }
        }
    }

    /// The record was processed: whoever reads the partition next goes on behind it.
    pub fn consumed(&mut self, record: &ConsumerRecord) {
        let next = record.record.offset.saturating_add(1);
        self.offsets.consumed(&record.partition, next);
    }

    /// Stores how far the group is, whether or not that is also done from time to time.
    ///
    /// # Errors
    /// ZooKeeper failed.
    pub async fn commit(&mut self) -> Result<(), ConsumerError> {
        Ok(self.offsets.commit(&self.zk, &self.config.group).await?)
    }

    /// Commits, unless that is left to the caller, and leaves the group at once.
    ///
    /// # Errors
    /// The commit has failed: the records since the last one will be read again.
    pub async fn close(mut self) -> Result<(), ConsumerError> {
        let committed = match self.config.auto_commit {
            Some(_) => timeout(CLOSE_PATIENCE, self.commit()).await,
            None => Ok(Ok(())),
        };
        self.zk.close().await;
        match committed {
            Ok(outcome) => outcome,
            Err(_) => Err(ZkError::Unknown {
                action: "committing offsets",
            }
            .into()),
        }
    }

    fn session_changed(&mut self, event: SessionEvent) {
        match event {
            SessionEvent::Connected { generation, .. } if generation != self.generation => {
                self.generation = generation;
                self.step(Event::SessionOpened);
            }
            SessionEvent::Expired { .. } => self.step(Event::SessionLost),
            SessionEvent::Connected { .. }
            | SessionEvent::Disconnected { .. }
            | SessionEvent::Closed => {}
        }
    }

    fn watch_fired(&mut self, event: &WatchEvent) {
        tracing::debug!(?event, "a change in ZooKeeper");
        self.step(Event::Changed);
    }

    fn step(&mut self, event: Event) {
        let now = self.now();
        tracing::debug!(consumer = self.id, ?event, "rebalance");
        self.actions.extend(self.brain.step(now, event));
    }

    /// Carries out what the brain asks for, until it asks for no more.
    async fn act(&mut self) -> Result<(), ConsumerError> {
        while let Some(action) = self.actions.front().cloned() {
            tracing::debug!(consumer = self.id, ?action, "rebalance");
            let event = match self.carry_out(action).await {
                Ok(event) => event,
                Err(error) if error.may_pass() => {
                    tracing::info!(%error, "a rebalance failed, to be tried again");
                    self.failure = Some(error);
                    Some(Event::Failed)
                }
                Err(error) => return Err(error),
            };
            self.actions.pop_front();
            if let Some(event) = event {
                self.step(event);
            }
        }
        Ok(())
    }

    async fn carry_out(&mut self, action: Action) -> Result<Option<Event>, ConsumerError> {
        match action {
            Action::Forget => {
                for partition in self.offsets.partitions() {
                    self.stop(&partition);
                    self.offsets.forget(&partition);
                }
                Ok(None)
            }
            Action::Register => {
                self.failure = None;
                let registration = ConsumerRegistration {
                    subscription: self.config.subscription.clone(),
                    timestamp_ms: unix_ms(),
                };
                let group = &self.config.group;
                self.zk
                    .register_consumer(group, &self.id, &registration)
                    .await?;
                Ok(Some(Event::Registered))
            }
            Action::Read => {
                // What has fired so far is seen by this reading.
                while self.watches.try_next().is_some() {}
                Ok(Some(Event::Read(self.view().await?)))
            }
            Action::Release(partitions) => {
                self.release(&partitions).await?;
                Ok(Some(Event::Released))
            }
            Action::Claim(wanted) => Ok(Some(Event::Claimed(self.claim(&wanted).await?))),
            Action::Start(partitions) => Ok(Some(Event::Started(self.start(partitions).await?))),
            Action::Complain => {
                tracing::warn!(
                    consumer = self.id,
                    cause = self.failure.as_ref().map(tracing::field::display),
                    "this consumer still does not have all its partitions; another one may be slow to give them up"
                );
                Ok(None)
            }
            Action::GiveUp => Err(ConsumerError::RebalanceFailed {
                consumer: self.id.clone(),
                tries: self.config.rebalance_tries,
                cause: self.failure.take().map(Box::new),
            }),
        }
    }

    /// Reads everything that the shares depend on, and watches it; none without a broker.
    async fn view(&mut self) -> Result<Option<GroupView>, ConsumerError> {
        if !self.find_brokers().await? {
            tracing::warn!("no brokers found when trying to rebalance");
            return Ok(None);
        }
        let group = &self.config.group;
        let consumers = self.zk.consumers(group, Watch::Arm).await?;
        let mut subscriptions = BTreeMap::new();
        for (consumer, found) in self.zk.consumer_registrations(group, consumers).await? {
            // One that has gone meanwhile changes the list of members, which is watched.
            if let Some(found) = found.map_err(ZkError::from)? {
                subscriptions.insert(consumer, found.value.subscription);
            }
        }
        let by_name = |subscription: &Subscription| matches!(subscription, Subscription::Static(_));
        let existing = match subscriptions.values().all(by_name) {
            true => Vec::new(),
            false => self.zk.topics(Watch::Arm).await?,
        };
        let mut view = GroupView::new(&subscriptions, &existing.into_iter().collect())?;
        let topics: Vec<TopicName> = view.topics().into_iter().collect();
        for (topic, found) in self.zk.topic_nodes(topics, Watch::Arm).await? {
            if let Some(found) = found.map_err(ZkError::from)? {
                view.add_partitions(topic, found.value.partitions.into_keys());
            }
        }
        Ok(Some(view))
    }

    /// Looks up who is alive and reads from there. Like the old consumer it knows only PLAINTEXT.
    async fn find_brokers(&mut self) -> Result<bool, ConsumerError> {
        let ids = self.zk.broker_ids(Watch::Arm).await?;
        let mut addresses = BTreeSet::new();
        for (_, found) in self.zk.brokers(ids, Watch::No).await? {
            let Some(found) = found.map_err(ZkError::from)? else {
                continue;
            };
            let plain =
                |e: &&ottla_metadata::Endpoint| e.security_protocol == SecurityProtocol::Plaintext;
            let endpoint = found.value.endpoints.iter().find(plain);
            addresses.extend(endpoint.map(|e| host_port(&e.host, i32::from(e.port))));
        }
        if addresses.is_empty() {
            return Ok(false);
        }
        if addresses != self.addresses {
            let list: Vec<&str> = addresses.iter().map(String::as_str).collect();
            let mut options = ClusterOptions::new(&list.join(","))?;
            options
                .connection
                .client_id
                .clone_from(&self.config.client_id);
            options.api_timeout = LOOKUP_PATIENCE;
            self.read_from(Cluster::new(options));
            self.addresses = addresses;
        }
        Ok(true)
    }

    /// Goes on with other connections where the old ones have left off.
    fn read_from(&mut self, cluster: Cluster) {
        let options = ConsumerOptions {
            reset: Some(self.config.reset.spec()),
            ..self.config.fetch
        };
        let old = self.reader.take();
        let mut reader = Consumer::new(cluster, options);
        for partition in self.offsets.partitions() {
            let position = old.as_ref().and_then(|old| old.position(&partition));
            if let Some(next) = position.or_else(|| self.offsets.next(&partition)) {
                reader.assign(partition, next);
            }
        }
        self.reader = Some(reader);
    }

    fn stop(&mut self, partition: &TopicPartition) {
        if let Some(reader) = &mut self.reader {
            reader.unassign(partition);
        }
    }

    async fn release(
        &mut self,
        partitions: &BTreeSet<TopicPartition>,
    ) -> Result<(), ConsumerError> {
        for partition in partitions {
            self.stop(partition);
        }
        // Before anybody else may begin with them.
        if self.config.auto_commit.is_some() {
            self.commit().await?;
        }
        for partition in partitions {
            let group = &self.config.group;
            self.zk.release_partition(group, partition).await?;
            self.offsets.forget(partition);
        }
        tracing::info!(consumer = self.id, partitions = ?texts(partitions), "released");
        Ok(())
    }

    async fn claim(
        &self,
        wanted: &BTreeMap<TopicPartition, ConsumerThread>,
    ) -> Result<BTreeSet<TopicPartition>, ConsumerError> {
        let mut won = BTreeSet::new();
        for (partition, thread) in wanted {
            let owner = PartitionOwner(thread.to_string());
            let group = &self.config.group;
            if self.zk.claim_partition(group, partition, &owner).await? {
                won.insert(partition.clone());
            }
        }
        tracing::info!(consumer = self.id, partitions = ?texts(&won), "claimed");
        Ok(won)
    }

    /// Begins with partitions that we own, where the group is or else where it is to begin.
    async fn start(
        &mut self,
        partitions: BTreeSet<TopicPartition>,
    ) -> Result<BTreeSet<TopicPartition>, ConsumerError> {
        let mut started = BTreeSet::new();
        let mut unknown: BTreeMap<TopicPartition, OffsetSpec> = BTreeMap::new();
        // There is none before the first view, and none is started before that.
        let Some(reader) = &mut self.reader else {
            return Ok(started);
        };
        let wanted = partitions.into_iter().collect();
        let stored = self.zk.consumer_offsets(&self.config.group, wanted).await?;
        for (partition, offset) in stored {
            match offset.filter(|offset| *offset >= 0) {
                Some(next) => {
                    self.offsets.begin(&partition, next, true);
                    reader.assign(partition.clone(), next);
                    started.insert(partition);
                }
                None => drop(unknown.insert(partition, self.config.reset.spec())),
            }
        }
        if unknown.is_empty() {
            return Ok(started);
        }
        for (partition, found) in reader.find_offsets(&unknown).await {
            match found {
                Ok(next) => {
                    self.offsets.begin(&partition, next.max(0), false);
                    reader.assign(partition.clone(), next.max(0));
                    started.insert(partition);
                }
                Err(error) => tracing::warn!(%partition, %error, "where to begin is not known yet"),
            }
        }
        Ok(started)
    }

    async fn auto_commit(&mut self) {
        let now = Instant::now();
        self.next_commit = self.config.auto_commit.map(|interval| now + interval);
        let connected = matches!(*self.session.borrow(), SessionEvent::Connected { .. });
        if !connected {
            return;
        }
        if let Err(error) = self.commit().await {
            tracing::warn!(%error, "offsets could not be committed, to be tried again");
        }
    }

    fn now(&self) -> Millis {
        self.started
            .elapsed()
            .as_millis()
            .try_into()
            .unwrap_or(Millis::MAX)
    }

    fn instant(&self, at: Millis) -> Instant {
        self.started + Duration::from_millis(at.try_into().unwrap_or_default())
    }
}

/// Sleeps for ever if there is no such moment.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// Whether a reader that met it may go on: it was looking for a leader that was away for longer
/// than [`LOOKUP_PATIENCE`].
fn will_pass(error: &ClientError) -> bool {
    error.is_retriable() || matches!(error, ClientError::DeadlinePassed { .. })
}

async fn read(reader: Option<&mut Consumer>) -> Result<VecDeque<ConsumerRecord>, ClientError> {
    match reader {
        Some(reader) => reader.poll().await,
        None => std::future::pending().await,
    }
}

/// `<host>-<ms>-<8 hex digits>`, as the old consumer names itself.
fn unique_name() -> String {
    let host = nix::unistd::gethostname().ok();
    let host = host.and_then(|name| name.into_string().ok());
    let host = host.unwrap_or_else(|| "localhost".to_owned());
    format!("{host}-{}-{:08x}", unix_ms(), rand::random::<u32>())
}

fn unix_ms() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis().try_into().unwrap_or_default())
}

fn texts(partitions: &BTreeSet<TopicPartition>) -> Vec<String> {
    partitions.iter().map(ToString::to_string).collect()
}
