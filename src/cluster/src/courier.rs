//! Carries a controller's requests to one other broker (`RequestSendThread`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use ottla_client::{ClientError, Connection, ConnectionOptions, host_port};
use ottla_controller::{ReplicaAnswers, Request, RequestRefused, StopReplica};
use ottla_metadata::{BrokerId, BrokerInfo};
use ottla_protocol::layout::Guarded;
use ottla_protocol::{ErrorCode, messages};

use crate::Settings;
use crate::convert::chain;
use crate::wire::{Versions, leader_and_isr, stop_replica, update_metadata};

/// Pauses between tries; the last one is Kafka's and is repeated.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(10),
    Duration::from_millis(20),
    Duration::from_millis(50),
    Duration::from_millis(100),
];
/// The longest a connection may take to open: what was lost on the way is sent again sooner by a
/// new attempt than by an old one.
const CONNECT_BOUND: Duration = Duration::from_secs(3);

/// How other brokers are reached: what all couriers share.
pub(crate) struct Roads {
    versions: Versions,
    /// The listener that takes a controller's requests.
    controller_listener: String,
    /// The listener that followers use.
    inter_broker_listener: String,
    options: ConnectionOptions,
    /// Who is registered, and where.
    pub(crate) brokers: ArcSwap<BTreeMap<BrokerId, Arc<BrokerInfo>>>,
}

impl Roads {
    pub(crate) fn new(own: BrokerId, settings: &Settings) -> Roads {
        Roads {
            versions: Versions::of(settings.version),
            controller_listener: settings.controller_listener.clone(),
            inter_broker_listener: settings.inter_broker_listener.clone(),
            options: ConnectionOptions {
                client_id: own.to_string(),
                connect_timeout: settings.controller_socket_timeout.min(CONNECT_BOUND),
                request_timeout: settings.request_timeout,
                ..ConnectionOptions::default()
            },
            brokers: ArcSwap::default(),
        }
    }
}

/// Carries requests to one broker, again and again until they are answered. Whoever drops it gives
/// up on the broker.
pub(crate) struct Courier {
    to: BrokerId,
    roads: Arc<Roads>,
    connection: Option<Connection>,
    /// Tries that failed since the last answer.
    failures: usize,
}

impl Courier {
    pub(crate) fn new(to: BrokerId, roads: Arc<Roads>) -> Courier {
        Courier {
            to,
            roads,
            connection: None,
            failures: 0,
        }
    }

    /// Delivers a request and tells what the broker answered. `None` if the request cannot be
    /// written in the version that we speak.
    pub(crate) async fn carry(
        &mut self,
        request: Request,
    ) -> Option<Result<ReplicaAnswers, RequestRefused>> {
        let versions = self.roads.versions;
        match request {
            Request::UpdateMetadata(request) => {
                let version = versions.update_metadata;
                let message = update_metadata::encode(&request, version);
                drop(request);
                let answer: messages::UpdateMetadataResponse =
                    self.exchange(version, &message).await?;
                if answer.error_code != ErrorCode::None.code() {
                    let (broker, code) = (self.to, answer.error_code);
                    tracing::warn!(%broker, code, "UpdateMetadata was refused");
                }
                Some(Ok(Vec::new()))
            }
            Request::LeaderAndIsr(request) => {
                let version = versions.leader_and_isr;
                let brokers = self.roads.brokers.load_full();
                let address = |id| {
                    brokers
                        .get(&id)?
                        .endpoint(&self.roads.inter_broker_listener)
                };
                let message = leader_and_isr::encode(&request, version, address);
                let answer = self.exchange(version, &message).await?;
                Some(leader_and_isr::answers(&request, &answer))
            }
            Request::StopReplica(request) => self.carry_stop(request).await,
        }
    }

    async fn carry_stop(
        &mut self,
        request: StopReplica,
    ) -> Option<Result<ReplicaAnswers, RequestRefused>> {
        let version = self.roads.versions.stop_replica;
        let mut all = Vec::new();
        for part in stop_replica::split(request, version) {
            let message = stop_replica::encode(&part, version);
            let answer = self.exchange(version, &message).await?;
            match stop_replica::answers(&part, &answer) {
                Ok(answers) => all.extend(answers),
                Err(refused) => return Some(Err(refused)),
            }
        }
        Some(Ok(all))
    }

    async fn exchange<R>(&mut self, version: i16, message: &R) -> Option<R::Response>
    where
        R: ottla_protocol::Request + Guarded,
        R::Response: Guarded,
    {
        loop {
            match self.try_exchange(version, message).await {
                Ok(answer) => {
                    self.failures = 0;
                    return Some(answer);
                }
                Err(error @ ClientError::Unencodable(_)) => {
                    let (broker, error) = (self.to, chain(&error));
                    tracing::error!(%broker, error, "a request of the controller is left unsaid");
                    return None;
                }
                Err(error) => self.failed(&error).await,
            }
        }
    }

    async fn try_exchange<R>(
        &mut self,
        version: i16,
        message: &R,
    ) -> Result<R::Response, ClientError>
    where
        R: ottla_protocol::Request + Guarded,
        R::Response: Guarded,
    {
        let connection = match self.connection.take().filter(|c| !c.is_closed()) {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let answer = connection.call_version(version, message).await?;
        self.connection = Some(connection);
        Ok(answer)
    }

    async fn connect(&self) -> Result<Connection, ClientError> {
        let (roads, to) = (&self.roads, self.to);
        let brokers = roads.brokers.load_full();
        let broker = brokers.get(&to);
        let endpoint = broker.and_then(|broker| broker.endpoint(&roads.controller_listener));
        let Some(endpoint) = endpoint else {
            return Err(ClientError::Unreachable {
                address: format!("broker {to}"),
                reason: format!("it has no listener {}", roads.controller_listener),
            });
        };
        let address = host_port(&endpoint.host, endpoint.port.into());
        let connection = Connection::open_unasked(&address, &roads.options).await?;
        tracing::info!(broker = %to, address, "connected, to tell the broker who leads what");
        Ok(connection)
    }

    /// Says so once per outage, and waits a little.
    async fn failed(&mut self, error: &ClientError) {
        if self.failures == 0 {
            tracing::warn!(broker = %self.to, error = chain(error),
                "the broker could not be told who leads what; trying until it answers or goes");
        }
        let pause = PAUSES.get(self.failures).or(PAUSES.last());
        self.failures = self.failures.saturating_add(1);
        tokio::time::sleep(pause.copied().unwrap_or_default()).await;
    }
}
