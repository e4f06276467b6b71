//! From settings to [`ServerConfig`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ottla_metadata::BrokerId;

use crate::error::{ConfigError, Origin, Warning};
use crate::server::{
    ControllerConfig, FetchConfig, GroupConfig, Identity, NetworkConfig, ReplicationConfig,
    ServerConfig, StorageConfig, TopicsConfig, TransactionConfig, ZooKeeperConfig,
};
use crate::settings::{self, Layer, Layers, Setting, Values};
use crate::value::split_list;
use crate::{MetadataVersion, checks, legacy, listener_override, listeners, topic};

impl ServerConfig {
    /// Reads a `.properties` file (or TOML when the name ends in `.toml`) with the overrides of
    /// the command line on top.
    ///
    /// # Errors
    /// Whatever must stop the start: no such file, a line that is no setting, a value that does
    /// not fit, values that contradict each other. Each names file, line, key and value.
    pub fn load(
        path: &Path,
        overrides: &[(String, String)],
    ) -> Result<(ServerConfig, Vec<Warning>), ConfigError> {
        let mut warnings = Vec::new();
        let layer = settings::read(path, overrides, &mut warnings)?;
        ServerConfig::from_layer(layer, warnings)
    }

    /// The same from settings in memory, as if all came from the command line.
    ///
    /// # Errors
    /// As [`ServerConfig::load`].
    pub fn from_settings<K: Into<String>, V: Into<String>>(
        settings: impl IntoIterator<Item = (K, V)>,
    ) -> Result<(ServerConfig, Vec<Warning>), ConfigError> {
        let setting = |(key, value): (K, V)| {
            let value = value.into();
            let origin = Origin::CommandLine;
            (key.into(), Setting { value, origin })
        };
        let layer = settings.into_iter().map(setting).collect();
        ServerConfig::from_layer(layer, Vec::new())
    }

    fn from_layer(
        mut layer: Layer,
        mut warnings: Vec<Warning>,
    ) -> Result<(ServerConfig, Vec<Warning>), ConfigError> {
        // The warnings speak of what was written, not of what it is mapped to.
        legacy::warnings(&layer, &mut warnings);
        legacy::map(&mut layer, &mut warnings)?;
        let layers = Layers {
            fixed: layer,
            ..Layers::default()
        };
        let config = ServerConfig::from_layers(layers)?;
        Ok((config, warnings))
    }

    /// Parses, checks and types the settings in force.
    pub(crate) fn from_layers(layers: Layers) -> Result<ServerConfig, ConfigError> {
        let values = Values::parse(layers.effective())?;
        checks::check(&values)?;
        let read = Reader(&values);
        Ok(ServerConfig {
            identity: read.identity(),
            zookeeper: read.zookeeper()?,
            listeners: listeners::read(&values)?,
            network: read.network()?,
            storage: read.storage()?,
            topics: read.topics(),
            topic_defaults: topic::typed_defaults(&values).map_err(|error| {
                values.blame("log.cleaner.min.compaction.lag.ms", error.to_string())
            })?,
            fetch: FetchConfig {
                max_bytes: read.number("fetch.max.bytes"),
                session_cache_slots: read.number("max.incremental.fetch.session.cache.slots"),
            },
            replication: read.replication(&layers),
            controller: read.controller(),
            groups: read.groups(),
            transactions: read.transactions(),
            inter_broker_protocol: read.version("inter.broker.protocol.version"),
            request_timeout: read.ms("request.timeout.ms"),
            layers: Arc::new(layers),
            values: Arc::new(values),
        })
    }
}

/// The value of `replica.selector.class` that sends consumers to a replica in their rack.
const RACK_AWARE_SELECTOR: &str = "org.apache.kafka.common.replica.RackAwareReplicaSelector";

/// Typed access to checked values. A number out of its field's range is cut to the nearest that
/// fits; where that would surprise, `checks` has refused it.
struct Reader<'a>(&'a Values);

