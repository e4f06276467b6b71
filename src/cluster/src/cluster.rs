//! The handle that the rest of the broker holds.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arc_swap::ArcSwap;
use ottla_controller::{ElectionKind, ReplicaAnswers, Request, RequestRefused};
use ottla_metadata::{BrokerId, ClusterImage, ConfigImage, Offset, TopicPartition};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::commands::{alter_partition, controlled_shutdown, grant_producer_ids};
use crate::controller_channel::ControllerChannel;
use crate::create_topics::CreatedTopic;
use crate::receiver::Inlet;
use crate::shared::Shared;
use crate::wait::{Failed, patience, within};
use crate::{
    AlterConfigError, AlterationAnswer, AlterationRefused, Assignment, ConfigEntity,
    CreatePartitionsError, CreateTopicError, DeleteTopicError, ElectedLeaders, GrantError,
    IsrAlteration, LeaveOptions, NewPartitions, NewTopic, ReassignError, ReassignmentAnswers,
    ShutdownRefused, StoreError, WaitOptions, alter_configs, create_partitions, create_topics,
    delete_topics, elect_leaders, leave, producer_ids, reassign,
};

/// How long a Metadata request that creates a topic waits for its leaders: many times what it
/// takes, and little to a client that would else come back after a second.
const LEADERS_SOON: std::time::Duration = std::time::Duration::from_millis(500);

/// The cluster as this broker sees and changes it. Cheap to clone.
#[derive(Clone)]
pub struct Cluster {
    pub(crate) shared: Arc<Shared>,
    inlet: Inlet,
    /// The way to the controller for what is asked now and then.
    channel: Arc<ControllerChannel>,
    tasks: Arc<Tasks>,
}

/// The tasks of this crate, to be stopped once.
pub(crate) struct Tasks {
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) running: Mutex<Vec<JoinHandle<()>>>,
}

impl Cluster {
    pub(crate) fn new(shared: Arc<Shared>, inlet: Inlet, tasks: Tasks) -> Cluster {
        Cluster {
            channel: Arc::new(ControllerChannel::new(Arc::clone(&shared))),
            shared,
            inlet,
            tasks: Arc::new(tasks),
        }
    }

    /// The cluster as last published by a controller. It stays as it is while ZooKeeper is away.
    pub fn image(&self) -> Arc<ClusterImage> {
        self.shared.image.load_full()
    }

    /// The cell that holds the image, for those who look often.
    pub fn image_cell(&self) -> Arc<ArcSwap<ClusterImage>> {
        Arc::clone(&self.shared.image)
    }

