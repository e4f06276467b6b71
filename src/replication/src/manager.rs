//! The broker's replicas as a whole: what they share, and the tasks that keep them going.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use ottla_config::{ServerConfig, TopicConfig};
use ottla_log::{DirStatus, LogConfig, LogManager, StorageError};
use ottla_metadata::{
    BrokerId, ClusterImage, ErrorChain, LeaderEpoch, Millis, Offset, TopicId, TopicPartition,
};
use ottla_partition::{Event, Rules, StoreOutcome};
use ottla_records::{AppendRules, Compression, Magic, TargetCompression};
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};

use crate::convert::{log_config, millis, record_rules};
use crate::error::PartitionError;
use crate::fetcher::Fetchers;
use crate::registry::{Hosted, Registry};
use crate::relocation::Movers;
use crate::replica::{Aftermath, Cut, Replica};
use crate::settings::Settings;
use crate::throttle::{ThrottleSettings, Throttled, Throttles};

/// Where topics' configs come from: what is stored for the topic over the broker's defaults.
pub trait TopicConfigs: Send + Sync + 'static {
    /// The config of the topic as it is now. Topics without settings of their own have the
    /// broker's.
    fn topic(&self, name: &str) -> Arc<TopicConfig>;
}

/// Where a leader has a changed ISR stored: in ZooKeeper itself, or by the controller.
pub trait IsrStore: Send + Sync + 'static {
    /// Begins to store; must not block. The outcome goes to [`ReplicaManager::isr_stored`].
    fn propose(&self, proposal: IsrProposal);
}

/// A changed ISR on its way to the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IsrProposal {
    /// The partition.
    pub partition: TopicPartition,
    /// The topic's id; zero where it has none.
    pub topic_id: TopicId,
    /// The ISR to store.
    pub isr: Vec<BrokerId>,
    /// Epoch of the controller that decided the leadership.
    pub controller_epoch: i32,
    /// Epoch of the leadership under which it is proposed.
    pub leader_epoch: LeaderEpoch,
    /// The partition epoch that the stored state must still have.
    pub expected: i32,
}

/// Everything a manager is made of.
pub struct Options {
    /// This broker.
    pub broker: BrokerId,
    /// The logs, loaded.
    pub logs: Arc<LogManager>,
    /// The cluster as last published; only read.
    pub image: Arc<ArcSwap<ClusterImage>>,
    /// Topics' configs.
    pub configs: Arc<dyn TopicConfigs>,
    /// Where changed ISRs go. Without one, proposals are refused, which is right as long as no
    /// other broker holds replicas.
    pub isr_store: Option<Arc<dyn IsrStore>>,
    /// Settings.
    pub settings: Settings,
}

/// All replicas of this broker. Shared by every handler; all methods may be called from any task.
pub struct ReplicaManager {
    pub(crate) broker: BrokerId,
    pub(crate) logs: Arc<LogManager>,
    pub(crate) image: Arc<ArcSwap<ClusterImage>>,
    pub(crate) configs: Arc<dyn TopicConfigs>,
    pub(crate) settings: Settings,
    pub(crate) registry: Registry,
    pub(crate) fetchers: Fetchers,
    fetcher_count: AtomicUsize,
    pub(crate) throttles: Throttles,
    pub(crate) movers: Movers,
    pub(crate) me: Weak<ReplicaManager>,
    isr_store: Option<Arc<dyn IsrStore>>,
    runtime: Handle,
    started: Instant,
    /// Told when no log directory is left.
    no_dir_left: Notify,
    /// How many log directories have failed.
    failed_dirs: watch::Sender<usize>,
}

/// What a topic's config means to its replicas.
pub(crate) struct TopicRules {
    pub(crate) log: Arc<LogConfig>,
    pub(crate) records: AppendRules,
    pub(crate) min_insync_replicas: usize,
    pub(crate) deletable: bool,
    pub(crate) down_conversion: bool,
    pub(crate) throttled_leaders: Throttled,
    pub(crate) throttled_followers: Throttled,
}

