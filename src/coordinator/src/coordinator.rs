//! The shards: which partitions of `__consumer_offsets` this broker leads.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use ottla_group::{Groups, partition_for};
use ottla_metadata::{ClusterImage, LeaderEpoch, TopicName};
use ottla_records::Compression;
use ottla_replication::ReplicaManager;
use parking_lot::RwLock;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::append::Appender;
use crate::clock::Clock;
use crate::error::Unavailable;
use crate::load::load;
use crate::shard::{Phase, Shard};
use crate::timers::Timer;

/// The topic in which groups and offsets are stored.
pub const OFFSETS_TOPIC: &str = "__consumer_offsets";

/// The broker's settings for groups.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What the brain goes by.
    pub groups: ottla_group::Settings,
    /// `offsets.topic.num.partitions`: counts until the topic is there.
    pub partitions: i32,
    /// `offsets.topic.compression.codec`.
    pub compression: Compression,
    /// `offsets.commit.timeout.ms`.
    pub commit_timeout: Duration,
    /// `offsets.load.buffer.size`.
    pub load_buffer_bytes: usize,
    /// `offsets.retention.check.interval.ms`.
    pub retention_check_interval: Duration,
}

/// Everything a coordinator is made of.
pub struct Options {
    /// The broker's replicas.
    pub replicas: Arc<ReplicaManager>,
    /// The cluster as last published; only read.
    pub image: Arc<ArcSwap<ClusterImage>>,
    /// Settings.
    pub settings: Settings,
}

/// All groups that this broker coordinates. Shared by every handler.
pub struct Coordinator {
    pub(crate) replicas: Arc<ReplicaManager>,
    pub(crate) appender: Appender,
    pub(crate) clock: Clock,
    pub(crate) timer: Timer,
    pub(crate) runtime: Handle,
    pub(crate) retention_check_interval: Duration,
    image: Arc<ArcSwap<ClusterImage>>,
    groups: Arc<ottla_group::Settings>,
    default_partitions: i32,
    load_buffer_bytes: usize,
    shards: RwLock<BTreeMap<i32, Arc<Shard>>>,
    /// Loading reads much at a time; many partitions at once would only fight for the disk.
    loads: Arc<Semaphore>,
}

impl Coordinator {
    /// A coordinator without partitions. Must be called within the tokio runtime.
    pub fn new(options: Options) -> Arc<Coordinator> {
        let settings = options.settings;
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Arc::new(Coordinator {
            replicas: options.replicas,
            appender: Appender {
                compression: settings.compression,
                timeout: settings.commit_timeout,
            },
            clock: Clock::start(),
            timer: Timer::default(),
            runtime: Handle::current(),
            retention_check_interval: settings.retention_check_interval,
            image: options.image,
            groups: Arc::new(settings.groups),
            default_partitions: settings.partitions,
            load_buffer_bytes: settings.load_buffer_bytes,
            shards: RwLock::default(),
            loads: Arc::new(Semaphore::new(processors)),
        })
    }

    /// The partition of `__consumer_offsets` that holds the group.
    pub fn partition_of(&self, group: &str) -> i32 {
        let image = self.image.load();
        let count = image.topic(OFFSETS_TOPIC).map(|t| t.partitions.len());
        let count = count.filter(|count| *count > 0);
        let count = count.and_then(|count| i32::try_from(count).ok());
        partition_for(group, count.unwrap_or(self.default_partitions))
    }

