//! The handle that the rest of the broker holds.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use ottla_metadata::{BrokerId, ClusterImage, ConfigImage, TopicId};
use tokio::sync::watch;

use crate::{
    AlterConfigError, ConfigEntity, ConnectOptions, CreatePartitionsError, CreateTopicError,
    DeleteTopicError, LocalReplicas, NewPartitions, NewTopic, Registration, Settings, StartError,
    StoreError, WaitOptions,
};

/// A topic that was created, or would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatedTopic {
    /// The name.
    pub name: String,
    /// The id; zero below `inter.broker.protocol.version` 2.8 and for `validate_only`.
    pub id: TopicId,
    /// Number of partitions.
    pub partitions: i32,
    /// Replicas of the first partition.
    pub replication_factor: i16,
}

/// Connected to ZooKeeper, not yet registered: the first half of a broker's start.
pub struct Bootstrap {}

impl Bootstrap {
    /// Connects, creating the chroot and Kafka's persistent paths.
    pub async fn connect(_options: ConnectOptions) -> Result<Bootstrap, StartError> {
        todo!()
    }
    /// The cluster's id, made now if there is none.
    pub async fn cluster_id(&self) -> Result<String, StartError> {
        todo!()
    }
    /// Draws a broker id from `/brokers/seqid`: above `reserved_max` (`reserved.broker.max.id`).
    pub async fn generate_broker_id(&self, _reserved_max: i32) -> Result<BrokerId, StartError> {
        todo!()
    }
    /// Reads everything under `/config/topics` and `/config/brokers`.
    pub async fn load_configs(&self) -> Result<Arc<ConfigImage>, StartError> {
        todo!()
    }
    /// The image, empty until a controller publishes; the same cell as [`Cluster::image_cell`].
    pub fn image_cell(&self) -> Arc<ArcSwap<ClusterImage>> {
        todo!()
    }
    /// Registers `/brokers/ids/<id>`. Logs must be loaded and listeners bound.
    pub async fn register(self, _registration: Registration) -> Result<Registered, StartError> {
        todo!()
    }
    /// Leaves ZooKeeper again.
    pub async fn close(self) {
        todo!()
    }
}

/// Registered, not yet taking part: the second half of a broker's start.
pub struct Registered {}

impl Registered {
    /// Follows the cluster and stands for controller.
    pub async fn start(
        self,
        _settings: Settings,
        _local: Arc<dyn LocalReplicas>,
    ) -> Result<Cluster, StartError> {
        todo!()
    }
}

/// The cluster as this broker sees and changes it. Cheap to clone.
#[derive(Clone)]
pub struct Cluster {}

impl Cluster {
    /// The cluster as last published by a controller.
    pub fn image(&self) -> Arc<ClusterImage> {
        todo!()
    }
    /// The cell that holds the image.
    pub fn image_cell(&self) -> Arc<ArcSwap<ClusterImage>> {
        todo!()
    }
    /// Changes whenever the image does.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        todo!()
    }
    /// Dynamic configuration.
    pub fn configs(&self) -> Arc<ConfigImage> {
        todo!()
    }
    /// Whether this broker is the active controller.
    pub fn is_controller(&self) -> bool {
        todo!()
    }
    /// This broker's id.
    pub fn broker_id(&self) -> BrokerId {
        todo!()
    }
    /// The czxid of our registration; changes when the session expires.
    pub fn broker_epoch(&self) -> i64 {
        todo!()
    }
    /// Creates topics (KIP-4). Results are in the order asked.
    pub async fn create_topics(
        &self,
        _topics: Vec<NewTopic>,
        _options: WaitOptions,
    ) -> Vec<Result<CreatedTopic, CreateTopicError>> {
        todo!()
    }
    /// Creates a topic for a Metadata request, without waiting for leaders and without being the
    /// controller (`AutoTopicCreationManager`).
    pub async fn auto_create(&self, _topic: NewTopic) -> Result<CreatedTopic, CreateTopicError> {
        todo!()
    }
    /// Marks topics for deletion and waits until they are gone from the image.
    pub async fn delete_topics(
        &self,
        _topics: Vec<String>,
        _options: WaitOptions,
    ) -> Vec<Result<(), DeleteTopicError>> {
        todo!()
    }
    /// Adds partitions (KIP-195) and waits for their leaders.
    pub async fn create_partitions(
        &self,
        _topics: Vec<NewPartitions>,
        _options: WaitOptions,
    ) -> Vec<Result<(), CreatePartitionsError>> {
        todo!()
    }
    /// Replaces the whole dynamic configuration of an entity and tells all brokers.
    pub async fn alter_configs(
        &self,
        _entity: ConfigEntity,
        _configs: BTreeMap<String, String>,
    ) -> Result<(), AlterConfigError> {
        todo!()
    }
    /// Claims the next block of producer ids.
    pub async fn allocate_producer_ids(&self) -> Result<std::ops::RangeInclusive<i64>, StoreError> {
        todo!()
    }
    /// Stops being controller, deregisters and closes the session.
    pub async fn close(&self) {
        todo!()
    }
}