/// How a partition's records are stored, as far as clients of old versions are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredFormat {
    /// The newest format that may lie in the log.
    pub magic: Magic,
    /// `compression.type` is zstd.
    pub is_zstd: bool,
    /// `message.downconversion.enable`.
    pub down_conversion: bool,
}

impl ReplicaManager {
    /// A manager without partitions: the controller names them. Must be called within the tokio
    /// runtime whose blocking pool is to be used.
    pub fn new(options: Options) -> Arc<ReplicaManager> {
        // Those that had failed before show in the answers to the controller's first requests.
        let failed_dirs = watch::Sender::new(options.logs.failed_dirs());
        let movers = Movers::new(options.settings.moves, options.logs.dirs().count());
        Arc::new_cyclic(|me| ReplicaManager {
            broker: options.broker,
            logs: options.logs,
            image: options.image,
            configs: options.configs,
            throttles: Throttles::new(options.settings.throttles),
            fetcher_count: AtomicUsize::new(options.settings.following.fetchers),
            settings: options.settings,
            registry: Registry::default(),
            fetchers: Fetchers::default(),
            movers,
            me: Weak::clone(me),
            isr_store: options.isr_store,
            runtime: Handle::current(),
            started: Instant::now(),
            no_dir_left: Notify::new(),
            failed_dirs,
        })
    }

    /// The logs.
    pub fn logs(&self) -> &Arc<LogManager> {
        &self.logs
    }

    /// Every log directory with its replicas (DescribeLogDirs). May block.
    pub fn describe_log_dirs(&self) -> Vec<DirStatus> {
        self.logs.dir_status()
    }

    /// Who leads the partition as far as this broker knows, and in which epoch: what answers of
    /// "not the leader" carry (KIP-951).
    pub fn current_leader(&self, topic: &str, partition: i32) -> Option<(BrokerId, LeaderEpoch)> {
        let image = self.image.load();
        let known = image.partition(topic, partition)?;
        known.leader.map(|leader| (leader, known.leader_epoch))
    }

    /// The leader epoch in force at the local replica, if there is one.
    pub fn leader_epoch(&self, topic: &str, partition: i32) -> Option<LeaderEpoch> {
        let replica = self.online(topic, partition).ok()?;
        let epoch = replica.state().brain.leader_epoch();
        Some(epoch)
    }

    /// How the partition's records are stored; `None` if it is not here.
    pub fn stored_format(&self, topic: &str, partition: i32) -> Option<StoredFormat> {
        let replica = self.online(topic, partition).ok()?;
        let rules = replica.rules.load();
        let zstd = |codec| {
            matches!(
                codec,
                TargetCompression::Codec {
                    codec: Compression::Zstd,
                    ..
                }
            )
        };
        Some(StoredFormat {
            magic: rules.records.target_magic,
            is_zstd: zstd(rules.records.compression),
            down_conversion: rules.down_conversion,
        })
    }

    /// Puts a topic's changed config in force.
    pub fn update_topic_config(&self, topic: &str) {
        let rules = self.topic_rules(topic);
        self.logs.update_config(topic, &rules.log);
        for replica in self.registry.of_topic(topic) {
            replica.rules.store(Arc::clone(&rules));
            self.step(&replica, Event::RulesChanged(self.brain_rules(&rules)));
        }
    }

    /// Puts the changed configs of all topics in force: the broker's defaults changed.
    pub fn update_all_topic_configs(&self) {
        let topics: BTreeSet<_> = self
            .registry
            .online()
            .iter()
            .map(|r| Arc::clone(&r.partition.topic))
            .collect();
        for topic in topics {
            self.update_topic_config(&topic);
        }
    }

    /// Tells every replica which brokers live.
    pub fn update_live_brokers(&self, live: &BTreeSet<BrokerId>) {
        let live = Arc::new(live.clone());
        for replica in self.registry.online() {
            self.step(&replica, Event::LiveBrokers(Arc::clone(&live)));
        }
    }

