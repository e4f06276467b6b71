//! The broker's settings that replicas go by.

use std::time::Duration;

use ottla_config::{MetadataVersion, ServerConfig};
use ottla_metadata::Millis;
use ottla_partition::Truncation;

use crate::convert::millis;
use crate::throttle::ThrottleSettings;

/// What all replicas go by.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `replica.lag.time.max.ms`.
    pub lag_time_max: Duration,
    /// `replica.lag.max.messages`, if set.
    pub lag_max_messages: Option<i64>,
    /// Whether `inter.broker.protocol.version` is at least 2.1: zstd may be stored.
    pub zstd: bool,
    /// `replica.selector.class` is Kafka's selector by racks: consumers are sent to a replica in
    /// their rack (KIP-392).
    pub rack_aware: bool,
    /// Quotas of replication.
    pub throttles: ThrottleSettings,
    /// How replicas move between log directories.
    pub moves: MoveSettings,
    /// How followers fetch.
    pub following: FollowSettings,
}

/// How replicas move between log directories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MoveSettings {
    /// `replica.alter.log.dirs.io.max.bytes.per.second`.
    pub rate: Option<u64>,
    /// `alter.log.dirs.replication.quota.window.num`.
    pub samples: usize,
    /// `alter.log.dirs.replication.quota.window.size.seconds`, in milliseconds.
    pub sample_ms: Millis,
    /// `num.replica.alter.log.dirs.threads`; one per log directory if it is not set.
    pub at_once: Option<usize>,
}

impl MoveSettings {
    fn of(config: &ServerConfig) -> MoveSettings {
        let replication = &config.replication;
        MoveSettings {
            rate: replication.log_dirs_move_rate,
            samples: replication.log_dirs_quota_samples,
            sample_ms: millis(replication.log_dirs_quota_sample),
            at_once: replication.log_dirs_moves_at_once,
        }
    }
}

/// As an empty file says.
impl Default for MoveSettings {
    fn default() -> MoveSettings {
        MoveSettings {
            rate: None,
            samples: 11,
            sample_ms: 1000,
            at_once: None,
        }
    }
}

/// What followers go by.
#[derive(Clone, Debug)]
pub struct FollowSettings {
    /// `inter.broker.protocol.version`: decides what is sent, without asking the leader.
    pub version: MetadataVersion,
    /// `inter.broker.listener.name`: on which listener leaders are found.
    pub listener: String,
    /// `num.replica.fetchers`: connections per leader.
    pub fetchers: usize,
    /// `replica.fetch.wait.max.ms`.
    pub max_wait: Duration,
    /// `replica.fetch.min.bytes`.
    pub min_bytes: i32,
    /// `replica.fetch.response.max.bytes`.
    pub max_bytes: u32,
    /// `replica.fetch.max.bytes`.
    pub partition_max_bytes: u32,
    /// `replica.fetch.backoff.ms`.
    pub backoff: Duration,
    /// `replica.socket.timeout.ms`.
    pub socket_timeout: Duration,
    /// `replica.socket.receive.buffer.bytes`; `None` leaves it to the system.
    pub receive_buffer_bytes: Option<usize>,
}

impl Settings {
    /// What the configuration says.
    pub fn of(config: &ServerConfig) -> Settings {
        let replication = &config.replication;
        Settings {
            lag_time_max: replication.lag_time_max,
            lag_max_messages: replication.lag_max_messages,
            zstd: config.inter_broker_protocol >= MetadataVersion::V2_1_IV2,
            rack_aware: replication.rack_aware_selector,
            throttles: ThrottleSettings::of(config),
            moves: MoveSettings::of(config),
            following: FollowSettings {
                version: config.inter_broker_protocol,
                listener: config.listeners.inter_broker.clone(),
                fetchers: replication.fetchers.max(1),
                max_wait: replication.fetch_wait_max,
                min_bytes: replication.fetch_min_bytes,
                max_bytes: replication.fetch_response_max_bytes,
                partition_max_bytes: replication.fetch_max_bytes,
                backoff: replication.fetch_backoff,
                socket_timeout: replication.socket_timeout,
                receive_buffer_bytes: replication.socket_receive_buffer_bytes,
            },
        }
    }
}

/// As an empty file says.
impl Default for Settings {
    fn default() -> Settings {
        Settings {
            lag_time_max: Duration::from_secs(30),
            lag_max_messages: None,
            zstd: true,
            rack_aware: false,
            throttles: ThrottleSettings::default(),
            moves: MoveSettings::default(),
            following: FollowSettings::default(),
        }
    }
}

/// As an empty file says.
impl Default for FollowSettings {
    fn default() -> FollowSettings {
        FollowSettings {
            version: MetadataVersion::LATEST,
            listener: "PLAINTEXT".to_owned(),
            fetchers: 1,
            max_wait: Duration::from_millis(500),
            min_bytes: 1,
            max_bytes: 10 << 20,
            partition_max_bytes: 1 << 20,
            backoff: Duration::from_secs(1),
            socket_timeout: Duration::from_secs(30),
            receive_buffer_bytes: Some(64 << 10),
        }
    }
}

impl FollowSettings {
    /// How followers make their logs the leader's (`MetadataVersion.isTruncationOnFetchSupported`,
    /// `isOffsetForLeaderEpochSupported`).
    pub(crate) fn truncation(&self) -> Truncation {
        if self.version >= MetadataVersion::V2_7_IV1 {
            Truncation::OnFetch
        } else if self.version >= MetadataVersion::V0_11_0_IV2 {
            Truncation::ByEpochRequest
        } else {
            Truncation::ToHighWatermark
        }
    }
}
