//! What the handle and the tasks of this crate have in common.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicI64, Ordering};

use arc_swap::ArcSwap;
use ottla_controller::Candidate;
use ottla_metadata::{BrokerId, BrokerInfo, ClusterImage, ConfigImage};
use ottla_zk::Zk;
use tokio::sync::{mpsc, watch};

use crate::commands::Ordered;
use crate::{Registration, Settings};

/// Not controller.
pub(crate) const NO_TERM: i32 = -1;

/// Immutable facts and atomically swapped values; nobody waits for anybody here.
pub(crate) struct Shared {
    pub(crate) zk: Zk,
    pub(crate) registration: Registration,
    pub(crate) settings: Settings,
    pub(crate) image: Arc<ArcSwap<ClusterImage>>,
    pub(crate) image_version: watch::Sender<u64>,
    pub(crate) configs: Arc<ArcSwap<ConfigImage>>,
    pub(crate) configs_version: watch::Sender<u64>,
    /// Brokers that are alive, on which replicas may be placed.
    pub(crate) placeable: ArcSwap<Vec<Candidate>>,
    /// Counts topics whose znodes this controller has removed.
    pub(crate) removals: watch::Sender<u64>,
    /// The way to the task of the controller.
    pub(crate) commands: mpsc::Sender<Ordered>,
    /// Our broker epoch; -1 while not registered.
    pub(crate) broker_epoch: AtomicI64,
    /// The epoch of our term as controller with its context loaded; [`NO_TERM`] in none.
    pub(crate) term: AtomicI32,
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

    /// The epoch of our term, if this broker is the controller with its context loaded.
    pub(crate) fn term(&self) -> Option<i32> {
        Some(self.term.load(Ordering::Acquire)).filter(|term| *term != NO_TERM)
    }

    pub(crate) fn is_controller(&self) -> bool {
        self.term().is_some()
    }

    /// The brokers on which replicas may be placed.
    pub(crate) fn placeable(&self) -> Vec<Candidate> {
        self.placeable.load().as_ref().clone()
    }

    /// Takes over who is alive: replicas may be placed there.
    pub(crate) fn publish_placeable<'a>(&self, live: impl Iterator<Item = &'a Arc<BrokerInfo>>) {
        let candidates = live.map(|broker| Candidate {
            id: broker.id,
            rack: broker.rack.clone(),
        });
        self.placeable.store(Arc::new(candidates.collect()));
    }

    /// Wakes those who wait for the znodes of topics to go.
    pub(crate) fn topic_removed(&self) {
        self.removals
            .send_modify(|count| *count = count.wrapping_add(1));
    }
}