    /// Whether this broker leads the partition in an epoch older than `epoch`.
    pub fn leads_before(&self, partition: &TopicPartition, epoch: LeaderEpoch) -> bool {
        let replica = self.online(&partition.topic, partition.partition);
        replica.is_ok_and(|replica| {
            let state = replica.state();
            state.brain.leader().is_some() && state.brain.leader_epoch() < epoch
        })
    }

    /// How an attempt to store a proposed ISR ended. What was proposed for an earlier topic of that
    /// name does not concern its successor, whose epochs may be the same.
    pub fn isr_stored(&self, proposal: &IsrProposal, outcome: StoreOutcome) {
        let TopicPartition { topic, partition } = &proposal.partition;
        let replica = self.online(topic, *partition).ok();
        if let Some(replica) = replica.filter(|own| own.topic_id == proposal.topic_id) {
            let event = Event::IsrStored {
                leader_epoch: proposal.leader_epoch,
                expected: proposal.expected,
                outcome,
            };
            let mut state = replica.state();
            let aftermath = replica.step(&mut state, self.now(), event);
            // Who is not in sync is heard at each of its fetches, and no more by a watch of before.
            state.readers.end_standing();
            drop(state);
            self.finish(&replica, aftermath);
        }
    }

    /// Keeps logs and replicas in order: retention, flushes and checkpoints on the blocking pool,
    /// and the check of who keeps up with the leader. Returns when all log directories have
    /// failed: the broker is of no use any more, and others can take over only when it is gone.
    pub async fn run(self: Arc<Self>) {
        tokio::select! {
            () = self.keep_logs() => {}
            () = self.watch_lag() => {}
            () = self.no_dir_left.notified() => {}
        }
    }

    async fn keep_logs(self: &Arc<Self>) {
        loop {
            let manager = Arc::clone(self);
            let housekeeping = self.runtime.spawn_blocking(move || manager.keep_house());
            let pause = match housekeeping.await {
                Ok(due) => due.saturating_sub(wall_clock()).clamp(100, 60_000),
                Err(error) if error.is_panic() => {
                    tracing::error!(%error, "housekeeping of the logs");
                    60_000
                }
                Err(_) => return, // the runtime is shutting down
            };
            tokio::time::sleep(Duration::from_millis(pause.unsigned_abs())).await;
        }
    }

    /// Housekeeping may raise log start offsets, which the brains must know of.
    fn keep_house(&self) -> Millis {
        let due = self.logs.housekeeping(wall_clock());
        self.look_for_dirs();
        for replica in self.registry.online() {
            if replica.log().is_offline() {
                self.take_offline(&replica);
                continue;
            }
            let log_start = replica.log().log_start_offset();
            if replica
                .state()
                .brain
                .leader()
                .is_some_and(|leader| leader.log_start < log_start)
            {
                self.step(&replica, Event::LogStartAdvanced { log_start });
                replica.state().readers.log_start_moved();
            }
        }
        due
    }

    async fn watch_lag(&self) {
        let period = (self.settings.lag_time_max / 2).max(Duration::from_millis(10));
        loop {
            tokio::time::sleep(period).await;
            for replica in self.registry.online() {
                let mut state = replica.state();
                let mut aftermath = self.confirm_watched(&replica, &mut state);
                aftermath.add(replica.step(&mut state, self.now(), Event::Tick));
                drop(state);
                self.finish(&replica, aftermath);
            }
        }
    }

    /// Puts the broker's own settings in force that may change while it runs.
    pub fn reconfigure(&self, config: &ServerConfig) {
        let rates = ThrottleSettings::of(config);
        self.throttles.leader.lock().set_limit(rates.leader_rate);
        self.throttles
            .follower
            .lock()
            .set_limit(rates.follower_rate);
        self.limit_moves(config.replication.log_dirs_move_rate);
        let fetchers = config.replication.fetchers.max(1);
        if self.fetcher_count.swap(fetchers, Ordering::Relaxed) != fetchers {
            for replica in self.registry.online() {
                // Roles may change meanwhile, and have the last word then.
                let _leadership = replica.leadership.read();
                self.place(&replica);
            }
            self.fetchers.wake();
        }
    }

