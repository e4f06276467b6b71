//! What the handle and the tasks of this crate have in common.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use arc_swap::ArcSwap;
use ottla_metadata::{BrokerId, ClusterImage, ConfigImage};
use ottla_zk::Zk;
use tokio::sync::watch;

use crate::{Registration, Settings};

/// Immutable facts and atomically swapped values; nobody waits for anybody here.
pub(crate) struct Shared {
    pub(crate) zk: Zk,
    pub(crate) registration: Registration,
    pub(crate) settings: Settings,
    pub(crate) image: Arc<ArcSwap<ClusterImage>>,
    pub(crate) image_version: watch::Sender<u64>,
    pub(crate) configs: Arc<ArcSwap<ConfigImage>>,
    pub(crate) configs_version: watch::Sender<u64>,
    /// Our broker epoch; -1 while not registered.
    pub(crate) broker_epoch: AtomicI64,
    /// Whether this broker is the controller with its context loaded.
    pub(crate) is_controller: AtomicBool,
}

impl Shared {
    pub(crate) fn id(&self) -> BrokerId {
        self.registration.id
    }

    /// Publishes an image and wakes those who wait for it.
    pub(crate) fn publish_image(&self, image: Arc<ClusterImage>) {
        self.image.store(image);
        self.image_version
            .send_modify(|version| *version = version.wrapping_add(1));
    }

    /// Publishes configurations and wakes those who wait for them.
    pub(crate) fn publish_configs(&self, configs: Arc<ConfigImage>) {
        self.configs.store(configs);
        self.configs_version
            .send_modify(|version| *version = version.wrapping_add(1));
    }

    pub(crate) fn is_controller(&self) -> bool {
        self.is_controller.load(Ordering::Acquire)
    }

    /// The brokers that this controller can command, on which it therefore may place replicas.
    ///
    /// The rule: a broker is eligible when it is alive in the image and its outbox leads somewhere.
    /// In this release that is our own broker alone.
    pub(crate) fn placeable(&self) -> Vec<ottla_controller::Candidate> {
        let image = self.image.load();
        let commanded = image
            .brokers
            .values()
            .filter(|broker| broker.id == self.id());
        commanded
            .map(|broker| ottla_controller::Candidate {
                id: broker.id,
                rack: broker.rack.clone(),
            })
            .collect()
    }
}
