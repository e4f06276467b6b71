//! The cluster as handlers use it.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use futures::future::BoxFuture;
use ottla_cluster::{
    AlterConfigError, Cluster, ConfigEntity, CreatePartitionsError, CreateTopicError, CreatedTopic,
    DeleteTopicError, NewPartitions, NewTopic, StoreError, WaitOptions,
};
use ottla_metadata::{ClusterImage, ConfigImage, Offset};

/// The cluster as handlers see it: [`Cluster`], or a fake in tests. The methods are those of
/// [`Cluster`] and mean the same.
pub(crate) trait ClusterPort: Send + Sync + 'static {
    /// The cluster as last published.
    fn image(&self) -> Arc<ClusterImage>;
    /// Dynamic configuration.
    fn configs(&self) -> Arc<ConfigImage>;
    /// Whether this broker is the active controller.
    fn is_controller(&self) -> bool;
    /// Creates topics.
    fn create_topics(
        &self,
        topics: Vec<NewTopic>,
        options: WaitOptions,
    ) -> BoxFuture<'_, Vec<Result<CreatedTopic, CreateTopicError>>>;
    /// Creates a topic for a Metadata request.
    fn auto_create(&self, topic: NewTopic)
    -> BoxFuture<'_, Result<CreatedTopic, CreateTopicError>>;
    /// Deletes topics.
    fn delete_topics(
        &self,
        topics: Vec<String>,
        options: WaitOptions,
    ) -> BoxFuture<'_, Vec<Result<(), DeleteTopicError>>>;
    /// Adds partitions.
    fn create_partitions(
        &self,
        topics: Vec<NewPartitions>,
        options: WaitOptions,
    ) -> BoxFuture<'_, Vec<Result<(), CreatePartitionsError>>>;
    /// Replaces the dynamic configuration of an entity.
    fn alter_configs(
        &self,
        entity: ConfigEntity,
        configs: BTreeMap<String, String>,
    ) -> BoxFuture<'_, Result<(), AlterConfigError>>;
    /// Claims a block of producer ids.
    fn allocate_producer_ids(&self) -> BoxFuture<'_, Result<RangeInclusive<i64>, StoreError>>;
    /// A group's position in ZooKeeper.
    fn consumer_offset<'a>(
        &'a self,
        group: &'a str,
        topic: &'a str,
        partition: i32,
    ) -> BoxFuture<'a, Result<Option<Offset>, StoreError>>;
    /// Stores a group's position in ZooKeeper.
    fn commit_consumer_offset<'a>(
        &'a self,
        group: &'a str,
        topic: &'a str,
        partition: i32,
        offset: Offset,
    ) -> BoxFuture<'a, Result<(), StoreError>>;
}

impl ClusterPort for Cluster {
    fn image(&self) -> Arc<ClusterImage> {
        Cluster::image(self)
    }

    fn configs(&self) -> Arc<ConfigImage> {
        Cluster::configs(self)
    }

    fn is_controller(&self) -> bool {
        Cluster::is_controller(self)
    }

    fn create_topics(
        &self,
        topics: Vec<NewTopic>,
        options: WaitOptions,
    ) -> BoxFuture<'_, Vec<Result<CreatedTopic, CreateTopicError>>> {
        Box::pin(Cluster::create_topics(self, topics, options))
    }

    fn auto_create(
        &self,
        topic: NewTopic,
    ) -> BoxFuture<'_, Result<CreatedTopic, CreateTopicError>> {
        Box::pin(Cluster::auto_create(self, topic))
    }

    fn delete_topics(
        &self,
        topics: Vec<String>,
        options: WaitOptions,
    ) -> BoxFuture<'_, Vec<Result<(), DeleteTopicError>>> {
        Box::pin(Cluster::delete_topics(self, topics, options))
    }

    fn create_partitions(
        &self,
        topics: Vec<NewPartitions>,
        options: WaitOptions,
    ) -> BoxFuture<'_, Vec<Result<(), CreatePartitionsError>>> {
        Box::pin(Cluster::create_partitions(self, topics, options))
    }

    fn alter_configs(
        &self,
        entity: ConfigEntity,
        configs: BTreeMap<String, String>,
    ) -> BoxFuture<'_, Result<(), AlterConfigError>> {
        Box::pin(Cluster::alter_configs(self, entity, configs))
    }

    fn allocate_producer_ids(&self) -> BoxFuture<'_, Result<RangeInclusive<i64>, StoreError>> {
        Box::pin(Cluster::allocate_producer_ids(self))
    }

    fn consumer_offset<'a>(
        &'a self,
        group: &'a str,
        topic: &'a str,
        partition: i32,
    ) -> BoxFuture<'a, Result<Option<Offset>, StoreError>> {
        Box::pin(Cluster::consumer_offset(self, group, topic, partition))
    }

    fn commit_consumer_offset<'a>(
        &'a self,
        group: &'a str,
        topic: &'a str,
        partition: i32,
        offset: Offset,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        let commit = Cluster::commit_consumer_offset(self, group, topic, partition, offset);
        Box::pin(commit)
    }
}