    /// This broker leads the partition from `epoch` on: its groups are loaded. News that are not
    /// new are ignored.
    pub fn elected(self: &Arc<Self>, partition: i32, epoch: LeaderEpoch) {
        let shard = {
            let mut shards = self.shards.write();
            if let Some(shard) = shards.get(&partition) {
                let mut state = shard.state();
                if epoch <= state.epoch {
                    return;
                }
                // Led without a break: everything that was stored was stored here.
                if !matches!(state.phase, Phase::Gone) {
                    state.epoch = epoch;
                    return;
                }
            }
            let shard = Arc::new(Shard::new(partition, epoch));
            shards.insert(partition, Arc::clone(&shard));
            shard
        };
        let this = Arc::clone(self);
        self.runtime.spawn(async move {
            // The semaphore is never closed.
            let _permit = Arc::clone(&this.loads).acquire_owned().await;
            let reader = Arc::clone(&this);
            let loading = tokio::task::spawn_blocking(move || reader.load_shard(&shard));
            if let Err(error) = loading.await {
                tracing::error!(partition, %error, "loading groups failed");
            }
        });
    }

    /// This broker does not lead the partition any more. An epoch older than the leadership in
    /// force is ignored; `None` ends whatever is in force.
    pub fn resigned(self: &Arc<Self>, partition: i32, epoch: Option<LeaderEpoch>) {
        let mut shards = self.shards.write();
        let Some(shard) = shards.get(&partition).map(Arc::clone) else {
            return;
        };
        let mut state = shard.state();
        if epoch.is_some_and(|epoch| epoch < state.epoch) {
            return;
        }
        shards.remove(&partition);
        drop(shards);
        self.unload(&shard, &mut state);
        tracing::info!(partition, ?epoch, "groups unloaded");
    }

    /// This broker stops: nothing is coordinated any more, and whoever waits is sent away.
    pub fn stop(self: &Arc<Self>) {
        for shard in self.all() {
            self.unload(&shard, &mut shard.state());
        }
    }

    /// Topics are gone: what was committed for them goes too.
    pub fn topics_deleted(self: &Arc<Self>, topics: &[TopicName]) {
        if topics.is_empty() {
            return;
        }
        let topics: BTreeSet<TopicName> = topics.iter().map(Arc::clone).collect();
        let now = self.clock.now();
        self.on_all(|groups| groups.topics_deleted(now, &topics));
    }

    /// Lets every shard that serves do something.
    pub(crate) fn on_all(
        self: &Arc<Self>,
        mut act: impl FnMut(&mut Groups) -> Vec<ottla_group::Action>,
    ) {
        for shard in self.all() {
            let mut state = shard.state();
            if let Ok(groups) = state.groups() {
                let actions = act(groups);
                self.carry_out(&shard, &mut state, actions);
            }
        }
    }

    pub(crate) fn all(&self) -> Vec<Arc<Shard>> {
        self.shards.read().values().map(Arc::clone).collect()
    }

    pub(crate) fn shard_of(&self, group: &str) -> Result<Arc<Shard>, Unavailable> {
        let partition = self.partition_of(group);
        let shards = self.shards.read();
        let shard = shards.get(&partition).map(Arc::clone);
        shard.ok_or(Unavailable::NotCoordinator)
    }

    fn load_shard(self: &Arc<Self>, shard: &Arc<Shard>) {
        let began = self.clock.now().mono;
        let is_wanted = || matches!(shard.state().phase, Phase::Loading);
        let settings = Arc::clone(&self.groups);
        let loaded = load(
            &self.replicas,
            shard.partition,
            settings,
            self.load_buffer_bytes,
            is_wanted,
        );
        let mut state = shard.state();
        if !matches!(state.phase, Phase::Loading) {
            return;
        }
        let (partition, epoch) = (shard.partition, state.epoch);
        match loaded {
            Ok(loaded) => {
                let mut groups = loaded.groups;
                let now = self.clock.now();
                let actions = groups.loaded(now);
                let ms = now.mono - began;
                let (count, records) = (groups.len(), loaded.records);
                tracing::debug!(
                    partition,
                    epoch,
                    groups = count,
                    records,
                    ms,
                    "groups loaded"
                );
                state.phase = Phase::Serving(groups);
                self.carry_out(shard, &mut state, actions);
            }
            // To serve what was read so far would take committed offsets back without a word.
            Err(error) => {
                tracing::error!(partition, epoch, %error, "cannot load groups; not serving them");
                state.phase = Phase::Gone;
            }
        }
    }
}
