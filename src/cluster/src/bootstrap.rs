//! The steps of a broker's start that concern the cluster (`KafkaServer.startup`), one by one, so
//! that the program can load logs and bind listeners in between.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicI64};
use std::time::Duration;

use arc_swap::ArcSwap;
use ottla_controller::Candidate;
use ottla_metadata::{BrokerId, ClusterImage, ConfigImage};
use ottla_zk::{RegisteredBroker, Remains, Zk, ZkConfig};
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::cluster::{Cluster, Tasks};
use crate::commands::COMMANDS;
use crate::configs::{self, ConfigFollower};
use crate::courier::Roads;
use crate::driver::{Driver, Inputs};
use crate::isr::{self, IsrProposer, IsrQueue};
use crate::membership;
use crate::outbox::{ANSWERS, Outboxes};
use crate::receiver::Receiver;
use crate::shared::{NO_TERM, Shared};
use crate::vital::vital;
use crate::wait::{Failed, within};
use crate::{LocalReplicas, Registration, Settings, StartError, StoreError};

/// Connected to ZooKeeper, not registered: the first half of a broker's start.
pub struct Bootstrap {
    zk: Zk,
    patience: Duration,
    image: Arc<ArcSwap<ClusterImage>>,
    proposer: IsrProposer,
    proposals: IsrQueue,
    configs: Arc<ArcSwap<ConfigImage>>,
}

impl Bootstrap {
    /// Connects, creating the chroot and Kafka's persistent paths.
    ///
    /// # Errors
    /// No server answered within the connection timeout, or the connect string is wrong.
    pub async fn connect(config: ZkConfig) -> Result<Bootstrap, StartError> {
        let patience = config.connection_timeout;
        let zk = Zk::connect(config).await?;
        let (proposer, proposals) = isr::queue();
        let bootstrap = Bootstrap {
            zk,
            patience,
            image: Arc::default(),
            proposer,
            proposals,
            configs: Arc::default(),
        };
        bootstrap
            .within(bootstrap.zk.create_top_level_paths())
            .await?;
        Ok(bootstrap)
    }

    /// The cluster's id, made now if this is its first broker.
    ///
    /// # Errors
    /// ZooKeeper failed.
    pub async fn cluster_id(&self) -> Result<String, StartError> {
        let id = self.within(self.zk.get_or_create_cluster_id()).await?;
        self.image.rcu(|image| {
            let mut image = ClusterImage::clone(image);
            image.cluster_id.clone_from(&id.0);
            image
        });
        Ok(id.0)
    }

    /// Draws a broker id from `/brokers/seqid`, above `reserved.broker.max.id`.
    ///
    /// # Errors
    /// ZooKeeper failed, or the ids are used up.
    pub async fn generate_broker_id(&self, reserved_max: i32) -> Result<BrokerId, StartError> {
        let number = self.within(self.zk.next_broker_sequence()).await?;
        let used_up = || StoreError::Unexpected("the generated broker ids are used up".to_owned());
        let id = reserved_max.checked_add(number).ok_or_else(used_up)?;
        Ok(BrokerId(id))
    }

    /// Removes what this broker has left behind if it was killed and nobody has done it yet, so that
    /// others take over while the logs are recovered. The caller holds the log directories' locks.
    ///
    /// # Errors
    /// ZooKeeper failed.
    pub async fn remove_remains(&self, broker: BrokerId) -> Result<(), StartError> {
        let removed = self.within(self.zk.remove_remains(broker)).await?;
        if removed != Remains::default() {
            tracing::info!(%broker, registration = removed.registration, controller = removed.controller,
                "removed from ZooKeeper what this broker had left behind");
        }
        Ok(())
    }

    /// Reads everything under `/config/topics` and `/config/brokers`.
    ///
    /// # Errors
    /// ZooKeeper failed.
    pub async fn load_configs(&self) -> Result<Arc<ConfigImage>, StartError> {
        let configs = Arc::new(self.within(configs::load(&self.zk)).await?);
        self.configs.store(Arc::clone(&configs));
        Ok(configs)
    }

    /// Takes what this broker's leaders propose. Nothing is stored before [`Registered::start`].
    pub fn isr_proposer(&self) -> IsrProposer {
        self.proposer.clone()
    }

    /// The cell that will hold the image: empty but for the cluster id until a controller publishes.
    pub fn image_cell(&self) -> Arc<ArcSwap<ClusterImage>> {
        Arc::clone(&self.image)
    }

