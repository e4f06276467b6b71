//! A broker that is about to stop has the controller move its leaderships first
//! (`KafkaServer.controlledShutdown`).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ottla_config::MetadataVersion;
use ottla_metadata::{PartitionImage, TopicPartition};
use ottla_protocol::ErrorCode;
use ottla_protocol::messages::{self, ControlledShutdownRequest, ControlledShutdownResponse};
use tokio::time::Instant;

use crate::commands::controlled_shutdown;
use crate::controller_channel::{Ask, ControllerChannel};
use crate::options::LeaveOptions;
use crate::shared::Shared;
use crate::wait::{is_connected, until};

/// How long one question may take, so that a controller that hangs does not hold up the stop.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long what the controller has decided may take to be heard.
const HEARING: Duration = Duration::from_secs(2);

/// Asks until nothing is led here that others could lead, or until there were enough attempts.
pub(crate) async fn leave(
    shared: &Arc<Shared>,
    channel: &ControllerChannel,
    options: LeaveOptions,
) {
    for attempt in 1..=options.attempts {
        if is_alone(shared) {
            tracing::info!("no other broker lives that could take over");
            return;
        }
        if !is_connected(&shared.zk) {
            tracing::warn!("ZooKeeper is away: no controller can move leaderships");
            return;
        }
        let ask = ControlledShutdown {
            shared: Arc::clone(shared),
        };
        let patience = shared.settings.controller_socket_timeout.min(PATIENCE);
        let asked = tokio::time::timeout(patience, channel.try_ask(&ask)).await;
        match asked.unwrap_or(None) {
            Some(Ok(left)) if left.is_empty() => {
                let heard = until_heard(shared).await;
                tracing::info!(heard, "the controller has moved all leaderships");
                return;
            }
            Some(Ok(left)) => {
                tracing::info!(
                    left = left.len(),
                    "leaderships remain that could not be moved"
                );
            }
            Some(Err(code)) => tracing::info!(%code, "the controller moved no leaderships"),
            None => tracing::info!("no controller was found to move leaderships"),
        }
        if attempt < options.attempts {
            let deadline = Instant::now() + options.backoff;
            let changes = shared.image_version.subscribe();
            until(changes, deadline, || is_alone(shared)).await;
        }
    }
    if options.attempts > 0 {
        tracing::warn!("stopping, although leaderships could not be moved");
    }
}

/// The controller answers when it has decided. Only when this broker has heard itself does it send
/// writers to the new leaders; otherwise they would wait here for followers that are gone.
async fn until_heard(shared: &Shared) -> bool {
    let id = shared.id();
    let is_needed = |partition: &PartitionImage| {
        let shared = partition.replicas.len() > 1 && partition.replicas.contains(&id);
        shared && (partition.leader == Some(id) || partition.isr.contains(&id))
    };
    let heard = || {
        let image = shared.image.load();
        let mut partitions = image.topics.values().flat_map(|t| t.partitions.values());
        !partitions.any(is_needed)
    };
    let deadline = Instant::now() + HEARING;
    until(shared.image_version.subscribe(), deadline, heard).await
}

/// Whether this is the only broker that lives.
fn is_alone(shared: &Shared) -> bool {
    let image = shared.image.load();
    image.brokers.keys().all(|id| *id == shared.id())
}

struct ControlledShutdown {
    shared: Arc<Shared>,
}

impl ControlledShutdown {
    fn broker_epoch(&self) -> i64 {
        self.shared.broker_epoch.load(Ordering::Acquire)
    }
}

impl Ask for ControlledShutdown {
    type Request = ControlledShutdownRequest;
    type Answer = Result<BTreeSet<TopicPartition>, ErrorCode>;

    fn newest_version(&self) -> Option<i16> {
        let version = self.shared.settings.version;
        Some(if version >= MetadataVersion::V2_4_IV1 {
            3
        } else if version >= MetadataVersion::V2_2_IV0 {
            2
        } else if version >= MetadataVersion::V0_9_0 {
            1
        } else {
            0
        })
    }

    fn request(&self, version: i16) -> ControlledShutdownRequest {
        let request = ControlledShutdownRequest::default()
            .with_broker_id(messages::BrokerId(self.shared.id().0));
        match version {
            0 | 1 => request,
            _ => request.with_broker_epoch(self.broker_epoch()),
        }
    }

    fn answer(&self, _version: i16, response: ControlledShutdownResponse) -> Option<Self::Answer> {
        let code = ErrorCode::from_code(response.error_code);
        match code.unwrap_or(ErrorCode::UnknownServerError) {
            ErrorCode::None => {
                let left = response.remaining_partitions.iter().map(|partition| {
                    TopicPartition::new(partition.topic_name.as_str(), partition.partition_index)
                });
                Some(Ok(left.collect()))
            }
            // How a broker that is not the controller says so here.
            ErrorCode::NotController | ErrorCode::StaleControllerEpoch => None,
            code => Some(Err(code)),
        }
    }

    async fn ask_own(&self) -> Option<Self::Answer> {
        let (id, epoch) = (self.shared.id(), self.broker_epoch());
        controlled_shutdown(&self.shared, id, epoch)
            .await
            .ok()
            .map(Ok)
    }
}
