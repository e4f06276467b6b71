//! From the configuration to what each crate wants to be told.

use std::collections::HashMap;
use std::net::{IpAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::sync::Arc;

use ottla_cluster::{LeaderBalance, LeaveOptions, SessionRecord, ZkConfig};
use ottla_config::{ControllerConfig, ServerConfig};
use ottla_metadata::Endpoint;
use ottla_network::{BoundListener, ListenerSpec, NetworkConfig, default_frame_budget_bytes};
use tracing::warn;

use crate::limits;
use crate::session_record::SessionFile;

/// `session_file` keeps the ids of our sessions for the broker that follows on this directory.
pub(crate) fn connect(config: &ServerConfig, session_file: Option<PathBuf>) -> ZkConfig {
    let record = session_file.map(|path| Arc::new(SessionFile { path }) as Arc<dyn SessionRecord>);
    ZkConfig {
        session_timeout: config.zookeeper.session_timeout,
        connection_timeout: config.zookeeper.connection_timeout,
        session_record: record,
        max_in_flight: config.zookeeper.max_in_flight_requests,
        ..ZkConfig::new(config.zookeeper.connect.clone())
    }
}

pub(crate) fn cluster(config: &ServerConfig) -> ottla_cluster::Settings {
    ottla_cluster::Settings {
        version: config.inter_broker_protocol,
        delete_topics: config.topics.delete_enable,
        unclean_election: config.topic_defaults.unclean_leader_election,
        default_partitions: config.topics.num_partitions,
        default_replication_factor: config.topics.default_replication_factor,
        leader_balance: leader_balance(&config.controller),
        inter_broker_listener: config.listeners.inter_broker.clone(),
        controller_listener: controller_listener(config).to_owned(),
        controller_socket_timeout: config.controller.socket_timeout,
        request_timeout: config.request_timeout,
    }
}

/// How leaderships are moved when the broker stops, if they are.
pub(crate) fn leave(config: &ServerConfig) -> Option<LeaveOptions> {
    let controller = &config.controller;
    controller.controlled_shutdown.then_some(LeaveOptions {
        attempts: controller.controlled_shutdown_max_retries,
        backoff: controller.controlled_shutdown_retry_backoff,
    })
}

fn leader_balance(config: &ControllerConfig) -> Option<LeaderBalance> {
    config.auto_leader_rebalance.then_some(LeaderBalance {
        interval: config.leader_imbalance_check_interval,
        percentage: config.leader_imbalance_per_broker_percentage,
    })
}

/// The listener that takes what controllers send.
fn controller_listener(config: &ServerConfig) -> &str {
    let listeners = &config.listeners;
    let own = listeners.control_plane.as_ref();
    own.unwrap_or(&listeners.inter_broker)
}

pub(crate) fn listeners(config: &ServerConfig) -> Vec<ListenerSpec> {
    let (listeners, limits) = (
        &config.listeners,
        &config.network.max_connections_by_listener,
    );
    listeners
        .bind
        .iter()
        .map(|listener| ListenerSpec {
            name: listener.name.as_str().into(),
            security_protocol: listener.security_protocol,
            host: listener.host.clone().unwrap_or_default(),
            port: listener.port,
            // Only a listener of its own keeps the brokers' connections apart from the clients'.
            inter_broker: listeners.bind.len() > 1
                && (listener.name == listeners.inter_broker
                    || Some(&listener.name) == listeners.control_plane.as_ref()),
            max_connections: limits.get(&listener.name).copied(),
        })
        .collect()
}

pub(crate) fn network(config: &ServerConfig) -> NetworkConfig {
    let network = &config.network;
    NetworkConfig {
        max_connections: network.max_connections.min(limits::most_connections()),
        max_connections_per_ip: network.max_connections_per_ip,
        max_connections_per_ip_overrides: addresses(&network.max_connections_per_ip_overrides),
        max_idle: network.connections_max_idle,
        send_buffer_bytes: network.socket_send_buffer_bytes,
        receive_buffer_bytes: network.socket_receive_buffer_bytes,
        backlog: u32::try_from(network.listen_backlog).unwrap_or_default(),
        max_request_bytes: network.request_max_bytes,
        frame_budget_bytes: network
            .queued_max_request_bytes
            .unwrap_or_else(default_frame_budget_bytes),
        ..NetworkConfig::default()
    }
}

/// Host names become addresses once, at the start, as in Kafka.
fn addresses<'a>(
    limits: impl IntoIterator<Item = (&'a String, &'a usize)>,
) -> HashMap<IpAddr, usize> {
    let mut found = HashMap::new();
    for (host, limit) in limits {
        match (host.as_str(), 0).to_socket_addrs() {
            Ok(resolved) => found.extend(resolved.map(|address| (address.ip(), *limit))),
            Err(error) => {
                warn!(%host, %error, "max.connections.per.ip.overrides: unknown host, left out");
            }
        }
    }
    found
}

/// What clients are told to connect to: ports of 0 become those that the system gave.
pub(crate) fn advertised(config: &ServerConfig, bound: &[BoundListener]) -> Vec<Endpoint> {
    let mut endpoints = config.listeners.advertised.clone();
    for endpoint in &mut endpoints {
        let listener = bound.iter().find(|b| *b.spec.name == *endpoint.listener);
        if let (0, Some(listener)) = (endpoint.port, listener) {
            endpoint.port = listener.address.port();
        }
    }
    endpoints
}
