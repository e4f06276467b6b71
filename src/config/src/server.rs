//! A broker's configuration, typed.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ottla_metadata::{BrokerId, Endpoint, SecurityProtocol};

use crate::settings::{Layers, Values};
use crate::{MetadataVersion, TopicConfig};

/// Everything one broker was told. Values that can change while it runs are those in force when
/// this was made; [`ServerConfig::with_dynamic`] makes the next one.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Who the broker is.
    pub identity: Identity,
    /// How it reaches ZooKeeper.
    pub zookeeper: ZooKeeperConfig,
    /// Where it listens and what it tells others.
    pub listeners: Listeners,
    /// Limits of connections and requests.
    pub network: NetworkConfig,
    /// Directories and housekeeping of the log.
    pub storage: StorageConfig,
    /// Creation and deletion of topics.
    pub topics: TopicsConfig,
    /// What a topic without settings of its own goes by.
    pub topic_defaults: TopicConfig,
    /// Limits of Fetch.
    pub fetch: FetchConfig,
    /// Following and leading.
    pub replication: ReplicationConfig,
    /// The controller's part.
    pub controller: ControllerConfig,
    /// Consumer groups and `__consumer_offsets`.
    pub groups: GroupConfig,
    /// Transactions and `__transaction_state`.
    pub transactions: TransactionConfig,
    /// `inter.broker.protocol.version`.
    pub inter_broker_protocol: MetadataVersion,
    /// `request.timeout.ms`.
    pub request_timeout: Duration,
    pub(crate) layers: Arc<Layers>,
    pub(crate) values: Arc<Values>,
}

/// `broker.*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `broker.id`; `None` asks for a generated one.
    pub broker_id: Option<BrokerId>,
    /// `broker.id.generation.enable`.
    pub generation_enable: bool,
    /// `reserved.broker.max.id`: generated ids are above it.
    pub reserved_max_id: i32,
    /// `broker.rack`.
    pub rack: Option<String>,
}

/// `zookeeper.*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZooKeeperConfig {
    /// `zookeeper.connect`: `host:port,host:port/chroot`, as written.
    pub connect: String,
    /// `zookeeper.session.timeout.ms`.
    pub session_timeout: Duration,
    /// `zookeeper.connection.timeout.ms`, or the session timeout when that is unset.
    pub connection_timeout: Duration,
    /// `zookeeper.set.acl`.
    pub set_acl: bool,
    /// `zookeeper.max.in.flight.requests`.
    pub max_in_flight_requests: usize,
    /// `ottla.crash.watchdog.enable`.
    pub crash_watchdog: bool,
}

/// One socket to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// The name, upper case.
    pub name: String,
    /// What it speaks. [`SecurityProtocol::Plaintext`] is the only one that can be served yet.
    pub security_protocol: SecurityProtocol,
    /// The address to bind; `None` is every interface.
    pub host: Option<String>,
    /// The port; 0 asks the system for a free one.
    pub port: u16,
}

/// `listeners` and its family, checked against each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listeners {
    /// `listeners`, in the order written.
    pub bind: Vec<Listener>,
    /// `advertised.listeners`, or `listeners` when that is unset; an empty host is replaced by the
    /// machine's name. A port of 0 stands for the one the listener of that name was given.
    pub advertised: Vec<Endpoint>,
    /// The name of the listener that brokers use among themselves.
    pub inter_broker: String,
    /// What that listener speaks.
    pub inter_broker_protocol: SecurityProtocol,
    /// The name of the listener to which controllers send their requests, if it is not that of
    /// the brokers (`control.plane.listener.name`).
    pub control_plane: Option<String>,
    /// `listener.security.protocol.map`, by upper-case name.
    pub security_protocols: BTreeMap<String, SecurityProtocol>,
}