    /// Changes whenever the image does. Take the receiver first, then look, then wait.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.shared.image_version.subscribe()
    }

    /// Dynamic configuration.
    pub fn configs(&self) -> Arc<ConfigImage> {
        self.shared.configs.load_full()
    }

    /// Changes whenever the dynamic configuration does.
    pub fn subscribe_configs(&self) -> watch::Receiver<u64> {
        self.shared.configs_version.subscribe()
    }

    /// Whether this broker is the controller and has loaded its context.
    pub fn is_controller(&self) -> bool {
        self.shared.is_controller()
    }

    /// This broker's id.
    pub fn broker_id(&self) -> BrokerId {
        self.shared.id()
    }

    /// The broker epoch: the czxid of our registration, which changes when a session expires; -1
    /// while we are not registered.
    pub fn broker_epoch(&self) -> i64 {
        self.shared.broker_epoch.load(Ordering::Acquire)
    }

    /// Takes a controller's request that came over the network. Requests are carried out one at a
    /// time in the order in which they come, those of the controller in this process among them;
    /// dropping the future stops nothing. UpdateMetadata is answered with an empty list.
    ///
    /// # Errors
    /// The request is of a controller that is no more, or was meant for an earlier registration of
    /// this broker.
    pub fn receive(
        &self,
        request: Request,
    ) -> impl Future<Output = Result<ReplicaAnswers, RequestRefused>> + Send + use<> {
        self.inlet.receive(request)
    }

    /// Creates topics (KIP-4) and waits until all their partitions have leaders in the image.
    /// Results are in the order asked.
    pub async fn create_topics(
        &self,
        topics: Vec<NewTopic>,
        options: WaitOptions,
    ) -> Vec<Result<CreatedTopic, CreateTopicError>> {
        if !self.is_controller() {
            return topics
                .iter()
                .map(|_| Err(CreateTopicError::NotController))
                .collect();
        }
        create_topics::create_topics(&self.shared, topics, options).await
    }

    /// Creates a topic for a Metadata request, without having to be the controller, as brokers did
    /// up to 2.7 (`AutoTopicCreationManager`). Waits a little for the leaders, so that the request
    /// can be answered with them, but their absence is no error.
    ///
    /// # Errors
    /// [`CreateTopicError::Exists`] is as good as success to most callers.
    pub async fn auto_create(&self, topic: NewTopic) -> Result<CreatedTopic, CreateTopicError> {
        let options = WaitOptions {
            timeout: std::time::Duration::ZERO,
            validate_only: false,
        };
        let results = create_topics::write_topics(&self.shared, vec![topic], options).await;
        let away = Err(CreateTopicError::Store(StoreError::Away));
        let created = results.into_iter().next().unwrap_or(away)?;
        let deadline = tokio::time::Instant::now() + LEADERS_SOON;
        create_topics::wait_for_leaders(&self.shared, &created, deadline).await;
        Ok(created)
    }

    /// Marks topics for deletion and waits until they are gone from the image, and until their names
    /// are free if that happens soon after. With `validate_only` nothing is marked.
    pub async fn delete_topics(
        &self,
        topics: Vec<String>,
        options: WaitOptions,
    ) -> Vec<Result<(), DeleteTopicError>> {
        if !self.is_controller() {
            return topics
                .iter()
                .map(|_| Err(DeleteTopicError::NotController))
                .collect();
        }
        delete_topics::delete_topics(&self.shared, topics, options).await
    }

    /// Adds partitions (KIP-195) and waits for their leaders.
    pub async fn create_partitions(
        &self,
        topics: Vec<NewPartitions>,
        options: WaitOptions,
    ) -> Vec<Result<(), CreatePartitionsError>> {
        if !self.is_controller() {
            return topics
                .iter()
                .map(|_| Err(CreatePartitionsError::NotController))
                .collect();
        }
        create_partitions::create_partitions(&self.shared, topics, options).await
    }

    /// Has leaders elected (KIP-183, KIP-460) and waits until this broker's image shows them; only
    /// the controller does.
    pub async fn elect_leaders(
        &self,
        kind: ElectionKind,
        partitions: BTreeSet<TopicPartition>,
        timeout: std::time::Duration,
    ) -> ElectedLeaders {
        elect_leaders::elect_leaders(&self.shared, kind, partitions, timeout).await
    }

    /// Has partitions moved to other replicas (KIP-455), or, with `None`, no longer moved; only the
    /// controller does. Answered when it is stored that they are to be moved.
    ///
    /// # Errors
    /// See [`ReassignError`].
    pub async fn alter_reassignments(
        &self,
        partitions: BTreeMap<TopicPartition, Option<Vec<BrokerId>>>,
        timeout: std::time::Duration,
    ) -> Result<ReassignmentAnswers, ReassignError> {
        reassign::alter_reassignments(&self.shared, partitions, timeout).await
    }

    /// Which of these partitions, or of all, are being moved; only the controller knows.
    ///
    /// # Errors
    /// See [`ReassignError`].
    pub async fn list_reassignments(
        &self,
        partitions: Option<BTreeSet<TopicPartition>>,
        timeout: std::time::Duration,
    ) -> Result<BTreeMap<TopicPartition, Assignment>, ReassignError> {
        reassign::list_reassignments(&self.shared, partitions, timeout).await
    }

    /// Replaces the whole dynamic configuration of an entity and tells all brokers. Returns when this
    /// broker has heard of it too, or a moment later.
    ///
    /// # Errors
    /// See [`AlterConfigError`].
    pub async fn alter_configs(
        &self,
        entity: ConfigEntity,
        configs: BTreeMap<String, String>,
    ) -> Result<(), AlterConfigError> {
        alter_configs::alter_configs(&self.shared, entity, configs).await
    }

    /// Takes the next block of producer ids for this broker, inclusive at both ends.
    ///
    /// # Errors
    /// The controller or ZooKeeper is away or confused.
    pub async fn allocate_producer_ids(&self) -> Result<RangeInclusive<i64>, StoreError> {
        producer_ids::allocate(&self.shared, &self.channel).await
    }

    /// Has the controller move leaderships off this broker before it stops. Returns when it has,
    /// when nobody could take over, or when it was asked often enough.
    pub async fn leave(&self, options: LeaveOptions) {
        leave::leave(&self.shared, &self.channel, options).await;
    }

    /// Grants a broker a block of producer ids, as controller
    /// (`KafkaController.processAllocateProducerIds`).
    ///
    /// # Errors
    /// See [`GrantError`].
    pub async fn grant_producer_ids(
        &self,
        broker: BrokerId,
        broker_epoch: i64,
    ) -> Result<RangeInclusive<i64>, GrantError> {
        grant_producer_ids(&self.shared, broker, broker_epoch).await
    }

    /// Changes in-sync replicas for leaders, as controller (`KafkaController.alterPartitions`).
    ///
    /// # Errors
    /// See [`AlterationRefused`].
    pub async fn alter_partition(
        &self,
        broker: BrokerId,
        broker_epoch: i64,
        partitions: Vec<IsrAlteration>,
    ) -> Result<Vec<AlterationAnswer>, AlterationRefused> {
        alter_partition(&self.shared, broker, broker_epoch, partitions).await
    }

    /// Moves leaderships off a broker that wants to stop, as controller, and answers what could not
    /// be moved (`KafkaController.controlledShutdown`).
    ///
    /// # Errors
    /// See [`ShutdownRefused`].
    pub async fn controlled_shutdown(
        &self,
        broker: BrokerId,
        broker_epoch: i64,
    ) -> Result<BTreeSet<TopicPartition>, ShutdownRefused> {
        controlled_shutdown(&self.shared, broker, broker_epoch).await
    }

    /// A group's position in a partition as ZooKeeper has it (OffsetFetch v0, and the consumers of
    /// 0.8).
    ///
    /// # Errors
    /// ZooKeeper is away or confused, or holds something that is not an offset.
    pub async fn consumer_offset(
        &self,
        group: &str,
        topic: &str,
        partition: i32,
    ) -> Result<Option<Offset>, StoreError> {
        let deadline = patience(&self.shared.zk, std::time::Duration::ZERO);
        let read = self.shared.zk.consumer_offset(group, topic, partition);
        within(deadline, read).await.map_err(Failed::into_store)
    }

    /// Stores a group's position in a partition in ZooKeeper (OffsetCommit v0).
    ///
    /// # Errors
    /// ZooKeeper is away or confused, or cannot have a node of the group's name.
    pub async fn commit_consumer_offset(
        &self,
        group: &str,
        topic: &str,
        partition: i32,
        offset: Offset,
    ) -> Result<(), StoreError> {
        let zk = &self.shared.zk;
        let deadline = patience(zk, std::time::Duration::ZERO);
        let write = zk.write_consumer_offset(group, topic, partition, offset);
        within(deadline, write).await.map_err(Failed::into_store)
    }

    /// Resigns as controller and follows the cluster no longer. When it returns, nothing calls
    /// [`crate::LocalReplicas`] any more, so logs can be closed. The registration stays until
    /// [`Cluster::close`].
    pub async fn stop(&self) {
        self.tasks.stop.send_replace(true);
        let running = std::mem::take(&mut *self.tasks.running.lock());
        for task in running {
            // A panic of a task has been reported already.
            let _ = task.await;
        }
    }

    /// Stops, and leaves ZooKeeper: our ephemeral nodes vanish at once.
    pub async fn close(&self) {
        self.stop().await;
        self.shared.zk.close().await;
        self.shared.broker_epoch.store(-1, Ordering::Release);
    }
}
