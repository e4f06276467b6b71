//! Being a member: the registration under `/brokers/ids`, and standing for controller.

use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use ottla_config::MetadataVersion;
use ottla_controller::{Event, Fence};
use ottla_zk::znode::{BrokerRegistration, RegistrationVersion};
use ottla_zk::{Election, RegisterError, SessionEvent, Watch, ZkError};
use tokio::time::Instant;

use crate::convert::chain;
use crate::driver::{Driver, RETRY_PAUSE};

impl Driver {
    pub(crate) async fn session_changed(&mut self, event: SessionEvent) -> Result<(), ZkError> {
        match event {
            SessionEvent::Connected { generation, .. } => {
                if generation != self.registered_in {
                    self.depose();
                    self.shared.broker_epoch.store(-1, Ordering::Release);
                }
                self.join().await
            }
            SessionEvent::Expired { .. } => {
                self.depose();
                Ok(())
            }
            SessionEvent::Disconnected { .. } => {
                tracing::warn!("ZooKeeper is away; leaders and followers go on as they are");
                Ok(())
            }
            SessionEvent::Closed => Ok(()),
        }
    }

    /// Makes sure that we are registered, and stands for controller if there is none.
    pub(crate) async fn join(&mut self) -> Result<(), ZkError> {
        let generation = self.shared.zk.session().borrow().generation();
        if self.registered_in != generation || !self.is_registered().await? {
            self.register().await?;
        }
        if self.registered_in == generation && !self.brain.is_elected() {
            self.elect().await?;
        }
        Ok(())
    }

    /// Whether our node is there and ours; watches it.
    async fn is_registered(&mut self) -> Result<bool, ZkError> {
        let node = self.shared.zk.broker(self.shared.id(), Watch::Arm).await?;
        let epoch = self.shared.broker_epoch.load(Ordering::Acquire);
        Ok(node.is_some_and(|node| node.stat.czxid == epoch))
    }

    async fn register(&mut self) -> Result<(), ZkError> {
        let registration = registration(&self.shared.registration);
        let id = self.shared.id();
        match self.shared.zk.register_broker(id, &registration).await {
            Ok(registered) => {
                tracing::info!(broker = %id, epoch = registered.epoch, "registered again");
                self.registered_in = registered.generation;
                self.shared
                    .broker_epoch
                    .store(registered.epoch, Ordering::Release);
                self.is_registered().await?;
                Ok(())
            }
            Err(RegisterError::Zk(error)) => Err(error),
            Err(error) => {
                tracing::error!(
                    error = chain(&error),
                    "the broker cannot be registered; trying again"
                );
                self.registered_in = 0;
                self.retry_at = Some(Instant::now() + RETRY_PAUSE);
                Ok(())
            }
        }
    }

    async fn elect(&mut self) -> Result<(), ZkError> {
        match self.shared.zk.elect(self.shared.id(), now_ms()).await? {
            Election::Won(fence) => {
                let fence = Fence {
                    epoch: fence.epoch,
                    version: fence.zk_version,
                };
                self.fence = Some(fence);
                self.unclean = self.unclean_election();
                self.step(Event::Elected(fence));
            }
            Election::Lost { controller } => {
                tracing::info!(%controller, "another broker is the controller");
            }
        }
        Ok(())
    }

    /// `/controller` was created, changed or deleted: it is ours, or we are not the controller.
    pub(crate) async fn controller_changed(&mut self) -> Result<(), ZkError> {
        if let Some(epoch) = self.brain.term() {
            let now = self.shared.zk.controller(Watch::Arm).await?;
            let ours = now.epoch == epoch
                && now
                    .holder
                    .is_some_and(|holder| holder.value.broker == self.shared.id());
            if ours {
                return Ok(());
            }
            self.depose();
        }
        if self.retry_at.is_none() && self.registered_in != 0 {
            self.elect().await?;
        }
        Ok(())
    }
}

/// Milliseconds since the Unix epoch.
pub(crate) fn now_ms() -> i64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}

/// Our node's content.
pub(crate) fn registration(registration: &crate::Registration) -> BrokerRegistration {
    let version = registration.version;
    BrokerRegistration {
        version: if version >= MetadataVersion::V2_7_IV0 {
            RegistrationVersion::V5
        } else if version >= MetadataVersion::V0_10_0_IV1 {
            RegistrationVersion::V4
        } else {
            RegistrationVersion::V2
        },
        endpoints: registration.endpoints.clone(),
        rack: registration.rack.clone(),
        jmx_port: -1,
        timestamp_ms: now_ms(),
    }
}