/// Sockets, connections and requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkConfig {
    /// `socket.send.buffer.bytes`; `None` leaves it to the system (-1).
    pub socket_send_buffer_bytes: Option<usize>,
    /// `socket.receive.buffer.bytes`; `None` leaves it to the system (-1).
    pub socket_receive_buffer_bytes: Option<usize>,
    /// `socket.listen.backlog.size`.
    pub listen_backlog: i32,
    /// `socket.request.max.bytes`.
    pub request_max_bytes: usize,
    /// `max.connections`.
    pub max_connections: usize,
    /// `listener.name.<name>.max.connections`, by upper-case name.
    pub max_connections_by_listener: BTreeMap<String, usize>,
    /// `max.connections.per.ip`.
    pub max_connections_per_ip: usize,
    /// `max.connections.per.ip.overrides`: host name or address to number.
    pub max_connections_per_ip_overrides: BTreeMap<String, usize>,
    /// `max.connection.creation.rate`: connections per second.
    pub max_connection_creation_rate: u32,
    /// `connections.max.idle.ms`; `None` never closes.
    pub connections_max_idle: Option<Duration>,
    /// `queued.max.requests`.
    pub queued_max_requests: usize,
    /// `queued.max.request.bytes`; `None` when unset (-1 or 0).
    pub queued_max_request_bytes: Option<usize>,
    /// `num.network.threads`.
    pub network_threads: usize,
    /// `num.io.threads`.
    pub io_threads: usize,
    /// `background.threads`.
    pub background_threads: usize,
}

/// The log's directories and their upkeep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageConfig {
    /// `log.dirs`, or `log.dir`; at least one.
    pub dirs: Vec<PathBuf>,
    /// `num.recovery.threads.per.data.dir`.
    pub recovery_threads_per_dir: usize,
    /// `log.retention.check.interval.ms`.
    pub retention_check_interval: Duration,
    /// `log.flush.scheduler.interval.ms`; `None` never looks (Kafka's default).
    pub flush_scheduler_interval: Option<Duration>,
    /// `log.flush.offset.checkpoint.interval.ms`.
    pub recovery_point_checkpoint_interval: Duration,
    /// `log.flush.start.offset.checkpoint.interval.ms`.
    pub start_offset_checkpoint_interval: Duration,
    /// `log.initial.task.delay.ms`.
    pub initial_task_delay: Duration,
    /// `log.cleaner.enable`.
    pub cleaner_enable: bool,
    /// `producer.id.expiration.ms`.
    pub producer_id_expiration_ms: i64,
    /// `producer.id.expiration.check.interval.ms`.
    pub producer_id_expiration_check_interval: Duration,
}

/// What happens when topics come and go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicsConfig {
    /// `num.partitions`.
    pub num_partitions: i32,
    /// `default.replication.factor`.
    pub default_replication_factor: i16,
    /// `auto.create.topics.enable`.
    pub auto_create: bool,
    /// `delete.topic.enable`.
    pub delete_enable: bool,
}

/// Limits of Fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchConfig {
    /// `fetch.max.bytes`.
    pub max_bytes: u32,
    /// `max.incremental.fetch.session.cache.slots`.
    pub session_cache_slots: usize,
}