impl Reader<'_> {
    fn whole(&self, name: &str) -> i64 {
        self.0.whole(name).unwrap_or(0)
    }

    fn number<T: TryFrom<i64> + Default>(&self, name: &str) -> T {
        T::try_from(self.whole(name).max(0)).unwrap_or_default()
    }

    /// `None` for -1, which leaves a buffer to the system.
    fn buffer(&self, name: &str) -> Option<usize> {
        usize::try_from(self.whole(name)).ok()
    }

    fn ms(&self, name: &str) -> Duration {
        Duration::from_millis(self.whole(name).max(0).unsigned_abs())
    }

    fn seconds(&self, name: &str) -> Duration {
        Duration::from_secs(self.whole(name).max(0).unsigned_abs())
    }

    fn flag(&self, name: &str) -> bool {
        self.0.flag(name)
    }

    fn text(&self, name: &str) -> Option<String> {
        self.0.text(name).map(str::to_owned)
    }

    fn version(&self, name: &str) -> MetadataVersion {
        let parsed = self.0.text(name).and_then(|text| text.parse().ok());
        parsed.unwrap_or(MetadataVersion::LATEST)
    }

    fn identity(&self) -> Identity {
        let id = self.whole("broker.id");
        Identity {
            broker_id: i32::try_from(id).ok().filter(|id| *id >= 0).map(BrokerId),
            generation_enable: self.flag("broker.id.generation.enable"),
            reserved_max_id: self.number("reserved.broker.max.id"),
            rack: self.text("broker.rack"),
        }
    }

    fn zookeeper(&self) -> Result<ZooKeeperConfig, ConfigError> {
        let connect = self
            .text("zookeeper.connect")
            .filter(|text| !text.is_empty());
        let session_timeout = self.ms("zookeeper.session.timeout.ms");
        let connection_timeout = match self.0.whole("zookeeper.connection.timeout.ms") {
            Some(_) => self.ms("zookeeper.connection.timeout.ms"),
            None => session_timeout,
        };
        Ok(ZooKeeperConfig {
            connect: connect.ok_or_else(|| ConfigError::Missing {
                key: "zookeeper.connect",
                hint: "name the ZooKeeper servers, e.g. zookeeper.connect=localhost:2181"
                    .to_owned(),
            })?,
            session_timeout,
            connection_timeout,
            set_acl: self.flag("zookeeper.set.acl"),
            max_in_flight_requests: self.number("zookeeper.max.in.flight.requests"),
            crash_watchdog: self.flag("ottla.crash.watchdog.enable"),
        })
    }

    fn network(&self) -> Result<NetworkConfig, ConfigError> {
        let idle = self.whole("connections.max.idle.ms");
        let queued_bytes: usize = self.number("queued.max.request.bytes");
        Ok(NetworkConfig {
            socket_send_buffer_bytes: self.buffer("socket.send.buffer.bytes"),
            socket_receive_buffer_bytes: self.buffer("socket.receive.buffer.bytes"),
            listen_backlog: self.number("socket.listen.backlog.size"),
            request_max_bytes: self.number("socket.request.max.bytes"),
            max_connections: self.number("max.connections"),
            max_connections_by_listener: self.max_connections_by_listener(),
            max_connections_per_ip: self.number("max.connections.per.ip"),
            max_connections_per_ip_overrides: checks::per_ip_overrides(self.0)?,
            max_connection_creation_rate: self.number("max.connection.creation.rate"),
            connections_max_idle: (idle >= 0).then(|| self.ms("connections.max.idle.ms")),
            queued_max_requests: self.number("queued.max.requests"),
            queued_max_request_bytes: Some(queued_bytes).filter(|bytes| *bytes > 0),
            network_threads: self.number("num.network.threads"),
            io_threads: self.number("num.io.threads"),
            background_threads: self.number("background.threads"),
        })
    }

    fn max_connections_by_listener(&self) -> BTreeMap<String, usize> {
        let settings = self.0.settings().iter();
        settings
            .filter_map(|(name, setting)| {
                let (listener, key) = listener_override(name)?;
                let limit = setting.value.trim().parse().ok()?;
                (key.name == "max.connections").then(|| (listener.to_uppercase(), limit))
            })
            .collect()
    }

    fn storage(&self) -> Result<StorageConfig, ConfigError> {
        let key = if self.0.text("log.dirs").is_some() {
            "log.dirs"
        } else {
            "log.dir"
        };
        let dirs: Vec<PathBuf> = split_list(self.0.text(key).unwrap_or(""))
            .into_iter()
            .filter(|dir| !dir.is_empty())
            .map(PathBuf::from)
            .collect();
        if dirs.is_empty() {
            let problem = "at least one directory is needed, e.g. /tmp/kafka-logs-0";
            return Err(self.0.blame(key, problem));
        }
        let scheduler = self.whole("log.flush.scheduler.interval.ms");
        Ok(StorageConfig {
            dirs,
            recovery_threads_per_dir: self.number("num.recovery.threads.per.data.dir"),
            retention_check_interval: self.ms("log.retention.check.interval.ms"),
            flush_scheduler_interval: (scheduler != i64::MAX)
                .then(|| self.ms("log.flush.scheduler.interval.ms")),
            recovery_point_checkpoint_interval: self.ms("log.flush.offset.checkpoint.interval.ms"),
            start_offset_checkpoint_interval: self
                .ms("log.flush.start.offset.checkpoint.interval.ms"),
            initial_task_delay: self.ms("log.initial.task.delay.ms"),
            cleaner_enable: self.flag("log.cleaner.enable"),
            producer_id_expiration_ms: self.whole("producer.id.expiration.ms"),
            producer_id_expiration_check_interval: self
                .ms("producer.id.expiration.check.interval.ms"),
        })
    }

    fn topics(&self) -> TopicsConfig {
        TopicsConfig {
            num_partitions: self.number("num.partitions"),
            default_replication_factor: self.number("default.replication.factor"),
            auto_create: self.flag("auto.create.topics.enable"),
            delete_enable: self.flag("delete.topic.enable"),
        }
    }

    fn replication(&self, layers: &Layers) -> ReplicationConfig {
        ReplicationConfig {
            lag_time_max: self.ms("replica.lag.time.max.ms"),
            lag_max_messages: self.0.whole("replica.lag.max.messages"),
            high_watermark_checkpoint_interval: self
                .ms("replica.high.watermark.checkpoint.interval.ms"),
            socket_timeout: self.ms("replica.socket.timeout.ms"),
            socket_receive_buffer_bytes: self.buffer("replica.socket.receive.buffer.bytes"),
            fetch_max_bytes: self.number("replica.fetch.max.bytes"),
            fetch_response_max_bytes: self.number("replica.fetch.response.max.bytes"),
            fetch_min_bytes: self.number("replica.fetch.min.bytes"),
            fetch_wait_max: self.ms("replica.fetch.wait.max.ms"),
            fetch_backoff: self.ms("replica.fetch.backoff.ms"),
            fetchers: self.number("num.replica.fetchers"),
            rack_aware_selector: self
                .text("replica.selector.class")
                .is_some_and(|class| class == RACK_AWARE_SELECTOR),
            leader_throttled_rate: layers.dynamic_number("leader.replication.throttled.rate"),
            follower_throttled_rate: layers.dynamic_number("follower.replication.throttled.rate"),
            log_dirs_move_rate: layers
                .dynamic_number("replica.alter.log.dirs.io.max.bytes.per.second"),
            log_dirs_moves_at_once: self
                .0
                .whole("num.replica.alter.log.dirs.threads")
                .and_then(|threads| usize::try_from(threads).ok()),
            log_dirs_quota_samples: self.number("alter.log.dirs.replication.quota.window.num"),
            log_dirs_quota_sample: self
                .seconds("alter.log.dirs.replication.quota.window.size.seconds"),
            quota_samples: self.number("replication.quota.window.num"),
            quota_sample: self.seconds("replication.quota.window.size.seconds"),
        }
    }

    fn controller(&self) -> ControllerConfig {
        ControllerConfig {
            socket_timeout: self.ms("controller.socket.timeout.ms"),
            auto_leader_rebalance: self.flag("auto.leader.rebalance.enable"),
            leader_imbalance_check_interval: self
                .seconds("leader.imbalance.check.interval.seconds"),
            leader_imbalance_per_broker_percentage: self
                .number("leader.imbalance.per.broker.percentage"),
            controlled_shutdown: self.flag("controlled.shutdown.enable"),
            controlled_shutdown_max_retries: self.number("controlled.shutdown.max.retries"),
            controlled_shutdown_retry_backoff: self.ms("controlled.shutdown.retry.backoff.ms"),
        }
    }

    fn groups(&self) -> GroupConfig {
        GroupConfig {
            min_session_timeout: self.ms("group.min.session.timeout.ms"),
            max_session_timeout: self.ms("group.max.session.timeout.ms"),
            initial_rebalance_delay: self.ms("group.initial.rebalance.delay.ms"),
            max_size: self.number("group.max.size"),
            offset_metadata_max_bytes: self.number("offset.metadata.max.bytes"),
            offsets_partitions: self.number("offsets.topic.num.partitions"),
            offsets_replication_factor: self.number("offsets.topic.replication.factor"),
            offsets_segment_bytes: self.number("offsets.topic.segment.bytes"),
            offsets_compression_codec: self.number("offsets.topic.compression.codec"),
            offsets_retention: self.seconds("offsets.retention.minutes") * 60,
            offsets_retention_check_interval: self.ms("offsets.retention.check.interval.ms"),
            offsets_commit_timeout: self.ms("offsets.commit.timeout.ms"),
            offsets_load_buffer_bytes: self.number("offsets.load.buffer.size"),
        }
    }

    fn transactions(&self) -> TransactionConfig {
        TransactionConfig {
            state_partitions: self.number("transaction.state.log.num.partitions"),
            state_replication_factor: self.number("transaction.state.log.replication.factor"),
            state_min_isr: self.number("transaction.state.log.min.isr"),
            state_segment_bytes: self.number("transaction.state.log.segment.bytes"),
            state_load_buffer_bytes: self.number("transaction.state.log.load.buffer.size"),
            max_timeout: self.ms("transaction.max.timeout.ms"),
            id_expiration: self.ms("transactional.id.expiration.ms"),
            abort_check_interval: self
                .ms("transaction.abort.timed.out.transaction.cleanup.interval.ms"),
            expiry_check_interval: self
                .ms("transaction.remove.expired.transaction.cleanup.interval.ms"),
        }
    }
}