    /// The broker is about to stop: what it ceases to lead it does not follow. It would catch up, be
    /// in sync again and be missed when it is gone (`ReplicaManager.makeFollowers`).
    pub fn leave(&self) {
        self.fetchers.leave();
    }

    /// Fetches no more from other brokers: the logs are about to be closed.
    pub fn stop_following(&self) {
        self.fetchers.stop();
    }

    /// Has the right fetcher look after the replica, as its brain now says.
    pub(crate) fn place(&self, replica: &Arc<Replica>) {
        let leader = replica
            .state()
            .brain
            .follower()
            .and_then(|follower| follower.leader);
        let connections = self.fetcher_count.load(Ordering::Relaxed);
        if let Some(manager) = self.me.upgrade() {
            self.fetchers.place(&manager, replica, leader, connections);
        }
    }

    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Milliseconds since the manager was made: the brains' clock.
    pub(crate) fn now(&self) -> Millis {
        millis(self.started.elapsed())
    }

    pub(crate) fn topic_rules(&self, topic: &str) -> Arc<TopicRules> {
        let config = self.configs.topic(topic);
        let mut records = record_rules(&config);
        records.zstd_allowed = self.settings.zstd;
        Arc::new(TopicRules {
            log: Arc::new(log_config(&config)),
            records,
            min_insync_replicas: usize::try_from(config.min_insync_replicas).unwrap_or(usize::MAX),
            deletable: config.delete,
            down_conversion: config.down_conversion,
            throttled_leaders: Throttled::leaders(&config, self.broker),
            throttled_followers: Throttled::followers(&config, self.broker),
        })
    }

    pub(crate) fn brain_rules(&self, topic: &TopicRules) -> Rules {
        Rules {
            min_insync_replicas: topic.min_insync_replicas,
            lag_max_ms: millis(self.settings.lag_time_max),
            lag_max_messages: self.settings.lag_max_messages,
            truncation: self.settings.following.truncation(),
            fetch_backoff_ms: millis(self.settings.following.backoff),
        }
    }

    /// The replica, or why there is none (`ReplicaManager.getPartitionOrError`).
    pub(crate) fn online(
        &self,
        topic: &str,
        partition: i32,
    ) -> Result<Arc<Replica>, PartitionError> {
        match self.registry.get(topic, partition) {
            Some(Hosted::Online(replica)) => Ok(replica),
            Some(Hosted::Offline) => Err(PartitionError::Offline),
            None if self.image.load().partition(topic, partition).is_some() => {
                Err(PartitionError::NotLeader)
            }
            None => Err(PartitionError::Unknown),
        }
    }

    pub(crate) fn step(&self, replica: &Replica, event: Event) {
        self.step_at(replica, self.now(), event);
    }

    pub(crate) fn step_at(&self, replica: &Replica, now: Millis, event: Event) {
        let mut state = replica.state();
        let aftermath = replica.step(&mut state, now, event);
        drop(state);
        self.finish(replica, aftermath);
    }

    /// Does what a step left to do outside the lock. A step that may cut a follower's log is taken
    /// with `leadership` locked, which is still so here.
    pub(crate) fn finish(&self, replica: &Replica, aftermath: Aftermath) {
        if let Some(cut) = aftermath.cut {
            self.cut(replica, cut);
        }
        if let Some(offset) = aftermath.log_start {
            self.follow_log_start(replica, offset);
        }
        if let Some(error) = aftermath.failed {
            self.storage_failed(replica, &error);
        }
        let Some(proposal) = aftermath.proposal else {
            return;
        };
        let proposal = IsrProposal {
            partition: replica.partition.clone(),
            topic_id: replica.topic_id,
            isr: proposal.isr.to_vec(),
            controller_epoch: proposal.controller_epoch,
            leader_epoch: proposal.leader_epoch,
            expected: proposal.expected,
        };
        tracing::info!(partition = %proposal.partition, isr = ?proposal.isr, "proposing an ISR");
        match &self.isr_store {
            Some(store) => store.propose(proposal),
            None => self.isr_stored(&proposal, StoreOutcome::Refused),
        }
    }