    /// The cell that holds the dynamic configuration, from [`Bootstrap::load_configs`] on.
    pub fn configs_cell(&self) -> Arc<ArcSwap<ConfigImage>> {
        Arc::clone(&self.configs)
    }

    /// Registers `/brokers/ids/<id>`. Logs must be loaded and listeners bound: controllers and clients
    /// come from here on.
    ///
    /// # Errors
    /// The id or an address is taken, or ZooKeeper failed.
    pub async fn register(self, registration: Registration) -> Result<Registered, StartError> {
        let node = membership::registration(&registration);
        let deadline = Instant::now() + self.patience;
        let register = self.zk.register_broker(registration.id, &node);
        let registered = match tokio::time::timeout_at(deadline, register).await {
            Ok(registered) => registered?,
            Err(_) => return Err(StoreError::Away.into()),
        };
        tracing::info!(broker = %registration.id, epoch = registered.epoch, "registered");
        Ok(Registered {
            bootstrap: self,
            registration,
            registered,
        })
    }

    /// Leaves ZooKeeper again.
    pub async fn close(self) {
        self.zk.close().await;
    }

    async fn within<T>(
        &self,
        operation: impl Future<Output = Result<T, ottla_zk::ZkError>>,
    ) -> Result<T, StartError> {
        let result = within(Instant::now() + self.patience, operation).await;
        Ok(result.map_err(Failed::into_store)?)
    }
}

/// Registered, not taking part yet: the second half of a broker's start.
pub struct Registered {
    bootstrap: Bootstrap,
    registration: Registration,
    registered: RegisteredBroker,
}

impl Registered {
    /// Our broker epoch.
    pub fn broker_epoch(&self) -> i64 {
        self.registered.epoch
    }

    /// Follows configurations, stands for controller and obeys whoever is. Calls to `local` begin at
    /// once.
    pub fn start(self, settings: Settings, local: Arc<dyn LocalReplicas>) -> Cluster {
        let own = Candidate {
            id: self.registration.id,
            rack: self.registration.rack.clone(),
        };
        let (commands, commands_out) = mpsc::channel(COMMANDS);
        let shared = Arc::new(Shared {
            zk: self.bootstrap.zk,
            registration: self.registration,
            settings,
            image: self.bootstrap.image,
            image_version: watch::Sender::new(0),
            configs: self.bootstrap.configs,
            configs_version: watch::Sender::new(0),
            placeable: ArcSwap::from_pointee(vec![own]),
            removals: watch::Sender::new(0),
            commands,
            broker_epoch: AtomicI64::new(self.registered.epoch),
            term: AtomicI32::new(NO_TERM),
        });
        let inputs_sessions = shared.zk.session();
        let watches = shared.zk.watch_events();
        let (answers_in, answers) = mpsc::channel(ANSWERS);
        let stop = watch::Sender::new(false);
        let local_for_isr = Arc::clone(&local);
        let (configs, following) =
            ConfigFollower::start(Arc::clone(&shared), Arc::clone(&local), stop.subscribe());
        let (inlet, receiver) = Receiver::new(Arc::clone(&shared), local, configs.clone());
        let receiving = tokio::spawn(vital("receiver", receiver.run(stop.subscribe())));
        let roads = Roads::new(shared.id(), &shared.settings);
        let outboxes = Outboxes::start(shared.id(), inlet.clone(), roads, answers_in);
        let inputs = Inputs {
            sessions: inputs_sessions,
            watches,
            answers,
            commands: commands_out,
            configs_version: shared.configs_version.subscribe(),
        };
        let driver = Driver::new(
            Arc::clone(&shared),
            outboxes,
            configs,
            self.registered.generation,
        );
        let driving = tokio::spawn(vital("controller", driver.run(inputs, stop.subscribe())));
        let proposals = self.bootstrap.proposals;
        let storing = isr::run(
            Arc::clone(&shared),
            local_for_isr,
            proposals,
            stop.subscribe(),
        );
        let storing = tokio::spawn(vital("in-sync replicas", storing));
        let tasks = Tasks {
            stop,
            running: Mutex::new(vec![driving, following, receiving, storing]),
        };
        Cluster::new(shared, inlet, tasks)
    }

    /// Leaves ZooKeeper again.
    pub async fn close(self) {
        self.bootstrap.close().await;
    }
}