/// Replication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicationConfig {
    /// `replica.lag.time.max.ms`.
    pub lag_time_max: Duration,
    /// `replica.lag.max.messages`, which Kafka dropped in 0.9: honoured when set.
    pub lag_max_messages: Option<i64>,
    /// `replica.high.watermark.checkpoint.interval.ms`.
    pub high_watermark_checkpoint_interval: Duration,
    /// `replica.socket.timeout.ms`.
    pub socket_timeout: Duration,
    /// `replica.socket.receive.buffer.bytes`; `None` leaves it to the system (-1).
    pub socket_receive_buffer_bytes: Option<usize>,
    /// `replica.fetch.max.bytes`.
    pub fetch_max_bytes: u32,
    /// `replica.fetch.response.max.bytes`.
    pub fetch_response_max_bytes: u32,
    /// `replica.fetch.min.bytes`.
    pub fetch_min_bytes: i32,
    /// `replica.fetch.wait.max.ms`.
    pub fetch_wait_max: Duration,
    /// `replica.fetch.backoff.ms`.
    pub fetch_backoff: Duration,
    /// `num.replica.fetchers`.
    pub fetchers: usize,
    /// Whether `replica.selector.class` is `RackAwareReplicaSelector`.
    pub rack_aware_selector: bool,
    /// `leader.replication.throttled.rate`, which only ZooKeeper can hold.
    pub leader_throttled_rate: Option<u64>,
    /// `follower.replication.throttled.rate`, likewise.
    pub follower_throttled_rate: Option<u64>,
    /// `replica.alter.log.dirs.io.max.bytes.per.second`, likewise.
    pub log_dirs_move_rate: Option<u64>,
    /// `num.replica.alter.log.dirs.threads`; one per log directory if it is not set.
    pub log_dirs_moves_at_once: Option<usize>,
    /// `alter.log.dirs.replication.quota.window.num`.
    pub log_dirs_quota_samples: usize,
    /// `alter.log.dirs.replication.quota.window.size.seconds`.
    pub log_dirs_quota_sample: Duration,
    /// `replication.quota.window.num`.
    pub quota_samples: usize,
    /// `replication.quota.window.size.seconds`.
    pub quota_sample: Duration,
}

/// The controller and the way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControllerConfig {
    /// `controller.socket.timeout.ms`.
    pub socket_timeout: Duration,
    /// `auto.leader.rebalance.enable`.
    pub auto_leader_rebalance: bool,
    /// `leader.imbalance.check.interval.seconds`.
    pub leader_imbalance_check_interval: Duration,
    /// `leader.imbalance.per.broker.percentage`.
    pub leader_imbalance_per_broker_percentage: i32,
    /// `controlled.shutdown.enable`.
    pub controlled_shutdown: bool,
    /// `controlled.shutdown.max.retries`.
    pub controlled_shutdown_max_retries: u32,
    /// `controlled.shutdown.retry.backoff.ms`.
    pub controlled_shutdown_retry_backoff: Duration,
}

/// Consumer groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupConfig {
    /// `group.min.session.timeout.ms`.
    pub min_session_timeout: Duration,
    /// `group.max.session.timeout.ms`.
    pub max_session_timeout: Duration,
    /// `group.initial.rebalance.delay.ms`.
    pub initial_rebalance_delay: Duration,
    /// `group.max.size`.
    pub max_size: usize,
    /// `offset.metadata.max.bytes`.
    pub offset_metadata_max_bytes: usize,
    /// `offsets.topic.num.partitions`.
    pub offsets_partitions: i32,
    /// `offsets.topic.replication.factor`.
    pub offsets_replication_factor: i16,
    /// `offsets.topic.segment.bytes`.
    pub offsets_segment_bytes: u32,
    /// `offsets.topic.compression.codec`: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.
    pub offsets_compression_codec: i32,
    /// `offsets.retention.minutes`.
    pub offsets_retention: Duration,
    /// `offsets.retention.check.interval.ms`.
    pub offsets_retention_check_interval: Duration,
    /// `offsets.commit.timeout.ms`.
    pub offsets_commit_timeout: Duration,
    /// `offsets.load.buffer.size`.
    pub offsets_load_buffer_bytes: usize,
}

/// Transactions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionConfig {
    /// `transaction.state.log.num.partitions`.
    pub state_partitions: i32,
    /// `transaction.state.log.replication.factor`.
    pub state_replication_factor: i16,
    /// `transaction.state.log.min.isr`.
    pub state_min_isr: u32,
    /// `transaction.state.log.segment.bytes`.
    pub state_segment_bytes: u32,
    /// `transaction.state.log.load.buffer.size`.
    pub state_load_buffer_bytes: usize,
    /// `transaction.max.timeout.ms`.
    pub max_timeout: Duration,
    /// `transactional.id.expiration.ms`.
    pub id_expiration: Duration,
    /// `transaction.abort.timed.out.transaction.cleanup.interval.ms`.
    pub abort_check_interval: Duration,
    /// `transaction.remove.expired.transaction.cleanup.interval.ms`.
    pub expiry_check_interval: Duration,
}