    /// Deletions on the leader are repeated here: what it dropped is of no use any more.
    fn follow_log_start(&self, replica: &Replica, offset: Offset) {
        if offset <= replica.log().log_start_offset() {
            return;
        }
        match replica.log().advance_log_start_offset(offset) {
            Ok(_) => replica.state().readers.disturb(),
            Err(error) => self.storage_failed(replica, &error),
        }
    }

    fn cut(&self, replica: &Replica, cut: Cut) {
        let log = replica.log();
        let (Cut::To(end) | Cut::AllAndStartAt(end)) = cut;
        if end < log.high_watermark() {
            // Committed records go only after an election that was unclean.
            tracing::warn!(
                partition = %replica.partition, to = end, high_watermark = log.high_watermark(),
                "truncating below the high watermark"
            );
        }
        let done = match cut {
            Cut::To(offset) => log.truncate_to(offset),
            Cut::AllAndStartAt(offset) => log.truncate_fully_and_start_at(offset),
        };
        if let Err(error) = done {
            return self.storage_failed(replica, &error);
        }
        let truncated = Event::Truncated {
            log_start: log.log_start_offset(),
            log_end: log.log_end_offset(),
            latest_epoch: log.latest_epoch(),
        };
        let mut state = replica.state();
        state.flush.cut(log.log_end_offset());
        let aftermath = replica.step(&mut state, self.now(), truncated);
        state.readers.disturb();
        state.readers.forget_unseen();
        drop(state);
        self.finish(replica, aftermath);
    }

    /// A log answered that the disk failed: every replica of that directory goes offline, the
    /// broker stays.
    pub(crate) fn storage_failed(&self, replica: &Replica, error: &StorageError) {
        match error {
            StorageError::Closed(_) | StorageError::SegmentDeleted(_) => return,
            // The directory is fine; whoever asks again may be luckier.
            StorageError::Exhausted { .. } => {
                tracing::warn!(partition = %replica.partition, error = %ErrorChain(error), "log not usable for now");
                return;
            }
            StorageError::Io { .. } => {
                tracing::error!(partition = %replica.partition, error = %ErrorChain(error), "log failed");
            }
            StorageError::Offline(_) => {}
        }
        for replica in self.registry.online() {
            if replica.log().is_offline() {
                self.take_offline(&replica);
            }
        }
        self.fetchers.wake();
        self.look_for_dirs();
    }

    /// How many log directories have failed. The controller must hear of more: only the answers to
    /// its requests tell it which replicas are gone.
    pub fn failed_dirs(&self) -> watch::Receiver<usize> {
        self.failed_dirs.subscribe()
    }

    pub(crate) fn look_for_dirs(&self) {
        let failed = self.logs.failed_dirs();
        self.failed_dirs
            .send_if_modified(|known| std::mem::replace(known, failed) != failed);
        if failed > 0 {
            self.drop_failed_moves();
        }
        if self.logs.dirs().paths().is_empty() {
            self.no_dir_left.notify_one();
        }
    }

    pub(crate) fn take_offline(&self, replica: &Arc<Replica>) {
        let mut state = replica.state();
        if matches!(state.brain.role(), ottla_partition::Role::Offline) {
            return;
        }
        let aftermath = replica.step(&mut state, self.now(), Event::WentOffline);
        state.readers.disturb();
        drop(state);
        tracing::error!(partition = %replica.partition, "replica is offline: its log directory failed");
        self.finish(replica, aftermath);
        self.place(replica);
    }
}

/// Milliseconds since the Unix epoch: the clock of timestamps.
pub(crate) fn wall_clock() -> Millis {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, millis)
}
